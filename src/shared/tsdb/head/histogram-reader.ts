/**
 * Reads a series' histograms from any thread and merges them with its floats by time. The open
 * chunk is copied under the tile's sequence number, closed ones never change.
 */
import { fail } from '../../errors/index.js'
import type { HeadKernel } from '../../kernels/head.js'
import { HC_MAXT, READER_COLUMNS, READER_TAIL_TIMES } from '../../kernels/head-layout.js'
import type { FloatHistogram } from '../../model/histogram.js'
import { isStale, writeStale } from '../../model/stale.js'
import type { AnyHistogram } from '../../wire/frames/index.js'
import type { BlockChunk } from '../block/series.js'
import { decodeFloatHistogramChunk } from '../chunk/float-histogram.js'
import { decodeHistogramChunk } from '../chunk/histogram.js'
import {
  ENCODING_FLOAT_HISTOGRAM,
  floatHistogramAt,
  type HistogramColumns,
  histogramAt,
} from '../chunk/histogram-columns.js'
import { OpenHistograms } from '../chunk/open-histograms.js'
import { closedChunks, type ListedChunks, type StoredChunk } from './histograms.js'
import type { ReadBuffer } from './read-buffer.js'

/** A reader's own: its kernel, slot and the slot's address. */
export interface ReaderSlot extends ListedChunks {
  readonly kernel: HeadKernel
  readonly slot: number
  readonly state: number
}

/** Milliseconds, both inclusive. */
interface Range {
  readonly mint: number
  readonly maxt: number
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
  range: Range,
  out: ReadBuffer,
): { count: number; bytes: number } {
  const { inOrder, late } = copyChunks(reader, ref, range)
  const found = samplesOf(inOrder, range)
  const times = new Set(found.map(({ t }) => t))
  for (const sample of samplesOf(late, range)) {
    if (times.has(sample.t)) continue
    times.add(sample.t)
    found.push(sample)
  }
  if (late.length > 0) found.sort((a, b) => a.t - b.t)
  if (found.length > 0) merge(out, found)
  const chunks = [...inOrder, ...late]
  return { count: chunks.length, bytes: chunks.reduce((sum, { bytes }) => sum + bytes.length, 0) }
}

/** A histogram; none stands for a stale marker. */
interface Sample {
  readonly t: number
  readonly histogram: FloatHistogram | undefined
}

function samplesOf(chunks: readonly StoredChunk[], range: Range): Sample[] {
  const samples: Sample[] = []
  for (const { bytes, encoding } of chunks) {
    const columns = decodeChunk(bytes, encoding)
    for (let i = 0; i < columns.size; i++) {
      const t = columns.ts[i]!
      if (t < range.mint || t > range.maxt) continue
      const histogram = isStale(columns.sums[i]!) ? undefined : floatHistogramAt(columns, i)
      samples.push({ t, histogram })
    }
  }
  return samples
}

/**
 * The histogram chunks of a series in a half-open range, oldest first: whole ones as they lie, views
 * until the slot is used again; those across an end are encoded again.
 *
 * @throws AppError `overloaded`, `chunk-corrupt`
 */
export function histogramChunks(reader: ReaderSlot, ref: number, range: Range): BlockChunk[] {
  const chunks: BlockChunk[] = []
  for (const { bytes, encoding } of copyChunks(reader, ref, range).inOrder) {
    const columns = decodeChunk(bytes, encoding)
    const mint = columns.ts[0]!
    const maxt = columns.ts[columns.size - 1]!
    if (maxt < range.mint || mint >= range.maxt) continue
    if (mint >= range.mint && maxt < range.maxt) chunks.push({ mint, maxt, encoding, data: bytes })
    else chunks.push(...cutChunk(columns, range))
  }
  return chunks
}

/** What of a chunk is in a half-open range, as one chunk or more. */
function cutChunk(columns: HistogramColumns, range: Range): BlockChunk[] {
  return encodeHistograms(timedOf(columns, range))
}

