/**
 * All ingester shards and blocks as one SeriesSource: which series match, their labels and samples
 * are read from the shards' memories in place; a shard whose memory does not tell is asked. A shard that does not answer fails the
 * query with an error that may be retried: an answer is whole or there is none.
 */
import type { Env } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import { readQuorum } from '../../shared/hashring/index.js'
import { compareUtf8 } from '../../shared/model/labels.js'
import type { Matcher } from '../../shared/model/matcher.js'
import {
  FetchMeter,
  type LabelTable,
  type SelectedSeries,
  type SelectRequest,
  type SeriesSource,
} from '../../shared/promql/index.js'
import type { HeadStats } from '../../shared/tsdb/index.js'
import type { ExemplarsRequest, IngesterCalls, MetricMetadata } from '../ingester/contract.js'
import type { BlockRange, BlockReads, SelectedBlocks } from './block-reads.js'
import type { CachedColumns, ColumnCache, StampedReader } from './column-cache.js'
import { type HeadSeries, mergeSeries } from './merged-series.js'
import type { QueryStop } from './query-stop.js'
import type { ReadFilter } from './read-filter.js'
import { type PairReader, ShardLabels } from './shard-labels.js'
import { type Placement, type ShardSet, TenantSets } from './tenant-sets.js'
import { UnionCache, type UnionColumns } from './union-columns.js'

/** The calls that a querier makes on an ingester shard; series it reads for itself. */
export type ShardCalls = Omit<IngesterCalls, 'series' | 'flush' | 'cutSeries'>

/** Reads a shard's memory: a HeadReader. */
export interface ShardReader extends PairReader, StampedReader {
  readonly index: ShardIndex
  stats(tenant: string, most: number, check?: () => void): HeadStats | undefined
  /** From here on what is selected stays readable, until `endLease`. */
  takeLease(): void
  endLease(): void
  /** Changes before refs and pair ids come to stand for something else. */
  reuses(): number
}

/** Answers from a shard's memory what its calls answer; undefined when those are to be used. */
export interface ShardIndex {
  select(
    tenant: string,
    matchers: readonly Matcher[],
    range: TimeRange,
    check?: () => void,
  ): Uint32Array | undefined
  labelNames(tenant: string, check?: () => void): readonly string[] | undefined
  labelValues(tenant: string, name: string, check?: () => void): readonly string[] | undefined
}

/** What a querier holds of one life of a shard: its calls and its memory belong together. */
export interface ShardLink {
  readonly calls: ShardCalls
  readonly reader: ShardReader
}

/** A time range in ms, both ends inclusive. */
export interface TimeRange {
  readonly mint: number
  readonly maxt: number
}

interface Shard extends ShardLink {
  /** The reader's samples, through the cache of columns. */
  readonly columns: CachedColumns
  labels: ShardLabels | undefined
  /** The reader's number when labels and columns were kept. */
  reuses: number
}

/** The series of one shard for one selection. */
interface ShardSelection {
  readonly shard: Shard
  readonly refs: Uint32Array
}

/** Answers of shards, enough of each set. */
interface Answers<T> {
  readonly answers: T[]
  /** Zones of which a shard has not answered. */
  readonly silent: ReadonlySet<number>
}

/** How long a query waits for a shard that is being (re)started before it gives up. */
const LINK_WAIT_MS = 1_000
/** A message of more matchers would hold up its thread for longer than a cancel may take. */
const MATCHERS_SENT_MAX = 100_000

/** All shards as one source of series. */
export class Fanout {
  private readonly env: Env
  private readonly shards: (Shard | undefined)[]
  private readonly tenantSets: TenantSets
  /** Shards of a set that must answer for an answer to be whole. */
  private readonly quorum: number
  private readonly waiting: (() => void)[] = []
  private readonly cache: ColumnCache
  private readonly unions: UnionCache
  private readonly zones: number
  /** Several shards have the same series. */
  private readonly isReplicated: boolean
  /** Of the query that reads now. */
  private stop: QueryStop | undefined
  private filter: ReadFilter | undefined
  private readonly allBlocks: BlockReads | undefined
  /** Throws when the query that reads now is not wanted any more. */
  private readonly check = (): void => this.stop?.check()

  /**
   * @param shards how many there are, of all zones; each zone has all series
   * @param cache for decoded columns
   * @param more blocks: what is no longer, or never was, in the heads; placement: which tenants are
   *   on which shards, without which all are on all
   */
  constructor(
    env: Env,
    shards: { readonly shardCount: number; readonly zones?: number },
    cache: ColumnCache,
    more: { readonly blocks?: BlockReads; readonly placement?: Placement } = {},
  ) {
    const { shardCount, zones = 1 } = shards
    this.env = env
    this.allBlocks = more.blocks
    this.tenantSets = new TenantSets(shards, more.placement)
    this.quorum = readQuorum(zones)
    this.cache = cache
    this.unions = new UnionCache(cache)
    this.zones = zones
    this.isReplicated = zones > 1
    this.shards = new Array<Shard | undefined>(shardCount).fill(undefined)
  }

