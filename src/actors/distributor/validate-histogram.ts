/**
 * Checks native histograms as Prometheus (model/histogram, Validate) and Mimir do. A histogram that
 * fails is dropped; the first one of a request is worded.
 */
import {
  CUSTOM_BUCKETS_SCHEMA,
  EXPONENTIAL_SCHEMA_MAX,
  EXPONENTIAL_SCHEMA_MIN,
} from '../../shared/model/histogram.js'
import type { Labels } from '../../shared/model/labels.js'
import {
  type AnyHistogram,
  bucketsOf,
  type DISCARD_REASONS,
  isFloatHistogram,
} from '../../shared/wire/frames/index.js'
import { printSeries } from './validate.js'

/** One of DISCARD_REASONS. */
export type HistogramFault = Extract<
  (typeof DISCARD_REASONS)[number],
  `${string}native_histogram${string}`
>

/** What a fault is, in words. */
const TEXTS: Partial<Record<HistogramFault, string>> = {
  invalid_native_histogram_schema: 'an invalid schema',
  native_histogram_count_mismatch: 'a count that is not the sum of its buckets',
  native_histogram_count_not_big_enough: 'a count below the sum of its buckets',
  native_histogram_negative_bucket_count: 'a negative count in a bucket',
  native_histogram_span_negative_offset: 'a span with a negative offset',
  native_histogram_spans_buckets_mismatch: 'spans that do not cover its buckets',
  native_histogram_custom_buckets_mismatch: 'custom buckets beside what they exclude',
  native_histogram_custom_buckets_invalid: 'custom bounds that do not ascend',
  native_histogram_custom_buckets_infinite: 'an infinite custom bound',
  not_reducible_native_histogram:
    'more buckets than max_native_histogram_buckets at the coarsest resolution too',
  native_histogram_custom_buckets_not_reducible:
    'more custom buckets than max_native_histogram_buckets, which cannot be merged',
}

/** Buckets of one histogram: more cannot be held in one chunk. */
const BUCKETS_MAX = 16_384

/** Why a histogram cannot be taken; undefined when it can. */
export function findFault(histogram: AnyHistogram): HistogramFault | undefined {
  const { schema, positive, negative } = histogram
  const isCustom = schema === CUSTOM_BUCKETS_SCHEMA
  if (!isCustom && !(schema >= EXPONENTIAL_SCHEMA_MIN && schema <= EXPONENTIAL_SCHEMA_MAX)) {
    return 'invalid_native_histogram_schema'
  }
  const above = bucketsOf(positive)
  const below = bucketsOf(negative)
  if (above.length + below.length > BUCKETS_MAX) return 'max_native_histogram_buckets'
  if (histogram.customValues.length > BUCKETS_MAX) return 'max_native_histogram_buckets'
  const fault = isCustom ? findCustomFault(histogram) : undefined
  if (fault !== undefined) return fault
  if (!isCustom && histogram.customValues.length > 0) {
    return 'native_histogram_custom_buckets_mismatch'
  }
  const spanFault =
    findSpanFault(positive.spans, above.length, isCustom) ??
    findSpanFault(negative.spans, below.length, false)
  return spanFault ?? findCountFault(histogram, above, below)
}

function findCustomFault(histogram: AnyHistogram): HistogramFault | undefined {
  const { customValues: bounds, positive, negative } = histogram
  for (let i = 1; i < bounds.length; i++) {
    if (!(bounds[i]! > bounds[i - 1]!)) return 'native_histogram_custom_buckets_invalid'
  }
  if (bounds.some(Number.isNaN)) return 'native_histogram_custom_buckets_invalid'
  if (bounds.at(-1) === Number.POSITIVE_INFINITY) return 'native_histogram_custom_buckets_infinite'
  if (histogram.zeroCount !== 0 || histogram.zeroThreshold !== 0 || negative.spans.length > 0) {
    return 'native_histogram_custom_buckets_mismatch'
  }
  if (bucketsOf(negative).length > 0) return 'native_histogram_custom_buckets_mismatch'
  let end = 0
  for (let i = 0; i < positive.spans.length; i += 2) {
    end += positive.spans[i]! + positive.spans[i + 1]!
  }
  return end > bounds.length + 1 ? 'native_histogram_spans_buckets_mismatch' : undefined
}

function findSpanFault(
  spans: Int32Array,
  buckets: number,
  isCustom: boolean,
): HistogramFault | undefined {
  let covered = 0
  for (let i = 0; i < spans.length; i += 2) {
    if (spans[i]! < 0 && (i > 0 || isCustom)) return 'native_histogram_span_negative_offset'
    covered += spans[i + 1]! >>> 0
  }
  return covered === buckets ? undefined : 'native_histogram_spans_buckets_mismatch'
}

function findCountFault(
  histogram: AnyHistogram,
  above: Float64Array,
  below: Float64Array,
): HistogramFault | undefined {
  const isFloat = isFloatHistogram(histogram)
  let sum = histogram.zeroCount
  for (const column of [below, above]) {
    let count = 0
    for (const value of column) {
      count = isFloat ? value : count + value
      if (count < 0) return 'native_histogram_negative_bucket_count'
      sum += count
    }
  }
  // Float counts need not add up: sums of floats rarely do.
  if (isFloat) {
    const isNegative = histogram.zeroCount < 0 || histogram.count < 0
    return isNegative ? 'native_histogram_negative_bucket_count' : undefined
  }
  if (Number.isNaN(histogram.sum)) {
    return sum > histogram.count ? 'native_histogram_count_not_big_enough' : undefined
  }
  return sum === histogram.count ? undefined : 'native_histogram_count_mismatch'
}

/** What a sender is told of its first such histogram. */
export function describeFault(
  fault: HistogramFault,
  {
    t,
    labels,
    bucketsMax,
  }: { readonly t: number; readonly labels: Labels; readonly bucketsMax: number },
): string {
  const most = bucketsMax > 0 ? Math.min(bucketsMax, BUCKETS_MAX) : BUCKETS_MAX
  const what = TEXTS[fault] ?? `more than ${most} buckets`
  const id = fault.replaceAll('_', '-')
  const series = [...printSeries(labels)].slice(0, 200).join('')
  const told = `received a native histogram sample with ${what}, timestamp: ${t} series: '${series}' (err-mimir-${id})`
  if (!isAboutBuckets(fault)) return told
  return `${told}. To adjust the related per-tenant limit, configure -validation.max-native-histogram-buckets, or contact your service administrator.`
}

function isAboutBuckets(fault: HistogramFault): boolean {
  return (
    fault === 'max_native_histogram_buckets' ||
    fault.endsWith('reducible') ||
    fault === 'not_reducible_native_histogram'
  )
}
