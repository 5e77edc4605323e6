/**
 * Reads series of a head from any thread while its owner appends (architecture §5, "Publication
 * protocol"; the kernel's head-read.ts). Refs come from the owner's `select` or the reader's own
 * `index`; a reader owns one scratch slot of the head's memory and writes nowhere else.
 */
import type { Disk } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import { type HeadKernel, instantiateHead } from '../../kernels/head.js'
import {
  COUNTS,
  FIRST_TIMES,
  H_READER_SLOTS,
  H_READERS,
  H_REUSES,
  HISTOGRAM_ROWS,
  HR_CLOSED,
  HR_LATE,
  HR_OPEN,
  LAST_TIMES,
  O_CLOSED,
  O_COUNT,
  OOO_ROWS,
  READ_SPILLED,
  READER_BYTES,
  READER_CHUNK_BYTES,
  READER_CHUNKS,
  READER_COLUMNS,
  READER_MORE,
  READER_OOO_TOTAL,
  READER_OPEN,
  READER_SAMPLES,
  READER_SPILLED,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
} from '../../kernels/head-layout.js'
import { type DamagedChunk, noteDamage } from '../spill/damage-notes.js'
import { SpilledChunks } from '../spill/spilled-chunks.js'
import { HeadIndex } from './head-index.js'
import type { HeadStats, SeriesExtent } from './head-stats.js'
import { HeadView } from './head-view.js'
import { mergeHistograms } from './histogram-reader.js'
import { LateSamples } from './late-samples.js'
import { endLease, takeLease } from './leases.js'
import type { ReadBuffer } from './read-buffer.js'

export type { ReadBuffer } from './read-buffer.js'

/** Milliseconds between attempts, and how many, when the owner stands still inside a burst. */
const PAUSE_MS = 1
const PAUSES_MAX = 5000
/** Beyond any time, ms. */
const TIME_MAX = 2 ** 53

/** Reads a head's samples in place, from any thread. */
export class HeadReader {
  /** The series by their labels. */
  readonly index: HeadIndex
  /** Chunks that were read, and their bytes; who counts them sets them back to 0. */
  readonly fetched = { chunks: 0, bytes: 0 }
  private readonly view: HeadView
  private readonly kernel: HeadKernel
  private readonly slot: number
  private readonly state: number
  private readonly ts: Float64Array
  private readonly values: Float64Array
  private readonly late = new LateSamples()
  private readonly chunkFiles: SpilledChunks | undefined
  private readonly pause = new Int32Array(new SharedArrayBuffer(4))

  /**
   * @param memory of a head that was initialised
   * @param scratchSlot this reader's alone while it lives
   * @param disk where the head spills chunks, if it does
   */
  constructor(
    memory: WebAssembly.Memory,
    module: WebAssembly.Module,
    scratchSlot: number,
    disk?: Disk,
  ) {
    this.view = new HeadView(memory)
    this.kernel = instantiateHead(module, memory)
    if (!(scratchSlot < this.view.word(H_READER_SLOTS))) {
      throw fail('internal', { text: `a head has no reader slot ${scratchSlot}` })
    }
    this.slot = scratchSlot
    const start = this.view.word(H_READERS) + scratchSlot * READER_BYTES
    if (disk !== undefined) {
      const note = (chunk: DamagedChunk): void => noteDamage(this.view, start, chunk)
      this.chunkFiles = new SpilledChunks(this.view, disk, note)
    }
    const columns = start + READER_COLUMNS
    const buffer = memory.buffer as ArrayBuffer
    this.state = start
    this.ts = new Float64Array(buffer, columns, READER_SAMPLES)
    this.values = new Float64Array(buffer, columns + READER_SAMPLES * 8, READER_SAMPLES)
    const { view, kernel } = this
    const scratchBytes = READER_SAMPLES * 8
    this.index = new HeadIndex({ view, kernel, scratch: columns, scratchBytes })
  }

  /**
   * Reads the samples of a series with mint ≤ t ≤ maxt: those in order and those out of order as
   * one; at a time that both have, what came in order stays.
   * @throws AppError `overloaded` when the owner does not move, `chunk-corrupt`
   */
  read(ref: number, mint: number, maxt: number, out: ReadBuffer): void {
    const most = this.begin(ref, mint, maxt)
    if (out.ts.length < most) {
      const size = Math.max(most, Math.min(out.ts.length * 2, most + 65536))
      out.ts = new Float64Array(size)
      out.values = new Float64Array(size)
    }
    let from = most
    do {
      const count = this.kernel.readBlock(this.slot)
      if (count < 0) throw fail('chunk-corrupt', { text: `a chunk of series ${ref} is corrupt` })
      const isAll = from === most && this.view.word(this.state + READER_MORE) === 0
      from = isAll ? 0 : from - count
      out.ts.set(this.ts.subarray(READER_SAMPLES - count), from)
      out.values.set(this.values.subarray(READER_SAMPLES - count), from)
      out.count = isAll ? count : most - from
      this.bringSpilled(ref)
    } while (this.view.word(this.state + READER_MORE) !== 0)
    if (from > 0) {
      out.ts.copyWithin(0, from, most)
      out.values.copyWithin(0, from, most)
    }
    const late = this.view.word(this.state + READER_OOO_TOTAL)
    if (late > 0) this.mergeLate(ref, { mint, maxt, most: late }, out)
    out.histograms = undefined
    if (this.kernel.histogramRow(ref) !== 0) {
      const { view, kernel, slot, state } = this
      const reader = { view, kernel, slot, state, spilled: () => this.spilled() }
      const chunks = mergeHistograms(reader, ref, { mint, maxt }, out)
      this.fetched.chunks += chunks.count
      this.fetched.bytes += chunks.bytes
    }
  }

