/** The rows of limits.test.ts: a tenant each. */
import type { RawLabels, RawRequest, RawSeries } from '../support/write-request.js'

/** When the test began, in whole seconds, ms. */
export const NOW = Math.floor(Date.now() / 1000) * 1000
const HOUR = 3_600_000
const ONE = [[NOW, 1]] as const

function bad(labels: RawLabels, samples: RawSeries['samples'] = ONE): RawSeries {
  return { labels: [['__name__', 'bad'], ...labels], samples }
}
const good: RawSeries = { labels: [['__name__', 'good']], samples: ONE }
const labels = (count: number, name = 'bad'): RawLabels => [
  ['__name__', name],
  ...Array.from({ length: count - 1 }, (_, i) => [`l${i}`, 'x'] as const),
]
function histogram(fields: Record<string, unknown>): RawSeries {
  const whole = { count_int: 3, sum: 3, schema: 0, zero_threshold: 0.001, timestamp: NOW }
  return { labels: [['__name__', 'bad']], histograms: [{ ...whole, ...fields }] }
}
const spans = (length: number, offset = 0) => [{ offset, length }]

/** A limit or check, and what comes of it. */
export interface Case {
  /** Of the limits table; '' where no limit governs it. */
  readonly limits?: string
  /** Sent and accepted before. */
  readonly first?: RawRequest
  readonly request: RawRequest
  readonly status: number
  /** After `err-mimir-`; undefined: the answer says nothing. */
  readonly id?: string
  readonly text?: RegExp
  /** Of `metric`, and how many. */
  readonly reason?: string
  readonly count?: number
  readonly metric?: string
  /** Whether the good series is there, 1 unless told; and how many bad ones, 0 unless told. */
  readonly good?: number
  readonly bad?: number
  /** What must find the bad ones, besides. */
  readonly query?: string
}

const EXEMPLARS = 'max_global_exemplars_per_user: 10'
const FOREIGN = 'cortex_discarded_exemplars_total'
const METADATA = 'cortex_discarded_metadata_total'
const exemplar = (of: RawLabels, timestamp = NOW): RawRequest => ({
  series: [{ ...good, exemplars: [{ labels: of, value: 1, timestamp }] }],
})

