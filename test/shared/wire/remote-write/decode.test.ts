/** The readable remote write decoder against protobufjs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { decodeLabels, decodeWriteRequest } from '../../../../src/shared/wire/remote-write/index.js'
import { below, labelField, randomRequest } from '../../kernels/write-request-harness.js'

const { root } = protobuf.parse(
  `syntax = "proto3";
  package prometheus;
  message WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
  message MetricMetadata { int32 type = 1; string metric_family_name = 2; string help = 4; string unit = 5; }
  message TimeSeries {
    repeated Label labels = 1; repeated Sample samples = 2;
    repeated bytes exemplars = 3; repeated bytes histograms = 4;
  }
  message Label { string name = 1; string value = 2; }
  message Sample { fixed64 value = 1; int64 timestamp = 2; }`,
  { keepCase: true },
)
const Message = root.lookupType('prometheus.WriteRequest')

interface Plain {
  timeseries: {
    labels: { name: string; value: string }[]
    samples: { value: string; timestamp: string }[]
    exemplars: unknown[]
    histograms: unknown[]
  }[]
  metadata: { type: number; metric_family_name: string; help: string; unit: string }[]
}

test('reads what protobufjs reads, in requests of any shape', () => {
  const random = new SeededPrng(3)
  for (let round = 0; round < 300; round++) {
    const body = randomRequest(random, below(random, 20))
    const options = { longs: String, arrays: true, defaults: true }
    const want = Message.toObject(Message.decode(body), options) as Plain
    const got = decodeWriteRequest(body)
    assert.deepEqual(
      got.series.map((one) => ({
        labels: one.labels,
        samples: [...one.values].map((value, i) => [String(value), one.times[i]]),
        exemplars: one.exemplarCount,
        histograms: one.histogramCount,
      })),
      want.timeseries.map((one) => ({
        labels: one.labels,
        samples: one.samples.map((sample) => [sample.value, Number(sample.timestamp)]),
        exemplars: one.exemplars.length,
        histograms: one.histograms.length,
      })),
    )
    assert.deepEqual(
      got.metadata,
      want.metadata.map(({ type, metric_family_name: metric, help, unit }) => ({
        type,
        metric,
        help,
        unit,
      })),
    )
  }
})

test('reads label fields alone, in the order sent', () => {
  const fields = Buffer.concat([labelField('b', '2'), labelField('a', ''), labelField('é', '🙂')])
  assert.deepEqual(decodeLabels(fields), [
    { name: 'b', value: '2' },
    { name: 'a', value: '' },
    { name: 'é', value: '🙂' },
  ])
})

test('refuses malformed messages with a typed error', () => {
  for (const bytes of [
    '0a',
    '0a05',
    '08',
    '0a0208',
    '00',
    '0b',
    '0a020b00',
    '1a0208',
    'ff'.repeat(11),
  ]) {
    assert.throws(() => decodeWriteRequest(Buffer.from(bytes, 'hex')), { id: 'bad-data' }, bytes)
  }
})