  /** Puts the chunk that the kernel goes on with where it looks for it. */
  private bringSpilled(ref: number): void {
    const node = this.view.word(this.state + READER_SPILLED)
    if (node === 0) return
    this.view.bytes.set(this.spilled().floatsOf(node, ref), this.state + READER_OPEN)
  }

  private spilled(): SpilledChunks {
    if (this.chunkFiles === undefined) throw fail('internal', { text: 'a head has spilled chunks' })
    return this.chunkFiles
  }

  /** Closes the files that it has open. */
  close(): void {
    this.chunkFiles?.close()
  }

  private mergeLate(
    ref: number,
    range: { mint: number; maxt: number; most: number },
    out: ReadBuffer,
  ): void {
    this.late.clear(range.most)
    for (;;) {
      const count = this.kernel.readOutOfOrder(this.slot)
      if (count === READ_SPILLED) {
        this.bringSpilled(ref)
        continue
      }
      if (count < 0) throw fail('chunk-corrupt', { text: `a chunk of series ${ref} is corrupt` })
      if (count === 0) break
      this.late.addRun(this.ts, this.values, count)
    }
    this.late.mergeInto(out, range.mint, range.maxt)
  }

  private begin(ref: number, mint: number, maxt: number): number {
    for (let pauses = 0; pauses < PAUSES_MAX; pauses++) {
      const most = this.kernel.readBegin(this.slot, ref, mint, maxt)
      if (most >= 0) {
        this.fetched.chunks += this.view.word(this.state + READER_CHUNKS)
        this.fetched.bytes += this.view.word(this.state + READER_CHUNK_BYTES)
        return most
      }
      // The owner was put aside in the middle of a burst: let it run.
      Atomics.wait(this.pause, 0, 0, PAUSE_MS)
    }
    throw fail('overloaded', { text: 'a series could not be read: its ingester does not move' })
  }

  /**
   * A number that changes when a series gets more samples, or those of its tile are encoded. -1 while
   * that happens; -2 when it has samples out of order, so that more may come anywhere, or
   * histograms.
   */
  stamp(ref: number): number {
    const { view } = this
    const slab = view.word(SERIES_DIRECTORY + (ref >>> SERIES_SLAB_SHIFT) * 4)
    const lane = ref & SERIES_SLAB_MASK
    const sequence = Atomics.load(view.u32, (slab >>> 2) + (lane >>> 3))
    if ((sequence & 1) !== 0) return -1
    if (this.hasLate(slab, lane) || this.hasHistograms(slab, lane)) return -2
    return sequence * 32 + Atomics.load(view.bytes, slab + COUNTS + lane)
  }

  private hasLate(slab: number, lane: number): boolean {
    const { view } = this
    const row = view.word(slab + OOO_ROWS + lane * 4)
    return row !== 0 && (view.word(row + O_CLOSED) !== 0 || (view.word(row + O_COUNT) & 0xffff) > 0)
  }

  private hasHistograms(slab: number, lane: number): boolean {
    const { view } = this
    const row = view.word(slab + HISTOGRAM_ROWS + lane * 4)
    if (row === 0) return false
    return (view.word(row + HR_OPEN) | view.word(row + HR_CLOSED) | view.word(row + HR_LATE)) !== 0
  }

  /** Takes a lease: what is selected from now on stays readable until it ends. */
  takeLease(): void {
    takeLease(this.view.u32, this.slot)
  }

  endLease(): void {
    endLease(this.view.u32, this.slot)
  }

  /** A number that changes before refs and pair ids come to stand for something else. */
  reuses(): number {
    return Atomics.load(this.view.u32, H_REUSES / 4)
  }

  /** Time of a series' newest sample, ms. */
  newest(ref: number): number {
    return this.timeAt(ref, LAST_TIMES)
  }

  /** What the shard holds of a tenant; undefined while that cannot be told. */
  stats(tenant: string, most: number, check?: () => void): HeadStats | undefined {
    const extentOf: SeriesExtent = (ref) => {
      this.begin(ref, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)
      const { chunks } = this.fetched
      this.fetched.chunks = 0
      this.fetched.bytes = 0
      const mint = this.timeAt(ref, FIRST_TIMES)
      // A series without samples in order has the greatest time there is for its first one.
      if (mint > TIME_MAX) return { chunks, mint: TIME_MAX, maxt: -TIME_MAX }
      return { chunks, mint, maxt: this.newest(ref) }
    }
    return this.index.stats(tenant, most, extentOf, check)
  }

  private timeAt(ref: number, column: number): number {
    const { view } = this
    const slab = view.word(SERIES_DIRECTORY + (ref >>> SERIES_SLAB_SHIFT) * 4)
    const at = slab + column + (ref & SERIES_SLAB_MASK) * 8
    return (view.word(at + 4) | 0) * 2 ** 32 + view.word(at)
  }

  /** Pair ids of a series, in order of label names; a view of the head's memory. */
  pairs(ref: number): Uint32Array {
    return this.view.pairs(ref)
  }

  pairName(pair: number): string {
    return this.view.pairName(pair)
  }

  pairValue(pair: number): string {
    return this.view.pairValue(pair)
  }
}
