/**
 * All ingester shards as one SeriesSource: which series match, their labels and samples are read
 * from the shards' memories in place; a shard whose memory does not tell is asked. A shard that does not answer fails the
 * query with an error that may be retried: an answer is whole or there is none.
 */
import type { Env } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import { compareUtf8 } from '../../shared/model/labels.js'
import type { Matcher } from '../../shared/model/matcher.js'
import {
  FetchMeter,
  type LabelTable,
  type SampleBuffer,
  type SelectedSeries,
  type SelectRequest,
  type SeriesSource,
} from '../../shared/promql/index.js'
import type { ExemplarsRequest, IngesterCalls, MetricMetadata } from '../ingester/contract.js'
import { type CachedColumns, ColumnCache, type StampedReader } from './column-cache.js'
import { mergeSamples } from './merge.js'
import { type PairReader, ShardLabels } from './shard-labels.js'

/** The calls that a querier makes on an ingester shard; series it reads for itself. */
export type ShardCalls = Omit<IngesterCalls, 'series'>

/** Reads a shard's memory: a HeadReader. */
export interface ShardReader extends PairReader, StampedReader {
  readonly index: ShardIndex
}

/** Answers from a shard's memory what its calls answer; undefined when those are to be used. */
export interface ShardIndex {
  select(tenant: string, matchers: readonly Matcher[], range: TimeRange): Uint32Array | undefined
  labelNames(tenant: string): string[] | undefined
  labelValues(tenant: string, name: string): string[] | undefined
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
}

/** The series of one shard for one selection. */
interface ShardSelection {
  readonly shard: Shard
  readonly refs: Uint32Array
}

/** How long a query waits for a shard that is being (re)started before it gives up. */
const LINK_WAIT_MS = 1_000

/** All shards as one source of series. */
export class Fanout {
  private readonly env: Env
  private readonly shards: (Shard | undefined)[]
  private readonly waiting: (() => void)[] = []
  private readonly cache: ColumnCache

  /** @param cacheBytes for decoded columns */
  constructor(env: Env, shardCount: number, cacheBytes: number) {
    this.env = env
    this.cache = new ColumnCache(cacheBytes)
    this.shards = new Array<Shard | undefined>(shardCount).fill(undefined)
  }

  /** Takes (another life of) a shard. */
  link(index: number, link: ShardLink): void {
    if (!(index >= 0 && index < this.shards.length)) {
      throw fail('internal', { text: `there is no ingester/${index}` })
    }
    this.shards[index]?.columns.dropAll()
    const columns = this.cache.over(link.reader)
    this.shards[index] = { ...link, columns, labels: undefined }
    for (const wake of this.waiting.splice(0)) wake()
  }

  /** A tenant's series, for one query. */
  source(tenant: string): SeriesSource {
    this.cache.beginQuery()
    return { select: (request, labels) => this.select(tenant, request, labels) }
  }

  /** Distinct label names of the tenant, sorted. */
  async labelNames(tenant: string, range: TimeRange): Promise<string[]> {
    const request = { tenant, matchers: [], ...range }
    const own = this.answer((shard) => shard.reader.index.labelNames(tenant))
    return sortedUnion(own ?? (await this.ask((shard) => shard.calls.labelNames(request))))
  }

  /** Distinct values of a label, sorted. */
  async labelValues(tenant: string, name: string, range: TimeRange): Promise<string[]> {
    const request = { tenant, name, matchers: [], ...range }
    const own = this.answer((shard) => shard.reader.index.labelValues(tenant, name))
    return sortedUnion(own ?? (await this.ask((shard) => shard.calls.labelValues(request))))
  }

  /** Metadata of the tenant's metrics, of one metric when a name is given. */
  async metadata(tenant: string, metric: string): Promise<MetricMetadata[]> {
    return (await this.ask((shard) => shard.calls.metadata({ tenant, metric }))).flat()
  }

  /** What each shard has of the exemplars of some series. */
  exemplars(request: ExemplarsRequest): Promise<Awaited<ReturnType<IngesterCalls['exemplars']>>[]> {
    return this.ask((shard) => shard.calls.exemplars(request))
  }

  /** Set ids of the series that match, each once, in no order. */
  async sets(
    tenant: string,
    matchers: readonly Matcher[],
    range: TimeRange,
    labels: LabelTable,
  ): Promise<Uint32Array> {
    const selected = await this.select(tenant, { matchers, ...range }, labels)
    selected.release()
    return selected.sets
  }

  private async select(
    tenant: string,
    request: SelectRequest,
    labels: LabelTable,
  ): Promise<SelectedSeries> {
    const { matchers, mint, maxt } = request
    const own = this.answer((shard): ShardSelection | undefined => {
      const refs = shard.reader.index.select(tenant, matchers, { mint, maxt })
      return refs === undefined ? undefined : { shard, refs }
    })
    const parts =
      own ??
      (await this.ask(async (shard): Promise<ShardSelection> => {
        const { refs } = await shard.calls.select({ tenant, matchers, mint, maxt })
        return { shard, refs }
      }))
    const meter = request.meter ?? new FetchMeter()
    const selected =
      parts.length === 1 ? ofOneShard(parts[0]!, labels, meter) : ofManyShards(parts, labels, meter)
    meter.addSeries(selected.count)
    return selected
  }

