/**
 * Chunk files: closed chunks that a head has no room for, `chunks/1f3a99c0` (docs/formats/chunk-file.md).
 *
 *   header, 32 B: "NILOCHNK" | 8 version u32 | 12 zero u32 | 16 created f64 ms | 24 zero u32
 *                 | 28 crc u32 of bytes 0..28
 *   chunk:        0 crc u32 of all that follows | 4 length u32 | 8 samples u32 | 12 data
 */
import { crc32c } from '../../base/crc32c.js'
import { FILED_COUNT, FILED_HEADER_BYTES, FILED_LENGTH } from '../../kernels/head-layout.js'

/** Bytes before the first chunk. */
export const CHUNK_FILE_HEADER_BYTES = 32
const MAGIC = Buffer.from('NILOCHNK')
const VERSION = 2

/** The header of a chunk file. */
export function encodeChunkFileHeader(createdMs: number): Buffer {
  const bytes = Buffer.alloc(CHUNK_FILE_HEADER_BYTES)
  MAGIC.copy(bytes)
  bytes.writeUInt32LE(VERSION, 8)
  bytes.writeDoubleLE(createdMs, 16)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 28)), 28)
  return bytes
}

/** The name of a chunk file by its number, of which no two lives of a shard have the same. */
export function chunkFileName(number: number): string {
  return number.toString(16).padStart(8, '0')
}

/** Puts the checksums of chunks in place, which stand side by side. */
export function sealChunks(chunks: Buffer): void {
  for (let at = 0; at < chunks.length; ) {
    const end = at + FILED_HEADER_BYTES + chunks.readUInt32LE(at + FILED_LENGTH)
    chunks.writeUInt32LE(crc32c(chunks.subarray(at + 4, end)), at)
    at = end
  }
}

/** Whether a chunk as it stands in a file is of this length, has so many samples, and is whole. */
export function isWhole(chunk: Buffer, length: number, samples: number): boolean {
  return (
    chunk.readUInt32LE(FILED_LENGTH) === length &&
    chunk.readUInt32LE(FILED_COUNT) === samples &&
    chunk.readUInt32LE(0) === crc32c(chunk.subarray(4))
  )
}
