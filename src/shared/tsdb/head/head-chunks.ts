/**
 * Chunks of a head's series as a block takes them, read in place from another thread while the owner
 * goes on (a block builder's counterpart of HeadReader). Whole chunks are given as they lie; tails,
 * chunks across the range's ends and samples out of order are encoded again.
 *
 * Chunk data are views of the head's memory, or of a buffer that the next series overwrites: they are
 * to be used before. Whoever reads holds a lease (leases.ts).
 */
import type { Disk } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import { type HeadKernel, instantiateHead } from '../../kernels/head.js'
import {
  C_LENGTH,
  C_MAXT,
  C_MINT,
  C_PREVIOUS,
  C_SPILLED,
  CHUNK_BYTES_FULL,
  CHUNK_HEADER_BYTES,
  CHUNK_RANGE_MS,
  CHUNK_SAMPLES_MAX,
  CHUNK_SAMPLES_QUARTER,
  H_READERS,
  HC_MAXT,
  HC_MINT,
  HC_PREVIOUS,
  HISTOGRAM_ROWS,
  HR_FROZEN,
  O_FROZEN,
  OOO_ROWS,
  READER_BYTES,
  READER_CLOSED,
  READER_COLUMNS,
  READER_OPEN,
  READER_OPEN_BYTES,
  READER_OPEN_COUNT,
  READER_SAMPLES,
  READER_TAIL,
  READER_TAIL_TIMES,
  READER_TAIL_VALUES,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
} from '../../kernels/head-layout.js'
import type { BlockChunk } from '../block/series.js'
import { type FloatColumns, FloatEncoder } from '../chunk/float-chunk.js'
import { ENCODING_XOR } from '../chunk/histogram-columns.js'
import { noteDamage } from '../spill/damage-notes.js'
import { SpilledChunks } from '../spill/spilled-chunks.js'
import { HeadView } from './head-view.js'
import {
  encodeHistograms,
  histogramChunks,
  listedHistograms,
  type TimedHistogram,
} from './histogram-reader.js'
import { endLease, takeLease } from './leases.js'

/** A half-open time range, ms: mint ≤ t < maxt. */
export interface ChunkRange {
  readonly mint: number
  readonly maxt: number
}

/** Where a spilled chunk is put to be decoded: in the columns, above all that one chunk fills. */
const SPILLED_AT = READER_SAMPLES * 4

/** Chunks that are encoded anew share an array: one for each would be most of what a build allocates. */
const ROOM_BYTES = 64 << 10

/** Milliseconds between attempts, and how many, when the owner stands still inside a burst. */
const PAUSE_MS = 1
const PAUSES_MAX = 5000

/** Reads chunks of a head; one per thread and reader slot. */
export class HeadChunks {
  readonly view: HeadView
  private readonly kernel: HeadKernel
  private readonly slot: number
  private readonly state: number
  private readonly encoder = new FloatEncoder()
  private readonly spilled: SpilledChunks
  private readonly pause = new Int32Array(new SharedArrayBuffer(4))
  /** Chunks that were encoded anew, side by side. */
  private room = new Uint8Array(0)
  private roomUsed = 0

  /**
   * @param slot of the head's reader slots, this one's alone
   * @param disk where the head spills chunks
   */
  constructor(memory: WebAssembly.Memory, module: WebAssembly.Module, slot: number, disk: Disk) {
    this.view = new HeadView(memory)
    this.kernel = instantiateHead(module, memory)
    this.slot = slot
    this.state = this.view.word(H_READERS) + slot * READER_BYTES
    this.spilled = new SpilledChunks(this.view, disk, (chunk) =>
      noteDamage(this.view, this.state, chunk),
    )
  }

  takeLease(): void {
    takeLease(this.view.u32, this.slot)
  }

  endLease(): void {
    endLease(this.view.u32, this.slot)
  }

