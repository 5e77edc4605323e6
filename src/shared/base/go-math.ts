/**
 * Powers and arctangents as Go computes them, bit for bit where its method is simple enough: equal
 * bits matter to `==` and to the labels that count_values makes. Follows Go's math package: Pow
 * (squaring of a split float), Atan and Atan2 (Cephes' atan.c).
 */

const words = new Uint32Array(2)
const double = new Float64Array(words.buffer)

/** Go's math.Pow. With a fraction in the exponent the last bit may differ. */
export function goPow(base: number, exponent: number): number {
  if (exponent === 0 || base === 1) return 1
  if (exponent === 1 || base !== base || exponent !== exponent) return base * exponent
  const magnitude = Math.abs(exponent)
  // Unlike JavaScript's, −1 to ±Inf is 1.
  if (magnitude === Infinity && base === -1) return 1
  if (exponent === 0.5 && base >= 0) return Math.sqrt(base)
  if (exponent === -0.5 && base > 0) return 1 / Math.sqrt(base)
  const isPlain = magnitude < 2 ** 31 && Number.isInteger(magnitude)
  if (!isPlain || base === 0 || !Number.isFinite(base)) return base ** exponent
  return integerPower(base, magnitude, exponent < 0)
}

/** base to the power of ±count, by squaring its fraction in ±[0.5, 1) and doubling its exponent. */
function integerPower(base: number, count: number, isInverse: boolean): number {
  let power = splitExponent(base)
  let fraction = scale(base, -power)
  let result = 1
  let resultPower = 0
  for (let rest = count; rest !== 0; rest = Math.floor(rest / 2)) {
    if (power < -4096 || power > 4096) {
      resultPower += power
      break
    }
    if (rest % 2 === 1) {
      result *= fraction
      resultPower += power
    }
    fraction *= fraction
    power *= 2
    if (fraction < 0.5) {
      fraction += fraction
      power--
    }
  }
  if (isInverse) return scale(1 / result, -resultPower)
  return scale(result, resultPower)
}

/** The exponent of a finite number other than 0, its fraction being in ±[0.5, 1). */
function splitExponent(value: number): number {
  let shift = 0
  if (Math.abs(value) < 2 ** -1022) {
    value *= 2 ** 52
    shift = -52
  }
  double[0] = value
  return ((words[1]! >>> 20) & 0x7ff) - 1022 + shift
}

/** value × 2^power. In three steps, of which only the last can round: 2^power itself may overflow. */
function scale(value: number, power: number): number {
  const bounded = Math.max(-2100, Math.min(2100, power))
  const third = Math.trunc(bounded / 3)
  return value * 2 ** third * 2 ** third * 2 ** (bounded - 2 * third)
}

/** Go's math.Atan2. */
export function goAtan2(y: number, x: number): number {
  if (y !== y || x !== x) return Number.NaN
  const isPlain = y !== 0 && x !== 0 && Number.isFinite(y) && Number.isFinite(x)
  if (!isPlain) return Math.atan2(y, x)
  const angle = goAtan(y / x)
  if (x > 0) return angle
  return angle <= 0 ? angle + Math.PI : angle - Math.PI
}

/** Go's math.Atan. */
export function goAtan(x: number): number {
  if (x === 0 || x !== x) return x
  return x > 0 ? positiveAtan(x) : -positiveAtan(-x)
}

/** tan(3π/8) */
const TAN_3_PI_8 = 2.414213562373095
/** What π/2 as a float leaves out. */
const MORE_BITS = 6.123233995736766e-17

function positiveAtan(x: number): number {
  if (x <= 0.66) return atanSeries(x)
  if (x > TAN_3_PI_8) return Math.PI / 2 - atanSeries(1 / x) + MORE_BITS
  return Math.PI / 4 + atanSeries((x - 1) / (x + 1)) + 0.5 * MORE_BITS
}

/** The rational approximation on [0, 0.66]. */
function atanSeries(x: number): number {
  const z = x * x
  const top =
    (((-0.8750608600031904 * z - 16.157537187333652) * z - 75.00855792314705) * z -
      122.88666844901361) *
      z -
    64.85021904942025
  const bottom =
    ((((z + 24.858464901423062) * z + 165.02700983169885) * z + 432.88106049129027) * z +
      485.3903996359137) *
      z +
    194.5506571482614
  return x * ((z * top) / bottom) + x
}
