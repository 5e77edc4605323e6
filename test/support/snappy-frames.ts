/** Reads framed snappy streams (framing_format.txt of google/snappy), and checks them. */
import assert from 'node:assert/strict'
import { uncompressSync } from 'snappy'
import { crc32c } from '../../src/shared/base/crc32c.js'

/** A chunk of data: how it is kept and what it comes to. */
export interface SnappyChunk {
  readonly kind: 'packed' | 'plain'
  readonly bytes: number
}

/** The text of a stream, and its chunks. */
export function readSnappyFrames(stream: Buffer): { plain: Buffer; chunks: SnappyChunk[] } {
  assert.equal(stream.subarray(0, 10).toString('latin1'), '\xff\x06\0\0sNaPpY')
  const parts: Buffer[] = []
  const chunks: SnappyChunk[] = []
  for (let at = 10; at < stream.length; ) {
    const [type, length] = [stream[at]!, stream.readUIntLE(at + 1, 3)]
    assert.ok(type === 0 || type === 1, `chunk type ${type}`)
    const data = stream.subarray(at + 8, at + 4 + length)
    const plain = type === 0 ? (uncompressSync(data) as Buffer) : data
    const crc = crc32c(plain)
    assert.equal(stream.readUInt32LE(at + 4), (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0)
    parts.push(plain)
    chunks.push({ kind: type === 0 ? 'packed' : 'plain', bytes: plain.length })
    at += 4 + length
  }
  return { plain: Buffer.concat(parts), chunks }
}
