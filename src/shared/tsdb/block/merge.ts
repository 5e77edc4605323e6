/**
 * Merges blocks into one, or into several by shard: series in order from all of them at once, some
 * hundred of each in memory. Chunks are copied; only those that overlap, or that have deleted
 * samples, are decoded. Symbols become ranks in the sorted union first, so that label sets compare
 * as numbers.
 */

import { xxhash64 } from '../../base/xxhash64.js'
import type { Disk } from '../../env/index.js'
import { damaged } from '../index/damage.js'
import type { SeriesColumns } from '../index/series.js'
import type { SymbolSource } from '../index/writer.js'
import { type ChunkColumns, chunkData, chunkRecord } from './chunk-files.js'
import type { BlockMeta, ThanosMeta } from './meta.js'
import type { Block } from './reader.js'
import { mergeSamples, withoutDeleted } from './sample-merge.js'
import type { BlockChunk } from './series.js'
import { SymbolTable } from './symbol-table.js'
import { BlockWriter } from './writer.js'

/** One block that a merge writes. */
export interface MergeOutput {
  readonly ulid: string
  readonly thanos?: ThanosMeta
}

/** What a merge is told. */
export interface MergeInput {
  /** Open blocks; where two have a sample of one time, the first one's counts. */
  readonly blocks: readonly Block[]
  /** One, or as many as there are shards: series go by their hash. */
  readonly outputs: readonly MergeOutput[]
  /** Awaited between slices of work of some milliseconds. */
  readonly pause?: () => Promise<void>
  /** Told now and then how many series of all sources are done. */
  readonly progress?: (done: number, all: number) => void
  readonly segmentBytesMax?: number
}

/** Series of one source in memory: so many that their chunks take about this. */
const BATCH_BYTES = 1 << 20
const BATCH_MAX = 4096
/** Series written between two pauses: about a millisecond of work. */
const SLICE = 64

/**
 * Merges blocks into `<folder>/<ULID>` of each output.
 *
 * @returns a meta per output; undefined where nothing was left for it
 * @throws AppError `block-damaged` with the block that cannot be read, `chunk-corrupt`, `disk-failed`
 */
export async function mergeBlocks(
  disk: Disk,
  folder: string,
  input: MergeInput,
): Promise<(BlockMeta | undefined)[]> {
  const { blocks, outputs } = input
  const symbols = await unionSymbols(blocks)
  const common = {
    ...timesOf(blocks),
    compaction: compactionOf(blocks),
    ...(input.pause === undefined ? {} : { pause: input.pause }),
    ...(input.segmentBytesMax === undefined ? {} : { segmentBytesMax: input.segmentBytesMax }),
  }
  const sinks = outputs.map((output) => ({
    writer: new BlockWriter(disk, folder, { ...output, ...common }),
    used: new Uint8Array(symbols.order.length),
  }))
  try {
    await mergeSeries(input, symbols, sinks)
    const metas: (BlockMeta | undefined)[] = []
    for (const { writer, used } of sinks) metas.push(await writer.finish(symbols.usedBy(used)))
    return metas
  } catch (error) {
    for (const { writer } of sinks) writer.abandon()
    throw error
  }
}

/** Level, sources and parents of what blocks are merged into. */
export function compactionOf(
  blocks: readonly { readonly meta: BlockMeta }[],
): BlockMeta['compaction'] {
  const metas = blocks.map((block) => block.meta)
  const parents = metas
    .map(({ ulid, minTime, maxTime }) => ({ ulid, minTime, maxTime }))
    .sort((a, b) => a.minTime - b.minTime || (a.ulid < b.ulid ? -1 : 1))
  return {
    level: Math.max(...metas.map((meta) => meta.compaction.level)) + 1,
    sources: [...new Set(metas.flatMap((meta) => meta.compaction.sources))].sort(),
    parents,
  }
}

function timesOf(blocks: readonly Block[]): { minTime: number; maxTime: number } {
  return {
    minTime: Math.min(...blocks.map((block) => block.meta.minTime)),
    maxTime: Math.max(...blocks.map((block) => block.meta.maxTime)),
  }
}

