/**
 * Snappy block format, decompression (google/snappy format_description.txt). Hot: 75–80 ns per
 * sample of a usual body of 404 bytes a sample (bench/shared/kernels/write-request.bench.ts).
 *
 * Source and destination each have SLACK_BYTES behind them, which may be read (source) and written
 * (destination) past the end. The checks that keep everything else safe are numbered.
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
    const word = load<u32>(ip)
    const kind = word & 3
    if (kind == 0) {
      let count: u32 = (word >> 2) & 63
      ip++
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
      else if (count <= 64) copyWide(op, ip)
      else memory.copy(op, ip, count)
      ip += count
      op += count
    } else {
      let count: u32 = 1 + ((word >> 2) & 63)
      let offset: u32
      if (kind == 3) {
        offset = load<u32>(ip, 1)
        ip += 5
      } else {
        // The two short forms come mixed: choosing costs less than a branch that nobody can foretell.
        const isNear = kind == 1
        count = select<u32>(4 + ((word >> 2) & 7), count, isNear)
        offset = (word >> 8) & 0xffff
        offset = select<u32>(((word & 0xe0) << 3) | (offset & 0xff), offset, isNear)
        ip += 1 + kind
      }
      // 3. The tag itself may have run into the slack. 4. Offset 0 and too far, in one test.
      if (ip > inputEnd || offset - 1 >= <u32>(op - dst) || count > <u32>(outputEnd - op)) return -1
      if (offset >= 16) copyWide(op, op - offset)
      else copyClose(op, offset, count)
      op += count
    }
  }
  // 5. A short output would show the body before.
  return ip == inputEnd && op == outputEnd ? <i32>(op - dst) : -1
}

/** Copies 64 bytes, of which the last ones may be too many: four moves cost less than a branch. */
function copyWide(to: usize, from: usize): void {
  v128.store(to, v128.load(from))
  v128.store(to, v128.load(from, 16), 16)
  v128.store(to, v128.load(from, 32), 32)
  v128.store(to, v128.load(from, 48), 48)
}

/** Copies count bytes from fewer than 16 bytes back: what is copied comes round again. */
function copyClose(to: usize, offset: u32, count: u32): void {
  const from = to - offset
  if (offset >= 8) {
    for (let i: u32 = 0; i < count; i += 8) store<u64>(to + i, load<u64>(from + i))
  } else {
    for (let i: u32 = 0; i < count; i++) store<u8>(to + i, load<u8>(from + i))
  }
}
