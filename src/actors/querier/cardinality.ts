/**
 * Mimir's cardinality API (reference, "Cardinality API"): which labels have how many values and
 * series, and which series are active. Told from the heads alone, whatever else a query would read;
 * series that several zones have count once.
 */
import { fail } from '../../shared/errors/index.js'
import type { FloatHistogram } from '../../shared/model/histogram.js'
import { compareUtf8, METRIC_NAME } from '../../shared/model/labels.js'
import type { Matcher } from '../../shared/model/matcher.js'
import { FetchMeter, parseSelectors, type SampleBuffer } from '../../shared/promql/index.js'
import { frameSnappy } from '../../shared/wire/compression/index.js'
import { encodeActiveSeries, encodeBareData } from '../../shared/wire/json/index.js'
import type { QueryOf } from './contract.js'
import { type LabelContext, listOutcome, type Outcome } from './label-queries.js'
import type { CardinalityLimits } from './query-limits.js'

/** Content-Encoding of a framed snappy stream, as Mimir calls it. */
const FRAMED_ENCODING = 'x-snappy-framed'
/** Rows of an answer when it is not said how many are wanted. */
const ROWS_DEFAULT = 20

/** What the questions are answered by besides the series. */
export interface CardinalityContext extends LabelContext {
  readonly limits: CardinalityLimits
  /** The oldest newest sample of a series that is active, ms. */
  readonly activeSinceMs: number
  /** From here on most active series have a sample, ms. */
  readonly recentMs: number
}

/** Values or series of a label pair or name, counted. */
interface Counted {
  readonly text: string
  readonly count: number
}

/**
 * Answers one of the API's questions.
 * @throws AppError `bad-data` when the tenant may not ask it, or not so much of it; `query-parse`;
 *   `answer-too-large`
 */
export async function answerCardinality(
  context: CardinalityContext,
  query: QueryOf<'cardinality'>,
): Promise<Outcome> {
  const { limits } = context
  if (!limits.isEnabled) {
    const text =
      'the cardinality API is switched off; to switch it on for the tenant, configure -querier.cardinality-analysis-enabled'
    throw fail('bad-data', { text })
  }
  const limit = rowsOf(query, limits)
  if (query.of === 'active-series') return activeSeries(context, query)
  if (query.of === 'active-native-histograms') return activeNativeHistograms(context, query)
  if (query.of === 'label-names') return labelNames(context, query, limit)
  if (query.names.length > limits.namesMax) {
    const text = `label_names[] has ${query.names.length} names, at most ${limits.namesMax} are allowed; to adjust the limit, configure -querier.label-values-max-cardinality-label-names-per-request`
    throw fail('bad-data', { text })
  }
  return labelValues(context, query, limit)
}

/** How many rows are wanted, within what may be. */
function rowsOf({ limit }: QueryOf<'cardinality'>, { rowsMax }: CardinalityLimits): number {
  if (limit === undefined) return Math.min(ROWS_DEFAULT, rowsMax)
  if (limit >= 0 && limit <= rowsMax) return limit
  throw fail('bad-data', { text: `limit is to be from 0 to ${rowsMax}` })
}

