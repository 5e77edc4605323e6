/**
 * A block as the block list knows it: enough to decide whether a query needs it, where to read it,
 * and what a compaction may do with it, without opening anything.
 */
import { type BlockMeta, COMPACTOR_SHARD_LABEL, isOutOfOrder } from '../tsdb/index.js'

/** One block of a tenant. Plain data; crosses threads as it is. */
export interface BlockEntry {
  readonly tenant: string
  readonly ulid: string
  /** First time covered, ms since the epoch. */
  readonly minTime: number
  /** Exclusive. */
  readonly maxTime: number
  /** Where its files lie on local disk; missing when they do not. */
  readonly localDir?: string
  /** The zone whose shard has cut it (`data.zone_dirs`); missing where there is one zone. */
  readonly zone?: number
  /** Whether the bucket has all of it. */
  readonly inBucket: boolean
  readonly level: number
  /** `1_of_4` of a split block. */
  readonly compactorShard?: string
  readonly outOfOrder?: boolean
  /** 0 when not known: the bucket index does not tell. */
  readonly numSeries: number
  /** When its meta.json came into the bucket, ms since the epoch; missing when not known. */
  readonly uploadedAt?: number
  /** How often its tombstones have changed since the process began; missing: not once. */
  readonly touched?: number
}

/** The entry of a block whose meta.json is at hand. */
export function entryOfMeta(
  tenant: string,
  meta: BlockMeta,
  place: { readonly localDir?: string; readonly inBucket: boolean; readonly uploadedAt?: number },
): BlockEntry {
  const shard = meta.thanos?.labels[COMPACTOR_SHARD_LABEL]
  return {
    tenant,
    ulid: meta.ulid,
    minTime: meta.minTime,
    maxTime: meta.maxTime,
    level: meta.compaction.level,
    numSeries: meta.stats.numSeries,
    ...place,
    ...(shard === undefined ? {} : { compactorShard: shard }),
    ...(isOutOfOrder(meta) ? { outOfOrder: true } : {}),
  }
}
