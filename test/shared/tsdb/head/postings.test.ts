/** Set operations on sorted lists, against JavaScript's own sets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { intersect, subtract, union } from '../../../../src/shared/tsdb/head/postings.js'

function randomList(prng: SeededPrng): Uint32Array {
  const length = [0, 1, 3, 40, 2000][prng.nextU32() % 5]!
  const span = length * (1 + (prng.nextU32() % 4)) + 1
  const refs = new Set(Array.from({ length }, () => prng.nextU32() % span))
  return Uint32Array.from(refs).sort()
}

test('intersect, subtract and union are what they say, for lists of any sizes', () => {
  const prng = new SeededPrng(5)
  for (let round = 0; round < 2000; round++) {
    const a = randomList(prng)
    const b = randomList(prng)
    const inB = new Set(b)
    assert.deepEqual(
      Array.from(intersect(a, b)),
      Array.from(a).filter((ref) => inB.has(ref)),
    )
    assert.deepEqual(
      Array.from(subtract(a, b)),
      Array.from(a).filter((ref) => !inB.has(ref)),
    )
    const all = [...new Set([...a, ...b])].sort((x, y) => x - y)
    assert.deepEqual(Array.from(union([a, b])), all)
  }
  assert.deepEqual(union([]), new Uint32Array(0))
})
