/** Cached columns beside the reader they come from: equal whatever is asked, appended and evicted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CachedColumns, ColumnCache } from '../../../src/actors/querier/column-cache.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { STALE_HIGH, STALE_LOW } from '../../../src/shared/model/stale.js'
import type { SampleBuffer } from '../../../src/shared/promql/index.js'
import { type Head, HeadReader } from '../../../src/shared/tsdb/index.js'
import { createTestHead, headModule } from '../../support/head-source.js'

const SERIES = 20

interface Bed {
  readonly head: Head
  readonly reader: HeadReader
  readonly cache: ColumnCache
  readonly columns: CachedColumns
}

function bedOf(bytesMax: number): Bed {
  const head = createTestHead()
  for (let i = 0; i < SERIES; i++) {
    assert.equal(head.getOrCreate('t', labelsOf({ __name__: 'm', i: `${i}` })), i)
  }
  const reader = new HeadReader(head.view.memory, headModule(), 0)
  const cache = new ColumnCache(bytesMax)
  return { head, reader, cache, columns: cache.over(reader) }
}

function bufferOf(): SampleBuffer {
  return { ts: new Float64Array(0), values: new Float64Array(0), count: 0, histograms: undefined }
}

/** Times and bits, since stale markers are to keep theirs. */
function bitsOf({ ts, values, count }: SampleBuffer): unknown {
  return [ts.slice(0, count), new BigUint64Array(values.slice(0, count).buffer)]
}

function assertEqual(bed: Bed, ref: number, mint: number, maxt: number, out: SampleBuffer): void {
  const expected = bufferOf()
  bed.reader.read(ref, mint, maxt, expected)
  out.hasNoResets = false
  bed.columns.read(ref, mint, maxt, out)
  assert.deepEqual(bitsOf(out), bitsOf(expected), `series ${ref} from ${mint} to ${maxt}`)
  if (out.hasNoResets) assertRising(out)
}

/** No value is below the one before it, stale markers left out. */
function assertRising({ values, count }: SampleBuffer): void {
  const real = values.slice(0, count).filter((value) => !Number.isNaN(value))
  assert.ok(real.every((value, k) => k === 0 || value >= real[k - 1]!))
}

function appendStale(head: Head, ref: number, t: number): void {
  const value = new Float64Array(1)
  new Uint32Array(value.buffer).set([STALE_LOW, STALE_HIGH])
  assert.equal(head.appendColumns(ref, Float64Array.of(t), value), 'appended')
}

test('gives what the reader gives while series grow, whatever the budget', () => {
  for (const bytesMax of [0, 6_000, 40_000, 1 << 24]) {
    const bed = bedOf(bytesMax)
    const prng = new SeededPrng(7)
    const out = bufferOf()
    const last = new Array<number>(SERIES).fill(0)
    const counters = new Array<number>(SERIES).fill(0)
    let rising = 0
    let heldMost = 0
    for (let round = 0; round < 3000; round++) {
      if (round % 10 === 0) bed.cache.beginQuery()
      const ref = prng.nextU32() % SERIES
      for (let k = prng.nextU32() % 8; k > 0; k--) {
        last[ref]! += 1 + (prng.nextU32() % 20_000)
        if (prng.nextU32() % 40 === 0 && ref < 4) appendStale(bed.head, ref, last[ref]!)
        else {
          // Some are counters that seldom begin anew.
          const isReset = ref % 2 === 0 || prng.nextU32() % 200 === 0
          counters[ref] = isReset ? prng.nextU32() : counters[ref]! + prng.below(9)
          assert.equal(bed.head.appendSample(ref, last[ref]!, counters[ref]!), 'appended')
        }
      }
      const of = prng.nextU32() % SERIES
      const mint = prng.nextU32() % (last[of]! + 1000)
      const maxt = prng.nextU32() % 3 === 0 ? last[of]! + 1000 : mint + (prng.nextU32() % 500_000)
      assertEqual(bed, of, mint, maxt, out)
      if (out.hasNoResets === true && out.count > 9) rising++
      heldMost = Math.max(heldMost, bed.cache.bytesHeld())
      assert.ok(bed.cache.bytesHeld() <= bytesMax, `${bed.cache.bytesHeld()} bytes of ${bytesMax}`)
    }
    assert.equal(heldMost > 0, bytesMax > 0)
    assert.ok(rising > 0)
    bed.columns.dropAll()
    assert.equal(bed.cache.bytesHeld(), 0)
  }
})

