/**
 * Smoothed instant selectors of series with native histograms: a sample at the time itself, or
 * interpolated between its neighbours within the lookback, or the last one before. Where there are
 * floats and histograms within the lookback nothing is answered.
 */
import { usesCustomBuckets } from '../../model/histogram.js'
import type { HistogramRow } from '../columns.js'
import { interpolateHistograms } from '../functions/extended-histograms.js'
import { interpolate } from '../functions/extended-rate.js'
import type { WindowNotes } from '../functions/kernel.js'
import { mixedFloatsHistograms, mixedSchemas } from '../functions/native-texts.js'
import type { InstantPlan } from '../plan/plan.js'
import type { SampleBuffer } from '../source.js'
import type { RowTarget } from './mixed-range.js'

/**
 * Fills a row from samples without stale markers.
 * @returns the row's histograms
 */
export function fillSmoothedMixed(
  { ts, values: samples, count }: SampleBuffer,
  histograms: HistogramRow,
  { times, lookbackMs, range }: InstantPlan,
  { values, base, present, wordBase }: RowTarget,
  notes: WindowNotes,
): HistogramRow {
  const row: HistogramRow = new Array<undefined>(range.count).fill(undefined)
  let low = 0
  let next = 0
  let high = 0
  for (let i = 0; i < range.count; i++) {
    const at = times.first + i * times.step
    while (low < count && ts[low]! <= at - lookbackMs) low++
    while (next < count && ts[next]! < at) next++
    while (high < count && ts[high]! <= at + lookbackMs) high++
    const isAt = next < high && ts[next]! === at
    if (!isAt && next <= low) continue
    if (isMixed(histograms, low, high)) {
      notes.warn(mixedFloatsHistograms(notes.name()))
      continue
    }
    const from = isAt || next === high ? (isAt ? next : next - 1) : -1
    const word = wordBase + (i >>> 5)
    if (histograms[low] === undefined) {
      values[base + i] =
        from === -1 ? interpolate(ts, samples, next - 1, at, false) : samples[from]!
      present[word]! |= 1 << (i & 31)
      continue
    }
    const histogram = from === -1 ? between(ts, histograms, next - 1, at, notes) : histograms[from]!
    if (histogram === undefined) continue
    row[i] = histogram
    present[word]! |= 1 << (i & 31)
  }
  return row
}

function isMixed(histograms: HistogramRow, from: number, to: number): boolean {
  const isHistogram = histograms[from] !== undefined
  for (let k = from + 1; k < to; k++) {
    if ((histograms[k] !== undefined) !== isHistogram) return true
  }
  return false
}

function between(
  ts: Float64Array,
  histograms: HistogramRow,
  at: number,
  time: number,
  notes: WindowNotes,
): HistogramRow[number] {
  const before = histograms[at]!
  const after = histograms[at + 1]!
  if (usesCustomBuckets(before) !== usesCustomBuckets(after)) {
    notes.warn(mixedSchemas(notes.name()))
    return undefined
  }
  const isCounter = before.counterResetHint !== 'gauge' && after.counterResetHint !== 'gauge'
  return interpolateHistograms(
    { ts: ts[at]!, histogram: before },
    { ts: ts[at + 1]!, histogram: after },
    time,
    isCounter,
    notes,
  )
}
