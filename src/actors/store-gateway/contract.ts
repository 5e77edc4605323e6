/**
 * What others may ask of a store-gateway shard: which series of its blocks match, what they are
 * made of, and bytes of chunks that lie in a remote bucket. Chunks that lie in files of this machine
 * queriers read for themselves; `dir` says where.
 *
 * Answers are columns whose buffers are moved, and pages of shared memory (decision 0011).
 */
import type { BucketConfig } from '../../shared/bucket/index.js'
import type { Matcher } from '../../shared/model/matcher.js'

/** The part of the configuration that store-gateways run by. */
export interface StoreGatewayConfig {
  /** Root of local data; a shard keeps its own below `store-gateway-<index>/`. */
  readonly dataDir: string
  readonly bucket: BucketConfig
  /** `bucket_store.sync_interval`: how often the bucket is looked at, ms. */
  readonly syncIntervalMs: number
  /** `index_header.lazy_loading_idle_timeout`: blocks that nobody asked for so long are closed, ms. */
  readonly idleMs: number
  /** `partitioner_max_gap_bytes`: ranges that lie so near each other are got together. */
  readonly gapBytes: number
  /** Bytes of remote blocks, index and chunks, that are kept in memory. */
  readonly cacheBytes: number
  /** And on local disk; 0: none. */
  readonly diskCacheBytes: number
  /** `index_header.lazy_loading_concurrency`: remote blocks that are opened at a time. */
  readonly parallelOpens: number
  /** `querier.warm_up_enabled`. */
  readonly isWarmedUp: boolean
}

/** What a store-gateway is built from; plain data that can be posted. */
export interface StoreGatewayBoot {
  readonly index: number
  readonly shardCount: number
  readonly config: StoreGatewayConfig
  /** The version cell of the block list. */
  readonly blockList: SharedArrayBuffer
  /** Claims of all threads; without it there is no limit but the cache's own. */
  readonly budget?: SharedArrayBuffer
}

/** A question about blocks that the block list names; all belong to the shard (owner.ts). */
export interface BlocksRequest {
  readonly tenant: string
  readonly ulids: readonly string[]
}

/** The series of one block that match. */
export interface BlockRefs {
  readonly ulid: string
  /** Folder of the block's files on this machine; undefined: chunks are got by `pages`. */
  readonly dir: string | undefined
  /** Ascending. */
  readonly refs: Uint32Array
}

/** Series of one block (SeriesColumns of shared/tsdb), with the texts of their symbols. */
export interface BlockSeriesColumns {
  readonly labelEnds: Uint32Array
  readonly symbols: Uint32Array
  readonly chunkEnds: Uint32Array
  readonly mints: Float64Array
  readonly maxts: Float64Array
  readonly segments: Uint32Array
  readonly offsets: Uint32Array
  /** [n] distinct symbols, and what they say: text i ends at textEnds[i] of `texts`, UTF-8. */
  readonly symbolIds: Uint32Array
  readonly textEnds: Uint32Array
  readonly texts: Uint8Array
  /** By threes: index of the series, first and last time of samples that are deleted. */
  readonly deleted: Float64Array
}

/** Chunks whose bytes are wanted: of each series the first and the last one in a segment. */
export interface PagesRequest {
  readonly tenant: string
  readonly ulid: string
  /** From 0. */
  readonly segment: number
  /** Ascending. */
  readonly firsts: Uint32Array
  readonly lasts: Uint32Array
}

/** Bytes of a segment in pages of equal size, but the last of the segment. */
export interface SegmentPages {
  readonly pageBytes: number
  /** Which pages these are, ascending. */
  readonly numbers: Uint32Array
  readonly pages: readonly SharedArrayBuffer[]
}

/** The calls of a shard. All of them fail with `block-gone` when a block is not there any more. */
export interface StoreGatewayCalls {
  select(request: BlocksRequest & { readonly matchers: readonly Matcher[] }): Promise<BlockRefs[]>
  series(request: {
    readonly tenant: string
    readonly ulid: string
    readonly refs: Uint32Array
  }): Promise<BlockSeriesColumns>
  pages(request: PagesRequest): Promise<SegmentPages>
  /** Distinct, sorted. */
  labelNames(request: BlocksRequest): Promise<string[]>
  /** Distinct, sorted. */
  labelValues(request: BlocksRequest & { readonly name: string }): Promise<string[]>
  /** Looks at the bucket now. Resolves when the block list has what is there. */
  sync(): Promise<void>
}
