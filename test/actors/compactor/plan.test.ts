/** The planner: which blocks are merged when, and which wait. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompactionJob,
  type PlanBlock,
  type PlanOptions,
  planJobs,
} from '../../../src/actors/compactor/plan.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { ulidBytes, ulidOf, ulidTime } from '../../../src/shared/base/ulid.js'

const HOUR = 3_600_000
const DAY = Date.UTC(2025, 9, 9)

const OPTIONS: PlanOptions = {
  ranges: [2 * HOUR, 12 * HOUR, 24 * HOUR],
  shards: 0,
  splitGroups: 1,
  now: DAY + 100 * HOUR,
  firstLevelWaitMs: 25 * 60_000,
  order: 'smallest-range-oldest-blocks-first',
}

let count = 0

/** A block of hours [from, to) of the day. */
function block(
  from: number,
  to: number,
  more: { level?: number; labels?: Record<string, string>; uploadedAt?: number } = {},
): PlanBlock {
  const random = new Uint8Array(10)
  new DataView(random.buffer).setUint32(6, count++)
  const ulid = ulidOf(DAY + from * HOUR, random)
  return {
    uploadedAt: more.uploadedAt ?? DAY + to * HOUR,
    meta: {
      version: 1,
      ulid,
      minTime: DAY + from * HOUR,
      maxTime: DAY + to * HOUR,
      stats: { numSamples: 1, numSeries: 1, numChunks: 1 },
      compaction: { level: more.level ?? 1, sources: [ulid] },
      thanos: {
        labels: more.labels ?? {},
        downsample: { resolution: 0 },
        source: 'receive',
      },
    },
  }
}

/** `merge 0-2: 0-2 0-2`, hours of the range and of its blocks. */
function text(job: CompactionJob): string {
  const hours = (a: number, b: number) => `${(a - DAY) / HOUR}-${(b - DAY) / HOUR}`
  const blocks = job.blocks.map(({ meta }) => hours(meta.minTime, meta.maxTime))
  const shard = job.shard === '' ? '' : ` ${job.shard}`
  return `${job.stage}${shard} ${hours(job.rangeStart, job.rangeEnd)}: ${blocks.join(' ')}`
}

function planned(blocks: readonly PlanBlock[], more: Partial<PlanOptions> = {}): string[] {
  return planJobs(blocks, { ...OPTIONS, ...more }).map(text)
}

test('does nothing without two blocks of one range', () => {
  assert.deepEqual(planned([]), [])
  assert.deepEqual(planned([block(0, 2)]), [])
  assert.deepEqual(planned([block(0, 2), block(12, 14)]), [])
})

test('merges blocks of one range first, then neighbours', () => {
  const twice = [block(0, 2), block(0, 2), block(2, 4), block(24, 26)]
  assert.deepEqual(planned(twice), ['merge 0-2: 0-2 0-2'])
  const once = [block(0, 2, { level: 2 }), block(2, 4), block(24, 26)]
  assert.deepEqual(planned(once), ['merge 0-12: 0-2 2-4'])
})

test('merges 12 hours, then a day, when they are whole or past', () => {
  const halves = [0, 2, 4, 6, 8, 10].map((hour) => block(hour, hour + 2))
  assert.deepEqual(planned(halves), ['merge 0-12: 0-2 2-4 4-6 6-8 8-10 10-12'])
  assert.deepEqual(planned(halves.slice(0, 5)), [], 'the sixth may come')
  assert.deepEqual(planned([...halves.slice(0, 5), block(12, 14)]), [
    'merge 0-12: 0-2 2-4 4-6 6-8 8-10',
  ])
  const day = [block(0, 12, { level: 2 }), block(12, 24, { level: 2 })]
  assert.deepEqual(planned(day), ['merge 0-24: 0-12 12-24'])
  assert.deepEqual(planned([...halves, ...[12, 14].map((hour) => block(hour, hour + 2))]), [
    'merge 0-12: 0-2 2-4 4-6 6-8 8-10 10-12',
  ])
})

test('leaves out blocks that reach over a range, at that range alone', () => {
  const odd = [block(1, 3), block(3, 4), block(2, 4), block(30, 32)]
  assert.deepEqual(planned(odd), ['merge 2-4: 2-4 3-4'])
  const later = [block(1, 3), block(2, 4, { level: 2 }), block(30, 32)]
  assert.deepEqual(planned(later), ['merge 0-12: 1-3 2-4'])
})

test('waits for blocks of level 1 that were uploaded a moment ago', () => {
  const blocks = (uploadedAt: number, level = 1) => [
    block(0, 2),
    block(0, 2, { uploadedAt, level }),
    block(2, 4),
  ]
  assert.deepEqual(planned(blocks(OPTIONS.now - 24 * 60_000)), [])
  assert.deepEqual(planned(blocks(OPTIONS.now - 25 * 60_000)), ['merge 0-2: 0-2 0-2'])
  assert.deepEqual(planned(blocks(OPTIONS.now, 2)), ['merge 0-2: 0-2 0-2'])
})

