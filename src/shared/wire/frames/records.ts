/**
 * Histograms and exemplars as records: what a RECORDS frame and the log's records carry. A record
 * starts at a multiple of 8 bytes, so that its columns can be read in place.
 *
 *   record     0 series u32 (an id on a link, a number in the log) | 4 kind u32 | 8 length u32
 *              | 12 zero u32 | 16 time f64 ms | 24 payload, then padding to 8
 *   histogram  0 schema i32 | 4 hint u32 | 8 positive spans u32 | 12 negative spans u32
 *              | 16 positive buckets u32 | 20 negative buckets u32 | 24 bounds u32 | 28 zero u32
 *              | 32 zero threshold f64 | 40 zero count f64 | 48 count f64 | 56 sum u64, f64 bits
 *              | 64 start time f64, 0 without | 72 bounds f64[] | buckets f64[]: differences when
 *              counts are whole (kind 1), counts when they are not (kind 2) | spans i32[2 × spans]
 *   exemplar   0 value u64, f64 bits | 8 label bytes, as in a define
 */
import type {
  CounterResetHint,
  FloatBuckets,
  FloatHistogram,
  IntHistogram,
} from '../../model/histogram.js'
import { isStale, writeStale } from '../../model/stale.js'
import { padTo8, WRITE_HEADER_BYTES } from './write.js'

/** Kinds of records. */
export const RECORD_INT_HISTOGRAM = 1
export const RECORD_FLOAT_HISTOGRAM = 2
export const RECORD_EXEMPLAR = 3

/** Bytes before a record's payload. */
export const RECORD_HEAD_BYTES = 24
const HISTOGRAM_HEAD_BYTES = 72

const HINTS: readonly CounterResetHint[] = ['unknown', 'reset', 'not_reset', 'gauge']

/** A record in place. */
export interface RecordView {
  readonly series: number
  readonly kind: number
  readonly t: number
  /** A view. */
  readonly payload: Uint8Array
}

/** A histogram of either kind: with whole counts its buckets are differences. */
export type AnyHistogram = IntHistogram | FloatHistogram

/** Whether counts are floats. */
export function isFloatHistogram(histogram: AnyHistogram): histogram is FloatHistogram {
  return 'counts' in histogram.positive
}

/** Buckets as they stand: counts or differences. */
export function bucketsOf(side: AnyHistogram['positive']): Float64Array {
  return 'counts' in side ? (side as FloatBuckets).counts : side.deltas
}

/** Makes the record of a histogram; its series is to be filled in. */
export function encodeHistogramRecord(
  t: number,
  histogram: AnyHistogram,
  startMs: number,
): Uint8Array {
  const { positive, negative, customValues } = histogram
  const buckets = [bucketsOf(positive), bucketsOf(negative)]
  const floats = customValues.length + buckets[0]!.length + buckets[1]!.length
  const spans = positive.spans.length + negative.spans.length
  const length = HISTOGRAM_HEAD_BYTES + floats * 8 + spans * 4
  const bytes = new Uint8Array(RECORD_HEAD_BYTES + padTo8(length))
  const words = new Uint32Array(bytes.buffer)
  const f64 = new Float64Array(bytes.buffer)
  const ints = new Int32Array(bytes.buffer)
  words[1] = isFloatHistogram(histogram) ? RECORD_FLOAT_HISTOGRAM : RECORD_INT_HISTOGRAM
  words[2] = length
  f64[2] = t
  ints[6] = histogram.schema
  words[7] = HINTS.indexOf(histogram.counterResetHint)
  words[8] = positive.spans.length / 2
  words[9] = negative.spans.length / 2
  words[10] = buckets[0]!.length
  words[11] = buckets[1]!.length
  words[12] = customValues.length
  f64.set([histogram.zeroThreshold, histogram.zeroCount, histogram.count, histogram.sum], 7)
  if (isStale(histogram.sum)) writeStale(f64, 10)
  f64[11] = startMs
  let at = 12
  for (const column of [customValues, ...buckets]) {
    f64.set(column, at)
    at += column.length
  }
  ints.set(positive.spans, at * 2)
  ints.set(negative.spans, at * 2 + positive.spans.length)
  return bytes
}

/** Makes the record of an exemplar. */
export function encodeExemplarRecord(t: number, value: number, labels: Uint8Array): Uint8Array {
  const length = 8 + labels.length
  const bytes = new Uint8Array(RECORD_HEAD_BYTES + padTo8(length))
  const words = new Uint32Array(bytes.buffer)
  const f64 = new Float64Array(bytes.buffer)
  words[1] = RECORD_EXEMPLAR
  words[2] = length
  f64[2] = t
  f64[3] = value
  bytes.set(labels, RECORD_HEAD_BYTES + 8)
  return bytes
}

/** Says which series a record is of. */
export function setRecordSeries(record: Uint8Array, series: number): void {
  new DataView(record.buffer, record.byteOffset).setUint32(0, series, true)
}

/**
 * Visits the records of a section.
 *
 * @param section starts at a multiple of 8 of its buffer
 * @returns false when lengths do not add up; what came before was visited
 */
