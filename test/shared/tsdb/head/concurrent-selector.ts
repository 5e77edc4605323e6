/**
 * The selecting side of head-index.test.ts, a thread of its own: selects series while their owner
 * creates more of them, and checks every answer against how many there were before and after.
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

/** Series `ref` is in group `ref % GROUPS`. */
export const GROUPS = 5

const ALL = { mint: -Infinity, maxt: Infinity }

function faultOf(group: number, refs: Uint32Array, before: number, after: number) {
  const [least, most] = [before, after + 1].map((count) => Math.ceil((count - group) / GROUPS))
  if (refs.length < least! || refs.length > most!) {
    return `${refs.length} series of group ${group}, there were ${least} to ${most}`
  }
  const wrong = refs.findIndex((ref, k) => ref !== group + k * GROUPS)
  return wrong < 0 ? undefined : `group ${group} has ${refs[wrong]} at ${wrong}`
}

function selectUntilStopped({ memory, module, cells: buffer }: SelectorData): string | undefined {
  const { index } = new HeadReader(memory, module, 1)
  const cells = new Int32Array(buffer)
  for (let i = 0; Atomics.load(cells, 0) === 0; i++) {
    const group = i % GROUPS
    const before = Atomics.load(cells, 1)
    const refs = index.select('t', [{ name: 'group', op: '=', value: `${group}` }], ALL)
    const after = Atomics.load(cells, 1)
    Atomics.add(cells, 3, 1)
    if (refs === undefined) continue
    const fault = faultOf(group, refs, before, after)
    if (fault !== undefined) return fault
    Atomics.add(cells, 2, 1)
  }
  return undefined
}

if (workerData !== null) parentPort?.postMessage(selectUntilStopped(workerData) ?? 'fine')
