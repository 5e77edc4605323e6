/**
 * What a head holds of a tenant, by label names and pairs, for /api/v1/status/tsdb. Reads rows only,
 * so that readers can do it; costs some 100 ns per series and pair.
 */
import { METRIC_NAME } from '../../model/labels.js'
import type { HeadView } from './head-view.js'

/** Counts of one tenant in one head. */
export interface HeadStats {
  readonly series: number
  readonly pairs: number
  readonly chunks: number
  /** ms; +Infinity and -Infinity without samples. */
  readonly mint: number
  readonly maxt: number
  /** Series by metric, and by `name=value`; the largest only. */
  readonly byMetric: ReadonlyMap<string, number>
  readonly byPair: ReadonlyMap<string, number>
  /** Values, and bytes of label values over all series, by label name. */
  readonly valuesByName: ReadonlyMap<string, number>
  readonly bytesByName: ReadonlyMap<string, number>
}

/** Nothing. */
export const EMPTY_STATS: HeadStats = {
  series: 0,
  pairs: 0,
  chunks: 0,
  mint: Number.POSITIVE_INFINITY,
  maxt: Number.NEGATIVE_INFINITY,
  byMetric: new Map(),
  byPair: new Map(),
  valuesByName: new Map(),
  bytesByName: new Map(),
}

/** Pairs or series between two yields. */
const STEP = 2048

/** Looks at a series' chunks: how many, and its first and last time. */
export type SeriesExtent = (ref: number) => { chunks: number; mint: number; maxt: number }

/** Counts what a tenant has; of metrics and pairs the `most` largest are told. */
export function* headStatsSteps(
  view: HeadView,
  tenant: number,
  extentOf: SeriesExtent,
  most: number,
): Generator<void, HeadStats> {
  const metrics = new Largest(most)
  const pairs = new Largest(most)
  const valuesByName = new Map<string, number>()
  const bytesByName = new Map<string, number>()
  let pairCount = 0
  let steps = 0
  for (let id = view.firstName(tenant); id !== 0; id = view.nextName(id)) {
    const name = view.nameText(id)
    let values = 0
    let bytes = 0
    for (let pair = view.firstPair(id); pair !== 0; pair = view.nextPair(pair)) {
      if (++steps % STEP === 0) yield
      const series = view.postingsCount(pair)
      if (series === 0) continue
      values++
      const isMetric = name === METRIC_NAME && metrics.isIn(series)
      const isListed = pairs.isIn(series)
      const value = view.pairValue(pair)
      bytes += Buffer.byteLength(value) * series
      if (isMetric) metrics.add(value, series)
      if (isListed) pairs.add(`${name}=${value}`, series)
    }
    if (values === 0) continue
    pairCount += values
    valuesByName.set(name, values)
    bytesByName.set(name, bytes)
  }
  const all = view.postings(view.allPair(tenant))
  let chunks = 0
  let mint = Number.POSITIVE_INFINITY
  let maxt = Number.NEGATIVE_INFINITY
  for (const ref of all) {
    if (++steps % STEP === 0) yield
    const extent = extentOf(ref)
    chunks += extent.chunks
    mint = Math.min(mint, extent.mint)
    maxt = Math.max(maxt, extent.maxt)
  }
  const lists = { byMetric: metrics.entries(), byPair: pairs.entries(), valuesByName, bytesByName }
  return { series: all.length, pairs: pairCount, chunks, mint, maxt, ...lists }
}

/** The largest of many counts, cut down now and then. */
class Largest {
  private readonly most: number
  private entriesSoFar: [string, number][] = []
  private least = 0

  constructor(most: number) {
    this.most = most
  }

  /** Whether a count may be among the largest. */
  isIn(count: number): boolean {
    return count > this.least
  }

  add(name: string, count: number): void {
    this.entriesSoFar.push([name, count])
    if (this.entriesSoFar.length >= this.most * 2 + 1000) this.cut()
  }

  entries(): Map<string, number> {
    this.cut()
    return new Map(this.entriesSoFar)
  }

  private cut(): void {
    this.entriesSoFar.sort((a, b) => b[1] - a[1])
    this.entriesSoFar = this.entriesSoFar.slice(0, this.most)
    if (this.entriesSoFar.length === this.most) this.least = this.entriesSoFar.at(-1)?.[1] ?? 0
  }
}
