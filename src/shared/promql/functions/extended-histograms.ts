/**
 * rate, increase and delta of native histograms in `anchored` and `smoothed` windows, and the
 * interpolation between two histograms that smoothed instant selectors use too. The counterpart of
 * extended-rate.ts; follows Prometheus promql/functions.go: extendedHistogramRate,
 * interpolateHistograms, correctForCounterResetsHistogram.
 */
import { type FloatHistogram, usesCustomBuckets } from '../../model/histogram.js'
import {
  addHistograms,
  compactHistogram,
  divideHistogram,
  multiplyHistogram,
  subtractHistograms,
  withHint,
} from '../../model/histogram-arithmetic.js'
import { isReset } from '../../model/histogram-compare.js'
import type { RateKind } from './extended-rate.js'
import type { MixedWindow, WindowNotes } from './kernel.js'
import { boundsReconciled, mixedSchemas, notCounter, notGauge } from './native-texts.js'

/** What a window of histograms answers; undefined when their buckets do not go together. */
export function extendedHistograms(
  window: MixedWindow,
  { isCounter, seconds }: RateKind,
  notes: WindowNotes,
): FloatHistogram | undefined {
  const { ts, histograms, from: first, end, rangeMs } = window
  const last = window.to - 1
  const start = end - rangeMs
  const isSmoothed = window.mode === 'smoothed'
  if (!areAlike(window, isCounter, notes)) return undefined
  const left =
    isSmoothed && ts[first]! < start
      ? interpolated(window, first, start, isCounter, notes)
      : histograms[first]!
  const right =
    isSmoothed && ts[last]! > end
      ? interpolated(window, last - 1, end, isCounter, notes)
      : histograms[last]!
  if (left === undefined || right === undefined) return undefined
  if (!isCounter && [left, right].some((side) => side.counterResetHint !== 'gauge')) {
    notes.warn(notGauge(notes.name()))
  }
  let result = combine('-', right, left, notes)
  if (result !== undefined && isCounter) {
    for (const lost of lostToResets(window, left, right)) {
      result = result && combine('+', result, lost, notes)
    }
  }
  if (result === undefined) return undefined
  return compactHistogram(withHint(divideHistogram(result, seconds), 'gauge'))
}

/** Whether all have buckets of one kind; notes gauges where counters are wanted. */
function areAlike(
  { histograms, from, to }: MixedWindow,
  isCounter: boolean,
  notes: WindowNotes,
): boolean {
  const isCustom = usesCustomBuckets(histograms[from]!)
  for (let k = from; k < to; k++) {
    if (usesCustomBuckets(histograms[k]!) !== isCustom) {
      notes.warn(mixedSchemas(notes.name()))
      return false
    }
    if (isCounter && histograms[k]!.counterResetHint === 'gauge') {
      notes.warn(notCounter(notes.name()))
    }
  }
  return true
}

/** A sum or difference; notes what there is to say. */
function combine(
  op: '+' | '-',
  a: FloatHistogram,
  b: FloatHistogram,
  notes: WindowNotes,
): FloatHistogram | undefined {
  const combined = op === '+' ? addHistograms(a, b) : subtractHistograms(a, b)
  if (combined === undefined) {
    notes.warn(mixedSchemas(notes.name()))
    return undefined
  }
  if (combined.boundsReconciled) {
    notes.info(boundsReconciled(op === '+' ? 'addition' : 'subtraction'))
  }
  return combined.histogram
}

function interpolated(
  { ts, histograms }: MixedWindow,
  at: number,
  time: number,
  isCounter: boolean,
  notes: WindowNotes,
): FloatHistogram | undefined {
  return interpolateHistograms(
    { ts: ts[at]!, histogram: histograms[at]! },
    { ts: ts[at + 1]!, histogram: histograms[at + 1]! },
    time,
    isCounter,
    notes,
  )
}

/** A histogram and its time (ms). */
export interface HistogramPoint {
  readonly ts: number
  readonly histogram: FloatHistogram
}

/**
 * The histogram at a time between two. Counters that were reset in between are taken to have begun
 * anew at zero at the first. Undefined, and noted, when their buckets do not go together.
 */
export function interpolateHistograms(
  before: HistogramPoint,
  after: HistogramPoint,
  time: number,
  isCounter: boolean,
  notes: WindowNotes,
): FloatHistogram | undefined {
  if (time === before.ts) return before.histogram
  if (time === after.ts) return after.histogram
  const share = (time - before.ts) / (after.ts - before.ts)
  if (isCounter && isReset(after.histogram, before.histogram)) {
    return multiplyHistogram(after.histogram, share)
  }
  const difference = combine('-', after.histogram, before.histogram, notes)
  if (difference === undefined) return undefined
  return combine('+', multiplyHistogram(difference, share), before.histogram, notes)
}

/** What the counters had at each reset between the boundary values. */
function lostToResets(
  { ts, histograms, from, to, end, rangeMs, mode }: MixedWindow,
  left: FloatHistogram,
  right: FloatHistogram,
): FloatHistogram[] {
  // The first sample is in `left`, the last one in `right`.
  let first = from + 1
  let previous = left
  if (mode === 'smoothed' && ts[from]! < end - rangeMs) {
    const next = histograms[from + 1]!
    if (isReset(next, histograms[from]!)) {
      // The interpolation has accounted for that reset.
      previous = next
      first++
    }
  }
  const last = to - 2
  if (first > last + 1) return []
  const lost: FloatHistogram[] = []
  for (let k = first; k <= last; k++) {
    if (isReset(histograms[k]!, previous)) lost.push(previous)
    previous = histograms[k]!
  }
  if (isReset(right, previous)) lost.push(previous)
  return lost
}
