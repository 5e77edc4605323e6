/** Structured logging: logfmt lines on stdout, one call per line (see index.ts for the promise). */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Values of a log line; `undefined` is left out. Keys carry units: `took_ms`, `size_bytes`. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Log {
  debug(msg: string, fields?: LogFields): void
  info(msg: string, fields?: LogFields): void
  warn(msg: string, fields?: LogFields): void
  error(msg: string, fields?: LogFields): void
  /** A log whose lines all carry these fields too. */
  with(fields: LogFields): Log
}
