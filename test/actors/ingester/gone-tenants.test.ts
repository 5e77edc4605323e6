/** Tenants of whom nothing is in the head any more: forgotten after an hour, and made anew. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { H_TENANT_COUNT } from '../../../src/shared/kernels/head-layout.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { CutBed, Shard } from './harness.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const START = Math.ceil(1_700_000_000_000 / (2 * HOUR)) * 2 * HOUR
const WAVES = 6
const PER_WAVE = 25
const CONFIG = { headCompactionIdleMs: 10 * MINUTE, headCompactionIntervalMs: MINUTE }

test('tenants come and go; what is kept is of those that are there', async () => {
  const env = createFakeEnv({ now: START })
  const cuts = new CutBed(env)
  const shard = new Shard(env, { cuts, config: CONFIG })
  await shard.ready()
  let cells = 0
  for (let wave = 0; wave < WAVES; wave++) {
    for (let n = 0; n < PER_WAVE; n++) {
      const { status, text } = shard.push(`t${wave}-${n}`, [['m', env.clock.now(), wave]])
      assert.equal(status, 0, text)
    }
    // The heads are cut after a quarter of an hour, and the tenants go an hour after their samples.
    for (let minutes = 0; minutes < 80; minutes += 5) {
      await env.timers.advance(5 * MINUTE)
      await shard.rest()
    }
    const { tenants, series } = shard.ingester.status()
    assert.deepEqual([tenants, series], [0, 0], `wave ${wave}`)
    if (wave === 0) cells = env.metrics.size()
    assert.equal(env.metrics.size(), cells)
  }
  assert.ok(shard.ingester.head.view.word(H_TENANT_COUNT) <= PER_WAVE)
  for (const name of ['t0-0', `t${WAVES - 1}-3`]) {
    const blocks = await cuts.samples(env.disk, name)
    assert.equal(blocks.get('m')?.length, 1, name)
  }
  // One that comes back has what it had in blocks: nothing older is taken.
  const old = shard.push('t0-0', [['m', START - 1, 7]])
  assert.notEqual(old.status, 0, old.text)
  assert.deepEqual(Object.values(old.counts), [1])
  assert.equal(shard.push('t0-0', [['m', env.clock.now(), 8]]).status, 0)
  const next = createFakeEnv({ disk: env.disk.copy(), now: env.clock.now(), seed: 9 })
  const later = new Shard(next, { cuts: new CutBed(next), config: CONFIG })
  await later.ready()
  assert.deepEqual(await later.read('t0-0', 'm'), [[env.clock.now(), 8]])
})
