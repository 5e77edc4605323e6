/**
 * Writes the index of a block (format.ts). Series come in order with symbols by provisional ids;
 * when all are there and the symbols are sorted, the file is written front to back. Memory: 12 to
 * 20 bytes per label pair, 4 per series, and a part of the postings, half of them or less: the series
 * are gone through again for each part.
 */
import { crc32c } from '../../base/crc32c.js'
import type { Disk } from '../../env/index.js'
import { FileWriter } from './file-writer.js'
import { INDEX_MAGIC, INDEX_VERSION, POSTINGS_KEYS, SERIES_ALIGNMENT, type Toc } from './format.js'
import { ByteList, U32List } from './lists.js'
import { PairTable } from './pair-table.js'
import { Spool } from './spool.js'

/** The symbols of a block, when they are known. */
export interface SymbolSource {
  /** Provisional ids are below this. */
  readonly idCount: number
  /** Provisional ids of the symbols to write, in the order of their bytes, without doubles. */
  readonly order: Uint32Array
  /** Bytes of a symbol, by provisional id. */
  text(id: number): Uint8Array
}

/** References in memory while postings are written: half of them, but at least and at most these. */
const POSTINGS_MIN = 1 << 20
const POSTINGS_MAX = 16 << 20
/** Series between two pauses: about a millisecond of work. */
const SLICE = 512

/** Writes one index. */
export class IndexWriter {
  private readonly disk: Disk
  private readonly path: string
  private readonly spool: Spool
  private readonly partSize: number | undefined
  private readonly pause: () => Promise<void>

  /**
   * @param pause awaited between slices of about a millisecond while the file is written
   * @param partSize references in memory while postings are written
   */
  constructor(
    disk: Disk,
    path: string,
    pause: () => Promise<void> = async () => {},
    partSize?: number,
  ) {
    this.disk = disk
    this.path = path
    this.spool = new Spool(disk, `${path}.series`)
    this.pause = pause
    this.partSize = partSize
  }

  /**
   * Takes the next series: its labels as symbol ids, name and value by turns, at [from, to) of
   * `ids`, and its chunks as they stand in the entry.
   */
  addSeries(ids: ArrayLike<number>, from: number, to: number, chunks: Uint8Array): void {
    this.spool.append(ids, from, to, chunks)
  }

  /** Writes the file and syncs it; gives its size. */
  async finish(symbols: SymbolSource): Promise<number> {
    const file = new FileWriter(this.disk, this.path)
    try {
      const toc = await this.write(file, symbols)
      putToc(file, toc)
      const size = file.at()
      file.close()
      return size
    } catch (error) {
      file.abandon()
      throw error
    } finally {
      this.spool.close()
    }
  }

  /** Gives up; what was written so far is the caller's to remove. */
  abandon(): void {
    this.spool.close()
  }

  private async write(file: FileWriter, symbols: SymbolSource): Promise<Toc> {
    file.buffer.u32(INDEX_MAGIC)
    file.buffer.u8(INDEX_VERSION)
    const symbolsAt = file.at()
    putSymbols(file, symbols)
    const ranks = new Uint32Array(symbols.idCount)
    for (let i = 0; i < symbols.order.length; i++) ranks[symbols.order[i]!] = i
    file.align(SERIES_ALIGNMENT)
    const seriesAt = file.at()
    const { refs, pairs } = await this.putSeries(file, ranks)
    const order = pairs.sorted()
    file.align(4)
    const postingsAt = file.at()
    const lists = new Float64Array(order.length + 1)
    putList(file, lists, 0, refs)
    await this.putPostings(file, { ranks, refs, pairs, order, lists })
    const labelTableAt = file.at()
    file.beginFrame()
    file.buffer.u32(0)
    file.endFrame()
    const tableAt = file.at()
    putOffsetTable(file, { symbols, pairs, order, lists })
    return {
      symbols: symbolsAt,
      series: seriesAt,
      labelIndices: postingsAt,
      labelOffsetTable: labelTableAt,
      postings: postingsAt,
      postingsOffsetTable: tableAt,
    }
  }

