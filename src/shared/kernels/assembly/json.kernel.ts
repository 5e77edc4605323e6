/**
 * Samples as JSON: `[1700000000.1,"0.25"]` and so on, from columns to bytes. Numbers as Prometheus
 * writes those of vectors and matrices: Go's shortest 'f', but 'e' below 1e-6 and from 1e21 on.
 * Called by wire/json; memory as in ../json-layout.ts. Benchmark: bench/shared/wire/json.bench.ts.
 *
 * Shortest digits by Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2021), after
 * two shortcuts: whole numbers below 2^32, and numbers of at most three decimals below a million,
 * which have at most nine digits and are therefore shortest by themselves.
 * Stores go up to 56 bytes past the returned cursor.
 */
import {
  J_HEAD,
  J_NEXT,
  J_PAIRS,
  J_POWER_MIN,
  J_POWERS,
  J_PRESENT,
  J_ROWS,
  J_SLOTS,
  J_TIMES,
  J_VALUES,
} from '../json-layout'

/** Bytes that a point may take: brackets, time and number. */
const POINT_BYTES: u32 = 64

/** Digits and power of ten of the last toDecimal: digits × 10^power. */
let digits: u64 = 0
let power: i32 = 0

/** Writes a number as a sample has it, at most 25 bytes. @returns the cursor behind it */
export function writeNumber(out: u32, value: f64): u32 {
  let bits = reinterpret<u64>(value)
  if (((bits >> 52) & 0x7ff) == 0x7ff) return writeSpecial(out, bits)
  if (bits >> 63 != 0) {
    store<u8>(out++, 0x2d)
    value = -value
    bits &= 0x7fffffffffffffff
  }
  if (value < 4294967296.0) {
    const whole = u32(value)
    if (f64(whole) == value) return writeU32(out, whole)
    if (value < 1e6 && value >= 1e-3) {
      const scaled = nearest<f64>(value * 1000)
      if (scaled / 1000 == value) return writeThousandths(out, u32(scaled))
    }
  }
  return writeShortest(out, bits)
}

/** NaN, +Inf, -Inf. */
function writeSpecial(out: u32, bits: u64): u32 {
  if ((bits & 0xfffffffffffff) != 0) {
    store<u32>(out, 0x4e614e)
    return out + 3
  }
  store<u32>(out, bits >> 63 != 0 ? 0x666e492d : 0x666e492b)
  return out + 4
}

function digitCount(value: u32): u32 {
  if (value < 10000) {
    if (value < 100) return value < 10 ? 1 : 2
    return value < 1000 ? 3 : 4
  }
  if (value < 100000000) {
    if (value < 1000000) return value < 100000 ? 5 : 6
    return value < 10000000 ? 7 : 8
  }
  return value < 1000000000 ? 9 : 10
}

function writeU32(out: u32, value: u32): u32 {
  const end = out + digitCount(value)
  let at = end
  while (value >= 100) {
    const rest = value / 100
    at -= 2
    store<u16>(at, load<u16>(J_PAIRS + ((value - rest * 100) << 1)))
    value = rest
  }
  if (value >= 10) store<u16>(at - 2, load<u16>(J_PAIRS + (value << 1)))
  else store<u8>(at - 1, u8(0x30 + value))
  return end
}

/** Eight digits, zeros in front included. */
function writeEight(out: u32, value: u32): void {
  const high = value / 10000
  const low = value - high * 10000
  const a = high / 100
  const b = low / 100
  store<u16>(out, load<u16>(J_PAIRS + (a << 1)))
  store<u16>(out, load<u16>(J_PAIRS + ((high - a * 100) << 1)), 2)
  store<u16>(out, load<u16>(J_PAIRS + (b << 1)), 4)
  store<u16>(out, load<u16>(J_PAIRS + ((low - b * 100) << 1)), 6)
}

/** value / 1000, of which some decimal is not zero. */
function writeThousandths(out: u32, value: u32): u32 {
  const whole = value / 1000
  out = writeU32(out, whole)
  store<u8>(out, 0x2e)
  return writeFraction(out + 1, value - whole * 1000)
}

/** Three decimals, without the zeros at the end. */
function writeFraction(out: u32, fraction: u32): u32 {
  const first = fraction / 100
  const rest = fraction - first * 100
  store<u8>(out, u8(0x30 + first))
  if (rest == 0) return out + 1
  store<u16>(out, load<u16>(J_PAIRS + (rest << 1)), 1)
  return rest % 10 == 0 ? out + 2 : out + 3
}

