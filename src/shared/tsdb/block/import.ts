/**
 * Samples in any order → blocks of two hours. Samples are encoded as they come; a chunk that is full,
 * or whose series goes on in another range, is put with the range's others into a file, and at the
 * end each range is written as a block. In memory are the texts of the series (their labels, once as
 * they came and once sorted), open chunks up to a bound, and write buffers.
 */
import type { Disk, DiskFile } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import type { Label, Labels } from '../../model/labels.js'
import { FloatEncoder } from '../chunk/float-chunk.js'
import { writeAll } from '../index/block-file.js'
import { Cursor } from '../index/cursor.js'
import { ByteList, F64List, U32List } from '../index/lists.js'
import { mergeChunks } from './merge.js'
import type { BlockMeta } from './meta.js'
import { mergeSamples } from './sample-merge.js'
import type { BlockChunk, BlockSeries } from './series.js'
import { SymbolTable } from './symbol-table.js'
import { writeBlock } from './writer.js'

/** What an import goes by. */
export interface ImportOptions {
  /** Where blocks go, `<ULID>` each. */
  readonly folder: string
  /** For files of this import; removed at the end. */
  readonly scratch: string
  /** Name of the block of a range. */
  readonly ulid: (minTime: number) => string
  /** Open chunks at most; others are ended early, and joined again when their block is written. */
  readonly openMax?: number
}

const RANGE_MS = 7_200_000
const CHUNK_SAMPLES = 120
const OPEN_MAX = 65_536
/** Bytes of all write buffers. */
const BUFFERED_MAX = 64 << 20
const BUFFER_BYTES = 256 << 10

/** Chunks of one range, on their way to its block. */
class RangeSpool {
  readonly path: string
  readonly buffer = new ByteList(1024)
  size = 0

  constructor(path: string) {
    this.path = path
  }

  flush(disk: Disk): void {
    const file = disk.open(this.path, 'append')
    try {
      writeAll(file, this.buffer.view())
    } finally {
      file.close()
    }
    this.size += this.buffer.size
    this.buffer.size = 0
  }
}

/** One import. */
export class BlockImporter {
  /** Samples so far. */
  samples = 0
  private readonly disk: Disk
  private readonly options: ImportOptions
  private readonly openMax: number
  /** Series as their lines have them, and as sorted labels; `seriesOf` goes from one to the other. */
  private readonly texts = new SymbolTable()
  private readonly labels = new SymbolTable()
  private readonly seriesOf = new U32List(1024)
  /** [series] the open chunk and the start of its range. */
  private readonly open: (FloatEncoder | undefined)[] = []
  private readonly ranges = new F64List(1024)
  /** Series that have had an open chunk, by when that was the first one since they were taken off. */
  private readonly queue: number[] = []
  private readonly isQueued: boolean[] = []
  private openCount = 0
  private readonly spools = new Map<number, RangeSpool>()
  private buffered = 0

  constructor(disk: Disk, options: ImportOptions) {
    this.disk = disk
    this.options = options
    this.openMax = options.openMax ?? OPEN_MAX
    disk.remove(options.scratch)
    disk.makeFolder(options.scratch)
    disk.makeFolder(options.folder)
  }

  /** How many series there are so far. */
  seriesCount(): number {
    return this.labels.size
  }

  /**
   * The number of a series by the text that stands for it; `parse` gives its labels when the text is
   * new.
   */
  series(bytes: Uint8Array, from: number, to: number, parse: (text: Uint8Array) => Labels): number {
    const before = this.texts.size
    const text = this.texts.internBytes(bytes, from, to)
    if (text < before) return this.seriesOf.values[text]!
    const key = encodeLabels(parse(bytes.subarray(from, to)))
    const series = this.labels.internBytes(key, 0, key.length)
    this.seriesOf.push(series)
    if (series === this.open.length) {
      this.open.push(undefined)
      this.isQueued.push(false)
      this.ranges.push(0)
    }
    return series
  }

