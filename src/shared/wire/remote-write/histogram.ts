/**
 * Histograms and exemplars of remote write, read the plain way. The message Histogram is the same in
 * 1.0 (prometheus.Histogram) and 2.0; exemplars differ in how their labels are told.
 */
import type { CounterResetHint } from '../../model/histogram.js'
import type { Label } from '../../model/labels.js'
import type { AnyHistogram } from '../frames/index.js'
import {
  type Cursor,
  decodeLabel,
  eachField,
  malformed,
  readBytes,
  readFloat,
  readVarint,
  skip,
} from './decode.js'

/** A histogram as sent. */
export interface WriteHistogram {
  readonly t: number
  /** Start time of its counters, ms; 0 without. */
  readonly startMs: number
  readonly histogram: AnyHistogram
}

/** An exemplar as sent: labels by value in 1.0, by references in 2.0. */
export interface WriteExemplar {
  readonly t: number
  readonly value: number
  readonly labels: Label[]
  readonly refs: number[]
}

const HINTS: readonly CounterResetHint[] = ['unknown', 'reset', 'not_reset', 'gauge']

/** The fields of the message, as they come. */
interface Draft {
  isFloat: boolean
  count: number
  zeroCount: number
  sum: number
  schema: number
  zeroThreshold: number
  hint: number
  t: number
  startMs: number
  readonly spans: { readonly positive: number[]; readonly negative: number[] }
  readonly deltas: { readonly positive: number[]; readonly negative: number[] }
  readonly counts: { readonly positive: number[]; readonly negative: number[] }
  readonly customValues: number[]
}

/**
 * Decodes a Histogram message.
 *
 * @throws AppError `bad-data` when it is malformed
 */
export function decodeHistogram(bytes: Uint8Array): WriteHistogram {
  const draft = newDraft()
  eachField(bytes, (tag, cursor) => readField(draft, Number(tag >> 3n), Number(tag & 7n), cursor))
  const common = {
    counterResetHint: HINTS[draft.hint] ?? 'unknown',
    schema: draft.schema,
    zeroThreshold: draft.zeroThreshold,
    zeroCount: draft.zeroCount,
    count: draft.count,
    sum: draft.sum,
    customValues: Float64Array.from(draft.customValues),
  }
  const { t, startMs } = draft
  const positive = Int32Array.from(draft.spans.positive)
  const negative = Int32Array.from(draft.spans.negative)
  if (draft.isFloat) {
    const counts = draft.counts
    const histogram = {
      ...common,
      positive: { spans: positive, counts: Float64Array.from(counts.positive) },
      negative: { spans: negative, counts: Float64Array.from(counts.negative) },
    }
    return { t, startMs, histogram }
  }
  const deltas = draft.deltas
  const histogram = {
    ...common,
    positive: { spans: positive, deltas: Float64Array.from(deltas.positive) },
    negative: { spans: negative, deltas: Float64Array.from(deltas.negative) },
  }
  return { t, startMs, histogram }
}

function newDraft(): Draft {
  return {
    isFloat: false,
    count: 0,
    zeroCount: 0,
    sum: 0,
    schema: 0,
    zeroThreshold: 0,
    hint: 0,
    t: 0,
    startMs: 0,
    spans: { positive: [], negative: [] },
    deltas: { positive: [], negative: [] },
    counts: { positive: [], negative: [] },
    customValues: [],
  }
}

/** Wire types: 0 varint, 1 eight bytes, 2 bytes. */
function readField(draft: Draft, field: number, type: number, cursor: Cursor): void {
  if (type === 0) readWhole(draft, field, cursor)
  else if (type === 1) readDouble(draft, field, cursor)
  else if (type === 2) readList(draft, field, readBytes(cursor))
  else skip((BigInt(field) << 3n) | BigInt(type), cursor)
}

function readWhole(draft: Draft, field: number, cursor: Cursor): void {
  const value = readVarint(cursor)
  if (field === 1) draft.count = Number(value)
  else if (field === 4) draft.schema = zigzag(value)
  else if (field === 6) draft.zeroCount = Number(value)
  else if (field === 9) draft.deltas.negative.push(zigzag(value))
  else if (field === 12) draft.deltas.positive.push(zigzag(value))
  else if (field === 14) draft.hint = Number(value)
  else if (field === 15) draft.t = Number(BigInt.asIntN(64, value))
  else if (field === 17) draft.startMs = Number(BigInt.asIntN(64, value))
  else if (field <= 16) throw malformed('wrong wire type in a histogram')
}

