/** OTLP requests through a distributor: what reaches the shards, and what senders are told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  BODY_GZIP,
  BODY_LZ4,
  BODY_OTLP,
  BODY_OTLP_JSON,
  BODY_ZSTD,
  findHistogram,
  WRITE_DELTA,
} from '../../../src/shared/wire/frames/index.js'
import { attributes, encode, nanos, type Plain, request } from '../../support/otlp.js'
import { bitsOf, Fixture } from './fixture.js'

const TIME = 1_700_000_000_000
const RESOURCE = {
  'service.namespace': 'shop',
  'service.name': 'cart',
  'service.instance.id': 'cart-1',
  'host.name': 'h1',
}
const CUMULATIVE = 2
const STALE = '7ff0000000000002'

function point(value: number, labels: Record<string, string> = {}, more: Plain = {}): Plain {
  return { timeUnixNano: nanos(TIME), asDouble: value, attributes: attributes(labels), ...more }
}

function gauge(name: string, dataPoints: Plain[]): Plain {
  return { name, gauge: { dataPoints } }
}

function counter(name: string, dataPoints: Plain[], more: Plain = {}): Plain {
  return {
    name,
    sum: { dataPoints, aggregationTemporality: CUMULATIVE, isMonotonic: true, ...more },
  }
}

/** What came of a push: each series' last sample. */
function stored(fixture: Fixture): Record<string, string> {
  const found: Record<string, string> = {}
  for (const shard of fixture.shards) {
    for (const [key, samples] of shard.samples) found[key.slice(5)] = samples.join(' ')
  }
  return found
}

function push(fixture: Fixture, message: Plain) {
  return fixture.push(encode('Request', message), 'acme', BODY_OTLP)
}

const at = (value: number): string => `${TIME}:${bitsOf(value)}`

test('stores gauges and sums under translated names, and target_info once per resource', () => {
  const fixture = new Fixture()
  const metrics = [
    gauge('queue.depth', [point(3, { 'queue.name': 'a' }), point(4, { 'queue.name': 'b' })]),
    counter('http.requests', [{ ...point(0), asDouble: undefined, asInt: 7 }]),
  ]
  const answer = push(fixture, request(metrics, RESOURCE))
  assert.equal(answer.status, 200)
  assert.equal(answer.text, '')
  const me = 'instance=cart-1,job=shop/cart'
  assert.deepEqual(stored(fixture), {
    [`__name__=queue_depth,${me},queue_name=a`]: at(3),
    [`__name__=queue_depth,${me},queue_name=b`]: at(4),
    [`__name__=http_requests,${me}`]: at(7),
    [`__name__=target_info,host_name=h1,${me}`]: at(1),
  })
})

test('a known series is found by its bytes, whatever chunk or body it comes in', () => {
  const fixture = new Fixture()
  const message = request([gauge('g', [point(1, { a: 'x' }), point(2, { a: 'y' })])], RESOURCE)
  for (let i = 0; i < 4; i++) assert.equal(push(fixture, message).status, 200)
  const [shard] = fixture.shards
  assert.equal(shard!.bound.size, 3)
  for (const count of shard!.defineCounts.values()) assert.equal(count, 1)
})

test('explicit histograms become buckets, sum and count', () => {
  const fixture = new Fixture()
  const dataPoints = [
    {
      timeUnixNano: nanos(TIME),
      count: 6,
      sum: 12.5,
      bucketCounts: [1, 2, 3],
      explicitBounds: [0.5, 10],
      attributes: attributes({ le: 'mine', path: '/' }),
    },
  ]
  const metric = { name: 'h', histogram: { dataPoints, aggregationTemporality: CUMULATIVE } }
  assert.equal(push(fixture, request([metric])).status, 200)
  assert.deepEqual(stored(fixture), {
    '__name__=h_sum,le=mine,path=/': at(12.5),
    '__name__=h_count,le=mine,path=/': at(6),
    '__name__=h_bucket,le=0.5,path=/': at(1),
    '__name__=h_bucket,le=10,path=/': at(3),
    '__name__=h_bucket,le=+Inf,path=/': at(6),
  })
})

test('a histogram whose bounds change starts other series', () => {
  const fixture = new Fixture()
  const metric = (bounds: number[]): Plain => ({
    name: 'h',
    histogram: {
      aggregationTemporality: CUMULATIVE,
      dataPoints: [
        { timeUnixNano: nanos(TIME), count: 3, bucketCounts: [1, 2], explicitBounds: bounds },
      ],
    },
  })
  assert.equal(push(fixture, request([metric([1])])).status, 200)
  assert.equal(push(fixture, request([metric([2])])).status, 200)
  const names = Object.keys(stored(fixture)).filter((name) => name.includes('bucket'))
  assert.deepEqual(names.sort(), [
    '__name__=h_bucket,le=+Inf',
    '__name__=h_bucket,le=1',
    '__name__=h_bucket,le=2',
  ])
})

