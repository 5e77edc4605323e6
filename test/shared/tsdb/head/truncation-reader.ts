/**
 * The reading side of truncation.test.ts, a thread of its own: under a lease it selects all series and
 * reads them while their owner drops chunks, removes series and uses their slots again.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { nodeDisk } from '../../../../src/shared/env/index.js'
import { HeadReader, type ReadBuffer } from '../../../../src/shared/tsdb/index.js'
import { aliveAt, birthOf, LIFE, sampleValue } from './truncation-series.js'

/** What the test gives the thread. */
export interface TruncationReaderData {
  readonly memory: WebAssembly.Memory
  readonly module: WebAssembly.Module
  readonly slot: number
  /** Chunks are moved to files meanwhile. */
  readonly isSpilled: boolean
  /** Int32: 1 stops | rounds published | rounds that blocks have | reads of all threads | refs reused. */
  readonly cells: SharedArrayBuffer
}

const ALL = { mint: -Infinity, maxt: Infinity }

/** What is wrong with one pass over all series; undefined when nothing is. */
function faultOf(reader: HeadReader, cells: Int32Array, out: ReadBuffer): string | undefined {
  const published = Atomics.load(cells, 1)
  const inBlocks = Atomics.load(cells, 2)
  const refs = reader.index.select('t', [], ALL)
  if (refs === undefined) return undefined
  const found = new Set<number>()
  const reuses = reader.reuses()
  for (const ref of refs) {
    const n = Number(reader.pairValue(reader.pairs(ref)[1]!))
    reader.read(ref, -Infinity, Infinity, out)
    found.add(n)
    for (let i = 0; i < out.count; i++) {
      if (out.values[i] !== sampleValue(n, out.ts[i]!)) return `series ${n} has ${out.values[i]}`
      if (i > 0 && out.ts[i] !== out.ts[i - 1]! + 1) return `series ${n} lacks ${out.ts[i]! - 1}`
    }
    const from = Math.max(birthOf(n), inBlocks)
    const to = Math.min(birthOf(n) + LIFE, published)
    const hasAll = out.count > 0 && out.ts[0]! <= from && out.ts[out.count - 1]! >= to - 1
    if (from < to && !hasAll) {
      return `series ${n} has ${out.ts[0]} to ${out.ts[out.count - 1]}, not ${from} to ${to - 1}`
    }
    Atomics.add(cells, 3, 1)
  }
  for (const n of aliveAt(published - 1)) if (!found.has(n)) return `series ${n} is missing`
  if (reader.reuses() !== reuses) Atomics.add(cells, 4, 1)
  return undefined
}

function readUntilStopped(data: TruncationReaderData): string | undefined {
  const reader = new HeadReader(
    data.memory,
    data.module,
    data.slot,
    data.isSpilled ? nodeDisk() : undefined,
  )
  const cells = new Int32Array(data.cells)
  const out: ReadBuffer = { ts: new Float64Array(0), values: new Float64Array(0), count: 0 }
  while (Atomics.load(cells, 0) === 0) {
    reader.takeLease()
    const fault = faultOf(reader, cells, out)
    reader.endLease()
    if (fault !== undefined) return fault
  }
  return undefined
}

if (workerData !== null) parentPort?.postMessage(readUntilStopped(workerData) ?? 'fine')
