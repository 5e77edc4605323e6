/** Retention, deletion, left-overs, tenants that go, and the bucket index, on a fake clock. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cleaner } from '../../../src/actors/compactor/cleaner.js'
import { BlockList } from '../../../src/actors/supervisor/block-list.js'
import {
  entriesOfIndex,
  findBucketIndex,
  findTenantDeletion,
  markForDeletion,
  scanTenant,
  uploadBlock,
  writeTenantDeletion,
} from '../../../src/shared/blocks/index.js'
import { fail } from '../../../src/shared/errors/index.js'
import { Limits } from '../../../src/shared/limits/index.js'
import { makeBlock, metaOf, ULIDS } from '../../shared/blocks/fixture.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { testLimits } from '../../support/limits.js'
import { createMemoryBucket } from '../../support/memory-bucket.js'

const HOUR = 3600_000
const DAY = 24 * HOUR
const NOW = 1_700_000_000_000
const CONTEXT = { isStopping: () => false, giveWay: async () => {} }
const CONFIG = {
  cleanupIntervalMs: 15 * 60_000,
  cleanupConcurrency: 2,
  deletionDelayMs: 12 * HOUR,
  tenantCleanupDelayMs: 6 * HOUR,
}

/** Three blocks of tenant t: 10 days, 5 days and 1 hour old. */
async function setUp(limits: Parameters<typeof testLimits>[1] = {}) {
  const env = createFakeEnv({ now: NOW })
  const { bucket, backend } = createMemoryBucket(env, { policy: { triesMax: 1 } })
  const list = new BlockList()
  for (const [i, ageMs] of [10 * DAY, 5 * DAY, HOUR].entries()) {
    const times = { minTime: NOW - ageMs - 2 * HOUR, maxTime: NOW - ageMs }
    const dir = makeBlock(env.disk, 't', metaOf(ULIDS[i]!, times))
    await uploadBlock(bucket, { tenant: 't', dir }, env.disk)
  }
  const { index } = await scanTenant(bucket, 't', { env })
  list.change({ tenant: 't', add: entriesOfIndex('t', index) })
  const parts = { env, bucket, list: list.calls, limits: new Limits(testLimits({}, limits)) }
  const cleaner = new Cleaner({ ...parts, config: CONFIG })
  const blockKeys = () =>
    [...backend.objects.keys()].filter((key) => /^t\/01/.test(key)).map((key) => key.slice(2, 28))
  return { env, bucket, backend, list, cleaner, blocks: () => [...new Set(blockKeys())] }
}

test('writes the index, and counts', async () => {
  const { env, bucket, cleaner } = await setUp()
  await cleaner.run(CONTEXT)
  const index = await findBucketIndex(bucket, 't')
  assert.deepEqual(
    index?.blocks.map((block) => block.block_id),
    [...ULIDS],
  )
  assert.equal(env.metrics.value('cortex_bucket_blocks_count', 't'), 3)
  assert.equal(env.metrics.value('cortex_compactor_block_cleanup_completed_total'), 1)
})

test('marks blocks past the retention, hides them at once, deletes them after the delay', async () => {
  const { env, bucket, list, cleaner, blocks } = await setUp({
    t: { compactor_blocks_retention_period: 7 * DAY },
  })
  await cleaner.run(CONTEXT)
  const index = await findBucketIndex(bucket, 't')
  const mark = { block_id: ULIDS[0], deletion_time: NOW / 1000 }
  assert.deepEqual(index?.block_deletion_marks, [mark])
  assert.deepEqual(
    list.blocks('t').entries.map(({ ulid }) => ulid),
    [ULIDS[1], ULIDS[2]],
  )
  assert.equal(blocks().length, 3)
  await env.timers.advance(12 * HOUR - 1)
  await cleaner.run(CONTEXT)
  assert.equal(blocks().length, 3)
  await env.timers.advance(1)
  await cleaner.run(CONTEXT)
  assert.deepEqual(blocks(), [ULIDS[1], ULIDS[2]])
  assert.deepEqual((await findBucketIndex(bucket, 't'))?.block_deletion_marks, [])
  const reason = 'cortex_compactor_blocks_marked_for_deletion_total'
  assert.equal(env.metrics.value(reason, 'retention'), 1)
  assert.equal(env.metrics.value('cortex_compactor_blocks_cleaned_total'), 1)
})

