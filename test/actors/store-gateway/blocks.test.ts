/**
 * Queries over blocks with everything in one thread: remote and local blocks, what is read of a
 * bucket and what is not, blocks that come, are replaced and go, dead shards.
 */
import assert from 'node:assert/strict'
import { readdirSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { QuerierQuery } from '../../../src/actors/querier/contract.js'
import { ulidOf } from '../../../src/shared/base/ulid.js'
import type { BlockEntry } from '../../../src/shared/blocks/index.js'
import { scanTenant, writeBucketIndex } from '../../../src/shared/blocks/index.js'
import { AppError } from '../../../src/shared/errors/index.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { BlockStore, GRID_FROM, gridCount, STEP_MS } from '../../support/block-store.js'
import {
  type BlockWorld,
  type BlockWorldOptions,
  createBlockWorld,
} from '../../support/block-world.js'
import { TestShard } from '../../support/querier.js'

const HALF_MIB = 512 * 1024

function worldOf(
  t: TestContext,
  store: BlockStore,
  more: Partial<BlockWorldOptions> = {},
): BlockWorld {
  const { env, bucket, folder } = store
  const world = createBlockWorld({ env, bucket, dataDir: join(folder, 'data'), ...more })
  t.after(() => world.close())
  return world
}

function instant(text: string, atMs: number): QuerierQuery {
  return { kind: 'query', text, atMs, lookbackMs: 0, limit: 0 }
}

function range(text: string, startMs: number, endMs: number, stepMs: number): QuerierQuery {
  return { kind: 'query-range', text, startMs, endMs, stepMs, lookbackMs: 0, limit: 0 }
}

/** What `analyze` tells, as far as a test looks at it. */
interface Analyzed {
  readonly fetchedChunks: number
  readonly columnCacheHits: number
  readonly blocks: readonly {
    readonly block: string
    readonly from: string
    readonly series: number
    readonly chunks: number
  }[]
}

/** The number that a query over a single row gives; 0 when there is none. */
async function numberOf(
  world: BlockWorld,
  tenant: string,
  text: string,
  at: number,
): Promise<number> {
  const data = (await world.ask(tenant, instant(text, at))) as {
    result: { value: [number, string] }[]
  }
  return Number(data.result[0]?.value[1] ?? 0)
}

/** Counts every sample of the first `samples` times of a grid. */
function countAll(samples: number): { text: string; at: number } {
  const seconds = samples * (STEP_MS / 1000)
  const text = `sum(count_over_time({__name__=~"metric.+"}[${seconds}s]))`
  return { text, at: GRID_FROM + (samples - 1) * STEP_MS }
}

test('remote and local blocks answer alike, over segments, block ends and parts of blocks', async (t) => {
  const store = new BlockStore()
  const grids = [
    { series: 60, from: 0, to: 480, segmentBytesMax: 16_384 },
    { series: 75, from: 480, to: 960 },
    { series: 60, from: 960, to: 1200 },
  ]
  const remote = worldOf(t, store)
  const local = worldOf(t, store, { dataDir: join(store.folder, 'data-2') })
  for (const grid of grids) {
    const entry = await store.make('a', grid)
    local.list.change({ tenant: 'a', add: [entry] })
    remote.list.change({ tenant: 'a', add: [await store.put(entry)] })
  }
  const { text, at } = countAll(1200)
  const total = grids.reduce((sum, grid) => sum + gridCount(grid), 0)
  assert.equal(await numberOf(remote, 'a', text, at), total)
  assert.equal(await numberOf(local, 'a', text, at), total)
  const end = GRID_FROM + 1200 * STEP_MS
  const queries: QuerierQuery[] = [
    range('sum by (job, __name__) (rate({__name__=~"metric.+"}[5m]))', GRID_FROM, end, 60_000),
    range('metric_3_total{shard!~"1.*"}', GRID_FROM + 7_000_000, GRID_FROM + 7_600_000, 15_000),
    range('last_over_time({__name__=~"m.+",job!="node"}[2m] offset 3m)', GRID_FROM, end, 600_000),
    { kind: 'series', matchers: ['{shard=~"7.?"}'], mint: GRID_FROM, maxt: end, limit: 0 },
    { kind: 'label-names', matchers: [], mint: GRID_FROM, maxt: end, limit: 0 },
    { kind: 'label-values', name: 'job', matchers: [], mint: GRID_FROM, maxt: end, limit: 0 },
  ]
  for (let round = 0; round < 3; round++) {
    for (const query of queries) {
      const answer = await remote.ask('a', query)
      assert.deepEqual(await local.ask('a', query), answer)
      assert.ok(JSON.stringify(answer).length > 20)
    }
  }
  assert.equal(await numberOf(remote, 'b', text, at), 0, 'another tenant has nothing')
})

test('series only of blocks that overlap, and with samples in the range', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const early = await store.make('a', { series: 3, from: 0, to: 100 })
  const late = await store.make('a', { series: 5, from: 100, to: 200 })
  world.list.change({ tenant: 'a', add: [early, late] })
  const seriesIn = async (from: number, to: number): Promise<number> => {
    const mint = GRID_FROM + from * STEP_MS
    const maxt = GRID_FROM + to * STEP_MS
    const query: QuerierQuery = { kind: 'series', matchers: ['{job!=""}'], mint, maxt, limit: 0 }
    return ((await world.ask('a', query)) as unknown[]).length
  }
  assert.equal(await seriesIn(0, 99), 3)
  assert.equal(await seriesIn(100, 199), 5)
  assert.equal(await seriesIn(99, 100), 5)
  assert.equal(await seriesIn(200, 300), 0)
})

