/** PromQL: parses queries, evaluates them over a SeriesSource into columns. */
export { AGGREGATIONS, type AggregationRow } from './aggregations/table.js'
export * from './columns.js'
export { execute, type Query } from './execute.js'
export { FUNCTIONS } from './functions/table.js'
export { EMPTY_SET, LabelTable } from './label-table.js'
export type { PrometheusRelease } from './release.js'
export type { SampleBuffer, SelectedSeries, SelectRequest, SeriesSource } from './source.js'
export * from './syntax/index.js'
