import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counters } from '../../../src/actors/distributor/counters.js'
import { DISCARD_REASONS } from '../../../src/shared/wire/frames/index.js'
import { FakeMetrics } from '../../support/fake-env.js'

test('of many tenants those that were quiet for the longest time lose their cells', () => {
  const metrics = new FakeMetrics()
  const counters = new Counters(metrics, 3)
  const count = (tenant: string): void => {
    counters.discarded.fill(0)
    counters.discarded[1] = 2
    const none = { exemplars: 0, histograms: 0, duplicates: 0, metadata: 0, newSeries: 0 }
    const bytes = { compressedBytes: 1, bytes: 1 }
    counters.count(tenant, { samples: 5, discarded: counters.discarded, ...none, ...bytes })
  }
  for (const tenant of ['a', 'b', 'c', 'a', 'a']) count(tenant)
  const size = metrics.size()
  for (const tenant of ['d', 'a', 'e']) count(tenant)
  assert.equal(metrics.size(), size)
  const received = (tenant: string): number =>
    metrics.value('cortex_distributor_received_samples_total', tenant)
  assert.deepEqual(['a', 'b', 'c', 'd', 'e'].map(received), [20, 0, 0, 5, 5])
  const discarded = (tenant: string): number =>
    metrics.value('cortex_discarded_samples_total', DISCARD_REASONS[1]!, tenant)
  assert.deepEqual(['a', 'b', 'd'].map(discarded), [8, 0, 2])
  // One that comes back begins anew.
  count('b')
  assert.deepEqual([received('b'), received('d')], [5, 0])
})
