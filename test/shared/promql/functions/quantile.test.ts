import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { quantileOf } from '../../../../src/shared/promql/functions/quantile.js'

const value = fc.oneof(
  fc.double(),
  fc.constantFrom(Number.NaN, Infinity, -Infinity, 0, 1, 1),
  fc.integer({ min: -5, max: 5 }),
)

/** By sorting all of them. */
function sortedQuantile(q: number, values: readonly number[]): number {
  const nans = values.filter((value) => Number.isNaN(value))
  const numbers = Float64Array.from(values.filter((value) => !Number.isNaN(value))).sort()
  const sorted = [...nans, ...numbers]
  const rank = q * (sorted.length - 1)
  const lower = Math.floor(rank)
  const upper = Math.min(sorted.length - 1, lower + 1)
  const weight = rank - lower
  return sorted[lower]! * (1 - weight) + sorted[upper]! * weight
}

test('is what sorting gives, and looks at as many as asked', () => {
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 200 }),
      fc.array(value, { maxLength: 3 }),
      fc.oneof(fc.constantFrom(0, 0.5, 0.9, 1), fc.double({ min: 0, max: 1, noNaN: true })),
      (head, tail, q) => {
        const values = Float64Array.from([...head, ...tail])
        const found = quantileOf(q, values, head.length)
        const expected = sortedQuantile(q, head)
        // Zeros of both signs are equal here.
        assert.ok(found === expected || (found !== found && expected !== expected))
        assert.deepEqual(values.slice(head.length), Float64Array.from(tail))
        assert.deepEqual(values.slice(0, head.length).sort(), Float64Array.from(head).sort())
      },
    ),
    { seed: 5, numRuns: 500 },
  )
})

test('takes values in any order, equal ones and many of them', () => {
  const count = 5_000
  const orders: ((k: number) => number)[] = [
    (k) => k,
    (k) => -k,
    () => 7,
    (k) => k % 3,
    (k) => (k * 7919) % count,
    (k) => (k % 2 === 0 ? k : -k),
    (k) => Math.abs(k - count / 2),
  ]
  for (const order of orders) {
    const values = Array.from({ length: count }, (_, k) => order(k))
    for (const q of [0, 0.1, 0.5, 0.99, 1]) {
      assert.equal(quantileOf(q, Float64Array.from(values), count), sortedQuantile(q, values))
    }
  }
})

test('interpolates between neighbours, NaN being the smallest', () => {
  const of = (q: number, ...values: number[]) =>
    quantileOf(q, Float64Array.from(values), values.length)
  assert.equal(of(0.5, 3, 1, 2), 2)
  assert.equal(of(0.5, 4, 1, 2, 3), 2.5)
  assert.equal(of(0, 3, 1), 1)
  assert.equal(of(1, 3, 1), 3)
  assert.equal(of(0.75, 7), 7)
  assert.equal(of(1, Number.NaN, 5), 5)
  assert.equal(of(0, Number.NaN, 5), Number.NaN)
  assert.equal(of(-0.1, 1), -Infinity)
  assert.equal(of(1.1, 1), Infinity)
  assert.equal(of(Number.NaN, 1), Number.NaN)
  assert.equal(of(0.5), Number.NaN)
})
