/**
 * The open histogram chunk of a series: takes histograms as long as they fit it, widens its layout
 * when buckets are new, and says when a chunk must be cut: another type, schema, zero threshold or
 * custom bounds, a counter reset, a gauge after a counter, anything after a stale marker, 1,024
 * bytes with ten samples, a two hours' boundary (Prometheus tsdb/head_append.go, tsdb/chunkenc).
 */
import { CHUNK_RANGE_MS } from '../../kernels/head-layout.js'
import { isStale } from '../../model/stale.js'
import { type AnyHistogram, bucketsOf, isFloatHistogram } from '../../wire/frames/index.js'
import { decodeFloatHistogramChunk, FloatHistogramEncoder } from './float-histogram.js'
import { CHUNK_SAMPLES_MAX, decodeHistogramChunk, HistogramEncoder } from './histogram.js'
import {
  EMPTY_LAYOUT,
  ENCODING_FLOAT_HISTOGRAM,
  ENCODING_HISTOGRAM,
  type HistogramColumns,
  type HistogramLayout,
  isSameList,
  RESET_GAUGE,
  RESET_NOT,
  RESET_UNKNOWN,
  RESET_YES,
} from './histogram-columns.js'
import { countsOf, placeCounts, putDeltas, type Union, uniteSpans } from './widen.js'

/** A chunk is full at so many bytes, when it has so many samples; past the most in any case. */
const BYTES_FULL = 1024
const SAMPLES_MIN = 10
const BYTES_MOST = 128 << 10

type Encoder = HistogramEncoder | FloatHistogramEncoder

/** How a histogram goes into the open chunk, or the reset header of the one to be begun for it. */
type Fit = { readonly positive: Union; readonly negative: Union } | { readonly reset: number }

/** The open histogram chunk of one series. */
export class OpenHistograms {
  /** Time of the first sample, ms. */
  readonly mint: number
  private encoder: Encoder
  private readonly reset: number
  private readonly cutAt: number

  private constructor(t: number, histogram: AnyHistogram, reset: number) {
    this.mint = t
    this.reset = reset
    this.cutAt = (Math.floor(t / CHUNK_RANGE_MS) + 1) * CHUNK_RANGE_MS
    this.encoder = createEncoder(
      isFloatHistogram(histogram),
      isStale(histogram.sum) ? EMPTY_LAYOUT : layoutOf(histogram),
      reset,
    )
    this.encoder.append(t, histogram, columnOf(histogram), 0)
  }

  /** The chunk that a histogram begins; `before` is the one that it follows directly. */
  static begin(
    t: number,
    histogram: AnyHistogram,
    before: OpenHistograms | undefined,
  ): OpenHistograms {
    return new OpenHistograms(t, histogram, resetOf(histogram, before))
  }

  /** Goes on with a chunk as it was stored. */
  static restore(chunk: Uint8Array, encoding: number): OpenHistograms {
    const isFloat = encoding === ENCODING_FLOAT_HISTOGRAM
    const columns = isFloat
      ? decodeFloatHistogramChunk(chunk, encoding)
      : decodeHistogramChunk(chunk, encoding)
    const open = Object.create(OpenHistograms.prototype) as OpenHistograms
    const mint = columns.ts[0]!
    return Object.assign(open, {
      mint,
      reset: columns.reset,
      cutAt: (Math.floor(mint / CHUNK_RANGE_MS) + 1) * CHUNK_RANGE_MS,
      encoder: encodeAgain(columns),
    })
  }

  /** Takes a histogram; false when it needs a chunk of its own. */
  append(t: number, histogram: AnyHistogram): boolean {
    const { size } = this.encoder
    const bytes = this.encoder.bytes().length
    if (bytes >= BYTES_MOST || (bytes >= BYTES_FULL && size >= SAMPLES_MIN)) return false
    if (t >= this.cutAt || size >= CHUNK_SAMPLES_MAX) return false
    if ((histogram.counterResetHint === 'gauge') !== (this.reset === RESET_GAUGE)) return false
    const fit = this.fit(histogram)
    if ('reset' in fit) return false
    if (isStale(histogram.sum)) {
      this.encoder.append(t, histogram, NO_COLUMN, 0)
      return true
    }
    this.widen(fit)
    this.encoder.append(t, histogram, this.columnFor(histogram, fit), 0)
    return true
  }

