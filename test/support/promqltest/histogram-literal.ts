/** Histogram literals of PromQL test scripts: `{{schema:0 count:3 sum:5 buckets:[1 2]}}`. */
import { findGoFloat } from '../../../src/shared/base/go-float.js'
import {
  type CounterResetHint,
  type FloatBuckets,
  type FloatHistogram,
  NO_BUCKETS,
  NO_CUSTOM_VALUES,
} from '../../../src/shared/model/histogram.js'

/** A literal; whether it says which hint it has. */
export interface HistogramLiteral {
  readonly histogram: FloatHistogram
  readonly hasHint: boolean
}

const HINTS: readonly CounterResetHint[] = ['unknown', 'reset', 'not_reset', 'gauge']
const FIELD = /\s*([a-z_]+):(\[[^\]]*\]|[^\s\]]+)/y

/** Reads what stands between the double braces. @throws Error on what is not understood */
export function parseHistogram(text: string): HistogramLiteral {
  const numbers = new Map<string, number>()
  const lists = new Map<string, Float64Array>()
  let hint: CounterResetHint | undefined
  FIELD.lastIndex = 0
  let end = 0
  for (let field = FIELD.exec(text); field !== null; field = FIELD.exec(text)) {
    end = FIELD.lastIndex
    const [, key, value] = field as unknown as [string, string, string]
    if (key === 'counter_reset_hint') {
      hint = HINTS.find((known) => known === value)
      if (hint === undefined) throw new Error(`not a hint: ${value}`)
    } else if (value.startsWith('[')) {
      const words = value.slice(1, -1).split(/\s+/).filter(Boolean)
      lists.set(key, Float64Array.from(words, readNumber))
    } else numbers.set(key, readNumber(value))
  }
  if (text.slice(end).trim() !== '') throw new Error(`not a histogram: ${text}`)
  const number = (key: string): number => numbers.get(key) ?? 0
  return {
    hasHint: hint !== undefined,
    histogram: {
      counterResetHint: hint ?? 'unknown',
      schema: number('schema'),
      zeroThreshold: number('z_bucket_w'),
      zeroCount: number('z_bucket'),
      count: number('count'),
      sum: number('sum'),
      positive: bucketsOf(lists.get('buckets'), number('offset')),
      negative: bucketsOf(lists.get('n_buckets'), number('n_offset')),
      customValues: lists.get('custom_values') ?? NO_CUSTOM_VALUES,
    },
  }
}

function readNumber(text: string): number {
  const value = findGoFloat(text)
  if (value === undefined) throw new Error(`not a number: ${text}`)
  return value
}

function bucketsOf(counts: Float64Array | undefined, offset: number): FloatBuckets {
  if (counts === undefined || counts.length === 0) return NO_BUCKETS
  return { spans: Int32Array.of(offset, counts.length), counts }
}
