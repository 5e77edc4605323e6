/** Framed snappy streams: what the format's description says they are, read back by hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c } from '../../../../src/shared/base/crc32c.js'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { frameSnappy } from '../../../../src/shared/wire/compression/index.js'
import { readSnappyFrames } from '../../../support/snappy-frames.js'

test('pieces of any size come back as one text, in chunks of 64 KiB', () => {
  const prng = new SeededPrng(3)
  const noise = Uint8Array.from({ length: 90_000 }, () => prng.below(256))
  const text = Buffer.from('{"__name__":"up","job":"a"},'.repeat(6_000))
  const pieces = [text.subarray(0, 1), noise, new Uint8Array(0), text.subarray(1)]
  let ticks = 0
  const framed = Buffer.concat(frameSnappy(pieces, () => ticks++))
  const { plain, chunks } = readSnappyFrames(framed)
  assert.ok(plain.equals(Buffer.concat(pieces)))
  assert.deepEqual(
    chunks.map(({ kind, bytes }) => [kind, bytes]),
    [
      ['plain', 65_536],
      ['packed', 65_536],
      ['packed', 65_536],
      ['packed', 90_000 + 168_000 - 3 * 65_536],
    ],
  )
  assert.equal(ticks, 4)
})

test('nothing is a stream without chunks, and the checksum is the masked one', () => {
  assert.deepEqual(
    Buffer.concat(frameSnappy([], () => {})).toString('latin1'),
    '\xff\x06\0\0sNaPpY',
  )
  // The masking of the description, on the checksum that its RFC has of 32 zeros.
  const zeros = new Uint8Array(32)
  assert.equal(crc32c(zeros), 0x8a9136aa)
  const framed = Buffer.concat(frameSnappy([zeros], () => {}))
  const rotated = Number(((0x8a9136aan >> 15n) | (0x8a9136aan << 17n)) & 0xffffffffn)
  assert.equal(framed.readUInt32LE(14), (rotated + 0xa282ead8) % 2 ** 32)
})
