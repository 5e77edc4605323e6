/** Compaction: what queries can see is whole at every moment, whatever fails, and comes to an end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Compactions } from '../../../src/actors/compactor/compaction.js'
import type { CompactionConfig } from '../../../src/actors/compactor/contract.js'
import { findDuplicates } from '../../../src/actors/compactor/duplicates.js'
import { BlockList } from '../../../src/actors/supervisor/block-list.js'
import type { BlockChange } from '../../../src/actors/supervisor/contract.js'
import { crc32c } from '../../../src/shared/base/crc32c.js'
import { ulidOf } from '../../../src/shared/base/ulid.js'
import { entryOfMeta, scanTenant, uploadBlock } from '../../../src/shared/blocks/index.js'
import { fail } from '../../../src/shared/errors/index.js'
import { Limits } from '../../../src/shared/limits/index.js'
import { type BlockMeta, openBlock, writeBlock } from '../../../src/shared/tsdb/index.js'
import { allSeries, gridSeries } from '../../support/blocks.js'
import { createFakeEnv, type FakeEnv } from '../../support/fake-env.js'
import { testLimits } from '../../support/limits.js'
import { createMemoryBucket } from '../../support/memory-bucket.js'

const HOUR = 3_600_000
const DAY = Date.UTC(2025, 9, 9)
const TENANT = 't'
const SERIES = 20
/** Samples of a block of two hours: one in five minutes. */
const SAMPLES = 24

const CONFIG: CompactionConfig = {
  scratchDir: 'compactor/scratch',
  blockRangesMs: [2 * HOUR, 12 * HOUR, 24 * HOUR],
  compactionIntervalMs: HOUR,
  compactionConcurrency: 1,
  compactionRetries: 3,
  firstLevelWaitMs: 0,
  maxCompactionTimeMs: HOUR,
  jobsOrder: 'smallest-range-oldest-blocks-first',
  metaSyncConcurrency: 4,
  enabledTenants: [],
  disabledTenants: [],
}

interface World {
  readonly env: FakeEnv
  readonly bucket: ReturnType<typeof createMemoryBucket>['bucket']
  readonly backend: ReturnType<typeof createMemoryBucket>['backend']
  readonly list: BlockList
  readonly changes: BlockChange[]
  compactions(
    config?: Partial<CompactionConfig>,
    limits?: Record<string, unknown>,
    place?: { readonly index: number; readonly count: number },
  ): Compactions
  run(compactions: Compactions): Promise<void>
}

/** Blocks of the given hours of the day, uploaded and listed. */
async function worldOf(hours: readonly number[]): Promise<World> {
  const env = createFakeEnv({ now: DAY + 72 * HOUR })
  const { bucket, backend } = createMemoryBucket(env)
  const list = new BlockList()
  env.disk.makeFolder('local')
  for (const [i, hour] of hours.entries()) {
    const minTime = DAY + hour * HOUR
    const random = new Uint8Array(10)
    random[9] = i
    const ulid = ulidOf(minTime, random)
    const series = gridSeries({ series: SERIES, from: minTime, stepMs: 300_000, samples: SAMPLES })
    const maxTime = minTime + 2 * HOUR
    const compaction = { level: 1, sources: [ulid] }
    await writeBlock(env.disk, 'local', { ulid, minTime, maxTime, compaction, series })
    const meta = await uploadBlock(bucket, { tenant: TENANT, dir: `local/${ulid}` }, env.disk)
    list.change({ tenant: TENANT, add: [entryOfMeta(TENANT, meta, { inBucket: true })] })
  }
  const changes: BlockChange[] = []
  const calls = {
    ...list.calls,
    changeBlocks: async (change: BlockChange) => {
      changes.push(change)
      return list.change(change)
    },
  }
  return {
    env,
    bucket,
    backend,
    list,
    changes,
    compactions: (config = {}, limits = {}, place = { index: 0, count: 1 }) => {
      const row = { ...new Limits(testLimits()).defaults(), ...limits }
      const parts = { env, bucket, list: calls, limits: { of: () => row } }
      return new Compactions({ ...parts, config: { ...CONFIG, ...config }, place })
    },
    run: async (compactions) => {
      const context = { isStopping: () => false, giveWay: () => env.timers.yieldNow() }
      let isDone = false
      const ended = compactions.run(context).finally(() => {
        isDone = true
      })
      ended.catch(() => {})
      while (!isDone) await env.clock.advance(1000)
      await ended
    },
  }
}

