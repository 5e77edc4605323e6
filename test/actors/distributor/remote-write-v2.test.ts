/** Remote write 2.0 and histograms through a distributor: requests put together field by field. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compressSync } from 'snappy'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { BODY_V2, findHistogram } from '../../../src/shared/wire/frames/index.js'
import { bitsOf, Fixture } from './fixture.js'

const NOW = 1_700_000_000_000

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}

function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes])
}

function whole(number: number, value: number): Buffer {
  return Buffer.concat([varint(number * 8), varint(value)])
}

function float(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return Buffer.concat([varint(number * 8 + 1), bytes])
}

const SYMBOLS = ['', '__name__', 'up', 'job', 'a', 'b', 'latency', 'A help text', 'seconds']

function request(series: readonly Buffer[], symbols: readonly string[] = SYMBOLS): Buffer {
  const strings = symbols.map((symbol) => field(4, Buffer.from(symbol)))
  return compressSync(Buffer.concat([...strings, ...series.map((one) => field(5, one))]))
}

function refs(...list: number[]): Buffer {
  return field(1, Buffer.concat(list.map(varint)))
}

function sample(t: number, value: number): Buffer {
  return field(2, Buffer.concat([float(1, value), whole(2, t)]))
}

const HISTOGRAM = field(
  3,
  Buffer.concat([
    whole(1, 6),
    float(3, 12.5),
    whole(4, 2),
    float(5, 0.001),
    whole(6, 1),
    field(11, Buffer.concat([whole(1, 2), whole(2, 2)])),
    field(12, Buffer.from([4, 2])),
    whole(15, NOW),
  ]),
)

test('finds the same series in every body, whatever numbers its symbols have', () => {
  const fixture = new Fixture()
  const first = request([
    Buffer.concat([refs(1, 2, 3, 4), sample(NOW - 2, 1)]),
    Buffer.concat([refs(1, 2, 3, 5), sample(NOW - 2, 2)]),
  ])
  assert.equal(fixture.push(first, 'acme', BODY_V2).status, 200)
  const symbols = ['', 'b', 'a', 'job', 'up', '__name__']
  const second = request(
    [
      Buffer.concat([refs(5, 4, 3, 2), sample(NOW - 1, 3)]),
      Buffer.concat([refs(5, 4, 3, 1), sample(NOW - 1, 4), sample(NOW, 5)]),
    ],
    symbols,
  )
  const answer = fixture.push(second, 'acme', BODY_V2)
  assert.deepEqual(answer.written, { samples: 3, histograms: 0, exemplars: 0 })
  const { samples, defineCounts } = fixture.shards[0]!
  assert.deepEqual([...samples.keys()].sort(), ['acme|__name__=up,job=a', 'acme|__name__=up,job=b'])
  assert.equal(samples.get('acme|__name__=up,job=b')!.length, 3)
  assert.deepEqual([...defineCounts.values()], [1, 1])
})

test('tells labels apart that are the same texts otherwise paired, in any order', () => {
  const fixture = new Fixture()
  const symbols = ['', '__name__', 'up', 'job', 'a', 'b', 'zone']
  const push = (...series: number[][]) => {
    const rows = series.map((list, i) => Buffer.concat([refs(...list), sample(NOW + i, i)]))
    assert.equal(fixture.push(request(rows, symbols), 'acme', BODY_V2).status, 200)
  }
  // The value `a` stands for another label by turns; a value may be the name of another label.
  push(
    [1, 2, 3, 4, 6, 5],
    [1, 2, 3, 5, 6, 4],
    [1, 2, 3, 4],
    [1, 2, 6, 4],
    [1, 2, 3, 6],
    [1, 2, 6, 3],
  )
  push([6, 5, 3, 4, 1, 2], [3, 5, 6, 4, 1, 2], [3, 4, 1, 2], [6, 4, 1, 2])
  const { samples, defineCounts } = fixture.shards[0]!
  assert.deepEqual(
    [...samples].map(([key, list]) => `${key} ${list.length}`),
    [
      'acme|__name__=up,job=a,zone=b 2',
      'acme|__name__=up,job=b,zone=a 2',
      'acme|__name__=up,job=a 2',
      'acme|__name__=up,zone=a 2',
      'acme|__name__=up,job=zone 1',
      'acme|__name__=up,zone=job 1',
    ],
  )
  assert.deepEqual([...defineCounts.values()], [1, 1, 1, 1, 1, 1])
})

test('sends histograms and metadata of series on', () => {
  const fixture = new Fixture()
  const metadata = field(5, Buffer.concat([whole(1, 3), whole(3, 7), whole(4, 8)]))
  const body = request([Buffer.concat([refs(1, 6), HISTOGRAM, metadata])])
  const answer = fixture.push(body, 'acme', BODY_V2)
  assert.deepEqual([answer.status, answer.text], [200, ''])
  assert.deepEqual(answer.written, { samples: 0, histograms: 1, exemplars: 0 })
  const { records, metadata: entries } = fixture.shards[0]!
  assert.deepEqual(entries, [{ type: 3, metric: 'latency', help: 'A help text', unit: 'seconds' }])
  const { histogram } = findHistogram(records[0]!.kind, records[0]!.payload)!
  assert.equal(records[0]!.t, NOW)
  assert.equal(histogram.count, 6)
  assert.equal(histogram.schema, 1)
  assert.deepEqual([...histogram.positive.spans], [1, 2])
  assert.deepEqual('deltas' in histogram.positive && [...histogram.positive.deltas], [2, 1])
})

test('sends the metadata of a metric once, however many series say the same', () => {
  const fixture = new Fixture()
  const about = (help: number) => field(5, Buffer.concat([whole(1, 1), whole(3, help)]))
  const push = (tenant: string, ...series: Buffer[]) => {
    assert.equal(fixture.push(request(series), tenant, BODY_V2).status, 200)
    return fixture.shards[0]!.metadata.splice(0).map(({ metric, help }) => [metric, help])
  }
  const a = Buffer.concat([refs(1, 2, 3, 4), sample(NOW, 1)])
  const b = Buffer.concat([refs(3, 5, 1, 2), sample(NOW, 1)])
  const other = Buffer.concat([refs(1, 6, 3, 4), sample(NOW, 1)])
  const first = Buffer.concat([a, about(7)])
  assert.deepEqual(push('acme', first, Buffer.concat([b, about(7)])), [['up', 'A help text']])
  assert.deepEqual(push('acme', Buffer.concat([other, about(7)])), [['latency', 'A help text']])
  assert.deepEqual(push('other', first), [['up', 'A help text']])
  assert.deepEqual(push('acme', Buffer.concat([b, about(8)])), [['up', 'seconds']])
})

for (const [what, body, status] of [
  ['a reference out of range', request([Buffer.concat([refs(1, 99), sample(NOW, 1)])]), 400],
  [
    'a reference that goes on past its field',
    request([Buffer.concat([field(1, Buffer.from([1, 2, 3, 0x84])), sample(NOW, 1)])]),
    400,
  ],
  ['an odd number of references', request([Buffer.concat([refs(1, 2, 3), sample(NOW, 1)])]), 400],
  ['a first symbol that is not empty', request([], ['x']), 400],
  ['no series', request([]), 200],
] as const) {
  test(`answers ${status} to ${what}`, () => {
    const fixture = new Fixture()
    const answer = fixture.push(body, 'acme', BODY_V2)
    assert.equal(answer.status, status)
    assert.equal(fixture.shards[0]!.samples.size, 0)
  })
}

test('refuses a histogram whose count is not the sum of its buckets, and stores the rest', () => {
  const fixture = new Fixture()
  const wrong = field(3, Buffer.concat([whole(1, 7), whole(6, 1), whole(15, NOW)]))
  const body = request([
    Buffer.concat([refs(1, 6), wrong]),
    Buffer.concat([refs(1, 2), sample(NOW, 1)]),
  ])
  const answer = fixture.push(body, 'acme', BODY_V2)
  assert.equal(answer.status, 400)
  assert.match(answer.text, /err-mimir-native-histogram-count-mismatch/)
  assert.deepEqual(answer.written, { samples: 1, histograms: 0, exemplars: 0 })
})

const START_OF_COUNT = NOW - 5_000
/** A start stands half a millisecond after its time. */
const startAt = (t: number): string => `${t + 0.5}:0`

