/**
 * Numbers that native histograms are summarised by: quantiles, fractions, variance. After Prometheus
 * promql/quantile.go (HistogramQuantile, HistogramFraction) and functions.go (histogramVariance), in
 * their order of operations.
 */
import { goExp2 } from '../../base/go-exp2.js'
import { goLog2 } from '../../base/go-log.js'
import { type FloatHistogram, usesCustomBuckets } from '../../model/histogram.js'
import { addCompensated } from '../../model/histogram-arithmetic.js'
import { allBuckets, type Bucket } from '../../model/histogram-bounds.js'
import type { FunctionRows, WindowNotes } from './kernel.js'
import { forMetric } from './native-texts.js'

/** histogram_avg */
function histogramAverage({ sum, count }: FloatHistogram): number {
  return sum / count
}

/** histogram_stdvar: each bucket's observations are taken to be at its middle. */
function histogramVariance(histogram: FloatHistogram): number {
  const mean = histogramAverage(histogram)
  const isCustom = usesCustomBuckets(histogram)
  const sum = { sum: 0, lost: 0 }
  for (const bucket of allBuckets(histogram)) {
    if (bucket.count === 0) continue
    const distance = middleOf(bucket, isCustom) - mean
    addCompensated(sum, bucket.count * distance * distance)
  }
  return (sum.sum + sum.lost) / histogram.count
}

function middleOf({ lower, upper }: Bucket, isCustom: boolean): number {
  if (isCustom) return (upper + lower) / 2
  if (lower <= 0 && upper >= 0) return 0
  const middle = Math.sqrt(upper * lower)
  return upper < 0 ? -middle : middle
}

/** histogram_stddev */
function histogramDeviation(histogram: FloatHistogram): number {
  return Math.sqrt(histogramVariance(histogram))
}

/**
 * The quantile, interpolated within its bucket: linearly with custom buckets and around zero,
 * on a logarithmic scale otherwise. NaN observations count as the largest ones.
 */
export function nativeQuantile(q: number, histogram: FloatHistogram, notes: WindowNotes): number {
  if (q < 0) return -Infinity
  if (q > 1) return Infinity
  if (histogram.count === 0 || q !== q) return Number.NaN
  const isCustom = usesCustomBuckets(histogram)
  const mayHaveNan = histogram.sum !== histogram.sum
  // From the nearer end, unless NaN observations, which are in no bucket, are at the upper one.
  const isForward = mayHaveNan || q < 0.5
  const buckets = allBuckets(histogram)
  if (!isForward) buckets.reverse()
  let rank = isForward ? q * histogram.count : (1 - q) * histogram.count
  let bucket: Bucket = NO_BUCKET
  let count = 0
  let at = 0
  while (at < buckets.length) {
    bucket = buckets[at++]!
    if (bucket.count === 0) continue
    count += bucket.count
    if (count >= rank) break
  }
  const bounds = boundsOf(bucket, histogram, isCustom)
  if (typeof bounds === 'number') return bounds
  if (count > histogram.count) count = histogram.count
  if (count < rank) {
    if (!mayHaveNan) return bounds.upper
    notes.info(
      `input to histogram_quantile has NaN observations, result is NaN${forMetric(notes.name())}`,
    )
    return Number.NaN
  }
  rank = isForward ? rank - (count - bucket.count) : count - rank
  if (mayHaveNan) {
    for (; at < buckets.length; at++) count += buckets[at]!.count
    if (count < histogram.count) {
      const name = forMetric(notes.name())
      notes.info(`input to histogram_quantile has NaN observations, result is skewed higher${name}`)
    }
  }
  return interpolated(bounds, rank / bucket.count, isCustom)
}

const NO_BUCKET: Bucket = {
  lower: 0,
  upper: 0,
  lowerInclusive: false,
  upperInclusive: false,
  count: 0,
}

interface Bounds {
  readonly lower: number
  readonly upper: number
}

/** What a bucket is taken to reach over; a number when that is the quantile already. */
function boundsOf(bucket: Bucket, histogram: FloatHistogram, isCustom: boolean): Bounds | number {
  const { lower, upper } = bucket
  if (isCustom) {
    if (lower === -Infinity) return upper <= 0 ? upper : { lower: 0, upper }
    return upper === Infinity ? lower : { lower, upper }
  }
  if (lower < 0 && upper > 0) return oneSided(bucket, histogram)
  return { lower, upper }
}

