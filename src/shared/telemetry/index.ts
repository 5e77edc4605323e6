/**
 * Logs and metrics: the table of metrics, cells in shared memory to count in, their sum as
 * Prometheus' text, and the logfmt log.
 *
 * Promise: counting costs one plain add; what a thread counted stays counted after its death.
 */
export { createMetricBlock, openMetrics } from './cells.js'
export { createLog, LOG_LEVELS, type Log, type LogFields, type LogLevel } from './log.js'
export type { Cell, HistogramCell, Metrics } from './metrics.js'
export { MetricsRegistry } from './registry.js'
export { METRICS, type MetricName, type MetricRow } from './table.js'
