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
import type { CallContext, FunctionRows, MapKernel, MatrixKernel } from './kernel.js'
import {
  argumentScalar,
  argumentVector,
  copyRows,
  dropHistograms,
  oneRow,
  setNameless,
} from './rows.js'

/** Makes a kernel of a function of one number. */
function each(apply: (value: number) => number): MapKernel {
  return (values, out, from, to) => {
    for (let k = from; k < to; k++) out[k] = apply(values[k]!)
  }
}

const abs: MapKernel = each(Math.abs)
const ceil: MapKernel = each(Math.ceil)
const floor: MapKernel = each(Math.floor)
const exp: MapKernel = each(Math.exp)
const sqrt: MapKernel = each(Math.sqrt)
const sin: MapKernel = each(goSin)
const cos: MapKernel = each(goCos)
const tan: MapKernel = each(goTan)
const asin: MapKernel = each(goAsin)
const acos: MapKernel = each(goAcos)
const atan: MapKernel = each(goAtan)
const sinh: MapKernel = each(goSinh)
const cosh: MapKernel = each(goCosh)
const tanh: MapKernel = each(goTanh)
const asinh: MapKernel = each(goAsinh)
const acosh: MapKernel = each(goAcosh)
const atanh: MapKernel = each(goAtanh)
const ln: MapKernel = each(goLog)
const log2: MapKernel = each(goLog2)
const log10: MapKernel = each(goLog10)
const deg: MapKernel = each((value) => (value * 180) / Math.PI)
const rad: MapKernel = each((value) => (value * Math.PI) / 180)
/** Zeros keep their sign, NaN stays NaN. */
const sgn: MapKernel = each((value) => (value < 0 ? -1 : value > 0 ? 1 : value))

/** Nearest multiple; the multiplier is inverted first, as Prometheus does for accuracy. */
const round: MapKernel = (values, out, from, to, params, steps) => {
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
const clamp: MatrixKernel = (args, context) =>
  limited(context, argumentVector(args, 0), argumentScalar(args, 1), argumentScalar(args, 2))

/** clamp_min. */
const clampMin: MatrixKernel = (args, context) =>
  limited(context, argumentVector(args, 0), argumentScalar(args, 1), undefined)

/** clamp_max. */
const clampMax: MatrixKernel = (args, context) =>
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

/** The larger or smaller of two scalars, as Go's math.Max and math.Min have it. */
function ofTwo(pick: (a: number, b: number) => number): MatrixKernel {
  return (args, context) => {
    const left = argumentScalar(args, 0)
    const right = argumentScalar(args, 1)
    return oneRow(context, (step) => pick(left[step]!, right[step]!))
  }
}

/** Their rows of the function table. */
export const mathFunctions: FunctionRows = {
  abs: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The absolute value.',
    kernel: { form: 'map', run: abs },
  },
  acos: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The arccosine, in radians.',
    kernel: { form: 'map', run: acos },
  },
  acosh: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The inverse hyperbolic cosine.',
    kernel: { form: 'map', run: acosh },
  },
  asin: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The arcsine, in radians.',
    kernel: { form: 'map', run: asin },
  },
  asinh: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The inverse hyperbolic sine.',
    kernel: { form: 'map', run: asinh },
  },
  atan: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The arctangent, in radians.',
    kernel: { form: 'map', run: atan },
  },
  atanh: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The inverse hyperbolic tangent.',
    kernel: { form: 'map', run: atanh },
  },
  ceil: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The value rounded up to an integer.',
    kernel: { form: 'map', run: ceil },
  },
  clamp: {
    args: ['vector', 'scalar', 'scalar'],
    variadic: 0,
    returns: 'vector',
    doc: 'The value limited to [min, max]; nothing when max < min.',
    kernel: { form: 'matrix', run: clamp },
  },
  clamp_max: {
    args: ['vector', 'scalar'],
    variadic: 0,
    returns: 'vector',
    doc: 'The value, at most max.',
    kernel: { form: 'matrix', run: clampMax },
  },
  clamp_min: {
    args: ['vector', 'scalar'],
    variadic: 0,
    returns: 'vector',
    doc: 'The value, at least min.',
    kernel: { form: 'matrix', run: clampMin },
  },
  cos: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The cosine of radians.',
    kernel: { form: 'map', run: cos },
  },
  cosh: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The hyperbolic cosine.',
    kernel: { form: 'map', run: cosh },
  },
  deg: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'Radians as degrees.',
    kernel: { form: 'map', run: deg },
  },
  exp: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The power of e.',
    kernel: { form: 'map', run: exp },
  },
  floor: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The value rounded down to an integer.',
    kernel: { form: 'map', run: floor },
  },
  ln: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The natural logarithm.',
    kernel: { form: 'map', run: ln },
  },
  log10: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The decimal logarithm.',
    kernel: { form: 'map', run: log10 },
  },
  log2: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The binary logarithm.',
    kernel: { form: 'map', run: log2 },
  },
  max_of: {
    args: ['scalar', 'scalar'],
    variadic: 0,
    returns: 'scalar',
    experimental: true,
    doc: 'The larger of two scalars.',
    kernel: { form: 'matrix', run: ofTwo(goMax) },
  },
  min_of: {
    args: ['scalar', 'scalar'],
    variadic: 0,
    returns: 'scalar',
    experimental: true,
    doc: 'The smaller of two scalars.',
    kernel: { form: 'matrix', run: ofTwo(goMin) },
  },
  rad: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'Degrees as radians.',
    kernel: { form: 'map', run: rad },
  },
  round: {
    args: ['vector', 'scalar'],
    variadic: 1,
    returns: 'vector',
    doc: 'The value rounded to the nearest multiple; ties go up.',
    kernel: { form: 'map', run: round },
  },
  sgn: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The sign: -1, 0 or 1.',
    kernel: { form: 'map', run: sgn },
  },
  sin: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The sine of radians.',
    kernel: { form: 'map', run: sin },
  },
  sinh: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The hyperbolic sine.',
    kernel: { form: 'map', run: sinh },
  },
  sqrt: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The square root.',
    kernel: { form: 'map', run: sqrt },
  },
  tan: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The tangent of radians.',
    kernel: { form: 'map', run: tan },
  },
  tanh: {
    args: ['vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The hyperbolic tangent.',
    kernel: { form: 'map', run: tanh },
  },
}
