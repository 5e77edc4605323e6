/**
 * Sums of many histograms with compensated summation: beside the sum there is a histogram of the
 * same buckets that holds what rounding has lost. Follows Prometheus
 * model/histogram/float_histogram.go (KahanAdd), in its order of operations.
 */
import {
  type FloatBuckets,
  type FloatHistogram,
  NO_BUCKETS,
  usesCustomBuckets,
} from './histogram.js'
import {
  addAcrossBounds,
  addCompensated,
  addHistograms,
  coarserIndex,
  combinedHint,
  commonBounds,
  divideHistogram,
  fasten,
  firstBeyond,
  type LooseBuckets,
  loosen,
  multiplyHistogram,
  sameBounds,
  widerZeroBucket,
} from './histogram-arithmetic.js'
import { sideBuckets } from './histogram-bounds.js'

/** A sum under way. */
export interface CompensatedSum {
  readonly histogram: FloatHistogram
  /** What rounding has lost, in the same buckets; undefined before the first addition. */
  readonly lost: FloatHistogram | undefined
}

/** Begins a sum. */
export function beginSum(histogram: FloatHistogram): CompensatedSum {
  return { histogram, lost: undefined }
}

/** The sum with what was lost; its empty buckets stay. */
export function finishSum({ histogram, lost }: CompensatedSum): FloatHistogram {
  if (lost === undefined) return histogram
  return addHistograms(histogram, lost)!.histogram
}

/** Sum and loss over a divisor. */
export function divideSum({ histogram, lost }: CompensatedSum, divisor: number): CompensatedSum {
  return {
    histogram: divideHistogram(histogram, divisor),
    lost: lost === undefined ? undefined : divideHistogram(lost, divisor),
  }
}

/** Sum and loss times a factor. */
export function multiplySum({ histogram, lost }: CompensatedSum, factor: number): CompensatedSum {
  return {
    histogram: multiplyHistogram(histogram, factor),
    lost: lost === undefined ? undefined : multiplyHistogram(lost, factor),
  }
}

/** The sum that an addition makes, and whether custom bounds had to be reconciled. */
export interface Added {
  readonly sum: CompensatedSum
  readonly boundsReconciled: boolean
}

/** Adds a histogram. Undefined when one has custom buckets and the other has not. */
export function addToSum(sum: CompensatedSum, other: FloatHistogram): Added | undefined {
  const { histogram } = sum
  if (usesCustomBuckets(histogram) !== usesCustomBuckets(other)) return undefined
  const { hint } = combinedHint(histogram.counterResetHint, other.counterResetHint)
  const lost = sum.lost ?? nothingLost(histogram)
  const count = added(histogram.count, lost.count, other.count)
  const total = added(histogram.sum, lost.sum, other.sum)
  const { buckets, lostBuckets, boundsReconciled } = usesCustomBuckets(histogram)
    ? addCustom(histogram, lost, other)
    : addExponential(histogram, lost, other)
  return {
    boundsReconciled,
    sum: {
      histogram: {
        ...histogram,
        ...buckets,
        counterResetHint: hint,
        count: count.sum,
        sum: total.sum,
      },
      lost: { ...lost, ...lostBuckets, count: count.lost, sum: total.lost },
    },
  }
}

/** Everything about buckets. */
type BucketParts = Pick<
  FloatHistogram,
  'schema' | 'zeroThreshold' | 'zeroCount' | 'positive' | 'negative' | 'customValues'
>

interface AddedBuckets {
  readonly buckets: BucketParts
  readonly lostBuckets: BucketParts
  readonly boundsReconciled: boolean
}

