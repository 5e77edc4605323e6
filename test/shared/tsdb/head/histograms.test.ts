/** Histograms in a head: chunks cut as Prometheus cuts them, read back with the floats around them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CounterResetHint, IntHistogram } from '../../../../src/shared/model/histogram.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { decodeHistogramChunk } from '../../../../src/shared/tsdb/chunk/histogram.js'
import {
  ENCODING_HISTOGRAM,
  RESET_GAUGE,
  RESET_NOT,
  RESET_UNKNOWN,
  RESET_YES,
} from '../../../../src/shared/tsdb/chunk/histogram-columns.js'
import { type Head, HeadReader, type ReadBuffer } from '../../../../src/shared/tsdb/index.js'
import { createTestHead, headModule } from '../../../support/head-source.js'

const T0 = 1_700_006_400_000

/** A histogram of buckets at given indexes. */
function histogramOf(
  counts: Record<number, number>,
  hint: CounterResetHint = 'unknown',
): IntHistogram {
  const indexes = Object.keys(counts)
    .map(Number)
    .sort((a, b) => a - b)
  const spans: number[] = []
  const deltas: number[] = []
  let next = 0
  let before = 0
  let count = 0
  for (const index of indexes) {
    spans.push(index - next, 1)
    next = index + 1
    deltas.push(counts[index]! - before)
    before = counts[index]!
    count += before
  }
  return {
    counterResetHint: hint,
    schema: 1,
    zeroThreshold: 0.001,
    zeroCount: 0,
    count,
    sum: count * 2,
    positive: { spans: Int32Array.from(spans), deltas: Float64Array.from(deltas) },
    negative: { spans: new Int32Array(0), deltas: new Float64Array(0) },
    customValues: new Float64Array(0),
  }
}

const STALE = (): IntHistogram => {
  const sum = new Float64Array(1)
  new BigUint64Array(sum.buffer)[0] = 0x7ff0000000000002n
  return { ...histogramOf({}), sum: sum[0]! }
}

const NO_WINDOW = {
  inOrder: Number.NEGATIVE_INFINITY,
  outOfOrder: Number.POSITIVE_INFINITY,
  behind: Number.POSITIVE_INFINITY,
}

function append(head: Head, ref: number, t: number, histogram: IntHistogram): string {
  const outcome = head.histograms.check(ref, t, histogram, NO_WINDOW)
  if (outcome === 'accepted') assert.ok(head.histograms.append(ref, t, histogram))
  return outcome
}

function resetsOf(head: Head, ref: number): number[] {
  return head.histograms.chunks(ref).map(({ encoding, bytes }) => {
    assert.equal(encoding, ENCODING_HISTOGRAM)
    return decodeHistogramChunk(Uint8Array.from(bytes), encoding).reset
  })
}

function read(head: Head, ref: number, mint = 0, maxt = 1e15): ReadBuffer {
  const reader = new HeadReader(head.view.memory, headModule(), 0)
  const out: ReadBuffer = {
    ts: new Float64Array(0),
    values: new Float64Array(0),
    count: 0,
    histograms: undefined,
  }
  reader.read(ref, mint, maxt, out)
  return out
}

function start(): { head: Head; ref: number } {
  const head = createTestHead()
  return { head, ref: head.getOrCreate('acme', labelsOf({ __name__: 'h' })) }
}

test('widens an open chunk for new buckets and keeps empty ones that are not sent', () => {
  const { head, ref } = start()
  assert.equal(append(head, ref, T0, histogramOf({ 1: 2, 2: 0 })), 'accepted')
  append(head, ref, T0 + 1, histogramOf({ 1: 2, 4: 3 }))
  append(head, ref, T0 + 2, histogramOf({ '-3': 1, 1: 2, 4: 3 } as Record<number, number>))
  assert.deepEqual(resetsOf(head, ref), [RESET_UNKNOWN])
  const { histograms } = read(head, ref)
  assert.deepEqual(
    histograms!.map((histogram) => [...histogram!.positive.counts]),
    [
      [0, 2, 0, 0],
      [0, 2, 0, 3],
      [1, 2, 0, 3],
    ],
  )
})

