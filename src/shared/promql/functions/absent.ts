/**
 * absent(), and the labels that it and absent_over_time() answer with. After Prometheus
 * promql/functions.go (createLabelsForAbsentFunction).
 */
import { labelsOf, METRIC_NAME } from '../../model/labels.js'
import type { LabelTable } from '../label-table.js'
import type { Expr } from '../syntax/ast.js'
import type { MatrixKernel } from './kernel.js'
import { argumentVector, setValue } from './rows.js'

/** 1 at the steps where no series has a value. */
export const absent: MatrixKernel = (args, context) => {
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
  const fixed: Record<string, string> = {}
  const seen = new Set<string>()
  for (const { name, op, value } of selector.matchers) {
    if (name === METRIC_NAME) continue
    // A label named twice is left out; one named by `=` after another operator is kept.
    if (op === '=' && !seen.has(name)) {
      fixed[name] = value
      seen.add(name)
    } else delete fixed[name]
  }
  return labels.internLabels(labelsOf(fixed))
}
