import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeriesNumbers } from '../../../../src/shared/tsdb/wal/series-numbers.js'

test('numbers far apart are kept apart, others are unknown', () => {
  const numbers = new SeriesNumbers(0xffffffff)
  const known = new Map([
    [1, 7],
    [4095, 8],
    [4096, 9],
    [3_000_000_000, 10],
    [0xfffffffc, 11],
  ])
  for (const [number, ref] of known) numbers.set(number, ref)
  for (const [number, ref] of known) assert.equal(numbers.get(number), ref)
  for (const number of [0, 2, 4097, 2_999_999_999, 0xfffffffb, 0xffffffff]) {
    assert.equal(numbers.get(number), 0xffffffff)
  }
  numbers.set(1, 12)
  assert.equal(numbers.get(1), 12)
})
