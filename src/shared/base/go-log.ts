/**
 * Logarithms as Go computes them, bit for bit: equal bits matter to `==` and to the labels that
 * count_values makes. Follows Go's math package: log.go (FreeBSD's e_log.c), log10.go.
 */

/** 1 / ln 10, which Go rounds once, as a constant. */
const PER_LN_10 = 0.4342944819032518

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
export function goLog(value: number): number {
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

/** Go's math.Log2: powers of two are exact. */
export function goLog2(value: number): number {
  if (!(value > 0) || value === Number.POSITIVE_INFINITY) return goLog(value)
  const { fraction, exponent } = splitExponent(value)
  if (fraction === 0.5) return exponent - 1
  return goLog(fraction) * Math.LOG2E + exponent
}

/** Go's math.Log10. */
export function goLog10(value: number): number {
  return goLog(value) * PER_LN_10
}
