/**
 * Reads a series' histograms from any thread and merges them with its floats by time. The open
 * chunk is copied under the tile's sequence number, closed ones never change.
 */
import { fail } from '../../errors/index.js'
import type { HeadKernel } from '../../kernels/head.js'
import { HC_MAXT, READER_COLUMNS, READER_TAIL_TIMES } from '../../kernels/head-layout.js'
import type { FloatHistogram } from '../../model/histogram.js'
import { isStale, writeStale } from '../../model/stale.js'
import { decodeFloatHistogramChunk } from '../chunk/float-histogram.js'
import { decodeHistogramChunk } from '../chunk/histogram.js'
import {
  ENCODING_FLOAT_HISTOGRAM,
  floatHistogramAt,
  type HistogramColumns,
} from '../chunk/histogram-columns.js'
import type { HeadView } from './head-view.js'
import { closedChunks, type StoredChunk } from './histograms.js'
import type { ReadBuffer } from './read-buffer.js'

/** A reader's own: its kernel, slot and the slot's address. */
export interface ReaderSlot {
  readonly view: HeadView
  readonly kernel: HeadKernel
  readonly slot: number
  readonly state: number
}

const PAUSE_MS = 1
const PAUSES_MAX = 5000
const pause = new Int32Array(new SharedArrayBuffer(4))

/**
 * Adds the histograms with mint ≤ t ≤ maxt of a series to what was read of its floats.
 *
 * @returns chunks that were read, and their bytes
 * @throws AppError `overloaded` when the owner does not move, `chunk-corrupt`
 */
export function mergeHistograms(
  reader: ReaderSlot,
  ref: number,
  range: { readonly mint: number; readonly maxt: number },
  out: ReadBuffer,
): { count: number; bytes: number } {
  const chunks = copyChunks(reader, ref, range.mint)
  const ts: number[] = []
  const histograms: (FloatHistogram | undefined)[] = []
  for (const { bytes, encoding } of chunks) {
    const columns = decodeChunk(bytes, encoding)
    for (let i = 0; i < columns.size; i++) {
      const t = columns.ts[i]!
      if (t < range.mint || t > range.maxt) continue
      ts.push(t)
      histograms.push(isStale(columns.sums[i]!) ? undefined : floatHistogramAt(columns, i))
    }
  }
  if (ts.length > 0) merge(out, ts, histograms)
  return { count: chunks.length, bytes: chunks.reduce((sum, { bytes }) => sum + bytes.length, 0) }
}

function decodeChunk(bytes: Uint8Array, encoding: number): HistogramColumns {
  const decode =
    encoding === ENCODING_FLOAT_HISTOGRAM ? decodeFloatHistogramChunk : decodeHistogramChunk
  return decode(bytes, encoding)
}

/** Chunks whose newest sample is not before mint, oldest first. */
function copyChunks(reader: ReaderSlot, ref: number, mint: number): StoredChunk[] {
  const { view, kernel, slot, state } = reader
  let found = kernel.histogramRead(slot, ref)
  for (let pauses = 0; found < 0; pauses++) {
    if (pauses === PAUSES_MAX) {
      throw fail('overloaded', { text: 'a series could not be read: its ingester does not move' })
    }
    Atomics.wait(pause, 0, 0, PAUSE_MS)
    found = kernel.histogramRead(slot, ref)
  }
  const length = view.word(state + READER_TAIL_TIMES)
  const encoding = view.word(state + READER_TAIL_TIMES + 4)
  const newest = view.word(state + READER_TAIL_TIMES + 8)
  const isWanted = (node: number): boolean =>
    Number(view.bytes.readBigInt64LE(node + HC_MAXT)) >= mint
  const chunks = closedChunks(view, newest, isWanted)
  const at = state + READER_COLUMNS
  if (length > 0) chunks.push({ encoding, bytes: view.bytes.subarray(at, at + length) })
  return chunks
}

/** Two runs of ascending times into one; a histogram that is a stale marker becomes a float. */
function merge(
  out: ReadBuffer,
  times: readonly number[],
  histograms: readonly (FloatHistogram | undefined)[],
): void {
  const { ts, values, count } = out
  const total = count + times.length
  const mergedTs = new Float64Array(total)
  const mergedValues = new Float64Array(total)
  const merged = new Array<FloatHistogram | undefined>(total).fill(undefined)
  let i = 0
  let j = 0
  for (let to = 0; to < total; to++) {
    if (j === times.length || (i < count && ts[i]! <= times[j]!)) {
      mergedTs[to] = ts[i]!
      mergedValues.set(values.subarray(i, i + 1), to)
      i++
      continue
    }
    mergedTs[to] = times[j]!
    const histogram = histograms[j++]
    if (histogram === undefined) writeStale(mergedValues, to)
    merged[to] = histogram
  }
  out.ts = mergedTs
  out.values = mergedValues
  out.count = total
  out.histograms = merged
}
