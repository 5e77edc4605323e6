/**
 * Chunks of histograms with whole counts: encodings 2 and, read only, 5 (with start times).
 *
 *   encoding 2: samples u16 | flags u8: counter reset header in the top two bits | bit stream
 *   encoding 5: header and samples u16: two and 14 bits | start time header u8 | bit stream
 *   stream:     layout, then per sample t, count, zero count (differences of differences), sum
 *               (XOR), and each bucket's difference to the bucket before, as difference of
 *               differences over time
 */
import { fail } from '../../errors/index.js'
import { isStale } from '../../model/stale.js'
import { BitReader, floatOf, takeXor } from './bit-reader.js'
import { BitWriter, createXorState, putXor, type XorState } from './bit-writer.js'
import {
  checkCells,
  createColumns,
  ENCODING_HISTOGRAM_ST,
  type HistogramColumns,
  type HistogramLayout,
  putLayout,
  split,
  splitFloat,
  takeLayout,
  widthOf,
} from './histogram-columns.js'
import { StartTimes } from './start-times.js'

/** Samples that a chunk can count. */
export const CHUNK_SAMPLES_MAX = 65535

/** The header of a histogram chunk of any encoding. */
export interface HistogramChunkHeader {
  readonly size: number
  readonly reset: number
  readonly starts: StartTimes | undefined
}

/** Reads the header; the stream begins at byte 3 in all encodings. */
export function decodeHistogramHeader(chunk: Uint8Array, hasStarts: boolean): HistogramChunkHeader {
  if (chunk.length < 3) throw fail('chunk-corrupt', { text: 'a histogram chunk without a header' })
  const first = chunk[0]! * 256 + chunk[1]!
  const flags = chunk[2]!
  if (!hasStarts) return { size: first, reset: flags & 0xc0, starts: undefined }
  return { size: first & 0x3fff, reset: chunk[0]! & 0xc0, starts: new StartTimes(flags) }
}

/**
 * Decodes a chunk of encoding 2 or 5.
 *
 * @throws AppError `chunk-corrupt`
 */
export function decodeHistogramChunk(chunk: Uint8Array, encoding: number): HistogramColumns {
  const hasStarts = encoding === ENCODING_HISTOGRAM_ST
  const { size, reset, starts } = decodeHistogramHeader(chunk, hasStarts)
  const reader = new BitReader(chunk, 3)
  const layout = takeLayout(reader)
  checkCells(size, layout)
  const columns = createColumns({ isFloat: false, reset, hasStarts }, layout, size)
  const { ts, counts, zeroCounts, sums, buckets, width } = columns
  const sum = createXorState(1)
  const steps = new Float64Array(width)
  let step = 0
  let countStep = 0
  let zeroStep = 0
  for (let i = 0; i < size; i++) {
    const from = i * width
    if (i === 0) {
      ts[0] = reader.takeInt()
      counts[0] = reader.takeUint()
      zeroCounts[0] = reader.takeUint()
      reader.takeWide()
      sum.words[0] = reader.high
      sum.words[1] = reader.low
    } else {
      step += reader.takeInt()
      countStep += reader.takeInt()
      zeroStep += reader.takeInt()
      ts[i] = ts[i - 1]! + step
      counts[i] = counts[i - 1]! + countStep
      zeroCounts[i] = zeroCounts[i - 1]! + zeroStep
      takeXor(reader, sum, 0)
    }
    sums[i] = floatOf(sum, 0)
    if (isStale(sums[i]!)) {
      counts[i] = 0
      zeroCounts[i] = 0
    } else if (i === 0) {
      for (let b = 0; b < width; b++) buckets[b] = reader.takeInt()
    } else {
      for (let b = 0; b < width; b++) {
        steps[b] = steps[b]! + reader.takeInt()
        buckets[from + b] = buckets[from - width + b]! + steps[b]!
      }
    }
    if (starts !== undefined) {
      columns.starts![i] = starts.take(reader, i, ts[i]!, i === 0 ? 0 : ts[i - 1]!)
    }
  }
  return columns
}

/** Encodes samples of one layout, one by one; the bytes are Prometheus'. */
export class HistogramEncoder {
  readonly isFloat = false
  readonly layout: HistogramLayout
  /** Samples so far. */
  size = 0
  /** The last sample's. */
  t = 0
  count = 0
  zeroCount = 0
  isStale = false
  /** [width] the last sample's, as differences. */
  readonly buckets: Float64Array
  private readonly writer = new BitWriter()
  private readonly steps: Float64Array
  private readonly sum: XorState = createXorState(1)
  private step = 0
  private countStep = 0
  private zeroStep = 0

  constructor(layout: HistogramLayout, reset: number) {
    this.layout = layout
    const { all } = widthOf(layout)
    this.buckets = new Float64Array(all)
    this.steps = new Float64Array(all)
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
    if (this.size === 0) this.putFirst(t, sample, stale)
    else this.putNext(t, sample, stale)
    if (!stale) this.putBuckets(buckets, from)
    this.t = t
    this.count = stale ? 0 : sample.count
    this.zeroCount = stale ? 0 : sample.zeroCount
    this.isStale = stale
    this.size++
    this.writer.patch(0, this.size >>> 8)
    this.writer.patch(1, this.size & 0xff)
  }

  private putFirst(
    t: number,
    sample: { readonly count: number; readonly zeroCount: number; readonly sum: number },
    stale: boolean,
  ): void {
    const { writer, sum } = this
    writer.putInt(t)
    writer.putUint(stale ? 0 : sample.count)
    writer.putUint(stale ? 0 : sample.zeroCount)
    splitFloat(sample.sum)
    sum.words[0] = split.high
    sum.words[1] = split.low
    writer.putWide(split.high, split.low)
  }

  private putNext(
    t: number,
    sample: { readonly count: number; readonly zeroCount: number; readonly sum: number },
    stale: boolean,
  ): void {
    const { writer } = this
    const step = t - this.t
    writer.putInt(step - this.step)
    this.step = step
    if (stale) {
      writer.put(0, 2)
    } else {
      const countStep = sample.count - this.count
      const zeroStep = sample.zeroCount - this.zeroCount
      writer.putInt(countStep - this.countStep)
      writer.putInt(zeroStep - this.zeroStep)
      this.countStep = countStep
      this.zeroStep = zeroStep
    }
    splitFloat(sample.sum)
    putXor(writer, this.sum, 0, split.high, split.low)
  }

  private putBuckets(values: Float64Array, from: number): void {
    const { writer, buckets } = this
    const steps = this.steps
    for (let b = 0; b < buckets.length; b++) {
      const value = values[from + b]!
      if (this.size === 0) writer.putInt(value)
      else {
        const step = value - buckets[b]!
        writer.putInt(step - steps[b]!)
        steps[b] = step
      }
      buckets[b] = value
    }
  }

  /** Bytes so far; a view, valid until more is appended. */
  bytes(): Uint8Array {
    return this.writer.bytes()
  }
}
