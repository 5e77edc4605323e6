/**
 * Binary operators with a scalar on at least one side. With one vector they are streams: a row
 * against the column of the scalar.
 *
 * Follows Prometheus promql/engine.go, scalarBinop and VectorscalarBinop.
 */
import type { StepMatrix } from '../columns.js'
import type { ScalarBinaryPlan } from '../plan/plan.js'
import { compareBool, compareRows, compute, isArithmetic } from './arithmetic.js'
import { renamed } from './call.js'
import type { QueryState, RowStream } from './operator.js'

/** Two scalars. */
export async function evaluateScalars(
  plan: ScalarBinaryPlan,
  state: QueryState,
): Promise<StepMatrix> {
  const { op } = plan.binary
  const lhs = await state.evaluate(plan.lhs)
  const rhs = await state.evaluate(plan.rhs)
  const run = isArithmetic(op) ? compute : compareBool
  run(op, lhs.values, 0, rhs.values, 0, lhs.values, 0, lhs.steps)
  return lhs
}

/** A vector and a scalar, in either order. The value of a comparison is the vector's. */
export async function streamVectorScalar(
  plan: ScalarBinaryPlan,
  state: QueryState,
): Promise<RowStream> {
  const { op, returnBool } = plan.binary
  const isSwapped = plan.sides === 'left'
  const scalar = (await state.evaluate(isSwapped ? plan.lhs : plan.rhs)).values
  const input = await state.stream(isSwapped ? plan.rhs : plan.lhs)
  const { steps } = input
  if (!isArithmetic(op) && !returnBool) {
    const filter = isSwapped ? MIRRORED[op] : op
    return renamed(input, false, state, (values, base, present, wordBase) => {
      compareRows(filter ?? op, values, base, scalar, 0, present, wordBase, steps)
    })
  }
  const run = isArithmetic(op) ? compute : compareBool
  return renamed(input, true, state, (values, base) => {
    if (isSwapped) run(op, scalar, 0, values, base, values, base, steps)
    else run(op, values, base, scalar, 0, values, base, steps)
  })
}

/** The comparison that says the same with its sides exchanged. */
const MIRRORED: Partial<
  Record<ScalarBinaryPlan['binary']['op'], ScalarBinaryPlan['binary']['op']>
> = { '>': '<', '<': '>', '>=': '<=', '<=': '>=' }