/** A histogram as it was sent. */
export interface TimedHistogram {
  readonly t: number
  readonly histogram: AnyHistogram
}

function timedOf(columns: HistogramColumns, range: Range): TimedHistogram[] {
  const found: TimedHistogram[] = []
  for (let i = 0; i < columns.size; i++) {
    const t = columns.ts[i]!
    if (t >= range.mint && t < range.maxt) found.push({ t, histogram: histogramAt(columns, i) })
  }
  return found
}

/** Histograms by time as chunks, cut as the head cuts them. */
export function encodeHistograms(samples: readonly TimedHistogram[]): BlockChunk[] {
  const chunks: BlockChunk[] = []
  let open: OpenHistograms | undefined
  const close = (): void => {
    if (open === undefined) return
    const data = open.bytes().slice()
    chunks.push({ mint: open.mint, maxt: open.maxt(), encoding: open.encoding(), data })
  }
  for (const { t, histogram } of samples) {
    if (open?.append(t, histogram) === true) continue
    close()
    open = OpenHistograms.begin(t, histogram, open)
  }
  close()
  return chunks
}

/** Histograms of a series' chunks from a node on that are in a half-open range, oldest chunk first. */
export function listedHistograms(
  lists: ListedChunks,
  from: { readonly ref: number; readonly newest: number },
  range: Range,
): TimedHistogram[] {
  const chunks = closedChunks(lists, from, () => true)
  return chunks.flatMap(({ bytes, encoding }) => timedOf(decodeChunk(bytes, encoding), range))
}

function decodeChunk(bytes: Uint8Array, encoding: number): HistogramColumns {
  const decode =
    encoding === ENCODING_FLOAT_HISTOGRAM ? decodeFloatHistogramChunk : decodeHistogramChunk
  return decode(bytes, encoding)
}

/** Chunks in order whose newest sample is not before mint, oldest first; those out of order as they came. */
function copyChunks(
  reader: ReaderSlot,
  ref: number,
  { mint, maxt }: Range,
): { inOrder: StoredChunk[]; late: StoredChunk[] } {
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
  const timeOf = (node: number): number => Number(view.bytes.readBigInt64LE(node + HC_MAXT))
  const inOrder = closedChunks(reader, { ref, newest }, (node) => timeOf(node) >= mint)
  const isWithin = (node: number): boolean => timeOf(node) >= mint && timeOf(node) <= maxt
  const latest = view.word(state + READER_TAIL_TIMES + 12)
  const late = closedChunks(reader, { ref, newest: latest }, () => true, isWithin)
  const at = state + READER_COLUMNS
  if (length > 0) inOrder.push({ encoding, bytes: view.bytes.subarray(at, at + length) })
  return { inOrder, late }
}

/** Two runs of ascending times into one, where floats go first; a stale marker becomes a float. */
function merge(out: ReadBuffer, samples: readonly Sample[]): void {
  const { ts, values, count } = out
  const most = count + samples.length
  const mergedTs = new Float64Array(most)
  const mergedValues = new Float64Array(most)
  const merged: (FloatHistogram | undefined)[] = []
  let i = 0
  let to = 0
  const takeFloats = (until: number): void => {
    for (; i < count && ts[i]! <= until; i++) {
      mergedTs[to] = ts[i]!
      mergedValues.set(values.subarray(i, i + 1), to)
      merged[to++] = undefined
    }
  }
  for (const { t, histogram } of samples) {
    takeFloats(t)
    // One that came out of order at the time of a float: the float stays.
    if (to > 0 && mergedTs[to - 1] === t) continue
    mergedTs[to] = t
    if (histogram === undefined) writeStale(mergedValues, to)
    merged[to++] = histogram
  }
  takeFloats(Number.POSITIVE_INFINITY)
  out.ts = mergedTs
  out.values = mergedValues
  out.count = to
  out.histograms = merged
}
