/**
 * Functions of ranges with native histograms in them, window by window: what rate, sum_over_time
 * and their relatives answer where at least one sample is a histogram. Windows of floats only go
 * to the kernels of floats. After Prometheus promql/functions.go (extrapolatedRate, histogramRate,
 * instantValue, funcResets, funcChanges, funcSumOverTime, funcAvgOverTime).
 */
import { EMPTY_HISTOGRAM, type FloatHistogram, usesCustomBuckets } from '../../model/histogram.js'
import {
  addHistograms,
  compactHistogram,
  divideHistogram,
  hasOverflow,
  multiplyHistogram,
  reduceResolution,
  subtractHistograms,
  withHint,
} from '../../model/histogram-arithmetic.js'
import { equalHistograms, isReset } from '../../model/histogram-compare.js'
import {
  addToSum,
  beginSum,
  type CompensatedSum,
  divideSum,
  finishSum,
  multiplySum,
} from '../../model/histogram-sum.js'
import { extendedHistograms } from './extended-histograms.js'
import { rangeSeconds } from './extended-rate.js'
import type { MixedWindow, WindowKernel, WindowNotes } from './kernel.js'
import {
  boundsReconciled,
  mixedFloatsHistograms,
  mixedSchemas,
  notCounter,
  notGauge,
  resetsCollide,
} from './native-texts.js'
import { beginsInside, isStartReset, startedFactor, warnOfOverlap } from './start-times.js'

/** rate */
export const histogramsRate: WindowKernel = makeExtrapolated({ isCounter: true, isRate: true })
/** increase */
export const histogramsIncrease: WindowKernel = makeExtrapolated({ isCounter: true, isRate: false })
/** delta */
export const histogramsDelta: WindowKernel = makeExtrapolated({ isCounter: false, isRate: false })
/** irate */
export const histogramsIrate: WindowKernel = makeInstant(true)
/** idelta */
export const histogramsIdelta: WindowKernel = makeInstant(false)

/** Whether all samples of a window are histograms; says so when there are floats too. */
function isPure(window: MixedWindow, notes: WindowNotes): boolean {
  if (window.histogramCount === window.to - window.from) return true
  notes.warn(mixedFloatsHistograms(notes.name()))
  return false
}

function makeExtrapolated(kind: { isCounter: boolean; isRate: boolean }): WindowKernel {
  const { isCounter, isRate } = kind
  return (window, notes) => {
    if (!isPure(window, notes)) return undefined
    if (window.mode !== 'plain') {
      const seconds = isRate ? rangeSeconds(window.rangeMs) : 1
      return extendedHistograms(window, { isCounter, seconds }, notes)
    }
    const { ts, histograms, from, to, rangeMs, end } = window
    const gaps = to - from - 1
    const { starts } = window
    const isInside =
      isCounter && starts !== undefined && beginsInside(starts, ts, from, end - rangeMs)
    if (gaps < 1 && !isInside) return undefined
    const difference = differenceOf(window, isCounter, isInside, notes)
    if (difference === undefined) return undefined
    if (isInside) {
      const begin = starts[from]!
      const factor = startedFactor({ ts, first: from, last: to - 1, end, rangeMs, begin }, NaN)
      return multiplyHistogram(difference, isRate ? factor / rangeSeconds(rangeMs) : factor)
    }
    const firstTs = ts[from]!
    const lastTs = ts[to - 1]!
    let toStart = (firstTs - (end - rangeMs)) / 1000
    let toEnd = (end - lastTs) / 1000
    const sampled = (lastTs - firstTs) / 1000
    const average = sampled / gaps
    const threshold = average * 1.1
    if (toStart >= threshold) toStart = average / 2
    const firstCount = histograms[from]!.count
    // Prometheus 3.5 extrapolates histograms below zero.
    const isBounded = isCounter && notes.release !== '3.5'
    if (isBounded && difference.count > 0 && firstCount >= 0) {
      const toZero = sampled * (firstCount / difference.count)
      if (toZero < toStart) toStart = toZero
    }
    if (toEnd >= threshold) toEnd = average / 2
    let factor = sampled === 0 ? 1 : (sampled + toStart + toEnd) / sampled
    if (isRate) factor /= rangeSeconds(rangeMs)
    return multiplyHistogram(difference, factor)
  }
}

/**
 * The last histogram less the first, with what the counters had before each reset. Undefined when
 * exponential and custom buckets do not go together.
 */
