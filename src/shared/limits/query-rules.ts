/**
 * The rules of `blocked_queries`, `limited_queries` and `blocked_requests`: which of a tenant's
 * queries are refused, and which may run only so often. A pattern is compared with the query as it was sent and as it is
 * printed, so that blanks make no difference.
 */
import { parseGoDuration } from '../base/go-duration.js'
import { fail } from '../errors/index.js'
import { compileRegex } from '../model/regex.js'

/** A query as rules see it. */
export interface RuledQuery {
  /** As sent, and as printed. */
  readonly texts: readonly string[]
  /** Of a range query, or of a remote read with a step of 0, ms; undefined for instant ones. */
  readonly range?: { readonly startMs: number; readonly endMs: number; readonly stepMs: number }
}

/** A row of `blocked_queries`: all that it says must be so. */
export interface BlockedQuery {
  readonly reason: string
  matches(query: RuledQuery): boolean
}

/** A row of `limited_queries`. */
export interface LimitedQuery {
  readonly query: string
  /** `allowed_frequency`: ms from one run to the next. */
  readonly everyMs: number
}

/** @throws AppError `bad-data` for what is no list of rules */
export function compileBlockedQueries(value: unknown): readonly BlockedQuery[] {
  const known = ['pattern', 'regex', 'reason', 'unaligned_range_queries']
  const durations = ['time_range_longer_than', 'step_size_shorter_than']
  return rowsOf(value, [...known, ...durations]).map((row) => {
    const pattern = textOf(row, 'pattern').trim()
    const isUnaligned = switchOf(row, 'unaligned_range_queries')
    const longerMs = durationOf(row, 'time_range_longer_than')
    const shorterMs = durationOf(row, 'step_size_shorter_than')
    if (pattern === '' && !isUnaligned && longerMs === 0 && shorterMs === 0) {
      throw invalid('a row without pattern or condition would block everything')
    }
    const matchesText = patternTest(pattern, switchOf(row, 'regex'))
    return {
      reason: textOf(row, 'reason'),
      matches({ texts, range }) {
        if (pattern !== '' && !texts.some(matchesText)) return false
        if (!isUnaligned && longerMs === 0 && shorterMs === 0) return true
        if (range === undefined) return false
        const { startMs, endMs, stepMs } = range
        const isAligned = stepMs === 0 || (startMs % stepMs === 0 && endMs % stepMs === 0)
        if (isUnaligned && isAligned) return false
        if (longerMs > 0 && endMs - startMs <= longerMs) return false
        return shorterMs === 0 || (stepMs > 0 && stepMs < shorterMs)
      },
    }
  })
}

/** A request of the read path as rules see it. */
export interface RuledRequest {
  readonly method: string
  /** With its prefixes. */
  readonly path: string
  /** All values of a parameter, of the URL and of a form. */
  values(name: string): readonly string[]
}

/** A row of `blocked_requests`: all that it says must be so. */
export type BlockedRequest = (request: RuledRequest) => boolean

/** @throws AppError `bad-data` for what is no list of rules */
export function compileBlockedRequests(value: unknown): readonly BlockedRequest[] {
  return rowsOf(value, ['path', 'method', 'query_params']).map((row) => {
    const path = textOf(row, 'path')
    const method = textOf(row, 'method').toUpperCase()
    const params = paramTests(row['query_params'])
    if (path === '' && method === '' && params.length === 0) {
      throw invalid('a row without path, method or query_params would block everything')
    }
    return (request) =>
      (path === '' || request.path === path) &&
      (method === '' || request.method === method) &&
      params.every(({ name, test }) => request.values(name).some(test))
  })
}

function paramTests(value: unknown): { name: string; test: (text: string) => boolean }[] {
  if (value === undefined || value === null) return []
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid('query_params: expected a map')
  return Object.entries(value).map(([name, wanted]) => {
    const [row] = rowsOf([wanted], ['value', 'is_regexp'])
    return { name, test: patternTest(textOf(row!, 'value'), switchOf(row!, 'is_regexp')) }
  })
}

/** @throws AppError `bad-data` for what is no list of rules */
export function compileLimitedQueries(value: unknown): readonly LimitedQuery[] {
  return rowsOf(value, ['query', 'allowed_frequency']).map((row) => {
    const query = textOf(row, 'query').trim()
    const everyMs = durationOf(row, 'allowed_frequency')
    if (query === '' || everyMs === 0) throw invalid('expected query and allowed_frequency')
    return { query, everyMs }
  })
}

function patternTest(pattern: string, isRegex: boolean): (text: string) => boolean {
  if (!isRegex) return (text) => text === pattern
  const regex = compileRegex(pattern)
  return (text) => regex.test(text)
}

type Row = Readonly<Record<string, unknown>>

function rowsOf(value: unknown, known: readonly string[]): readonly Row[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid('expected a list')
  for (const row of value as readonly unknown[]) {
    if (row === null || typeof row !== 'object' || Array.isArray(row)) {
      throw invalid('expected a list of maps')
    }
    const unknown = Object.keys(row).find((key) => !known.includes(key))
    if (unknown !== undefined) throw invalid(`no such key: ${unknown}`)
  }
  return value as readonly Row[]
}

function textOf(row: Row, key: string): string {
  const value = row[key] ?? ''
  if (typeof value === 'object') throw invalid(`${key}: expected text`)
  return String(value)
}

function switchOf(row: Row, key: string): boolean {
  const text = textOf(row, key)
  if (!['', 'true', 'false'].includes(text)) throw invalid(`${key}: expected true or false`)
  return text === 'true'
}

function durationOf(row: Row, key: string): number {
  const text = textOf(row, key)
  const ms = text === '' ? 0 : parseGoDuration(text)
  if (ms === undefined || ms < 0) throw invalid(`${key}: expected a duration`)
  return ms
}

function invalid(text: string): Error {
  return fail('bad-data', { text })
}
