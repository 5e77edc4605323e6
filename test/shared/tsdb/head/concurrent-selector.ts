/**
 * The selecting side of head-index.test.ts, a thread of its own: selects series while their owner
 * creates more of them, and checks every answer: it must be all series of one moment, the first so
 * many, and as many as there were between its beginning and its end.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { HeadReader } from '../../../../src/shared/tsdb/index.js'

/** What the test gives the thread. */
export interface SelectorData {
  readonly memory: WebAssembly.Memory
  readonly module: WebAssembly.Module
  /** Int32: 1 stops | series created | answers | attempts. */
  readonly cells: SharedArrayBuffer
}

/** Series `ref` is in group `ref % GROUPS`; an answer is put together of all groups' postings. */
export const GROUPS = 5

const ALL = { mint: -Infinity, maxt: Infinity }

function faultOf(refs: Uint32Array, before: number, after: number): string | undefined {
  const most = after + 1
  if (refs.length < before || refs.length > most) {
    return `${refs.length} series, there were ${before} to ${most}`
  }
  const wrong = refs.findIndex((ref, k) => ref !== k)
  return wrong < 0 ? undefined : `series ${wrong} is missing among ${refs.length}`
}

function selectUntilStopped({ memory, module, cells: buffer }: SelectorData): string | undefined {
  const { index } = new HeadReader(memory, module, 1)
  const cells = new Int32Array(buffer)
  while (Atomics.load(cells, 0) === 0) {
    const before = Atomics.load(cells, 1)
    const refs = index.select('t', [{ name: 'group', op: '=~', value: 'g[0-9]+' }], ALL)
    const after = Atomics.load(cells, 1)
    Atomics.add(cells, 3, 1)
    if (refs === undefined) continue
    const fault = faultOf(refs, before, after)
    if (fault !== undefined) return fault
    Atomics.add(cells, 2, 1)
  }
  return undefined
}

if (workerData !== null) parentPort?.postMessage(selectUntilStopped(workerData) ?? 'fine')