test('cuts a chunk at a counter reset, a gauge, another layout, a boundary, after a stale marker', () => {
  const { head, ref } = start()
  append(head, ref, T0, histogramOf({ 1: 5 }))
  append(head, ref, T0 + 1, histogramOf({ 1: 4 }))
  append(head, ref, T0 + 2, histogramOf({ 2: 9 }))
  append(head, ref, T0 + 3, histogramOf({ 2: 9 }, 'reset'))
  append(head, ref, T0 + 4, histogramOf({ 2: 9 }, 'gauge'))
  append(head, ref, T0 + 5, histogramOf({ 2: 1 }, 'gauge'))
  append(head, ref, T0 + 6, { ...histogramOf({ 2: 10 }), schema: 2 })
  append(head, ref, T0 + 7, STALE())
  append(head, ref, T0 + 8, { ...histogramOf({ 2: 11 }), schema: 2 })
  append(head, ref, T0 + 7_200_000, { ...histogramOf({ 2: 12 }), schema: 2 })
  assert.deepEqual(resetsOf(head, ref), [
    RESET_UNKNOWN,
    RESET_YES,
    RESET_YES,
    RESET_YES,
    RESET_GAUGE,
    RESET_UNKNOWN,
    RESET_UNKNOWN,
    RESET_NOT,
  ])
  const { count, histograms, values } = read(head, ref)
  assert.equal(count, 10)
  assert.equal(histograms![7], undefined)
  assert.equal(new BigUint64Array(values.buffer)[7], 0x7ff0000000000002n)
})

test('aims at 1,024 bytes with at least ten samples', () => {
  const { head, ref } = start()
  for (let i = 0; i < 400; i++) {
    const counts = Object.fromEntries(
      Array.from({ length: 20 }, (_, b) => [b, i * (b + 60) + ((i * (b + 3) * 7919) % 53)]),
    )
    append(head, ref, T0 + i * 1000, histogramOf(counts))
  }
  const chunks = head.histograms.chunks(ref)
  assert.ok(chunks.length > 3)
  for (const { bytes } of chunks.slice(0, -1))
    assert.ok(bytes.length >= 1024 && bytes.length < 1400)
  const { count, ts } = read(head, ref, T0 + 100_000, T0 + 199_000)
  assert.deepEqual([count, ts[0], ts[99]], [100, T0 + 100_000, T0 + 199_000])
})

test('takes floats and histograms by turns in one series', () => {
  const { head, ref } = start()
  const kinds: string[] = []
  for (let i = 0; i < 60; i++) {
    const isFloat = i % 20 < 7
    kinds.push(isFloat ? 'float' : 'histogram')
    if (isFloat) assert.equal(head.appendSample(ref, T0 + i, i), 'appended')
    else assert.equal(append(head, ref, T0 + i, histogramOf({ 1: i })), 'accepted')
  }
  const { count, ts, values, histograms } = read(head, ref)
  assert.equal(count, 60)
  for (let i = 0; i < 60; i++) {
    assert.equal(ts[i], T0 + i)
    const isFloat = histograms![i] === undefined
    assert.equal(isFloat ? 'float' : 'histogram', kinds[i])
    assert.equal(isFloat ? values[i] : histograms![i]!.count, i)
  }
  assert.equal(head.histograms.chunks(ref).length, 3)
  assert.equal(head.appendSample(ref, T0 + 59, 1), 'duplicate')
  assert.equal(head.appendSample(ref, T0 + 20, 1), 'out-of-order')
})

