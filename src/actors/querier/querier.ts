/**
 * Runs queries, one at a time: text → syntax tree → columns over all shards → bytes of JSON. Holds
 * nothing but caches: the labels it has met, as ids, thrown away between queries when they have
 * become many.
 */
import type { Env } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import { Limits, type LimitsData } from '../../shared/limits/index.js'
import {
  type Expr,
  execute,
  formatExpr,
  LabelTable,
  type ParseOptions,
  parse,
  type Query,
  type QueryResult,
  treeOf,
} from '../../shared/promql/index.js'
import { MemoryBudget } from '../../shared/slab/index.js'
import { encodeData, JsonEncoder } from '../../shared/wire/json/index.js'
import { type BlockParts, BlockReads } from './block-reads.js'
import {
  CANCEL_NONE,
  CANCEL_TIMEOUT,
  type QuerierAnswer,
  type QuerierBoot,
  type QuerierQuery,
  type QuerierTask,
  type QueryOf,
} from './contract.js'
import { answerExemplars } from './exemplars.js'
import { Fanout, type ShardLink } from './fanout.js'
import { Federation, type Reads } from './federation.js'
import {
  answerLabelNames,
  answerLabelValues,
  answerMetadata,
  answerSeries,
  listOutcome,
  type Outcome,
} from './label-queries.js'
import { type QueryLimits, queryLimitsOf } from './query-limits.js'
import { TRUNCATED } from './texts.js'

/** Sizes of the label table from which on it is made anew before the next query. */
const SETS_MAX = 300_000
const PAIRS_MAX = 500_000

/** The first of the queriers' cells for their caches. */
const CACHE_CLAIMANTS = 32

/** Of each kind in one answer, as in Prometheus' API. */
const NOTES_MAX = 10

/** What a querier needs to reach blocks. */
export type BlockAccess = Pick<BlockParts, 'list' | 'gateways'>

/** One querier, without a thread: worker.ts gives it one, tests call it. */
export class Querier {
  private readonly env: Env
  private readonly boot: QuerierBoot
  private readonly fanout: Fanout
  /** The fanout, for several tenants too. */
  private readonly reads: Reads
  private readonly json = new JsonEncoder()
  private labels = new LabelTable()
  private readonly limits: Limits
  private readonly seat: number
  private readonly budget: MemoryBudget | undefined

  /**
   * @param seat this one's alone in the pool, while it lives
   * @param blocks how blocks are reached; without it there are none
   */
  constructor(env: Env, boot: QuerierBoot, seat = 0, blocks?: BlockAccess) {
    this.env = env
    this.boot = boot
    this.limits = new Limits(boot.limits)
    this.seat = seat
    this.budget = boot.budget === undefined ? undefined : new MemoryBudget(boot.budget)
    this.budget?.set('queries', seat, 0)
    // Claimed at once, as large as it may become. Distributors are the claimants before these.
    this.budget?.set('caches', CACHE_CLAIMANTS + seat, boot.config.cacheBytes)
    const { cacheBytes } = boot.config
    const reads =
      blocks === undefined ? undefined : new BlockReads({ env, ...blocks, tableBytes: cacheBytes })
    this.fanout = new Fanout(env, boot.shardCount, cacheBytes, reads)
    this.reads = new Federation(this.fanout, boot.config.federationConcurrency)
  }

  /** Takes (another life of) a shard. */
  link(shard: number, link: ShardLink): void {
    this.fanout.link(shard, link)
  }

  /** Takes newer limits: they hold from the next query on. */
  takeLimits(data: LimitsData): void {
    this.limits.take(data)
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
    const context = { tenant, fanout: this.reads, labels: this.labels, isCanceled }
    switch (query.kind) {
      case 'query':
      case 'query-range':
        return this.evaluate(tenant, query, isCanceled)
      case 'series':
        return answerSeries(context, query)
      case 'label-names':
        return answerLabelNames(context, query)
      case 'label-values':
        return answerLabelValues(context, query)
      case 'metadata':
        return answerMetadata(context, query)
      case 'format-query':
        return listOutcome(encodeData(formatExpr(this.parse(tenant, query.text))), 0)
      case 'parse-query':
        return listOutcome(encodeData(treeOf(this.parse(tenant, query.text))), 0)
      case 'exemplars':
        return answerExemplars(context, query, this.limitsOf(tenant).syntax)
    }
  }

  private parse(tenant: string, text: string): Expr {
    return parseQuery(text, this.limitsOf(tenant).syntax)
  }

  private limitsOf(tenant: string): QueryLimits {
    return queryLimitsOf(this.limits.of(tenant))
  }

  private async evaluate(
    tenant: string,
    query: QueryOf<'query' | 'query-range'>,
    isCanceled: () => boolean,
  ): Promise<Outcome> {
    const { config } = this.boot
    const limits = this.limitsOf(tenant)
    const expr = this.parse(tenant, query.text)
    const isInstant = query.kind === 'query'
    const request: Query = {
      text: query.text,
      start: isInstant ? query.atMs : query.startMs,
      end: isInstant ? query.atMs : query.endMs,
      step: isInstant ? 0 : query.stepMs,
      lookbackMs: query.lookbackMs > 0 ? query.lookbackMs : config.lookbackMs,
      subqueryStepMs: config.evaluationIntervalMs,
      delayedNameRemoval: limits.delayedNameRemoval,
      samplesMax: config.samplesMax,
      memoryMax: limits.memoryMax,
      reserve: (bytes) => this.budget?.tryRaise('queries', this.seat, bytes) ?? true,
      isCanceled,
    }
    const source = this.reads.source(tenant)
    let result: QueryResult
    try {
      result = await execute(expr, request, source, this.labels)
    } catch (error) {
      throw isInvalidRange(error) ? invalidQuery(error) : error
    } finally {
      this.budget?.set('queries', this.seat, 0)
    }
    const pieces = this.json.encode(withFewNotes(limited(result, query.limit)))
    return { pieces, samplesRead: result.samplesRead, seriesRead: result.seriesRead }
  }
}

function parseQuery(text: string, syntax: ParseOptions): Expr {
  try {
    return parse(text, syntax)
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
