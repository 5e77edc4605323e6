/**
 * Deleting series of blocks, local ones, remote ones and those on the way, asked for by a querier: gone
 * from the moment that the call returns, whatever ships or compacts meanwhile.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Compactions } from '../../../src/actors/compactor/compaction.js'
import { SeriesDeletions } from '../../../src/actors/compactor/series-deletion.js'
import { Shipper } from '../../../src/actors/compactor/shipper.js'
import type { BlockChange, BlockListCalls } from '../../../src/actors/supervisor/contract.js'
import type { BlockEntry } from '../../../src/shared/blocks/index.js'
import { fail } from '../../../src/shared/errors/index.js'
import { Limits } from '../../../src/shared/limits/index.js'
import { decodeTombstones } from '../../../src/shared/tsdb/index.js'
import { BlockStore, GRID_FROM, STEP_MS } from '../../support/block-store.js'
import { type BlockWorld, createBlockWorld } from '../../support/block-world.js'
import { testLimits } from '../../support/limits.js'

const TENANT = 'a'
const SERIES = 12
const SAMPLES = 480
const CONTEXT = { isStopping: () => false, giveWay: async () => {} }
/** Seven names: two of the twelve series have this one. */
const SELECTOR = [{ name: '__name__', op: '=', value: 'metric_3_total' }] as const
const FROM = GRID_FROM + 100 * STEP_MS
const TO = GRID_FROM + 199 * STEP_MS
const DELETION = { tenant: TENANT, selectors: [SELECTOR], mint: FROM, maxt: TO }

interface DeletionWorld extends BlockWorld {
  readonly store: BlockStore
  /** Deletes as main does; the heads are empty. */
  remove(): Promise<number>
  /** How many samples each selector finds. */
  counts(): Promise<{ deleted: number; others: number }>
}

function worldOf(t: TestContext, store: BlockStore): DeletionWorld {
  const { env, bucket, folder } = store
  const world = createBlockWorld({ env, bucket, dataDir: join(folder, 'data') })
  t.after(() => world.close())
  const scratch = join(folder, 'deletions')
  const pause = (): Promise<void> => env.timers.yieldNow()
  const deletions = new SeriesDeletions({ env, bucket, list: world.list.calls, scratch, pause })
  const at = GRID_FROM + (SAMPLES - 1) * STEP_MS
  const count = async (selector: string): Promise<number> => {
    const text = `sum(count_over_time({${selector}}[${(SAMPLES * STEP_MS) / 1000}s]))`
    const query = { kind: 'query', text, atMs: at, lookbackMs: 0, limit: 0 } as const
    const { result } = (await world.ask(TENANT, query)) as { result: { value: [number, string] }[] }
    return Number(result[0]?.value[1] ?? 0)
  }
  return {
    ...world,
    store,
    remove: async () => {
      const end = world.list.beginDeletion(DELETION)
      try {
        return (await deletions.calls().deleteSeries(DELETION)).length
      } finally {
        end()
      }
    },
    counts: async () => ({
      deleted: await count('__name__="metric_3_total"'),
      others: await count('__name__=~"metric_[^3].+"'),
    }),
  }
}

/** @param blockRangesMs none unless told: nothing is compacted */
function compactionsOf(
  { store }: DeletionWorld,
  list: BlockListCalls,
  blockRangesMs: readonly number[] = [],
): Compactions {
  const { env, bucket, folder } = store
  const limits = { of: () => new Limits(testLimits()).defaults() }
  const config = {
    scratchDir: join(folder, 'scratch'),
    blockRangesMs,
    compactionIntervalMs: 1000,
    compactionConcurrency: 1,
    compactionRetries: 3,
    firstLevelWaitMs: 0,
    maxCompactionTimeMs: 60_000,
    jobsOrder: 'smallest-range-oldest-blocks-first',
    metaSyncConcurrency: 4,
    enabledTenants: [],
    disabledTenants: [],
  } as const
  return new Compactions({ env, bucket, list, limits, config })
}

/** A block after those of `halves`. */
const OTHER = { series: SERIES, from: SAMPLES, to: SAMPLES + 10 }
const WHOLE = { deleted: 2 * SAMPLES, others: (SERIES - 2) * SAMPLES }
const LEFT = { ...WHOLE, deleted: 2 * (SAMPLES - 100) }

async function halves(store: BlockStore): Promise<(BlockEntry & { localDir: string })[]> {
  const first = await store.make(TENANT, { series: SERIES, from: 0, to: 150 })
  return [first, await store.make(TENANT, { series: SERIES, from: 150, to: SAMPLES })]
}

test('deletes of local and of remote blocks, at once and under a cache', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const [local, remote] = await halves(store)
  world.list.change({ tenant: TENANT, add: [local!, await store.put(remote!)] })
  assert.deepEqual(await world.counts(), WHOLE)
  assert.equal(await world.remove(), 2)
  assert.deepEqual(await world.counts(), LEFT)
  const { bytes } = store.backend.objects.get(`${TENANT}/${remote!.ulid}/tombstones`)!
  const stones = [...decodeTombstones(bytes, remote!.ulid).values()]
  // No further than the series go.
  assert.deepEqual(
    stones,
    [0, 1].map(() => [{ mint: GRID_FROM + 150 * STEP_MS, maxt: TO }]),
  )
  // The same once more changes nothing, and others' tombstones are honoured from the start.
  assert.equal(await world.remove(), 2)
  assert.deepEqual(await world.counts(), LEFT)
  const later = worldOf(t, store)
  later.list.change({ tenant: TENANT, add: world.list.blocks(TENANT).entries })
  assert.deepEqual(await later.counts(), LEFT)
})

