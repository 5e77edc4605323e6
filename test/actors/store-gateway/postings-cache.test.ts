/** Lists of matching series: kept within bounds, made once for all who ask. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PostingsCache } from '../../../src/actors/store-gateway/postings-cache.js'
import type { Matcher } from '../../../src/shared/model/matcher.js'
import { createFakeEnv } from '../../support/fake-env.js'

const JOB: Matcher[] = [{ name: 'job', op: '=', value: 'a' }]

function setUp(bytesMax: number, claim: (bytes: number) => boolean = () => true) {
  const { metrics } = createFakeEnv()
  const cache = new PostingsCache({ bytesMax, claim, metrics })
  let made = 0
  const get = (block: string, matchers = JOB, size = 1000) =>
    cache.get(block, matchers, async () => {
      made++
      return new Uint32Array(size).fill(made)
    })
  const hits = () => metrics.value('thanos_store_index_cache_hits_total', 'ExpandedPostings')
  return { cache, get, hits, made: () => made }
}

test('a list is made once, by block and matchers', async () => {
  const { get, hits, made } = setUp(1 << 20)
  const [first, second] = await Promise.all([get('t/a'), get('t/a')])
  assert.equal(first, second)
  assert.deepEqual(await get('t/a'), first)
  assert.equal(made(), 1)
  await get('t/b')
  await get('t/a', [{ name: 'job', op: '!=', value: 'a' }])
  await get('t/a', [...JOB, { name: 'x', op: '=~', value: 'a' }])
  assert.equal(made(), 4)
  assert.equal(hits(), 1)
})

test('what was used longest ago goes first, and what is too large is not kept', async () => {
  const { cache, get, made } = setUp(10_000)
  await get('t/a')
  await get('t/b')
  await get('t/a')
  await get('t/c')
  assert.equal(made(), 3)
  await get('t/a')
  assert.equal(made(), 3)
  await get('t/b')
  assert.equal(made(), 4)
  assert.ok(cache.bytesHeld() <= 10_000)
  await get('t/large', JOB, 10_000)
  assert.ok(cache.bytesHeld() <= 10_000)
})

test('without room nothing is kept, and a list that could not be made is asked for again', async () => {
  const { cache, get, made } = setUp(1 << 20, () => false)
  await get('t/a')
  await get('t/a')
  assert.equal(made(), 2)
  assert.equal(cache.bytesHeld(), 0)
  const failing = () => Promise.reject(new Error('gone'))
  await assert.rejects(cache.get('t/x', JOB, failing), /gone/)
  assert.equal((await get('t/x')).length, 1000)
})
