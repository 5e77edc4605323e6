/**
 * The bytes of a snapshot file, little endian (docs/formats/snapshot.md has the drawing): a header,
 * then batches of the log's own shape with records of other kinds. The last batch says that it is
 * whole. Its number is that of the log segment which goes on from it.
 *
 *   header, 32 B: "NILOSNAP" | 8 version u32 | 12 zero u32 | 16 created f64 ms
 *     | 24 next series number u32 | 28 CRC32C of bytes 0..28
 */
import { crc32c } from '../../base/crc32c.js'

/** The header of a snapshot; as long as that of a segment, so that one reader reads both. */
export const SNAPSHOT_HEADER_BYTES = 32
export const SNAPSHOT_VERSION = 1
const SNAPSHOT_MAGIC = Buffer.from('NILOSNAP', 'latin1')
const PREFIX = 'snapshot.'

/** What a snapshot's header says. */
export interface SnapshotHeader {
  readonly createdMs: number
  /** No series has this number or a greater one. */
  readonly nextNumber: number
}

/** The name of a snapshot's file. */
export function snapshotName(segment: number): string {
  return `${PREFIX}${String(segment).padStart(8, '0')}`
}

/** The segment that goes on from a snapshot, by its file name; undefined for other files. */
export function findSnapshotNumber(name: string): number | undefined {
  return /^snapshot\.\d{8}$/.test(name) ? Number(name.slice(PREFIX.length)) : undefined
}

/** Whether a file is what an interrupted snapshot left. */
export function isUnfinishedSnapshot(name: string): boolean {
  return /^snapshot\.\d{8}\.tmp$/.test(name)
}

/** The header as bytes. */
export function encodeSnapshotHeader(header: SnapshotHeader): Buffer {
  const bytes = Buffer.alloc(SNAPSHOT_HEADER_BYTES)
  SNAPSHOT_MAGIC.copy(bytes)
  bytes.writeUInt32LE(SNAPSHOT_VERSION, 8)
  bytes.writeDoubleLE(header.createdMs, 16)
  bytes.writeUInt32LE(header.nextNumber, 24)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 28)), 28)
  return bytes
}

/** What a snapshot header says, or why it cannot be read. */
export function decodeSnapshotHeader(
  bytes: Uint8Array,
): SnapshotHeader | { damage: string } | { unknownVersion: number } {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (header.length < SNAPSHOT_HEADER_BYTES) return { damage: 'no whole header' }
  if (!header.subarray(0, 8).equals(SNAPSHOT_MAGIC)) return { damage: 'not a snapshot' }
  if (header.readUInt32LE(28) !== crc32c(header.subarray(0, 28))) return { damage: 'header CRC' }
  const version = header.readUInt32LE(8)
  if (version !== SNAPSHOT_VERSION) return { unknownVersion: version }
  return { createdMs: header.readDoubleLE(16), nextNumber: header.readUInt32LE(24) }
}
