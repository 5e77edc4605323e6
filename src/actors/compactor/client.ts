/** What others hold of a compactor: its calls over a message port. */
import { type Client, connect } from '../../shared/actor/index.js'
import { blocksBucketConfig } from '../../shared/blocks/index.js'
import type { Config } from '../../shared/config/index.js'
import type { CompactorCalls, CompactorConfig } from './contract.js'

/** Control calls only ask. */
const CALL_DEADLINE_MS = 5_000

/** The calls of a compactor. */
export type CompactorClient = Client<CompactorCalls>

/** Connects through a port that the actor's host or the supervisor opened. */
export function connectCompactor(
  port: Parameters<typeof connect>[0],
  index: number,
): CompactorClient {
  return connect<CompactorCalls>(port, {
    actor: `compactor/${index}`,
    deadlineMs: CALL_DEADLINE_MS,
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
    cleanupIntervalMs: config['compactor.cleanup_interval'],
    cleanupConcurrency: config['compactor.cleanup_concurrency'],
    deletionDelayMs: config['compactor.deletion_delay'],
    tenantCleanupDelayMs: config['compactor.tenant_cleanup_delay'],
  }
}
