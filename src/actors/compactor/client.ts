/** What others hold of a compactor: its calls over a message port. */
import { isAbsolute, join } from 'node:path'
import { type Client, connect, disconnect } from '../../shared/actor/index.js'
import { blocksBucketConfig } from '../../shared/blocks/index.js'
import { type Config, zoneRoots } from '../../shared/config/index.js'
import { fail } from '../../shared/errors/index.js'
import type {
  CleaningCalls,
  CompactionConfig,
  CompactorCalls,
  CompactorConfig,
  SeriesDeletionCalls,
  TenantCalls,
  UploadCalls,
} from './contract.js'

/** Control calls only ask. */
const CALL_DEADLINE_MS = 5_000
/** A million series take a minute or so on a machine that has other things to do. */
const BUILD_DEADLINE_MS = 1_800_000

/** Calls that ask the bucket, which may be slow. */
const BUCKET_DEADLINES_MS = {
  deleteTenant: 120_000,
  forgetTenant: 120_000,
  tenantDeletionStatus: 120_000,
  startUpload: 120_000,
  beginUploadFile: 120_000,
  putUploadPart: 60_000,
  endUploadFile: 3600_000,
  finishUpload: 600_000,
  checkUpload: 120_000,
  plannedJobs: 120_000,
  deleteSeries: 3600_000,
  cleanTombstones: 3600_000,
  previewDeletion: 3600_000,
  tenantBlocks: 120_000,
}

/** The calls of a compactor. */
export type CompactorClient = Client<AllCalls>

type AllCalls = CompactorCalls & TenantCalls & UploadCalls & SeriesDeletionCalls & CleaningCalls

/** A connection of a request's own. */
export interface CompactorDesk {
  readonly calls: CompactorClient
  close(): void
}

/** Connects for one request. */
export function openCompactorDesk(
  port: Parameters<typeof connect>[0],
  index: number,
): CompactorDesk {
  const calls = connectCompactor(port, index)
  return { calls, close: () => disconnect(calls) }
}

/** Connects through a port that the actor's host or the supervisor opened. */
export function connectCompactor(
  port: Parameters<typeof connect>[0],
  index: number,
): CompactorClient {
  return connect<AllCalls>(port, {
    actor: `compactor/${index}`,
    deadlineMs: CALL_DEADLINE_MS,
    deadlinesMs: { build: BUILD_DEADLINE_MS, ...BUCKET_DEADLINES_MS },
  })
}

/** The part of the configuration of a compactor. */
export function compactorConfigOf(config: Config): CompactorConfig {
  return {
    dataDir: config['data.dir'],
    bucket: blocksBucketConfig(config),
    roots: zoneRoots(config),
    shipIntervalMs: config['blocks_storage.tsdb.ship_interval'],
    shipConcurrency: config['blocks_storage.tsdb.ship_concurrency'],
    retentionMs: config['blocks_storage.tsdb.retention_period'],
    uploadChecksMax: config['compactor.max_block_upload_validation_concurrency'],
    cleanupIntervalMs: config['compactor.cleanup_interval'],
    cleanupConcurrency: config['compactor.cleanup_concurrency'],
    deletionDelayMs: config['compactor.deletion_delay'],
    tenantCleanupDelayMs: config['compactor.tenant_cleanup_delay'],
    compaction: compactionConfigOf(config),
  }
}

function compactionConfigOf(config: Config): CompactionConfig {
  const ranges = config['compactor.block_ranges']
  const isNested = ranges.every(
    (range, i) => range > 0 && (i === 0 || range % ranges[i - 1]! === 0),
  )
  if (!isNested || ranges.length === 0) {
    const text = 'compactor.block_ranges: each range must be a multiple of the one before'
    throw fail('config-invalid', { text })
  }
  const scratch = config['compactor.data_dir']
  return {
    scratchDir: isAbsolute(scratch) ? scratch : join(config['data.dir'], scratch),
    blockRangesMs: ranges,
    compactionIntervalMs: config['compactor.compaction_interval'],
    compactionConcurrency: config['compactor.compaction_concurrency'],
    compactionRetries: config['compactor.compaction_retries'],
    firstLevelWaitMs: config['compactor.first_level_compaction_wait_period'],
    maxCompactionTimeMs: config['compactor.max_compaction_time'],
    jobsOrder: config['compactor.compaction_jobs_order'],
    metaSyncConcurrency: config['compactor.meta_sync_concurrency'],
    enabledTenants: config['compactor.enabled_tenants'],
    disabledTenants: config['compactor.disabled_tenants'],
  }
}
