/** What is refused, in which words, and what is stored all the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compressSync } from 'snappy'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import {
  below,
  field,
  labelField,
  mutate,
  randomRequest,
  sampleField,
} from '../../shared/kernels/write-request-harness.js'
import { encodeWriteRequest, remoteWriteBody } from '../../support/remote-write.js'
import { Fixture } from './fixture.js'

const NOW = 1_700_000_000_000
const SEED = Number(process.env['SEED'] ?? 1)
const DISCARDED = 'cortex_discarded_samples_total'

const GOOD = field(1, Buffer.concat([labelField('__name__', 'good'), sampleField(NOW, 1)]))

function series(...labels: [string, string | Buffer][]): Buffer {
  const fields = labels.map(([name, value]) => labelField(name, value))
  return field(1, Buffer.concat([...fields, sampleField(NOW, 1)]))
}

const many = (count: number): [string, string][] =>
  Array.from({ length: count }, (_, i) => [`l${String(i).padStart(3, '0')}`, 'v'])

const CASES: Record<string, { bad: Buffer; text: string; reason: string }> = {
  'a series without labels': {
    bad: series(),
    text: 'received series has no metric name (err-mimir-missing-metric-name)',
    reason: 'missing_metric_name',
  },
  'a series without a name': {
    bad: series(['job', 'x'], ['__name__', '']),
    text: 'received series has no metric name (err-mimir-missing-metric-name)',
    reason: 'missing_metric_name',
  },
  'a bad metric name': {
    bad: series(['__name__', 'bad-name']),
    text: "received a series with invalid metric name: 'bad-name' (err-mimir-metric-name-invalid)",
    reason: 'metric_name_invalid',
  },
  'too many labels': {
    bad: series(['__name__', 'm'], ...many(30)),
    text: `received a series whose number of labels exceeds the limit (actual: 31, limit: 30) series: 'm{${many(
      30,
    )
      .map(([name, value]) => `${name}="${value}"`)
      .join(', ')
      .slice(
        0,
        198,
      )}…' (err-mimir-max-label-names-per-series). To adjust the related per-tenant limit, configure -validation.max-label-names-per-series, or contact your service administrator.`,
    reason: 'max_label_names_per_series',
  },
  'a bad label name': {
    bad: series(['__name__', 'm'], ['bad-label', 'x']),
    text: "received a series with an invalid label: 'bad-label' series: 'm{bad-label=\"x\"}' (err-mimir-label-invalid)",
    reason: 'label_invalid',
  },
  'a label name that is too long': {
    bad: series(['__name__', 'm'], ['n'.repeat(1025), 'x']),
    text: `received a series whose label name length exceeds the limit, label: '${'n'.repeat(200)}' series: 'm{${'n'.repeat(198)}' (err-mimir-label-name-too-long). To adjust the related per-tenant limit, configure -validation.max-length-label-name, or contact your service administrator.`,
    reason: 'label_name_too_long',
  },
  'a label value that is too long': {
    bad: series(['__name__', 'm'], ['x', 'v'.repeat(2049)]),
    text: `received a series whose label value length of 2049 exceeds the limit of 2048, label: 'x', value: '${'v'.repeat(200)}' (truncated) series: 'm{x="${'v'.repeat(195)}' (err-mimir-label-value-too-long). To adjust the related per-tenant limit, configure -validation.max-length-label-value, or contact your service administrator.`,
    reason: 'label_value_too_long',
  },
  'a label value that is no UTF-8': {
    bad: series(['__name__', 'm'], ['x', Buffer.from([0x80])]),
    text: "received a series with an invalid value (not UTF-8) of label 'x' series: 'm{x=\"\uFFFD\"}' (err-mimir-label-value-invalid)",
    reason: 'label_value_invalid',
  },
  'a label name twice': {
    bad: series(['__name__', 'm'], ['x', '1'], ['x', '2']),
    text: 'received a series with duplicate label name, label: \'x\' series: \'m{x="1", x="2"}\' (err-mimir-duplicate-label-names)',
    reason: 'duplicate_label_names',
  },
  'a label set that is longer than any': {
    bad: series(['__name__', 'm'], ['x', 'v'.repeat(300_000)]),
    text: `received a series whose label value length of 300000 exceeds the limit of 2048, label: 'x', value: '${'v'.repeat(200)}' (truncated) series: 'm{x="${'v'.repeat(195)}' (err-mimir-label-value-too-long). To adjust the related per-tenant limit, configure -validation.max-length-label-value, or contact your service administrator.`,
    reason: 'label_value_too_long',
  },
  'a sample too far in the future': {
    bad: field(1, Buffer.concat([labelField('__name__', 'm'), sampleField(NOW + 600_001, 1)])),
    text: `received a sample whose timestamp is too far in the future, timestamp: ${NOW + 600_001} series: 'm' (err-mimir-too-far-in-future). To adjust the related per-tenant limit, configure -validation.create-grace-period, or contact your service administrator.`,
    reason: 'too_far_in_future',
  },
}

for (const [name, { bad, text, reason }] of Object.entries(CASES)) {
  test(`refuses ${name} with 400 and stores the rest, every time`, () => {
    const fixture = new Fixture()
    for (let round = 1; round <= 3; round++) {
      const answer = fixture.push(compressSync(Buffer.concat([bad, GOOD])))
      assert.deepEqual([answer.status, answer.retryable], [400, false])
      assert.equal(answer.text, Buffer.from(text).subarray(0, 1_008).toString())
      assert.equal(fixture.shards[0]!.samples.get('acme|__name__=good')?.length, round)
      assert.equal(fixture.env.metrics.value(DISCARDED, reason, 'acme'), round)
    }
    assert.equal(fixture.shards[0]!.samples.size, 1)
  })
}

test('tells of the first offender, and counts all by reason', () => {
  const fixture = new Fixture()
  const bodies = [series(['job', 'x']), series(['__name__', 'm'], ['b-d', 'x']), GOOD]
  const again = [series(['__name__', 'm'], ['b-d', 'x']), series(['job', 'x']), GOOD]
  assert.match(fixture.push(compressSync(Buffer.concat(bodies))).text, /missing-metric-name/)
  assert.match(fixture.push(compressSync(Buffer.concat(again))).text, /label-invalid/)
  assert.equal(fixture.env.metrics.value(DISCARDED, 'missing_metric_name', 'acme'), 2)
  assert.equal(fixture.env.metrics.value(DISCARDED, 'label_invalid', 'acme'), 2)
  assert.equal(fixture.push(compressSync(GOOD)).status, 200)
})

test('takes a sample at the edge of the grace period, and any from the past', () => {
  const fixture = new Fixture()
  const name = labelField('__name__', 'm')
  const body = field(
    1,
    Buffer.concat([name, sampleField(-5, 1), sampleField(0, 1), sampleField(NOW + 600_000, 1)]),
  )
  assert.equal(fixture.push(compressSync(body)).status, 200)
  assert.equal(fixture.shards[0]!.samples.get('acme|__name__=m')?.length, 3)
})

test('allows info series more labels', () => {
  const fixture = new Fixture()
  const info = (count: number): Buffer => series(['__name__', 'target_info'], ...many(count))
  assert.equal(fixture.push(compressSync(info(79))).status, 200)
  assert.match(fixture.push(compressSync(info(80))).text, /max-label-names-per-info-series/)
})

test('refuses a body over the limit without unpacking it', () => {
  const fixture = new Fixture({ config: { maxRecvMsgSize: 1_000 } })
  const answer = fixture.push(compressSync(Buffer.alloc(1_001)))
  assert.equal(answer.status, 400)
  assert.equal(
    answer.text,
    'the incoming push request has been rejected because its message size of 1001 bytes is larger than the allowed limit of 1000 bytes (err-mimir-distributor-max-write-message-size). To adjust the related limit, configure -distributor.max-recv-msg-size, or contact your service administrator.',
  )
})

test('refuses what is no snappy, and what is no request', () => {
  const fixture = new Fixture()
  const good = remoteWriteBody([{ labels: { __name__: 'm' }, samples: [[NOW, 1]] }])
  const cases: [string, Uint8Array, RegExp][] = [
    ['nothing', new Uint8Array(0), /^snappy: corrupt input$/],
    ['no snappy', Buffer.from('hello'), /^snappy: corrupt input$/],
    ['truncated snappy', good.subarray(0, good.length - 3), /^snappy: corrupt input$/],
    ['garbage', compressSync(Buffer.from('0affff', 'hex')), /^malformed write request/],
    ['truncated', compressSync(Buffer.concat([GOOD, GOOD.subarray(0, 9)])), /^malformed/],
  ]
  for (const [name, body, text] of cases) {
    const answer = fixture.push(body)
    assert.deepEqual([answer.status, answer.retryable], [400, false], name)
    assert.match(answer.text, text, name)
  }
  assert.equal(fixture.shards[0]!.frames.length, 0)
  assert.equal(fixture.push(good).status, 200)
})

test('sends nothing of a body whose last series is malformed, however many chunks it takes', () => {
  const fixture = new Fixture({ frameRing: 1 << 15 })
  const start = encodeWriteRequest(
    Array.from({ length: 3_000 }, (_, i) => ({
      labels: { __name__: 'm', index: String(i) },
      samples: [[NOW, i] as const],
    })),
  )
  const badLabel = field(1, Buffer.concat([field(1, Buffer.from([0x0a, 9])), sampleField(NOW, 1)]))
  for (const end of [GOOD.subarray(0, 9), badLabel]) {
    const answer = fixture.push(compressSync(Buffer.concat([start, end])))
    assert.equal(answer.status, 400)
    assert.match(answer.text, /^malformed/)
  }
  assert.equal(fixture.shards[0]!.frames.length, 0)
  // What that body would have defined is not taken for defined.
  assert.equal(fixture.push(compressSync(Buffer.concat([start, GOOD]))).status, 200)
  assert.equal(fixture.shards[0]!.samples.size, 3_001)
})

test('sends nothing of a body with one malformed label among new series', () => {
  const fixture = new Fixture()
  const badLabel = field(1, Buffer.concat([field(1, Buffer.from([0x0a, 9])), sampleField(NOW, 1)]))
  const body = compressSync(Buffer.concat([GOOD, badLabel]))
  for (let round = 0; round < 2; round++) assert.equal(fixture.push(body).status, 400)
  assert.equal(fixture.shards[0]!.frames.length, 0)
  assert.equal(fixture.push(compressSync(GOOD)).status, 200)
})

test(`lives through damaged bodies, and takes good ones after each (seed ${SEED})`, () => {
  const random = new SeededPrng(SEED)
  const fixture = new Fixture({ shards: 2 })
  for (let round = 0; round < 1_500; round++) {
    const request = randomRequest(random, 1 + below(random, 10))
    const body =
      below(random, 2) === 0
        ? mutate(random, compressSync(request))
        : compressSync(mutate(random, request))
    const answer = fixture.push(body)
    assert.ok(answer.status === 200 || answer.status === 400, `round ${round}: ${answer.status}`)
    assert.equal(answer.text === '', answer.status === 200)
    if (round % 50 === 0) assert.equal(fixture.push(compressSync(GOOD)).status, 200)
  }
})
