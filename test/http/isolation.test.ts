/**
 * No endpoint for a tenant shows another's labels or values. Walks the endpoint table, so that a new
 * endpoint is tried too; what such an endpoint needs to show anything at all is in `FIELDS`.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ENDPOINTS } from '../../src/http/endpoints.js'
import type { Endpoint } from '../../src/http/handler.js'
import { push } from '../support/remote-write.js'
import { startSystem, type TestSystem } from '../support/system.js'

const NOW = Math.floor(Date.now() / 1000) * 1000
/** In every label, value and help text of the tenant that is spied upon. */
const SECRET = 'sesame'
const VALUE = '424242'
/** Parameters that make any reading endpoint answer with all that there is. */
const FIELDS: readonly [string, string][] = [
  ['query', `{__name__=~".+"}`],
  ['match[]', `{__name__=~".+"}`],
  ['selector', `{__name__=~".+"}`],
  ['label_names[]', '__name__'],
  ['start', String(NOW / 1000 - 600)],
  ['end', String(NOW / 1000)],
  ['time', String(NOW / 1000)],
  ['step', '15'],
]

describe('isolation of tenants', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-isolation-'))
  let running: TestSystem

  before(async () => {
    const file = join(folder, 'runtime.yaml')
    writeFileSync(file, `overrides: {owner: {ha_cluster_label: ${SECRET}}}`)
    running = await startSystem(join(folder, 'data'), {
      'runtime_config.file': [file],
      'tenant_federation.enabled': true,
      'limits.max_global_exemplars_per_user': 100,
      'limits.cardinality_analysis_enabled': true,
    })
    const samples = [[NOW - 15_000, Number(VALUE)] as const, [NOW, Number(VALUE)] as const]
    const labels = { __name__: `${SECRET}_metric`, [`${SECRET}_label`]: `${SECRET} value` }
    const exemplars = [{ labels: { trace: `${SECRET} trace` }, value: 42_424_242, t: NOW }]
    assert.deepEqual(await push(running.pushUrl, [{ labels, samples, exemplars }], 'owner'), {
      status: 200,
      text: '',
    })
    const bad = [{ labels: { ...labels, '1': SECRET }, samples }]
    assert.equal((await push(running.pushUrl, bad, 'owner')).status, 400)
    const mine = [{ labels: { __name__: 'spy_metric' }, samples: [[NOW, 1] as const] }]
    assert.equal((await push(running.pushUrl, mine, 'spy')).status, 200)
  })
  after(async () => {
    await running.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  async function call(endpoint: Endpoint, tenant: string, name: string): Promise<string> {
    const prefix = endpoint.prefix === 'prometheus' ? '/prometheus' : ''
    const path = prefix + endpoint.path.replace(/:name\b/, name).replace(/:(\w+)/g, 'owner')
    const fields = new URLSearchParams(FIELDS)
    const isPost = endpoint.method === 'POST'
    const response = await fetch(`${running.url}${path}${isPost ? '' : `?${fields}`}`, {
      method: endpoint.method,
      headers: { 'X-Scope-OrgID': tenant },
      ...(isPost ? { body: fields } : {}),
    })
    const headers = JSON.stringify([...response.headers])
    return `${response.status} ${headers} ${await response.text()}`
  }

  const isTelling = (text: string): boolean => text.includes(SECRET) || text.includes(VALUE)
  const tenantRows = ENDPOINTS.filter(({ auth }) => auth)

  test('the owner sees its own: the walk would notice', async () => {
    const shown: string[] = []
    for (const endpoint of tenantRows) {
      const text = await call(endpoint, 'owner', `${SECRET}_label`)
      if (isTelling(text)) shown.push(`${endpoint.method} ${endpoint.path}`)
    }
    const least = ['query', 'query_range', 'series', 'labels', 'query_exemplars']
    for (const name of least) {
      assert.ok(shown.includes(`GET /api/v1/${name}`), `${name}: ${shown.join(', ')}`)
      assert.ok(shown.includes(`POST /api/v1/${name}`), `${name}: ${shown.join(', ')}`)
    }
    assert.ok(shown.includes('GET /api/v1/label/:name/values'))
  })

  for (const endpoint of tenantRows) {
    test(`${endpoint.method} ${endpoint.path} tells a stranger nothing`, async () => {
      for (const tenant of ['spy', 'nobody', 'Owner', 'nobody|spy']) {
        for (const name of [`${SECRET}_label`, '__name__']) {
          const text = (await call(endpoint, tenant, name)).replaceAll(name, '')
          assert.ok(!isTelling(text), `${tenant}: ${text}`)
        }
      }
    })
  }

  test('every endpoint that reads or writes data is for a tenant', () => {
    const operators = ENDPOINTS.filter(({ auth }) => !auth).map(({ path }) => path)
    for (const path of operators) {
      assert.ok(
        !/^\/api\/v1\/(?!status\/)/.test(path) && !path.startsWith('/otlp'),
        `${path} asks for no tenant`,
      )
    }
  })
})
