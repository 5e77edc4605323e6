/** Readers in threads of their own while chunks are dropped, series removed, and slots used again. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { nodeDisk } from '../../../../src/shared/env/index.js'
import { createHeadMemory } from '../../../../src/shared/kernels/head.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { ChunkSpiller, collectSteps, type Head } from '../../../../src/shared/tsdb/index.js'
import { createTestHead, headModule } from '../../../support/head-source.js'
import type { TruncationReaderData } from './truncation-reader.js'
import { aliveAt, sampleValue } from './truncation-series.js'

const READERS = 2
const ROUNDS = 6_000
const ROUNDS_PER_CUT = 100
const ROUNDS_PER_SPILL = 30
/** Rounds that a cut leaves in the head. */
const KEPT = 150
const DURATION_MS = 8_000
/** Looks, 10 ms apart, for a first read. */
const READ_WAITS_MAX = 3_000

function append(head: Head, refOf: Map<number, number>, round: number): void {
  let count = 0
  for (const n of aliveAt(round)) {
    let ref = refOf.get(n)
    if (ref === undefined) {
      ref = head.getOrCreate('t', labelsOf({ __name__: 'm', n: `${n}` }))
      refOf.set(n, ref)
    }
    head.refs[count] = ref
    head.times[count] = round
    head.values[count++] = sampleValue(n, round)
  }
  assert.equal(head.kernel.check(0, count, -Infinity, Infinity, Infinity), count)
  assert.equal(head.kernel.append(0, count), count)
  head.kernel.publish(0, count)
}

/** As the ingester does it: who takes a lease from here on knows what blocks have. */
async function cut(head: Head, cells: Int32Array, refOf: Map<number, number>, before: number) {
  Atomics.store(cells, 2, before)
  const epoch = head.kernel.nextEpoch() >>> 0
  const pause = () => new Promise((resolve) => setImmediate(resolve))
  while (head.kernel.oldestLease() >>> 0 < epoch) await pause()
  const empty: number[] = []
  for (const [n, ref] of refOf) {
    if (head.kernel.truncateSeries(ref, before) === 0) continue
    empty.push(ref)
    refOf.delete(n)
  }
  head.kernel.nextEpoch()
  head.kernel.reclaimExtents()
  const steps = collectSteps(head, 0, empty, () => false)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value.series
    if (!step.value) await pause()
  }
}

/** All closed chunks go to a file. */
function spill(spiller: ChunkSpiller): void {
  spiller.begin(Number.POSITIVE_INFINITY)
  while (spiller.step()) {}
  spiller.collect()
}

test('under a lease readers have all that blocks lack, and never another series', async (t) => {
  const memory = createHeadMemory()
  const head = createTestHead(memory)
  head.serve()
  const folder = mkdtempSync(join(tmpdir(), 'nilo-truncation-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const spiller = new ChunkSpiller({
    disk: nodeDisk(),
    head,
    folder,
    newNumber: () => randomInt(2 ** 32),
    now: () => Date.now(),
  })
  const cells = new SharedArrayBuffer(20)
  const counters = new Int32Array(cells)
  const refOf = new Map<number, number>()
  append(head, refOf, 0)
  Atomics.store(counters, 1, 1)
  const workers = Array.from({ length: READERS }, (_, slot) => {
    const data: TruncationReaderData = {
      memory,
      module: headModule(),
      slot,
      cells,
      isSpilled: true,
    }
    return new Worker(new URL('./truncation-reader.js', import.meta.url), { workerData: data })
  })
  const verdicts = workers.map((worker) => once(worker, 'message'))
  await Promise.all(workers.map((worker) => once(worker, 'online')))
  let removed = 0
  const used: number[] = []
  const end = performance.now() + DURATION_MS
  for (let round = 1; round < ROUNDS && performance.now() < end; round++) {
    append(head, refOf, round)
    Atomics.store(counters, 1, round + 1)
    if (round % ROUNDS_PER_SPILL === 0) spill(spiller)
    if (round % ROUNDS_PER_CUT !== 0) continue
    removed += await cut(head, counters, refOf, round - KEPT)
    used.push(head.memoryUse().used + head.reusableBytes())
  }
  // On a busy machine they may not have come to read anything yet.
  for (let i = 0; Atomics.load(counters, 3) === 0 && i < READ_WAITS_MAX; i++) await sleep(10)
  Atomics.store(counters, 0, 1)
  for (const [verdict] of await Promise.all(verdicts)) assert.equal(verdict, 'fine')
  assert.ok(Atomics.load(counters, 3) > 0, 'nothing was read')
  if (used.length < 20) return
  // Series come and go; what they need is what others have left.
  assert.ok(removed > 0)
  assert.ok(spiller.chunksSpilled() > 0)
  assert.ok(readdirSync(folder).length < 20, 'files go')
  assert.ok(head.refEnd() < removed + 1, `${head.refEnd()} refs, ${removed} series removed`)
  assert.ok(used.at(-1)! <= used[12]! + (1 << 20), used.join(' '))
})
