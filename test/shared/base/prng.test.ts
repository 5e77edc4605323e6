import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../src/shared/base/prng.js'

test('xoshiro128** gives the published stream for the state 1, 2, 3, 4', () => {
  const prng = new SeededPrng(0)
  ;(prng as unknown as { state: Uint32Array }).state.set([1, 2, 3, 4])
  const stream = Array.from({ length: 7 }, () => prng.nextU32())
  assert.deepEqual(stream, [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034])
})

test('equal seeds give equal streams, others differ', () => {
  const one = new SeededPrng(42)
  const same = new SeededPrng(42)
  const other = new SeededPrng(43)
  const take = (prng: SeededPrng) => Array.from({ length: 20 }, () => prng.nextU32())
  const stream = take(one)
  assert.deepEqual(stream, take(same))
  assert.notDeepEqual(stream, take(other))
})

test('below stays under its bound and reaches all of it', () => {
  const prng = new SeededPrng(7)
  const counts = new Uint32Array(6)
  for (let at = 0; at < 6_000; at++) counts[prng.below(6)]! += 1
  for (const count of counts) assert.ok(count > 850 && count < 1150, `${counts}`)
  const bytes = new Uint8Array(64)
  prng.fill(bytes)
  assert.ok(new Set(bytes).size > 30)
})
