/**
 * Writes and reads the small frames (BODY, ANSWER, ACK, METADATA) field by field; layouts in
 * write.ts. WRITE frames are built and taken apart on hot paths by their two ends; `decodeWrite`
 * here is the readable form, for tests and debugging.
 *
 * `data` is a ring's data area, `at` a payload's offset in it.
 */
import { copyBytes } from '../../base/copy-bytes.js'
import {
  ACK_BYTES_MAX,
  ACK_HEADER_BYTES,
  ANSWER_HEADER_BYTES,
  BODY_HEADER_BYTES,
  DEFINE_HEADER_BYTES,
  METADATA_HEADER_BYTES,
  METADATA_RECORD_HEADER_BYTES,
  padTo8,
  WRITE_HEADER_BYTES,
} from './write.js'

/** Most answers and acks say nothing. */
const NO_BYTES = new Uint8Array()

/** Where the parts of a BODY are. */
export interface BodyFrame {
  readonly requestId: number
  readonly flags: number
  readonly tenant: string
  readonly bodyAt: number
  readonly bodyLength: number
}

/** An ANSWER. */
export interface AnswerFrame {
  readonly requestId: number
  readonly status: number
  readonly retryable: boolean
  readonly text: string
  readonly written: WrittenCounts
  /** Samples and histograms that were refused. */
  readonly rejected: number
}

/** What of a push was stored. */
export interface WrittenCounts {
  readonly samples: number
  readonly histograms: number
  readonly exemplars: number
}

/** An ACK. */
export interface AckFrame {
  readonly requestId: number
  readonly status: number
  /** (index of DISCARD_REASONS, count) pairs. */
  readonly reasons: readonly (readonly [number, number])[]
  readonly text: string
}

/** A metadata record, as ingesters keep it. */
export interface MetadataRecord {
  /** Index of METADATA_TYPES. */
  readonly type: number
  readonly metric: string
  readonly help: string
  readonly unit: string
}

/** A METADATA frame. */
export interface MetadataFrame {
  readonly requestId: number
  readonly tenant: string
  /** METADATA_ACKED, or 0. */
  readonly flags?: number
  readonly records: MetadataRecord[]
}

/** A WRITE frame, taken apart. */
export interface WriteFrame {
  readonly requestId: number
  readonly flags: number
  readonly tenant: string
  readonly defines: {
    readonly id: number
    readonly labels: readonly (readonly [string, string])[]
  }[]
  readonly ids: Uint32Array
  readonly times: Float64Array
  readonly values: BigUint64Array
}

/** Payload bytes of a BODY. */
export function bodyFrameBytes(tenantBytes: number, bodyBytes: number): number {
  return BODY_HEADER_BYTES + padTo8(tenantBytes) + bodyBytes
}

/** Writes a BODY; the body comes in the pieces that the socket gave. */
export function encodeBody(
  data: Uint8Array,
  at: number,
  head: { requestId: number; flags: number; tenant: Uint8Array; bodyBytes: number },
  pieces: readonly Uint8Array[],
): void {
  const { tenant } = head
  const view = viewOf(data)
  view.setUint32(at, head.requestId, true)
  view.setUint32(at + 4, head.flags, true)
  view.setUint32(at + 8, tenant.length, true)
  view.setUint32(at + 12, head.bodyBytes, true)
  data.set(tenant, at + BODY_HEADER_BYTES)
  let to = at + BODY_HEADER_BYTES + padTo8(tenant.length)
  for (const piece of pieces) {
    copyBytes(data, to, piece)
    to += piece.length
  }
}

/** Reads a BODY; the body itself stays where it is. */
export function decodeBody(data: Uint8Array, at: number): BodyFrame {
  const view = viewOf(data)
  const tenantLength = view.getUint32(at + 8, true)
  return {
    requestId: view.getUint32(at, true),
    flags: view.getUint32(at + 4, true),
    tenant: tenantAt(data, at + BODY_HEADER_BYTES, tenantLength),
    bodyAt: at + BODY_HEADER_BYTES + padTo8(tenantLength),
    bodyLength: view.getUint32(at + 12, true),
  }
}

/** Payload bytes of an ANSWER. */
export function answerFrameBytes(text: Uint8Array): number {
  return ANSWER_HEADER_BYTES + text.length
}

