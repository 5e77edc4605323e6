import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findGoFloat, formatG, quoteGo } from '../../../src/shared/base/go-text.js'

test('formats numbers as %g', () => {
  const cases: [number, string][] = [
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [-1.5, '-1.5'],
    [0.1, '0.1'],
    [123456, '123456'],
    [1234567, '1.234567e+06'],
    [1e6, '1e+06'],
    [100000, '100000'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [1e100, '1e+100'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [Number.NEGATIVE_INFINITY, '-Inf'],
  ]
  for (const [value, text] of cases) assert.equal(formatG(value), text)
})

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
  for (const [value, text] of cases) assert.equal(formatG(value, 2), text)
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

test('quotes strings as %q', () => {
  assert.equal(quoteGo('a"b\\c\n'), '"a\\"b\\\\c\\n"')
  assert.equal(quoteGo('é😀'), '"é😀"')
  assert.equal(quoteGo('\u0001\u00a0\u200b'), '"\\x01\\u00a0\\u200b"')
})
