/** Refuses queries that the tenant's rules block, or that have run too lately (`limited_queries`). */
import { printDuration } from '../../shared/base/duration.js'
import type { Clock } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import type { FrequencyCells, RuledQuery } from '../../shared/limits/index.js'
import { METRIC_NAME } from '../../shared/model/labels.js'
import type { Matcher } from '../../shared/model/matcher.js'
import { type Expr, printExpr, printMatcher } from '../../shared/promql/index.js'
import type { Metrics } from '../../shared/telemetry/index.js'
import type { QueryLimits } from './query-limits.js'

/** What rules are checked with. */
export interface Gate {
  readonly env: { readonly clock: Clock; readonly metrics: Metrics }
  readonly tenant: string
  readonly limits: Pick<QueryLimits, 'blocked' | 'limited'>
  readonly runs: FrequencyCells
}

/**
 * Checks what is evaluated, or a selector of remote read, federation or exemplars.
 * @param seen makes the query as rules see it
 * @throws AppError `err-mimir-query-blocked`, `err-mimir-query-limited`
 */
export function checkRules({ env, tenant, limits, runs }: Gate, seen: () => RuledQuery): void {
  const { blocked, limited } = limits
  if (blocked.length === 0 && limited.length === 0) return
  const query = seen()
  const { texts } = query
  const reject = (reason: string): void =>
    env.metrics.cell('cortex_query_frontend_rejected_queries_total', tenant, reason).add(1)
  const rule = blocked.find((one) => one.matches(query))
  if (rule !== undefined) {
    reject('blocked')
    const why = rule.reason === '' ? '' : `: ${rule.reason}`
    throw fail('err-mimir-query-blocked', { why })
  }
  for (const { query: text, everyMs } of limited) {
    if (!texts.includes(text) || runs.allow(`${tenant}\0${text}`, everyMs, env.clock.now()))
      continue
    reject('limited')
    throw fail('err-mimir-query-limited', { every: printDuration(everyMs) })
  }
}

/** The texts of an expression. */
export function textsOf(text: string, expr: Expr): string[] {
  return [text.trim(), printExpr(expr)]
}

/** The texts of a selector that came as matchers: in braces, the name first too, and before them. */
export function textsOfMatchers(matchers: readonly Matcher[]): string[] {
  const named = matchers.findIndex(({ name, op }) => name === METRIC_NAME && op === '=')
  const inBraces = (some: readonly Matcher[]) => `{${some.map(printMatcher).join(',')}}`
  if (named < 0) return [inBraces(matchers)]
  const rest = matchers.filter((_, at) => at !== named)
  const name = matchers[named]!
  const written = rest.length === 0 ? name.value : name.value + inBraces(rest)
  return [inBraces(matchers), inBraces([name, ...rest]), written]
}
