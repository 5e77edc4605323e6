/**
 * Where the buckets of a histogram end, to the bit as Prometheus has it (model/histogram/generic.go,
 * getBound), and lists of all its buckets in order of their values.
 */
import {
  CUSTOM_BUCKETS_SCHEMA,
  type FloatBuckets,
  type FloatHistogram,
  usesCustomBuckets,
} from './histogram.js'
import { BOUNDS_OF_SCHEMA_8 } from './histogram-bound-table.js'

/** 2^power for any power; the largest that is finite is 2^1023. */
function powerOfTwo(power: number): number {
  if (power > 1023) return Infinity
  return power < -1074 ? 0 : 2 ** power
}

/**
 * The upper bound of bucket `index` of an exponential schema. The last bucket of numbers ends at
 * the largest float, the one behind it, which counts infinities, at +Inf.
 */
export function exponentialBound(index: number, schema: number): number {
  if (schema < 0) {
    const power = index * 2 ** -schema
    return power === 1024 ? Number.MAX_VALUE : powerOfTwo(power)
  }
  const parts = 2 ** schema
  const part = index & (parts - 1)
  const power = (index >> schema) + 1
  const fraction = BOUNDS_OF_SCHEMA_8[part << (8 - schema)]!
  if (power >= 1025) return power === 1025 && part === 0 ? Number.MAX_VALUE : Infinity
  if (power === 1024) return fraction * 2 * powerOfTwo(1023)
  // In two steps, the second of which may round into the subnormal numbers.
  return power < -1021 ? fraction * powerOfTwo(-1000) * 2 ** (power + 1000) : fraction * 2 ** power
}

/** The upper bound of bucket `index`; that of −1 with custom buckets is −Inf. */
export function bucketBound(index: number, schema: number, customValues: Float64Array): number {
  if (schema !== CUSTOM_BUCKETS_SCHEMA) return exponentialBound(index, schema)
  if (index < 0) return -Infinity
  return index < customValues.length ? customValues[index]! : Infinity
}

/** Bucket indexes of spans, ascending; as many as there are counts at most. */
export function bucketIndexes({ spans, counts }: FloatBuckets): Int32Array {
  const indexes = new Int32Array(counts.length)
  let index = 0
  let at = 0
  for (let span = 0; span < spans.length; span += 2) {
    index += spans[span]!
    const end = Math.min(counts.length, at + spans[span + 1]!)
    while (at < end) indexes[at++] = index++
  }
  return at === counts.length ? indexes : indexes.subarray(0, at)
}

/** One bucket. */
export interface Bucket {
  lower: number
  upper: number
  readonly lowerInclusive: boolean
  readonly upperInclusive: boolean
  readonly count: number
}

/** The buckets of one side, outwards from zero, with their bounds; empty ones too. */
export function sideBuckets(histogram: FloatHistogram, side: 'positive' | 'negative'): Bucket[] {
  const { schema, customValues } = histogram
  const buckets = histogram[side]
  const isCustom = schema === CUSTOM_BUCKETS_SCHEMA
  const list: Bucket[] = []
  let previous = Number.NaN
  let bound = 0
  for (const [at, index] of bucketIndexes(buckets).entries()) {
    const inner = index - 1 === previous ? bound : bucketBound(index - 1, schema, customValues)
    bound = bucketBound(index, schema, customValues)
    previous = index
    const lower = side === 'positive' ? inner : -bound
    const upper = side === 'positive' ? bound : -inner
    list.push({
      lower,
      upper,
      lowerInclusive: isCustom ? index === 0 : lower < 0,
      upperInclusive: isCustom || upper > 0,
      count: buckets.counts[at]!,
    })
  }
  return list
}

/** The zero bucket. */
export function zeroBucket({ zeroThreshold, zeroCount }: FloatHistogram): Bucket {
  return {
    lower: -zeroThreshold,
    upper: zeroThreshold,
    lowerInclusive: true,
    upperInclusive: true,
    count: zeroCount,
  }
}

/**
 * All buckets in ascending order, the zero bucket among them when it counts anything. A bucket
 * that overlaps the zero bucket ends, or begins, at its threshold.
 */
export function allBuckets(histogram: FloatHistogram): Bucket[] {
  const positive = sideBuckets(histogram, 'positive')
  if (usesCustomBuckets(histogram)) return positive
  const threshold = histogram.zeroThreshold
  const list = sideBuckets(histogram, 'negative').reverse()
  for (const bucket of list) {
    if (bucket.upper < 0 && bucket.upper > -threshold) bucket.upper = -threshold
  }
  if (histogram.zeroCount > 0) list.push(zeroBucket(histogram))
  for (const bucket of positive) {
    if (bucket.lower > 0 && bucket.lower < threshold) bucket.lower = threshold
    list.push(bucket)
  }
  return list
}
