/**
 * rate, increase, delta and their instant relatives, resets and changes, over one series and all
 * steps. After Prometheus promql/functions.go (extrapolatedRate, instantValue), in its order of
 * operations. Hot path: resets are found once per series, and a step costs nothing per sample
 * unless its window has resets. Benchmark: bench/shared/promql/functions.bench.ts.
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
    const { ts, values: samples, from, to, steps, rangeMs, end0, stepMs } = windows
    const seconds = isRate ? rangeSeconds(rangeMs) : 1
    if (windows.mode !== 'plain') {
      extendedRate(windows, { isCounter, seconds }, values, base, present, wordBase)
      return
    }
    let resetCount = 0
    if (isCounter) {
      if (resetAt.length < windows.count) resetAt = new Int32Array(2 * windows.count)
      resetCount = findResets(windows, resetAt)
    }
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
      const firstTs = ts[first]!
      const lastTs = ts[last]!
      if (result === 0 && lastTs !== firstTs) {
        // Whatever the factor, it is a positive number.
        values[base + i] = result
        present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
        continue
      }
      const end = end0 + i * stepMs
      let toStart = (firstTs - (end - rangeMs)) / 1000
      let toEnd = (end - lastTs) / 1000
      const sampled = (lastTs - firstTs) / 1000
      const average = sampled / gaps
      // Where a sample is missing near a boundary the series is taken to start or end there.
      const threshold = average * 1.1
      if (toStart >= threshold) toStart = average / 2
      if (
        isCounter &&
        result > 0 &&
        firstValue >= 0 &&
        !(firstValue >= result && toStart <= sampled)
      ) {
        // A counter is not extrapolated below zero. (One that has not even doubled reaches zero no
        // later than it was sampled for: that is told without dividing.)
        const toZero = sampled * (firstValue / result)
        if (toZero < toStart) toStart = toZero
      }
      if (toEnd >= threshold) toEnd = average / 2
      let factor = sampled === 0 ? 1 : (sampled + toStart + toEnd) / sampled
      if (isRate) factor /= seconds
      values[base + i] = result * factor
      present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
    }
  }
}

function findResets(windows: Windows, resetAt: Int32Array): number {
  const { values, count } = windows
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