  /** Adds a sample by its bits; t in ms. */
  append(series: number, t: number, high: number, low: number): void {
    const range = Math.floor(t / RANGE_MS) * RANGE_MS
    let open = this.open[series]
    const fits =
      open !== undefined &&
      this.ranges.values[series] === range &&
      open.size < CHUNK_SAMPLES &&
      t > open.maxt
    if (!fits) {
      if (open !== undefined) this.end(series)
      // Before this series has its new chunk, which would be one to end.
      if (this.openCount >= this.openMax) this.endOldest()
      open = new FloatEncoder()
      this.open[series] = open
      this.ranges.values[series] = range
      this.openCount++
      if (this.isQueued[series] !== true) this.queue.push(series)
      this.isQueued[series] = true
    }
    open!.append(t, high, low)
    this.samples++
  }

  /** Writes the blocks, oldest first, and removes the scratch folder. */
  async *finish(): AsyncGenerator<BlockMeta> {
    for (let series = 0; series < this.open.length; series++) {
      if (this.open[series] !== undefined) this.end(series)
    }
    const ranks = new Uint32Array(this.labels.size)
    const { order } = this.labels.source()
    for (let rank = 0; rank < order.length; rank++) ranks[order[rank]!] = rank
    const starts = [...this.spools.keys()].sort((a, b) => a - b)
    for (const start of starts) {
      const meta = await this.writeRange(start, { ranks, order })
      if (meta !== undefined) yield meta
    }
    this.disk.remove(this.options.scratch)
  }

  /** Gives up. Blocks that were written stay. */
  abandon(): void {
    this.disk.remove(this.options.scratch)
  }

  private endOldest(): void {
    const half = this.queue.splice(0, (this.queue.length + 1) >> 1)
    for (const series of half) {
      this.isQueued[series] = false
      if (this.open[series] !== undefined) this.end(series)
    }
  }

  /** Ends the open chunk of a series. */
  private end(series: number): void {
    const chunk = this.open[series]!
    const start = this.ranges.values[series]!
    this.open[series] = undefined
    this.openCount--
    let spool = this.spools.get(start)
    if (spool === undefined) {
      spool = new RangeSpool(`${this.options.scratch}/${start}`)
      this.spools.set(start, spool)
    }
    const { buffer } = spool
    const before = buffer.size
    const data = chunk.bytes()
    buffer.uvarint(series)
    buffer.uvarint(chunk.mint - start)
    buffer.uvarint(chunk.maxt - chunk.mint)
    buffer.string(data)
    this.buffered += buffer.size - before
    if (buffer.size >= BUFFER_BYTES) {
      this.buffered -= buffer.size
      spool.flush(this.disk)
    } else if (this.buffered >= BUFFERED_MAX) {
      for (const each of this.spools.values()) if (each.buffer.size > 0) each.flush(this.disk)
      this.buffered = 0
    }
  }

  private async writeRange(
    start: number,
    by: { readonly ranks: Uint32Array; readonly order: Uint32Array },
  ): Promise<BlockMeta | undefined> {
    const spool = this.spools.get(start)!
    if (spool.buffer.size > 0) spool.flush(this.disk)
    const file = this.disk.open(spool.path, 'read')
    try {
      const ulid = this.options.ulid(start)
      return await writeBlock(this.disk, this.options.folder, {
        ulid,
        minTime: start,
        maxTime: start + RANGE_MS,
        compaction: { level: 1, sources: [ulid] },
        series: this.seriesOfRange(file, start, by),
      })
    } finally {
      file.close()
      this.disk.remove(spool.path)
    }
  }

