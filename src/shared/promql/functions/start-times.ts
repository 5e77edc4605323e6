/**
 * rate, increase, irate and resets of series whose samples say when counting began (start
 * timestamps): a counter that began anew between two samples was reset, whatever its value says,
 * and a beginning within the window is a sample of zero in place of extrapolation. Follows
 * Prometheus promql/functions.go, isStartTimestampReset, and its script start_timestamps.test.
 */
import { quoteGo } from '../../base/go-string.js'
import { rangeSeconds } from './extended-rate.js'
import type { StartedKernel, WindowNotes } from './kernel.js'

/** rate() */
export const startedRate: StartedKernel = makeExtrapolated(true)
/** increase() */
export const startedIncrease: StartedKernel = makeExtrapolated(false)

/** Whether a start timestamp tells anything of its sample: known, and before it. */
function isKnown(start: number, time: number): boolean {
  return start !== 0 && start < time
}

/**
 * Whether counting began anew between sample k and the one before. A start at the time of the
 * sample before is one of a delta, or of a counter whose start is not known: those have none
 * there, or that sample's own time.
 */
export function isStartReset(starts: Float64Array, ts: Float64Array, k: number): boolean {
  const start = starts[k]!
  const before = ts[k - 1]!
  if (!isKnown(start, ts[k]!) || start < before) return false
  return start > before || isKnown(starts[k - 1]!, before)
}

/** Whether counting began within the window, before its first sample. */
export function beginsInside(starts: Float64Array, ts: Float64Array, first: number, after: number) {
  return starts[first]! > after && isKnown(starts[first]!, ts[first]!)
}

/** Warns of a start that lies before the sample before, though it is not that sample's. */
export function warnOfOverlap(
  starts: Float64Array,
  ts: Float64Array,
  k: number,
  notes: WindowNotes,
): void {
  const start = starts[k]!
  if (start === 0 || start >= ts[k - 1]! || start === starts[k - 1]!) return
  const metric = quoteGo(notes.name())
  notes.warn(
    `sample has start time that overlaps with previous sample timestamp for metric ${metric}`,
  )
}

/** How a window is extrapolated: what to multiply the difference of its ends with. */
export function startedFactor(
  window: {
    readonly ts: Float64Array
    readonly first: number
    readonly last: number
    readonly end: number
    readonly rangeMs: number
    /** When counting began, if it did within the window. */
    readonly begin: number | undefined
  },
  /** First value over the difference: where the counter was zero; NaN when that is of no use. */
  zeroShare: number,
): number {
  const { ts, first, last, end, rangeMs, begin } = window
  const firstTs = ts[first]!
  const lastTs = ts[last]!
  const gaps = last - first
  const average = gaps === 0 ? 0 : (lastTs - firstTs) / 1000 / gaps
  const threshold = average * 1.1
  const sampled = (lastTs - (begin ?? firstTs)) / 1000
  let toStart = begin === undefined ? (firstTs - (end - rangeMs)) / 1000 : 0
  let toEnd = (end - lastTs) / 1000
  if (begin === undefined) {
    if (toStart >= threshold) toStart = average / 2
    const toZero = sampled * zeroShare
    if (toZero < toStart) toStart = toZero
  }
  if (toEnd >= threshold) toEnd = average / 2
  return sampled === 0 ? 1 : (sampled + toStart + toEnd) / sampled
}

function makeExtrapolated(isRate: boolean): StartedKernel {
  return (windows, starts, values, base, present, wordBase, notes) => {
    const { ts, values: samples, from, to, steps, rangeMs, end0, stepMs } = windows
    const seconds = isRate ? rangeSeconds(rangeMs) : 1
    for (let i = 0; i < steps; i++) {
      const first = from[i]!
      const last = to[i]! - 1
      if (last < first) continue
      const end = end0 + i * stepMs
      const isInside = beginsInside(starts, ts, first, end - rangeMs)
      if (last === first && !isInside) continue
      const firstValue = samples[first]!
      let result = samples[last]! - (isInside ? 0 : firstValue)
      for (let k = first + 1; k <= last; k++) {
        warnOfOverlap(starts, ts, k, notes)
        const previous = samples[k - 1]!
        if (samples[k]! < previous || isStartReset(starts, ts, k)) result += previous
      }
      const begin = isInside ? starts[first]! : undefined
      const zeroShare = result > 0 && firstValue >= 0 ? firstValue / result : Number.NaN
      const factor = startedFactor({ ts, first, last, end, rangeMs, begin }, zeroShare)
      values[base + i] = (result * factor) / seconds
      present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
    }
  }
}

/** irate() */
export const startedIrate: StartedKernel = (
  { ts, values: samples, from, to, steps },
  starts,
  values,
  base,
  present,
  wordBase,
) => {
  for (let i = 0; i < steps; i++) {
    const last = to[i]! - 1
    if (last - from[i]! < 1 || ts[last] === ts[last - 1]) continue
    const value = samples[last]!
    const previous = samples[last - 1]!
    const isReset = value < previous || isStartReset(starts, ts, last)
    values[base + i] = (isReset ? value : value - previous) / ((ts[last]! - ts[last - 1]!) / 1000)
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

/** resets() */
export const startedResets: StartedKernel = (
  { ts, values: samples, from, to, steps },
  starts,
  values,
  base,
  present,
  wordBase,
) => {
  for (let i = 0; i < steps; i++) {
    if (to[i]! <= from[i]!) continue
    let count = 0
    for (let k = from[i]! + 1; k < to[i]!; k++) {
      if (samples[k]! < samples[k - 1]! || isStartReset(starts, ts, k)) count++
    }
    values[base + i] = count
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}
