/**
 * Text exposition: OpenMetrics with timestamps, as files for back-filling have it. Promise: bytes in
 * pieces of any size, one call per sample out; a line that is wrong is an error with its number.
 */
export { OpenMetricsDecoder, parseSeries, type SampleSink } from './openmetrics.js'
