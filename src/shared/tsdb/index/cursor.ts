/**
 * Reads the primitives of Prometheus' index, chunk and tombstone files off bytes: big endian
 * integers, varints, strings. A read past the end, an overlong varint or a number that is not exact
 * is AppError `block-damaged`.
 */
import { damaged, type Place } from './damage.js'

/** A position in bytes. */
export class Cursor {
  readonly bytes: Uint8Array
  readonly place: Place
  at: number
  /** First byte that may not be read. */
  end: number

  constructor(bytes: Uint8Array, place: Place, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.place = place
    this.at = at
    this.end = end
  }

  u8(): number {
    if (this.at >= this.end) throw this.cut()
    return this.bytes[this.at++]!
  }

  u32(): number {
    const { bytes, at } = this
    if (at + 4 > this.end) throw this.cut()
    this.at = at + 4
    return readU32(bytes, at)
  }

  /** A u64 that is exact as a number. */
  u64(): number {
    const high = this.u32()
    return this.exact(high * 2 ** 32 + this.u32())
  }

  /** A varint without sign that is exact as a number. */
  uvarint(): number {
    const { bytes } = this
    const first = this.u8()
    if (first < 128) return first
    let value = first & 127
    for (let scale = 128; scale <= 2 ** 63; scale *= 128) {
      if (this.at >= this.end) throw this.cut()
      const byte = bytes[this.at++]!
      value += (byte & 127) * scale
      if (byte < 128) return this.exact(value)
    }
    throw damaged(this.place, 'an overlong number')
  }

  /** A varint with sign (zigzag). */
  varint(): number {
    const zigzag = this.uvarint()
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
  }

  /** Bytes with their length before them; a view. */
  string(): Uint8Array {
    const length = this.uvarint()
    if (length > this.end - this.at) throw this.cut()
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  private exact(value: number): number {
    if (value <= Number.MAX_SAFE_INTEGER) return value
    throw damaged(this.place, 'a number beyond 2^53')
  }

  private cut(): Error {
    return damaged(this.place, 'it ends in the middle of something')
  }
}

/** A big endian u32. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  )
}

/** Orders bytes as Go orders strings. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}
