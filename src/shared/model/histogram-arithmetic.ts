/**
 * Sums, differences and multiples of histograms, and what comes before them: equal resolution,
 * zero buckets and custom bounds. Nothing here changes its arguments. Follows Prometheus
 * model/histogram/float_histogram.go, in its order of operations.
 */
import {
  type CounterResetHint,
  type FloatBuckets,
  type FloatHistogram,
  NO_BUCKETS,
  usesCustomBuckets,
} from './histogram.js'
import { bucketIndexes, exponentialBound, sideBuckets } from './histogram-bounds.js'

/** A sum or difference and what was noticed on the way. */
export interface Combined {
  readonly histogram: FloatHistogram
  /** One side says that counters were reset, the other that they were not. */
  readonly resetsCollide: boolean
  /** Custom bounds differed: the result has those that both have. */
  readonly boundsReconciled: boolean
}

/** Buckets by index, ascending, with what compensated summation has lost so far. */
export interface LooseBuckets {
  readonly indexes: Int32Array
  readonly counts: Float64Array
  readonly lost: Float64Array | undefined
}

/** Buckets by index. */
export function loosen(buckets: FloatBuckets): LooseBuckets {
  return { indexes: bucketIndexes(buckets), counts: buckets.counts, lost: undefined }
}

/** Buckets with spans: one for each run of indexes. */
export function fasten(indexes: Int32Array, counts: Float64Array): FloatBuckets {
  if (indexes.length === 0) return NO_BUCKETS
  let runs = 1
  for (let i = 1; i < indexes.length; i++) if (indexes[i] !== indexes[i - 1]! + 1) runs++
  const spans = new Int32Array(runs * 2)
  let span = -2
  let next = Number.NaN
  for (let i = 0; i < indexes.length; i++) {
    const index = indexes[i]!
    if (index !== next) {
      span += 2
      spans[span] = i === 0 ? index : index - next
    }
    spans[span + 1]!++
    next = index + 1
  }
  return { spans, counts }
}

/** The sum. Undefined when one has custom buckets and the other has not. */
export function addHistograms(a: FloatHistogram, b: FloatHistogram): Combined | undefined {
  return combine(a, b, 1)
}

/** The difference; its hint is that of a sum. Undefined as for the sum. */
export function subtractHistograms(a: FloatHistogram, b: FloatHistogram): Combined | undefined {
  return combine(a, b, -1)
}

function combine(a: FloatHistogram, b: FloatHistogram, sign: 1 | -1): Combined | undefined {
  if (usesCustomBuckets(a) !== usesCustomBuckets(b)) return undefined
  const { hint, collide } = combinedHint(a.counterResetHint, b.counterResetHint)
  if (usesCustomBuckets(a)) return combineCustom(a, b, sign, hint, collide)
  const zero = reconcileZeroBuckets(a, b)
  const left = zero.histogram
  const schema = Math.min(left.schema, b.schema)
  const add = (x: FloatBuckets, y: FloatBuckets): FloatBuckets =>
    addBuckets(
      reduceBuckets(x, left.schema, schema),
      reduceBuckets(y, b.schema, schema),
      sign,
      schema,
      left.zeroThreshold,
    )
  return {
    histogram: {
      counterResetHint: hint,
      schema,
      zeroThreshold: left.zeroThreshold,
      zeroCount: left.zeroCount + sign * zero.otherCount,
      count: left.count + sign * b.count,
      sum: left.sum + sign * b.sum,
      positive: add(left.positive, b.positive),
      negative: add(left.negative, b.negative),
      customValues: a.customValues,
    },
    resetsCollide: collide,
    boundsReconciled: false,
  }
}

function combineCustom(
  a: FloatHistogram,
  b: FloatHistogram,
  sign: 1 | -1,
  hint: CounterResetHint,
  resetsCollide: boolean,
): Combined {
  const isSame = sameBounds(a.customValues, b.customValues)
  const bounds = isSame ? a.customValues : commonBounds(a.customValues, b.customValues)
  let positive: FloatBuckets
  if (isSame) positive = addBuckets(a.positive, b.positive, sign, a.schema, 0)
  else {
    const { indexes, counts } = addAcrossBounds(
      { buckets: loosen(a.positive), bounds: a.customValues },
      { buckets: loosen(b.positive), bounds: b.customValues },
      bounds,
      sign,
    )
    positive = fasten(indexes, counts)
  }
  return {
    histogram: {
      ...a,
      counterResetHint: hint,
      count: a.count + sign * b.count,
      sum: a.sum + sign * b.sum,
      positive,
      customValues: bounds,
    },
    resetsCollide,
    boundsReconciled: !isSame,
  }
}

