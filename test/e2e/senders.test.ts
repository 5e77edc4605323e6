/**
 * Real senders against a server with TLS and access control: Prometheus with a bearer token and with
 * basic auth, vmagent with both (its own protocol is declined, and it falls back), each to the tenant
 * of its credential; and the exporters of the OpenTelemetry SDK, protobuf and JSON.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { findComponent, findOtel, startPrometheus } from '../support/components.js'
import { askTls, type SecureNilo, startNilo, startSecureNilo, tlsFile } from '../support/nilo.js'
import { freePort } from '../support/ports.js'
import { startProcess, waitFor } from '../support/processes.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { remoteWriteBody } from '../support/remote-write.js'

const sha = (secret: string): string => createHash('sha256').update(secret).digest('hex')

describe('senders with credentials over TLS', () => {
  let folder: string
  let nilo: SecureNilo
  const secrets = ['prom-bearer', 'prom-basic', 'vm-bearer', 'vm-basic'] as const

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nilo-senders-'))
    const lines = secrets.map(
      (name) => `${name} write t-${name} sha256:${sha(`secret-of-${name}`)}`,
    )
    lines.push(`reader read * sha256:${sha('reading')}`)
    writeFileSync(join(folder, 'access'), `${lines.join('\n')}\n`)
    nilo = await startSecureNilo(folder, [`-access.file=${join(folder, 'access')}`])
  })
  after(async () => {
    await nilo.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Waits until the sender's own `up` is there, in the tenant of its credential and in no other. */
  async function arrives(name: (typeof secrets)[number]): Promise<void> {
    const path = `/prometheus/api/v1/query?query=${encodeURIComponent(`up{sender="${name}"}`)}`
    const countIn = async (tenant: string): Promise<number> => {
      const headers = { authorization: 'Bearer reading', 'x-scope-orgid': tenant }
      const { status, body } = await askTls(nilo.port, path, { headers })
      assert.equal(status, 200, body)
      return JSON.parse(body).data.result.length
    }
    await waitFor(`samples of ${name}`, nilo, async () => {
      return (await countIn(`t-${name}`)) === 1 ? true : undefined
    })
    for (const other of secrets) if (other !== name) assert.equal(await countIn(`t-${other}`), 0)
  }

  async function prometheus(t: TestContext, name: 'prom-bearer' | 'prom-basic'): Promise<void> {
    const binary = findComponent(t, 'prometheus')
    if (binary === undefined) return
    const secret = `secret-of-${name}`
    const auth =
      name === 'prom-bearer'
        ? `authorization: { credentials: "${secret}" }`
        : `basic_auth: { username: ${name}, password: "${secret}" }`
    const sender = await startPrometheus({
      binary,
      folder: join(folder, name),
      config: (own) => `
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: self
    static_configs: [{ targets: ['${own}'], labels: { sender: ${name} } }]
remote_write:
  - url: ${nilo.url}/api/v1/push
    ${auth}
    tls_config: { ca_file: ${tlsFile('ca.pem')} }
`,
    })
    t.after(() => sender.stop())
    await arrives(name)
  }

  async function vmagent(t: TestContext, name: 'vm-bearer' | 'vm-basic'): Promise<void> {
    const binary = findComponent(t, 'vmagent')
    if (binary === undefined) return
    const port = await freePort()
    const scrape = join(folder, `${name}.yml`)
    writeFileSync(
      scrape,
      `
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: self
    static_configs: [{ targets: ['127.0.0.1:${port}'], labels: { sender: ${name} } }]
`,
    )
    const secret = `secret-of-${name}`
    const auth =
      name === 'vm-bearer'
        ? [`-remoteWrite.bearerToken=${secret}`]
        : [`-remoteWrite.basicAuth.username=${name}`, `-remoteWrite.basicAuth.password=${secret}`]
    const sender = startProcess({
      command: binary,
      args: [
        `-promscrape.config=${scrape}`,
        `-httpListenAddr=127.0.0.1:${port}`,
        `-remoteWrite.url=${nilo.url}/api/v1/push`,
        `-remoteWrite.tlsCAFile=${tlsFile('ca.pem')}`,
        `-remoteWrite.tmpDataPath=${join(folder, `${name}-data`)}`,
        '-loggerLevel=ERROR',
        ...auth,
      ],
    })
    t.after(() => sender.stop())
    await arrives(name)
  }

  test('Prometheus with a bearer token', (t) => prometheus(t, 'prom-bearer'))
  test('Prometheus with basic auth', (t) => prometheus(t, 'prom-basic'))
  test('vmagent with a bearer token', (t) => vmagent(t, 'vm-bearer'))
  test('vmagent with basic auth', (t) => vmagent(t, 'vm-basic'))
})

/** What is used of the SDK. */
interface Meter {
  createCounter(name: string, options: object): { add(value: number, attributes: object): void }
  createHistogram(name: string, options: object): { record(value: number, by: object): void }
  createObservableGauge(name: string): {
    addCallback(observe: (result: { observe(value: number, by: object): void }) => void): void
  }
}
interface MeterProvider {
  getMeter(name: string, version: string): Meter
  forceFlush(): Promise<void>
  shutdown(): Promise<void>
}

