/**
 * What the label APIs ask: series, label names, label values, metadata. Series come from the shards
 * as label sets; what has no selector the shards list themselves.
 */
import { compareUtf8 } from '../../shared/model/labels.js'
import type { Matcher } from '../../shared/model/matcher.js'
import { type LabelTable, parseSelectors } from '../../shared/promql/index.js'
import {
  type AnswerNotes,
  encodeData,
  encodeStrings,
  type JsonEncoder,
} from '../../shared/wire/json/index.js'
import type { MetricMetadata } from '../ingester/contract.js'
import type { AnswerStats, QueryOf, SeriesQuery } from './contract.js'
import type { TimeRange } from './fanout.js'
import type { Reads } from './federation.js'
import type { QueryStop } from './query-stop.js'
import { TRUNCATED } from './texts.js'

/** Lists from here on stop being written when the query does. */
const LOOK_STRINGS_MIN = 1_000

/** Whom a query is for, and what it is answered from. */
export interface LabelContext {
  readonly tenant: string
  readonly fanout: Reads
  readonly labels: LabelTable
  readonly stop: QueryStop
}

/** An answer before it is timed. */
export interface Outcome {
  readonly pieces: readonly Uint8Array[]
  readonly samplesRead: number
  readonly seriesRead: number
  readonly contentType?: string
  readonly contentEncoding?: string
  readonly stats?: AnswerStats
}

/** Label sets of the series of any selector, in the order of their labels. */
export async function answerSeries(
  context: LabelContext & { readonly json: JsonEncoder },
  query: QueryOf<'series'>,
): Promise<Outcome> {
  const { labels, stop, json } = context
  const selectors = parseSelectors(query.matchers, 'invalid parameter "match[]": ', () =>
    stop.tick(),
  )
  const sets = await setsOf(context, selectors, query)
  const sorted = labels.sorted(sets)
  const isCut = query.limit > 0 && sorted.length > query.limit
  const kept = isCut ? sorted.subarray(0, query.limit) : sorted
  return listOutcome(
    json.encodeSeries(kept, labels, cutNotes(isCut), () => stop.tick()),
    sets.length,
  )
}

/** Distinct label names, sorted. */
export async function answerLabelNames(
  context: LabelContext,
  query: QueryOf<'label-names'>,
): Promise<Outcome> {
  const { tenant, fanout, stop } = context
  const selectors = parseSelectors(query.matchers, '', () => stop.tick())
  if (selectors.length === 0) {
    return stringsOutcome(await fanout.labelNames(tenant, rangeOf(query)), query, {
      seriesRead: 0,
      stop,
    })
  }
  const sets = await setsOf(context, selectors, query)
  const names = distinctNames(sets, context)
  return stringsOutcome(names, query, { seriesRead: sets.length, stop })
}

/** Distinct values of a label, sorted. */
export async function answerLabelValues(
  context: LabelContext,
  query: QueryOf<'label-values'>,
): Promise<Outcome> {
  const { tenant, fanout, stop } = context
  const selectors = parseSelectors(query.matchers, '', () => stop.tick())
  if (selectors.length === 0) {
    const values = await fanout.labelValues(tenant, query.name, rangeOf(query))
    return stringsOutcome(values, query, { seriesRead: 0, stop })
  }
  const sets = await setsOf(context, selectors, query)
  const values = distinctValues(sets, query.name, context)
  return stringsOutcome(values, query, { seriesRead: sets.length, stop })
}

/** Metadata by metric name, sorted, each entry once. */
export async function answerMetadata(
  context: LabelContext,
  query: QueryOf<'metadata'>,
): Promise<Outcome> {
  const { metric, limit, limitPerMetric } = query
  // No limit is below zero; a limit of zero asks for nothing.
  if (limit === 0) return listOutcome(encodeData({}), 0)
  const entries = await context.fanout.metadata(context.tenant, metric)
  const byMetric = new Map<string, MetricMetadata[]>()
  for (const entry of entries.sort((a, b) => compareUtf8(a.metric, b.metric))) {
    const list = byMetric.get(entry.metric)
    if (list === undefined) {
      if (limit > 0 && byMetric.size >= limit) break
      byMetric.set(entry.metric, [entry])
    } else if (!(limitPerMetric > 0 && list.length >= limitPerMetric) && !has(list, entry)) {
      list.push(entry)
    }
  }
  return listOutcome(encodeData(metadataJson(byMetric)), 0)
}

/** An answer that read no samples. */
export function listOutcome(pieces: readonly Uint8Array[], seriesRead: number): Outcome {
  return { pieces, samplesRead: 0, seriesRead }
}

/** Set ids of the series of any selector, each once. */
async function setsOf(
  context: LabelContext,
  selectors: readonly (readonly Matcher[])[],
  range: TimeRange,
): Promise<Uint32Array> {
  const { tenant, fanout, labels } = context
  const lists: Uint32Array[] = []
  for (const matchers of selectors) {
    lists.push(await fanout.sets(tenant, matchers, rangeOf(range), labels))
    context.stop.check()
  }
  if (lists.length === 1) return lists[0]!
  return labels.distinctSets(lists)
}

/** Distinct label names of sets, sorted; each pair is looked at once. */
function distinctNames(sets: Uint32Array, { labels, stop }: LabelContext): string[] {
  const seen = new Uint8Array(labels.size().pairs)
  const names = new Set<string>()
  for (let i = 0; i < sets.length; i++) {
    stop.tick()
    const pairs = labels.pairs(sets[i]!)
    for (let at = 0; at < pairs.length; at++) {
      const pair = pairs[at]!
      if (seen[pair] === 1) continue
      seen[pair] = 1
      names.add(labels.pairName(pair))
    }
  }
  return [...names].sort(stop.whileSorting(compareUtf8))
}

/** Distinct values of a label in sets, sorted. */
function distinctValues(sets: Uint32Array, name: string, { labels, stop }: LabelContext): string[] {
  const seen = new Uint8Array(labels.size().pairs)
  const pairOf = labels.pairsOf(name)
  const values: string[] = []
  for (let i = 0; i < sets.length; i++) {
    stop.tick()
    const pair = pairOf(sets[i]!)
    if (pair < 0 || seen[pair] === 1) continue
    seen[pair] = 1
    values.push(labels.pairValue(pair))
  }
  return values.sort(stop.whileSorting(compareUtf8))
}

function rangeOf({ mint, maxt }: TimeRange): TimeRange {
  return { mint, maxt }
}

function has(list: readonly MetricMetadata[], entry: MetricMetadata): boolean {
  const { type, help, unit } = entry
  return list.some((other) => other.type === type && other.help === help && other.unit === unit)
}

function metadataJson(byMetric: ReadonlyMap<string, readonly MetricMetadata[]>): unknown {
  return Object.fromEntries(
    Array.from(byMetric, ([metric, entries]) => [
      metric,
      entries.map(({ type, help, unit }) => ({ type, help, unit })),
    ]),
  )
}

/** The warning beside a list that its limit has cut. */
function cutNotes(isCut: boolean): AnswerNotes {
  return isCut ? { warnings: [TRUNCATED] } : {}
}

function stringsOutcome(
  values: readonly string[],
  { limit }: SeriesQuery,
  { seriesRead, stop }: { readonly seriesRead: number; readonly stop: QueryStop },
): Outcome {
  const isCut = limit > 0 && values.length > limit
  const kept = isCut ? values.slice(0, limit) : values
  // What is short is written in no time.
  const watched = kept.length < LOOK_STRINGS_MIN ? kept : stop.over(kept)
  return listOutcome(encodeStrings(watched, cutNotes(isCut)), seriesRead)
}
