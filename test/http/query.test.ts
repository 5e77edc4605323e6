import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, beforeEach, describe, test } from 'node:test'
import { CANCEL_CLIENT } from '../../src/actors/querier/contract.js'
import { MAX_TIME_MS, MIN_TIME_MS } from '../../src/http/params.js'
import { fail } from '../../src/shared/errors/index.js'
import { answerOf, ask, form, startFront, type TestFront, until } from './support.js'

const API = '/prometheus/api/v1'

describe('the query API', () => {
  let front: TestFront
  before(async () => {
    front = await startFront({ formBytesMax: 2000 })
  })
  beforeEach(() => {
    front.pool.tasks.length = 0
    front.pool.answer = async () => answerOf('{"status":"success","data":[]}')
  })
  after(() => front.server.drain())

  const now = 1_700_000_000_000
  const range = { mint: MIN_TIME_MS, maxt: MAX_TIME_MS, limit: 0 }
  const good = [
    {
      path: '/query?query=up',
      query: { kind: 'query', text: 'up', atMs: now, lookbackMs: 0, limit: 0 },
    },
    {
      path: '/query?query=up&time=1435781451.781&limit=3&lookback_delta=1m30s&timeout=5s',
      query: { kind: 'query', text: 'up', atMs: 1435781451781, lookbackMs: 90_000, limit: 3 },
    },
    {
      path: '/query?query=up&time=2015-07-01T20:10:51.781%2B02:00',
      query: { kind: 'query', text: 'up', atMs: 1435774251781, lookbackMs: 0, limit: 0 },
    },
    {
      path: '/query_range?query=up&start=0&end=100.5&step=0.5',
      query: {
        kind: 'query-range',
        text: 'up',
        startMs: 0,
        endMs: 100_500,
        stepMs: 500,
        lookbackMs: 0,
        limit: 0,
      },
    },
    {
      path: '/query_range?query=up&start=1970-01-01T00:00:00Z&end=1970-01-01T01:00:00Z&step=1m',
      query: {
        kind: 'query-range',
        text: 'up',
        startMs: 0,
        endMs: 3_600_000,
        stepMs: 60_000,
        lookbackMs: 0,
        limit: 0,
      },
    },
    {
      path: '/query_range?query=up&start=0&end=11000&step=1',
      query: {
        kind: 'query-range',
        text: 'up',
        startMs: 0,
        endMs: 11_000_000,
        stepMs: 1000,
        lookbackMs: 0,
        limit: 0,
      },
    },
    {
      path: '/series?match[]=up&match[]={a="b"}&start=1&end=2&limit=5',
      query: { kind: 'series', matchers: ['up', '{a="b"}'], mint: 1000, maxt: 2000, limit: 5 },
    },
    { path: '/labels', query: { kind: 'label-names', matchers: [], ...range } },
    {
      path: '/label/job/values?match[]=up',
      query: { kind: 'label-values', name: 'job', matchers: ['up'], ...range },
    },
    {
      path: '/label/U__http_2e_status__code/values',
      query: { kind: 'label-values', name: 'http.status_code', matchers: [], ...range },
    },
    {
      path: '/label/U__bad_zz_/values',
      query: { kind: 'label-values', name: 'U__bad_zz_', matchers: [], ...range },
    },
    {
      path: '/label/%F0%9F%98%80%2Fx/values',
      query: { kind: 'label-values', name: '😀/x', matchers: [], ...range },
    },
    {
      path: '/metadata?metric=up&limit=2&limit_per_metric=1',
      query: { kind: 'metadata', metric: 'up', limit: 2, limitPerMetric: 1 },
    },
    { path: '/metadata', query: { kind: 'metadata', metric: '', limit: -1, limitPerMetric: -1 } },
    { path: '/format_query?query=1%2B1', query: { kind: 'format-query', text: '1+1' } },
    { path: '/parse_query?query=1%2B1', query: { kind: 'parse-query', text: '1+1' } },
    {
      path: '/query_exemplars?query=up&start=1&end=2',
      query: { kind: 'exemplars', text: 'up', mint: 1000, maxt: 2000 },
    },
  ]
  for (const { path, query } of good) {
    test(`GET ${path}`, async () => {
      const answer = await ask(front.port, encodeURI(API + path).replaceAll('%25', '%'))
      assert.equal(answer.status, 200, answer.body)
      assert.equal(answer.headers['content-type'], 'application/json')
      assert.match(String(answer.headers['server-timing']), /^querier_wall_time;dur=1\.000, /)
      assert.deepEqual(
        front.pool.tasks.map((task) => task.query),
        [query],
      )
    })
  }

  test('times are told in milliseconds with three decimals', async () => {
    const times = [0, 0.0004, 0.0996, 0.12345, 7, 12.05, 1_234.5678]
    const told: string[] = []
    for (const tookMs of times) {
      front.pool.answer = async () => ({ ...answerOf('{}'), tookMs })
      const { headers } = await ask(front.port, `${API}/labels`)
      told.push(/querier_wall_time;dur=([^,]+),/.exec(String(headers['server-timing']))![1]!)
    }
    assert.deepEqual(
      told,
      times.map((tookMs) => tookMs.toFixed(3)),
    )
  })

  const bad = [
    {
      path: '/query?query=up&time=abc',
      error:
        'invalid parameter "time": invalid time value for \'time\': cannot parse "abc" to a valid timestamp',
    },
    {
      path: '/label/%ff/values',
      error: 'the path "/prometheus/api/v1/label/%ff/values" is no UTF-8 when unescaped',
    },
    {
      path: '/query?query=up&time=1e400',
      error:
        'invalid parameter "time": invalid time value for \'time\': cannot parse "1e400" to a valid timestamp',
    },
    {
      path: '/query?query=up&timeout=x',
      error: 'invalid parameter "timeout": cannot parse "x" to a valid duration',
    },
    {
      path: '/query?query=up&limit=-1',
      error: 'invalid parameter "limit": limit must be non-negative',
    },
    {
      path: '/query?query=up&limit=x',
      error: 'invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax',
    },
    {
      path: '/query?query=up&lookback_delta=x',
      error: 'error parsing lookback delta duration: cannot parse "x" to a valid duration',
    },
    {
      path: '/query_range?query=up&end=2&step=1',
      error: 'invalid parameter "start": cannot parse "" to a valid timestamp',
    },
    {
      path: '/query_range?query=up&start=1&end=2015-13-01T00:00:00Z&step=1',
      error: 'invalid parameter "end": cannot parse "2015-13-01T00:00:00Z" to a valid timestamp',
    },
    {
      path: '/query_range?query=up&start=2&end=1&step=1',
      error: 'invalid parameter "end": end timestamp must not be before start time',
    },
    {
      path: '/query_range?query=up&start=1&end=2',
      error: 'invalid parameter "step": cannot parse "" to a valid duration',
    },
    {
      path: '/query_range?query=up&start=1&end=2&step=1e20',
      error:
        'invalid parameter "step": cannot parse "1e20" to a valid duration. It overflows int64',
    },
    {
      path: '/query_range?query=up&start=1&end=2&step=0',
      error:
        'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer',
    },
    {
      path: '/query_range?query=up&start=1&end=2&step=-1',
      error:
        'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer',
    },
    {
      path: '/query_range?query=up&start=0&end=11001&step=1',
      error:
        'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
    },
    { path: '/series', error: 'no match[] parameter provided' },
    {
      path: '/labels?start=x',
      error:
        'invalid parameter "start": invalid time value for \'start\': cannot parse "x" to a valid timestamp',
    },
    { path: '/metadata?limit=x', error: 'limit must be a number' },
    { path: '/metadata?limit_per_metric=x', error: 'limit_per_metric must be a number' },
  ]
  for (const { path, error } of bad) {
    test(`GET ${path} is refused`, async () => {
      const answer = await ask(front.port, API + path)
      assert.equal(answer.status, 400)
      const body = JSON.parse(Buffer.from(answer.body, 'latin1').toString())
      assert.deepEqual(body, { status: 'error', errorType: 'bad_data', error })
      assert.equal(front.pool.tasks.length, 0)
    })
  }

  const failures = [
    { error: fail('query-parse', { text: 'x' }), status: 400, type: 'bad_data' },
    { error: fail('query-execution', { text: 'x' }), status: 422, type: 'execution' },
    { error: fail('query-unsupported', { text: 'x' }), status: 422, type: 'execution' },
    { error: fail('query-canceled'), status: 499, type: 'canceled' },
    { error: fail('query-timeout'), status: 503, type: 'timeout' },
    { error: fail('shutting-down'), status: 503, type: 'unavailable' },
    { error: fail('internal', { text: 'x' }), status: 500, type: 'internal' },
  ]
  for (const { error, status, type } of failures) {
    test(`${error.id} of a querier → ${status} ${type}`, async () => {
      front.pool.answer = async () => {
        throw error
      }
      const answer = await ask(front.port, `${API}/query?query=up`)
      assert.equal(answer.status, status)
      const body = { status: 'error', errorType: type, error: error.message }
      assert.deepEqual(JSON.parse(answer.body), body)
    })
  }

  test('a form comes before the parameters of the URL, lists are joined', async () => {
    await ask(front.port, `${API}/query?query=a&time=1`, form({ query: 'b' }))
    await ask(front.port, `${API}/series?match[]=a`, form({ 'match[]': 'b' }))
    const [query, series] = front.pool.tasks.map((task) => task.query)
    assert.deepEqual(query, { kind: 'query', text: 'b', atMs: 1000, lookbackMs: 0, limit: 0 })
    assert.deepEqual(series, { kind: 'series', matchers: ['b', 'a'], ...range })
  })

  test('a form over the limit is 413', async () => {
    const answer = await ask(front.port, `${API}/query`, form({ query: 'x'.repeat(2000) }))
    assert.equal(answer.status, 413)
    assert.equal(JSON.parse(answer.body).errorType, 'too_large_entry')
  })

  test('a body of another type is read and left alone', async () => {
    const headers = { 'content-type': 'application/json' }
    const options = { method: 'POST', headers, body: '{"query":"b"}' }
    const answer = await ask(front.port, `${API}/query?query=a&time=1`, options)
    assert.equal(answer.status, 200)
    assert.equal(front.pool.tasks[0]?.query.kind, 'query')
  })

  test('more queries of a tenant than may wait are 429', async () => {
    const release: (() => void)[] = []
    front.pool.answer = () => new Promise((resolve) => release.push(() => resolve(answerOf('ok'))))
    // Two run, two wait.
    const taken = Array.from({ length: 4 }, () => ask(front.port, `${API}/query?query=up`))
    await until(() => front.env.metrics.value('cortex_query_frontend_queue_length') === 2)
    const refused = await ask(front.port, `${API}/query?query=up`)
    assert.equal(refused.status, 429)
    assert.equal(JSON.parse(refused.body).errorType, 'too_many_requests')
    assert.ok(refused.headers['retry-after'])
    const headers = { 'x-scope-orgid': 'other' }
    const other = ask(front.port, `${API}/query?query=up`, { headers })
    let answered = 0
    for (const answer of [...taken, other]) {
      void answer.then(() => answered++)
    }
    while (answered < 5) {
      release.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const answer of [...taken, other]) assert.equal((await answer).status, 200)
  })

  test('a client that goes away sets the cancel cell of its query', async () => {
    let finish = (): void => {}
    front.pool.answer = () =>
      new Promise((_, reject) => {
        finish = () => reject(fail('query-canceled'))
      })
    const request = httpRequest({ port: front.port, path: `${API}/query?query=up` }).end()
    request.on('error', () => {})
    await until(() => front.pool.tasks.length === 1)
    const { cells, index } = front.pool.tasks[0]!.cancel
    const cell = new Int32Array(cells)
    assert.equal(Atomics.load(cell, index), 0)
    request.destroy()
    await until(() => Atomics.load(cell, index) === CANCEL_CLIENT)
    finish()
  })
})
