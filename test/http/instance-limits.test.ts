/** Limits of the process, which no tenant can be given more of: status, id, and what was stored. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { remoteWriteBody, sendBody } from '../support/remote-write.js'
import { startSystem, type TestSystem } from '../support/system.js'

describe('limits of the process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-instance-'))
  let running: TestSystem
  const push = async (tenant: string, ...names: string[]) => {
    const now = Date.now()
    const series = names.map((name) => ({
      labels: { __name__: name },
      samples: [[now, 1] as [number, number]],
    }))
    return await sendBody(running.pushUrl, remoteWriteBody(series), tenant)
  }
  const post = async (path: string, body: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${running.url}${path}`, { method: 'POST', body, headers })
    return { status: answer.status, text: await answer.text() }
  }

  before(async () => {
    running = await startSystem(join(folder, 'data'), {
      'ingester.instance_limits.max_series': 3,
      'ingester.instance_limits.max_tenants': 2,
      'distributor.max_otlp_request_size': 200,
      'distributor.max_influx_request_size': 200,
      'distributor.max_recv_msg_size': 2_000,
      'distributor.influx_endpoint_enabled': true,
    })
  })
  after(async () => {
    await running.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('series beyond the process\u2019 are refused with 503, known ones go on', async () => {
    assert.equal((await push('one', 'a', 'b', 'c')).status, 200)
    const refused = await push('one', 'd')
    assert.equal(refused.status, 503)
    assert.match(
      refused.text,
      /err-mimir-ingester-max-series.*-ingester\.instance-limits\.max-series/,
    )
    assert.equal((await push('one', 'a', 'b', 'c')).status, 200)
  })

  test('a tenant beyond the process\u2019 is refused with 503', async () => {
    // It has its place, though no series.
    await push('two', 'a')
    const refused = await push('three', 'a')
    assert.equal(refused.status, 503)
    assert.match(
      refused.text,
      /err-mimir-ingester-max-tenants.*-ingester\.instance-limits\.max-tenants/,
    )
  })

  test('bodies that are too large are 400 for remote write, 413 for the others', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `series_with_a_long_name_${i}`)
    const written = await push('one', ...names)
    assert.equal(written.status, 400)
    assert.match(written.text, /err-mimir-distributor-max-write-message-size/)
    const json = { 'content-type': 'application/json', 'X-Scope-OrgID': 'one' }
    const otlp = await post('/otlp/v1/metrics', JSON.stringify({ x: 'x'.repeat(300) }), json)
    assert.equal(otlp.status, 413)
    assert.match(otlp.text, /err-mimir-distributor-max-otlp-request-size/)
    const influx = await post('/api/v1/push/influx/write', 'm,t=x v=1\n'.repeat(50), {
      'X-Scope-OrgID': 'one',
    })
    assert.equal(influx.status, 413)
    assert.match(influx.text, /err-mimir-distributor-max-influx-request-size/)
  })

  test('an encoding that is not understood is 415, and the answer names those that are', async () => {
    for (const encoding of ['compress', 'br']) {
      const answer = await post('/otlp/v1/metrics', '{}', {
        'content-type': 'application/json',
        'content-encoding': encoding,
        'X-Scope-OrgID': 'one',
      })
      assert.equal(answer.status, 415)
      assert.match(answer.text, new RegExp(`${encoding}.*gzip.*zstd`))
    }
  })
})
