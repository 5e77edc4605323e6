/**
 * The Prometheus query API: parameters in, the querier's bytes out. What can be told from the
 * parameters alone is refused here, with Prometheus' texts; everything else (parsing, selecting,
 * evaluating, encoding) is work for a querier thread.
 */
import type { QuerierQuery, QueryOf } from '../../actors/querier/contract.js'
import type { Answered } from '../../actors/query-frontend/query-frontend.js'
import { quoteGo } from '../../shared/base/go-string.js'
import { fail } from '../../shared/errors/index.js'
import { checkBlocked, readParams } from '../blocked.js'
import { readSmallBody } from '../form.js'
import type { Front, HttpRequest, Reply } from '../handler.js'
import {
  durationParam,
  invalidParam,
  limitParam,
  MAX_TIME_MS,
  MIN_TIME_MS,
  type Params,
  parseInteger,
  parseStep,
  timeParam,
  unescapeLabelName,
} from '../params.js'
import { serverTiming } from '../query-log.js'

/** Points of one series that a range query may have, as in Prometheus. */
const POINTS_MAX = 11_000
/** Rows of each list of the TSDB's status: when not asked for, and at most. */
const TSDB_ROWS = 10
const TSDB_ROWS_MAX = 10_000
const ZERO_STEP =
  'zero or negative query resolution step widths are not accepted. Try a positive integer'
const TOO_MANY_POINTS =
  'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)'

/** GET, POST /api/v1/query */
export async function instantQuery(request: HttpRequest, front: Front): Promise<Reply> {
  const { query, timeoutMs } = readInstant(await readParams(request, front), front)
  return runQuery(request, front, query, timeoutMs)
}

/** GET, POST /api/v1/query_range */
export async function rangeQuery(request: HttpRequest, front: Front): Promise<Reply> {
  const { query, timeoutMs } = readRange(await readParams(request, front))
  return runQuery(request, front, query, timeoutMs)
}

/** GET, POST /api/v1/explain: a range query when there is a step. */
export function explain(request: HttpRequest, front: Front): Promise<Reply> {
  return explained(request, front, false)
}

/** GET, POST /api/v1/analyze */
export function analyze(request: HttpRequest, front: Front): Promise<Reply> {
  return explained(request, front, true)
}

async function explained(request: HttpRequest, front: Front, isRun: boolean): Promise<Reply> {
  const params = await readParams(request, front)
  const read = params.get('step') === '' ? readInstant(params, front) : readRange(params)
  const format = params.get('format')
  if (format !== '' && format !== 'json' && format !== 'text') {
    throw invalidParam('format', `${quoteGo(format)} is neither json nor text`)
  }
  const query = { kind: 'explain', of: read.query, isRun, asText: format === 'text' } as const
  return runQuery(request, front, query, read.timeoutMs)
}

/** A query and how long it may take, ms. */
interface ReadQuery {
  readonly query: QueryOf<'query' | 'query-range'>
  readonly timeoutMs: number | undefined
}

function readInstant(params: Params, front: Front): ReadQuery {
  const limit = limitParam(params)
  const atMs = timeParam(params, 'time', front.env.clock.now())
  const timeoutMs = durationParam(params, 'timeout')
  const lookbackMs = lookbackParam(params)
  const text = params.get('query')
  return {
    query: { kind: 'query', text, atMs, lookbackMs, limit, ...statsParam(params) },
    timeoutMs,
  }
}

function readRange(params: Params): ReadQuery {
  const limit = limitParam(params)
  const startMs = timeParam(params, 'start')
  const endMs = timeParam(params, 'end')
  if (endMs < startMs) throw invalidParam('end', 'end timestamp must not be before start time')
  const step = durationParam(params, 'step')
  if (step === undefined) throw invalidParam('step', 'cannot parse "" to a valid duration')
  const stepMs = Math.trunc(step)
  if (stepMs < 1) throw invalidParam('step', ZERO_STEP)
  if (Math.trunc((endMs - startMs) / step) > POINTS_MAX) {
    throw fail('bad-data', { text: TOO_MANY_POINTS })
  }
  const timeoutMs = durationParam(params, 'timeout')
  const lookbackMs = lookbackParam(params)
  const text = params.get('query')
  const range = { startMs, endMs, stepMs }
  return {
    query: { kind: 'query-range', text, ...range, lookbackMs, limit, ...statsParam(params) },
    timeoutMs,
  }
}

/** With `stats` statistics are asked for, with `all` those of each step as well. */
function statsParam(params: Params): { stats?: 'sum' | 'steps' } {
  const text = params.get('stats')
  if (text === '') return {}
  return { stats: text === 'all' ? 'steps' : 'sum' }
}

/** GET, POST /api/v1/series */
export async function series(request: HttpRequest, front: Front): Promise<Reply> {
  const params = await readParams(request, front)
  const matchers = params.all('match[]')
  if (matchers.length === 0) throw fail('bad-data', { text: 'no match[] parameter provided' })
  return runQuery(request, front, { kind: 'series', matchers, ...rangeOf(params) })
}

/** GET, POST /api/v1/labels */
export async function labelNames(request: HttpRequest, front: Front): Promise<Reply> {
  const params = await readParams(request, front)
  const matchers = params.all('match[]')
  return runQuery(request, front, { kind: 'label-names', matchers, ...rangeOf(params) })
}

