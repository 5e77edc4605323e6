/**
 * Bodies of remote write 1.0 (prometheus.WriteRequest, snappy block format) as a sender makes them,
 * and the sending. Encoded by protobufjs and the native snappy, so that nothing of ours checks itself.
 */
import protobuf from 'protobufjs'
import { compressSync } from 'snappy'

/** A series of a push; `samples` are [ms since the epoch, value]. */
export interface PushedSeries {
  readonly labels: Readonly<Record<string, string>>
  readonly samples: readonly (readonly [number, number])[]
  readonly exemplars?: readonly PushedExemplar[]
  readonly histograms?: readonly PushedHistogram[]
}

/** A native histogram with integer counts and positive buckets, one span. */
export interface PushedHistogram {
  /** ms since the epoch. */
  readonly t: number
  readonly schema: number
  readonly sum: number
  readonly zeroCount: number
  /** Index of the first bucket, and the counts from there on. */
  readonly offset: number
  readonly buckets: readonly number[]
}

/** An exemplar of a series, its time in ms. */
export interface PushedExemplar {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly t: number
}

/** What a push was answered. `status` 0: no answer came. */
export interface PushResult {
  readonly status: number
  readonly text: string
}

const { root } = protobuf.parse(
  `syntax = "proto3";
  package prometheus;
  message WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
  message MetricMetadata {
    enum MetricType { UNKNOWN = 0; COUNTER = 1; GAUGE = 2; HISTOGRAM = 3; }
    MetricType type = 1; string metric_family_name = 2; string help = 4; string unit = 5;
  }
  message TimeSeries {
    repeated Label labels = 1; repeated Sample samples = 2; repeated Exemplar exemplars = 3;
    repeated Histogram histograms = 4;
  }
  message Histogram {
    uint64 count_int = 1; double sum = 3; sint32 schema = 4; double zero_threshold = 5;
    uint64 zero_count_int = 6; repeated BucketSpan positive_spans = 11;
    repeated sint64 positive_deltas = 12; int64 timestamp = 15;
  }
  message BucketSpan { sint32 offset = 1; uint32 length = 2; }
  message Exemplar { repeated Label labels = 1; double value = 2; int64 timestamp = 3; }
  message Label { string name = 1; string value = 2; }
  message Sample { double value = 1; int64 timestamp = 2; }`,
  { keepCase: true },
)
const WriteRequest = root.lookupType('prometheus.WriteRequest')

/** The message before compression; labels are sent sorted by name, as senders must. */
export function encodeWriteRequest(series: readonly PushedSeries[]): Uint8Array {
  const timeseries = series.map(({ labels, samples, exemplars = [], histograms = [] }) => ({
    labels: labelList(labels),
    samples: samples.map(([timestamp, value]) => ({ timestamp, value })),
    exemplars: exemplars.map(({ labels, value, t }) => ({
      labels: labelList(labels),
      value,
      timestamp: t,
    })),
    histograms: histograms.map(histogramMessage),
  }))
  return WriteRequest.encode(WriteRequest.fromObject({ timeseries })).finish()
}

function histogramMessage(histogram: PushedHistogram): object {
  const { t, schema, sum, zeroCount, offset, buckets } = histogram
  return {
    count_int: buckets.reduce((all, count) => all + count, zeroCount),
    sum,
    schema,
    zero_threshold: 1e-128,
    zero_count_int: zeroCount,
    positive_spans: [{ offset, length: buckets.length }],
    positive_deltas: buckets.map((count, at) => count - (buckets[at - 1] ?? 0)),
    timestamp: t,
  }
}

function labelList(labels: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ name, value }))
}

/** A whole request body. */
export function remoteWriteBody(series: readonly PushedSeries[]): Uint8Array {
  return compressSync(Buffer.from(encodeWriteRequest(series)))
}

/** Sends a body; a connection that breaks is status 0, not an exception. */
export async function sendBody(
  pushUrl: string,
  body: Uint8Array,
  tenant?: string,
): Promise<PushResult> {
  const headers: Record<string, string> = {
    'Content-Type': 'application/x-protobuf',
    'Content-Encoding': 'snappy',
    'X-Prometheus-Remote-Write-Version': '0.1.0',
  }
  if (tenant !== undefined) headers['X-Scope-OrgID'] = tenant
  try {
    const response = await fetch(pushUrl, { method: 'POST', headers, body })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    return { status: 0, text: String((error as Error).cause ?? error) }
  }
}

/** Encodes and sends series. */
export async function push(
  pushUrl: string,
  series: readonly PushedSeries[],
  tenant?: string,
): Promise<PushResult> {
  return await sendBody(pushUrl, remoteWriteBody(series), tenant)
}
