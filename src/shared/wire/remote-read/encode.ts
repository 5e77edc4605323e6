/**
 * Answers of remote read. Samples: one prometheus.ReadResponse, snappy (block format). Chunks:
 * frames of prometheus.ChunkedReadResponse, each
 *
 *   uvarint length | CRC-32C of the message u32, big endian | message
 *
 * that Prometheus reads one by one (storage/remote/chunked.go).
 */
import { crc32c } from '../../base/crc32c.js'
import type { FloatHistogram } from '../../model/histogram.js'
import type { Labels } from '../../model/labels.js'
import { loadSnappy } from '../compression/index.js'

/** An encoded chunk; encodings as Prometheus numbers them. */
export interface ReadChunk {
  readonly mint: number
  readonly maxt: number
  readonly encoding: number
  readonly data: Uint8Array
}

/** Samples of one series; a histogram where there is one, else a float. */
export interface ReadSamples {
  readonly ts: Float64Array
  readonly values: Float64Array
  readonly count: number
  readonly histograms: readonly (FloatHistogram | undefined)[] | undefined
}

/** Bytes of a frame from which on the next series or chunk begins a new one. */
const FRAME_BYTES = 1 << 20
const RESET_HINTS = { unknown: 0, reset: 1, not_reset: 2, gauge: 3 } as const

/** Writes frames of chunks; pieces are complete frames. */
export class ChunkedWriter {
  private readonly pieces: Uint8Array<ArrayBuffer>[] = []
  private readonly message = new ProtoWriter()

  /** Adds a series of a query; one with many chunks fills several frames. */
  add(query: number, labels: Labels, chunks: readonly ReadChunk[]): void {
    let at = 0
    while (at < chunks.length) {
      const series = new ProtoWriter()
      putLabels(series, labels)
      while (at < chunks.length && series.length < FRAME_BYTES) putChunk(series, chunks[at++]!)
      this.message.clear()
      this.message.message(1, series)
      this.message.uint(2, query)
      this.pieces.push(frameOf(this.message.bytes()))
    }
  }

  /** The frames so far, which leave the writer. */
  take(): Uint8Array<ArrayBuffer>[] {
    return this.pieces.splice(0)
  }
}

/** Writes one message of samples. */
export class SampledWriter {
  private readonly results: ProtoWriter[] = []

  /** Adds a series of a query. */
  add(query: number, labels: Labels, samples: ReadSamples): void {
    while (this.results.length <= query) this.results.push(new ProtoWriter())
    const series = new ProtoWriter()
    putLabels(series, labels)
    for (let i = 0; i < samples.count; i++) {
      const histogram = samples.histograms?.[i]
      if (histogram !== undefined) putHistogram(series, histogram, samples.ts[i]!)
      else putSample(series, samples.ts[i]!, samples.values, i)
    }
    this.results[query]!.message(1, series)
  }

  /** Bytes so far. */
  get length(): number {
    return this.results.reduce((sum, { length }) => sum + length, 0)
  }

  /** The whole answer, with as many results as there were queries. */
  finish(queries: number): Uint8Array<ArrayBuffer> {
    while (this.results.length < queries) this.results.push(new ProtoWriter())
    const response = new ProtoWriter()
    for (const result of this.results) response.message(1, result)
    return new Uint8Array(loadSnappy().compressSync(Buffer.from(response.bytes())))
  }
}

function frameOf(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new ProtoWriter()
  head.varint(message.length)
  const frame = new Uint8Array(head.length + 4 + message.length)
  frame.set(head.bytes())
  new DataView(frame.buffer).setUint32(head.length, crc32c(message))
  frame.set(message, head.length + 4)
  return frame
}

function putLabels(to: ProtoWriter, labels: Labels): void {
  const label = new ProtoWriter()
  for (const { name, value } of labels) {
    label.clear()
    label.text(1, name)
    label.text(2, value)
    to.message(1, label)
  }
}

