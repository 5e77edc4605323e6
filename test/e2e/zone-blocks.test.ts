/**
 * Blocks where the data lie in three zones: while a zone's directory is gone and its shard does not
 * know it, every answer is whole, from the disks of the others; two lost ones are an error, not less.
 * Deleted series, and a deleted tenant, are gone from all zones at once, and from the bucket.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Config } from '../../src/shared/config/index.js'
import { scratchFolder } from '../support/blocks.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { push } from '../support/remote-write.js'
import { startSystem, type TestSystem } from '../support/system.js'

const MINUTE = 60_000
const MINUTES = 150
const SERIES = 4
const TENANT = 'zoned'

interface World {
  running: TestSystem
  /** The directories of the zones. */
  readonly roots: readonly string[]
  readonly config: Partial<Config>
  readonly from: number
}

/** A server with three zones. */
async function startWorld(folder: string): Promise<World> {
  const roots = [0, 1, 2].map((zone) => join(folder, `zone-${zone}`))
  const config: Partial<Config> = {
    'data.zone_dirs': roots.slice(1),
    'blocks_storage.filesystem.dir': join(folder, 'bucket'),
    'blocks_storage.tsdb.ship_interval': 200,
    'compactor.disabled_tenants': [TENANT],
  }
  const from = Math.floor(Date.now() / MINUTE) * MINUTE - MINUTES * MINUTE
  return { running: await startSystem(roots[0]!, config), roots, config, from }
}

async function fill({ running, from }: World, tenant = TENANT): Promise<void> {
  const batch = Array.from({ length: SERIES }, (_, n) => ({
    labels: { __name__: 'zoned', n: String(n) },
    samples: Array.from({ length: MINUTES }, (_, i) => [from + i * MINUTE, n + i] as const),
  }))
  const pushed = await push(running.pushUrl, batch, tenant)
  assert.equal(pushed.status, 200, pushed.text)
}

async function cut({ running }: World): Promise<void> {
  const flushed = await fetch(`${running.url}/ingester/flush?wait=true`, { method: 'POST' })
  assert.equal(flushed.status, 204)
}

/** Samples of each series, by its `n`; the error of a query that failed. */
async function counts(
  { running, from }: World,
  tenant = TENANT,
): Promise<Record<string, number> | string> {
  const params = { query: `zoned[${MINUTES + 1}m]`, time: from / 1000 + MINUTES * 60 }
  const answer = await callApi(running.queryUrl, 'query', params, { tenant })
  if (answer.status !== 'success') return `${answer.httpStatus} ${answer.error}`
  const found = [...seriesOf(answer.data)].map(([key, points]): [string, number] => {
    return [/n[^0-9]*(\d+)/.exec(key)![1]!, points.size]
  })
  return Object.fromEntries(found.sort())
}

function everySeries(): Record<string, number> {
  return Object.fromEntries(Array.from({ length: SERIES }, (_, n) => [String(n), MINUTES]))
}

test('a zone that has lost its directory takes no answer away; two do, and the error says so', async (t) => {
  const folder = scratchFolder()
  // Files stand where the bucket would have the tenants' blocks: none can be shipped.
  mkdirSync(join(folder, 'bucket'))
  for (const tenant of [TENANT, 'other']) writeFileSync(join(folder, 'bucket', tenant), '')
  const world = await startWorld(folder)
  const { running, roots } = world
  t.after(() => running.stop())
  await fill(world)
  await fill(world, 'other')
  await cut(world)
  const blocksOf = (zone: number) => join(roots[zone]!, 'ingester-0/blocks')
  for (const zone of [0, 1, 2]) assert.ok(existsSync(blocksOf(zone)), `zone ${zone} has blocks`)
  // Nothing has been read: no thread has files open that are gone for others.
  rmSync(blocksOf(1), { recursive: true })
  assert.deepEqual(await counts(world), everySeries())
  const labels = await callApi(running.queryUrl, 'label/n/values', {}, { tenant: TENANT })
  assert.deepEqual([labels.status, labels.data], ['success', ['0', '1', '2', '3']])
  rmSync(blocksOf(2), { recursive: true })
  // Of a tenant whose blocks no thread has open.
  assert.match(String(await counts(world, 'other')), /^503 .*block/)
})

test('series and tenants are deleted in all zones', async (t) => {
  const world = await startWorld(scratchFolder())
  t.after(() => world.running.stop())
  const { roots, config } = world
  await fill(world)
  await fill(world, 'other')
  // Half of it in blocks of each zone, half in the heads.
  await cut(world)
  const batch = [{ labels: { __name__: 'zoned', n: '1' }, samples: [[Date.now(), 1]] as const }]
  assert.equal((await push(world.running.pushUrl, batch, TENANT)).status, 200)
  const form = new URLSearchParams({ 'match[]': 'zoned{n=~"1|3"}' })
  const init = { method: 'POST', headers: { 'X-Scope-OrgID': TENANT } }
  const url = `${world.running.queryUrl}/api/v1/admin/tsdb/delete_series?${form}`
  assert.equal((await fetch(url, init)).status, 204)
  const left = { '0': MINUTES, '2': MINUTES }
  assert.deepEqual(await counts(world), left)
  // Only the bucket is left.
  while (
    ((await world.running.metric('cortex_ingester_oldest_unshipped_block_timestamp_seconds')) ??
      1) !== 0
  ) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await world.running.stop()
  for (const root of roots) rmSync(root, { recursive: true })
  world.running = await startSystem(roots[0]!, config)
  assert.deepEqual(await counts(world), left)
  await fill(world)
  const deleted = await fetch(`${world.running.url}/compactor/delete_tenant`, init)
  assert.equal(deleted.status, 200)
  assert.deepEqual(await counts(world), {})
  assert.deepEqual(await counts(world, 'other'), everySeries())
})
