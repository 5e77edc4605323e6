/** What others hold of a compactor: its calls over a message port. */
import { type Client, connect, disconnect } from '../../shared/actor/index.js'
import { blocksBucketConfig } from '../../shared/blocks/index.js'
import type { Config } from '../../shared/config/index.js'
import type { CompactorCalls, CompactorConfig, TenantCalls, UploadCalls } from './contract.js'

/** Control calls only ask. */
const CALL_DEADLINE_MS = 5_000

/** Calls that ask the bucket, which may be slow. */
const BUCKET_DEADLINES_MS = {
  deleteTenant: 120_000,
  tenantDeletionStatus: 120_000,
  startUpload: 120_000,
  beginUploadFile: 120_000,
  putUploadPart: 60_000,
  endUploadFile: 3600_000,
  finishUpload: 600_000,
  checkUpload: 120_000,
}

/** The calls of a compactor. */
export type CompactorClient = Client<CompactorCalls & TenantCalls & UploadCalls>

/** A connection of a request's own. */
export interface CompactorDesk {
  readonly calls: CompactorClient
  close(): void
}

/** Connects for one request. */
export function openCompactorDesk(port: Parameters<typeof connect>[0]): CompactorDesk {
  const calls = connectCompactor(port, 0)
  return { calls, close: () => disconnect(calls) }
}

/** Connects through a port that the actor's host or the supervisor opened. */
export function connectCompactor(
  port: Parameters<typeof connect>[0],
  index: number,
): CompactorClient {
  return connect<CompactorCalls & TenantCalls & UploadCalls>(port, {
    actor: `compactor/${index}`,
    deadlineMs: CALL_DEADLINE_MS,
    deadlinesMs: BUCKET_DEADLINES_MS,
  })
}

/** The part of the configuration of a compactor. */
export function compactorConfigOf(config: Config): CompactorConfig {
  return {
    dataDir: config['data.dir'],
    bucket: blocksBucketConfig(config),
    shipIntervalMs: config['blocks_storage.tsdb.ship_interval'],
    shipConcurrency: config['blocks_storage.tsdb.ship_concurrency'],
    retentionMs: config['blocks_storage.tsdb.retention_period'],
    uploadChecksMax: config['compactor.max_block_upload_validation_concurrency'],
    cleanupIntervalMs: config['compactor.cleanup_interval'],
    cleanupConcurrency: config['compactor.cleanup_concurrency'],
    deletionDelayMs: config['compactor.deletion_delay'],
    tenantCleanupDelayMs: config['compactor.tenant_cleanup_delay'],
  }
}
