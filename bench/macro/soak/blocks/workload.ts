/**
 * What the soak over blocks sends: a sample a minute of series that come and go, as a function of seed,
 * writer, series and minute alone. A push holds ten minutes; minutes pass as fast as pushes are answered,
 * so that hours become blocks, and days of them are compacted, within seconds.
 *
 * One sample in 29 does not exist; one in eleven comes up to 200 minutes late, out of order. One
 * series in five is a native histogram. Values are small integers: their sums are exact.
 */
import type { PushedSeries } from '../../../../test/support/remote-write.js'
import { histogramAt, mix } from '../workload.js'

/** Time between two samples of a series, ms. */
export const STEP_MS = 60_000
/** Steps in a push. */
export const PUSH_STEPS = 10
/** A late sample comes at most so many pushes after its time. */
export const LATE_PUSHES_MAX = 20
/** Steps between the births of two series, and of a series' life: so many over it are alive. */
const BIRTH_STEPS = 200
const LIFE_STEPS = 2_400
/** The first step: as many series as ever are alive from there on. */
export const FIRST_STEP = LIFE_STEPS

/** The stream of one writer. */
export interface BlocksStream {
  readonly seed: number
  readonly writer: number
  /** Time of step 0, ms since the epoch; a multiple of STEP_MS. */
  readonly baseMs: number
}

/** The tenant that a writer writes as. */
export function tenantOf({ writer }: BlocksStream): string {
  return `blocks-${writer}`
}

/** The metric of a series. */
export function metricOf(series: number): string {
  return isHistogram(series) ? 'soak_block_histogram' : 'soak_block'
}

/** Labels of a series by its number. */
export function labelsOf(series: number): Record<string, string> {
  return { __name__: metricOf(series), series: String(series), pod: `pod-${series % 7}-größe` }
}

/** Whether a series is a native histogram. */
export function isHistogram(series: number): boolean {
  return series % 5 === 3
}

/** Series that are alive at a step: from the first to the second, exclusive. */
export function aliveAt(step: number): { from: number; to: number } {
  const from = Math.max(0, Math.floor((step - LIFE_STEPS) / BIRTH_STEPS) + 1)
  return { from, to: Math.floor(step / BIRTH_STEPS) + 1 }
}

/** Time of a step, ms. */
export function timeOf({ baseMs }: BlocksStream, step: number): number {
  return baseMs + step * STEP_MS
}

/** The push in whose time a step lies. */
export function pushOf(step: number): number {
  return Math.floor((step - FIRST_STEP) / PUSH_STEPS)
}

/** First step of a push. */
export function firstStepOf(push: number): number {
  return FIRST_STEP + push * PUSH_STEPS
}

/** The push that a sample comes with; undefined when there is none. */
export function sentWith(stream: BlocksStream, series: number, step: number): number | undefined {
  const random = randomOf(stream, series, step)
  if (random % 29 === 0) return undefined
  const push = pushOf(step)
  return random % 11 === 0 ? push + 1 + ((random >>> 8) % LATE_PUSHES_MAX) : push
}

/** The value of a float sample, or the sum of a histogram. */
export function sampleValue(stream: BlocksStream, series: number, step: number): number {
  const random = mix(randomOf(stream, series, step))
  if (!isHistogram(series)) return random >>> 12
  return histogramAt(0, random).sum
}

/** The series of a push with their samples, those out of order first. */
export function seriesOfPush(stream: BlocksStream, push: number): PushedSeries[] {
  const first = firstStepOf(Math.max(0, push - LATE_PUSHES_MAX))
  const end = firstStepOf(push + 1)
  const found: PushedSeries[] = []
  const to = aliveAt(end - 1).to
  for (let series = aliveAt(first).from; series < to; series++) {
    const steps: number[] = []
    for (let step = first; step < end; step++) {
      const alive = aliveAt(step)
      if (series < alive.from || series >= alive.to) continue
      if (sentWith(stream, series, step) === push) steps.push(step)
    }
    if (steps.length === 0) continue
    const labels = labelsOf(series)
    const histograms = isHistogram(series)
      ? steps.map((step) => histogramAt(timeOf(stream, step), mix(randomOf(stream, series, step))))
      : []
    const samples = isHistogram(series)
      ? []
      : steps.map((step): [number, number] => [
          timeOf(stream, step),
          sampleValue(stream, series, step),
        ])
    found.push({ labels, samples, histograms })
  }
  return found
}

function randomOf({ seed, writer }: BlocksStream, series: number, step: number): number {
  return mix(seed, writer * 1_000_003 + series, step)
}

/** How many samples there are of each step, and their sum; each made once. */
export class StepTotals {
  private readonly stream: BlocksStream
  private readonly counts: number[] = [0]
  private readonly sums: number[] = [0]
  private readonly histogramCounts: number[] = [0]

  constructor(stream: BlocksStream) {
    this.stream = stream
  }

  /** Of the steps from the first to the second, exclusive. */
  over(from: number, to: number): { count: number; sum: number; histograms: number } {
    this.make(to)
    const of = (list: readonly number[]): number =>
      list[Math.max(0, to - FIRST_STEP)]! - list[Math.max(0, from - FIRST_STEP)]!
    return { count: of(this.counts), sum: of(this.sums), histograms: of(this.histogramCounts) }
  }

  private make(to: number): void {
    const { counts, sums, histogramCounts } = this
    for (let step = FIRST_STEP + counts.length - 1; step < to; step++) {
      let [count, sum, histograms] = [0, 0, 0]
      const alive = aliveAt(step)
      for (let series = alive.from; series < alive.to; series++) {
        if (sentWith(this.stream, series, step) === undefined) continue
        if (isHistogram(series)) histograms++
        else {
          count++
          sum += sampleValue(this.stream, series, step)
        }
      }
      counts.push(counts.at(-1)! + count)
      sums.push(sums.at(-1)! + sum)
      histogramCounts.push(histogramCounts.at(-1)! + histograms)
    }
  }
}
