/** Active series and their trackers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ActiveSeries } from '../../../src/actors/ingester/active-series.js'
import type { TenantState } from '../../../src/actors/ingester/tenants.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { collectSteps, type Head } from '../../../src/shared/tsdb/index.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createTestHead } from '../../support/head-source.js'
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

/** Takes series without samples from `ms` on out of a head, so that their refs are free. */
function remove(head: Head, tenant: number, refs: readonly number[], ms: number): void {
  for (const ref of refs) head.kernel.truncateSeries(ref, ms)
  for (const steps = collectSteps(head, tenant, refs, () => false); !steps.next().done; );
}

test('a ref that stands for another series by now is matched anew, in the middle of a sweep too', async () => {
  const env = createFakeEnv()
  const head = createTestHead()
  const active = new ActiveSeries(env, head, { updateMs: 1, idleMs: 60_000 })
  const limits = trackers({ old: '{kind="old"}', new: '{kind="new"}' })
  let made = 0
  const add = (kind: string): number => {
    const ref = head.getOrCreate('t', labelsOf({ __name__: `m${made}`, kind }))
    assert.equal(head.appendSample(ref, made++, 1), 'appended')
    return ref
  }
  const refs = Array.from({ length: 5_000 }, () => add('old'))
  const tenant = { name: 't', index: head.findTenant('t')!, limits } as unknown as TenantState
  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await env.timers.advance(1)
      active.tick(() => [tenant])
    }
  }
  const counts = (): number[] =>
    ['old', 'new'].map((name) =>
      env.metrics.value('cortex_ingester_active_series_custom_tracker', 't', name),
    )
  const replace = (some: readonly number[]): void => {
    remove(head, tenant.index, some, made)
    const again = some.map(() => add('new'))
    assert.deepEqual(new Set(again), new Set(some), 'refs are used again')
  }
  await turns(10)
  assert.deepEqual(counts(), [5_000, 0])
  replace(refs.slice(0, 10))
  await turns(10)
  assert.deepEqual(counts(), [4_990, 10])
  await turns(1)
  replace(refs.slice(10, 20))
  await turns(10)
  assert.deepEqual(counts(), [4_980, 20])
})

test('a tenant may have more trackers than a word has bits, beside one with few', async () => {
  const env = createFakeEnv()
  const head = createTestHead()
  const active = new ActiveSeries(env, head, { updateMs: 1, idleMs: 60_000 })
  const names = Array.from({ length: 70 }, (_, i) => `t${i}`)
  const rules = Object.fromEntries(names.map((name, i) => [name, `{n=~"${i}|x"}`]))
  const tenantOf = (name: string, limits: object): TenantState =>
    ({ name, index: head.findTenant(name)!, limits }) as unknown as TenantState
  for (const tenant of ['few', 'many']) {
    for (const n of ['0', '31', '32', '63', '64', '69', 'x', 'y']) {
      const ref = head.getOrCreate(tenant, labelsOf({ __name__: 'm', n }))
      assert.equal(head.appendSample(ref, 1, 1), 'appended')
    }
  }
  const few = tenantOf('few', trackers({ all: 'm', none: '{n="z"}', odd: '{n="31"}' }))
  const tenants = [few, tenantOf('many', trackers(rules))]
  const cell = 'cortex_ingester_active_series_custom_tracker'
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 6; i++) {
      await env.timers.advance(1)
      active.tick(() => tenants)
    }
    const counts = names.map((name) => env.metrics.value(cell, 'many', name))
    const wanted = names.map((_, i) => ([0, 31, 32, 63, 64, 69].includes(i) ? 2 : 1))
    assert.deepEqual(counts, wanted)
    const own = ['all', 'none', 'odd'].map((name) => env.metrics.value(cell, 'few', name))
    assert.deepEqual(own, [8, 0, 1])
  }
})
