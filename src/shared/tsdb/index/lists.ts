/** Columns that grow: typed arrays that double. */

/** A growing column of u32. */
export class U32List {
  values: Uint32Array
  size = 0

  constructor(room = 64) {
    this.values = new Uint32Array(room)
  }

  push(value: number): void {
    if (this.size === this.values.length) this.grow()
    this.values[this.size++] = value
  }

  /** What is in it; a view, valid until more is pushed. */
  view(): Uint32Array {
    return this.values.subarray(0, this.size)
  }

  private grow(): void {
    const larger = new Uint32Array(this.values.length * 2)
    larger.set(this.values)
    this.values = larger
  }
}

/** A growing column of f64. */
export class F64List {
  values: Float64Array
  size = 0

  constructor(room = 64) {
    this.values = new Float64Array(room)
  }

  push(value: number): void {
    if (this.size === this.values.length) this.grow()
    this.values[this.size++] = value
  }

  /** What is in it; a view, valid until more is pushed. */
  view(): Float64Array {
    return this.values.subarray(0, this.size)
  }

  private grow(): void {
    const larger = new Float64Array(this.values.length * 2)
    larger.set(this.values)
    this.values = larger
  }
}

/** Growing bytes. */
export class ByteList {
  bytes: Uint8Array
  size = 0

  constructor(room = 1024) {
    this.bytes = new Uint8Array(room)
  }

  /** Makes room for so many more bytes. */
  reserve(count: number): void {
    if (this.size + count <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(this.size + count, this.bytes.length * 2))
    larger.set(this.bytes.subarray(0, this.size))
    this.bytes = larger
  }

  u8(value: number): void {
    this.reserve(1)
    this.bytes[this.size++] = value
  }

  u32(value: number): void {
    this.reserve(4)
    const { bytes, size } = this
    bytes[size] = value >>> 24
    bytes[size + 1] = value >>> 16
    bytes[size + 2] = value >>> 8
    bytes[size + 3] = value
    this.size = size + 4
  }

  /** Writes over four bytes. */
  setU32(at: number, value: number): void {
    const { size } = this
    this.size = at
    this.u32(value)
    this.size = size
  }

  /** A whole number below 2^53. */
  u64(value: number): void {
    this.u32(Math.floor(value / 2 ** 32))
    this.u32(value >>> 0)
  }

  uvarint(value: number): void {
    this.reserve(8)
    while (value >= 128) {
      this.bytes[this.size++] = (value % 128) | 128
      value = Math.floor(value / 128)
    }
    this.bytes[this.size++] = value
  }

  varint(value: number): void {
    this.uvarint(value >= 0 ? value * 2 : -value * 2 - 1)
  }

  put(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.size)
    this.size += bytes.length
  }

  /** Bytes with their length before them. */
  string(bytes: Uint8Array): void {
    this.uvarint(bytes.length)
    this.put(bytes)
  }

  /** What is in it; a view, valid until more is put. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.size)
  }
}
