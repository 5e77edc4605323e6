/**
 * OTLP metrics as JSON (opentelemetry-proto, "JSON Protobuf Encoding"), rewritten as the protobuf
 * message that it stands for, so that everything after exists once. Field names in lowerCamelCase or
 * as in the .proto; 64-bit numbers as text or number; ids of traces in hex, other bytes in base64;
 * fields that are not known are passed over.
 *
 * One pass from bytes to bytes: a tree of a body of 100 MB would be gigabytes of objects, and a list
 * of nothing but `[]` more than a thread has. Hot: bench/shared/wire/otlp-json.bench.ts.
 */
import { fail } from '../../errors/index.js'

type Kind =
  | 'text'
  | 'bool'
  | 'enum'
  | 'uint32'
  | 'sint32'
  | 'int64'
  | 'fixed64'
  | 'sfixed64'
  | 'uint64'
  | 'double'
  | 'bytes'
  | 'hex'

/** A row of the table: a field's number, what it holds (a message by name), whether it is a list. */
interface Row {
  readonly number: number
  readonly kind: Kind | MessageName
  readonly isList?: boolean
}

type MessageName = keyof typeof MESSAGES

const one = <const K extends string>(number: number, kind: K) => ({ number, kind })
const many = <const K extends string>(number: number, kind: K) => ({ number, kind, isList: true })

/** Messages of opentelemetry.proto that metrics are made of. */
const MESSAGES = {
  request: { resourceMetrics: many(1, 'resourceMetrics') },
  resourceMetrics: {
    resource: one(1, 'resource'),
    scopeMetrics: many(2, 'scopeMetrics'),
    schemaUrl: one(3, 'text'),
  },
  resource: { attributes: many(1, 'keyValue') },
  scopeMetrics: {
    scope: one(1, 'scope'),
    metrics: many(2, 'metric'),
    schemaUrl: one(3, 'text'),
  },
  scope: {
    name: one(1, 'text'),
    version: one(2, 'text'),
    attributes: many(3, 'keyValue'),
  },
  metric: {
    name: one(1, 'text'),
    description: one(2, 'text'),
    unit: one(3, 'text'),
    gauge: one(5, 'gauge'),
    sum: one(7, 'sum'),
    histogram: one(9, 'histogram'),
    exponentialHistogram: one(10, 'exponential'),
    summary: one(11, 'summary'),
  },
  gauge: { dataPoints: many(1, 'number') },
  sum: {
    dataPoints: many(1, 'number'),
    aggregationTemporality: one(2, 'enum'),
    isMonotonic: one(3, 'bool'),
  },
  histogram: { dataPoints: many(1, 'histogramPoint'), aggregationTemporality: one(2, 'enum') },
  exponential: { dataPoints: many(1, 'exponentialPoint'), aggregationTemporality: one(2, 'enum') },
  summary: { dataPoints: many(1, 'summaryPoint') },
  number: {
    startTimeUnixNano: one(2, 'fixed64'),
    timeUnixNano: one(3, 'fixed64'),
    asDouble: one(4, 'double'),
    exemplars: many(5, 'exemplar'),
    asInt: one(6, 'sfixed64'),
    attributes: many(7, 'keyValue'),
    flags: one(8, 'uint32'),
  },
  histogramPoint: {
    startTimeUnixNano: one(2, 'fixed64'),
    timeUnixNano: one(3, 'fixed64'),
    count: one(4, 'fixed64'),
    sum: one(5, 'double'),
    bucketCounts: many(6, 'fixed64'),
    explicitBounds: many(7, 'double'),
    exemplars: many(8, 'exemplar'),
    attributes: many(9, 'keyValue'),
    flags: one(10, 'uint32'),
  },
  exponentialPoint: {
    attributes: many(1, 'keyValue'),
    startTimeUnixNano: one(2, 'fixed64'),
    timeUnixNano: one(3, 'fixed64'),
    count: one(4, 'fixed64'),
    sum: one(5, 'double'),
    scale: one(6, 'sint32'),
    zeroCount: one(7, 'fixed64'),
    positive: one(8, 'buckets'),
    negative: one(9, 'buckets'),
    flags: one(10, 'uint32'),
    exemplars: many(11, 'exemplar'),
    zeroThreshold: one(14, 'double'),
  },
  buckets: { offset: one(1, 'sint32'), bucketCounts: many(2, 'uint64') },
  summaryPoint: {
    startTimeUnixNano: one(2, 'fixed64'),
    timeUnixNano: one(3, 'fixed64'),
    count: one(4, 'fixed64'),
    sum: one(5, 'double'),
    quantileValues: many(6, 'quantile'),
    attributes: many(7, 'keyValue'),
    flags: one(8, 'uint32'),
  },
  quantile: { quantile: one(1, 'double'), value: one(2, 'double') },
  exemplar: {
    timeUnixNano: one(2, 'fixed64'),
    asDouble: one(3, 'double'),
    spanId: one(4, 'hex'),
    traceId: one(5, 'hex'),
    asInt: one(6, 'sfixed64'),
    filteredAttributes: many(7, 'keyValue'),
  },
  keyValue: { key: one(1, 'text'), value: one(2, 'anyValue') },
  anyValue: {
    stringValue: one(1, 'text'),
    boolValue: one(2, 'bool'),
    intValue: one(3, 'int64'),
    doubleValue: one(4, 'double'),
    arrayValue: one(5, 'arrayValue'),
    kvlistValue: one(6, 'kvlist'),
    bytesValue: one(7, 'bytes'),
  },
  arrayValue: { values: many(1, 'anyValue') },
  kvlist: { values: many(1, 'keyValue') },
} as const

