/**
 * Protobuf's wire format (protobuf.dev, "Encoding"), read in place. After each read `readAt` is
 * where reading goes on, or 0 when the bytes are malformed. Sizes are compared with what is left,
 * never added to a pointer first: addresses wrap.
 */

/** Where reading goes on; 0 says malformed. */
export let readAt: usize = 0

/** Reads a varint of at most ten bytes below `end`; bits above the 64th are dropped. */
export function readVarint(p: usize, end: usize): u64 {
  let value: u64 = 0
  let shift: u64 = 0
  while (p < end && shift < 70) {
    const byte: u64 = load<u8>(p)
    p++
    if (shift < 64) value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      readAt = p
      return value
    }
    shift += 7
  }
  readAt = 0
  return 0
}

/** `readVarint` for what is one byte as a rule. */
export function readTag(p: usize, end: usize): u64 {
  if (p < end) {
    const byte: u64 = load<u8>(p)
    if (byte < 0x80) {
      readAt = p + 1
      return byte
    }
  }
  return readVarint(p, end)
}

/** Reads a length and checks that so many bytes follow: the message is [readAt, readAt + length). */
export function readLength(p: usize, end: usize): u32 {
  // Most lengths are one byte, the series' own two.
  if (p < end) {
    const byte: u32 = load<u8>(p)
    if (byte < 0x80) {
      readAt = byte > <u32>(end - p - 1) ? 0 : p + 1
      return byte
    }
  }
  const length = readVarint(p, end)
  if (readAt == 0) return 0
  if (length > <u64>(end - readAt)) {
    readAt = 0
    return 0
  }
  return <u32>length
}

/** Skips the value of a field whose tag was just read. Groups are refused: nobody sends them. */
export function skipValue(tag: u64, p: usize, end: usize): void {
  const type = <u32>tag & 7
  readAt = 0
  if (tag >> 3 == 0) return
  if (type == 0) {
    readVarint(p, end)
  } else if (type == 1) {
    if (<u32>(end - p) >= 8) readAt = p + 8
  } else if (type == 2) {
    const length = readLength(p, end)
    if (readAt != 0) readAt += length
  } else if (type == 5) {
    if (<u32>(end - p) >= 4) readAt = p + 4
  }
}
