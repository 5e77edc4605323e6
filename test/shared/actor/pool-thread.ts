/** A pool thread for the tests: does what its task says. */
import { setFlagsFromString } from 'node:v8'
import { poolWorker } from '../../../src/shared/actor/index.js'
import { fail } from '../../../src/shared/errors/index.js'

export type PoolTask =
  | { readonly do: 'add'; readonly a: number; readonly b: number }
  | { readonly do: 'bytes' | 'refuse' | 'spin' | 'heap' | 'exit' | 'messages' }
  /** Whether code that reads a buffer is V8's optimised one: after practice, or as it is now. */
  | { readonly do: 'is-fast'; readonly afterPractice: boolean }

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

export const run = poolWorker<PoolBoot, PoolTask, unknown, PoolMessage>((env, boot, seat) => {
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
        case 'is-fast':
          return runPractised(task.afterPractice)
      }
    },
  }
})

interface Practised {
  practise(): void
  /** Runs it once more. */
  isFast(): boolean
}

let practised: Practised | undefined

function runPractised(afterPractice: boolean): boolean {
  if (practised === undefined) {
    setFlagsFromString('--allow-natives-syntax')
    const make = new Function(`
      const bytes = new Uint8Array(8)
      const read = () => bytes[3] + bytes.length
      return {
        practise() {
          %PrepareFunctionForOptimization(read);
          for (let i = 0; i < 10; i++) read();
          %OptimizeFunctionOnNextCall(read)
        },
        isFast() {
          read();
          return (%GetOptimizationStatus(read) & 16) !== 0
        },
      }`) as () => Practised
    practised = make()
  }
  if (afterPractice) practised.practise()
  return practised.isFast()
}

function fillHeap(): number {
  const kept: number[][] = []
  for (;;) kept.push(Array.from({ length: 1000 }, (_, at) => at + kept.length))
}