  private async putSeries(
    file: FileWriter,
    ranks: Uint32Array,
  ): Promise<{ refs: Uint32Array; pairs: PairTable }> {
    const refs = new U32List(this.spool.count + 1)
    const pairs = new PairTable()
    const labels = new ByteList(256)
    const { buffer } = file
    for (const { ids, idCount, bytes, from, to } of this.spool.records()) {
      file.align(SERIES_ALIGNMENT)
      refs.push(file.at() / SERIES_ALIGNMENT)
      labels.size = 0
      labels.uvarint(idCount / 2)
      for (let i = 0; i < idCount; i += 2) {
        const name = ranks[ids[i]!]!
        const value = ranks[ids[i + 1]!]!
        labels.uvarint(name)
        labels.uvarint(value)
        pairs.add(name, value)
      }
      buffer.uvarint(labels.size + to - from)
      const at = buffer.size
      buffer.put(labels.view())
      buffer.put(bytes.subarray(from, to))
      buffer.u32(crc32c(buffer.bytes.subarray(at, buffer.size)))
      file.settle()
      if (refs.size % SLICE === 0) await this.pause()
    }
    return { refs: refs.view(), pairs }
  }

  /** Lists of pairs, as many at a time as fit in memory. */
  private async putPostings(file: FileWriter, parts: PostingsParts): Promise<void> {
    const { ranks, refs, pairs, order, lists } = parts
    const all = pairs.counts.reduce((sum, count) => sum + count, 0)
    const half = Math.min(Math.max(Math.ceil(all / 2), POSTINGS_MIN), POSTINGS_MAX)
    const partSize = this.partSize ?? half
    // Where the next reference of a pair goes; NOT_NOW for pairs of other parts.
    const cursors = new Uint32Array(pairs.size)
    for (let first = 0; first < order.length; ) {
      cursors.fill(NOT_NOW)
      let total = 0
      let end = first
      while (end < order.length) {
        const count = pairs.counts[order[end]!]!
        if (end > first && total + count > partSize) break
        cursors[order[end++]!] = total
        total += count
      }
      const part = new Uint32Array(total)
      let series = 0
      for (const { ids, idCount } of this.spool.records()) {
        for (let i = 0; i < idCount; i += 2) {
          const pair = pairs.get(ranks[ids[i]!]!, ranks[ids[i + 1]!]!)
          const cursor = cursors[pair]!
          if (cursor === NOT_NOW) continue
          part[cursor] = refs[series]!
          cursors[pair] = cursor + 1
        }
        if (++series % SLICE === 0) await this.pause()
      }
      for (let at = 0; first < end; first++) {
        const count = pairs.counts[order[first]!]!
        putList(file, lists, first + 1, part.subarray(at, at + count))
        at += count
      }
    }
  }
}

interface PostingsParts {
  readonly ranks: Uint32Array
  readonly refs: Uint32Array
  readonly pairs: PairTable
  /** Pairs by name and value. */
  readonly order: Uint32Array
  /** Out: offsets of the lists: of all series, then in order. */
  readonly lists: Float64Array
}

const NOT_NOW = 0xffffffff

function putSymbols(file: FileWriter, symbols: SymbolSource): void {
  file.beginFrame()
  file.buffer.u32(symbols.order.length)
  for (const id of symbols.order) {
    file.buffer.string(symbols.text(id))
    file.settle()
  }
  file.endFrame()
}

function putList(file: FileWriter, lists: Float64Array, index: number, refs: Uint32Array): void {
  file.align(4)
  lists[index] = file.at()
  file.beginFrame()
  file.buffer.u32(refs.length)
  for (let i = 0; i < refs.length; i++) {
    file.buffer.u32(refs[i]!)
    if (i % SLICE === 0) file.settle()
  }
  file.endFrame()
}

function putOffsetTable(
  file: FileWriter,
  parts: Pick<PostingsParts, 'pairs' | 'order' | 'lists'> & { readonly symbols: SymbolSource },
): void {
  const { symbols, pairs, order, lists } = parts
  const text = (rank: number) => symbols.text(symbols.order[rank]!)
  const none = new Uint8Array(0)
  file.beginFrame()
  file.buffer.u32(order.length + 1)
  for (let i = -1; i < order.length; i++) {
    file.buffer.u8(POSTINGS_KEYS)
    file.buffer.string(i < 0 ? none : text(pairs.names[order[i]!]!))
    file.buffer.string(i < 0 ? none : text(pairs.values[order[i]!]!))
    file.buffer.uvarint(lists[i + 1]!)
    file.settle()
  }
  file.endFrame()
}

function putToc(file: FileWriter, toc: Toc): void {
  const bytes = new ByteList(52)
  bytes.u64(toc.symbols)
  bytes.u64(toc.series)
  bytes.u64(toc.labelIndices)
  bytes.u64(toc.labelOffsetTable)
  bytes.u64(toc.postings)
  bytes.u64(toc.postingsOffsetTable)
  bytes.u32(crc32c(bytes.view()))
  file.buffer.put(bytes.view())
}
