/** Active series and their trackers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeEnv } from '../../support/fake-env.js'
import { testLimits } from '../../support/limits.js'
import { Shard } from './harness.js'

const trackers = (rules: Record<string, string>) => ({ active_series_custom_trackers: rules })

test('series are active while samples come, in all and by tracker', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env, {
    config: { activeSeriesUpdateMs: 1_000, activeSeriesIdleMs: 5_000 },
    limits: trackers({ xs: '{__name__=~"x.*"}', none: '{job="other"}' }),
  })
  const now = env.clock.now()
  const sweep = async (ms: number): Promise<void> => {
    await env.timers.advance(ms)
    for (let i = 0; i < 5; i++) shard.ingester.turn()
  }
  const counts = (): number[] => [
    env.metrics.value('cortex_ingester_active_series', 't'),
    env.metrics.value('cortex_ingester_active_series_custom_tracker', 't', 'xs'),
    env.metrics.value('cortex_ingester_active_series_custom_tracker', 't', 'none'),
  ]
  shard.push('t', [
    ['x1', now, 1],
    ['x2', now, 1],
    ['y', now, 1],
  ])
  await sweep(1_000)
  assert.deepEqual(counts(), [3, 2, 0])
  await sweep(4_000)
  shard.push('t', [['x1', now + 5_000, 1]])
  await sweep(1_000)
  assert.deepEqual(counts(), [3, 2, 0])
  await sweep(2_000)
  assert.deepEqual(counts(), [1, 1, 0], 'two had nothing for longer than the timeout')
  shard.ingester.takeLimits(testLimits(trackers({ named: '{__name__!="", job="test"}' }), {}, 2))
  await sweep(1_000)
  assert.deepEqual(counts(), [1, 0, 0])
  assert.equal(env.metrics.value('cortex_ingester_active_series_custom_tracker', 't', 'named'), 1)
})
