/** V8's garbage collector, for those who know better than it when there is something to collect. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Collects this thread's whole heap, or its young generation. */
export type Collect = (options?: { readonly type: 'minor' }) => void

/** Threads that start at once ask at once. */
const TRIES = 1_000

/**
 * The collector of the thread that calls. V8 gives it only to contexts that are made while a flag is
 * set, which is the process': another thread may have taken it away again, so it is tried anew.
 */
export function openCollector(): Collect {
  for (let tries = 0; tries < TRIES; tries++) {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('globalThis.gc') as Collect | undefined
    if (gc === undefined) continue
    setFlagsFromString('--no-expose-gc')
    return gc
  }
  throw new Error('V8 does not give its collector away')
}
