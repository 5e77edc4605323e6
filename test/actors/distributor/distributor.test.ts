/** What a distributor does with bodies when all links are up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
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
