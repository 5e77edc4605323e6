/** Refuses queries that the tenant's rules block, or that have run too lately (`limited_queries`). */
import { printDuration } from '../../shared/base/duration.js'
import type { Clock } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import type { FrequencyCells } from '../../shared/limits/index.js'
import { type Expr, printExpr } from '../../shared/promql/index.js'
import type { Metrics } from '../../shared/telemetry/index.js'
import type { QueryOf } from './contract.js'
import type { QueryLimits } from './query-limits.js'

/** What rules are checked with. */
export interface Gate {
  readonly env: { readonly clock: Clock; readonly metrics: Metrics }
  readonly tenant: string
  readonly limits: Pick<QueryLimits, 'blocked' | 'limited'>
  readonly runs: FrequencyCells
}

/** @throws AppError `err-mimir-query-blocked`, `err-mimir-query-limited` */
export function checkRules(
  { env, tenant, limits, runs }: Gate,
  query: QueryOf<'query' | 'query-range'>,
  expr: Expr,
): void {
  const { blocked, limited } = limits
  if (blocked.length === 0 && limited.length === 0) return
  const texts = [query.text.trim(), printExpr(expr)]
  const seen = query.kind === 'query-range' ? { texts, range: query } : { texts }
  const reject = (reason: string): void =>
    env.metrics.cell('cortex_query_frontend_rejected_queries_total', tenant, reason).add(1)
  const rule = blocked.find((one) => one.matches(seen))
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