test('summaries become quantiles, sum and count', () => {
  const fixture = new Fixture()
  const quantileValues = [
    { quantile: 0.5, value: 2 },
    { quantile: 0.99, value: 9 },
  ]
  const dataPoints = [{ timeUnixNano: nanos(TIME), count: 4, sum: 11, quantileValues }]
  assert.equal(push(fixture, request([{ name: 's', summary: { dataPoints } }])).status, 200)
  assert.deepEqual(stored(fixture), {
    '__name__=s_sum': at(11),
    '__name__=s_count': at(4),
    '__name__=s,quantile=0.5': at(2),
    '__name__=s,quantile=0.99': at(9),
  })
})

test('a point without recorded value is a stale marker', () => {
  const fixture = new Fixture()
  push(fixture, request([gauge('g', [point(1, {}, { flags: 1 })])]))
  assert.deepEqual(stored(fixture), { '__name__=g': `${TIME}:${STALE}` })
})

test('delta temporality is refused by name, and the rest stored', () => {
  const fixture = new Fixture()
  const answer = push(
    fixture,
    request([
      counter('delta.sum', [point(1)], { aggregationTemporality: 1 }),
      gauge('kept', [point(2)]),
    ]),
  )
  assert.equal(answer.status, 400)
  assert.match(answer.text, /invalid temporality .* "delta.sum"/)
  assert.deepEqual(stored(fixture), { '__name__=kept': at(2) })
})

test('points that fail validation are told in a success', () => {
  const fixture = new Fixture()
  const far = { timeUnixNano: nanos(fixture.env.clock.now() + 3_600_000) }
  const answer = push(fixture, request([gauge('g', [point(1), point(2, { a: 'b' }, far)])]))
  assert.equal(answer.status, 200)
  assert.equal(answer.rejected, 1)
  assert.match(answer.text, /too far in the future.*g\{a="b"\}/)
})