/** The symbols of all sources: ranks, and what each source's ids are. */
class SymbolUnion {
  readonly order: Uint32Array
  private readonly table: SymbolTable
  private readonly ranks: Uint32Array[]

  constructor(table: SymbolTable, ids: readonly Uint32Array[]) {
    this.table = table
    this.order = table.source().order
    const rankOf = new Uint32Array(this.order.length)
    for (let rank = 0; rank < this.order.length; rank++) rankOf[this.order[rank]!] = rank
    this.ranks = ids.map((column) => column.map((id) => rankOf[id]!))
  }

  /** [symbols of the source] */
  ranksOf(source: number): Uint32Array {
    return this.ranks[source]!
  }

  text(rank: number): Uint8Array {
    return this.table.text(this.order[rank]!)
  }

  /** Those that an output uses, by rank. */
  usedBy(used: Uint8Array): SymbolSource {
    const all = this.order.map((_, rank) => rank)
    const order = all.filter((rank) => used[rank] === 1)
    return { idCount: all.length, order, text: (rank) => this.text(rank) }
  }
}

async function unionSymbols(blocks: readonly Block[]): Promise<SymbolUnion> {
  const table = new SymbolTable()
  const ids: Uint32Array[] = []
  for (const { index } of blocks) {
    const column = new Uint32Array(index.header.symbols.count)
    let at = 0
    for await (const texts of index.allSymbols()) {
      for (const text of texts) column[at++] = table.internBytes(text, 0, text.length)
    }
    ids.push(column)
  }
  return new SymbolUnion(table, ids)
}

interface Sink {
  readonly writer: BlockWriter
  /** [ranks] 1 where a symbol is used. */
  readonly used: Uint8Array
}

async function mergeSeries(
  input: MergeInput,
  symbols: SymbolUnion,
  sinks: readonly Sink[],
): Promise<void> {
  const cursors = input.blocks.map((block, i) => new SeriesCursor(block, symbols.ranksOf(i)))
  for (const cursor of cursors) await cursor.start()
  const all = cursors.reduce((sum, cursor) => sum + cursor.seriesCount(), 0)
  let live = cursors.filter((cursor) => !cursor.isAtEnd())
  const group: SeriesCursor[] = []
  for (let count = 1, done = 0; live.length > 0; count++) {
    takeLeast(live, group)
    const first = group[0]!
    const sink = sinks.length === 1 ? sinks[0]! : sinks[shardOf(first, symbols, sinks.length)]!
    putSeries(sink, group)
    done += group.length
    for (const cursor of group) if (!cursor.advance()) await cursor.fill()
    if (group.some((cursor) => cursor.isAtEnd())) live = live.filter((one) => !one.isAtEnd())
    if (count % SLICE !== 0) continue
    input.progress?.(done, all)
    await input.pause?.()
  }
}

/** Puts the cursors of the least label set into `group`, in the order of their sources. */
function takeLeast(live: readonly SeriesCursor[], group: SeriesCursor[]): void {
  group.length = 1
  let least = live[0]!
  group[0] = least
  for (let i = 1; i < live.length; i++) {
    const cursor = live[i]!
    const order = cursor.compare(least)
    if (order > 0) continue
    if (order < 0) {
      least = cursor
      group.length = 0
    }
    group.push(cursor)
  }
}

/** Mimir's: Prometheus' stable hash of the labels by the number of shards. */
function shardOf(cursor: SeriesCursor, symbols: SymbolUnion, shards: number): number {
  const parts: Uint8Array[] = []
  const separator = Uint8Array.of(0xff)
  for (let i = cursor.labelFrom; i < cursor.labelTo; i++) {
    parts.push(symbols.text(cursor.labels[i]!), separator)
  }
  return Number(xxhash64(Buffer.concat(parts)) % BigInt(shards))
}

function putSeries(sink: Sink, group: readonly SeriesCursor[]): void {
  const { writer, used } = sink
  if (isDisjoint(group)) for (const cursor of group) cursor.copyChunks(writer)
  else {
    const sources = group.map((cursor) => cursor.chunks())
    for (const { mint, maxt, encoding, data } of mergeChunks(sources)) {
      writer.addChunk(mint, maxt, encoding, data)
    }
  }
  const { labels, labelFrom, labelTo } = group[0]!
  if (!writer.endSeries(labels, labelFrom, labelTo)) return
  for (let i = labelFrom; i < labelTo; i++) used[labels[i]!] = 1
}

