/** The LZ4 unpacker on frames that the lz4 tool (1.9.4) wrote, whole and damaged. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decompress } from '../../../../src/shared/wire/compression/index.js'
import { unpackLz4 } from '../../../../src/shared/wire/compression/lz4.js'

const UNIT = 'cpu_seconds_total{mode="idle"} 1.5\n'

/** What a frame has, the text, the frame in base64. */
const FRAMES: readonly (readonly [string, string, string])[] = [
  [
    'content checksum',
    UNIT.repeat(40),
    'BCJNGGRApzMAAAD/FGNwdV9zZWNvbmRzX3RvdGFse21vZGU9ImlkbGUifSAxLjUKIwD//////0JQIDEuNQoAAAAAhoHMOQ==',
  ],
  [
    'block checksums and content size',
    UNIT.repeat(3),
    'BCJNGHxAaQAAAAAAAAD/LgAAAP8UY3B1X3NlY29uZHNfdG90YWx7bW9kZT0iaWRsZSJ9IDEuNQojAC5QIDEuNQqPF6nFAAAAAL43t44=',
  ],
  [
    'linked blocks',
    UNIT.repeat(5000),
    'BCJNGERAXi4BAAD/FGNwdV9zZWNvbmRzX3RvdGFse21vZGU9ImlkbGUifSAxLjUKIwD/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////xVBfdG90YQoBAAAPIwD/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////6FBlIn0gMbYAAAAPIwD/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////LFAgMS41CgAAAAB86oZG',
  ],
  [
    'independent blocks, no checksum',
    UNIT.repeat(5000),
    'BCJNGGBAgi4BAAD/FGNwdV9zZWNvbmRzX3RvdGFse21vZGU9ImlkbGUifSAxLjUKIwD/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////xVBfdG90YS4BAAD/FGx7bW9kZT0iaWRsZSJ9IDEuNQpjcHVfc2Vjb25kc190b3RhIwD/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////xVBlIn0gMdoAAAD/FC41CmNwdV9zZWNvbmRzX3RvdGFse21vZGU9ImlkbGUifSAxIwD/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////CVAgMS41CgAAAAA=',
  ],
  ['what does not pack', 'abcdefg', 'BCJNGGRApwcAAIBhYmNkZWZnAAAAALOT0J0='],
]

const frameOf = (name: string): Buffer => {
  const row = FRAMES.find(([what]) => what === name)!
  return Buffer.from(row[2], 'base64')
}

for (const [name, text, base64] of FRAMES) {
  test(`unpacks a frame with ${name}, within its bound`, () => {
    const frame = Buffer.from(base64, 'base64')
    const wanted = Buffer.from(text)
    assert.deepEqual(Buffer.from(unpackLz4(frame, wanted.length)!), wanted)
    assert.equal(unpackLz4(frame, wanted.length - 1), undefined)
    assert.equal(unpackLz4(frame, 0), undefined)
    for (let end = 0; end < frame.length; end++) {
      assert.throws(() => unpackLz4(frame.subarray(0, end), 1 << 20), RangeError)
    }
  })
}

test('several frames are one text, and skippable ones are passed over', () => {
  const frame = frameOf('what does not pack')
  const skipped = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
  const out = unpackLz4(Buffer.concat([skipped, frame, skipped, frame, skipped]), 100)
  assert.equal(Buffer.from(out!).toString(), 'abcdefgabcdefg')
})

test('every damaged bit is found by a checksum, or harms nothing', () => {
  for (const [name, text, base64] of FRAMES) {
    if (name.includes('no checksum')) continue
    const frame = Buffer.from(base64, 'base64')
    for (let bit = 0; bit < Math.min(frame.length, 200) * 8; bit++) {
      const damaged = Buffer.from(frame)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      let out: Uint8Array | undefined
      try {
        out = unpackLz4(damaged, 1 << 20)
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error))
        continue
      }
      if (out !== undefined) assert.equal(Buffer.from(out).toString(), text, `${name}, bit ${bit}`)
    }
  }
})

test('matches do not reach before what they may', () => {
  // A frame without checksums: one literal, then a match of four, 2 bytes back of 1.
  const head = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]
  const tail = [0x00, 0x00, 0x00, 0x00]
  const frame = (offset: number) =>
    Buffer.from([...head, 6, 0, 0, 0, 0x10, 0x61, offset, 0, 0x10, 0x62, ...tail])
  assert.equal(Buffer.from(unpackLz4(frame(1), 100)!).toString(), 'aaaaab')
  for (const offset of [0, 2, 200]) assert.throws(() => unpackLz4(frame(offset), 100), RangeError)
})

test('as a body: corrupt input is told as such', () => {
  const frame = frameOf('content checksum')
  assert.equal(decompress(frame, 'lz4', 1 << 20)?.length, 40 * UNIT.length)
  assert.throws(() => decompress(frame.subarray(1), 'lz4', 1 << 20), {
    id: 'bad-data',
    message: /lz4: corrupt input/,
  })
})
