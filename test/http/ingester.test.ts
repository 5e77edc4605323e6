/** Mimir's ring pages and endpoints of ingesters, and the page of usage, on a real server. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { remoteWriteBody, sendBody } from '../support/remote-write.js'
import { startSystem, type TestSystem } from '../support/system.js'

const JSON_ACCEPT = { accept: 'application/json' }

describe('the operator’s pages of ingesters', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-ingester-'))
  const data = join(folder, 'data')
  let running: TestSystem
  const call = (path: string, init: RequestInit = {}) => fetch(`${running.url}${path}`, init)
  const push = async (name: string) => {
    const series = [
      { labels: { __name__: name }, samples: [[Date.now(), 1]] as [number, number][] },
    ]
    return await sendBody(running.pushUrl, remoteWriteBody(series), 'acme')
  }

  before(async () => {
    running = await startSystem(data, { 'actors.ingester_shards': 2 })
    assert.equal((await push('one')).status, 200)
    assert.equal((await push('two')).status, 200)
  })
  after(async () => {
    await running.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('a member that is forgotten registers again', async () => {
    const shards = async () => {
      const answer = await call('/ingester/ring', { headers: JSON_ACCEPT })
      return ((await answer.json()) as { shards: { id: string; registered_timestamp: string }[] })
        .shards
    }
    const [first] = await shards()
    assert.equal(first!.id, 'ingester-0')
    const form = {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams('forget=ingester-0'),
    }
    const answer = await call('/ingester/ring', form as RequestInit)
    assert.deepEqual([answer.status, answer.headers.get('location')], [302, '/ingester/ring'])
    let found = await shards()
    while (found.length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      found = await shards()
    }
    assert.ok(found[0]!.registered_timestamp > first!.registered_timestamp)
    const unknown = new URLSearchParams('forget=ingester-9')
    assert.equal((await call('/ingester/ring', { method: 'POST', body: unknown })).status, 404)
    assert.match(await (await call('/ingester/ring')).text(), /name="forget" value="ingester-1"/)
    assert.equal(
      await running.metric('cortex_ring_members', { name: 'ingester', state: 'ACTIVE' }),
      2,
    )
  })

  test('a prepared shutdown is noted on disk, of ingesters and of store-gateways', async () => {
    for (const [kind, file] of [
      ['ingester', 'shutdown-requested.txt'],
      ['store-gateway', 'store-gateway-shutdown-requested.txt'],
    ] as const) {
      const path = `/${kind}/prepare-shutdown`
      const state = async () => await (await call(path)).text()
      assert.equal(await state(), 'unset\n')
      assert.equal((await call(path, { method: 'POST' })).status, 204)
      assert.equal(await state(), 'set\n')
      assert.ok(existsSync(join(data, file)))
      assert.equal((await call(path, { method: 'DELETE' })).status, 204)
      assert.equal(await state(), 'unset\n')
      assert.ok(!existsSync(join(data, file)))
    }
  })

  test('unregister-on-shutdown is kept as it is put', async () => {
    const path = '/ingester/unregister-on-shutdown'
    const read = async (init?: RequestInit) => {
      const answer = await call(path, init)
      return answer.status === 200 ? await answer.json() : answer.status
    }
    assert.deepEqual(await read(), { unregister: true })
    assert.deepEqual(await read({ method: 'PUT', body: '{"unregister": false}' }), {
      unregister: false,
    })
    assert.deepEqual(await read(), { unregister: false })
    for (const body of ['no', '{}', 'null']) assert.equal(await read({ method: 'PUT', body }), 400)
    assert.deepEqual(await read({ method: 'DELETE' }), { unregister: true })
  })

  test('writes are switched off and on; what is read goes on', async () => {
    const path = '/ingester/prepare-instance-ring-downscale'
    assert.deepEqual(await (await call(path)).json(), { timestamp: 0 })
    const since = (await (await call(path, { method: 'POST' })).json()) as { timestamp: number }
    assert.ok(Math.abs(since.timestamp - Date.now() / 1000) < 60)
    assert.equal((await push('three')).status, 501)
    const ring = await (await call('/ingester/ring', { headers: JSON_ACCEPT })).json()
    assert.equal((ring as { shards: { read_only: boolean }[] }).shards[0]!.read_only, true)
    const headers = { 'X-Scope-OrgID': 'acme' }
    assert.equal((await call('/prometheus/api/v1/query?query=one', { headers })).status, 200)
    await call(path, { method: 'DELETE' })
    assert.equal((await push('three')).status, 200)
  })

  test('the head of a tenant is shown', async () => {
    const status = (await (await call('/ingester/tsdb/acme', { headers: JSON_ACCEPT })).json()) as {
      headStats: { numSeries: number }
    }
    assert.equal(status.headStats.numSeries, 3)
    assert.match(await (await call('/ingester/tsdb/acme')).text(), /<td>series<\/td><td>3<\/td>/)
    assert.equal((await call('/ingester/tsdb/nobody')).status, 404)
    const headers = { 'X-Scope-OrgID': 'acme' }
    const metrics = await (await call('/ingester/tsdb_metrics', { headers })).text()
    assert.match(metrics, /^prometheus_tsdb_head_series 3$/m)
    const other = await (
      await call('/ingester/tsdb_metrics', { headers: { 'X-Scope-OrgID': 'other' } })
    ).text()
    assert.match(other, /^prometheus_tsdb_head_series 0$/m)
    assert.doesNotMatch(other, /min_time/)
  })

  test('usage of each tenant stands on one page', async () => {
    const { tenants } = (await (
      await call('/distributor/usage', { headers: JSON_ACCEPT })
    ).json()) as { tenants: Record<string, string | number>[] }
    const acme = tenants.find(({ tenant }) => tenant === 'acme')!
    assert.deepEqual([acme['series'], acme['samples_received'], acme['queries']], [3, 3, 4])
    assert.match(await (await call('/distributor/usage')).text(), /<td>acme<\/td>/)
  })

  test('a shutdown is asked for once the heads are cut', async () => {
    assert.equal((await call('/ingester/shutdown', { method: 'POST' })).status, 204)
    while (running.stops.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const headers = { 'X-Scope-OrgID': 'acme' }
    const answer = await call('/prometheus/api/v1/query?query=one', { headers })
    const { data: found } = (await answer.json()) as { data: { result: unknown[] } }
    assert.equal(found.result.length, 1, 'out of a block')
  })
})
