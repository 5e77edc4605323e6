/**
 * The log's bytes, little endian (docs/formats/wal.md has the drawing). A segment is a header and
 * batches; a batch is what one turn of an ingester accepted, a header and records.
 *
 *   segment header, 32 B: "NILOWAL" 0 | 8 version u32 | 12 zero u32 | 16 created f64 ms
 *     | 24 bytes of the segment before, 0: not known, u32 | 28 CRC32C of bytes 0..28
 *   batch header, 32 B: 0 magic u32 | 4 CRC32C of bytes 8..length | 8 length u32, header and padding
 *     to 8 included | 12 samples u32 | 16 mint f64 ms | 24 maxt f64 ms
 *   record: kind u32 | payload length u32 | payload
 */
import { crc32c } from '../../base/crc32c.js'
import { BATCH_HEADER_BYTES } from '../../kernels/head-layout.js'

export {
  BATCH_HEADER_BYTES,
  RECORD_EXEMPLARS,
  RECORD_HEADER_BYTES,
  RECORD_HISTOGRAM_CHUNKS,
  RECORD_HISTOGRAMS,
  RECORD_METADATA,
  RECORD_OUT_OF_ORDER,
  RECORD_SAMPLES,
  RECORD_SERIES,
} from '../../kernels/head-layout.js'

/** The header of a segment. */
export const SEGMENT_HEADER_BYTES = 32
export const SEGMENT_VERSION = 1
/** A new segment is begun before this one grows beyond. */
export const SEGMENT_BYTES_MAX = 128 << 20
const SEGMENT_MAGIC = Buffer.from('NILOWAL\0', 'latin1')
const BATCH_MAGIC = 0x4c41574e

/** The header of a batch. */
export interface BatchHeader {
  /** Bytes of the whole batch. */
  readonly length: number
  readonly sampleCount: number
  readonly mint: number
  readonly maxt: number
}

/** The name of a segment's file. */
export function segmentName(number: number): string {
  return String(number).padStart(8, '0')
}

/** The number of a segment by its file name; undefined for other files. */
export function findSegmentNumber(name: string): number | undefined {
  return /^\d{8}$/.test(name) ? Number(name) : undefined
}

/**
 * @param createdMs orders the segments of several logs
 * @param previousBytes size of the segment before, so that a cut is noticed; 0: not known
 */
export function encodeSegmentHeader(createdMs: number, previousBytes = 0): Uint8Array {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES)
  SEGMENT_MAGIC.copy(bytes)
  bytes.writeUInt32LE(SEGMENT_VERSION, 8)
  bytes.writeDoubleLE(createdMs, 16)
  bytes.writeUInt32LE(previousBytes, 24)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 28)), 28)
  return bytes
}

/** What a segment header says, or why it cannot be read. */
export function decodeSegmentHeader(
  bytes: Uint8Array,
): { createdMs: number; previousBytes: number } | { damage: string } | { unknownVersion: number } {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (header.length < SEGMENT_HEADER_BYTES) return { damage: 'no whole header' }
  if (!header.subarray(0, 8).equals(SEGMENT_MAGIC)) return { damage: 'not a log segment' }
  if (header.readUInt32LE(28) !== crc32c(header.subarray(0, 28))) return { damage: 'header CRC' }
  const version = header.readUInt32LE(8)
  if (version !== SEGMENT_VERSION) return { unknownVersion: version }
  return { createdMs: header.readDoubleLE(16), previousBytes: header.readUInt32LE(24) }
}

/**
 * Completes a batch in place: the header's place is at the start of the buffer.
 * @param batch header room, records, zero padding to a multiple of 8
 */
export function sealBatch(batch: Buffer, header: Omit<BatchHeader, 'length'>): void {
  batch.writeUInt32LE(BATCH_MAGIC, 0)
  batch.writeUInt32LE(batch.length, 8)
  batch.writeUInt32LE(header.sampleCount, 12)
  batch.writeDoubleLE(header.mint, 16)
  batch.writeDoubleLE(header.maxt, 24)
  batch.writeUInt32LE(crc32c(batch.subarray(8)), 4)
}

/** The header at an offset when it may be one: magic and length are plausible. */
export function findBatchHeader(
  bytes: Buffer,
  at: number,
  lengthMax: number,
): BatchHeader | undefined {
  if (bytes.length - at < BATCH_HEADER_BYTES) return undefined
  if (bytes.readUInt32LE(at) !== BATCH_MAGIC) return undefined
  const length = bytes.readUInt32LE(at + 8)
  if (length < BATCH_HEADER_BYTES || length % 8 !== 0 || length > lengthMax) return undefined
  return {
    length,
    sampleCount: bytes.readUInt32LE(at + 12),
    mint: bytes.readDoubleLE(at + 16),
    maxt: bytes.readDoubleLE(at + 24),
  }
}

/** Whether a whole batch has the CRC that its header tells. */
export function isBatchIntact(batch: Buffer): boolean {
  return batch.readUInt32LE(4) === crc32c(batch.subarray(8))
}
