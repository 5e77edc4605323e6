/**
 * Histograms of one chunk as columns, and the layout that they share: what the histogram encodings
 * decode to and encode from (histogram.ts, float-histogram.ts). Formats: Prometheus
 * tsdb/docs/format/chunks.md, "Histogram chunk data", drawn in docs/formats/chunk.md.
 */
import { fail } from '../../errors/index.js'
import {
  type CounterResetHint,
  CUSTOM_BUCKETS_SCHEMA,
  type FloatHistogram,
  floatHistogramOf,
  type IntHistogram,
} from '../../model/histogram.js'
import { isStale, STALE_HIGH, STALE_LOW } from '../../model/stale.js'
import type { BitReader } from './bit-reader.js'
import type { BitWriter } from './bit-writer.js'

/** Chunk encodings, as numbered by Prometheus. */
export const ENCODING_XOR = 1
export const ENCODING_HISTOGRAM = 2
export const ENCODING_FLOAT_HISTOGRAM = 3
export const ENCODING_XOR2 = 4
export const ENCODING_HISTOGRAM_ST = 5
export const ENCODING_FLOAT_HISTOGRAM_ST = 6

/** The counter reset header: the top two bits of a chunk's flags. */
export const RESET_UNKNOWN = 0x00
export const RESET_NOT = 0x40
export const RESET_YES = 0x80
export const RESET_GAUGE = 0xc0

/** What all samples of a chunk have in common. */
export interface HistogramLayout {
  readonly schema: number
  readonly zeroThreshold: number
  /** [2 × spans] offset and length by turns, as in model/histogram.ts. */
  readonly positiveSpans: Int32Array
  readonly negativeSpans: Int32Array
  /** Upper bounds; empty but for custom buckets. */
  readonly customValues: Float64Array
}

/** The layout of a chunk that begins with a stale marker. */
export const EMPTY_LAYOUT: HistogramLayout = {
  schema: 0,
  zeroThreshold: 0,
  positiveSpans: new Int32Array(0),
  negativeSpans: new Int32Array(0),
  customValues: new Float64Array(0),
}

/** The samples of one chunk. */
export interface HistogramColumns {
  readonly isFloat: boolean
  /** RESET_… */
  readonly reset: number
  readonly layout: HistogramLayout
  readonly size: number
  /** [size] ms. */
  readonly ts: Float64Array
  /** [size] ms; undefined when the encoding has none, 0 where a sample has none. */
  readonly starts: Float64Array | undefined
  readonly counts: Float64Array
  readonly zeroCounts: Float64Array
  /** [size] the stale marker's bits make a sample one. */
  readonly sums: Float64Array
  /** Buckets of one sample: positive, then negative ones. */
  readonly width: number
  readonly positiveWidth: number
  /** [size × width] as the chunk has them: differences when counts are whole, else counts. */
  readonly buckets: Float64Array
}

/** Buckets that spans have. */
export function bucketCount(spans: Int32Array): number {
  let count = 0
  for (let i = 1; i < spans.length; i += 2) count += spans[i]!
  return count
}

/** A layout by its buckets' numbers. */
export function widthOf(layout: HistogramLayout): { positive: number; all: number } {
  const positive = bucketCount(layout.positiveSpans)
  return { positive, all: positive + bucketCount(layout.negativeSpans) }
}

/** Whether two layouts are the same. */
export function isSameLayout(a: HistogramLayout, b: HistogramLayout): boolean {
  return (
    a.schema === b.schema &&
    a.zeroThreshold === b.zeroThreshold &&
    isSameList(a.positiveSpans, b.positiveSpans) &&
    isSameList(a.negativeSpans, b.negativeSpans) &&
    isSameList(a.customValues, b.customValues)
  )
}