test('analyze counts each chunk once and names the blocks, whatever room there is for columns', async (t) => {
  const store = new BlockStore()
  const local = await Promise.all([
    store.make('a', { series: 40, from: 0, to: 480 }),
    store.make('a', { series: 40, from: 480, to: 960 }),
    store.make('a', { series: 40, from: 960, to: 1440 }),
  ])
  const remote = []
  for (const entry of local) remote.push(await store.put(entry))
  // From the second block's sample 60 to the third one's sample 59, that is one chunk of the third.
  const mint = GRID_FROM + 540 * STEP_MS
  const maxt = GRID_FROM + 1019 * STEP_MS
  for (const [at, entries] of [local, remote].entries()) {
    for (const bytes of [0, 300_000, 1 << 24]) {
      const world = worldOf(t, store, {
        dataDir: join(store.folder, `data-${at}-${bytes}`),
        config: { 'querier.column_cache_bytes': bytes },
      })
      world.list.change({ tenant: 'a', add: entries })
      const of = range('sum(rate({__name__=~"metric.+"}[2m]))', mint + 120_000, maxt, 60_000)
      for (let round = 0; round < 4; round++) {
        const answer = (await world.ask('a', {
          ...{ kind: 'explain', isRun: true, asText: false },
          of: of as Extract<QuerierQuery, { kind: 'query-range' }>,
        })) as Analyzed
        const { blocks, fetchedChunks, columnCacheHits: hits } = answer
        assert.deepEqual(
          blocks.map(({ block, series, from }) => [block, series, Date.parse(from) >= mint]),
          [1, 2].map((i) => [entries[i]!.ulid, 40, true]),
        )
        assert.equal(blocks[0]!.chunks + blocks[1]!.chunks, fetchedChunks)
        // Four chunks of each series in the one, one in the other; the whole of that to keep it.
        const perSeries = fetchedChunks / 40
        const most = bytes === 0 || at === 1 ? 5 : 8
        assert.ok(perSeries <= most, `${perSeries} chunks of a series, ${bytes} bytes`)
        if (bytes === 0) assert.equal(fetchedChunks, 40 * 5)
        assert.equal(fetchedChunks === 0, hits === 80, `${hits} of 80 from columns`)
      }
    }
  }
})

