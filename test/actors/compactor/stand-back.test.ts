/** Standing back before pushes, on a fake clock. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StandBack } from '../../../src/actors/compactor/stand-back.js'
import { createIntakeCell, IntakeCell } from '../../../src/shared/base/intake.js'
import { createFakeEnv } from '../../support/fake-env.js'

const METRIC = 'nilo_compactor_paused_seconds_total'

/** Works for some milliseconds, then comes to a safe point; whether that is over. */
function setUp() {
  const env = createFakeEnv()
  const cell = createIntakeCell()
  const standBack = new StandBack(env, cell)
  const work = async (ms: number, share: number) => {
    await env.timers.advance(ms)
    const state = { isOver: false }
    void standBack.rest(share).then(() => (state.isOver = true))
    await env.timers.advance(0)
    return state
  }
  return { env, work, intake: new IntakeCell(cell) }
}

test('without pushes a safe point is over at once', async () => {
  const { env, work } = setUp()
  assert.equal((await work(10, 4)).isOver, true)
  assert.equal(env.metrics.value(METRIC), 0)
})

test('a pause lasts until the pushes are answered', async () => {
  const { env, work, intake } = setUp()
  intake.note(3)
  const state = await work(10, 4)
  await env.timers.advance(7)
  assert.equal(state.isOver, false)
  intake.note(0)
  await env.timers.advance(1)
  assert.equal(state.isOver, true)
  assert.equal(env.metrics.value(METRIC), 0.008)
})

test('pushes without end hold work up for some times of what it did', async () => {
  const { env, work, intake } = setUp()
  intake.note(1)
  const state = await work(10, 4)
  await env.timers.advance(39)
  assert.equal(state.isOver, false)
  await env.timers.advance(1)
  assert.equal(state.isOver, true)
  const long = await work(60_000, 4)
  await env.timers.advance(200)
  assert.equal(long.isOver, true)
})

test('slices of less than a millisecond are gathered', async () => {
  const { env, work, intake } = setUp()
  intake.note(1)
  assert.equal((await work(0.5, 4)).isOver, true)
  const state = await work(0.5, 4)
  assert.equal(state.isOver, false)
  await env.timers.advance(4)
  assert.equal(state.isOver, true)
})

test('between pushes that come one after the other most of the time is left to them', async () => {
  const { env, work, intake } = setUp()
  intake.note(1)
  const met = await work(1, 4)
  intake.note(0)
  await env.timers.advance(1)
  assert.equal(met.isOver, false, 'the pushes are gone, others may follow')
  await env.timers.advance(1)
  assert.equal(met.isOver, true)
  const near = await work(1, 4)
  await env.timers.advance(1)
  assert.equal(near.isOver, false)
  await env.timers.advance(1)
  assert.equal(near.isOver, true)
  const long = await work(100, 4)
  await env.timers.advance(4)
  assert.equal(long.isOver, true, 'however long the work was')
  assert.equal((await work(1, 0)).isOver, true, 'one who is to stop does not pause')
  assert.equal((await work(250, 4)).isOver, true, 'no push was met for a while')
})
