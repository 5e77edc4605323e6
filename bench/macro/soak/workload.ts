/**
 * What the soak sends, as a function of seed, writer, push and series alone, so that what must be
 * there can be told without keeping it: only the fate of each push is kept.
 *
 * A writer's push `p` holds series p/20 … p/20 + 39, so that a series is new every 20 pushes and old
 * ones end, and one to three samples of each.
 */
import type { PushedSeries } from '../../../test/support/remote-write.js'

const SERIES_PER_PUSH = 40
const PUSHES_PER_NEW_SERIES = 20
/** Milliseconds between the first samples of two pushes. */
const STEP_MS = 40
/** Values that break careless code: signs, ends of the range, not numbers. */
const AWKWARD = [0, -0, 1e-310, 5e-324, Number.MAX_VALUE, -1e300, 0.1 + 0.2, 2 ** 53 + 2]
const NOT_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]

/** The stream of one writer. */
export interface Stream {
  readonly seed: number
  readonly writer: number
  /** Time of the first sample, ms since the epoch. */
  readonly baseMs: number
}

/** Tenant that a writer writes as; two writers share one. */
export function tenantOf(writer: number): string {
  return `soak-${writer >> 1}`
}

/** Labels of a series by its number. */
export function labelsOf(stream: Stream, series: number): Record<string, string> {
  return {
    __name__: `soak_${series % 7}_total`,
    writer: String(stream.writer),
    series: String(series),
    // Long enough to be like the real thing, and not ASCII alone.
    pod: `payments-api-${series % 13}-größe-${'x'.repeat(series % 40)}`,
  }
}

/** The series of a push, with their samples. */
export function seriesOfPush(stream: Stream, push: number): PushedSeries[] {
  const first = Math.floor(push / PUSHES_PER_NEW_SERIES)
  return Array.from({ length: SERIES_PER_PUSH }, (_, offset) => {
    const series = first + offset
    return { labels: labelsOf(stream, series), samples: samplesOf(stream, push, series) }
  })
}

/** Samples of one series in one push. */
export function samplesOf(stream: Stream, push: number, series: number): [number, number][] {
  const count = 1 + (mix(stream.seed, stream.writer, push, 99) % 3)
  return Array.from({ length: count }, (_, at) => {
    const random = mix(stream.seed, stream.writer * 1_000_003 + series, push, at)
    return [stream.baseMs + push * STEP_MS + at * 7, valueFor(random)]
  })
}

/** Pushes that hold a series: first and last, inclusive. */
export function pushesOfSeries(series: number): { first: number; last: number } {
  const oldest = Math.max(0, series - SERIES_PER_PUSH + 1)
  return {
    first: oldest * PUSHES_PER_NEW_SERIES,
    last: (series + 1) * PUSHES_PER_NEW_SERIES - 1,
  }
}

/** The push that a time belongs to. */
export function pushAt(stream: Stream, timeMs: number): number {
  return Math.floor((timeMs - stream.baseMs) / STEP_MS)
}

/** Time of the last sample that a push may hold. */
export function lastTimeOf(stream: Stream, push: number): number {
  return stream.baseMs + (push + 1) * STEP_MS - 1
}

/** Mostly counters and fractions, at times an awkward one. */
function valueFor(random: number): number {
  if (random % 41 === 0) return AWKWARD[(random >>> 8) % AWKWARD.length]!
  if (random % 43 === 0) return NOT_FINITE[(random >>> 8) % NOT_FINITE.length]!
  return random % 3 === 0 ? random / 1e6 : random >>> 4
}

/** A u32 of four numbers (murmur3's finisher over each). */
export function mix(...parts: readonly number[]): number {
  let hash = 0x9e3779b9
  for (const part of parts) {
    hash = Math.imul(hash ^ part ^ (part / 2 ** 32), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    hash ^= hash >>> 16
  }
  return hash >>> 0
}
