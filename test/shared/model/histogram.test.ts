/** Native histograms as values: bounds, sums, differences, resets, cuts, texts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  CUSTOM_BUCKETS_SCHEMA,
  EMPTY_HISTOGRAM,
  type FloatHistogram,
  floatHistogramOf,
} from '../../../src/shared/model/histogram.js'
import {
  addHistograms,
  coarserIndex,
  compactHistogram,
  divideHistogram,
  fasten,
  hasOverflow,
  multiplyHistogram,
  reduceResolution,
  subtractHistograms,
  withHint,
} from '../../../src/shared/model/histogram-arithmetic.js'
import {
  allBuckets,
  bucketIndexes,
  exponentialBound,
} from '../../../src/shared/model/histogram-bounds.js'
import { equalHistograms, isReset } from '../../../src/shared/model/histogram-compare.js'
import { addToSum, beginSum, finishSum } from '../../../src/shared/model/histogram-sum.js'
import { printHistogram } from '../../../src/shared/model/histogram-text.js'
import { trimHistogram } from '../../../src/shared/model/histogram-trim.js'

type Counts = readonly (readonly [index: number, count: number])[]

/** A histogram of these counts by index. */
function histogram(
  schema: number,
  counts: Counts,
  rest: Partial<FloatHistogram> & { readonly below?: Counts } = {},
): FloatHistogram {
  const side = (list: Counts) => {
    const sorted = [...list].sort((a, b) => a[0] - b[0])
    return fasten(
      Int32Array.from(sorted, ([index]) => index),
      Float64Array.from(sorted, ([, count]) => count),
    )
  }
  const { below = [], ...fields } = rest
  const total = [...counts, ...below].reduce((sum, [, count]) => sum + count, 0)
  return {
    ...EMPTY_HISTOGRAM,
    schema,
    count: total + (fields.zeroCount ?? 0),
    sum: 1,
    positive: side(counts),
    negative: side(below),
    ...fields,
  }
}

/** Counts by index, empty ones left out. */
function countsOf(value: FloatHistogram, side: 'positive' | 'negative' = 'positive'): Counts {
  const { counts } = value[side]
  return [...bucketIndexes(value[side])].flatMap((index, i) =>
    counts[i] === 0 ? [] : [[index, counts[i]!] as const],
  )
}

const anyCounts = fc
  .uniqueArray(fc.tuple(fc.integer({ min: -40, max: 40 }), fc.integer({ min: 0, max: 1e6 })), {
    maxLength: 12,
    selector: ([index]) => index,
  })
  .map((list) => list as Counts)
const anyHistogram = fc
  .tuple(fc.integer({ min: -4, max: 8 }), anyCounts, anyCounts, fc.nat(100))
  .map(([schema, counts, below, zeroCount]) => histogram(schema, counts, { below, zeroCount }))
const options = { seed: 5, numRuns: 300 }

/** The sum of counts by index at a schema, without any cleverness. */
function naiveSum(
  parts: readonly { value: FloatHistogram; sign: number }[],
  side: 'positive' | 'negative',
  schema: number,
): Counts {
  const sums = new Map<number, number>()
  for (const { value, sign } of parts) {
    for (const [index, count] of countsOf(value, side)) {
      const at = coarserIndex(index, value.schema, schema)
      sums.set(at, (sums.get(at) ?? 0) + sign * count)
    }
  }
  return [...sums].filter(([, count]) => count !== 0).sort((a, b) => a[0] - b[0])
}

test('bounds are powers of two where they should be, and Prometheus’ bits between', () => {
  for (let schema = -4; schema <= 8; schema++) assert.equal(exponentialBound(0, schema), 1)
  assert.equal(exponentialBound(1, 1), 1.414213562373095)
  assert.equal(exponentialBound(3, 0), 8)
  assert.equal(exponentialBound(-3, 0), 0.125)
  assert.equal(exponentialBound(2, -2), 256)
  assert.equal(exponentialBound(1024, 0), Number.MAX_VALUE)
  assert.equal(exponentialBound(1025, 0), Infinity)
  assert.equal(exponentialBound(64, -4), Number.MAX_VALUE)
  assert.equal(exponentialBound(262_144, 8), Number.MAX_VALUE)
  assert.equal(exponentialBound(-1074, 0), 5e-324)
  for (let schema = 1; schema <= 8; schema++) {
    for (let index = -300; index < 300; index++) {
      assert.ok(exponentialBound(index, schema) < exponentialBound(index + 1, schema))
      assert.equal(exponentialBound(index * 2, schema), exponentialBound(index, schema - 1))
    }
  }
})

test('integer histograms become absolute', () => {
  const side = { spans: Int32Array.of(0, 2, 1, 1), deltas: Float64Array.of(3, -1, 4) }
  const none = { spans: new Int32Array(0), deltas: new Float64Array(0) }
  const value = floatHistogramOf({ ...EMPTY_HISTOGRAM, positive: side, negative: none })
  assert.deepEqual(countsOf(value), [
    [0, 3],
    [1, 2],
    [3, 6],
  ])
})

