/**
 * Unpacks bodies that senders compressed with gzip, zstd or lz4, up to a bound. zstd is Node's own where
 * it has it (22.15 and later), else fzstd: slower, but the same answer.
 */
import * as zlib from 'node:zlib'
import { Decompress } from 'fzstd'
import { fail } from '../../errors/index.js'
import { unpackLz4 } from './lz4.js'

/** How a body is compressed. */
export type Compression = 'gzip' | 'zstd' | 'lz4'

type Unpack = (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer
const nativeZstd = (zlib as { zstdDecompressSync?: Unpack }).zstdDecompressSync

/** zlib asks for output in pieces of this size at least. */
const CHUNK_BYTES_MIN = 64 << 10
const CHUNK_BYTES_MAX = 8 << 20

/**
 * Unpacks a body.
 *
 * @returns undefined when it unpacks to more than `bytesMax`
 * @throws AppError `bad-data` when it is corrupt
 */
export function decompress(
  bytes: Uint8Array,
  compression: Compression,
  bytesMax: number,
): Uint8Array | undefined {
  try {
    if (compression === 'gzip') return gunzip(bytes, bytesMax)
    if (compression === 'lz4') return unpackLz4(bytes, bytesMax)
    if (nativeZstd !== undefined) return nativeZstd(bytes, { maxOutputLength: bytesMax })
    return unzstd(bytes, bytesMax)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return undefined
    throw fail('bad-data', { text: `${compression}: corrupt input` }, error)
  }
}

/** The last four bytes say how long the output is (modulo 2^32): one piece of output is the quickest. */
function gunzip(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const { buffer, byteOffset, length } = bytes
  const claimed = length < 18 ? 0 : new DataView(buffer, byteOffset).getUint32(length - 4, true)
  const chunkSize = Math.min(Math.max(claimed + 64, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX)
  return zlib.gunzipSync(bytes, { maxOutputLength: bytesMax, chunkSize })
}

function unzstd(bytes: Uint8Array, bytesMax: number): Uint8Array | undefined {
  const pieces: Uint8Array[] = []
  let length = 0
  let isTooLarge = false
  const stream = new Decompress((piece) => {
    length += piece.length
    if (length > bytesMax) isTooLarge = true
    else pieces.push(piece)
  })
  // A little at a time, so that a small body cannot unpack to a huge one in one go.
  for (let at = 0; at < bytes.length && !isTooLarge; at += CHUNK_BYTES_MIN) {
    const end = Math.min(at + CHUNK_BYTES_MIN, bytes.length)
    stream.push(bytes.subarray(at, end), end === bytes.length)
  }
  return isTooLarge ? undefined : Buffer.concat(pieces, length)
}