/** Blocks in the bucket that are not marked, by their times. */
async function blocksOf({
  bucket,
  env,
}: World): Promise<{ hours: string; level: number; ulid: string }[]> {
  const { index } = await scanTenant(bucket, TENANT, { env })
  const marked = new Set(index.block_deletion_marks.map((mark) => mark.block_id))
  return index.blocks
    .filter((block) => !marked.has(block.block_id))
    .map((block) => ({
      hours: `${(block.min_time - DAY) / HOUR}-${(block.max_time - DAY) / HOUR}`,
      level: block.compaction_level ?? 0,
      ulid: block.block_id,
    }))
    .sort((a, b) => (a.hours < b.hours ? -1 : 1))
}

/** Samples in blocks of the bucket, each once. */
async function samplesIn(world: World, ulids: readonly string[]): Promise<number> {
  const { env, backend } = world
  const seen = new Set<string>()
  for (const ulid of ulids) {
    const dir = `check/${ulid}`
    env.disk.makeFolder(`${dir}/chunks`)
    for (const [key, { bytes }] of backend.objects) {
      const path = key.slice(`${TENANT}/${ulid}/`.length)
      if (key.startsWith(`${TENANT}/${ulid}/`)) env.disk.replaceFile(`${dir}/${path}`, bytes)
    }
    const block = await openBlock(env.disk, dir)
    for (const { labels, chunks } of await allSeries(block)) {
      const name = labels.map(({ value }) => value).join()
      for (const { mint, maxt, data } of chunks) {
        const count = data[0]! * 256 + data[1]!
        for (let i = 0; i < count; i++) {
          seen.add(`${name} ${mint + ((maxt - mint) / Math.max(1, count - 1)) * i}`)
        }
      }
    }
    block.close()
  }
  env.disk.remove('check')
  return seen.size
}

function listed(world: World): string[] {
  return world.list.blocks(TENANT).entries.map((entry) => entry.ulid)
}

test('several compactors share the jobs of a tenant, and come to the same blocks', async () => {
  // Four days, so that there are jobs for all.
  const hours = Array.from({ length: 36 }, (_, i) => i * 2)
  for (const size of [0, 2, 1]) {
    const world = await worldOf(hours)
    const before = listed(world)
    const limits = { compactor_tenant_shard_size: size }
    const all = [0, 1, 2].map((index) => world.compactions({}, limits, { index, count: 3 }))
    const planned = (await all[0]!.calls().plannedJobs({ tenant: TENANT })).map(
      ({ owner }) => owner,
    )
    assert.equal(planned.length, 6)
    // At one time, as their threads do; a job of a day waits for those of its halves.
    for (let round = 0; round < 3; round++) await Promise.all(all.map((one) => world.run(one)))
    const blocks = await blocksOf(world)
    assert.deepEqual(
      blocks.map(({ hours, level }) => `${hours} ${level}`),
      ['0-24 3', '24-48 3', '48-72 3'],
    )
    assert.deepEqual(listed(world).sort(), blocks.map(({ ulid }) => ulid).sort())
    assert.equal(await samplesIn(world, listed(world)), 36 * SERIES * SAMPLES)
    const sources = new Map<string, number>()
    for (const [index, compactions] of all.entries()) {
      for (const job of compactions.jobs()) {
        assert.equal(job.state, 'done', job.result)
        for (const ulid of job.sources) {
          assert.ok(!sources.has(ulid), `${ulid} was compacted twice`)
          sources.set(ulid, index)
        }
      }
    }
    assert.ok(before.every((ulid) => sources.has(ulid)))
    const owners = new Set(sources.values())
    assert.deepEqual(size === 0 ? owners.size > 1 : owners.size <= size, true, `${[...owners]}`)
    assert.ok(planned.every((owner) => owners.has(owner)))
  }
})

