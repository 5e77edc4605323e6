/**
 * Evaluating a query in a querier thread: the tenant's limits, the engine, the bytes of the answer,
 * what it cost; and explaining one, with or without running it.
 */
import type { Env } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import type { FrequencyCells } from '../../shared/limits/index.js'
import {
  type BlockFetch,
  countPoints,
  type ExplainedNode,
  type Expr,
  execute,
  explainPlan,
  type LabelTable,
  parse,
  planOf,
  printExplained,
  type Query,
  type QueryResult,
} from '../../shared/promql/index.js'
import { encodeData, type JsonEncoder } from '../../shared/wire/json/index.js'
import type { AnswerStats, QuerierConfig, QueryOf } from './contract.js'
import type { Reads } from './federation.js'
import type { Outcome } from './label-queries.js'
import { checkRules, textsOf } from './query-gate.js'
import { checkLengths, checkText, type QueryLimits, withinLookback } from './query-limits.js'
import type { QueryStop } from './query-stop.js'
import { statsJson } from './stats-json.js'
import { TRUNCATED } from './texts.js'

/** Of each kind in one answer, as in Prometheus' API. */
const NOTES_MAX = 10

/** Whom a query is for, and what it is evaluated with. */
export interface EvaluateContext {
  readonly env: Env
  readonly config: QuerierConfig
  readonly tenant: string
  readonly limits: QueryLimits
  readonly reads: Reads
  readonly labels: LabelTable
  readonly runs: FrequencyCells
  readonly json: JsonEncoder
  /** Of the process' memory: raises what this query holds; 0 gives it back. */
  reserve(bytes: number): boolean
  readonly stop: QueryStop
  /** How long the query has waited for a thread, ms. */
  readonly waitedMs: number
}

type EvaluatedQuery = QueryOf<'query' | 'query-range'>

/** Answers an instant or range query. */
export async function answerQuery(
  context: EvaluateContext,
  query: EvaluatedQuery,
): Promise<Outcome> {
  const { clock } = context.env
  const began = clock.monotonic()
  const result = await evaluate(context, query, { countsSteps: query.stats !== undefined })
  const endedMs = clock.monotonic()
  const { waitedMs } = context
  const isPerStep = query.stats === 'steps'
  const timed = {
    waitedMs,
    execMs: endedMs - began,
    isPerStep,
    ...stepTimes(query, context.limits),
  }
  const stats = query.stats === undefined ? '' : `,"stats":${statsJson(result.stats, timed)}`
  const pieces = context.json.encode(withFewNotes(limited(result, query.limit)), stats, () =>
    context.stop.check(),
  )
  const cost = statsOf(result, clock.monotonic() - endedMs)
  return { pieces, samplesRead: result.samplesRead, seriesRead: result.seriesRead, stats: cost }
}

/** Answers with the plan of a query, and its costs when it is to be run. */
export async function answerExplain(
  context: EvaluateContext,
  { of, isRun, asText }: QueryOf<'explain'>,
): Promise<Outcome> {
  let tree: ExplainedNode | undefined
  let summary: object = {}
  if (isRun) {
    const result = await evaluate(context, of, { isProfiled: true })
    tree = result.stats.profile
    summary = summaryOf(result)
  } else {
    const expr = parseChecked(of.text, context.limits, context.stop)
    const tick = () => context.stop.tick()
    tree = explainPlan(asBadQuery(() => planOf(expr, requestOf(context, of), tick)))
  }
  const read = { samplesRead: 0, seriesRead: 0 }
  if (!asText) return { ...read, pieces: encodeData({ plan: tree ?? null, ...summary }) }
  const lines = Object.entries(summary).map(([name, value]) => `${name}: ${textOf(value)}`)
  const text = [tree === undefined ? 'a string' : printExplained(tree), ...lines].join('\n')
  const pieces = [new TextEncoder().encode(`${text}\n`)]
  return { ...read, pieces, contentType: 'text/plain; charset=utf-8' }
}

/** @throws AppError `query-parse`, with Prometheus' words around it; what is over the limits */
export function parseChecked(text: string, limits: QueryLimits, stop: QueryStop): Expr {
  checkText(text, limits)
  try {
    return parse(text, limits.syntax, () => stop.tick())
  } catch (error) {
    const isOfText = error instanceof AppError && error.id === 'query-parse'
    throw isOfText ? invalidQuery(error) : error
  }
}

async function evaluate(
  context: EvaluateContext,
  query: EvaluatedQuery,
  wanted: Pick<Query, 'countsSteps' | 'isProfiled'>,
): Promise<QueryResult> {
  const { limits, reads, env, labels, stop } = context
  const expr = parseChecked(query.text, limits, stop)
  checkRules(context, () => {
    const texts = textsOf(query.text, expr)
    return query.kind === 'query-range' ? { texts, range: query } : { texts }
  })
  const request = requestOf(context, query, wanted)
  const source = withinLookback(reads.source(context.tenant), limits, env.clock.now())
  try {
    if (limits.totalMs > 0 || limits.partialMs > 0) {
      checkLengths(
        planOf(expr, request, () => stop.tick()),
        limits,
      )
    }
    return await execute(expr, request, source, labels)
  } catch (error) {
    throw isInvalidRange(error) ? invalidQuery(error) : error
  } finally {
    context.reserve(0)
  }
}

