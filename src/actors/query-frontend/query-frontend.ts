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
import { TenantCounts } from './tenant-counts.js'

/** The part of the configuration that the frontend runs by. */
export interface QueryFrontendConfig {
  /** `query_scheduler.max_outstanding_requests_per_tenant`. */
  readonly outstandingPerTenantMax: number
  /** Waiting queries of all tenants together. */
  readonly outstandingMax: number
  /** `querier.timeout`, ms; counts from the arrival of the query. */
  readonly timeoutMs: number
  /** From when on a query is noted as a slow one, ms. */
  readonly slowMs: number
  /** `frontend.max_retries`: tries of a query that met a shard or thread that was down. */
  readonly triesMax: number
}

/** What a request says about its query beside the query itself. */
export interface RunOptions {
  /** Aborted when the client has gone. */
  readonly signal?: StopSignal
  /** The request's own timeout; the configured one is the upper bound. */
  readonly timeoutMs?: number | undefined
  /** What alone is to be read; everything when left out. */
  readonly queryables?: readonly string[] | undefined
}

/** An answer, and how long its query waited for a thread. */
export interface Answered extends QuerierAnswer {
  readonly queuedMs: number
}

/** A query that took long, as `/debug/slow-queries` shows it. */
export interface SlowQuery {
  readonly tenant: string
  readonly kind: QuerierQuery['kind']
  readonly text: string
  /** When it ended, ms since the epoch. */
  readonly endedMs: number
  readonly tookMs: number
  readonly queuedMs: number
  /** `success`, or the id of its error. */
  readonly status: string
  readonly samplesRead: number
  readonly seriesRead: number
}

/** A query in the frontend, as `/debug/queries` shows it. */
export interface RunningQuery {
  /** For `cancel`. */
  readonly id: number
  readonly tenant: string
  readonly kind: QuerierQuery['kind']
  readonly text: string
  readonly state: 'queued' | 'running'
  readonly ageMs: number
}

interface Entry {
  readonly id: number
  readonly tenant: string
  readonly query: QuerierQuery
  readonly queryables: readonly string[] | undefined
  readonly arrivedMs: number
  readonly deadlineMs: number
  readonly resolve: (answer: Answered) => void
  readonly reject: (error: AppError) => void
  /** Index of the cancel cell while it runs, -1 while it waits. */
  cell: number
  /** How long it waited for a thread, ms; until it has one, 0. */
  queuedMs: number
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
/** Slow queries that are remembered, and how much of their texts. */
const SLOW_QUERIES_MAX = 100
const SLOW_CHARS = 2_000
/** What is slow when no key says so. */
const SLOW_MS = 1_000
/** Failures of a thread or shard that the supervisor is about to mend. */
const PASSING: ReadonlySet<ErrorId> = new Set(['actor-down', 'actor-timeout', 'overloaded'])

/** The queue of queries, and their way to querier threads. */
export class QueryFrontend {
  private readonly env: Env
  private readonly pool: QuerierPool
  private readonly config: QueryFrontendConfig
  private readonly queue: FairQueue<Entry>
  private readonly cancelCells: SharedArrayBuffer
  private readonly cancelFlags: Int32Array
  private readonly freeCells: number[]
  private readonly entries = new Set<Entry>()
  private readonly counts: TenantCounts
  private readonly queueLength: Cell
  private readonly queueDuration: HistogramCell
  private readonly slow: SlowQuery[] = []
  private lastId = 0
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
    this.cancelFlags = new Int32Array(this.cancelCells)
    this.freeCells = Array.from({ length: pool.size }, (_, index) => index)
    this.counts = new TenantCounts(env.metrics)
    this.queueLength = env.metrics.cell('cortex_query_frontend_queue_length')
    this.queueDuration = env.metrics.histogram('cortex_query_frontend_queue_duration_seconds')
  }

