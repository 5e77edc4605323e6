/**
 * OTLP metrics as JSON (opentelemetry-proto, "JSON Protobuf Encoding"), rewritten as the protobuf
 * message that it stands for, so that everything after exists once. Field names in lowerCamelCase or
 * as in the .proto; 64-bit numbers as text or number; ids of traces in hex, other bytes in base64;
 * fields that are not known are passed over.
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

/** A field: its number, what it holds (a message by name), whether it is a list. */
interface Field {
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

const TEMPORALITIES: Readonly<Record<string, number>> = {
  AGGREGATION_TEMPORALITY_UNSPECIFIED: 0,
  AGGREGATION_TEMPORALITY_DELTA: 1,
  AGGREGATION_TEMPORALITY_CUMULATIVE: 2,
}

/** Messages nested deeper than this are refused. */
const DEPTH_MAX = 100

/**
 * Rewrites an export request from JSON to protobuf.
 *
 * @throws AppError `bad-data` when it is no JSON, or a value is not of its field's type
 */
export function encodeJsonRequest(json: string): Uint8Array {
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch (error) {
    throw fail('bad-data', { text: `malformed OTLP JSON: ${(error as Error).message}` })
  }
  const sink = new Sink()
  encodeMessage(sink, 'request', parsed, 'request', 0)
  return sink.take()
}

function encodeMessage(
  sink: Sink,
  name: MessageName,
  value: unknown,
  path: string,
  depth: number,
): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(path, 'an object')
  }
  if (depth > DEPTH_MAX) throw wrong(path, 'nested less deeply')
  const fields: Readonly<Record<string, Field>> = MESSAGES[name]
  for (const [key, item] of Object.entries(value)) {
    const camel = key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
    if (item === null || !Object.hasOwn(fields, camel)) continue
    encodeField(sink, fields[camel]!, item, `${path}.${key}`, depth)
  }
}

function encodeField(sink: Sink, field: Field, value: unknown, path: string, depth: number): void {
  if (field.isList !== true) {
    encodeOne(sink, field, value, path, depth)
    return
  }
  if (!Array.isArray(value)) throw wrong(path, 'a list')
  for (const [index, item] of value.entries()) {
    encodeOne(sink, field, item, `${path}[${index}]`, depth)
  }
}

function encodeOne(sink: Sink, field: Field, value: unknown, path: string, depth: number): void {
  const { number, kind } = field
  if (kind in MESSAGES) {
    const end = sink.begin(number)
    encodeMessage(sink, kind as MessageName, value, path, depth + 1)
    sink.end(end)
    return
  }
  switch (kind as Kind) {
    case 'text':
      if (typeof value !== 'string') throw wrong(path, 'a text')
      sink.bytes(number, Buffer.from(value))
      return
    case 'bytes':
    case 'hex':
      if (typeof value !== 'string') throw wrong(path, 'a text')
      sink.bytes(number, Buffer.from(value, kind === 'hex' ? 'hex' : 'base64'))
      return
    case 'bool':
      if (typeof value !== 'boolean') throw wrong(path, 'true or false')
      sink.varint(number, value ? 1n : 0n)
      return
    case 'enum':
      sink.varint(number, BigInt(TEMPORALITIES[String(value)] ?? wholeOf(value, path)))
      return
    case 'double':
      sink.double(number, doubleOf(value, path))
      return
    case 'sint32': {
      const whole = wholeOf(value, path)
      sink.varint(number, BigInt.asUintN(32, whole < 0n ? -2n * whole - 1n : 2n * whole))
      return
    }
    case 'fixed64':
    case 'sfixed64':
      sink.fixed(number, BigInt.asUintN(64, wholeOf(value, path)))
      return
    default:
      sink.varint(number, BigInt.asUintN(64, wholeOf(value, path)))
  }
}

function wholeOf(value: unknown, path: string): bigint {
  const isWhole = typeof value === 'number' && Number.isInteger(value)
  if (isWhole || (typeof value === 'string' && /^[+-]?\d{1,20}$/.test(value))) return BigInt(value)
  throw wrong(path, 'a whole number')
}

function doubleOf(value: unknown, path: string): number {
  if (typeof value === 'number') return value
  if (value === 'NaN') return Number.NaN
  if (value === 'Infinity') return Number.POSITIVE_INFINITY
  if (value === '-Infinity') return Number.NEGATIVE_INFINITY
  if (typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value))) {
    return Number(value)
  }
  throw wrong(path, 'a number')
}

function wrong(path: string, wanted: string): Error {
  return fail('bad-data', { text: `malformed OTLP JSON: ${path} is to be ${wanted}` })
}

/** Bytes of a message length that is filled in later; a varint may be longer than it need be. */
const LENGTH_BYTES = 5

/** Protobuf as it is written. */
class Sink {
  private data = Buffer.allocUnsafe(64 << 10)
  private at = 0

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

  bytes(field: number, bytes: Uint8Array): void {
    this.room(bytes.length + 16)
    this.head((field << 3) | 2)
    this.head(bytes.length)
    this.data.set(bytes, this.at)
    this.at += bytes.length
  }

  varint(field: number, value: bigint): void {
    this.room(16)
    this.head(field << 3)
    let rest = value
    for (; rest > 127n; rest >>= 7n) this.data[this.at++] = Number(rest & 127n) | 128
    this.data[this.at++] = Number(rest)
  }

  fixed(field: number, value: bigint): void {
    this.room(16)
    this.head((field << 3) | 1)
    this.at = this.data.writeBigUInt64LE(value, this.at)
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
    if (this.at + bytes <= this.data.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.data.length * 2, this.at + bytes))
    this.data.copy(larger, 0, 0, this.at)
    this.data = larger
  }
}
