/**
 * What the query-frontend holds of the querier threads: a pool that runs one task per thread.
 * Supervision (slots, ports, restarts) is behind it.
 */
import type { TaskForm } from '../../shared/actor/index.js'
import type { StopSignal } from '../../shared/base/stop-signal.js'
import type { Config } from '../../shared/config/index.js'
import type { Limits } from '../../shared/limits/index.js'
import { MemoryBudget } from '../../shared/slab/index.js'
import {
  CACHE_CLAIMANTS,
  type QuerierAnswer,
  type QuerierConfig,
  type QuerierTask,
} from './contract.js'
import { QueryForm } from './task-form.js'

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

/** What the queries of a rehearsal are asked of. */
export interface QueryStage {
  /** Answers from what its threads practise on; nothing is counted or started by it. */
  readonly queriers: QuerierPool
  readonly limits: Limits
  /** Somebody asks in earnest, and is not to wait. */
  isWanted(): boolean
}

/** How tasks and answers cross between main and a thread, at main's end. */
export function createQueryForm(): TaskForm<QuerierTask, QuerierAnswer> {
  return new QueryForm()
}

/** The body of an answer, whichever way it has come. */
export function bodyOf({ pieces, text }: QuerierAnswer): Buffer {
  return text === undefined ? Buffer.concat(pieces) : Buffer.from(text, 'latin1')
}

/** Clears what a thread that is gone has claimed of the process' memory. */
export function dropQuerierClaims(budget: SharedArrayBuffer, seat: number): void {
  const claims = new MemoryBudget(budget)
  claims.set('queries', seat, 0)
  claims.set('caches', CACHE_CLAIMANTS + seat, 0)
}

/** The part of the configuration of one of so many querier threads. */
export function querierConfigOf(config: Config, threads = 1): QuerierConfig {
  return {
    lookbackMs: config['querier.lookback_delta'],
    evaluationIntervalMs: config['querier.default_evaluation_interval'],
    samplesMax: config['querier.max_samples'],
    federationConcurrency: config['tenant_federation.max_concurrent'],
    isShuffleSharding: config['querier.shuffle_sharding_ingesters_enabled'],
    activeIdleMs: config['ingester.active_series_metrics_idle_timeout'],
    isWarmedUp: config['querier.warm_up_enabled'],
    cacheBytes: Math.floor(config['querier.column_cache_bytes'] / threads),
  }
}
