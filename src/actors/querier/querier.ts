/**
 * Runs queries, one at a time: text → syntax tree → columns over all shards → bytes of JSON. Holds
 * nothing but caches: the labels it has met, as ids, thrown away between queries when they have
 * become many.
 */
import type { HeapGuard } from '../../shared/actor/index.js'
import type { Env } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import { FrequencyCells, Limits, type LimitsData, TenantCells } from '../../shared/limits/index.js'
import { type Expr, formatExpr, LabelTable, treeOf } from '../../shared/promql/index.js'
import { MemoryBudget } from '../../shared/slab/index.js'
import { encodeData, JsonEncoder } from '../../shared/wire/json/index.js'
import { type BlockParts, BlockReads } from './block-reads.js'
import { answerCardinality, type CardinalityContext } from './cardinality.js'
import { ColumnCache } from './column-cache.js'
import {
  CACHE_CLAIMANTS,
  type QuerierAnswer,
  type QuerierBoot,
  type QuerierTask,
  type QueryOf,
} from './contract.js'
import { answerExplain, answerQuery, type EvaluateContext, parseChecked } from './evaluate.js'
import { answerExemplars } from './exemplars.js'
import { Fanout, type ShardLink } from './fanout.js'
import { answerFederate } from './federate.js'
import { Federation, type Reads } from './federation.js'
import {
  answerLabelNames,
  answerLabelValues,
  answerMetadata,
  answerSeries,
  listOutcome,
  type Outcome,
} from './label-queries.js'
import { QueryClaims } from './query-claims.js'
import { clampLabels, type QueryLimits, queryLimitsOf } from './query-limits.js'
import { QueryStop } from './query-stop.js'
import { HEADS_ONLY, parseReadFilter } from './read-filter.js'
import { answerRemoteRead } from './remote-read.js'
import type { Placement } from './tenant-sets.js'
import { answerTsdbStatus } from './tsdb-status.js'

/** Sizes of the label table from which on it is made anew before the next query. */
const SETS_MAX = 300_000
const PAIRS_MAX = 500_000

/** Within this time most senders push each of their series. */
const RECENT_MS = 120_000

