/** OTLP increments are added up to counters, over restarts of the server too. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Nilo, startNilo } from '../support/nilo.js'
import { attributes, encode, nanos, type Plain, request } from '../support/otlp.js'
import { callApi } from '../support/prom-api.js'

const DELTA = 1
const FLAGS = ['-distributor.otel-delta-to-cumulative=true']

/** One export: a counter and a histogram, as increments. */
function body(t: number, value: number): Uint8Array {
  const common = { timeUnixNano: nanos(t), attributes: attributes({ a: 'b' }) }
  const sum = { isMonotonic: true, aggregationTemporality: DELTA }
  const metrics: Plain[] = [
    { name: 'd', sum: { ...sum, dataPoints: [{ ...common, asDouble: value }] } },
    {
      name: 'h',
      histogram: {
        aggregationTemporality: DELTA,
        dataPoints: [
          { ...common, count: 3, sum: value, bucketCounts: [1, 2], explicitBounds: [1] },
        ],
      },
    },
    { name: 'g', gauge: { dataPoints: [{ ...common, asDouble: value }] } },
  ]
  return encode('Request', request(metrics))
}

async function push(nilo: Nilo, bytes: Uint8Array): Promise<void> {
  const headers = { 'content-type': 'application/x-protobuf' }
  const answer = await fetch(`${nilo.url}/otlp/v1/metrics`, {
    method: 'POST',
    headers,
    body: Buffer.from(bytes),
  })
  assert.equal(answer.status, 200, await answer.text())
}

async function values(nilo: Nilo, t: number): Promise<Record<string, string>> {
  const query = '{__name__=~"d|g|h_.*"}'
  const { data } = await callApi(nilo.queryUrl, 'query', { query, time: String(t / 1000) })
  const { result } = data as { result: { metric: Record<string, string>; value: string[] }[] }
  return Object.fromEntries(
    result.map(({ metric, value }) => [`${metric['__name__']}${metric['le'] ?? ''}`, value[1]!]),
  )
}

test('increments are added up, also over a restart; what is sent again is not counted twice', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-delta-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const start = Date.now() - 60_000
  let nilo = await startNilo(folder, FLAGS)
  await push(nilo, body(start, 5))
  await push(nilo, body(start + 1_000, 7))
  await push(nilo, body(start + 1_000, 7))
  const before = { d: '12', g: '7', h_bucket1: '2', 'h_bucket+Inf': '6', h_count: '6', h_sum: '12' }
  assert.deepEqual(await values(nilo, start + 1_000), before)
  await nilo.stop('SIGKILL')
  nilo = await startNilo(folder, FLAGS)
  await push(nilo, body(start + 2_000, 1))
  await nilo.stop()
  nilo = await startNilo(folder, FLAGS)
  await push(nilo, body(start + 3_000, 0.5))
  assert.deepEqual(await values(nilo, start + 3_000), {
    d: '13.5',
    g: '0.5',
    h_bucket1: '4',
    'h_bucket+Inf': '12',
    h_count: '12',
    h_sum: '13.5',
  })
  await nilo.stop()
})