/** Of what is written out: a copy of a request with more in it takes V8 several times as long. */
function requestOf(
  context: EvaluateContext,
  query: EvaluatedQuery,
  { countsSteps = false, isProfiled = false }: Pick<Query, 'countsSteps' | 'isProfiled'> = {},
): Query {
  const { config, limits, env } = context
  const { startMs, endMs, stepMs } = stepTimes(query, limits)
  return {
    text: query.text,
    start: startMs,
    end: endMs,
    step: stepMs,
    lookbackMs: query.lookbackMs > 0 ? query.lookbackMs : config.lookbackMs,
    subqueryStepMs: config.evaluationIntervalMs,
    delayedNameRemoval: limits.delayedNameRemoval,
    samplesMax: config.samplesMax,
    memoryMax: limits.memoryMax,
    memoryError: limits.memoryError,
    fetchLimits: limits.fetch,
    reserve: context.reserve,
    isCanceled: () => {
      context.stop.check()
      return false
    },
    now: () => env.clock.monotonic(),
    countsSteps,
    isProfiled,
  }
}

function stepTimes(
  query: EvaluatedQuery,
  { alignsWithStep }: QueryLimits,
): { startMs: number; endMs: number; stepMs: number } {
  if (query.kind === 'query') return { startMs: query.atMs, endMs: query.atMs, stepMs: 0 }
  const { startMs, endMs, stepMs } = query
  if (!alignsWithStep) return { startMs, endMs, stepMs }
  return { startMs: floorTo(stepMs, startMs), endMs: floorTo(stepMs, endMs), stepMs }
}

function floorTo(stepMs: number, ms: number): number {
  return Math.floor(ms / stepMs) * stepMs
}

function statsOf(result: QueryResult, encodeMs: number): AnswerStats {
  const { fetched, samplesPeak, bytesPeak, prepareMs, evalMs } = result.stats
  const { chunks, chunkBytes, cacheHits, cacheMisses } = fetched
  const sizes = sizesOf(result)
  const times = { prepareMs, evalMs, encodeMs }
  return { chunks, chunkBytes, cacheHits, cacheMisses, samplesPeak, bytesPeak, ...times, ...sizes }
}

function sizesOf({ data }: QueryResult): { responseSeries: number; responseSamples: number } {
  switch (data.type) {
    case 'string':
    case 'scalar':
      return { responseSeries: 1, responseSamples: 1 }
    case 'samples':
      return { responseSeries: data.order.length, responseSamples: data.matrix.ts.length }
    default:
      return { responseSeries: data.order.length, responseSamples: countPoints(data.matrix) }
  }
}

/** The costs of a whole query, as `analyze` tells them. */
function summaryOf(result: QueryResult): object {
  const { prepareMs, evalMs, sortMs, samplesPeak, bytesPeak, fetched } = result.stats
  const { series, chunks, chunkBytes, cacheHits, cacheMisses, blocks } = fetched
  return {
    prepareMs,
    evalMs,
    sortMs,
    samplesRead: result.samplesRead,
    samplesPeak,
    bytesPeak,
    fetchedSeries: series,
    fetchedChunks: chunks,
    fetchedChunkBytes: chunkBytes,
    columnCacheHits: cacheHits,
    columnCacheMisses: cacheMisses,
    blocks: [...blocks.values()].map(blockOf),
    ...sizesOf(result),
  }
}

/** A block that was read, with the part of its time that was asked for. */
function blockOf({ block, mint, maxt, series, chunks, chunkBytes }: BlockFetch): object {
  const from = new Date(mint).toISOString()
  return { block, from, to: new Date(maxt).toISOString(), series, chunks, chunkBytes }
}

/** A figure as text; a list has a line for each. */
function textOf(value: unknown): string {
  if (!Array.isArray(value)) return String(value)
  return `${value.length}${value.map((one) => `\n  ${JSON.stringify(one)}`).join('')}`
}

function asBadQuery<T>(plan: () => T): T {
  try {
    return plan()
  } catch (error) {
    throw isInvalidRange(error) ? invalidQuery(error) : error
  }
}

/** Prometheus' words around what is wrong with a query as such. */
function invalidQuery(error: AppError): AppError {
  return fail('query-parse', { text: `invalid parameter "query": ${error.message}` }, error)
}

/** A range query of a range vector or string. */
function isInvalidRange(error: unknown): error is AppError {
  return error instanceof AppError && error.id === 'bad-data'
}

/** The answer with `limit` rows at most, and a warning when that cut it. */
function limited(result: QueryResult, limit: number): QueryResult {
  const { data } = result
  if (limit <= 0 || data.type === 'string' || data.type === 'scalar') return result
  if (data.order.length <= limit) return result
  const order = data.order.subarray(0, limit)
  return { ...result, data: { ...data, order }, warnings: [...result.warnings, TRUNCATED] }
}

/** The answer with as many warnings and infos as Prometheus sends, and how many more there are. */
function withFewNotes(result: QueryResult): QueryResult {
  const warnings = firstNotes(result.warnings, 'warning')
  return { ...result, warnings, infos: firstNotes(result.infos, 'info') }
}

function firstNotes(notes: readonly string[], kind: string): readonly string[] {
  const more = notes.length - NOTES_MAX
  if (more <= 0) return notes
  return [...notes.slice(0, NOTES_MAX), `${more} more ${kind} annotations omitted`]
}
