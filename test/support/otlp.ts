/** OTLP messages by protobufjs, for tests: opentelemetry.proto as far as metrics go. */
import protobuf from 'protobufjs'

const KEY_VALUE = {
  fields: { key: { type: 'string', id: 1 }, value: { type: 'AnyValue', id: 2 } },
}
const POINT = {
  startTimeUnixNano: { type: 'fixed64', id: 2 },
  timeUnixNano: { type: 'fixed64', id: 3 },
}

const list = (type: string, id: number, options?: Record<string, unknown>) => ({
  rule: 'repeated',
  type,
  id,
  ...(options === undefined ? {} : { options }),
})
const oneof = (...names: string[]) => ({ value: { oneof: names } })

/** The messages, by their names. */
export const root = protobuf.Root.fromJSON({
  nested: {
    Request: { fields: { resourceMetrics: list('ResourceMetrics', 1) } },
    ResourceMetrics: {
      fields: {
        resource: { type: 'Resource', id: 1 },
        scopeMetrics: list('ScopeMetrics', 2),
        schemaUrl: { type: 'string', id: 3 },
      },
    },
    Resource: { fields: { attributes: list('KeyValue', 1) } },
    ScopeMetrics: {
      fields: {
        scope: { type: 'Scope', id: 1 },
        metrics: list('Metric', 2),
        schemaUrl: { type: 'string', id: 3 },
      },
    },
    Scope: {
      fields: {
        name: { type: 'string', id: 1 },
        version: { type: 'string', id: 2 },
        attributes: list('KeyValue', 3),
      },
    },
    Metric: {
      oneofs: { data: { oneof: ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'] } },
      fields: {
        name: { type: 'string', id: 1 },
        description: { type: 'string', id: 2 },
        unit: { type: 'string', id: 3 },
        gauge: { type: 'Gauge', id: 5 },
        sum: { type: 'Sum', id: 7 },
        histogram: { type: 'Histogram', id: 9 },
        exponentialHistogram: { type: 'ExponentialHistogram', id: 10 },
        summary: { type: 'Summary', id: 11 },
      },
    },
    Gauge: { fields: { dataPoints: list('NumberDataPoint', 1) } },
    Sum: {
      fields: {
        dataPoints: list('NumberDataPoint', 1),
        aggregationTemporality: { type: 'int32', id: 2 },
        isMonotonic: { type: 'bool', id: 3 },
      },
    },
    Histogram: {
      fields: {
        dataPoints: list('HistogramDataPoint', 1),
        aggregationTemporality: { type: 'int32', id: 2 },
      },
    },
    ExponentialHistogram: {
      fields: {
        dataPoints: list('ExponentialHistogramDataPoint', 1),
        aggregationTemporality: { type: 'int32', id: 2 },
      },
    },
    Summary: { fields: { dataPoints: list('SummaryDataPoint', 1) } },
    NumberDataPoint: {
      oneofs: oneof('asDouble', 'asInt'),
      fields: {
        ...POINT,
        attributes: list('KeyValue', 7),
        asDouble: { type: 'double', id: 4 },
        asInt: { type: 'sfixed64', id: 6 },
        exemplars: list('Exemplar', 5),
        flags: { type: 'uint32', id: 8 },
      },
    },
    HistogramDataPoint: {
      fields: {
        ...POINT,
        attributes: list('KeyValue', 9),
        count: { type: 'fixed64', id: 4 },
        sum: { type: 'double', id: 5, options: { proto3_optional: true } },
        bucketCounts: list('fixed64', 6, { packed: true }),
        explicitBounds: list('double', 7, { packed: true }),
        exemplars: list('Exemplar', 8),
        flags: { type: 'uint32', id: 10 },
      },
    },
    ExponentialHistogramDataPoint: {
      fields: {
        ...POINT,
        attributes: list('KeyValue', 1),
        count: { type: 'fixed64', id: 4 },
        sum: { type: 'double', id: 5, options: { proto3_optional: true } },
        scale: { type: 'sint32', id: 6 },
        zeroCount: { type: 'fixed64', id: 7 },
        positive: { type: 'Buckets', id: 8 },
        negative: { type: 'Buckets', id: 9 },
        flags: { type: 'uint32', id: 10 },
        exemplars: list('Exemplar', 11),
        zeroThreshold: { type: 'double', id: 14 },
      },
    },
    Buckets: {
      fields: {
        offset: { type: 'sint32', id: 1 },
        bucketCounts: list('uint64', 2, { packed: true }),
      },
    },
    SummaryDataPoint: {
      fields: {
        ...POINT,
        attributes: list('KeyValue', 7),
        count: { type: 'fixed64', id: 4 },
        sum: { type: 'double', id: 5 },
        quantileValues: list('ValueAtQuantile', 6),
        flags: { type: 'uint32', id: 8 },
      },
    },
    ValueAtQuantile: {
      fields: { quantile: { type: 'double', id: 1 }, value: { type: 'double', id: 2 } },
    },
    Exemplar: {
      oneofs: oneof('asDouble', 'asInt'),
      fields: {
        filteredAttributes: list('KeyValue', 7),
        timeUnixNano: { type: 'fixed64', id: 2 },
        asDouble: { type: 'double', id: 3 },
        asInt: { type: 'sfixed64', id: 6 },
        spanId: { type: 'bytes', id: 4 },
        traceId: { type: 'bytes', id: 5 },
      },
    },
    KeyValue: KEY_VALUE,
    AnyValue: {
      oneofs: oneof(
        'stringValue',
        'boolValue',
        'intValue',
        'doubleValue',
        'arrayValue',
        'kvlistValue',
        'bytesValue',
      ),
      fields: {
        stringValue: { type: 'string', id: 1 },
        boolValue: { type: 'bool', id: 2 },
        intValue: { type: 'int64', id: 3 },
        doubleValue: { type: 'double', id: 4 },
        arrayValue: { type: 'ArrayValue', id: 5 },
        kvlistValue: { type: 'KeyValueList', id: 6 },
        bytesValue: { type: 'bytes', id: 7 },
      },
    },
    ArrayValue: { fields: { values: list('AnyValue', 1) } },
    KeyValueList: { fields: { values: list('KeyValue', 1) } },
    PartialSuccess: {
      fields: {
        rejectedDataPoints: { type: 'int64', id: 1 },
        errorMessage: { type: 'string', id: 2 },
      },
    },
    Response: { fields: { partialSuccess: { type: 'PartialSuccess', id: 1 } } },
    Status: { fields: { code: { type: 'int32', id: 1 }, message: { type: 'string', id: 2 } } },
  },
})

/** A message as a plain object. */
export type Plain = Record<string, unknown>

/** A message of a name, as bytes. */
export function encode(name: string, message: Plain): Uint8Array {
  return root.lookupType(name).encode(message).finish()
}

/** Bytes as a message of a name. */
export function decode(name: string, bytes: Uint8Array): Plain {
  const type = root.lookupType(name)
  return type.toObject(type.decode(bytes), { longs: Number }) as Plain
}

/** String attributes. */
export function attributes(values: Record<string, string>): Plain[] {
  return Object.entries(values).map(([key, value]) => ({ key, value: { stringValue: value } }))
}

/** Nanoseconds of a time in ms, as protobufjs wants 64 bits. */
export function nanos(ms: number): string {
  return (BigInt(ms) * 1_000_000n).toString()
}

/** An export request of one resource and one scope. */
export function request(metrics: Plain[], resource: Record<string, string> = {}): Plain {
  return {
    resourceMetrics: [
      { resource: { attributes: attributes(resource) }, scopeMetrics: [{ metrics }] },
    ],
  }
}