test('refuses late histograms, and takes a repeated one in silence', () => {
  const { head, ref } = start()
  append(head, ref, T0, histogramOf({ 1: 1 }))
  append(head, ref, T0 + 5, histogramOf({ 1: 2 }))
  assert.equal(append(head, ref, T0, histogramOf({ 1: 1 })), 'repeated')
  assert.equal(append(head, ref, T0 + 5, histogramOf({ 1: 3 })), 'duplicate')
  assert.equal(append(head, ref, T0 + 4, histogramOf({ 1: 3 })), 'out-of-order')
  assert.equal(
    head.histograms.check(ref, T0 + 6, histogramOf({ 1: 3 }), { ...NO_WINDOW, inOrder: T0 + 7 }),
    'too-old',
  )
  assert.deepEqual(head.select('acme', [], T0 + 5, T0 + 6), Uint32Array.of(ref))
  assert.deepEqual(head.select('acme', [], T0 + 6, T0 + 7), new Uint32Array(0))
})

test('of what is behind its tenant it takes late what is in the order of its series', () => {
  const { head, ref } = start()
  const oldest = { inOrder: T0 + 100, outOfOrder: Number.POSITIVE_INFINITY, behind: T0 }
  append(head, ref, T0 + 10, histogramOf({ 1: 10 }))
  const check = (t: number): string =>
    head.histograms.check(ref, t, histogramOf({ 1: t - T0 }), oldest)
  assert.equal(check(T0 + 9), 'too-old')
  assert.equal(check(T0 + 30), 'late')
  assert.equal(head.histograms.appendLate(ref, T0 + 30, histogramOf({ 1: 30 })), 'stored')
  assert.equal(check(T0 + 20), 'too-old')
  assert.equal(check(T0 + 30), 'repeated')
  assert.equal(check(T0 + 31), 'late')
  assert.equal(check(T0 + 100), 'accepted')
  assert.equal(check(T0 + 99), 'too-old')
})

test('takes late histograms within the window, one at a time, and reads them in their place', () => {
  const { head, ref } = start()
  const { histograms } = head
  append(head, ref, T0 + 10, histogramOf({ 1: 10 }))
  assert.equal(head.appendSample(ref, T0 + 20, 20), 'appended')
  append(head, ref, T0 + 30, histogramOf({ 1: 2 }))
  const window = {
    inOrder: Number.NEGATIVE_INFINITY,
    outOfOrder: T0,
    behind: Number.POSITIVE_INFINITY,
  }
  const check = (t: number, count: number): string =>
    histograms.check(ref, t, histogramOf({ 1: count }), window)
  assert.equal(check(T0 - 1, 1), 'too-old')
  for (const t of [T0 + 25, T0, T0 + 20]) {
    assert.equal(check(t, 7), 'late')
    assert.equal(histograms.appendLate(ref, t, histogramOf({ 1: 7 })), 'stored')
    assert.equal(check(t, 7), 'repeated')
    assert.equal(check(t, 8), 'repeated', 'the first value stays')
    assert.equal(histograms.appendLate(ref, t, histogramOf({ 1: 8 })), 'taken')
  }
  // A closed chunk is looked at as well: the reset at +30 cut it.
  assert.equal(check(T0 + 10, 10), 'repeated')
  assert.equal(append(head, ref, T0 + 10, histogramOf({ 1: 10 })), 'repeated')
  const out = read(head, ref)
  const rows = Array.from({ length: out.count }, (_, i) => [
    out.ts[i]! - T0,
    out.histograms![i]?.count ?? out.values[i],
  ])
  assert.deepEqual(rows, [
    [0, 7],
    [10, 10],
    [20, 20],
    [25, 7],
    [30, 2],
  ])
  assert.equal(read(head, ref, T0 + 24, T0 + 26).count, 1)
  assert.deepEqual(head.select('acme', [], T0 + 24, T0 + 26), Uint32Array.of(ref))
  assert.deepEqual(head.select('acme', [], T0 + 11, T0 + 19), new Uint32Array(0))
})
