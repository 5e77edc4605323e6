/** Bodies of a pair on their way through a distributor. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
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