test('makes one block of a day, and marks what it was made of', async () => {
  const hours = Array.from({ length: 12 }, (_, i) => i * 2)
  const world = await worldOf([...hours, 2, 48])
  const before = listed(world)
  const compactions = world.compactions()
  await world.run(compactions)
  const blocks = await blocksOf(world)
  assert.deepEqual(
    blocks.map(({ hours, level }) => `${hours} ${level}`),
    ['0-24 4', '48-50 1'],
  )
  assert.deepEqual(listed(world).sort(), blocks.map(({ ulid }) => ulid).sort())
  assert.equal(await samplesIn(world, listed(world)), 13 * SERIES * SAMPLES)
  const { index } = await scanTenant(world.bucket, TENANT, world)
  assert.equal(index.block_deletion_marks.length, 13 + 3)
  assert.ok(before.every((ulid) => index.blocks.some((block) => block.block_id === ulid)))
  const states = compactions
    .jobs()
    .map(({ state, share, sources }) => [state, share, sources.length])
  assert.deepEqual(states, [
    ['done', 1, 2],
    ['done', 1, 6],
    ['done', 1, 6],
    ['done', 1, 2],
  ])
  assert.deepEqual(world.env.disk.list(`${CONFIG.scratchDir}/compactor-0`), [])
  assert.equal(world.env.metrics.value('cortex_compactor_group_compactions_total'), 4)
  const changes = world.changes.length
  await world.run(compactions)
  assert.equal(world.changes.length, changes, 'nothing is left to do')
})

test('has every sample in the list at each step, and ends the same, whichever call to the bucket fails', async () => {
  const hours = [0, 2, 4, 4, 12]
  const whole = 4 * SERIES * SAMPLES
  const reference = await worldOf(hours)
  const from = reference.backend.calls.length
  await reference.run(reference.compactions())
  const calls = reference.backend.calls.length - from
  assert.ok(calls > 30)
  for (let failing = 0; failing < calls; failing += 3) {
    const world = await worldOf(hours)
    let count = 0
    world.backend.before = ({ operation, key }) => {
      // From one call on the bucket is gone: the process might as well have been killed.
      if (count++ >= failing)
        throw fail('bucket-refused', { bucket: 'x', operation, key, reason: 'gone' })
    }
    await world.run(world.compactions({ compactionRetries: 1 })).catch(() => {})
    world.backend.before = () => {}
    assert.equal(await samplesIn(world, listed(world)), whole, `call ${failing}, in the list`)
    // A restart: the list is read from the bucket.
    const blocks = await blocksOf(world)
    const ulids = blocks.map(({ ulid }) => ulid)
    assert.equal(await samplesIn(world, ulids), whole, `call ${failing}, in the bucket`)
    await world.run(world.compactions())
    assert.deepEqual(
      (await blocksOf(world)).map(({ hours: at }) => at),
      ['0-6', '12-14'],
      `call ${failing}`,
    )
    const after = (await blocksOf(world)).map(({ ulid }) => ulid)
    assert.equal(await samplesIn(world, after), whole)
  }
})

test('sets a damaged block aside, names it, and compacts the others', async () => {
  const world = await worldOf([0, 2, 4, 6, 12])
  const bad = (await blocksOf(world)).find(({ hours }) => hours === '2-4')
  const key = `${TENANT}/${bad!.ulid}/chunks/000001`
  world.backend.objects.get(key)!.bytes[100]! ^= 1
  const compactions = world.compactions()
  await world.run(compactions)
  const [damaged, ...others] = compactions.damagedBlocks()
  assert.deepEqual(others, [])
  assert.equal(damaged?.block, bad!.ulid)
  assert.equal(damaged?.reason, 'critical')
  assert.match(damaged!.text, /is damaged in chunks\/000001/)
  assert.ok(world.backend.objects.has(`${TENANT}/${bad!.ulid}/no-compact-mark.json`))
  assert.deepEqual(
    (await blocksOf(world)).map(({ hours, level }) => `${hours} ${level}`),
    ['0-8 2', '12-14 1', '2-4 1'],
  )
  assert.ok(listed(world).includes(bad!.ulid), 'queries go on with it')
  const { metrics } = world.env
  assert.equal(
    metrics.value('cortex_compactor_blocks_marked_for_no_compaction_total', 'critical'),
    1,
  )
})