/** GET /api/v1/label/:name/values */
export async function labelValues(request: HttpRequest, front: Front): Promise<Reply> {
  const params = await readParams(request, front)
  const name = unescapeLabelName(request.param('name'))
  // Any UTF-8 text is a name, as in Prometheus 3.
  if (name === '') throw fail('bad-data', { text: `invalid label name: ${quoteGo(name)}` })
  const matchers = params.all('match[]')
  return runQuery(request, front, { kind: 'label-values', name, matchers, ...rangeOf(params) })
}

/** GET /api/v1/metadata */
export async function metadata(request: HttpRequest, front: Front): Promise<Reply> {
  const params = await readParams(request, front)
  const limit = integerParam(params, 'limit')
  const limitPerMetric = integerParam(params, 'limit_per_metric')
  const metric = params.get('metric')
  return runQuery(request, front, { kind: 'metadata', metric, limit, limitPerMetric })
}

/** GET, POST /api/v1/format_query */
export async function formatQuery(request: HttpRequest, front: Front): Promise<Reply> {
  const params = await readParams(request, front)
  return runQuery(request, front, { kind: 'format-query', text: params.get('query') })
}

/** GET, POST /api/v1/parse_query */
export async function parseQuery(request: HttpRequest, front: Front): Promise<Reply> {
  const params = await readParams(request, front)
  return runQuery(request, front, { kind: 'parse-query', text: params.get('query') })
}

/** GET, POST /api/v1/query_exemplars */
export async function queryExemplars(request: HttpRequest, front: Front): Promise<Reply> {
  const params = await readParams(request, front)
  const startMs = timeParam(params, 'start', MIN_TIME_MS)
  const endMs = timeParam(params, 'end', MAX_TIME_MS)
  if (endMs < startMs) {
    throw fail('bad-data', { text: 'end timestamp must not be before start timestamp' })
  }
  const text = params.get('query')
  return runQuery(request, front, { kind: 'exemplars', text, mint: startMs, maxt: endMs })
}

/** GET /federate */
export async function federate(request: HttpRequest, front: Front): Promise<Reply> {
  const matchers = (await readParams(request, front)).all('match[]')
  return runQuery(request, front, { kind: 'federate', matchers, atMs: front.env.clock.now() })
}

/** POST /api/v1/read: remote read. */
export async function remoteRead(request: HttpRequest, front: Front): Promise<Reply> {
  checkBlocked(request, front)
  const { pieces } = await readSmallBody(request, front)
  return runQuery(request, front, { kind: 'remote-read', body: Buffer.concat(pieces) })
}

/** GET /api/v1/status/tsdb */
export async function tsdbStatus(request: HttpRequest, front: Front): Promise<Reply> {
  const text = (await readParams(request, front)).get('limit')
  const limit = text === '' ? TSDB_ROWS : parseInteger(text)
  if (limit === undefined || limit < 1) {
    throw fail('bad-data', { text: 'limit must be a positive number' })
  }
  if (limit > TSDB_ROWS_MAX) {
    throw fail('bad-data', { text: `limit must not exceed ${TSDB_ROWS_MAX}` })
  }
  return runQuery(request, front, { kind: 'tsdb-status', limit })
}

function rangeOf(params: Params): { mint: number; maxt: number; limit: number } {
  const limit = limitParam(params)
  const mint = timeParam(params, 'start', MIN_TIME_MS)
  const maxt = timeParam(params, 'end', MAX_TIME_MS)
  return { mint, maxt, limit }
}

/** `lookback_delta` in ms, 0 when absent. */
function lookbackParam(params: Params): number {
  const text = params.get('lookback_delta')
  if (text === '') return 0
  try {
    return Math.trunc(parseStep(text))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw fail('bad-data', { text: `error parsing lookback delta duration: ${why}` }, error)
  }
}

function integerParam(params: Params, name: string): number {
  const text = params.get(name)
  if (text === '') return -1
  const value = parseInteger(text)
  if (value === undefined) throw fail('bad-data', { text: `${name} must be a number` })
  return value
}

/** What the header wants to be read alone, where it is heeded. */
function queryablesOf({ incoming }: HttpRequest, { config }: Front): string[] | undefined {
  const header = incoming.headers['x-filter-queryables']
  if (!config.filterQueryables || typeof header !== 'string' || header === '') return undefined
  return header.split(',').map((name) => name.trim())
}

/** Runs a query for the tenant of a request. */
export async function runQuery(
  request: HttpRequest,
  front: Front,
  query: QuerierQuery,
  timeoutMs?: number,
): Promise<Reply> {
  const { clock } = front.env
  const start = clock.monotonic()
  const signal = request.signal()
  const queryables = queryablesOf(request, front)
  const options = {
    signal,
    queryables,
    timeoutMs: timeoutMs === undefined ? undefined : Math.max(0, timeoutMs),
  }
  let answer: Answered
  try {
    answer = await front.frontend.run(request.tenant, query, options)
  } catch (error) {
    front.queryLog.note(request, { query, result: error, tookMs: clock.monotonic() - start })
    throw error
  }
  const tookMs = clock.monotonic() - start
  front.queryLog.note(request, { query, result: answer, tookMs })
  // As Prometheus: where there can be no data, an answer has no body.
  if (answer.pieces.length === 0 && answer.text === undefined) return { status: 204 }
  const { contentType = 'application/json', contentEncoding } = answer
  const headers: Record<string, string> = { 'content-type': contentType }
  if (contentEncoding !== undefined) headers['content-encoding'] = contentEncoding
  if (front.config.queryStatsEnabled) {
    headers['server-timing'] = serverTiming(request, answer, tookMs)
  }
  const compress = query.kind !== 'remote-read' && contentEncoding === undefined
  return { status: 200, headers, body: answer.pieces, bytesText: answer.text, compress }
}
