/**
 * Strings in Go's notation: quoting as `%q` does, for error texts and printed queries, and
 * unquoting of PromQL's string literals (double, single and raw quotes).
 * Follows the Go language specification, "String literals", and strconv.Quote.
 */

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
  // A lone surrogate cannot be written in UTF-8: Go sees the replacement character.
  if (code >= 0xd800 && code <= 0xdfff) return '\ufffd'
  const hex = code.toString(16)
  return code > 0xffff ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`
}

/**
 * Reads a string literal, quotes included. Bytes written as `\xff` or `\377` that do not form
 * UTF-8 become U+FFFD, since strings here are text.
 *
 * @returns undefined when the literal is not valid
 */
export function unquoteGo(literal: string): string | undefined {
  const quote = literal[0]
  if (literal.length < 2 || quote !== literal[literal.length - 1]) return undefined
  const body = literal.slice(1, -1)
  if (quote === '`') return body.includes('`') ? undefined : body
  if (quote !== '"' && quote !== "'") return undefined
  if (!/[\\\n"']/.test(body)) return body
  return decodeEscapes(body, quote)
}

const ESCAPE =
  /\\(?:([abfnrtv\\'"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))/y
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

function decodeEscapes(body: string, quote: string): string | undefined {
  let out = ''
  let bytes: number[] = []
  let at = 0
  while (at < body.length) {
    const char = body[at]!
    if (char === '\n' || char === quote) return undefined
    if (char !== '\\') {
      const next = body.indexOf('\\', at)
      const run = next === -1 ? body.slice(at) : body.slice(at, next)
      if (run.includes('\n') || run.includes(quote)) return undefined
      out += decodeBytes(bytes) + run
      bytes = []
      at += run.length
      continue
    }
    ESCAPE.lastIndex = at
    const match = ESCAPE.exec(body)
    if (match === null) return undefined
    at += match[0].length
    const byte = byteOf(match)
    if (byte !== undefined) {
      if (byte > 255) return undefined
      bytes.push(byte)
      continue
    }
    const text = textOf(match, quote)
    if (text === undefined) return undefined
    out += decodeBytes(bytes) + text
    bytes = []
  }
  return out + decodeBytes(bytes)
}

/** The value of a `\xff` or `\377` escape. */
function byteOf(match: RegExpExecArray): number | undefined {
  if (match[2] !== undefined) return Number.parseInt(match[2], 16)
  return match[5] === undefined ? undefined : Number.parseInt(match[5], 8)
}

function textOf(match: RegExpExecArray, quote: string): string | undefined {
  if (match[1] !== undefined) return match[1] === quote ? quote : SIMPLE[match[1]]
  const code = Number.parseInt((match[3] ?? match[4])!, 16)
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined
  return String.fromCodePoint(code)
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

function decodeBytes(bytes: readonly number[]): string {
  return bytes.length === 0 ? '' : decoder.decode(Uint8Array.from(bytes))
}
