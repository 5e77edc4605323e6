/** Any remote write 1.0 request, field by field, encoded by protobufjs: for what senders should not send. */
import protobuf from 'protobufjs'
import { compressSync } from 'snappy'

const { root } = protobuf.parse(
  `syntax = "proto3";
  package prometheus;
  message WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
  message MetricMetadata { int32 type = 1; bytes metric_family_name = 2; bytes help = 4; bytes unit = 5; }
  message TimeSeries {
    repeated Label labels = 1; repeated Sample samples = 2; repeated Exemplar exemplars = 3;
    repeated Histogram histograms = 4;
  }
  message Exemplar { repeated Label labels = 1; double value = 2; int64 timestamp = 3; }
  message Label { bytes name = 1; bytes value = 2; }
  message Sample { double value = 1; int64 timestamp = 2; }
  message BucketSpan { sint32 offset = 1; uint32 length = 2; }
  message Histogram {
    uint64 count_int = 1; double count_float = 2; double sum = 3; sint32 schema = 4;
    double zero_threshold = 5; uint64 zero_count_int = 6; double zero_count_float = 7;
    repeated BucketSpan negative_spans = 8; repeated sint64 negative_deltas = 9;
    repeated double negative_counts = 10;
    repeated BucketSpan positive_spans = 11; repeated sint64 positive_deltas = 12;
    repeated double positive_counts = 13;
    int32 reset_hint = 14; int64 timestamp = 15; repeated double custom_values = 16;
  }`,
  { keepCase: true },
)
const WriteRequest = root.lookupType('prometheus.WriteRequest')

/** Names and values in order, as they are to be sent. */
export type RawLabels = readonly (readonly [string | Buffer, string | Buffer])[]

/** A series of a request. */
export interface RawSeries {
  readonly labels: RawLabels
  /** [ms, value] */
  readonly samples?: readonly (readonly [number, number])[]
  readonly exemplars?: readonly { labels: RawLabels; value: number; timestamp: number }[]
  /** Fields of the message. */
  readonly histograms?: readonly Record<string, unknown>[]
}

/** A request. */
export interface RawRequest {
  readonly series?: readonly RawSeries[]
  readonly metadata?: readonly { name: string; help?: string; unit?: string; type?: number }[]
}

/** A whole request body. */
export function rawBody({ series = [], metadata = [] }: RawRequest): Buffer {
  const message = {
    timeseries: series.map(({ labels, samples = [], exemplars = [], histograms = [] }) => ({
      labels: bytesOf(labels),
      samples: samples.map(([timestamp, value]) => ({ timestamp, value })),
      exemplars: exemplars.map((exemplar) => ({ ...exemplar, labels: bytesOf(exemplar.labels) })),
      histograms,
    })),
    metadata: metadata.map(({ name, help = '', unit = '', type = 1 }) => ({
      type,
      metric_family_name: Buffer.from(name),
      help: Buffer.from(help),
      unit: Buffer.from(unit),
    })),
  }
  return compressSync(Buffer.from(WriteRequest.encode(WriteRequest.create(message)).finish()))
}

function bytesOf(labels: RawLabels): { name: Buffer; value: Buffer }[] {
  return labels.map(([name, value]) => ({ name: Buffer.from(name), value: Buffer.from(value) }))
}