/** Whether the chunks of the cursors follow each other in time, and none has deletions. */
function isDisjoint(group: readonly SeriesCursor[]): boolean {
  let maxt = -Infinity
  for (const cursor of group) {
    if (cursor.hasDeleted() || cursor.firstTime() <= maxt) return false
    maxt = Math.max(maxt, cursor.lastTime())
  }
  return true
}

/** Chunks of one series from several sources; each source's are in time order and apart. */
export function mergeChunks(sources: readonly (readonly BlockChunk[])[]): BlockChunk[] {
  const all = sources.flatMap((chunks, source) => chunks.map((chunk) => ({ chunk, source })))
  all.sort((a, b) => a.chunk.mint - b.chunk.mint || a.source - b.source)
  const merged: BlockChunk[] = []
  for (let from = 0, to = 0; from < all.length; from = to) {
    let { maxt } = all[from]!.chunk
    for (to = from + 1; to < all.length && all[to]!.chunk.mint <= maxt; to++) {
      maxt = Math.max(maxt, all[to]!.chunk.maxt)
    }
    const cluster = all.slice(from, to)
    const [first] = cluster
    if (cluster.every(({ chunk }) => isSameChunk(chunk, first!.chunk))) merged.push(first!.chunk)
    else {
      const bySource = sources.map((_, source) =>
        cluster.filter((one) => one.source === source).map((one) => one.chunk),
      )
      merged.push(...mergeSamples(bySource.filter((chunks) => chunks.length > 0)))
    }
  }
  return merged
}

function isSameChunk(a: BlockChunk, b: BlockChunk): boolean {
  return (
    a === b ||
    (a.mint === b.mint &&
      a.maxt === b.maxt &&
      a.encoding === b.encoding &&
      Buffer.compare(a.data, b.data) === 0)
  )
}

/** Goes through the series of one block in order. */
class SeriesCursor {
  /** Ranks of the series at hand: [labelFrom, labelTo), name and value by turns. */
  labels: Uint32Array = new Uint32Array(0)
  labelFrom = 0
  labelTo = 0
  private readonly block: Block
  private readonly ranks: Uint32Array
  private refs: Uint32Array = new Uint32Array(0)
  private columns: SeriesColumns | undefined
  private chunkColumns: ChunkColumns | undefined
  /** Series of the batch. */
  private index = 0
  /** Series that were read. */
  private next = 0
  private batch = 64

  constructor(block: Block, ranks: Uint32Array) {
    this.block = block
    this.ranks = ranks
  }

  async start(): Promise<void> {
    this.refs = await this.block.index.allPostings()
    await this.fill()
  }

  seriesCount(): number {
    return this.refs.length
  }

  isAtEnd(): boolean {
    return this.columns === undefined
  }

  /** Goes to the next series; false when the batch is at its end: then `fill`. */
  advance(): boolean {
    if (this.index + 1 >= this.columns!.count) return false
    const { labels, labelFrom, labelTo } = this
    this.point(this.index + 1)
    this.checkOrder(labels.subarray(labelFrom, labelTo))
    return true
  }

  /** Reads the next batch. */
  async fill(): Promise<void> {
    const before = this.next === 0 ? undefined : this.labels.slice(this.labelFrom, this.labelTo)
    const refs = this.refs.subarray(this.next, this.next + this.batch)
    this.next += refs.length
    if (refs.length === 0) {
      this.columns = undefined
      return
    }
    const columns = await this.block.index.series(refs)
    const chunks = await this.block.chunks.read(columns.segments, columns.offsets)
    const { symbols } = columns
    for (let i = 0; i < symbols.length; i++) symbols[i] = this.ranks[symbols[i]!]!
    this.columns = columns
    this.chunkColumns = chunks
    this.labels = symbols
    this.point(0)
    if (before !== undefined) this.checkOrder(before)
    const bytes = chunks.buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    const wanted = Math.floor((refs.length * BATCH_BYTES) / Math.max(bytes, 1))
    this.batch = Math.max(1, Math.min(BATCH_MAX, wanted, this.batch * 4))
  }

