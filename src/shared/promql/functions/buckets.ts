/**
 * Quantiles and fractions of classic histograms: cumulative buckets with upper bounds. After
 * Prometheus promql/quantile.go (BucketQuantile, BucketFraction), in its order of operations.
 */

/** Relative difference of counts that is taken for the noise of floating point. */
const SMALL_DELTA = 1e-12
const MIN_NORMAL = 2 ** -1022

/** Buckets of one histogram, ascending by bound; filled anew for every step. */
export interface Buckets {
  readonly bounds: Float64Array
  readonly counts: Float64Array
  count: number
}

/** What had to be done to make counts ascend; one object, reused. */
export interface Monotonicity {
  isForced: boolean
  boundMin: number
  boundMax: number
  diffMax: number
}

/** The quantile, linear within a bucket; NaN without a +Inf bucket or observations. */
export function bucketQuantile(q: number, buckets: Buckets, found: Monotonicity): number {
  found.isForced = false
  if (Number.isNaN(q)) return Number.NaN
  if (q < 0) return Number.NEGATIVE_INFINITY
  if (q > 1) return Number.POSITIVE_INFINITY
  const { bounds, counts } = buckets
  if (bounds[buckets.count - 1] !== Number.POSITIVE_INFINITY) return Number.NaN
  coalesce(buckets)
  makeMonotonic(buckets, found)
  const last = buckets.count - 1
  if (last < 1) return Number.NaN
  const observations = counts[last]!
  if (observations === 0) return Number.NaN
  let rank = q * observations
  const at = findBucket(counts, last, rank)
  if (at === last) return bounds[last - 1]!
  if (at === 0 && bounds[0]! <= 0) return bounds[0]!
  let start = 0
  let count = counts[at]!
  if (at > 0) {
    start = bounds[at - 1]!
    count -= counts[at - 1]!
    rank -= counts[at - 1]!
  }
  return start + (bounds[at]! - start) * (rank / count)
}

/** The share of observations between two bounds, linear within a bucket. */
export function bucketFraction(lower: number, upper: number, buckets: Buckets): number {
  const { bounds, counts } = buckets
  if (bounds[buckets.count - 1] !== Number.POSITIVE_INFINITY) return Number.NaN
  coalesce(buckets)
  const total = counts[buckets.count - 1]!
  if (total === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return Number.NaN
  if (lower >= upper) return 0
  const upperRank = rankOf(upper, buckets)
  const lowerRank = rankOf(lower, buckets)
  return (Math.min(upperRank, total) - Math.min(lowerRank, total)) / total
}

/** How many observations are below a bound. */
function rankOf(bound: number, { bounds, counts, count }: Buckets): number {
  let rank = 0
  // All buckets are taken to be positive when the first one is.
  let bucketStart = bounds[0]! <= 0 ? Number.NEGATIVE_INFINITY : 0
  for (let at = 0; at < count; at++) {
    if (at > 0) bucketStart = bounds[at - 1]!
    const bucketEnd = bounds[at]!
    if (bucketStart >= bound) return rank
    if (bucketEnd > bound) {
      if (bucketStart === Number.NEGATIVE_INFINITY) return counts[at]!
      return rank + ((counts[at]! - rank) * (bound - bucketStart)) / (bucketEnd - bucketStart)
    }
    rank = counts[at]!
  }
  return counts[count - 1]!
}

/** The first bucket but the last one whose count reaches the rank, by bisection; else the last. */
function findBucket(counts: Float64Array, last: number, rank: number): number {
  let low = 0
  let high = last
  while (low < high) {
    const middle = (low + high) >>> 1
    if (counts[middle]! >= rank) high = middle
    else low = middle + 1
  }
  return low
}

/** Buckets of the same bound become one. */
function coalesce(buckets: Buckets): void {
  const { bounds, counts } = buckets
  let kept = 0
  for (let at = 1; at < buckets.count; at++) {
    if (bounds[at] === bounds[kept]) counts[kept]! += counts[at]!
    else {
      kept++
      bounds[kept] = bounds[at]!
      counts[kept] = counts[at]!
    }
  }
  buckets.count = kept + 1
}

/** Takes small differences for none, and decreases out; tells of the latter. */
function makeMonotonic(buckets: Buckets, found: Monotonicity): void {
  const { bounds, counts } = buckets
  found.boundMin = Number.POSITIVE_INFINITY
  found.boundMax = Number.NEGATIVE_INFINITY
  found.diffMax = 0
  let previous = counts[0]!
  for (let at = 1; at < buckets.count; at++) {
    const count = counts[at]!
    if (count === previous) continue
    if (isAlmostEqual(previous, count)) {
      counts[at] = previous
      continue
    }
    if (count < previous) {
      counts[at] = previous
      found.isForced = true
      found.boundMin = Math.min(found.boundMin, bounds[at]!)
      found.boundMax = Math.max(found.boundMax, bounds[at]!)
      found.diffMax = Math.max(found.diffMax, previous - count)
      continue
    }
    previous = count
  }
}

function isAlmostEqual(a: number, b: number): boolean {
  if (Number.isNaN(a) && Number.isNaN(b)) return true
  if (a === b) return true
  const sum = Math.abs(a) + Math.abs(b)
  const difference = Math.abs(a - b)
  if (a === 0 || b === 0 || sum < MIN_NORMAL) return difference < SMALL_DELTA * MIN_NORMAL
  return difference / Math.min(sum, Number.MAX_VALUE) < SMALL_DELTA
}
