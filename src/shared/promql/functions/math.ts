/**
 * Functions of one float: rounding, logarithms, trigonometry, limits. After Prometheus
 * promql/functions.go and Go's math package, whose logarithms are followed in their formulas
 * (log10(1000) is 2.9999999999999996 there); exponentials and trigonometry are JavaScript's, which
 * may differ in the last place.
 */
import type { StepMatrix } from '../columns.js'
import type { CallContext, MapKernel, MatrixKernel } from './kernel.js'
import { argumentScalar, argumentVector, copyRows, setNameless } from './rows.js'

/** Makes a kernel of a function of one number. */
function each(apply: (value: number) => number): MapKernel {
  return (values, out, from, to) => {
    for (let k = from; k < to; k++) out[k] = apply(values[k]!)
  }
}

export const abs: MapKernel = each(Math.abs)
export const ceil: MapKernel = each(Math.ceil)
export const floor: MapKernel = each(Math.floor)
export const exp: MapKernel = each(Math.exp)
export const sqrt: MapKernel = each(Math.sqrt)
export const sin: MapKernel = each(Math.sin)
export const cos: MapKernel = each(Math.cos)
export const tan: MapKernel = each(Math.tan)
export const asin: MapKernel = each(Math.asin)
export const acos: MapKernel = each(Math.acos)
export const atan: MapKernel = each(Math.atan)
export const sinh: MapKernel = each(goSinh)
export const cosh: MapKernel = each(goCosh)
export const tanh: MapKernel = each(Math.tanh)
export const asinh: MapKernel = each(Math.asinh)
export const acosh: MapKernel = each(Math.acosh)
export const atanh: MapKernel = each(Math.atanh)
export const ln: MapKernel = each(goLog)
export const log2: MapKernel = each(goLog2)
export const log10: MapKernel = each((value) => goLog2(value) * LOG10_2)
export const deg: MapKernel = each((value) => (value * 180) / Math.PI)
export const rad: MapKernel = each((value) => (value * Math.PI) / 180)
/** Zeros keep their sign, NaN stays NaN. */
export const sgn: MapKernel = each((value) => (value < 0 ? -1 : value > 0 ? 1 : value))

/** Nearest multiple; the multiplier is inverted first, as Prometheus does for accuracy. */
export const round: MapKernel = (values, out, from, to, params, steps) => {
  const nearest = params[0]
  for (let k = from; k < to; k++) {
    const inverse = nearest === undefined ? 1 : 1 / nearest[k % steps]!
    out[k] = Math.floor(values[k]! * inverse + 0.5) / inverse
  }
}

/** Decimal logarithm of 2, which Go rounds once, as a constant. */
const LOG10_2 = 0.3010299956639812

const words = new Uint32Array(2)
const double = new Float64Array(words.buffer)

/** Fraction in [0.5, 1) and exponent of a finite number above 0, as Go's Frexp. */
function splitExponent(value: number): { fraction: number; exponent: number } {
  let shift = 0
  if (value < 2 ** -1022) {
    value *= 2 ** 52
    shift = -52
  }
  double[0] = value
  const exponent = ((words[1]! >>> 20) & 0x7ff) - 1022 + shift
  words[1] = (words[1]! & 0x800fffff) | (1022 << 20)
  return { fraction: double[0]!, exponent }
}

/** Go's math.Log: the method of FreeBSD's e_log.c without its branches. */
function goLog(value: number): number {
  if (Number.isNaN(value) || value === Number.POSITIVE_INFINITY) return value
  if (value < 0) return Number.NaN
  if (value === 0) return Number.NEGATIVE_INFINITY
  let { fraction, exponent } = splitExponent(value)
  if (fraction < Math.SQRT2 / 2) {
    fraction *= 2
    exponent--
  }
  const f = fraction - 1
  const s = f / (2 + f)
  const s2 = s * s
  const s4 = s2 * s2
  const odd =
    s2 *
    (0.6666666666666735 +
      s4 * (0.2857142874366239 + s4 * (0.1818357216161805 + s4 * 0.14798198605116586)))
  const even = s4 * (0.3999999999940942 + s4 * (0.22222198432149784 + s4 * 0.15313837699209373))
  const rest = odd + even
  const half = 0.5 * f * f
  return (
    exponent * 0.6931471803691238 -
    (half - (s * (half + rest) + exponent * 1.9082149292705877e-10) - f)
  )
}

/** Go's math.Sinh and Cosh take half of the exponential from 21 on, which overflows earlier. */
function goSinh(value: number): number {
  if (Math.abs(value) <= 21) return Math.sinh(value)
  return Math.sign(value) * Math.exp(Math.abs(value)) * 0.5
}

function goCosh(value: number): number {
  return Math.abs(value) <= 21 ? Math.cosh(value) : Math.exp(Math.abs(value)) * 0.5
}

/** Go's math.Log2: powers of two are exact. */
function goLog2(value: number): number {
  if (!(value > 0) || value === Number.POSITIVE_INFINITY) return goLog(value)
  const { fraction, exponent } = splitExponent(value)
  if (fraction === 0.5) return exponent - 1
  return goLog(fraction) * Math.LOG2E + exponent
}

/** Go's math.Max: an infinity wins over NaN. */
export function goMax(a: number, b: number): number {
  if (a === Number.POSITIVE_INFINITY || b === Number.POSITIVE_INFINITY) {
    return Number.POSITIVE_INFINITY
  }
  return Math.max(a, b)
}

/** Go's math.Min: an infinity wins over NaN. */
export function goMin(a: number, b: number): number {
  if (a === Number.NEGATIVE_INFINITY || b === Number.NEGATIVE_INFINITY) {
    return Number.NEGATIVE_INFINITY
  }
  return Math.min(a, b)
}

/** Values limited to [min, max]; a step where max is below min has no values. */
export const clamp: MatrixKernel = (args, context) =>
  limited(context, argumentVector(args, 0), argumentScalar(args, 1), argumentScalar(args, 2))

/** clamp_min. */
export const clampMin: MatrixKernel = (args, context) =>
  limited(context, argumentVector(args, 0), argumentScalar(args, 1), undefined)

/** clamp_max. */
export const clampMax: MatrixKernel = (args, context) =>
  limited(context, argumentVector(args, 0), undefined, argumentScalar(args, 1))

function limited(
  context: CallContext,
  input: StepMatrix,
  mins: Float64Array | undefined,
  maxs: Float64Array | undefined,
): StepMatrix {
  const out = copyRows(context, input)
  setNameless(context, out)
  const { steps, words: wordCount, values, present } = out
  for (let step = 0; step < steps; step++) {
    const min = mins === undefined ? Number.NEGATIVE_INFINITY : mins[step]!
    const max = maxs === undefined ? Number.POSITIVE_INFINITY : maxs[step]!
    const isEmpty = max < min
    for (let row = 0; row < out.series; row++) {
      if (isEmpty) present[row * wordCount + (step >>> 5)]! &= ~(1 << (step & 31))
      else {
        const at = row * steps + step
        values[at] = goMax(min, goMin(max, values[at]!))
      }
    }
  }
  return out
}
