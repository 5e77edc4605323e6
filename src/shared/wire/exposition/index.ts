/**
 * Prometheus' text formats. Files for back-filling (OpenMetrics with timestamps): bytes in pieces of
 * any size, one call per sample out. Bodies that scripts push (parse.ts): a whole body, as remote
 * write. A line that is wrong is an error with its number.
 */
export { OpenMetricsDecoder, parseSeries, type SampleSink } from './openmetrics.js'
export { parseExposition } from './parse.js'
