/** Compares what a query gave with what a script expects; answers with a reason, or undefined. */
import { quoteGo } from '../../../src/shared/base/go-string.js'
import type { FloatBuckets, FloatHistogram } from '../../../src/shared/model/histogram.js'
import { compactHistogram, sameBounds } from '../../../src/shared/model/histogram-arithmetic.js'
import { bucketIndexes } from '../../../src/shared/model/histogram-bounds.js'
import { printHistogram } from '../../../src/shared/model/histogram-text.js'
import type { Labels } from '../../../src/shared/model/labels.js'
import type { QueryResult } from '../../../src/shared/promql/index.js'
import type { HistogramLiteral } from './histogram-literal.js'
import type { Expected, TextMatch } from './script.js'
import type { Item } from './series.js'

const EPSILON = 1e-6
const MIN_NORMAL = 2 ** -1022

/** A series of a result: its labels as text, and values by time. */
export interface Row {
  readonly key: string
  readonly points: ReadonlyMap<number, number | FloatHistogram>
}

/** Labels in Prometheus' notation, as keys and for texts. */
export function keyOf(labels: Labels): string {
  return `{${labels.map(({ name, value }) => `${quoteGo(name)}=${quoteGo(value)}`).join(', ')}}`
}

/** The series of a vector, matrix or range vector, in order of the answer. */
export function rowsOf(result: QueryResult): Row[] {
  const { data, labels } = result
  if (data.type === 'string' || data.type === 'scalar') return []
  return Array.from(data.order, (row) => {
    const key = keyOf(labels.labels(data.matrix.sets[row]!))
    const points = new Map<number, number | FloatHistogram>()
    if (data.type === 'samples') {
      const { offsets, ts, values, histograms } = data.matrix
      for (let k = offsets[row]!; k < offsets[row + 1]!; k++) {
        points.set(ts[k]!, histograms?.[k] ?? values[k]!)
      }
      return { key, points }
    }
    const { steps, words, values, present, histograms } = data.matrix
    for (let step = 0; step < steps; step++) {
      if (((present[row * words + (step >>> 5)]! >>> (step & 31)) & 1) === 0) continue
      const time = data.type === 'vector' ? data.atMs : data.range.start + step * data.range.step
      points.set(time, histograms?.[row]?.[step] ?? values[row * steps + step]!)
    }
    return { key, points }
  }).filter((row) => row.points.size > 0)
}

/** Expected series: values at start, start + step, …; an instant result has its one value at start. */
export function compareRows(
  rows: readonly Row[],
  expected: Expected,
  times: { readonly start: number; readonly step: number },
): string | undefined {
  const left = new Map<string, Row>()
  for (const row of rows) {
    if (left.has(row.key)) return `${row.key} comes twice`
    left.set(row.key, row)
  }
  for (const [position, { line, items }] of expected.series.entries()) {
    const key = keyOf(line.labels)
    const row = left.get(key)
    if (row === undefined) return `${key} is missing; there are ${[...left.keys()].join(' ')}`
    left.delete(key)
    if (expected.isOrdered && rows[position] !== row) return `${key} is not at ${position}`
    const difference = comparePoints(row, items, times)
    if (difference !== undefined) return `${key}: ${difference}`
  }
  if (left.size > 0) return `${[...left.keys()].join(' ')} not expected`
  return undefined
}

function comparePoints(
  row: Row,
  items: readonly Item[],
  times: { readonly start: number; readonly step: number },
): string | undefined {
  const open = new Map(row.points)
  for (const [index, item] of items.entries()) {
    if (item === undefined) continue
    const time = times.start + index * times.step
    const value = open.get(time)
    if (value === undefined) return `no value at ${time}, expected ${show(item)}`
    open.delete(time)
    const isEqual =
      typeof item === 'number'
        ? typeof value === 'number' && isClose(item, value)
        : item !== 'stale' && typeof value !== 'number' && isCloseHistogram(item, value)
    if (!isEqual) return `${show(value)} at ${time}, expected ${show(item)}`
  }
  if (open.size > 0)
    return `${[...open].map(([time, value]) => `${show(value)} at ${time}`)} not expected`
  return undefined
}

function show(value: number | 'stale' | FloatHistogram | HistogramLiteral): string {
  if (typeof value !== 'object') return String(value)
  const histogram = 'histogram' in value ? value.histogram : value
  const { schema, zeroThreshold, customValues, counterResetHint } = histogram
  const bounds = `${zeroThreshold}, ${customValues.join(' ')}`
  return `${printHistogram(histogram)} (${schema}, ${bounds}, ${counterResetHint})`
}

/** The rules of the language for histograms: buckets compacted, the hint only if one is written. */
function isCloseHistogram(
  { histogram, hasHint }: HistogramLiteral,
  value: FloatHistogram,
): boolean {
  const a = compactHistogram(histogram)
  const b = compactHistogram(value)
  return (
    a.schema === b.schema &&
    isClose(a.count, b.count) &&
    isClose(a.sum, b.sum) &&
    isClose(a.zeroCount, b.zeroCount) &&
    a.zeroThreshold === b.zeroThreshold &&
    sameBounds(a.customValues, b.customValues) &&
    closeBuckets(a.positive, b.positive) &&
    closeBuckets(a.negative, b.negative) &&
    (!hasHint || a.counterResetHint === b.counterResetHint)
  )
}

function closeBuckets(a: FloatBuckets, b: FloatBuckets): boolean {
  const left = bucketIndexes(a)
  const right = bucketIndexes(b)
  if (left.length !== right.length) return false
  return left.every((index, i) => index === right[i] && isClose(a.counts[i]!, b.counts[i]!))
}

/** Prometheus util/almost with a tolerance of 1e-6. */
export function isClose(a: number, b: number): boolean {
  if (Number.isNaN(a) && Number.isNaN(b)) return true
  if (a === b) return true
  const sum = Math.abs(a) + Math.abs(b)
  const difference = Math.abs(a - b)
  if (a === 0 || b === 0 || sum < MIN_NORMAL) return difference < EPSILON * MIN_NORMAL
  return difference / Math.min(sum, Number.MAX_VALUE) < EPSILON
}

/** Whether annotations of one kind are those expected. */
export function compareNotes(
  kind: string,
  texts: readonly string[],
  expected: { readonly wanted: readonly TextMatch[]; readonly none: boolean },
): string | undefined {
  const { wanted, none } = expected
  if (none && texts.length > 0) return `no ${kind} expected, got ${texts.join('; ')}`
  if (wanted.length === 0) return undefined
  if (texts.length === 0) return `expected ${kind}, got none`
  for (const match of wanted) {
    if (!texts.some((text) => isMatch(match, text))) {
      return `no ${kind} is ${match.how === 'any' ? 'there' : match.text}; got ${texts.join('; ')}`
    }
  }
  const other = texts.find((text) => !wanted.some((match) => isMatch(match, text)))
  return other === undefined ? undefined : `${kind} not expected: ${other}`
}

export function isMatch(match: TextMatch, text: string): boolean {
  if (match.how === 'any') return true
  return match.how === 'msg' ? text === match.text : new RegExp(match.text, 'u').test(text)
}
