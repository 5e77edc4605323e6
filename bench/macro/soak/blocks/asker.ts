/**
 * One who asks, all the time: parts of a writer's stream, in several ways, and compares each answer with
 * what must be there. A sample whose push was answered before the question must be in the answer, one
 * whose push had not begun when the answer came must not; nothing may come twice.
 */
import { type ApiAnswer, type ApiParams, callApi } from '../../../../test/support/prom-api.js'
import { mix } from '../workload.js'
import type { Deletion } from './deletions.js'
import {
  aliveAt,
  FIRST_STEP,
  firstStepOf,
  isHistogram,
  LATE_PUSHES_MAX,
  STEP_MS,
  StepTotals,
  sampleValue,
  sentWith,
  tenantOf,
  timeOf,
} from './workload.js'
import type { BlocksWriter } from './writer.js'

/** Where to ask now; waits while no server runs. */
export interface AskTarget {
  queryUrl(): Promise<string>
}

/** Steps of a question for single samples, at most. */
const RAW_STEPS_MAX = 900
/** And of one with an answer per step. */
const RANGE_STEPS_MAX = 2_000
/** And of one over everything at once. */
const WHOLE_STEPS_MAX = 30 * 1_440
/** How long questions may fail, ms. */
const SILENCE_MS_MAX = 400_000
const RETRY_MS = 50
const PAUSE_MS = 5
const WRONG_MAX = 20

/** Asks for one writer's stream. */
export class Asker {
  /** What was wrong with answers. */
  readonly wrong: string[] = []
  /** Answers that were compared, and questions that were not answered. */
  readonly counts = { answers: 0, unanswered: 0, samples: 0 }
  /** Longest time without an answer, ms. */
  silenceMs = 0
  private readonly writer: BlocksWriter
  private readonly target: AskTarget
  private readonly totals: StepTotals
  private answeredAt = 0
  private number = 0
  private isStopping = false

  constructor(writer: BlocksWriter, target: AskTarget) {
    this.writer = writer
    this.target = target
    this.totals = new StepTotals(writer.stream)
  }

  /** Asks until told to stop. @throws when nothing was answered for long */
  async run(): Promise<void> {
    this.answeredAt = performance.now()
    while (!this.isStopping) {
      await this.askOne()
      await sleep(PAUSE_MS)
    }
  }

  /** The question in hand is the last one. */
  stop(): void {
    this.isStopping = true
  }

  /** Asks for every sample there is, one by one. */
  async askAll(): Promise<void> {
    this.isStopping = false
    this.answeredAt = performance.now()
    const end = firstStepOf(this.writer.begun)
    for (let from = FIRST_STEP; from < end; from += RAW_STEPS_MAX) {
      await this.askRaw(from, Math.min(end, from + RAW_STEPS_MAX))
    }
    await this.askWhole(FIRST_STEP, this.settled())
  }

  private async askOne(): Promise<void> {
    const { stream, begun } = this.writer
    const random = (salt: number): number => mix(stream.seed, stream.writer, this.number, salt)
    this.number++
    const settled = this.settled()
    if (settled <= FIRST_STEP + 1) return await sleep(RETRY_MS)
    const kind = random(1) % 4
    const [most, end] =
      kind === 0
        ? [RAW_STEPS_MAX, firstStepOf(begun)]
        : [kind === 1 ? RANGE_STEPS_MAX : WHOLE_STEPS_MAX, settled]
    // Newer times more often: there blocks come and go.
    const isNew = random(2) % 2 === 0
    const length = 1 + (random(3) % Math.min(most, end - FIRST_STEP))
    const latest = end - length - FIRST_STEP
    const from = FIRST_STEP + (isNew ? latest : random(4) % (latest + 1))
    if (kind === 0) await this.askRaw(from, from + length)
    else if (kind === 1) await this.askRange(from, from + length)
    else await this.askWhole(from, from + length)
  }

  /** Steps before are complete: no sample of theirs is still to come. */
  settled(): number {
    return firstStepOf(Math.max(0, this.writer.acked - LATE_PUSHES_MAX))
  }

  private async askRaw(from: number, to: number): Promise<void> {
    const { writer } = this
    const acked = writer.acked
    const done = writer.deletions.done()
    const query = `{__name__=~"soak_block.*"}[${(to - from) * STEP_MS}ms]`
    const answer = await this.ask('query', { query, time: this.timeText(to - 1) })
    if (answer === undefined) return
    const { begun } = writer
    const { result } = answer.data as { result: RawSeries[] }
    const found = new Map<number, RawSeries>()
    for (const one of result) {
      const series = Number(one.metric['series'])
      if (found.has(series)) this.note(query, `series ${series} comes twice`)
      found.set(series, one)
    }
    const last = aliveAt(to - 1).to
    for (let series = aliveAt(from).from; series < last; series++) {
      const points = this.pointsOf(query, series, found.get(series))
      found.delete(series)
      for (let step = from; step < to; step++) {
        const alive = aliveAt(step)
        if (series < alive.from || series >= alive.to) continue
        this.checkSample(query, { series, step, acked, begun, done }, points)
      }
      for (const [time, value] of points) {
        this.note(query, `series ${series}: ${value} at ${time}, which was never sent`)
      }
    }
    for (const series of found.keys()) this.note(query, `series ${series} does not exist then`)
  }

