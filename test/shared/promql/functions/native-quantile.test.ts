/** Quantiles and fractions of native histograms: each other's inverse, and their special cases. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { goExp2 } from '../../../../src/shared/base/go-exp2.js'
import { EMPTY_HISTOGRAM, type FloatHistogram } from '../../../../src/shared/model/histogram.js'
import { fasten } from '../../../../src/shared/model/histogram-arithmetic.js'
import type { WindowNotes } from '../../../../src/shared/promql/functions/kernel.js'
import {
  nativeFraction,
  nativeQuantile,
} from '../../../../src/shared/promql/functions/native-quantile.js'

function notes(): WindowNotes & { readonly texts: string[] } {
  const texts: string[] = []
  const add = (text: string): void => {
    texts.push(text)
  }
  return { texts, warn: add, info: add, name: () => 'h', release: 'main' }
}

function histogram(schema: number, counts: readonly number[], zeroCount = 0): FloatHistogram {
  return {
    ...EMPTY_HISTOGRAM,
    schema,
    zeroCount,
    zeroThreshold: zeroCount === 0 ? 0 : 1e-6,
    count: counts.reduce((sum, count) => sum + count, zeroCount),
    sum: 1,
    positive: fasten(
      Int32Array.from(counts, (_, index) => index - 2),
      Float64Array.from(counts),
    ),
  }
}

test('powers of two are exact at whole numbers and close between', () => {
  for (let power = -1022; power <= 1023; power++) assert.equal(goExp2(power), 2 ** power)
  for (let x = -50; x < 50; x += 0.37) {
    assert.ok(Math.abs(goExp2(x) / 2 ** x - 1) < 1e-15)
  }
  assert.deepEqual([1024, -1075, Infinity, -Infinity, Number.NaN].map(goExp2), [
    Infinity,
    0,
    Infinity,
    0,
    Number.NaN,
  ])
})

test('the fraction below a quantile is that quantile', () => {
  const schemas = fc.integer({ min: -2, max: 6 })
  const counts = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 8 })
  const q = fc.double({ min: 0.01, max: 0.99, noNaN: true })
  const check = (schema: number, list: number[], zero: number, wanted: number): void => {
    const value = histogram(schema, list, zero)
    const at = nativeQuantile(wanted, value, notes())
    const fraction = nativeFraction(-Infinity, at, value, notes())
    assert.ok(Math.abs(fraction - wanted) < 1e-9, `${fraction} ${wanted} at ${at}`)
  }
  const options = { seed: 3, numRuns: 500 }
  fc.assert(fc.property(schemas, counts, fc.nat(50), q, check), options)
})

test('quantiles beyond 0 and 1, of nothing, and of NaN', () => {
  const value = histogram(0, [4])
  assert.equal(nativeQuantile(-0.1, value, notes()), -Infinity)
  assert.equal(nativeQuantile(1.1, value, notes()), Infinity)
  assert.equal(nativeQuantile(0, value, notes()), 0.125)
  assert.equal(nativeQuantile(1, value, notes()), 0.25)
  assert.ok(Number.isNaN(nativeQuantile(Number.NaN, value, notes())))
  assert.ok(Number.isNaN(nativeQuantile(0.5, EMPTY_HISTOGRAM, notes())))
  const withNan: FloatHistogram = { ...value, count: 8, sum: Number.NaN }
  const said = notes()
  assert.ok(Number.isNaN(nativeQuantile(0.9, withNan, said)))
  assert.ok(nativeQuantile(0.4, withNan, said) < 0.25)
  assert.equal(nativeFraction(-Infinity, Infinity, withNan, said), 0.5)
  assert.deepEqual(said.texts, [
    'input to histogram_quantile has NaN observations, result is NaN for metric name "h"',
    'input to histogram_quantile has NaN observations, result is skewed higher for metric name "h"',
    'input to histogram_fraction has NaN observations, which are excluded from all fractions for metric name "h"',
  ])
})

test('fractions of nothing, of no width, and without bounds', () => {
  const value = histogram(0, [1, 1, 2])
  assert.equal(nativeFraction(1, 1, value, notes()), 0)
  assert.equal(nativeFraction(2, 1, value, notes()), 0)
  assert.equal(nativeFraction(-Infinity, Infinity, value, notes()), 1)
  assert.equal(nativeFraction(0.5, 1, value, notes()), 0.5)
  assert.ok(Number.isNaN(nativeFraction(Number.NaN, 1, value, notes())))
  assert.ok(Number.isNaN(nativeFraction(0, 1, EMPTY_HISTOGRAM, notes())))
})
