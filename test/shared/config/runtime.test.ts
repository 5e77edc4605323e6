/** The runtime file: what it gives tenants, and what is said about one that is wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultConfig, parseRuntimeConfig, printLimits } from '../../../src/shared/config/index.js'
import { Limits, limitsDataOf } from '../../../src/shared/limits/index.js'

function parse(...texts: string[]) {
  return parseRuntimeConfig(texts.map((text, at) => ({ name: `f${at}.yaml`, text })))
}

async function complaint(...texts: string[]): Promise<string> {
  try {
    await parse(...texts)
  } catch (error) {
    return (error as Error).message
  }
  assert.fail('it was accepted')
}

test('reads overrides by the types of the table, tenants with dots in their names too', async () => {
  const runtime = await parse(`
overrides:
  team.a:
    ingestion_rate: 50000
    compactor_blocks_retention_period: 90d
    native_histograms_ingestion_enabled: no
    promote_otel_resource_attributes: a,b
    active_series_custom_trackers:
      prod: '{environment="prod"}'
  "1":
    max_fetched_chunk_bytes_per_query: 5MiB
  empty:
ingester_limits:
  max_series: 2000000
distributor_limits:
  max_inflight_push_requests: 4000
multi_kv_config:
  primary: consul
`)
  assert.deepEqual(runtime.overrides.get('team.a'), {
    ingestion_rate: 50_000,
    compactor_blocks_retention_period: 90 * 86_400_000,
    native_histograms_ingestion_enabled: false,
    promote_otel_resource_attributes: ['a', 'b'],
    active_series_custom_trackers: { prod: '{environment="prod"}' },
  })
  assert.deepEqual(runtime.overrides.get('1'), { max_fetched_chunk_bytes_per_query: 5 << 20 })
  assert.deepEqual([...runtime.overrides.keys()], ['team.a', '1'])
  assert.deepEqual(runtime.ingesterLimits, { max_series: 2_000_000 })
  assert.deepEqual(runtime.distributorLimits, { max_inflight_push_requests: 4000 })
})

test('merges several files from left to right, and an empty one is no overrides', async () => {
  const one = 'overrides: {a: {ingestion_rate: 1, request_rate: 2}, b: {request_rate: 3}}'
  const two = 'overrides: {a: {request_rate: 7}}'
  const { overrides } = await parse(one, two, '')
  assert.deepEqual(overrides.get('a'), { ingestion_rate: 1, request_rate: 7 })
  assert.deepEqual(overrides.get('b'), { request_rate: 3 })
})

test('says where and what is wrong, all of it at once', async () => {
  assert.equal(
    await complaint(`overrides:
  a:
    ingestion_rat: 1
    ingestion_rate: fast
    __proto__: 1
  b: 7
override: {}
ingester_limits:
  max_serie: 1
  max_tenants: -1
`),
    [
      'f0.yaml:3:5: overrides of a: unknown key ingestion_rat; did you mean ingestion_rate?',
      'f0.yaml:4:5: overrides of a: ingestion_rate: expected a number, at least 0, got "fast"',
      'f0.yaml:5:5: overrides of a: unknown key __proto__',
      'f0.yaml:6:3: overrides.b: expected a block of keys',
      'f0.yaml:7:1: unknown key override; did you mean overrides?',
      'f0.yaml:9:3: unknown key ingester_limits.max_serie',
      'f0.yaml:10:3: ingester_limits.max_tenants: expected a whole number, at least 0',
    ].join('\n'),
  )
  assert.match(await complaint('a: 1\n---\nb: 2'), /one YAML document expected/)
  assert.match(await complaint('overrides: {a: {request_rate: 1}, a: {}}'), /f0.yaml:1:\d+: /)
})

test('limits that contradict each other are refused with the tenant', async () => {
  const runtime = await parse('overrides: {t: {ha_tracker_failover_timeout: 10s}}')
  assert.throws(() => limitsDataOf(defaultConfig(), runtime), /overrides of t: ha_tracker_failover/)
  const factor = await parse('overrides: {t: {ingestion_burst_factor: 0.5}}')
  assert.throws(() => limitsDataOf(defaultConfig(), factor), /ingestion_burst_factor/)
})

test('prints limits as a file would give them', async () => {
  const runtime = await parse('overrides: {t: {ingestion_rate: 5, out_of_order_time_window: 10m}}')
  const limits = new Limits(limitsDataOf(defaultConfig(), runtime))
  assert.deepEqual(printLimits(limits.of('t'), '  ', limits.defaults()), [
    '  ingestion_rate: 5',
    '  out_of_order_time_window: 10m',
  ])
  assert.ok(printLimits(limits.of('t'), '').length > 100)
})
