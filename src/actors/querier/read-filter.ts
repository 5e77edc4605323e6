/**
 * A query of part of what there is, for whoever looks into differences (Mimir's X-Filter-Queryables,
 * off unless `querier.filter_queryables_enabled`): `ingester` is what is in memory, `zone-1` the memory
 * of that zone's shards alone, `store-gateway` is blocks.
 */
import { fail } from '../../shared/errors/index.js'

/** What a query reads. */
export interface ReadFilter {
  readonly hasIngesters: boolean
  readonly hasBlocks: boolean
  /** Only these zones; all when undefined. */
  readonly zones: ReadonlySet<number> | undefined
}

/** What is in memory, of all zones. */
export const HEADS_ONLY: ReadFilter = { hasIngesters: true, hasBlocks: false, zones: undefined }

/**
 * Reads the names of what is to be queried.
 * @throws AppError `bad-data` when there is no such thing
 */
export function parseReadFilter(names: readonly string[], zoneCount: number): ReadFilter {
  const zones = new Set<number>()
  for (const name of names) {
    if (name === 'ingester' || name === 'store-gateway') continue
    const zone = /^zone-(\d{1,3})$/.exec(name)?.[1]
    if (zone === undefined || Number(zone) >= zoneCount) {
      const known = ['ingester', 'store-gateway'].concat(
        Array.from({ length: zoneCount }, (_, at) => `zone-${at}`),
      )
      throw fail('bad-data', { text: `nothing to query is called ${name}: ${known.join(', ')}` })
    }
    zones.add(Number(zone))
  }
  return {
    hasIngesters: zones.size > 0 || names.includes('ingester'),
    hasBlocks: names.includes('store-gateway'),
    zones: zones.size > 0 ? zones : undefined,
  }
}