  /** Order of the series at hand: negative when it comes before the other's. */
  compare(other: SeriesCursor): number {
    return compareRanks(
      this.labels,
      this.labelFrom,
      this.labelTo,
      other.labels,
      other.labelFrom,
      other.labelTo,
    )
  }

  hasDeleted(): boolean {
    const { tombstones } = this.block
    return tombstones.size > 0 && tombstones.has(this.columns!.refs[this.index]!)
  }

  /** Time of the first sample; Infinity without chunks. */
  firstTime(): number {
    const { chunkEnds, mints } = this.columns!
    const from = chunkEnds[this.index]!
    return from < chunkEnds[this.index + 1]! ? mints[from]! : Infinity
  }

  /** Time of the last sample; -Infinity without chunks. */
  lastTime(): number {
    const { chunkEnds, maxts } = this.columns!
    const to = chunkEnds[this.index + 1]!
    return chunkEnds[this.index]! < to ? maxts[to - 1]! : -Infinity
  }

  copyChunks(writer: BlockWriter): void {
    const { chunkEnds, mints, maxts } = this.columns!
    const chunks = this.chunkColumns!
    for (let i = chunkEnds[this.index]!; i < chunkEnds[this.index + 1]!; i++) {
      writer.copyChunk(mints[i]!, maxts[i]!, chunkRecord(chunks, i))
    }
  }

  /** Chunks of the series at hand, without what is deleted. */
  chunks(): readonly BlockChunk[] {
    const { chunkEnds, mints, maxts, refs } = this.columns!
    const columns = this.chunkColumns!
    const own: BlockChunk[] = []
    for (let i = chunkEnds[this.index]!; i < chunkEnds[this.index + 1]!; i++) {
      const encoding = columns.encodings[i]!
      own.push({ mint: mints[i]!, maxt: maxts[i]!, encoding, data: chunkData(columns, i) })
    }
    const deleted = this.block.tombstones.get(refs[this.index]!)
    return deleted === undefined ? own : own.flatMap((chunk) => withoutDeleted(chunk, deleted))
  }

  /** Sets the fields of a series of the batch, and checks that labels and chunks are in order. */
  private point(index: number): void {
    const { labelEnds, chunkEnds, mints, maxts, refs } = this.columns!
    const { minTime, maxTime } = this.block.meta
    this.index = index
    this.labelFrom = labelEnds[index]!
    this.labelTo = labelEnds[index + 1]!
    for (let i = this.labelFrom + 2; i < this.labelTo; i += 2) {
      if (this.labels[i]! > this.labels[i - 2]!) continue
      throw this.wrong(`labels of series ${refs[index]} are out of order`)
    }
    let before = minTime - 1
    for (let i = chunkEnds[index]!; i < chunkEnds[index + 1]!; i++) {
      if (mints[i]! <= before || maxts[i]! < mints[i]!) {
        throw this.wrong(`chunks of series ${refs[index]} are out of order`)
      }
      before = maxts[i]!
    }
    if (before >= maxTime) throw this.wrong(`series ${refs[index]} goes on after the block's end`)
  }

  private checkOrder(previous: Uint32Array): void {
    const { labels, labelFrom, labelTo } = this
    if (compareRanks(previous, 0, previous.length, labels, labelFrom, labelTo) < 0) return
    throw this.wrong(`series ${this.columns!.refs[this.index]} is out of order`)
  }

  private wrong(text: string): Error {
    return damaged({ block: this.block.meta.ulid, section: 'index: series' }, text)
  }
}

/** Names and values by turns, the shorter one first. */
function compareRanks(
  a: Uint32Array,
  aFrom: number,
  aTo: number,
  b: Uint32Array,
  bFrom: number,
  bTo: number,
): number {
  const length = Math.min(aTo - aFrom, bTo - bFrom)
  for (let i = 0; i < length; i++) {
    const order = a[aFrom + i]! - b[bFrom + i]!
    if (order !== 0) return order
  }
  return aTo - aFrom - (bTo - bFrom)
}
