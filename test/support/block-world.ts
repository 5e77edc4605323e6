/**
 * Block list, store-gateways and a querier in one thread over a bucket: what runs in threads of
 * their own in a server. Shards may be taken away and given back, as if their threads had died.
 */

import { querierConfigOf } from '../../src/actors/querier/client.js'
import type { QuerierQuery } from '../../src/actors/querier/contract.js'
import type { ShardLink } from '../../src/actors/querier/fanout.js'
import { Querier } from '../../src/actors/querier/querier.js'
import {
  type StoreGatewayClient,
  StoreGatewayClients,
  storeGatewayConfigOf,
} from '../../src/actors/store-gateway/client.js'
import { StoreGateway } from '../../src/actors/store-gateway/store-gateway.js'
import { BlockList } from '../../src/actors/supervisor/block-list.js'
import { BlockListReader } from '../../src/actors/supervisor/client.js'
import type { Bucket } from '../../src/shared/bucket/index.js'
import { type Config, defaultConfig, EMPTY_RUNTIME } from '../../src/shared/config/index.js'
import type { Env } from '../../src/shared/env/index.js'
import { fail } from '../../src/shared/errors/index.js'
import { limitsDataOf } from '../../src/shared/limits/index.js'
import { headModule } from './head-source.js'
import { TestShard, taskOf, textOf } from './querier.js'

/** How the world is made. */
export interface BlockWorldOptions {
  readonly env: Env
  readonly bucket: Bucket
  /** Folder for index-headers. */
  readonly dataDir: string
  readonly shards?: readonly ShardLink[]
  readonly gateways?: number
  readonly config?: Partial<Config>
  /** A start from an empty disk. */
  readonly areHeadsNew?: boolean
}

/** The world. */
export interface BlockWorld {
  readonly list: BlockList
  readonly querier: Querier
  readonly gateways: StoreGateway[]
  /** Calls of shards in here fail as those of a dead thread do. */
  readonly dead: Set<number>
  /** Calls by name, of all shards. */
  readonly calls: Map<string, number>
  /** The decoded answer to a query. */
  ask(tenant: string, query: QuerierQuery): Promise<unknown>
  close(): Promise<void>
}

/** Makes it; the bucket has not been read yet (`gateways[0].calls.sync()`). */
export function createBlockWorld(options: BlockWorldOptions): BlockWorld {
  const { env, bucket, dataDir, gateways: shardCount = 1 } = options
  const whole = defaultConfig({ 'data.dir': dataDir, ...options.config })
  const list = new BlockList({}, options.areHeadsNew)
  const config = storeGatewayConfigOf(whole)
  const gateways = Array.from({ length: shardCount }, (_, index) => {
    const boot = { index, shardCount, config, blockList: list.cell }
    return new StoreGateway(env, boot, list.calls, bucket)
  })
  const dead = new Set<number>()
  const calls = new Map<string, number>()
  const open = (shard: number): StoreGatewayClient =>
    new Proxy(gateways[shard]!.calls, {
      get: (target, name) =>
        dead.has(shard)
          ? async () => {
              throw fail('actor-down', { actor: `store-gateway/${shard}` })
            }
          : (...args: never[]) => {
              calls.set(String(name), (calls.get(String(name)) ?? 0) + 1)
              return (target[name as keyof typeof target] as (...args: never[]) => unknown)(...args)
            },
    }) as unknown as StoreGatewayClient
  const shards = options.shards ?? [new TestShard()]
  const boot = {
    config: querierConfigOf(whole),
    limits: limitsDataOf(whole, EMPTY_RUNTIME),
    shardCount: shards.length,
    kernel: headModule(),
  }
  const querier = new Querier(env, boot, 0, {
    list: new BlockListReader(list.calls, list.cell),
    gateways: new StoreGatewayClients(shardCount, open, () => env.timers.yieldNow()),
  })
  for (const [index, shard] of shards.entries()) querier.link(index, shard)
  return {
    list,
    querier,
    gateways,
    dead,
    calls,
    ask: async (tenant, query) =>
      (JSON.parse(textOf(await querier.run(taskOf(tenant, query)))) as { data: unknown }).data,
    close: async () => {
      for (const gateway of gateways) await gateway.drain()
    },
  }
}
