/**
 * snappy in native code, loaded when it is first used: it takes 4 MB, and pushes do without; and its
 * framing format (framing_format.txt of google/snappy).
 */
import type * as Snappy from 'snappy'
import { requirePackage } from '../../base/commonjs.js'
import { crc32c } from '../../base/crc32c.js'

let loaded: typeof Snappy | undefined

/** The package. */
export function loadSnappy(): typeof Snappy {
  loaded ??= requirePackage<typeof Snappy>('snappy')
  return loaded
}

/** Plain bytes of a chunk, as much as there may be. */
const CHUNK_BYTES = 65_536
const CHUNK_PACKED = 0
const CHUNK_PLAIN = 1
const STREAM_START = [0xff, 6, 0, 0, ...Buffer.from('sNaPpY')]

/**
 * Bytes as a framed stream.
 *
 * @param tick called once per chunk of 64 KiB
 */
export function frameSnappy(pieces: readonly Uint8Array[], tick: () => void): Uint8Array[] {
  const { compressSync } = loadSnappy()
  const framed = [Uint8Array.from(STREAM_START)]
  for (const plain of chunksOf(pieces)) {
    tick()
    const packed = compressSync(Buffer.from(plain.buffer, plain.byteOffset, plain.length))
    // As its other writers do: what hardly gets smaller stays as it is.
    const isPacked = packed.length < plain.length - (plain.length >> 3)
    const data = isPacked ? packed : plain
    const chunk = Buffer.alloc(8 + data.length)
    chunk.writeUInt32LE(((data.length + 4) << 8) | (isPacked ? CHUNK_PACKED : CHUNK_PLAIN), 0)
    chunk.writeUInt32LE(masked(crc32c(plain)), 4)
    chunk.set(data, 8)
    framed.push(chunk)
  }
  return framed
}

function* chunksOf(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_BYTES)
  let length = 0
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + CHUNK_BYTES - length)
      chunk.set(part, length)
      at += part.length
      length += part.length
      if (length < CHUNK_BYTES) continue
      yield chunk
      length = 0
    }
  }
  if (length > 0) yield chunk.subarray(0, length)
}

/** A checksum as it is stored: one over bytes that have one in them is a bad one. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