test('tells where counting began ahead of the first sample after it, and counts no sample for it', () => {
  const fixture = new Fixture()
  const created = whole(6, START_OF_COUNT)
  const metadata = field(5, Buffer.concat([whole(1, 1), whole(3, 7)]))
  const body = request([
    Buffer.concat([refs(1, 2, 3, 4), sample(NOW - 2, 1), created]),
    Buffer.concat([refs(1, 2, 3, 5), sample(NOW - 2, 1), metadata, created]),
    Buffer.concat([refs(1, 2, 3, 6), sample(START_OF_COUNT, 1), sample(NOW - 1, 2), created]),
    Buffer.concat([refs(1, 2, 5, 4), sample(START_OF_COUNT, 1), created]),
    Buffer.concat([
      refs(1, 2, 5, 5),
      field(2, Buffer.concat([float(1, 4), whole(2, NOW), whole(3, NOW - 7)])),
    ]),
  ])
  // A second time the series are as predicted.
  for (let round = 0; round < 2; round++) {
    const answer = fixture.push(body, 'acme', BODY_V2)
    assert.deepEqual(answer.written, { samples: 6, histograms: 0, exemplars: 0 })
    const { samples } = fixture.shards[0]!
    const of = (labels: string): string[] => samples.get(`acme|__name__=up,${labels}`)!
    const one = `${NOW - 2}:${bitsOf(1)}`
    assert.deepEqual(of('job=a').splice(0), [startAt(START_OF_COUNT), one])
    assert.deepEqual(of('job=b').splice(0), [startAt(START_OF_COUNT), one])
    const others = [
      `${START_OF_COUNT}:${bitsOf(1)}`,
      startAt(START_OF_COUNT),
      `${NOW - 1}:${bitsOf(2)}`,
    ]
    assert.deepEqual(of('job=latency').splice(0), others)
    assert.deepEqual(of('b=a').splice(0), [`${START_OF_COUNT}:${bitsOf(1)}`])
    assert.deepEqual(of('b=b').splice(0), [startAt(NOW - 7), `${NOW}:${bitsOf(4)}`])
  }
  assert.equal(fixture.env.metrics.value('cortex_distributor_received_samples_total', 'acme'), 12)
})

