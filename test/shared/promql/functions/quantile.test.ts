import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { quantileOfSorted, sortFloats } from '../../../../src/shared/promql/functions/quantile.js'

const value = fc.oneof(
  fc.double(),
  fc.constantFrom(Number.NaN, Infinity, -Infinity, 0, 1, 1),
  fc.integer({ min: -5, max: 5 }),
)

test('sorts ascending with NaN last, and only as many as asked', () => {
  fc.assert(
    fc.property(
      fc.array(value, { maxLength: 100 }),
      fc.array(value, { maxLength: 3 }),
      (head, tail) => {
        const values = Float64Array.from([...head, ...tail])
        sortFloats(values, head.length)
        const expected = Float64Array.from(head).sort()
        for (let k = 0; k < head.length; k++) {
          // Zeros of both signs are equal here.
          assert.ok(
            values[k] === expected[k] || (values[k] !== values[k] && expected[k] !== expected[k]),
          )
        }
        assert.deepEqual(values.slice(head.length), Float64Array.from(tail))
      },
    ),
    { seed: 5, numRuns: 300 },
  )
})

test('interpolates between neighbours, NaN being the smallest', () => {
  const of = (q: number, ...values: number[]) => {
    const column = Float64Array.from(values)
    sortFloats(column, values.length)
    return quantileOfSorted(q, column, values.length)
  }
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
