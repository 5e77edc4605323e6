/**
 * Snappy block format, decompression (google/snappy format_description.txt). Hot: 52 ns per sample
 * of a usual body of 404 bytes a sample (bench/shared/kernels/write-request.bench.ts).
 *
 * Whether a literal or a copy comes next cannot be foretold, and a branch on it that goes wrong costs
 * as much as four elements. So `shortElements` takes what is usual of both without one: 3.4 ns an
 * element, against 4.8 with a branch and a move of 16 bytes where that was enough.
 *
 * Source and destination each have SLACK_BYTES behind them, which may be read (source) and written
 * (destination) past the end. The checks that keep everything else safe are numbered.
 */

/** What `shortElements` needs to know of a tag, built when first used: 256 × u64. */
const TAGS: usize = memory.data(256 * 8, 8)
/** In an entry: mask of the offset's bytes behind the tag, what is added to it, bytes put out. */
const TAG_ADD: u64 = 16
const TAG_COUNT: u64 = 32
/** Nearer copies repeat what they write. */
const NEAR: u32 = 16
/** Most bytes that an element of `shortElements` takes of the input, or puts out: as a shift. */
const ELEMENT_BITS: u32 = 6

/** Length of the length varint, set by `snappyLength`. */
let headerBytes: usize = 0
/** Where decompression stands on both sides. */
let readAt: usize = 0
let writeAt: usize = 0

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
  readAt = src + headerBytes
  writeAt = dst
  if (load<u64>(TAGS) == 0) buildTags()
  while (readAt < inputEnd) {
    shortElements(inputEnd, dst, outputEnd)
    if (!element(inputEnd, dst, outputEnd)) return -1
  }
  // 5. A short output would show the body before.
  return readAt == inputEnd && writeAt == outputEnd ? <i32>(writeAt - dst) : -1
}

/** What follows a tag, where its element is one for `shortElements`; 0 where it is not. */
function buildTags(): void {
  for (let tag: u32 = 0; tag < 256; tag++) {
    const kind = tag & 3
    const length = tag >> 2
    let entry: u64 = 0
    if (kind == 0 && length < 60)
      entry = ((<u64>(length + 1)) << TAG_COUNT) | ((<u64>NEAR) << TAG_ADD)
    if (kind == 1) {
      entry =
        ((<u64>(4 + (length & 7))) << TAG_COUNT) | ((<u64>((tag & 0xe0) << 3)) << TAG_ADD) | 0xff
    }
    if (kind == 2) entry = ((<u64>(length + 1)) << TAG_COUNT) | 0xffff
    store<u64>(TAGS + (tag << 3), entry)
  }
}

/**
 * Takes literals and copies of up to 64 bytes from no nearer than NEAR, up to the first element that
 * is something else, or may not fit. A literal counts as a copy from NEAR back, whose source is
 * the input after all.
 */
function shortElements(inputEnd: usize, dst: usize, outputEnd: usize): void {
  let ip = readAt
  let op = writeAt
  const nearest = dst + NEAR
  if (op < nearest) return
  while (true) {
    // So many fit whatever they are; when they are done there is room for about half as many again.
    let left = min<usize>(inputEnd - ip, outputEnd - op) >> ELEMENT_BITS
    if (left == 0) break
    while (left != 0) {
      const word = load<u32>(ip)
      const entry = load<u64>(TAGS + ((word & 0xff) << 3))
      const offset = ((word >> 8) & <u32>(entry & 0xffff)) + (<u32>entry >> <u32>TAG_ADD)
      // 4. Too near or too far, or 0 as for what is none of this function's: in one test.
      if (offset - NEAR > <u32>(op - nearest)) break
      const kind = word & 3
      // Written out twice, the test goes with each choice and takes no register.
      const from = select<usize>(op - offset, ip + 1, kind != 0)
      ip = select<usize>(ip + kind + 1, ip + ((word & 0xff) >> 2) + 2, kind != 0)
      copyWide(op, from)
      op += <u32>(entry >> TAG_COUNT)
      left--
    }
    if (left != 0) break
  }
  readAt = ip
  writeAt = op
}

/** Takes one element of any kind; false: the body is corrupt. */
function element(inputEnd: usize, dst: usize, outputEnd: usize): bool {
  let ip = readAt
  const op = writeAt
  const word = load<u32>(ip)
  const kind = word & 3
  let count: u32 = (word >> 2) & 63
  if (kind == 0) {
    ip++
    if (count >= 60) {
      const more: u32 = count - 59
      if (more > <u32>(inputEnd - ip)) return false
      count = load<u32>(ip) & (0xffffffff >> (32 - 8 * more))
      ip += more
      // 2. 0xffffffff + 1 wraps to 0.
      if (count == 0xffffffff) return false
    }
    count++
    // 3. A literal lies inside both sides.
    if (count > <u32>(inputEnd - ip) || count > <u32>(outputEnd - op)) return false
    memory.copy(op, ip, count)
    ip += count
  } else {
    let offset = load<u32>(ip, 1)
    if (kind == 1) offset = ((word & 0xe0) << 3) | (offset & 0xff)
    if (kind == 2) offset &= 0xffff
    ip += kind == 3 ? 5 : 1 + kind
    count = kind == 1 ? 4 + (count & 7) : 1 + count
    // 3. The tag itself may have run into the slack. 4. Offset 0 and too far, in one test.
    if (ip > inputEnd || offset - 1 >= <u32>(op - dst) || count > <u32>(outputEnd - op))
      return false
    if (offset >= NEAR) copyWide(op, op - offset)
    else copyClose(op, offset, count)
  }
  readAt = ip
  writeAt = op + count
  return true
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
