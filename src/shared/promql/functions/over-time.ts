/**
 * The *_over_time functions of floats, over one series and all steps. After Prometheus
 * promql/functions.go; sums are compensated (Kahan, with Neumaier's improvement) as there, and start
 * anew in every window: running or prefix sums would give other bits. What an addition loses is exact
 * however it is got; Knuth's TwoSum does without a branch. Hot path; benchmark:
 * bench/shared/promql/functions.bench.ts.
 */
import { printFloatShort } from '../../base/go-number.js'
import type { RangeKernel } from './kernel.js'
import { quantileOf } from './quantile.js'

/** Makes a kernel of what gives the value of a window that is not empty. */
function overWindows(
  value: (ts: Float64Array, values: Float64Array, from: number, to: number) => number,
): RangeKernel {
  return (windows, _params, values, base, present, wordBase) => {
    const { ts, values: samples, from, to, steps } = windows
    for (let i = 0; i < steps; i++) {
      const first = from[i]!
      const end = to[i]!
      if (end <= first) continue
      values[base + i] = value(ts, samples, first, end)
      present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
    }
  }
}

export const countOverTime: RangeKernel = overWindows((_ts, _values, from, to) => to - from)

export const presentOverTime: RangeKernel = overWindows(() => 1)

export const firstOverTime: RangeKernel = overWindows((_ts, values, from) => values[from]!)

export const lastOverTime: RangeKernel = overWindows((_ts, values, _from, to) => values[to - 1]!)

export const tsOfFirstOverTime: RangeKernel = overWindows((ts, _values, from) => ts[from]! / 1000)

export const tsOfLastOverTime: RangeKernel = overWindows((ts, _v, _from, to) => ts[to - 1]! / 1000)

export const maxOverTime: RangeKernel = overWindows((_ts, values, from, to) => {
  let k = from
  let max = values[k]!
  // NaN gives way to any number; no comparison below holds for it.
  while (max !== max && ++k < to) max = values[k]!
  for (; k < to; k++) {
    const value = values[k]!
    max = value > max ? value : max
  }
  return max
})

export const minOverTime: RangeKernel = overWindows((_ts, values, from, to) => {
  let k = from
  let min = values[k]!
  while (min !== min && ++k < to) min = values[k]!
  for (; k < to; k++) {
    const value = values[k]!
    min = value < min ? value : min
  }
  return min
})

export const tsOfMaxOverTime: RangeKernel = overWindows((ts, values, from, to) => {
  let at = from
  for (let k = from + 1; k < to; k++) {
    const max = values[at]!
    if (values[k]! >= max || max !== max) at = k
  }
  return ts[at]! / 1000
})

export const tsOfMinOverTime: RangeKernel = overWindows((ts, values, from, to) => {
  let at = from
  for (let k = from + 1; k < to; k++) {
    const min = values[at]!
    if (values[k]! <= min || min !== min) at = k
  }
  return ts[at]! / 1000
})

export const sumOverTime: RangeKernel = overWindows((_ts, values, from, to) => {
  let sum = 0
  let lost = 0
  for (let k = from; k < to; k++) {
    const value = values[k]!
    const next = sum + value
    const back = next - sum
    lost += sum - (next - back) + (value - back)
    sum = next
  }
  // Once infinite it stays so or becomes NaN; what was lost is void then.
  return sum === Number.POSITIVE_INFINITY || sum === Number.NEGATIVE_INFINITY ? sum : sum + lost
})

export const avgOverTime: RangeKernel = overWindows((_ts, values, from, to) => {
  let sum = values[from]!
  let lost = 0
  for (let k = from + 1; k < to; k++) {
    const value = values[k]!
    const next = sum + value
    if (next === Number.POSITIVE_INFINITY || next === Number.NEGATIVE_INFINITY) {
      return incrementalMean(values, k, to, { sum, lost, count: k - from })
    }
    const back = next - sum
    lost += sum - (next - back) + (value - back)
    sum = next
  }
  const count = to - from
  return sum / count + lost / count
})

