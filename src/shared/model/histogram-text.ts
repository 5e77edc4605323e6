/** A histogram in Prometheus' notation (FloatHistogram.String), which count_values makes labels of. */
import { printFloatShort } from '../base/go-number.js'
import { type FloatHistogram, usesCustomBuckets } from './histogram.js'
import { type Bucket, sideBuckets, zeroBucket } from './histogram-bounds.js'

/** `{count:3, sum:4.5, [-2,-1):1, [-0.001,0.001]:1, (1,2]:1}`; empty buckets are left out. */
export function printHistogram(histogram: FloatHistogram): string {
  const { count, sum, zeroCount } = histogram
  const parts = [`count:${printFloatShort(count)}`, `sum:${printFloatShort(sum)}`]
  const print = (bucket: Bucket): void => {
    if (bucket.count !== 0) parts.push(printBucket(bucket))
  }
  for (const bucket of sideBuckets(histogram, 'negative').reverse()) print(bucket)
  if (!usesCustomBuckets(histogram) && zeroCount !== 0) print(zeroBucket(histogram))
  for (const bucket of sideBuckets(histogram, 'positive')) print(bucket)
  return `{${parts.join(', ')}}`
}

function printBucket(bucket: Bucket): string {
  const open = bucket.lowerInclusive ? '[' : '('
  const close = bucket.upperInclusive ? ']' : ')'
  const bounds = `${printFloatShort(bucket.lower)},${printFloatShort(bucket.upper)}`
  return `${open}${bounds}${close}:${printFloatShort(bucket.count)}`
}
