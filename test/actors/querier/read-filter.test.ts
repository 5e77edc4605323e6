/** What a query is confined to by X-Filter-Queryables. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseReadFilter } from '../../../src/actors/querier/read-filter.js'

test('names heads, blocks, or the heads of single zones', () => {
  const all = undefined
  assert.deepEqual(parseReadFilter(['ingester'], 3), {
    hasIngesters: true,
    hasBlocks: false,
    zones: all,
  })
  assert.deepEqual(parseReadFilter(['store-gateway'], 1), {
    hasIngesters: false,
    hasBlocks: true,
    zones: all,
  })
  assert.deepEqual(parseReadFilter(['zone-2', 'store-gateway', 'zone-0'], 3), {
    hasIngesters: true,
    hasBlocks: true,
    zones: new Set([2, 0]),
  })
})

test('a name of nothing is refused, and the answer tells the names', () => {
  for (const name of ['zone-3', 'zone-', 'ruler', '']) {
    assert.throws(
      () => parseReadFilter([name], 3),
      /ingester, store-gateway, zone-0, zone-1, zone-2/,
    )
  }
})
