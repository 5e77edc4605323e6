/**
 * The table of the process' own metrics. Names, types and label names are Mimir's where the
 * meaning is; those of nilometer's own start with `nilo_`.
 */
export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** Label names, in the order in which values are given. */
  readonly labels: readonly string[]
  /** Upper bounds of a histogram's buckets, without +Inf. */
  readonly buckets?: readonly number[]
}

export const METRICS = {
  cortex_distributor_received_samples_total: {
    type: 'counter',
    help: 'Samples received, after deduplication and validation.',
    labels: ['user'],
  },
  cortex_discarded_samples_total: {
    type: 'counter',
    help: 'Samples that were discarded, by reason.',
    labels: ['reason', 'user'],
  },
  cortex_ingester_memory_series: {
    type: 'gauge',
    help: 'Series in memory.',
    labels: [],
  },
  cortex_ingester_memory_series_created_total: {
    type: 'counter',
    help: 'Series created, per tenant.',
    labels: ['user'],
  },
  cortex_ingester_ingested_samples_total: {
    type: 'counter',
    help: 'Samples ingested, per tenant.',
    labels: ['user'],
  },
} as const satisfies Record<string, MetricRow>

export type MetricName = keyof typeof METRICS