  /** How a histogram relates to the newest one here. */
  fit(histogram: AnyHistogram): Fit {
    const { encoder } = this
    const { layout } = encoder
    const isFloat = isFloatHistogram(histogram)
    if (isFloat !== encoder.isFloat) return { reset: RESET_UNKNOWN }
    const isGauge = histogram.counterResetHint === 'gauge'
    if (histogram.counterResetHint === 'reset') return { reset: RESET_YES }
    const positive = uniteSpans(layout.positiveSpans, histogram.positive.spans)
    const negative = uniteSpans(layout.negativeSpans, histogram.negative.spans)
    if (isStale(histogram.sum)) return { positive, negative }
    if (encoder.isStale) return { reset: RESET_UNKNOWN }
    if (!isGauge && histogram.count < encoder.count) return { reset: RESET_YES }
    if (
      histogram.schema !== layout.schema ||
      histogram.zeroThreshold !== layout.zeroThreshold ||
      !isSameList(histogram.customValues, layout.customValues)
    ) {
      return { reset: RESET_UNKNOWN }
    }
    if (isGauge) return { positive, negative }
    if (histogram.zeroCount < encoder.zeroCount) return { reset: RESET_YES }
    const [above, below] = this.lastCounts()
    const hasFallen =
      isBelow(countsIn(histogram.positive), above, positive) ||
      isBelow(countsIn(histogram.negative), below, negative)
    return hasFallen ? { reset: RESET_YES } : { positive, negative }
  }

  /** The newest counts of both sides. */
  private lastCounts(): [Float64Array, Float64Array] {
    const { encoder } = this
    const split = sizeOf(encoder.layout.positiveSpans)
    const sides = [encoder.buckets.subarray(0, split), encoder.buckets.subarray(split)] as const
    return encoder.isFloat ? [sides[0], sides[1]] : [countsOf(sides[0]), countsOf(sides[1])]
  }

  /** Encodes the chunk anew when buckets are added. */
  private widen(fit: { readonly positive: Union; readonly negative: Union }): void {
    const { layout } = this.encoder
    const { positive, negative } = fit
    if (positive.spans === layout.positiveSpans && negative.spans === layout.negativeSpans) return
    const { isFloat } = this.encoder
    const encoding = isFloat ? ENCODING_FLOAT_HISTOGRAM : ENCODING_HISTOGRAM
    const decode = isFloat ? decodeFloatHistogramChunk : decodeHistogramChunk
    const columns = decode(this.encoder.bytes(), encoding)
    const wide = { ...layout, positiveSpans: positive.spans, negativeSpans: negative.spans }
    const encoder = createEncoder(isFloat, wide, this.reset)
    for (let i = 0; i < columns.size; i++) {
      const from = i * columns.width
      const middle = from + columns.positiveWidth
      const sides = [
        columns.buckets.subarray(from, middle),
        columns.buckets.subarray(middle, from + columns.width),
      ].map((side) => (isFloat ? side : countsOf(side)))
      const above = placeCounts(sides[0]!, positive.fromA, positive.size)
      const below = placeCounts(sides[1]!, negative.fromA, negative.size)
      encoder.append(columns.ts[i]!, sampleAt(columns, i), joined(above, below, isFloat), 0)
    }
    this.encoder = encoder
  }

  private columnFor(
    histogram: AnyHistogram,
    { positive, negative }: { readonly positive: Union; readonly negative: Union },
  ): Float64Array {
    const above = placeCounts(countsIn(histogram.positive), positive.fromB, positive.size)
    const below = placeCounts(countsIn(histogram.negative), negative.fromB, negative.size)
    return joined(above, below, isFloatHistogram(histogram))
  }

  /** The chunk so far; a view, valid until more is appended. */
  bytes(): Uint8Array {
    return this.encoder.bytes()
  }

  /** Its encoding. */
  encoding(): number {
    return this.encoder.isFloat ? ENCODING_FLOAT_HISTOGRAM : ENCODING_HISTOGRAM
  }

  size(): number {
    return this.encoder.size
  }

  /** Time of the newest sample. */
  maxt(): number {
    return this.encoder.t
  }
}

const NO_COLUMN = new Float64Array(0)

function resetOf(histogram: AnyHistogram, before: OpenHistograms | undefined): number {
  if (histogram.counterResetHint === 'gauge') return RESET_GAUGE
  if (histogram.counterResetHint === 'reset') return RESET_YES
  if (before === undefined) return RESET_UNKNOWN
  const fit = before.fit(histogram)
  return 'reset' in fit ? fit.reset : RESET_NOT
}

