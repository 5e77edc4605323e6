/** Histogram chunks against Prometheus' own: decode to what they hold, encode to the same bytes. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeDisk } from '../../../../src/shared/env/node-disk.js'
import {
  CUSTOM_BUCKETS_SCHEMA,
  type FloatHistogram,
} from '../../../../src/shared/model/histogram.js'
import type { Labels } from '../../../../src/shared/model/labels.js'
import { isStale } from '../../../../src/shared/model/stale.js'
import {
  decodeFloatHistogramChunk,
  FloatHistogramEncoder,
} from '../../../../src/shared/tsdb/chunk/float-histogram.js'
import {
  decodeHistogramChunk,
  HistogramEncoder,
} from '../../../../src/shared/tsdb/chunk/histogram.js'
import {
  ENCODING_FLOAT_HISTOGRAM,
  ENCODING_HISTOGRAM,
  ENCODING_XOR,
  floatHistogramAt,
  type HistogramColumns,
} from '../../../../src/shared/tsdb/chunk/histogram-columns.js'
import {
  countXorChunk,
  decodeXorChunk,
  encodeXorChunk,
} from '../../../../src/shared/tsdb/chunk/xor.js'
import { type BlockChunk, openBlock, readSeries } from '../../../../src/shared/tsdb/index.js'
import { sharedPath } from '../../../support/shared-material.js'

interface Expected {
  readonly blocks: Record<string, unknown>
  readonly series: {
    readonly series: string
    readonly samples?: [number, string][]
    readonly histograms?: [number, ExpectedHistogram][]
  }[]
}

interface ExpectedHistogram {
  readonly count: string
  readonly sum: string
  readonly buckets?: [number, string, string, string][]
}

interface Found {
  readonly floats: [number, number][]
  readonly histograms: [number, FloatHistogram][]
}

function encodeAgain(columns: HistogramColumns): Uint8Array {
  const { layout, reset, isFloat, width } = columns
  const encoder = isFloat
    ? new FloatHistogramEncoder(layout, reset)
    : new HistogramEncoder(layout, reset)
  for (let i = 0; i < columns.size; i++) {
    const sample = {
      count: columns.counts[i]!,
      zeroCount: columns.zeroCounts[i]!,
      sum: columns.sums[i]!,
    }
    encoder.append(columns.ts[i]!, sample, columns.buckets, i * width)
  }
  return encoder.bytes()
}

/** Decodes a chunk, encodes it again, and notes its samples but for stale histograms. */
function takeChunk(chunk: BlockChunk, found: Found, isDeleted: (t: number) => boolean): void {
  const { data, encoding } = chunk
  if (encoding === ENCODING_XOR) {
    const ts = new Float64Array(countXorChunk(data))
    const values = new Float64Array(ts.length)
    decodeXorChunk(data, ts, values)
    assert.deepEqual(encodeXorChunk(ts, values), data)
    for (const [i, t] of ts.entries()) if (!isDeleted(t)) found.floats.push([t, values[i]!])
    return
  }
  assert.ok(encoding === ENCODING_HISTOGRAM || encoding === ENCODING_FLOAT_HISTOGRAM)
  const decode = encoding === ENCODING_HISTOGRAM ? decodeHistogramChunk : decodeFloatHistogramChunk
  const columns = decode(data, encoding)
  assert.equal(columns.ts[0], chunk.mint)
  assert.equal(columns.ts[columns.size - 1], chunk.maxt)
  assert.deepEqual(
    Buffer.from(encodeAgain(columns)).toString('hex'),
    Buffer.from(data).toString('hex'),
  )
  for (let i = 0; i < columns.size; i++) {
    if (isStale(columns.sums[i]!) || isDeleted(columns.ts[i]!)) continue
    found.histograms.push([columns.ts[i]!, floatHistogramAt(columns, i)])
  }
}