  /** Whether a series may have samples in a range. */
  overlaps(ref: number, range: ChunkRange): boolean {
    return this.kernel.overlapsNow(ref, range.mint, range.maxt - 1) !== 0
  }

  /**
   * The chunks of what a series has in order in a range, oldest first.
   * @throws AppError `overloaded` when the owner does not move, `chunk-corrupt`
   */
  chunks(ref: number, range: ChunkRange): BlockChunk[] {
    this.begin(ref)
    const { view, state } = this
    const chunks: BlockChunk[] = []
    for (let at = view.word(state + READER_CLOSED); at !== 0; at = view.word(at + C_PREVIOUS)) {
      const mint = this.time(at + C_MINT)
      const maxt = this.time(at + C_MAXT)
      if (maxt < range.mint) break
      if (mint >= range.maxt) continue
      if (mint >= range.mint && maxt < range.maxt) {
        chunks.push({ mint, maxt, encoding: ENCODING_XOR, data: this.dataOf(at, ref) })
      } else chunks.push(...this.encoded(inRange(this.decode(at, ref), range)).reverse())
    }
    chunks.reverse()
    chunks.push(...this.openChunks(range))
    if (this.kernel.histogramRow(ref) === 0) return chunks
    const { kernel, slot } = this
    const spilled = (): SpilledChunks => this.spilled
    chunks.push(...histogramChunks({ view, kernel, slot, state, spilled }, ref, range))
    return chunks.sort((a, b) => a.mint - b.mint)
  }

  /** The chunks of what a series has out of order and frozen, in a range; no two overlap. */
  lateChunks(ref: number, range: ChunkRange): BlockChunk[] {
    const parts: FloatColumns[] = []
    for (
      let at = this.frozen(ref, OOO_ROWS, O_FROZEN);
      at !== 0;
      at = this.view.word(at + C_PREVIOUS)
    ) {
      if (this.time(at + C_MAXT) < range.mint || this.time(at + C_MINT) >= range.maxt) continue
      parts.push(copied(inRange(this.decode(at, ref), range)))
    }
    const floats = merged(parts.reverse())
    const newest = this.frozen(ref, HISTOGRAM_ROWS, HR_FROZEN)
    const lists = { view: this.view, spilled: () => this.spilled }
    const histograms = listedHistograms(lists, { ref, newest }, range)
    return alternating(floats, histograms, (run) => this.encoded(run))
  }

  /** First and last time of what a series has out of order and frozen; undefined without any. */
  lateRange(ref: number): { readonly first: number; readonly last: number } | undefined {
    let first = Number.POSITIVE_INFINITY
    let last = Number.NEGATIVE_INFINITY
    const { view } = this
    for (let at = this.frozen(ref, OOO_ROWS, O_FROZEN); at !== 0; at = view.word(at + C_PREVIOUS)) {
      first = Math.min(first, this.time(at + C_MINT))
      last = Math.max(last, this.time(at + C_MAXT))
    }
    let node = this.frozen(ref, HISTOGRAM_ROWS, HR_FROZEN)
    for (; node !== 0; node = view.word(node + HC_PREVIOUS)) {
      first = Math.min(first, this.time(node + HC_MINT))
      last = Math.max(last, this.time(node + HC_MAXT))
    }
    return first <= last ? { first, last } : undefined
  }

  /** The newest frozen chunk of a series, by the column of its row and the word in there. */
  private frozen(ref: number, rows: number, word: number): number {
    const slab = this.view.word(SERIES_DIRECTORY + (ref >>> SERIES_SLAB_SHIFT) * 4)
    const row = this.view.word(slab + rows + (ref & SERIES_SLAB_MASK) * 4)
    return row === 0 ? 0 : this.view.word(row + word)
  }

