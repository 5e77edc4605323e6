/**
 * What the query-frontend holds of the querier threads: a pool that runs one task per thread.
 * Supervision (slots, ports, restarts) is behind it.
 */
import type { StopSignal } from '../../shared/base/stop-signal.js'
import type { Config } from '../../shared/config/index.js'
import type { QuerierAnswer, QuerierConfig, QuerierTask } from './contract.js'

/** A pool of querier threads without a queue of its own. */
export interface QuerierPool {
  /** Threads, hence tasks that may run at a time. The caller never starts more. */
  readonly size: number
  /**
   * Runs a task on a free thread. Aborting the signal ends the thread: cancel by the task's cell
   * first.
   * @throws AppError, those of contract.ts; `actor-down` when the thread died under the task
   */
  run(task: QuerierTask, signal: StopSignal): Promise<QuerierAnswer>
}

/** Bytes that one query's columns may take when Mimir's limit leaves it open (0): a gigabyte. */
const QUERY_MEMORY_DEFAULT = 1024 * 1024 * 1024

/** The part of the configuration of one of so many querier threads. */
export function querierConfigOf(config: Config, threads = 1): QuerierConfig {
  const memory = config['limits.max_estimated_memory_consumption_per_query']
  return {
    lookbackMs: config['querier.lookback_delta'],
    evaluationIntervalMs: config['querier.default_evaluation_interval'],
    samplesMax: config['querier.max_samples'],
    memoryMax: memory > 0 ? memory : QUERY_MEMORY_DEFAULT,
    cacheBytes: Math.floor(config['querier.column_cache_bytes'] / threads),
    delayedNameRemoval: config['limits.enable_delayed_name_removal'],
    syntax: {
      enableExperimentalFunctions: allOrNamed(
        config['limits.enabled_promql_experimental_functions'],
      ),
      enableExtendedRangeSelectors: allOrNamed(
        config['limits.enabled_promql_extended_range_selectors'],
      ),
      experimentalDurationExpr: config['limits.enabled_promql_duration_expressions'],
      enableBinopFillModifiers: config['limits.enabled_promql_fill_modifiers'],
    },
  }
}

/** A list of names, of which `all` stands for every one. */
function allOrNamed(names: readonly string[]): boolean | ReadonlySet<string> {
  return names.includes('all') || new Set(names)
}
