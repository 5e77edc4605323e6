/**
 * What others hold of the store-gateways: calls over message ports that are opened when they are
 * first needed, and again after a shard has died; and which shard owns a block.
 */
import { type Client, connect, disconnect } from '../../shared/actor/index.js'
import { blocksBucketConfig } from '../../shared/blocks/index.js'
import type { Config } from '../../shared/config/index.js'
import { AppError } from '../../shared/errors/index.js'
import {
  createHashring,
  type Hashring,
  ownerOf,
  type TenantKey,
} from '../../shared/hashring/index.js'
import type { StoreGatewayCalls, StoreGatewayConfig } from './contract.js'

/** The calls of a shard. */
export type StoreGatewayClient = Client<StoreGatewayCalls>

type Port = Parameters<typeof connect>[0]

/** Reading much of a slow bucket takes its time; the query's own deadline is shorter. */
const CALL_DEADLINE_MS = 120_000

/** Connects to a shard through a port that was opened for it. */
export function connectStoreGateway(port: Port, index: number): StoreGatewayClient {
  const actor = `store-gateway/${index}`
  return connect<StoreGatewayCalls>(port, { actor, deadlineMs: CALL_DEADLINE_MS })
}

/** All shards. */
export class StoreGatewayClients {
  private readonly ring: Hashring
  private readonly open: (index: number) => StoreGatewayClient
  private readonly pause: () => Promise<void>
  private readonly clients = new Map<number, StoreGatewayClient>()

  /**
   * @param open connects anew
   * @param pause resolves after a moment in which a shard may have come back
   */
  constructor(
    shardCount: number,
    open: (index: number) => StoreGatewayClient,
    pause: () => Promise<void>,
  ) {
    this.ring = createHashring(shardCount)
    this.open = open
    this.pause = pause
  }

  /** The shard that owns a block; its key is the ULID. */
  ownerOf(block: TenantKey): number {
    return ownerOf(this.ring, block)
  }

  /** Asks a shard; again when it died under the question or before it, for about a second. */
  async ask<T>(shard: number, question: (calls: StoreGatewayClient) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const client = this.clients.get(shard) ?? this.open(shard)
      this.clients.set(shard, client)
      try {
        return await question(client)
      } catch (error) {
        if (!(error instanceof AppError) || error.id !== 'actor-down') throw error
        if (this.clients.get(shard) === client) this.clients.delete(shard)
        disconnect(client)
        if (tries >= TRIES) throw error
        if (tries > 1) await this.pause()
      }
    }
  }
}

/** A shard that has just died takes a moment to come back: its port closes until then. */
const TRIES = 12
/** How long to wait between two tries, ms. */
export const SHARD_PAUSE_MS = 100

/** The part of the configuration of a shard. */
export function storeGatewayConfigOf(config: Config): StoreGatewayConfig {
  return {
    dataDir: config['data.dir'],
    bucket: blocksBucketConfig(config),
    syncIntervalMs: config['blocks_storage.bucket_store.sync_interval'],
    idleMs: config['blocks_storage.bucket_store.index_header.lazy_loading_idle_timeout'],
    gapBytes: config['blocks_storage.bucket_store.partitioner_max_gap_bytes'],
    cacheBytes: config['store_gateway.cache_bytes'],
    diskCacheBytes: config['store_gateway.disk_cache_bytes'],
    parallelOpens: config['blocks_storage.bucket_store.index_header.lazy_loading_concurrency'],
    isWarmedUp: config['querier.warm_up_enabled'],
  }
}