  /** Open chunk and tail: as it is when only the chunk counts, else encoded again. */
  private openChunks(range: ChunkRange): BlockChunk[] {
    const { view, state } = this
    const tail = inRange(this.tail(), range)
    if (view.word(state + READER_OPEN_COUNT) === 0) return this.encoded(tail)
    const length = view.word(state + READER_OPEN_BYTES)
    const open = this.decodeAt(state + READER_OPEN, length)
    const inOpen = inRange(open, range)
    if (tail.size > 0 || inOpen.size < open.size) return this.encoded(inOpen, tail)
    const data = view.bytes.subarray(state + READER_OPEN, state + READER_OPEN + length)
    const maxt = open.ts[open.size - 1]!
    return [{ mint: open.ts[0]!, maxt, encoding: ENCODING_XOR, data }]
  }

  /** The raw samples of the series that was read; views. */
  private tail(): FloatColumns {
    const { view, state } = this
    const size = view.word(state + READER_TAIL)
    const times = (state + READER_TAIL_TIMES) / 8
    const words = (state + READER_TAIL_VALUES) / 4
    return {
      size,
      ts: view.f64.subarray(times, times + size),
      words: view.u32.subarray(words, words + size * 2),
    }
  }

  private begin(ref: number): void {
    for (let pauses = 0; pauses < PAUSES_MAX; pauses++) {
      const { NEGATIVE_INFINITY: mint, POSITIVE_INFINITY: maxt } = Number
      if (this.kernel.readBegin(this.slot, ref, mint, maxt) >= 0) return
      Atomics.wait(this.pause, 0, 0, PAUSE_MS)
    }
    throw fail('overloaded', { text: 'a series could not be read: its ingester does not move' })
  }

  /** Closes the files that it has open. */
  close(): void {
    this.spilled.close()
  }

  private isSpilled(node: number): boolean {
    return ((this.view.word(node + C_LENGTH) >>> 16) & C_SPILLED) !== 0
  }

  private dataOf(node: number, ref: number): Uint8Array {
    if (this.isSpilled(node)) return Uint8Array.from(this.spilled.floatsOf(node, ref))
    const start = node + CHUNK_HEADER_BYTES
    return this.view.bytes.subarray(start, start + (this.view.word(node + C_LENGTH) & 0xffff))
  }

  /** Floats of a chunk; views that the next one overwrites. */
  private decode(node: number, ref: number): FloatColumns {
    if (this.isSpilled(node)) {
      const data = this.spilled.floatsOf(node, ref)
      const at = this.state + READER_COLUMNS + SPILLED_AT
      this.view.bytes.set(data, at)
      return this.decodeAt(at, data.length)
    }
    return this.decodeAt(node + CHUNK_HEADER_BYTES, this.view.word(node + C_LENGTH) & 0xffff)
  }

  private decodeAt(at: number, length: number): FloatColumns {
    const times = this.state + READER_COLUMNS
    const values = times + READER_SAMPLES * 8
    const size = this.kernel.decodeXor(at, length, times, values)
    if (size < 0) throw fail('chunk-corrupt', { text: 'a chunk of the head is corrupt' })
    const { f64, u32 } = this.view
    return {
      size,
      ts: f64.subarray(times / 8, times / 8 + size),
      words: u32.subarray(values / 4, values / 4 + size * 2),
    }
  }

  /** Samples as chunks, cut where the head would have cut them (assembly/head-append.ts). */
  private encoded(...parts: readonly FloatColumns[]): BlockChunk[] {
    const { encoder } = this
    const chunks: BlockChunk[] = []
    let cutAt = 0
    const end = (): void => {
      const { size, mint, maxt } = encoder
      if (size === 0) return
      const data = this.kept(encoder.bytes())
      chunks.push({ mint, maxt, encoding: ENCODING_XOR, data })
      encoder.clear()
    }
    for (const { size, ts, words } of parts) {
      for (let i = 0; i < size; i++) {
        const t = ts[i]!
        if (encoder.size > 0 && (t >= cutAt || isFull(encoder))) end()
        if (encoder.size === 0) cutAt = (Math.floor(t / CHUNK_RANGE_MS) + 1) * CHUNK_RANGE_MS
        encoder.append(t, words[i * 2 + 1]!, words[i * 2]!)
        if (encoder.size === CHUNK_SAMPLES_QUARTER) cutAt = evenEnd(encoder, cutAt)
      }
    }
    end()
    return chunks
  }

