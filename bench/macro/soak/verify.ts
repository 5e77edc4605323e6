/**
 * Reads back all that lies between two pushes and compares it, value for value, with what was sent:
 * what got a 2xx must be there, what did not may be, nothing else may.
 */
import {
  callApi,
  labelKey,
  type Points,
  parseValue,
  seriesOf,
} from '../../../test/support/prom-api.js'
import type { PushedHistogram } from '../../../test/support/remote-write.js'
import {
  findLate,
  histogramAt,
  histogramsOf,
  isHistogram,
  LATE_PUSHES_MAX,
  labelsOf,
  lastTimeOf,
  pushAt,
  pushesOfSeries,
  type Stream,
  samplesOf,
  tenantOf,
} from './workload.js'
import type { Fate, Writer } from './writer.js'

/** What a verification found. */
export interface Findings {
  /** Samples that got a 2xx and are there. */
  found: number
  /** Samples without a 2xx that are there all the same. */
  extra: number
  /** Acknowledged samples that are missing or have another value, and samples never sent. */
  readonly wrong: string[]
}

/** Pushes read back with one query. */
const PUSHES_PER_QUERY = 1500
const WRONG_MAX = 20
const QUERY_TRIES = 20

/**
 * @param from first push that is looked at; those that late samples came with are seen as well
 * @param headers of the queries, besides
 */
export async function verify(
  queryUrl: string,
  writer: Writer,
  from: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<Findings> {
  const findings: Findings = { found: 0, extra: 0, wrong: [] }
  const until = writer.fates.length
  for (let first = Math.max(0, from - LATE_PUSHES_MAX); first < until; first += PUSHES_PER_QUERY) {
    const last = Math.min(first + PUSHES_PER_QUERY, until) - 1
    const stored = await read({ queryUrl, headers }, writer.stream, first, last)
    compare(writer, stored, first, last, findings)
  }
  return findings
}

/**
 * Whether the tenants hold as many samples as were found one by one, whatever their time: a sample
 * outside the streams' time would be seen by nobody else.
 */
export async function verifyTotals(
  queryUrl: string,
  writers: readonly Writer[],
  findings: Findings,
): Promise<string[]> {
  let total = 0
  for (const tenant of new Set(writers.map(({ stream }) => tenantOf(stream.writer)))) {
    const query = 'sum(count_over_time({__name__!=""}[90d]))'
    const params = { query, time: (Date.now() / 1000 + 600).toFixed(3) }
    const answer = await callApi(queryUrl, 'query', params, { tenant })
    if (answer.status !== 'success') throw new Error(`${query}: ${answer.error}`)
    for (const points of seriesOf(answer.data).values()) {
      for (const value of points.values()) total += parseValue(value)
    }
  }
  const wanted = findings.found + findings.extra
  return total === wanted ? [] : [`${total} samples in all, ${wanted} were found one by one`]
}

/** Everything that the tenant has of this writer within the time of some pushes. */
async function read(
  { queryUrl, headers }: { queryUrl: string; headers: Readonly<Record<string, string>> },
  stream: Stream,
  first: number,
  last: number,
): Promise<Map<string, Points>> {
  const endMs = lastTimeOf(stream, last)
  // A range is open to the left.
  const rangeMs = endMs - lastTimeOf(stream, first - 1)
  const query = `{__name__!="", writer="${stream.writer}"}[${rangeMs}ms]`
  const params = { query, time: (endMs / 1000).toFixed(3) }
  const options = { tenant: tenantOf(stream.writer), method: 'POST', headers } as const
  let answer = await callApi(queryUrl, 'query', params, options)
  // A thread that was killed may take a query along; what comes back is asked again.
  for (let tries = 1; answer.httpStatus === 503 && tries < QUERY_TRIES; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 250))
    answer = await callApi(queryUrl, 'query', params, options)
  }
  if (answer.status !== 'success') {
    throw new Error(`${query}: ${answer.httpStatus} ${answer.error}`)
  }
  return pointsOf(answer.data)
}

