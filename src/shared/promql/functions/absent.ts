/**
 * absent(), and the labels that it and absent_over_time() answer with. After Prometheus
 * promql/functions.go (createLabelsForAbsentFunction).
 */
import { METRIC_NAME } from '../../model/labels.js'
import type { Matcher } from '../../model/matcher.js'
import type { LabelTable } from '../label-table.js'
import type { Expr } from '../syntax/ast.js'
import { matchesEmpty } from '../syntax/selectors.js'
import type { FunctionRows, MatrixKernel } from './kernel.js'
import { argumentVector, setValue } from './rows.js'

/** 1 at the steps where no series has a value. */
const absent: MatrixKernel = (args, context) => {
  const input = argumentVector(args, 0)
  const out = context.matrix(1)
  out.sets[0] = absentLabels(context.args[0], context.labels)
  const { words, present } = input
  for (let step = 0; step < out.steps; step++) {
    const word = step >>> 5
    let found = 0
    for (let row = 0; row < input.series && found === 0; row++) {
      found = (present[row * words + word]! >>> (step & 31)) & 1
    }
    if (found === 0) setValue(out, 0, step, 1)
  }
  return out
}

/**
 * Label set id of what a selector fixes by `=`: labels that it names once, the metric name apart.
 * Anything but a selector fixes nothing.
 */
export function absentLabels(argument: Expr | undefined, labels: LabelTable): number {
  let expr = argument
  while (expr?.kind === 'paren') expr = expr.expr
  const selector = expr?.kind === 'matrix-selector' ? expr.selector : expr
  if (selector?.kind !== 'vector-selector') return labels.internLabels([])
  const fixed = new Map<string, string>()
  const seen = new Set<string>()
  for (const { name, op, value } of inStorageOrder(selector.matchers)) {
    if (name === METRIC_NAME) continue
    // A label named twice is left out; one named by `=` after another operator is kept.
    if (op === '=' && !seen.has(name)) {
      fixed.set(name, value)
      seen.add(name)
    } else fixed.delete(name)
  }
  return labels.internLabels([...fixed].map(([name, value]) => ({ name, value })))
}

/**
 * Matchers as Prometheus' storage leaves them, which sorts them in place before absent() looks
 * (tsdb/querier.go, PostingsForMatchers): those that take series away come last.
 */
function inStorageOrder(matchers: readonly Matcher[]): readonly Matcher[] {
  const required = new Set<string>()
  for (const matcher of matchers) if (!matchesEmpty(matcher)) required.add(matcher.name)
  const subtracts = (matcher: Matcher): boolean =>
    !required.has(matcher.name) || (matcher.op.startsWith('!') && matchesEmpty(matcher))
  return [...matchers.filter((m) => !subtracts(m)), ...matchers.filter(subtracts)]
}

/** Their rows of the function table. */
export const absentFunctions: FunctionRows = {
  absent: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'A 1 where the vector is empty, with the labels that the selector fixes by equality.',
    kernel: { form: 'matrix', run: absent },
  },
  absent_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'A 1 where the range has no sample of any series, labelled as absent does.',
    kernel: { form: 'operator', operator: 'absent_over_time' },
  },
}
