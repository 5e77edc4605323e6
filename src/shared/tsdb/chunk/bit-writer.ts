/**
 * Bits out, each byte filled from the most significant one; and the codes of Prometheus' histogram
 * chunks (tsdb/chunkenc: bstream.go, varbit.go, xor.go) on top. Numbers are exact to 2^53; floats
 * are handed over as two words, so that NaN payloads survive.
 */

/** Widths of the variable codes, by the number of ones in the prefix. */
export const VARBIT_WIDTHS = [0, 3, 6, 9, 12, 18, 25, 56, 64] as const

const WORD = 2 ** 32

/** Writes bits to a buffer of its own. */
export class BitWriter {
  private buffer: Uint8Array
  /** Bits written. */
  private bit = 0

  constructor(bytes = 128) {
    this.buffer = new Uint8Array(bytes)
  }

  /** Begins anew. */
  clear(): void {
    this.buffer.fill(0, 0, this.length())
    this.bit = 0
  }

  /** Bytes written so far, the last one filled up with zeros. */
  length(): number {
    return (this.bit + 7) >>> 3
  }

  /** What was written; a view, valid until more is. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length())
  }

  /** Replaces a byte that was written. */
  patch(at: number, byte: number): void {
    this.buffer[at] = byte
  }

  /** Writes the low `width` bits of a number, 1 ≤ width ≤ 32. */
  put(value: number, width: number): void {
    const end = this.bit + width
    if ((end + 7) >>> 3 > this.buffer.length) this.grow(end)
    const { buffer } = this
    let left = width
    while (left > 0) {
      const room = 8 - (this.bit & 7)
      const take = room < left ? room : left
      const part = (value >>> (left - take)) & ((1 << take) - 1)
      const at = this.bit >>> 3
      buffer[at] = buffer[at]! | (part << (room - take))
      this.bit += take
      left -= take
    }
  }

  private grow(bits: number): void {
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, (bits >>> 3) + 64))
    larger.set(this.buffer)
    this.buffer = larger
  }

  /** Writes 64 bits. */
  putWide(high: number, low: number): void {
    this.put(high, 32)
    this.put(low, 32)
  }

  /** A signed number in the variable code: prefix, then the least width that holds it. */
  putInt(value: number): void {
    if (value === 0) {
      this.put(0, 1)
      return
    }
    let ones = 1
    while (ones < 7) {
      const half = 2 ** (VARBIT_WIDTHS[ones]! - 1)
      if (value > -half && value <= half) break
      ones++
    }
    // 56 bits hold every whole number that a float can: |value| ≤ 2^54.
    this.putPrefix(ones)
    this.putBits(value, VARBIT_WIDTHS[ones]!)
  }

  /** An unsigned number likewise. */
  putUint(value: number): void {
    if (value === 0) {
      this.put(0, 1)
      return
    }
    let ones = 1
    while (ones < 7 && value >= 2 ** VARBIT_WIDTHS[ones]!) ones++
    this.putPrefix(ones)
    this.putBits(value, VARBIT_WIDTHS[ones]!)
  }

  /** `ones` ones and a zero; eight ones are followed by none. */
  private putPrefix(ones: number): void {
    if (ones === 8) this.put(0xff, 8)
    else this.put((1 << (ones + 1)) - 2, ones + 1)
  }

  private putBits(value: number, width: number): void {
    if (width > 32) this.put(Math.floor(value / WORD) >>> 0, width - 32)
    this.put(value >>> 0, Math.min(width, 32))
  }
}

/** Floats that are coded by XOR to the one before: words and window of each, struct of arrays. */
export interface XorState {
  /** [2 × n] high and low word by turns. */
  readonly words: Uint32Array
  /** [n] leading zeros of the window; NO_WINDOW before the first. */
  readonly leading: Uint8Array
  readonly trailing: Uint8Array
}

/** In `leading`: the first window is still to come. */
export const NO_WINDOW = 255

/** State of n floats; the values are those of the first sample, to be set by the caller. */
export function createXorState(n: number): XorState {
  return {
    words: new Uint32Array(n * 2),
    leading: new Uint8Array(n).fill(NO_WINDOW),
    trailing: new Uint8Array(n),
  }
}

/** Writes float `index` as its difference to the one before, and remembers it. */
export function putXor(
  writer: BitWriter,
  state: XorState,
  index: number,
  high: number,
  low: number,
): void {
  const { words, leading, trailing } = state
  const x = (high ^ words[index * 2]!) >>> 0
  const y = (low ^ words[index * 2 + 1]!) >>> 0
  if (x === 0 && y === 0) {
    writer.put(0, 1)
    return
  }
  words[index * 2] = high
  words[index * 2 + 1] = low
  const before = Math.min(x === 0 ? 32 + Math.clz32(y) : Math.clz32(x), 31)
  const after = y === 0 ? 32 + trailingZeros(x) : trailingZeros(y)
  if (leading[index] !== NO_WINDOW && before >= leading[index]! && after >= trailing[index]!) {
    writer.put(0b10, 2)
  } else {
    leading[index] = before
    trailing[index] = after
    const width = 64 - before - after
    writer.put((0b11 << 11) | (before << 6) | (width & 63), 13)
  }
  putShifted(writer, x, y, trailing[index]!, 64 - leading[index]! - trailing[index]!)
}

/** The `width` bits of x:y above its `shift` lowest ones. */
function putShifted(writer: BitWriter, x: number, y: number, shift: number, width: number): void {
  const low =
    shift >= 32 ? x >>> (shift - 32) : shift === 0 ? y : (y >>> shift) | (x << (32 - shift))
  const high = shift >= 32 ? 0 : x >>> shift
  if (width > 32) writer.put(high, width - 32)
  writer.put(low >>> 0, Math.min(width, 32))
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word)
}
