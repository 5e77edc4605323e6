/**
 * What others may ask of a compactor: it builds blocks from frozen parts of heads, and in between
 * does what its list of tasks says (tasks.ts). It starts with its first work.
 */

import type { NoCompactReason } from '../../shared/blocks/index.js'
import type { BucketConfig } from '../../shared/bucket/index.js'
import type { LimitsData } from '../../shared/limits/index.js'
import type { Matcher } from '../../shared/model/matcher.js'
import type { BlockStats } from '../../shared/tsdb/index.js'
import type { SeriesDeletion } from '../supervisor/contract.js'

/** The part of the configuration that compactors run by. */
export interface CompactorConfig {
  /** Root of local data. */
  readonly dataDir: string
  readonly bucket: BucketConfig
  /** Roots of local data, one a zone; `dataDir` is the first. */
  readonly roots: readonly string[]
  readonly shipIntervalMs: number
  /** Tenants shipped at once. */
  readonly shipConcurrency: number
  /** How long shipped blocks stay local. */
  readonly retentionMs: number
  /** Uploads of tenants that are checked at once. */
  readonly uploadChecksMax: number
  readonly cleanupIntervalMs: number
  /** Tenants cleaned at once. */
  readonly cleanupConcurrency: number
  /** From a block's mark to its deletion. */
  readonly deletionDelayMs: number
  /** From a deleted tenant's last block to its last file. */
  readonly tenantCleanupDelayMs: number
  readonly compaction: CompactionConfig
}

/** Mimir's keys `compactor.*` of compacting. */
export interface CompactionConfig {
  /** Folder for what is being made; each compactor has one below it, removed at the start. */
  readonly scratchDir: string
  readonly blockRangesMs: readonly number[]
  readonly compactionIntervalMs: number
  /** Jobs at once. */
  readonly compactionConcurrency: number
  /** Tries of a job in one run. */
  readonly compactionRetries: number
  readonly firstLevelWaitMs: number
  /** For one tenant in one run. */
  readonly maxCompactionTimeMs: number
  readonly jobsOrder: 'smallest-range-oldest-blocks-first' | 'newest-blocks-first'
  /** Descriptions of blocks read at once. */
  readonly metaSyncConcurrency: number
  /** Empty: all. */
  readonly enabledTenants: readonly string[]
  readonly disabledTenants: readonly string[]
}

/** A block that cannot be compacted. */
export interface DamagedBlock {
  readonly tenant: string
  readonly block: string
  readonly reason: NoCompactReason
  readonly text: string
  /** ms since the epoch. */
  readonly since: number
}

/** A job that runs or has run. */
export interface JobReport {
  readonly tenant: string
  readonly job: string
  readonly sources: readonly string[]
  readonly state: 'running' | 'done' | 'failed'
  /** 0 to 1. */
  readonly share: number
  /** ms since the epoch. */
  readonly started: number
  readonly tookMs: number
  /** Blocks that came out, or what went wrong. */
  readonly result: string
}

/** A job that can be done now. */
export interface PlannedJob {
  readonly key: string
  readonly stage: 'split' | 'merge'
  readonly shard: string
  /** The range, ISO 8601, its end exclusive. */
  readonly min_time: string
  readonly max_time: string
  readonly blocks: readonly string[]
  /** The compactor that owns it. */
  readonly owner: number
}

/** A block of the bucket, for people. Times are ISO 8601. */
export interface ListedBlock {
  readonly block_id: string
  readonly min_time: string
  /** Exclusive. */
  readonly max_time: string
  readonly duration_ms: number
  readonly uploaded_at: string
  readonly level: number
  /** `1_of_4` of a split block. */
  readonly shard: string
  readonly source: string
  readonly out_of_order: boolean
  /** Kept out of compactions. */
  readonly no_compact: boolean
  /** Missing where meta.json could not be read. */
  readonly stats?: BlockStats
  readonly sources: readonly string[]
  readonly parents: readonly string[]
  /** When it was marked. */
  readonly deletion_time?: string
}

/** The blocks of a tenant in the bucket. */
export interface BlocksReport {
  readonly tenant: string
  /** Newest first, 1,000 at most. */
  readonly blocks: readonly ListedBlock[]
  /** How many there are. */
  readonly count: number
  /** Without a meta.json that can be read. */
  readonly partial_blocks: readonly string[]
  readonly is_tenant_deleted: boolean
}

/** What was compacted, and what could not be. */
export interface CompactionsStatus {
  /** Newest first. */
  readonly jobs: readonly JobReport[]
  readonly damaged: readonly DamagedBlock[]
}

/** What a compactor is built from; plain data that can be posted. */
export interface CompactorBoot {
  readonly index: number
  /** How many there are. */
  readonly count: number
  readonly config: CompactorConfig
  readonly limits: LimitsData
  /** Tells of pushes, before which everything stands back (createIntakeCell). */
  readonly intake: SharedArrayBuffer
  /** The compiled head kernel, by which shards' memories are read. */
  readonly kernel: WebAssembly.Module
}

