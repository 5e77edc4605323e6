/**
 * The reading side of concurrent-late.test.ts, a thread of its own: reads whole series again and
 * again while the owner puts samples between their samples, and checks that times ascend, every
 * value is its time's, and nothing that was there is gone.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { HeadReader, type ReadBuffer } from '../../../../src/shared/tsdb/index.js'
import type { ReaderData } from './concurrent-reader.js'

const data = workerData as ReaderData
const reader = new HeadReader(data.memory, data.module, data.slot)
const cells = new Int32Array(data.cells)
const out: ReadBuffer = { ts: new Float64Array(0), values: new Float64Array(0), count: 0 }
const seen = new Uint32Array(data.seriesCount)

function faultOf(ref: number): string | undefined {
  if (out.count < seen[ref]!) return `series ${ref} shrank from ${seen[ref]} to ${out.count}`
  for (let i = 0; i < out.count; i++) {
    const t = out.ts[i]!
    const isAscending = i === 0 || t > out.ts[i - 1]!
    if (!isAscending || out.values[i] !== Math.sin(t + ref)) {
      return `series ${ref}, sample ${i} of ${out.count}: ${t} ${out.values[i]}`
    }
  }
  return undefined
}

let fault: string | undefined
for (let i = 0; fault === undefined && Atomics.load(cells, 0) === 0; i++) {
  const ref = i % data.seriesCount
  reader.read(ref, -Infinity, Infinity, out)
  fault = faultOf(ref)
  if (out.count > seen[ref]!) Atomics.add(cells, 2, 1)
  seen[ref] = out.count
  Atomics.add(cells, 1, 1)
}
parentPort?.postMessage(fault ?? 'fine')
