/** What the type of a limit does not say: limits that contradict each other, blocks of the wrong shape. */
import type { LimitValues } from '../config/index.js'
import { AppError, fail } from '../errors/index.js'
import { compileRelabel } from '../relabel/index.js'
import {
  compileBlockedQueries,
  compileBlockedRequests,
  compileLimitedQueries,
} from './query-rules.js'

/** Least time between the update of the elected replica's time and a failover, ms. */
const FAILOVER_MARGIN_MS = 1_000

/**
 * Checks a whole row.
 *
 * @param where the row stands, for the complaint
 * @throws AppError `config-invalid`
 */
export function checkLimits(limits: LimitValues, where: string): void {
  const least =
    limits.ha_tracker_update_timeout +
    limits.ha_tracker_update_timeout_jitter_max +
    FAILOVER_MARGIN_MS
  if (limits.ha_tracker_failover_timeout < least) {
    const text = `${where}: ha_tracker_failover_timeout: expected at least ha_tracker_update_timeout + ha_tracker_update_timeout_jitter_max + 1s`
    throw fail('config-invalid', { text })
  }
  checkShape(`${where}: metric_relabel_configs`, () =>
    compileRelabel(limits.metric_relabel_configs),
  )
  checkShape(`${where}: blocked_queries`, () => compileBlockedQueries(limits.blocked_queries))
  checkShape(`${where}: blocked_requests`, () => compileBlockedRequests(limits.blocked_requests))
  checkShape(`${where}: limited_queries`, () => compileLimitedQueries(limits.limited_queries))
  if (limits.ingestion_burst_factor > 0 && limits.ingestion_burst_factor < 1) {
    const text = `${where}: ingestion_burst_factor: expected 0 or at least 1`
    throw fail('config-invalid', { text })
  }
}

/** What compiling a block complains of, with its place. */
function checkShape(where: string, compile: () => unknown): void {
  try {
    compile()
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw fail('config-invalid', { text: `${where}: ${error.message}` }, error)
  }
}
