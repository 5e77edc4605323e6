/** The walk of a sample through all actors in one thread: pushed, acknowledged, queried back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { remoteWriteBody } from '../support/remote-write.js'
import { World } from './world.js'

const TENANT = 'team-a'

test('a body pushed to a distributor is answered by a query over all shards', async () => {
  const world = new World({ distributors: 2, shards: 3 })
  const now = world.env.clock.now()
  const series = Array.from({ length: 50 }, (_, index) => ({
    labels: { __name__: 'up', instance: `host-${index}` },
    samples: [
      [now - 1_000, index],
      [now, index + 0.5],
    ] as const,
  }))
  assert.deepEqual(await world.push(TENANT, remoteWriteBody(series)), {
    status: 200,
    text: '',
    retryable: false,
    written: { samples: 100, histograms: 0, exemplars: 0 },
    rejected: 0,
  })
  const rows = await world.query(TENANT, 'up', now)
  assert.equal(rows.length, 50)
  for (const { metric, value } of rows) {
    assert.equal(Number(value[1]), Number(metric['instance']!.slice(5)) + 0.5)
  }
  const [sum] = await world.query(TENANT, 'sum(up)', now)
  assert.equal(Number(sum!.value[1]), (49 * 50) / 2 + 25)
  assert.deepEqual(await world.query('team-b', 'up', now), [])
  const spread = world.ingesters.map((ingester) => ingester!.status().series)
  assert.ok(
    spread.every((count) => count > 5),
    `series per shard: ${spread}`,
  )
  world.close()
})

test('what was acknowledged before a shard died is there in its next life', async () => {
  const world = new World({ shards: 2 })
  const now = world.env.clock.now()
  for (let step = 0; step < 10; step++) {
    const body = remoteWriteBody(
      Array.from({ length: 8 }, (_, index) => ({
        labels: { __name__: 'steps', n: `${index}` },
        samples: [[now + step * 1000, step]] as const,
      })),
    )
    assert.equal((await world.push(TENANT, body)).status, 200)
  }
  for (const shard of [0, 1]) {
    world.killIngester(shard)
    const series = Array.from({ length: 16 }, (_, n) => ({
      labels: { __name__: 'late', n: `${n}` },
      samples: [[now, 1]] as const,
    }))
    const late = await world.push(TENANT, remoteWriteBody(series))
    assert.deepEqual([late.status, late.retryable], [503, true])
    world.startIngester(shard)
    await world.settle()
  }
  const rows = await world.query(TENANT, 'sum_over_time(steps[1m])', now + 10_000)
  assert.deepEqual(
    rows.map(({ value }) => value[1]),
    Array(8).fill('45'),
  )
  world.close()
})
