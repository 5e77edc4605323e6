/**
 * Strings in Go's notation: quoting as `%q` does, for error texts and printed queries, and
 * unquoting of PromQL's string literals (double, single and raw quotes).
 * Go's strings are bytes. A byte that is not part of valid UTF-8, which only an escape can make
 * (`"\xff"`), stands here as the lone surrogate U+DC00 + byte: such a string is not well-formed,
 * prints as it was written, and leaves the process as U+FFFD.
 * Follows the Go language specification, "String literals", and strconv.Quote.
 */
import { TextParts } from './text-parts.js'

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x0c, '\\f'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x0b, '\\v'],
  [0x5c, '\\\\'],
])

/** What needs no escape: printable ASCII but quotes and backslash. */
const PLAIN = /^[ !#-&(-[\]-~]*$/
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

/** The string as a Go literal in double quotes (`%q`). */
export function quoteGo(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  let out = '"'
  for (const char of text) out += char === '"' ? '\\"' : escapeRune(char)
  return `${out}"`
}

/** One character as a Go rune literal (`%q` of a rune); U+FFFD stands for the end of the input. */
export function quoteGoRune(char: string): string {
  return char === "'" ? "'\\''" : `'${escapeRune(char)}'`
}

/** A rune as Go's `%#U` prints it: `U+007A 'z'`. */
export function describeRune(char: string): string {
  const hex = char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
  return PRINTABLE.test(char) ? `U+${hex} '${char}'` : `U+${hex}`
}

function escapeRune(char: string): string {
  const code = char.codePointAt(0)!
  const simple = ESCAPES.get(code)
  if (simple !== undefined) return simple
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code < 0x7f || PRINTABLE.test(char)) return char
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`
  // Another lone surrogate cannot be written in UTF-8: Go sees the replacement character.
  if (code >= 0xd800 && code <= 0xdfff) return '\ufffd'
  const hex = code.toString(16)
  return code > 0xffff ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`
}

/**
 * Reads a string literal, quotes included.
 *
 * @param tick is called for each escape, and may throw
 * @returns undefined when the literal is not valid
 */
export function unquoteGo(literal: string, tick?: () => void): string | undefined {
  const quote = literal[0]
  if (literal.length < 2 || quote !== literal[literal.length - 1]) return undefined
  const body = literal.slice(1, -1)
  if (quote === '`') return body.includes('`') ? undefined : body
  if (quote !== '"' && quote !== "'") return undefined
  if (!/[\\\n"']/.test(body)) return body
  return decodeEscapes(body, quote, tick)
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
}
/** Digits that an escape has; octal ones have no letter. */
const DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

/** Bytes of escapes that may wait to be made characters, and that one character may have. */
const WAITING_BYTES = 4096
const CHARACTER_BYTES = 4

function decodeEscapes(body: string, quote: string, tick?: () => void): string | undefined {
  const parts = new TextParts()
  const bytes: number[] = []
  let at = 0
  while (at < body.length) {
    tick?.()
    if (bytes.length >= WAITING_BYTES) flushBytes(bytes, parts, CHARACTER_BYTES - 1)
    if (body[at] !== '\\') {
      const next = body.indexOf('\\', at)
      const run = next === -1 ? body.slice(at) : body.slice(at, next)
      if (run.includes('\n') || run.includes(quote)) return undefined
      flushBytes(bytes, parts)
      parts.push(run)
      at += run.length
      continue
    }
    const letter = body[at + 1] ?? ''
    const simple = letter === quote ? quote : SIMPLE[letter]
    if (simple !== undefined) {
      flushBytes(bytes, parts)
      parts.push(simple)
      at += 2
      continue
    }
    const count = DIGITS[letter]
    const from = count === undefined ? at + 1 : at + 2
    const digits = body.slice(from, from + (count ?? 3))
    const code = codeOf(digits, count)
    if (code === undefined) return undefined
    at = from + digits.length
    if (count === undefined || count === 2) {
      bytes.push(code)
      continue
    }
    flushBytes(bytes, parts)
    parts.push(String.fromCodePoint(code))
  }
  flushBytes(bytes, parts)
  return parts.join()
}

/** The value of an escape's digits, octal where it has no count; undefined when there is none. */
function codeOf(digits: string, count: number | undefined): number | undefined {
  if (digits.length !== (count ?? 3)) return undefined
  const isOctal = count === undefined
  if (!(isOctal ? /^[0-7]+$/ : /^[0-9a-fA-F]+$/).test(digits)) return undefined
  const code = Number.parseInt(digits, isOctal ? 8 : 16)
  if (isOctal && code > 255) return undefined
  return code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? undefined : code
}

/**
 * Moves bytes to the text; each byte that belongs to no character as a lone surrogate.
 * @param kept how many of the last ones stay, which may be a character's beginning
 */
function flushBytes(bytes: number[], parts: TextParts, kept = 0): void {
  let at = 0
  while (at < bytes.length - kept) {
    const length = characterLength(bytes, at)
    parts.push(
      length === 0 ? String.fromCharCode(0xdc00 + bytes[at]!) : character(bytes, at, length),
    )
    at += Math.max(length, 1)
  }
  bytes.splice(0, at)
}

/** Bytes of the UTF-8 character at an index; 0 when there is none (RFC 3629, section 4). */
function characterLength(bytes: readonly number[], at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return 1
  const second = bytes[at + 1] ?? 0
  if (first >= 0xc2 && first < 0xe0) return isTail(second) ? 2 : 0
  const hasThree = isTail(second) && isTail(bytes[at + 2] ?? 0)
  if (first >= 0xe0 && first < 0xf0) {
    if ((first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f)) return 0
    return hasThree ? 3 : 0
  }
  if (first < 0xf0 || first > 0xf4) return 0
  if ((first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f)) return 0
  return hasThree && isTail(bytes[at + 3] ?? 0) ? 4 : 0
}

function isTail(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}

function character(bytes: readonly number[], at: number, length: number): string {
  let code = length === 1 ? bytes[at]! : bytes[at]! & (0x7f >> length)
  for (let i = 1; i < length; i++) code = (code << 6) | (bytes[at + i]! & 0x3f)
  return String.fromCodePoint(code)
}
