/** How many replicas are enough. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasQuorum, placeOf, replicaShards } from '../../../src/shared/hashring/index.js'

test('one of three zones may be down, or a shard of each set in different zones', () => {
  // Shards 0, 1 | 2, 3 | 4, 5: sets 0 2 4 and 1 3 5.
  assert.deepEqual(replicaShards(1, 2, 3), [1, 3, 5])
  assert.deepEqual(placeOf(3, 2), { zone: 1, member: 1, memberCount: 2 })
  const up = (...down: number[]) => Array.from({ length: 6 }, (_, shard) => !down.includes(shard))
  for (const down of [[], [0], [2, 3], [0, 3]]) assert.ok(hasQuorum(up(...down), 3), `${down}`)
  for (const down of [
    [0, 2],
    [1, 3, 4],
  ]) {
    assert.equal(hasQuorum(up(...down), 3), false, `${down}`)
  }
  assert.equal(hasQuorum([true, false], 1), false)
  assert.equal(hasQuorum([true, false], 2), false, 'of two both are needed')
})
