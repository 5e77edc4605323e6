/** A thread of the querier pool: builds the querier, gives it the shards as they come, runs tasks. */
import { type Client, connect, disconnect, poolWorker } from '../../shared/actor/index.js'
import { HeadReader } from '../../shared/tsdb/index.js'
import type { QuerierAnswer, QuerierBoot, QuerierMessage, QuerierTask } from './contract.js'
import type { ShardCalls } from './fanout.js'
import { Querier } from './querier.js'

/** Longest call of a shard: a selection runs in slices between its turns. */
const CALL_DEADLINE_MS = 60_000

export const run = poolWorker<QuerierBoot, QuerierTask, QuerierAnswer, QuerierMessage>(
  (env, boot, seat) => {
    const querier = new Querier(env, boot)
    const clients = new Map<number, Client<ShardCalls>>()
    return {
      run: (task) => querier.run(task),
      receive: ({ shard, port, memory }) => {
        const last = clients.get(shard)
        if (last !== undefined) disconnect(last)
        const actor = `ingester/${shard}`
        const calls = connect<ShardCalls>(port, { actor, deadlineMs: CALL_DEADLINE_MS })
        clients.set(shard, calls)
        querier.link(shard, { calls, reader: new HeadReader(memory, boot.kernel, seat) })
      },
      // Pieces own their buffers; what were shared could not be moved anyway.
      transfers: ({ pieces }) =>
        pieces.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : [])),
    }
  },
)
