/** Node's timers, for times that Node's own do not take. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNodeEnv } from '../../../src/shared/env/index.js'
import { createMetricBlock, openMetrics } from '../../../src/shared/telemetry/index.js'

test('a timer of more than 24 days does not run out at once', async () => {
  const metrics = openMetrics(createMetricBlock(), () => {})
  const { timers } = createNodeEnv({ actor: 'main', logLevel: 'error', metrics })
  let isOut = false
  const long = timers.after(2 ** 31, () => {
    isOut = true
  })
  // One that is too long for Node would run out after a millisecond.
  await timers.sleep(50)
  await timers.yieldNow()
  assert.equal(isOut, false)
  long.cancel()
})