  private checkSample(
    query: string,
    { series, step, acked, begun, done }: SampleFacts,
    points: Map<number, string>,
  ): void {
    const { stream } = this.writer
    const time = timeOf(stream, step)
    const got = points.get(time)
    points.delete(time)
    const push = sentWith(stream, series, step)
    const name = `series ${series} at ${time} (push ${push}, ${acked} answered, ${begun} begun)`
    const deletion = this.writer.deletions.find(series, step)
    if (deletion !== undefined && done.has(deletion)) {
      if (got !== undefined) this.note(query, `${name} is there and was deleted`)
    } else if (got === undefined) {
      if (deletion !== undefined) return
      if (push !== undefined && push < acked) this.note(query, `${name} is missing`)
    } else if (push === undefined || push >= begun) {
      this.note(query, `${name} is there and was never sent`)
    } else if (got !== String(sampleValue(stream, series, step))) {
      this.note(query, `${name} is ${got}`)
    } else this.counts.samples++
  }

  /** Time → value; histograms by their sum. */
  private pointsOf(query: string, series: number, raw: RawSeries | undefined): Map<number, string> {
    const points = new Map<number, string>()
    const pairs: [number, string][] = [
      ...(raw?.values ?? []),
      ...(raw?.histograms ?? []).map(([t, { sum }]): [number, string] => [t, sum]),
    ]
    for (const [seconds, value] of pairs) {
      const time = Math.round(seconds * 1000)
      if (points.has(time)) this.note(query, `series ${series}: ${time} comes twice`)
      points.set(time, value)
    }
    if (raw !== undefined && (raw.histograms !== undefined) !== isHistogram(series)) {
      this.note(query, `series ${series} is of the wrong kind`)
    }
    return points
  }

  private async askRange(from: number, to: number): Promise<void> {
    const { deletions } = this.writer
    const done = deletions.done()
    const isSum = this.number % 2 === 0
    const name = isSum ? 'sum' : 'count'
    const query = `sum(${name}_over_time(soak_block[1m]))`
    const [start, end] = [this.timeText(from), this.timeText(to - 1)]
    const answer = await this.ask('query_range', { query, start, end, step: STEP_MS / 1000 })
    if (answer === undefined || deletions.isUnclear(from, to, done)) return
    const { result } = answer.data as { result: { values: [number, string][] }[] }
    const values = new Map(result[0]?.values.map(([t, v]) => [Math.round(t * 1000), v]) ?? [])
    for (let step = from; step < to; step++) {
      const { count, sum } = this.left(step, step + 1)
      const wanted = count === 0 ? undefined : String(isSum ? sum : count)
      const got = values.get(timeOf(this.writer.stream, step))
      if (got !== wanted) this.note(query, `${got} at step ${step}, not ${wanted}`)
    }
  }

  private async askWhole(from: number, to: number): Promise<void> {
    const { deletions } = this.writer
    const done = deletions.done()
    const { count, sum, histograms } = this.left(from, to)
    const range = `[${(to - from) * STEP_MS}ms]`
    const questions = [
      [`sum(count_over_time(soak_block${range}))`, count],
      [`sum(sum_over_time(soak_block${range}))`, sum],
      [`sum(count_over_time(soak_block_histogram${range}))`, histograms],
    ] as const
    const [query, wanted] = questions[this.number % questions.length]!
    const answer = await this.ask('query', { query, time: this.timeText(to - 1) })
    if (answer === undefined || deletions.isUnclear(from, to, done)) return
    const { result } = answer.data as { result: { value: [number, string] }[] }
    const got = Number(result[0]?.value[1] ?? 0)
    if (got !== wanted) this.note(query, `${got}, not ${wanted}; steps ${from} to ${to}`)
    else this.counts.samples += count
  }

  /** What there is of the steps, without what is deleted. */
  private left(from: number, to: number): { count: number; sum: number; histograms: number } {
    const all = this.totals.over(from, to)
    const gone = this.writer.deletions.over(from, to)
    return {
      count: all.count - gone.count,
      sum: all.sum - gone.sum,
      histograms: all.histograms - gone.histograms,
    }
  }

  /** Asks again while the answer is 503 or none; undefined when it is to stop. */
  private async ask(path: string, params: ApiParams): Promise<ApiAnswer | undefined> {
    const tenant = tenantOf(this.writer.stream)
    for (;;) {
      const url = await this.target.queryUrl()
      const answer = await callApi(url, path, params, { tenant }).catch(() => undefined)
      if (answer?.status === 'success') return this.noteAnswer(answer)
      if (answer !== undefined && answer.httpStatus !== 503) {
        this.note(String(params['query']), `${answer.httpStatus} ${answer.error}`)
        return undefined
      }
      this.counts.unanswered++
      const silence = performance.now() - this.answeredAt
      if (silence > SILENCE_MS_MAX) {
        throw new Error(`no answer for ${silence.toFixed(0)} ms: ${answer?.error ?? 'nothing'}`)
      }
      if (this.isStopping) return undefined
      await sleep(RETRY_MS)
    }
  }

  private noteAnswer(answer: ApiAnswer): ApiAnswer {
    const now = performance.now()
    this.silenceMs = Math.max(this.silenceMs, now - this.answeredAt)
    this.answeredAt = now
    this.counts.answers++
    return answer
  }

  private note(query: string, text: string): void {
    if (this.wrong.length < WRONG_MAX)
      this.wrong.push(
        `${new Date().toISOString()} ${tenantOf(this.writer.stream)}: ${query}: ${text}`,
      )
    else this.wrong[WRONG_MAX] = 'and more'
  }

  private timeText(step: number): string {
    return (timeOf(this.writer.stream, step) / 1000).toFixed(3)
  }
}

/** A sample, and what was known when it was asked for and answered. */
interface SampleFacts {
  readonly series: number
  readonly step: number
  readonly acked: number
  readonly begun: number
  readonly done: ReadonlySet<Deletion>
}

interface RawSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly values?: [number, string][]
  readonly histograms?: [number, { readonly sum: string }][]
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
