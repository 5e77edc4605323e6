/** A pool thread for the tests: does what its task says. */
import { poolWorker } from '../../../src/shared/actor/index.js'
import { fail } from '../../../src/shared/errors/index.js'

export type PoolTask =
  | { readonly do: 'add'; readonly a: number; readonly b: number }
  | { readonly do: 'bytes' | 'refuse' | 'spin' | 'heap' | 'exit' | 'messages' }

export interface PoolMessage {
  readonly text: string
}

/** Set by a test so that threads die as they load. */
if (process.env['NILO_TEST_POOL_BROKEN'] === '1') process.exit(3)

export const run = poolWorker<{ offset: number }, PoolTask, unknown, PoolMessage>(
  (env, boot, seat) => {
    const messages: string[] = []
    env.metrics.cell('nilo_actor_restarts_total', 'pool').add(1)
    return {
      receive: (message) => messages.push(`${seat}: ${message.text}`),
      transfers: (answer) => (answer instanceof Uint8Array ? [answer.buffer as ArrayBuffer] : []),
      run: async (task) => {
        switch (task.do) {
          case 'add':
            return task.a + task.b + boot.offset
          case 'bytes':
            return new Uint8Array(1000).fill(9)
          case 'refuse':
            throw fail('query-parse', { text: '1:1: parse error' })
          case 'spin':
            for (;;);
          case 'heap':
            return fillHeap()
          case 'exit':
            return process.exit(4)
          case 'messages':
            return messages
        }
      },
    }
  },
)

function fillHeap(): number {
  const kept: number[][] = []
  for (;;) kept.push(Array.from({ length: 1000 }, (_, at) => at + kept.length))
}
