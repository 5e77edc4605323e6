/**
 * Sine, cosine, tangent and their inverses as Go computes them, bit for bit: equal bits matter to
 * `==` and to the labels that count_values makes. Follows Go's math package: sin.go and tan.go
 * (Cephes), trig_reduce.go (Payne and Hanek), asin.go.
 */
import { goAtan } from './go-math.js'

/** From here on three parts of π/4 are too few. */
const REDUCE_MIN = 2 ** 29
const QUARTER_PI_A = 0.7853981256484985
const QUARTER_PI_B = 3.774894707930798e-8
const QUARTER_PI_C = 2.6951514290790595e-15

/** What an angle is after whole octants are taken off; one object, reused. */
interface Reduced {
  /** Octant of the circle, even: 0 to 6. */
  octant: number
  /** In ±[0, π/4]. */
  rest: number
}

const reduced: Reduced = { octant: 0, rest: 0 }

/** Takes whole octants off a finite angle that is not negative. */
function reduce(angle: number): void {
  if (angle >= REDUCE_MIN) {
    reduceFar(angle)
    return
  }
  let octants = Math.floor(angle * (4 / Math.PI))
  if (octants % 2 === 1) octants++
  reduced.octant = octants % 8
  reduced.rest = angle - octants * QUARTER_PI_A - octants * QUARTER_PI_B - octants * QUARTER_PI_C
}

const WORD = 64n
const WORD_MASK = (1n << WORD) - 1n
/** Binary digits of 4/π: one word before the point, 19 after it. */
let fourOverPi: bigint | undefined

/**
 * Angles of any size: the mantissa times the digits of 4/π that matter for its exponent. Works on
 * a product of 64 × 192 bits, of which the upper 128 are looked at, as Go does.
 */
function reduceFar(angle: number): void {
  fourOverPi ??= computeFourOverPi()
  const bits = new BigUint64Array(Float64Array.of(angle).buffer)[0]!
  const exponent = Number(bits >> 52n) - 1023 - 52
  const mantissa = (bits & ((1n << 52n) - 1n)) | (1n << 52n)
  // Three words of digits, so that the product's leading one has the exponent −61.
  const digits =
    (fourOverPi >> (19n * WORD - BigInt(exponent + 61) - 2n * WORD)) & ((1n << 192n) - 1n)
  const low = mantissa * (digits & WORD_MASK)
  const middle = mantissa * ((digits >> WORD) & WORD_MASK)
  const high = (mantissa * (digits >> (2n * WORD))) & WORD_MASK
  const product = ((high << WORD) + middle + (low >> WORD)) & ((WORD_MASK << WORD) | WORD_MASK)
  let octant = Number(product >> 125n)
  let rest = fractionOf((product >> 61n) & WORD_MASK, product & WORD_MASK)
  if (octant % 2 === 1) {
    octant = (octant + 1) % 8
    rest--
  }
  reduced.octant = octant
  reduced.rest = rest * (Math.PI / 4)
}

/**
 * A fraction of 64 bits as a float, cut off, not rounded. Where it begins with zeros bits of `low`
 * follow from its first one on; three of those stand in the fraction already, which Go overlooks.
 */
function fractionOf(fraction: bigint, low: bigint): number {
  if (fraction === 0n) return 0
  const shift = BigInt(65 - fraction.toString(2).length)
  const digits = ((fraction << shift) | (low >> (WORD - shift))) & WORD_MASK
  return (1 + Number(digits >> 12n) * 2 ** -52) * 2 ** -Number(shift)
}

/** 4/π with 19 words after the point, by Machin's formula with some to spare. */
function computeFourOverPi(): bigint {
  const one = 1n << 1400n
  const arctanInverse = (n: bigint): bigint => {
    let term = one / n
    let sum = term
    for (let k = 3n; term !== 0n; k += 2n) {
      term = -term / (n * n)
      sum += term / k
    }
    return sum
  }
  const quarterPi = 4n * arctanInverse(5n) - arctanInverse(239n)
  return ((one << (19n * WORD)) / quarterPi) & ((1n << (20n * WORD)) - 1n)
}

function sinSeries(z: number): number {
  const zz = z * z
  return (
    z +
    z *
      zz *
      (((((1.5896230157654656e-10 * zz - 2.5050747762857807e-8) * zz + 2.7557313621385722e-6) * zz -
        0.0001984126982958954) *
        zz +
        0.008333333333322118) *
        zz -
        0.1666666666666663)
  )
}

function cosSeries(z: number): number {
  const zz = z * z
  return (
    1 -
    0.5 * zz +
    zz *
      zz *
      (((((-1.1358536521387682e-11 * zz + 2.087570084197473e-9) * zz - 2.755731417929674e-7) * zz +
        0.000024801587288851704) *
        zz -
        0.0013888888888873056) *
        zz +
        0.041666666666666595)
  )
}

/** Go's math.Sin. */
export function goSin(x: number): number {
  if (x === 0 || x !== x) return x
  if (Math.abs(x) === Number.POSITIVE_INFINITY) return Number.NaN
  reduce(Math.abs(x))
  const { octant, rest } = reduced
  const isNegative = x < 0 !== octant > 3
  const value = octant % 4 === 2 ? cosSeries(rest) : sinSeries(rest)
  return isNegative ? -value : value
}

/** Go's math.Cos. */
export function goCos(x: number): number {
  if (x !== x || Math.abs(x) === Number.POSITIVE_INFINITY) return Number.NaN
  reduce(Math.abs(x))
  const { octant, rest } = reduced
  const value = octant % 4 === 2 ? sinSeries(rest) : cosSeries(rest)
  return octant === 2 || octant === 4 ? -value : value
}

/** Go's math.Tan. */
export function goTan(x: number): number {
  if (x === 0 || x !== x) return x
  if (Math.abs(x) === Number.POSITIVE_INFINITY) return Number.NaN
  reduce(Math.abs(x))
  const { octant, rest } = reduced
  const zz = rest * rest
  let value = rest
  if (zz > 1e-14) {
    const top = (-13093.693918138379 * zz + 1153516.6483858742) * zz - 17956525.197648488
    const bottom =
      (((zz + 13681.296347069296) * zz - 1320892.3444021097) * zz + 25008380.18233579) * zz -
      53869575.592945464
    value = rest + rest * ((zz * top) / bottom)
  }
  if (octant % 4 === 2) value = -1 / value
  return x < 0 ? -value : value
}

/** Go's math.Asin. */
export function goAsin(x: number): number {
  if (x === 0) return x
  const size = Math.abs(x)
  if (!(size <= 1)) return Number.NaN
  const other = Math.sqrt(1 - size * size)
  const angle = size > 0.7 ? Math.PI / 2 - goAtan(other / size) : goAtan(size / other)
  return x < 0 ? -angle : angle
}

/** Go's math.Acos. */
export function goAcos(x: number): number {
  return Math.PI / 2 - goAsin(x)
}
