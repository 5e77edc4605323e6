/** What the heads hold of a tenant, where several zones have a copy of each series. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createTestQuerier, TestShard, taskOf, textOf } from '../../support/querier.js'

/** Two shards in each of three zones; a zone may have missed some series. */
function zonesOf(missing: (zone: number) => number): TestShard[] {
  return Array.from({ length: 6 }, (_, at) => {
    const shard = new TestShard()
    shard.head.serve()
    const [zone, member] = [Math.floor(at / 2), at % 2]
    for (let i = missing(zone); i < 4; i++) {
      shard.append('t', labelsOf({ __name__: 'm', member: `${member}`, i: `${i}` }), [i, 1])
    }
    return shard
  })
}

test('series that zones have in common count once', async () => {
  for (const missing of [() => 0, (zone: number) => (zone === 0 ? 3 : 0)]) {
    const querier = createTestQuerier(createFakeEnv(), zonesOf(missing), {}, 3)
    const answer = await querier.run(taskOf('t', { kind: 'tsdb-status', limit: 10 }))
    const { data } = JSON.parse(textOf(answer))
    assert.equal(data.headStats.numSeries, 8)
    assert.deepEqual(data.seriesCountByMetricName, [{ name: 'm', value: 8 }])
  }
})
