/** One thread of the querier pool, over a head that this thread owns and whose calls it answers. */
import { MessageChannel } from 'node:worker_threads'
import { createQueryForm, querierConfigOf } from '../../src/actors/querier/client.js'
import type {
  QuerierAnswer,
  QuerierBoot,
  QuerierMessage,
  QuerierTask,
} from '../../src/actors/querier/contract.js'
import { definePool, expose } from '../../src/shared/actor/index.js'
import { type Config, defaultConfig, EMPTY_RUNTIME } from '../../src/shared/config/index.js'
import { createNodeEnv } from '../../src/shared/env/index.js'
import { limitsDataOf } from '../../src/shared/limits/index.js'
import { createMetricBlock, openMetrics } from '../../src/shared/telemetry/index.js'
import { headModule } from './head-source.js'
import type { TestShard } from './querier.js'

/** The thread, by its pool. */
export interface QuerierThread {
  /** Runs a task on a free thread; aborting the signal ends the thread. */
  run(task: QuerierTask, signal?: AbortSignal): Promise<QuerierAnswer>
  /** Ends a thread as a crash would. */
  kill(seat: number): Promise<void>
  /** Seats that have a thread now. */
  seats(): number
  /** Their numbers. */
  seatNumbers(): number[]
  close(): Promise<void>
}

/** How a thread is started. */
export interface QuerierThreadOptions {
  readonly size?: number
  readonly heapMbMax?: number
  /** Claims of memory. */
  readonly budget?: SharedArrayBuffer
  /** A thread is gone, and nobody has its seat yet. */
  onGone?(seat: number): void
}

/** Starts a pool of one thread, or as many as the options say. */
export function startQuerierThread(
  shard: TestShard,
  changes: Partial<Config> = {},
  options: QuerierThreadOptions = {},
): QuerierThread {
  const metrics = openMetrics(createMetricBlock(), () => {})
  const whole = defaultConfig(changes)
  const { size = 1, heapMbMax = 512, budget, onGone } = options
  const pool = definePool<QuerierTask, QuerierAnswer, QuerierMessage>({
    actor: 'querier',
    entry: new URL('../../src/actors/querier/worker.js', import.meta.url),
    size,
    boot: {
      config: querierConfigOf(whole),
      limits: limitsDataOf(whole, EMPTY_RUNTIME),
      shardCount: 1,
      kernel: headModule(),
      ...(budget === undefined ? {} : { budget }),
    } satisfies QuerierBoot,
    form: createQueryForm,
    logLevel: 'error',
    env: createNodeEnv({ actor: 'main', logLevel: 'error', metrics }),
    heapMbMax,
    onSeat: (seat) => {
      const { port1, port2 } = new MessageChannel()
      expose(port1, shard.calls)
      seat.send({ shard: 0, port: port2, memory: shard.head.view.memory }, [port2])
    },
    ...(onGone === undefined ? {} : { onGone }),
    onVacate: () => {},
    onMetricBlock: () => {},
    onCrash: () => 0,
  })
  return {
    run: (task, signal = new AbortController().signal) => pool.run(task, signal),
    kill: (seat) => pool.kill(seat),
    seats: () => pool.seats().length,
    seatNumbers: () => pool.seats().map(({ index }) => index),
    close: () => pool.close(),
  }
}
