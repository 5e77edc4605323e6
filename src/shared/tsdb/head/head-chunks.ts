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
import { FloatEncoder } from '../chunk/float-chunk.js'
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

/** Milliseconds between attempts, and how many, when the owner stands still inside a burst. */
const PAUSE_MS = 1
const PAUSES_MAX = 5000

/** Samples of one series, in the order of their times. */
interface Samples {
  readonly ts: number[]
  readonly bits: bigint[]
}

/** Reads chunks of a head; one per thread and reader slot. */
export class HeadChunks {
  readonly view: HeadView
  private readonly kernel: HeadKernel
  private readonly slot: number
  private readonly state: number
  private readonly words: BigUint64Array
  private readonly spilled: SpilledChunks
  private readonly pause = new Int32Array(new SharedArrayBuffer(4))

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
    this.words = new BigUint64Array(memory.buffer)
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
      } else chunks.push(...encoded(inRange(this.decode(at, ref), range)).reverse())
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
    const parts: Samples[] = []
    for (
      let at = this.frozen(ref, OOO_ROWS, O_FROZEN);
      at !== 0;
      at = this.view.word(at + C_PREVIOUS)
    ) {
      if (this.time(at + C_MAXT) < range.mint || this.time(at + C_MINT) >= range.maxt) continue
      parts.push(inRange(this.decode(at, ref), range))
    }
    const floats = merged(parts.reverse())
    const newest = this.frozen(ref, HISTOGRAM_ROWS, HR_FROZEN)
    const lists = { view: this.view, spilled: () => this.spilled }
    return alternating(floats, listedHistograms(lists, { ref, newest }, range))
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
    const tail: Samples = { ts: [], bits: [] }
    for (let k = 0; k < view.word(state + READER_TAIL); k++) {
      tail.ts.push(view.f64[(state + READER_TAIL_TIMES) / 8 + k]!)
      tail.bits.push(this.words[(state + READER_TAIL_VALUES) / 8 + k]!)
    }
    if (view.word(state + READER_OPEN_COUNT) === 0) return encoded(inRange(tail, range))
    const length = view.word(state + READER_OPEN_BYTES)
    const open = this.decodeAt(state + READER_OPEN, length)
    const inOpen = inRange(open, range)
    const inTail = inRange(tail, range)
    if (inTail.ts.length > 0 || inOpen.ts.length < open.ts.length) {
      return encoded({ ts: inOpen.ts.concat(inTail.ts), bits: inOpen.bits.concat(inTail.bits) })
    }
    const data = view.bytes.subarray(state + READER_OPEN, state + READER_OPEN + length)
    const maxt = open.ts.at(-1)!
    return [{ mint: open.ts[0]!, maxt, encoding: ENCODING_XOR, data }]
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

  private decode(node: number, ref: number): Samples {
    if (this.isSpilled(node)) {
      const data = this.spilled.floatsOf(node, ref)
      const at = this.state + READER_COLUMNS + SPILLED_AT
      this.view.bytes.set(data, at)
      return this.decodeAt(at, data.length)
    }
    return this.decodeAt(node + CHUNK_HEADER_BYTES, this.view.word(node + C_LENGTH) & 0xffff)
  }

  private decodeAt(at: number, length: number): Samples {
    const times = this.state + READER_COLUMNS
    const values = times + READER_SAMPLES * 8
    const count = this.kernel.decodeXor(at, length, times, values)
    if (count < 0) throw fail('chunk-corrupt', { text: 'a chunk of the head is corrupt' })
    const { view, words } = this
    return {
      ts: Array.from(view.f64.subarray(times / 8, times / 8 + count)),
      bits: Array.from(words.subarray(values / 8, values / 8 + count)),
    }
  }

  private time(at: number): number {
    return (this.view.word(at + 4) | 0) * 2 ** 32 + this.view.word(at)
  }
}

function inRange({ ts, bits }: Samples, { mint, maxt }: ChunkRange): Samples {
  let from = 0
  let end = ts.length
  while (from < end && ts[from]! < mint) from++
  while (end > from && ts[end - 1]! >= maxt) end--
  return { ts: ts.slice(from, end), bits: bits.slice(from, end) }
}

/** One run of several, the first given first: at equal times it stays. */
function merged(parts: readonly Samples[]): Samples {
  if (parts.length === 1) return parts[0]!
  if (parts.length === 0) return { ts: [], bits: [] }
  const byTime = new Map<number, bigint>()
  for (const { ts, bits } of parts) {
    for (let i = 0; i < ts.length; i++) if (!byTime.has(ts[i]!)) byTime.set(ts[i]!, bits[i]!)
  }
  const ts = [...byTime.keys()].sort((a, b) => a - b)
  return { ts, bits: ts.map((t) => byTime.get(t)!) }
}

/** Floats and histograms of one series as chunks that do not overlap; at equal times the float stays. */
function alternating(floats: Samples, histograms: readonly TimedHistogram[]): BlockChunk[] {
  if (histograms.length === 0) return encoded(floats)
  const taken = new Set(floats.ts)
  const others = new Map<number, TimedHistogram>()
  for (const sample of histograms) {
    if (!taken.has(sample.t) && !others.has(sample.t)) others.set(sample.t, sample)
  }
  const sorted = [...others.values()].sort((a, b) => a.t - b.t)
  const chunks: BlockChunk[] = []
  for (let at = 0, from = 0; at < floats.ts.length || from < sorted.length; ) {
    const next = sorted[from]?.t ?? Number.POSITIVE_INFINITY
    const run: Samples = { ts: [], bits: [] }
    for (; at < floats.ts.length && floats.ts[at]! < next; at++) {
      run.ts.push(floats.ts[at]!)
      run.bits.push(floats.bits[at]!)
    }
    chunks.push(...encoded(run))
    const until = floats.ts[at] ?? Number.POSITIVE_INFINITY
    const end = sorted.findIndex(({ t }, i) => i >= from && t > until)
    const part = sorted.slice(from, end < 0 ? sorted.length : end)
    chunks.push(...encodeHistograms(part))
    from += part.length
  }
  return chunks
}

/** Samples as chunks, cut where the head would have cut them (assembly/head-append.ts). */
function encoded({ ts, bits }: Samples): BlockChunk[] {
  const chunks: BlockChunk[] = []
  const words = new Uint32Array(BigUint64Array.from(bits).buffer)
  for (let at = 0; at < ts.length; ) {
    const encoder = new FloatEncoder()
    let cutAt = (Math.floor(ts[at]! / CHUNK_RANGE_MS) + 1) * CHUNK_RANGE_MS
    do {
      encoder.append(ts[at]!, words[at * 2 + 1]!, words[at * 2]!)
      at++
      if (encoder.size === CHUNK_SAMPLES_QUARTER) cutAt = evenEnd(encoder, cutAt)
    } while (at < ts.length && ts[at]! < cutAt && !isFull(encoder))
    const { mint, maxt } = encoder
    chunks.push({ mint, maxt, encoding: ENCODING_XOR, data: encoder.bytes().slice() })
  }
  return chunks
}

function isFull(encoder: FloatEncoder): boolean {
  return encoder.size >= CHUNK_SAMPLES_MAX || encoder.bytes().length > CHUNK_BYTES_FULL
}

/** Where a chunk with a quarter of its samples is to end. */
function evenEnd({ mint, maxt }: FloatEncoder, end: number): number {
  const chunks = Math.floor((end - mint) / ((maxt - mint + 1) * 4))
  return chunks <= 1 ? end : Math.trunc(mint + (end - mint) / chunks)
}
