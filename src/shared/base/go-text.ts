/**
 * Numbers and strings as Go's strconv and fmt print and parse them: Prometheus' annotations, error
 * texts and bucket labels follow these. (Sample values have their own writer, wire/json.)
 */

/**
 * Go's `%g`: an exponent of at least two digits where the decimal one is below -4 or not below the
 * precision, which is 6 for the shortest form.
 * @param precision significant digits as in `%.2g`; without it the shortest that read back
 */
export function formatG(value: number, precision?: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  if (value === 0) return `${sign}0`
  const text =
    precision === undefined
      ? Math.abs(value).toExponential()
      : Math.abs(value).toExponential(precision - 1)
  const [mantissa, exponentText] = text.split('e') as [string, string]
  const exponent = Number(exponentText)
  // %g leaves out trailing zeros of the digits.
  const digits = mantissa.replace('.', '').replace(/0+$/, '')
  let bound = precision ?? 6
  if (precision !== undefined && bound > digits.length && digits.length >= exponent + 1) {
    bound = digits.length
  }
  if (exponent < -4 || exponent >= bound) {
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

const ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
}

/** Go's strconv.Quote, `%q` of a string. */
export function quoteGo(text: string): string {
  let quoted = '"'
  for (const char of text) {
    const known = ESCAPES[char]
    const code = char.codePointAt(0)!
    if (known !== undefined) quoted += known
    else if (code < 0x20 || code === 0x7f) quoted += `\\x${code.toString(16).padStart(2, '0')}`
    else if (code < 0x7f || /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(char)) quoted += char
    else if (code < 0x10000) quoted += `\\u${code.toString(16).padStart(4, '0')}`
    else quoted += `\\U${code.toString(16).padStart(8, '0')}`
  }
  return `${quoted}"`
}
