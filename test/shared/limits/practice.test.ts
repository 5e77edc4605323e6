/** Limits of made-up work: what they keep of the tenants', and what they lift. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Limits,
  PRACTICE_DROPPED_LABEL,
  PRACTICE_TENANTS,
  practiceLimits,
} from '../../../src/shared/limits/index.js'
import { compileRelabel } from '../../../src/shared/relabel/index.js'
import { testLimits } from '../../support/limits.js'

const [[FIRST, SECOND], LATER] = PRACTICE_TENANTS

test('limits that nobody set are not looked at in practice either', () => {
  const real = testLimits()
  const practised = new Limits(practiceLimits(real))
  for (const tenant of PRACTICE_TENANTS.flat()) {
    assert.deepEqual(practised.of(tenant), { ...real.defaults, ingestion_burst_size: 1e9 })
  }
})

test('what is set is looked at, and refuses nothing', () => {
  const practised = new Limits(
    practiceLimits(
      testLimits({
        ingestion_rate: 3,
        ingestion_burst_size: 5,
        max_global_series_per_metric: 2,
        max_label_names_per_series: 4,
        past_grace_period: 60_000,
        accept_ha_samples: true,
        drop_labels: ['a'],
      }),
    ),
  ).of(FIRST)
  assert.equal(practised.ingestion_rate, 1e9)
  assert.equal(practised.ingestion_burst_size, 1e9)
  assert.equal(practised.max_global_series_per_metric, 1e9)
  assert.equal(practised.max_global_series_per_user, 0)
  assert.equal(practised.max_label_names_per_series, 30)
  assert.equal(practised.past_grace_period, 86_400_000)
  assert.equal(practised.accept_ha_samples, true)
  assert.deepEqual(practised.drop_labels, ['a', PRACTICE_DROPPED_LABEL])
})

test('rules are of the same kind, and keep what is made up', () => {
  const labels = [
    { name: '__name__', value: 'up' },
    { name: 'job', value: 'x' },
    { name: PRACTICE_DROPPED_LABEL, value: 'y' },
  ]
  const applied = (rules: unknown) => {
    const data = practiceLimits(testLimits({ metric_relabel_configs: rules }))
    return compileRelabel(new Limits(data).of(FIRST).metric_relabel_configs)(labels)
  }
  const keep = [{ source_labels: ['__name__'], regex: 'down', action: 'keep' }]
  assert.deepEqual(applied(keep), labels.slice(0, 2))
  const write = [{ target_label: 'env', replacement: 'test' }]
  assert.equal(applied(write)?.at(-1)?.value, 'x')
  assert.deepEqual(applied([]), labels)
})

test('every second tenant of practice has what the runtime file gives somebody', () => {
  const overrides = { slow: { request_rate: 2 }, pairs: { accept_ha_samples: true } }
  const data = practiceLimits(testLimits({ ingestion_rate: 7 }, overrides))
  const practised = new Limits(structuredClone(data))
  assert.deepEqual([...data.overrides.keys()], [SECOND, LATER[1]])
  assert.equal(practised.of(FIRST).accept_ha_samples, false)
  assert.equal(practised.of(SECOND).accept_ha_samples, true)
  assert.equal(practised.of(SECOND).ingestion_rate, 1e9)
})