test('gzip, zstd, lz4 and JSON say the same', () => {
  const message = request([gauge('g', [point(1.5, { a: 'b' })])], RESOURCE)
  const plain = encode('Request', message)
  // printf | zstd of nothing is of no use here: a frame with one raw block holds the bytes as they are.
  const header = [
    0x28,
    0xb5,
    0x2f,
    0xfd,
    0x60,
    (plain.length - 256) & 255,
    (plain.length - 256) >> 8,
  ]
  const block = (plain.length << 3) | 1
  const zstd = Uint8Array.from([...header, block & 255, (block >> 8) & 255, block >> 16, ...plain])
  // Likewise: magic, no checksums, blocks of 64 KiB, one of them stored, the end.
  const lz4 = Buffer.concat([
    Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82),
    Uint8Array.of(plain.length & 255, plain.length >> 8, 0, 0x80),
    plain,
    new Uint8Array(4),
  ])
  const json = JSON.stringify({
    resourceMetrics: [
      {
        resource: { attributes: attributes(RESOURCE) },
        scopeMetrics: [
          {
            metrics: [
              {
                name: 'g',
                gauge: {
                  data_points: [
                    {
                      timeUnixNano: `${TIME}000000`,
                      asDouble: 1.5,
                      attributes: attributes({ a: 'b' }),
                    },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  })
  const bodies: [Uint8Array, number][] = [
    [plain, BODY_OTLP],
    [gzipSync(plain), BODY_OTLP | BODY_GZIP],
    [zstd, BODY_OTLP | BODY_ZSTD],
    [lz4, BODY_OTLP | BODY_LZ4],
    [Buffer.from(json), BODY_OTLP_JSON],
    [gzipSync(json), BODY_OTLP_JSON | BODY_GZIP],
  ]
  const wanted = {
    '__name__=g,a=b,instance=cart-1,job=shop/cart': at(1.5),
    '__name__=target_info,host_name=h1,instance=cart-1,job=shop/cart': at(1),
  }
  for (const [body, flags] of bodies) {
    const fixture = new Fixture()
    const answer = fixture.push(body, 'acme', flags)
    assert.equal(answer.text, '')
    assert.deepEqual(stored(fixture), wanted)
  }
})

test('what is not OTLP is refused', () => {
  const fixture = new Fixture()
  const cases: [Uint8Array, number, RegExp][] = [
    [Uint8Array.of(10, 200), BODY_OTLP, /malformed OTLP/],
    [Uint8Array.of(1, 2, 3), BODY_OTLP | BODY_GZIP, /gzip: corrupt/],
    [Uint8Array.of(1, 2, 3), BODY_OTLP | BODY_ZSTD, /zstd: corrupt/],
    [Uint8Array.of(1, 2, 3), BODY_OTLP | BODY_LZ4, /lz4: corrupt/],
    [Buffer.from('{"resourceMetrics":3}'), BODY_OTLP_JSON, /resourceMetrics is to be a list/],
    [Buffer.from('{'), BODY_OTLP_JSON, /malformed OTLP JSON/],
  ]
  for (const [body, flags, text] of cases) {
    const answer = fixture.push(body, 'acme', flags)
    assert.equal(answer.status, 400)
    assert.match(answer.text, text)
  }
})

test('increments go in frames of their own, flagged, when they are to be added up', () => {
  const fixture = new Fixture({ limits: { otel_delta_to_cumulative: true } })
  const delta = { aggregationTemporality: 1 }
  const answer = push(
    fixture,
    request([
      gauge('g', [point(1)]),
      counter('d', [point(2)], delta),
      counter('c', [point(3)]),
      { name: 'e', exponentialHistogram: { dataPoints: [{ count: 1 }], ...delta } },
    ]),
  )
  assert.equal(answer.status, 400)
  assert.match(answer.text, /metric "e"/)
  const [shard] = fixture.shards
  const frames = shard!.frames.map(({ flags, ids }) => [
    (flags & WRITE_DELTA) !== 0,
    [...ids].map((id) => shard!.bound.get(id)),
  ])
  assert.deepEqual(frames, [
    [true, ['__name__=d']],
    [false, ['__name__=g', '__name__=c']],
  ])
})

test('exponential histograms become native ones, finer scales merged, exemplars kept', () => {
  const fixture = new Fixture({ limits: { max_global_exemplars_per_user: 10 } })
  const exemplar = {
    timeUnixNano: nanos(TIME),
    asDouble: 2.5,
    traceId: Uint8Array.from({ length: 16 }, () => 0xab),
    filteredAttributes: attributes({ k: 'v' }),
  }
  const dataPoints = [
    {
      timeUnixNano: nanos(TIME),
      startTimeUnixNano: nanos(TIME - 1_000),
      attributes: attributes({ a: 'b' }),
      count: 10,
      sum: 20,
      scale: 9,
      zeroCount: 1,
      positive: { offset: -1, bucketCounts: [1, 2, 3] },
      negative: { offset: 3, bucketCounts: [3] },
      exemplars: [exemplar],
    },
  ]
  const metric = {
    name: 'e',
    exponentialHistogram: { dataPoints, aggregationTemporality: CUMULATIVE },
  }
  const answer = push(fixture, request([metric]))
  assert.equal(answer.text, '')
  assert.deepEqual(answer.written, { samples: 0, histograms: 1, exemplars: 1 })
  const [histogram, kept] = fixture.shards[0]!.records
  assert.equal(histogram!.t, TIME)
  assert.equal(kept!.t, TIME)
  assert.equal(fixture.shards[0]!.bound.get(histogram!.series), '__name__=e,a=b')
  assert.match(Buffer.from(kept!.payload).toString('latin1'), /trace_id.(ab){16}/)
})

test('a scale below what can be stored is told, and the rest stored', () => {
  const fixture = new Fixture()
  const dataPoints = [{ timeUnixNano: nanos(TIME), scale: -5, count: 0 }]
  const metric = {
    name: 'e',
    exponentialHistogram: { dataPoints, aggregationTemporality: CUMULATIVE },
  }
  const answer = push(fixture, request([metric, gauge('g', [point(1)])]))
  assert.equal(answer.status, 200)
  assert.equal(answer.rejected, 1)
  assert.match(answer.text, /schema/)
  assert.deepEqual(stored(fixture), { '__name__=g': at(1) })
})

test('with the switch, explicit histograms become native ones with custom buckets', () => {
  const fixture = new Fixture({ limits: { otel_convert_histograms_to_nhcb: true } })
  const dataPoints = [
    { timeUnixNano: nanos(TIME), count: 3, sum: 4, bucketCounts: [1, 2], explicitBounds: [1] },
  ]
  const metric = { name: 'h', histogram: { dataPoints, aggregationTemporality: CUMULATIVE } }
  assert.equal(push(fixture, request([metric])).text, '')
  const [record] = fixture.shards[0]!.records
  assert.equal(fixture.shards[0]!.bound.get(record!.series), '__name__=h')
  assert.deepEqual(stored(fixture), {})
})

test('classic exemplars go to the bucket that their value falls into', () => {
  const fixture = new Fixture({ limits: { max_global_exemplars_per_user: 10 } })
  const exemplars = [0.5, 1, 7].map((asDouble) => ({
    timeUnixNano: nanos(TIME),
    asDouble,
    spanId: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  }))
  const dataPoints = [
    {
      timeUnixNano: nanos(TIME),
      count: 3,
      bucketCounts: [2, 1],
      explicitBounds: [1],
      exemplars,
    },
  ]
  const metric = { name: 'h', histogram: { dataPoints, aggregationTemporality: CUMULATIVE } }
  assert.equal(push(fixture, request([metric])).text, '')
  const [shard] = fixture.shards
  const where = shard!.records.map(({ series }) => shard!.bound.get(series))
  assert.deepEqual(where, [
    '__name__=h_bucket,le=1',
    '__name__=h_bucket,le=1',
    '__name__=h_bucket,le=+Inf',
  ])
})

test("a tenant's switches: suffixes, promoted attributes, scope", () => {
  const fixture = new Fixture({
    limits: {
      otel_metric_suffixes_enabled: true,
      promote_otel_resource_attributes: ['host.name'],
      otel_promote_scope_metadata: true,
      otel_keep_identifying_resource_attributes: true,
    },
  })
  const message = request([{ ...counter('http.requests', [point(1)]), unit: 'By' }], RESOURCE)
  const [resourceMetrics] = message['resourceMetrics'] as { scopeMetrics: Plain[] }[]
  const scope = { name: 'lib', version: '1', attributes: attributes({ k: 'v' }) }
  resourceMetrics!.scopeMetrics[0] = { ...resourceMetrics!.scopeMetrics[0], scope, schemaUrl: 'u' }
  assert.equal(push(fixture, message).text, '')
  const me = 'instance=cart-1,job=shop/cart'
  const scoped = 'otel_scope_k=v,otel_scope_name=lib,otel_scope_schema_url=u,otel_scope_version=1'
  const kept = 'service_instance_id=cart-1,service_name=cart,service_namespace=shop'
  assert.deepEqual(stored(fixture), {
    [`__name__=http_requests_bytes_total,host_name=h1,${me},${scoped}`]: at(1),
    [`__name__=target_info,host_name=h1,${me},${kept}`]: at(1),
  })
})

test('with the switch, a zero stands where counting began, for all that counts from there on', () => {
  const began = TIME - 60_000
  const startTimeUnixNano = nanos(began)
  const counts = { startTimeUnixNano, timeUnixNano: nanos(TIME) }
  const metrics: Plain[] = [
    counter('c', [point(7, {}, { startTimeUnixNano })]),
    counter('same', [point(7, {}, { startTimeUnixNano: nanos(TIME) })]),
    counter('sum', [point(7, {}, { startTimeUnixNano })], { isMonotonic: false }),
    counter('stale', [point(7, {}, { startTimeUnixNano, flags: 1 })]),
    gauge('g', [point(7, {}, { startTimeUnixNano })]),
    {
      name: 'h',
      histogram: {
        aggregationTemporality: CUMULATIVE,
        dataPoints: [{ ...counts, count: 3, sum: 4, bucketCounts: [1, 2], explicitBounds: [1] }],
      },
    },
    {
      name: 's',
      summary: {
        dataPoints: [
          { ...counts, count: 3, sum: 4, quantileValues: [{ quantile: 0.5, value: 2 }] },
        ],
      },
    },
    {
      name: 'e',
      exponentialHistogram: {
        aggregationTemporality: CUMULATIVE,
        dataPoints: [{ ...counts, count: 1, sum: 4, positive: { offset: 0, bucketCounts: [1] } }],
      },
    },
  ]
  const zero = `${began + 0.5}:0 `
  for (const isOn of [false, true]) {
    const limits = { otel_created_timestamp_zero_ingestion_enabled: isOn }
    const fixture = new Fixture({ limits })
    for (let round = 0; round < 2; round++) {
      const answer = push(fixture, request(metrics))
      assert.deepEqual([answer.status, answer.written.samples], [200, 12])
      const started = Object.entries(stored(fixture)).filter(([, text]) => text.startsWith(zero))
      const names = ['h_bucket', 'h_bucket', 'c', 'h_count', 'h_sum', 's_count', 's_sum']
      const found = started.map(([labels]) => /__name__=(\w+)/.exec(labels)![1]!)
      assert.deepEqual(found.sort(), isOn ? names.sort() : [])
      for (const shard of fixture.shards) shard.samples.clear()
    }
    const [record] = fixture.shards[0]!.records
    assert.equal(findHistogram(record!.kind, record!.payload)!.startMs, isOn ? began : 0)
  }
})

test('metadata is told once, however many metrics there are', () => {
  const fixture = new Fixture()
  const metrics = Array.from({ length: 2_000 }, (_, i) => gauge(`m${i}`, [point(i)]))
  const told = (): number => fixture.shards.reduce((sum, { metadata }) => sum + metadata.length, 0)
  for (let body = 0; body < 3; body++) {
    assert.equal(push(fixture, request(metrics, RESOURCE)).status, 200)
    assert.ok(told() >= 2_000 && told() < 2_005, `${told()} records after body ${body}`)
  }
})
