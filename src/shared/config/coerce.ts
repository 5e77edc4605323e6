/**
 * Text → value by the type that the table gives a key, as Go decodes into typed fields: `yes` is a
 * switch for a bool and text for a string, `0755` a number only where a number is wanted. Called by
 * load.ts for values of the file and of flags; print.ts does the way back.
 */
import { parseGoDuration, printGoDuration } from '../base/go-duration.js'
import type { KeyRow } from './row.js'

/** A value before its type is known: YAML without types, or the text of a flag. */
export type Raw = string | null | readonly Raw[] | { readonly [key: string]: Raw }

/** The typed value, or what should have stood there. */
export type Coerced = { readonly value: unknown } | { readonly expected: string }

const TRUE = /^(true|yes|on|y|t|1)$/i
const FALSE = /^(false|no|off|n|f|0)$/i
/** Suffixes are powers of 1024, as in Prometheus' flags, with or without the `i`. */
const SIZE = /^(\d+(?:\.\d+)?)\s*(?:([KMGTP])i?)?B?$/i
const SIZE_POWERS = 'KMGTP'

/**
 * @param row the table's row for the key
 * @param raw what the file or flag gives; null (an empty value) leaves the default in place
 */
export function coerce(row: KeyRow<unknown>, raw: Raw): Coerced {
  if (raw === null) return { value: row.default }
  if (row.type === 'open') return { value: raw }
  if (row.type === 'list' || row.type === 'durations') return coerceList(row, raw)
  if (typeof raw !== 'string') return { expected: expectation(row) }
  return coerceText(row, raw)
}

/** What a value of this row looks like, for errors and the reference page. */
export function expectation(row: KeyRow<unknown>): string {
  switch (row.type) {
    case 'bool':
      return 'true or false'
    case 'int':
      return `a whole number${bounds(row)}`
    case 'float':
      return `a number${bounds(row)}`
    case 'size':
      return 'bytes, as a number or with a suffix (104857600, 100MiB)'
    case 'duration':
      return `a duration (30s, 1h30m, 7d)${bounds(row)}`
    case 'string':
      return 'text'
    case 'choice':
      return `one of ${(row.choices ?? []).map((word) => (word === '' ? '""' : word)).join(', ')}`
    case 'list':
      return 'a list, or text with commas between'
    case 'durations':
      return 'durations: a list, or text with commas between (2h,12h,24h)'
    case 'open':
      return 'any YAML'
  }
}

function bounds(row: KeyRow<unknown>): string {
  const least = row.least ?? Number.NEGATIVE_INFINITY
  if (row.most !== undefined) return ` from ${least} to ${row.most}`
  if (least === Number.NEGATIVE_INFINITY) return ''
  return `, at least ${printed(row, least)}`
}

function coerceText(row: KeyRow<unknown>, raw: string): Coerced {
  const text = raw.trim()
  const wrong = { expected: expectation(row) }
  switch (row.type) {
    case 'bool':
      return TRUE.test(text) ? { value: true } : FALSE.test(text) ? { value: false } : wrong
    case 'int':
      return /^[+-]?\d+$/.test(text) ? bounded(row, Number(text)) : wrong
    case 'float':
      return text !== '' && !/^0x/i.test(text) ? bounded(row, Number(text)) : wrong
    case 'size':
      return bounded(row, parseSize(text))
    case 'duration':
      return bounded(row, parseGoDuration(text))
    case 'choice':
      return row.choices?.includes(text) ? { value: text } : wrong
    default:
      return { value: raw }
  }
}

function bounded(row: KeyRow<unknown>, value: number | undefined): Coerced {
  const isGood =
    value !== undefined &&
    Number.isFinite(value) &&
    Math.abs(value) <= Number.MAX_SAFE_INTEGER &&
    value >= (row.least ?? Number.NEGATIVE_INFINITY) &&
    value <= (row.most ?? Number.POSITIVE_INFINITY)
  return isGood ? { value } : { expected: expectation(row) }
}

function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text)
  if (match === null) return undefined
  const power = match[2] === undefined ? 0 : SIZE_POWERS.indexOf(match[2].toUpperCase()) + 1
  return Math.round(Number(match[1]) * 1024 ** power)
}

function coerceList(row: KeyRow<unknown>, raw: Exclude<Raw, null>): Coerced {
  const parts = typeof raw === 'string' ? raw.split(',').map((part) => part.trim()) : raw
  if (!Array.isArray(parts)) return { expected: expectation(row) }
  const values: unknown[] = []
  for (const part of parts as readonly Raw[]) {
    if (typeof part !== 'string') return { expected: expectation(row) }
    if (part === '') continue
    const value = row.type === 'durations' ? bounded(row, parseGoDuration(part)) : { value: part }
    if ('expected' in value) return { expected: expectation(row) }
    values.push(value.value)
  }
  return { value: Object.freeze(values) }
}

function printed(row: KeyRow<unknown>, value: number): string {
  return row.type === 'duration' && value !== 0 ? printGoDuration(value) : String(value)
}
