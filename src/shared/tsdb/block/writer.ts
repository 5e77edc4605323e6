/**
 * Writes blocks: chunks as they come, the index at the end, meta.json last, all in
 * `<ULID>.tmp-for-creation`, synced, then renamed. The same input gives the same bytes. In memory are
 * the symbols, some bytes per series and label pair (index/writer.ts), and buffers.
 */
import type { Disk } from '../../env/index.js'
import { compareUtf8, type Labels } from '../../model/labels.js'
import { ENCODING_HISTOGRAM_ST, ENCODING_XOR, ENCODING_XOR2 } from '../chunk/histogram-columns.js'
import { ByteList } from '../index/lists.js'
import { IndexWriter, type SymbolSource } from '../index/writer.js'
import { ChunkWriter } from './chunk-files.js'
import { type BlockCompaction, type BlockMeta, encodeBlockMeta, type ThanosMeta } from './meta.js'
import type { BlockSeries } from './series.js'
import { SymbolTable } from './symbol-table.js'
import { encodeTombstones } from './tombstones.js'

/** Suffix of a block's folder while it is written; such a folder is rubbish after a crash. */
export const BLOCK_TEMPORARY = '.tmp-for-creation'

/** What meta.json says beyond what the series tell. */
export interface BlockOptions {
  readonly ulid: string
  /** ms; that of the first sample unless told. */
  readonly minTime?: number
  /** ms, exclusive; 1 after the last sample unless told. */
  readonly maxTime?: number
  readonly compaction: BlockCompaction
  readonly thanos?: ThanosMeta
  /** Awaited between slices of work of some milliseconds. */
  readonly pause?: () => Promise<void>
  /** Bytes of a chunk segment; Prometheus' bound unless told. */
  readonly segmentBytesMax?: number
}

/** What a block is written from. */
export interface BlockInput extends BlockOptions {
  /** Sorted by labels, without doubles; chunks in time order, apart. */
  readonly series: Iterable<BlockSeries> | AsyncIterable<BlockSeries>
  /** Symbols that are to be in the table though no series uses them. */
  readonly symbols?: Iterable<string>
}

/** Series between two pauses: about a millisecond of work. */
const SLICE = 64

/**
 * Writes a block to `<folder>/<ULID>`.
 *
 * @returns its meta; undefined when there are no samples: then nothing is left on disk
 * @throws AppError `disk-failed`; Error when series or chunks come out of order
 */
export async function writeBlock(
  disk: Disk,
  folder: string,
  input: BlockInput,
): Promise<BlockMeta | undefined> {
  const symbols = new SymbolTable()
  const writer = new BlockWriter(disk, folder, input)
  const ids: number[] = []
  let before: Labels = []
  let count = 0
  try {
    for await (const { labels, chunks } of input.series) {
      if (count > 0 && compareLabels(before, labels) >= 0) {
        throw new Error(`series ${count} of block ${input.ulid} is out of order`)
      }
      internLabels(symbols, labels, before, ids)
      before = labels
      for (const chunk of chunks)
        writer.addChunk(chunk.mint, chunk.maxt, chunk.encoding, chunk.data)
      writer.endSeries(ids, 0, labels.length * 2)
      if (++count % SLICE === 0) await input.pause?.()
    }
    for (const text of input.symbols ?? []) symbols.intern(text)
    return await writer.finish(symbols.source())
  } catch (error) {
    writer.abandon()
    throw error
  }
}

/** A series whose labels are symbols: names and values by turns. */
export interface NumberedSeries {
  readonly ids: Uint32Array
  readonly chunks: BlockSeries['chunks']
}

/** What a block is written from when labels are symbols already. */
export interface NumberedBlockInput extends BlockOptions {
  readonly symbols: SymbolTable
  /** In the order of their labels, without doubles. */
  readonly series: Iterable<NumberedSeries>
}

/** The same as `writeBlock`, of series whose labels are numbers; symbols that none uses are left out. */
export async function writeNumberedBlock(
  disk: Disk,
  folder: string,
  input: NumberedBlockInput,
): Promise<BlockMeta | undefined> {
  const { symbols } = input
  const writer = new BlockWriter(disk, folder, input)
  const isUsed = new Uint8Array(symbols.size)
  let count = 0
  try {
    for (const { ids, chunks } of input.series) {
      for (const chunk of chunks)
        writer.addChunk(chunk.mint, chunk.maxt, chunk.encoding, chunk.data)
      if (writer.endSeries(ids, 0, ids.length)) for (const id of ids) isUsed[id] = 1
      if (++count % SLICE === 0) await input.pause?.()
    }
    return await writer.finish(symbols.source(isUsed))
  } catch (error) {
    writer.abandon()
    throw error
  }
}

/** Ids of labels; those that are the same as of the series before, at their place, are known. */
function internLabels(symbols: SymbolTable, labels: Labels, before: Labels, ids: number[]): void {
  for (let i = 0; i < labels.length; i++) {
    const { name, value } = labels[i]!
    if (before[i]?.name !== name) ids[i * 2] = symbols.intern(name)
    if (before[i]?.value !== value) ids[i * 2 + 1] = symbols.intern(value)
  }
}

/** Prometheus' order of label sets: names and values by turns, the shorter one first. */
export function compareLabels(a: Labels, b: Labels): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a[i]!
    const y = b[i]!
    const order = compareUtf8(x.name, y.name) || compareUtf8(x.value, y.value)
    if (order !== 0) return order
  }
  return a.length - b.length
}