test('sums and differences have the buckets of both, at the coarser resolution', () => {
  const check = (a: FloatHistogram, b: FloatHistogram): void => {
    const schema = Math.min(a.schema, b.schema)
    for (const sign of [1, -1] as const) {
      const combine = sign === 1 ? addHistograms : subtractHistograms
      const result = combine(a, b)!.histogram
      assert.equal(result.schema, schema)
      assert.equal(result.count, a.count + sign * b.count)
      assert.equal(result.zeroCount, a.zeroCount + sign * b.zeroCount)
      const parts = [
        { value: a, sign: 1 },
        { value: b, sign },
      ]
      for (const side of ['positive', 'negative'] as const) {
        assert.deepEqual(countsOf(result, side), naiveSum(parts, side, schema))
      }
    }
  }
  fc.assert(fc.property(anyHistogram, anyHistogram, check), options)
})

test('compensated sums of whole counts are plain sums', () => {
  const check = (list: FloatHistogram[]): void => {
    let sum = beginSum(list[0]!)
    let plain = list[0]!
    for (const next of list.slice(1)) {
      sum = addToSum(sum, next)!.sum
      plain = addHistograms(plain, next)!.histogram
    }
    const a = compactHistogram(finishSum(sum))
    const b = compactHistogram(plain)
    assert.ok(equalHistograms(a, b), `${printHistogram(a)} ${printHistogram(b)}`)
  }
  fc.assert(fc.property(fc.array(anyHistogram, { minLength: 1, maxLength: 5 }), check), options)
})

test('compensated sums keep what plain ones lose', () => {
  const values = [1, 1e100, 1, -1e100].map((sum) => histogram(0, [[0, sum]], { sum }))
  let sum = beginSum(values[0]!)
  for (const value of values.slice(1)) sum = addToSum(sum, value)!.sum
  const result = finishSum(sum)
  assert.equal(result.sum, 2)
  assert.deepEqual(countsOf(result), [[0, 2]])
})

test('the zero bucket grows to hold the buckets within the wider threshold', () => {
  const wide = histogram(0, [[2, 5]], { zeroThreshold: 1, zeroCount: 2 })
  const narrow = histogram(
    0,
    [
      [0, 3],
      [1, 4],
    ],
    { zeroThreshold: 0.5, zeroCount: 1 },
  )
  for (const result of [addHistograms(wide, narrow), addHistograms(narrow, wide)]) {
    assert.equal(result!.histogram.zeroThreshold, 1)
    assert.equal(result!.histogram.zeroCount, 6)
    assert.deepEqual(countsOf(result!.histogram), [
      [1, 4],
      [2, 5],
    ])
  }
  // A threshold within a bucket that counts something moves to its end.
  const odd = histogram(0, [], { zeroThreshold: 1.5, zeroCount: 1 })
  const sum = addHistograms(odd, narrow)!.histogram
  assert.equal(sum.zeroThreshold, 2)
  assert.equal(sum.zeroCount, 9)
  assert.deepEqual(countsOf(sum), [])
  const compensated = finishSum(addToSum(beginSum(narrow), odd)!.sum)
  assert.ok(equalHistograms(compactHistogram(compensated), compactHistogram(sum)))
})

test('custom buckets are added between common bounds, never to exponential ones', () => {
  const custom = (counts: Counts, ...bounds: number[]) =>
    histogram(CUSTOM_BUCKETS_SCHEMA, counts, { customValues: Float64Array.from(bounds) })
  const a = custom(
    [
      [0, 1],
      [1, 2],
      [2, 4],
      [3, 8],
    ],
    1,
    2,
    5,
  )
  const b = custom(
    [
      [0, 1],
      [2, 3],
    ],
    1,
    5,
  )
  const sum = addHistograms(a, b)!
  assert.equal(sum.boundsReconciled, true)
  assert.deepEqual([...sum.histogram.customValues], [1, 5])
  assert.deepEqual(countsOf(sum.histogram), [
    [0, 2],
    [1, 6],
    [2, 11],
  ])
  const compensated = addToSum(beginSum(a), b)!
  assert.equal(compensated.boundsReconciled, true)
  assert.deepEqual(countsOf(finishSum(compensated.sum)), [
    [0, 2],
    [1, 6],
    [2, 11],
  ])
  assert.equal(addHistograms(a, a)!.boundsReconciled, false)
  assert.equal(addHistograms(a, histogram(0, [[0, 1]])), undefined)
  assert.equal(addToSum(beginSum(a), histogram(0, [[0, 1]])), undefined)
})

