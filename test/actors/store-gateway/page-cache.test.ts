/** Pages of remote objects: their bytes, how often the bucket is asked, and what is held of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gate } from '../../../src/actors/store-gateway/gate.js'
import { PAGE_BYTES, PageCache } from '../../../src/actors/store-gateway/page-cache.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createMemoryBucket } from '../../support/memory-bucket.js'

const PAGES = 64
const SIZE = PAGES * PAGE_BYTES - 1000
const KEY = 't/block/chunks/000001'
const GAP_PAGES = 8

interface Rig {
  readonly cache: PageCache
  /** Requests for ranges so far. */
  gets(): number
  /** Puts the same object under one more key. */
  put(key: string): Promise<unknown>
  readonly object: Uint8Array
}

async function rigOf(more: Partial<ConstructorParameters<typeof PageCache>[1]> = {}): Promise<Rig> {
  const env = createFakeEnv()
  const { bucket, backend } = createMemoryBucket(env)
  const object = new Uint8Array(SIZE)
  new SeededPrng(3).fill(object)
  await bucket.put(KEY, object)
  const cache = new PageCache(bucket, {
    bytesMax: SIZE * 2,
    gapBytes: GAP_PAGES * PAGE_BYTES,
    reads: new Gate(4),
    claim: () => true,
    metrics: env.metrics,
    ...more,
  })
  const gets = () => backend.calls.filter(({ operation }) => operation === 'get').length
  const put = (key: string) => bucket.put(key, object)
  return { cache, gets, put, object }
}

async function check({ cache, object }: Rig, numbers: readonly number[]): Promise<void> {
  const pages = await cache.get(KEY, Uint32Array.from(numbers))
  for (const [i, page] of pages.entries()) {
    const at = numbers[i]! * PAGE_BYTES
    assert.deepEqual(new Uint8Array(page), object.slice(at, at + PAGE_BYTES), `page ${numbers[i]}`)
  }
}

/** Asks 200 questions for some pages near each other. */
async function askAtRandom(rig: Rig, prng: SeededPrng): Promise<void> {
  for (let question = 0; question < 200; question++) {
    const first = prng.nextU32() % PAGES
    const count = 1 + (prng.nextU32() % 3)
    const numbers = Array.from({ length: count }, (_, i) => first + i * (1 + (first % 4)))
    await check(
      rig,
      numbers.filter((number) => number < PAGES),
    )
  }
}

test('whatever is asked for, no stretch of the gap is got twice while there is room', async () => {
  const prng = new SeededPrng(11)
  for (let run = 0; run < 20; run++) {
    const rig = await rigOf()
    await askAtRandom(rig, prng)
    assert.ok(rig.gets() <= PAGES / GAP_PAGES, `${rig.gets()} requests`)
    assert.ok(rig.cache.bytesHeld() <= SIZE)
  }
})

test('a page comes with its stretch', async () => {
  const rig = await rigOf()
  await check(rig, [20])
  assert.equal(rig.cache.bytesHeld(), GAP_PAGES * PAGE_BYTES)
  await check(rig, [16, 17, 18, 19, 20, 21, 22, 23])
  assert.equal(rig.gets(), 1)
})

test('where pages would have to go for it one is got alone, the rest with the next one', async () => {
  const rig = await rigOf({ bytesMax: 18 * PAGE_BYTES })
  // More than so many are not held: two stretches leave room for two pages.
  await check(rig, [0, 8])
  assert.deepEqual([rig.gets(), rig.cache.bytesHeld()], [1, 16 * PAGE_BYTES])
  await check(rig, [20])
  assert.deepEqual([rig.gets(), rig.cache.bytesHeld()], [2, 17 * PAGE_BYTES])
  await check(rig, [18])
  assert.equal(rig.gets(), 3)
  await check(rig, [16, 17, 18, 19, 20, 21, 22, 23])
  assert.equal(rig.gets(), 3)
})

test('what is got ahead at one time is bounded', async () => {
  const rig = await rigOf({ bytesMax: 64 << 20, gapBytes: PAGES * PAGE_BYTES })
  const keys = Array.from({ length: 7 }, (_, i) => `t/block/chunks/00001${i}`)
  for (const key of keys) await rig.put(key)
  // 63 pages of each of seven objects that nobody has asked for: 16 MiB are those of four.
  await Promise.all(keys.map((key) => rig.cache.get(key, Uint32Array.of(3))))
  assert.equal(rig.cache.bytesHeld(), 4 * SIZE + 3 * PAGE_BYTES)
  assert.equal(rig.gets(), 7)
  // They have arrived, others may follow.
  await rig.cache.get(KEY, Uint32Array.of(3))
  assert.equal(rig.cache.bytesHeld(), 5 * SIZE + 3 * PAGE_BYTES)
})

test('questions for the same pages at one time share the requests', async () => {
  const rig = await rigOf()
  await Promise.all([
    check(rig, [3, 5, 9]),
    check(rig, [5]),
    // In the gap between two that are wanted.
    check(rig, [4, 7]),
    check(rig, [3, 9]),
  ])
  assert.equal(rig.gets(), 1)
})

test('holds what it may: the page used longest ago goes, and what is refused is given all the same', async () => {
  const rig = await rigOf({ bytesMax: 10 * PAGE_BYTES })
  for (let page = 0; page < PAGES; page += 9) await check(rig, [page])
  for (let page = 0; page < 60; page += 9) await check(rig, [page])
  assert.ok(rig.cache.bytesHeld() <= 10 * PAGE_BYTES)
  let room = 0
  const poor = await rigOf({ claim: (bytes) => bytes <= room })
  await check(poor, [1, 2])
  assert.equal(poor.cache.bytesHeld(), 0)
  room = PAGE_BYTES
  await check(poor, [30])
  await check(poor, [40])
  assert.equal(poor.cache.bytesHeld(), PAGE_BYTES)
})