describe('the OpenTelemetry SDK', () => {
  for (const [kind, module] of [
    ['protobuf', 'exporter-metrics-otlp-proto'],
    ['JSON', 'exporter-metrics-otlp-http'],
  ] as const) {
    test(`exports ${kind}`, async (t) => {
      const otel = findOtel(t)
      if (otel === undefined) return
      const load = async (name: string) => {
        const found = await import(pathToFileURL(join(otel, name, 'build/src/index.js')).href)
        return found.default ?? found
      }
      const [sdk, exporters, { resourceFromAttributes }] = await Promise.all([
        load('sdk-metrics'),
        load(module),
        load('resources'),
      ])
      const folder = mkdtempSync(join(tmpdir(), 'nilo-otel-'))
      const nilo = await startNilo(folder, ['-distributor.otel-promote-resource-attributes=zone'])
      t.after(async () => {
        await nilo.stop()
        rmSync(folder, { recursive: true, force: true })
      })
      const exporter = new exporters.OTLPMetricExporter({ url: `${nilo.url}/otlp/v1/metrics` })
      const reader = new sdk.PeriodicExportingMetricReader({
        exporter,
        exportIntervalMillis: 60_000,
      })
      const exponential = sdk.AggregationType.EXPONENTIAL_HISTOGRAM
      const provider: MeterProvider = new sdk.MeterProvider({
        readers: [reader],
        resource: resourceFromAttributes({
          'service.name': 'cart',
          'service.namespace': 'shop',
          'service.instance.id': 'i-1',
          zone: 'z1',
        }),
        views: [{ instrumentName: 'latency.native', aggregation: { type: exponential } }],
      })
      record(provider.getMeter('test', '1.0'))
      await provider.forceFlush()
      await check(nilo.queryUrl)
      await provider.shutdown()
    })
  }
})

function record(meter: Meter): void {
  const requests = meter.createCounter('http.requests', { description: 'Requests.', unit: '1' })
  requests.add(3, { 'http.route': '/a' })
  requests.add(4, { 'http.route': '/b' })
  const options = { unit: 's', advice: { explicitBucketBoundaries: [0.1, 1] } }
  const latency = meter.createHistogram('latency', options)
  for (const value of [0.05, 0.5, 0.7, 5]) latency.record(value, {})
  const native = meter.createHistogram('latency.native', { unit: 's' })
  for (const value of [1, 2, 4]) native.record(value, {})
  meter.createObservableGauge('depth').addCallback((result) => result.observe(-7.5, { q: 'x' }))
}

async function check(url: string): Promise<void> {
  const me = 'instance="i-1",job="shop/cart",zone="z1"'
  const wanted: [string, string, string][] = [
    ['http_requests', `{http_route="/a",${me}}`, '3'],
    ['http_requests', `{http_route="/b",${me}}`, '4'],
    ['latency_bucket', `{${me},le="0.1"}`, '1'],
    ['latency_bucket', `{${me},le="1"}`, '3'],
    ['latency_bucket', `{${me},le="+Inf"}`, '4'],
    ['latency_sum', `{${me}}`, '6.25'],
    ['latency_count', `{${me}}`, '4'],
    ['depth', `{${me},q="x"}`, '-7.5'],
  ]
  for (const [name, selector, value] of wanted) {
    const { data } = await callApi(url, 'query', { query: `${name}${selector}` })
    const { result } = data as { result: { value: [number, string] }[] }
    assert.equal(result.length, 1, `${name}${selector}`)
    assert.equal(result[0]!.value[1], value, `${name}${selector}`)
  }
  const counted = await callApi(url, 'query', { query: 'histogram_count(latency_native)' })
  assert.equal((counted.data as { result: { value: unknown[] }[] }).result[0]?.value[1], '3')
  assert.equal(seriesOf((await callApi(url, 'query', { query: 'target_info' })).data).size, 1)
  const { data } = await callApi(url, 'metadata', { metric: 'http_requests' })
  const described = [{ type: 'counter', help: 'Requests.', unit: '1' }]
  assert.deepEqual(data, { http_requests: described })
}

test("the collector's prometheusremotewrite exporter, as its requests look", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-collector-'))
  const nilo = await startNilo(folder)
  t.after(async () => {
    await nilo.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  // A batch of several exports: samples of one series together, the latest last; target_info; series
  // with a native histogram alone; names of labels sorted as a map gives them, not as Prometheus does.
  const now = Date.now()
  const me = { job: 'shop/cart', instance: 'i-1' }
  const times = [now - 20_000, now - 10_000, now]
  const series = [
    { labels: { __name__: 'target_info', host_name: 'h', ...me }, times, value: 1 },
    { labels: { zone: 'z', __name__: 'http_requests_total', code: '200', ...me }, times, value: 5 },
    { labels: { le: '+Inf', __name__: 'latency_bucket', ...me }, times, value: 2 },
  ]
  const body = remoteWriteBody([
    ...series.map(({ labels, times, value }) => ({
      labels,
      samples: times.map((t, i): [number, number] => [t, value + (value > 1 ? i : 0)]),
    })),
    {
      labels: { __name__: 'native_seconds', ...me },
      samples: [],
      histograms: [{ t: now, schema: 0, sum: 3, zeroCount: 0, offset: 1, buckets: [1, 2] }],
    },
  ])
  const answer = await fetch(nilo.pushUrl, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'user-agent': 'OpenTelemetry Collector/0.110.0',
      'x-prometheus-remote-write-version': '0.1.0',
    },
    body: Buffer.from(body),
  })
  assert.equal(answer.status, 200, await answer.text())
  const askedValue = async (query: string): Promise<string | undefined> => {
    const { data } = await callApi(nilo.queryUrl, 'query', { query, time: String(now / 1000) })
    return (data as { result: { value: [number, string] }[] }).result[0]?.value[1]
  }
  assert.equal(await askedValue('count_over_time(target_info[1m])'), '3')
  assert.equal(await askedValue('http_requests_total{zone="z",code="200",job="shop/cart"}'), '7')
  assert.equal(await askedValue('latency_bucket{le="+Inf"}'), '4')
  assert.equal(await askedValue('histogram_count(native_seconds)'), '3')
})
