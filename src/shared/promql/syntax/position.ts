/**
 * Positions as Prometheus prints them, and the error that a query's text gives.
 * Offsets count UTF-16 units, as JavaScript's strings do; the column that is printed counts UTF-8
 * bytes from the start of the line, from 1, as Prometheus' does.
 */
import { type AppError, fail } from '../../errors/index.js'

/** `line:column` of an offset into a query text; what annotations and parse errors carry. */
export function printPosition(text: string, offset: number): string {
  if (text === '') return 'unknown position'
  if (offset < 0 || offset > text.length) return 'invalid position'
  let line = 1
  let lineStart = 0
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) {
    line++
    lineStart = at + 1
  }
  return `${line}:${Buffer.byteLength(text.slice(lineStart, offset)) + 1}`
}

/** The error to throw: `1:5: parse error: …`. */
export function parseError(text: string, offset: number, message: string): AppError {
  return fail('query-parse', { text: `${printPosition(text, offset)}: parse error: ${message}` })
}