  /**
   * Runs a query when its turn comes.
   *
   * @throws AppError `query-queue-full`, `query-timeout`, `query-canceled`, `shutting-down`, and
   * those of the querier's contract
   */
  run(tenant: string, query: QuerierQuery, options: RunOptions = {}): Promise<Answered> {
    if (this.isDraining) return Promise.reject(fail('shutting-down'))
    if (options.signal?.aborted === true) return Promise.reject(fail('query-canceled'))
    this.counts.of(tenant).addQuery(query.kind)
    const arrivedMs = this.env.clock.monotonic()
    const timeoutMs = Math.min(options.timeoutMs ?? this.config.timeoutMs, this.config.timeoutMs)
    const deadlineMs = arrivedMs + timeoutMs
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        id: ++this.lastId,
        tenant,
        query,
        queryables: options.queryables,
        arrivedMs,
        deadlineMs,
        resolve,
        reject,
        cell: -1,
        queuedMs: 0,
        abort: undefined,
        stopped: undefined,
        deadline: undefined,
        grace: undefined,
      }
      // Most find a free thread and nobody before them.
      const isFirst = this.queue.length === 0 && this.freeCells.length > 0
      try {
        if (!isFirst) this.queue.push(tenant, entry)
      } catch (error) {
        this.env.metrics.cell('cortex_query_scheduler_discarded_requests_total', tenant).add(1)
        reject(error)
        return
      }
      this.entries.add(entry)
      entry.deadline = this.env.timers.after(timeoutMs, () => this.stop(entry, 'query-timeout'))
      const onGone = (): void => this.stop(entry, 'query-canceled')
      options.signal?.addEventListener('abort', onGone, { once: true })
      if (isFirst) this.begin(entry)
      else this.pump()
    })
  }

  /** What waits and runs now, oldest first. */
  queries(): RunningQuery[] {
    const now = this.env.clock.monotonic()
    return Array.from(this.entries, (entry) => ({
      id: entry.id,
      tenant: entry.tenant,
      kind: entry.query.kind,
      text: textOf(entry.query).slice(0, SHOWN_CHARS),
      state: entry.cell < 0 ? 'queued' : 'running',
      ageMs: now - entry.arrivedMs,
    }))
  }

  /** The last queries that took long, newest first. */
  slowQueries(): SlowQuery[] {
    return [...this.slow].reverse()
  }

  /**
   * Ends a query, of this tenant if one is named.
   *
   * @returns whether there was one
   */
  cancel(id: number, tenant?: string): boolean {
    for (const entry of this.entries) {
      if (entry.id !== id || (tenant !== undefined && entry.tenant !== tenant)) continue
      this.stop(entry, 'query-canceled')
      return true
    }
    return false
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
      this.begin(this.queue.shift()!)
    }
    this.queueLength.set(this.queue.length)
  }

  /** Gives an entry one of the free threads. */
  private begin(entry: Entry): void {
    entry.cell = this.freeCells.pop()!
    const waitedMs = this.env.clock.monotonic() - entry.arrivedMs
    entry.queuedMs = waitedMs
    this.queueDuration.observe(waitedMs / 1000)
    void this.start(entry)
  }

  private async start(entry: Entry): Promise<void> {
    try {
      const answer = await this.attempt(entry)
      this.counts.of(entry.tenant).addRead(answer.samplesRead, answer.seriesRead)
      this.noteSlow(entry, answer)
      entry.resolve(answered(answer, entry.queuedMs))
    } catch (cause) {
      const error = asAppError(cause)
      this.noteSlow(entry, error)
      entry.reject(error)
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
      Atomics.store(this.cancelFlags, entry.cell, CANCEL_NONE)
      const cancel = { cells: this.cancelCells, index: entry.cell }
      const { tenant, query, queuedMs, queryables } = entry
      const task = { tenant, query, cancel, waitedMs: queuedMs, queryables }
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
    // The caller hears of it now, the thread at its next look; until then it is not free.
    entry.reject(fail(why))
    const value = why === 'query-timeout' ? CANCEL_TIMEOUT : CANCEL_CLIENT
    Atomics.store(this.cancelFlags, entry.cell, value)
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

  /** Remembers a query that took long, whatever came of it. */
  private noteSlow(entry: Entry, outcome: QuerierAnswer | AppError): void {
    const tookMs = this.env.clock.monotonic() - entry.arrivedMs
    if (tookMs < this.config.slowMs) return
    if (this.slow.length >= SLOW_QUERIES_MAX) this.slow.shift()
    const isError = outcome instanceof AppError
    this.slow.push({
      tenant: entry.tenant,
      kind: entry.query.kind,
      text: textOf(entry.query).slice(0, SLOW_CHARS),
      endedMs: this.env.clock.now(),
      tookMs,
      queuedMs: entry.queuedMs,
      status: isError ? outcome.id : 'success',
      samplesRead: isError ? 0 : outcome.samplesRead,
      seriesRead: isError ? 0 : outcome.seriesRead,
    })
  }
}

/** The frontend's part of the configuration. */
export function queryFrontendConfigOf(config: Config): QueryFrontendConfig {
  const slowMs = config['frontend.log_queries_longer_than']
  return {
    slowMs: slowMs === 0 ? SLOW_MS : Math.max(0, slowMs),
    outstandingPerTenantMax: config['query_scheduler.max_outstanding_requests_per_tenant'],
    outstandingMax: OUTSTANDING_MAX,
    timeoutMs: config['querier.timeout'],
    triesMax: config['frontend.max_retries'],
  }
}

/** The expression or selectors of a query; '' where it has none. */
function textOf(query: QuerierQuery): string {
  if (query.kind === 'explain') return query.of.text
  if ('matchers' in query) return query.matchers.join(',')
  return 'text' in query ? query.text : ''
}

/** Written out: a copy with one more property takes V8 several times as long. */
function answered(answer: QuerierAnswer, queuedMs: number): Answered {
  return {
    pieces: answer.pieces,
    text: answer.text,
    samplesRead: answer.samplesRead,
    seriesRead: answer.seriesRead,
    tookMs: answer.tookMs,
    contentType: answer.contentType,
    contentEncoding: answer.contentEncoding,
    stats: answer.stats,
    queuedMs,
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
