/**
 * OpenMetrics text (prometheus.io/docs/specs/om/open_metrics_spec) with a timestamp on every sample,
 * for imports: samples only; types, help, units and exemplars are passed over. Series are handed on
 * as the bytes that stand in the line, so that who knows them need not parse them again.
 *
 *   name{label="value",…} value seconds [# exemplar]      also {"name",label="value",…}
 *   # …                                                   the last line is `# EOF`
 */
import { findGoFloat } from '../../base/go-float.js'
import { fail } from '../../errors/index.js'
import { compareUtf8, type Label, type Labels, METRIC_NAME } from '../../model/labels.js'

/** Takes what a decoder finds. */
export interface SampleSink {
  /**
   * A sample: its series as text bytes [from, to), valid during the call; the time in ms; the value
   * by its bits.
   */
  sample(bytes: Uint8Array, from: number, to: number, t: number, high: number, low: number): void
}

const NEWLINE = 10
const RETURN = 13
const SPACE = 32
const QUOTE = 34
const HASH = 35
const BACKSLASH = 92
const OPEN = 123
const CLOSE = 125
/** No line is longer. */
const LINE_BYTES_MAX = 4 << 20
/** Go's NaN of a parsed text. */
const NAN_HIGH = 0x7ff80000
const NAN_LOW = 1

const scratch = new Float64Array(1)
const words = new Uint32Array(scratch.buffer)

/** Decodes text that comes in pieces. */
export class OpenMetricsDecoder {
  /** Lines so far. */
  lines = 0
  private readonly sink: SampleSink
  private held: Uint8Array = new Uint8Array(0)
  private hasEnded = false

  constructor(sink: SampleSink) {
    this.sink = sink
  }

  /** Takes the next piece; throws AppError `bad-data` with the line's number. */
  push(piece: Uint8Array): void {
    const bytes = this.held.length === 0 ? piece : Buffer.concat([this.held, piece])
    let at = 0
    for (;;) {
      const end = bytes.indexOf(NEWLINE, at)
      if (end < 0) break
      this.takeLine(bytes, at, end > at && bytes[end - 1] === RETURN ? end - 1 : end)
      at = end + 1
    }
    // A copy: the piece may be the reader's own buffer.
    this.held = Uint8Array.from(bytes.subarray(at))
    if (this.held.length > LINE_BYTES_MAX) throw this.wrong('the line has no end')
  }

  /** Ends the text; throws AppError `bad-data` when its end is missing. */
  end(): void {
    if (this.held.length > 0) this.takeLine(this.held, 0, this.held.length)
    this.held = new Uint8Array(0)
    if (!this.hasEnded) throw this.wrong('the text does not end with # EOF: is it whole?')
  }

  private takeLine(bytes: Uint8Array, from: number, end: number): void {
    this.lines++
    if (from === end) return
    if (this.hasEnded) throw this.wrong('there is more after # EOF')
    if (bytes[from] === HASH) {
      const isEnd =
        end - from === 5 && Buffer.from(bytes.subarray(from, end)).toString() === '# EOF'
      if (isEnd) this.hasEnded = true
      return
    }
    const seriesEnd = this.seriesEnd(bytes, from, end)
    const valueAt = skipSpaces(bytes, seriesEnd, end)
    const valueEnd = wordEnd(bytes, valueAt, end)
    const timeAt = skipSpaces(bytes, valueEnd, end)
    const timeEnd = wordEnd(bytes, timeAt, end)
    if (valueAt === valueEnd) throw this.wrong('there is no value')
    if (timeAt === timeEnd || bytes[timeAt] === HASH) throw this.wrong('there is no timestamp')
    const rest = skipSpaces(bytes, timeEnd, end)
    if (rest < end && bytes[rest] !== HASH) throw this.wrong('there is more after the timestamp')
    const seconds = parseNumber(bytes, timeAt, timeEnd)
    const t = Math.round(seconds * 1000)
    if (!Number.isSafeInteger(t)) throw this.wrong('the timestamp is no number of seconds')
    const value = parseNumber(bytes, valueAt, valueEnd)
    if (Number.isNaN(value)) {
      if (!isNan(bytes, valueAt, valueEnd)) throw this.wrong('the value is no number')
      this.sink.sample(bytes, from, seriesEnd, t, NAN_HIGH, NAN_LOW)
      return
    }
    scratch[0] = value
    this.sink.sample(bytes, from, seriesEnd, t, words[1]!, words[0]!)
  }