  /** Takes (another life of) a shard. */
  link(index: number, link: ShardLink): void {
    if (!(index >= 0 && index < this.shards.length)) {
      throw fail('internal', { text: `there is no ingester/${index}` })
    }
    this.shards[index]?.columns.dropAll()
    const columns = this.cache.over(link.reader)
    const reuses = link.reader.reuses()
    this.shards[index] = { ...link, columns, labels: undefined, reuses }
    if (this.stop !== undefined) link.reader.takeLease()
    for (const wake of this.waiting.splice(0)) wake()
  }

  /** A query begins: what it selects, of all or what the filter lets through, stays readable until `end`. */
  begin(stop: QueryStop, filter?: ReadFilter): void {
    this.stop = stop
    this.filter = filter
    this.allBlocks?.begin(stop)
    for (const shard of this.shards) shard?.reader.takeLease()
  }

  end(): void {
    this.stop = undefined
    for (const shard of this.shards) shard?.reader.endLease()
  }

  /** Forgets what is kept by a table of labels. */
  dropLabels(): void {
    for (const shard of this.shards) if (shard !== undefined) shard.labels = undefined
    this.allBlocks?.dropLabels()
    this.unions.dropAll()
  }

  /** A tenant's series, for one query. */
  source(tenant: string): SeriesSource {
    this.cache.beginQuery()
    return { select: (request, labels) => this.select(tenant, request, labels) }
  }

  /** Distinct label names of the tenant, sorted. */
  async labelNames(tenant: string, range: TimeRange): Promise<readonly string[]> {
    const request = { tenant, matchers: [], ...range }
    const own = this.answer(tenant, ({ reader }) => reader.index.labelNames(tenant, this.check))
    const heads = own ?? (await this.ask(tenant, (shard) => shard.calls.labelNames(request)))
    const asked = this.blocks?.labelNames(tenant, this.blockRange(range, heads))
    const blocks = asked instanceof Promise ? await asked : asked
    return this.union([...heads.answers, ...(blocks ?? [])])
  }

  /** Distinct values of a label, sorted. */
  async labelValues(tenant: string, name: string, range: TimeRange): Promise<readonly string[]> {
    const request = { tenant, name, matchers: [], ...range }
    const own = this.answer(tenant, ({ reader }) =>
      reader.index.labelValues(tenant, name, this.check),
    )
    const heads = own ?? (await this.ask(tenant, (shard) => shard.calls.labelValues(request)))
    const asked = this.blocks?.labelValues(tenant, name, this.blockRange(range, heads))
    const blocks = asked instanceof Promise ? await asked : asked
    return this.union([...heads.answers, ...(blocks ?? [])])
  }

  /** Metadata of the tenant's metrics, of one metric when a name is given. */
  async metadata(tenant: string, metric: string): Promise<MetricMetadata[]> {
    const question = (shard: Shard) => shard.calls.metadata({ tenant, metric })
    return (await this.ask(tenant, question)).answers.flat()
  }

  /**
   * What each shard has of a tenant; of shards that have the same series, the one that has most.
   * @throws AppError `overloaded` while one cannot tell
   */
  async headStats(tenant: string, most: number): Promise<HeadStats[]> {
    const { answers } = await this.ask(tenant, async ({ reader }) => {
      const stats = reader.stats(tenant, most, this.check)
      if (stats === undefined) {
        throw fail('overloaded', { text: 'an ingester is starting, or takes many new series' })
      }
      return stats
    })
    const { quorum } = this.readable(tenant)
    const fullest: HeadStats[] = []
    for (let set = 0; set < answers.length; set += quorum) {
      const copies = answers.slice(set, set + quorum)
      fullest.push(copies.reduce((best, one) => (one.series > best.series ? one : best)))
    }
    return fullest
  }

  /** What each shard has of the exemplars of some series. */
  async exemplars(
    request: ExemplarsRequest,
  ): Promise<Awaited<ReturnType<IngesterCalls['exemplars']>>[]> {
    return (await this.ask(request.tenant, (shard) => shard.calls.exemplars(request))).answers
  }

  /** Set ids of the series that match, each once, in no order. */
  async sets(
    tenant: string,
    matchers: readonly Matcher[],
    range: TimeRange,
    labels: LabelTable,
  ): Promise<Uint32Array> {
    const meter = new FetchMeter()
    const { heads, found } = await this.find(tenant, { matchers, ...range, meter }, labels, true)
    const lists: Uint32Array[] = []
    for (const block of found?.selections ?? []) {
      lists.push(block.sets())
      block.release()
    }
    for (const { sets } of heads) lists.push(sets)
    return lists.length === 1 ? lists[0]! : labels.distinctSets(lists)
  }

