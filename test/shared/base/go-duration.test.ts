/** Durations of configuration: Go's notation and Prometheus' longer units. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseGoDuration, printGoDuration } from '../../../src/shared/base/go-duration.js'

test('reads the notations of Go and of Prometheus', () => {
  const cases: [string, number | undefined][] = [
    ['0', 0],
    ['0s', 0],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['100us', 0.1],
    ['100µs', 0.1],
    ['-1m', -60_000],
    ['30d', 2_592_000_000],
    ['1w', 604_800_000],
    ['1y', 31_536_000_000],
    ['1m36s', 96_000],
    ['', undefined],
    ['5', undefined],
    ['s', undefined],
    ['1 h', undefined],
    ['1h30', undefined],
    ['1e3s', undefined],
    ['.s', undefined],
  ]
  for (const [text, ms] of cases) assert.equal(parseGoDuration(text), ms, JSON.stringify(text))
})

test('prints what it reads back', () => {
  const cases: [number, string][] = [
    [0, '0s'],
    [96_000, '1m36s'],
    [46_800_000, '13h'],
    [2_592_000_000, '30d'],
    [-1500, '-1s500ms'],
    [0.25, '0.25ms'],
  ]
  for (const [ms, text] of cases) {
    assert.equal(printGoDuration(ms), text)
    assert.equal(parseGoDuration(text), ms)
  }
})
