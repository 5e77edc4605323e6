/** Logs and metrics: the table of metrics, cells to count in, and the logfmt log. */
export type { Log, LogFields, LogLevel } from './log.js'
export type { Cell, HistogramCell, Metrics } from './metrics.js'
export { METRICS, type MetricName, type MetricRow } from './table.js'
