/** The count of young collections, by making garbage until there is one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countYoungGcs } from '../../../src/shared/actor/gc-meter.js'
import {
  createMetricBlock,
  MetricsRegistry,
  openMetrics,
} from '../../../src/shared/telemetry/index.js'

/** Thirty times what the new space may hold. */
const GARBAGE_ROUNDS = 1_000

test('counts collections of the new space', async () => {
  const block = createMetricBlock()
  const registry = new MetricsRegistry()
  registry.attach('test/0', block)
  countYoungGcs(
    'test/0',
    openMetrics(block, () => {}),
  )
  const count = (): number => registry.value('nilo_actor_young_gcs_total', 'test/0') ?? 0
  assert.equal(count(), 0)
  for (let round = 0; round < GARBAGE_ROUNDS && count() === 0; round++) {
    const garbage = Array.from({ length: 10_000 }, (_, index) => ({ index, round }))
    assert.equal(garbage.length, 10_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(count() > 0)
})