/** Whether two columns have equal numbers. */
export function isSameList(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Columns with room for `size` samples of a layout. */
export function createColumns(
  kind: { readonly isFloat: boolean; readonly reset: number; readonly hasStarts: boolean },
  layout: HistogramLayout,
  size: number,
): HistogramColumns {
  const { positive, all } = widthOf(layout)
  return {
    isFloat: kind.isFloat,
    reset: kind.reset,
    layout,
    size,
    ts: new Float64Array(size),
    starts: kind.hasStarts ? new Float64Array(size) : undefined,
    counts: new Float64Array(size),
    zeroCounts: new Float64Array(size),
    sums: new Float64Array(size),
    width: all,
    positiveWidth: positive,
    buckets: new Float64Array(size * all),
  }
}

/** Samples that a histogram column may have: more cannot be in a chunk that is not corrupt. */
const CELLS_MAX = 1 << 26

/** @throws AppError `chunk-corrupt` when a header claims more than its bits can hold */
export function checkCells(size: number, layout: HistogramLayout): void {
  if (size * (widthOf(layout).all + 4) <= CELLS_MAX) return
  throw fail('chunk-corrupt', { text: 'a histogram chunk claims too many buckets' })
}

/**
 * Sample `index` as a value. The hint is what a chunk can say of it: gauge, or no reset within the
 * chunk; of its first sample nothing is known, since the chunk before may be gone.
 */
export function histogramAt(
  columns: HistogramColumns,
  index: number,
): IntHistogram | FloatHistogram {
  const { layout, buckets, width, positiveWidth, isFloat, reset } = columns
  const from = index * width
  const hint: CounterResetHint =
    reset === RESET_GAUGE ? 'gauge' : index > 0 ? 'not_reset' : 'unknown'
  const common = {
    counterResetHint: hint,
    schema: layout.schema,
    zeroThreshold: layout.zeroThreshold,
    zeroCount: columns.zeroCounts[index]!,
    count: columns.counts[index]!,
    sum: columns.sums[index]!,
    customValues: layout.customValues,
  }
  const positive = buckets.subarray(from, from + positiveWidth)
  const negative = buckets.subarray(from + positiveWidth, from + width)
  if (isFloat) {
    return {
      ...common,
      positive: { spans: layout.positiveSpans, counts: positive },
      negative: { spans: layout.negativeSpans, counts: negative },
    }
  }
  return {
    ...common,
    positive: { spans: layout.positiveSpans, deltas: positive },
    negative: { spans: layout.negativeSpans, deltas: negative },
  }
}

/** Sample `index` with absolute float counts. A view of the columns where those are so already. */
export function floatHistogramAt(columns: HistogramColumns, index: number): FloatHistogram {
  const value = histogramAt(columns, index)
  return 'counts' in value.positive
    ? (value as FloatHistogram)
    : floatHistogramOf(value as IntHistogram)
}

/** Writes what all samples share. */
export function putLayout(writer: BitWriter, layout: HistogramLayout): void {
  putZeroThreshold(writer, layout.zeroThreshold)
  writer.putInt(layout.schema)
  putSpans(writer, layout.positiveSpans)
  putSpans(writer, layout.negativeSpans)
  if (layout.schema !== CUSTOM_BUCKETS_SCHEMA) return
  writer.putUint(layout.customValues.length)
  for (const bound of layout.customValues) putBound(writer, bound)
}

/** Reads it back. */
export function takeLayout(reader: BitReader): HistogramLayout {
  const zeroThreshold = takeZeroThreshold(reader)
  const schema = reader.takeInt()
  const positiveSpans = takeSpans(reader)
  const negativeSpans = takeSpans(reader)
  if (schema !== CUSTOM_BUCKETS_SCHEMA) {
    const { customValues } = EMPTY_LAYOUT
    return { schema, zeroThreshold, positiveSpans, negativeSpans, customValues }
  }
  const customValues = new Float64Array(takeCount(reader))
  for (let i = 0; i < customValues.length; i++) customValues[i] = takeBound(reader)
  return { schema, zeroThreshold, positiveSpans, negativeSpans, customValues }
}

/** Prometheus' short forms: 0, a power of two in a byte, or all bits after 255. */
function putZeroThreshold(writer: BitWriter, threshold: number): void {
  if (threshold === 0) {
    writer.put(0, 8)
    return
  }
  const exponent = Math.round(Math.log2(threshold))
  if (2 ** exponent === threshold && exponent >= -243 && exponent <= 10) {
    writer.put(exponent + 244, 8)
    return
  }
  writer.put(255, 8)
  putFloat(writer, threshold)
}

function takeZeroThreshold(reader: BitReader): number {
  const byte = reader.take(8)
  if (byte === 0) return 0
  return byte === 255 ? reader.takeFloat() : 2 ** (byte - 244)
}

function putSpans(writer: BitWriter, spans: Int32Array): void {
  writer.putUint(spans.length / 2)
  for (let i = 0; i < spans.length; i += 2) {
    writer.putUint(spans[i + 1]!)
    writer.putInt(spans[i]!)
  }
}

/** Spans, bounds, buckets of one chunk: more cannot be encoded in a chunk of any use. */
const LIST_MAX = 1 << 20

function takeCount(reader: BitReader): number {
  const count = reader.takeUint()
  if (count > LIST_MAX) throw fail('chunk-corrupt', { text: `a list of ${count} in a chunk` })
  return count
}

function takeSpans(reader: BitReader): Int32Array {
  const spans = new Int32Array(takeCount(reader) * 2)
  let total = 0
  for (let i = 0; i < spans.length; i += 2) {
    spans[i + 1] = takeCount(reader)
    spans[i] = reader.takeInt()
    total += spans[i + 1]!
  }
  if (total > LIST_MAX) throw fail('chunk-corrupt', { text: `${total} buckets in a chunk` })
  return spans
}

/** Bounds of three decimals at most take a short form. */
function putBound(writer: BitWriter, bound: number): void {
  const thousandfold = bound * 1000
  const whole = Math.round(thousandfold)
  if (thousandfold >= 0 && thousandfold <= 33554430 && whole / 1000 === bound) {
    writer.putUint(whole + 1)
    return
  }
  writer.put(0, 1)
  putFloat(writer, bound)
}

function takeBound(reader: BitReader): number {
  const code = reader.takeUint()
  return code === 0 ? reader.takeFloat() : (code - 1) / 1000
}

const scratch = new Float64Array(1)
const words = new Uint32Array(scratch.buffer)

function putFloat(writer: BitWriter, value: number): void {
  scratch[0] = value
  writer.putWide(words[1]!, words[0]!)
}

/** High and low word of the float split last. */
export const split = { high: 0, low: 0 }

/** Splits a float to `split`; every spelling of the stale marker becomes the one that is stored. */
export function splitFloat(value: number): void {
  scratch[0] = value
  if (isStale(value)) {
    split.high = STALE_HIGH
    split.low = STALE_LOW
    return
  }
  split.low = words[0]!
  split.high = words[1]!
}
