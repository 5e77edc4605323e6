import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findGoFloat, printFloatDigits } from '../../../src/shared/base/go-float.js'

test('formats numbers as %.2g', () => {
  const cases: [number, string][] = [
    [10, '10'],
    [5.5, '5.5'],
    [7, '7'],
    [123, '1.2e+02'],
    [0.12345, '0.12'],
    [99.9, '1e+02'],
    [1e-7, '1e-07'],
  ]
  for (const [value, text] of cases) assert.equal(printFloatDigits(value, 2), text)
})

test('reads floats as ParseFloat does', () => {
  const cases: [string, number | undefined][] = [
    ['1', 1],
    ['+1.5e3', 1500],
    ['.5', 0.5],
    ['5.', 5],
    ['1_000', 1000],
    ['0x1p-2', 0.25],
    ['0x1.8p1', 3],
    ['+Inf', Number.POSITIVE_INFINITY],
    ['inf', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['NaN', Number.NaN],
    ['', undefined],
    [' 1', undefined],
    ['1e400', undefined],
    ['0x10', undefined],
    ['_1', undefined],
    ['1__0', undefined],
    ['1_', undefined],
    ['Hello World', undefined],
    ['-NaN', undefined],
  ]
  for (const [text, value] of cases) assert.equal(findGoFloat(text), value, text)
})
