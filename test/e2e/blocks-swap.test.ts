/**
 * Another program works on the bucket, as a Mimir would: blocks are replaced by merged ones and
 * deleted under queries of the whole system, threads and all. Every answer is whole and has nothing
 * twice.
 */
import assert from 'node:assert/strict'
import { cpSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BlockEntry } from '../../src/shared/blocks/index.js'
import { BlockStore, GRID_FROM, STEP_MS } from '../support/block-store.js'
import { callApi } from '../support/prom-api.js'
import { startSystem } from '../support/system.js'

const TENANT = 'swap'
const SERIES = 30
const SAMPLES = 480
const ROUNDS = 6
const SYNC_MS = 50

test('blocks appear, are replaced and deleted in the bucket under queries', async (t) => {
  const store = new BlockStore()
  const bucket = join(store.folder, 'bucket')
  /** Blocks of half the time each, or of all of it. */
  const bring = async (parts: 1 | 2): Promise<BlockEntry[]> => {
    const blocks: BlockEntry[] = []
    for (let part = 0; part < parts; part++) {
      const length = SAMPLES / parts
      const grid = {
        series: SERIES,
        from: part * length,
        to: (part + 1) * length,
        level: 3 - parts,
      }
      const entry = await store.make(TENANT, grid)
      // meta.json comes last, with the rename.
      const draft = join(store.folder, 'draft')
      cpSync(entry.localDir, draft, { recursive: true })
      renameSync(draft, join(bucket, TENANT, entry.ulid))
      blocks.push(entry)
    }
    return blocks
  }
  store.env.disk.makeFolder(join(bucket, TENANT))
  let blocks = await bring(2)
  const nilo = await startSystem(join(store.folder, 'nilo'), {
    'blocks_storage.filesystem.dir': bucket,
    'blocks_storage.bucket_store.sync_interval': SYNC_MS,
    'compactor.compaction_interval': 3_600_000,
  })
  try {
    const query = `sum(count_over_time({__name__=~"metric.+"}[${(SAMPLES * STEP_MS) / 1000}s]))`
    const params = { query, time: (GRID_FROM + (SAMPLES - 1) * STEP_MS) / 1000 }
    let isOver = false
    let good = 0
    const asking = Promise.all(
      [0, 1].map(async () => {
        while (!isOver) {
          const answer = await callApi(nilo.queryUrl, 'query', params, { tenant: TENANT })
          // What was deleted without a mark is missed until the next look at the bucket.
          if (answer.httpStatus === 503) continue
          assert.equal(answer.status, 'success', answer.error)
          const { result } = answer.data as { result: { value: [number, string] }[] }
          assert.equal(Number(result[0]?.value[1]), SERIES * SAMPLES)
          good++
        }
      }),
    )
    for (let round = 0; round < ROUNDS; round++) {
      const next = await bring(round % 2 === 0 ? 1 : 2)
      // Seen by the server before the old ones go, as any writer of such buckets sees to.
      await store.env.timers.sleep(SYNC_MS * 6)
      for (const { ulid } of blocks) rmSync(join(bucket, TENANT, ulid), { recursive: true })
      blocks = next
      const before = good
      const deadline = Date.now() + 20_000
      while (good < before + 2) {
        assert.ok(Date.now() < deadline, `no answers in round ${round}`)
        await store.env.timers.sleep(5)
      }
    }
    isOver = true
    await asking
    assert.ok(good >= ROUNDS * 2, `${good} answers`)
    t.diagnostic(`${good} answers over ${ROUNDS} changes`)
  } finally {
    await nilo.stop()
  }
})
