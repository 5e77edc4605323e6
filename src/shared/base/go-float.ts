/**
 * Floats as Go's fmt and strconv have them beyond go-number.ts: `%.Ng` of annotations, and
 * strconv.ParseFloat in full, as bucket labels are read.
 */
import { printFloatShort } from './go-number.js'

/**
 * Go's `%.Ng`: so many significant digits without trailing zeros, an exponent of at least two digits
 * where the decimal one is below -4 or not below the precision.
 */
export function printFloatDigits(value: number, precision: number): string {
  if (!Number.isFinite(value) || value === 0) return printFloatShort(value)
  const sign = value < 0 ? '-' : ''
  const text = Math.abs(value).toExponential(precision - 1)
  const [mantissa, exponentText] = text.split('e') as [string, string]
  const exponent = Number(exponentText)
  const digits = mantissa.replace('.', '').replace(/0+$/, '')
  if (exponent < -4 || exponent >= precision) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
    const padded = String(Math.abs(exponent)).padStart(2, '0')
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${padded}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  if (digits.length <= exponent + 1) return sign + digits.padEnd(exponent + 1, '0')
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`
}

const FLOAT =
  /^[+-]?(?:(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[+-]?\d[\d_]*)?|0x(?:[\da-f_]+\.?[\da-f_]*|\.[\da-f][\da-f_]*)p[+-]?\d[\d_]*)$/i
const INFINITE = /^([+-]?)inf(?:inity)?$/i

/**
 * Go's strconv.ParseFloat(text, 64); undefined where that gives an error, out of range included.
 */
export function findGoFloat(text: string): number | undefined {
  const infinite = INFINITE.exec(text)
  if (infinite !== null) {
    return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  }
  if (/^nan$/i.test(text)) return Number.NaN
  if (!FLOAT.test(text) || !areUnderscoresValid(text)) return undefined
  const plain = text.replaceAll('_', '')
  const value = /x/i.test(plain) ? hexFloat(plain) : Number(plain)
  return Number.isFinite(value) ? value : undefined
}

/** Underscores stand between digits, or after the prefix of a hexadecimal number. */
function areUnderscoresValid(text: string): boolean {
  return !text.includes('_') || !/(?:^|[^\da-fx])_|_(?:$|[^\da-f])/i.test(text)
}

function hexFloat(text: string): number {
  const [, sign, whole, fraction, exponent] = /^([+-]?)0x([\da-f]*)\.?([\da-f]*)p([+-]?\d+)$/i.exec(
    text,
  ) as unknown as string[]
  // Digits past the 53 bits of a float are not rounded correctly; labels have none.
  let value = 0
  for (const digit of whole! + fraction!) value = value * 16 + Number.parseInt(digit, 16)
  value *= 2 ** (Number(exponent) - 4 * fraction!.length)
  return sign === '-' ? -value : value
}