/** Buckets that are not empty, ascending: lower bound, upper bound, count. */
function bucketsOf(histogram: FloatHistogram): [number, number, number][] {
  const { positive, negative, customValues: bounds, schema } = histogram
  const isCustom = schema === CUSTOM_BUCKETS_SCHEMA
  const bound = (index: number): number => {
    if (!isCustom) return 2 ** (index * 2 ** -schema)
    if (index < 0) return Number.NEGATIVE_INFINITY
    return bounds[index] ?? Number.POSITIVE_INFINITY
  }
  const side = (spans: Int32Array, counts: Float64Array): [number, number, number][] => {
    const list: [number, number, number][] = []
    let bucket = 0
    let index = 0
    for (let span = 0; span < spans.length; span += 2) {
      bucket += spans[span]!
      for (let i = spans[span + 1]!; i > 0; i--) {
        list.push([bound(bucket - 1), bound(bucket), counts[index++]!])
        bucket++
      }
    }
    return list
  }
  const below = side(negative.spans, negative.counts).reverse()
  const all = below.map(([low, high, count]): [number, number, number] => [-high, -low, count])
  const { zeroThreshold, zeroCount } = histogram
  if (zeroCount > 0) all.push([-zeroThreshold, zeroThreshold, zeroCount])
  all.push(...side(positive.spans, positive.counts))
  return all.filter(([, , count]) => count !== 0)
}

function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'))
}

/** The same to twelve digits: bounds are printed from other arithmetic. */
function digits(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(12)) + 0 : value
}

function labelText(labels: Labels): string {
  const quote = (value: string): string =>
    `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`
  return `{${labels.map(({ name, value }) => `${name}=${quote(value)}`).join(', ')}}`
}

test("decodes every chunk of Prometheus' blocks to its samples and encodes them to the same bytes", async (context) => {
  const root = sharedPath('conformance/blocks', context)
  if (root === undefined) return
  const folders = readdirSync(root).filter((name) => !name.includes('.'))
  assert.ok(folders.length >= 5)
  let compared = 0
  for (const folder of folders) {
    const text = readFileSync(join(root, folder, 'expected.json'), 'utf8')
    const expected = JSON.parse(text) as Expected
    const found = new Map<string, Found>()
    for (const block of Object.keys(expected.blocks)) {
      const opened = await openBlock(nodeDisk(), join(root, folder, block))
      context.after(() => opened.close())
      for await (const { labels, chunks, deleted } of readSeries(opened)) {
        const name = labelText(labels)
        const series = found.get(name) ?? { floats: [], histograms: [] }
        found.set(name, series)
        const isDeleted = (t: number): boolean =>
          deleted.some((part) => t >= part.mint && t <= part.maxt)
        for (const chunk of chunks) takeChunk(chunk, series, isDeleted)
      }
    }
    for (const series of expected.series) {
      const mine = found.get(series.series)
      assert.ok(mine !== undefined, series.series)
      mine.floats.sort((a, b) => a[0] - b[0])
      mine.histograms.sort((a, b) => a[0] - b[0])
      const samples = series.samples ?? []
      assert.deepEqual(
        mine.floats,
        samples.map(([t, value]) => [t, numberOf(value)]),
        series.series,
      )
      const histograms: [number, FloatHistogram][] = mine.histograms
      const wanted = series.histograms ?? []
      assert.equal(mine.histograms.length, wanted.length, series.series)
      for (const [i, [t, want]] of wanted.entries()) {
        const histogram = histograms[i]![1]
        assert.equal(histograms[i]![0], t)
        assert.equal(histogram.count, numberOf(want.count))
        assert.equal(histogram.sum, numberOf(want.sum))
        assert.deepEqual(
          bucketsOf(histogram).map((bucket) => bucket.map(digits)),
          (want.buckets ?? []).map(([, ...bucket]) => bucket.map(numberOf).map(digits)),
          `${series.series} at ${t}`,
        )
        compared++
      }
      found.delete(series.series)
    }
    for (const [name, left] of found) {
      assert.equal(left.floats.length + left.histograms.length, 0, `${name} is not expected`)
    }
  }
  assert.ok(compared > 500, `${compared} histograms`)
})