/** By tenant. */
export const CASES: Readonly<Record<string, Case>> = {
  'missing-metric-name': {
    request: { series: [{ labels: [['a', 'b']], samples: ONE }, good] },
    status: 400,
    id: 'missing-metric-name',
    reason: 'missing_metric_name',
  },
  'metric-name-invalid': {
    request: { series: [{ labels: [['__name__', '1bad']], samples: ONE }, good] },
    status: 400,
    id: 'metric-name-invalid',
    text: /'1bad'/,
    reason: 'metric_name_invalid',
  },
  'name-scheme-utf8': {
    limits: 'name_validation_scheme: utf8',
    request: { series: [bad([['a.b', 'x']]), good] },
    status: 200,
    bad: 1,
  },
  'max-label-names-per-series': {
    limits: 'max_label_names_per_series: 3',
    request: { series: [{ labels: labels(4), samples: ONE }, good] },
    status: 400,
    id: 'max-label-names-per-series',
    text: /actual: 4, limit: 3.*-validation\.max-label-names-per-series/,
    reason: 'max_label_names_per_series',
  },
  'max-label-names-per-info-series': {
    limits: '{max_label_names_per_series: 3, max_label_names_per_info_series: 5}',
    request: {
      series: [
        { labels: labels(5, 'some_info'), samples: ONE },
        { labels: labels(6, 'bad_info'), samples: ONE },
        good,
      ],
    },
    status: 400,
    id: 'max-label-names-per-info-series',
    text: /actual: 6, limit: 5/,
    reason: 'max_label_names_per_info_series',
  },
  'label-invalid': {
    request: { series: [bad([['1a', 'x']]), good] },
    status: 400,
    id: 'label-invalid',
    text: /'1a'/,
    reason: 'label_invalid',
  },
  'label-name-too-long': {
    limits: 'max_label_name_length: 10',
    request: { series: [bad([['abcdefghijk', 'x']]), good] },
    status: 400,
    id: 'label-name-too-long',
    text: /-validation\.max-length-label-name/,
    reason: 'label_name_too_long',
  },
  'label-value-invalid': {
    request: { series: [bad([['a', Buffer.from([0xff, 0xfe])]]), good] },
    status: 400,
    id: 'label-value-invalid',
    reason: 'label_value_invalid',
  },
  'label-value-too-long': {
    limits: 'max_label_value_length: 10',
    request: { series: [bad([['a', 'x'.repeat(11)]]), good] },
    status: 400,
    id: 'label-value-too-long',
    text: /length of 11 exceeds the limit of 10/,
    reason: 'label_value_too_long',
  },
  'duplicate-label-names': {
    request: {
      series: [
        bad([
          ['a', '1'],
          ['a', '2'],
        ]),
        good,
      ],
    },
    status: 400,
    id: 'duplicate-label-names',
    reason: 'duplicate_label_names',
  },
  'labels-unsorted': {
    request: {
      series: [
        bad([
          ['z', '1'],
          ['a', '2'],
        ]),
      ],
    },
    status: 200,
    bad: 1,
    good: 0,
  },
  'too-far-in-future': {
    limits: 'creation_grace_period: 1m',
    request: { series: [bad([], [[NOW + HOUR, 1]]), good] },
    status: 400,
    id: 'too-far-in-future',
    text: new RegExp(`timestamp: ${NOW + HOUR}.*-validation\\.create-grace-period`),
    reason: 'too_far_in_future',
  },
  'too-far-in-past': {
    limits: 'past_grace_period: 1h',
    request: { series: [bad([], [[NOW - 2 * HOUR, 1]]), good] },
    status: 400,
    id: 'too-far-in-past',
    text: /-validation\.past-grace-period/,
    reason: 'too_far_in_past',
  },
  'out-of-order-window-at-the-door': {
    limits: '{out_of_order_time_window: 10m, enforce_out_of_order_window_on_distributor: true}',
    request: { series: [bad([], [[NOW - HOUR, 1]]), good] },
    status: 400,
    id: 'too-far-in-past',
    reason: 'too_far_in_past',
  },
  'first-offender-of-several': {
    request: {
      series: [
        bad([['1a', 'x']]),
        good,
        { labels: [['x', 'y']], samples: ONE },
        bad([['1b', 'x']]),
      ],
    },
    status: 400,
    id: 'label-invalid',
    text: /'1a'/,
    reason: 'label_invalid',
    count: 2,
  },
  'repeated-time-in-request': {
    request: {
      series: [
        {
          labels: [['__name__', 'good']],
          samples: [
            [NOW, 1],
            [NOW, 2],
          ],
        },
      ],
    },
    status: 200,
    reason: 'sample_duplicate_timestamp',
  },
  'sample-out-of-order': {
    first: { series: [bad([])] },
    request: { series: [bad([], [[NOW - 1000, 2]]), good] },
    status: 400,
    id: 'sample-out-of-order',
    text: /user=sample-out-of-order: .*timestamp \d{4}-.*Z and belongs to series \{__name__="bad"\}/,
    reason: 'sample_out_of_order',
    bad: 1,
  },
  'sample-timestamp-too-old': {
    first: { series: [bad([])] },
    request: { series: [{ labels: [['__name__', 'old']], samples: [[NOW - 3 * HOUR, 2]] }, good] },
    status: 400,
    id: 'sample-timestamp-too-old',
    reason: 'sample_timestamp_too_old',
    bad: 1,
  },
  'sample-duplicate-timestamp': {
    first: { series: [bad([])] },
    request: { series: [bad([], [[NOW, 2]]), good] },
    status: 400,
    id: 'sample-duplicate-timestamp',
    reason: 'sample_duplicate_timestamp',
    bad: 1,
  },
  'max-series-per-user': {
    limits: 'max_global_series_per_user: 2',
    first: { series: [good] },
    request: {
      series: [
        bad([['i', '1']]),
        bad([['i', '2']]),
        bad([['i', '3']]),
        { ...good, samples: [[NOW + 1, 1]] },
      ],
    },
    status: 400,
    id: 'max-series-per-user',
    text: /limit of 2 exceeded.*-ingester\.max-global-series-per-user/,
    reason: 'per_user_series_limit',
    count: 2,
    bad: 1,
  },
  'max-series-per-metric': {
    limits: 'max_global_series_per_metric: 2',
    request: { series: [bad([['i', '1']]), bad([['i', '2']]), bad([['i', '3']]), good] },
    status: 400,
    id: 'max-series-per-metric',
    text: /limit of 2 exceeded/,
    reason: 'per_metric_series_limit',
    bad: 2,
  },
  'tenant-max-ingestion-rate': {
    limits: '{ingestion_rate: 0.001, ingestion_burst_size: 3}',
    first: { series: [{ labels: [['__name__', 'other']], samples: ONE }] },
    request: { series: [good, bad([]), bad([['i', '1']])] },
    status: 429,
    id: 'tenant-max-ingestion-rate',
    text: /rate of 0\.001 .* burst of 3/,
    reason: 'rate_limited',
    count: 3,
    good: 0,
  },
  'ingestion-burst': {
    limits: '{ingestion_rate: 100, ingestion_burst_factor: 2}',
    request: {
      series: [
        good,
        bad(
          [],
          Array.from({ length: 200 }, (_, i) => [NOW - i, i] as const),
        ),
      ],
    },
    status: 429,
    id: 'tenant-max-ingestion-rate',
    text: /has 201 samples.* burst size of 200/,
    reason: 'rate_limited',
    count: 201,
    good: 0,
  },
  'tenant-max-request-rate': {
    limits: '{request_rate: 0.001, request_burst_size: 1}',
    first: { series: [{ labels: [['__name__', 'other']], samples: ONE }] },
    request: { series: [good] },
    status: 429,
    id: 'tenant-max-request-rate',
    text: /0\.001 push requests a second, with a burst of 1/,
    metric: 'cortex_discarded_requests_total',
    reason: 'rate_limited',
    good: 0,
  },
  'native-histograms-off': {
    limits: 'native_histograms_ingestion_enabled: false',
    request: { series: [histogram({}), good] },
    status: 200,
    reason: 'native_histograms_disabled',
  },
  'invalid-native-histogram-schema': {
    request: { series: [histogram({ schema: 9 }), good] },
    status: 400,
    id: 'invalid-native-histogram-schema',
    reason: 'invalid_native_histogram_schema',
  },
  'native-histogram-count-mismatch': {
    request: { series: [histogram({ positive_spans: spans(1), positive_deltas: [1] }), good] },
    status: 400,
    id: 'native-histogram-count-mismatch',
    reason: 'native_histogram_count_mismatch',
  },
  'native-histogram-count-not-big-enough': {
    request: {
      series: [
        histogram({ sum: Number.NaN, positive_spans: spans(1), positive_deltas: [9] }),
        good,
      ],
    },
    status: 400,
    id: 'native-histogram-count-not-big-enough',
    reason: 'native_histogram_count_not_big_enough',
  },
  'native-histogram-negative-bucket-count': {
    request: { series: [histogram({ positive_spans: spans(2), positive_deltas: [1, -3] }), good] },
    status: 400,
    id: 'native-histogram-negative-bucket-count',
    reason: 'native_histogram_negative_bucket_count',
  },
  'native-histogram-span-negative-offset': {
    request: {
      series: [
        histogram({ positive_spans: [...spans(1), ...spans(1, -1)], positive_deltas: [1, 0] }),
        good,
      ],
    },
    status: 400,
    id: 'native-histogram-span-negative-offset',
    reason: 'native_histogram_span_negative_offset',
  },
  'native-histogram-spans-buckets-mismatch': {
    request: { series: [histogram({ positive_spans: spans(3), positive_deltas: [3] }), good] },
    status: 400,
    id: 'native-histogram-spans-buckets-mismatch',
    reason: 'native_histogram_spans_buckets_mismatch',
  },
  'native-histogram-custom-buckets-mismatch': {
    request: {
      series: [
        histogram({
          schema: -53,
          custom_values: [1],
          positive_spans: spans(1),
          positive_deltas: [3],
          zero_count_int: 1,
        }),
        good,
      ],
    },
    status: 400,
    id: 'native-histogram-custom-buckets-mismatch',
    reason: 'native_histogram_custom_buckets_mismatch',
  },
  'native-histogram-custom-buckets-invalid': {
    request: {
      series: [
        histogram({
          schema: -53,
          zero_threshold: 0,
          custom_values: [2, 1],
          positive_spans: spans(1),
          positive_deltas: [3],
        }),
        good,
      ],
    },
    status: 400,
    id: 'native-histogram-custom-buckets-invalid',
    reason: 'native_histogram_custom_buckets_invalid',
  },
  'native-histogram-custom-buckets-infinite': {
    request: {
      series: [
        histogram({
          schema: -53,
          zero_threshold: 0,
          custom_values: [1, Number.POSITIVE_INFINITY],
          positive_spans: spans(1),
          positive_deltas: [3],
        }),
        good,
      ],
    },
    status: 400,
    id: 'native-histogram-custom-buckets-infinite',
    reason: 'native_histogram_custom_buckets_infinite',
  },
  'native-histogram-is-reduced': {
    limits: 'max_native_histogram_buckets: 2',
    request: {
      series: [
        histogram({
          schema: 3,
          count_int: 4,
          positive_spans: spans(4, 1),
          positive_deltas: [1, 0, 0, 0],
        }),
        good,
      ],
    },
    status: 200,
    bad: 1,
  },
  'max-native-histogram-buckets': {
    limits: '{max_native_histogram_buckets: 2, reduce_native_histogram_over_max_buckets: false}',
    request: {
      series: [
        histogram({ count_int: 4, positive_spans: spans(4, 1), positive_deltas: [1, 0, 0, 0] }),
        good,
      ],
    },
    status: 400,
    id: 'max-native-histogram-buckets',
    text: /more than 2 buckets.*-validation\.max-native-histogram-buckets/,
    reason: 'max_native_histogram_buckets',
  },
  'not-reducible-native-histogram': {
    limits: 'max_native_histogram_buckets: 1',
    request: {
      series: [
        histogram({
          schema: -4,
          count_int: 2,
          positive_spans: spans(2, 1),
          positive_deltas: [1, 0],
        }),
        good,
      ],
    },
    status: 400,
    id: 'not-reducible-native-histogram',
    reason: 'not_reducible_native_histogram',
  },
  'native-histogram-custom-buckets-not-reducible': {
    limits: 'max_native_histogram_buckets: 1',
    request: {
      series: [
        histogram({
          schema: -53,
          zero_threshold: 0,
          count_int: 2,
          custom_values: [1, 2],
          positive_spans: spans(2),
          positive_deltas: [1, 0],
        }),
        good,
      ],
    },
    status: 400,
    id: 'native-histogram-custom-buckets-not-reducible',
    reason: 'native_histogram_custom_buckets_not_reducible',
  },
  'exemplar-labels-missing': {
    limits: EXEMPLARS,
    request: exemplar([]),
    status: 400,
    id: 'exemplar-labels-missing',
    metric: FOREIGN,
    reason: 'exemplar_labels_missing',
  },
  'exemplar-timestamp-invalid': {
    limits: EXEMPLARS,
    request: exemplar([['t', 'x']], 0),
    status: 400,
    id: 'exemplar-timestamp-invalid',
    metric: FOREIGN,
    reason: 'exemplar_timestamp_invalid',
  },
  'exemplar-labels-too-long': {
    limits: EXEMPLARS,
    request: exemplar([['t', 'x'.repeat(128)]]),
    status: 400,
    id: 'exemplar-labels-too-long',
    metric: FOREIGN,
    reason: 'exemplar_labels_too_long',
  },
  'exemplar-labels-blank': {
    limits: EXEMPLARS,
    request: exemplar([['t', '']]),
    status: 200,
    metric: FOREIGN,
    reason: 'exemplar_labels_blank',
  },
  'exemplar-series-missing': {
    limits: `{${EXEMPLARS}, max_global_series_per_user: 1}`,
    first: { series: [good] },
    request: {
      series: [{ ...bad([], []), exemplars: [{ labels: [['t', 'x']], value: 1, timestamp: NOW }] }],
    },
    status: 400,
    id: 'exemplar-series-missing',
    reason: 'exemplar_series_missing',
    metric: FOREIGN,
    good: 1,
  },
  'exemplar-too-old': {
    limits: EXEMPLARS,
    request: exemplar([['t', 'x']], NOW - HOUR),
    status: 200,
    metric: FOREIGN,
    reason: 'exemplar_too_old',
  },
  'exemplar-too-far-in-future': {
    limits: EXEMPLARS,
    request: exemplar([['t', 'x']], NOW + HOUR),
    status: 200,
    metric: FOREIGN,
    reason: 'exemplar_too_far_in_future',
  },
  'too-many-exemplars': {
    limits: `{${EXEMPLARS}, max_exemplars_per_series_per_request: 1}`,
    request: {
      series: [
        {
          ...good,
          exemplars: [1, 2, 3].map((i) => ({
            labels: [['t', String(i)]] as const,
            value: i,
            timestamp: NOW + i,
          })),
        },
      ],
    },
    status: 200,
    metric: FOREIGN,
    reason: 'too_many_exemplars_per_series_per_request',
    count: 2,
  },
  'metadata-missing-metric-name': {
    request: { series: [good], metadata: [{ name: '' }] },
    status: 400,
    id: 'metadata-missing-metric-name',
    metric: METADATA,
    reason: 'metadata_missing_metric_name',
  },
  'metric-name-too-long': {
    limits: 'max_metadata_length: 5',
    request: { series: [good], metadata: [{ name: 'abcdef' }] },
    status: 400,
    id: 'metric-name-too-long',
    metric: METADATA,
    reason: 'metric_name_too_long',
  },
  'unit-too-long': {
    limits: 'max_metadata_length: 5',
    request: { series: [good], metadata: [{ name: 'a', unit: 'abcdef' }] },
    status: 400,
    id: 'unit-too-long',
    metric: METADATA,
    reason: 'unit_too_long',
  },
  'max-metadata-per-user': {
    limits: 'max_global_metadata_per_user: 1',
    request: { series: [good], metadata: [{ name: 'a' }, { name: 'b' }] },
    status: 400,
    id: 'max-metadata-per-user',
    text: /metadata limit of 1 exceeded.*-ingester\.max-global-metadata-per-user/,
    metric: METADATA,
    reason: 'per_user_metadata_limit',
  },
  'max-metadata-per-metric': {
    limits: 'max_global_metadata_per_metric: 1',
    request: {
      series: [good],
      metadata: [
        { name: 'a', help: '1' },
        { name: 'a', help: '2' },
      ],
    },
    status: 400,
    id: 'max-metadata-per-metric',
    text: /metadata limit of 1 exceeded.*-ingester\.max-global-metadata-per-metric/,
    metric: METADATA,
    reason: 'per_metric_metadata_limit',
  },
  // Prometheus sends it in requests of its own.
  'metadata-alone': {
    limits: 'max_global_metadata_per_user: 1',
    request: { metadata: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] },
    status: 400,
    id: 'max-metadata-per-user',
    metric: METADATA,
    reason: 'per_user_metadata_limit',
    count: 2,
  },
  'drop-labels': {
    limits: 'drop_labels: [secret]',
    request: {
      series: [
        bad([
          ['secret', 'x'],
          ['a', 'b'],
        ]),
        good,
      ],
    },
    status: 200,
    bad: 1,
    query: 'bad{a="b",secret=""}',
  },
  'relabel-rewrites': {
    limits:
      '{metric_relabel_configs: [{source_labels: [a, __meta_tenant_id], separator: /, target_label: b}, {regex: a, action: labeldrop}]}',
    request: { series: [bad([['a', 'x']]), good] },
    status: 200,
    bad: 1,
    query: 'bad{b="x/relabel-rewrites",a=""}',
  },
  'relabel-drops-silently': {
    limits: '{metric_relabel_configs: [{source_labels: [a], regex: x, action: drop}]}',
    request: { series: [bad([['a', 'x']]), good] },
    status: 200,
    reason: 'relabel_configuration',
  },
  'relabel-is-checked-afterwards': {
    limits: '{metric_relabel_configs: [{target_label: __name__, source_labels: [a]}]}',
    request: {
      series: [
        bad([['a', '1x']]),
        {
          labels: [
            ['__name__', 'c'],
            ['a', 'good'],
          ],
          samples: ONE,
        },
      ],
    },
    status: 400,
    id: 'metric-name-invalid',
    text: /'1x'/,
    reason: 'metric_name_invalid',
    good: 1,
  },
  'values-truncated': {
    limits: '{label_value_length_over_limit_strategy: truncate, max_label_value_length: 80}',
    request: { series: [bad([['a', 'x'.repeat(200)]]), good] },
    status: 200,
    bad: 1,
    query: 'bad{a=~"x{9}.hash:[0-9a-f]{64}."}',
  },
  'values-dropped': {
    limits: '{label_value_length_over_limit_strategy: drop, max_label_value_length: 80}',
    request: { series: [bad([['a', 'x'.repeat(200)]]), good] },
    status: 200,
    bad: 1,
    query: 'bad{a=~".hash:[0-9a-f]{64}."}',
  },
  'invalid-values-of-rewritten': {
    limits: 'drop_labels: [b]',
    request: {
      series: [
        bad([
          ['a', Buffer.from([0xff, 0xfe])],
          ['b', 'x'],
        ]),
        bad([
          ['a', '\ufffd'],
          ['b', 'x'],
        ]),
        good,
      ],
    },
    status: 400,
    id: 'label-value-invalid',
    reason: 'label_value_invalid',
    bad: 1,
    query: 'bad{b=""}',
  },
  'tenant-too-many-ha-clusters': {
    limits: '{accept_ha_samples: true, ha_max_clusters: 1}',
    first: {
      series: [
        {
          labels: [
            ['__name__', 'other'],
            ['cluster', 'c1'],
            ['__replica__', 'a'],
          ],
          samples: ONE,
        },
      ],
    },
    request: {
      series: [
        {
          labels: [
            ['__name__', 'good'],
            ['cluster', 'c2'],
            ['__replica__', 'a'],
          ],
          samples: ONE,
        },
      ],
    },
    status: 400,
    id: 'tenant-too-many-ha-clusters',
    text: /more than 1 HA clusters/,
    reason: 'too_many_ha_clusters',
    good: 0,
  },
}