test('a head and blocks are one: nothing twice, the head first where both have a sample', async (t) => {
  const store = new BlockStore()
  const shard = new TestShard()
  const world = worldOf(t, store, { shards: [shard] })
  world.list.change({ tenant: 'a', add: [await store.make('a', { series: 3, from: 0, to: 100 })] })
  const labels = labelsOf({
    __name__: 'metric_0_total',
    instance: 'host-0:9100',
    job: 'node',
    shard: '0',
  })
  // Ten samples that the block has too, with values of the head's own, and ten more.
  for (let i = 90; i < 110; i++) shard.append('a', labels, [GRID_FROM + i * STEP_MS, -i])
  const at = GRID_FROM + 109 * STEP_MS
  // Again and again: columns are cached from the second time on.
  for (let round = 0; round < 4; round++) {
    const data = (await world.ask('a', instant('metric_0_total[2h]', at))) as {
      result: { values: [number, string][] }[]
    }
    assert.equal(data.result.length, 1)
    const { values } = data.result[0]!
    assert.equal(values.length, 110)
    for (const [i, [time, value]] of values.entries()) {
      assert.equal(time * 1000, GRID_FROM + i * STEP_MS)
      assert.equal(Number(value) < 0, i >= 90, `sample ${i} is ${value}`)
    }
  }
  const sum = 'sum(count_over_time({__name__=~"metric.+"}[2h]))'
  assert.equal(await numberOf(world, 'a', sum, at), 300 + 10)
})

test('a block that leaves the list under a question is read to the end, and closed then', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const entry = await store.put(await store.make('a', { series: 400, from: 0, to: 240 }))
  const ulids = [entry.ulid]
  world.list.change({ tenant: 'a', add: [entry] })
  const [gateway] = world.gateways
  const started = new Promise<() => void>((resolve) => {
    store.backend.before = ({ operation }) =>
      operation === 'get' ? new Promise<void>((goOn) => resolve(goOn)) : undefined
  })
  const matchers = [{ name: 'job', op: '=~', value: 'n.*' } as const]
  const asked = gateway!.calls.select({ tenant: 'a', ulids, matchers })
  const goOn = await started
  world.list.change({ tenant: 'a', remove: ulids })
  await gateway!.tidy()
  assert.equal(gateway!.details()['blocksOpen'], 0)
  store.backend.before = () => {}
  goOn()
  const [found] = await asked
  assert.ok(found!.refs.length > 0)
  await gateway!.tidy()
  const header = join(store.folder, 'data', 'store-gateway-0')
  assert.deepEqual(readdirSync(join(header, 'a')), [])
  const open = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return []
    }
  })
  assert.deepEqual(
    open.filter((path) => path.startsWith(header)),
    [],
  )
})

test('what a query has read of a shard that has ended meanwhile is not kept as the next one’s', async (t) => {
  const store = new BlockStore()
  const labels = labelsOf({
    __name__: 'metric_0_total',
    instance: 'host-0:9100',
    job: 'node',
    shard: '0',
  })
  const [last, next] = [new TestShard(), new TestShard()]
  const at = GRID_FROM + 199 * STEP_MS
  // As many samples under the same ref: all that tells them apart are their times.
  for (let i = 0; i < 10; i++) {
    last.append('a', labels, [GRID_FROM + (150 + i) * STEP_MS, i])
    next.append('a', labels, [GRID_FROM + (180 + i) * STEP_MS, i])
  }
  const { select } = last.calls
  let selections = 0
  const calls = {
    ...last.calls,
    select: async (request: Parameters<typeof select>[0]) => {
      const answer = await select(request)
      if (++selections === 1) world.querier.link(0, next)
      return answer
    },
  }
  const world = worldOf(t, store, { shards: [{ calls, reader: last.reader }] })
  const block = await store.make('a', { series: 1, from: 0, to: 100 })
  world.list.change({ tenant: 'a', add: [block] })
  const asked = ['count', 'sum', 'max'].map((name) => `sum(${name}_over_time({shard="0"}[2h]))`)
  await world.ask('a', instant(asked.join(' + '), at))
  assert.equal(selections, 1)
  const data = (await world.ask('a', instant('metric_0_total{shard="0"}[2h]', at))) as {
    result: { metric: Record<string, string>; values: [number, string][] }[]
  }
  const times = data.result.flatMap(({ values }) => values.map(([time]) => time * 1000))
  assert.deepEqual(
    times.filter((time) => time >= GRID_FROM + 100 * STEP_MS),
    Array.from({ length: 10 }, (_, i) => GRID_FROM + (180 + i) * STEP_MS),
  )
})

