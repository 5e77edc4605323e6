/**
 * Chunks as they lie in the segment files of a block, checked and decoded to columns (layout of the
 * memory: ../block-layout.ts; format: Prometheus tsdb/docs/format/chunks.md).
 *
 *   chunk: length of data uvarint | encoding u8 | data | CRC-32C of encoding and data, u32
 *
 * A memory of its own for each thread that reads blocks. Hot: once per series and block of a query.
 */
import { B_FIRST, B_TABLES, B_WRONG, SCAN_CHECKSUM, SCAN_CUT, SCAN_MIXED } from '../block-layout'
import { decodeXor } from './xor'

const POLYNOMIAL: u32 = 0x82f63b78
const ENCODING_XOR: u32 = 1

/** Makes the checksum tables; once per memory. */
export function init(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0)
    store<u32>(B_TABLES + (byte << 2), crc)
  }
  for (let table: u32 = 1; table < 8; table++) {
    for (let byte: u32 = 0; byte < 256; byte++) {
      const last = load<u32>(B_TABLES + ((table - 1) << 10) + (byte << 2))
      const next = (last >> 8) ^ load<u32>(B_TABLES + ((last & 255) << 2))
      store<u32>(B_TABLES + (table << 10) + (byte << 2), next)
    }
  }
}

function tableAt(table: u32, byte: u32): u32 {
  return load<u32>(B_TABLES + (table << 10) + (byte << 2))
}

/** CRC-32C, eight bytes at a time. */
export function crc32c(at: u32, length: u32): u32 {
  let crc: u32 = 0xffffffff
  const end = at + length
  while (at + 8 <= end) {
    const low = crc ^ load<u32>(at)
    const high = load<u32>(at, 4)
    crc =
      tableAt(7, low & 255) ^
      tableAt(6, (low >> 8) & 255) ^
      tableAt(5, (low >> 16) & 255) ^
      tableAt(4, low >> 24) ^
      tableAt(3, high & 255) ^
      tableAt(2, (high >> 8) & 255) ^
      tableAt(1, (high >> 16) & 255) ^
      tableAt(0, high >> 24)
    at += 8
  }
  while (at < end) crc = (crc >> 8) ^ tableAt(0, (crc ^ load<u8>(at++)) & 255)
  return ~crc
}

/** Start of a chunk's encoding byte, 0 when its length does not end within the bytes. */
function bodyOf(at: u32, end: u32): u32 {
  for (let i: u32 = 0; i < 5 && at < end; i++) if (load<u8>(at++) < 128) return at
  return 0
}

/** A chunk's length of data; its varint is whole. */
function lengthOf(at: u32): u32 {
  let length: u64 = 0
  for (let shift: u64 = 0; shift < 35; shift += 7) {
    const byte = u64(load<u8>(at++))
    length |= (byte & 127) << shift
    if (byte < 128) break
  }
  return length > 0x7fffffff ? 0x7fffffff : u32(length)
}

/**
 * Checks chunks: that they are whole, their checksums, and that their sample counts are possible
 * (a sample takes two bits at least).
 *
 * @param start of the bytes
 * @param offsets [count] u32, of each chunk from `start`
 * @returns samples of all chunks, or SCAN_…; B_WRONG is the chunk it is about
 */
export function scan(start: u32, length: u32, offsets: u32, count: u32): i32 {
  const end = start + length
  let total: u32 = 0
  let isMixed = false
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(B_WRONG, i)
    const offset = load<u32>(offsets + (i << 2))
    if (offset >= length) return SCAN_CUT
    const body = bodyOf(start + offset, end)
    if (body == 0) return SCAN_CUT
    const size = lengthOf(start + offset)
    if (size < 2 || u64(body) + u64(size) + 5 > u64(end)) return SCAN_CUT
    const stored = bswap<u32>(load<u32>(body + 1 + size))
    if (crc32c(body, size + 1) != stored) return SCAN_CHECKSUM
    if (u32(load<u8>(body)) != ENCODING_XOR) {
      isMixed = true
      continue
    }
    const samples = (u32(load<u8>(body, 1)) << 8) | u32(load<u8>(body, 2))
    if (samples > size * 4 + 2) return SCAN_CUT
    total += samples
  }
  return isMixed ? SCAN_MIXED : i32(total)
}

/**
 * Decodes chunks that `scan` has passed, one after the other, and leaves of them the samples with
 * mint ≤ t ≤ maxt; the columns have room for all samples and B_SLACK bytes after them.
 *
 * @returns samples; the first one stands at index B_FIRST of the columns; -1 - i when chunk i is
 *   corrupt
 */
export function decode(
  start: u32,
  offsets: u32,
  count: u32,
  times: u32,
  values: u32,
  mint: f64,
  maxt: f64,
): i32 {
  let total: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const at = start + load<u32>(offsets + (i << 2))
    const body = bodyOf(at, at + 5)
    const to = total << 3
    const samples = decodeXor(body + 1, lengthOf(at), times + to, values + to)
    if (samples < 0) return -1 - i32(i)
    total += u32(samples)
  }
  let first: u32 = 0
  while (total > first && load<f64>(times + ((total - 1) << 3)) > maxt) total--
  while (first < total && load<f64>(times + (first << 3)) < mint) first++
  store<u32>(B_FIRST, first)
  return i32(total - first)
}
