import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBudget, MemoryBudget } from '../../../src/shared/slab/index.js'
import { ACK_OK, ACK_REJECTED } from '../../../src/shared/wire/frames/index.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { Shard } from './harness.js'

const START = 1_700_000_000_000
const MIB = 1 << 20

test('near the limit new series are rejected and counted, known ones go on, and all comes back', async () => {
  const env = createFakeEnv()
  const cells = createBudget(100 * MIB)
  const budget = new MemoryBudget(cells)
  const shard = new Shard(env, { budget: cells })
  assert.equal(shard.push('t', [['known', START, 1]]).status, ACK_OK)
  await env.timers.advance(20)
  shard.settle()
  assert.ok(budget.claimed('head') > 0)
  budget.noteResident(95 * MIB)
  await env.timers.advance(20)
  shard.settle()
  const ack = shard.push('t', [
    ['known', START + 1000, 2],
    ['new', START + 1000, 3],
  ])
  assert.equal(ack.status, ACK_REJECTED)
  assert.deepEqual(ack.counts, { memory_limit: 1 })
  assert.match(ack.text, /user=t: no new series are taken/)
  assert.equal(env.metrics.value('cortex_discarded_samples_total', 'memory_limit', 't'), 1)
  assert.equal((await shard.read('t', 'known')).length, 2)
  assert.deepEqual(await shard.read('t', 'new'), [])
  // Between the marks nothing changes.
  budget.noteResident(88 * MIB)
  await env.timers.advance(20)
  assert.equal(shard.push('t', [['new', START + 2000, 3]]).status, ACK_REJECTED)
  budget.noteResident(50 * MIB)
  await env.timers.advance(20)
  shard.settle()
  // The id was bound to the refusal: it is not known any more, so the link is made anew.
  assert.notEqual(shard.push('t', [['new', START + 3000, 3]]).status, ACK_OK)
  shard.link()
  assert.equal(shard.push('t', [['new', START + 3000, 3]]).status, ACK_OK)
  assert.deepEqual(await shard.read('t', 'new'), [[START + 3000, 3]])
})

test('a replay takes everything, whatever the limit', async () => {
  const env = createFakeEnv()
  const first = new Shard(env)
  for (let i = 0; i < 20; i++) first.push('t', [[`s${i}`, START, i]])
  const cells = createBudget(1 * MIB)
  new MemoryBudget(cells).noteResident(9 * MIB)
  const next = new Shard(createFakeEnv({ disk: env.disk }), { budget: cells })
  for (let i = 0; i < 20; i++) assert.deepEqual(await next.read('t', `s${i}`), [[START, i]])
})
