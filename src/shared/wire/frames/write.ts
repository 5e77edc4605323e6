/**
 * Frames between main, distributors and ingesters: the payloads of ring buffer frames, little
 * endian, every section starting at a multiple of 8 bytes from the payload's start.
 *
 * BODY, main → distributor: one remote write request as it came
 *   0 requestId u32 | 4 flags u32 | 8 tenantLength u32 | 12 bodyLength u32 | tenant | body
 *
 *   Flags: a BODY format (0: remote write 1.0) and a compression; snappy for remote write.
 *
 * ANSWER, distributor → main
 *   0 requestId u32 | 4 httpStatus u32 | 8 textLength u32 | 12 retryable u32
 *   | 16 samples u32 | 20 histograms u32 | 24 exemplars u32: written | 28 rejected u32 | text (UTF-8)
 *
 * WRITE, distributor → ingester: what one body has for one shard; several frames when it is large
 *   0 requestId u32 | 4 flags u32 (LAST, DELTA) | 8 tenantLength u32 | 12 defineCount u32
 *   16 defineBytes u32 (whole section) | 20 sampleCount u32 | 24 zero u64 | tenant | defines
 *   | ids u32[sampleCount] | times f64[sampleCount] ms | values u64[sampleCount] f64 bits
 *   A define: id u32 | labelCount u32 | length u32 | zero u32 | labels, then padding to 8.
 *   A time between two milliseconds is a start: a zero (value bits 0) at the millisecond below, to be
 *   stored ahead of the sample that follows unless the series has newer ones; no sample is like that.
 *   labels = per label, sorted by name: uvarint(nameLength) name uvarint(valueLength) value.
 *   These bytes of one label are a *pair*, the unit that ingesters intern.
 *
 * ACK, ingester → distributor: one per body and shard, at most ACK_BYTES_MAX
 *   0 requestId u32 | 4 status u32 | 8 reasonCount u32 | 12 textLength u32
 *   | reasonCount × (reason u32, count u32) | text (UTF-8): the first error
 *   Whoever discards a sample counts it in cortex_discarded_samples_total: what an ACK names was
 *   counted by the ingester.
 *
 * METADATA, distributor → ingester: metadata records of one body; best effort, not acked
 *   0 requestId u32 | 4 flags u32 (none) | 8 tenantLength u32 | 12 recordCount u32
 *   16 recordBytes u32 (whole section) | 20 zero u32 | tenant | records
 *   A record: type u32 (index of METADATA_TYPES) | metricLength u32 | helpLength u32
 *   | unitLength u32 | metric help unit (UTF-8), then padding to 8.
 *
 * RECORDS, distributor → ingester: histograms and exemplars of one body for one shard; acked as
 *   WRITE is, which they follow
 *   0 requestId u32 | 4 flags u32 (LAST) | 8 tenantLength u32 | 12 recordCount u32
 *   16 recordBytes u32 (whole section) | 20 zero u32 | 24 zero u64 | tenant | records (records.ts)
 *
 * FORGET, ingester → distributor: ids of series that the shard is about to drop
 * FORGOTTEN, distributor → ingester: the same ids; a use after this frame comes with a define
 *   0 count u32 | 4 zero u32 | ids u32[count]
 *
 * The rules for ids, acks and generations are in docs/architecture.md, "Rules between actors".
 */

/** Frame kinds, per direction. */
export const FRAME_BODY = 1
export const FRAME_ANSWER = 2
export const FRAME_WRITE = 3
export const FRAME_ACK = 4
export const FRAME_METADATA = 5
export const FRAME_RECORDS = 6
export const FRAME_FORGET = 7
export const FRAME_FORGOTTEN = 8

/** Whether a time of a WRITE frame says that counting began there. */
export function isStart(time: number): boolean {
  return Number.isFinite(time) && !Number.isInteger(time)
}

/** Formats of a BODY: the lowest four bits of its flags. */
export const BODY_FORMAT = 0xf
export const BODY_V1 = 0
export const BODY_V2 = 1
export const BODY_OTLP = 2
export const BODY_OTLP_JSON = 3
export const BODY_INFLUX = 4
export const BODY_TEXT = 5
/** Compressions of a BODY, but for remote write. */
export const BODY_GZIP = 0x10
export const BODY_ZSTD = 0x20
export const BODY_LZ4 = 0x40

