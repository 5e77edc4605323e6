/** When what a start needed is given back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectWhenIdle } from '../../../src/shared/actor/index.js'
import { createFakeEnv } from '../../support/fake-env.js'

test('collects once, when nothing was done for eight seconds', async () => {
  const { timers } = createFakeEnv()
  let done = 0
  let collected = 0
  collectWhenIdle(
    timers,
    () => done,
    () => collected++,
  )
  for (let i = 0; i < 5; i++) {
    await timers.advance(7_000)
    done++
    assert.equal(collected, 0)
  }
  await timers.advance(16_000)
  assert.equal(collected, 1)
  done++
  await timers.advance(60_000)
  assert.equal(collected, 1)
  assert.equal(timers.pendingCount(), 0)
})
