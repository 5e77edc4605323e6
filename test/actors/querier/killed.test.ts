/**
 * Querier threads that are ended at random moments while they read a head in place: nothing stays
 * pinned. Series go on being cut, their memory is used again, and the answers of those that live are
 * right.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dropQuerierClaims, querierConfigOf } from '../../../src/actors/querier/client.js'
import type { QuerierQuery } from '../../../src/actors/querier/contract.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { defaultConfig } from '../../../src/shared/config/index.js'
import { H_LEASES } from '../../../src/shared/kernels/head-layout.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { createBudget, MemoryBudget } from '../../../src/shared/slab/index.js'
import { collectSteps, endLeaseOf } from '../../../src/shared/tsdb/index.js'
import { TestShard, taskOf, textOf } from '../../support/querier.js'
import { type QuerierThread, startQuerierThread } from '../../support/querier-thread.js'

const THREADS = 2
const KILLS = 6
/** A sample of each living series a millisecond; so many of them between two cuts, and left by one. */
const ROUNDS_PER_CUT = 400
const KEPT = 1_000
/** Series that are born in a round, and for how many rounds they live. */
const BORN = 2
const LIFE = 300
/** Seats that a pool of so many threads may have. */
const SEATS = 8

function sampleOf(n: number, round: number): number {
  return n * 1e6 + round
}

/** First and last series that live in a round. */
function aliveAt(round: number): { first: number; end: number } {
  return { first: Math.max(0, (round - LIFE) * BORN), end: (round + 1) * BORN }
}

/** A head that is written and cut without end, as an ingester's. */
class LivingHead {
  readonly shard = new TestShard()
  round = 0
  /** Samples before this one may be gone. */
  cutBefore = 0
  removed = 0
  private readonly refOf = new Map<number, number>()

  append(): void {
    const { head } = this.shard
    const { first, end } = aliveAt(this.round)
    let count = 0
    for (let n = first; n < end; n++) {
      let ref = this.refOf.get(n)
      if (ref === undefined) {
        ref = head.getOrCreate('t', labelsOf({ __name__: 'm', n: `${n}` }))
        this.refOf.set(n, ref)
      }
      head.refs[count] = ref
      head.times[count] = this.round
      head.values[count++] = sampleOf(n, this.round)
    }
    assert.equal(head.kernel.check(0, count, -Infinity, Infinity, Infinity), count)
    assert.equal(head.kernel.append(0, count), count)
    head.kernel.publish(0, count)
    this.round++
  }

  /** Drops what is old, once nobody reads it any more. */
  async cut(): Promise<void> {
    const { head } = this.shard
    this.cutBefore = Math.max(0, this.round - KEPT)
    const epoch = head.kernel.nextEpoch() >>> 0
    const deadline = performance.now() + 60_000
    while (head.kernel.oldestLease() >>> 0 < epoch) {
      assert.ok(performance.now() < deadline, 'a lease is never given back')
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const empty: number[] = []
    for (const [n, ref] of this.refOf) {
      if (head.kernel.truncateSeries(ref, this.cutBefore) === 0) continue
      empty.push(ref)
      this.refOf.delete(n)
    }
    head.kernel.nextEpoch()
    head.kernel.reclaimExtents()
    for (const steps = collectSteps(head, 0, empty, () => false); ; ) {
      const step = steps.next()
      if (step.done === true) {
        this.removed += step.value.series
        return
      }
      // It waits for readers.
      if (!step.value) await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
}

function instant(text: string, atMs: number): QuerierQuery {
  return { kind: 'query', text, atMs, lookbackMs: 1, limit: 0 }
}

/** Asks for all series of a moment, again and again. @returns right answers */
async function check(threads: QuerierThread, living: LivingHead, isOver: () => boolean) {
  let right = 0
  while (!isOver()) {
    const round = living.round - 1
    let text: string
    try {
      text = textOf(await threads.run(taskOf('t', instant('m', round))))
    } catch (error) {
      const { id, details } = error as { id?: string; details?: unknown }
      assert.equal(id, 'actor-down', JSON.stringify(details))
      continue
    }
    // What has been cut since then need not be there.
    if (round < living.cutBefore) continue
    const rows = JSON.parse(text).data.result as {
      metric: { n: string }
      value: [number, string]
    }[]
    const { first, end } = aliveAt(round)
    assert.equal(rows.length, end - first)
    for (const { metric, value } of rows) {
      assert.equal(Number(value[1]), sampleOf(Number(metric.n), round))
    }
    right++
  }
  return right
}

test('a querier thread that is ended while it reads leaves nothing pinned', async (t) => {
  const living = new LivingHead()
  const { head } = living.shard
  head.serve()
  for (let i = 0; i < KEPT; i++) living.append()
  let gone = 0
  const { memory } = head.view
  const budget = createBudget(4 << 30)
  const threads = startQuerierThread(
    living.shard,
    {},
    {
      size: THREADS,
      budget,
      onGone: (seat) => {
        gone++
        endLeaseOf(memory, seat)
        dropQuerierClaims(budget, seat)
      },
    },
  )
  t.after(() => threads.close())
  const prng = new SeededPrng(7)
  const uses: number[] = []
  let isOver = false
  const writing = (async () => {
    while (!isOver) {
      for (let i = 0; i < ROUNDS_PER_CUT; i++) {
        living.append()
        if (i % 10 === 9) await new Promise((resolve) => setImmediate(resolve))
      }
      await living.cut()
      uses.push(head.memoryUse().used + head.reusableBytes())
    }
  })()
  const checking = check(threads, living, () => isOver)
  const long = 'sum(max_over_time(rate(m[100ms])[800ms:1ms]))'
  while (gone < KILLS) {
    const seen = { outcome: '' }
    const running = threads.run(taskOf('t', instant(long, living.round - 1))).then(
      () => {
        seen.outcome = 'answered'
      },
      (error: { id: string }) => {
        seen.outcome = error.id
      },
    )
    await new Promise((resolve) => setTimeout(resolve, prng.nextU32() % 60))
    if (seen.outcome === '') {
      // Either thread: that of the long query, or that of the one which is checked.
      const seats = threads.seatNumbers()
      await threads.kill(seats[prng.nextU32() % seats.length] ?? 0)
    }
    await running
    assert.ok(['answered', 'actor-down'].includes(seen.outcome), seen.outcome)
  }
  isOver = true
  const [right] = await Promise.all([checking, writing])
  t.diagnostic(`${right} right answers, ${living.removed} series removed, ${uses.length} cuts`)
  // The threads that came in their place answer as well, now that nothing is cut.
  let asked = 0
  assert.ok((await check(threads, living, () => asked++ >= 3)) > 0)
  // Nobody reads: no cell is taken.
  const cells = new Uint32Array(memory.buffer, H_LEASES, SEATS)
  assert.deepEqual([...cells], new Array(SEATS).fill(0))
  const claims = new MemoryBudget(budget)
  assert.equal(claims.claimed('queries'), 0)
  const cacheBytes = querierConfigOf(defaultConfig()).cacheBytes
  assert.ok(claims.claimed('caches') <= THREADS * cacheBytes, 'claims of threads that are gone')
  // Series came and went in the memory that others had left.
  assert.ok(living.removed > 0)
  assert.ok(head.refEnd() <= (KEPT + LIFE + 3 * ROUNDS_PER_CUT) * BORN, `${head.refEnd()} refs`)
  const settled = uses[Math.min(4, uses.length - 1)]!
  assert.ok(uses.at(-1)! <= settled + (1 << 20), uses.join(' '))
})
