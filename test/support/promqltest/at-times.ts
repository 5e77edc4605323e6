/** Puts ` @ <time>` on the selectors of a query, and walks its tree. */
import type { Expr } from '../../../src/shared/promql/index.js'

/** Functions that look at the evaluation time besides their arguments. */
const TIMED: ReadonlySet<string> = new Set([
  'days_in_month',
  'day_of_month',
  'day_of_week',
  'day_of_year',
  'hour',
  'minute',
  'month',
  'year',
  'predict_linear',
  'time',
  'timestamp',
  'start',
  'end',
  'range',
  'step',
])

/** Calls `see` with every node, parents first. */
function walk(expr: Expr, see: (node: Expr) => void): void {
  see(expr)
  for (const child of childrenOf(expr)) walk(child, see)
}

function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'matrix-selector':
      return [expr.selector]
    case 'subquery':
    case 'unary':
    case 'paren':
      return [expr.expr]
    case 'call':
      return expr.args
    case 'aggregate':
      return expr.param === undefined ? [expr.expr] : [expr.param, expr.expr]
    case 'binary':
      return [expr.lhs, expr.rhs]
    default:
      return []
  }
}

/** Whether the answer cannot depend on when the query is evaluated once selectors are pinned. */
export function canPin(expr: Expr): boolean {
  let isTimed = false
  walk(expr, (node) => {
    if (node.kind === 'call' && TIMED.has(node.func)) isTimed = true
  })
  return !isTimed
}

/** The tree with every selector and subquery pinned that is not, nor inside a pinned subquery. */
export function pinned(expr: Expr, atMs: number): Expr {
  switch (expr.kind) {
    case 'vector-selector':
      return expr.atMs === undefined ? { ...expr, atMs, atBound: undefined } : expr
    case 'matrix-selector': {
      const { selector } = expr
      if (selector.atMs !== undefined) return expr
      return { ...expr, selector: { ...selector, atMs, atBound: undefined } }
    }
    case 'subquery':
      return expr.atMs === undefined ? { ...expr, atMs, atBound: undefined } : expr
    case 'unary':
    case 'paren':
      return { ...expr, expr: pinned(expr.expr, atMs) }
    case 'call':
      return { ...expr, args: expr.args.map((arg) => pinned(arg, atMs)) }
    case 'aggregate':
      return {
        ...expr,
        expr: pinned(expr.expr, atMs),
        param: expr.param === undefined ? undefined : pinned(expr.param, atMs),
      }
    case 'binary':
      return { ...expr, lhs: pinned(expr.lhs, atMs), rhs: pinned(expr.rhs, atMs) }
    default:
      return expr
  }
}