  /** End of name and labels: a space after the name, or the brace outside of quotes. */
  private seriesEnd(bytes: Uint8Array, from: number, end: number): number {
    let at = from
    while (at < end && bytes[at] !== OPEN && bytes[at] !== SPACE) at++
    if (at >= end) throw this.wrong('there is no value')
    if (bytes[at] === SPACE) return at
    let isQuoted = false
    for (at++; at < end; at++) {
      const byte = bytes[at]!
      if (byte === QUOTE) isQuoted = !isQuoted
      else if (byte === BACKSLASH && isQuoted) at++
      else if (byte === CLOSE && !isQuoted) return at + 1
    }
    throw this.wrong('the labels have no end')
  }

  private wrong(text: string): Error {
    return fail('bad-data', { text: `line ${this.lines}: ${text}` })
  }
}

function skipSpaces(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at] === SPACE) at++
  return at
}

function wordEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at] !== SPACE) at++
  return at
}

/** Powers of ten that are exact. */
const TENS = Array.from({ length: 23 }, (_, i) => 10 ** i)

/**
 * A decimal number; NaN when it is none. Up to 15 digits are exact without the general parser: a
 * whole number below 2^53 by a power of ten that is exact gives the nearest float.
 */
function parseNumber(bytes: Uint8Array, from: number, to: number): number {
  let at = from
  const isNegative = bytes[at] === 45
  if (isNegative) at++
  let mantissa = 0
  let decimals = -1
  if (to - at <= 16 && to > at) {
    for (; at < to; at++) {
      const digit = bytes[at]! - 48
      if (digit >= 0 && digit <= 9) {
        mantissa = mantissa * 10 + digit
        if (decimals >= 0) decimals++
      } else if (digit === -2 && decimals < 0) decimals = 0
      else break
    }
    if (at === to && mantissa <= 999_999_999_999_999) {
      const hasDigits = to - from - (isNegative ? 1 : 0) - (decimals >= 0 ? 1 : 0) > 0
      const value = decimals > 0 ? mantissa / TENS[decimals]! : mantissa
      if (hasDigits) return isNegative ? -value : value
    }
  }
  return findGoFloat(Buffer.from(bytes.subarray(from, to)).toString('latin1')) ?? Number.NaN
}

function isNan(bytes: Uint8Array, from: number, to: number): boolean {
  return /^[+-]?nan$/i.test(Buffer.from(bytes.subarray(from, to)).toString('latin1'))
}

/**
 * The labels of a series as it stands in a line.
 * @throws AppError `bad-data`
 */
export function parseSeries(bytes: Uint8Array): Labels {
  const text = Buffer.from(bytes).toString('utf8')
  const brace = text.indexOf('{')
  const labels: Label[] = []
  const name = brace < 0 ? text : text.slice(0, brace)
  if (name !== '') labels.push({ name: METRIC_NAME, value: name })
  if (brace >= 0) takeLabels(text, brace + 1, labels)
  if (!labels.some((label) => label.name === METRIC_NAME)) throw wrongSeries(text, 'no metric name')
  if (name !== '' && !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) {
    throw wrongSeries(text, 'a metric name that must be quoted')
  }
  const sorted = labels.filter(({ value }) => value !== '')
  sorted.sort((a, b) => compareUtf8(a.name, b.name))
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i]!.name === sorted[i - 1]!.name) throw wrongSeries(text, 'a label twice')
  }
  return sorted
}

const LABEL =
  /\s*(?:([a-zA-Z_][a-zA-Z0-9_]*)|"((?:[^"\\]|\\.)*)")\s*(?:(=)\s*"((?:[^"\\]|\\.)*)"\s*)?/sy

function takeLabels(text: string, from: number, labels: Label[]): void {
  LABEL.lastIndex = from
  for (;;) {
    if (text.slice(LABEL.lastIndex).trim() === '}') return
    const start = LABEL.lastIndex
    const match = LABEL.exec(text)
    if (match === null) throw wrongSeries(text, `a label that cannot be read at ${start}`)
    const [, bare, quoted, equals, value] = match
    if (equals === undefined) {
      // The metric name, quoted, stands among the labels.
      if (quoted === undefined) throw wrongSeries(text, `a label without value at ${start}`)
      labels.push({ name: METRIC_NAME, value: unescaped(quoted) })
    } else labels.push({ name: bare ?? unescaped(quoted!), value: unescaped(value!) })
    const next = text[LABEL.lastIndex]
    if (next === ',') LABEL.lastIndex++
    else if (next !== '}') throw wrongSeries(text, `no comma at ${LABEL.lastIndex}`)
  }
}

function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(.)/gs, (whole, char: string) =>
    char === 'n' ? '\n' : char === '\\' || char === '"' ? char : whole,
  )
}

function wrongSeries(text: string, what: string): Error {
  return fail('bad-data', { text: `series ${text.slice(0, 200)}: ${what}` })
}
