/**
 * Histograms of a head: checked against the newest sample of their series, encoded into its open
 * chunk, which stands in the shared memory after each append (kernels/assembly/head-histogram.ts).
 * What an append needs to go on is kept here, one object per series that has histograms.
 */
import { AppError } from '../../errors/index.js'
import type { HeadKernel } from '../../kernels/head.js'
import {
  H_DEFINE_BYTES,
  H_DEFINES,
  HC_COUNT,
  HC_ENCODING,
  HC_LENGTH,
  HC_MAXT,
  HC_MINT,
  HC_PREVIOUS,
  HC_SPILLED,
  HISTOGRAM_CHUNK_HEADER_BYTES,
  HR_BYTES,
  HR_CLOSED,
  HR_ENCODING,
  HR_LATE,
  HR_MAXT,
  HR_OPEN,
} from '../../kernels/head-layout.js'
import type { AnyHistogram } from '../../wire/frames/index.js'
import { hasSample, hasTime, OpenHistograms } from '../chunk/open-histograms.js'
import type { SpilledChunks } from '../spill/spilled-chunks.js'
import type { HeadView } from './head-view.js'

/** What a check came to. */
export type HistogramOutcome =
  | 'accepted'
  /** Out of order, and to be kept: `appendLate`. */
  | 'late'
  | 'repeated'
  | 'duplicate'
  | 'out-of-order'
  | 'too-old'

/** How old a histogram may be: in order, and out of it (Infinity: not at all), ms. */
export interface OldestTimes {
  readonly inOrder: number
  readonly outOfOrder: number
  /** Out of it, but newer than all that its series has. */
  readonly behind: number
}

/** A chunk as it stands in the head, oldest first in lists. */
export interface StoredChunk {
  readonly encoding: number
  /** A view of the head's memory, or a copy of what a chunk file has. */
  readonly bytes: Uint8Array
}

/** Where lists of closed chunks are read. */
export interface ListedChunks {
  readonly view: HeadView
  /** For chunks in chunk files. */
  readonly spilled: () => SpilledChunks
}

/** Histogram chunks of all series of a head. */
export class HeadHistograms {
  private readonly view: HeadView
  private readonly kernel: HeadKernel
  private readonly lists: ListedChunks
  /** [ref] undefined: the next histogram begins a chunk. */
  private readonly open = new Map<number, OpenHistograms | undefined>()

  constructor(view: HeadView, kernel: HeadKernel, spilled: () => SpilledChunks) {
    this.view = view
    this.kernel = kernel
    this.lists = { view, spilled }
  }

  /** Refs of the series that have histograms. */
  refs(): IterableIterator<number> {
    return this.open.keys()
  }

  /**
   * Checks a histogram against the newest sample of its series; when accepted, later ones must be
   * newer. `append` follows, or `kernel.rollback` when it cannot.
   *
   * At a time that is taken the first value stays, silently, unless it is the newest.
   */
  check(ref: number, t: number, histogram: AnyHistogram, oldest: OldestTimes): HistogramOutcome {
    const last = this.kernel.lastTime(ref)
    if (t > last && t >= oldest.inOrder) {
      this.kernel.noteHistogram(ref, t)
      return 'accepted'
    }
    const stored = this.find(ref, t)
    if (stored !== undefined && hasSample(stored, t, histogram)) return 'repeated'
    if (t === last && t >= oldest.inOrder) return 'duplicate'
    if (t >= oldest.outOfOrder || (t > last && t >= oldest.behind && !this.hasLateAfter(ref, t))) {
      return stored === undefined ? 'late' : 'repeated'
    }
    const isTooOld = t < oldest.inOrder || oldest.outOfOrder < Number.POSITIVE_INFINITY
    return isTooOld ? 'too-old' : 'out-of-order'
  }

  /** The chunk that has a histogram of a time. */
  private find(ref: number, t: number): StoredChunk | undefined {
    const row = this.kernel.histogramRow(ref) >>> 0
    if (row === 0) return undefined
    const covers = (node: number): boolean => this.timeOf(node + HC_MINT) <= t
    const newer = (node: number): boolean => this.timeOf(node + HC_MAXT) >= t
    const isTime = (node: number): boolean => this.timeOf(node + HC_MINT) === t
    try {
      const newest = this.view.word(row + HR_CLOSED)
      const closed = closedChunks(this.lists, { ref, newest }, newer, covers)
      const late = this.lateChunks(ref, row, isTime)
      return [...this.openChunks(row), ...closed, ...late].find((chunk) => hasTime(chunk, t))
    } catch (error) {
      // What a damaged chunk file had is not known: the histogram goes beside it, or is refused.
      if (error instanceof AppError && error.id === 'chunk-corrupt') return undefined
      throw error
    }
  }

  /** Whether a histogram that came out of order is newer than a time. */
  private hasLateAfter(ref: number, t: number): boolean {
    const row = this.kernel.histogramRow(ref) >>> 0
    if (row === 0) return false
    for (let node = this.view.word(row + HR_LATE); node !== 0; ) {
      if (this.timeOf(node + HC_MAXT) > t) return true
      node = this.view.word(node + HC_PREVIOUS)
    }
    return false
  }

  private timeOf(at: number): number {
    return Number(this.view.bytes.readBigInt64LE(at))
  }

  /** Time of the newest histogram stored, ms; -Infinity without. */
  maxTime(ref: number): number {
    const row = this.kernel.histogramRow(ref) >>> 0
    if (row === 0) return Number.NEGATIVE_INFINITY
    return Number(this.view.bytes.readBigInt64LE(row + HR_MAXT))
  }

