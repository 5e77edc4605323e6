/**
 * Structured logging: logfmt lines, one write per line (see index.ts for the promise).
 *
 *   ts=2026-01-02T03:04:05.678Z level=warn actor=ingester/0 msg="log segment set aside" segment=7
 */

/** Levels from the least to the most urgent. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
/** How urgent a line is. */
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Values of a log line; `undefined` is left out. Keys carry units: `took_ms`, `size_bytes`. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** Where an actor writes its lines. */
export interface Log {
  debug(msg: string, fields?: LogFields): void
  info(msg: string, fields?: LogFields): void
  warn(msg: string, fields?: LogFields): void
  error(msg: string, fields?: LogFields): void
  /** Info lines of which every one counts, messages and fields, in few writes: no repeat is held back. */
  records(lines: readonly (readonly [string, LogFields])[]): void
  /** A log whose lines all carry these fields too. */
  with(fields: LogFields): Log
}

/** Where lines go and which ones. */
export interface LogOptions {
  /** Takes a line with its newline, or several. */
  write(line: string): void
  /** Milliseconds since the epoch. */
  now(): number
  readonly levelMin: LogLevel
}

/** Of one message, so many lines are written per window; the rest is counted. */
const REPEATS_MAX = 10
const REPEAT_WINDOW_MS = 10_000
/** Messages that are watched for repeats at once; beyond, the oldest is forgotten. */
const WATCHED_MAX = 256
/** Lines of one write, about: a pipe takes 64 KiB. */
const WRITE_CHARS = 16_000
/** Longer values are cut: a log line is no place for a body. */
const VALUE_LENGTH_MAX = 2_000

/** A log that writes logfmt lines from `levelMin` on and holds back repeats. */
export function createLog(options: LogOptions): Log {
  return logWith(options, createRepeats(), '')
}

function logWith(options: LogOptions, repeats: Repeats, bound: string): Log {
  const lowest = LOG_LEVELS.indexOf(options.levelMin)
  const at = (level: LogLevel) => {
    if (LOG_LEVELS.indexOf(level) < lowest) return ignore
    return (msg: string, fields?: LogFields) => {
      const now = options.now()
      const held = repeats(level + msg, now)
      if (held < 0) return
      const ts = new Date(now).toISOString()
      const more = held > 0 ? ` repeats_held_back=${held}` : ''
      const text = printFields(fields)
      options.write(`ts=${ts} level=${level}${bound} msg=${printValue(msg)}${text}${more}\n`)
    }
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    records: (lines) => {
      if (LOG_LEVELS.indexOf('info') < lowest || lines.length === 0) return
      const start = `ts=${new Date(options.now()).toISOString()} level=info${bound} msg=`
      let text = ''
      for (const [msg, fields] of lines) {
        text += `${start}${printValue(msg)}${printFields(fields)}\n`
        if (text.length < WRITE_CHARS) continue
        options.write(text)
        text = ''
      }
      if (text !== '') options.write(text)
    },
    with: (fields) => logWith(options, repeats, bound + printFields(fields)),
  }
}

/** Takes lines that are not wanted: there is one at debug level for every request. */
function ignore(): void {}

/** Tells of a message how many repeats were held back before it; −1: hold this one back too. */
type Repeats = (key: string, now: number) => number

function createRepeats(): Repeats {
  const watched = new Map<string, { from: number; written: number; held: number }>()
  return (key, now) => {
    const seen = watched.get(key)
    if (seen !== undefined && now - seen.from < REPEAT_WINDOW_MS && now >= seen.from) {
      if (seen.written < REPEATS_MAX) {
        seen.written++
        return 0
      }
      seen.held++
      return -1
    }
    watched.delete(key)
    if (watched.size >= WATCHED_MAX) watched.delete(watched.keys().next().value ?? '')
    watched.set(key, { from: now, written: 1, held: 0 })
    return seen?.held ?? 0
  }
}

function printFields(fields: LogFields | undefined): string {
  let text = ''
  for (const key in fields) {
    const value = fields[key]
    if (value !== undefined) text += ` ${key}=${printValue(value)}`
  }
  return text
}

function printValue(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value)
  let text = value
  if (text.length > VALUE_LENGTH_MAX) text = `${text.slice(0, VALUE_LENGTH_MAX)}…`
  if (/^[\w.:/+-]+$/.test(text)) return text
  // JSON's escapes are logfmt's; what needs none stands bare.
  return /^[^\s"=\\\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text)
}
