/**
 * rate, increase and delta of `anchored` and `smoothed` windows, and the interpolation that smoothed
 * instant selectors use too. Nothing is extrapolated: the window has the sample at or before its
 * start, and a smoothed one the sample at or after its end, between which values are interpolated.
 *
 * Follows Prometheus promql/functions.go: extendedRate, interpolate, correctForCounterResets.
 */
import type { Windows } from './kernel.js'

/** Which relative of rate it is. */
export interface RateKind {
  readonly isCounter: boolean
  /** Divisor of the result: the range for rate, else 1. */
  readonly seconds: number
}

/** Writes the results of all steps; windows are never empty past their bounds. */
export function extendedRate(
  windows: Windows,
  { isCounter, seconds }: RateKind,
  out: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
): void {
  const { ts, values, from, to, steps, rangeMs, end0, stepMs } = windows
  const isSmoothed = windows.mode === 'smoothed'
  for (let i = 0; i < steps; i++) {
    let first = from[i]!
    let last = to[i]! - 1
    if (last < first) continue
    const end = end0 + i * stepMs
    const start = end - rangeMs
    const left =
      isSmoothed && ts[first]! < start
        ? interpolate(ts, values, first, start, isCounter)
        : values[first]!
    const right =
      isSmoothed && ts[last]! > end
        ? interpolate(ts, values, last - 1, end, isCounter)
        : values[last]!
    let result = right - left
    if (isCounter) {
      // The samples beyond the boundaries are in `left` and `right`, their resets too.
      if (ts[first]! <= start) first++
      if (ts[last]! >= end) last--
      result += correction(values, first, last, left, right)
    }
    out[base + i] = result / seconds
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

/** What counter resets have taken away between two boundary values. */
function correction(
  values: Float64Array,
  first: number,
  last: number,
  left: number,
  right: number,
): number {
  let lost = 0
  let previous = left
  for (let k = first; k <= last; k++) {
    const value = values[k]!
    if (value < previous) lost += previous
    previous = value
  }
  return right < previous ? lost + previous : lost
}

/**
 * The value at a time between sample `at` and the next. A counter that was reset in between is
 * taken to have begun anew at zero at the first of them.
 */
export function interpolate(
  ts: Float64Array,
  values: Float64Array,
  at: number,
  time: number,
  isCounter: boolean,
): number {
  const next = values[at + 1]!
  const before = isCounter && next < values[at]! ? 0 : values[at]!
  return before + ((next - before) * (time - ts[at]!)) / (ts[at + 1]! - ts[at]!)
}

/** Go's Duration.Seconds(): whole seconds and the rest are divided apart. */
export function rangeSeconds(rangeMs: number): number {
  const whole = Math.floor(rangeMs / 1000)
  return whole + ((rangeMs - whole * 1000) * 1e6) / 1e9
}
