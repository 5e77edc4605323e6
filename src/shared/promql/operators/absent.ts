/** The labels of absent() and absent_over_time(): those that the selector fixes by equality. */
import { METRIC_NAME } from '../../model/labels.js'
import type { LabelTable } from '../label-table.js'
import type { Expr } from '../syntax/ast.js'

/**
 * Set id of the labels. Follows Prometheus promql/functions.go, createLabelsForAbsentFunction: a
 * name with a second matcher of any kind is left out; anything but a selector has no labels.
 */
export function absentSet(expr: Expr, labels: LabelTable): number {
  while (expr.kind === 'paren') expr = expr.expr
  const selector =
    expr.kind === 'matrix-selector'
      ? expr.selector
      : expr.kind === 'vector-selector'
        ? expr
        : undefined
  const values = new Map<string, string>()
  const seen = new Set<string>()
  for (const { name, op, value } of selector?.matchers ?? []) {
    if (name === METRIC_NAME) continue
    if (op === '=' && !seen.has(name)) {
      values.set(name, value)
      seen.add(name)
    } else {
      values.delete(name)
    }
  }
  return labels.internLabels([...values].map(([name, value]) => ({ name, value })))
}
