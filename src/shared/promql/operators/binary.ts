/**
 * Binary operators with a scalar on at least one side. With one vector they are streams: a row
 * against the column of the scalar.
 *
 * Follows Prometheus promql/engine.go, scalarBinop and VectorscalarBinop.
 */
import { quoteGo } from '../../base/go-string.js'
import { fail } from '../../errors/index.js'
import type { StepMatrix } from '../columns.js'
import type { ScalarBinaryPlan } from '../plan/plan.js'
import { compareBool, compareRows, compute, isArithmetic } from './arithmetic.js'
import { renamed } from './call.js'
import { isTrim, operate, StepNotes, takeCells } from './histogram-binary.js'
import { notesAt } from './notes.js'
import type { QueryState, RowStream } from './operator.js'

/** Two scalars. */
export async function evaluateScalars(
  plan: ScalarBinaryPlan,
  state: QueryState,
): Promise<StepMatrix> {
  const { op } = plan.binary
  const lhs = await state.evaluate(plan.lhs)
  const rhs = await state.evaluate(plan.rhs)
  if (isTrim(op)) {
    const text = `operator ${quoteGo(op)} not allowed for Scalar operations`
    throw fail('query-execution', { text })
  }
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
  const isFilter = !isArithmetic(op) && !returnBool
  const run = isArithmetic(op) ? compute : compareBool
  const filter = (isSwapped ? MIRRORED[op] : op) ?? op
  const notes = notesAt(state, plan.expr.pos)
  const stepNotes = new StepNotes()
  return renamed(input, !isFilter, state, ({ values, base, present, wordBase, histograms }) => {
    const cells = takeCells(op, histograms, undefined, steps, present, wordBase)
    // A trim has cells only, and leaves this row empty.
    if (isFilter) compareRows(filter, values, base, scalar, 0, present, wordBase, steps)
    else if (isSwapped) run(op, scalar, 0, values, base, values, base, steps)
    else run(op, values, base, scalar, 0, values, base, steps)
    if (cells === undefined) return undefined
    const sample = (step: number) => histograms?.[step] ?? values[base + step]!
    const number = (step: number) => scalar[step]!
    const [left, right] = isSwapped ? [number, sample] : [sample, number]
    const target = { steps, values, base, present, wordBase }
    const row = operate(op, returnBool, cells, left, right, target, stepNotes)
    stepNotes.emit(notes)
    return row
  })
}

/** The comparison that says the same with its sides exchanged. */
const MIRRORED: Partial<
  Record<ScalarBinaryPlan['binary']['op'], ScalarBinaryPlan['binary']['op']>
> = { '>': '<', '<': '>', '>=': '<=', '<=': '>=' }