  private *seriesOfRange(
    file: DiskFile,
    start: number,
    by: { readonly ranks: Uint32Array; readonly order: Uint32Array },
  ): Generator<BlockSeries> {
    const records = readRecords(file, start, by.ranks)
    const { ranks, mints, order } = records
    for (let from = 0, to = 0; from < order.length; from = to) {
      const rank = ranks[order[from]!]!
      const chunks: BlockChunk[] = []
      for (; to < order.length && ranks[order[to]!] === rank; to++) {
        const record = order[to]!
        const data = new Uint8Array(records.sizes[record]!)
        file.read(data, records.offsets[record]!)
        const [mint, maxt] = [mints[record]!, records.maxts[record]!]
        chunks.push({ mint, maxt, encoding: 1, data })
      }
      yield { labels: decodeLabels(this.labels.text(by.order[rank]!)), chunks: joined(chunks) }
    }
  }
}

/**
 * Chunks of one series as a block should have them: apart, and not many small ones. They come in the
 * order of their samples' arrival, so that of equal times the first one counts.
 */
function joined(chunks: readonly BlockChunk[]): readonly BlockChunk[] {
  const samples = chunks.reduce((sum, { data }) => sum + data[0]! * 256 + data[1]!, 0)
  const isScattered = chunks.length > Math.ceil(samples / CHUNK_SAMPLES) + 1
  const each = chunks.map((chunk) => [chunk])
  return isScattered ? mergeSamples(each) : mergeChunks(each)
}

interface Records {
  /** Records by rank of their series, then as they came. */
  readonly order: Uint32Array
  readonly ranks: Uint32Array
  readonly mints: Float64Array
  readonly maxts: Float64Array
  /** Where the data lies in the file, and its bytes. */
  readonly offsets: Float64Array
  readonly sizes: Uint32Array
}

const WINDOW_BYTES = 1 << 20

/** Goes through a range's file, all but the data. */
function readRecords(file: DiskFile, start: number, rankOf: Uint32Array): Records {
  const columns = { ranks: new U32List(), sizes: new U32List() }
  const times = { mints: new F64List(), maxts: new F64List(), offsets: new F64List() }
  const window = new Uint8Array(WINDOW_BYTES)
  const place = { block: 'import', section: file.path }
  const size = file.size()
  for (let at = 0; at < size; ) {
    const held = file.read(window, at)
    const cursor = new Cursor(window, place, 0, held)
    let used = 0
    // A record has at most 24 bytes beside its data.
    while (cursor.at + 24 <= held || at + held === size) {
      if (at + cursor.at >= size) break
      const series = cursor.uvarint()
      const mint = start + cursor.uvarint()
      const maxt = mint + cursor.uvarint()
      const bytes = cursor.uvarint()
      columns.ranks.push(rankOf[series]!)
      columns.sizes.push(bytes)
      times.mints.push(mint)
      times.maxts.push(maxt)
      times.offsets.push(at + cursor.at)
      cursor.at += bytes
      used = cursor.at
    }
    at += used
  }
  const ranks = columns.ranks.view()
  const order = ranks.map((_, i) => i)
  order.sort((a, b) => ranks[a]! - ranks[b]! || a - b)
  return {
    order,
    ranks,
    mints: times.mints.view(),
    maxts: times.maxts.view(),
    offsets: times.offsets.view(),
    sizes: columns.sizes.view(),
  }
}

/** Names and values, each with a zero byte after it: these bytes order as label sets do. */
function encodeLabels(labels: Labels): Uint8Array {
  for (const { name, value } of labels) {
    if (!name.includes('\0') && !value.includes('\0')) continue
    throw fail('bad-data', { text: `label ${JSON.stringify(name)} has a zero byte` })
  }
  return Buffer.from(labels.map(({ name, value }) => `${name}\0${value}\0`).join(''))
}

function decodeLabels(bytes: Uint8Array): Labels {
  const parts = Buffer.from(bytes).toString('utf8').split('\0')
  const labels: Label[] = []
  for (let i = 0; i + 1 < parts.length; i += 2) {
    labels.push({ name: parts[i]!, value: parts[i + 1]! })
  }
  return labels
}