async function labelNames(
  context: CardinalityContext,
  query: QueryOf<'cardinality'>,
  limit: number,
): Promise<Outcome> {
  const { labels, limits } = context
  const sets = await setsOf(context, query)
  const counts = new Map<string, number>()
  const perPair = seriesPerPair(context, sets)
  for (let pair = 0; pair < perPair.length; pair++) {
    if (perPair[pair] === 0) continue
    const name = labels.pairName(pair)
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const rows = sorted(Array.from(counts, ([text, count]) => ({ text, count })))
  const data = {
    label_values_count_total: rows.reduce((sum, { count }) => sum + count, 0),
    label_names_count: rows.length,
    cardinality: rows
      .slice(0, limit)
      .map(({ text, count }) => ({ label_name: text, label_values_count: count })),
  }
  return bounded(encodeBareData(data), sets.length, limits.namesBytesMax)
}

async function labelValues(
  context: CardinalityContext,
  query: QueryOf<'cardinality'>,
  limit: number,
): Promise<Outcome> {
  const { labels, limits } = context
  const sets = await setsOf(context, query)
  const perPair = seriesPerPair(context, sets)
  const wanted = new Map(query.names.map((name): [string, Counted[]] => [name, []]))
  for (let pair = 0; pair < perPair.length; pair++) {
    const count = perPair[pair]!
    if (count > 0) {
      wanted.get(labels.pairName(pair))?.push({ text: labels.pairValue(pair), count })
    }
  }
  const names = Array.from(wanted, ([text, values]) => ({
    text,
    count: values.reduce((sum, { count }) => sum + count, 0),
    values,
  }))
  const rows = sorted(names.filter(({ count }) => count > 0))
  const data = {
    series_count_total: sets.length,
    labels: rows.map(({ text, count, values }) => ({
      label_name: text,
      label_values_count: values.length,
      series_count: count,
      cardinality: sorted(values)
        .slice(0, limit)
        .map((value) => ({ label_value: value.text, series_count: value.count })),
    })),
  }
  return bounded(encodeBareData(data), sets.length, limits.namesBytesMax)
}

async function activeSeries(
  context: CardinalityContext,
  query: QueryOf<'cardinality'>,
): Promise<Outcome> {
  const { labels, stop, limits } = context
  const sets = await setsOf(context, { ...query, isActive: true })
  const ordered = labels.sorted(sets)
  const pieces = encodeActiveSeries(stop.over(ordered), labels)
  const outcome = bounded(pieces, sets.length, limits.seriesBytesMax)
  if (!query.isFramed) return outcome
  const framed = frameSnappy(pieces, () => stop.check())
  return { ...outcome, pieces: framed, contentEncoding: FRAMED_ENCODING }
}

/** Buckets of the newest histograms of a metric's series. */
interface BucketCounts {
  series: number
  buckets: number
  least: number
  most: number
}

/** Metrics of active series whose newest sample is a native histogram. */
async function activeNativeHistograms(
  context: CardinalityContext,
  query: QueryOf<'cardinality'>,
): Promise<Outcome> {
  const { tenant, fanout, labels, stop, limits, activeSinceMs: mint, recentMs } = context
  const [matchers, maxt] = [matchersOf(context, query), Number.POSITIVE_INFINITY]
  const meter = new FetchMeter()
  const selected = await fanout.source(tenant).select({ matchers, mint, maxt, meter }, labels)
  const metrics = new Map<string, BucketCounts>()
  const none = new Float64Array(0)
  const buffer: SampleBuffer = { ts: none, values: none, count: 0, histograms: undefined }
  try {
    for (let row = 0; row < selected.count; row++) {
      stop.tick()
      // Most have a sample of late: of those no more is read and made than that.
      for (const from of [Math.max(mint, recentMs), mint]) {
        buffer.histograms = undefined
        selected.read(row, from, maxt, buffer)
        if (buffer.count > 0) break
      }
      const newest = newestHistogram(buffer)
      if (newest === undefined) continue
      const name = labels.value(selected.sets[row]!, METRIC_NAME)
      addBuckets(metrics, name, newest.positive.counts.length + newest.negative.counts.length)
    }
  } finally {
    selected.release()
  }
  const rows = Array.from(metrics, ([metric, { series, buckets, least, most }]) => ({
    metric,
    series_count: series,
    bucket_count: buckets,
    avg_bucket_count: buckets / series,
    min_bucket_count: least,
    max_bucket_count: most,
  }))
  const data = rows.sort((a, b) => compareUtf8(a.metric, b.metric))
  return bounded(encodeBareData({ data }), selected.count, limits.seriesBytesMax)
}

/** The newest sample, when it is a histogram. */
function newestHistogram({ histograms, count }: SampleBuffer): FloatHistogram | undefined {
  return histograms?.[count - 1]
}

/** Counts a series of a metric with so many buckets. */
function addBuckets(metrics: Map<string, BucketCounts>, name: string, buckets: number): void {
  const known = metrics.get(name)
  if (known === undefined) {
    metrics.set(name, { series: 1, buckets, least: buckets, most: buckets })
    return
  }
  known.series++
  known.buckets += buckets
  known.least = Math.min(known.least, buckets)
  known.most = Math.max(known.most, buckets)
}

/** Sets of the series that are asked about. */
async function setsOf(
  context: CardinalityContext,
  query: QueryOf<'cardinality'>,
): Promise<Uint32Array> {
  const { tenant, fanout, labels, activeSinceMs } = context
  const mint = query.isActive ? activeSinceMs : Number.NEGATIVE_INFINITY
  const range = { mint, maxt: Number.POSITIVE_INFINITY }
  return fanout.sets(tenant, matchersOf(context, query), range, labels)
}

/** What the selector says; none: nothing, which is all series. */
function matchersOf(
  { stop }: CardinalityContext,
  { selector }: QueryOf<'cardinality'>,
): readonly Matcher[] {
  const selectors = selector === '' ? [] : [selector]
  const parsed = parseSelectors(selectors, 'invalid parameter "selector": ', () => stop.tick())
  return parsed[0] ?? []
}

/** [pair] series that have it. */
function seriesPerPair({ labels, stop }: CardinalityContext, sets: Uint32Array): Uint32Array {
  const counts = new Uint32Array(labels.size().pairs)
  for (let i = 0; i < sets.length; i++) {
    stop.tick()
    const pairs = labels.pairs(sets[i]!)
    for (let at = 0; at < pairs.length; at++) counts[pairs[at]!]!++
  }
  return counts
}

/** The most first, of equal ones by text. */
function sorted<T extends Counted>(rows: T[]): T[] {
  return rows.sort((a, b) => b.count - a.count || compareUtf8(a.text, b.text))
}

/** An answer, unless it has more bytes than the tenant may get. */
function bounded(pieces: readonly Uint8Array[], seriesRead: number, bytesMax: number): Outcome {
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
  if (bytesMax > 0 && bytes > bytesMax) throw fail('answer-too-large', { bytes, max: bytesMax })
  return listOutcome(pieces, seriesRead)
}
