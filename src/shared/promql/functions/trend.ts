/**
 * deriv, predict_linear and double_exponential_smoothing, over one series and all steps. After
 * Prometheus promql/functions.go (linearRegression), in its order of operations.
 */
import { fail } from '../../errors/index.js'
import type { RangeKernel } from './kernel.js'

/** What linear() found; one object, reused. */
interface Line {
  slope: number
  /** The value at the intercept time. */
  intercept: number
}

/** Neumaier's compensated addition; its two results stay in the object. */
interface Compensated {
  sum: number
  lost: number
}

function add(to: Compensated, value: number): void {
  const { sum } = to
  const next = sum + value
  if (next === Number.POSITIVE_INFINITY || next === Number.NEGATIVE_INFINITY) to.lost = 0
  else to.lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum
  to.sum = next
}

/** Least squares over samples [from, to) with time in seconds from interceptMs. */
function linear(
  ts: Float64Array,
  values: Float64Array,
  from: number,
  to: number,
  interceptMs: number,
  line: Line,
): void {
  const x: Compensated = { sum: 0, lost: 0 }
  const y: Compensated = { sum: 0, lost: 0 }
  const xy: Compensated = { sum: 0, lost: 0 }
  const xx: Compensated = { sum: 0, lost: 0 }
  const first = values[from]!
  let isConstant = true
  for (let k = from; k < to; k++) {
    const value = values[k]!
    if (k > from && value !== first) isConstant = false
    const seconds = (ts[k]! - interceptMs) / 1e3
    add(x, seconds)
    add(y, value)
    add(xy, seconds * value)
    add(xx, seconds * seconds)
  }
  if (isConstant) {
    const hasLine = Math.abs(first) !== Number.POSITIVE_INFINITY
    line.slope = hasLine ? 0 : Number.NaN
    line.intercept = hasLine ? first : Number.NaN
    return
  }
  const n = to - from
  const sumX = x.sum + x.lost
  const sumY = y.sum + y.lost
  const covariance = xy.sum + xy.lost - (sumX * sumY) / n
  const variance = xx.sum + xx.lost - (sumX * sumX) / n
  line.slope = covariance / variance
  line.intercept = sumY / n - (line.slope * sumX) / n
}

/** Slope per second; the time of the first sample is the origin, which keeps numbers small. */
export const deriv: RangeKernel = (windows, _params, values, base, present, wordBase) => {
  const { ts, values: samples, from, to, steps } = windows
  const line: Line = { slope: 0, intercept: 0 }
  for (let i = 0; i < steps; i++) {
    const first = from[i]!
    if (to[i]! - first < 2) continue
    linear(ts, samples, first, to[i]!, ts[first]!, line)
    values[base + i] = line.slope
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

/** Value so many seconds after the evaluation time. */
export const predictLinear: RangeKernel = (windows, params, values, base, present, wordBase) => {
  const { ts, values: samples, from, to, steps, eval0, evalStepMs } = windows
  const ahead = params[0]!
  const line: Line = { slope: 0, intercept: 0 }
  for (let i = 0; i < steps; i++) {
    const first = from[i]!
    if (to[i]! - first < 2) continue
    linear(ts, samples, first, to[i]!, eval0 + i * evalStepMs, line)
    values[base + i] = line.slope * ahead[i]! + line.intercept
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

/** Holt's double exponential smoothing. */
export const doubleExponentialSmoothing: RangeKernel = (
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