  private async select(
    tenant: string,
    request: SelectRequest,
    labels: LabelTable,
  ): Promise<SelectedSeries> {
    const meter = request.meter ?? new FetchMeter()
    const { matchers, mint, maxt } = request
    const wanted = { matchers, mint, maxt, meter }
    const { heads, found } = await this.find(tenant, wanted, labels, false)
    const blocks = found?.selections ?? []
    const union = found && this.unionOf(tenant, found, heads, labels)
    const selected =
      heads.length === 1 && blocks.length === 0
        ? ofOneShard(heads[0]!)
        : mergeSeries({ blocks, heads, meter, union }, labels)
    try {
      meter.addSeries(selected.count)
    } catch (error) {
      selected.release()
      throw error
    }
    return selected
  }

  /** What matches in each head and each block; the blocks' are to be released. */
  private async find(
    tenant: string,
    { matchers, mint, maxt, meter }: SelectRequest & { readonly meter: FetchMeter },
    labels: LabelTable,
    isForLabels: boolean,
  ): Promise<{ heads: HeadSeries[]; found: SelectedBlocks | undefined }> {
    const own = this.answer(tenant, (shard): ShardSelection | undefined => {
      const refs = shard.reader.index.select(tenant, matchers, { mint, maxt }, this.check)
      return refs === undefined ? undefined : { shard, refs }
    })
    if (own === undefined && matchers.length > MATCHERS_SENT_MAX) {
      const text = `a selector of ${matchers.length} matchers has to wait until ingesters can be read in place`
      throw fail('overloaded', { text })
    }
    const parts =
      own ??
      (await this.ask(tenant, async (shard): Promise<ShardSelection> => {
        const { refs } = await shard.calls.select({ tenant, matchers, mint, maxt })
        return { shard, refs }
      }))
    const range = this.blockRange({ mint, maxt }, parts)
    // After the heads: a block that is cut in between is found in the list or still in its head.
    const asked = this.blocks?.select({ tenant, matchers, range, isForLabels, meter }, labels)
    const found = asked instanceof Promise ? await asked : asked
    return { heads: parts.answers.map((part) => headSeries(part, labels, meter)), found }
  }

  /** Blocks, where the query reads them. */
  private get blocks(): BlockReads | undefined {
    return this.filter?.hasBlocks === false ? undefined : this.allBlocks
  }

  /** The sets of shards to read, and how many of each must answer for an answer to be whole. */
  private readable(tenant: string): { sets: readonly ShardSet[]; quorum: number } {
    const sets = this.tenantSets.of(tenant)
    const { filter, quorum } = this
    if (filter === undefined) return { sets, quorum }
    if (!filter.hasIngesters) return { sets: [], quorum }
    const { zones } = filter
    if (zones === undefined) return { sets, quorum }
    const inZones = sets.map((set) => set.filter((_, zone) => zones.has(zone)))
    return { sets: inZones, quorum: Math.min(quorum, zones.size) }
  }

  /** Merged columns that a selection over some blocks and all heads may use, if it may. */
  private unionOf(
    tenant: string,
    blocks: SelectedBlocks,
    heads: readonly HeadSeries[],
    labels: LabelTable,
  ): UnionColumns | undefined {
    if (!blocks.isToEnd || this.isReplicated || this.filter !== undefined) return undefined
    if (blocks.selections.length === 0) return undefined
    if (blocks.selections.some(({ table }) => table.hasDeleted())) return undefined
    // A shard may have been linked anew since the heads were asked.
    const isPresent = ({ reader }: HeadSeries) => this.shards.some((one) => one?.reader === reader)
    if (!heads.every(isPresent)) return undefined
    const shards = this.shards.flatMap((shard) => [shard, shard?.reuses])
    return this.unions.columnsOf(tenant, [labels, blocks.state, ...shards])
  }

  /**
   * Answers of shards from their memories, enough of each set for a whole answer; undefined when
   * shards have to be asked.
   */
  private answer<T>(tenant: string, look: (shard: Shard) => T | undefined): Answers<T> | undefined {
    const answers: T[] = []
    const silent = new Set<number>()
    const { sets, quorum } = this.readable(tenant)
    for (const set of sets) {
      let missing = quorum
      for (const [zone, index] of set.entries()) {
        const shard = this.shards[index]
        const answer = shard === undefined ? undefined : look(shard)
        if (answer === undefined) {
          silent.add(zone)
          continue
        }
        answers.push(answer)
        missing--
      }
      if (missing > 0) return undefined
    }
    return { answers, silent }
  }

