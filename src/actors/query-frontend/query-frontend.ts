/**
 * Takes queries from the HTTP front to querier threads: a bounded queue, fair over tenants; one
 * query at a time per thread; a deadline; cancelling when the client goes away. Lives on the main
 * thread and handles bytes only, never samples.
 *
 * A query that is not wanted any more gets its cancel cell set, which the engine looks at; when its
 * thread has not answered 5 s later the thread is ended (architecture: rules between actors).
 */
import { type StopSignal, StopSource } from '../../shared/base/stop-signal.js'
import type { Config } from '../../shared/config/index.js'
import type { Env, Timer } from '../../shared/env/index.js'
import { AppError, type ErrorId, fail } from '../../shared/errors/index.js'
import type { Cell, HistogramCell } from '../../shared/telemetry/index.js'
import type { QuerierPool } from '../querier/client.js'
import {
  CANCEL_CLIENT,
  CANCEL_NONE,
  CANCEL_TIMEOUT,
  type QuerierAnswer,
  type QuerierQuery,
} from '../querier/contract.js'
import { FairQueue } from './queue.js'

/** The part of the configuration that the frontend runs by. */
export interface QueryFrontendConfig {
  /** `query_scheduler.max_outstanding_requests_per_tenant`. */
  readonly outstandingPerTenantMax: number
  /** Waiting queries of all tenants together. */
  readonly outstandingMax: number
  /** `querier.timeout`, ms; counts from the arrival of the query. */
  readonly timeoutMs: number
  /** `frontend.max_retries`: tries of a query that met a shard or thread that was down. */
  readonly triesMax: number
}

/** What a request says about its query beside the query itself. */
export interface RunOptions {
  /** Aborted when the client has gone. */
  readonly signal?: StopSignal
  /** The request's own timeout; the configured one is the upper bound. */
  readonly timeoutMs?: number
}

/** A query in the frontend, as `/debug/queries` shows it. */
export interface RunningQuery {
  readonly tenant: string
  readonly kind: QuerierQuery['kind']
  readonly text: string
  readonly state: 'queued' | 'running'
  readonly ageMs: number
}

interface Entry {
  readonly tenant: string
  readonly query: QuerierQuery
  readonly arrivedMs: number
  readonly deadlineMs: number
  readonly resolve: (answer: QuerierAnswer) => void
  readonly reject: (error: AppError) => void
  /** Index of the cancel cell while it runs, -1 while it waits. */
  cell: number
  /** Ends the thread; of the present try. */
  abort: StopSource | undefined
  /** Why it is not wanted any more. */
  stopped: 'query-canceled' | 'query-timeout' | 'shutting-down' | undefined
  deadline: Timer | undefined
  grace: Timer | undefined
}

/** How long a thread may take to notice its cancel cell. */
const TERMINATE_AFTER_MS = 5_000
const RETRY_BASE_MS = 50
const OUTSTANDING_MAX = 2_000
/** Texts in `/debug/queries` are cut here. */
const SHOWN_CHARS = 200
/** Failures of a thread or shard that the supervisor is about to mend. */
const PASSING: ReadonlySet<ErrorId> = new Set(['actor-down', 'actor-timeout', 'overloaded'])

/** The queue of queries, and their way to querier threads. */
export class QueryFrontend {
  private readonly env: Env
  private readonly pool: QuerierPool
  private readonly config: QueryFrontendConfig
  private readonly queue: FairQueue<Entry>
  private readonly cancelCells: SharedArrayBuffer
  private readonly cancel: Int32Array
  private readonly freeCells: number[]
  private readonly entries = new Set<Entry>()
  private readonly queueLength: Cell
  private readonly queueDuration: HistogramCell
  private isDraining = false
  private onIdle: (() => void) | undefined

  constructor(env: Env, pool: QuerierPool, config: QueryFrontendConfig) {
    this.env = env
    this.pool = pool
    this.config = config
    this.queue = new FairQueue({
      perTenantMax: config.outstandingPerTenantMax,
      totalMax: config.outstandingMax,
    })
    this.cancelCells = new SharedArrayBuffer(4 * pool.size)
    this.cancel = new Int32Array(this.cancelCells)
    this.freeCells = Array.from({ length: pool.size }, (_, index) => index)
    this.queueLength = env.metrics.cell('cortex_query_frontend_queue_length')
    this.queueDuration = env.metrics.histogram('cortex_query_frontend_queue_duration_seconds')
  }

