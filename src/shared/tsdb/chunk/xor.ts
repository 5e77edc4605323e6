/**
 * Float XOR chunks, the readable form: encoding 1 of Prometheus tsdb/docs/format/chunks.md (Gorilla,
 * VLDB 2015 §4.1), drawn in docs/formats/chunk.md. For tests and cold paths; the head's kernel
 * (kernels/assembly/xor.ts, head-append.ts) does the same fast and is checked against this.
 */
import { fail } from '../../errors/index.js'

/** Samples that a chunk's 2-byte header can count. */
const SAMPLES_MAX = 65535
const MASK_64 = (1n << 64n) - 1n

/**
 * Decodes a float XOR chunk into columns.
 *
 * @param chunk  encoded bytes, without the length, encoding and CRC that wrap it in a block
 * @param ts     out, [n] ms since the epoch; n is at least the chunk's sample count
 * @param values out, [n], bits kept
 * @returns samples written
 * @throws AppError `chunk-corrupt` when the bit stream ends early or the columns are too short
 */
export function decodeXorChunk(chunk: Uint8Array, ts: Float64Array, values: Float64Array): number {
  const reader = new BitReader(chunk)
  const count = Number(reader.take(16))
  if (count > ts.length) throw fail('chunk-corrupt', { text: `no room for ${count} samples` })
  const bits = new BigUint64Array(values.buffer, values.byteOffset, values.length)
  let t = 0n
  let delta = 0n
  let value = 0n
  let leading = 0n
  let width = 64n
  for (let i = 0; i < count; i++) {
    if (i === 0) {
      const zigzag = reader.takeVarint()
      t = (zigzag >> 1n) ^ -(zigzag & 1n)
    } else {
      delta = i === 1 ? reader.takeVarint() : delta + takeDelta(reader)
      t = BigInt.asIntN(64, t + delta)
    }
    if (i === 0) value = reader.take(64)
    else if (reader.take(1) === 1n) {
      if (reader.take(1) === 1n) {
        leading = reader.take(5)
        width = reader.take(6) || 64n
        if (leading + width > 64n) throw fail('chunk-corrupt', { text: 'impossible bit window' })
      }
      value ^= reader.take(Number(width)) << (64n - leading - width)
    }
    ts[i] = Number(t)
    bits[i] = value
  }
  return count
}

/** How many samples a chunk has. */
export function countXorChunk(chunk: Uint8Array): number {
  return chunk.length < 2 ? 0 : chunk[0]! * 256 + chunk[1]!
}

/** Reads the code of a delta of deltas. */
function takeDelta(reader: BitReader): bigint {
  const sizes = [0, 14, 17, 20]
  let ones = 0
  while (ones < 4 && reader.take(1) === 1n) ones++
  if (ones === 0) return 0n
  if (ones === 4) return BigInt.asIntN(64, reader.take(64))
  const size = BigInt(sizes[ones]!)
  const raw = reader.take(Number(size))
  return raw > 1n << (size - 1n) ? raw - (1n << size) : raw
}

/**
 * Encodes samples as one chunk, the same bytes as Prometheus'.
 *
 * @param ts     [n] ms since the epoch, ascending, n ≤ 65535
 * @param values [n]
 * @throws RangeError when there are more samples than a chunk can count
 */
export function encodeXorChunk(ts: Float64Array, values: Float64Array): Uint8Array {
  if (ts.length > SAMPLES_MAX) throw new RangeError(`${ts.length} samples in one chunk`)
  const writer = new BitWriter()
  const bits = new BigUint64Array(values.buffer, values.byteOffset, values.length)
  writer.put(BigInt(ts.length), 16)
  let delta = 0n
  const window = { leading: 255, trailing: 0 }
  for (let i = 0; i < ts.length; i++) {
    const t = BigInt(ts[i]!)
    if (i === 0) {
      writer.putVarint(BigInt.asUintN(64, (t << 1n) ^ (t >> 63n)))
      writer.put(bits[i]!, 64)
      continue
    }
    const step = t - BigInt(ts[i - 1]!)
    if (i === 1) writer.putVarint(BigInt.asUintN(64, step))
    else putDelta(writer, step - delta)
    delta = step
    putXor(writer, bits[i]! ^ bits[i - 1]!, window)
  }
  return writer.bytes()
}

function putDelta(writer: BitWriter, d: bigint): void {
  if (d === 0n) writer.put(0n, 1)
  else if (d >= -8191n && d <= 8192n) writer.put((0b10n << 14n) | (d & 0x3fffn), 16)
  else if (d >= -65535n && d <= 65536n) writer.put((0b110n << 17n) | (d & 0x1ffffn), 20)
  else if (d >= -524287n && d <= 524288n) writer.put((0b1110n << 20n) | (d & 0xfffffn), 24)
  else {
    writer.put(0b1111n, 4)
    writer.put(d & MASK_64, 64)
  }
}

function putXor(writer: BitWriter, x: bigint, window: { leading: number; trailing: number }): void {
  if (x === 0n) {
    writer.put(0n, 1)
    return
  }
  const text = x.toString(2)
  const leading = Math.min(64 - text.length, 31)
  const trailing = text.length - 1 - text.lastIndexOf('1')
  if (leading >= window.leading && trailing >= window.trailing) {
    writer.put(0b10n, 2)
  } else {
    window.leading = leading
    window.trailing = trailing
    const width = 64 - leading - trailing
    writer.put((0b11n << 11n) | BigInt((leading << 6) | (width & 63)), 13)
  }
  writer.put(x >> BigInt(window.trailing), 64 - window.leading - window.trailing)
}

/** Fills bytes from the most significant bit. */
class BitWriter {
  private readonly out: number[] = []
  private held = 0n
  private heldBits = 0

  put(value: bigint, count: number): void {
    this.held = (this.held << BigInt(count)) | value
    this.heldBits += count
    while (this.heldBits >= 8) {
      this.heldBits -= 8
      this.out.push(Number(this.held >> BigInt(this.heldBits)))
      this.held &= (1n << BigInt(this.heldBits)) - 1n
    }
  }

  putVarint(value: bigint): void {
    while (value > 127n) {
      this.put((value & 127n) | 128n, 8)
      value >>= 7n
    }
    this.put(value, 8)
  }

  bytes(): Uint8Array {
    if (this.heldBits > 0) this.out.push(Number(this.held << BigInt(8 - this.heldBits)))
    return Uint8Array.from(this.out)
  }
}

class BitReader {
  private readonly bytes: Uint8Array
  private bit = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  take(count: number): bigint {
    if (this.bit + count > this.bytes.length * 8) {
      throw fail('chunk-corrupt', { text: 'a chunk ends in the middle of a sample' })
    }
    let value = 0n
    for (let left = count; left > 0; ) {
      const inByte = Math.min(left, 8 - (this.bit & 7))
      const byte = this.bytes[this.bit >>> 3]!
      const part = (byte >> (8 - (this.bit & 7) - inByte)) & ((1 << inByte) - 1)
      value = (value << BigInt(inByte)) | BigInt(part)
      this.bit += inByte
      left -= inByte
    }
    return value
  }

  takeVarint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.take(8)
      value |= (byte & 127n) << shift
      if (byte < 128n) return value & MASK_64
    }
    throw fail('chunk-corrupt', { text: 'an overlong varint in a chunk' })
  }
}