  /** Asks shards, enough of each set; one that died under the question is asked again once it is back. */
  private async ask<T>(
    tenant: string,
    question: (shard: Shard) => Promise<T>,
  ): Promise<Answers<T>> {
    const { sets, quorum } = this.readable(tenant)
    const silent = new Set<number>()
    const perSet = sets.map(async (set) => {
      const zoned = set.map(async (index, zone) => ({
        zone,
        answer: await this.askOne(index, question),
      }))
      const first = await firstOf(zoned, quorum)
      for (const zone of set.keys()) if (!first.some((one) => one.zone === zone)) silent.add(zone)
      return first.map(({ answer }) => answer)
    })
    return { answers: (await Promise.all(perSet)).flat(), silent }
  }

  /** What to ask of blocks, by what heads have answered. */
  private blockRange({ mint, maxt }: TimeRange, { silent }: Answers<unknown>): BlockRange {
    if (!this.isReplicated || this.filter !== undefined) return { mint, maxt }
    // As many as each write has copies to spare.
    const most = this.zones - this.quorum
    const isWholeWithout = (zones: ReadonlySet<number>) =>
      new Set([...zones, ...silent]).size <= most
    return { mint, maxt, isWholeWithout }
  }

  private async askOne<T>(index: number, question: (shard: Shard) => Promise<T>): Promise<T> {
    const shard = await this.during(this.shard(index, undefined))
    try {
      return await this.during(question(shard))
    } catch (error) {
      if (!(error instanceof AppError) || error.id !== 'actor-down') throw error
      return await this.during(question(await this.during(this.shard(index, shard))))
    }
  }

  /** What an answer comes to, while the query is wanted. */
  private during<T>(answer: Promise<T>): Promise<T> {
    return this.stop?.during(answer) ?? answer
  }

  /** What is in any of several sorted lists, sorted. */
  private union(lists: readonly (readonly string[])[]): readonly string[] {
    const compare = this.stop?.whileSorting(compareUtf8) ?? compareUtf8
    return lists.reduce((all, list) => united(all, list, compare), [])
  }

  /** The shard, awaited for a while when it is not there or is still the life given. */
  private async shard(index: number, last: Shard | undefined): Promise<Shard> {
    const deadline = this.env.clock.monotonic() + LINK_WAIT_MS
    while (true) {
      const shard = this.shards[index]
      if (shard !== undefined && shard !== last) return shard
      const leftMs = deadline - this.env.clock.monotonic()
      if (leftMs <= 0) throw fail('actor-down', { actor: `ingester/${index}` })
      await new Promise<void>((resolve) => {
        const timer = this.env.timers.after(leftMs, resolve)
        this.waiting.push(() => {
          timer.cancel()
          resolve()
        })
      })
    }
  }
}

/** What is in one of two sorted lists, or in both. */
function united(
  a: readonly string[],
  b: readonly string[],
  compare: (a: string, b: string) => number,
): readonly string[] {
  if (a.length === 0) return b
  if (b.length === 0) return a
  const out: string[] = []
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    const order = a[i] === b[j] ? 0 : compare(a[i]!, b[j]!)
    out.push(order <= 0 ? a[i]! : b[j]!)
    if (order <= 0) i++
    if (order >= 0) j++
  }
  while (i < a.length) out.push(a[i++]!)
  while (j < b.length) out.push(b[j++]!)
  return out
}

/** The first `count` answers; fails when so many have failed that they cannot come. */
function firstOf<T>(promises: readonly Promise<T>[], count: number): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const answers: T[] = []
    let failures = 0
    for (const promise of promises) {
      promise.then(
        (answer) => {
          answers.push(answer)
          if (answers.length === count) resolve([...answers])
        },
        (error: unknown) => {
          failures++
          if (promises.length - failures < count) reject(error)
        },
      )
    }
  })
}

/** What is kept of a shard's labels; nothing of what refs and pairs stood for that are used again. */
function labelsOf(shard: Shard, labels: LabelTable): ShardLabels {
  const reuses = shard.reader.reuses()
  if (reuses !== shard.reuses) {
    shard.reuses = reuses
    shard.labels = undefined
    shard.columns.dropAll()
  }
  if (shard.labels === undefined || !shard.labels.isFor(labels)) {
    shard.labels = new ShardLabels(shard.reader, labels)
  }
  return shard.labels
}

function ofOneShard(head: HeadSeries): SelectedSeries {
  const { sets } = head
  return { count: sets.length, sets, read: head.read, release: () => {} }
}

function headSeries(
  { shard, refs }: ShardSelection,
  labels: LabelTable,
  meter: FetchMeter,
): HeadSeries {
  const sets = new Uint32Array(refs.length)
  labelsOf(shard, labels).setsOf(refs, sets, 0)
  const { columns } = shard
  return {
    sets,
    refs,
    reader: shard.reader,
    read: (index, mint, maxt, out) => {
      columns.read(refs[index]!, mint, maxt, out)
      columns.report(meter)
    },
  }
}
