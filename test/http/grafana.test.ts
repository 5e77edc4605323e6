/**
 * What Grafana's Prometheus data source asks on "save & test", in its query builder and in Explore,
 * over HTTP and a real querier and head.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { labelsOf } from '../../src/shared/model/labels.js'
import { createFakeEnv } from '../support/fake-env.js'
import { createTestQuerier, poolOf, TestShard } from '../support/querier.js'
import { ask, form, startFront, type TestFront } from './support.js'

const API = '/prometheus/api/v1'
/** The fake clock's present: what an instant query without a time is about. */
const NOW_S = 1_700_000_000

describe('a Grafana data source', () => {
  let front: TestFront

  before(async () => {
    const shard = new TestShard()
    for (const job of ['node', 'prometheus']) {
      const up = labelsOf({ __name__: 'up', job, instance: 'localhost:9090' })
      const requests = labelsOf({ __name__: 'http_requests_total', job, code: '200' })
      for (let s = -600; s <= 0; s += 15) {
        shard.append('anonymous', up, [(NOW_S + s) * 1000, 1])
        shard.append('anonymous', requests, [(NOW_S + s) * 1000, 600 + s])
      }
    }
    shard.metadata.push({ metric: 'up', type: 'gauge', help: 'Whether it is up.', unit: '' })
    front = await startFront({}, poolOf(createTestQuerier(createFakeEnv(), [shard])))
  })
  after(() => front.server.drain())

  const dataOf = (body: string) => {
    const { status, data } = JSON.parse(body)
    assert.equal(status, 'success', body)
    return data
  }

  test('saves and tests', async () => {
    const health = await ask(front.port, `${API}/query`, form({ query: '1+1', time: '4' }))
    assert.deepEqual(dataOf(health.body), { resultType: 'scalar', result: [4, '2'] })
    const build = await ask(front.port, `${API}/status/buildinfo`)
    assert.equal(dataOf(build.body).application, 'Grafana Mimir')
  })

  test('fills its query builder', async () => {
    const range = `start=${NOW_S - 3600}&end=${NOW_S}`
    const metrics = await ask(front.port, `${API}/label/__name__/values?${range}`)
    assert.deepEqual(dataOf(metrics.body), ['http_requests_total', 'up'])
    const selector = encodeURIComponent('{__name__="http_requests_total"}')
    const names = await ask(front.port, `${API}/labels?${range}&match[]=${selector}`)
    assert.deepEqual(dataOf(names.body), ['__name__', 'code', 'job'])
    const posted = await ask(front.port, `${API}/labels`, form({ 'match[]': 'up' }))
    assert.deepEqual(dataOf(posted.body), ['__name__', 'instance', 'job'])
    const jobs = await ask(front.port, `${API}/label/job/values?${range}&match[]=up`)
    assert.deepEqual(dataOf(jobs.body), ['node', 'prometheus'])
    const series = await ask(front.port, `${API}/series`, form({ 'match[]': 'up{job="node"}' }))
    const one = [{ __name__: 'up', instance: 'localhost:9090', job: 'node' }]
    assert.deepEqual(dataOf(series.body), one)
    const metadata = await ask(front.port, `${API}/metadata?limit_per_metric=1`)
    const entry = { type: 'gauge', help: 'Whether it is up.', unit: '' }
    assert.deepEqual(dataOf(metadata.body), { up: [entry] })
  })

  test('explores', async () => {
    const fields = { query: 'sum by (job) (delta(http_requests_total[1m]) >= bool 0)' }
    const times = { start: `${NOW_S - 60}`, end: `${NOW_S}`, step: '15s' }
    const graph = await ask(front.port, `${API}/query_range`, form({ ...fields, ...times }))
    const { resultType, result } = dataOf(graph.body)
    assert.equal(resultType, 'matrix')
    assert.equal(result.length, 2)
    const points = [-60, -45, -30, -15, 0].map((s) => [NOW_S + s, '1'])
    assert.deepEqual(result[0], { metric: { job: 'node' }, values: points })
    const table = await ask(front.port, `${API}/query`, form({ query: 'up{job=~"no.*"}' }))
    const metric = { __name__: 'up', instance: 'localhost:9090', job: 'node' }
    const vector = { resultType: 'vector', result: [{ metric, value: [NOW_S, '1'] }] }
    assert.deepEqual(dataOf(table.body), vector)
    const formatted = await ask(front.port, `${API}/format_query?query=up%2B1`)
    assert.equal(dataOf(formatted.body), 'up + 1')
  })

  test('takes its answers gzipped', async () => {
    const query = encodeURIComponent('{job=~".+"}[10m]')
    const headers = { 'accept-encoding': 'gzip' }
    const answer = await ask(front.port, `${API}/query?query=${query}`, { headers })
    assert.equal(answer.headers['content-encoding'], 'gzip')
    const text = gunzipSync(Buffer.from(answer.body, 'latin1')).toString()
    assert.equal(dataOf(text).result.length, 4)
    assert.equal(dataOf(text).result[0].values.length, 40)
  })

  test('is told what is wrong with a query', async () => {
    const answer = await ask(front.port, `${API}/query`, form({ query: 'sum(up' }))
    assert.equal(answer.status, 400)
    const error = 'invalid parameter "query": 1:7: parse error: unclosed left parenthesis'
    assert.deepEqual(JSON.parse(answer.body), { status: 'error', errorType: 'bad_data', error })
  })

  test('finds no rules, and is told so in JSON', async () => {
    const answer = await ask(front.port, `${API}/rules`)
    assert.equal(answer.status, 404)
    assert.equal(JSON.parse(answer.body).status, 'error')
  })
})