test('hints of sums follow those of their sides', () => {
  const hintOf = (a: FloatHistogram['counterResetHint'], b: FloatHistogram['counterResetHint']) => {
    const one = histogram(0, [[0, 1]])
    const { histogram: sum, resetsCollide } = addHistograms(withHint(one, a), withHint(one, b))!
    return `${sum.counterResetHint}${resetsCollide ? '!' : ''}`
  }
  assert.equal(hintOf('not_reset', 'not_reset'), 'not_reset')
  assert.equal(hintOf('reset', 'gauge'), 'gauge')
  assert.equal(hintOf('unknown', 'gauge'), 'gauge')
  assert.equal(hintOf('reset', 'unknown'), 'unknown')
  assert.equal(hintOf('reset', 'not_reset'), 'unknown!')
  assert.equal(multiplyHistogram(histogram(0, []), -1).counterResetHint, 'gauge')
  assert.equal(divideHistogram(histogram(0, []), -1).counterResetHint, 'gauge')
})

test('a histogram that has grown was not reset, one that lost anything was', () => {
  const check = (a: FloatHistogram, b: FloatHistogram): void => {
    const grown = addHistograms(a, reduceResolution(b, a.schema))!.histogram
    assert.equal(isReset(grown, a), false)
    assert.equal(isReset(a, { ...a, count: a.count + 1 }), true)
    assert.equal(isReset(a, { ...a, zeroCount: a.zeroCount + 1 }), true)
    for (const [index, count] of countsOf(a)) {
      const rest = countsOf(a).filter(([other]) => other !== index)
      const less = histogram(a.schema, [...rest, [index, count - 1]], { count: a.count })
      const more = histogram(a.schema, countsOf(a), { count: a.count })
      assert.equal(isReset(less, more), true)
    }
    assert.equal(isReset(withHint(a, 'reset'), a), true)
    assert.equal(isReset(withHint(EMPTY_HISTOGRAM, 'not_reset'), a), false)
  }
  fc.assert(fc.property(anyHistogram, anyHistogram, check), options)
  const coarse = histogram(0, [[1, 3]])
  assert.equal(
    isReset(
      coarse,
      histogram(1, [
        [1, 1],
        [2, 2],
      ]),
    ),
    false,
  )
  assert.equal(isReset(histogram(1, [[1, 3]]), coarse), true)
  assert.equal(isReset({ ...coarse, zeroThreshold: 0.1 }, coarse), false)
  assert.equal(isReset(coarse, { ...coarse, zeroThreshold: 0.1 }), true)
})

test('both sides of a cut are together what there was', () => {
  const check = (value: FloatHistogram, at: number): void => {
    const below = trimHistogram(value, at, 'keep-below')
    const above = trimHistogram(value, at, 'keep-above')
    const total = [...allBuckets(value)].reduce((sum, { count }) => sum + count, 0)
    assert.ok(Math.abs(below.count + above.count - total) <= 1e-9 * Math.max(1, total))
    for (const bucket of allBuckets(compactHistogram(below))) assert.ok(bucket.lower <= at)
    for (const bucket of allBuckets(compactHistogram(above))) assert.ok(bucket.upper >= at)
  }
  const at = fc.double({ min: -1e4, max: 1e4, noNaN: true })
  fc.assert(fc.property(anyHistogram, at, check), options)
  const value = histogram(0, [[1, 4]])
  assert.equal(trimHistogram(value, 2, 'keep-below'), value)
  const [half] = countsOf(trimHistogram(value, Math.SQRT2, 'keep-below'))
  assert.ok(half?.[0] === 1 && Math.abs(half[1] - 2) < 1e-12)
  assert.equal(trimHistogram(value, Number.NaN, 'keep-above').count, 0)
})

test('prints histograms as Prometheus does', () => {
  const value = histogram(
    0,
    [
      [1, 2],
      [2, 0],
      [4, 0.5],
    ],
    {
      below: [[1, 1]],
      zeroCount: 3,
      zeroThreshold: 0.001,
      sum: 1e21,
    },
  )
  assert.equal(
    printHistogram(value),
    '{count:6.5, sum:1e+21, [-2,-1):1, [-0.001,0.001]:3, (1,2]:2, (8,16]:0.5}',
  )
  const custom = histogram(
    CUSTOM_BUCKETS_SCHEMA,
    [
      [0, 1],
      [1, 2],
    ],
    {
      customValues: Float64Array.of(0.5),
    },
  )
  assert.equal(printHistogram(custom), '{count:3, sum:1, [-Inf,0.5]:1, (0.5,+Inf]:2}')
})

test('knows overflow in any count', () => {
  assert.equal(hasOverflow(histogram(0, [[0, 1]])), false)
  assert.equal(hasOverflow(histogram(0, [[0, Infinity]], { count: 1 })), true)
  assert.equal(hasOverflow(histogram(0, [], { sum: -Infinity })), true)
})
