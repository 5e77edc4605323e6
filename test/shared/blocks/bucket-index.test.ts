import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { decodeBucketIndex, encodeBucketIndex } from '../../../src/shared/blocks/bucket-index.js'
import {
  deleteBlock,
  entriesOfIndex,
  findBucketIndex,
  findTenantDeletion,
  listTenants,
  markForDeletion,
  markNoCompact,
  readMarks,
  scanTenant,
  uploadBlock,
  writeBucketIndex,
  writeTenantDeletion,
} from '../../../src/shared/blocks/index.js'
import { AppError } from '../../../src/shared/errors/index.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createMemoryBucket } from '../../support/memory-bucket.js'
import { makeBlock, metaOf, ULIDS } from './fixture.js'

const NOW = 1_700_000_000_000

async function setUp() {
  const env = createFakeEnv({ now: NOW })
  const { bucket, backend } = createMemoryBucket(env)
  const labels = { __compactor_shard_id__: '1_of_4' }
  const thanos = { labels, downsample: { resolution: 0 }, source: 'compactor' }
  const late = { level: 1, sources: [ULIDS[2]], hints: ['from-out-of-order'] }
  const metas = [
    metaOf(ULIDS[0]),
    metaOf(ULIDS[1], { compaction: { level: 2, sources: [ULIDS[1]] }, thanos }),
    metaOf(ULIDS[2], { compaction: late }),
  ]
  for (const meta of metas) {
    await uploadBlock(bucket, { tenant: 't', dir: makeBlock(env.disk, 't', meta) }, env.disk)
  }
  return { env, bucket, backend }
}

test("a scan gives Mimir's fields", async () => {
  const { env, bucket } = await setUp()
  await markForDeletion(bucket, { tenant: 't', ulid: ULIDS[0] }, { now: NOW - 5000 })
  const { index, partials } = await scanTenant(bucket, 't', { env })
  const common = { min_time: 0, max_time: 7_200_000, segments_format: '1b6d', segments_num: 2 }
  const seconds = NOW / 1000
  assert.deepEqual(index, {
    version: 2,
    blocks: [
      {
        block_id: ULIDS[0],
        ...common,
        uploaded_at: seconds,
        source: 'receive',
        compaction_level: 1,
      },
      {
        block_id: ULIDS[1],
        ...common,
        uploaded_at: seconds,
        compactor_shard_id: '1_of_4',
        source: 'compactor',
        compaction_level: 2,
        labels: { __compactor_shard_id__: '1_of_4' },
      },
      {
        block_id: ULIDS[2],
        ...common,
        uploaded_at: seconds,
        source: 'receive',
        compaction_level: 1,
        out_of_order: true,
      },
    ],
    block_deletion_marks: [{ block_id: ULIDS[0], deletion_time: seconds - 5 }],
    updated_at: seconds,
  })
  assert.equal(partials.size, 0)
  assert.deepEqual(decodeBucketIndex(encodeBucketIndex(index), 'x'), index)
  const entries = entriesOfIndex('t', index)
  assert.deepEqual(
    entries.map(({ ulid, compactorShard, outOfOrder }) => [ulid, compactorShard, outOfOrder]),
    [
      [ULIDS[1], '1_of_4', undefined],
      [ULIDS[2], undefined, true],
    ],
  )
})

test('a scan with a former index reads only what is new', async () => {
  const { env, bucket, backend } = await setUp()
  const first = await scanTenant(bucket, 't', { env })
  await markForDeletion(bucket, { tenant: 't', ulid: ULIDS[0] }, { now: NOW })
  const second = await scanTenant(bucket, 't', { env, former: first.index })
  const before = backend.calls.length
  const third = await scanTenant(bucket, 't', { env, former: second.index })
  assert.deepEqual(third, second)
  assert.deepEqual(
    backend.calls.slice(before).map(({ operation }) => operation),
    ['list', 'list'],
  )
  await deleteBlock(bucket, { tenant: 't', ulid: ULIDS[0] })
  const { index } = await scanTenant(bucket, 't', { env, former: third.index })
  assert.equal(index.blocks.length, 2)
  assert.deepEqual(index.block_deletion_marks, [])
})