/** A positive, finite number. */
function writeShortest(out: u32, bits: u64): u32 {
  toDecimal(bits)
  let value = digits
  let exponent = power
  while (value % 10 == 0) {
    value /= 10
    exponent++
  }
  const start = out
  let count: u32
  if (value < 4294967296) {
    count = writeU32(out, u32(value)) - start
  } else {
    const high = u32(value / 100000000)
    const middle = writeU32(out, high)
    writeEight(middle, u32(value - u64(high) * 100000000))
    count = middle + 8 - start
  }
  const point = i32(count) + exponent
  if (point > 21 || point < -5) return finishExponent(start, count, point - 1)
  if (point <= 0) {
    // 0.00ddd: up to seventeen digits move behind up to seven bytes.
    const shift = u32(2 - point)
    const first = v128.load(start)
    const last = load<u8>(start, 16)
    store<u64>(start, 0x3030303030302e30)
    v128.store(start + shift, first)
    store<u8>(start + shift, last, 16)
    return start + shift + count
  }
  if (point >= i32(count)) {
    const end = start + u32(point)
    for (let at = start + count; at < end; at++) store<u8>(at, 0x30)
    return end
  }
  insertPoint(start + u32(point))
  return start + count + 1
}

/** Moves up to sixteen digits by one and puts the point before them. */
function insertPoint(at: u32): void {
  v128.store(at + 1, v128.load(at))
  store<u8>(at, 0x2e)
}

/** Digits are written; adds the point and the exponent, of two digits at least. */
function finishExponent(start: u32, count: u32, exponent: i32): u32 {
  let out = start + count
  if (count > 1) {
    insertPoint(start + 1)
    out++
  }
  store<u16>(out, exponent < 0 ? 0x2d65 : 0x2b65)
  out += 2
  const size = u32(abs<i32>(exponent))
  if (size < 100) {
    store<u16>(out, load<u16>(J_PAIRS + (size << 1)))
    return out + 2
  }
  return writeU32(out, size)
}

/** High half of the 128-bit product. */
function mulHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff
  const a1 = a >> 32
  const b0 = b & 0xffffffff
  const b1 = b >> 32
  const middle = a1 * b0 + ((a0 * b0) >> 32)
  const low = a0 * b1 + (middle & 0xffffffff)
  return a1 * b1 + (middle >> 32) + (low >> 32)
}

/** g × c / 2^128, rounded to odd: the last bit tells that something was cut off. */
function roundToOdd(low: u64, high: u64, c: u64): u64 {
  const carry = mulHigh(low, c)
  const y0 = high * c + carry
  const y1 = mulHigh(high, c) + u64(y0 < carry)
  return y1 | u64(y0 > 1)
}

/** Schubfach, sections 8 and 9; names as there. */
function toDecimal(bits: u64): void {
  const fraction = bits & 0xfffffffffffff
  const biased = i32(bits >> 52)
  let c = fraction
  let q = -1074
  if (biased != 0) {
    c |= 0x10000000000000
    q = biased - 1075
    if (q <= 0 && q > -53 && (c & ((u64(1) << u64(-q)) - 1)) == 0) {
      digits = c >> u64(-q)
      power = 0
      return
    }
  }
  const odd = c & 1
  const isNarrow = fraction == 0 && biased > 1
  const k = (q * 1262611 - (isNarrow ? 524031 : 0)) >> 22
  const h = u64(q + ((-k * 1741647) >> 19) + 1)
  const g = J_POWERS + (u32(-k - J_POWER_MIN) << 4)
  const low = load<u64>(g)
  const high = load<u64>(g, 8)
  const lower = roundToOdd(low, high, (4 * c - 2 + u64(isNarrow)) << h) + odd
  const middle = roundToOdd(low, high, (4 * c) << h)
  const upper = roundToOdd(low, high, (4 * c + 2) << h) - odd
  const s = middle / 4
  if (s >= 10) {
    const tens = s / 10
    const isUnder = lower <= 40 * tens
    const isOver = 40 * tens + 40 <= upper
    if (isUnder != isOver) {
      digits = tens + u64(isOver)
      power = k + 1
      return
    }
  }
  const isUnder = lower <= 4 * s
  const isOver = 4 * s + 4 <= upper
  power = k
  if (isUnder != isOver) {
    digits = s + u64(isOver)
    return
  }
  const half = 4 * s + 2
  digits = s + u64(middle > half || (middle == half && (s & 1) != 0))
}

