/** Start times of remote write 2.0, from the wire to the query, beside a real Prometheus' receiver. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { compressSync } from 'snappy'
import { findComponent, startPrometheus } from '../support/components.js'
import { startNilo } from '../support/nilo.js'
import { callApi } from '../support/prom-api.js'

const STEP_MS = 15_000

const { root } = protobuf.parse(
  `syntax = "proto3";
  package v2;
  message Request { repeated string symbols = 4; repeated TimeSeries timeseries = 5; }
  message TimeSeries {
    repeated uint32 labels_refs = 1; repeated Sample samples = 2; repeated Histogram histograms = 3;
    Metadata metadata = 5; int64 created_timestamp = 6;
  }
  message Metadata { uint32 type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }
  message Sample { double value = 1; int64 timestamp = 2; }
  message BucketSpan { sint32 offset = 1; uint32 length = 2; }
  message Histogram {
    uint64 count_int = 1; double sum = 3; sint32 schema = 4; double zero_threshold = 5;
    uint64 zero_count_int = 6; repeated BucketSpan positive_spans = 11;
    repeated sint64 positive_deltas = 12; int64 timestamp = 15;
  }`,
  { keepCase: true },
)

/** One scrape of series of each kind; `created` of the counters may change. */
function body(t: number, n: number, created: number): Uint8Array {
  const symbols = ['', '__name__', 'started_total', 'started_seconds', 'job', 'a', 'plain_total']
  const histogram = {
    count_int: 3 + 2 * n,
    sum: 2 + n,
    schema: 1,
    zero_threshold: 0.001,
    zero_count_int: 1,
    positive_spans: [{ offset: 0, length: 2 }],
    positive_deltas: [1 + n, 0],
    timestamp: t,
  }
  const samples = [{ value: 5 + n, timestamp: t }]
  const timeseries = [
    { labels_refs: [1, 6, 4, 5], samples },
    { labels_refs: [1, 2, 4, 5], samples, created_timestamp: created },
    { labels_refs: [1, 3, 4, 5], histograms: [histogram], created_timestamp: created },
  ]
  const type = root.lookupType('v2.Request')
  return compressSync(Buffer.from(type.encode(type.fromObject({ symbols, timeseries })).finish()))
}

const headers = {
  'Content-Encoding': 'snappy',
  'Content-Type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
  'X-Prometheus-Remote-Write-Version': '2.0.0',
}

const QUERIES = [
  'started_total[10m]',
  'plain_total[10m]',
  'increase(started_total[10m])',
  'resets(started_total[10m])',
  'count_over_time(started_seconds[10m])',
  'histogram_count(increase(started_seconds[10m]))',
]

test('a counter that is first seen with a value has risen to it from its start', async (t) => {
  const binary = findComponent(t, 'prometheus')
  if (binary === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'nilo-starts-'))
  const nilo = await startNilo(join(folder, 'data'))
  const own = join(folder, 'prometheus')
  const features = ['native-histograms', 'created-timestamp-zero-ingestion']
  const config = () => 'scrape_configs: []\n'
  const prometheus = await startPrometheus({ binary, folder: own, config, features })
  t.after(async () => {
    await nilo.stop('SIGKILL')
    await prometheus.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const end = Math.floor(Date.now() / STEP_MS) * STEP_MS
  const begin = end - 20 * STEP_MS
  for (let i = 0; i <= 20; i++) {
    // Half way the process was restarted, and counts from zero.
    const isAfter = i >= 10
    const created = isAfter ? begin + 9 * STEP_MS + 4_000 : begin - 7_000
    const sent = body(begin + i * STEP_MS, isAfter ? i - 10 : i, created)
    for (const url of [`${nilo.url}/api/v1/push`, `${prometheus.url}/api/v1/write`]) {
      const answer = await fetch(url, { method: 'POST', body: sent, headers })
      assert.ok(answer.ok, await answer.text())
    }
  }
  for (const query of QUERIES) {
    const times = { query, time: end / 1000 }
    const theirs = await callApi(prometheus.url, 'query', times)
    const ours = await callApi(nilo.queryUrl, 'query', times)
    assert.equal(theirs.status, 'success', theirs.error)
    assert.deepEqual(ours.data, theirs.data, query)
    assert.equal((ours.data as { result: unknown[] }).result.length, 1, query)
  }
  // Prometheus 3.5 stores a histogram of another schema there: what follows is a reset too, and quantiles differ.
  const resets = 'resets(started_seconds[10m])'
  const counted = await callApi(nilo.queryUrl, 'query', { query: resets, time: end / 1000 })
  const [first] = (counted.data as { result: { value: [number, string] }[] }).result
  assert.equal(first!.value[1], '1')
  const found = await callApi(nilo.queryUrl, 'query', { query: QUERIES[0]!, time: end / 1000 })
  const { result } = found.data as { result: { values: [number, string][] }[] }
  const zeros = result[0]!.values.filter(([, value]) => value === '0').map(([time]) => time * 1000)
  assert.deepEqual(zeros, [begin - 7_000, begin + 9 * STEP_MS + 4_000])
})
