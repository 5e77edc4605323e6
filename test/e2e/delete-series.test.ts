/**
 * Deleting series of a running server: what is in heads, in local blocks and in the bucket is gone at
 * once and stays away over kills, shipping, compaction and the loss of the local directory; what is
 * pushed afterwards shows.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findComponent, startPrometheus } from '../support/components.js'
import { type Nilo, startNilo } from '../support/nilo.js'
import { waitFor } from '../support/processes.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { push } from '../support/remote-write.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const SERIES = 10
const TENANT = 'deleting'

interface World {
  server: Nilo
  readonly from: number
  readonly to: number
}

/** Times of a series' samples, minutes since `from`. */
async function timesOf({ server, from, to }: World, n: number): Promise<number[]> {
  const query = `deleted{n="${n}"}[${to - from + 30 * MINUTE}ms]`
  const params = { query, time: (to + 20 * MINUTE) / 1000 }
  const answer = await callApi(server.queryUrl, 'query', params, { tenant: TENANT })
  assert.equal(answer.status, 'success', answer.error)
  const [points = new Map<number, string>()] = seriesOf(answer.data).values()
  return [...points.keys()].map((time) => Math.round((time * 1000 - from) / MINUTE))
}

async function remove(
  { server }: World,
  params: Record<string, string | number>,
  method = 'POST',
): Promise<{ status: number; body: string }> {
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) form.set(name, String(value))
  const headers = { 'X-Scope-OrgID': TENANT, 'Content-Type': 'application/x-www-form-urlencoded' }
  const url = `${server.queryUrl}/api/v1/admin/tsdb/delete_series`
  const answer = await fetch(url, { method, headers, body: form.toString() })
  return { status: answer.status, body: await answer.text() }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

