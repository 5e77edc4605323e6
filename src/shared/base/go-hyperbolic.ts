/**
 * Hyperbolic functions and their inverses as Go computes them. Follows Go's math package: asinh.go,
 * acosh.go, atanh.go (FreeBSD), sinh.go (Hart and Cheney), tanh.go (Cephes). The inverses have Go's
 * bits; the others are made of exponentials, which may differ in the last place.
 */
import { goLog } from './go-log.js'

/** Above this the formulas of the inverse hyperbolic functions lose their lesser terms. */
const LARGE = 2 ** 28

/** Go's math.Asinh. */
export function goAsinh(x: number): number {
  if (!Number.isFinite(x)) return x
  const size = Math.abs(x)
  let value = size
  if (size > LARGE) value = goLog(size) + Math.LN2
  else if (size > 2) value = goLog(2 * size + 1 / (Math.sqrt(size * size + 1) + size))
  else if (size >= 1 / LARGE) {
    value = Math.log1p(size + (size * size) / (1 + Math.sqrt(1 + size * size)))
  }
  return x < 0 || Object.is(x, -0) ? -value : value
}

/** Go's math.Acosh. */
export function goAcosh(x: number): number {
  if (!(x >= 1)) return Number.NaN
  if (x === 1) return 0
  if (x >= LARGE) return goLog(x) + Math.LN2
  if (x > 2) return goLog(2 * x - 1 / (x + Math.sqrt(x * x - 1)))
  const above = x - 1
  return Math.log1p(above + Math.sqrt(2 * above + above * above))
}

/** Go's math.Atanh. */
export function goAtanh(x: number): number {
  const size = Math.abs(x)
  if (!(size <= 1)) return Number.NaN
  let value = size
  if (size === 1) value = Number.POSITIVE_INFINITY
  else if (size >= 0.5) value = 0.5 * Math.log1p((size + size) / (1 - size))
  else if (size >= 1 / LARGE) {
    const twice = size + size
    value = 0.5 * Math.log1p(twice + (twice * size) / (1 - size))
  }
  return x < 0 || Object.is(x, -0) ? -value : value
}

/** Go's math.Sinh: a rational approximation near zero. */
export function goSinh(x: number): number {
  const size = Math.abs(x)
  let value: number
  if (size > 21) value = Math.exp(size) * 0.5
  else if (size > 0.5) {
    const power = Math.exp(size)
    value = (power - 1 / power) * 0.5
  } else {
    const square = size * size
    const top =
      ((-26.30563213397497 * square - 2894.211355989564) * square - 89912.72022039509) * square -
      630767.3640497717
    const bottom = ((square - 173.6789535582337) * square + 15215.17378790019) * square
    value = (top * size) / (bottom - 630767.3640497717)
  }
  return x < 0 || Object.is(x, -0) ? -value : value
}

/** Go's math.Cosh. */
export function goCosh(x: number): number {
  const size = Math.abs(x)
  const power = Math.exp(size)
  return size > 21 ? power * 0.5 : (power + 1 / power) * 0.5
}

/** Go's math.Tanh: Cephes' rational approximation near zero. */
export function goTanh(x: number): number {
  const size = Math.abs(x)
  if (x === 0 || x !== x) return x
  if (size > 0.5 * 88.02969193111305) return Math.sign(x)
  if (size >= 0.625) return Math.sign(x) * (1 - 2 / (Math.exp(2 * size) + 1))
  const square = x * x
  const top = (-0.9643991794250523 * square - 99.28772310019185) * square - 1614.6876844170845
  const bottom =
    ((square + 112.81167849163293) * square + 2235.4883906010045) * square + 4844.063053251255
  return x + (x * square * top) / bottom
}