/** Gives the first chunk of a block a wrong number of samples, and the checksum that belongs to that. */
function miscountChunk(world: World, ulid: string): void {
  const { bytes } = world.backend.objects.get(`${TENANT}/${ulid}/chunks/000001`)!
  // After the file's header: length (one byte), encoding, data, checksum.
  const [length, encoding] = [bytes[8]!, 9]
  assert.ok(length < 128)
  const end = encoding + 1 + length
  bytes[encoding + 1]! ^= 1
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).writeUInt32BE(
    crc32c(bytes.subarray(encoding, end)),
    end,
  )
}

test('two jobs that look for damage at once both find it, each in a folder of its own', async () => {
  // Blocks that overlap: their chunks are decoded.
  const world = await worldOf([0, 1, 12, 13, 30])
  const bad = (await blocksOf(world)).filter(({ hours }) => /^(1|13)-/.test(hours))
  assert.equal(bad.length, 2)
  for (const { ulid } of bad) miscountChunk(world, ulid)
  const compactions = world.compactions({ compactionConcurrency: 2 })
  await world.run(compactions)
  assert.deepEqual(
    compactions
      .damagedBlocks()
      .map(({ block }) => block)
      .sort(),
    bad.map(({ ulid }) => ulid).sort(),
  )
  // What a search has fetched goes with its folder, whoever else reads there.
  const scratch = `${CONFIG.scratchDir}/compactor-0`
  const fetched = new Map<string, Set<string>>()
  for (const { path } of world.env.disk.calls) {
    const [folder = '', ulid = ''] = path.slice(scratch.length + 1).split('/')
    if (!path.startsWith(`${scratch}/`) || !bad.some((block) => block.ulid === ulid)) continue
    fetched.set(folder, (fetched.get(folder) ?? new Set()).add(ulid))
  }
  assert.ok(fetched.size >= 6, `${fetched.size} folders: two tries and a search of each job`)
  for (const [folder, ulids] of fetched) assert.equal(ulids.size, 1, folder)
  assert.deepEqual(world.env.disk.list(scratch), [])
})

test('does not begin what does not fit the disk, and does when it fits again', async () => {
  const world = await worldOf([0, 2, 12])
  world.env.disk.free = 1 << 20
  const compactions = world.compactions()
  await assert.rejects(world.run(compactions), /compactions of tenant t failed/)
  assert.match(
    compactions.jobs()[0]!.result,
    /needs \d+ bytes in compactor\/scratch.*1048576 are free/,
  )
  assert.ok(world.env.metrics.value('cortex_compactor_disk_out_of_space_errors_total') > 0)
  assert.equal(listed(world).length, 3)
  world.env.disk.free = Number.POSITIVE_INFINITY
  await world.run(compactions)
  assert.deepEqual(
    (await blocksOf(world)).map(({ hours }) => hours),
    ['0-4', '12-14'],
  )
})

test('splits by shard, then merges shard by shard', async () => {
  const world = await worldOf([0, 2, 12])
  await world.run(world.compactions({}, { compactor_split_and_merge_shards: 2 }))
  const { index } = await scanTenant(world.bucket, TENANT, world)
  const marked = new Set(index.block_deletion_marks.map((mark) => mark.block_id))
  const live = index.blocks.filter((block) => !marked.has(block.block_id))
  assert.deepEqual(
    live.map((block) => `${(block.min_time - DAY) / HOUR} ${block.compactor_shard_id}`).sort(),
    ['0 1_of_2', '0 2_of_2', '12 1_of_2', '12 2_of_2'],
  )
  assert.equal(await samplesIn(world, listed(world)), 3 * SERIES * SAMPLES)
})