function createEncoder(isFloat: boolean, layout: HistogramLayout, reset: number): Encoder {
  return isFloat ? new FloatHistogramEncoder(layout, reset) : new HistogramEncoder(layout, reset)
}

function layoutOf(histogram: AnyHistogram): HistogramLayout {
  return {
    schema: histogram.schema,
    zeroThreshold: histogram.zeroThreshold,
    positiveSpans: histogram.positive.spans,
    negativeSpans: histogram.negative.spans,
    customValues: histogram.customValues,
  }
}

function sizeOf(spans: Int32Array): number {
  let size = 0
  for (let i = 1; i < spans.length; i += 2) size += spans[i]!
  return size
}

function countsIn(side: AnyHistogram['positive']): Float64Array {
  return 'counts' in side ? (bucketsOf(side) as Float64Array) : countsOf(bucketsOf(side))
}

/** Both sides as a chunk has them. */
function columnOf(histogram: AnyHistogram): Float64Array {
  const above = bucketsOf(histogram.positive)
  const below = bucketsOf(histogram.negative)
  const column = new Float64Array(above.length + below.length)
  column.set(above)
  column.set(below, above.length)
  return column
}

function joined(above: Float64Array, below: Float64Array, isFloat: boolean): Float64Array {
  const column = new Float64Array(above.length + below.length)
  if (isFloat) {
    column.set(above)
    column.set(below, above.length)
  } else {
    putDeltas(above, column, 0)
    putDeltas(below, column, above.length)
  }
  return column
}

/** Whether a bucket has less than before, or is missing and was not empty. */
function isBelow(counts: Float64Array, last: Float64Array, union: Union): boolean {
  const now = placeCounts(counts, union.fromB, union.size)
  for (let i = 0; i < last.length; i++) if (now[union.fromA[i]!]! < last[i]!) return true
  return false
}

/** What histograms are told apart by. */
interface Sums {
  readonly count: number
  readonly zeroCount: number
  readonly sum: number
}

function sampleAt(columns: HistogramColumns, index: number): Sums {
  return {
    count: columns.counts[index]!,
    zeroCount: columns.zeroCounts[index]!,
    sum: columns.sums[index]!,
  }
}

function encodeAgain(columns: HistogramColumns): Encoder {
  const encoder = createEncoder(columns.isFloat, columns.layout, columns.reset)
  for (let i = 0; i < columns.size; i++) {
    encoder.append(columns.ts[i]!, sampleAt(columns, i), columns.buckets, i * columns.width)
  }
  return encoder
}

/** A stored chunk: its encoding and bytes. */
interface Chunk {
  readonly encoding: number
  readonly bytes: Uint8Array
}

function columnsOf({ bytes, encoding }: Chunk): HistogramColumns {
  const isFloat = encoding === ENCODING_FLOAT_HISTOGRAM
  return (isFloat ? decodeFloatHistogramChunk : decodeHistogramChunk)(bytes, encoding)
}

/** Whether a chunk has a sample of this time. */
export function hasTime(chunk: Chunk, t: number): boolean {
  return columnsOf(chunk).ts.includes(t)
}

/** Whether a chunk's sample of this time has these sums; buckets are not compared. */
export function hasSample(chunk: Chunk, t: number, histogram: AnyHistogram): boolean {
  const columns = columnsOf(chunk)
  const index = columns.ts.indexOf(t)
  if (index < 0) return false
  const sample = sampleAt(columns, index)
  if (isStale(sample.sum) || isStale(histogram.sum)) return hasSameSums(sample, histogram)
  return isFloatHistogram(histogram) === columns.isFloat && hasSameSums(sample, histogram)
}

/** Whether two histograms are of one kind and have these sums; buckets are not compared. */
export function isSameHistogram(a: AnyHistogram, b: AnyHistogram): boolean {
  if (isStale(a.sum) || isStale(b.sum)) return hasSameSums(a, b)
  return isFloatHistogram(a) === isFloatHistogram(b) && hasSameSums(a, b)
}

function hasSameSums(a: Sums, b: Sums): boolean {
  if (isStale(a.sum) || isStale(b.sum)) return isStale(a.sum) && isStale(b.sum)
  return a.count === b.count && a.zeroCount === b.zeroCount && Object.is(a.sum, b.sum)
}
