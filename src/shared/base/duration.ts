/**
 * Durations in Prometheus' notation (`1h30m`, `250ms`), as milliseconds.
 * Follows prometheus/common model/time.go: units y w d h m s ms, each at most once, from the
 * largest to the smallest; a lone `0` is allowed.
 */
import { fail } from '../errors/index.js'
import { quoteGo } from './go-string.js'

const MS_OF_UNIT: ReadonlyMap<string, { readonly ms: number; readonly rank: number }> = new Map([
  ['y', { ms: 31_536_000_000, rank: 1 }],
  ['w', { ms: 604_800_000, rank: 2 }],
  ['d', { ms: 86_400_000, rank: 3 }],
  ['h', { ms: 3_600_000, rank: 4 }],
  ['m', { ms: 60_000, rank: 5 }],
  ['s', { ms: 1000, rank: 6 }],
  ['ms', { ms: 1, rank: 7 }],
])

/** The longest duration, in ms: Go's time.Duration counts nanoseconds in 63 bits. */
export const DURATION_MS_MAX = 9_223_372_036_854

const UINT64_MAX = 2 ** 64

/**
 * Reads a duration.
 *
 * @returns milliseconds, 0 to DURATION_MS_MAX
 * @throws AppError `bad-data` with Prometheus' text
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0
  if (text === '') throw fail('bad-data', { text: 'empty duration string' })
  const part = /([0-9]+)([^0-9]+)/y
  let ms = 0
  let rank = 0
  while (part.lastIndex < text.length) {
    const match = part.exec(text)
    if (match === null) throw invalid(text)
    const count = Number(match[1])
    if (count >= UINT64_MAX) throw invalid(text)
    const unit = MS_OF_UNIT.get(match[2]!)
    if (unit === undefined) {
      const message = `unknown unit ${quoteGo(match[2]!)} in duration ${quoteGo(text)}`
      throw fail('bad-data', { text: message })
    }
    if (unit.rank <= rank) throw invalid(text)
    rank = unit.rank
    ms += count * unit.ms
    if (ms > DURATION_MS_MAX) throw fail('bad-data', { text: 'duration out of range' })
  }
  return ms
}

function invalid(text: string): Error {
  return fail('bad-data', { text: `not a valid duration string: ${quoteGo(text)}` })
}

/**
 * Writes a duration as Prometheus does: `1h30m`, `90d`. Years and weeks only where nothing
 * remains; `0s` for less than a millisecond.
 */
export function printDuration(ms: number): string {
  let rest = Math.trunc(Math.abs(ms))
  if (rest === 0) return '0s'
  let out = ms < 0 ? '-' : ''
  for (const [unit, { ms: size, rank }] of MS_OF_UNIT) {
    if (rank <= 2 && rest % size !== 0) continue
    const count = Math.floor(rest / size)
    if (count === 0) continue
    out += `${count}${unit}`
    rest -= count * size
  }
  return out
}