  /** Appends a histogram newer than all of its series; false, and nothing done, without memory. */
  append(ref: number, t: number, histogram: AnyHistogram): boolean {
    const floats = this.kernel.closeFloats(ref)
    if (floats < 0) return false
    const open = this.open.get(ref)
    // A chunk that floats follow is not gone on with.
    if (open !== undefined && floats === 0 && open.append(t, histogram)) {
      if (this.put(ref, open)) return true
      // What stands in memory is the truth.
      this.reload(ref)
      return false
    }
    if (this.kernel.histogramClose(ref) === 0) return false
    const next = OpenHistograms.begin(t, histogram, floats === 0 ? open : undefined)
    const isPut = this.put(ref, next)
    if (isPut || open !== undefined) this.open.set(ref, isPut ? next : undefined)
    return isPut
  }

  /**
   * Adds a histogram out of order, unless its time is taken.
   *
   * @returns `stored`, `taken`, or `full` without memory
   */
  appendLate(ref: number, t: number, histogram: AnyHistogram): 'stored' | 'taken' | 'full' {
    if (this.find(ref, t) !== undefined) return 'taken'
    const chunk = OpenHistograms.begin(t, histogram, undefined)
    const bytes = chunk.bytes()
    if (bytes.length > this.view.word(H_DEFINE_BYTES)) return 'full'
    const at = this.view.word(H_DEFINES)
    this.view.bytes.set(bytes, at)
    if (this.kernel.histogramLate(ref, at, bytes.length, chunk.encoding(), t) === 0) return 'full'
    if (!this.open.has(ref)) this.open.set(ref, undefined)
    return 'stored'
  }

  private put(ref: number, open: OpenHistograms): boolean {
    const bytes = open.bytes()
    if (bytes.length > this.view.word(H_DEFINE_BYTES)) return false
    const at = this.view.word(H_DEFINES)
    this.view.bytes.set(bytes, at)
    const { kernel } = this
    return (
      kernel.histogramPut(
        ref,
        at,
        bytes.length,
        open.encoding(),
        open.size(),
        open.mint,
        open.maxt(),
      ) !== 0
    )
  }

  private reload(ref: number): void {
    const row = this.kernel.histogramRow(ref) >>> 0
    const at = row === 0 ? 0 : this.view.word(row + HR_OPEN)
    if (at === 0) return
    const bytes = this.view.bytes.subarray(at, at + this.view.word(row + HR_BYTES))
    this.open.set(ref, OpenHistograms.restore(bytes, this.view.word(row + HR_ENCODING)))
  }

  /** Forgets how to go on with a series: it has none any more, or its ref stands for another. */
  forget(ref: number): void {
    this.open.delete(ref)
  }

  /** Whether a series has chunks. */
  hasChunks(ref: number): boolean {
    const row = (this.kernel.histogramRow(ref) >>> 0) >>> 2
    const { u32 } = this.view
    return (
      row !== 0 &&
      (u32[row + HR_OPEN / 4]! | u32[row + HR_CLOSED / 4]! | u32[row + HR_LATE / 4]!) !== 0
    )
  }

  /** All chunks of a series that came in order, oldest first. */
  chunks(ref: number): StoredChunk[] {
    const row = this.kernel.histogramRow(ref) >>> 0
    if (row === 0) return []
    const newest = this.view.word(row + HR_CLOSED)
    const closed = closedChunks(this.lists, { ref, newest }, () => true)
    return [...closed, ...this.openChunks(row)]
  }

  /** Chunks of one histogram each that came out of order, in the order in which they came. */
  chunksOutOfOrder(ref: number): StoredChunk[] {
    const row = this.kernel.histogramRow(ref) >>> 0
    return row === 0 ? [] : this.lateChunks(ref, row, () => true)
  }

  private openChunks(row: number): StoredChunk[] {
    const open = this.view.word(row + HR_OPEN)
    if (open === 0) return []
    const bytes = this.view.bytes.subarray(open, open + this.view.word(row + HR_BYTES))
    return [{ encoding: this.view.word(row + HR_ENCODING), bytes }]
  }

  private lateChunks(ref: number, row: number, isTaken: (node: number) => boolean): StoredChunk[] {
    const newest = this.view.word(row + HR_LATE)
    return closedChunks(this.lists, { ref, newest }, () => true, isTaken)
  }
}

/**
 * Closed chunks of a series from a node on, oldest first, as long as `isWanted` says so of the node;
 * they never change. Of those `isTaken` may leave some out. Throws AppError `chunk-corrupt`.
 */
export function closedChunks(
  { view, spilled }: ListedChunks,
  { ref, newest }: { readonly ref: number; readonly newest: number },
  isWanted: (node: number) => boolean,
  isTaken: (node: number) => boolean = () => true,
): StoredChunk[] {
  const chunks: StoredChunk[] = []
  for (let node = newest; node !== 0 && isWanted(node); node = view.word(node + HC_PREVIOUS)) {
    if (!isTaken(node)) continue
    const at = node + HISTOGRAM_CHUNK_HEADER_BYTES
    const isSpilled = (view.word(node + HC_COUNT) & HC_SPILLED) !== 0
    const bytes = isSpilled
      ? Uint8Array.from(spilled().histogramsOf(node, ref))
      : view.bytes.subarray(at, at + view.word(node + HC_LENGTH))
    chunks.push({ encoding: view.word(node + HC_ENCODING), bytes })
  }
  return chunks.reverse()
}
