/**
 * Numbers in Go's notation: reading PromQL's number literals (strconv.ParseInt with base 0, then
 * strconv.ParseFloat) and printing floats as strconv.FormatFloat does with the shortest precision.
 */
import { quoteGo } from './go-string.js'
import { TextParts } from './text-parts.js'

const INT64_MAX = 9_223_372_036_854_775_807n

/** Takes a time in proportion to the text, also where it does not match. */
const FLOAT = /^(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/

/** Either a number or Go's text of why there is none. */
export type ParsedNumber = { readonly value: number } | { readonly error: string }

/**
 * Reads a number literal: decimal, hexadecimal (0x), octal (leading 0), underscores between
 * digits, fractions, exponents, Inf and NaN in any case. Octal that is not octal is decimal.
 *
 * @param tick is called for each underscore, and may throw
 */
export function parseGoNumber(text: string, tick?: () => void): ParsedNumber {
  const integer = parseInteger(text, tick)
  if (integer !== undefined) return { value: integer }
  if (/^[+-]?(?:inf|infinity)$/i.test(text))
    return { value: text[0] === '-' ? -Infinity : Infinity }
  if (/^nan$/i.test(text)) return { value: Number.NaN }
  const digits = stripUnderscores(text, tick)
  if (digits === undefined || !FLOAT.test(digits)) {
    return { error: `strconv.ParseFloat: parsing ${quoteGo(text)}: invalid syntax` }
  }
  const value = Number(digits)
  if (Number.isFinite(value)) return { value }
  return { error: `strconv.ParseFloat: parsing ${quoteGo(text)}: value out of range` }
}

function parseInteger(text: string, tick?: () => void): number | undefined {
  const isHex = /^0[xX]/.test(text)
  const digits = stripUnderscores(isHex ? text.replace(/^0[xX]_?/, '') : text, tick)
  if (digits === undefined || digits === '') return undefined
  const isOctal = !isHex && digits.length > 1 && digits[0] === '0'
  const pattern = isHex ? /^[0-9a-fA-F]+$/ : isOctal ? /^[0-7]+$/ : /^[0-9]+$/
  if (!pattern.test(digits)) return undefined
  const significant = digits.replace(/^0+(?=.)/, '')
  // No int64 has more digits than this; octal ones have the most.
  if (significant.length > 22) return undefined
  const value = BigInt((isHex ? '0x' : isOctal ? '0o' : '') + significant)
  return value > INT64_MAX ? undefined : Number(value)
}

/** Without underscores; undefined when one does not stand between two digits. */
function stripUnderscores(text: string, tick?: () => void): string | undefined {
  if (!text.includes('_')) return text
  const parts = new TextParts()
  let from = 0
  for (let at = text.indexOf('_'); at !== -1; at = text.indexOf('_', from)) {
    tick?.()
    if (!isDigit(text.charCodeAt(at - 1)) || !isDigit(text.charCodeAt(at + 1))) return undefined
    parts.push(text.slice(from, at))
    from = at + 1
  }
  parts.push(text.slice(from))
  return parts.join()
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** FormatFloat(value, 'f', -1, 64): shortest digits that read back equal, never an exponent. */
export function printFloatPlain(value: number): string {
  if (Object.is(value, -0)) return '-0'
  const text = printSpecial(value) ?? String(value)
  const at = text.indexOf('e')
  if (at === -1) return text
  const sign = text[0] === '-' ? '-' : ''
  const [whole, fraction = ''] = text.slice(sign.length, at).split('.') as [string, string?]
  const exponent = Number(text.slice(at + 1))
  const digits = whole + fraction
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  return sign + digits.padEnd(exponent + 1, '0')
}

/** FormatFloat(value, 'g', -1, 64), which is `%v`: an exponent below 1e-4 and from 1e6 on. */
export function printFloatShort(value: number): string {
  const special = printSpecial(value)
  if (special !== undefined) return special
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const [mantissa, power] = value.toExponential().split('e') as [string, string]
  const exponent = Number(power)
  if (exponent >= -4 && exponent < 6) return printFloatPlain(value)
  const sign = exponent < 0 ? '-' : '+'
  return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`
}

/** FormatFloat(value, 'f', decimals, 64): rounded to that many decimals, half to even. */
export function printFloatFixed(value: number, decimals: number): string {
  const special = printSpecial(value)
  if (special !== undefined) return special
  if (Math.abs(value) < 1e21) {
    const text = value.toFixed(decimals)
    return Object.is(value, -0) ? `-${text}` : text
  }
  return `${BigInt(value)}.${'0'.repeat(decimals)}`
}

function printSpecial(value: number): string | undefined {
  if (value !== value) return 'NaN'
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : undefined
}