/** A field as it is looked up. */
interface Field {
  readonly number: number
  readonly isList: boolean
  /** What it holds: a message, or else a value of a kind. */
  readonly shape: Shape | undefined
  readonly kind: Kind
}

/** A message's fields by a hash of their names, of which no two in a message are equal. */
interface Shape {
  readonly byHash: Map<number, { readonly name: Uint8Array; readonly field: Field }>
}

const SHAPES = createShapes()

function createShapes(): Readonly<Record<MessageName, Shape>> {
  const names = Object.keys(MESSAGES) as MessageName[]
  const shapes = Object.fromEntries(
    names.map((name): [string, Shape] => [name, { byHash: new Map() }]),
  ) as Record<MessageName, Shape>
  for (const message of names) {
    for (const [camel, row] of Object.entries<Row>(MESSAGES[message])) {
      const isMessage = row.kind in MESSAGES
      const field: Field = {
        number: row.number,
        isList: row.isList === true,
        shape: isMessage ? shapes[row.kind as MessageName] : undefined,
        kind: isMessage ? 'text' : (row.kind as Kind),
      }
      const snake = camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      for (const text of new Set([camel, snake])) {
        const name = Buffer.from(text)
        const hash = hashOf(name, 0, name.length)
        if (shapes[message].byHash.has(hash)) throw new Error(`hash of ${message}.${text} is taken`)
        shapes[message].byHash.set(hash, { name, field })
      }
    }
  }
  return shapes
}

/** FNV-1a of 32 bits. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash
}

const TEMPORALITIES: Readonly<Record<string, number>> = {
  AGGREGATION_TEMPORALITY_UNSPECIFIED: 0,
  AGGREGATION_TEMPORALITY_DELTA: 1,
  AGGREGATION_TEMPORALITY_CUMULATIVE: 2,
}

/** Messages nested deeper than this are refused, and unknown values deeper than that. */
const DEPTH_MAX = 100
const UNKNOWN_DEPTH_MAX = 1000

/**
 * Rewrites an export request from JSON, in UTF-8, to protobuf.
 *
 * @param bytesMax of the message
 * @returns undefined when it would be longer
 * @throws AppError `bad-data` when it is no JSON, or a value is not of its field's type
 */
