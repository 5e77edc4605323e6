/**
 * Functions of one float: rounding, logarithms, trigonometry, limits. After Prometheus
 * promql/functions.go and Go's math package, which base/go-*.ts follow bit for bit; only exponentials and
 * what is made of them are JavaScript's, since Go's use fused multiplication: they differ in the last
 * place for one value in 15.
 */
import { goAcosh, goAsinh, goAtanh, goCosh, goSinh, goTanh } from '../../base/go-hyperbolic.js'
import { goLog, goLog2, goLog10 } from '../../base/go-log.js'
import { goAtan } from '../../base/go-math.js'
import { goAcos, goAsin, goCos, goSin, goTan } from '../../base/go-trig.js'
import type { StepMatrix } from '../columns.js'
import type { CallContext, MapKernel, MatrixKernel } from './kernel.js'
import { argumentScalar, argumentVector, copyRows, dropHistograms, setNameless } from './rows.js'

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
export const sin: MapKernel = each(goSin)
export const cos: MapKernel = each(goCos)
export const tan: MapKernel = each(goTan)
export const asin: MapKernel = each(goAsin)
export const acos: MapKernel = each(goAcos)
export const atan: MapKernel = each(goAtan)
export const sinh: MapKernel = each(goSinh)
export const cosh: MapKernel = each(goCosh)
export const tanh: MapKernel = each(goTanh)
export const asinh: MapKernel = each(goAsinh)
export const acosh: MapKernel = each(goAcosh)
export const atanh: MapKernel = each(goAtanh)
export const ln: MapKernel = each(goLog)
export const log2: MapKernel = each(goLog2)
export const log10: MapKernel = each(goLog10)
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
  dropHistograms(out)
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
