/** Local blocks → bucket, on a fake clock and disk, with the real block list. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dropCopies } from '../../../src/actors/compactor/local-copies.js'
import { Shipper } from '../../../src/actors/compactor/shipper.js'
import { LocalBlocks } from '../../../src/actors/ingester/local-blocks.js'
import { BlockList } from '../../../src/actors/supervisor/block-list.js'
import {
  entryOfMeta,
  findObject,
  markForDeletion,
  writeTenantDeletion,
} from '../../../src/shared/blocks/index.js'
import { fail } from '../../../src/shared/errors/index.js'
import { decodeBlockMeta } from '../../../src/shared/tsdb/index.js'
import { makeBlock, metaOf, ULIDS } from '../../shared/blocks/fixture.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createMemoryBucket } from '../../support/memory-bucket.js'

const HOUR = 3600_000
const CONTEXT = { isStopping: () => false, giveWay: async () => {} }
const CONFIG = {
  roots: ['data'],
  shipIntervalMs: 60_000,
  shipConcurrency: 2,
  retentionMs: 13 * HOUR,
}

function setUp() {
  const env = createFakeEnv()
  const { bucket, backend } = createMemoryBucket(env, { policy: { triesMax: 1 } })
  const world = { env, bucket, backend, ...restarted() }
  /** A process that begins anew with the same disk and bucket, as ingesters report at their start. */
  function restarted() {
    const list = new BlockList()
    const shipper = new Shipper({ env, bucket, list: list.calls, config: CONFIG })
    return { list, shipper }
  }
  const report = (list: BlockList) => {
    for (const path of env.disk.paths()) {
      const match = /^(data\/ingester-0\/blocks\/([^/]+)\/[^/]+)\/meta\.json$/.exec(path)
      if (match === null) continue
      const meta = decodeBlockMeta(env.disk.readFile(path), path)
      const add = [entryOfMeta(match[2]!, meta, { localDir: match[1]!, inBucket: false })]
      list.change({ tenant: match[2]!, add })
    }
  }
  return { ...world, restarted, report }
}

test('ships what is not in the bucket, and says so in the list', async () => {
  const { env, backend, list, shipper, report } = setUp()
  makeBlock(env.disk, 'a', metaOf(ULIDS[0]))
  makeBlock(env.disk, 'b', metaOf(ULIDS[1]))
  report(list)
  await shipper.run(CONTEXT)
  assert.ok(backend.objects.has(`a/${ULIDS[0]}/meta.json`))
  assert.ok(backend.objects.has(`b/${ULIDS[1]}/meta.json`))
  const [entry] = list.blocks('a').entries
  assert.equal(entry!.inBucket, true)
  assert.equal(entry!.uploadedAt, env.clock.now())
  assert.equal(env.metrics.value('cortex_ingester_shipper_uploads_total'), 2)
  const oldest = 'cortex_ingester_oldest_unshipped_block_timestamp_seconds'
  assert.equal(env.metrics.value(oldest), 0)
  const calls = backend.calls.length
  await shipper.run(CONTEXT)
  const later = backend.calls.slice(calls)
  assert.equal(later.filter(({ operation }) => operation === 'put').length, 0)
})

test('a tenant whose upload fails keeps others from nothing, and is tried again', async () => {
  const { env, backend, list, shipper, report } = setUp()
  makeBlock(env.disk, 'a', metaOf(ULIDS[0], { minTime: 5000 }))
  makeBlock(env.disk, 'b', metaOf(ULIDS[1]))
  report(list)
  backend.before = ({ operation, key }) => {
    if (!key.startsWith('a/') || operation !== 'put') return
    throw fail('bucket-unavailable', { bucket: 'x', operation, key, reason: 'status 503' })
  }
  await assert.rejects(shipper.run(CONTEXT), /status 503/)
  assert.ok(backend.objects.has(`b/${ULIDS[1]}/meta.json`))
  assert.equal(list.blocks('a').entries[0]!.inBucket, false)
  assert.equal(env.metrics.value('cortex_ingester_shipper_upload_failures_total'), 1)
  backend.before = () => {}
  await shipper.run(CONTEXT)
  assert.equal(list.blocks('a').entries[0]!.inBucket, true)
})

test('a local copy leaves the list after its time, its files a while later', async () => {
  const { env, list, shipper, report } = setUp()
  const dir = makeBlock(env.disk, 'a', metaOf(ULIDS[0]))
  const unshipped = makeBlock(env.disk, 'a', metaOf(ULIDS[1]))
  report(list)
  await shipper.run(CONTEXT)
  env.disk.remove(`${unshipped}/shipped.json`)
  await env.timers.advance(13 * HOUR - 1)
  await shipper.run(CONTEXT)
  assert.equal(list.blocks('a').entries[0]!.localDir, dir)
  await env.timers.advance(1)
  await shipper.run(CONTEXT)
  assert.equal(list.blocks('a').entries[0]!.localDir, undefined)
  assert.equal(list.blocks('a').entries[0]!.inBucket, true)
  await env.timers.advance(4 * 60_000)
  await shipper.run(CONTEXT)
  assert.ok(env.disk.exists(`${dir}/index`))
  await env.timers.advance(60_000)
  await shipper.run(CONTEXT)
  assert.equal(env.disk.exists(dir), false)
  assert.ok(env.disk.exists(`${unshipped}/index`))
})