/** Goes on with a mean where the sum would overflow. */
function incrementalMean(
  values: Float64Array,
  from: number,
  to: number,
  begun: { sum: number; lost: number; count: number },
): number {
  let { count } = begun
  let mean = begun.sum / count
  let lost = begun.lost / count
  for (let k = from; k < to; k++) {
    count++
    const share = (count - 1) / count
    const value = values[k]! / count
    const old = share * mean
    lost *= share
    mean = old + value
    if (mean === Number.POSITIVE_INFINITY || mean === Number.NEGATIVE_INFINITY) lost = 0
    else lost += Math.abs(old) >= Math.abs(value) ? old - mean + value : value - mean + old
  }
  return mean + lost
}

/** Population variance by Welford's method, both of its sums compensated. */
function variance(_ts: Float64Array, values: Float64Array, from: number, to: number): number {
  let count = 0
  let mean = 0
  let meanLost = 0
  let sum = 0
  let sumLost = 0
  for (let k = from; k < to; k++) {
    const value = values[k]!
    count++
    const distance = value - (mean + meanLost)
    const step = distance / count
    const nextMean = mean + step
    if (nextMean === Number.POSITIVE_INFINITY || nextMean === Number.NEGATIVE_INFINITY) meanLost = 0
    else {
      meanLost += Math.abs(mean) >= Math.abs(step) ? mean - nextMean + step : step - nextMean + mean
    }
    mean = nextMean
    const square = distance * (value - (mean + meanLost))
    const nextSum = sum + square
    if (nextSum === Number.POSITIVE_INFINITY || nextSum === Number.NEGATIVE_INFINITY) sumLost = 0
    else {
      sumLost += Math.abs(sum) >= Math.abs(square) ? sum - nextSum + square : square - nextSum + sum
    }
    sum = nextSum
  }
  return (sum + sumLost) / count
}

export const stdvarOverTime: RangeKernel = overWindows(variance)

export const stddevOverTime: RangeKernel = overWindows((ts, values, from, to) =>
  Math.sqrt(variance(ts, values, from, to)),
)

/** Scratch of the kernels that change the order of samples, kept and grown from window to window. */
interface Scratch {
  values: Float64Array
}

function copyInto(scratch: Scratch, samples: Float64Array, from: number, to: number): Float64Array {
  if (scratch.values.length < to - from) scratch.values = new Float64Array(2 * (to - from))
  const { values } = scratch
  for (let k = from; k < to; k++) values[k - from] = samples[k]!
  return values
}

export const quantileOverTime: RangeKernel = makeQuantile()

function makeQuantile(): RangeKernel {
  const scratch: Scratch = { values: new Float64Array(64) }
  return (windows, params, values, base, present, wordBase, notes) => {
    const { values: samples, from, to, steps } = windows
    const quantiles = params[0]!
    for (let i = 0; i < steps; i++) {
      const first = from[i]!
      const count = to[i]! - first
      if (count <= 0) continue
      const q = quantiles[i]!
      if (!(q >= 0 && q <= 1)) {
        notes.warn(`quantile value should be between 0 and 1, got ${printFloatShort(q)}`)
      }
      values[base + i] = quantileOf(q, copyInto(scratch, samples, first, to[i]!), count)
      present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
    }
  }
}

/** Median absolute deviation; NaN once a sample is. */
export const madOverTime: RangeKernel = overWindows((_ts, values, from, to) => {
  const window = values.slice(from, to)
  const count = to - from
  const median = quantileOf(0.5, window, count)
  // NaNs come first.
  if (Number.isNaN(window[0])) return Number.NaN
  for (let k = 0; k < count; k++) window[k] = Math.abs(window[k]! - median)
  return quantileOf(0.5, window, count)
})
