/** Bodies in flight hold a claim on the process' memory, in steps, and none when they are gone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission } from '../../src/http/bodies.js'
import { createBudget, MemoryBudget } from '../../src/shared/slab/index.js'
import { createFakeEnv } from '../support/fake-env.js'

const MIB = 1 << 20

function start(limit: number) {
  const env = createFakeEnv()
  const budget = new MemoryBudget(createBudget(limit))
  let asked = 0
  const admission = new Admission({
    requestsMax: () => 0,
    bytesMax: () => 0,
    clock: env.clock,
    requestsCell: env.metrics.cell('cortex_distributor_inflight_push_requests'),
    bytesCell: env.metrics.cell('cortex_distributor_inflight_push_requests_bytes'),
    check: () => {},
    claimMemory: (bytes) => {
      asked++
      return budget.tryRaise('bodies', 0, bytes)
    },
    letGo: () => {},
  })
  return { admission, budget, asked: () => asked }
}

test('claims what bodies hold, and gives it back', () => {
  const { admission, budget, asked } = start(64 * MIB)
  const tickets = Array.from({ length: 10 }, () => admission.enter('acme'))
  for (let piece = 0; piece < 64; piece++) {
    for (const ticket of tickets) ticket.claim(MIB / 64)
  }
  assert.equal(budget.claimed('bodies'), 12 * MIB)
  assert.equal(asked(), 3, 'not once a piece')
  for (const ticket of tickets) ticket.leave()
  assert.ok(budget.claimed('bodies') <= 4 * MIB)
})

test('refuses a body that the memory limit has no room for, and takes others later', () => {
  const { admission, budget } = start(32 * MIB)
  budget.set('head', 0, 20 * MIB)
  const first = admission.enter('acme')
  first.claim(10 * MIB)
  const second = admission.enter('acme')
  assert.throws(() => second.admit(8 * MIB), /memory limit of this server is reached/)
  second.leave()
  first.leave()
  const third = admission.enter('acme')
  third.admit(8 * MIB)
  third.claim(8 * MIB)
  assert.equal(budget.claimed('bodies'), 8 * MIB)
})
