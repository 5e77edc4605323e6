/**
 * What is told of a query once it is answered: the `query stats` line of Mimir's query-frontend, a
 * second line for slow ones, and the Server-Timing header. Lines are made and written some
 * milliseconds later, many at a time: a client does not wait for them, and a write for each costs as
 * much as a small query.
 */
import type { QuerierQuery } from '../actors/querier/contract.js'
import type { Answered } from '../actors/query-frontend/query-frontend.js'
import type { Env, Timer } from '../shared/env/index.js'
import { AppError } from '../shared/errors/index.js'
import type { LogFields } from '../shared/telemetry/index.js'
import type { HttpConfig, HttpRequest } from './handler.js'

/** Longer parameters are cut in the log. */
const PARAM_CHARS = 2_000
/** How long a line may wait for others, ms, and how many may. */
const WAIT_MS = 20
const WAITING_MAX = 100

/** A query and what came of it. */
export interface QueryOutcome {
  readonly query: QuerierQuery
  /** The answer, or why there is none. */
  readonly result: Answered | unknown
  readonly tookMs: number
}

/** A line to be written. The answer's bytes are not held for it. */
interface Waiting extends QueryOutcome {
  readonly request: HttpRequest
  readonly nowMs: number
  readonly sizeBytes: number
}

/** Writes the lines of queries. */
export class QueryLog {
  private readonly env: Env
  private readonly config: HttpConfig
  private waiting: Waiting[] = []
  private timer: Timer | undefined

  constructor(env: Env, config: HttpConfig) {
    this.env = env
    this.config = config
  }

  /** Takes a query that is over. */
  note(request: HttpRequest, { query, result, tookMs }: QueryOutcome): void {
    const { queryStatsEnabled, logSlowerThanMs } = this.config
    if (!queryStatsEnabled && (logSlowerThanMs === 0 || tookMs <= logSlowerThanMs)) return
    const isGood = isAnswer(result)
    this.waiting.push({
      request,
      query,
      tookMs,
      nowMs: this.env.clock.now(),
      result: isGood ? withoutBody(result) : result,
      sizeBytes: isGood ? sizeOf(result) : 0,
    })
    if (this.waiting.length >= WAITING_MAX) this.flush()
    else this.timer ??= this.env.timers.after(WAIT_MS, () => this.flush())
  }

  /** Writes what waits. */
  flush(): void {
    this.timer?.cancel()
    this.timer = undefined
    const { waiting } = this
    this.waiting = []
    if (waiting.length === 0) return
    const { queryStatsEnabled, logSlowerThanMs } = this.config
    const lines: [string, LogFields][] = []
    for (const entry of waiting) {
      const fields = fieldsOf(entry)
      if (queryStatsEnabled) lines.push(['query stats', fields])
      const isSlow = logSlowerThanMs !== 0 && entry.tookMs > logSlowerThanMs
      if (isSlow) lines.push(['slow query detected', fields])
    }
    this.env.log.records(lines)
  }
}

/** Mimir's Server-Timing; with `X-Mimir-Response-Query-Stats: true` all that is known. */
export function serverTiming(request: HttpRequest, answer: Answered, tookMs: number): string {
  const parts = [
    `querier_wall_time;dur=${millis(answer.tookMs)}`,
    `response_time;dur=${millis(tookMs)}`,
    `bytes_processed;val=${answer.stats?.chunkBytes ?? 0}`,
    `samples_processed;val=${answer.samplesRead}`,
  ]
  if (request.incoming.headers['x-mimir-response-query-stats'] !== 'true') return parts.join(', ')
  parts.push(
    `fetched_series_count;val=${answer.seriesRead}`,
    `fetched_chunks_count;val=${answer.stats?.chunks ?? 0}`,
    `fetched_chunk_bytes;val=${answer.stats?.chunkBytes ?? 0}`,
    `column_cache_hits;val=${answer.stats?.cacheHits ?? 0}`,
    `column_cache_misses;val=${answer.stats?.cacheMisses ?? 0}`,
    `queue_time;dur=${answer.queuedMs.toFixed(3)}`,
    `encode_time;dur=${(answer.stats?.encodeMs ?? 0).toFixed(3)}`,
  )
  return parts.join(', ')
}

