/**
 * rate, increase, delta and their instant relatives, resets and changes, over one series and all
 * steps. After Prometheus promql/functions.go (extrapolatedRate, instantValue), in its order of
 * operations. Hot path: resets are found once per series, what hangs on times alone once for all
 * series that have them, and a step costs nothing per sample unless its window has resets. Benchmark: bench/shared/promql/functions.bench.ts.
 */
import { extendedRate, rangeSeconds } from './extended-rate.js'
import type { FunctionRows, RangeKernel, Windows } from './kernel.js'
import {
  histogramsChanges,
  histogramsDelta,
  histogramsIdelta,
  histogramsIncrease,
  histogramsIrate,
  histogramsRate,
  histogramsResets,
} from './native-range.js'
import { startedIncrease, startedIrate, startedRate, startedResets } from './start-times.js'

/** Numbers that hang on a window's times alone: a factor, seconds sampled, to its start and end. */
const SPAN = 4

/** Per-second increase, counter resets taken out. */
const rate: RangeKernel = makeExtrapolated({ isCounter: true, isRate: true })
/** Increase over the range, counter resets taken out. */
const increase: RangeKernel = makeExtrapolated({ isCounter: true, isRate: false })
/** Difference over the range. */
const delta: RangeKernel = makeExtrapolated({ isCounter: false, isRate: false })
/** Per-second increase between the last two samples. */
const irate: RangeKernel = makeInstant(true)
/** Difference of the last two samples. */
const idelta: RangeKernel = makeInstant(false)
/** Decreases within the range. */
const resets: RangeKernel = makeCount(markResets)
/** Changes of the value within the range. */
const changes: RangeKernel = makeCount(markChanges)

function makeExtrapolated(kind: { isCounter: boolean; isRate: boolean }): RangeKernel {
  const { isCounter, isRate } = kind
  // Indexes of samples below their predecessor; kept and grown from series to series.
  let resetAt = new Int32Array(64)
  return (windows, _params, values, base, present, wordBase) => {
    const { ts, values: samples, from, to, steps, rangeMs, end0, stepMs, shared } = windows
    const seconds = isRate ? rangeSeconds(rangeMs) : 1
    if (windows.mode !== 'plain') {
      extendedRate(windows, { isCounter, seconds }, values, base, present, wordBase)
      return
    }
    const known = shared?.kept
    if (shared !== undefined) shared.kept ??= new Float64Array(SPAN * steps)
    const kept = known === undefined ? shared?.kept : undefined
    if (isCounter && resetAt.length < windows.count) resetAt = new Int32Array(2 * windows.count)
    const resetCount = isCounter ? findResets(windows, resetAt) : 0
    let reset = 0
    for (let i = 0; i < steps; i++) {
      const first = from[i]!
      const last = to[i]! - 1
      const gaps = last - first
      if (gaps < 1) continue
      const firstValue = samples[first]!
      let result = samples[last]! - firstValue
      while (reset < resetCount && resetAt[reset]! <= first) reset++
      for (let r = reset; r < resetCount && resetAt[r]! <= last; r++) {
        result += samples[resetAt[r]! - 1]!
      }
      let sampled: number
      let toStart: number
      let toEnd: number
      let factor: number
      const at = SPAN * i
      if (known === undefined) {
        const end = end0 + i * stepMs
        sampled = (ts[last]! - ts[first]!) / 1000
        const half = sampled / gaps / 2
        // Where a sample is missing near a boundary the series is taken to start or end there.
        const threshold = (sampled / gaps) * 1.1
        toStart = (ts[first]! - (end - rangeMs)) / 1000
        if (toStart >= threshold) toStart = half
        toEnd = (end - ts[last]!) / 1000
        if (toEnd >= threshold) toEnd = half
        factor = sampled === 0 ? 1 : (sampled + toStart + toEnd) / sampled
        if (isRate) factor /= seconds
        if (kept !== undefined) {
          kept[at] = factor
          kept[at + 1] = sampled
          kept[at + 2] = toStart
          kept[at + 3] = toEnd
        }
      } else {
        factor = known[at]!
        sampled = known[at + 1]!
        toStart = known[at + 2]!
        toEnd = known[at + 3]!
      }
      // A counter is not extrapolated below zero. (One that has not even doubled reaches zero no
      // later than it was sampled for: that is told without dividing.)
      if (isCounter && result > 0 && firstValue >= 0) {
        if (!(firstValue >= result && toStart <= sampled) && sampled !== 0) {
          const toZero = sampled * (firstValue / result)
          if (toZero < toStart) factor = (sampled + toZero + toEnd) / sampled / seconds
        }
      }
      values[base + i] = result * factor
      present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
    }
  }
}