/** The part of the cache that tables of blocks' series may take. */
const TABLE_PART = 4

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
  private readonly runs: FrequencyCells
  private readonly heap: HeapGuard | undefined
  private readonly claims: QueryClaims

  /**
   * @param seat this one's alone in the pool, while it lives
   * @param blocks how blocks are reached; without it there are none
   * @param heap bounds what a query may hold on the thread's heap
   */
  constructor(env: Env, boot: QuerierBoot, seat = 0, blocks?: BlockAccess, heap?: HeapGuard) {
    this.env = env
    this.heap = heap
    this.boot = boot
    this.limits = new Limits(boot.limits)
    this.runs = new FrequencyCells(boot.queryRuns)
    const budget = boot.budget === undefined ? undefined : new MemoryBudget(boot.budget)
    this.claims = new QueryClaims(budget, seat)
    // Claimed at once, as large as it may become. Distributors are the claimants before these.
    budget?.set('caches', CACHE_CLAIMANTS + seat, boot.config.cacheBytes)
    const tableBytes = blocks === undefined ? 0 : Math.floor(boot.config.cacheBytes / TABLE_PART)
    const cache = new ColumnCache(boot.config.cacheBytes - tableBytes)
    const reads = blocks === undefined ? undefined : this.blockReads(blocks, tableBytes, cache)
    const placement = placementOf(boot, this.limits)
    this.fanout = new Fanout(env, boot, cache, {
      ...(reads === undefined ? {} : { blocks: reads }),
      ...(placement === undefined ? {} : { placement }),
    })
    this.reads = new Federation(this.fanout, boot.config.federationConcurrency)
  }

  private blockReads(access: BlockAccess, tableBytes: number, cache: ColumnCache): BlockReads {
    const shardSize = (tenant: string) => this.limits.of(tenant).store_gateway_tenant_shard_size
    const { env, claims } = this
    return new BlockReads({ env, ...access, claims, shardSize, tableBytes, cache })
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
    if (sets > SETS_MAX || pairs > PAIRS_MAX) this.dropLabels()
    const { queryables } = task
    const zones = this.boot.zones ?? 1
    const own = task.query.kind === 'cardinality' ? HEADS_ONLY : undefined
    const filter = queryables === undefined ? own : parseReadFilter(queryables, zones)
    const stop = new QueryStop(task.cancel, this.env.timers, this.heap)
    this.fanout.begin(stop, filter)
    this.labels.watch = { tick: () => stop.check(), claim: () => {} }
    try {
      const outcome = await this.answer(task, stop)
      return timed(outcome, clock.monotonic() - start)
    } catch (error) {
      const isCanceled = error instanceof AppError && error.id === 'query-canceled'
      if (isCanceled && stop.isLate()) throw fail('query-timeout', {}, error)
      if (error instanceof AppError && error.id === 'query-memory') this.dropLabels()
      throw error
    } finally {
      this.fanout.end()
      this.claims.end()
    }
  }

  /** Lets go of all labels, and what was kept by them. */
  private dropLabels(): void {
    this.labels = new LabelTable()
    this.fanout.dropLabels()
  }

  private answer(task: QuerierTask, stop: QueryStop): Outcome | Promise<Outcome> {
    const { tenant, query } = task
    const context = { tenant, fanout: this.reads, labels: this.labels, stop }
    switch (query.kind) {
      case 'query':
      case 'query-range':
        return answerQuery(this.evaluateContext(task, stop), query)
      case 'explain':
        return answerExplain(this.evaluateContext(task, stop), query)
      case 'federate':
        return answerFederate(this.evaluateContext(task, stop), query)
      case 'remote-read':
        return answerRemoteRead(this.evaluateContext(task, stop), query)
      case 'tsdb-status':
        return answerTsdbStatus(context, query)
      case 'cardinality':
        return answerCardinality(this.cardinalityContext(task, stop), query)
      case 'series':
        return answerSeries({ ...context, json: this.json }, this.clamped(tenant, query))
      case 'label-names':
        return answerLabelNames(context, this.clamped(tenant, query))
      case 'label-values':
        return answerLabelValues(context, this.clamped(tenant, query))
      case 'metadata':
        return answerMetadata(context, query)
      case 'format-query':
        return listOutcome(encodeData(formatExpr(this.parse(tenant, query.text, stop))), 0)
      case 'parse-query':
        return listOutcome(encodeData(treeOf(this.parse(tenant, query.text, stop))), 0)
      case 'exemplars':
        return answerExemplars(this.evaluateContext(task, stop), query)
    }
  }

  private cardinalityContext({ tenant }: QuerierTask, stop: QueryStop): CardinalityContext {
    const limits = this.limitsOf(tenant).cardinality
    const now = this.env.clock.now()
    const times = { activeSinceMs: now - this.boot.config.activeIdleMs, recentMs: now - RECENT_MS }
    return { tenant, fanout: this.reads, labels: this.labels, stop, limits, ...times }
  }

  private evaluateContext(task: QuerierTask, stop: QueryStop): EvaluateContext {
    const { tenant } = task
    return {
      env: this.env,
      config: this.boot.config,
      tenant,
      limits: this.limitsOf(tenant),
      reads: this.reads,
      labels: this.labels,
      runs: this.runs,
      json: this.json,
      reserve: (bytes) => this.claims.setColumns(bytes),
      stop,
      waitedMs: task.waitedMs ?? 0,
    }
  }

  private parse(tenant: string, text: string, stop: QueryStop): Expr {
    return parseChecked(text, this.limitsOf(tenant), stop)
  }

  private limitsOf(tenant: string): QueryLimits {
    return queryLimitsOf(this.limits.of(tenant))
  }

  /** A label query as the tenant may make it. */
  private clamped<T extends QueryOf<'series' | 'label-names' | 'label-values'>>(
    tenant: string,
    query: T,
  ): T {
    const limits = this.limitsOf(tenant)
    const most = limits.rowsMax[query.kind]
    const limit = most > 0 && (query.limit === 0 || query.limit > most) ? most : query.limit
    const clamped = clampLabels(query, limits, this.env.clock.now())
    return limit === query.limit ? clamped : { ...clamped, limit }
  }
}

/** Written out: a copy with one more property takes V8 several times as long. */
function timed(outcome: Outcome, tookMs: number): QuerierAnswer {
  return {
    pieces: outcome.pieces,
    samplesRead: outcome.samplesRead,
    seriesRead: outcome.seriesRead,
    tookMs,
    contentType: outcome.contentType,
    contentEncoding: outcome.contentEncoding,
    stats: outcome.stats,
  }
}

/** What tells which shards have a tenant; undefined when all are to be asked. */
function placementOf(boot: QuerierBoot, limits: Limits): Placement | undefined {
  const { config, tenantCells } = boot
  if (!config.isShuffleSharding || tenantCells === undefined) return undefined
  return { limits, cells: new TenantCells(tenantCells) }
}