test('reads few ranges of a bucket, what it has read not again, and nothing twice at a time', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  let wanted = 0
  for (let block = 0; block < 3; block++) {
    const grid = { series: 400, from: block * 480, to: (block + 1) * 480 }
    const entry = await store.put(await store.make('a', grid))
    wanted += store.backend.objects.get(`a/${entry.ulid}/chunks/000001`)!.bytes.length
    world.list.change({ tenant: 'a', add: [entry] })
  }
  store.reads()
  const { text, at } = countAll(1440)
  assert.equal(await numberOf(world, 'a', text, at), 400 * 1440)
  const reads = store.reads()
  const chunkReads = reads.filter(({ key }) => key.includes('/chunks/'))
  const indexReads = reads.filter(({ key }) => key.endsWith('/index'))
  assert.equal(reads.length, chunkReads.length + indexReads.length)
  assert.ok(chunkReads.length <= 3 * Math.ceil(wanted / 3 / HALF_MIB), `${chunkReads.length} reads`)
  assert.ok(indexReads.length <= 3 * 6, `${indexReads.length} reads of indexes`)
  assert.equal((await numberOf(world, 'a', text.replace('count', 'sum'), at)) > 0, true)
  assert.deepEqual(store.reads(), [])
  // Two at once, of a shard that has nothing yet.
  const fresh = worldOf(t, store, { dataDir: join(store.folder, 'data-2') })
  fresh.list.change({ tenant: 'a', add: world.list.blocks('a').entries })
  const { calls } = fresh.gateways[0]!
  const ulids = fresh.list.blocks('a').entries.map(({ ulid }) => ulid)
  const ask = () => calls.select({ tenant: 'a', ulids, matchers: [] })
  const before = await Promise.all([ask(), ask(), ask()])
  assert.equal(before[0]!.length, 3)
  assert.deepEqual(before[1], before[0])
  const keys = store.reads().map(({ operation, key }) => `${operation} ${key}`)
  assert.ok(keys.length <= 3 * 6, `${keys.length} reads for three questions at once`)
})

test('what a deletion that was cut off has left is no block for long, though the index names it', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const [one, gone] = [
    await store.put(await store.make('a', { series: 4, from: 0, to: 120 })),
    await store.put(await store.make('a', { series: 4, from: 120, to: 240 })),
  ]
  const scan = await scanTenant(store.bucket, 'a', { env: store.env })
  await writeBucketIndex(store.bucket, 'a', scan.index)
  await store.remove(gone)
  await store.bucket.put(`a/${gone.ulid}/tombstones`, Buffer.from('x'))
  const { sync } = world.gateways[0]!.calls
  await sync()
  const { text, at } = countAll(240)
  await assert.rejects(numberOf(world, 'a', text, at), { id: 'block-gone' })
  await sync()
  assert.deepEqual(
    world.list.blocks('a').entries.map(({ ulid }) => ulid),
    [one.ulid],
  )
  assert.equal(await numberOf(world, 'a', text, at), 4 * 120)
})

test('a start with a thousand blocks reads their index only, and a query its block only', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const one = await store.put(await store.make('a', { series: 4, from: 0, to: 240 }))
  const blocks = Array.from({ length: 1000 }, (_, i) => {
    const ulid = i === 500 ? one.ulid : ulidOf(GRID_FROM - i * 1000, new Uint8Array(10))
    const from = one.minTime + (i - 500) * 7_200_000
    return {
      block_id: ulid,
      min_time: from,
      max_time: i === 500 ? one.maxTime : from + 7_000_000,
      uploaded_at: GRID_FROM / 1000,
    }
  })
  for (const { block_id } of blocks) {
    const key = `a/${block_id}/meta.json`
    if (!store.backend.objects.has(key)) await store.bucket.put(key, new Uint8Array(3))
  }
  const updated_at = GRID_FROM / 1000
  const index = { version: 2, blocks, block_deletion_marks: [], updated_at }
  await writeBucketIndex(store.bucket, 'a', index)
  world.list.awaitReader('store-gateway')
  store.reads()
  await world.gateways[0]!.calls.sync()
  assert.deepEqual(
    store.reads().map(({ key }) => key),
    ['a/bucket-index.json.gz'],
  )
  const { entries, isComplete } = world.list.blocks('a')
  assert.equal(entries.length, 1000)
  assert.ok(isComplete)
  const { text, at } = countAll(240)
  assert.equal(await numberOf(world, 'a', text, at), 960)
  const touched = new Set(store.reads().map(({ key }) => key.split('/')[1]))
  assert.deepEqual([...touched], [one.ulid])
})

