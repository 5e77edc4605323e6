/**
 * Native histograms and their times as Prometheus' API writes them (util/jsonutil): buckets that
 * count something, each with a number that says which bounds belong to it.
 */
import type { FloatHistogram } from '../../model/histogram.js'
import { allBuckets, type Bucket } from '../../model/histogram-bounds.js'

/** `{"count":"3","sum":"4.5","buckets":[[0,"1","2","3"]]}` */
export function histogramJson(histogram: FloatHistogram): string {
  const buckets: string[] = []
  for (const bucket of allBuckets(histogram)) {
    if (bucket.count === 0) continue
    const { lower, upper, count } = bucket
    buckets.push(`[${ruleOf(bucket)},${floatJson(lower)},${floatJson(upper)},${floatJson(count)}]`)
  }
  const list = buckets.length === 0 ? '' : `,"buckets":[${buckets.join(',')}]`
  return `{"count":${floatJson(histogram.count)},"sum":${floatJson(histogram.sum)}${list}}`
}

/** 0: open on the left, 1: open on the right, 2: open on both sides, 3: closed. */
function ruleOf({ lowerInclusive, upperInclusive }: Bucket): number {
  if (lowerInclusive) return upperInclusive ? 3 : 1
  return upperInclusive ? 0 : 2
}

/** A float in quotes, as samples are written: an exponent below 1e-6 and from 1e21 on. */
export function floatJson(value: number): string {
  if (value !== value) return '"NaN"'
  if (value === Infinity) return '"+Inf"'
  if (value === -Infinity) return '"-Inf"'
  if (Object.is(value, -0)) return '"-0"'
  return `"${String(value).replace(/e([+-])(\d)$/, 'e$10$2')}"`
}

/** Seconds of a time in ms, with three digits of a fraction if there is one. */
export function timeJson(ms: number): string {
  const seconds = Math.trunc(ms / 1000)
  const rest = Math.abs(ms % 1000)
  const sign = ms < 0 && seconds === 0 ? '-' : ''
  return rest === 0 ? `${seconds}` : `${sign}${seconds}.${String(rest).padStart(3, '0')}`
}
