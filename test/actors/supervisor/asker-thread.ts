/** A pool thread in the querier's place: asks sinks by the ports that it was sent. */
import type { MessagePort } from 'node:worker_threads'
import { type Client, connect, poolWorker } from '../../../src/shared/actor/index.js'
import { fail } from '../../../src/shared/errors/index.js'
import type { SinkCalls } from './sink-thread.js'

export interface AskerNotice {
  readonly index: number
  readonly life: number
  readonly port: MessagePort
}

/** A task: the index of a sink to ask, −1 to run for ever, −2 to ask main for a word's length. */
export const run = poolWorker<undefined, number, number, AskerNotice>(
  (_env, _boot, _seat, host) => {
    const sinks = new Map<number, Client<SinkCalls>>()
    return {
      receive: ({ index, port }) =>
        sinks.set(index, connect<SinkCalls>(port, { actor: `sink/${index}`, deadlineMs: 10_000 })),
      transfers: () => [],
      run: (index) => {
        if (index === -2) {
          const options = { actor: 'main', deadlineMs: 10_000 }
          const main = connect<{ life(): string }>(host.open('main', 0), options)
          return main.life().then((word) => word.length)
        }
        if (index < 0) for (;;);
        const sink = sinks.get(index)
        if (sink === undefined) throw fail('actor-down', { actor: `sink/${index}` })
        return sink.life()
      },
    }
  },
)
