/** Encodings with start times (4, 5, 6), which are only read: chunks put together bit by bit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BitWriter } from '../../../../src/shared/tsdb/chunk/bit-writer.js'
import { decodeFloatHistogramChunk } from '../../../../src/shared/tsdb/chunk/float-histogram.js'
import { decodeHistogramChunk } from '../../../../src/shared/tsdb/chunk/histogram.js'
import {
  EMPTY_LAYOUT,
  ENCODING_FLOAT_HISTOGRAM_ST,
  ENCODING_HISTOGRAM_ST,
  putLayout,
  RESET_GAUGE,
} from '../../../../src/shared/tsdb/chunk/histogram-columns.js'
import { decodeXor2Chunk } from '../../../../src/shared/tsdb/chunk/xor2.js'

function putVarint(writer: BitWriter, value: number): void {
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  while (rest > 127) {
    writer.put((rest % 128) | 128, 8)
    rest = Math.floor(rest / 128)
  }
  writer.put(rest, 8)
}

function putFloat(writer: BitWriter, value: number): void {
  const words = new Uint32Array(new Float64Array([value]).buffer)
  writer.putWide(words[1]!, words[0]!)
}

test('reads XOR2 chunks: joint codes, windows, stale markers, start times', () => {
  const writer = new BitWriter()
  writer.put(6, 16)
  writer.put(0x80 | 3, 8)
  putVarint(writer, 1_000_000)
  putFloat(writer, 1)
  putVarint(writer, 1000)
  // Sample 1: 15 s later, the same value (code A `0`).
  writer.put((15_000 % 128) | 128, 8)
  writer.put(117, 8)
  writer.put(0, 1)
  // Sample 2: same distance, 2.0: a new window. 1 XOR 2 = 0x7ff0…: 1 leading zero, 11 bits.
  writer.put(0b10, 2)
  writer.put(1, 1)
  writer.put(1, 5)
  writer.put(11, 6)
  writer.put(0x7ff, 11)
  // Sample 3: 10 ms later than due, stale; start time = time of sample 2 less 500.
  writer.put(0b110, 3)
  writer.put(10, 13)
  writer.put(0b111, 3)
  writer.putInt(500)
  // Sample 4: at that distance, back at 1.0 in the same window.
  writer.put(0b10, 2)
  writer.put(0, 1)
  writer.put(0x7ff, 11)
  writer.putInt(-100)
  // Sample 5: 70 s less, unchanged.
  writer.put(0b1110, 4)
  writer.put(-70_000 & 0xfffff, 20)
  writer.put(0, 1)
  writer.putInt(0)
  const { ts, values, starts } = decodeXor2Chunk(writer.bytes())
  assert.deepEqual([...ts], [1_000_000, 1_015_000, 1_030_000, 1_045_010, 1_060_020, 1_005_030])
  assert.deepEqual([...values], [1, 1, 2, Number.NaN, 1, 1])
  assert.equal(new BigUint64Array(values.buffer)[3], 0x7ff0000000000002n)
  assert.deepEqual(
    [...starts],
    [999_000, 999_000, 999_000, 1_029_500, 1_045_010 - 400, 1_060_020 - 400],
  )
  assert.throws(() => decodeXor2Chunk(writer.bytes().subarray(0, 20)), { id: 'chunk-corrupt' })
})

for (const isFloat of [false, true]) {
  test(`reads start times of histograms with ${isFloat ? 'float' : 'whole'} counts`, () => {
    const layout = { ...EMPTY_LAYOUT, schema: 3, positiveSpans: Int32Array.of(0, 1) }
    const writer = new BitWriter()
    writer.put(RESET_GAUGE, 8)
    writer.put(2, 8)
    writer.put(0x80 | 1, 8)
    putLayout(writer, layout)
    writer.putInt(5000)
    for (const value of [4, 1]) {
      if (isFloat) putFloat(writer, value)
      else writer.putUint(value)
    }
    putFloat(writer, 2.5)
    if (isFloat) putFloat(writer, 3)
    else writer.putInt(3)
    putVarint(writer, 4000)
    writer.putInt(1000)
    // Count, zero count, sum and the bucket unchanged.
    writer.put(0, 4)
    writer.putInt(4100)
    const chunk = writer.bytes()
    const columns = isFloat
      ? decodeFloatHistogramChunk(chunk, ENCODING_FLOAT_HISTOGRAM_ST)
      : decodeHistogramChunk(chunk, ENCODING_HISTOGRAM_ST)
    assert.equal(columns.reset, RESET_GAUGE)
    assert.deepEqual([...columns.ts], [5000, 6000])
    assert.deepEqual([...columns.starts!], [1000, 900])
    assert.deepEqual([...columns.counts], [4, 4])
    assert.deepEqual([...columns.buckets], [3, 3])
  })
}