function addExponential(
  histogram: FloatHistogram,
  lost: FloatHistogram,
  other: FloatHistogram,
): AddedBuckets {
  const zero = reconcileZeroBuckets(histogram, lost, other)
  const left = zero.histogram
  const zeroCount = added(left.zeroCount, zero.lost.zeroCount, zero.otherCount)
  addCompensated(zeroCount, zero.otherLost)
  const schema = Math.min(left.schema, other.schema)
  const add = (side: 'positive' | 'negative'): LooseBuckets =>
    addLoose(
      reduceLoose(withLost(left[side], zero.lost[side]), left.schema, schema),
      reduceLoose(withLost(other[side], undefined), other.schema, schema),
      schema,
      left.zeroThreshold,
    )
  const positive = add('positive')
  const negative = add('negative')
  const { zeroThreshold, customValues } = left
  const shared = { schema, zeroThreshold, customValues }
  return {
    boundsReconciled: false,
    buckets: {
      ...shared,
      zeroCount: zeroCount.sum,
      positive: fasten(positive.indexes, positive.counts),
      negative: fasten(negative.indexes, negative.counts),
    },
    lostBuckets: {
      ...shared,
      zeroCount: zeroCount.lost,
      positive: fasten(positive.indexes, positive.lost!),
      negative: fasten(negative.indexes, negative.lost!),
    },
  }
}

function addCustom(
  histogram: FloatHistogram,
  lost: FloatHistogram,
  other: FloatHistogram,
): AddedBuckets {
  const left = withLost(histogram.positive, lost.positive)
  const { schema, customValues } = histogram
  const isSame = sameBounds(customValues, other.customValues)
  const bounds = isSame ? customValues : commonBounds(customValues, other.customValues)
  const buckets = isSame
    ? addLoose(left, withLost(other.positive, undefined), schema, 0)
    : addAcrossBounds(
        { buckets: left, bounds: customValues },
        { buckets: loosen(other.positive), bounds: other.customValues },
        bounds,
        1,
      )
  const shared = {
    schema,
    zeroThreshold: 0,
    zeroCount: 0,
    negative: NO_BUCKETS,
    customValues: bounds,
  }
  return {
    boundsReconciled: !isSame,
    buckets: { ...shared, positive: fasten(buckets.indexes, buckets.counts) },
    lostBuckets: { ...shared, positive: fasten(buckets.indexes, buckets.lost!) },
  }
}

function nothingLost(histogram: FloatHistogram): FloatHistogram {
  const empty = ({ spans, counts }: FloatBuckets): FloatBuckets => ({
    spans,
    counts: new Float64Array(counts.length),
  })
  return {
    ...histogram,
    zeroCount: 0,
    count: 0,
    sum: 0,
    positive: empty(histogram.positive),
    negative: empty(histogram.negative),
  }
}

function added(sum: number, lost: number, value: number): { sum: number; lost: number } {
  const result = { sum, lost }
  addCompensated(result, value)
  return result
}

function withLost(buckets: FloatBuckets, lost: FloatBuckets | undefined): LooseBuckets {
  return { ...loosen(buckets), lost: lost?.counts ?? new Float64Array(buckets.counts.length) }
}

/** Buckets of a coarser schema, if there is one. */
function reduceLoose(buckets: LooseBuckets, from: number, to: number): LooseBuckets {
  if (from === to) return buckets
  const { indexes } = buckets
  const counts = new Float64Array(indexes.length)
  const lost = new Float64Array(indexes.length)
  const coarse = new Int32Array(indexes.length)
  let n = 0
  for (let i = 0; i < indexes.length; i++) {
    const index = coarserIndex(indexes[i]!, from, to)
    if (n > 0 && coarse[n - 1] === index) {
      const sum = added(counts[n - 1]!, lost[n - 1]!, buckets.counts[i]!)
      addCompensated(sum, buckets.lost![i]!)
      counts[n - 1] = sum.sum
      lost[n - 1] = sum.lost
      continue
    }
    coarse[n] = index
    counts[n] = buckets.counts[i]!
    lost[n++] = buckets.lost![i]!
  }
  return { indexes: coarse.subarray(0, n), counts: counts.slice(0, n), lost: lost.slice(0, n) }
}