test('stops between slices of work when the actor is to stop, and leaves nothing behind', async () => {
  const world = await worldOf([0, 2, 12])
  let asked = 0
  const context = { isStopping: () => asked > 1, giveWay: async () => void asked++ }
  await world.compactions().run(context)
  assert.equal(listed(world).length, 3)
  assert.deepEqual(world.env.disk.list(`${CONFIG.scratchDir}/compactor-0`), [])
  assert.equal(world.env.metrics.value('cortex_compactor_group_compactions_failures_total'), 0)
})

test('reads a local copy where there is one, and the bucket when that is damaged', async () => {
  const world = await worldOf([0, 2, 12])
  for (const entry of world.list.blocks(TENANT).entries) {
    world.list.change({ tenant: TENANT, add: [{ ...entry, localDir: `local/${entry.ulid}` }] })
  }
  const gets = () => world.backend.calls.filter(({ key }) => key.endsWith('/chunks/000001')).length
  const before = gets()
  const [first] = await blocksOf(world)
  const path = `local/${first!.ulid}/chunks/000001`
  const bytes = world.env.disk.readFile(path)
  bytes[100]! ^= 1
  world.env.disk.replaceFile(path, bytes)
  const compactions = world.compactions()
  await world.run(compactions)
  assert.deepEqual(
    compactions.jobs().map(({ state }) => state),
    ['done', 'failed'],
  )
  assert.deepEqual(compactions.damagedBlocks(), [])
  assert.ok(gets() > before)
  assert.equal(await samplesIn(world, listed(world)), 3 * SERIES * SAMPLES)
})

test('reads descriptions once, and again when a job has failed', async () => {
  const world = await worldOf([0, 2, 12])
  const compactions = world.compactions({ compactionRetries: 1 })
  const metaReads = () =>
    world.backend.calls.filter(
      ({ operation, key }) => operation === 'get' && key.endsWith('/meta.json'),
    ).length
  await world.run(compactions)
  const after = metaReads()
  await world.run(compactions)
  assert.equal(metaReads(), after)
  // Somebody deletes a source between the plan and the job.
  const other = await worldOf([0, 2, 4, 12])
  const [first] = await blocksOf(other)
  other.backend.before = ({ operation, key }) => {
    if (operation !== 'get' || !key.endsWith(`${first!.ulid}/index`)) return
    for (const name of [...other.backend.objects.keys()]) {
      if (name.startsWith(`${TENANT}/${first!.ulid}/`)) other.backend.objects.delete(name)
    }
  }
  await other.run(other.compactions({ compactionRetries: 1 })).catch(() => {})
  assert.deepEqual(
    (await blocksOf(other)).map(({ hours }) => hours),
    ['12-14', '2-6'],
  )
})

test('leaves tenants alone that are not its own', async () => {
  const world = await worldOf([0, 2, 12])
  await world.run(world.compactions({ disabledTenants: [TENANT] }))
  await world.run(world.compactions({ enabledTenants: ['other'] }))
  assert.equal(listed(world).length, 3)
  assert.equal(world.env.metrics.value('cortex_compactor_tenants_skipped'), 1)
})

test('finds blocks whose samples others have', () => {
  const meta = (ulid: string, sources: string[], more: Partial<BlockMeta> = {}): BlockMeta => ({
    version: 1,
    ulid,
    minTime: 0,
    maxTime: 10,
    stats: { numSamples: 1, numSeries: 1, numChunks: 1 },
    compaction: { level: 1, sources },
    ...more,
  })
  const shard = (name: string) => ({
    thanos: {
      labels: { __compactor_shard_id__: name },
      downsample: { resolution: 0 },
      source: 'compactor',
    },
  })
  const found = findDuplicates([
    meta('A', ['A']),
    meta('B', ['B']),
    meta('AB', ['A', 'B']),
    meta('C', ['C']),
    meta('AB2', ['A', 'B']),
    meta('W', ['A'], { maxTime: 20 }),
    meta('S1', ['A', 'B'], shard('1_of_2')),
    meta('S2', ['A', 'B'], shard('2_of_2')),
    meta('N', []),
  ])
  assert.deepEqual([...found].sort(), ['A', 'AB2', 'B'])
})
