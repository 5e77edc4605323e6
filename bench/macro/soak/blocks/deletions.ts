/**
 * Deletions of a soak: one after the other, each of a tenth of the series over times that no other one
 * touches and into which no sample is sent any more. A request is made until it is answered 204: until
 * then its samples may be there or not, afterwards none may.
 */
import {
  aliveAt,
  type BlocksStream,
  FIRST_STEP,
  isHistogram,
  sampleValue,
  sentWith,
  timeOf,
} from './workload.js'

/** One deletion. */
export interface Deletion {
  /** Of the series whose number ends in it. */
  readonly digit: number
  /** Steps, the second exclusive. */
  readonly from: number
  readonly to: number
  isDone: boolean
}

/** Those of one stream. */
export class Deletions {
  readonly list: Deletion[] = []
  private readonly stream: BlocksStream

  constructor(stream: BlocksStream) {
    this.stream = stream
  }

  /** Begins another one, of up to so many steps before a step; undefined while one goes on. */
  begin(before: number, random: number): Deletion | undefined {
    const last = this.list.at(-1)
    if (last?.isDone === false) return undefined
    const to = before - (random % 50)
    const from = Math.max(last?.to ?? FIRST_STEP, to - 20 - (random % 400))
    if (from >= to) return undefined
    const deletion = { digit: random % 10, from, to, isDone: false }
    this.list.push(deletion)
    return deletion
  }

  /** Those that are done now; of later ones nobody knows when they were. */
  done(): ReadonlySet<Deletion> {
    return new Set(this.list.filter(({ isDone }) => isDone))
  }

  /** The deletion that takes a sample. */
  find(series: number, step: number): Deletion | undefined {
    return this.list.find(
      ({ digit, from, to }) => series % 10 === digit && step >= from && step < to,
    )
  }

  /** Whether one that was not done before touches the steps. */
  isUnclear(from: number, to: number, done: ReadonlySet<Deletion>): boolean {
    return this.list.some((one) => !done.has(one) && one.from < to && one.to > from)
  }

  /** What is deleted of the steps. */
  over(from: number, to: number): { count: number; sum: number; histograms: number } {
    const gone = { count: 0, sum: 0, histograms: 0 }
    for (const one of this.list) {
      for (let step = Math.max(from, one.from); step < Math.min(to, one.to); step++) {
        const alive = aliveAt(step)
        for (let series = alive.from; series < alive.to; series++) {
          if (series % 10 !== one.digit) continue
          if (sentWith(this.stream, series, step) === undefined) continue
          if (isHistogram(series)) gone.histograms++
          else {
            gone.count++
            gone.sum += sampleValue(this.stream, series, step)
          }
        }
      }
    }
    return gone
  }

  /** The request for one. */
  form({ digit, from, to }: Deletion): URLSearchParams {
    const seconds = (step: number): string => (timeOf(this.stream, step) / 1000).toFixed(3)
    return new URLSearchParams({
      'match[]': `{__name__=~"soak_block.*",series=~".*${digit}"}`,
      start: seconds(from),
      end: seconds(to - 1),
    })
  }
}
