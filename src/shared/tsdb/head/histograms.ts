/**
 * Histograms of a head: checked against the newest sample of their series, encoded into its open
 * chunk, which stands in the shared memory after each append (kernels/assembly/head-histogram.ts).
 * What an append needs to go on is kept here, one object per series that has histograms.
 */
import type { HeadKernel } from '../../kernels/head.js'
import {
  H_DEFINE_BYTES,
  H_DEFINES,
  HC_ENCODING,
  HC_LENGTH,
  HC_PREVIOUS,
  HISTOGRAM_CHUNK_HEADER_BYTES,
  HR_BYTES,
  HR_CLOSED,
  HR_ENCODING,
  HR_MAXT,
  HR_OPEN,
} from '../../kernels/head-layout.js'
import type { AnyHistogram } from '../../wire/frames/index.js'
import { OpenHistograms } from '../chunk/open-histograms.js'
import type { HeadView } from './head-view.js'

/** What a check came to. */
export type HistogramOutcome = 'accepted' | 'repeated' | 'duplicate' | 'out-of-order' | 'too-old'

/** A chunk as it stands in the head, oldest first in lists. */
export interface StoredChunk {
  readonly encoding: number
  /** A view of the head's memory. */
  readonly bytes: Uint8Array
}

/** Histogram chunks of all series of a head. */
export class HeadHistograms {
  private readonly view: HeadView
  private readonly kernel: HeadKernel
  /** [ref] undefined: the next histogram begins a chunk. */
  private readonly open = new Map<number, OpenHistograms | undefined>()

  constructor(view: HeadView, kernel: HeadKernel) {
    this.view = view
    this.kernel = kernel
  }

  /** Refs of the series that have histograms. */
  refs(): IterableIterator<number> {
    return this.open.keys()
  }

  /**
   * Checks a histogram against the newest sample of its series; when accepted, later ones must be
   * newer. `append` follows, or `kernel.rollback` when it cannot.
   *
   * @param oldest below this time it is too old
   */
  check(ref: number, t: number, histogram: AnyHistogram, oldest: number): HistogramOutcome {
    const last = this.kernel.lastTime(ref)
    if (t > last && t >= oldest) {
      this.kernel.noteHistogram(ref, t)
      return 'accepted'
    }
    if (this.open.get(ref)?.has(t, histogram) === true) return 'repeated'
    if (t < oldest) return 'too-old'
    return t === last ? 'duplicate' : 'out-of-order'
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

  /** All chunks of a series, oldest first. */
  chunks(ref: number): StoredChunk[] {
    const row = this.kernel.histogramRow(ref) >>> 0
    if (row === 0) return []
    const chunks = closedChunks(this.view, this.view.word(row + HR_CLOSED), () => true)
    const open = this.view.word(row + HR_OPEN)
    if (open !== 0) {
      const bytes = this.view.bytes.subarray(open, open + this.view.word(row + HR_BYTES))
      chunks.push({ encoding: this.view.word(row + HR_ENCODING), bytes })
    }
    return chunks
  }
}

/**
 * Closed chunks from a node on, oldest first, as long as `isWanted` says so of the node; they never
 * change.
 */
export function closedChunks(
  view: HeadView,
  newest: number,
  isWanted: (node: number) => boolean,
): StoredChunk[] {
  const chunks: StoredChunk[] = []
  for (let node = newest; node !== 0 && isWanted(node); node = view.word(node + HC_PREVIOUS)) {
    const at = node + HISTOGRAM_CHUNK_HEADER_BYTES
    const bytes = view.bytes.subarray(at, at + view.word(node + HC_LENGTH))
    chunks.push({ encoding: view.word(node + HC_ENCODING), bytes })
  }
  return chunks.reverse()
}
