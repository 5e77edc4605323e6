/**
 * Remote read: a real Prometheus that holds nothing itself answers from us, by samples and by chunks,
 * floats and native histograms; federation and the TSDB's status beside a real Prometheus' own.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import protobuf from 'protobufjs'
import { compressSync, uncompressSync } from 'snappy'
import { crc32c } from '../../src/shared/base/crc32c.js'
import { decodeXorChunk } from '../../src/shared/tsdb/chunk/xor.js'
import { type Component, findComponent, startPrometheus } from '../support/components.js'
import { type Nilo, startNilo } from '../support/nilo.js'
import { callApi } from '../support/prom-api.js'
import { type PushedSeries, push, sendBody } from '../support/remote-write.js'

const STEP_MS = 15_000
const SAMPLES = 300

function floats(end: number): PushedSeries[] {
  return ['a', 'b', 'c"\n\\', ''].map((job, index) => ({
    labels: { __name__: index < 2 ? 'read_total' : 'other_value', ...(job === '' ? {} : { job }) },
    samples: Array.from({ length: SAMPLES }, (_, i) => {
      const t = end - (SAMPLES - 1 - i) * STEP_MS
      // The last series ends early.
      if (index === 3) return [t - 60_000, i] as const
      return [t, index === 1 ? Math.sin(i) * 1e9 : i * 0.5] as const
    }),
  }))
}

const { root } = protobuf.parse(
  `syntax = "proto3";
  package prometheus;
  message WriteRequest { repeated TimeSeries timeseries = 1; }
  message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; repeated Histogram histograms = 4; }
  message Label { string name = 1; string value = 2; }
  message Sample { double value = 1; int64 timestamp = 2; }
  message BucketSpan { sint32 offset = 1; uint32 length = 2; }
  message Histogram {
    uint64 count_int = 1; double count_float = 2; double sum = 3; sint32 schema = 4;
    double zero_threshold = 5; uint64 zero_count_int = 6; double zero_count_float = 7;
    repeated BucketSpan negative_spans = 8; repeated sint64 negative_deltas = 9;
    repeated double negative_counts = 10; repeated BucketSpan positive_spans = 11;
    repeated sint64 positive_deltas = 12; repeated double positive_counts = 13;
    uint32 reset_hint = 14; int64 timestamp = 15; repeated double custom_values = 16;
  }
  message ReadRequest { repeated Query queries = 1; repeated uint32 accepted_response_types = 2; }
  message Query { int64 start_timestamp_ms = 1; int64 end_timestamp_ms = 2; repeated Matcher matchers = 3; }
  message Matcher { uint32 type = 1; string name = 2; string value = 3; }
  message ReadResponse { repeated QueryResult results = 1; }
  message QueryResult { repeated TimeSeries timeseries = 1; }
  message Chunk { int64 min_time_ms = 1; int64 max_time_ms = 2; uint32 type = 3; bytes data = 4; }
  message ChunkedSeries { repeated Label labels = 1; repeated Chunk chunks = 2; }
  message ChunkedReadResponse { repeated ChunkedSeries chunked_series = 1; int64 query_index = 2; }`,
  { keepCase: true },
)

/** One series of native histograms whose counters begin anew half way. */
function histogramBody(end: number): Uint8Array {
  const histograms = Array.from({ length: 100 }, (_, i) => {
    const n = i % 50
    return {
      count_int: 6 + 2 * n,
      sum: 10.5 + n,
      schema: 1,
      zero_threshold: 0.001,
      zero_count_int: 1,
      positive_spans: [{ offset: 0, length: 2 }],
      positive_deltas: [2 + n, 1],
      negative_spans: [],
      timestamp: end - (99 - i) * STEP_MS,
    }
  })
  const labels = [
    { name: '__name__', value: 'read_seconds' },
    { name: 'job', value: 'a' },
  ]
  const type = root.lookupType('prometheus.WriteRequest')
  const request = type.fromObject({ timeseries: [{ labels, histograms }] })
  return compressSync(Buffer.from(type.encode(request).finish()))
}