  /** A copy. */
  private kept(bytes: Uint8Array): Uint8Array {
    if (this.roomUsed + bytes.length > this.room.length) {
      // What was kept before has the former room.
      this.room = new Uint8Array(Math.max(ROOM_BYTES, bytes.length))
      this.roomUsed = 0
    }
    const from = this.roomUsed
    this.room.set(bytes, from)
    this.roomUsed += bytes.length
    return this.room.subarray(from, this.roomUsed)
  }

  private time(at: number): number {
    return (this.view.word(at + 4) | 0) * 2 ** 32 + this.view.word(at)
  }
}

function inRange(columns: FloatColumns, { mint, maxt }: ChunkRange): FloatColumns {
  const { size, ts, words } = columns
  let from = 0
  let end = size
  while (from < end && ts[from]! < mint) from++
  while (end > from && ts[end - 1]! >= maxt) end--
  if (end - from === size) return columns
  return {
    size: end - from,
    ts: ts.subarray(from, end),
    words: words.subarray(from * 2, end * 2),
  }
}

function copied({ size, ts, words }: FloatColumns): FloatColumns {
  return { size, ts: ts.slice(), words: words.slice() }
}

/** One run of several, the first given first: at equal times it stays. */
function merged(parts: readonly FloatColumns[]): FloatColumns {
  if (parts.length === 1) return parts[0]!
  const byTime = new Map<number, readonly [low: number, high: number]>()
  for (const { size, ts, words } of parts) {
    for (let i = 0; i < size; i++) {
      if (!byTime.has(ts[i]!)) byTime.set(ts[i]!, [words[i * 2]!, words[i * 2 + 1]!])
    }
  }
  const ts = Float64Array.from(byTime.keys()).sort()
  const words = new Uint32Array(ts.length * 2)
  for (const [i, t] of ts.entries()) words.set(byTime.get(t)!, i * 2)
  return { size: ts.length, ts, words }
}

/** Floats and histograms of one series as chunks that do not overlap; at equal times the float stays. */
function alternating(
  floats: FloatColumns,
  histograms: readonly TimedHistogram[],
  encoded: (run: FloatColumns) => BlockChunk[],
): BlockChunk[] {
  if (histograms.length === 0) return encoded(floats)
  const taken = new Set(floats.ts)
  const others = new Map<number, TimedHistogram>()
  for (const sample of histograms) {
    if (!taken.has(sample.t) && !others.has(sample.t)) others.set(sample.t, sample)
  }
  const sorted = [...others.values()].sort((a, b) => a.t - b.t)
  const chunks: BlockChunk[] = []
  for (let at = 0, from = 0; at < floats.size || from < sorted.length; ) {
    const next = sorted[from]?.t ?? Number.POSITIVE_INFINITY
    const run = inRange(floats, { mint: floats.ts[at] ?? next, maxt: next })
    chunks.push(...encoded(run))
    at += run.size
    const until = floats.ts[at] ?? Number.POSITIVE_INFINITY
    const end = sorted.findIndex(({ t }, i) => i >= from && t > until)
    const part = sorted.slice(from, end < 0 ? sorted.length : end)
    chunks.push(...encodeHistograms(part))
    from += part.length
  }
  return chunks
}

function isFull(encoder: FloatEncoder): boolean {
  return encoder.size >= CHUNK_SAMPLES_MAX || encoder.length() > CHUNK_BYTES_FULL
}

/** Where a chunk with a quarter of its samples is to end. */
function evenEnd({ mint, maxt }: FloatEncoder, end: number): number {
  const chunks = Math.floor((end - mint) / ((maxt - mint + 1) * 4))
  return chunks <= 1 ? end : Math.trunc(mint + (end - mint) / chunks)
}
