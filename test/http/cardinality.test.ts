/** The cardinality API over HTTP: what it counts, what it refuses, who may ask. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { callApi } from '../support/prom-api.js'
import { push } from '../support/remote-write.js'
import { readSnappyFrames } from '../support/snappy-frames.js'
import { startSystem, type TestSystem } from '../support/system.js'

const NOW = Math.floor(Date.now() / 1000) * 1000

describe('cardinality', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-cardinality-'))
  let running: TestSystem

  before(async () => {
    const file = join(folder, 'runtime.yaml')
    writeFileSync(
      file,
      [
        'overrides:',
        '  on: {cardinality_analysis_enabled: true, out_of_order_time_window: 2h}',
        '  histograms:',
        '    cardinality_analysis_enabled: true',
        '    native_histograms_ingestion_enabled: true',
        '    out_of_order_time_window: 2h',
        '  more: {cardinality_analysis_enabled: true}',
        '  small:',
        '    cardinality_analysis_enabled: true',
        '    cardinality_analysis_max_results: 2',
        '    label_values_max_cardinality_label_names_per_request: 1',
        '    active_series_results_max_size_bytes: 20',
        '    label_names_and_values_results_max_size_bytes: 20',
      ].join('\n'),
    )
    running = await startSystem(join(folder, 'data'), {
      'runtime_config.file': [file],
      'tenant_federation.enabled': true,
      'actors.ingester_shards': 2,
    })
    const series = ['a', 'b', 'c'].flatMap((job) =>
      ['1', '2'].map((pod) => ({
        labels: { __name__: 'requests_total', job, pod: `${job}${pod}` },
        samples: [[NOW, 1] as const],
      })),
    )
    const idle = {
      labels: { __name__: 'idle', job: 'a' },
      samples: [[NOW - 3_600_000, 1] as const],
    }
    const latency = (name: string, pod: string, buckets: readonly number[], ageMs = 0) => ({
      labels: { __name__: name, pod },
      samples: [],
      histograms: [{ t: NOW - ageMs, schema: 0, sum: 1, zeroCount: 1, offset: 0, buckets }],
    })
    const histograms = [
      latency('latency', 'a', [1]),
      latency('latency', 'b', [1, 2, 0, 4]),
      latency('idle_latency', 'a', [1, 2], 3_600_000),
      latency('delay', 'a', []),
      latency('slow', 'a', [1, 2], 600_000),
      { labels: { __name__: 'delay', pod: 'b' }, samples: [[NOW, 1] as const] },
    ]
    assert.deepEqual(await push(running.pushUrl, histograms, 'histograms'), {
      status: 200,
      text: '',
    })
    for (const tenant of ['on', 'small', 'off']) {
      const own = tenant === 'on' ? [...series, idle] : series
      assert.deepEqual(await push(running.pushUrl, own, tenant), { status: 200, text: '' })
    }
    assert.equal((await push(running.pushUrl, series.slice(0, 1), 'more')).status, 200)
  })
  after(async () => {
    await running.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const ask = async (
    path: string,
    params: Parameters<typeof callApi>[2] = {},
    options: Parameters<typeof callApi>[3] = { tenant: 'on' },
  ) => {
    const answer = await callApi(running.queryUrl, `cardinality/${path}`, params, options)
    const { httpStatus, ...body } = answer
    return { httpStatus, body: body as Record<string, unknown>, error: answer.error ?? '' }
  }

  test('label names with the most values, of all series in memory or of active ones', async () => {
    const row = (label_name: string, label_values_count: number) => ({
      label_name,
      label_values_count,
    })
    assert.deepEqual((await ask('label_names')).body, {
      label_values_count_total: 11,
      label_names_count: 3,
      cardinality: [row('pod', 6), row('job', 3), row('__name__', 2)],
    })
    assert.deepEqual((await ask('label_names', { count_method: 'active', limit: 1 })).body, {
      label_values_count_total: 10,
      label_names_count: 3,
      cardinality: [row('pod', 6)],
    })
    const some = { selector: '{job=~"a|b",pod!=""}', limit: 0 }
    for (const method of ['GET', 'POST'] as const) {
      assert.deepEqual((await ask('label_names', some, { tenant: 'on', method })).body, {
        label_values_count_total: 7,
        label_names_count: 3,
        cardinality: [],
      })
    }
  })

  test('label values with the most series; names that nothing has are left out', async () => {
    const names = { 'label_names[]': ['job', 'none', '__name__', 'job'], limit: 2 }
    const value = (label_value: string, series_count: number) => ({ label_value, series_count })
    assert.deepEqual((await ask('label_values', names)).body, {
      series_count_total: 7,
      labels: [
        {
          label_name: '__name__',
          label_values_count: 2,
          series_count: 7,
          cardinality: [value('requests_total', 6), value('idle', 1)],
        },
        {
          label_name: 'job',
          label_values_count: 3,
          series_count: 7,
          cardinality: [value('a', 3), value('b', 2)],
        },
      ],
    })
  })

  test('active series, sorted, without what had no sample of late', async () => {
    assert.deepEqual((await ask('active_series', { selector: '{job="a"}' })).body, {
      data: ['a1', 'a2'].map((pod) => ({ __name__: 'requests_total', job: 'a', pod })),
    })
    assert.deepEqual((await ask('active_series', { selector: 'nothing' })).body, { data: [] })
  })

  test('active series as a framed snappy stream where the client takes one', async () => {
    const path = `${running.queryUrl}/api/v1/cardinality/active_series?selector={job="a"}`
    const get = (accepted: string) =>
      fetch(path, { headers: { 'X-Scope-OrgID': 'on', 'Accept-Encoding': accepted } })
    const wanted = (await ask('active_series', { selector: '{job="a"}' })).body
    for (const accepted of ['x-snappy-framed', 'gzip;q=0.5, X-Snappy-Framed ; q=1, br']) {
      const response = await get(accepted)
      assert.equal(response.headers.get('content-encoding'), 'x-snappy-framed')
      const { plain } = readSnappyFrames(Buffer.from(await response.arrayBuffer()))
      assert.deepEqual(JSON.parse(plain.toString()), wanted)
    }
    for (const other of ['identity', 'x-snappy-framed;q=0', 'snappy']) {
      const response = await get(other)
      assert.equal(response.headers.get('content-encoding'), null)
      assert.deepEqual(await response.json(), wanted)
    }
    const error = await fetch(path.replace('{job="a"}', 'a{'), {
      headers: { 'X-Scope-OrgID': 'on', 'Accept-Encoding': 'x-snappy-framed' },
    })
    assert.equal(error.status, 400)
    assert.equal(((await error.json()) as { status: string }).status, 'error')
  })

  test('metrics of active native histograms with their buckets', async () => {
    const ofAll = async (method: 'GET' | 'POST', selector: string) => {
      const options = { tenant: 'histograms', method }
      return (await ask('active_native_histogram_metrics', { selector }, options)).body
    }
    const row = (metric: string, [series, total, average, least, most]: readonly number[]) => ({
      metric,
      series_count: series,
      bucket_count: total,
      avg_bucket_count: average,
      min_bucket_count: least,
      max_bucket_count: most,
    })
    for (const method of ['GET', 'POST'] as const) {
      assert.deepEqual(await ofAll(method, '{pod!=""}'), {
        data: [
          row('delay', [1, 0, 0, 0, 0]),
          row('latency', [2, 5, 2.5, 1, 4]),
          row('slow', [1, 2, 2, 2, 2]),
        ],
      })
    }
    assert.deepEqual(await ofAll('GET', 'latency{pod="b"}'), {
      data: [row('latency', [1, 4, 4, 4, 4])],
    })
    assert.deepEqual(await ofAll('GET', 'idle_latency'), { data: [] })
  })

  test('several tenants are told apart by their label', async () => {
    const names = { 'label_names[]': '__tenant_id__' }
    const { body } = await ask('label_values', names, { tenant: 'on|more' })
    assert.deepEqual(body.labels, [
      {
        label_name: '__tenant_id__',
        label_values_count: 2,
        series_count: 8,
        cardinality: [
          { label_value: 'on', series_count: 7 },
          { label_value: 'more', series_count: 1 },
        ],
      },
    ])
    assert.equal((await ask('label_names', {}, { tenant: 'on|off' })).httpStatus, 400)
  })

  test('what is asked wrongly, and what a tenant may not ask, is refused', async () => {
    const cases: [string, Parameters<typeof callApi>[2], string, number, RegExp][] = [
      ['label_names', {}, 'off', 400, /switched off.*-querier\.cardinality-analysis-enabled/],
      ['label_values', { 'label_names[]': 'job' }, 'off', 400, /switched off/],
      ['active_series', { selector: 'a' }, 'off', 400, /switched off/],
      ['active_native_histogram_metrics', { selector: 'a' }, 'off', 400, /switched off/],
      ['active_native_histogram_metrics', {}, 'on', 400, /no selector parameter/],
      ['label_names', { limit: 501 }, 'on', 400, /from 0 to 500/],
      ['label_names', { limit: -1 }, 'on', 400, /from 0 to 500/],
      ['label_names', { limit: 'x' }, 'on', 400, /"limit\\?": \\?"x/],
      ['label_names', { limit: 3 }, 'small', 400, /from 0 to 2/],
      ['label_names', { count_method: 'x' }, 'on', 400, /neither inmemory nor active/],
      ['label_names', { selector: 'a{' }, 'on', 400, /"selector\\?": 1:3: parse error/],
      ['label_names', { selector: ['a', 'b'] }, 'on', 400, /there may be one/],
      ['label_values', {}, 'on', 400, /no label_names\[\] parameter/],
      ['label_values', { 'label_names[]': '' }, 'on', 400, /is not empty/],
      ['label_values', { 'label_names[]': ['a', 'b'] }, 'small', 400, /2 names, at most 1/],
      ['active_series', {}, 'on', 400, /no selector parameter/],
      ['active_series', { selector: 'requests_total' }, 'small', 413, /at most 20/],
      ['label_names', {}, 'small', 413, /at most 20/],
    ]
    for (const [path, params, tenant, status, text] of cases) {
      const answer = await ask(path, params, { tenant })
      assert.equal(answer.httpStatus, status, `${path} ${JSON.stringify(params)} ${answer.error}`)
      assert.match(answer.error, text)
    }
  })
})
