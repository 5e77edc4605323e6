/** V8's garbage collector, for those who know better than it when there is something to collect. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Collects this thread's whole heap, or its young generation. */
export type Collect = (options?: { readonly type: 'minor' }) => void

/** This thread's, once it was asked for. */
let own: Collect | undefined

/**
 * Has V8 give the collector to threads that are started from now on, as a global. One that it was not
 * given to makes a context for it, which takes 160 KB for good.
 */
export function giveCollector(): void {
  setFlagsFromString('--expose-gc')
}

/** The collector of the thread that calls. */
export function openCollector(): Collect {
  own ??= (globalThis as { gc?: Collect }).gc ?? collectorOfNewContext()
  return own
}

/**
 * Has V8 give back all that it can of this thread's heap: it collects, moves what is left together, and frees
 * the half of its new space that holds nothing. Left to itself it does that eight seconds after a
 * collection, at the earliest. Takes some 25 ms; heard of by the inspector alone.
 */
export async function compactHeap(): Promise<void> {
  const { Session } = await import('node:inspector')
  const session = new Session()
  session.connect()
  // The session is locked while it answers: ended then, it would wait for itself.
  await new Promise<void>((resolve) => {
    session.post('HeapProfiler.collectGarbage', () => setImmediate(resolve))
  })
  session.disconnect()
}

function collectorOfNewContext(): Collect {
  giveCollector()
  return runInNewContext('globalThis.gc') as Collect
}