test('files of an unshipped block are never removed, listed or not', async () => {
  const { env, shipper } = setUp()
  const dir = makeBlock(env.disk, 'a', metaOf(ULIDS[0]))
  await shipper.run(CONTEXT)
  await env.timers.advance(48 * HOUR)
  await shipper.run(CONTEXT)
  assert.ok(env.disk.exists(`${dir}/index`))
})

test('after a restart a shipped block counts as in the bucket and keeps its time', async () => {
  const { env, backend, list, shipper, report, restarted } = setUp()
  makeBlock(env.disk, 'a', metaOf(ULIDS[0]))
  report(list)
  await shipper.run(CONTEXT)
  await env.timers.advance(12 * HOUR)
  const next = restarted()
  report(next.list)
  const calls = backend.calls.length
  await next.shipper.run(CONTEXT)
  assert.equal(next.list.blocks('a').entries[0]!.inBucket, true)
  assert.ok(backend.calls.slice(calls).every(({ operation }) => operation !== 'put'))
  await env.timers.advance(HOUR)
  await next.shipper.run(CONTEXT)
  assert.equal(next.list.blocks('a').entries[0]!.localDir, undefined)
})

test('a copy that has left the list does not come back at the next start of its shard', async () => {
  const { env, bucket, list, shipper, report } = setUp()
  for (const ulid of ULIDS.slice(0, 3)) makeBlock(env.disk, 'a', metaOf(ulid))
  const [dropped, compacted, kept] = ULIDS as [string, string, string]
  report(list)
  await shipper.run(CONTEXT)
  const there = (): string[] =>
    new LocalBlocks(env.disk, 'data/ingester-0')
      .open(({ reason }) => assert.fail(reason))
      .map(({ ulid }) => ulid)
  assert.deepEqual(there(), [dropped, compacted, kept].sort())
  await dropCopies({ env, list: list.calls }, 'a', [compacted])
  list.change({ tenant: 'a', remove: [compacted] })
  assert.deepEqual(there(), [dropped, kept].sort())
  await env.timers.advance(13 * HOUR)
  list.change({ tenant: 'a', dropLocal: [kept] })
  await shipper.run(CONTEXT)
  assert.equal(list.blocks('a').entries.find(({ ulid }) => ulid === dropped)!.localDir, undefined)
  assert.deepEqual(there(), [kept])
  // A deletion from here on goes to the bucket alone.
  assert.ok(await findObject(bucket, `a/${dropped}/meta.json`))
})

test('after a restart a block that was compacted away is not shipped again', async () => {
  for (const how of ['deleted', 'marked'] as const) {
    const { env, bucket, backend, list, shipper, report, restarted } = setUp()
    const dir = makeBlock(env.disk, 'a', metaOf(ULIDS[0]))
    report(list)
    await shipper.run(CONTEXT)
    if (how === 'deleted') await bucket.delete([...backend.objects.keys()])
    else await markForDeletion(bucket, { tenant: 'a', ulid: ULIDS[0] }, { now: env.clock.now() })
    const next = restarted()
    report(next.list)
    await next.shipper.run(CONTEXT)
    assert.deepEqual(next.list.blocks('a').entries, [], how)
    await env.timers.advance(5 * 60_000)
    await next.shipper.run(CONTEXT)
    assert.equal(env.disk.exists(dir), false, how)
  }
})

test('blocks of a tenant that is deleted are dropped, not shipped', async () => {
  const { env, bucket, backend, list, shipper, report } = setUp()
  const dir = makeBlock(env.disk, 'a', metaOf(ULIDS[0]))
  report(list)
  await writeTenantDeletion(bucket, 'a', { deletion_time: 1 })
  await shipper.run(CONTEXT)
  assert.deepEqual([...backend.objects.keys()], ['a/markers/tenant-deletion-mark.json'])
  assert.deepEqual(list.blocks('a').entries, [])
  await env.timers.advance(5 * 60_000)
  await shipper.run(CONTEXT)
  assert.equal(env.disk.exists(dir), false)
})

test('stops between blocks when the actor is to stop', async () => {
  const { env, backend, list, shipper, report } = setUp()
  for (const ulid of ULIDS) makeBlock(env.disk, 'a', metaOf(ulid))
  report(list)
  let asked = 0
  await shipper.run({ isStopping: () => asked > 0, giveWay: async () => void asked++ })
  const metas = [...backend.objects.keys()].filter((key) => /\/01[^/]+\/meta\.json$/.test(key))
  assert.equal(metas.length, 1)
})