/** Writes one block from series whose labels are symbol ids. */
export class BlockWriter {
  private readonly disk: Disk
  private readonly folder: string
  private readonly temporary: string
  private readonly options: BlockOptions
  private readonly chunks: ChunkWriter
  private readonly index: IndexWriter
  /** Chunks of the open series as they stand in its entry, without their count. */
  private readonly entry = new ByteList(256)
  private readonly whole = new ByteList(256)
  private chunkCount = 0
  private lastMaxt = 0
  private lastReference = 0
  private readonly stats = { samples: 0, histograms: 0, series: 0, chunks: 0 }
  private mint = Infinity
  private maxt = -Infinity

  /** Makes the temporary folder; what is left there of an earlier try is removed. */
  constructor(disk: Disk, folder: string, options: BlockOptions) {
    this.disk = disk
    this.folder = folder
    this.options = options
    this.temporary = `${folder}/${options.ulid}${BLOCK_TEMPORARY}`
    disk.remove(this.temporary)
    disk.makeFolder(this.temporary)
    this.chunks = new ChunkWriter(disk, `${this.temporary}/chunks`, options.segmentBytesMax)
    this.index = new IndexWriter(disk, `${this.temporary}/index`, options.pause)
  }

  /** Samples so far. */
  sampleCount(): number {
    return this.stats.samples
  }

  /** Adds a chunk to the series whose labels come with `endSeries`. */
  addChunk(mint: number, maxt: number, encoding: number, data: Uint8Array): void {
    this.checkOrder(mint, maxt)
    this.chunks.append(encoding, data)
    this.noteChunk(mint, maxt, encoding, sampleCount(encoding, data))
  }

  /** The same of a chunk as another block has it: encoding, data, and the checksum that was right. */
  copyChunk(mint: number, maxt: number, record: Uint8Array): void {
    this.checkOrder(mint, maxt)
    this.chunks.copy(record)
    const encoding = record[0]!
    this.noteChunk(mint, maxt, encoding, sampleCount(encoding, record.subarray(1)))
  }

  private checkOrder(mint: number, maxt: number): void {
    if (maxt < mint || (this.chunkCount > 0 && mint <= this.lastMaxt)) {
      throw new Error(`a chunk of block ${this.options.ulid} is out of order`)
    }
  }

  /** Takes the chunk that was written last into the entry of its series. */
  private noteChunk(mint: number, maxt: number, encoding: number, samples: number): void {
    const { chunks } = this
    const entry = this.entry
    const reference = chunks.segment * 2 ** 32 + chunks.offset
    if (this.chunkCount === 0) {
      entry.varint(mint)
      entry.uvarint(maxt - mint)
      entry.uvarint(reference)
      if (mint < this.mint) this.mint = mint
    } else {
      entry.uvarint(mint - this.lastMaxt)
      entry.uvarint(maxt - mint)
      entry.varint(reference - this.lastReference)
    }
    this.lastMaxt = maxt
    this.lastReference = reference
    this.chunkCount++
    this.stats.samples += samples
    if (encoding !== ENCODING_XOR && encoding !== ENCODING_XOR2) this.stats.histograms += samples
  }

  /** Ends a series; one without chunks is left out. False then. */
  endSeries(ids: ArrayLike<number>, from: number, to: number): boolean {
    if (this.chunkCount === 0) return false
    const { stats, entry } = this
    const whole = this.whole
    whole.size = 0
    whole.uvarint(this.chunkCount)
    whole.put(entry.view())
    this.index.addSeries(ids, from, to, whole.view())
    stats.chunks += this.chunkCount
    stats.series++
    if (this.lastMaxt > this.maxt) this.maxt = this.lastMaxt
    this.chunkCount = 0
    entry.size = 0
    return true
  }

  /** Writes the rest, and moves the block to its place. Undefined when it is empty. */
  async finish(symbols: SymbolSource): Promise<BlockMeta | undefined> {
    const { disk, temporary, options } = this
    const folder = this.folder
    if (this.stats.samples === 0) {
      this.abandon()
      return undefined
    }
    this.chunks.close()
    await this.index.finish(symbols)
    disk.replaceFile(`${temporary}/tombstones`, encodeTombstones(new Map()))
    const meta = this.meta()
    disk.replaceFile(`${temporary}/meta.json`, encodeBlockMeta(meta))
    disk.syncFolder(temporary)
    const path = `${folder}/${options.ulid}`
    disk.remove(path)
    disk.rename(temporary, path)
    disk.syncFolder(folder)
    return meta
  }

  /** Gives up and removes what was written. */
  abandon(): void {
    this.chunks.abandon()
    this.index.abandon()
    this.disk.remove(this.temporary)
  }

  private meta(): BlockMeta {
    const { options, stats } = this
    const floats = stats.samples - stats.histograms
    return {
      ulid: options.ulid,
      minTime: options.minTime ?? this.mint,
      maxTime: options.maxTime ?? this.maxt + 1,
      stats: {
        numSamples: stats.samples,
        ...(floats > 0 ? { numFloatSamples: floats } : {}),
        ...(stats.histograms > 0 ? { numHistogramSamples: stats.histograms } : {}),
        numSeries: stats.series,
        numChunks: stats.chunks,
      },
      compaction: options.compaction,
      version: 1,
      ...(options.thanos === undefined ? {} : { thanos: options.thanos }),
    }
  }
}

/** Samples of a chunk, by its header. */
export function sampleCount(encoding: number, data: Uint8Array): number {
  const count = (data[0] ?? 0) * 256 + (data[1] ?? 0)
  return encoding >= ENCODING_HISTOGRAM_ST ? count & 0x3fff : count
}
