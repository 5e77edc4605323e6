import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_HISTOGRAM, type FloatHistogram } from '../../../../src/shared/model/histogram.js'
import { isStale, writeStale } from '../../../../src/shared/model/stale.js'
import { encodeSamples } from '../../../../src/shared/tsdb/chunk/encode-samples.js'
import { decodeFloatHistogramChunk } from '../../../../src/shared/tsdb/chunk/float-histogram.js'
import { floatHistogramAt } from '../../../../src/shared/tsdb/chunk/histogram-columns.js'
import { decodeXorChunk } from '../../../../src/shared/tsdb/chunk/xor.js'

function histogram(count: number, hint: FloatHistogram['counterResetHint']): FloatHistogram {
  const spans = Int32Array.of(0, 2)
  const counts = Float64Array.of(count, count / 2)
  return { ...EMPTY_HISTOGRAM, counterResetHint: hint, count, positive: { spans, counts } }
}

test('floats come back from chunks of 120, stale markers with their bits', () => {
  const ts = Float64Array.from({ length: 300 }, (_, i) => i * 15_000 + (i % 7))
  const values = Float64Array.from(ts, (_, i) => Math.cos(i) * 1e6)
  writeStale(values, 299)
  const chunks = encodeSamples({ ts, values, count: 300 })
  assert.deepEqual(
    chunks.map(({ mint, maxt, encoding }) => [mint, maxt, encoding]),
    [0, 120, 240].map((from) => [ts[from], ts[Math.min(from + 119, 299)], 1]),
  )
  let at = 0
  for (const { data } of chunks) {
    const [outTs, out] = [new Float64Array(120), new Float64Array(120)]
    const count = decodeXorChunk(data, outTs, out)
    for (let i = 0; i < count; i++, at++) {
      assert.equal(outTs[i], ts[at])
      if (at < 299) assert.equal(out[i], values[at])
    }
    if (at === 300) assert.ok(isStale(out[count - 1]!))
  }
  assert.equal(at, 300)
})

test('floats, layouts, gauges and resets begin chunks of their own', () => {
  const wide = { ...histogram(4, 'unknown'), schema: 2 }
  const cells: (FloatHistogram | undefined)[] = [
    undefined,
    histogram(1, 'unknown'),
    histogram(2, 'not_reset'),
    histogram(1, 'reset'),
    histogram(5, 'not_reset'),
    wide,
    histogram(4, 'gauge'),
    undefined,
    undefined,
  ]
  const ts = Float64Array.from(cells, (_, i) => i * 1000)
  const values = new Float64Array(cells.length).fill(7)
  const chunks = encodeSamples({ ts, values, count: cells.length, histograms: cells })
  assert.deepEqual(
    chunks.map(({ mint, maxt, encoding }) => `${encoding}: ${mint / 1000}-${maxt / 1000}`),
    ['1: 0-0', '3: 1-2', '3: 3-4', '3: 5-5', '3: 6-6', '1: 7-8'],
  )
  const columns = decodeFloatHistogramChunk(chunks[1]!.data, 3)
  assert.deepEqual(
    [0, 1].map((i) => floatHistogramAt(columns, i)),
    [histogram(1, 'unknown'), histogram(2, 'not_reset')],
  )
  const gauge = decodeFloatHistogramChunk(chunks[4]!.data, 3)
  assert.equal(floatHistogramAt(gauge, 0).counterResetHint, 'gauge')
})
