/**
 * The reading side of concurrent.test.ts, a thread of its own: reads the newest samples of series
 * again and again while the owner appends at full speed, and checks that every answer goes on
 * without a gap from what was seen before.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { HeadReader, type ReadBuffer } from '../../../../src/shared/tsdb/index.js'
import { timeAt, valueAt } from './concurrent-series.js'

/** What the test gives the thread. */
export interface ReaderData {
  readonly memory: WebAssembly.Memory
  readonly module: WebAssembly.Module
  readonly slot: number
  readonly seriesCount: number
  /** Int32: 0 reader runs, 1 stop | reads | growths seen. */
  readonly cells: SharedArrayBuffer
}

const data = workerData as ReaderData
const reader = new HeadReader(data.memory, data.module, data.slot)
const cells = new Int32Array(data.cells)
const out: ReadBuffer = { ts: new Float64Array(0), values: new Float64Array(0), count: 0 }
const seen = new Uint32Array(data.seriesCount)

/** Samples that are read again each time: tail, open chunk, and the one before. */
const OVERLAP = 150

/** The first fault of an answer that should begin with sample `first`, or undefined. */
function faultOf(ref: number, first: number): string | undefined {
  const end = first + out.count
  if (end < seen[ref]!) return `series ${ref} shrank from ${seen[ref]} to ${end}`
  for (let i = 0; i < out.count; i++) {
    if (out.ts[i] !== timeAt(ref, first + i) || out.values[i] !== valueAt(ref, first + i)) {
      return `series ${ref}, sample ${first + i} of ${end}: ${out.ts[i]} ${out.values[i]}`
    }
  }
  return undefined
}

let fault: string | undefined
for (let i = 0; fault === undefined && Atomics.load(cells, 0) === 0; i++) {
  const ref = i % data.seriesCount
  const first = Math.max(0, seen[ref]! - OVERLAP)
  reader.read(ref, timeAt(ref, first), Infinity, out)
  fault = faultOf(ref, first)
  if (first + out.count > seen[ref]!) Atomics.add(cells, 2, 1)
  seen[ref] = first + out.count
  Atomics.add(cells, 1, 1)
}
parentPort?.postMessage(fault ?? 'fine')
