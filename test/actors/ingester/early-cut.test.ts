/** Which heads are cut early for their series that are not active any more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { earlyCuts, type HeadSize } from '../../../src/actors/ingester/early-cut.js'

function head(
  tenant: string,
  series: number,
  active: number | undefined,
  own = 0,
): HeadSize<string> {
  return { tenant, series, active, seriesMin: own, reductionMin: 20 }
}

const HEADS = [
  head('a', 1000, 900),
  head('b', 500, 100),
  head('c', 300, undefined),
  head('d', 50, 0),
]

test('as many heads as it takes, those with the most to free first', () => {
  const cuts = (seriesMin: number, reductionMin = 15): string[] =>
    earlyCuts(HEADS, { seriesMin, reductionMin })
  assert.deepEqual(cuts(0), [])
  assert.deepEqual(cuts(1851), [])
  assert.deepEqual(cuts(1850), ['b'])
  // b frees 400: the other that frees enough of its own is d.
  assert.deepEqual(cuts(1450), ['b', 'd'])
  assert.deepEqual(cuts(1, 10), ['b', 'a', 'd'])
  assert.deepEqual(cuts(1, 81), ['d'])
})

test('a tenant over its own threshold is cut whatever the others have', () => {
  const off = { seriesMin: 0, reductionMin: 15 }
  assert.deepEqual(earlyCuts([head('a', 1000, 700, 1000), head('b', 999, 0, 1000)], off), ['a'])
  assert.deepEqual(earlyCuts([head('a', 1000, 801, 1000)], off), [], 'too little to free')
  assert.deepEqual(earlyCuts([head('a', 1000, undefined, 1)], off), [], 'not counted yet')
})
