/** Readers in threads of their own against a writer that also puts samples out of order. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { createHeadMemory } from '../../../../src/shared/kernels/head.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { createTestHead, headModule } from '../../../support/head-source.js'
import type { ReaderData } from './concurrent-reader.js'

const SERIES = 8
const READERS = 2
/** Reads that saw something new. */
const GROWTHS = 4_000
const DURATION_MS = 2000
/** Samples of a series at which the writer stops: whole series are read. */
const ROUNDS_MAX = 4000

function yieldNow(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('readers see late samples in their places, whole, and never less than before', async () => {
  const memory = createHeadMemory()
  const head = createTestHead(memory)
  for (let i = 0; i < SERIES; i++) head.getOrCreate('t', labelsOf({ __name__: 'm', i: `${i}` }))
  const cells = new SharedArrayBuffer(12)
  const counters = new Int32Array(cells)
  const workers = Array.from({ length: READERS }, (_, slot) => {
    const module = headModule()
    const workerData: ReaderData = { memory, module, slot, seriesCount: SERIES, cells }
    return new Worker(new URL('./concurrent-late-reader.js', import.meta.url), { workerData })
  })
  const verdicts = workers.map((worker) => once(worker, 'message'))
  await Promise.all(workers.map((worker) => once(worker, 'online')))
  while (Atomics.load(counters, 1) < READERS) await yieldNow()
  const prng = new SeededPrng(7)
  const end = performance.now() + DURATION_MS
  let late = 0
  for (let round = 1; round < ROUNDS_MAX && Atomics.load(counters, 2) < GROWTHS; round++) {
    if (performance.now() > end) break
    const count = SERIES * 2
    for (let i = 0; i < count; i++) {
      const ref = i % SERIES
      // First one in order per series, then one somewhere before it.
      const t = i < SERIES ? round * 1000 : prng.below(round * 1000)
      head.refs[i] = ref
      head.times[i] = t
      head.values[i] = Math.sin(t + ref)
    }
    head.kernel.truncateOutOfOrder(0)
    const accepted = head.kernel.check(0, count, -Infinity, -Infinity, Infinity)
    assert.equal(head.kernel.append(0, accepted), accepted)
    head.kernel.publish(0, accepted)
    const lateCount = head.outOfOrderCount()
    assert.equal(head.kernel.appendOutOfOrder(0, lateCount), lateCount)
    late += head.kernel.oooAppended()
    if (round % 20 === 0) await yieldNow()
  }
  Atomics.store(counters, 0, 1)
  for (const [verdict] of await Promise.all(verdicts)) assert.equal(verdict, 'fine')
  assert.ok(late > 1000)
  assert.ok(Atomics.load(counters, 2) > 0, `${counters[1]} reads, none saw new samples`)
})
