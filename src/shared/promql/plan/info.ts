/**
 * The plan of info(): which info series are asked of storage, and at which times they are looked
 * at. Follows Prometheus promql/info.go: effectiveInfoNameMatchers, infoSelectHints.
 */
import { METRIC_NAME } from '../../model/labels.js'
import type { Matcher } from '../../model/matcher.js'
import type { Expr, Modifiers } from '../syntax/ast.js'

const TARGET_INFO: Matcher = { name: METRIC_NAME, op: '=', value: 'target_info' }
const ANY_INFO: Matcher = { name: METRIC_NAME, op: '=~', value: '.+_info' }

/** What the second argument of info() says, if there is one. */
export interface InfoSelector {
  /** Matchers of the info series' names; a series that all of them accept is not enriched. */
  readonly nameMatchers: readonly Matcher[]
  /** Matchers of data labels: only these labels are added, where there are any. */
  readonly dataMatchers: readonly Matcher[]
  /** All matchers that are asked of storage. */
  readonly matchers: readonly Matcher[]
}

/** Reads the second argument of info(). */
export function infoSelector(filter: Expr | undefined): InfoSelector {
  if (filter?.kind !== 'vector-selector') {
    return { nameMatchers: [TARGET_INFO], dataMatchers: [], matchers: [TARGET_INFO] }
  }
  const written = filter.matchers.filter(({ name }) => name === METRIC_NAME)
  const dataMatchers = filter.matchers.filter(({ name }) => name !== METRIC_NAME)
  // Names that are only excluded leave those of info metrics.
  const hasPositive = written.some(({ op }) => op === '=' || op === '=~')
  const nameMatchers = written.length === 0 || hasPositive ? written : [...written, ANY_INFO]
  const asked = written.length === 0 ? [TARGET_INFO] : nameMatchers
  return { nameMatchers, dataMatchers, matchers: [...asked, ...dataMatchers] }
}

/**
 * The modifiers under which the first selector of an expression reads its samples, those of
 * subqueries around it applied: info series are looked at under the same.
 */
export function referenceModifiers(
  expr: Expr,
  offsetOf: (modifiers: Modifiers) => number,
): Pick<Modifiers, 'atMs' | 'atBound' | 'offsetMs'> {
  let found: Pick<Modifiers, 'atMs' | 'atBound' | 'offsetMs'> = {
    atMs: undefined,
    atBound: undefined,
    offsetMs: 0,
  }
  let isDone = false
  const visit = (node: Expr): void => {
    if (isDone) return
    switch (node.kind) {
      case 'vector-selector':
        found = applied(found, node, offsetOf)
        isDone = true
        break
      case 'matrix-selector':
        visit(node.selector)
        break
      case 'subquery': {
        const outer = found
        found = applied(found, node, offsetOf)
        visit(node.expr)
        if (!isDone) found = outer
        break
      }
      default:
        for (const child of childrenOf(node)) visit(child)
    }
  }
  visit(expr)
  return found
}

/** A time of its own overrides what is around it, an offset adds to it. */
function applied(
  outer: Pick<Modifiers, 'atMs' | 'atBound' | 'offsetMs'>,
  modifiers: Modifiers,
  offsetOf: (modifiers: Modifiers) => number,
): Pick<Modifiers, 'atMs' | 'atBound' | 'offsetMs'> {
  const offsetMs = offsetOf(modifiers)
  const { atMs, atBound } = modifiers
  if (atMs !== undefined || atBound !== undefined) return { atMs, atBound, offsetMs }
  return { ...outer, offsetMs: outer.offsetMs + offsetMs }
}

function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'call':
      return expr.args
    case 'aggregate':
      return expr.param === undefined ? [expr.expr] : [expr.expr, expr.param]
    case 'binary':
      return [expr.lhs, expr.rhs]
    case 'unary':
    case 'paren':
      return [expr.expr]
    default:
      return []
  }
}