export function eachRecord(
  section: Uint8Array,
  count: number,
  visit: (record: RecordView) => void,
): boolean {
  const view = new DataView(section.buffer, section.byteOffset, section.byteLength)
  let at = 0
  for (let i = 0; i < count; i++) {
    if (section.length - at < RECORD_HEAD_BYTES) return false
    const length = view.getUint32(at + 8, true)
    const end = at + RECORD_HEAD_BYTES + padTo8(length)
    if (length > section.length || end > section.length) return false
    visit({
      series: view.getUint32(at, true),
      kind: view.getUint32(at + 4, true),
      t: view.getFloat64(at + 16, true),
      payload: section.subarray(at + RECORD_HEAD_BYTES, at + RECORD_HEAD_BYTES + length),
    })
    at = end
  }
  return at === section.length
}

/**
 * Reads the payload of a histogram record; everything is copied.
 *
 * @returns undefined when it is malformed
 */
export function findHistogram(
  kind: number,
  payload: Uint8Array,
): { histogram: AnyHistogram; startMs: number } | undefined {
  if (payload.length < HISTOGRAM_HEAD_BYTES) return undefined
  const copy = new Uint8Array(payload).buffer
  const words = new Uint32Array(copy, 0, HISTOGRAM_HEAD_BYTES / 4)
  const [positiveSpans, negativeSpans, positives, negatives, bounds] = words.subarray(2, 7)
  const floats = bounds! + positives! + negatives!
  const spansAt = HISTOGRAM_HEAD_BYTES + floats * 8
  if (spansAt + (positiveSpans! + negativeSpans!) * 8 !== payload.length) return undefined
  const f64 = new Float64Array(copy, 0, spansAt / 8)
  const spans = new Int32Array(copy, spansAt, (positiveSpans! + negativeSpans!) * 2)
  const common = {
    counterResetHint: HINTS[words[1]!] ?? 'unknown',
    schema: words[0]! | 0,
    zeroThreshold: f64[4]!,
    zeroCount: f64[5]!,
    count: f64[6]!,
    sum: f64[7]!,
    customValues: f64.subarray(9, 9 + bounds!),
  }
  const from = 9 + bounds!
  const sides = [
    { spans: spans.subarray(0, positiveSpans! * 2), list: f64.subarray(from, from + positives!) },
    { spans: spans.subarray(positiveSpans! * 2), list: f64.subarray(from + positives!) },
  ] as const
  const [above, below] = sides
  const histogram: AnyHistogram =
    kind === RECORD_FLOAT_HISTOGRAM
      ? {
          ...common,
          positive: { spans: above.spans, counts: above.list },
          negative: { spans: below.spans, counts: below.list },
        }
      : {
          ...common,
          positive: { spans: above.spans, deltas: above.list },
          negative: { spans: below.spans, deltas: below.list },
        }
  return { histogram, startMs: f64[8]! }
}

/** Where the parts of a RECORDS frame are. */
export interface RecordsFrame {
  readonly requestId: number
  readonly flags: number
  readonly tenant: string
  readonly recordCount: number
  /** A view. */
  readonly records: Uint8Array
}

/** Bytes of a RECORDS frame with so many bytes of records. */
export function recordsFrameBytes(tenantBytes: number, recordBytes: number): number {
  return WRITE_HEADER_BYTES + padTo8(tenantBytes) + recordBytes
}

/** Writes a RECORDS frame. */
export function encodeRecords(
  data: Uint8Array,
  at: number,
  head: { requestId: number; flags: number; tenant: Uint8Array },
  records: readonly Uint8Array[],
): void {
  const { requestId, flags, tenant } = head
  const bytes = records.reduce((sum, record) => sum + record.length, 0)
  const header = new Uint32Array(data.buffer, data.byteOffset + at, WRITE_HEADER_BYTES / 4)
  header.set([requestId, flags, tenant.length, records.length, bytes, 0, 0, 0])
  data.set(tenant, at + WRITE_HEADER_BYTES)
  let to = at + recordsFrameBytes(tenant.length, 0)
  for (const record of records) {
    data.set(record, to)
    to += record.length
  }
}

/** Reads a RECORDS frame in place; undefined when its lengths do not add up. */
export function findRecords(
  data: Uint8Array,
  at: number,
  length: number,
): RecordsFrame | undefined {
  if (length < WRITE_HEADER_BYTES) return undefined
  const header = new Uint32Array(data.buffer, data.byteOffset + at, WRITE_HEADER_BYTES / 4)
  const [requestId, flags, tenantLength, recordCount, recordBytes] = header
  const from = recordsFrameBytes(tenantLength!, 0)
  if (tenantLength! > length || from + recordBytes! > length) return undefined
  const tenantAt = data.byteOffset + at + WRITE_HEADER_BYTES
  return {
    requestId: requestId!,
    flags: flags!,
    tenant: Buffer.from(data.buffer, tenantAt, tenantLength!).toString('utf8'),
    recordCount: recordCount!,
    records: data.subarray(at + from, at + from + recordBytes!),
  }
}