/** a + b, b's buckets within the zero threshold left out. */
function addLoose(
  a: LooseBuckets,
  b: LooseBuckets,
  schema: number,
  threshold: number,
): LooseBuckets {
  let i = 0
  let j = firstBeyond(b.indexes, schema, threshold)
  const indexes = new Int32Array(a.indexes.length + b.indexes.length - j)
  const counts = new Float64Array(indexes.length)
  const lost = new Float64Array(indexes.length)
  const scratch = { sum: 0, lost: 0 }
  let n = 0
  while (i < a.indexes.length || j < b.indexes.length) {
    const left = i < a.indexes.length ? a.indexes[i]! : Infinity
    const right = j < b.indexes.length ? b.indexes[j]! : Infinity
    scratch.sum = left <= right ? a.counts[i]! : b.counts[j]!
    scratch.lost = left <= right ? a.lost![i]! : b.lost![j]!
    if (left === right) {
      addCompensated(scratch, b.counts[j]!)
      if (b.lost![j] !== 0) addCompensated(scratch, b.lost![j]!)
    }
    indexes[n] = Math.min(left, right)
    counts[n] = scratch.sum
    lost[n++] = scratch.lost
    if (left <= right) i++
    if (right <= left) j++
  }
  return { indexes: indexes.subarray(0, n), counts: counts.slice(0, n), lost: lost.slice(0, n) }
}

/** The sum with a zero bucket that suits both, and what the other's would then count. */
function reconcileZeroBuckets(
  sum: FloatHistogram,
  sumLost: FloatHistogram,
  other: FloatHistogram,
): { histogram: FloatHistogram; lost: FloatHistogram; otherCount: number; otherLost: number } {
  let histogram = sum
  let lost = sumLost
  let otherCount = other.zeroCount
  let otherLost = 0
  let otherThreshold = other.zeroThreshold
  while (otherThreshold !== histogram.zeroThreshold) {
    if (histogram.zeroThreshold > otherThreshold) {
      const wider = widerZeroBucket(other, histogram.zeroThreshold)
      otherCount = wider.count
      otherThreshold = wider.threshold
      otherLost = wider.lost
    }
    if (otherThreshold > histogram.zeroThreshold) {
      const wider = widerZeroBucket(histogram, otherThreshold, {
        zero: lost.zeroCount,
        positive: lost.positive.counts,
        negative: lost.negative.counts,
      })
      const positive = beyondZero(histogram, lost, 'positive', wider.threshold)
      const negative = beyondZero(histogram, lost, 'negative', wider.threshold)
      histogram = {
        ...histogram,
        zeroCount: wider.count,
        zeroThreshold: wider.threshold,
        positive: fasten(positive.indexes, positive.counts),
        negative: fasten(negative.indexes, negative.counts),
      }
      lost = {
        ...lost,
        zeroCount: wider.lost,
        zeroThreshold: wider.threshold,
        positive: fasten(positive.indexes, positive.lost!),
        negative: fasten(negative.indexes, negative.lost!),
      }
    }
  }
  return { histogram, lost, otherCount, otherLost }
}

/** The buckets of a side beyond the threshold that count anything. */
function beyondZero(
  histogram: FloatHistogram,
  lost: FloatHistogram,
  side: 'positive' | 'negative',
  threshold: number,
): LooseBuckets {
  const all = withLost(histogram[side], lost[side])
  let first = 0
  for (const bucket of sideBuckets(histogram, side)) {
    if (side === 'positive' ? bucket.lower >= threshold : bucket.upper <= -threshold) break
    first++
  }
  const isKept = (i: number): boolean => i >= first && (all.counts[i] !== 0 || all.lost![i] !== 0)
  return {
    indexes: all.indexes.filter((_, i) => isKept(i)),
    counts: all.counts.filter((_, i) => isKept(i)),
    lost: all.lost!.filter((_, i) => isKept(i)),
  }
}
