/**
 * Runs queries, one at a time: text → syntax tree → columns over all shards → bytes of JSON. Holds
 * nothing but caches: the labels it has met, as ids, thrown away between queries when they have
 * become many.
 */
import type { Env } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import { compareUtf8 } from '../../shared/model/labels.js'
import type { Matcher } from '../../shared/model/matcher.js'
import {
  execute,
  formatExpr,
  LabelTable,
  matchesEmpty,
  type ParseOptions,
  parse,
  parseMetricSelector,
  type Query,
  type QueryResult,
} from '../../shared/promql/index.js'
import {
  type AnswerNotes,
  encodeData,
  encodeSeries,
  encodeStrings,
  JsonEncoder,
} from '../../shared/wire/json/index.js'
import type { MetricMetadata } from '../ingester/contract.js'
import {
  CANCEL_NONE,
  CANCEL_TIMEOUT,
  type QuerierAnswer,
  type QuerierBoot,
  type QuerierQuery,
  type QuerierTask,
} from './contract.js'
import { Fanout, type ShardLink, type TimeRange } from './fanout.js'

/** Sizes of the label table from which on it is made anew before the next query. */
const SETS_MAX = 300_000
const PAIRS_MAX = 500_000

/** Of each kind in one answer, as in Prometheus' API. */
const NOTES_MAX = 10
const TRUNCATED = 'results truncated due to limit'
const EMPTY_MATCHER = 'match[] must contain at least one non-empty matcher'

/** Experimental syntax comes with a later issue. */
const PARSE_OPTIONS: ParseOptions = {
  enableExperimentalFunctions: false,
  experimentalDurationExpr: false,
  enableExtendedRangeSelectors: false,
  enableBinopFillModifiers: false,
}

type QueryOf<Kind extends QuerierQuery['kind']> = Extract<QuerierQuery, { kind: Kind }>
type Pieces = readonly Uint8Array<ArrayBuffer>[]

/** An answer before it is timed. */
interface Outcome {
  readonly pieces: Pieces
  readonly samplesRead: number
  readonly seriesRead: number
}

export class Querier {
  private readonly env: Env
  private readonly boot: QuerierBoot
  private readonly fanout: Fanout
  private readonly json = new JsonEncoder()
  private labels = new LabelTable()

  constructor(env: Env, boot: QuerierBoot) {
    this.env = env
    this.boot = boot
    this.fanout = new Fanout(env, boot.shardCount)
  }

  /** Takes (another life of) a shard. */
  link(shard: number, link: ShardLink): void {
    this.fanout.link(shard, link)
  }

  /**
   * Answers one query; not to be called again before it has.
   *
   * @throws AppError, those of contract.ts
   */
  async run(task: QuerierTask): Promise<QuerierAnswer> {
    const { clock } = this.env
    const start = clock.monotonic()
    const { sets, pairs } = this.labels.size()
    if (sets > SETS_MAX || pairs > PAIRS_MAX) this.labels = new LabelTable()
    const cell = new Int32Array(task.cancel.cells)
    const { index } = task.cancel
    try {
      const outcome = await this.answer(task.tenant, task.query, () => {
        return Atomics.load(cell, index) !== CANCEL_NONE
      })
      return { ...outcome, tookMs: clock.monotonic() - start }
    } catch (error) {
      const isLate = Atomics.load(cell, index) === CANCEL_TIMEOUT
      const isCanceled = error instanceof AppError && error.id === 'query-canceled'
      if (isLate && isCanceled) throw fail('query-timeout', {}, error)
      throw error
    }
  }

  private answer(
    tenant: string,
    query: QuerierQuery,
    isCanceled: () => boolean,
  ): Outcome | Promise<Outcome> {
    switch (query.kind) {
      case 'query':
      case 'query-range':
        return this.evaluate(tenant, query, isCanceled)
      case 'series':
        return this.series(tenant, query, isCanceled)
      case 'label-names':
        return this.labelNames(tenant, query, isCanceled)
      case 'label-values':
        return this.labelValues(tenant, query, isCanceled)
      case 'metadata':
        return this.metadata(tenant, query)
      case 'format-query':
        return listOutcome(encodeData(formatExpr(parseQuery(query.text))), 0)
    }
  }

  private async evaluate(
    tenant: string,
    query: QueryOf<'query' | 'query-range'>,
    isCanceled: () => boolean,
  ): Promise<Outcome> {
    const { config } = this.boot
    const expr = parseQuery(query.text)
    const isInstant = query.kind === 'query'
    const request: Query = {
      text: query.text,
      start: isInstant ? query.atMs : query.startMs,
      end: isInstant ? query.atMs : query.endMs,
      step: isInstant ? 0 : query.stepMs,
      lookbackMs: query.lookbackMs > 0 ? query.lookbackMs : config.lookbackMs,
      subqueryStepMs: config.evaluationIntervalMs,
      delayedNameRemoval: config.delayedNameRemoval,
      samplesMax: config.samplesMax,
      memoryMax: config.memoryMax,
      isCanceled,
    }
    const source = this.fanout.source(tenant)
    let result: QueryResult
    try {
      result = await execute(expr, request, source, this.labels)
    } catch (error) {
      throw isInvalidRange(error) ? invalidQuery(error) : error
    }
    const pieces = this.json.encode(withFewNotes(limited(result, query.limit)))
    return { pieces, samplesRead: result.samplesRead, seriesRead: result.seriesRead }
  }

