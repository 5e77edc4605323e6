import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryLimitOf } from '../../../src/actors/supervisor/memory-watch.js'

test('the limit is the configured one, else three quarters of the smaller of RAM and control group', () => {
  assert.equal(memoryLimitOf(123, 1000, 500), 123)
  assert.equal(memoryLimitOf(0, 1000, 500), 375)
  assert.equal(memoryLimitOf(0, 1000, 0), 750)
  // Without a limit the system says a number beyond all RAM.
  assert.equal(memoryLimitOf(0, 1000, 2 ** 63), 750)
})
