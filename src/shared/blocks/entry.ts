/**
 * A block as the process' block list knows it: what a query, an upload and a compaction decide by
 * without opening anything. One entry per ULID, wherever its files lie.
 */

/** A block of a tenant. Plain data that can be posted. */
export interface BlockEntry {
  readonly tenant: string
  readonly ulid: string
  /** Milliseconds: no sample is older. */
  readonly minTime: number
  /** Milliseconds, exclusive: all samples are older. */
  readonly maxTime: number
  /** Folder of the local copy; none: it lies in the bucket only. */
  readonly localDir?: string
  /** Whether all its files are in the bucket, meta.json included. */
  readonly inBucket: boolean
  /** Compaction level, 1 for a block from a head; 0 when that is not known. */
  readonly level: number
  /** 0 when that is not known. */
  readonly numSeries: number
  /** `__compactor_shard_id__` of a block that the compactor has split: `2_of_4`. */
  readonly compactorShard?: string
  /** Made of samples that came out of order. */
  readonly outOfOrder?: boolean
}
