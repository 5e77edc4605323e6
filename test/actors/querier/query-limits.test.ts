/** What a tenant's limits do to its queries, each by its key. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QuerierQuery } from '../../../src/actors/querier/contract.js'
import type { Config } from '../../../src/shared/config/index.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createTestQuerier, TestShard, taskOf, textOf } from '../../support/querier.js'

const TENANT = 'anonymous'
const MINUTE = 60_000

/** Asks a querier with three series of 300 samples, the last at the clock's now. */
async function ask(changes: Partial<Config>, query: QuerierQuery): Promise<Answer> {
  const env = createFakeEnv()
  const now = env.clock.now()
  const shard = new TestShard()
  for (const job of ['a', 'b', 'c']) {
    const samples = Array.from({ length: 300 }, (_, i) => [now - (299 - i) * 15_000, i] as const)
    shard.append(TENANT, labelsOf({ __name__: 'x', job }), ...samples)
  }
  const querier = createTestQuerier(env, [shard], changes)
  return JSON.parse(textOf(await querier.run(taskOf(TENANT, query)))) as Answer
}

interface Answer {
  readonly data: unknown
  readonly warnings?: readonly string[]
}

const NOW = createFakeEnv().clock.now()

function instant(text: string): QuerierQuery {
  return { kind: 'query', text, atMs: NOW, lookbackMs: 0, limit: 0 }
}

function range(text: string): QuerierQuery {
  const times = { startMs: NOW - 60 * MINUTE, endMs: NOW, stepMs: MINUTE }
  return { kind: 'query-range', text, ...times, lookbackMs: 0, limit: 0 }
}

const REFUSED: readonly (readonly [Partial<Config>, QuerierQuery, string])[] = [
  [{ 'limits.max_fetched_series_per_query': 2 }, instant('x'), 'err-mimir-max-series-per-query'],
  [
    { 'limits.max_fetched_series_per_query': 3 },
    instant('x + on (job) x offset 30m'),
    'err-mimir-max-series-per-query',
  ],
  [{ 'limits.max_fetched_chunks_per_query': 2 }, range('x'), 'err-mimir-max-chunks-per-query'],
  [
    { 'limits.max_fetched_chunk_bytes_per_query': 100 },
    range('x'),
    'err-mimir-max-chunks-bytes-per-query',
  ],
  [
    { 'limits.max_estimated_memory_consumption_per_query': 1000 },
    range('x'),
    'err-mimir-max-estimated-memory-consumption-per-query',
  ],
  [
    { 'limits.max_query_expression_size_bytes': 5 },
    instant('"éé"'),
    'err-mimir-max-query-expression-size-bytes',
  ],
  [
    { 'limits.max_total_query_length': 59 * MINUTE },
    range('x'),
    'err-mimir-max-total-query-length',
  ],
  [
    { 'limits.max_partial_query_length': 9 * MINUTE },
    instant('rate(x[10m])'),
    'err-mimir-max-query-length',
  ],
]
for (const [changes, query, id] of REFUSED) {
  test(`${JSON.stringify(changes)} refuses with ${id}`, async () => {
    await ask({}, query)
    await assert.rejects(ask(changes, query), { id })
  })
}

test('max_query_lookback hides what is older', async () => {
  const changes = { 'limits.max_query_lookback': 10 * MINUTE }
  const { data } = await ask(changes, instant('count_over_time(x{job="a"}[1h])'))
  const [row] = (data as { result: { value: [number, string] }[] }).result
  assert.equal(row!.value[1], '41')
})

test('label queries get no more rows than the tenant may, and a warning', async () => {
  const all = { matchers: [], mint: 0, maxt: NOW, limit: 0 }
  const values = { kind: 'label-values', name: 'job', ...all } as const
  const cut = await ask({ 'limits.max_label_values_limit': 2 }, values)
  assert.deepEqual(cut.data, ['a', 'b'])
  assert.deepEqual(cut.warnings, ['results truncated due to limit'])
  const names = await ask({ 'limits.max_label_names_limit': 1 }, { kind: 'label-names', ...all })
  assert.deepEqual(names.data, ['__name__'])
  const series = { kind: 'series', ...all, matchers: ['x'], limit: 1 } as const
  const own = await ask({ 'limits.max_series_query_limit': 2 }, series)
  assert.equal((own.data as unknown[]).length, 1)
  const most = await ask({ 'limits.max_series_query_limit': 2 }, { ...series, limit: 5 })
  assert.equal((most.data as unknown[]).length, 2)
})

test('experimental functions are a matter of the tenant', async () => {
  const key = 'limits.enabled_promql_experimental_functions'
  const query = instant('mad_over_time(x[5m])')
  await assert.rejects(ask({}, query), { id: 'query-parse' })
  await ask({ [key]: ['mad_over_time'] }, query)
  await assert.rejects(ask({ [key]: ['sort_by_label'] }, query), { id: 'query-parse' })
})