test('a compaction that has read its sources before leaves out what was deleted since', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  // The last one only says that no more comes into the range of the others.
  const later = await store.make(TENANT, OTHER)
  for (const block of [...(await halves(store)), later]) {
    world.list.change({ tenant: TENANT, add: [await store.put(block)] })
  }
  let isDeleted = false
  const list: BlockListCalls = {
    ...world.list.calls,
    changeBlocks: async (change: BlockChange) => {
      // All is merged and uploaded; the results are about to be listed.
      if (!isDeleted && change.remove !== undefined) {
        isDeleted = true
        assert.equal(await world.remove(), 2)
        // Whoever reads the bucket has seen the result meanwhile, and a query has opened it.
        world.list.change({ tenant: TENANT, add: change.add ?? [] })
        await world.counts()
      }
      return world.list.change(change)
    },
  }
  await compactionsOf(world, list, [7_200_000]).run(CONTEXT)
  assert.ok(isDeleted)
  const { entries } = world.list.blocks(TENANT)
  assert.deepEqual(
    entries.map(({ level }) => level),
    [2, 1],
  )
  assert.deepEqual(await world.counts(), LEFT)
})

test('blocks with tombstones are written anew on request, of others nothing is touched', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const blocks = [...(await halves(store)), await store.make(TENANT, OTHER)]
  for (const block of blocks) world.list.change({ tenant: TENANT, add: [await store.put(block)] })
  await world.remove()
  const compactions = compactionsOf(world, world.list.calls)
  let wakes = 0
  const calls = compactions.cleaningCalls(() => wakes++)
  const all = [calls.cleanTombstones({ tenant: TENANT }), calls.cleanTombstones({ tenant: 'none' })]
  assert.equal(wakes, 2)
  await compactions.run(CONTEXT)
  await Promise.all(all)
  const { entries } = world.list.blocks(TENANT)
  assert.deepEqual(entries.map(({ level }) => level).sort(), [1, 2, 2])
  assert.ok(entries.some(({ ulid }) => ulid === blocks[2]!.ulid))
  for (const { ulid } of entries) {
    assert.ok(!store.backend.objects.has(`${TENANT}/${ulid}/tombstones`))
  }
  assert.deepEqual(await world.counts(), LEFT)
  const again = calls.cleanTombstones({ tenant: TENANT })
  await compactions.run(CONTEXT)
  await again
  assert.deepEqual(world.list.blocks(TENANT).entries, entries)
})

test('a block that is shipped meanwhile has its tombstones in the bucket', async (t) => {
  for (const moment of ['index', 'meta.json', 'note'] as const) {
    const store = new BlockStore()
    const world = worldOf(t, store)
    const [block] = await halves(store)
    world.list.change({ tenant: TENANT, add: [block!] })
    let isDeleted = false
    const remove = async (): Promise<void> => {
      if (isDeleted) return
      isDeleted = true
      await world.remove()
    }
    store.backend.before = async ({ operation, key }) => {
      if (operation === 'put' && key.endsWith(`${block!.ulid}/${moment}`)) await remove()
    }
    const list = {
      ...world.list.calls,
      changeBlocks: async (change: BlockChange) => {
        if (moment === 'note') await remove()
        return world.list.change(change)
      },
    }
    const config = { roots: [], shipIntervalMs: 1, shipConcurrency: 1, retentionMs: 0 }
    const shipper = new Shipper({ env: store.env, bucket: store.bucket, list, config })
    await shipper.run(CONTEXT)
    assert.ok(isDeleted, moment)
    assert.ok(store.backend.objects.has(`${TENANT}/${block!.ulid}/tombstones`), moment)
    // The local copy leaves the list, and the bucket's answers the same.
    const before = await world.counts()
    await shipper.run(CONTEXT)
    assert.equal(world.list.blocks(TENANT).entries[0]!.localDir, undefined)
    assert.deepEqual(await world.counts(), before)
    assert.equal(before.deleted, 2 * (150 - 50))
  }
})

test('a crash between the local and the remote tombstones is made good by the next start', async (t) => {
  const store = new BlockStore()
  const world = worldOf(t, store)
  const [block] = await halves(store)
  const config = { roots: [], shipIntervalMs: 1, shipConcurrency: 1, retentionMs: 3600_000 }
  const parts = { env: store.env, bucket: store.bucket, config }
  world.list.change({ tenant: TENANT, add: [block!] })
  await new Shipper({ ...parts, list: world.list.calls }).run(CONTEXT)
  const key = `${TENANT}/${block!.ulid}/tombstones`
  store.backend.before = ({ operation, key: at }) => {
    if (operation === 'put' && at === key) throw fail('bad-data', { text: 'the process dies' })
  }
  await assert.rejects(world.remove())
  store.backend.before = () => {}
  const next = worldOf(t, store)
  next.list.change({ tenant: TENANT, add: [block!] })
  await new Shipper({ ...parts, list: next.list.calls }).run(CONTEXT)
  assert.ok(store.backend.objects.has(key))
})