/** A sample's time: seconds, then nothing or exactly three decimals. */
function writeTime(out: u32, ms: f64): u32 {
  let whole = i64(ms)
  if (whole < 0) {
    store<u8>(out++, 0x2d)
    whole = -whole
  }
  const seconds = u64(whole) / 1000
  const fraction = u32(u64(whole) - seconds * 1000)
  if (seconds < 4294967296) {
    out = writeU32(out, u32(seconds))
  } else {
    const high = u32(seconds / 100000000)
    out = writeU32(out, high)
    writeEight(out, u32(seconds - u64(high) * 100000000))
    out += 8
  }
  if (fraction == 0) return out
  const first = fraction / 100
  store<u16>(out, u16(0x302e + (first << 8)))
  store<u16>(out, load<u16>(J_PAIRS + ((fraction - first * 100) << 1)), 2)
  return out + 4
}

/** `,[<time>,"`: at most 23 bytes. */
function openPoint(out: u32, ms: f64): u32 {
  store<u16>(out, 0x5b2c)
  out = writeTime(out + 2, ms)
  store<u16>(out, 0x222c)
  return out + 2
}

/** Prepares the slots of `count` steps. */
export function prepareSteps(start: f64, step: f64, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const slot = J_SLOTS + i * 24
    const end = openPoint(slot, start + f64(i) * step)
    store<u8>(slot, u8(end - slot), 23)
  }
}

/** Copies what stands before the number of every row of a vector: `,"value":[<time>,"`. */
export function prepareVector(at: u32, ms: f64): u32 {
  return openPoint(at, ms) - at
}

/**
 * Writes the points of the steps [from, to) that have a value, `,[<time>,"<value>"]` each, until
 * the cursor comes near the limit. J_NEXT tells the step to go on with.
 * @returns the cursor
 */
export function writePoints(from: u32, to: u32, out: u32, limit: u32): u32 {
  const last = limit - POINT_BYTES
  while (from < to && out <= last) {
    const word = load<u32>(J_PRESENT + ((from >> 5) << 2)) >> (from & 31)
    if (word == 0) {
      from = (from | 31) + 1
      continue
    }
    from += ctz<u32>(word)
    const slot = J_SLOTS + from * 24
    v128.store(out, v128.load(slot))
    store<u64>(out, load<u64>(slot, 16), 16)
    out = writeNumber(out + load<u8>(slot, 23), load<f64>(J_VALUES + (from << 3)))
    store<u16>(out, 0x5d22)
    out += 2
    from++
  }
  store<u32>(J_NEXT, from < to ? from : to)
  return out
}

/** As writePoints, for samples with times of their own (J_TIMES), all of them there. */
export function writeSamples(from: u32, to: u32, out: u32, limit: u32): u32 {
  const last = limit - POINT_BYTES
  while (from < to && out <= last) {
    const at = from << 3
    out = openPoint(out, load<f64>(J_TIMES + at))
    out = writeNumber(out, load<f64>(J_VALUES + at))
    store<u16>(out, 0x5d22)
    out += 2
    from++
  }
  store<u32>(J_NEXT, from)
  return out
}

/** `,{"metric":<labels>,"values":` */
export function openSeries(out: u32, labels: u32, length: u32): u32 {
  out = writeMetric(out, labels, length)
  // ,"values":
  store<u64>(out, 0x7365756c6176222c)
  store<u16>(out, 0x3a22, 8)
  return out + 10
}

/** `,{"metric":<labels>` */
function writeMetric(out: u32, labels: u32, length: u32): u32 {
  // ,{"metri
  store<u64>(out, 0x697274656d227b2c)
  // c":
  store<u32>(out, 0x3a2263, 8)
  memory.copy(out + 11, labels, length)
  return out + 11 + length
}

/**
 * Writes rows [from, to) of a vector (J_ROWS, J_VALUES), `,{"metric":…,"value":[<time>,"…"]}`
 * each. J_HEAD holds `,"value":[<time>,"` of the length `head`.
 */
export function writeRows(from: u32, to: u32, head: u32, out: u32, limit: u32): u32 {
  while (from < to) {
    const row = J_ROWS + (from << 3)
    const length = load<u32>(row, 4)
    if (out + length + 128 > limit) break
    out = writeMetric(out, load<u32>(row), length)
    memory.copy(out, J_HEAD, head)
    out = writeNumber(out + head, load<f64>(J_VALUES + (from << 3)))
    // "]}
    store<u32>(out, 0x7d5d22)
    out += 3
    from++
  }
  store<u32>(J_NEXT, from)
  return out
}