test('the list follows the bucket: new blocks come, deleted ones go, local ones stay', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const { calls } = world.gateways[0]!
  const ulids = () => world.list.blocks('a').entries.map(({ ulid }) => ulid)
  await calls.sync()
  assert.deepEqual(ulids(), [])
  const first = await store.put(await store.make('a', { series: 2, from: 0, to: 10 }))
  await calls.sync()
  const own = await store.make('a', { series: 2, from: 10, to: 20 })
  world.list.change({ tenant: 'a', add: [own] })
  const second = await store.put(await store.make('a', { series: 2, from: 20, to: 30 }))
  await calls.sync()
  assert.deepEqual(ulids(), [first.ulid, own.ulid, second.ulid])
  await store.remove(first)
  await calls.sync()
  assert.deepEqual(ulids(), [own.ulid, second.ulid])
  const { text, at } = countAll(30)
  assert.equal(await numberOf(world, 'a', text, at), 40)
  await store.remove(second)
  await calls.sync()
  assert.deepEqual(ulids(), [own.ulid])
})

test('blocks replaced and deleted under queries: every answer is whole, nothing is twice', async (t) => {
  for (const place of ['bucket', 'disk'] as const) {
    const store = new BlockStore()
    const world = worldOf(t, store)
    const bring = async (grid: {
      from: number
      to: number
      level: number
    }): Promise<BlockEntry> => {
      const entry = await store.make('a', { series: 20, ...grid })
      return place === 'disk' ? entry : store.put(entry)
    }
    const destroy = async (entry: BlockEntry): Promise<void> => {
      if (entry.localDir !== undefined) rmSync(entry.localDir, { recursive: true })
      else await store.remove(entry)
    }
    let halves = [
      await bring({ from: 0, to: 240, level: 1 }),
      await bring({ from: 240, to: 480, level: 1 }),
    ]
    world.list.change({ tenant: 'a', add: halves })
    const { text, at } = countAll(480)
    let isOver = false
    let asked = 0
    const asking = (async () => {
      while (!isOver) {
        assert.equal(await numberOf(world, 'a', text, at), 20 * 480)
        asked++
        // In one thread nothing else gets its turn by itself.
        await store.env.timers.yieldNow()
      }
    })()
    for (let round = 0; round < 6 || (asked < 2 && round < 30); round++) {
      const whole = await bring({ from: 0, to: 480, level: 2 })
      const remove = halves.map(({ ulid }) => ulid)
      world.list.change({ tenant: 'a', add: [whole], remove })
      for (const half of halves) await destroy(half)
      // Every other time queries get a moment between two changes.
      if (round % 2 === 1) await store.env.timers.sleep(25)
      halves = [
        await bring({ from: 0, to: 240, level: 1 }),
        await bring({ from: 240, to: 480, level: 1 }),
      ]
      world.list.change({ tenant: 'a', add: halves, remove: [whole.ulid] })
      await destroy(whole)
    }
    isOver = true
    await asking
    assert.ok(asked >= 2, `${asked} queries`)
  }
})

test('a block that is gone for good is named, and one that moved to the bucket is found there', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const entry = await store.make('a', { series: 2, from: 0, to: 240 })
  world.list.change({ tenant: 'a', add: [entry] })
  const { text, at } = countAll(240)
  assert.equal(await numberOf(world, 'a', text, at), 480)
  world.list.change({ tenant: 'a', add: [await store.put(entry)] })
  world.list.change({ tenant: 'a', dropLocal: [entry.ulid] })
  rmSync(entry.localDir, { recursive: true })
  assert.equal(await numberOf(world, 'a', text, at), 480)
  await store.remove(entry)
  const other = worldOf(t, store, { dataDir: join(store.folder, 'data-2') })
  const { localDir: _, ...rest } = entry
  other.list.change({ tenant: 'a', add: [{ ...rest, inBucket: true }] })
  await assert.rejects(
    numberOf(other, 'a', text, at),
    (error) =>
      error instanceof AppError && error.id === 'block-gone' && error.message.includes(entry.ulid),
  )
})

