/**
 * What the soak sends, as a function of seed, writer, push and series alone, so that what must be
 * there can be told without keeping it: only the fate of each push is kept.
 *
 * A writer's push `p` holds series p/20 … p/20 + 39, so that a series is new every 20 pushes and old
 * ones end, and one to three samples of each. One in sixteen also has a *late* one, which lies in the
 * time of push p and is sent with a later push, out of order. One series in eight is a native histogram.
 */
import type { PushedHistogram, PushedSeries } from '../../../test/support/remote-write.js'

const SERIES_PER_PUSH = 40
const PUSHES_PER_NEW_SERIES = 20
/** Milliseconds between the first samples of two pushes, unless the stream has others. */
const STEP_MS = 40
/** Where in the time of its push a late sample lies: after those that are sent with it. */
const LATE_AT_MS = 29
/** A late sample comes at most so many pushes after its time. */
export const LATE_PUSHES_MAX = 48
/** Values that break careless code: signs, ends of the range, not numbers. */
const AWKWARD = [0, -0, 1e-310, 5e-324, Number.MAX_VALUE, -1e300, 0.1 + 0.2, 2 ** 53 + 2]
const NOT_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]

/** The stream of one writer. */
export interface Stream {
  readonly seed: number
  readonly writer: number
  /** Time of the first sample, ms since the epoch. */
  readonly baseMs: number
  /** Milliseconds between the first samples of two pushes; 40 at least, which it is when left out. */
  readonly stepMs?: number
}

/** Tenant that a writer writes as: two writers share one; every fourth name is a strange one. */
export function tenantOf(writer: number): string {
  const tenant = writer >> 1
  return tenant % 4 === 3 ? `_.so-ak*(${tenant})'!` : `soak-${tenant}`
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
    const labels = labelsOf(stream, series)
    if (isHistogram(series)) {
      const late = lateSamplesOf(stream, push, series).map(([t, value]) => histogramAt(t, value))
      const histograms = [...late, ...histogramsOf(stream, push, series)]
      return { labels, samples: [], histograms }
    }
    const samples = [...lateSamplesOf(stream, push, series), ...samplesOf(stream, push, series)]
    return { labels, samples }
  })
}

/** Whether a series is a native histogram. */
export function isHistogram(series: number): boolean {
  return series % 8 === 5
}

/** Histograms of one series in one push, at the times that samples would have. */
export function histogramsOf(stream: Stream, push: number, series: number): PushedHistogram[] {
  return samplesOf(stream, push, series).map(([t], at) => {
    return histogramAt(t, mix(stream.seed, stream.writer * 1_000_003 + series, push, at + 50))
  })
}

/** A histogram of a time, all else as a number says. */
export function histogramAt(t: number, random: number): PushedHistogram {
  const bits = mix(random)
  const width = 1 + ((bits >>> 14) % 5)
  return {
    t,
    schema: 2 - ((bits >>> 20) % 2),
    sum: (bits % 4_000) / 8,
    zeroCount: (bits >>> 3) % 3,
    offset: ((bits >>> 5) % 6) - 2,
    buckets: Array.from({ length: width }, (_, bucket) => 1 + ((bits >>> bucket) % 60)),
  }
}

/** A sample that is sent later than its time. */
export interface LateSample {
  readonly sample: [number, number]
  /** The push that it is sent with. */
  readonly sentWith: number
}

/** The late sample of a series in the time of a push, if there is one; of a histogram what it is made of. */
export function findLate(stream: Stream, push: number, series: number): LateSample | undefined {
  const random = mix(stream.seed, stream.writer * 1_000_003 + series, push, 1234)
  const { first, last } = pushesOfSeries(series)
  const sentWith = push + 1 + ((random >>> 8) % LATE_PUSHES_MAX)
  if (random % 16 !== 0 || push < first || sentWith > last) return undefined
  const value = isHistogram(series) ? random >>> 3 : valueFor(random >>> 3)
  return { sample: [stream.baseMs + push * stepOf(stream) + LATE_AT_MS, value], sentWith }
}

/** The late samples of a series that are sent with a push, newest first. */
function lateSamplesOf(stream: Stream, push: number, series: number): [number, number][] {
  const found: [number, number][] = []
  for (let at = push - 1; at >= Math.max(0, push - LATE_PUSHES_MAX); at--) {
    const late = findLate(stream, at, series)
    if (late?.sentWith === push) found.push(late.sample)
  }
  return found
}

/** Samples of one series in one push. */
export function samplesOf(stream: Stream, push: number, series: number): [number, number][] {
  const count = 1 + (mix(stream.seed, stream.writer, push, 99) % 3)
  return Array.from({ length: count }, (_, at) => {
    const random = mix(stream.seed, stream.writer * 1_000_003 + series, push, at)
    return [stream.baseMs + push * stepOf(stream) + at * 7, valueFor(random)]
  })
}

function stepOf({ stepMs = STEP_MS }: Stream): number {
  return stepMs
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
  return Math.floor((timeMs - stream.baseMs) / stepOf(stream))
}

/** Time of the last sample that a push may hold. */
export function lastTimeOf(stream: Stream, push: number): number {
  return stream.baseMs + (push + 1) * stepOf(stream) - 1
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
