/** Go's math.Exp2, bit for bit: FreeBSD's e_exp.c with a power of two (Go's math/exp.go). */

const LN_2_HIGH = 0.6931471803691238
const LN_2_LOW = 1.9082149292705877e-10

/** 2^x. */
export function goExp2(x: number): number {
  if (x !== x || x === Infinity) return x
  if (x === -Infinity) return 0
  if (x > 1023.9999999999999) return Infinity
  if (x < -1.074e3) return 0
  const power = x > 0 ? Math.trunc(x + 0.5) : x < 0 ? Math.trunc(x - 0.5) : 0
  const rest = x - power
  const high = rest * LN_2_HIGH
  const low = -rest * LN_2_LOW
  const reduced = high - low
  const square = reduced * reduced
  const series =
    reduced -
    square *
      (0.16666666666666666 +
        square *
          (-0.0027777777777015593 +
            square *
              (6.613756321437934e-5 +
                square * (-1.6533902205465252e-6 + square * 4.1381367970572385e-8))))
  const value = 1 - (low - (reduced * series) / (2 - series) - high)
  // In two steps: 2^power itself may not be a float.
  const half = Math.trunc(power / 2)
  return value * 2 ** half * 2 ** (power - half)
}