test('a scan names blocks without a meta.json or with a damaged one', async () => {
  const { env, bucket } = await setUp()
  await bucket.delete([`t/${ULIDS[0]}/meta.json`])
  await bucket.put(`t/${ULIDS[1]}/meta.json`, Buffer.from('{'))
  await bucket.put(`t/${ULIDS[2]}/meta.json`, await bucket.get(`t/debug/metas/${ULIDS[0]}.json`))
  const { index, partials } = await scanTenant(bucket, 't', { env })
  assert.deepEqual(index.blocks, [])
  assert.deepEqual(
    [...partials],
    [
      [ULIDS[0], 'no-meta'],
      [ULIDS[1], 'damaged-meta'],
      [ULIDS[2], 'damaged-meta'],
    ],
  )
})

test('an index is written and read; none, an older and a damaged one are told apart', async () => {
  const { env, bucket } = await setUp()
  assert.equal(await findBucketIndex(bucket, 't'), undefined)
  const { index } = await scanTenant(bucket, 't', { env })
  await writeBucketIndex(bucket, 't', index)
  assert.deepEqual(await findBucketIndex(bucket, 't'), index)
  const old = { version: 1, blocks: null, block_deletion_marks: null, updated_at: 7, more: 1 }
  const decoded = decodeBucketIndex(gzipSync(JSON.stringify(old)), 'x')
  assert.deepEqual(decoded, { version: 1, blocks: [], block_deletion_marks: [], updated_at: 7 })
  const wrong = [
    Buffer.from('not gzip'),
    gzipSync('{'),
    gzipSync('null'),
    gzipSync('{"version": 3}'),
    gzipSync('{"version": 2, "blocks": {}}'),
    gzipSync('{"version": 2, "blocks": [{"block_id": "x"}]}'),
    gzipSync('{"version": 2, "block_deletion_marks": [null]}'),
    encodeBucketIndex(index).subarray(0, 100),
  ]
  for (const bytes of wrong) {
    assert.throws(
      () => decodeBucketIndex(bytes, 'x'),
      (error) => error instanceof AppError && error.id === 'block-damaged',
    )
  }
})

test('a mark keeps its first time, and stands in both places', async () => {
  const { bucket } = await setUp()
  const block = { tenant: 't', ulid: ULIDS[0] }
  await markForDeletion(bucket, block, { now: NOW, details: 'retention' })
  await markForDeletion(bucket, block, { now: NOW + 100_000 })
  await markNoCompact(bucket, block, { now: NOW, reason: 'critical', details: 'damaged' })
  const read = async (key: string) => JSON.parse(Buffer.from(await bucket.get(key)).toString())
  const mark = { id: ULIDS[0], version: 1, details: 'retention', deletion_time: NOW / 1000 }
  assert.deepEqual(await read(`t/${ULIDS[0]}/deletion-mark.json`), mark)
  assert.deepEqual(await read(`t/markers/${ULIDS[0]}-deletion-mark.json`), mark)
  const marks = await readMarks(bucket, 't')
  assert.deepEqual([...marks.deletions], [[ULIDS[0], NOW / 1000]])
  assert.deepEqual([...marks.noCompact], [ULIDS[0]])
  assert.equal(marks.isTenantDeleted, false)
})

test('a tenant is marked, and what is no tenant is not listed', async () => {
  const { bucket } = await setUp()
  await bucket.put('__mimir_cluster/seed.json', Buffer.from('{}'))
  assert.deepEqual(await listTenants(bucket), ['t'])
  assert.equal(await findTenantDeletion(bucket, 't'), undefined)
  await writeTenantDeletion(bucket, 't', { deletion_time: 5 })
  assert.deepEqual(await findTenantDeletion(bucket, 't'), { deletion_time: 5 })
  await writeTenantDeletion(bucket, 't', { deletion_time: 5, finished_time: 9 })
  assert.deepEqual(await findTenantDeletion(bucket, 't'), { deletion_time: 5, finished_time: 9 })
  assert.equal((await readMarks(bucket, 't')).isTenantDeleted, true)
})