  /**
   * Runs a query when its turn comes.
   *
   * @throws AppError `query-queue-full`, `query-timeout`, `query-canceled`, `shutting-down`, and
   * those of the querier's contract
   */
  run(tenant: string, query: QuerierQuery, options: RunOptions = {}): Promise<QuerierAnswer> {
    if (this.isDraining) return Promise.reject(fail('shutting-down'))
    if (options.signal?.aborted === true) return Promise.reject(fail('query-canceled'))
    this.env.metrics.cell('cortex_query_frontend_queries_total', query.kind, tenant).add(1)
    const arrivedMs = this.env.clock.monotonic()
    const timeoutMs = Math.min(options.timeoutMs ?? this.config.timeoutMs, this.config.timeoutMs)
    const deadlineMs = arrivedMs + timeoutMs
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        tenant,
        query,
        arrivedMs,
        deadlineMs,
        resolve,
        reject,
        cell: -1,
        abort: undefined,
        stopped: undefined,
        deadline: undefined,
        grace: undefined,
      }
      try {
        this.queue.push(tenant, entry)
      } catch (error) {
        this.env.metrics.cell('cortex_query_scheduler_discarded_requests_total', tenant).add(1)
        reject(error)
        return
      }
      this.entries.add(entry)
      entry.deadline = this.env.timers.after(timeoutMs, () => this.stop(entry, 'query-timeout'))
      const onGone = (): void => this.stop(entry, 'query-canceled')
      options.signal?.addEventListener('abort', onGone, { once: true })
      this.pump()
    })
  }

  /** What waits and runs now, oldest first. */
  queries(): RunningQuery[] {
    const now = this.env.clock.monotonic()
    return Array.from(this.entries, (entry) => ({
      tenant: entry.tenant,
      kind: entry.query.kind,
      text: 'text' in entry.query ? entry.query.text.slice(0, SHOWN_CHARS) : '',
      state: entry.cell < 0 ? 'queued' : 'running',
      ageMs: now - entry.arrivedMs,
    }))
  }

  /** Takes no more queries and waits for those in hand; past the deadline they are cancelled. */
  async drain(deadlineMs: number): Promise<void> {
    this.isDraining = true
    if (this.entries.size === 0) return
    const timer = this.env.timers.after(deadlineMs, () => {
      for (const entry of [...this.entries]) this.stop(entry, 'shutting-down')
    })
    await new Promise<void>((resolve) => {
      this.onIdle = resolve
    })
    timer.cancel()
  }

  /** Starts what waits while threads are free. */
  private pump(): void {
    while (this.queue.length > 0 && this.freeCells.length > 0) {
      const entry = this.queue.shift()!
      entry.cell = this.freeCells.pop()!
      const waitedMs = this.env.clock.monotonic() - entry.arrivedMs
      this.queueDuration.observe(waitedMs / 1000)
      void this.start(entry)
    }
    this.queueLength.set(this.queue.length)
  }

  private async start(entry: Entry): Promise<void> {
    try {
      const answer = await this.attempt(entry)
      this.count(entry, answer)
      entry.resolve(answer)
    } catch (error) {
      entry.reject(asAppError(error))
    }
    this.freeCells.push(entry.cell)
    this.leave(entry)
    this.pump()
  }

  /** One try, and more of them while the failure is of the kind that passes. */
  private async attempt(entry: Entry): Promise<QuerierAnswer> {
    for (let tries = 1; ; tries++) {
      if (entry.stopped !== undefined) throw fail(entry.stopped)
      const abort = new StopSource()
      entry.abort = abort
      Atomics.store(this.cancel, entry.cell, CANCEL_NONE)
      const cancel = { cells: this.cancelCells, index: entry.cell }
      const task = { tenant: entry.tenant, query: entry.query, cancel }
      try {
        return await this.pool.run(task, abort)
      } catch (error) {
        if (entry.stopped !== undefined) throw fail(entry.stopped, {}, error)
        const waitMs = RETRY_BASE_MS * 2 ** (tries - 1)
        const isLate = this.env.clock.monotonic() + waitMs >= entry.deadlineMs
        if (tries >= this.config.triesMax || isLate || !isPassing(error)) throw error
        await this.env.timers.sleep(waitMs)
      }
    }
  }

  /** Not wanted any more: out of the queue at once, off its thread by the cell, then by force. */
  private stop(entry: Entry, why: NonNullable<Entry['stopped']>): void {
    if (entry.stopped !== undefined || !this.entries.has(entry)) return
    entry.stopped = why
    if (this.queue.remove(entry.tenant, entry)) {
      this.leave(entry)
      this.queueLength.set(this.queue.length)
      entry.reject(fail(why))
      return
    }
    const value = why === 'query-timeout' ? CANCEL_TIMEOUT : CANCEL_CLIENT
    Atomics.store(this.cancel, entry.cell, value)
    entry.grace = this.env.timers.after(TERMINATE_AFTER_MS, () => {
      const { tenant, query } = entry
      const fields = { tenant, kind: query.kind }
      this.env.log.warn('querier thread ended: it did not heed its cancel flag', fields)
      entry.abort?.abort()
    })
  }

  private leave(entry: Entry): void {
    entry.deadline?.cancel()
    entry.grace?.cancel()
    this.entries.delete(entry)
    if (this.entries.size === 0) this.onIdle?.()
  }

  private count(entry: Entry, answer: QuerierAnswer): void {
    const { metrics } = this.env
    metrics.cell('cortex_query_samples_processed_total', entry.tenant).add(answer.samplesRead)
    metrics.cell('cortex_query_fetched_series_total', entry.tenant).add(answer.seriesRead)
  }
}

/** The frontend's part of the configuration. */
export function queryFrontendConfigOf(config: Config): QueryFrontendConfig {
  return {
    outstandingPerTenantMax: config['query_scheduler.max_outstanding_requests_per_tenant'],
    outstandingMax: OUTSTANDING_MAX,
    timeoutMs: config['querier.timeout'],
    triesMax: config['frontend.max_retries'],
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof AppError && PASSING.has(error.id)
}

function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const text = error instanceof Error ? error.message : String(error)
  return fail('internal', { text: `querier: ${text}` }, error)
}