/** Slots of a shard's readers: queriers have them from 0 on, compactors from the end. */
const READER_SLOTS = 64

/** The reader slot of a compactor, in every shard's memory. */
export function readerSlotOf(compactor: number): number {
  return READER_SLOTS - 1 - compactor
}

/** A half-open time range, ms. */
export interface TimeRange {
  readonly mint: number
  readonly maxt: number
}

/** A frozen part of a tenant's head. */
export interface BuildRequest {
  readonly tenant: string
  /** The shard's memory in its present life. */
  readonly memory: WebAssembly.Memory
  /** Where the blocks are built; the caller's alone. */
  readonly folder: string
  /** Series that may have samples in order in the ranges; slots that stay while this goes on. */
  readonly refs: Uint32Array
  /** A block each; the shard takes no more samples in order below their end. */
  readonly ranges: readonly TimeRange[]
  /** Series with frozen chunks of samples out of order. */
  readonly lateRefs: Uint32Array
  /** How long a block of those is at most, ms. */
  readonly rangeMs: number
}

/** A block that was built. */
export interface BuiltBlock {
  readonly ulid: string
  readonly minTime: number
  /** Exclusive. */
  readonly maxTime: number
  readonly numSeries: number
  readonly numSamples: number
  readonly isOutOfOrder: boolean
}

/** The calls that others make. */
export interface CompactorCalls {
  /**
   * Builds blocks from a frozen part of a head. It goes before tasks.
   * @returns those that have samples; an error leaves rubbish in the folder at most
   */
  build(request: BuildRequest): Promise<BuiltBlock[]>
  /** Has a task (tasks.ts) look for work now rather than at its next time; all of them for ''. */
  wake(task: string): Promise<void>
  /** Compactions that run or have run, and blocks that cannot be compacted. */
  compactions(): Promise<CompactionsStatus>
  /** Reads the bucket, and says what there is to compact. */
  plannedJobs(request: { readonly tenant: string }): Promise<PlannedJob[]>
  /** Reads the bucket, and says what blocks a tenant has. */
  tenantBlocks(request: { readonly tenant: string }): Promise<BlocksReport>
}

/** A block that a tenant uploads. */
export interface UploadedBlock {
  readonly tenant: string
  readonly ulid: string
}

/** Where an upload is. */
export interface UploadState {
  readonly result: 'complete' | 'uploading' | 'validating' | 'failed'
  readonly error?: string
}

/** The block upload API; errors are AppErrors with the status of their answer. */
export interface UploadCalls {
  startUpload(block: UploadedBlock, meta: Uint8Array): Promise<void>
  /** @returns a number for the calls that follow: parts in order, then the end */
  beginUploadFile(block: UploadedBlock, path: string, size: number): Promise<number>
  putUploadPart(file: number, bytes: Uint8Array): Promise<void>
  endUploadFile(file: number): Promise<void>
  abortUploadFile(file: number): Promise<void>
  /** Resolves when the block is checked and can be queried, or the check takes long and goes on. */
  finishUpload(block: UploadedBlock): Promise<void>
  checkUpload(block: UploadedBlock): Promise<UploadState>
}

/** Deleting all blocks of a tenant. */
export interface TenantCalls {
  /** Marks the tenant; the cleaner does the rest. */
  deleteTenant(request: { readonly tenant: string }): Promise<void>
  /** Takes all blocks that there are now out of the list; after the mark, so that they stay out. */
  forgetTenant(request: { readonly tenant: string }): Promise<void>
  /** Whether no block of it is left. */
  tenantDeletionStatus(request: {
    readonly tenant: string
  }): Promise<{ readonly areBlocksDeleted: boolean }>
}

/** What a deletion takes of a block. */
export interface DeletedBlock {
  readonly ulid: string
  readonly minTime: number
  /** Exclusive. */
  readonly maxTime: number
  readonly series: number
  /** Chunks that overlap the time. */
  readonly chunks: number
}

/** Deleting series, of blocks alone: what is in heads is cut before. */
export interface SeriesDeletionCalls {
  /** @throws AppError `query-parse`, `bad-data` */
  parseSelectors(texts: readonly string[]): Promise<(readonly Matcher[])[]>
  /** Resolves when no query sees the samples any more, and no restart brings them back. */
  deleteSeries(deletion: SeriesDeletion): Promise<DeletedBlock[]>
  /** What `deleteSeries` would do. */
  previewDeletion(deletion: SeriesDeletion): Promise<DeletedBlock[]>
}

/** Making room after deletions. */
export interface CleaningCalls {
  /** Resolves when no block of the bucket has tombstones from before. */
  cleanTombstones(request: { readonly tenant: string }): Promise<void>
}
