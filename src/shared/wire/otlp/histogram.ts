/**
 * Histogram points and exemplars of OTLP (opentelemetry.proto.metrics.v1), read the plain way, as
 * the native histograms and exemplars that they become. Bucket i of OTLP's scale s is
 * (base^i, base^(i+1)], so it is Prometheus' bucket i + 1; what is finer than schema 8 is merged.
 */
import {
  CUSTOM_BUCKETS_SCHEMA,
  EXPONENTIAL_SCHEMA_MAX,
  type IntHistogram,
  NO_CUSTOM_VALUES,
} from '../../model/histogram.js'
import { writeStale } from '../../model/stale.js'
import {
  type Cursor,
  eachField,
  malformed,
  readBytes,
  readFloat,
  readVarint,
  skip,
} from '../remote-write/decode.js'
import { type Attribute, decodeKeyValue } from './attributes.js'

/** A point as a native histogram. */
export interface OtlpHistogram {
  readonly t: number
  /** 0 without. */
  readonly startMs: number
  readonly histogram: IntHistogram
  /** Its exemplars' messages. */
  readonly exemplars: readonly Uint8Array[]
}

/** An exemplar: trace and span ids are the first of its labels. */
export interface OtlpExemplar {
  readonly t: number
  readonly value: number
  readonly labels: readonly Attribute[]
}

/** Names and values of an exemplar's labels, in characters: over it filtered attributes are left out. */
const EXEMPLAR_CHARACTERS_MAX = 128
/** Width of the zero bucket when the point does not say. */
const ZERO_THRESHOLD = 1e-128
/** Buckets apart by at most so many are one span. */
const GAP_MAX = 2

/** The stale marker; a plain constant might lose its bits. */
const STALE = new Float64Array(1)
writeStale(STALE, 0)

interface Draft {
  t: number
  startMs: number
  count: number
  sum: number
  scale: number
  zeroCount: number
  zeroThreshold: number
  isStale: boolean
  positive: Buckets
  negative: Buckets
  readonly counts: number[]
  readonly bounds: number[]
  readonly exemplars: Uint8Array[]
}

interface Buckets {
  readonly offset: number
  readonly counts: readonly number[]
}

/** Reads an ExponentialHistogramDataPoint. @throws AppError `bad-data` */
export function decodeExponential(bytes: Uint8Array): OtlpHistogram {
  const draft = newDraft()
  eachField(bytes, (tag, cursor) => {
    if (readCommon(draft, tag, cursor)) return
    if (tag === 48n) draft.scale = zigzag(readVarint(cursor))
    else if (tag === 57n) draft.zeroCount = Number(readWord(cursor))
    else if (tag === 66n) draft.positive = decodeBuckets(readBytes(cursor))
    else if (tag === 74n) draft.negative = decodeBuckets(readBytes(cursor))
    else if (tag === 90n) draft.exemplars.push(readBytes(cursor))
    else if (tag === 113n) draft.zeroThreshold = readFloat(cursor)
    else skip(tag, cursor)
  })
  const schema = Math.min(draft.scale, EXPONENTIAL_SCHEMA_MAX)
  // Merged so far, one bucket each is left on either side of 1.
  const down = Math.min(draft.scale - schema, 62)
  return finish(draft, {
    schema,
    zeroThreshold: draft.zeroThreshold,
    zeroCount: draft.zeroCount,
    positive: sparse(mergedBuckets(draft.positive, down)),
    negative: sparse(mergedBuckets(draft.negative, down)),
    customValues: NO_CUSTOM_VALUES,
  })
}

/** Reads a HistogramDataPoint as a histogram with custom buckets. @throws AppError `bad-data` */
export function decodeExplicit(bytes: Uint8Array): OtlpHistogram {
  const draft = newDraft()
  eachField(bytes, (tag, cursor) => {
    if (readCommon(draft, tag, cursor)) return
    if (tag === 50n) readPacked(readBytes(cursor), (at) => draft.counts.push(Number(readWord(at))))
    else if (tag === 49n) draft.counts.push(Number(readWord(cursor)))
    else if (tag === 58n) readPacked(readBytes(cursor), (at) => draft.bounds.push(readFloat(at)))
    else if (tag === 57n) draft.bounds.push(readFloat(cursor))
    else if (tag === 66n) draft.exemplars.push(readBytes(cursor))
    else skip(tag, cursor)
  })
  return finish(draft, {
    schema: CUSTOM_BUCKETS_SCHEMA,
    zeroThreshold: 0,
    zeroCount: 0,
    positive: sparse({ offset: 0, counts: draft.counts }),
    negative: sparse({ offset: 0, counts: [] }),
    customValues: Float64Array.from(draft.bounds),
  })
}

function newDraft(): Draft {
  return {
    t: 0,
    startMs: 0,
    count: 0,
    sum: 0,
    scale: 0,
    zeroCount: 0,
    zeroThreshold: 0,
    isStale: false,
    positive: { offset: 0, counts: [] },
    negative: { offset: 0, counts: [] },
    counts: [],
    bounds: [],
    exemplars: [],
  }
}

