/** The unpacker against zlib's own call: the same bytes, the same refusals, one body after the other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { Gunzip } from '../../../../src/shared/wire/compression/index.js'

const TARGET = new Uint8Array(300_000)

function textOf(prng: SeededPrng, length: number): Buffer {
  const alphabet = 1 + prng.below(60)
  return Buffer.from(Array.from({ length }, () => 32 + prng.below(alphabet)))
}

test('unpacks what zlib packed, also from shared memory, and several members as one', () => {
  const gunzip = new Gunzip()
  const prng = new SeededPrng(5)
  for (let round = 0; round < 60; round++) {
    const plain = textOf(prng, prng.below(round % 10 === 0 ? 200_000 : 3_000))
    let packed = gzipSync(plain, { level: prng.below(10) })
    let wanted = plain
    if (round % 7 === 3) {
      const more = textOf(prng, 500)
      packed = Buffer.concat([packed, gzipSync(more)])
      wanted = Buffer.concat([plain, more])
    }
    const shared = new Uint8Array(new SharedArrayBuffer(packed.length + 8)).subarray(3, -5)
    shared.set(packed)
    const length = gunzip.unpack(round % 2 === 0 ? packed : shared, TARGET)
    assert.equal(length, wanted.length)
    assert.ok(wanted.equals(TARGET.subarray(0, length)))
  }
})

test("takes headers with a name, and refuses a checksum or length that is not the text's", () => {
  const gunzip = new Gunzip()
  const packed = gzipSync('some text')
  const named = Buffer.concat([packed.subarray(0, 10), Buffer.from('a.txt\0'), packed.subarray(10)])
  named[3] = 8
  assert.equal(gunzip.unpack(named, TARGET), 9)
  for (let at = packed.length - 8; at < packed.length; at++) {
    const damaged = Buffer.from(packed)
    damaged[at]! ^= 1
    assert.throws(() => gunzip.unpack(damaged, TARGET), /gzip: corrupt input/)
  }
})

test('what is longer than the target is refused, and nothing is written past it', () => {
  const gunzip = new Gunzip()
  const plain = Buffer.alloc(100_000, 'a')
  const guarded = new Uint8Array(60_000).fill(7)
  assert.equal(gunzip.unpack(gzipSync(plain), guarded.subarray(0, 50_000)), undefined)
  assert.ok(guarded.subarray(50_000).every((byte) => byte === 7))
  const room = new Uint8Array(100_001)
  assert.equal(gunzip.unpack(gzipSync(plain), room), 100_000)
  assert.equal(gunzip.unpack(gzipSync(plain), room.subarray(0, 100_000)), undefined)
})

test('damage is refused wherever zlib refuses it, and harms no later body', () => {
  const gunzip = new Gunzip()
  const prng = new SeededPrng(9)
  const plain = textOf(prng, 2_000)
  const packed = gzipSync(plain)
  let refused = 0
  for (let round = 0; round < 400; round++) {
    const bytes = Buffer.from(packed)
    if (round % 3 === 0) bytes[prng.below(bytes.length)]! ^= 1 << prng.below(8)
    const damaged = round % 3 === 1 ? bytes.subarray(0, prng.below(bytes.length)) : bytes
    if (round % 3 === 2) damaged.fill(prng.below(256), damaged.length - 8 + prng.below(8))
    let wanted: Buffer | undefined
    try {
      wanted = gunzipSync(damaged)
    } catch {
      refused++
    }
    if (wanted === undefined) {
      assert.throws(() => gunzip.unpack(damaged, TARGET), /gzip: corrupt input/, `round ${round}`)
    } else {
      assert.equal(gunzip.unpack(damaged, TARGET), wanted.length)
      assert.ok(wanted.equals(TARGET.subarray(0, wanted.length)))
    }
    assert.equal(gunzip.unpack(packed, TARGET), plain.length)
  }
  assert.ok(refused > 300, `${refused} of 400`)
})