test('goes on with a deletion that was cut off', async () => {
  const { env, bucket, backend, cleaner, blocks } = await setUp()
  await markForDeletion(bucket, { tenant: 't', ulid: ULIDS[0] }, { now: NOW - 13 * HOUR })
  let deletes = 0
  backend.before = ({ operation, key }) => {
    if (operation !== 'delete' || deletes++ !== 1) return
    throw fail('bucket-refused', { bucket: 'x', operation, key, reason: 'cut' })
  }
  await assert.rejects(cleaner.run(CONTEXT), /cut/)
  assert.equal(blocks().length, 3)
  assert.equal(env.metrics.value('cortex_compactor_block_cleanup_failed_total'), 1)
  backend.before = () => {}
  await cleaner.run(CONTEXT)
  assert.deepEqual(blocks(), [ULIDS[1], ULIDS[2]])
})

test('blocks that never got a meta.json go when nobody has added to them for a day', async () => {
  const { env, bucket, cleaner, blocks } = await setUp()
  await bucket.delete([`t/${ULIDS[0]}/meta.json`])
  await env.timers.advance(DAY - 1)
  await cleaner.run(CONTEXT)
  assert.equal((await findBucketIndex(bucket, 't'))?.block_deletion_marks.length, 0)
  assert.equal(env.metrics.value('cortex_bucket_blocks_partials_count', 't'), 1)
  await env.timers.advance(1)
  await cleaner.run(CONTEXT)
  await cleaner.run(CONTEXT)
  assert.deepEqual(blocks(), [ULIDS[1], ULIDS[2]])
  assert.equal(env.metrics.value('cortex_bucket_blocks_partials_count', 't'), 0)
})

test('a delay below four hours leaves partial blocks alone', async () => {
  const { env, bucket, cleaner, blocks } = await setUp({
    t: { compactor_partial_block_deletion_delay: 3 * HOUR },
  })
  await bucket.delete([`t/${ULIDS[0]}/meta.json`])
  await env.timers.advance(10 * DAY)
  await cleaner.run(CONTEXT)
  await cleaner.run(CONTEXT)
  assert.equal(blocks().length, 3)
})

test('a damaged index is made anew; a damaged meta.json is left for people to see', async () => {
  const { env, bucket, cleaner, blocks } = await setUp()
  await bucket.put('t/bucket-index.json.gz', Buffer.from('rubbish'))
  await bucket.put(`t/${ULIDS[0]}/meta.json`, Buffer.from('{'))
  await env.timers.advance(10 * DAY)
  await cleaner.run(CONTEXT)
  await cleaner.run(CONTEXT)
  assert.equal((await findBucketIndex(bucket, 't'))?.blocks.length, 2)
  assert.equal(blocks().length, 3)
})

test('a deleted tenant loses its blocks, then all else, and its mark last', async () => {
  const { env, bucket, backend, list, cleaner, blocks } = await setUp()
  await cleaner.run(CONTEXT)
  await writeTenantDeletion(bucket, 't', { deletion_time: NOW / 1000 })
  await cleaner.run(CONTEXT)
  assert.deepEqual(blocks(), [])
  assert.deepEqual(list.blocks('t').entries, [])
  assert.equal(backend.objects.has('t/bucket-index.json.gz'), false)
  assert.equal((await findTenantDeletion(bucket, 't'))?.finished_time, NOW / 1000)
  assert.equal(env.metrics.value('cortex_bucket_blocks_count', 't'), 0)
  await env.timers.advance(6 * HOUR - 1000)
  await cleaner.run(CONTEXT)
  assert.ok(backend.objects.has(`t/debug/metas/${ULIDS[0]}.json`))
  await env.timers.advance(1000)
  await cleaner.run(CONTEXT)
  assert.equal(backend.objects.size, 0)
})

test('one tenant that fails keeps the others from nothing', async () => {
  const { env, bucket, backend, cleaner } = await setUp()
  const dir = makeBlock(env.disk, 'u', metaOf(ULIDS[0]))
  await uploadBlock(bucket, { tenant: 'u', dir }, env.disk)
  backend.before = ({ operation, key }) => {
    if (operation !== 'put' || !key.startsWith('t/')) return
    throw fail('bucket-refused', { bucket: 'x', operation, key, reason: 'denied' })
  }
  await assert.rejects(cleaner.run(CONTEXT), /denied/)
  assert.equal((await findBucketIndex(bucket, 'u'))?.blocks.length, 1)
})
