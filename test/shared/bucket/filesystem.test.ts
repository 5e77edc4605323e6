import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { filesystemBackend } from '../../../src/shared/bucket/filesystem.js'
import type { Bucket } from '../../../src/shared/bucket/index.js'
import { createBucket, RETRY_DEFAULTS } from '../../../src/shared/bucket/retrying.js'
import { NODE_CLOCK, nodeDisk } from '../../../src/shared/env/index.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createMemoryBucket } from '../../support/memory-bucket.js'
import { all, rejects, testBucketContract, text } from './contract.js'

function openFolder(t: TestContext, prefix = ''): { bucket: Bucket; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-bucket-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const env = { ...createFakeEnv(), disk: nodeDisk(), clock: NODE_CLOCK }
  const backend = filesystemBackend(join(folder, 'bucket'), env)
  const policy = RETRY_DEFAULTS
  return { bucket: createBucket({ backend, prefix, policy, env, component: 'test' }), folder }
}

testBucketContract({
  name: 'filesystem',
  open: async (t) => openFolder(t).bucket,
  pagedObjects: 2100,
})
testBucketContract({
  name: 'filesystem with prefix',
  open: async (t) => openFolder(t, 'blocks').bucket,
})

const env = createFakeEnv({ now: Date.now() })
env.disk.makeFolder('local')
testBucketContract({
  name: 'memory',
  open: async () => createMemoryBucket(env, { policy: { pageEntries: 100 } }).bucket,
  writeLocal: (bytes) => {
    env.disk.replaceFile('local/file', bytes)
    return 'local/file'
  },
})

test('links a local file that lies on the same file system', async (t) => {
  const { bucket, folder } = openFolder(t)
  writeFileSync(join(folder, 'index'), 'bytes')
  await bucket.put('t/block/index', { path: join(folder, 'index') })
  const path = bucket.localPath('t/block/index')!
  assert.equal(statSync(path).ino, statSync(join(folder, 'index')).ino)
})

test('leaves no folder and no draft behind', async (t) => {
  const { bucket, folder } = openFolder(t)
  await bucket.put('t/block/chunks/000001', Buffer.from('x'))
  assert.deepEqual(readdirSync(join(folder, 'bucket/t/block/chunks')), ['000001'])
  await bucket.delete(['t/block/chunks/000001'])
  assert.deepEqual(readdirSync(join(folder, 'bucket')), [])
})

test('lists no folder that a crash has left without objects', async (t) => {
  const { bucket, folder } = openFolder(t)
  await bucket.put('t/whole/chunks/000001', Buffer.from('x'))
  // A block was deleted, and the process killed before the folder went, or over the draft of a mark.
  mkdirSync(join(folder, 'bucket/t/empty/chunks'), { recursive: true })
  mkdirSync(join(folder, 'bucket/t/draft'))
  writeFileSync(join(folder, 'bucket/t/draft/deletion-mark.json.draft-0123456789abcdef'), 'half')
  const found = await all(bucket.list('t/', '/'))
  assert.deepEqual(
    found.map(({ key }) => key),
    ['t/whole/'],
  )
})

test('hides a draft, until it is a day old', async (t) => {
  const { bucket, folder } = openFolder(t)
  await bucket.put('t/a', Buffer.from('x'))
  const draft = 'bucket/t/b.draft-0123456789abcdef'
  writeFileSync(join(folder, draft), 'half')
  assert.deepEqual(
    (await all(bucket.list(''))).map(({ key }) => key),
    ['t/a'],
  )
  const old = filesystemBackend(join(folder, 'bucket'), {
    ...createFakeEnv({ now: Date.now() + 25 * 3600_000 }),
    disk: nodeDisk(),
  })
  const page = await old.listPage(
    { prefix: '', delimiter: '', from: undefined, limit: 10 },
    new AbortController().signal,
  )
  assert.deepEqual(
    page.entries.map(({ key }) => key),
    ['t/a', 't/b.draft-0123456789abcdef'],
  )
})

test('refuses keys that lead out of the folder', async (t) => {
  const { bucket, folder } = openFolder(t)
  writeFileSync(join(folder, 'secret'), 'x')
  for (const key of ['../secret', 't/../../secret', '/etc/passwd', 't//x', './x', 't/']) {
    await rejects(bucket.get(key), 'bucket-refused')
    await rejects(bucket.put(key, new Uint8Array(1)), 'bucket-refused')
    await rejects(bucket.delete([key]), 'bucket-refused')
  }
  assert.ok(existsSync(join(folder, 'secret')))
})

test('a failed write leaves the former object and no draft', async () => {
  const env = createFakeEnv()
  const backend = filesystemBackend('bucket', env)
  const signal = new AbortController().signal
  await backend.put('t/a', Buffer.from('old'), false, signal)
  for (const what of ['write', 'sync', 'rename'] as const) {
    env.disk.fault = (call) =>
      call.what === what && call.path.includes('.draft-') ? { fail: 'ENOSPC' } : undefined
    await rejects(backend.put('t/a', Buffer.from('new'), false, signal), 'disk-failed')
    assert.equal(text(await backend.get('t/a', undefined, signal)), 'old')
    assert.deepEqual(env.disk.paths(), ['bucket/t/a'])
  }
})