test('keeps a series from the second time on and does not decode it again', () => {
  const bed = bedOf(1 << 20)
  for (let i = 0; i < 500; i++) bed.head.appendSample(0, i * 1000, i)
  const out = bufferOf()
  bed.columns.read(0, 0, 1e9, out)
  assert.equal(bed.cache.bytesHeld(), 0)
  bed.columns.read(0, 0, 1e9, out)
  const { ts } = out
  bed.columns.read(0, 0, 1e9, out)
  assert.equal(out.ts, ts)
  bed.head.appendSample(0, 500_000, 1)
  bed.columns.read(0, 0, 1e9, out)
  assert.equal(out.ts, ts, 'appended to the same column')
  assert.equal(out.count, 501)
})

test('columns that were given out are never written to', () => {
  const bed = bedOf(1 << 20)
  for (let i = 0; i < 300; i++) {
    bed.head.appendSample(0, i * 1000, i)
    bed.head.appendSample(1, i * 1000, -i)
  }
  const out = bufferOf()
  for (let i = 0; i < 3; i++) bed.columns.read(0, 0, 1e9, out)
  // Not kept yet: read through the same buffer.
  bed.columns.read(1, 0, 1e9, out)
  assertEqual(bed, 0, 0, 1e9, bufferOf())
})

test('series with samples out of order are read each time', () => {
  const bed = bedOf(1 << 20)
  const { head } = bed
  for (let i = 0; i < 50; i++) head.appendSample(0, i * 1000, i)
  const out = bufferOf()
  for (let i = 0; i < 3; i++) assertEqual(bed, 0, 0, 1e9, out)
  assert.ok(bed.cache.bytesHeld() > 0)
  head.refs[0] = 0
  head.times[0] = 10_500
  head.values[0] = 77
  head.kernel.clearCounts()
  head.kernel.check(
    0,
    1,
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  )
  head.kernel.appendOutOfOrder(0, head.outOfOrderCount())
  for (let i = 0; i < 3; i++) assertEqual(bed, 0, 0, 1e9, out)
  assert.equal(out.count, 51)
  assert.equal(bed.cache.bytesHeld(), 0)
})

/** Reads with the same shared times and as many samples are to have the same times. */
function assertShared(
  out: SampleBuffer,
  mint: number,
  seen: Map<Float64Array, Float64Array>,
): void {
  if (out.times === undefined) return
  const ts = out.ts.slice(0, out.count)
  assert.deepEqual(out.times.subarray(out.times.indexOf(ts[0]!)).subarray(0, out.count), ts)
  if (mint !== 0) return
  const known = seen.get(out.times)
  if (known?.length === ts.length) assert.deepEqual(ts, known)
  seen.set(out.times, ts)
}

test('series that are scraped together share their times until one goes its own way', () => {
  for (const bytesMax of [30_000, 60_000, 1 << 20]) {
    const bed = bedOf(bytesMax)
    const prng = new SeededPrng(3)
    const out = bufferOf()
    const last = new Array<number>(SERIES).fill(0)
    const seen = new Map<Float64Array, Float64Array>()
    let sharing = 0
    let now = 0
    for (let round = 0; round < 600; round++) {
      bed.cache.beginQuery()
      now += 15_000 + prng.below(3)
      for (let ref = 0; ref < SERIES; ref++) {
        // Two targets; now and then a series misses a scrape, or is a millisecond late for good.
        if (prng.below(60) === 0) continue
        const late = ref % 10 === 9 && round > 300 ? 1 : 0
        last[ref] = now + (ref % 2) * 7 + late
        assert.equal(bed.head.appendSample(ref, last[ref]!, prng.below(1000)), 'appended')
      }
      for (let k = 0; k < 8; k++) {
        const mint = prng.below(4) === 0 ? prng.below(now) : 0
        out.times = undefined
        assertEqual(bed, prng.below(SERIES), mint, prng.below(3) === 0 ? now : 1e12, out)
        if (out.count > 0) assertShared(out, mint, seen)
      }
      sharing = Math.max(sharing, seen.size)
      assert.ok(bed.cache.bytesHeld() <= bytesMax, `${bed.cache.bytesHeld()} bytes of ${bytesMax}`)
    }
    assert.ok(sharing > 0)
    bed.columns.dropAll()
    assert.equal(bed.cache.bytesHeld(), 0)
  }
})

test('shared times are held once', () => {
  const bed = bedOf(1 << 20)
  for (let i = 0; i < 500; i++) {
    for (let ref = 0; ref < SERIES; ref++) bed.head.appendSample(ref, i * 1000, ref)
  }
  const outs = Array.from({ length: SERIES }, () => bufferOf())
  for (let k = 0; k < 2; k++) {
    for (let ref = 0; ref < SERIES; ref++) bed.columns.read(ref, 0, 1e9, outs[ref]!)
  }
  assert.ok(outs.every(({ ts }) => ts === outs[0]!.ts))
  assert.ok(outs.slice(1).every(({ times }) => times === outs[0]!.ts))
  assert.ok(bed.cache.bytesHeld() < (SERIES + 1) * 532 * 8 + SERIES * 500)
})
