/**
 * Parameters of the Prometheus API as its handlers read them (web/api/v1/api.go): times, durations,
 * limits, escaped label names, with its texts for what is wrong.
 */
import { parseDuration } from '../shared/base/duration.js'
import { quoteGo } from '../shared/base/go-string.js'
import { AppError, fail } from '../shared/errors/index.js'

/** Form values; those of a POST body come before those of the URL. */
export class Params {
  private readonly sources: readonly URLSearchParams[]

  constructor(...sources: readonly URLSearchParams[]) {
    this.sources = sources
  }

  /** The first value, '' when there is none. */
  get(name: string): string {
    for (const source of this.sources) {
      const value = source.get(name)
      if (value !== null) return value
    }
    return ''
  }

  all(name: string): string[] {
    return this.sources.flatMap((source) => source.getAll(name))
  }
}

/** `invalid parameter "time": …`, the way Prometheus says it. */
export function invalidParam(name: string, text: string): AppError {
  return fail('bad-data', { text: `invalid parameter ${quoteGo(name)}: ${text}` })
}

const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})$/
/** The earliest and latest times that Prometheus prints, and takes back. */
const MIN_TIME_TEXT = '-292273086-05-16T16:47:06Z'
const MAX_TIME_TEXT = '292277025-08-18T07:12:54.999999999Z'

/** Bounds of "all time", ms: Prometheus' minTime and maxTime are wider than a number is exact. */
export const MIN_TIME_MS = -(2 ** 53)
export const MAX_TIME_MS = 2 ** 53

/** A unix time in seconds or RFC 3339 as ms; undefined when it is neither. */
export function parseTime(text: string): number | undefined {
  if (FLOAT.test(text)) {
    const seconds = Number(text)
    if (!Number.isFinite(seconds)) return undefined
    const whole = Math.trunc(seconds)
    // As Go does it: the fraction to the millisecond, then cut to whole nanoseconds.
    const nanos = Math.trunc((Math.round((seconds - whole) * 1000) / 1000) * 1e9)
    return clampTime(whole * 1000 + Math.floor(nanos / 1e6))
  }
  if (text === MIN_TIME_TEXT) return MIN_TIME_MS
  if (text === MAX_TIME_TEXT) return MAX_TIME_MS
  return parseRfc3339(text)
}

function clampTime(ms: number): number {
  return Math.min(MAX_TIME_MS, Math.max(MIN_TIME_MS, ms))
}

function parseRfc3339(text: string): number | undefined {
  const match = RFC3339.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  const isDate = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  if (!isDate || hour > 23 || minute > 59 || second > 59) return undefined
  const millis = Number((match[7] ?? '.0').slice(1, 4).padEnd(3, '0'))
  const zone = match[8]!
  let offset = 0
  if (zone !== 'Z') {
    const hours = Number(zone.slice(1, 3))
    const minutes = Number(zone.slice(4, 6))
    if (hours > 23 || minutes > 59) return undefined
    offset = (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000
  }
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + millis - offset
}

/**
 * The time of a parameter, ms.
 *
 * @throws AppError `bad-data`
 */
export function timeParam(params: Params, name: string, defaultMs?: number): number {
  const text = params.get(name)
  if (text === '' && defaultMs !== undefined) return defaultMs
  const ms = parseTime(text)
  if (ms !== undefined) return ms
  const why = `cannot parse ${quoteGo(text)} to a valid timestamp`
  // Prometheus names the parameter twice where it has a default.
  if (defaultMs === undefined) throw invalidParam(name, why)
  throw invalidParam(name, `invalid time value for '${name}': ${why}`)
}

/** Seconds that Go's durations hold: 2^63 ns. */
const DURATION_SECONDS_MAX = 2 ** 63 / 1e9

/**
 * A duration in seconds or Prometheus' notation, as ms with fractions.
 *
 * @throws AppError `bad-data` with the bare text; the caller says of what
 */
export function parseStep(text: string): number {
  if (FLOAT.test(text)) {
    const seconds = Number(text)
    if (Math.abs(seconds) > DURATION_SECONDS_MAX) {
      const why = `cannot parse ${quoteGo(text)} to a valid duration. It overflows int64`
      throw fail('bad-data', { text: why })
    }
    return seconds * 1000
  }
  try {
    return parseDuration(text)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw fail('bad-data', { text: `cannot parse ${quoteGo(text)} to a valid duration` }, error)
  }
}

/**
 * The duration of a parameter, ms with fractions; undefined when absent.
 *
 * @throws AppError `bad-data`
 */
export function durationParam(params: Params, name: string): number | undefined {
  const text = params.get(name)
  if (text === '') return undefined
  try {
    return parseStep(text)
  } catch (error) {
    if (error instanceof AppError) throw invalidParam(name, error.message)
    throw error
  }
}

/**
 * `limit`: 0 when absent.
 *
 * @throws AppError `bad-data`
 */
export function limitParam(params: Params): number {
  const text = params.get('limit')
  if (text === '') return 0
  const limit = parseInteger(text)
  if (limit === undefined) {
    throw invalidParam('limit', `strconv.Atoi: parsing ${quoteGo(text)}: invalid syntax`)
  }
  if (limit < 0) throw invalidParam('limit', 'limit must be non-negative')
  return limit
}

/** A decimal integer as Go's Atoi takes it; undefined when it is none or not exact. */
export function parseInteger(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}

/**
 * Undoes the escaping of UTF-8 label names in paths (`U__`, then `__` for `_` and `_1F600_` for a
 * code point); what is not a valid escape is returned as it came. Prometheus common/model, "values"
 * escaping.
 */
export function unescapeLabelName(name: string): string {
  if (!name.startsWith('U__')) return name
  const escaped = name.slice(3)
  let out = ''
  let at = 0
  while (at < escaped.length) {
    const char = escaped[at]!
    if (char !== '_') {
      out += char
      at++
      continue
    }
    const close = escaped.indexOf('_', at + 1)
    if (close < 0) return name
    const digits = escaped.slice(at + 1, close)
    if (digits === '') {
      out += '_'
    } else {
      const point = /^[0-9a-fA-F]{1,6}$/.test(digits) ? Number.parseInt(digits, 16) : -1
      const isValid = point >= 0 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff)
      if (!isValid) return name
      out += String.fromCodePoint(point)
    }
    at = close + 1
  }
  return out
}