/** Writes an ANSWER. */
export function encodeAnswer(
  data: Uint8Array,
  at: number,
  answer: Omit<AnswerFrame, 'text'>,
  text: Uint8Array,
): void {
  const view = viewOf(data)
  view.setUint32(at, answer.requestId, true)
  view.setUint32(at + 4, answer.status, true)
  view.setUint32(at + 8, text.length, true)
  view.setUint32(at + 12, answer.retryable ? 1 : 0, true)
  view.setUint32(at + 16, answer.written.samples, true)
  view.setUint32(at + 20, answer.written.histograms, true)
  view.setUint32(at + 24, answer.written.exemplars, true)
  view.setUint32(at + 28, answer.rejected, true)
  if (text.length > 0) data.set(text, at + ANSWER_HEADER_BYTES)
}

/** Reads an ANSWER. */
export function decodeAnswer(data: Uint8Array, at: number): AnswerFrame {
  const view = viewOf(data)
  return {
    requestId: view.getUint32(at, true),
    status: view.getUint32(at + 4, true),
    retryable: view.getUint32(at + 12, true) === 1,
    written: {
      samples: view.getUint32(at + 16, true),
      histograms: view.getUint32(at + 20, true),
      exemplars: view.getUint32(at + 24, true),
    },
    rejected: view.getUint32(at + 28, true),
    text: textAt(data, at + ANSWER_HEADER_BYTES, view.getUint32(at + 8, true)),
  }
}

/** Makes the payload of an ACK; the text is cut so that it takes ACK_BYTES_MAX at most. */
export function encodeAck(ack: AckFrame): Uint8Array {
  const reasons = ack.reasons.slice(0, 32)
  const room = ACK_BYTES_MAX - ACK_HEADER_BYTES - reasons.length * 8
  const text = cutText(ack.text, room)
  const bytes = new Uint8Array(ACK_HEADER_BYTES + reasons.length * 8 + text.length)
  setWords(bytes, 0, [ack.requestId, ack.status, reasons.length, text.length])
  setWords(bytes, ACK_HEADER_BYTES, reasons.flat())
  bytes.set(text, ACK_HEADER_BYTES + reasons.length * 8)
  return bytes
}

/** Reads an ACK. */
export function decodeAck(data: Uint8Array, at: number): AckFrame {
  const view = viewOf(data)
  const reasonCount = view.getUint32(at + 8, true)
  const reasons: [number, number][] = []
  for (let i = 0; i < reasonCount; i++) {
    const pair = ACK_HEADER_BYTES + i * 8
    reasons.push([view.getUint32(at + pair, true), view.getUint32(at + pair + 4, true)])
  }
  return {
    requestId: view.getUint32(at, true),
    status: view.getUint32(at + 4, true),
    reasons,
    text: textAt(data, at + ACK_HEADER_BYTES + reasonCount * 8, view.getUint32(at + 12, true)),
  }
}

/** Makes the payload of a METADATA frame. */
export function encodeMetadata(frame: MetadataFrame): Uint8Array {
  const tenant = Buffer.from(frame.tenant)
  const records = frame.records.map((record) => {
    const texts = [record.metric, record.help, record.unit].map((text) => Buffer.from(text))
    const length = texts.reduce((sum, text) => sum + text.length, METADATA_RECORD_HEADER_BYTES)
    return { type: record.type, texts, bytes: padTo8(length) }
  })
  const recordBytes = records.reduce((sum, record) => sum + record.bytes, 0)
  const start = METADATA_HEADER_BYTES + padTo8(tenant.length)
  const bytes = new Uint8Array(start + recordBytes)
  setWords(bytes, 0, [
    frame.requestId,
    frame.flags ?? 0,
    tenant.length,
    records.length,
    recordBytes,
    0,
  ])
  bytes.set(tenant, METADATA_HEADER_BYTES)
  let at = start
  for (const record of records) {
    setWords(bytes, at, [record.type, ...record.texts.map((text) => text.length)])
    let to = at + METADATA_RECORD_HEADER_BYTES
    for (const text of record.texts) {
      bytes.set(text, to)
      to += text.length
    }
    at += record.bytes
  }
  return bytes
}

/** Reads a METADATA frame. */
export function decodeMetadataFrame(data: Uint8Array, at: number): MetadataFrame {
  const view = viewOf(data)
  const tenantLength = view.getUint32(at + 8, true)
  const records: MetadataRecord[] = []
  let offset = METADATA_HEADER_BYTES + padTo8(tenantLength)
  for (let i = view.getUint32(at + 12, true); i > 0; i--) {
    const lengths = [4, 8, 12].map((field) => view.getUint32(at + offset + field, true))
    const [metricLength, helpLength, unitLength] = lengths as [number, number, number]
    const metricAt = at + offset + METADATA_RECORD_HEADER_BYTES
    records.push({
      type: view.getUint32(at + offset, true),
      metric: textAt(data, metricAt, metricLength),
      help: textAt(data, metricAt + metricLength, helpLength),
      unit: textAt(data, metricAt + metricLength + helpLength, unitLength),
    })
    offset += padTo8(METADATA_RECORD_HEADER_BYTES + metricLength + helpLength + unitLength)
  }
  const tenant = textAt(data, at + METADATA_HEADER_BYTES, tenantLength)
  return { requestId: view.getUint32(at, true), tenant, records }
}

