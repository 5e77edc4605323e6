/** The limits of a query over several tenants. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../src/shared/config/index.js'
import { LONGEST, RULES, WORDS } from '../../../src/shared/limits/combine.js'
import { Limits } from '../../../src/shared/limits/index.js'
import { testLimits } from '../../support/limits.js'

test('the strictest bound of all counts, and a switch only where all have it', () => {
  const limits = new Limits(
    testLimits(
      {},
      {
        a: {
          max_fetched_series_per_query: 10,
          max_total_query_length: 5,
          max_cache_freshness: 1,
          enabled_promql_experimental_functions: ['all'],
          enabled_promql_fill_modifiers: true,
        },
        b: {
          max_fetched_series_per_query: 7,
          max_cache_freshness: 9,
          enabled_promql_experimental_functions: ['limitk', 'sort_by_label'],
        },
      },
    ),
  )
  const row = limits.of('a|b')
  assert.equal(row.max_fetched_series_per_query, 7)
  assert.equal(row.max_total_query_length, 5)
  assert.equal(row.max_cache_freshness, 9)
  assert.deepEqual(row.enabled_promql_experimental_functions, ['limitk', 'sort_by_label'])
  assert.equal(row.enabled_promql_fill_modifiers, false)
  assert.equal(limits.of('a|b'), row, 'made once')
  limits.take(testLimits({}, { a: { max_fetched_series_per_query: 3 } }, 2))
  assert.equal(limits.of('a|b').max_fetched_series_per_query, 3)
})

test('what is said of limits here is what the table says', () => {
  const names = (types: readonly string[]): string[] =>
    Object.entries(LIMITS).flatMap(([name, { type }]) => (types.includes(type) ? [name] : []))
  // Durations that bound a query; of a longer one the smaller counts.
  const bounds = names(['duration']).filter((name) => !LONGEST.has(name))
  assert.deepEqual(bounds, [
    'max_query_lookback',
    'max_partial_query_length',
    'max_total_query_length',
    'max_labels_query_length',
    'compactor_blocks_retention_period',
  ])
  assert.equal(LONGEST.size, names(['duration']).length - bounds.length)
  assert.deepEqual([...WORDS].toSorted(), names(['list']).toSorted())
  for (const name of RULES) assert.ok(names(['open']).includes(name), name)
  for (const [name, { type, default: value }] of Object.entries(LIMITS)) {
    const isNumber = ['int', 'float', 'size', 'duration'].includes(type)
    assert.equal(typeof value === 'number', isNumber, name)
    assert.equal(typeof value === 'boolean', type === 'bool', name)
  }
})