/** The zero bucket reaches to zero only where there are buckets on one side only. */
function oneSided({ lower, upper }: Bounds, { positive, negative }: FloatHistogram): Bounds {
  const hasPositive = positive.counts.length > 0
  const hasNegative = negative.counts.length > 0
  if (!hasNegative && hasPositive) return { lower: 0, upper }
  return !hasPositive && hasNegative ? { lower, upper: 0 } : { lower, upper }
}

function interpolated({ lower, upper }: Bounds, fraction: number, isCustom: boolean): number {
  if (isCustom || (lower <= 0 && upper >= 0)) return lower + (upper - lower) * fraction
  const logLower = goLog2(Math.abs(lower))
  const logUpper = goLog2(Math.abs(upper))
  if (lower > 0) return goExp2(logLower + (logUpper - logLower) * fraction)
  return -goExp2(logUpper + (logLower - logUpper) * (1 - fraction))
}

/** The share of all observations that lie between two bounds. */
export function nativeFraction(
  lower: number,
  upper: number,
  histogram: FloatHistogram,
  notes: WindowNotes,
): number {
  if (histogram.count === 0 || lower !== lower || upper !== upper) return Number.NaN
  if (lower >= upper) return 0
  const isCustom = usesCustomBuckets(histogram)
  const buckets = allBuckets(histogram)
  let rank = 0
  let lowerRank: number | undefined
  let upperRank: number | undefined
  for (const bucket of buckets) {
    const hasZero = bucket.lower <= 0 && bucket.upper >= 0
    const bounds = hasZero ? oneSided(bucket, histogram) : bucket
    if (lowerRank === undefined && bounds.lower >= lower) lowerRank = rank
    if (upperRank === undefined && bounds.lower >= upper) upperRank = rank
    const isLinear = isCustom || hasZero
    const { count } = bucket
    if (lowerRank === undefined && bounds.lower < lower && bounds.upper > lower) {
      lowerRank = rankWithin(lower, bounds, count, rank, isLinear)
    }
    if (upperRank === undefined && bounds.lower < upper && bounds.upper > upper) {
      upperRank = rankWithin(upper, bounds, count, rank, isLinear)
    }
    if (lowerRank !== undefined && upperRank !== undefined) break
    rank += count
  }
  let total = histogram.count
  if (histogram.sum !== histogram.sum) {
    // NaN observations are in no bucket, and in no fraction.
    total = buckets.reduce((sum, { count }) => sum + count, 0)
    if (total < histogram.count) {
      notes.info(
        'input to histogram_fraction has NaN observations, which are excluded from all fractions' +
          forMetric(notes.name()),
      )
    }
  }
  const from = lowerRank === undefined || lowerRank > total ? total : lowerRank
  const to = upperRank === undefined || upperRank > total ? total : upperRank
  return (to - from) / histogram.count
}

/** How many observations lie below a value within a bucket, those of lower buckets included. */
function rankWithin(
  value: number,
  { lower, upper }: Bounds,
  count: number,
  rank: number,
  isLinear: boolean,
): number {
  if (isLinear) {
    return lower === -Infinity ? count : rank + (count * (value - lower)) / (upper - lower)
  }
  const logLower = goLog2(Math.abs(lower))
  const logUpper = goLog2(Math.abs(upper))
  const logValue = goLog2(Math.abs(value))
  const fraction =
    value > 0
      ? (logValue - logLower) / (logUpper - logLower)
      : 1 - (logValue - logUpper) / (logLower - logUpper)
  return rank + count * fraction
}

/** Their rows of the function table. */
export const histogramFunctions: FunctionRows = {
  histogram_avg: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The mean of the observations of a native histogram.',
    kernel: { form: 'histogram', of: histogramAverage, countsOnly: true },
  },
  histogram_count: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'How many observations a native histogram has.',
    kernel: { form: 'histogram', of: ({ count }) => count, countsOnly: true },
  },
  histogram_stddev: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The estimated standard deviation of the observations of a native histogram.',
    kernel: { form: 'histogram', of: histogramDeviation },
  },
  histogram_stdvar: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The estimated variance of the observations of a native histogram.',
    kernel: { form: 'histogram', of: histogramVariance },
  },
  histogram_sum: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The sum of the observations of a native histogram.',
    kernel: { form: 'histogram', of: ({ sum }) => sum, countsOnly: true },
  },
}