function fieldsOf(waiting: Waiting): LogFields {
  const { request, query, result, tookMs, nowMs, sizeBytes } = waiting
  const { incoming, tenant, route } = request
  const isGood = isAnswer(result)
  return {
    component: 'query-frontend',
    user: tenant,
    method: incoming.method,
    path: (incoming.url ?? '').replace(/\?.*$/s, ''),
    route_name: route,
    user_agent: incoming.headers['user-agent'],
    status_code: isGood ? 200 : result instanceof AppError ? result.row().status : 500,
    response_time: seconds(tookMs),
    ...(isGood ? answerFields(result, sizeBytes) : {}),
    ...rangeFields(query, nowMs),
    status: statusOf(result),
    err: isGood ? undefined : result instanceof Error ? result.message : String(result),
    ...paramFields(query),
  }
}

function answerFields(answer: Answered, sizeBytes: number): LogFields {
  const { stats } = answer
  return {
    response_size_bytes: sizeBytes,
    query_wall_time_seconds: answer.tookMs / 1000,
    fetched_series_count: answer.seriesRead,
    fetched_chunk_bytes: stats?.chunkBytes ?? 0,
    fetched_chunks_count: stats?.chunks ?? 0,
    fetched_index_bytes: 0,
    sharded_queries: 0,
    split_queries: 0,
    spun_off_subqueries: 0,
    estimated_series_count: 0,
    queue_time_seconds: answer.queuedMs / 1000,
    encode_time_seconds: (stats?.encodeMs ?? 0) / 1000,
    samples_processed: answer.samplesRead,
    results_cache_hit_bytes: 0,
    results_cache_miss_bytes: 0,
    response_series_count: stats?.responseSeries,
    response_samples_count: stats?.responseSamples,
  }
}

/** How much time a query spans, and how long ago that was. */
function rangeFields(query: QuerierQuery, nowMs: number): LogFields {
  if (query.kind !== 'query-range' && query.kind !== 'query') return {}
  const [from, to] =
    query.kind === 'query' ? [query.atMs, query.atMs] : [query.startMs, query.endMs]
  return {
    length: seconds(to - from),
    time_since_min_time: seconds(nowMs - from),
    time_since_max_time: seconds(nowMs - to),
  }
}

function paramFields(query: QuerierQuery): LogFields {
  switch (query.kind) {
    case 'query':
      return { param_query: cut(query.text), param_time: time(query.atMs) }
    case 'query-range': {
      const { startMs, endMs, stepMs } = query
      const times = { param_start: time(startMs), param_end: time(endMs) }
      return { param_query: cut(query.text), ...times, param_step: stepMs / 1000 }
    }
    case 'series':
    case 'label-names':
    case 'label-values':
      return { param_matchers: cut(query.matchers.join(',')) || undefined }
    default:
      return 'text' in query ? { param_query: cut(query.text) } : {}
  }
}

function statusOf(result: unknown): string {
  if (isAnswer(result)) return 'success'
  const type = result instanceof AppError ? result.row().type : 'internal'
  return type === 'canceled' || type === 'timeout' ? type : 'failed'
}

/** Written out: a copy with some of it changed takes V8 several times as long. */
function withoutBody(answer: Answered): Answered {
  return {
    pieces: [],
    text: undefined,
    samplesRead: answer.samplesRead,
    seriesRead: answer.seriesRead,
    tookMs: answer.tookMs,
    contentType: answer.contentType,
    contentEncoding: answer.contentEncoding,
    stats: answer.stats,
    queuedMs: answer.queuedMs,
  }
}

function sizeOf({ pieces, text }: Answered): number {
  return text?.length ?? pieces.reduce((sum, piece) => sum + piece.length, 0)
}

function isAnswer(result: unknown): result is Answered {
  return !(result instanceof Error) && typeof result === 'object' && result !== null
}

function cut(text: string): string {
  return text.length > PARAM_CHARS ? `${text.slice(0, PARAM_CHARS)}…` : text
}

/** Milliseconds with three decimals: toFixed takes several times as long. */
function millis(ms: number): string {
  const us = Math.round(ms * 1_000)
  const rest = us % 1_000
  return `${Math.trunc(us / 1_000)}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`
}

/** A duration as Go reads it. */
function seconds(ms: number): string {
  return `${ms / 1000}s`
}

function time(ms: number): number {
  return ms / 1000
}
