/**
 * A SeriesSource over plain arrays: for tests and benchmarks of the engine alone. Series keep the
 * order in which they were added.
 */

import type { FloatHistogram } from '../../src/shared/model/histogram.js'
import { type Labels, labelsOf } from '../../src/shared/model/labels.js'
import type { Matcher } from '../../src/shared/model/matcher.js'
import { compileRegex } from '../../src/shared/model/regex.js'
import { writeStale } from '../../src/shared/model/stale.js'
import type {
  LabelTable,
  SampleBuffer,
  SelectedSeries,
  SelectRequest,
  SeriesSource,
} from '../../src/shared/promql/index.js'

/** A sample's value; `stale` is the stale marker, `undefined` no sample. */
export type Value = number | 'stale' | undefined

interface Series {
  readonly labels: Labels
  ts: Float64Array
  values: Float64Array
  /** [samples]; undefined without histograms. */
  histograms: (FloatHistogram | undefined)[] | undefined
  /** [samples] start timestamps (ms), 0 where not known; undefined without any. */
  starts: Float64Array | undefined
}

export class MemorySource implements SeriesSource {
  private readonly series: Series[] = []
  /** Selections that were not given back. */
  open = 0
  /** Requests so far. */
  readonly requests: SelectRequest[] = []

  /** Adds a series with a sample each `stepMs` from time 0 on. */
  add(labels: Readonly<Record<string, string>>, stepMs: number, items: readonly Value[]): this {
    const at = items.flatMap((item, index) => (item === undefined ? [] : [index]))
    const ts = Float64Array.from(at, (index) => index * stepMs)
    const values = new Float64Array(at.length)
    for (const [i, index] of at.entries()) {
      const item = items[index]!
      if (item === 'stale') writeStale(values, i)
      else values[i] = item
    }
    return this.addColumns(labels, ts, values)
  }

  /** Adds a series of ready columns. */
  addColumns(
    labels: Readonly<Record<string, string>>,
    ts: Float64Array,
    values: Float64Array,
    histograms?: (FloatHistogram | undefined)[],
  ): this {
    this.series.push({ labels: labelsOf(labels), ts, values, histograms, starts: undefined })
    return this
  }

  /** Adds samples to a series, which is made when there is none. */
  append(
    labels: Labels,
    ts: Float64Array,
    values: Float64Array,
    histograms: (FloatHistogram | undefined)[] | undefined,
    starts?: Float64Array,
  ): void {
    const key = JSON.stringify(labels)
    const known = this.series.find((series) => JSON.stringify(series.labels) === key)
    if (known === undefined) {
      this.series.push({ labels, ts, values, histograms, starts })
      return
    }
    if (histograms !== undefined || known.histograms !== undefined) {
      const before = known.histograms ?? new Array<undefined>(known.ts.length).fill(undefined)
      known.histograms = [
        ...before,
        ...(histograms ?? new Array<undefined>(ts.length).fill(undefined)),
      ]
    }
    if (starts !== undefined || known.starts !== undefined) {
      const before = known.starts ?? new Float64Array(known.ts.length)
      known.starts = joined(before, starts ?? new Float64Array(ts.length))
    }
    known.ts = joined(known.ts, ts)
    known.values = joined(known.values, values)
  }

  select(request: SelectRequest, labels: LabelTable): Promise<SelectedSeries> {
    this.requests.push(request)
    const tests = request.matchers.map(testOf)
    const found = this.series.filter((series) => tests.every((test) => test(series.labels)))
    const sets = Uint32Array.from(found, (series) => labels.internLabels(series.labels))
    this.open++
    return Promise.resolve({
      count: found.length,
      sets,
      read: (index, mint, maxt, out) => read(found[index]!, mint, maxt, out),
      release: () => {
        this.open--
      },
    })
  }
}

/** One after the other; bits are kept, those of stale markers among them. */
function joined(a: Float64Array, b: Float64Array): Float64Array {
  const both = new Float64Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

function testOf({ name, op, value }: Matcher): (labels: Labels) => boolean {
  const of = (labels: Labels): string => labels.find((label) => label.name === name)?.value ?? ''
  if (op === '=') return (labels) => of(labels) === value
  if (op === '!=') return (labels) => of(labels) !== value
  const regex = compileRegex(value)
  return (labels) => regex.test(of(labels)) === (op === '=~')
}

function read(series: Series, mint: number, maxt: number, out: SampleBuffer): void {
  const from = firstFrom(series.ts, mint)
  const to = firstFrom(series.ts, maxt + 1)
  if (out.ts.length < to - from) {
    out.ts = new Float64Array(to - from)
    out.values = new Float64Array(to - from)
  }
  out.ts.set(series.ts.subarray(from, to))
  out.values.set(series.values.subarray(from, to))
  out.count = to - from
  out.times = series.ts
  if (series.starts !== undefined) out.starts = series.starts.slice(from, to)
  if (series.histograms !== undefined) {
    const histograms = series.histograms.slice(from, to)
    if (histograms.some((histogram) => histogram !== undefined)) out.histograms = histograms
  }
}

function firstFrom(ts: Float64Array, at: number): number {
  let low = 0
  let high = ts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ts[middle]! < at) low = middle + 1
    else high = middle
  }
  return low
}