test('drops a start with the sample that it belongs to', () => {
  const fixture = new Fixture({ limits: { creation_grace_period: 60_000 } })
  const created = whole(6, START_OF_COUNT)
  const body = request([
    Buffer.concat([refs(1, 2, 3, 4), sample(NOW + 3_600_000, 1), created]),
    Buffer.concat([refs(2, 2, 3, 4), sample(NOW, 1), created]),
    Buffer.concat([refs(1, 2, 3, 5), sample(NOW, 1), created]),
  ])
  const answer = fixture.push(body, 'acme', BODY_V2)
  assert.deepEqual([answer.status, answer.rejected], [400, 2])
  assert.deepEqual(answer.written, { samples: 1, histograms: 0, exemplars: 0 })
  const { samples } = fixture.shards[0]!
  assert.deepEqual([...samples.keys()], ['acme|__name__=up,job=b'])
})

test('takes series with starts over chunks that fill up between them', () => {
  const fixture = new Fixture({ frameRing: 1 << 14 })
  const list = Array.from({ length: 40 }, (_, i) => sample(NOW - 4_000 + i, i))
  const series: Buffer[] = []
  for (let i = 0; i < 60; i++) {
    const symbols = refs(1, 2, 3, 9 + i)
    series.push(Buffer.concat([symbols, ...list.slice(0, 1 + (i % 40)), whole(6, START_OF_COUNT)]))
  }
  const symbols = [...SYMBOLS, ...series.map((_, i) => `value-${i}`)]
  const answer = fixture.push(request(series, symbols), 'acme', BODY_V2)
  assert.equal(answer.status, 200)
  const frames = fixture.shards[0]!.frames.length
  assert.ok(frames > 3, `${frames} frames`)
  for (let i = 0; i < 60; i++) {
    const found = fixture.shards[0]!.samples.get(`acme|__name__=up,job=value-${i}`)!
    const times = found.map((one) => Number(one.split(':')[0]))
    const wanted = Array.from({ length: 1 + (i % 40) }, (_, k) => NOW - 4_000 + k)
    assert.deepEqual(times.filter(Number.isInteger), wanted)
    assert.equal(times[0], START_OF_COUNT + 0.5)
  }
})

