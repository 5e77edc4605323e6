/**
 * What `load_with_nhcb` makes of classic histograms: a native one with custom buckets for each, at
 * every time that any of its series has a sample.
 */
import { findGoFloat } from '../../../src/shared/base/go-float.js'
import { CUSTOM_BUCKETS_SCHEMA, NO_BUCKETS } from '../../../src/shared/model/histogram.js'
import { fasten } from '../../../src/shared/model/histogram-arithmetic.js'
import { type Labels, METRIC_NAME } from '../../../src/shared/model/labels.js'
import { keyOf } from './compare.js'
import type { HistogramLiteral } from './histogram-literal.js'
import type { Item, SeriesLine } from './series.js'

interface Classic {
  readonly labels: Labels
  readonly buckets: { readonly bound: number; readonly items: readonly Item[] }[]
  counts: readonly Item[]
  sums: readonly Item[]
}

/** The native histogram series of classic ones. */
export function convertClassic(lines: Iterable<SeriesLine>): SeriesLine[] {
  const found = new Map<string, Classic>()
  for (const { labels, items } of lines) {
    const name = labels.find((label) => label.name === METRIC_NAME)?.value ?? ''
    const suffix = /_(?:bucket|count|sum)$/.exec(name)?.[0]
    if (suffix === undefined) continue
    const le = labels.find((label) => label.name === 'le')?.value
    const bound = suffix === '_bucket' ? findGoFloat(le ?? '') : 0
    if (bound === undefined || bound !== bound) continue
    const base = labels
      .filter((label) => label.name !== 'le')
      .map((label) =>
        label.name === METRIC_NAME ? { ...label, value: name.slice(0, -suffix.length) } : label,
      )
    const key = keyOf(base)
    let classic = found.get(key)
    if (classic === undefined) {
      classic = { labels: base, buckets: [], counts: [], sums: [] }
      found.set(key, classic)
    }
    if (suffix === '_bucket') classic.buckets.push({ bound, items })
    else if (suffix === '_count') classic.counts = items
    else classic.sums = items
  }
  return Array.from(found.values(), convert)
}

function convert({ labels, buckets, counts, sums }: Classic): SeriesLine {
  buckets.sort((a, b) => a.bound - b.bound)
  const steps = [...buckets.map(({ items }) => items), counts, sums].reduce(
    (most, items) => Math.max(most, items.length),
    0,
  )
  const items: Item[] = []
  for (let step = 0; step < steps; step++) {
    const present = buckets.flatMap(({ bound, items: column }) => {
      const count = column[step]
      return typeof count === 'number' ? [{ bound, count }] : []
    })
    const count = counts[step]
    const sum = sums[step]
    const isThere = present.length > 0 || typeof count === 'number' || typeof sum === 'number'
    items.push(isThere ? nativeOf(present, count, sum) : undefined)
  }
  return { labels, items, starts: undefined }
}

function nativeOf(
  buckets: readonly { readonly bound: number; readonly count: number }[],
  countItem: Item,
  sumItem: Item,
): HistogramLiteral {
  const infinite = buckets.find(({ bound }) => bound === Infinity)
  const finite = buckets.filter(({ bound }) => bound !== Infinity)
  // Without both the last bucket has all there is.
  const last = infinite?.count ?? finite.at(-1)?.count ?? 0
  const count = typeof countItem === 'number' ? countItem : last
  const total = infinite?.count ?? count
  let before = 0
  const counts = [...finite.map((bucket) => bucket.count), total].map((cumulative) => {
    const own = cumulative - before
    before = cumulative
    return own
  })
  const used = counts.flatMap((own, index) => (own === 0 ? [] : [index]))
  return {
    hasHint: false,
    histogram: {
      counterResetHint: 'unknown',
      schema: CUSTOM_BUCKETS_SCHEMA,
      zeroThreshold: 0,
      zeroCount: 0,
      count,
      sum: typeof sumItem === 'number' ? sumItem : 0,
      positive: fasten(
        Int32Array.from(used),
        Float64Array.from(used, (index) => counts[index]!),
      ),
      negative: NO_BUCKETS,
      customValues: Float64Array.from(finite, ({ bound }) => bound),
    },
  }
}
