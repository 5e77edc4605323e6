/** Pages on local disk: over restarts, within their budget, and never other bytes than the bucket has. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gate } from '../../../src/actors/store-gateway/gate.js'
import { PAGE_BYTES, PageCache } from '../../../src/actors/store-gateway/page-cache.js'
import { PageFiles } from '../../../src/actors/store-gateway/page-files.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createMemoryBucket } from '../../support/memory-bucket.js'

const PAGES = 150
const SIZE = PAGES * PAGE_BYTES - 1000
const FOLDER = 'data/store-gateway-0-pages'
const NOISE = new Uint8Array(SIZE + 5000)
new SeededPrng(1).fill(NOISE)
const ULIDS = ['01A', '01B', '01C', '01D', '01E']

/** Each other bytes: random ones, from another place on. */
const OBJECTS = new Map(
  ULIDS.map((ulid, i) => [ulid, NOISE.subarray(i * 1000, i * 1000 + SIZE)] as const),
)

function keyOf(ulid: string): string {
  return `t/${ulid}/chunks/000001`
}

/** A bucket with five objects, and lives of a cache over it that has the same disk. */
async function worldOf(bytesMax: number) {
  const env = createFakeEnv()
  env.disk.makeFolder('data')
  const { bucket, backend } = createMemoryBucket(env)
  for (const [ulid, object] of OBJECTS) await bucket.put(keyOf(ulid), object)
  const begin = () => {
    const files = new PageFiles(env, FOLDER, { bytesMax, pageBytes: PAGE_BYTES })
    const cache = new PageCache(bucket, {
      // Next to nothing in memory.
      bytesMax: PAGE_BYTES,
      gapBytes: 8 * PAGE_BYTES,
      files,
      reads: new Gate(4),
      claim: () => true,
      metrics: env.metrics,
    })
    const check = async (ulid: string, numbers: readonly number[]): Promise<void> => {
      const pages = await cache.get(keyOf(ulid), Uint32Array.from(numbers))
      for (const [i, page] of pages.entries()) {
        const at = numbers[i]! * PAGE_BYTES
        const wanted = OBJECTS.get(ulid)!.subarray(at, at + PAGE_BYTES)
        assert.ok(
          Buffer.compare(new Uint8Array(page), wanted) === 0,
          `page ${numbers[i]} of ${ulid}`,
        )
      }
    }
    return { files, check }
  }
  const gets = () => backend.calls.filter(({ operation }) => operation === 'get').length
  return { env, begin, gets }
}

test('what has been got once is not asked for again, over restarts', async () => {
  const { env, begin, gets } = await worldOf(1 << 30)
  const first = begin()
  await first.check('01A', [0, 63, 64, 149])
  await first.check('01B', [3])
  const before = gets()
  for (const life of [first, begin()]) {
    await life.check('01A', [0, 63])
    await life.check('01A', [64, 149])
    await life.check('01B', [3])
  }
  assert.equal(gets(), before)
  assert.deepEqual(
    env.disk.paths().map((path) => path.slice(FOLDER.length + 1)),
    [
      't/01A/chunks-000001.0',
      't/01A/chunks-000001.1',
      't/01A/chunks-000001.2',
      't/01B/chunks-000001.0',
    ],
  )
})

test('a page that is cut, spoilt or of elsewhere is got anew, and its file goes', async () => {
  const prng = new SeededPrng(5)
  const { env, begin, gets } = await worldOf(1 << 30)
  for (let round = 0; round < 60; round++) {
    await begin().check('01A', [7, 70])
    const path = `${FOLDER}/t/01A/chunks-000001.${round % 2}`
    const number = round % 2 === 0 ? 7 : 70
    const at = (number % 64) * (PAGE_BYTES + 12)
    const file = env.disk.open(path, 'append')
    const offset = at + (round % 3 === 0 ? prng.nextU32() % 12 : prng.nextU32() % PAGE_BYTES)
    const byte = new Uint8Array(1)
    file.read(byte, offset)
    if (round % 5 === 0) file.truncate(offset)
    else file.write(Uint8Array.of(byte[0]! ^ (1 + (prng.nextU32() % 255))), offset)
    const before = gets()
    const life = begin()
    await life.check('01A', [7, 70])
    assert.ok(gets() > before, `round ${round}`)
    await life.check('01A', [7, 70])
    await begin().check('01A', [7, 70])
    assert.equal(gets(), before + 1, `round ${round}: it is kept again`)
  }
})

test('the budget holds; the block used longest ago goes', async () => {
  const bytesMax = 40 * (PAGE_BYTES + 12)
  const { env, begin, gets } = await worldOf(bytesMax)
  const held = (): number =>
    env.disk.paths().reduce((sum, path) => sum + (env.disk.findFacts(path)?.size ?? 0), 0)
  const life = begin()
  for (const ulid of ULIDS) {
    await life.check(ulid, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    await life.check('01A', [2])
    assert.ok(held() <= bytesMax)
    assert.equal(held(), life.files.bytesHeld())
  }
  const before = gets()
  await life.check('01A', [1])
  await life.check('01E', [1])
  assert.equal(gets(), before)
  await life.check('01B', [1])
  assert.equal(gets(), before + 1)
  // A smaller one from now on: the oldest blocks go first.
  const small = new PageFiles(env, FOLDER, { bytesMax: bytesMax / 2, pageBytes: PAGE_BYTES })
  assert.ok(held() <= bytesMax / 2)
  assert.equal(held(), small.bytesHeld())
  assert.ok(small.has(keyOf('01E'), 1))
  assert.ok(!small.has(keyOf('01A'), 1))
})

test('a disk that is full or fails costs requests and nothing else', async () => {
  const { env, begin, gets } = await worldOf(1 << 30)
  const life = begin()
  env.disk.fault = ({ what }) => (what === 'write' ? { shortBytes: 100 } : undefined)
  await life.check('01A', [0, 9])
  assert.deepEqual(env.disk.paths(), [])
  env.disk.fault = () => undefined
  await life.check('01A', [20])
  assert.deepEqual(env.disk.paths(), [], 'it rests')
  await env.clock.advance(60_000)
  await life.check('01A', [40])
  assert.equal(env.disk.paths().length, 1)
  env.disk.free = 1000
  const other = begin()
  await other.check('01B', [40])
  assert.equal(env.disk.paths().length, 1)
  env.disk.fault = ({ what }) => (what === 'open' || what === 'list' ? { fail: 'EIO' } : undefined)
  const before = gets()
  await life.check('01A', [40])
  await begin().check('01A', [41])
  assert.ok(gets() > before)
})

test('nothing is kept of blocks that are gone', async () => {
  const { env, begin } = await worldOf(1 << 30)
  const life = begin()
  for (const ulid of ULIDS) await life.check(ulid, [1, 100])
  await life.files.forgetGone(async (tenant, ulid) => tenant === 't' && ulid === '01C')
  assert.ok(env.disk.paths().every((path) => path.includes('/01C/')))
  assert.deepEqual(env.disk.list(`${FOLDER}/t`), ['01C'])
  await life.files.forgetGone(async () => false)
  assert.equal(life.files.bytesHeld(), 0)
  assert.deepEqual(env.disk.list(FOLDER), [])
})
