/**
 * Snappy block format, decompression (google/snappy format_description.txt). Hot: 46 ns per sample
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
/** The same of a second body. */
let otherReadAt: usize = 0
let otherWriteAt: usize = 0

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
  const claimed = begin(src, length, dst, max)
  return claimed < 0 ? -1 : finish(src + length, dst, dst + claimed)
}

/**
 * Decompresses two bodies, element by element in turn: what one must wait for, the tag that tells where
 * its next tag is, comes while the other is worked on (31 ns per sample, against 46).
 *
 * @param to [2], i32: what `snappyDecompress` returns of each
 */
export function snappyDecompressBoth(
  to: usize,
  src: usize,
  length: u32,
  dst: usize,
  otherSrc: usize,
  otherLength: u32,
  otherDst: usize,
  max: u32,
): void {
  const otherClaimed = begin(otherSrc, otherLength, otherDst, max)
  exchange()
  const claimed = begin(src, length, dst, max)
  const end = src + length
  const outputEnd = dst + claimed
  const otherEnd = otherSrc + otherLength
  const otherOutputEnd = otherDst + otherClaimed
  let isSound = claimed >= 0
  let isOtherSound = otherClaimed >= 0
  while (isSound && isOtherSound && readAt < end && otherReadAt < otherEnd) {
    shortElementsOfBoth(end, dst, outputEnd, otherEnd, otherDst, otherOutputEnd)
    isSound = element(end, dst, outputEnd)
    exchange()
    isOtherSound = element(otherEnd, otherDst, otherOutputEnd)
    exchange()
  }
  store<i32>(to, isSound ? finish(end, dst, outputEnd) : -1)
  exchange()
  store<i32>(to, isOtherSound ? finish(otherEnd, otherDst, otherOutputEnd) : -1, 4)
}

/** Stands at the first element of a body: the length that it claims, or −1. */
function begin(src: usize, length: u32, dst: usize, max: u32): i32 {
  const claimed = snappyLength(src, length)
  if (claimed < 0 || claimed > <f64>max) return -1
  readAt = src + headerBytes
  writeAt = dst
  if (load<u64>(TAGS) == 0) buildTags()
  return <i32>claimed
}

/** Takes what is left of a body: its length, or −1 when it is corrupt. */
function finish(inputEnd: usize, dst: usize, outputEnd: usize): i32 {
  while (readAt < inputEnd) {
    shortElements(inputEnd, dst, outputEnd)
    if (!element(inputEnd, dst, outputEnd)) return -1
  }
  // 5. A short output would show the body before.
  return readAt == inputEnd && writeAt == outputEnd ? <i32>(writeAt - dst) : -1
}

/** Goes over to the other body. */
function exchange(): void {
  const read = readAt
  const write = writeAt
  readAt = otherReadAt
  writeAt = otherWriteAt
  otherReadAt = read
  otherWriteAt = write
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
      const tag: u32 = load<u8>(ip)
      const entry = load<u64>(TAGS + (tag << 3))
      const offset = offsetOf(ip, entry)
      // 4. Too near or too far, or 0 as for what is none of this function's: in one test.
      if (offset - NEAR > <u32>(op - nearest)) break
      copyWide(op, sourceOf(tag, ip, op - offset))
      ip = behind(tag, ip)
      op += <u32>(entry >> TAG_COUNT)
      left--
    }
    if (left != 0) break
  }
  readAt = ip
  writeAt = op
}

/**
 * `shortElements` of two bodies, one of each in turn, up to the first that either has to stop at. Each as a
 * whole: side by side, line by line, they take more registers than there are.
 */
function shortElementsOfBoth(
  inputEnd: usize,
  dst: usize,
  outputEnd: usize,
  otherInputEnd: usize,
  otherDst: usize,
  otherOutputEnd: usize,
): void {
  let ip = readAt
  let op = writeAt
  let otherIp = otherReadAt
  let otherOp = otherWriteAt
  const nearest = dst + NEAR
  const otherNearest = otherDst + NEAR
  if (op < nearest || otherOp < otherNearest) return
  while (true) {
    const room = min<usize>(inputEnd - ip, outputEnd - op)
    const otherRoom = min<usize>(otherInputEnd - otherIp, otherOutputEnd - otherOp)
    let left = min<usize>(room, otherRoom) >> ELEMENT_BITS
    if (left == 0) break
    while (left != 0) {
      const tag: u32 = load<u8>(ip)
      const entry = load<u64>(TAGS + (tag << 3))
      const offset = offsetOf(ip, entry)
      if (offset - NEAR > <u32>(op - nearest)) break
      copyWide(op, sourceOf(tag, ip, op - offset))
      ip = behind(tag, ip)
      op += <u32>(entry >> TAG_COUNT)
      const otherTag: u32 = load<u8>(otherIp)
      const otherEntry = load<u64>(TAGS + (otherTag << 3))
      const otherOffset = offsetOf(otherIp, otherEntry)
      if (otherOffset - NEAR > <u32>(otherOp - otherNearest)) break
      copyWide(otherOp, sourceOf(otherTag, otherIp, otherOp - otherOffset))
      otherIp = behind(otherTag, otherIp)
      otherOp += <u32>(otherEntry >> TAG_COUNT)
      left--
    }
    if (left != 0) break
  }
  readAt = ip
  writeAt = op
  otherReadAt = otherIp
  otherWriteAt = otherOp
}

/** How far back an element of `shortElements` copies from. */
function offsetOf(ip: usize, entry: u64): u32 {
  return (<u32>load<u16>(ip, 1) & <u32>(entry & 0xffff)) + (<u32>entry >> <u32>TAG_ADD)
}

/** What such an element at ip is taken from, where it copies from `back`. */
function sourceOf(tag: u32, ip: usize, back: usize): usize {
  return select<usize>(back, ip + 1, (tag & 3) != 0)
}

/** What follows such an element. Written out twice, the test goes with each choice and takes no register. */
function behind(tag: u32, ip: usize): usize {
  const kind = tag & 3
  return select<usize>(ip + kind + 1, ip + (tag >> 2) + 2, kind != 0)
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