/**
 * The hint of a sum or difference. A gauge makes it a gauge; unknown makes it unknown; a reset and
 * no reset collide, and nothing is known.
 */
export function combinedHint(
  a: CounterResetHint,
  b: CounterResetHint,
): { readonly hint: CounterResetHint; readonly collide: boolean } {
  if (a === b) return { hint: a, collide: false }
  if (a === 'gauge' || b === 'gauge') return { hint: 'gauge', collide: false }
  if (a === 'unknown' || b === 'unknown') return { hint: 'unknown', collide: false }
  return { hint: 'unknown', collide: true }
}

/** Whether custom bounds are the same. */
export function sameBounds(a: Float64Array, b: Float64Array): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** The bounds that both have. */
export function commonBounds(a: Float64Array, b: Float64Array): Float64Array {
  const known = new Set(b)
  return a.filter((bound) => known.has(bound))
}

function sameSpans(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** a + sign × b. Buckets of b that end within the threshold are left out: the zero bucket has them. */
function addBuckets(
  a: FloatBuckets,
  b: FloatBuckets,
  sign: 1 | -1,
  schema: number,
  threshold: number,
): FloatBuckets {
  if (b.counts.length === 0) return a
  const isBeyond = threshold === 0 || exponentialBound(b.spans[0]!, schema) > threshold
  if (isBeyond && sameSpans(a.spans, b.spans)) {
    const counts = new Float64Array(a.counts.length)
    for (let i = 0; i < counts.length; i++) counts[i] = a.counts[i]! + sign * b.counts[i]!
    return { spans: a.spans, counts }
  }
  const x = bucketIndexes(a)
  const y = bucketIndexes(b)
  let j = firstBeyond(y, schema, threshold)
  const indexes = new Int32Array(x.length + y.length - j)
  const counts = new Float64Array(indexes.length)
  let i = 0
  let n = 0
  while (i < x.length || j < y.length) {
    const left = i < x.length ? x[i]! : Infinity
    const right = j < y.length ? y[j]! : Infinity
    const index = Math.min(left, right)
    indexes[n] = index
    if (left !== right) counts[n] = left < right ? a.counts[i]! : sign * b.counts[j]!
    else counts[n] = a.counts[i]! + sign * b.counts[j]!
    if (left === index) i++
    if (right === index) j++
    n++
  }
  return fasten(indexes.subarray(0, n), counts.slice(0, n))
}

/** Position of the first bucket that ends beyond a zero threshold. */
export function firstBeyond(indexes: Int32Array, schema: number, threshold: number): number {
  let first = 0
  if (threshold === 0) return first
  while (first < indexes.length && exponentialBound(indexes[first]!, schema) <= threshold) first++
  return first
}

/** The index of a bucket in a coarser schema. */
export function coarserIndex(index: number, from: number, to: number): number {
  return ((index - 1) >> (from - to)) + 1
}

/** Buckets of a coarser schema. */
function reduceBuckets(buckets: FloatBuckets, from: number, to: number): FloatBuckets {
  if (from === to || buckets.counts.length === 0) return buckets
  const indexes = bucketIndexes(buckets)
  const counts = new Float64Array(indexes.length)
  let n = 0
  for (let i = 0; i < indexes.length; i++) {
    const index = coarserIndex(indexes[i]!, from, to)
    if (n > 0 && indexes[n - 1] === index) counts[n - 1]! += buckets.counts[i]!
    else {
      indexes[n] = index
      counts[n++] = buckets.counts[i]!
    }
  }
  return fasten(indexes.subarray(0, n), counts.slice(0, n))
}

/** The same histogram at a resolution that is coarser, or the same. */
export function reduceResolution(histogram: FloatHistogram, schema: number): FloatHistogram {
  if (schema >= histogram.schema || usesCustomBuckets(histogram)) return histogram
  return {
    ...histogram,
    schema,
    positive: reduceBuckets(histogram.positive, histogram.schema, schema),
    negative: reduceBuckets(histogram.negative, histogram.schema, schema),
  }
}

/** What a histogram's zero bucket counts at a larger threshold. */
export interface WiderZero {
  readonly count: number
  /** The threshold, moved outwards when it lay within a bucket that counts anything. */
  readonly threshold: number
  readonly lost: number
}

/** Compensation of both sides' buckets and of the zero bucket. */
export interface LostCounts {
  readonly zero: number
  readonly positive: Float64Array | undefined
  readonly negative: Float64Array | undefined
}

/** What the zero bucket would count if it reached to `threshold`. */
export function widerZeroBucket(
  histogram: FloatHistogram,
  threshold: number,
  lost?: LostCounts,
): WiderZero {
  const adder = { sum: histogram.zeroCount, lost: lost?.zero ?? 0 }
  if (threshold === histogram.zeroThreshold) {
    return { count: adder.sum, threshold, lost: adder.lost }
  }
  const positive = sideBuckets(histogram, 'positive')
  const negative = sideBuckets(histogram, 'negative')
  let limit = threshold
  while (true) {
    adder.sum = histogram.zeroCount
    for (const [i, bucket] of positive.entries()) {
      if (bucket.lower >= limit) break
      addCompensated(adder, bucket.count)
      if (lost?.positive !== undefined) addCompensated(adder, lost.positive[i]!)
      if (bucket.upper > limit) {
        if (bucket.count !== 0) limit = bucket.upper
        break
      }
    }
    const before = limit
    for (const [i, bucket] of negative.entries()) {
      if (bucket.upper <= -limit) break
      addCompensated(adder, bucket.count)
      if (lost?.negative !== undefined) addCompensated(adder, lost.negative[i]!)
      if (bucket.lower < -limit) {
        if (bucket.count !== 0) limit = -bucket.lower
        break
      }
    }
    // Moved by the negative side, the positive one has to be looked at again.
    if (limit === before) return { count: adder.sum, threshold: limit, lost: adder.lost }
  }
}

/** Neumaier's compensated addition, in place; Prometheus util/kahansum. */
export function addCompensated(to: { sum: number; lost: number }, value: number): void {
  const { sum } = to
  const total = sum + value
  if (total === Infinity || total === -Infinity) to.lost = 0
  else to.lost += Math.abs(sum) >= Math.abs(value) ? sum - total + value : value - total + sum
  to.sum = total
}

/** `a` with a zero bucket that suits both, and what the one of `b` would then count. */
function reconcileZeroBuckets(
  a: FloatHistogram,
  b: FloatHistogram,
): { readonly histogram: FloatHistogram; readonly otherCount: number } {
  let histogram = a
  let otherCount = b.zeroCount
  let otherThreshold = b.zeroThreshold
  while (otherThreshold !== histogram.zeroThreshold) {
    if (histogram.zeroThreshold > otherThreshold) {
      const wider = widerZeroBucket(b, histogram.zeroThreshold)
      otherCount = wider.count
      otherThreshold = wider.threshold
    }
    if (otherThreshold > histogram.zeroThreshold) {
      const wider = widerZeroBucket(histogram, otherThreshold)
      histogram = compactHistogram({
        ...histogram,
        zeroCount: wider.count,
        zeroThreshold: wider.threshold,
        positive: beyondZero(histogram, 'positive', wider.threshold),
        negative: beyondZero(histogram, 'negative', wider.threshold),
      })
    }
  }
  return { histogram, otherCount }
}

/** A side whose buckets within the threshold are empty. */
function beyondZero(
  histogram: FloatHistogram,
  side: 'positive' | 'negative',
  threshold: number,
): FloatBuckets {
  const { spans, counts } = histogram[side]
  const kept = counts.slice()
  for (const [i, bucket] of sideBuckets(histogram, side).entries()) {
    if (side === 'positive' ? bucket.lower >= threshold : bucket.upper <= -threshold) break
    kept[i] = 0
  }
  return { spans, counts: kept }
}

/**
 * Sums buckets with different custom bounds in the buckets of common bounds: each goes to the
 * first that ends where it ends or later.
 */
export function addAcrossBounds(
  a: { readonly buckets: LooseBuckets; readonly bounds: Float64Array },
  b: { readonly buckets: LooseBuckets; readonly bounds: Float64Array },
  bounds: Float64Array,
  sign: 1 | -1,
): { readonly indexes: Int32Array; readonly counts: Float64Array; readonly lost: Float64Array } {
  const sums = Array.from({ length: bounds.length + 1 }, () => ({ sum: 0, lost: 0 }))
  for (const side of [a, b]) {
    const { indexes, counts, lost } = side.buckets
    const factor = side === a ? 1 : sign
    let target = 0
    for (let i = 0; i < indexes.length; i++) {
      const bound = indexes[i]! < side.bounds.length ? side.bounds[indexes[i]!]! : Infinity
      while (target < bounds.length && bounds[target]! < bound) target++
      addCompensated(sums[target]!, factor * counts[i]!)
      if (lost !== undefined) addCompensated(sums[target]!, factor * lost[i]!)
    }
  }
  const used = sums.flatMap(({ sum, lost }, i) => (sum === 0 && lost === 0 ? [] : [i]))
  return {
    indexes: Int32Array.from(used),
    counts: Float64Array.from(used, (i) => sums[i]!.sum),
    lost: Float64Array.from(used, (i) => sums[i]!.lost),
  }
}

/** Without empty buckets. */
export function compactHistogram(histogram: FloatHistogram): FloatHistogram {
  const positive = compactBuckets(histogram.positive)
  const negative = compactBuckets(histogram.negative)
  if (positive === histogram.positive && negative === histogram.negative) return histogram
  return { ...histogram, positive, negative }
}

function compactBuckets(buckets: FloatBuckets): FloatBuckets {
  const { spans, counts } = buckets
  let isCompact = !counts.includes(0)
  for (let span = 0; span < spans.length && isCompact; span += 2) {
    if (spans[span + 1] === 0 || (span > 0 && spans[span]! <= 0)) isCompact = false
  }
  if (isCompact) return buckets
  const indexes = bucketIndexes(buckets)
  return fasten(
    indexes.filter((_, i) => counts[i] !== 0),
    counts.filter((count) => count !== 0),
  )
}

/** Every count and the sum times a factor; below zero it makes a gauge. */
export function multiplyHistogram(histogram: FloatHistogram, factor: number): FloatHistogram {
  const { zeroCount, count, sum, positive, negative } = histogram
  return {
    ...histogram,
    counterResetHint: factor < 0 ? 'gauge' : histogram.counterResetHint,
    zeroCount: zeroCount * factor,
    count: count * factor,
    sum: sum * factor,
    positive: { spans: positive.spans, counts: positive.counts.map((value) => value * factor) },
    negative: { spans: negative.spans, counts: negative.counts.map((value) => value * factor) },
  }
}

/** Every count and the sum over a divisor; below zero it makes a gauge, zero leaves no buckets. */
export function divideHistogram(histogram: FloatHistogram, divisor: number): FloatHistogram {
  const { zeroCount, count, sum, positive, negative } = histogram
  const divide = ({ spans, counts }: FloatBuckets): FloatBuckets =>
    divisor === 0 ? NO_BUCKETS : { spans, counts: counts.map((value) => value / divisor) }
  return {
    ...histogram,
    counterResetHint: divisor < 0 ? 'gauge' : histogram.counterResetHint,
    zeroCount: zeroCount / divisor,
    count: count / divisor,
    sum: sum / divisor,
    positive: divide(positive),
    negative: divide(negative),
  }
}

/** The same histogram with another hint. */
export function withHint(histogram: FloatHistogram, hint: CounterResetHint): FloatHistogram {
  return histogram.counterResetHint === hint ? histogram : { ...histogram, counterResetHint: hint }
}

/** Whether any count, or the sum, is infinite. */
export function hasOverflow(histogram: FloatHistogram): boolean {
  const isInfinite = (value: number): boolean => value === Infinity || value === -Infinity
  return (
    isInfinite(histogram.zeroCount) ||
    isInfinite(histogram.count) ||
    isInfinite(histogram.sum) ||
    histogram.positive.counts.some(isInfinite) ||
    histogram.negative.counts.some(isInfinite) ||
    histogram.customValues.some(isInfinite)
  )
}
