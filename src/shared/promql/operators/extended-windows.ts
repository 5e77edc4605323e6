/**
 * Windows of `anchored` and `smoothed` range selectors: they begin at the newest sample that is not
 * after their start, if it is within the lookback; a smoothed one ends at the oldest that is not
 * before its end. Follows Prometheus promql/engine.go (extendFloats) and functions.go (extendedRate).
 */
import { interpolate } from '../functions/extended-rate.js'
import type { RangePlan } from '../plan/plan.js'
import type { SampleBuffer } from '../source.js'

/** Where extended windows lie. */
export interface ExtendedRange {
  readonly isSmoothed: boolean
  readonly end0: number
  readonly stepMs: number
  readonly rangeMs: number
  readonly lookbackMs: number
  readonly steps: number
}

/**
 * Finds the windows of all steps with four cursors that slide over the samples.
 * @param froms out, [steps]; a window without a sample after its start is empty
 * @returns samples of the fullest window
 */
export function findExtendedWindows(
  ts: Float64Array,
  count: number,
  { isSmoothed, end0, stepMs, rangeMs, lookbackMs, steps }: ExtendedRange,
  froms: Int32Array,
  tos: Int32Array,
): number {
  let low = 0
  let high = 0
  let afterStart = 0
  let atEnd = 0
  let fullest = 0
  for (let i = 0; i < steps; i++) {
    const end = end0 + i * stepMs
    const start = end - rangeMs
    const horizon = isSmoothed ? end + lookbackMs : end
    while (low < count && ts[low]! <= start - lookbackMs) low++
    while (high < count && ts[high]! <= horizon) high++
    while (afterStart < count && ts[afterStart]! <= start) afterStart++
    while (atEnd < count && ts[atEnd]! < end) atEnd++
    froms[i] = 0
    tos[i] = 0
    const newest = high - 1
    if (newest < low || ts[newest]! <= start) continue
    const first = Math.max(low, afterStart - 1)
    const last = isSmoothed ? Math.min(atEnd, newest) : newest
    if (ts[first]! > end) continue
    froms[i] = first
    tos[i] = last + 1
    fullest = Math.max(fullest, last + 1 - first)
  }
  return fullest
}

/** The samples of an instant query's range vector, with one at either boundary. */
export function extendSamples(plan: RangePlan, buffer: SampleBuffer): void {
  const isSmoothed = plan.mode === 'smoothed'
  const { rangeMs, lookbackMs } = plan
  const end = plan.times.first
  const start = end - rangeMs
  const froms = new Int32Array(1)
  const tos = new Int32Array(1)
  const range = { isSmoothed, end0: end, stepMs: 0, rangeMs, lookbackMs, steps: 1 }
  const { ts, values } = buffer
  if (findExtendedWindows(ts, buffer.count, range, froms, tos) === 0) {
    buffer.count = 0
    return
  }
  let first = froms[0]!
  let last = tos[0]! - 1
  const left =
    isSmoothed && ts[first]! < start ? interpolate(ts, values, first, start, false) : values[first]!
  const right =
    isSmoothed && ts[last]! > end ? interpolate(ts, values, last - 1, end, false) : values[last]!
  if (ts[first]! <= start) first++
  if (ts[last]! >= end) last--
  buffer.ts = Float64Array.of(start, ...ts.subarray(first, last + 1), end)
  buffer.values = Float64Array.of(left, ...values.subarray(first, last + 1), right)
  buffer.count = buffer.ts.length
}