function putChunk(to: ProtoWriter, { mint, maxt, encoding, data }: ReadChunk): void {
  const chunk = new ProtoWriter(data.length + 32)
  chunk.int(1, mint)
  chunk.int(2, maxt)
  chunk.uint(3, encoding)
  chunk.data(4, data)
  to.message(2, chunk)
}

function putSample(to: ProtoWriter, t: number, values: Float64Array, index: number): void {
  const sample = new ProtoWriter(24)
  sample.floatAt(1, values, index)
  sample.int(2, t)
  to.message(2, sample)
}

/** prometheus.Histogram with float counts. */
function putHistogram(to: ProtoWriter, histogram: FloatHistogram, t: number): void {
  const out = new ProtoWriter()
  out.float(2, histogram.count)
  out.float(3, histogram.sum)
  out.uint(4, zigzag(histogram.schema))
  out.float(5, histogram.zeroThreshold)
  out.float(7, histogram.zeroCount)
  putSpans(out, 8, histogram.negative.spans)
  out.floats(10, histogram.negative.counts)
  putSpans(out, 11, histogram.positive.spans)
  out.floats(13, histogram.positive.counts)
  out.uint(14, RESET_HINTS[histogram.counterResetHint])
  out.int(15, t)
  out.floats(16, histogram.customValues)
  to.message(4, out)
}

function putSpans(to: ProtoWriter, field: number, spans: Int32Array): void {
  const span = new ProtoWriter(16)
  for (let i = 0; i < spans.length; i += 2) {
    span.clear()
    span.uint(1, zigzag(spans[i]!))
    span.uint(2, spans[i + 1]!)
    to.message(field, span)
  }
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}

/** A protobuf message that grows; proto3: fields of value 0 are left out. */
class ProtoWriter {
  private buffer: Buffer
  length = 0

  constructor(bytes = 256) {
    this.buffer = Buffer.alloc(bytes)
  }

  clear(): void {
    this.length = 0
  }

  /** A view, valid until more is written. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length)
  }

  varint(value: number): void {
    this.reserve(10)
    while (value >= 128) {
      this.buffer[this.length++] = (value % 128) | 128
      value = Math.floor(value / 128)
    }
    this.buffer[this.length++] = value
  }

  uint(field: number, value: number): void {
    if (value === 0) return
    this.varint(field * 8)
    this.varint(value)
  }

  /** An int64, negative ones as ten bytes of two's complement. */
  int(field: number, value: number): void {
    if (value >= 0) {
      this.uint(field, value)
      return
    }
    this.varint(field * 8)
    this.reserve(10)
    let rest = BigInt.asUintN(64, BigInt(value))
    for (; rest > 127n; rest >>= 7n) this.buffer[this.length++] = Number(rest & 127n) | 128
    this.buffer[this.length++] = Number(rest)
  }

  float(field: number, value: number): void {
    if (Object.is(value, 0)) return
    this.varint(field * 8 + 1)
    this.reserve(8)
    this.length = this.buffer.writeDoubleLE(value, this.length)
  }

  /** One of a column, its bits as they are: a stale marker stays one. */
  floatAt(field: number, values: Float64Array, index: number): void {
    if (Object.is(values[index], 0)) return
    this.varint(field * 8 + 1)
    this.reserve(8)
    const bytes = new Uint8Array(values.buffer, values.byteOffset + index * 8, 8)
    this.buffer.set(bytes, this.length)
    this.length += 8
  }

  floats(field: number, values: Float64Array): void {
    if (values.length === 0) return
    this.data(field, new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }

  text(field: number, value: string): void {
    this.data(field, Buffer.from(value))
  }

  data(field: number, bytes: Uint8Array): void {
    this.varint(field * 8 + 2)
    this.varint(bytes.length)
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  message(field: number, inner: ProtoWriter): void {
    this.data(field, inner.bytes())
  }

  private reserve(bytes: number): void {
    const needed = this.length + bytes
    if (needed <= this.buffer.length) return
    const larger = Buffer.alloc(Math.max(needed, this.buffer.length * 2))
    this.buffer.copy(larger, 0, 0, this.length)
    this.buffer = larger
  }
}
