/**
 * Chunks of histograms with float counts: encodings 3 and, read only, 6 (with start times). Header
 * and layout are those of histogram.ts; per sample t (difference of differences), then count, zero
 * count, sum and every bucket's count: all bits first, by XOR after that.
 */
import { isStale } from '../../model/stale.js'
import { BitReader, floatOf, takeXor } from './bit-reader.js'
import { BitWriter, createXorState, putXor, type XorState } from './bit-writer.js'
import { decodeHistogramHeader } from './histogram.js'
import {
  checkCells,
  createColumns,
  ENCODING_FLOAT_HISTOGRAM_ST,
  type HistogramColumns,
  type HistogramLayout,
  putLayout,
  split,
  splitFloat,
  takeLayout,
  widthOf,
} from './histogram-columns.js'

/** Places in the state before the buckets: count, zero count, sum. */
const COUNT = 0
const ZERO_COUNT = 1
const SUM = 2
const BUCKETS = 3

/**
 * Decodes a chunk of encoding 3 or 6.
 *
 * @throws AppError `chunk-corrupt`
 */
export function decodeFloatHistogramChunk(chunk: Uint8Array, encoding: number): HistogramColumns {
  const hasStarts = encoding === ENCODING_FLOAT_HISTOGRAM_ST
  const { size, reset, starts } = decodeHistogramHeader(chunk, hasStarts)
  const reader = new BitReader(chunk, 3)
  const layout = takeLayout(reader)
  checkCells(size, layout)
  const columns = createColumns({ isFloat: true, reset, hasStarts }, layout, size)
  const { ts, counts, zeroCounts, sums, buckets, width } = columns
  const state = createXorState(BUCKETS + width)
  let step = 0
  for (let i = 0; i < size; i++) {
    if (i === 0) ts[0] = reader.takeInt()
    else {
      step += reader.takeInt()
      ts[i] = ts[i - 1]! + step
    }
    for (let field = COUNT; field <= SUM; field++) takeValue(reader, state, field, i)
    counts[i] = floatOf(state, COUNT)
    zeroCounts[i] = floatOf(state, ZERO_COUNT)
    sums[i] = floatOf(state, SUM)
    if (!isStale(sums[i]!)) {
      for (let b = 0; b < width; b++) {
        takeValue(reader, state, BUCKETS + b, i)
        buckets[i * width + b] = floatOf(state, BUCKETS + b)
      }
    }
    if (starts !== undefined) {
      columns.starts![i] = starts.take(reader, i, ts[i]!, i === 0 ? 0 : ts[i - 1]!)
    }
  }
  return columns
}

function takeValue(reader: BitReader, state: XorState, field: number, index: number): void {
  if (index > 0) {
    takeXor(reader, state, field)
    return
  }
  reader.takeWide()
  state.words[field * 2] = reader.high
  state.words[field * 2 + 1] = reader.low
}

/** Encodes samples of one layout, one by one; the bytes are Prometheus'. */
export class FloatHistogramEncoder {
  readonly isFloat = true
  readonly layout: HistogramLayout
  /** Samples so far. */
  size = 0
  /** The last sample's. */
  t = 0
  count = 0
  zeroCount = 0
  isStale = false
  /** [width] the last sample's counts. */
  readonly buckets: Float64Array
  private readonly writer = new BitWriter()
  private readonly state: XorState
  private step = 0

  constructor(layout: HistogramLayout, reset: number) {
    this.layout = layout
    const { all } = widthOf(layout)
    this.buckets = new Float64Array(all)
    this.state = createXorState(BUCKETS + all)
    this.writer.put(0, 16)
    this.writer.put(reset, 8)
    putLayout(this.writer, layout)
  }

  /** Appends a sample of the layout; buckets [from, from + width) are left out of a stale marker. */
  append(
    t: number,
    sample: { readonly count: number; readonly zeroCount: number; readonly sum: number },
    buckets: Float64Array,
    from: number,
  ): void {
    const stale = isStale(sample.sum)
    const step = t - this.t
    if (this.size === 0) this.writer.putInt(t)
    else {
      this.writer.putInt(step - this.step)
      this.step = step
    }
    this.t = t
    this.count = stale ? 0 : sample.count
    this.zeroCount = stale ? 0 : sample.zeroCount
    this.isStale = stale
    this.put(COUNT, this.count)
    this.put(ZERO_COUNT, this.zeroCount)
    this.put(SUM, sample.sum)
    if (!stale) {
      for (let b = 0; b < this.buckets.length; b++) {
        this.buckets[b] = buckets[from + b]!
        this.put(BUCKETS + b, this.buckets[b]!)
      }
    }
    this.size++
    this.writer.patch(0, this.size >>> 8)
    this.writer.patch(1, this.size & 0xff)
  }

  private put(field: number, value: number): void {
    splitFloat(value)
    if (this.size > 0) {
      putXor(this.writer, this.state, field, split.high, split.low)
      return
    }
    this.state.words[field * 2] = split.high
    this.state.words[field * 2 + 1] = split.low
    this.writer.putWide(split.high, split.low)
  }

  /** Bytes so far; a view, valid until more is appended. */
  bytes(): Uint8Array {
    return this.writer.bytes()
  }
}
