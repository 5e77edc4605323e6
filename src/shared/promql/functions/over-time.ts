/**
 * The *_over_time functions of floats, over one series and all steps. After Prometheus
 * promql/functions.go; sums are compensated (Kahan, with Neumaier's improvement) as there, and start
 * anew in every window: running or prefix sums would give other bits. What an addition loses is exact
 * however it is got; Knuth's TwoSum does without a branch. Hot path; benchmark:
 * bench/shared/promql/functions.bench.ts.
 */
import { printFloatShort } from '../../base/go-number.js'
import type { FunctionRows, RangeKernel } from './kernel.js'
import { histogramsAvg, histogramsFirst, histogramsLast, histogramsSum } from './native-range.js'
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

const countOverTime: RangeKernel = overWindows((_ts, _values, from, to) => to - from)

const presentOverTime: RangeKernel = overWindows(() => 1)

const firstOverTime: RangeKernel = overWindows((_ts, values, from) => values[from]!)

const lastOverTime: RangeKernel = overWindows((_ts, values, _from, to) => values[to - 1]!)

const tsOfFirstOverTime: RangeKernel = overWindows((ts, _values, from) => ts[from]! / 1000)

const tsOfLastOverTime: RangeKernel = overWindows((ts, _v, _from, to) => ts[to - 1]! / 1000)

const maxOverTime: RangeKernel = overWindows((_ts, values, from, to) => {
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

const minOverTime: RangeKernel = overWindows((_ts, values, from, to) => {
  let k = from
  let min = values[k]!
  while (min !== min && ++k < to) min = values[k]!
  for (; k < to; k++) {
    const value = values[k]!
    min = value < min ? value : min
  }
  return min
})

const tsOfMaxOverTime: RangeKernel = overWindows((ts, values, from, to) => {
  let at = from
  for (let k = from + 1; k < to; k++) {
    const max = values[at]!
    if (values[k]! >= max || max !== max) at = k
  }
  return ts[at]! / 1000
})

const tsOfMinOverTime: RangeKernel = overWindows((ts, values, from, to) => {
  let at = from
  for (let k = from + 1; k < to; k++) {
    const min = values[at]!
    if (values[k]! <= min || min !== min) at = k
  }
  return ts[at]! / 1000
})

const sumOverTime: RangeKernel = overWindows((_ts, values, from, to) => {
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

const avgOverTime: RangeKernel = overWindows((_ts, values, from, to) => {
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

const stdvarOverTime: RangeKernel = overWindows(variance)

const stddevOverTime: RangeKernel = overWindows((ts, values, from, to) =>
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

const quantileOverTime: RangeKernel = makeQuantile()

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
const madOverTime: RangeKernel = overWindows((_ts, values, from, to) => {
  const window = values.slice(from, to)
  const count = to - from
  const median = quantileOf(0.5, window, count)
  // NaNs come first.
  if (Number.isNaN(window[0])) return Number.NaN
  for (let k = 0; k < count; k++) window[k] = Math.abs(window[k]! - median)
  return quantileOf(0.5, window, count)
})

/** Their rows of the function table. */
export const overTimeFunctions: FunctionRows = {
  avg_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The mean of the samples in the range.',
    kernel: { form: 'range', run: avgOverTime, histograms: histogramsAvg },
  },
  count_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'How many samples the range holds.',
    kernel: { form: 'range', run: countOverTime, histograms: 'alike' },
  },
  first_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    experimental: true,
    doc: 'The oldest sample in the range.',
    kernel: { form: 'range', run: firstOverTime, histograms: histogramsFirst, keepsName: true },
  },
  last_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The newest sample in the range.',
    kernel: { form: 'range', run: lastOverTime, histograms: histogramsLast, keepsName: true },
  },
  mad_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    experimental: true,
    doc: 'The median absolute deviation of the samples in the range.',
    kernel: { form: 'range', run: madOverTime },
  },
  max_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The largest sample in the range.',
    kernel: { form: 'range', run: maxOverTime },
  },
  min_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The smallest sample in the range.',
    kernel: { form: 'range', run: minOverTime },
  },
  present_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'A 1 for each series with a sample in the range.',
    kernel: { form: 'range', run: presentOverTime, histograms: 'alike' },
  },
  quantile_over_time: {
    args: ['scalar', 'matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The quantile of the samples in the range.',
    kernel: { form: 'range', run: quantileOverTime },
  },
  stddev_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The population standard deviation of the samples in the range.',
    kernel: { form: 'range', run: stddevOverTime },
  },
  stdvar_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The population variance of the samples in the range.',
    kernel: { form: 'range', run: stdvarOverTime },
  },
  sum_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The sum of the samples in the range.',
    kernel: { form: 'range', run: sumOverTime, histograms: histogramsSum },
  },
  ts_of_first_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    experimental: true,
    doc: 'When the oldest sample in the range was taken, in seconds.',
    kernel: { form: 'range', run: tsOfFirstOverTime, histograms: 'alike' },
  },
  ts_of_last_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    experimental: true,
    doc: 'When the newest sample in the range was taken, in seconds.',
    kernel: { form: 'range', run: tsOfLastOverTime, histograms: 'alike' },
  },
  ts_of_max_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    experimental: true,
    doc: 'When the largest sample in the range was taken last, in seconds.',
    kernel: { form: 'range', run: tsOfMaxOverTime },
  },
  ts_of_min_over_time: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    experimental: true,
    doc: 'When the smallest sample in the range was taken last, in seconds.',
    kernel: { form: 'range', run: tsOfMinOverTime },
  },
}