function readDouble(draft: Draft, field: number, cursor: Cursor): void {
  const value = readFloat(cursor)
  if (field === 2) {
    draft.count = value
    draft.isFloat = true
  } else if (field === 3) draft.sum = value
  else if (field === 5) draft.zeroThreshold = value
  else if (field === 7) draft.zeroCount = value
  else if (field === 10) draft.counts.negative.push(value)
  else if (field === 13) draft.counts.positive.push(value)
  else if (field === 16) draft.customValues.push(value)
  else if (field <= 17) throw malformed('wrong wire type in a histogram')
}

function readList(draft: Draft, field: number, bytes: Uint8Array): void {
  if (field === 8) readSpan(bytes, draft.spans.negative)
  else if (field === 11) readSpan(bytes, draft.spans.positive)
  else if (field === 9) readDeltas(bytes, draft.deltas.negative)
  else if (field === 12) readDeltas(bytes, draft.deltas.positive)
  else if (field === 10) readDoubles(bytes, draft.counts.negative)
  else if (field === 13) readDoubles(bytes, draft.counts.positive)
  else if (field === 16) readDoubles(bytes, draft.customValues)
  else if (field <= 17) throw malformed('wrong wire type in a histogram')
}

function readSpan(bytes: Uint8Array, list: number[]): void {
  let offset = 0
  let length = 0
  eachField(bytes, (tag, cursor) => {
    if (tag === 8n) offset = zigzag(readVarint(cursor))
    else if (tag === 16n) length = Number(BigInt.asUintN(32, readVarint(cursor)))
    else skip(tag, cursor)
  })
  list.push(offset, length)
}

function readDeltas(bytes: Uint8Array, list: number[]): void {
  const cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) list.push(zigzag(readVarint(cursor)))
}

function readDoubles(bytes: Uint8Array, list: number[]): void {
  const cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) list.push(readFloat(cursor))
}

function zigzag(value: bigint): number {
  return Number((value >> 1n) ^ -(value & 1n))
}

/**
 * Decodes an Exemplar message of either protocol.
 *
 * @throws AppError `bad-data` when it is malformed
 */
export function decodeExemplar(bytes: Uint8Array, isV2: boolean): WriteExemplar {
  const labels: Label[] = []
  const refs: number[] = []
  let value = 0
  let t = 0
  eachField(bytes, (tag, cursor) => {
    if (tag === 10n) {
      const inner = readBytes(cursor)
      if (isV2) readRefs(inner, refs)
      else labels.push(decodeLabel(inner))
    } else if (tag === 8n && isV2) refs.push(Number(readVarint(cursor)))
    else if (tag === 17n) value = readFloat(cursor)
    else if (tag === 24n) t = Number(BigInt.asIntN(64, readVarint(cursor)))
    else skip(tag, cursor)
  })
  return { t, value, labels, refs }
}

/** Reads packed references. */
export function readRefs(bytes: Uint8Array, refs: number[]): void {
  const cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) refs.push(Number(readVarint(cursor)))
}

/** What a series may have beside floats, in the order sent. */
export interface ExtraVisitor {
  histogram(bytes: Uint8Array): void
  exemplar(bytes: Uint8Array): void
}

/** Visits the histograms and exemplars among a series' fields; the numbers differ per protocol. */
export function eachExtra(fields: Uint8Array, isV2: boolean, visitor: ExtraVisitor): void {
  const histogramTag = isV2 ? 26n : 34n
  const exemplarTag = isV2 ? 34n : 26n
  eachField(fields, (tag, cursor) => {
    if (tag === histogramTag) visitor.histogram(readBytes(cursor))
    else if (tag === exemplarTag) visitor.exemplar(readBytes(cursor))
    else skip(tag, cursor)
  })
}

/** When counting of a remote write 2.0 series began, ms, from its fields; 0: not said. */
export function createdTimestamp(fields: Uint8Array): number {
  let found = 0
  eachField(fields, (tag, cursor) => {
    if (tag === 48n) found = Number(BigInt.asIntN(64, readVarint(cursor)))
    else skip(tag, cursor)
  })
  return found
}

/** A Metadata message of remote write 2.0: what help and unit are, by references. */
export function decodeMetadataV2(bytes: Uint8Array): { type: number; help: number; unit: number } {
  const found = { type: 0, help: 0, unit: 0 }
  eachField(bytes, (tag, cursor) => {
    if (tag === 8n) found.type = Number(readVarint(cursor))
    else if (tag === 24n) found.help = Number(readVarint(cursor))
    else if (tag === 32n) found.unit = Number(readVarint(cursor))
    else skip(tag, cursor)
  })
  return found
}