test('gives histograms the start of their series, or their own', () => {
  const fixture = new Fixture()
  const own = Buffer.concat([HISTOGRAM.subarray(2), whole(17, NOW - 9)])
  const body = request([
    Buffer.concat([refs(1, 6, 3, 4), HISTOGRAM, whole(6, START_OF_COUNT)]),
    Buffer.concat([refs(1, 6, 3, 5), field(3, own), whole(6, START_OF_COUNT)]),
    Buffer.concat([refs(1, 6, 3, 1), HISTOGRAM]),
  ])
  assert.equal(fixture.push(body, 'acme', BODY_V2).status, 200)
  const { records } = fixture.shards[0]!
  const starts = records.map(({ kind, payload }) => findHistogram(kind, payload)!.startMs)
  assert.deepEqual(starts, [START_OF_COUNT, NOW - 9, 0])
})

test('knows a series whatever stands before it, by references of one byte, two and three', () => {
  const prng = new SeededPrng(11)
  const below = (most: number): number => prng.nextU32() % most
  const fixture = new Fixture({ bodyRing: 1 << 22 })
  const expected = new Map<string, number>()
  for (let round = 0; round < 12; round++) {
    // Few names and values, so that neighbours have much in common; and symbols that nobody refers to.
    const padding = Array.from({ length: [0, 120, 16_370][round % 3]! }, (_, n) => `unused ${n}`)
    const symbols = ['', ...padding]
    const seen = new Set<string>()
    const series: Buffer[] = []
    for (let n = 0; n < 150; n++) {
      const count = 2 + below(5) * 6
      const labels = [['__name__', `m${below(4)}`] as [string, string]]
      for (let i = 0; i < count; i++) {
        labels.push([`l${String(i).padStart(2, '0')}`, `v${below(3)}`.repeat(1 + below(2) * 40)])
      }
      const key = `acme|${labels.map((label) => label.join('=')).join(',')}`
      if (seen.has(key)) continue
      seen.add(key)
      expected.set(key, (expected.get(key) ?? 0) + 1)
      const numbers = labels.flat().map((text) => {
        const known = symbols.lastIndexOf(text)
        return known > 0 ? known : symbols.push(text) - 1
      })
      series.push(Buffer.concat([refs(...numbers), sample(NOW + round * 1_000, n)]))
    }
    assert.equal(fixture.push(request(series, symbols), 'acme', BODY_V2).status, 200)
  }
  const [shard] = fixture.shards
  const found = [...shard!.samples].map(([key, samples]) => [key, samples.length] as const)
  assert.deepEqual(new Map(found), expected)
  // No series has two ids, none is defined twice.
  assert.equal(shard!.bound.size, expected.size)
  assert.ok([...shard!.defineCounts.values()].every((count) => count === 1))
})