test('deleted series are gone at once and for good; what comes later stays', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-delete-'))
  const data = join(folder, 'data')
  const flags = [
    `-blocks-storage.filesystem.dir=${join(folder, 'bucket')}`,
    '-blocks-storage.tsdb.head-compaction-interval=1s',
    '-blocks-storage.tsdb.ship-interval=200ms',
    '-compactor.compaction-interval=1h',
    '-compactor.first-level-compaction-wait-period=0s',
  ]
  const to = Math.floor((Date.now() - 10 * MINUTE) / MINUTE) * MINUTE
  const world: World = { server: await startNilo(data, flags), from: to - 5 * HOUR, to }
  const { from } = world
  t.after(async () => {
    await world.server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const pushAt = async (at: number, only?: number): Promise<void> => {
    const numbers = only === undefined ? range(0, SERIES) : [only]
    const batch = numbers.map((n) => ({
      labels: { __name__: 'deleted', n: String(n) },
      samples: [[at, at / MINUTE + n]] as const,
    }))
    const pushed = await push(world.server.pushUrl, batch, TENANT)
    assert.equal(pushed.status, 200, pushed.text)
  }
  const restart = async (): Promise<void> => {
    await world.server.stop('SIGKILL')
    world.server = await startNilo(data, flags)
  }
  for (let at = from; at < to; at += MINUTE) await pushAt(at)
  const all = range(0, 300)
  await waitFor('a block', world.server, async () => {
    const blocks = join(data, 'ingester-0/blocks', TENANT)
    return existsSync(blocks) && readdirSync(blocks).length > 0 ? true : undefined
  })
  // Some is in blocks now, the rest in the head.
  const dry = await remove(world, { 'match[]': 'deleted{n="1"}', dry_run: 'true' })
  assert.equal(dry.status, 200, dry.body)
  const { data: told } = JSON.parse(dry.body) as {
    data: { series_in_heads: number; blocks: { series: number; chunks: number }[] }
  }
  assert.equal(told.series_in_heads, 1)
  assert.ok(told.blocks.length > 0 && told.blocks.every(({ series }) => series === 1), dry.body)
  assert.deepEqual(await timesOf(world, 1), all)

  const gone = { start: (from + 30 * MINUTE) / 1000, end: (to - 20 * MINUTE) / 1000 }
  const left = [...range(0, 30), ...range(281, 300)]
  assert.deepEqual(await remove(world, { 'match[]': 'deleted{n=~"1|2"}', ...gone }), {
    status: 204,
    body: '',
  })
  const check = async (more: readonly number[] = []): Promise<void> => {
    assert.deepEqual(await timesOf(world, 1), left)
    assert.deepEqual(
      await timesOf(world, 2),
      [...left, ...more].sort((a, b) => a - b),
    )
    assert.deepEqual(await timesOf(world, 3), all)
  }
  await check()
  // A sender that is behind the others: all is in blocks, and it is taken all the same.
  await pushAt(to - 40 * MINUTE, 2)
  const late = [260]
  await check(late)
  await restart()
  await check(late)

  // Into the bucket, and from there alone.
  const flushed = await fetch(`${world.server.url}/ingester/flush?wait=true`, { method: 'POST' })
  assert.equal(flushed.status, 204)
  await check(late)
  await waitFor('all is shipped', world.server, async () => {
    const metrics = await (await fetch(`${world.server.url}/metrics`)).text()
    const shipped = /^cortex_ingester_shipper_uploads_total (\d+)$/m.exec(metrics)?.[1]
    const oldest = /^cortex_ingester_oldest_unshipped_block_timestamp_seconds (\S+)$/m.exec(metrics)
    return Number(shipped) > 0 && oldest?.[1] === '0' ? true : undefined
  })
  const whole = { 'match[]': 'deleted{n="4"}' }
  assert.equal((await remove(world, whole, 'PUT')).status, 204)
  await world.server.stop('SIGKILL')
  rmSync(data, { recursive: true })
  flags[3] = '-compactor.compaction-interval=1s'
  world.server = await startNilo(data, flags)
  await waitFor('the bucket', world.server, async () => {
    return (await timesOf(world, 3)).length > 0 ? true : undefined
  })
  await check(late)
  assert.deepEqual(await timesOf(world, 4), [])

  // Compaction leaves it out for good.
  await waitFor('the compaction', world.server, async () => {
    const metrics = await (await fetch(`${world.server.url}/metrics`)).text()
    const done = /^cortex_compactor_group_compactions_total (\d+)$/m.exec(metrics)?.[1]
    return Number(done) > 0 ? true : undefined
  })
  await check(late)
  assert.deepEqual(await timesOf(world, 4), [])
  const url = `${world.server.queryUrl}/api/v1/admin/tsdb/clean_tombstones`
  const cleaned = await fetch(url, { method: 'POST', headers: { 'X-Scope-OrgID': TENANT } })
  assert.equal(cleaned.status, 204)
  await check(late)
})

test('delete_series answers bad requests as Prometheus does', async (t) => {
  const prometheus = findComponent(t, 'prometheus')
  if (prometheus === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'nilo-delete-'))
  const nilo = await startNilo(join(folder, 'nilo'))
  const server = await startPrometheus({
    binary: prometheus,
    folder: join(folder, 'prometheus'),
    config: () => '',
    flags: ['--web.enable-admin-api'],
  })
  t.after(async () => {
    await nilo.stop('SIGKILL')
    await server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const ask = async (base: string, query: string): Promise<string> => {
    const url = `${base}/api/v1/admin/tsdb/delete_series?${query}`
    const answer = await fetch(url, { method: 'POST', headers: { 'X-Scope-OrgID': TENANT } })
    return `${query}: ${answer.status} ${(await answer.text()).trim()}`
  }
  const match = (text: string): string => `match[]=${encodeURIComponent(text)}`
  const queries = [
    '',
    'start=x',
    ...['', '{', '{}', '{a=""}', 'a+b', 'a[5m]', 'rate(a[5m])', '{a=~"("}', 'a{b="c"', '"a'].map(
      match,
    ),
    `${match('a')}&${match('{')}`,
    ...['start=x', 'end=x', 'start=', 'end=', 'start=5&end=3', 'start=1e99'].map(
      (more) => `${match('a')}&${more}`,
    ),
    `${match('{')}&end=x`,
  ]
  for (const query of queries) {
    assert.equal(await ask(nilo.queryUrl, query), await ask(server.url, query))
  }
  // Prometheus takes it for a time.
  assert.match(await ask(nilo.queryUrl, `${match('a')}&end=NaN`), / 400 /)
  assert.match(await ask(nilo.queryUrl, `${match('a')}&dry_run=x`), / 400 .*dry_run/)
})
