/**
 * Histograms cut off at a value, what `</` and `>/` answer: buckets beyond it go, the one that it
 * lies in keeps the share that interpolation gives it. Count and sum are made anew of what is left,
 * if anything has changed. Follows Prometheus model/histogram/float_histogram.go, TrimBuckets.
 */
import { goLog2 } from '../base/go-log.js'
import { type FloatBuckets, type FloatHistogram, usesCustomBuckets } from './histogram.js'
import { compactHistogram } from './histogram-arithmetic.js'
import { type Bucket, sideBuckets, zeroBucket } from './histogram-bounds.js'

/** Which observations stay: those below the value (`</`), or those above it (`>/`). */
export type Trim = 'keep-below' | 'keep-above'

/** What stays of a bucket: how many observations, and about where. */
interface Kept {
  readonly count: number
  readonly middle: number
}

/** How a bucket's observations are taken to lie. */
interface Shape {
  readonly isPositive: boolean
  readonly isLinear: boolean
}

/** The observations of a histogram on one side of a value. */
export function trimHistogram(histogram: FloatHistogram, at: number, trim: Trim): FloatHistogram {
  const isLinear = usesCustomBuckets(histogram)
  let count = 0
  let sum = 0
  let isTrimmed = false
  const take = (had: number, { count: kept, middle }: Kept): void => {
    count += kept
    sum += middle * kept
    if (kept !== had) isTrimmed = true
  }
  const trimSide = (side: 'positive' | 'negative'): { buckets: FloatBuckets; any: boolean } => {
    const { spans, counts } = histogram[side]
    const left = counts.slice()
    let any = false
    for (const [i, bucket] of sideBuckets(histogram, side).entries()) {
      if (bucket.count === 0) continue
      any = true
      const shape = { isPositive: side === 'positive', isLinear }
      const kept = trimBucket(bucket, at, trim, shape)
      take(bucket.count, kept)
      left[i] = kept.count
    }
    return { buckets: { spans, counts: left }, any }
  }
  const positive = trimSide('positive')
  const negative = trimSide('negative')
  let { zeroCount } = histogram
  if (zeroCount > 0 && !isLinear) {
    const sides = { hasPositive: positive.any, hasNegative: negative.any }
    const kept = trimZero(zeroBucket(histogram), at, trim, sides)
    take(zeroCount, kept)
    zeroCount = kept.count
  }
  if (!isTrimmed) return histogram
  return compactHistogram({
    ...histogram,
    zeroCount,
    count,
    sum,
    positive: positive.buckets,
    negative: negative.buckets,
  })
}

const NOTHING: Kept = { count: 0, middle: 0 }

function trimBucket(bucket: Bucket, at: number, trim: Trim, shape: Shape): Kept {
  const { lower, upper, count } = bucket
  const isWhole = trim === 'keep-below' ? upper <= at : lower >= at
  if (isWhole) return { count, middle: middleOf(lower, upper, shape) }
  // Written so that all goes where the value is NaN.
  const isGone = trim === 'keep-below' ? !(lower < at) : !(upper > at)
  if (isGone) return NOTHING
  if (lower === -Infinity || upper === Infinity) return trimUnbounded(bucket, at, trim)
  const below = countBelow(bucket, at, shape)
  if (trim === 'keep-below') return { count: below, middle: middleOf(lower, at, shape) }
  return { count: count - below, middle: middleOf(at, upper, shape) }
}

/**
 * A bucket that reaches to infinity. How its observations lie is not known, so it goes, unless it
 * is a first bucket that ends above zero, which is then taken to begin there.
 */
function trimUnbounded({ lower, upper, count }: Bucket, at: number, trim: Trim): Kept {
  const keepsBelow = trim === 'keep-below'
  if (lower === -Infinity) {
    const hasEnd = upper !== Infinity
    if (keepsBelow) {
      if (at > 0 && upper > 0 && hasEnd) return { count: (count * at) / upper, middle: at / 2 }
      return upper <= 0 ? { count, middle: at } : NOTHING
    }
    if (at >= 0 && hasEnd) return { count: count * (1 - at / upper), middle: (at + upper) / 2 }
    return NOTHING
  }
  return keepsBelow ? NOTHING : { count, middle: at }
}

/** How many of a bucket's observations are at most `at`, which lies within it. */
function countBelow({ lower, upper, count }: Bucket, at: number, shape: Shape): number {
  if (shape.isLinear) return count * ((at - lower) / (upper - lower))
  const logLower = goLog2(Math.abs(lower))
  const logUpper = goLog2(Math.abs(upper))
  const logAt = goLog2(Math.abs(at))
  const share = shape.isPositive
    ? (logAt - logLower) / (logUpper - logLower)
    : 1 - (logAt - logUpper) / (logLower - logUpper)
  return count * share
}

function middleOf(lower: number, upper: number, { isPositive, isLinear }: Shape): number {
  if (lower === -Infinity || lower === Infinity) {
    if (upper === Infinity || upper === -Infinity) return 0
    return upper > 0 ? upper / 2 : upper
  }
  if (upper === Infinity || upper === -Infinity) return lower
  if (isLinear) return (lower + upper) / 2
  const middle = Math.sqrt(Math.abs(lower * upper))
  return isPositive ? middle : -middle
}

/** The zero bucket; with buckets on one side only it lies on that side. */
function trimZero(
  { lower: from, upper: to, count }: Bucket,
  at: number,
  trim: Trim,
  sides: { readonly hasPositive: boolean; readonly hasNegative: boolean },
): Kept {
  const upper = sides.hasNegative && !sides.hasPositive ? 0 : to
  const lower = sides.hasPositive && !sides.hasNegative ? 0 : from
  const whole = { count, middle: (lower + upper) / 2 }
  const keepsBelow = trim === 'keep-below'
  if (at <= lower) return keepsBelow ? NOTHING : whole
  if (at >= upper) return keepsBelow ? whole : NOTHING
  if (keepsBelow)
    return { count: count * ((at - lower) / (upper - lower)), middle: (lower + at) / 2 }
  return { count: count * ((upper - at) / (upper - lower)), middle: (at + upper) / 2 }
}