test('a local copy that the disk has lost is read from the bucket, if that has it', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const entry = await store.make('a', { series: 2, from: 0, to: 240 })
  world.list.change({
    tenant: 'a',
    add: [{ ...(await store.put(entry)), localDir: entry.localDir }],
  })
  const { text, at } = countAll(240)
  rmSync(entry.localDir, { recursive: true })
  assert.equal(await numberOf(world, 'a', text, at), 480)
  const alone = await store.make('a', { series: 2, from: 240, to: 480 })
  world.list.change({ tenant: 'a', add: [alone] })
  rmSync(alone.localDir, { recursive: true })
  await assert.rejects(
    numberOf(world, 'a', text, countAll(480).at),
    (error) =>
      error instanceof AppError && error.id === 'block-gone' && error.message.includes(alone.ulid),
  )
})

test('asks each shard for its own blocks only, and a shard that died again when it is back', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store, { gateways: 3 })
  for (let block = 0; block < 12; block++) {
    const grid = { series: 2, from: block * 20, to: block * 20 + 20 }
    world.list.change({ tenant: 'a', add: [await store.put(await store.make('a', grid))] })
  }
  const { text, at } = countAll(240)
  assert.equal(await numberOf(world, 'a', text, at), 480)
  const open = world.gateways.map((gateway) => Number(gateway.details()['blocksOpen']))
  assert.equal(
    open.reduce((a, b) => a + b),
    12,
  )
  assert.ok(open.filter((count) => count > 0).length >= 2, `blocks open: ${open}`)
  world.dead.add(0).add(1).add(2)
  const more = text.replace('metric', 'metri.')
  await assert.rejects(
    numberOf(world, 'a', more, at),
    (error) => error instanceof AppError && error.id === 'actor-down',
  )
  world.dead.clear()
  assert.equal(await numberOf(world, 'a', more, at), 480)
})

test('until the bucket has been read, old data is asked for again, new data is answered', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  await store.put(await store.make('a', { series: 2, from: 0, to: 240 }))
  world.list.awaitReader('store-gateway')
  assert.equal(await numberOf(world, 'a', 'sum({job!=""})', Date.now()), 0)
  const { text, at } = countAll(240)
  const asked = numberOf(world, 'a', text, at)
  await store.env.timers.sleep(30)
  await world.gateways[0]!.calls.sync()
  assert.equal(await asked, 480)
})

test('on an empty disk new data, too, is asked for once the bucket has been read', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store, { areHeadsNew: true })
  await store.put(await store.make('a', { series: 2, from: 0, to: 240 }))
  world.list.awaitReader('store-gateway')
  let isAnswered = false
  const asked = numberOf(world, 'a', 'sum({job!=""})', Date.now()).finally(() => {
    isAnswered = true
  })
  await store.env.timers.sleep(30)
  assert.equal(isAnswered, false)
  await world.gateways[0]!.calls.sync()
  assert.equal(await asked, 0)
})

test('index-headers are kept on disk, and made anew when they are damaged', async (t) => {
  const store = new BlockStore()
  const entry = await store.put(await store.make('a', { series: 300, from: 0, to: 240 }))
  const readsOf = async (): Promise<number> => {
    const world = worldOf(t, store)
    world.list.change({ tenant: 'a', add: [entry] })
    store.reads()
    await world.gateways[0]!.calls.labelNames({ tenant: 'a', ulids: [entry.ulid] })
    const header = join(store.folder, 'data/store-gateway-0/a', entry.ulid, 'index-header')
    assert.ok(store.env.disk.exists(header))
    return store.reads().filter(({ operation }) => operation === 'get').length
  }
  const cold = await readsOf()
  assert.ok(cold > 0)
  assert.equal(await readsOf(), 0)
  const header = join(store.folder, 'data/store-gateway-0/a', entry.ulid, 'index-header')
  const bytes = store.env.disk.readFile(header)
  bytes[bytes.length - 40]! ^= 1
  store.env.disk.replaceFile(header, bytes)
  assert.equal(await readsOf(), cold)
})