  private async series(
    tenant: string,
    query: QueryOf<'series'>,
    isCanceled: () => boolean,
  ): Promise<Outcome> {
    const selectors = parseSelectors(query.matchers, 'invalid parameter "match[]": ')
    const sets = await this.setsOf(tenant, selectors, query, isCanceled)
    const sorted = sets.slice().sort((a, b) => this.labels.compare(a, b))
    const isCut = query.limit > 0 && sorted.length > query.limit
    const kept = isCut ? sorted.subarray(0, query.limit) : sorted
    return listOutcome(encodeSeries(kept, this.labels, truncated(isCut)), sets.length)
  }

  private async labelNames(
    tenant: string,
    query: QueryOf<'label-names'>,
    isCanceled: () => boolean,
  ): Promise<Outcome> {
    const selectors = parseSelectors(query.matchers, '')
    if (selectors.length === 0) {
      return stringsOutcome(await this.fanout.labelNames(tenant, rangeOf(query)), query.limit, 0)
    }
    const sets = await this.setsOf(tenant, selectors, query, isCanceled)
    const names = this.distinct(sets, (pair) => this.labels.pairName(pair))
    return stringsOutcome(names, query.limit, sets.length)
  }

  private async labelValues(
    tenant: string,
    query: QueryOf<'label-values'>,
    isCanceled: () => boolean,
  ): Promise<Outcome> {
    const selectors = parseSelectors(query.matchers, '')
    if (selectors.length === 0) {
      const values = await this.fanout.labelValues(tenant, query.name, rangeOf(query))
      return stringsOutcome(values, query.limit, 0)
    }
    const sets = await this.setsOf(tenant, selectors, query, isCanceled)
    const nameId = this.labels.nameId(query.name)
    const values = this.distinct(sets, (pair) =>
      this.labels.pairNameId(pair) === nameId ? this.labels.pairValue(pair) : undefined,
    )
    return stringsOutcome(values, query.limit, sets.length)
  }

  private async metadata(tenant: string, query: QueryOf<'metadata'>): Promise<Outcome> {
    const { metric, limit, limitPerMetric } = query
    // A limit of none is told from a limit of zero, which asks for nothing.
    if (limit === 0) return listOutcome(encodeData({}), 0)
    const entries = await this.fanout.metadata(tenant, metric)
    const byMetric = new Map<string, MetricMetadata[]>()
    for (const entry of entries.sort((a, b) => compareUtf8(a.metric, b.metric))) {
      const list = byMetric.get(entry.metric)
      if (list === undefined) {
        if (limit > 0 && byMetric.size >= limit) break
        byMetric.set(entry.metric, [entry])
      } else if (!(limitPerMetric > 0 && list.length >= limitPerMetric) && !has(list, entry)) {
        list.push(entry)
      }
    }
    return listOutcome(encodeData(metadataJson(byMetric)), 0)
  }

  /** Set ids of the series of any selector, each once. */
  private async setsOf(
    tenant: string,
    selectors: readonly (readonly Matcher[])[],
    range: TimeRange,
    isCanceled: () => boolean,
  ): Promise<Uint32Array> {
    const lists: Uint32Array[] = []
    for (const matchers of selectors) {
      lists.push(await this.fanout.sets(tenant, matchers, rangeOf(range), this.labels))
      if (isCanceled()) throw fail('query-canceled')
    }
    if (lists.length === 1) return lists[0]!
    return Uint32Array.from(new Set(lists.flatMap((list) => [...list])))
  }

  /** Distinct texts of the pairs of sets, sorted; each pair is looked at once. */
  private distinct(sets: Uint32Array, textOf: (pair: number) => string | undefined): string[] {
    const seen = new Uint8Array(this.labels.size().pairs)
    const texts = new Set<string>()
    for (const set of sets) {
      for (const pair of this.labels.pairs(set)) {
        if (seen[pair] === 1) continue
        seen[pair] = 1
        const text = textOf(pair)
        if (text !== undefined) texts.add(text)
      }
    }
    return [...texts].sort(compareUtf8)
  }
}

function parseQuery(text: string): ReturnType<typeof parse> {
  try {
    return parse(text, PARSE_OPTIONS)
  } catch (error) {
    throw error instanceof AppError ? invalidQuery(error) : error
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

/** The matchers of `match[]` texts; Prometheus words errors of series and of labels differently. */
function parseSelectors(texts: readonly string[], prefix: string): (readonly Matcher[])[] {
  return texts.map((text) => {
    let matchers: readonly Matcher[]
    try {
      matchers = parseMetricSelector(text, PARSE_OPTIONS)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      throw fail('query-parse', { text: prefix + error.message }, error)
    }
    if (matchers.every(matchesEmpty)) throw fail('bad-data', { text: prefix + EMPTY_MATCHER })
    return matchers
  })
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

function rangeOf({ mint, maxt }: TimeRange): TimeRange {
  return { mint, maxt }
}

function has(list: readonly MetricMetadata[], entry: MetricMetadata): boolean {
  const { type, help, unit } = entry
  return list.some((other) => other.type === type && other.help === help && other.unit === unit)
}

function metadataJson(byMetric: ReadonlyMap<string, readonly MetricMetadata[]>): unknown {
  return Object.fromEntries(
    Array.from(byMetric, ([metric, entries]) => [
      metric,
      entries.map(({ type, help, unit }) => ({ type, help, unit })),
    ]),
  )
}

/** The warning beside a list that a limit has cut. */
function truncated(isCut: boolean): AnswerNotes {
  return isCut ? { warnings: [TRUNCATED] } : {}
}

function listOutcome(pieces: Pieces, seriesRead: number): Outcome {
  return { pieces, samplesRead: 0, seriesRead }
}

function stringsOutcome(values: readonly string[], limit: number, seriesRead: number): Outcome {
  const isCut = limit > 0 && values.length > limit
  const kept = isCut ? values.slice(0, limit) : values
  return listOutcome(encodeStrings(kept, truncated(isCut)), seriesRead)
}
