/**
 * LZ4 frames ("LZ4 Frame Format Description" 1.6.4), as OTLP senders write them: one or several,
 * skippable ones between. All checksums that a frame has are checked; dictionaries are not taken.
 */

const MAGIC = 0x184d2204
const SKIPPABLE = 0x184d2a50
const FLAG_INDEPENDENT = 0x20
const FLAG_BLOCK_CHECKSUM = 0x10
const FLAG_CONTENT_SIZE = 0x08
const FLAG_CONTENT_CHECKSUM = 0x04
/** Reserved, and: there is a dictionary. */
const FLAGS_REFUSED = 0x03
/** Of a block's length: its bytes are as they were. */
const STORED = 0x80000000
/** The most that a byte of a block can come to. */
const RATIO_MAX = 255
const MATCH_MIN = 4
/** Up to here a loop over bytes is quicker than a call. */
const SHORT = 64

/**
 * Unpacks frames.
 *
 * @returns undefined when they unpack to more than `bytesMax`
 * @throws RangeError when they are corrupt
 */
export function unpackLz4(source: Uint8Array, bytesMax: number): Uint8Array | undefined {
  const reader = new FrameReader(source, bytesMax)
  return reader.readAll() ? reader.output() : undefined
}

/** Goes through a body from frame to frame. */
class FrameReader {
  private readonly source: Uint8Array
  private readonly view: DataView
  private readonly bytesMax: number
  private at = 0
  private out = new Uint8Array(0)
  private length = 0

  constructor(source: Uint8Array, bytesMax: number) {
    this.source = source
    this.view = new DataView(source.buffer, source.byteOffset, source.length)
    this.bytesMax = bytesMax
  }

  output(): Uint8Array {
    return this.out.subarray(0, this.length)
  }

  /** False when it comes to too much. A view that is read past its end throws RangeError. */
  readAll(): boolean {
    do {
      const magic = this.word()
      if (magic >>> 4 === SKIPPABLE >>> 4) this.skip(this.word())
      else if (magic !== MAGIC) throw corrupt()
      else if (!this.frame()) return false
    } while (this.at < this.source.length)
    return true
  }

  private frame(): boolean {
    const start = this.at
    const [flags, sizes] = [this.view.getUint8(start), this.view.getUint8(start + 1)]
    const kind = (sizes >> 4) & 7
    if (flags >> 6 !== 1 || (flags & FLAGS_REFUSED) !== 0 || kind < 4 || (sizes & 0x8f) !== 0) {
      throw corrupt()
    }
    this.skip(2)
    if ((flags & FLAG_CONTENT_SIZE) !== 0) this.skip(8)
    const descriptor = this.source.subarray(start, this.at)
    if (this.view.getUint8(this.at++) !== ((xxh32(descriptor) >>> 8) & 255)) throw corrupt()
    const from = this.length
    const blockMax = 1 << (8 + 2 * kind)
    while (true) {
      const word = this.word()
      if (word === 0) break
      const base = (flags & FLAG_INDEPENDENT) !== 0 ? this.length : from
      if (!this.block(word, blockMax, base)) return false
      const end = this.at
      if ((flags & FLAG_BLOCK_CHECKSUM) === 0) continue
      const bytes = this.source.subarray(end - (word & ~STORED), end)
      if (this.word() !== xxh32(bytes)) throw corrupt()
    }
    const content = this.out.subarray(from, this.length)
    if ((flags & FLAG_CONTENT_CHECKSUM) !== 0 && this.word() !== xxh32(content)) throw corrupt()
    if ((flags & FLAG_CONTENT_SIZE) === 0) return true
    if (this.view.getBigUint64(start + 2, true) !== BigInt(content.length)) throw corrupt()
    return true
  }

