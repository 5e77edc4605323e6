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

/** The part of the configuration of one of so many querier threads. */
export function querierConfigOf(config: Config, threads = 1): QuerierConfig {
  return {
    lookbackMs: config['querier.lookback_delta'],
    evaluationIntervalMs: config['querier.default_evaluation_interval'],
    samplesMax: config['querier.max_samples'],
    federationConcurrency: config['tenant_federation.max_concurrent'],
    isShuffleSharding: config['querier.shuffle_sharding_ingesters_enabled'],
    cacheBytes: Math.floor(config['querier.column_cache_bytes'] / threads),
  }
}
