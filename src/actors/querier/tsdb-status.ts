/**
 * /api/v1/status/tsdb: how many series, label pairs and chunks a tenant has in the heads, and which
 * names and pairs have most of them; Prometheus' shape, read from the shards' memories.
 */

import type { HeadStats } from '../../shared/tsdb/index.js'
import { encodeData } from '../../shared/wire/json/index.js'
import type { QueryOf } from './contract.js'
import { type LabelContext, listOutcome, type Outcome } from './label-queries.js'

/** Of each list a shard tells so many times the rows that are asked for: sums may be larger. */
const SURPLUS = 10

/** Answers what the heads hold. @throws AppError `overloaded` while a shard cannot be read */
export async function answerTsdbStatus(
  { tenant, fanout }: LabelContext,
  { limit }: QueryOf<'tsdb-status'>,
): Promise<Outcome> {
  const parts = await fanout.headStats(tenant, limit * SURPLUS)
  const sum = (of: (part: HeadStats) => number): number =>
    parts.reduce((total, part) => total + of(part), 0)
  const data = {
    headStats: {
      numSeries: sum((part) => part.series),
      numLabelPairs: sum((part) => part.pairs),
      chunkCount: sum((part) => part.chunks),
      minTime: Math.min(...parts.map(({ mint }) => mint)),
      maxTime: Math.max(...parts.map(({ maxt }) => maxt)),
    },
    seriesCountByMetricName: largest(
      parts.map(({ byMetric }) => byMetric),
      limit,
    ),
    labelValueCountByLabelName: largest(
      parts.map(({ valuesByName }) => valuesByName),
      limit,
    ),
    memoryInBytesByLabelName: largest(
      parts.map(({ bytesByName }) => bytesByName),
      limit,
    ),
    seriesCountByLabelValuePair: largest(
      parts.map(({ byPair }) => byPair),
      limit,
    ),
  }
  return listOutcome(encodeData(data), data.headStats.numSeries)
}

/** The largest entries of the sums of several lists. */
function largest(
  lists: readonly ReadonlyMap<string, number>[],
  limit: number,
): { name: string; value: number }[] {
  const sums = new Map<string, number>()
  for (const list of lists) {
    for (const [name, count] of list) sums.set(name, (sums.get(name) ?? 0) + count)
  }
  const rows = Array.from(sums, ([name, value]) => ({ name, value }))
  return rows.sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1)).slice(0, limit)
}