function findResets(windows: Windows, resetAt: Int32Array): number {
  const { values, count } = windows
  if (windows.hasNoResets === true) return 0
  let found = 0
  let previous = values[0]!
  for (let k = 1; k < count; k++) {
    const value = values[k]!
    if (value < previous) resetAt[found++] = k
    previous = value
  }
  return found
}

function makeInstant(isRate: boolean): RangeKernel {
  return (windows, _params, values, base, present, wordBase) => {
    const { ts, values: samples, from, to, steps } = windows
    for (let i = 0; i < steps; i++) {
      const last = to[i]! - 1
      if (last - from[i]! < 1) continue
      const interval = ts[last]! - ts[last - 1]!
      if (interval === 0) continue
      const value = samples[last]!
      const previous = samples[last - 1]!
      // After a reset the counter began at zero.
      const result = isRate && value < previous ? value : value - previous
      values[base + i] = isRate ? result / (interval / 1000) : result
      present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
    }
  }
}

/** Counts marked samples but the first of each window; counts up to a sample are whole numbers. */
function makeCount(mark: (windows: Windows, upTo: Int32Array) => void): RangeKernel {
  let upTo = new Int32Array(64)
  return (windows, _params, values, base, present, wordBase) => {
    const { from, to, steps } = windows
    if (upTo.length < windows.count) upTo = new Int32Array(2 * windows.count)
    mark(windows, upTo)
    for (let i = 0; i < steps; i++) {
      const first = from[i]!
      const last = to[i]! - 1
      if (last < first) continue
      values[base + i] = upTo[last]! - upTo[first]!
      present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
    }
  }
}

function markResets({ values, count }: Windows, upTo: Int32Array): void {
  let seen = 0
  for (let k = 0; k < count; k++) {
    if (k > 0 && values[k]! < values[k - 1]!) seen++
    upTo[k] = seen
  }
}

function markChanges({ values, count }: Windows, upTo: Int32Array): void {
  let seen = 0
  for (let k = 0; k < count; k++) {
    if (k > 0) {
      const value = values[k]!
      const previous = values[k - 1]!
      // Two NaNs are no change.
      if (value !== previous && (value === value || previous === previous)) seen++
    }
    upTo[k] = seen
  }
}

/** Selectors that functions can take besides plain ones. */
const ANCHORED = ['anchored'] as const
const EXTENDED = ['anchored', 'smoothed'] as const

/** Their rows of the function table. */
export const rateFunctions: FunctionRows = {
  changes: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'How often the value changed within the range.',
    kernel: { form: 'range', run: changes, histograms: histogramsChanges, modes: ANCHORED },
  },
  delta: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The difference between the ends of the range, extrapolated to all of it (gauges).',
    kernel: { form: 'range', run: delta, histograms: histogramsDelta, modes: EXTENDED },
  },
  idelta: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The difference of the last two samples of the range (gauges).',
    kernel: { form: 'range', run: idelta, histograms: histogramsIdelta },
  },
  increase: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The increase over the range with counter resets taken out, extrapolated to all of it.',
    kernel: {
      form: 'range',
      run: increase,
      started: startedIncrease,
      histograms: histogramsIncrease,
      expectsCounter: true,
      modes: EXTENDED,
    },
  },
  irate: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The per-second increase between the last two samples of the range.',
    kernel: { form: 'range', run: irate, started: startedIrate, histograms: histogramsIrate },
  },
  rate: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The per-second increase over the range with counter resets taken out, extrapolated to all of it.',
    kernel: {
      form: 'range',
      run: rate,
      started: startedRate,
      histograms: histogramsRate,
      expectsCounter: true,
      modes: EXTENDED,
    },
  },
  resets: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'How often the value decreased within the range.',
    kernel: {
      form: 'range',
      run: resets,
      started: startedResets,
      histograms: histogramsResets,
      modes: ANCHORED,
    },
  },
}
