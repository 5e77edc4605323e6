/**
 * Native histograms as values. A FloatHistogram has absolute float counts and is what queries
 * compute with; an integer Histogram is what senders give and chunks keep: its bucket counts are
 * deltas, each to the one before. Follows Prometheus model/histogram (Histogram, FloatHistogram).
 *
 * Histograms are values: nobody changes one that somebody else may hold, so that cells, buffers
 * and groups can share them.
 *
 * Buckets: index i of schema s covers (base^(i−1), base^i] with base = 2^(2^−s); with custom
 * buckets index i ends at customValues[i], the last one at +Inf.
 */

/** Schema of histograms whose bounds are given one by one. */
export const CUSTOM_BUCKETS_SCHEMA = -53

/** The smallest and the largest exponential schema that are stored and computed with. */
export const EXPONENTIAL_SCHEMA_MIN = -4
export const EXPONENTIAL_SCHEMA_MAX = 8

/** Whether a histogram starts its counters anew; a gauge has no counters. */
export type CounterResetHint = 'unknown' | 'reset' | 'not_reset' | 'gauge'

/** The buckets of one side. */
export interface FloatBuckets {
  /**
   * [2 × spans] offset and length, by turns: the offset of the first span is its first bucket's
   * index, that of a later one the gap to the end of the one before.
   */
  readonly spans: Int32Array
  /** [sum of lengths] */
  readonly counts: Float64Array
}

/** A histogram with absolute float counts. */
export interface FloatHistogram {
  readonly counterResetHint: CounterResetHint
  /** −4 to 8, or CUSTOM_BUCKETS_SCHEMA. */
  readonly schema: number
  /** The zero bucket is [−zeroThreshold, zeroThreshold]; 0 with custom buckets. */
  readonly zeroThreshold: number
  readonly zeroCount: number
  readonly count: number
  /** The stale marker here, in its bits, makes the whole sample one. */
  readonly sum: number
  readonly positive: FloatBuckets
  /** Empty with custom buckets. */
  readonly negative: FloatBuckets
  /** Upper bounds, ascending, without +Inf; empty but for custom buckets. */
  readonly customValues: Float64Array
}

/** The buckets of one side of an integer histogram. */
export interface DeltaBuckets {
  /** As in FloatBuckets. */
  readonly spans: Int32Array
  /** [sum of lengths] each count less the one before; whole numbers, exact to 2^53. */
  readonly deltas: Float64Array
}

/** A histogram of whole counts, as senders give it: counts are exact to 2^53. */
export interface IntHistogram {
  readonly counterResetHint: CounterResetHint
  readonly schema: number
  readonly zeroThreshold: number
  readonly zeroCount: number
  readonly count: number
  readonly sum: number
  readonly positive: DeltaBuckets
  readonly negative: DeltaBuckets
  readonly customValues: Float64Array
}

/** No bounds. */
export const NO_CUSTOM_VALUES = new Float64Array(0)

/** No buckets. */
export const NO_BUCKETS: FloatBuckets = {
  spans: new Int32Array(0),
  counts: new Float64Array(0),
}

/** A histogram without observations. */
export const EMPTY_HISTOGRAM: FloatHistogram = {
  counterResetHint: 'unknown',
  schema: 0,
  zeroThreshold: 0,
  zeroCount: 0,
  count: 0,
  sum: 0,
  positive: NO_BUCKETS,
  negative: NO_BUCKETS,
  customValues: NO_CUSTOM_VALUES,
}

/** Whether the bounds are given one by one. */
export function usesCustomBuckets(histogram: { readonly schema: number }): boolean {
  return histogram.schema === CUSTOM_BUCKETS_SCHEMA
}

/** The same counts, absolute. */
export function floatHistogramOf(histogram: IntHistogram): FloatHistogram {
  return {
    counterResetHint: histogram.counterResetHint,
    schema: histogram.schema,
    zeroThreshold: histogram.zeroThreshold,
    zeroCount: histogram.zeroCount,
    count: histogram.count,
    sum: histogram.sum,
    positive: absolute(histogram.positive),
    negative: absolute(histogram.negative),
    customValues: histogram.customValues,
  }
}

function absolute({ spans, deltas }: DeltaBuckets): FloatBuckets {
  const counts = new Float64Array(deltas.length)
  let count = 0
  for (let i = 0; i < deltas.length; i++) {
    count += deltas[i]!
    counts[i] = count
  }
  return { spans, counts }
}
