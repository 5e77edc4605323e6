/** Copies into shared memory: the bytes, no others, and an error where they do not fit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyBytes } from '../../../src/shared/base/copy-bytes.js'

test('copies bytes of any number to any place, and nothing else', () => {
  const from = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31) % 251)
  for (const length of [0, 1, 7, 1_023, 1_024, 1_025, 65_537]) {
    for (const [at, first] of [
      [0, 0],
      [8, 3],
      [5, 0],
      [77, 77],
    ] as const) {
      const to = new Uint8Array(new SharedArrayBuffer(80_000))
      const piece = from.subarray(first, first + length)
      copyBytes(to, at, piece)
      const wanted = new Uint8Array(80_000)
      wanted.set(piece, at)
      assert.ok(Buffer.from(to).equals(wanted), `${length} bytes to ${at}`)
    }
  }
})

test('bytes that do not fit are an error, and are not cut off', () => {
  const to = new Uint8Array(new SharedArrayBuffer(4_096))
  assert.throws(() => copyBytes(to, 4_000, new Uint8Array(100)), RangeError)
  assert.throws(() => copyBytes(to, 1_000, new Uint8Array(3_097)), RangeError)
  assert.throws(() => copyBytes(to, 5_000, new Uint8Array(2_000)), RangeError)
})
