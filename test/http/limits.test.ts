/**
 * Every limit and every check of a push over HTTP: status, id, text, counter, and what of the request
 * was stored. A row is a tenant of its own, with overrides of its own, in one running system. Each
 * request holds a good series beside the bad one, which must be there afterwards (or must not).
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { callApi, seriesOf } from '../support/prom-api.js'
import { sendBody } from '../support/remote-write.js'
import { startSystem, type TestSystem } from '../support/system.js'
import { type RawSeries, rawBody } from '../support/write-request.js'
import { CASES, NOW } from './limit-cases.js'

describe('limits and checks of pushes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-limits-'))
  const file = join(folder, 'runtime.yaml')
  let running: TestSystem

  const overridesOf = (changes: Readonly<Record<string, string>> = {}): string => {
    const rows = Object.entries(CASES).map(([name, { limits = '{}' }]) => {
      const block = changes[name] ?? limits
      return `  ${name}: ${block.startsWith('{') ? block : `{${block}}`}`
    })
    return `overrides:\n${rows.join('\n')}\n`
  }

  before(async () => {
    writeFileSync(file, overridesOf())
    running = await startSystem(join(folder, 'data'), {
      'runtime_config.file': [file],
      'runtime_config.period': 20,
      'distributor.ha_tracker.enable_ha_tracker': true,
    })
  })
  after(async () => {
    await running.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const countOf = async (query: string, tenant: string): Promise<number> => {
    const params = { query: `count(${query})`, time: NOW / 1000 + 1 }
    const answer = await callApi(running.queryUrl, 'query', params, { tenant })
    assert.equal(answer.status, 'success', JSON.stringify(answer))
    return Number([...seriesOf(answer.data).values()][0]?.values().next().value ?? 0)
  }

  for (const [name, row] of Object.entries(CASES)) {
    test(name, async () => {
      if (row.first !== undefined) {
        const first = await sendBody(running.pushUrl, rawBody(row.first), name)
        assert.deepEqual(first, { status: 200, text: '' })
      }
      const { status, text } = await sendBody(running.pushUrl, rawBody(row.request), name)
      assert.equal(status, row.status, text)
      if (row.id === undefined) assert.equal(text, '')
      else assert.ok(text.includes(`(err-mimir-${row.id})`), text)
      if (row.text !== undefined) assert.match(text, row.text)
      if (row.reason !== undefined) {
        const metric = row.metric ?? 'cortex_discarded_samples_total'
        const value = await running.metric(metric, { reason: row.reason, user: name })
        assert.equal(value, row.count ?? 1, `${metric} ${row.reason}`)
      }
      const isAbsent = (row.request.series ?? []).every((series) => !isGood(series))
      assert.equal(await countOf('good', name), row.good ?? (isAbsent ? 0 : 1), 'good series')
      assert.equal(await countOf('bad', name), row.bad ?? 0, 'bad series')
      if (row.query !== undefined) assert.equal(await countOf(row.query, name), row.bad, row.query)
    })
  }

  test('every refusal is shown to its tenant, with its reason', async () => {
    const headers = { 'X-Scope-OrgID': 'label-invalid' }
    const response = await fetch(`${running.url}/api/v1/rejected`, { headers })
    const { data } = (await response.json()) as {
      data: { discarded_samples: unknown; rejections: { id: string; status: number }[] }
    }
    assert.deepEqual(data.discarded_samples, { label_invalid: 1 })
    assert.deepEqual(
      data.rejections.map(({ id, status }) => [id, status]),
      [['err-mimir-label-invalid', 400]],
    )
    const page = await (await fetch(`${running.url}/distributor/rejected`)).text()
    assert.match(page, /max-series-per-user/)
  })

  test('each tenant has its figures, and the operator all of them', async () => {
    const headers = { 'X-Scope-OrgID': 'drop-labels' }
    const own = (await (await fetch(`${running.url}/api/v1/user_stats`, { headers })).json()) as {
      numSeries: number
    }
    assert.equal(own.numSeries, 2)
    const json = { accept: 'application/json' }
    const all = (await (
      await fetch(`${running.url}/distributor/all_user_stats`, { headers: json })
    ).json()) as { userID: string; numSeries: number }[]
    assert.equal(all.find(({ userID }) => userID === 'drop-labels')?.numSeries, 2)
    assert.equal(all.length, Object.keys(CASES).length)
    const ring = (await (
      await fetch(`${running.url}/ingester/ring`, { headers: json })
    ).json()) as { shards: { id: string; state: string; tokens: number[] }[] }
    assert.deepEqual(
      ring.shards.map(({ id, state, tokens }) => [id, state, tokens.length > 0]),
      [['ingester-0', 'ACTIVE', true]],
    )
    for (const path of ['/distributor/all_user_stats', '/ingester/tenants', '/ingester/ring']) {
      const page = await fetch(`${running.url}${path}`)
      assert.match(await page.text(), /<table>/, path)
    }
  })

  test('bad lines of a text push are left out, told and counted; the others are stored', async () => {
    const headers = { 'X-Scope-OrgID': 'text' }
    const body = 'good 1\nbad{ 3\nbad x\ngood{a="b"} 2\n'
    const response = await fetch(`${running.url}/api/v1/import/prometheus?timestamp=${NOW}`, {
      method: 'POST',
      headers,
      body,
    })
    assert.equal(response.status, 400)
    const told = await response.text()
    assert.match(told, /^line 2: .*; 2 lines are left out \(text_parse_error\)/)
    assert.equal(await countOf('good', 'text'), 2)
    const discarded = 'cortex_discarded_samples_total'
    assert.equal(await running.metric(discarded, { reason: 'text_parse_error', user: 'text' }), 2)
    const rejected = await fetch(`${running.url}/api/v1/rejected`, { headers })
    const { data } = (await rejected.json()) as {
      data: { rejections: { reason: string; text: string }[] }
    }
    assert.deepEqual(
      data.rejections.map(({ reason, text }) => [reason, text]),
      [['text_parse_error', told.trimEnd()]],
    )
  })

  test('a raised limit is in force without a restart, for series that were refused too', async () => {
    writeFileSync(file, overridesOf({ 'max-series-per-user': 'max_global_series_per_user: 4' }))
    const deadline = Date.now() + 10_000
    while (running.system.runtime.limits.version() < 2 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const name = 'max-series-per-user'
    const { request } = CASES[name]!
    let answer = await sendBody(running.pushUrl, rawBody(request), name)
    // Each thread takes it with the next message that it reads.
    while (answer.status !== 200 && Date.now() < deadline) {
      assert.equal(answer.status, 400, answer.text)
      answer = await sendBody(running.pushUrl, rawBody(request), name)
    }
    assert.deepEqual(answer, { status: 200, text: '' })
    assert.equal(await countOf('bad', name), 3)
  })

  function isGood(series: RawSeries): boolean {
    return series.labels.some(([, value]) => value === 'good')
  }
})
