/** What a distributor does with bodies when all links are up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compressSync } from 'snappy'
import { WRITE_LAST, type WriteFrame } from '../../../src/shared/wire/frames/index.js'
import {
  field,
  labelField,
  sampleField,
  varint,
} from '../../shared/kernels/write-request-harness.js'
import { remoteWriteBody } from '../../support/remote-write.js'
import { bitsOf, Fixture } from './fixture.js'

const NOW = 1_700_000_000_000

test('sends new series with their definition and answers 200', () => {
  const fixture = new Fixture()
  const body = remoteWriteBody([
    { labels: { __name__: 'up', job: 'a' }, samples: [[NOW, 1]] },
    { labels: { __name__: 'up', job: 'b' }, samples: [[NOW, 0]] },
  ])
  assert.equal(fixture.push(body).status, 200)
  const { samples } = fixture.shards[0]!
  assert.deepEqual(samples.get('acme|__name__=up,job=a'), [`${NOW}:${bitsOf(1)}`])
  assert.deepEqual(samples.get('acme|__name__=up,job=b'), [`${NOW}:0`])
})

test('defines a series once on a link, whatever the tenant sends later', () => {
  const fixture = new Fixture()
  for (let i = 0; i < 5; i++) {
    const body = remoteWriteBody([
      { labels: { __name__: 'a' }, samples: [[NOW + i, i]] },
      { labels: { __name__: 'b', x: 'y' }, samples: [[NOW + i, i]] },
    ])
    assert.equal(fixture.push(body).status, 200)
  }
  const shard = fixture.shards[0]!
  assert.deepEqual([...shard.defineCounts.values()], [1, 1])
  assert.equal(shard.samples.get('acme|__name__=a')?.length, 5)
})

test('splits series over shards, each to the same shard every time', () => {
  const fixture = new Fixture({ shards: 4 })
  const series = (at: number): Uint8Array =>
    remoteWriteBody(
      Array.from({ length: 200 }, (_, i) => ({
        labels: { __name__: 'm', index: String(i) },
        samples: [[NOW + at, i] as const],
      })),
    )
  for (let at = 0; at < 3; at++) assert.equal(fixture.push(series(at)).status, 200)
  const names = fixture.shards.map((shard) => [...shard.samples.keys()])
  assert.equal(names.flat().length, 200)
  assert.equal(new Set(names.flat()).size, 200)
  for (const shard of fixture.shards) {
    assert.ok(shard.samples.size > 20)
    for (const list of shard.samples.values()) assert.equal(list.length, 3)
    assert.ok([...shard.defineCounts.values()].every((count) => count === 1))
  }
})

test('keeps the bits of stale markers', () => {
  const fixture = new Fixture()
  const stale = new Float64Array(new BigUint64Array([0x7ff0000000000002n]).buffer)
  const number = Buffer.from(stale.buffer)
  const sample = Buffer.concat([Buffer.from([9]), number, Buffer.from([16]), varint(NOW)])
  const body = field(1, Buffer.concat([labelField('__name__', 'gone'), field(2, sample)]))
  assert.equal(fixture.push(compressSync(body)).status, 200)
  const { samples } = fixture.shards[0]!
  assert.deepEqual(samples.get('acme|__name__=gone'), [`${NOW}:7ff0000000000002`])
})

test('sends labels sorted and without empty values, whatever the order sent', () => {
  const fixture = new Fixture()
  const labels = [labelField('z', '1'), labelField('empty', ''), labelField('__name__', 'up')]
  const body = field(1, Buffer.concat([...labels, sampleField(NOW, 1)]))
  assert.equal(fixture.push(compressSync(body)).status, 200)
  assert.deepEqual([...fixture.shards[0]!.samples.keys()], ['acme|__name__=up,z=1'])
})

test('sends one flagged frame per body and shard, an empty one where nothing was left', () => {
  const fixture = new Fixture({ shards: 3, frameRing: 1 << 15 })
  const body = remoteWriteBody(
    Array.from({ length: 3_000 }, (_, i) => ({
      labels: { __name__: 'm', index: String(i), pad: 'x'.repeat(40) },
      samples: [[NOW, i] as const],
    })),
  )
  assert.equal(fixture.push(body).status, 200)
  let samples = 0
  for (const shard of fixture.shards) {
    assert.ok(shard.frames.length > 2)
    const flags = shard.frames.map((frame) => frame.flags & WRITE_LAST)
    assert.deepEqual(flags.slice(0, -1), new Array(flags.length - 1).fill(0))
    assert.equal(flags.at(-1), WRITE_LAST)
    samples += shard.frames.reduce((sum, frame) => sum + frame.ids.length, 0)
  }
  assert.equal(samples, 3_000)
})

test('takes a body of more than 8 MiB apart and forgets it', () => {
  const fixture = new Fixture({ shards: 2, frameRing: 1 << 22 })
  const body = remoteWriteBody(
    Array.from({ length: 30_000 }, (_, i) => ({
      labels: { __name__: 'm', index: String(i), pad: 'x'.repeat(400) },
      samples: [[NOW, i] as const],
    })),
  )
  assert.equal(fixture.pushLarge(body).status, 200)
  const names = fixture.shards.flatMap((shard) => [...shard.samples.keys()])
  assert.equal(new Set(names).size, 30_000)
})

test('answers 200 to an empty request', () => {
  const fixture = new Fixture()
  const answer = fixture.push(compressSync(Buffer.alloc(0)))
  assert.deepEqual([answer.status, answer.text], [200, ''])
  assert.equal(fixture.shards[0]!.frames.length, 0)
})

test('drops native histograms with 200 when they are off, and skips exemplars', () => {
  const fixture = new Fixture({ limits: { native_histograms_ingestion_enabled: false } })
  const name = labelField('__name__', 'h')
  const histogram = field(4, Buffer.from('anything'))
  const exemplar = field(3, Buffer.from('anything'))
  const body = Buffer.concat([
    field(1, Buffer.concat([name, histogram, histogram])),
    field(1, Buffer.concat([name, sampleField(NOW, 1), exemplar])),
  ])
  assert.equal(fixture.push(compressSync(body)).status, 200)
  const discarded = 'cortex_discarded_samples_total'
  const { metrics } = fixture.env
  assert.equal(metrics.value(discarded, 'native_histograms_disabled', 'acme'), 2)
  assert.equal(metrics.value('cortex_distributor_exemplars_in_total', 'acme'), 1)
  assert.equal(metrics.value('cortex_distributor_received_samples_total', 'acme'), 1)
})

test('drops a repeated time within a series of one request and counts it', () => {
  const fixture = new Fixture()
  const samples: [number, number][] = [
    [NOW, 1],
    [NOW, 2],
    [NOW + 1, 3],
  ]
  const body = remoteWriteBody([{ labels: { __name__: 'm' }, samples }])
  assert.equal(fixture.push(body).status, 200)
  assert.deepEqual(fixture.shards[0]!.samples.get('acme|__name__=m'), [
    `${NOW}:${bitsOf(1)}`,
    `${NOW + 1}:${bitsOf(3)}`,
  ])
  const { metrics } = fixture.env
  const discarded = 'cortex_discarded_samples_total'
  assert.equal(metrics.value(discarded, 'sample_duplicate_timestamp', 'acme'), 1)
})

test('hands metadata to the shard of its metric, checked', () => {
  const fixture = new Fixture({ shards: 2 })
  const record = (metric: string, help: string): Buffer =>
    field(
      3,
      Buffer.concat([
        Buffer.from([8, 1]),
        field(2, Buffer.from(metric)),
        field(4, Buffer.from(help)),
      ]),
    )
  const body = Buffer.concat([
    record('a_total', 'A.'),
    record('', 'nameless'),
    record('b_total', 'x'.repeat(2_000)),
    record('n'.repeat(1_025), ''),
  ])
  const answer = fixture.push(compressSync(body))
  assert.equal(answer.status, 400)
  assert.equal(
    answer.text,
    'received a metric metadata with no metric name (err-mimir-metadata-missing-metric-name)',
  )
  const records = fixture.shards.flatMap((shard) => shard.metadata)
  assert.deepEqual(records.map((one) => [one.metric, one.type, one.help.length]).sort(), [
    ['a_total', 1, 2],
    ['b_total', 1, 1_024],
  ])
  const { metrics } = fixture.env
  const discarded = 'cortex_discarded_metadata_total'
  assert.equal(metrics.value(discarded, 'metadata_missing_metric_name', 'acme'), 1)
  assert.equal(metrics.value(discarded, 'metric_name_too_long', 'acme'), 1)
})

test('goes on with new ids when the bound of ids is reached', () => {
  const fixture = new Fixture({ shards: 2, config: { seriesIdsMax: 1_024 } })
  for (let round = 0; round < 20; round++) {
    const body = remoteWriteBody(
      Array.from({ length: 300 }, (_, i) => ({
        labels: { __name__: 'm', index: String(round * 150 + i) },
        samples: [[NOW + round, i] as const],
      })),
    )
    assert.equal(fixture.push(body, `tenant-${round % 2}`).status, 200)
  }
  const all = fixture.shards.flatMap((shard) => [...shard.samples])
  const samples = all.reduce((sum, [, list]) => sum + list.length, 0)
  assert.equal(samples, 6_000)
  for (const [name, list] of all) {
    const index = Number(/index=(\d+)/.exec(name)![1])
    for (const sample of list) {
      const [time, bits] = sample.split(':')
      assert.equal(bits, bitsOf(index - (Number(time) - NOW) * 150), name)
    }
  }
})

test('runs a body with more new series than there are ids', () => {
  const fixture = new Fixture({ config: { seriesIdsMax: 512 } })
  const body = remoteWriteBody(
    Array.from({ length: 2_000 }, (_, i) => ({
      labels: { __name__: 'm', index: String(i) },
      samples: [[NOW, i] as const],
    })),
  )
  assert.equal(fixture.push(body).status, 200)
  const { samples } = fixture.shards[0]!
  assert.equal(samples.size, 2_000)
  for (const [name, list] of samples) {
    assert.deepEqual(list, [`${NOW}:${bitsOf(Number(/index=(\d+)/.exec(name)![1]))}`])
  }
})

test('takes a single series of more than 8 MiB', () => {
  const fixture = new Fixture({ frameRing: 1 << 22 })
  const count = 480_000
  const samples = Buffer.alloc(count * 18)
  for (let i = 0; i < count; i++) sampleField(NOW + i, i + 1).copy(samples, i * 18)
  const body = field(1, Buffer.concat([labelField('__name__', 'long'), samples]))
  const other = field(1, Buffer.concat([labelField('__name__', 'other'), sampleField(NOW, 1)]))
  const answer = fixture.pushLarge(compressSync(Buffer.concat([other, body, other])))
  assert.equal(answer.status, 200)
  const { ids, times, values } = joined(fixture.shards[0]!.frames)
  assert.equal(ids.length, count + 2)
  for (let i = 0; i < count; i++) {
    if (ids[i + 1] !== ids[1] || times[i + 1] !== NOW + i || values[i + 1] !== i + 1) {
      assert.fail(`sample ${i}: ${ids[i + 1]} ${times[i + 1]} ${values[i + 1]}`)
    }
  }
  assert.deepEqual([ids[0], times.at(-1)], [ids.at(-1), NOW])
})

test('sends nothing of a large body whose end is missing', () => {
  const fixture = new Fixture({ frameRing: 1 << 22 })
  const series = field(
    1,
    Buffer.concat([
      labelField('__name__', 'm'),
      labelField('pad', 'x'.repeat(2_000)),
      sampleField(NOW, 1),
    ]),
  )
  const body = Buffer.concat(new Array<Buffer>(4_300).fill(series))
  assert.ok(body.length > 8 << 20)
  const answer = fixture.pushLarge(compressSync(body.subarray(0, body.length - 5)))
  assert.equal(answer.status, 400)
  assert.match(answer.text, /^malformed/)
  assert.equal(fixture.shards[0]!.frames.length, 0)
})

/** The columns of several frames, one after the other. */
function joined(frames: readonly WriteFrame[]): {
  ids: number[]
  times: number[]
  values: number[]
} {
  return {
    ids: frames.flatMap((frame) => [...frame.ids]),
    times: frames.flatMap((frame) => [...frame.times]),
    values: frames.flatMap((frame) => [...new Float64Array(frame.values.buffer)]),
  }
}

test('a tenant that is quiet for an hour makes room for others, and is defined anew', () => {
  const fixture = new Fixture()
  const { env, distributor } = fixture
  const push = (tenant: string, at: number): void => {
    const body = remoteWriteBody([
      { labels: { __name__: 'm', of: tenant }, samples: [[env.clock.now(), at]] },
    ])
    assert.equal(fixture.push(body, tenant).status, 200)
  }
  for (const tenant of ['quiet', 'busy', 'silent']) push(tenant, 0)
  env.clock.set(env.clock.now() + 3_600_001)
  push('busy', 1)
  assert.equal(distributor.status().tenants, 3, 'nobody needs room')
  push('new', 1)
  assert.equal(distributor.status().tenants, 2)
  push('quiet', 2)
  push('busy', 2)
  assert.equal(distributor.status().tenants, 3)
  const { samples, defineCounts } = fixture.shards[0]!
  const counts = ['quiet', 'busy', 'silent', 'new'].map(
    (tenant) => samples.get(`${tenant}|__name__=m,of=${tenant}`)?.length,
  )
  assert.deepEqual(counts, [2, 3, 1, 1])
  assert.equal(
    [...defineCounts.values()].reduce((sum, count) => sum + count, 0),
    5,
  )
})
