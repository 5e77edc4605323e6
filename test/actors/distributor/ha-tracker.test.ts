/** Bodies of a pair on their way through a distributor. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compressSync } from 'snappy'
import { field, sampleField } from '../../shared/kernels/write-request-harness.js'
import { testLimits } from '../../support/limits.js'
import { type RawLabels, rawBody } from '../../support/write-request.js'
import { Fixture } from './fixture.js'

function fixture(limits = {}): Fixture {
  return new Fixture({
    config: { isHaTrackerOn: true },
    limits: { accept_ha_samples: true, ...limits },
  })
}

function bodyOf(fixture: Fixture, replica: string, more: RawLabels = []): Buffer {
  const pair: RawLabels =
    replica === ''
      ? []
      : [
          ['cluster', 'c'],
          ['__replica__', replica],
        ]
  const now = fixture.env.clock.now()
  const series = ['up', 'down'].map((name) => ({
    labels: [['__name__', name] as const, ...pair, ...more],
    samples: [[now, 1] as const],
  }))
  return rawBody({ series })
}

test('of a pair one copy is stored, without the replica label', async () => {
  const pair = fixture()
  const { metrics } = pair.env
  assert.equal(pair.push(bodyOf(pair, 'a')).status, 200)
  const refused = pair.push(bodyOf(pair, 'b'))
  assert.equal(refused.status, 202)
  assert.match(refused.text, /replica 'b' of cluster 'c' .* 'a'/)
  assert.deepEqual(refused.written, { samples: 0, histograms: 0, exemplars: 0 })
  assert.deepEqual([...pair.shards[0]!.samples.keys()].sort(), [
    'acme|__name__=down,cluster=c',
    'acme|__name__=up,cluster=c',
  ])
  assert.equal(metrics.value('cortex_distributor_deduped_samples_total', 'acme', 'c'), 2)
  await pair.env.timers.advance(30_001)
  assert.equal(pair.push(bodyOf(pair, 'b')).status, 200, 'after the failover timeout')
  assert.equal(pair.push(bodyOf(pair, 'a')).status, 202)
  const changes = 'cortex_ha_tracker_elected_replica_changes_total'
  assert.equal(metrics.value(changes, 'acme', 'c'), 2)
  const samples = pair.shards[0]!.samples.get('acme|__name__=up,cluster=c')
  assert.equal(samples?.length, 2)
  assert.equal(pair.shards[0]!.bound.size, 4, 'each replica has ids of its own')
})

test('a body whose first series has broken labels is refused, and the next one taken', () => {
  const pair = fixture()
  // A label whose name is longer than the label.
  const broken = field(1, Buffer.from([0x0a, 0x7f, 0x61]))
  const body = field(1, Buffer.concat([broken, sampleField(pair.env.clock.now(), 1)]))
  const answer = pair.push(compressSync(body))
  assert.equal(answer.status, 400)
  assert.match(answer.text, /malformed|unexpected|protobuf/i)
  assert.equal(pair.push(bodyOf(pair, 'a')).status, 200)
})

test('what is of no pair goes on untouched, also in between', () => {
  const pair = fixture()
  assert.equal(pair.push(bodyOf(pair, 'a')).status, 200)
  assert.equal(pair.push(bodyOf(pair, '', [['__replica__', 'x']])).status, 200)
  assert.equal(pair.push(bodyOf(pair, '')).status, 200)
  assert.equal(pair.push(bodyOf(pair, 'a')).status, 200)
  assert.deepEqual([...pair.shards[0]!.samples.keys()].sort(), [
    'acme|__name__=down',
    'acme|__name__=down,__replica__=x',
    'acme|__name__=down,cluster=c',
    'acme|__name__=up',
    'acme|__name__=up,__replica__=x',
    'acme|__name__=up,cluster=c',
  ])
  const { metrics } = pair.env
  assert.equal(metrics.value('cortex_distributor_non_ha_samples_received_total', 'acme'), 4)
})

test('nobody is de-duplicated who does not ask for it', () => {
  const off = fixture({ accept_ha_samples: false })
  assert.equal(off.push(bodyOf(off, 'a')).status, 200)
  assert.equal(off.push(bodyOf(off, 'b')).status, 200)
  assert.equal(off.shards[0]!.samples.size, 4)
})

test('senders are known again by their labels, whatever series a body begins with', () => {
  const pair = fixture()
  const now = pair.env.clock.now()
  const push = (name: string, labels: RawLabels) => {
    const series = [
      { labels: [['__name__', name] as const, ...labels], samples: [[now, 1] as const] },
    ]
    return pair.push(rawBody({ series })).status
  }
  for (let i = 0; i < 40; i++) {
    const [a, b] = [push(`m${i}`, replicaOf('c', 'a')), push(`m${i}`, replicaOf('c', 'b'))]
    assert.deepEqual([a, b], [200, 202])
    assert.equal(push(`m${i}`, replicaOf(`c${i}`, 'b')), 200, 'another cluster')
    assert.equal(
      push(`m${i}`, [
        ['__replica__', 'b'],
        ['cluster', 'c'],
      ]),
      202,
      'the other way round',
    )
    assert.equal(
      push(`m${i}`, [
        ['cluster', 'c'],
        ['aa', '__replica__'],
      ]),
      200,
      'of no pair',
    )
    assert.equal(
      push(`m${i}`, [
        ['cluster', ''],
        ['cluster', 'c'],
        ['__replica__', 'b'],
      ]),
      202,
    )
    assert.equal(
      push(`m${i}`, [
        ['cluster', 'c'],
        ['__replica__', 'bb'],
      ]),
      202,
      'longer',
    )
    assert.equal(
      push(`m${i}`, [
        ['cluster', 'c'],
        ['__replica__', ''],
      ]),
      200,
      'does not say',
    )
  }
})

test('senders are looked for under the labels that limits name at the time', () => {
  const pair = fixture()
  const labels: RawLabels = [...replicaOf('c', 'a'), ['twin', 'x'], ['zone', 'z']]
  const push = () => {
    const samples = [[pair.env.clock.now(), 1] as const]
    pair.push(rawBody({ series: [{ labels: [['__name__', 'm'], ...labels], samples }] }))
    return [...pair.shards[0]!.samples.keys()].at(-1)
  }
  assert.equal(push(), 'acme|__name__=m,cluster=c,twin=x,zone=z')
  const names = { ha_cluster_label: 'zone', ha_replica_label: 'twin' }
  pair.distributor.takeLimits(testLimits({ accept_ha_samples: true, ...names }, {}, 2))
  assert.equal(push(), 'acme|__name__=m,__replica__=a,cluster=c,zone=z')
})

function replicaOf(cluster: string, replica: string): RawLabels {
  return [
    ['__replica__', replica],
    ['cluster', cluster],
  ]
}