async function serversOf(t: TestContext): Promise<{ nilo: Nilo; folder: string; end: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-read-'))
  const nilo = await startNilo(join(folder, 'data'))
  t.after(async () => {
    await nilo.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const end = Math.floor(Date.now() / STEP_MS) * STEP_MS
  assert.equal((await push(nilo.pushUrl, floats(end), 'reader')).status, 200)
  const histograms = await sendBody(nilo.pushUrl, histogramBody(end), 'reader')
  assert.equal(histograms.status, 200, histograms.text)
  return { nilo, folder, end }
}

const QUERIES = [
  'read_total',
  'sum by (job) (rate(read_total[5m]))',
  'other_value',
  'count_over_time({__name__=~"read_total|other_value"}[10m])',
  'histogram_quantile(0.9, rate(read_seconds[5m]))',
  'histogram_count(read_seconds)',
  '{job!="a", __name__=~"read.*|other.*"}',
  'read_total{job=~"a|b", job!~"b"} offset 10m',
]

test('a Prometheus with remote_read answers from us', async (t) => {
  const binary = findComponent(t, 'prometheus')
  if (binary === undefined) return
  const { nilo, folder, end } = await serversOf(t)
  const config = () => `scrape_configs: []
remote_read:
  - url: ${nilo.queryUrl}/api/v1/read
    read_recent: true
    headers: { X-Scope-OrgID: reader }
`
  const own = join(folder, 'prometheus')
  const features = ['native-histograms']
  const prometheus = await startPrometheus({ binary, folder: own, config, features })
  t.after(() => prometheus.stop('SIGKILL'))
  const ranges = [
    ['query', { time: end / 1000 }],
    ['query_range', { start: end / 1000 - 4000, end: end / 1000, step: 60 }],
  ] as const
  for (const query of QUERIES) {
    for (const [path, times] of ranges) {
      const theirs = await callApi(prometheus.url, path, { query, ...times })
      const ours = await callApi(nilo.queryUrl, path, { query, ...times }, { tenant: 'reader' })
      assert.equal(theirs.status, 'success', theirs.error)
      assert.deepEqual(byLabels(theirs.data), byLabels(ours.data), `${path} ${query}`)
      assert.ok((ours.data as { result: unknown[] }).result.length > 0, query)
    }
  }
})

/** The rows of a result in the order of their labels. */
function byLabels(data: unknown): string[] {
  const { result } = data as { result: { metric: Record<string, string> }[] }
  return result.map((row) => JSON.stringify(row)).sort()
}

async function read(
  nilo: Nilo,
  request: object,
  tenant = 'reader',
): Promise<{ response: Response; body: Buffer }> {
  const type = root.lookupType('prometheus.ReadRequest')
  const body = compressSync(Buffer.from(type.encode(type.fromObject(request)).finish()))
  const response = await fetch(`${nilo.queryUrl}/api/v1/read`, {
    method: 'POST',
    body,
    headers: { 'X-Scope-OrgID': tenant, 'Content-Encoding': 'snappy' },
  })
  return { response, body: Buffer.from(await response.arrayBuffer()) }
}

interface Frame {
  chunked_series: { labels: { name: string; value: string }[]; chunks: { data: Uint8Array }[] }[]
  query_index: { toNumber(): number } | number
}

function framesOf(body: Buffer): Frame[] {
  const frames: Frame[] = []
  const reader = protobuf.Reader.create(body)
  while (reader.pos < body.length) {
    const length = reader.uint32()
    const sum = body.readUInt32BE(reader.pos)
    const message = body.subarray(reader.pos + 4, reader.pos + 4 + length)
    assert.equal(crc32c(message), sum)
    frames.push(
      root.lookupType('prometheus.ChunkedReadResponse').decode(message) as unknown as Frame,
    )
    reader.pos += 4 + length
  }
  return frames
}

test('samples and chunks of two queries say the same', async (t) => {
  const { nilo, end } = await serversOf(t)
  const named = (value: string) => [{ type: 0, name: '__name__', value }]
  const queries = [
    { start_timestamp_ms: end - 600_000, end_timestamp_ms: end, matchers: named('read_total') },
    { start_timestamp_ms: end - 60_000, end_timestamp_ms: end, matchers: named('nothing') },
    { start_timestamp_ms: 0, end_timestamp_ms: end, matchers: named('other_value') },
  ]
  const sampled = await read(nilo, { queries, accepted_response_types: [0] })
  assert.equal(sampled.response.headers.get('content-type'), 'application/x-protobuf')
  assert.equal(sampled.response.headers.get('content-encoding'), 'snappy')
  const answer = root
    .lookupType('prometheus.ReadResponse')
    .decode(uncompressSync(sampled.body) as Buffer)
  const { results } = root
    .lookupType('prometheus.ReadResponse')
    .toObject(answer, { longs: Number, defaults: true, arrays: true }) as {
    results: {
      timeseries: { labels: object[]; samples: { value: number; timestamp: number }[] }[]
    }[]
  }
  assert.deepEqual(
    results.map(({ timeseries }) => timeseries.map(({ samples }) => samples.length)),
    [[41, 41], [], [300, 300]],
  )
  const streamed = await read(nilo, { queries, accepted_response_types: [1, 0] })
  assert.equal(
    streamed.response.headers.get('content-type'),
    'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse',
  )
  const bySeries = framesOf(streamed.body).flatMap((frame) =>
    frame.chunked_series.map(({ labels, chunks }) => {
      const samples = chunks.flatMap(({ data }) => {
        const [ts, values] = [new Float64Array(200), new Float64Array(200)]
        const count = decodeXorChunk(data, ts, values)
        return Array.from({ length: count }, (_, i) => ({ value: values[i]!, timestamp: ts[i]! }))
      })
      return {
        query: Number(frame.query_index),
        labels: JSON.parse(JSON.stringify(labels)),
        samples,
      }
    }),
  )
  const wanted = results.flatMap(({ timeseries }, query) =>
    timeseries.map(({ labels, samples }) => ({
      query,
      labels,
      samples: samples.map(({ value, timestamp }) => ({ value, timestamp })),
    })),
  )
  assert.deepEqual(bySeries, wanted)
})

test('what is no read request is refused, and other tenants see nothing', async (t) => {
  const { nilo, end } = await serversOf(t)
  const matchers = [{ type: 2, name: '__name__', value: '.+' }]
  const queries = [{ start_timestamp_ms: 0, end_timestamp_ms: end, matchers }]
  const other = await read(nilo, { queries, accepted_response_types: [1] }, 'other')
  assert.deepEqual([other.response.status, other.body.length], [200, 0])
  const bad = [{ type: 7, name: 'a', value: 'b' }]
  const refused = await read(nilo, { queries: [{ ...queries[0], matchers: bad }] })
  assert.equal(refused.response.status, 400)
  assert.match(refused.body.toString(), /malformed read request: a matcher of type 7/)
  for (const body of [
    Buffer.from('nonsense'),
    Buffer.alloc(0),
    Buffer.from([255, 255, 255, 255]),
  ]) {
    const response = await fetch(`${nilo.queryUrl}/api/v1/read`, { method: 'POST', body })
    assert.equal(response.status, 400, await response.text())
  }
  const huge = Buffer.from([255, 255, 255, 255, 7, 0, 0])
  const tooLarge = await fetch(`${nilo.queryUrl}/api/v1/read`, { method: 'POST', body: huge })
  assert.equal(tooLarge.status, 413)
})

async function filledPrometheus(
  t: TestContext,
  folder: string,
  end: number,
): Promise<Component | undefined> {
  const binary = findComponent(t, 'prometheus')
  if (binary === undefined) return undefined
  const own = join(folder, 'prometheus')
  const config = () => 'scrape_configs: []\n'
  const prometheus = await startPrometheus({ binary, folder: own, config })
  t.after(() => prometheus.stop('SIGKILL'))
  const pushed = await push(`${prometheus.url}/api/v1/write`, floats(end))
  assert.ok(pushed.status < 300, pushed.text)
  return prometheus
}

test('federation and the status of the TSDB are Prometheus’', async (t) => {
  const { nilo, folder, end } = await serversOf(t)
  const prometheus = await filledPrometheus(t, folder, end)
  if (prometheus === undefined) return
  assert.equal((await push(nilo.pushUrl, floats(end), 'floats')).status, 200)
  const headers = { 'X-Scope-OrgID': 'floats' }
  for (const match of ['{__name__=~".+"}', 'read_total', 'nothing', '{job="a"}']) {
    const search = `federate?match[]=${encodeURIComponent(match)}&match[]=other_value`
    const theirs = await (await fetch(`${prometheus.url}/${search}`)).text()
    const ours = await (await fetch(`${nilo.queryUrl}/${search}`, { headers })).text()
    assert.deepEqual(familiesOf(ours), familiesOf(theirs))
    if (match === 'read_total')
      assert.match(ours, /read_total\{job="b",instance=""\} -?[\d.e+]+ \d+\n/)
  }
  const bad = await fetch(`${nilo.queryUrl}/federate?match[]=${encodeURIComponent('a{')}`, {
    headers,
  })
  assert.deepEqual(
    [bad.status, bad.headers.get('content-type')],
    [400, 'text/plain; charset=utf-8'],
  )
  const status = async (base: string): Promise<Record<string, unknown>> => {
    const answer = await callApi(base, 'status/tsdb', { limit: 3 }, { tenant: 'floats' })
    return answer.data as Record<string, unknown>
  }
  const [theirs, ours] = [await status(prometheus.url), await status(nilo.queryUrl)]
  const { headStats, ...lists } = ours
  const { headStats: theirHead, ...theirLists } = theirs
  assert.deepEqual(Object.keys(lists), Object.keys(theirLists))
  for (const name of ['seriesCountByMetricName', 'labelValueCountByLabelName']) {
    assert.deepEqual(asCounts(lists[name]), asCounts(theirLists[name]), name)
  }
  const counts = headStats as Record<string, number>
  assert.equal(counts['numSeries'], 4)
  assert.equal(counts['numLabelPairs'], (theirHead as Record<string, number>)['numLabelPairs'])
  assert.equal(counts['maxTime'], end)
  assert.ok(counts['chunkCount']! >= 8)
  for (const limit of ['0', '-1', 'x', '10001']) {
    const refused = await callApi(nilo.queryUrl, 'status/tsdb', { limit })
    assert.equal(refused.httpStatus, 400, limit)
  }
})

/** Names of equal counts come in no particular order. */
function asCounts(list: unknown): Record<string, number> {
  const rows = list as { name: string; value: number }[]
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
}

/** The lines of each family; Prometheus leaves the order of its series to its storage. */
function familiesOf(text: string): Record<string, string[]> {
  const families: Record<string, string[]> = {}
  let current: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('# TYPE')) {
      current = []
      families[line] = current
    } else if (line !== '') current.push(line)
  }
  for (const lines of Object.values(families)) lines.sort()
  return families
}
