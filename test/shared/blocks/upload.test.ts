import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  deleteBlock,
  downloadBlock,
  markForDeletion,
  markNoCompact,
  uploadBlock,
} from '../../../src/shared/blocks/index.js'
import { fail } from '../../../src/shared/errors/index.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createMemoryBucket } from '../../support/memory-bucket.js'
import { makeBlock, metaOf, ULIDS } from './fixture.js'

const [ULID] = ULIDS

function setUp() {
  const env = createFakeEnv()
  const { bucket, backend } = createMemoryBucket(env)
  const dir = makeBlock(env.disk, 't', metaOf(ULID))
  return { env, bucket, backend, block: { tenant: 't', dir } }
}

test('uploads index and chunks, then meta.json with its thanos section', async () => {
  const { env, bucket, backend, block } = setUp()
  await uploadBlock(bucket, block, env.disk)
  const puts = backend.calls.filter(({ operation }) => operation === 'put').map(({ key }) => key)
  assert.deepEqual(puts, [
    `t/debug/metas/${ULID}.json`,
    `t/${ULID}/chunks/000001`,
    `t/${ULID}/chunks/000002`,
    `t/${ULID}/index`,
    `t/${ULID}/meta.json`,
  ])
  const meta = JSON.parse(Buffer.from(await bucket.get(`t/${ULID}/meta.json`)).toString())
  assert.deepEqual(meta.thanos, {
    version: 1,
    labels: {},
    downsample: { resolution: 0 },
    source: 'receive',
    segment_files: ['000001', '000002'],
    files: [
      { rel_path: 'chunks/000001', size_bytes: 40 },
      { rel_path: 'chunks/000002', size_bytes: 40 },
      { rel_path: 'index', size_bytes: 35 },
      { rel_path: 'meta.json' },
    ],
  })
})

test('goes on where an upload was cut off, whichever put that was', async () => {
  for (let cut = 0; cut < 5; cut++) {
    const { env, bucket, backend, block } = setUp()
    let puts = 0
    backend.before = ({ operation, key }) => {
      if (operation !== 'put') return
      if (puts++ === cut)
        throw fail('bucket-refused', { bucket: 'x', operation, key, reason: 'cut' })
    }
    await assert.rejects(uploadBlock(bucket, block, env.disk))
    assert.equal(backend.objects.has(`t/${ULID}/meta.json`), false)
    backend.before = () => {}
    const before = backend.calls.length
    await uploadBlock(bucket, block, env.disk)
    assert.equal(backend.objects.size, 5)
    const again = backend.calls.slice(before).filter(({ operation }) => operation === 'put')
    assert.equal(again.length, 5 - Math.max(0, cut - 1))
  }
})

test('a block that is there is not uploaded again', async () => {
  const { env, bucket, backend, block } = setUp()
  await uploadBlock(bucket, block, env.disk)
  const before = backend.calls.length
  await uploadBlock(bucket, block, env.disk)
  assert.deepEqual(
    backend.calls.slice(before).map(({ operation }) => operation),
    ['list'],
  )
})

test('a file of the wrong size in the bucket is replaced', async () => {
  const { env, bucket, block } = setUp()
  await bucket.put(`t/${ULID}/index`, Buffer.from('short'))
  await uploadBlock(bucket, block, env.disk)
  assert.equal((await bucket.get(`t/${ULID}/index`)).length, 35)
})

test('a downloaded block is the uploaded one', async () => {
  const { env, bucket, block } = setUp()
  const meta = await uploadBlock(bucket, block, env.disk)
  await markNoCompact(bucket, { tenant: 't', ulid: ULID }, { now: 0, reason: 'manual' })
  env.disk.makeFolder('there')
  const dir = `there/${ULID}`
  assert.deepEqual(await downloadBlock(bucket, { tenant: 't', ulid: ULID, dir }, env.disk), meta)
  for (const file of ['index', 'chunks/000001', 'chunks/000002']) {
    assert.deepEqual(env.disk.readFile(`${dir}/${file}`), env.disk.readFile(`${block.dir}/${file}`))
  }
  assert.deepEqual(env.disk.list(dir), ['chunks', 'index', 'meta.json'])
})

test('a download finds what is missing or too short', async () => {
  const { env, bucket, block } = setUp()
  await uploadBlock(bucket, block, env.disk)
  await bucket.put(`t/${ULID}/index`, Buffer.from('short'))
  const wanted = { tenant: 't', ulid: ULID, dir: 'there' }
  await assert.rejects(downloadBlock(bucket, wanted, env.disk), /index: meta.json says 35/)
  await bucket.delete([`t/${ULID}/index`])
  await assert.rejects(downloadBlock(bucket, wanted, env.disk), /no such file/)
  assert.equal(env.disk.exists('there'), false)
})

test('deletes meta.json first, marks last, and goes on where it was cut off', async () => {
  const { env, bucket, backend, block } = setUp()
  await uploadBlock(bucket, block, env.disk)
  await markForDeletion(bucket, { tenant: 't', ulid: ULID }, { now: 5000 })
  const keys = () => [...backend.objects.keys()].filter((key) => !key.startsWith('t/debug/')).sort()
  const marks = [`t/${ULID}/deletion-mark.json`, `t/markers/${ULID}-deletion-mark.json`]
  assert.equal(keys().length, 6)
  let deletes = 0
  backend.before = ({ operation, key }) => {
    if (operation !== 'delete') return
    if (deletes++ === 2)
      throw fail('bucket-refused', { bucket: 'x', operation, key, reason: 'cut' })
  }
  await assert.rejects(deleteBlock(bucket, { tenant: 't', ulid: ULID }))
  assert.equal(backend.objects.has(`t/${ULID}/meta.json`), false)
  for (const mark of marks) assert.ok(backend.objects.has(mark), mark)
  backend.before = () => {}
  await deleteBlock(bucket, { tenant: 't', ulid: ULID })
  assert.deepEqual(keys(), [])
})