function differenceOf(
  { histograms, starts, ts, from, to }: MixedWindow,
  isCounter: boolean,
  fromZero: boolean,
  notes: WindowNotes,
): FloatHistogram | undefined {
  const hasReset = (k: number, previous: FloatHistogram): boolean =>
    (starts !== undefined && isStartReset(starts, ts, k)) || isReset(histograms[k]!, previous)
  const first = histograms[from]!
  const last = histograms[to - 1]!
  if (isCounter && (first.counterResetHint === 'gauge' || last.counterResetHint === 'gauge')) {
    notes.warn(notCounter(notes.name()))
  }
  let previous = first
  const second = histograms[from + 1] ?? first
  // After a reset the first sample does not matter, nor do its buckets.
  const isFirstReset = isCounter && to - from > 1 && hasReset(from + 1, first)
  if (isFirstReset || fromZero) {
    previous = { ...EMPTY_HISTOGRAM, schema: second.schema, customValues: second.customValues }
  }
  const schema = commonSchema({ histograms, from, to }, previous, isCounter, notes)
  if (schema === undefined) return undefined
  const mixed = (): undefined => {
    notes.warn(mixedSchemas(notes.name()))
  }
  const combined = subtractHistograms(reduceResolution(last, schema), previous)
  if (combined === undefined) return mixed()
  if (combined.boundsReconciled) notes.info(boundsReconciled('subtraction'))
  let difference = combined.histogram
  if (!isCounter) {
    if (first.counterResetHint !== 'gauge' || last.counterResetHint !== 'gauge') {
      notes.warn(notGauge(notes.name()))
    }
  } else {
    // What began at zero within the window counts with its first sample, reset or not.
    if (fromZero) previous = first
    for (let k = from + 1; k < to; k++) {
      const current = histograms[k]!
      if (starts !== undefined) warnOfOverlap(starts, ts, k, notes)
      if (hasReset(k, previous)) {
        const sum = addHistograms(difference, previous)
        if (sum === undefined) return mixed()
        if (sum.boundsReconciled) notes.info(boundsReconciled('addition'))
        difference = sum.histogram
      }
      previous = current
    }
  }
  return compactHistogram(withHint(difference, 'gauge'))
}

/** The coarsest schema that matters; undefined when custom buckets are among exponential ones. */
function commonSchema(
  { histograms, from, to }: { histograms: MixedWindow['histograms']; from: number; to: number },
  previous: FloatHistogram,
  isCounter: boolean,
  notes: WindowNotes,
): number | undefined {
  const last = histograms[to - 1]!
  const isCustom = usesCustomBuckets(previous)
  if (usesCustomBuckets(last) !== isCustom) {
    notes.warn(mixedSchemas(notes.name()))
    return undefined
  }
  let schema = Math.min(last.schema, previous.schema)
  if (!isCounter) return schema
  for (let k = from + 1; k < to - 1; k++) {
    const current = histograms[k]!
    if (current.counterResetHint === 'gauge') notes.warn(notCounter(notes.name()))
    if (current.schema < schema) schema = current.schema
    if (usesCustomBuckets(current) !== isCustom) {
      notes.warn(mixedSchemas(notes.name()))
      return undefined
    }
  }
  return schema
}

function makeInstant(isRate: boolean): WindowKernel {
  return (window, notes) => {
    const { ts, values, histograms, starts, from, to } = window
    const at = to - 1
    if (at - from < 1) return undefined
    const interval = ts[at]! - ts[at - 1]!
    if (interval === 0) return undefined
    const last = histograms[at]
    const previous = histograms[at - 1]
    if (last === undefined && previous === undefined) {
      const value = values[at]!
      const isAnew = starts !== undefined && isStartReset(starts, ts, at)
      const result = isRate && (isAnew || value < values[at - 1]!) ? value : value - values[at - 1]!
      return isRate ? result / (interval / 1000) : result
    }
    if (last === undefined || previous === undefined) {
      notes.warn(mixedFloatsHistograms(notes.name()))
      return undefined
    }
    const hints = [last.counterResetHint, previous.counterResetHint]
    if (isRate && hints.includes('gauge')) notes.warn(notCounter(notes.name()))
    if (!isRate && hints.some((hint) => hint !== 'gauge')) notes.warn(notGauge(notes.name()))
    let result = last
    const isAnew = starts !== undefined && isStartReset(starts, ts, at)
    if (!isRate || !(isAnew || isReset(last, previous))) {
      const combined = subtractHistograms(last, previous)
      if (combined === undefined) {
        notes.warn(mixedSchemas(notes.name()))
        return undefined
      }
      if (combined.boundsReconciled) notes.info(boundsReconciled('subtraction'))
      result = combined.histogram
    }
    result = compactHistogram(withHint(result, 'gauge'))
    return isRate ? divideHistogram(result, interval / 1000) : result
  }
}