test('splits what has no shard, then merges shard by shard', () => {
  const shards = { shards: 2, splitGroups: 1 }
  const fresh = [block(0, 2), block(0, 2), block(2, 4), block(24, 26)]
  assert.deepEqual(planned(fresh, shards), [
    'split 1_of_1 0-2: 0-2 0-2',
    'split 1_of_1 2-4: 2-4',
    'split 1_of_1 24-26: 24-26',
  ])
  const labels = (shard: string) => ({ level: 2, labels: { __compactor_shard_id__: shard } })
  const split = [
    block(0, 2, labels('1_of_2')),
    block(0, 2, labels('2_of_2')),
    block(2, 4, labels('1_of_2')),
    block(2, 4, labels('2_of_2')),
    block(24, 26, labels('1_of_2')),
  ]
  assert.deepEqual(planned(split, shards), [
    'merge 1_of_2 0-12: 0-2 2-4',
    'merge 2_of_2 0-12: 0-2 2-4',
  ])
  assert.deepEqual(planned([...split, block(2, 4)], shards), ['split 1_of_1 2-4: 2-4'])
})

test('splits in groups by the ULID', () => {
  const blocks = Array.from({ length: 20 }, () => block(0, 2))
  const jobs = planJobs([...blocks, block(2, 4)], { ...OPTIONS, shards: 2, splitGroups: 3 })
  const own = jobs.filter((job) => job.rangeStart === DAY)
  assert.deepEqual(
    own.map((job) => job.shard),
    ['1_of_3', '2_of_3', '3_of_3'],
  )
  assert.equal(
    own.reduce((sum, job) => sum + job.blocks.length, 0),
    20,
  )
})

test('never merges blocks of other labels or another resolution', () => {
  const late = { labels: { __out_of_order__: 'true' } }
  assert.deepEqual(planned([block(0, 2), block(0, 2, late), block(2, 4)]), [])
  assert.deepEqual(planned([block(0, 2), block(0, 2, late), block(0, 2, late), block(2, 4)]), [
    'merge 0-2: 0-2 0-2',
  ])
})

test('takes the newest first when told so', () => {
  const blocks = [block(0, 2), block(0, 2), block(4, 6), block(4, 6), block(24, 26)]
  assert.deepEqual(planned(blocks), ['merge 0-2: 0-2 0-2', 'merge 4-6: 4-6 4-6'])
  assert.deepEqual(planned(blocks, { order: 'newest-blocks-first' }), [
    'merge 4-6: 4-6 4-6',
    'merge 0-2: 0-2 0-2',
  ])
})

test('comes to an end with one block per day, whatever it begins with', () => {
  const prng = new SeededPrng(3)
  for (let round = 0; round < 50; round++) {
    let blocks: PlanBlock[] = []
    for (let i = 0; i < 60; i++) {
      const from = (prng.nextU32() % 36) * 2
      blocks.push(block(from, from + 2))
    }
    blocks.push(block(98, 100))
    for (let step = 0; ; step++) {
      assert.ok(step < 200, 'it never ends')
      const [job] = planJobs(blocks, OPTIONS)
      if (job === undefined) break
      const used = new Set(job.blocks.map(({ meta }) => meta.ulid))
      const times = job.blocks.map(({ meta }) => [meta.minTime, meta.maxTime])
      const from = (Math.min(...times.map(([a]) => a!)) - DAY) / HOUR
      const to = (Math.max(...times.map(([, z]) => z!)) - DAY) / HOUR
      blocks = blocks.filter(({ meta }) => !used.has(meta.ulid))
      blocks.push(block(from, to, { level: 2 }))
    }
    const days = blocks.map(({ meta }) => Math.floor((meta.minTime - DAY) / (24 * HOUR)))
    assert.equal(new Set(days).size, days.length, days.join())
  }
})

test('ULIDs: time and bytes', () => {
  const ulid = ulidOf(1_760_004_000_000, Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 255]))
  assert.equal(ulidTime(ulid), 1_760_004_000_000)
  const bytes = ulidBytes(ulid)
  assert.deepEqual([...bytes.subarray(6)], [1, 2, 3, 4, 5, 6, 7, 8, 9, 255])
  assert.equal(Buffer.from(bytes.subarray(0, 6)).readUIntBE(0, 6), 1_760_004_000_000)
  assert.equal(ulidOf(0xffffffffffff, new Uint8Array(10).fill(255)), '7ZZZZZZZZZZZZZZZZZZZZZZZZZ')
})