  /** @param base matches reach back to here at most */
  private block(word: number, blockMax: number, base: number): boolean {
    const bytes = word & ~STORED
    const from = this.at
    this.skip(bytes)
    if (bytes > blockMax) throw corrupt()
    const isStored = word >>> 31 === 1
    const most = isStored ? bytes : Math.min(blockMax, bytes * RATIO_MAX)
    this.makeRoom(most)
    const limit = Math.min(this.length + most, this.out.length)
    if (isStored) {
      if (this.length + bytes > limit) return false
      this.out.set(this.source.subarray(from, this.at), this.length)
      this.length += bytes
      return true
    }
    const to = unpackBlock(this.source.subarray(from, this.at), this.out, {
      base,
      from: this.length,
      limit,
    })
    if (to >= 0) this.length = to
    else if (limit < this.bytesMax) throw corrupt()
    return to >= 0
  }

  /** Room for so much more, as long as that is within the bound. */
  private makeRoom(bytes: number): void {
    const wanted = Math.min(this.length + bytes, this.bytesMax)
    if (wanted <= this.out.length) return
    const grown = new Uint8Array(Math.min(Math.max(wanted, this.out.length * 2), this.bytesMax))
    grown.set(this.output())
    this.out = grown
  }

  private word(): number {
    const word = this.view.getUint32(this.at, true)
    this.at += 4
    return word
  }

  private skip(bytes: number): void {
    if (bytes > this.source.length - this.at) throw corrupt()
    this.at += bytes
  }
}

interface BlockTarget {
  readonly base: number
  readonly from: number
  readonly limit: number
}

/** Where the block ends in `out`; -1 when it goes beyond the limit. */
function unpackBlock(
  block: Uint8Array,
  out: Uint8Array,
  { base, from, limit }: BlockTarget,
): number {
  let to = from
  let at = 0
  while (at < block.length) {
    const token = block[at++]!
    let literals = token >> 4
    if (literals === 15) {
      let more = 255
      while (more === 255 && at < block.length) literals += more = block[at++]!
    }
    if (literals > block.length - at) throw corrupt()
    if (literals > limit - to) return -1
    if (literals > SHORT) out.set(block.subarray(at, at + literals), to)
    else for (let k = 0; k < literals; k++) out[to + k] = block[at + k]!
    at += literals
    to += literals
    // The last sequence has literals alone.
    if (at === block.length) return to
    if (at + 2 > block.length) throw corrupt()
    const offset = block[at]! | (block[at + 1]! << 8)
    at += 2
    if (offset === 0 || offset > to - base) throw corrupt()
    let length = token & 15
    if (length === 15) {
      let more = 255
      while (more === 255 && at < block.length) length += more = block[at++]!
    }
    length += MATCH_MIN
    if (length > limit - to) return -1
    if (length > SHORT && offset >= length) out.copyWithin(to, to - offset, to - offset + length)
    else for (let k = 0; k < length; k++) out[to + k] = out[to + k - offset]!
    to += length
  }
  // It ended with a match.
  throw corrupt()
}

function corrupt(): RangeError {
  return new RangeError('lz4: corrupt input')
}

const PRIME1 = 0x9e3779b1
const PRIME2 = 0x85ebca77
const PRIME3 = 0xc2b2ae3d
const PRIME4 = 0x27d4eb2f
const PRIME5 = 0x165667b1

/** XXH32 with seed 0, a u32. */
function xxh32(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  let hash = PRIME5
  if (bytes.length >= 16) {
    let a = (PRIME1 + PRIME2) | 0
    let b = PRIME2 | 0
    let c = 0
    let d = -PRIME1 | 0
    for (; at + 16 <= bytes.length; at += 16) {
      a = round(a, view.getUint32(at, true))
      b = round(b, view.getUint32(at + 4, true))
      c = round(c, view.getUint32(at + 8, true))
      d = round(d, view.getUint32(at + 12, true))
    }
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)
  }
  hash = (hash + bytes.length) | 0
  for (; at + 4 <= bytes.length; at += 4) {
    hash = Math.imul(rotate(hash + Math.imul(view.getUint32(at, true), PRIME3), 17), PRIME4)
  }
  for (; at < bytes.length; at++) {
    hash = Math.imul(rotate(hash + Math.imul(bytes[at]!, PRIME5), 11), PRIME1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(lane: number, word: number): number {
  return Math.imul(rotate(lane + Math.imul(word, PRIME2), 13), PRIME1)
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by))
}