/** resets: a change between floats and histograms is one. */
export const histogramsResets: WindowKernel = countPairs(
  (a, b) => b < a,
  (a, b) => isReset(b, a),
  isStartReset,
)

/** changes: so is it here. */
export const histogramsChanges: WindowKernel = countPairs(
  (a, b) => b !== a && (a === a || b === b),
  (a, b) => !equalHistograms(b, a),
  undefined,
)

function countPairs(
  ofFloats: (a: number, b: number) => boolean,
  ofHistograms: (a: FloatHistogram, b: FloatHistogram) => boolean,
  ofStarts: typeof isStartReset | undefined,
): WindowKernel {
  return ({ ts, values, histograms, starts, from, to }) => {
    let count = 0
    for (let k = from + 1; k < to; k++) {
      if (starts !== undefined && ofStarts?.(starts, ts, k) === true) {
        count++
        continue
      }
      const previous = histograms[k - 1]
      const current = histograms[k]
      if (previous !== undefined && current !== undefined) {
        if (ofHistograms(previous, current)) count++
      } else if (previous !== undefined || current !== undefined) count++
      else if (ofFloats(values[k - 1]!, values[k]!)) count++
    }
    return count
  }
}

/** first_over_time */
export const histogramsFirst: WindowKernel = ({ values, histograms, from }) =>
  histograms[from] ?? values[from]!

/** last_over_time */
export const histogramsLast: WindowKernel = ({ values, histograms, to }) =>
  histograms[to - 1] ?? values[to - 1]!

/** sum_over_time */
export const histogramsSum: WindowKernel = (window, notes) => {
  if (!isPure(window, notes)) return undefined
  const { histograms, from, to } = window
  let sum = beginSum(histograms[from]!)
  let areReconciled = false
  for (let k = from + 1; k < to; k++) {
    const added = addToSum(sum, histograms[k]!)
    if (added === undefined) {
      notes.warn(mixedSchemas(notes.name()))
      return undefined
    }
    areReconciled ||= added.boundsReconciled
    sum = added.sum
  }
  noteSum(window, areReconciled, notes)
  return finishSum(sum)
}

function noteSum(
  { histograms, from, to }: MixedWindow,
  areReconciled: boolean,
  notes: WindowNotes,
): void {
  const hints = histograms.slice(from, to).map((histogram) => histogram?.counterResetHint)
  if (hints.includes('reset') && hints.includes('not_reset')) {
    notes.warn(resetsCollide('aggregation'))
  }
  if (areReconciled) notes.info(boundsReconciled('aggregation'))
}

/** avg_over_time: the sum over the count, or an incremental mean once the sum overflows. */
export const histogramsAvg: WindowKernel = (window, notes) => {
  if (!isPure(window, notes)) return undefined
  const { histograms, from, to } = window
  let mean: MeanState = { sum: beginSum(histograms[from]!), isMean: false }
  let areReconciled = false
  for (let k = from + 1; k < to; k++) {
    const added = addToMean(mean, histograms[k]!, k - from + 1)
    if (added === undefined) {
      notes.warn(mixedSchemas(notes.name()))
      return undefined
    }
    areReconciled ||= added.boundsReconciled
    mean = added.mean
  }
  noteSum(window, areReconciled, notes)
  return finishMean(mean, to - from)
}

/** An average under way: a sum, or a mean once the sum would overflow. */
export interface MeanState {
  readonly sum: CompensatedSum
  readonly isMean: boolean
}

/** Adds the `count`-th histogram. Undefined when buckets do not go together. */
export function addToMean(
  { sum, isMean }: MeanState,
  histogram: FloatHistogram,
  count: number,
): { readonly mean: MeanState; readonly boundsReconciled: boolean } | undefined {
  let mean = sum
  if (!isMean) {
    const added = addToSum(sum, histogram)
    if (added === undefined) return undefined
    if (!hasOverflow(added.sum.histogram)) {
      return {
        mean: { sum: added.sum, isMean: false },
        boundsReconciled: added.boundsReconciled,
      }
    }
    mean = divideSum(sum, count - 1)
  }
  const added = addToSum(multiplySum(mean, (count - 1) / count), divideHistogram(histogram, count))
  if (added === undefined) return undefined
  return { mean: { sum: added.sum, isMean: true }, boundsReconciled: added.boundsReconciled }
}

/** The average of `count` histograms. */
export function finishMean({ sum, isMean }: MeanState, count: number): FloatHistogram {
  return finishSum(isMean ? sum : divideSum(sum, count))
}
