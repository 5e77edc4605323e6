/** Timers that end all at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EndingTimers } from '../../../src/shared/actor/index.js'
import { createFakeEnv } from '../../support/fake-env.js'

test('timers run out until they end, and none afterwards', async () => {
  const { timers: time } = createFakeEnv()
  const timers = new EndingTimers(time)
  const ran: string[] = []
  timers.after(10, () => ran.push('first'))
  timers.after(10, () => ran.push('canceled')).cancel()
  timers.after(30, () => ran.push('late'))
  await time.advance(20)
  assert.deepEqual(ran, ['first'])
  timers.end()
  assert.equal(time.pendingCount(), 0)
  timers.after(1, () => ran.push('after the end'))
  await time.advance(100)
  assert.deepEqual(ran, ['first'])
  assert.equal(time.pendingCount(), 0)
})
