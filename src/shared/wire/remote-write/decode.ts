/**
 * Remote write 1.0 (prometheus.WriteRequest), read the plain way: the readable twin of the
 * write-request kernel, and what words errors about a series from its label bytes. Accepts and
 * refuses exactly what the kernel does (test/shared/kernels/write-request.test.ts).
 *
 * Exemplars and histograms are counted, not read.
 */
import { fail } from '../../errors/index.js'
import type { Label } from '../../model/labels.js'

/** A series as sent: labels in the sender's order, empty values and all. */
export interface WriteSeries {
  readonly labels: Label[]
  readonly times: number[]
  /** Bit patterns, so that stale markers stay what they are. */
  readonly values: BigUint64Array
  readonly exemplarCount: number
  readonly histogramCount: number
}

/** A metadata record as sent. */
export interface WriteMetadata {
  /** Index of wire/frames METADATA_TYPES, or a number beyond. */
  readonly type: number
  readonly metric: string
  readonly help: string
  readonly unit: string
}

/** A decoded request. */
export interface WriteRequest {
  readonly series: WriteSeries[]
  readonly metadata: WriteMetadata[]
}

/** Reads fields one by one. */
export interface Cursor {
  readonly bytes: Uint8Array
  at: number
}

const text = new TextDecoder()

/**
 * Decodes a request, already decompressed.
 *
 * @throws AppError `bad-data` when the protobuf is malformed
 */
export function decodeWriteRequest(bytes: Uint8Array): WriteRequest {
  const request: WriteRequest = { series: [], metadata: [] }
  eachField(bytes, (tag, cursor) => {
    if (isField(tag, 1, 'timeseries')) request.series.push(decodeSeries(readBytes(cursor)))
    else if (isField(tag, 3, 'metadata')) request.metadata.push(decodeMetadata(readBytes(cursor)))
    else skip(tag, cursor)
  })
  return request
}

/** Decodes a series' label fields, `(tag 10, length, Label)…`, in the sender's order. */
export function decodeLabels(bytes: Uint8Array): Label[] {
  const labels: Label[] = []
  eachField(bytes, (tag, cursor) => {
    if (isField(tag, 1, 'labels')) labels.push(decodeLabel(readBytes(cursor)))
    else skip(tag, cursor)
  })
  return labels
}

/** Decodes a MetricMetadata message. */
export function decodeMetadata(bytes: Uint8Array): WriteMetadata {
  const found = { type: 0, metric: '', help: '', unit: '' }
  eachField(bytes, (tag, cursor) => {
    if (tag === 8n) found.type = Number(BigInt.asUintN(32, readVarint(cursor)))
    else if (tag >> 3n === 1n) throw malformed('wrong wire type of field type')
    else if (isField(tag, 2, 'metric_family_name')) found.metric = readText(cursor)
    else if (isField(tag, 4, 'help')) found.help = readText(cursor)
    else if (isField(tag, 5, 'unit')) found.unit = readText(cursor)
    else skip(tag, cursor)
  })
  return found
}

function decodeSeries(bytes: Uint8Array): WriteSeries {
  const labels: Label[] = []
  const times: number[] = []
  const values: bigint[] = []
  let exemplarCount = 0
  let histogramCount = 0
  eachField(bytes, (tag, cursor) => {
    if (isField(tag, 1, 'labels')) {
      labels.push(decodeLabel(readBytes(cursor)))
    } else if (isField(tag, 2, 'samples')) {
      const [time, value] = decodeSample(readBytes(cursor))
      times.push(time)
      values.push(value)
    } else if (isField(tag, 3, 'exemplars')) {
      readBytes(cursor)
      exemplarCount++
    } else if (isField(tag, 4, 'histograms')) {
      readBytes(cursor)
      histogramCount++
    } else skip(tag, cursor)
  })
  return { labels, times, values: BigUint64Array.from(values), exemplarCount, histogramCount }
}

/** Decodes a Label message. */
export function decodeLabel(bytes: Uint8Array): Label {
  let name = ''
  let value = ''
  eachField(bytes, (tag, cursor) => {
    if (isField(tag, 1, 'name')) name = readText(cursor)
    else if (isField(tag, 2, 'value')) value = readText(cursor)
    else skip(tag, cursor)
  })
  return { name, value }
}

function decodeSample(bytes: Uint8Array): [number, bigint] {
  let time = 0
  let value = 0n
  eachField(bytes, (tag, cursor) => {
    if (tag === 9n) {
      const start = take(cursor, 8)
      value = new DataView(bytes.buffer, bytes.byteOffset + start, 8).getBigUint64(0, true)
    } else if (tag === 16n) {
      time = Number(BigInt.asIntN(64, readVarint(cursor)))
    } else if (tag >> 3n === 1n || tag >> 3n === 2n) {
      throw malformed('wrong wire type in a sample')
    } else skip(tag, cursor)
  })
  return [time, value]
}

/** Visits the fields of a message; the visitor reads each value. */
export function eachField(bytes: Uint8Array, visit: (tag: bigint, cursor: Cursor) => void): void {
  const cursor: Cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) {
    const tag = readVarint(cursor)
    if (tag >> 3n === 0n) throw malformed('field number 0')
    visit(tag, cursor)
  }
}

/** Whether a tag is the field's; a known field of another wire type is malformed. */
function isField(tag: bigint, field: number, name: string): boolean {
  if (tag >> 3n !== BigInt(field)) return false
  if ((tag & 7n) !== 2n) throw malformed(`wrong wire type of field ${name}`)
  return true
}

/** Skips a field's value. */
export function skip(tag: bigint, cursor: Cursor): void {
  const type = Number(tag & 7n)
  if (type === 0) readVarint(cursor)
  else if (type === 1) take(cursor, 8)
  else if (type === 2) readBytes(cursor)
  else if (type === 5) take(cursor, 4)
  else throw malformed(`wire type ${type}`)
}

/** Reads a varint, 64 bits. */
export function readVarint(cursor: Cursor): bigint {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = cursor.bytes[take(cursor, 1)]!
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return BigInt.asUintN(64, value)
  }
  throw malformed('varint of more than ten bytes')
}

/** Reads a length and so many bytes; a view. */
export function readBytes(cursor: Cursor): Uint8Array {
  const length = readVarint(cursor)
  if (length > BigInt(cursor.bytes.length)) throw malformed('unexpected end')
  const start = take(cursor, Number(length))
  return cursor.bytes.subarray(start, start + Number(length))
}

/** Reads eight bytes as a float, its bits kept as far as a number keeps them. */
export function readFloat(cursor: Cursor): number {
  const at = take(cursor, 8)
  return new DataView(cursor.bytes.buffer, cursor.bytes.byteOffset + at, 8).getFloat64(0, true)
}

function readText(cursor: Cursor): string {
  return text.decode(readBytes(cursor))
}

function take(cursor: Cursor, count: number): number {
  const start = cursor.at
  if (count > cursor.bytes.length - start) throw malformed('unexpected end')
  cursor.at += count
  return start
}

/** The error of a message that cannot be read. */
export function malformed(why: string): Error {
  return fail('bad-data', { text: `malformed write request: ${why}` })
}
