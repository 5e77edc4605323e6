import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBudget, MemoryBudget } from '../../../src/shared/slab/index.js'

const MIB = 1 << 20

test('claims of all purposes count against one limit', () => {
  const cells = createBudget(10 * MIB)
  const one = new MemoryBudget(cells)
  const other = new MemoryBudget(cells)
  assert.equal(one.limit(), 10 * MIB)
  one.set('head', 0, 4 * MIB)
  assert.ok(other.tryRaise('queries', 1, 6 * MIB))
  assert.ok(!one.tryRaise('queries', 2, 1))
  assert.ok(other.tryRaise('queries', 1, 5 * MIB))
  assert.ok(one.tryRaise('queries', 2, MIB))
  assert.deepEqual(
    [one.claimed('head'), one.claimed('queries'), one.total()],
    [4 * MIB, 6 * MIB, 10 * MIB],
  )
  // What is there already is not refused, only seen.
  one.set('head', 1, MIB)
  assert.equal(other.fullness(), 1.1)
  other.noteResident(20 * MIB)
  assert.equal(one.fullness(), 2)
})

test('without a limit nothing is refused', () => {
  const budget = new MemoryBudget(createBudget(0))
  assert.ok(budget.tryRaise('queries', 0, 2 ** 40))
  assert.equal(budget.fullness(), 0)
})
