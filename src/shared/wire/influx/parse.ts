/**
 * Influx line protocol (InfluxDB v1, "Line protocol reference") into remote write 1.0, as Mimir
 * takes it: a series per field, named measurement_field (`value`: the measurement alone), tags as
 * labels, texts dropped, booleans 0 and 1, and a label that says where it came from.
 *
 *   measurement[,tag=value…] field=value[,field=value…] [time]
 *
 * Works on byte strings: one character per byte.
 */
import { fail } from '../../errors/index.js'
import { RequestEncoder, type Written } from '../remote-write/encode.js'

/** Milliseconds of a unit of time. */
export type InfluxPrecision = number

const PRECISIONS: Readonly<Record<string, InfluxPrecision>> = {
  '': 1e-6,
  n: 1e-6,
  ns: 1e-6,
  u: 1e-3,
  us: 1e-3,
  µ: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
}
const SOURCE = ['__mimir_source__', 'influx'] as const

/** The unit that a `precision` parameter names; undefined when there is none of that name. */
export function precisionOf(text: string): InfluxPrecision | undefined {
  return Object.hasOwn(PRECISIONS, text) ? PRECISIONS[text] : undefined
}

/**
 * Parses a body.
 *
 * @param now ms, the time of lines that have none
 * @returns remote write 1.0, in pieces of whole series
 * @throws AppError `bad-data` that names the first bad line; nothing of the body is good then
 */
export function parseInflux(
  text: string,
  options: { readonly precision: InfluxPrecision; readonly now: number; readonly bytesMax: number },
): Written {
  const encoder = new RequestEncoder(options.bytesMax)
  const cursor = new Cursor(text)
  while (cursor.skipBlank()) readLine(cursor, encoder, options)
  return encoder.take()
}

function readLine(
  cursor: Cursor,
  encoder: RequestEncoder,
  { precision, now }: { readonly precision: InfluxPrecision; readonly now: number },
): void {
  const measurement = cursor.name(', ')
  if (measurement === '') throw cursor.wrong('no measurement')
  const tags: string[] = [...SOURCE]
  while (cursor.takes(',')) {
    const key = cursor.name('=, ')
    if (key === '' || !cursor.takes('=')) throw cursor.wrong('a tag without key or value')
    const value = cursor.name(', ', true)
    if (value === '') throw cursor.wrong(`tag ${key} without value`)
    tags.push(cleaned(key), value)
  }
  if (!cursor.takes(' ')) throw cursor.wrong('no fields')
  cursor.spaces()
  const fields: [string, number][] = []
  do {
    const key = cursor.name('=, ')
    if (key === '' || !cursor.takes('=')) throw cursor.wrong('a field without key or value')
    const value = cursor.value(key)
    if (value !== undefined) fields.push([key, value])
  } while (cursor.takes(','))
  cursor.spaces()
  const time = cursor.time()
  cursor.endLine()
  const timeMs = time === undefined ? now : millis(time, precision)
  for (const [key, value] of fields) {
    const name = cleaned(key === 'value' ? measurement : `${measurement}_${key}`)
    encoder.sample(['__name__', name, ...tags], timeMs, value)
  }
}

/** Nanoseconds do not fit a number: the division is done in whole numbers. */
function millis(time: bigint, precision: InfluxPrecision): number {
  if (precision >= 1) return Number(time) * precision
  const perMs = BigInt(Math.round(1 / precision))
  const ms = time / perMs
  return Number(time < 0n && ms * perMs !== time ? ms - 1n : ms)
}

/** As a name: what is not a letter, digit or underscore becomes one; a first digit gets one. */
function cleaned(name: string): string {
  const clean = name.replace(/[^a-zA-Z0-9_]/g, '_')
  return /^[0-9]/.test(clean) ? `_${clean}` : clean
}

/** Reads a body from left to right. */
class Cursor {
  private readonly text: string
  private at = 0
  private line = 1

  constructor(text: string) {
    this.text = text
  }

  /** Skips empty lines and comments; false at the end. */
  skipBlank(): boolean {
    while (this.at < this.text.length) {
      const char = this.text[this.at]!
      if (char === '\n') this.line++
      if (char === '#') {
        const end = this.text.indexOf('\n', this.at)
        this.at = end < 0 ? this.text.length : end
      } else if (char === ' ' || char === '\r' || char === '\t' || char === '\n') this.at++
      else return true
    }
    return false
  }

  /** Text up to one of `ends`, a backslash before one of them taken away. `=` may stand in values. */
  name(ends: string, isValue = false): string {
    const { text } = this
    const start = this.at
    let isEscaped = false
    while (this.at < text.length) {
      const char = text[this.at]!
      if (char === '\n') break
      if (char === '\\' && this.at + 1 < text.length && text[this.at + 1] !== '\n') {
        isEscaped = true
        this.at += 2
        continue
      }
      if (ends.includes(char)) break
      this.at++
    }
    const raw = text.slice(start, this.at)
    const name = isEscaped ? raw.replace(/\\([,= \\])/g, '$1') : raw
    return isValue ? name.replace(/\r$/, '') : name
  }

  takes(char: string): boolean {
    if (this.text[this.at] !== char) return false
    this.at++
    return true
  }

  spaces(): void {
    while (this.text[this.at] === ' ') this.at++
  }

  /** A field's value as a number; undefined for a text. */
  value(key: string): number | undefined {
    if (this.takes('"')) {
      this.skipText(key)
      return undefined
    }
    const match = this.match(/[^, \r\n]*/y)
    if (/^(?:t|T|true|True|TRUE)$/.test(match)) return 1
    if (/^(?:f|F|false|False|FALSE)$/.test(match)) return 0
    const number = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$/.exec(match)?.[1]
    if (number !== undefined) return Number(number)
    const whole = /^([+-]?\d+)[iu]$/.exec(match)?.[1]
    if (whole !== undefined) return Number(whole)
    throw this.wrong(`field ${key} is neither number, boolean nor text: ${match}`)
  }

  private skipText(key: string): void {
    const { text } = this
    for (; this.at < text.length; this.at++) {
      if (text[this.at] === '\\') this.at++
      else if (text[this.at] === '"') {
        this.at++
        return
      } else if (text[this.at] === '\n') this.line++
    }
    throw this.wrong(`the text of field ${key} does not end`)
  }

  time(): bigint | undefined {
    const match = this.match(/[^\s]*/y)
    if (match === '') return undefined
    if (!/^-?\d{1,19}$/.test(match)) throw this.wrong(`not a time: ${match}`)
    return BigInt(match)
  }

  endLine(): void {
    const rest = this.match(/[^\n]*/y).trim()
    if (rest !== '') throw this.wrong(`more behind the time: ${rest}`)
  }

  wrong(why: string): Error {
    const text = `line ${this.line}: ${Buffer.from(why, 'latin1').toString('utf8').slice(0, 200)}`
    return fail('bad-data', { text })
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)?.[0] ?? ''
    this.at += found.length
    return found
  }
}
