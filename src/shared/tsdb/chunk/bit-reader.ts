/**
 * Bits in, each byte from the most significant one; and the codes of Prometheus' histogram chunks.
 * The mirror of bit-writer.ts. Reading past the end throws `chunk-corrupt`.
 */
import { fail } from '../../errors/index.js'
import { VARBIT_WIDTHS, type XorState } from './bit-writer.js'

const WORD = 2 ** 32
const scratch = new Float64Array(1)
const scratchWords = new Uint32Array(scratch.buffer)

/** Reads bits of a chunk. */
export class BitReader {
  private readonly bytes: Uint8Array
  private readonly end: number
  private bit: number
  /** The words of `takeWide`. */
  high = 0
  low = 0

  /** @param from byte to begin at */
  constructor(bytes: Uint8Array, from: number) {
    this.bytes = bytes
    this.end = bytes.length * 8
    this.bit = from * 8
  }

  /** The next bits as an unsigned number, 0 ≤ width ≤ 32. */
  take(width: number): number {
    if (width === 0) return 0
    const bit = this.bit
    if (width > this.end - bit) throw fail('chunk-corrupt', { text: 'a chunk ends early' })
    this.bit = bit + width
    const bytes = this.bytes
    const at = bit >>> 3
    const shift = bit & 7
    // Past the end typed arrays give undefined, which counts as 0 here.
    const four =
      (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
    const word = shift === 0 ? four : (four << shift) | (bytes[at + 4]! >>> (8 - shift))
    return word >>> (32 - width)
  }

  /** Reads 64 bits to `high` and `low`. */
  takeWide(): void {
    this.high = this.take(32)
    this.low = this.take(32)
  }

  /** 64 bits as a float. */
  takeFloat(): number {
    this.takeWide()
    scratchWords[0] = this.low
    scratchWords[1] = this.high
    return scratch[0]!
  }

  /** A number in the signed variable code. */
  takeInt(): number {
    const width = this.takeWidth()
    if (width === 0) return 0
    if (width <= 32) {
      const value = this.take(width)
      return value > 2 ** (width - 1) ? value - 2 ** width : value
    }
    const high = this.take(width - 32)
    const low = this.take(32)
    if (width === 64) return (high | 0) * WORD + low
    const isNegative = high > 2 ** 23 || (high === 2 ** 23 && low > 0)
    return (isNegative ? high - 2 ** 24 : high) * WORD + low
  }

  /** A number in the unsigned variable code. */
  takeUint(): number {
    const width = this.takeWidth()
    if (width <= 32) return this.take(width)
    const high = this.take(width - 32)
    return high * WORD + this.take(32)
  }

  private takeWidth(): number {
    let ones = 0
    while (ones < 8 && this.take(1) === 1) ones++
    return VARBIT_WIDTHS[ones]!
  }

  /** A byte-wise varint at whatever bit the stream is; exact to 2^53. */
  takeUvarint(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 64; scale *= 128) {
      const byte = this.take(8)
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    throw fail('chunk-corrupt', { text: 'an overlong varint in a chunk' })
  }

  /** The same, zigzag. */
  takeVarint(): number {
    const zigzag = this.takeUvarint()
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
  }
}

/** Reads float `index` of a state, coded by XOR to the one before; its words stand in the state. */
export function takeXor(reader: BitReader, state: XorState, index: number): void {
  if (reader.take(1) === 0) return
  if (reader.take(1) === 1) takeWindow(reader, state, index)
  takeInWindow(reader, state, index)
}

/** Reads a new window: leading zeros and width. */
export function takeWindow(reader: BitReader, state: XorState, index: number): void {
  const leading = reader.take(5)
  const width = reader.take(6) || 64
  if (leading + width > 64) throw fail('chunk-corrupt', { text: 'an impossible window in a chunk' })
  state.leading[index] = leading
  state.trailing[index] = 64 - leading - width
}

/** Reads the bits of the window at hand. */
export function takeInWindow(reader: BitReader, state: XorState, index: number): void {
  const trailing = state.trailing[index]!
  const width = 64 - trailing - state.leading[index]!
  if (width < 1) throw fail('chunk-corrupt', { text: 'a chunk without a first window' })
  const high = width > 32 ? reader.take(width - 32) : 0
  const low = reader.take(Math.min(width, 32))
  const { words } = state
  if (trailing >= 32) words[index * 2] = words[index * 2]! ^ (low << (trailing - 32))
  else {
    const carried = trailing === 0 ? high : (high << trailing) | (low >>> (32 - trailing))
    words[index * 2] = words[index * 2]! ^ carried
    words[index * 2 + 1] = words[index * 2 + 1]! ^ (low << trailing)
  }
}

/** A float of a state. */
export function floatOf(state: XorState, index: number): number {
  scratchWords[0] = state.words[index * 2 + 1]!
  scratchWords[1] = state.words[index * 2]!
  return scratch[0]!
}
