/**
 * deriv, predict_linear, double_exponential_smoothing and integral, over one series and all steps.
 * After Prometheus promql/functions.go, in its order of operations; lines are the trend kernel's.
 */
import { fail } from '../../errors/index.js'
import { fitLines } from '../../kernels/trend.js'
import type { FunctionRows, RangeKernel } from './kernel.js'

/** Slope per second; the time of the first sample is the origin, which keeps numbers small. */
const deriv: RangeKernel = (windows, _params, values, base, present, wordBase) => {
  const { ts, from, to, steps } = windows
  const { slopes } = fitLines(windows, (step) => ts[from[step]!]!)
  for (let i = 0; i < steps; i++) {
    if (to[i]! - from[i]! < 2) continue
    values[base + i] = slopes[i]!
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

/** Value so many seconds after the evaluation time. */
const predictLinear: RangeKernel = (windows, params, values, base, present, wordBase) => {
  const { from, to, steps, eval0, evalStepMs } = windows
  const ahead = params[0]!
  const lines = fitLines(windows, (step) => eval0 + step * evalStepMs)
  for (let i = 0; i < steps; i++) {
    if (to[i]! - from[i]! < 2) continue
    values[base + i] = lines.slopes[i]! * ahead[i]! + lines.values[i]!
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

/** Holt's double exponential smoothing. */
const doubleExponentialSmoothing: RangeKernel = (
  windows,
  params,
  values,
  base,
  present,
  wordBase,
) => {
  const { values: samples, from, to, steps } = windows
  for (let i = 0; i < steps; i++) {
    if (to[i]! <= from[i]!) continue
    const smoothing = params[0]![i]!
    const trend = params[1]![i]!
    checkFactor('smoothing', 'sf', smoothing)
    checkFactor('trend', 'tf', trend)
    if (to[i]! - from[i]! < 2) continue
    values[base + i] = smooth(samples, from[i]!, to[i]!, smoothing, trend)
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

function checkFactor(name: string, short: string, value: number): void {
  if (value > 0 && value < 1) return
  if (Number.isNaN(value)) return
  throw fail('query-execution', {
    text: `invalid ${name} factor. Expected: 0 < ${short} < 1, got: ${value.toFixed(6)}`,
  })
}

function smooth(
  values: Float64Array,
  from: number,
  to: number,
  smoothing: number,
  trend: number,
): number {
  let before = 0
  let level = values[from]!
  let slope = values[from + 1]! - values[from]!
  for (let k = from + 1; k < to; k++) {
    const scaled = smoothing * values[k]!
    if (k > from + 1) slope = trend * (level - before) + (1 - trend) * slope
    const carried = (1 - smoothing) * (level + slope)
    before = level
    level = scaled + carried
  }
  return level
}

/** Which height integral() gives to the stretch between two samples. */
const LEFT = 0
const RIGHT = 1
const TRAPEZOID = 2

/**
 * The area under the samples, in value × seconds: that between the first and the last one, since
 * nothing is known beyond. As proposed for Prometheus (prometheus/prometheus#14440), which has no such
 * function yet; summed as sum_over_time does.
 */
const integral: RangeKernel = (windows, params, values, base, present, wordBase) => {
  const { ts, values: samples, from, to, steps } = windows
  const strategies = params[0]
  for (let i = 0; i < steps; i++) {
    const first = from[i]!
    if (to[i]! <= first) continue
    const strategy = strategies === undefined ? TRAPEZOID : strategies[i]!
    if (strategy !== LEFT && strategy !== RIGHT && strategy !== TRAPEZOID)
      throw noStrategy(strategy)
    if (to[i]! - first < 2) continue
    values[base + i] = area(ts, samples, first, to[i]!, strategy)
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

function area(
  ts: Float64Array,
  values: Float64Array,
  from: number,
  to: number,
  strategy: number,
): number {
  let sum = 0
  let lost = 0
  for (let k = from + 1; k < to; k++) {
    const left = strategy === RIGHT ? values[k]! : values[k - 1]!
    const right = strategy === LEFT ? values[k - 1]! : values[k]!
    const piece = ((ts[k]! - ts[k - 1]!) / 1e3) * (left === right ? left : left / 2 + right / 2)
    const next = sum + piece
    const back = next - sum
    lost += sum - (next - back) + (piece - back)
    sum = next
  }
  return sum === Number.POSITIVE_INFINITY || sum === Number.NEGATIVE_INFINITY ? sum : sum + lost
}

function noStrategy(strategy: number): Error {
  return fail('query-execution', {
    text: `invalid strategy of integral. Expected: 0 (left), 1 (right) or 2 (trapezoid), got: ${strategy}`,
  })
}

/** Their rows of the function table. */
export const trendFunctions: FunctionRows = {
  deriv: {
    args: ['matrix'],
    variadic: 0,
    returns: 'vector',
    doc: 'The per-second slope of a simple linear regression (gauges).',
    kernel: { form: 'range', run: deriv },
  },
  double_exponential_smoothing: {
    args: ['matrix', 'scalar', 'scalar'],
    variadic: 0,
    returns: 'vector',
    experimental: true,
    doc: 'The smoothed value of a gauge, with a smoothing and a trend factor.',
    kernel: { form: 'range', run: doubleExponentialSmoothing },
  },
  integral: {
    args: ['matrix', 'scalar'],
    variadic: 1,
    returns: 'vector',
    experimental: true,
    doc: 'The area under the samples, in value × seconds, by rule 0 (left), 1 (right) or 2 (trapezoid, the default).',
    kernel: { form: 'range', run: integral },
  },
  predict_linear: {
    args: ['matrix', 'scalar'],
    variadic: 0,
    returns: 'vector',
    doc: 'The value that a linear regression expects so many seconds from now (gauges).',
    kernel: { form: 'range', run: predictLinear },
  },
}
