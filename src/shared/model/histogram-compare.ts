/**
 * Whether histograms are equal, and whether counters were reset between two. Follows Prometheus
 * model/histogram/float_histogram.go: Equals, DetectReset.
 */
import { type FloatBuckets, type FloatHistogram, usesCustomBuckets } from './histogram.js'
import {
  coarserIndex,
  commonBounds,
  firstBeyond,
  sameBounds,
  widerZeroBucket,
} from './histogram-arithmetic.js'
import { bucketIndexes } from './histogram-bounds.js'

/**
 * Whether two histograms have the same buckets, empty ones too, and the same bits in every count.
 * Hints do not matter.
 */
export function equalHistograms(a: FloatHistogram, b: FloatHistogram): boolean {
  return (
    a.schema === b.schema &&
    Object.is(a.count, b.count) &&
    Object.is(a.sum, b.sum) &&
    (!usesCustomBuckets(a) || sameBounds(a.customValues, b.customValues)) &&
    a.zeroThreshold === b.zeroThreshold &&
    Object.is(a.zeroCount, b.zeroCount) &&
    equalBuckets(a.negative, b.negative) &&
    equalBuckets(a.positive, b.positive)
  )
}

function equalBuckets(a: FloatBuckets, b: FloatBuckets): boolean {
  if (a.counts.length !== b.counts.length) return false
  const left = bucketIndexes(a)
  const right = bucketIndexes(b)
  for (let i = 0; i < left.length; i++) {
    if (left[i] !== right[i] || !Object.is(a.counts[i], b.counts[i])) return false
  }
  return true
}

/**
 * Whether counters were reset between a histogram and the one before it: by the hint when it
 * tells, otherwise when any count has become smaller, or the buckets have changed as they do only
 * at a reset.
 */
export function isReset(current: FloatHistogram, previous: FloatHistogram): boolean {
  if (current.counterResetHint === 'reset') return true
  if (current.counterResetHint === 'not_reset') return false
  if (current.count < previous.count) return true
  if (usesCustomBuckets(current)) {
    if (!usesCustomBuckets(previous)) return true
    if (!sameBounds(current.customValues, previous.customValues)) {
      return hasFallenAcrossBounds(current, previous)
    }
  }
  if (current.schema > previous.schema) return true
  if (current.zeroThreshold < previous.zeroThreshold) return true
  if (!usesCustomBuckets(current)) {
    const { count, threshold } = widerZeroBucket(previous, current.zeroThreshold)
    if (threshold !== current.zeroThreshold || current.zeroCount < count) return true
  }
  return hasFallen(current, previous, 'positive') || hasFallen(current, previous, 'negative')
}

/** Whether a bucket beyond the zero bucket has less than the same one before. */
function hasFallen(
  current: FloatHistogram,
  previous: FloatHistogram,
  side: 'positive' | 'negative',
): boolean {
  const { schema, zeroThreshold } = current
  const now = bucketIndexes(current[side])
  const before = bucketIndexes(previous[side])
  const nowCounts = current[side].counts
  const beforeCounts = previous[side].counts
  const coarse = usesCustomBuckets(current)
    ? before
    : before.map((index) => coarserIndex(index, previous.schema, schema))
  let i = usesCustomBuckets(current) ? 0 : firstBeyond(now, schema, zeroThreshold)
  let j = usesCustomBuckets(current) ? 0 : firstBeyond(coarse, schema, zeroThreshold)
  while (j < coarse.length) {
    const index = coarse[j]!
    let had = 0
    for (; j < coarse.length && coarse[j] === index; j++) had += beforeCounts[j]!
    while (i < now.length && now[i]! < index) i++
    const has = i < now.length && now[i] === index
    if (has ? nowCounts[i]! < had : had !== 0) return true
  }
  return false
}

/** The same between common bounds. */
function hasFallenAcrossBounds(current: FloatHistogram, previous: FloatHistogram): boolean {
  const bounds = commonBounds(current.customValues, previous.customValues)
  const now = countsBetween(current, bounds)
  const before = countsBetween(previous, bounds)
  return now.some((count, i) => count < before[i]!)
}

function countsBetween(histogram: FloatHistogram, bounds: Float64Array): Float64Array {
  const { customValues, positive } = histogram
  const sums = new Float64Array(bounds.length + 1)
  let target = 0
  for (const [i, index] of bucketIndexes(positive).entries()) {
    const bound = index < customValues.length ? customValues[index]! : Infinity
    while (target < bounds.length && bounds[target]! < bound) target++
    sums[target]! += positive.counts[i]!
  }
  return sums
}
