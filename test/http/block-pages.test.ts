/**
 * Pages about blocks over the whole system with several store-gateways and compactors: rings, tenants,
 * a tenant's blocks with their marks, compactions of all compactors. Answers are whole whatever the
 * number of shards that a tenant is given.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ulidOf } from '../../src/shared/base/ulid.js'
import { nodeDisk } from '../../src/shared/env/node-disk.js'
import { writeBlock } from '../../src/shared/tsdb/index.js'
import { gridSeries, scratchFolder } from '../support/blocks.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { startSystem, type TestSystem } from '../support/system.js'

const HOUR = 3_600_000
const DAY = Date.UTC(2025, 9, 9)
const TENANT = 'pages-(1)'
const SERIES = 10
const SAMPLES = 24

/** Days of two-hour blocks. */
async function writeDays(folder: string, days: number): Promise<void> {
  for (let hour = 0; hour < days * 24; hour += 2) {
    const minTime = DAY + hour * HOUR
    const ulid = ulidOf(minTime, new Uint8Array(10))
    const series = gridSeries({ series: SERIES, from: minTime, stepMs: 300_000, samples: SAMPLES })
    const compaction = { level: 1, sources: [ulid] }
    const maxTime = minTime + 2 * HOUR
    await writeBlock(nodeDisk(), folder, { ulid, minTime, maxTime, compaction, series })
  }
}

async function json<T>(system: TestSystem, path: string): Promise<T> {
  const answer = await fetch(`${system.url}${path}`, { headers: { accept: 'application/json' } })
  assert.equal(answer.status, 200, path)
  return (await answer.json()) as T
}

interface Ring {
  readonly shards: readonly { readonly tokens: readonly number[] }[]
}

interface Listed {
  readonly count: number
  readonly blocks: readonly {
    readonly level: number
    readonly deletion_time?: string
    readonly sources?: readonly string[]
    readonly stats?: { readonly numSamples: number }
    readonly split?: string
  }[]
}

async function countOf(system: TestSystem, hours: number): Promise<number> {
  const query = `sum(count_over_time({__name__=~"metric.+"}[${hours}h]))`
  const time = DAY / 1000 + hours * 3600 - 1
  const answer = await callApi(system.queryUrl, 'query', { query, time }, { tenant: TENANT })
  assert.equal(answer.status, 'success', answer.error)
  return Number([...seriesOf(answer.data).values()].flatMap((points) => [...points.values()])[0])
}

test('rings, tenants and blocks of several store-gateways and compactors', async (t) => {
  const folder = scratchFolder()
  const days = 3
  await writeDays(join(folder, 'blocks', TENANT), days)
  const system = await startSystem(folder, {
    'actors.store_gateways': 3,
    'actors.compactors': 2,
    'limits.store_gateway_tenant_shard_size': 2,
    'compactor.first_level_compaction_wait_period': 0,
  })
  t.after(() => system.stop())
  const whole = SERIES * SAMPLES * 12 * days
  assert.equal(await countOf(system, 24 * days), whole)
  assert.deepEqual(await json(system, '/store-gateway/tenants'), { tenants: [TENANT] })
  assert.deepEqual(await json(system, '/compactor/tenants'), { tenants: [TENANT] })
  for (const name of ['..%2Fother', '..', 'a%2Fb', '%zz', 'a b']) {
    for (const page of [
      `/store-gateway/tenant/${name.replace('..', '%2e%2e')}/blocks`,
      `/compactor/tenant/${name.replace('..', '%2e%2e')}/planned_jobs`,
    ]) {
      const { status } = await fetch(`${system.url}${page}`)
      assert.ok(status === 400 || status === 404, `${page}: ${status}`)
    }
  }
  const gateways = await json<Ring>(system, '/store-gateway/ring')
  // Of three shards the tenant is given two; those that nobody asks have not started.
  assert.ok(gateways.shards.length >= 1 && gateways.shards.length <= 3)
  assert.ok(gateways.shards.every(({ tokens }) => tokens.length === 512))
  const path = `/store-gateway/tenant/${encodeURIComponent(TENANT)}/blocks`
  for (;;) {
    assert.equal(await countOf(system, 24 * days), whole)
    const { blocks } = await json<Listed>(system, path)
    if (blocks.length === days && blocks.every(({ level }) => level === 3)) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const all = await json<Listed>(system, `${path}?show_deleted=on&show_sources=on&split_count=4`)
  const marked = all.blocks.filter(({ deletion_time }) => deletion_time !== undefined)
  assert.equal(marked.length, days * (12 + 2))
  assert.equal(all.blocks.length, all.count)
  for (const { deletion_time, sources, stats, split } of all.blocks) {
    assert.match(split!, /^[1-4]_of_4$/)
    if (deletion_time !== undefined) continue
    assert.equal(sources!.length, 12)
    assert.equal(stats!.numSamples, 12 * SERIES * SAMPLES)
  }
  const { jobs } = await json<{
    jobs: { state: string; compactor: number; started: number }[]
  }>(system, '/debug/compactions')
  assert.equal(jobs.filter(({ state }) => state === 'done').length, days * 3)
  assert.deepEqual(
    jobs.map(({ started }) => started),
    jobs.map(({ started }) => started).sort((a, b) => b - a),
  )
  const compactors = await json<Ring>(system, '/compactor/ring')
  assert.deepEqual(
    compactors.shards.map(({ tokens }) => tokens.length),
    [512, 512],
  )
  const page = await (await fetch(`${system.url}${path}`)).text()
  assert.match(page, /<h1>Blocks of pages-\(1\)<\/h1>/)
  const tenants = await (await fetch(`${system.url}/store-gateway/tenants`)).text()
  assert.ok(tenants.includes(`href="${path}"`), tenants)
})