  /** Answers of all shards from their memories; undefined when one of them has to be asked. */
  private answer<T>(look: (shard: Shard) => T | undefined): T[] | undefined {
    const answers: T[] = []
    for (const shard of this.shards) {
      const answer = shard === undefined ? undefined : look(shard)
      if (answer === undefined) return undefined
      answers.push(answer)
    }
    return answers
  }

  /** Asks every shard; one that died under the question is asked again once it is back. */
  private ask<T>(question: (shard: Shard) => Promise<T>): Promise<T[]> {
    return Promise.all(
      this.shards.map(async (_, index) => {
        const shard = await this.shard(index, undefined)
        try {
          return await question(shard)
        } catch (error) {
          if (!(error instanceof AppError) || error.id !== 'actor-down') throw error
          return question(await this.shard(index, shard))
        }
      }),
    )
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

function labelsOf(shard: Shard, labels: LabelTable): ShardLabels {
  if (shard.labels === undefined || !shard.labels.isFor(labels)) {
    shard.labels = new ShardLabels(shard.reader, labels)
  }
  return shard.labels
}

function ofOneShard(
  { shard, refs }: ShardSelection,
  labels: LabelTable,
  meter: FetchMeter,
): SelectedSeries {
  const sets = new Uint32Array(refs.length)
  labelsOf(shard, labels).setsOf(refs, sets, 0)
  const { columns } = shard
  return {
    count: refs.length,
    sets,
    read: (index, mint, maxt, out) => {
      columns.read(refs[index]!, mint, maxt, out)
      columns.report(meter)
    },
    release: () => {},
  }
}

/** Series of several shards; those with equal labels become one, read by merging. */
function ofManyShards(
  parts: readonly ShardSelection[],
  labels: LabelTable,
  meter: FetchMeter,
): SelectedSeries {
  const total = parts.reduce((sum, { refs }) => sum + refs.length, 0)
  const partOf = new Uint16Array(total)
  const refs = new Uint32Array(total)
  const sets = new Uint32Array(total)
  let at = 0
  for (const [index, part] of parts.entries()) {
    refs.set(part.refs, at)
    partOf.fill(index, at, at + part.refs.length)
    labelsOf(part.shard, labels).setsOf(part.refs, sets, at)
    at += part.refs.length
  }
  const { next, first, count } = chain(sets)
  let sum: SampleBuffer = emptyBuffer()
  let side: SampleBuffer = emptyBuffer()
  let merged: SampleBuffer = emptyBuffer()
  const readSource = (source: number, mint: number, maxt: number, out: SampleBuffer): void => {
    const { shard } = parts[partOf[source]!]!
    shard.reader.read(refs[source]!, mint, maxt, out)
    shard.columns.report(meter)
  }
  return {
    count,
    sets: sets.subarray(0, count),
    read: (index, mint, maxt, out) => {
      let source = first[index]!
      if (next[source]! < 0) {
        const { columns } = parts[partOf[source]!]!.shard
        columns.read(refs[source]!, mint, maxt, out)
        columns.report(meter)
        return
      }
      readSource(source, mint, maxt, sum)
      while (next[source]! >= 0) {
        source = next[source]!
        readSource(source, mint, maxt, side)
        if (side.count === 0) continue
        mergeSamples(sum, side, merged)
        swap(sum, merged)
      }
      out.ts = sum.ts
      out.values = sum.values
      out.count = sum.count
      out.histograms = sum.histograms
      out.hasNoStale = false
    },
    release: () => {
      sum = emptyBuffer()
      side = emptyBuffer()
      merged = emptyBuffer()
    },
  }
}

/**
 * Chains the sources of equal series; `sets` is cut down to one of each, in place.
 * @returns per series its first source; per source the next one of the same series, -1 at the end
 */
function chain(sets: Uint32Array): { next: Int32Array; first: Uint32Array; count: number } {
  const next = new Int32Array(sets.length).fill(-1)
  const first = new Uint32Array(sets.length)
  const firstOf = new Map<number, number>()
  let count = 0
  for (let source = 0; source < sets.length; source++) {
    const known = firstOf.get(sets[source]!)
    if (known !== undefined) {
      next[source] = next[known]!
      next[known] = source
      continue
    }
    firstOf.set(sets[source]!, source)
    sets[count] = sets[source]!
    first[count++] = source
  }
  return { next, first, count }
}

function emptyBuffer(): SampleBuffer {
  return { ts: new Float64Array(0), values: new Float64Array(0), count: 0, histograms: undefined }
}

function swap(a: SampleBuffer, b: SampleBuffer): void {
  const { ts, values, count, histograms } = a
  a.histograms = b.histograms
  a.ts = b.ts
  a.values = b.values
  a.count = b.count
  b.ts = ts
  b.values = values
  b.count = count
  b.histograms = histograms
}

function sortedUnion(lists: readonly string[][]): string[] {
  const all = lists.length === 1 ? [...lists[0]!] : [...new Set(lists.flat())]
  return all.sort(compareUtf8)
}