test('a cache with little room holds no more than that, and answers stay right', async (t) => {
  const store = new BlockStore()
  const cacheBytes = 256 * 1024
  const world = worldOf(t, store, { config: { 'store_gateway.cache_bytes': cacheBytes } })
  for (let block = 0; block < 3; block++) {
    const grid = { series: 300, from: block * 480, to: (block + 1) * 480 }
    world.list.change({ tenant: 'a', add: [await store.put(await store.make('a', grid))] })
  }
  const { text, at } = countAll(1440)
  for (let round = 0; round < 2; round++) {
    assert.equal(await numberOf(world, 'a', text, at), 300 * 1440)
    assert.ok(Number(world.gateways[0]!.details()['cacheBytes']) <= cacheBytes)
  }
})

test('with room on disk, what has been read is not got again after a restart', async (t) => {
  const store = new BlockStore()
  const entry = await store.put(await store.make('a', { series: 300, from: 0, to: 480 }))
  const { text, at } = countAll(480)
  const readsOf = async (bytes: number): Promise<number> => {
    const world = worldOf(t, store, { config: { 'store_gateway.disk_cache_bytes': bytes } })
    world.list.change({ tenant: 'a', add: [entry] })
    store.reads()
    assert.equal(await numberOf(world, 'a', text, at), 300 * 480)
    assert.equal(Number(world.gateways[0]!.details()['diskCacheBytes']) > 0, bytes > 0)
    return store.reads().filter(({ operation }) => operation === 'get').length
  }
  const most = 64 << 20
  assert.ok((await readsOf(most)) > 0)
  assert.equal(await readsOf(most), 0)
  const folder = join(store.folder, 'data/store-gateway-0-pages')
  assert.deepEqual(store.env.disk.list(`${folder}/a`), [entry.ulid])
  assert.ok((await readsOf(0)) > 0)
  assert.ok(!store.env.disk.exists(folder))
})

test('damage of a chunk and of an index is told with block and section', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const entry = await store.put(await store.make('a', { series: 30, from: 0, to: 240 }))
  world.list.change({ tenant: 'a', add: [entry] })
  const { bytes } = store.backend.objects.get(`a/${entry.ulid}/chunks/000001`)!
  bytes[bytes.length - 300]! ^= 1
  const { text, at } = countAll(240)
  await assert.rejects(numberOf(world, 'a', text, at), (error) => {
    assert.ok(error instanceof AppError)
    assert.equal(error.id, 'block-damaged')
    assert.match(error.message, new RegExp(`${entry.ulid}.*chunks/000001`))
    return true
  })
})

test('nothing is kept of blocks that have left the list: no header, no open file, no table', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const [gateway] = world.gateways
  const remote = await store.put(await store.make('a', { series: 4, from: 0, to: 240 }))
  const local = await store.make('a', { series: 4, from: 240, to: 480 })
  world.list.change({ tenant: 'a', add: [remote, local] })
  const { text, at } = countAll(480)
  assert.equal(await numberOf(world, 'a', text, at), 4 * 480)
  const header = join(store.folder, 'data/store-gateway-0/a', remote.ulid, 'index-header')
  await gateway!.tidy()
  assert.ok(store.env.disk.exists(header))
  assert.equal(gateway!.details()['blocksOpen'], 2)
  const openFiles = () => readdirSync('/proc/self/fd').map((fd) => linkOf(fd))
  assert.ok(openFiles().some((path) => path.startsWith(local.localDir)))
  world.list.change({ tenant: 'a', remove: [remote.ulid, local.ulid] })
  await gateway!.tidy()
  assert.ok(!store.env.disk.exists(header))
  assert.equal(gateway!.details()['blocksOpen'], 0)
  assert.equal(await numberOf(world, 'a', text, at), 0)
  assert.deepEqual(
    openFiles().filter((path) => path.startsWith(store.folder)),
    [],
  )
})

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    // It was closed meanwhile: that of the listing itself.
    return ''
  }
}
