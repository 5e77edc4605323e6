/** A thread of the querier pool: builds the querier, gives it the shards as they come, runs tasks. */
import { disconnect, type PoolHost, poolWorker, shrinkNewSpace } from '../../shared/actor/index.js'
import { compactHeap, type Env, openCollector } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import { HeadReader } from '../../shared/tsdb/index.js'
import { connectIngester, type IngesterClient } from '../ingester/client.js'
import {
  connectStoreGateway,
  SHARD_PAUSE_MS,
  StoreGatewayClients,
} from '../store-gateway/client.js'
import { BlockListReader, connectMain } from '../supervisor/client.js'
import type { QuerierAnswer, QuerierBoot, QuerierMessage, QuerierTask } from './contract.js'
import { type BlockAccess, Querier } from './querier.js'
import { isText, QueryForm } from './task-form.js'
import { Practice } from './warm-up.js'

/** How long a thread must have been idle to practise, ms. */
const IDLE_MS = 50
/** What is asked meanwhile keeps it from practising: `/ready` waits no longer than this, ms. */
const WARM_UP_MS = 3_000
/** Smaller pieces of answers are copied: that takes less than moving them. */
const MOVED_BYTES_MIN = 8_192
/** When a thread gives back what practising took and what it could not give back at once, ms. */
const REST_MS = 8_000

/** The pool's task. */
export const run = poolWorker<QuerierBoot, QuerierTask, QuerierAnswer, QuerierMessage>(
  (env, boot, seat, host) => {
    const blocks = boot.blocks === undefined ? undefined : blockAccess(boot.blocks, env, host)
    const querier = new Querier(env, boot, seat, blocks, host.heap)
    const collect = openCollector()
    const clients = new Map<number, IngesterClient>()
    const readers = new Map<number, HeadReader>()
    let practice: Practice | undefined
    let running = 0
    let endedMs = 0
    const isBusy = (): boolean => running > 0 || env.clock.monotonic() - endedMs < IDLE_MS
    return {
      warmUp: async () => {
        if (!boot.config.isWarmedUp) return
        practice = new Practice(env, boot)
        await Promise.race([practice.warmUp(isBusy), env.timers.sleep(WARM_UP_MS)])
        const rest = (): boolean => {
          if (isBusy()) return false
          shrinkNewSpace(collect)
          return true
        }
        rest()
        env.timers.after(REST_MS, () => {
          practice = undefined
          if (rest()) void compactHeap()
        })
      },
      run: async (task) => {
        running++
        try {
          if (task.isRehearsed !== true) return await querier.run(task)
          if (practice === undefined) throw fail('overloaded', { text: 'practice is over' })
          return await practice.run(task)
        } finally {
          running--
          endedMs = env.clock.monotonic()
        }
      },
      receive: (message) => {
        if ('limits' in message) {
          querier.takeLimits(message.limits)
          return
        }
        const { shard, port, memory } = message
        const last = clients.get(shard)
        if (last !== undefined) disconnect(last)
        const calls = connectIngester(port, shard)
        clients.set(shard, calls)
        const reader = new HeadReader(memory, boot.kernel, seat, env.disk)
        readers.get(shard)?.close()
        readers.set(shard, reader)
        querier.link(shard, { calls, reader })
      },
      form: new QueryForm(),
      // Pieces own their buffers; what were shared could not be moved anyway.
      transfers: ({ pieces }) =>
        isText(pieces) ? [] : pieces.flatMap(({ buffer }) => (isMoved(buffer) ? [buffer] : [])),
    }
  },
)

function blockAccess(
  boot: NonNullable<QuerierBoot['blocks']>,
  env: Env,
  host: PoolHost,
): BlockAccess {
  const open = (shard: number) => connectStoreGateway(host.open('store-gateway', shard), shard)
  const pause = () => env.timers.sleep(SHARD_PAUSE_MS)
  return {
    list: new BlockListReader(connectMain(host.open('main', 0)), boot.list),
    gateways: new StoreGatewayClients(boot.shardCount, open, pause),
  }
}

function isMoved(buffer: ArrayBufferLike): buffer is ArrayBuffer {
  return buffer instanceof ArrayBuffer && buffer.byteLength >= MOVED_BYTES_MIN
}