export function encodeJsonRequest(json: Uint8Array, bytesMax: number): Uint8Array | undefined {
  const sink = new Sink(Math.min(bytesMax, Math.max(4096, json.length >>> 1)), bytesMax)
  try {
    new Transcoder(json, sink).run()
  } catch (error) {
    if (error === SINK_FULL) return undefined
    throw error
  }
  const message = sink.take()
  return message.length > bytesMax ? undefined : message
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const MINUS = 0x2d
const PLUS = 0x2b
const POINT = 0x2e
const ZERO = 0x30
const LETTER_E = 0x65
const LIST_OPEN = 0x5b
const LIST_CLOSE = 0x5d
const OBJECT_OPEN = 0x7b
const OBJECT_CLOSE = 0x7d
/** Digits of the largest number of 64 bits. */
const DIGITS_MAX = 20

class Transcoder {
  private readonly json: Buffer
  private readonly sink: Sink
  private at = 0
  /** The text or number last scanned, without its quotes. */
  private from = 0
  private to = 0
  private hasEscapes = false
  private isPlainWhole = false
  /** The whole number last read, in two's complement of 64 bits. */
  private high = 0
  private low = 0
  /** Where in the request it is, for errors: [depth] where a key lies, and the index in its list. */
  private readonly keys = new Int32Array(2 * (DEPTH_MAX + 2))
  private readonly indexes = new Float64Array(DEPTH_MAX + 2)
  private depth = 0

  constructor(json: Uint8Array, sink: Sink) {
    this.json = Buffer.from(json.buffer, json.byteOffset, json.length)
    this.sink = sink
  }

  run(): void {
    this.skipSpace()
    this.message(SHAPES.request)
    this.skipSpace()
    if (this.at < this.json.length) throw this.malformed()
  }

  /** The members of an object. */
  private message(shape: Shape): void {
    const { json } = this
    if (json[this.at] !== OBJECT_OPEN) throw this.wrong('an object')
    if (this.depth > DEPTH_MAX) throw this.wrong('nested less deeply')
    this.at++
    this.skipSpace()
    if (json[this.at] === OBJECT_CLOSE) {
      this.at++
      return
    }
    const { depth } = this
    this.depth++
    for (;;) {
      this.member(shape, depth)
      if (!this.goesOn(OBJECT_CLOSE)) break
    }
    this.depth = depth
  }

  private member(shape: Shape, depth: number): void {
    if (this.json[this.at] !== QUOTE) throw this.malformed()
    this.scanText()
    const field = this.fieldOf(shape)
    this.keys[2 * depth] = this.from
    this.keys[2 * depth + 1] = this.to
    this.indexes[depth] = -1
    this.skipSpace()
    if (this.json[this.at] !== COLON) throw this.malformed()
    this.at++
    this.skipSpace()
    if (field === undefined) this.skipValue(0)
    else if (this.takes('null')) return
    else if (field.isList) this.list(field, depth)
    else this.one(field)
  }

  private fieldOf({ byHash }: Shape): Field | undefined {
    const { json, from, to } = this
    if (this.hasEscapes) {
      const key = Buffer.from(this.text())
      return byHash.get(hashOf(key, 0, key.length))?.field
    }
    const found = byHash.get(hashOf(json, from, to))
    if (found === undefined || found.name.length !== to - from) return undefined
    for (let i = 0; i < found.name.length; i++) {
      if (found.name[i] !== json[from + i]) return undefined
    }
    return found.field
  }

  private list(field: Field, depth: number): void {
    if (this.json[this.at] !== LIST_OPEN) throw this.wrong('a list')
    this.at++
    this.skipSpace()
    if (this.json[this.at] === LIST_CLOSE) {
      this.at++
      return
    }
    for (let index = 0; ; index++) {
      this.indexes[depth] = index
      this.one(field)
      if (!this.goesOn(LIST_CLOSE)) return
    }
  }

  /** Whether another member or element follows. */
  private goesOn(close: number): boolean {
    this.skipSpace()
    const byte = this.json[this.at]
    if (byte !== COMMA && byte !== close) throw this.malformed()
    this.at++
    if (byte === close) return false
    this.skipSpace()
    return true
  }

  private one({ number, kind, shape }: Field): void {
    const { sink } = this
    if (shape !== undefined) {
      const start = sink.begin(number)
      this.message(shape)
      sink.end(start)
      return
    }
    switch (kind) {
      case 'text':
        this.expectText()
        if (this.hasEscapes) sink.bytes(number, Buffer.from(this.text()))
        else sink.copy(number, this.json, this.from, this.to)
        return
      case 'bytes':
      case 'hex':
        this.expectText()
        sink.bytes(number, Buffer.from(this.text(), kind === 'hex' ? 'hex' : 'base64'))
        return
      case 'bool':
        if (this.takes('true')) sink.varint(number, 0, 1)
        else if (this.takes('false')) sink.varint(number, 0, 0)
        else throw this.wrong('true or false')
        return
      case 'enum':
        this.temporality()
        sink.varint(number, this.high, this.low)
        return
      case 'double':
        sink.double(number, this.double())
        return
      case 'sint32': {
        this.whole()
        const value = this.low | 0
        if (this.high !== (value < 0 ? 0xffffffff : 0)) throw this.wrong('a number of 32 bits')
        sink.varint(number, 0, ((value << 1) ^ (value >> 31)) >>> 0)
        return
      }
      case 'fixed64':
      case 'sfixed64':
        this.whole()
        sink.fixed(number, this.high, this.low)
        return
      default:
        this.whole()
        sink.varint(number, this.high, this.low)
    }
  }

  private temporality(): void {
    const { at } = this
    if (this.json[at] === QUOTE) {
      this.scanText()
      const value = TEMPORALITIES[this.text()]
      if (value !== undefined) {
        this.setSmall(value)
        return
      }
      this.at = at
    }
    this.whole()
  }

  private double(): number {
    if (this.json[this.at] !== QUOTE) {
      this.scanNumber('a number')
      return Number(this.json.toString('latin1', this.from, this.to))
    }
    this.scanText()
    const text = this.text()
    if (text === 'NaN') return Number.NaN
    if (text === 'Infinity') return Number.POSITIVE_INFINITY
    if (text === '-Infinity') return Number.NEGATIVE_INFINITY
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if (Number.isNaN(value)) throw this.wrong('a number')
    return value
  }

  /** Reads a whole number, as number or text, to `high` and `low`. */
  private whole(): void {
    const isText = this.json[this.at] === QUOTE
    if (isText) {
      this.scanText()
      if (this.hasEscapes) throw this.wrong('a whole number')
    } else this.scanNumber('a whole number')
    if (!isText && !this.isPlainWhole) {
      const value = Number(this.json.toString('latin1', this.from, this.to))
      if (!Number.isInteger(value)) throw this.wrong('a whole number')
      const whole = BigInt.asUintN(64, BigInt(value))
      this.high = Number(whole >> 32n)
      this.low = Number(whole & 0xffffffffn)
      return
    }
    this.digits()
  }

  private digits(): void {
    const { json, to } = this
    let { from } = this
    const sign = json[from]
    if (sign === MINUS || sign === PLUS) from++
    const count = to - from
    if (count < 1 || count > DIGITS_MAX) throw this.wrong('a whole number')
    // The last nine digits, and those before: either is exact.
    const middle = Math.max(from, to - 9)
    let upper = 0
    let lower = 0
    for (let i = from; i < to; i++) {
      const digit = json[i]! - ZERO
      if (digit < 0 || digit > 9) throw this.wrong('a whole number')
      if (i < middle) upper = upper * 10 + digit
      else lower = lower * 10 + digit
    }
    // upper × 1e9 in two parts of less than 2^53 each.
    const top = Math.floor(upper / 2 ** 20) * 1e9
    const rest = (upper % 2 ** 20) * 1e9 + lower
    const low = (top % 4096) * 2 ** 20 + (rest % 2 ** 32)
    const high = Math.floor(top / 4096) + Math.floor(rest / 2 ** 32) + Math.floor(low / 2 ** 32)
    this.low = low >>> 0
    this.high = high >>> 0
    if (sign !== MINUS) return
    this.low = -this.low >>> 0
    this.high = (~this.high + (this.low === 0 ? 1 : 0)) >>> 0
  }

  private setSmall(value: number): void {
    this.high = 0
    this.low = value
  }

  private expectText(): void {
    if (this.json[this.at] !== QUOTE) throw this.wrong('a text')
    this.scanText()
  }

  /** The text last scanned. */
  private text(): string {
    const { json, from, to } = this
    const slice = json.toString('utf8', from, to)
    if (!this.hasEscapes) return slice
    try {
      return JSON.parse(`"${slice}"`) as string
    } catch {
      throw this.malformed()
    }
  }

  /** Passes over a text; what is behind a backslash is looked at when the text is wanted. */
  private scanText(): void {
    const { json } = this
    const end = json.length
    let at = this.at + 1
    this.from = at
    this.hasEscapes = false
    for (; at < end; at++) {
      const byte = json[at]!
      if (byte === QUOTE) break
      if (byte < 0x20) throw this.malformed(at)
      if (byte !== BACKSLASH) continue
      this.hasEscapes = true
      at++
    }
    if (at >= end) throw this.malformed(end)
    this.to = at
    this.at = at + 1
  }

  /** Passes over a number of JSON's grammar. */
  private scanNumber(wanted: string): void {
    const { json } = this
    this.from = this.at
    this.isPlainWhole = true
    if (json[this.at] === MINUS) this.at++
    const first = this.at
    if (this.skipDigits() === 0) {
      this.at = this.from
      if (this.skipsToValue()) throw this.wrong(wanted)
      throw this.malformed()
    }
    if (json[first] === ZERO && this.at > first + 1) throw this.malformed(first)
    if (json[this.at] === POINT) {
      this.isPlainWhole = false
      this.at++
      if (this.skipDigits() === 0) throw this.malformed()
    }
    if ((json[this.at]! | 0x20) === LETTER_E) {
      this.isPlainWhole = false
      this.at++
      if (json[this.at] === MINUS || json[this.at] === PLUS) this.at++
      if (this.skipDigits() === 0) throw this.malformed()
    }
    this.to = this.at
  }

  private skipDigits(): number {
    const { json } = this
    const { at } = this
    while (json[this.at]! >= ZERO && json[this.at]! <= ZERO + 9) this.at++
    return this.at - at
  }

  /** Whether there is a value at all, if of another type. */
  private skipsToValue(): boolean {
    const byte = this.json[this.at]
    const isOpen = byte === LIST_OPEN || byte === OBJECT_OPEN || byte === QUOTE
    return isOpen || this.takes('true') || this.takes('false') || this.takes('null')
  }

  /** Passes over a value of any kind. */
  private skipValue(depth: number): void {
    const { json } = this
    const byte = json[this.at]
    if (byte === QUOTE) {
      this.scanText()
      if (this.hasEscapes) this.text()
      return
    }
    if (byte !== OBJECT_OPEN && byte !== LIST_OPEN) {
      if (this.takes('true') || this.takes('false') || this.takes('null')) return
      this.scanNumber('a value')
      return
    }
    if (depth > UNKNOWN_DEPTH_MAX) throw this.wrong('nested less deeply')
    const close = byte === OBJECT_OPEN ? OBJECT_CLOSE : LIST_CLOSE
    this.at++
    this.skipSpace()
    if (json[this.at] === close) {
      this.at++
      return
    }
    for (;;) {
      if (byte === OBJECT_OPEN) {
        if (json[this.at] !== QUOTE) throw this.malformed()
        this.skipValue(depth + 1)
        this.skipSpace()
        if (json[this.at] !== COLON) throw this.malformed()
        this.at++
        this.skipSpace()
      }
      this.skipValue(depth + 1)
      if (!this.goesOn(close)) return
    }
  }

  /** Takes a literal, if it is there. */
  private takes(literal: string): boolean {
    const { json, at } = this
    for (let i = 0; i < literal.length; i++) {
      if (json[at + i] !== literal.charCodeAt(i)) return false
    }
    this.at += literal.length
    return true
  }

  private skipSpace(): void {
    const { json } = this
    for (;;) {
      const byte = json[this.at]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.at++
    }
  }

  private malformed(at = this.at): Error {
    const what = at < this.json.length ? `byte ${at} is not expected` : 'it ends too early'
    return fail('bad-data', { text: `malformed OTLP JSON: ${what}` })
  }

  /** A value is not of its field's type. */
  private wrong(wanted: string): Error {
    let path = 'request'
    for (let depth = 0; depth < this.depth; depth++) {
      path += `.${this.json.toString('utf8', this.keys[2 * depth], this.keys[2 * depth + 1])}`
      if (this.indexes[depth]! >= 0) path += `[${this.indexes[depth]}]`
    }
    return fail('bad-data', { text: `malformed OTLP JSON: ${path} is to be ${wanted}` })
  }
}

/** Bytes of a message length that is filled in later; a varint may be longer than it need be. */
const LENGTH_BYTES = 5
/** Thrown by a sink that may take no more. */
const SINK_FULL = Symbol('full')

/** Protobuf as it is written. */
class Sink {
  private data: Buffer
  private readonly bytesMax: number
  private at = 0

  constructor(bytes: number, bytesMax: number) {
    this.data = Buffer.allocUnsafeSlow(bytes + 16)
    this.bytesMax = bytesMax
  }

  /** Begins a message; to be given to `end`. */
  begin(field: number): number {
    this.room(16)
    this.head((field << 3) | 2)
    this.at += LENGTH_BYTES
    return this.at
  }

  end(start: number): void {
    let rest = this.at - start
    for (let i = 0; i < LENGTH_BYTES; i++) {
      this.data[start - LENGTH_BYTES + i] = (rest & 127) | (i < LENGTH_BYTES - 1 ? 128 : 0)
      rest >>>= 7
    }
  }

  bytes(field: number, bytes: Buffer): void {
    this.copy(field, bytes, 0, bytes.length)
  }

  copy(field: number, from: Buffer, start: number, end: number): void {
    const length = end - start
    this.room(length + 16)
    this.head((field << 3) | 2)
    this.head(length)
    const { data } = this
    if (length > 32) from.copy(data, this.at, start, end)
    else for (let i = 0; i < length; i++) data[this.at + i] = from[start + i]!
    this.at += length
  }

  /** A varint of 64 bits. */
  varint(field: number, high: number, low: number): void {
    this.room(16)
    this.head(field << 3)
    let [h, l] = [high, low]
    while (h !== 0 || l > 127) {
      this.data[this.at++] = (l & 127) | 128
      l = ((l >>> 7) | (h << 25)) >>> 0
      h >>>= 7
    }
    this.data[this.at++] = l
  }

  fixed(field: number, high: number, low: number): void {
    this.room(16)
    this.head((field << 3) | 1)
    this.at = this.data.writeUInt32LE(low, this.at)
    this.at = this.data.writeUInt32LE(high, this.at)
  }

  double(field: number, value: number): void {
    this.room(16)
    this.head((field << 3) | 1)
    this.at = this.data.writeDoubleLE(value, this.at)
  }

  take(): Uint8Array {
    return this.data.subarray(0, this.at)
  }

  private head(value: number): void {
    let rest = value
    for (; rest > 127; rest >>>= 7) this.data[this.at++] = (rest & 127) | 128
    this.data[this.at++] = rest
  }

  private room(bytes: number): void {
    const needed = this.at + bytes
    if (needed <= this.data.length) return
    if (needed > this.bytesMax + 16) throw SINK_FULL
    const larger = Buffer.allocUnsafeSlow(
      Math.min(Math.max(this.data.length * 2, needed), this.bytesMax + 16),
    )
    this.data.copy(larger, 0, 0, this.at)
    this.data = larger
  }
}