function compare(
  writer: Writer,
  stored: Map<string, Points>,
  first: number,
  last: number,
  findings: Findings,
): void {
  const { stream, fates } = writer
  const unknown = new Set(stored.keys())
  const seriesFirst = Math.floor(first / 20)
  for (let series = seriesFirst; pushesOfSeries(series).first <= last; series++) {
    const key = labelKey(labelsOf(stream, series))
    unknown.delete(key)
    const points = new Map(
      [...(stored.get(key) ?? [])].map(([time, value]) => [Math.round(time * 1000), value]),
    )
    const pushes = pushesOfSeries(series)
    const until = Math.min(pushes.last, last)
    for (let push = Math.max(pushes.first, first); push <= until; push++) {
      for (const [time, value] of sentWith(stream, push, series)) {
        check(findings, fates[push]!, points.get(time), value, `${key} at ${time} (push ${push})`)
        points.delete(time)
      }
      const late = findLate(stream, push, series)
      const fate = late === undefined ? undefined : fates[late.sentWith]
      if (late === undefined || fate === undefined) continue
      const [time, number] = late.sample
      const value = isHistogram(series) ? textOf(histogramAt(time, number)) : number
      const name = `${key} at ${time} (late, push ${late.sentWith})`
      check(findings, fate, points.get(time), value, name)
      points.delete(time)
    }
    for (const [time, value] of points) {
      note(findings, `${key} at ${time} (push ${pushAt(stream, time)}): ${value} was never sent`)
    }
  }
  for (const key of unknown) note(findings, `${key}: a series that was never sent`)
}

/** Times and values that a push holds of a series; of a histogram a text as `histogramText` makes it. */
function sentWith(stream: Stream, push: number, series: number): [number, number | string][] {
  if (!isHistogram(series)) return samplesOf(stream, push, series)
  return histogramsOf(stream, push, series).map((histogram) => [histogram.t, textOf(histogram)])
}

function textOf({ sum, zeroCount, buckets }: PushedHistogram): string {
  return histogramText(sum, zeroCount > 0 ? [zeroCount, ...buckets] : buckets)
}

function histogramText(sum: number, counts: readonly number[]): string {
  return `histogram of sum ${sum}, counts ${counts.join(' ')}`
}

/** Label set → time → value; the histograms of an answer as texts. */
function pointsOf(data: unknown): Map<string, Points> {
  const found = seriesOf(data)
  const { result } = data as { result: RawHistograms[] }
  for (const { metric, histograms = [] } of result) {
    const points = new Map(found.get(labelKey(metric)))
    for (const [time, { count, sum, buckets = [] }] of histograms) {
      const counts = buckets.map((bucket) => Number(bucket[3]))
      const total = counts.reduce((all, one) => all + one, 0)
      const text = histogramText(Number(sum), counts)
      points.set(time, total === Number(count) ? text : `${text}, count ${count}`)
    }
    found.set(labelKey(metric), points)
  }
  return found
}

interface RawHistograms {
  readonly metric: Readonly<Record<string, string>>
  readonly histograms?: readonly [
    number,
    {
      readonly count: string
      readonly sum: string
      readonly buckets?: readonly [number, string, string, string][]
    },
  ][]
}

function isSame(got: string, sent: number | string): boolean {
  return typeof sent === 'string' ? got === sent : Object.is(parseValue(got), sent)
}

function check(
  findings: Findings,
  fate: Fate,
  got: string | undefined,
  sent: number | string,
  name: string,
): void {
  if (got === undefined) {
    if (fate === 'acked') note(findings, `${name}: lost, ${sent} was acknowledged`)
  } else if (!isSame(got, sent)) {
    note(findings, `${name}: ${got}, not ${sent}`)
  } else if (fate === 'acked') findings.found += 1
  else findings.extra += 1
}

function note(findings: Findings, text: string): void {
  if (findings.wrong.length < WRONG_MAX) findings.wrong.push(text)
  else findings.wrong[WRONG_MAX] = 'and more'
}