/** The fields that both kinds have. */
function readCommon(draft: Draft, tag: bigint, cursor: Cursor): boolean {
  if (tag === 17n) draft.startMs = millis(readWord(cursor))
  else if (tag === 25n) draft.t = millis(readWord(cursor))
  else if (tag === 33n) draft.count = Number(readWord(cursor))
  else if (tag === 41n) draft.sum = readFloat(cursor)
  else if (tag === 80n) draft.isStale = (readVarint(cursor) & 1n) === 1n
  else return false
  return true
}

type Shape = Omit<IntHistogram, 'counterResetHint' | 'count' | 'sum'>

function finish(draft: Draft, shape: Shape): OtlpHistogram {
  const { t, startMs, exemplars } = draft
  const none = sparse({ offset: 0, counts: [] })
  const zeroThreshold =
    shape.schema !== CUSTOM_BUCKETS_SCHEMA && !(shape.zeroThreshold > 0)
      ? ZERO_THRESHOLD
      : shape.zeroThreshold
  const said = draft.isStale
    ? { ...shape, positive: none, negative: none, zeroCount: 0, count: 0, sum: STALE[0]! }
    : { ...shape, count: draft.count, sum: draft.sum }
  const histogram: IntHistogram = { ...said, zeroThreshold, counterResetHint: 'unknown' }
  return { t, startMs, histogram, exemplars }
}

function decodeBuckets(bytes: Uint8Array): Buckets {
  let offset = 0
  const counts: number[] = []
  eachField(bytes, (tag, cursor) => {
    if (tag === 8n) offset = zigzag(readVarint(cursor))
    else if (tag === 16n) counts.push(Number(readVarint(cursor)))
    else if (tag === 18n) readPacked(readBytes(cursor), (at) => counts.push(Number(readVarint(at))))
    else skip(tag, cursor)
  })
  return { offset, counts }
}

/** Buckets at Prometheus' indexes, 2^down of them merged into one. */
function mergedBuckets({ offset, counts }: Buckets, down: number): Buckets {
  const at = (index: number): number => Math.floor(index / 2 ** down) + 1
  const first = at(offset)
  const merged: number[] = []
  for (const [i, count] of counts.entries()) {
    const place = at(offset + i) - first
    while (merged.length <= place) merged.push(0)
    merged[place] = merged[place]! + count
  }
  return { offset: first, counts: merged }
}

/** Spans and deltas: empty buckets at the ends and in longer gaps are left out. */
function sparse({ offset, counts }: Buckets): { spans: Int32Array; deltas: Float64Array } {
  const spans: number[] = []
  const deltas: number[] = []
  let previous = 0
  let end = 0
  const add = (count: number): void => {
    deltas.push(count - previous)
    previous = count
    spans[spans.length - 1] = spans[spans.length - 1]! + 1
  }
  for (const [i, count] of counts.entries()) {
    if (count === 0) continue
    const index = offset + i
    if (spans.length === 0) spans.push(index, 0)
    else if (index - end > GAP_MAX) spans.push(index - end, 0)
    else for (; end < index; end++) add(0)
    add(count)
    end = index + 1
  }
  return { spans: Int32Array.from(spans), deltas: Float64Array.from(deltas) }
}

/** Reads an Exemplar. @throws AppError `bad-data` */
export function decodeOtlpExemplar(bytes: Uint8Array): OtlpExemplar {
  let t = 0
  let value = 0
  let trace = ''
  let span = ''
  const filtered: Attribute[] = []
  eachField(bytes, (tag, cursor) => {
    if (tag === 17n) t = millis(readWord(cursor))
    else if (tag === 25n) value = readFloat(cursor)
    else if (tag === 49n) value = Number(BigInt.asIntN(64, readWord(cursor)))
    else if (tag === 34n) span = hex(readBytes(cursor))
    else if (tag === 42n) trace = hex(readBytes(cursor))
    else if (tag === 58n) filtered.push(decodeKeyValue(readBytes(cursor)))
    else skip(tag, cursor)
  })
  const ids = [
    { key: 'trace_id', value: trace },
    { key: 'span_id', value: span },
  ].filter((id) => id.value !== '')
  const all = [...ids, ...filtered]
  const characters = all.reduce((sum, one) => sum + lengthOf(one.key) + lengthOf(one.value), 0)
  return { t, value, labels: characters <= EXEMPLAR_CHARACTERS_MAX ? all : ids }
}

/** Characters of a byte string: bytes that do not continue one. */
function lengthOf(text: string): number {
  return text.replace(/[\x80-\xbf]/g, '').length
}

function hex(bytes: Uint8Array): string {
  return bytes.every((byte) => byte === 0) ? '' : Buffer.from(bytes).toString('hex')
}

function readPacked(bytes: Uint8Array, readOne: (cursor: Cursor) => void): void {
  const cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) readOne(cursor)
}

function readWord(cursor: Cursor): bigint {
  const { bytes, at } = cursor
  if (bytes.length - at < 8) throw malformed('unexpected end')
  cursor.at += 8
  return new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigUint64(0, true)
}

function millis(nanos: bigint): number {
  return Number(nanos / 1_000_000n)
}

function zigzag(value: bigint): number {
  const bits = BigInt.asUintN(32, value)
  return Number(BigInt.asIntN(32, (bits >> 1n) ^ -(bits & 1n)))
}
