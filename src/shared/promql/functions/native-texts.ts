/** Prometheus' texts about native histograms (util/annotations), without `PromQL warning: ` and the like. */
import { quoteGo } from '../../base/go-string.js'

/** What histograms with different custom bounds, or colliding resets, were doing. */
export type HistogramOperation = 'addition' | 'subtraction' | 'aggregation'

/** Warning: a range or group holds both. */
export function mixedFloatsHistograms(name: string): string {
  return `encountered a mix of histograms and floats for metric name ${quoteGo(name)}`
}

/** Warning: the same in a group of an aggregation. */
export const MIXED_IN_AGGREGATION = 'encountered a mix of histograms and floats for aggregation'

/** Warning. */
export function mixedSchemas(name: string): string {
  return `vector contains a mix of histograms with exponential and custom buckets schemas for metric name ${quoteGo(name)}`
}

/** Warning: rate() and the like of a gauge. */
export function notCounter(name: string): string {
  return `this native histogram metric is not a counter: ${quoteGo(name)}`
}

/** Warning: delta() and idelta() of a counter. */
export function notGauge(name: string): string {
  return `this native histogram metric is not a gauge: ${quoteGo(name)}`
}

/** Info: a function of floats has left histograms out. */
export function ignoredInRange(name: string): string {
  return `ignored histograms in a range containing both floats and histograms for metric name ${quoteGo(name)}`
}

/** Info: an aggregation of floats has left histograms out. */
export function ignoredInAggregation(op: string): string {
  return `ignored histogram in ${op} aggregation`
}

/** Info. */
export function boundsReconciled(operation: HistogramOperation): string {
  return `mismatched custom buckets were reconciled during ${operation}`
}

/** Warning. */
export function resetsCollide(operation: HistogramOperation): string {
  return `conflicting counter resets during histogram ${operation}`
}

/** Info: an operator that does not take these. */
export function incompatibleTypes(left: string, op: string, right: string): string {
  return `incompatible sample types encountered for binary operator ${quoteGo(op)}: ${left} ${op} ${right}`
}

/** Warning: exponential and custom buckets in one sum. */
export function incompatibleLayout(op: string): string {
  return `incompatible bucket layout encountered for binary operator ${op}`
}

/** Warning: classic buckets and a native histogram of the same labels. */
export function mixedClassicNative(name: string): string {
  return `vector contains a mix of classic and native histograms${forMetric(name)}`
}

/** ` for metric name "…"`, nothing without a name. */
export function forMetric(name: string): string {
  return name === '' ? '' : ` for metric name ${quoteGo(name)}`
}