/** Takes a WRITE frame apart; everything is copied. */
export function decodeWrite(data: Uint8Array, at: number): WriteFrame {
  const view = viewOf(data)
  const tenantLength = view.getUint32(at + 8, true)
  const defineCount = view.getUint32(at + 12, true)
  const defineBytes = view.getUint32(at + 16, true)
  const sampleCount = view.getUint32(at + 20, true)
  let offset = WRITE_HEADER_BYTES + padTo8(tenantLength)
  const definesEnd = offset + defineBytes
  const defines: WriteFrame['defines'] = []
  for (let i = 0; i < defineCount; i++) {
    const length = view.getUint32(at + offset + 8, true)
    const labels = pairsAt(data, at + offset + DEFINE_HEADER_BYTES, length)
    if (labels.length !== view.getUint32(at + offset + 4, true))
      throw new Error('define: label count')
    defines.push({ id: view.getUint32(at + offset, true), labels })
    offset += padTo8(DEFINE_HEADER_BYTES + length)
  }
  if (offset !== definesEnd) throw new Error('define section: length')
  const timesAt = offset + padTo8(sampleCount * 4)
  const copy = (from: number, bytes: number): ArrayBuffer =>
    Uint8Array.from(data.subarray(at + from, at + from + bytes)).buffer
  return {
    requestId: view.getUint32(at, true),
    flags: view.getUint32(at + 4, true),
    tenant: textAt(data, at + WRITE_HEADER_BYTES, tenantLength),
    defines,
    ids: new Uint32Array(copy(offset, sampleCount * 4)),
    times: new Float64Array(copy(timesAt, sampleCount * 8)),
    values: new BigUint64Array(copy(timesAt + sampleCount * 8, sampleCount * 8)),
  }
}

/** Encodes a text in at most `bytesMax` bytes, cut at a character. */
export function cutText(text: string, bytesMax: number): Uint8Array {
  if (text === '') return NO_BYTES
  const bytes = Buffer.from(text)
  if (bytes.length <= bytesMax) return bytes
  let end = bytesMax
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

function pairsAt(data: Uint8Array, at: number, length: number): [string, string][] {
  const pairs: [string, string][] = []
  const end = at + length
  const part = (): string => {
    let size = 0
    for (let shift = 0; ; shift += 7) {
      const byte = data[at++]!
      size |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at += size
    return textAt(data, at - size, size)
  }
  while (at < end) pairs.push([part(), part()])
  if (at !== end) throw new Error('define: labels overrun')
  return pairs
}

const views = new WeakMap<Uint8Array, DataView>()

/** The view of a data area; rings live long, and a view per frame would be much of the garbage of one. */
export function viewOf(data: Uint8Array): DataView {
  let view = views.get(data)
  if (view === undefined) {
    view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    views.set(data, view)
  }
  return view
}

/** A tenant's name as it came, and as text. */
interface KnownTenant {
  readonly bytes: Uint8Array
  readonly text: string
}

/** Names kept, by a hash of their bytes; of two with the same one the last. Beyond so many all are forgotten. */
const TENANTS_KNOWN_MAX = 16_384
const knownTenants = new Map<number, KnownTenant>()

/** A tenant's name; it is remembered, since senders come again, and many take turns. */
export function tenantAt(data: Uint8Array, at: number, length: number): string {
  let hash = length
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ data[at + i]!, 0x01000193)
  const known = knownTenants.get(hash)
  if (known !== undefined && isAt(known.bytes, data, at, length)) return known.text
  if (knownTenants.size >= TENANTS_KNOWN_MAX) knownTenants.clear()
  const text = textAt(data, at, length)
  knownTenants.set(hash, { bytes: data.slice(at, at + length), text })
  return text
}

function isAt(bytes: Uint8Array, data: Uint8Array, at: number, length: number): boolean {
  let same = length === bytes.length
  for (let i = 0; same && i < length; i++) same = data[at + i] === bytes[i]
  return same
}

function setWords(data: Uint8Array, at: number, words: readonly number[]): void {
  const view = viewOf(data)
  for (const [index, word] of words.entries()) view.setUint32(at + index * 4, word, true)
}

/** Text out of shared memory too, which TextDecoder refuses in places. */
function textAt(data: Uint8Array, at: number, length: number): string {
  if (length === 0) return ''
  return Buffer.from(data.buffer, data.byteOffset + at, length).toString('utf8')
}
