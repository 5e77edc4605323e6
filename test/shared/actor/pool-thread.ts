/** A pool thread for the tests: does what its task says. */
import { poolWorker } from '../../../src/shared/actor/index.js'
import { fail } from '../../../src/shared/errors/index.js'

export type PoolTask =
  | { readonly do: 'add'; readonly a: number; readonly b: number }
  | { readonly do: 'bytes' | 'refuse' | 'spin' | 'heap' | 'exit' | 'messages' }

export interface PoolMessage {
  readonly text: string
}

export interface PoolBoot {
  readonly offset: number
  /** Threads warm up until they are told to end it. */
  readonly isCold: boolean
}

/** Set by a test so that threads die as they load. */
if (process.env['NILO_TEST_POOL_BROKEN'] === '1') process.exit(3)

poolWorker<PoolBoot, PoolTask, unknown, PoolMessage>((env, boot, seat) => {
  const messages: string[] = []
  let endWarmUp: (() => void) | undefined
  env.metrics.cell('nilo_actor_restarts_total', 'pool').add(1)
  return {
    receive: (message) => {
      messages.push(`${seat}: ${message.text}`)
      if (message.text === 'be warm') endWarmUp!()
      if (message.text === 'stumble') throw new Error('a message that cannot be taken')
    },
    ...(boot.isCold ? { warmUp: () => new Promise<void>((end) => (endWarmUp = end)) } : {}),
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
})

function fillHeap(): number {
  const kept: number[][] = []
  for (;;) kept.push(Array.from({ length: 1000 }, (_, at) => at + kept.length))
}
