/** Brings native histograms under a tenant's `max_native_histogram_buckets`. */
import {
  type DeltaBuckets,
  EXPONENTIAL_SCHEMA_MIN,
  type FloatBuckets,
  floatHistogramOf,
  type IntHistogram,
  usesCustomBuckets,
} from '../../shared/model/histogram.js'
import { reduceResolution } from '../../shared/model/histogram-arithmetic.js'
import { type AnyHistogram, bucketsOf, isFloatHistogram } from '../../shared/wire/frames/index.js'

/** Buckets of both sides. */
export function bucketCount({ positive, negative }: AnyHistogram): number {
  return bucketsOf(positive).length + bucketsOf(negative).length
}

/**
 * The histogram at half the resolution, and half again, until it has at most so many buckets;
 * undefined when the coarsest has more, or the buckets are custom ones.
 */
export function reduceBuckets(
  histogram: AnyHistogram,
  bucketsMax: number,
): AnyHistogram | undefined {
  if (usesCustomBuckets(histogram)) return undefined
  const whole = isFloatHistogram(histogram) ? histogram : floatHistogramOf(histogram)
  for (let schema = histogram.schema - 1; schema >= EXPONENTIAL_SCHEMA_MIN; schema--) {
    const reduced = reduceResolution(whole, schema)
    if (bucketCount(reduced) > bucketsMax) continue
    if (isFloatHistogram(histogram)) return reduced
    const sides = { positive: deltasOf(reduced.positive), negative: deltasOf(reduced.negative) }
    return { ...histogram, schema, ...sides } satisfies IntHistogram
  }
  return undefined
}

function deltasOf({ spans, counts }: FloatBuckets): DeltaBuckets {
  return { spans, deltas: counts.map((count, at) => count - (at === 0 ? 0 : counts[at - 1]!)) }
}