/** Flag of WRITE and RECORDS: the last frame of this body for this shard; it is the one that is acked. */
export const WRITE_LAST = 1
/** Flag of a METADATA frame: frames of its body follow, and what is refused is to be told in their ack. */
export const METADATA_ACKED = 1
/** Flag of WRITE: values are increments, to be added to the newest value of their series. */
export const WRITE_DELTA = 2

/** Bytes before the body in a BODY frame. */
export const BODY_HEADER_BYTES = 16
export const ANSWER_HEADER_BYTES = 32
export const WRITE_HEADER_BYTES = 32
export const DEFINE_HEADER_BYTES = 16
export const ACK_HEADER_BYTES = 16
export const METADATA_HEADER_BYTES = 24
export const METADATA_RECORD_HEADER_BYTES = 16
export const ACK_BYTES_MAX = 1024
/** The same for an ANSWER. */
export const ANSWER_BYTES_MAX = 1024

/**
 * Status of an ACK. `RETRY` answers the whole body with 503; `UNBOUND` too, and says that the frame
 * used an id that this link has not defined: the link needs a new generation.
 */
export const ACK_OK = 0
export const ACK_REJECTED = 1
export const ACK_RETRY = 2
export const ACK_UNBOUND = 3

/** Metric types, as numbered by remote write 1.0 (prometheus.MetricMetadata.MetricType). */
export const METADATA_TYPES = [
  'unknown',
  'counter',
  'gauge',
  'histogram',
  'gaugehistogram',
  'summary',
  'info',
  'stateset',
] as const

/**
 * Why samples were discarded: index = the code in an ACK, value = Mimir's `reason` label of
 * `cortex_discarded_samples_total`. Codes are only ever appended.
 */
export const DISCARD_REASONS = [
  'none',
  'sample_out_of_order',
  'sample_duplicate_timestamp',
  'sample_timestamp_too_old',
  'per_user_series_limit',
  'per_metric_series_limit',
  'missing_metric_name',
  'metric_name_invalid',
  'max_label_names_per_series',
  'label_invalid',
  'label_name_too_long',
  'label_value_invalid',
  'label_value_too_long',
  'duplicate_label_names',
  'too_far_in_future',
  'native_histograms_disabled',
  'memory_limit',
  'max_label_names_per_info_series',
  'invalid_native_histogram_schema',
  'max_native_histogram_buckets',
  'native_histogram_count_mismatch',
  'native_histogram_count_not_big_enough',
  'native_histogram_negative_bucket_count',
  'native_histogram_span_negative_offset',
  'native_histogram_spans_buckets_mismatch',
  'native_histogram_custom_buckets_mismatch',
  'native_histogram_custom_buckets_invalid',
  'native_histogram_custom_buckets_infinite',
  'otlp_parse_error',
  'relabel_configuration',
  'too_far_in_past',
  'not_reducible_native_histogram',
  'native_histogram_custom_buckets_not_reducible',
  'rate_limited',
  'too_many_ha_clusters',
  'sample_too_far_in_future',
  'text_parse_error',
] as const

/**
 * In an ACK, in place of a reason: how many of the samples that it counts were histograms. They are
 * in their own reason's count too.
 */
export const ACK_HISTOGRAMS = 0

/** Ids of one FORGET frame, and so of a FORGOTTEN one. */
export const FORGET_IDS_MAX = 2048

/** Payload bytes of a FORGET or FORGOTTEN frame. */
export function forgetFrameBytes(count: number): number {
  return 8 + count * 4
}

/** Writes the payload of a FORGET or FORGOTTEN frame. */
export function encodeForget(data: Uint8Array, offset: number, ids: ArrayLike<number>): void {
  const words = new Uint32Array(data.buffer, data.byteOffset + offset, 2 + ids.length)
  words[0] = ids.length
  words[1] = 0
  words.set(ids, 2)
}

/** The ids of a FORGET or FORGOTTEN frame, a copy; undefined when lengths do not add up. */
export function decodeForget(
  data: Uint8Array,
  offset: number,
  length: number,
): Uint32Array | undefined {
  if (length < 8) return undefined
  const count = new Uint32Array(data.buffer, data.byteOffset + offset, 1)[0]!
  if (count > FORGET_IDS_MAX || length < forgetFrameBytes(count)) return undefined
  return new Uint32Array(data.buffer, data.byteOffset + offset + 8, count).slice()
}

/** Rounds a section's length up to the next multiple of 8. */
export function padTo8(length: number): number {
  return (length + 7) & ~7
}
