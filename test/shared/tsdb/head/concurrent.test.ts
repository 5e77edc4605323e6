/** Readers in threads of their own against a writer at full speed. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { createHeadMemory } from '../../../../src/shared/kernels/head.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { createTestHead, headModule } from '../../../support/head-source.js'
import type { ReaderData } from './concurrent-reader.js'
import { timeAt, valueAt } from './concurrent-series.js'

// One tile: a lane is encoded every 4 µs.
const SERIES = 8
const READERS = 2
/** Reads that saw something new: thousands of bursts under the readers' eyes. */
const GROWTHS = 8_000
/** A machine that is busy with other things gives up earlier, with fewer reads, though not without. */
const DURATION_MS = 3000

test('readers see whole samples in order, never less than before', async () => {
  const memory = createHeadMemory()
  const head = createTestHead(memory)
  for (let i = 0; i < SERIES; i++) {
    assert.equal(head.getOrCreate('t', labelsOf({ __name__: 'm', i: `${i}` })), i)
  }
  const cells = new SharedArrayBuffer(12)
  const counters = new Int32Array(cells)
  const workers = Array.from({ length: READERS }, (_, slot) => {
    const workerData: ReaderData = {
      memory,
      module: headModule(),
      slot,
      seriesCount: SERIES,
      cells,
    }
    return new Worker(new URL('./concurrent-reader.js', import.meta.url), { workerData })
  })
  const verdicts = workers.map((worker) => once(worker, 'message'))
  // Threads that have just come online still load their code.
  while (Atomics.load(counters, 1) === 0) await sleep(1)
  let index = 0
  const end = performance.now() + DURATION_MS
  for (let growths = 0; growths < GROWTHS; growths = Atomics.load(counters, 2)) {
    const isLate = performance.now() > end
    if (isLate && growths > 0) break
    if (isLate) await sleep(1)
    // Several samples of all series per batch: published together, encoded in between.
    for (let batch = 0; batch < 5; batch++, index++) {
      for (let ref = 0; ref < SERIES; ref++) {
        const at = batch * SERIES + ref
        head.refs[at] = ref
        head.times[at] = timeAt(ref, index)
        head.values[at] = valueAt(ref, index)
      }
    }
    const count = 5 * SERIES
    assert.equal(head.kernel.check(0, count, -Infinity, Infinity, Infinity), count)
    assert.equal(head.kernel.append(0, count), count)
    head.kernel.publish(0, count)
    if (index % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  Atomics.store(counters, 0, 1)
  for (const [verdict] of await Promise.all(verdicts)) assert.equal(verdict, 'fine')
  assert.ok(Atomics.load(counters, 2) > 0, `${counters[1]} reads, none saw new samples`)
})
