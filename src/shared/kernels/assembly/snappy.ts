/**
 * Snappy block format, decompression (google/snappy format_description.txt). Hot: 98–124 ns per
 * sample of a usual body (bench/shared/kernels/write-request.bench.ts).
 *
 * Source and destination each have SLACK_BYTES behind them, which may be read (source) and written
 * (destination) in 16-byte steps. The checks that keep everything else safe are numbered.
 */

/** Length of the length varint, set by `snappyLength`. */
let headerBytes: usize = 0

/** Decompressed length that a body claims, or −1 when its header is damaged; a u32 as f64. */
export function snappyLength(src: usize, length: u32): f64 {
  let value: u64 = 0
  let at: u32 = 0
  while (at < 5) {
    // 1. At most five bytes, inside the input, fits a u32.
    if (at >= length) return -1
    const byte = load<u8>(src + at)
    value |= (<u64>(byte & 0x7f)) << (7 * at)
    at++
    if (byte < 0x80) {
      headerBytes = at
      return value > 0xffffffff ? -1 : <f64>value
    }
  }
  return -1
}

/**
 * Decompresses a body.
 *
 * @param max room at dst, without the slack
 * @returns bytes written, or −1 when the body is corrupt or larger than max
 */
export function snappyDecompress(src: usize, length: u32, dst: usize, max: u32): i32 {
  const claimed = snappyLength(src, length)
  if (claimed < 0 || claimed > <f64>max) return -1
  const inputEnd = src + length
  const outputEnd = dst + <u32>claimed
  let ip = src + headerBytes
  let op = dst
  while (ip < inputEnd) {
    const tag: u32 = load<u8>(ip)
    ip++
    if ((tag & 3) == 0) {
      let count: u32 = tag >> 2
      if (count >= 60) {
        const more: u32 = count - 59
        if (more > <u32>(inputEnd - ip)) return -1
        count = load<u32>(ip) & (0xffffffff >> (32 - 8 * more))
        ip += more
        // 2. 0xffffffff + 1 wraps to 0.
        if (count == 0xffffffff) return -1
      }
      count++
      // 3. A literal lies inside both sides.
      if (count > <u32>(inputEnd - ip) || count > <u32>(outputEnd - op)) return -1
      if (count <= 16) v128.store(op, v128.load(ip))
      else if (count <= 64) copyWide(op, ip, count)
      else memory.copy(op, ip, count)
      ip += count
      op += count
    } else {
      let count: u32
      let offset: u32
      if ((tag & 3) == 1) {
        count = 4 + ((tag >> 2) & 7)
        offset = ((tag >> 5) << 8) | load<u8>(ip)
        ip++
      } else if ((tag & 3) == 2) {
        count = 1 + (tag >> 2)
        offset = load<u16>(ip)
        ip += 2
      } else {
        count = 1 + (tag >> 2)
        offset = load<u32>(ip)
        ip += 4
      }
      // 3. The tag itself may have run into the slack. 4. Offset 0 and too far, in one test.
      if (ip > inputEnd || offset - 1 >= <u32>(op - dst) || count > <u32>(outputEnd - op)) return -1
      copyBack(op, offset, count)
      op += count
    }
  }
  // 5. A short output would show the body before.
  return ip == inputEnd && op == outputEnd ? <i32>(op - dst) : -1
}

/** Copies 17 to 64 bytes in steps of 16; may write up to 15 past the end. */
function copyWide(to: usize, from: usize, count: u32): void {
  v128.store(to, v128.load(from))
  v128.store(to, v128.load(from, 16), 16)
  if (count > 32) v128.store(to, v128.load(from, 32), 32)
  if (count > 48) v128.store(to, v128.load(from, 48), 48)
}

/** Copies count ≤ 64 bytes from offset bytes back; the two may overlap. */
function copyBack(to: usize, offset: u32, count: u32): void {
  const from = to - offset
  if (offset >= 16) {
    let done: u32 = 0
    while (done < count) {
      v128.store(to + done, v128.load(from + done))
      done += 16
    }
  } else if (offset >= 8) {
    let done: u32 = 0
    while (done < count) {
      store<u64>(to + done, load<u64>(from + done))
      done += 8
    }
  } else {
    for (let i: u32 = 0; i < count; i++) store<u8>(to + i, load<u8>(from + i))
  }
}
