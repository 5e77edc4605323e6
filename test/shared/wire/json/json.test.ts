/** Answers as bytes: numbers against JavaScript's own, texts against what Prometheus 3.5 sends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openJsonKernel } from '../../../../src/shared/kernels/json.js'
import { J_BLOCK, J_OUT, J_OUT_BYTES } from '../../../../src/shared/kernels/json-layout.js'
import {
  CUSTOM_BUCKETS_SCHEMA,
  EMPTY_HISTOGRAM,
  type FloatHistogram,
} from '../../../../src/shared/model/histogram.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import {
  execute,
  FetchMeter,
  parse,
  type QueryResult,
} from '../../../../src/shared/promql/index.js'
import { LabelTable } from '../../../../src/shared/promql/label-table.js'
import {
  encodeData,
  encodeError,
  encodeStrings,
  JsonEncoder,
  type QueryAnswer,
  type QueryData,
} from '../../../../src/shared/wire/json/index.js'
import { MemorySource } from '../../../support/memory-source.js'

const kernel = openJsonKernel()
const memory = Buffer.from(kernel.bytes.buffer)

function printNumber(value: number): string {
  return memory.toString('latin1', J_OUT, kernel.calls.writeNumber(J_OUT, value))
}

/** Go's shortest notation, made of JavaScript's. */
function expectedNumber(value: number): string {
  if (value !== value) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (Object.is(value, -0)) return '-0'
  return String(value).replace(/e([+-])(\d)$/, 'e$10$2')
}

test('prints samples as Go does', () => {
  const cases: [number, string][] = [
    [0, '0'],
    [-0, '-0'],
    [1e-6, '0.000001'],
    [9.99e-7, '9.99e-07'],
    [1e-7, '1e-07'],
    [1e21, '1e+21'],
    [999999999999999900000, '999999999999999900000'],
    [1.5e300, '1.5e+300'],
    [5e-324, '5e-324'],
    [Infinity, '+Inf'],
    [-Infinity, '-Inf'],
    [Number.NaN, 'NaN'],
    [0.001, '0.001'],
    [-123.45, '-123.45'],
    [4294967296, '4294967296'],
  ]
  for (const [value, text] of cases) assert.equal(printNumber(value), text)
})

test('prints every number as JavaScript does, Go’s notation apart', () => {
  const check = (value: number): void => assert.equal(printNumber(value), expectedNumber(value))
  for (let exponent = -1074; exponent < 1024; exponent++) {
    const power = 2 ** exponent
    for (const value of [power, power * (1 + 2 ** -52), power * (2 - 2 ** -52)]) check(value)
  }
  for (let exponent = -323; exponent < 309; exponent++) {
    for (const digits of ['1', '9', '1.5', '9.999', '1.2345678901234567']) {
      check(Number(`${digits}e${exponent}`))
    }
  }
  const bits = new BigUint64Array(1)
  const float = new Float64Array(bits.buffer)
  const anyBits = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => {
    bits[0] = value
    return float[0]!
  })
  const decimals = fc
    .tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: 0, max: 8 }))
    .map(([whole, places]) => whole / 10 ** places)
  const whole = fc.maxSafeInteger()
  const options = { seed: 11, numRuns: 20_000 }
  fc.assert(fc.property(fc.oneof(anyBits, decimals, whole), check), options)
})

/** What the engine gives is what the encoder takes: checked by the compiler. */
const engineAnswer: (result: QueryResult) => QueryAnswer = (result) => result

function answer(data: QueryData, labels = new LabelTable(), notes: Partial<QueryAnswer> = {}) {
  return { labels, data, warnings: [], infos: [], ...notes }
}

function textOf(pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString('utf8')
}

const encoder = new JsonEncoder()

test('takes what the engine gives', () => {
  const result: QueryResult = {
    labels: new LabelTable(),
    data: { type: 'string', value: 'x', atMs: 1000 },
    warnings: [],
    infos: [],
    samplesRead: 0,
    seriesRead: 0,
    stats: {
      prepareMs: 0,
      evalMs: 0,
      sortMs: 0,
      samplesPeak: 0,
      bytesPeak: 0,
      fetched: new FetchMeter(),
      stepSamples: undefined,
      profile: undefined,
    },
  }
  assert.match(textOf(encoder.encode(engineAnswer(result))), /\[1,"x"\]/)
})

test('writes scalars and strings', () => {
  const scalar = (value: number, atMs: number): string =>
    textOf(encoder.encode(answer({ type: 'scalar', value, atMs })))
  const head = '{"status":"success","data":{"resultType":'
  assert.equal(scalar(1e-7, 1700000000100), `${head}"scalar","result":[1700000000.1,"0.0000001"]}}`)
  assert.equal(scalar(-0, -1500), `${head}"scalar","result":[-1.5,"-0"]}}`)
  assert.equal(scalar(1e22, 1), `${head}"scalar","result":[0.001,"1${'0'.repeat(22)}"]}}`)
  const value = '<&>\u2028\u2029\0\x01\x7f\t\n\r\b\f"\\/é😀\udcff'
  const written = textOf(encoder.encode(answer({ type: 'string', value, atMs: 1123 })))
  const text =
    '\\u003c\\u0026\\u003e\\u2028\\u2029\\u0000\\u0001\x7f\\t\\n\\r\\b\\f\\"\\\\/é😀\ufffd'
  assert.equal(written, `${head}"string","result":[1.123,"${text}"]}}`)
})

test('writes vectors with warnings and infos', () => {
  const labels = new LabelTable()
  const odd = labels.internLabels(labelsOf({ 'a<b': '<&>\u2028\0\x1f\x7f\t\n\r\b\f"\\/é😀' }))
  const data: QueryData = {
    type: 'vector',
    atMs: 1700000000100,
    order: Uint32Array.of(1, 2, 0),
    matrix: {
      steps: 1,
      words: 1,
      sets: Uint32Array.of(odd, 0, 0),
      values: Float64Array.of(1e21, 2, Number.NaN),
      present: Uint32Array.of(1, 0, 1),
    },
  }
  const notes = { warnings: ['PromQL warning: <x> (1:1)'], infos: ['PromQL info: "y"'] }
  assert.equal(
    textOf(encoder.encode(answer(data, labels, notes))),
    '{"status":"success","data":{"resultType":"vector","result":[' +
      '{"metric":{},"value":[1700000000.100,"NaN"]},' +
      '{"metric":{"a<b":"<&>\u2028\\u0000\\u001f\x7f\\t\\n\\r\\u0008\\u000c\\"\\\\/é😀"},' +
      '"value":[1700000000.100,"1e+21"]}]},' +
      '"warnings":["PromQL warning: \\u003cx\\u003e (1:1)"],"infos":["PromQL info: \\"y\\""]}',
  )
  const none: QueryData = { ...data, order: new Uint32Array(0) }
  const empty = '{"status":"success","data":{"resultType":"vector","result":[]}}'
  assert.equal(textOf(encoder.encode(answer(none, labels))), empty)
})

test('writes the points of a matrix that are there', () => {
  const labels = new LabelTable()
  const set = labels.internLabels(labelsOf({ __name__: 'up', job: 'a' }))
  const data: QueryData = {
    type: 'matrix',
    range: { start: -250, step: 250 },
    order: Uint32Array.of(0, 1),
    matrix: {
      steps: 4,
      words: 1,
      sets: Uint32Array.of(set, 0),
      values: Float64Array.of(1, 2, 3, -0.25, 5, 6, 7, 8),
      present: Uint32Array.of(0b1101, 0),
    },
  }
  assert.equal(
    textOf(encoder.encode(answer(data, labels))),
    '{"status":"success","data":{"resultType":"matrix","result":[' +
      '{"metric":{"__name__":"up","job":"a"},"values":[[-0.250,"1"],[0.250,"3"],[0.500,"-0.25"]]},' +
      '{"metric":{},"values":[]}]}}',
  )
})

test('writes samples with times of their own', () => {
  const data: QueryData = {
    type: 'samples',
    order: Uint32Array.of(1),
    matrix: {
      sets: Uint32Array.of(0, 0),
      offsets: Uint32Array.of(0, 1, 3),
      ts: Float64Array.of(1, 8000, 4294967296000 * 1000 + 7),
      values: Float64Array.of(1, 2, 0.5),
    },
  }
  assert.equal(
    textOf(encoder.encode(answer(data))),
    '{"status":"success","data":{"resultType":"matrix","result":[' +
      '{"metric":{},"values":[[8,"2"],[4294967296000.007,"0.5"]]}]}}',
  )
})

/** What an encoder should write, by plain means. */
function expectedMatrix(data: QueryData & { type: 'matrix' }, labels: LabelTable): string {
  const series = Array.from(data.order, (row) => {
    const metric: Record<string, string> = {}
    for (const { name, value } of labels.labels(data.matrix.sets[row]!)) metric[name] = value
    const values: [number, string][] = []
    for (let step = 0; step < data.matrix.steps; step++) {
      const word = data.matrix.present[row * data.matrix.words + (step >>> 5)]!
      if ((word & (1 << (step & 31))) === 0) continue
      const time = (data.range.start + step * data.range.step) / 1000
      values.push([time, expectedNumber(data.matrix.values[row * data.matrix.steps + step]!)])
    }
    return { metric, values }
  })
  return JSON.stringify({ status: 'success', data: { resultType: 'matrix', result: series } })
}

test('writes large answers in pieces of at most a megabyte', () => {
  const labels = new LabelTable()
  const steps = J_BLOCK + 700
  const words = Math.ceil(steps / 32)
  const series = 9
  const sets = Uint32Array.from({ length: series }, (_, i) =>
    labels.internLabels(labelsOf({ i: String(i), long: 'é'.repeat(i === 3 ? 700_000 : i * 2000) })),
  )
  const values = Float64Array.from({ length: series * steps }, (_, i) => i / 7)
  const present = new Uint32Array(series * words)
  for (let row = 0; row < series; row++) {
    for (let step = 0; step < steps; step++) {
      if ((step * 7 + row) % 5 === 0) continue
      present[row * words + (step >>> 5)]! |= 1 << (step & 31)
    }
  }
  const data: QueryData & { type: 'matrix' } = {
    type: 'matrix',
    range: { start: 1700000000000, step: 1000 },
    order: Uint32Array.from({ length: series }, (_, i) => series - 1 - i),
    matrix: { steps, words, sets, values, present },
  }
  for (const round of [1, 2]) {
    const pieces = encoder.encode(answer(data, labels))
    assert.ok(pieces.length > 4, `round ${round}`)
    for (const piece of pieces) {
      assert.ok(piece.length <= J_OUT_BYTES)
      assert.equal(piece.byteLength, piece.buffer.byteLength)
    }
    assert.ok(textOf(pieces) === expectedMatrix(data, labels), `round ${round}`)
  }
})

test('writes vectors of more label sets than the cache holds', () => {
  const labels = new LabelTable()
  const series = 3000
  const padding = 'x'.repeat(4000)
  const sets = Uint32Array.from({ length: series }, (_, i) =>
    labels.internLabels(
      labelsOf({ i: String(i), padding: i === 1500 ? 'y'.repeat(30_000) : padding }),
    ),
  )
  const data: QueryData = {
    type: 'vector',
    atMs: 5000,
    order: Uint32Array.from({ length: series }, (_, i) => i),
    matrix: {
      steps: 1,
      words: 1,
      sets,
      values: Float64Array.from({ length: series }, (_, i) => i / 4),
      present: new Uint32Array(series).fill(1),
    },
  }
  const parsed = JSON.parse(textOf(encoder.encode(answer(data, labels)))) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] }
  }
  assert.equal(parsed.data.result.length, series)
  for (const [i, { metric, value }] of parsed.data.result.entries()) {
    assert.equal(metric.i, String(i))
    assert.equal(metric.padding?.length, i === 1500 ? 30_000 : 4000)
    assert.deepEqual(value, [5, String(i / 4)])
  }
})

test('a list is written alike whether at once or string by string', () => {
  const plain = Array.from({ length: 1_200 }, (_, i) => `näme ${i}`)
  const lists = [['a'], [''], ['', ''], plain.slice(0, 1_000), plain, ['a', 'b"c'], ['\n', 'x']]
  for (const list of lists) {
    const text = textOf(encodeStrings(list))
    assert.equal(text, textOf(encodeStrings(list.values())))
    assert.deepEqual(JSON.parse(text), { status: 'success', data: list })
  }
})

test('writes more series than are kept, and such as are too long to be', () => {
  const labels = new LabelTable()
  const of = (i: number) => ({
    i: `${i}`,
    long: (i % 1_000 === 7 ? 'é' : 'x').repeat(i % 1_000 === 7 ? 30_000 : 900),
  })
  const expected = Array.from({ length: 12_000 }, (_, i) => of(i))
  const sets = Uint32Array.from(expected, (set) => labels.internLabels(labelsOf(set)))
  for (let times = 0; times < 2; times++) {
    let ticks = 0
    const pieces = encoder.encodeSeries(sets, labels, {}, () => void ticks++)
    assert.equal(ticks, sets.length)
    assert.ok(pieces.every((piece) => piece.buffer.byteLength === piece.length))
    assert.deepEqual(JSON.parse(textOf(pieces)), { status: 'success', data: expected })
  }
  const stop = () => {
    throw new Error('stopped')
  }
  assert.throws(() => encoder.encodeSeries(sets, labels, {}, stop), /stopped/)
  assert.equal(
    textOf(encoder.encodeSeries(new Uint32Array(), labels)),
    '{"status":"success","data":[]}',
  )
})

test('writes lists, label sets, data and errors', () => {
  assert.equal(textOf(encodeStrings([])), '{"status":"success","data":[]}')
  assert.equal(
    textOf(encodeStrings(['a', '<b>\b'], { warnings: ['w'] })),
    '{"status":"success","data":["a","\\u003cb\\u003e\\u0008"],"warnings":["w"]}',
  )
  const labels = new LabelTable()
  const sets = [{ b: '<', a: '"' }, {}, { b: '<' }].map((set) => labels.internLabels(labelsOf(set)))
  assert.equal(
    textOf(encoder.encodeSeries(Uint32Array.from(sets), labels)),
    '{"status":"success","data":[{"a":"\\"","b":"<"},{},{"b":"<"}]}',
  )
  assert.equal(
    textOf(encoder.encodeSeries(new Uint32Array(), labels, { warnings: ['w'] })),
    '{"status":"success","data":[],"warnings":["w"]}',
  )
  assert.equal(
    textOf(encodeData({ up: [{ type: 'gauge', help: 'a & b', unit: '' }] })),
    '{"status":"success","data":{"up":[{"type":"gauge","help":"a \\u0026 b","unit":""}]}}',
  )
  assert.equal(
    textOf(encodeData('foo{a="<"}')),
    '{"status":"success","data":"foo{a=\\"\\u003c\\"}"}',
  )
  assert.equal(
    textOf(encodeError('bad_data', 'unexpected <op:<>')),
    '{"status":"error","errorType":"bad_data","error":"unexpected \\u003cop:\\u003c\\u003e"}',
  )
  const many = Array.from({ length: 100_000 }, (_, i) => `value number ${i} 😀`)
  const pieces = encodeStrings(many)
  assert.ok(pieces.length > 1)
  assert.equal(textOf(pieces), JSON.stringify({ status: 'success', data: many }))
})

const OPTIONS = {
  enableExperimentalFunctions: false,
  experimentalDurationExpr: false,
  enableExtendedRangeSelectors: false,
  enableBinopFillModifiers: false,
}

test('writes native histograms as Prometheus does', async () => {
  const source = new MemorySource()
  const histogram: FloatHistogram = {
    ...EMPTY_HISTOGRAM,
    zeroThreshold: 0.001,
    zeroCount: 2,
    count: 12,
    sum: 1e-7,
    positive: { spans: Int32Array.of(0, 2, 1, 1), counts: Float64Array.of(1, 0, 4.5) },
    negative: { spans: Int32Array.of(1, 1), counts: Float64Array.of(3) },
  }
  const custom: FloatHistogram = {
    ...EMPTY_HISTOGRAM,
    schema: CUSTOM_BUCKETS_SCHEMA,
    count: 3,
    sum: 7,
    positive: { spans: Int32Array.of(0, 1, 1, 1), counts: Float64Array.of(1, 2) },
    customValues: Float64Array.of(0.5, 1),
  }
  const times = Float64Array.of(500, 60_000)
  const none = Float64Array.of(0, 0)
  source.addColumns({ __name__: 'h', a: '1' }, times, none, [histogram, histogram])
  source.addColumns({ __name__: 'h', a: '2' }, times, Float64Array.of(5, 0), [undefined, custom])
  source.addColumns({ __name__: 'h', a: '3' }, times, Float64Array.of(5, 6))
  const ask = async (text: string, start: number, end: number, step: number): Promise<unknown> => {
    const limits = { samplesMax: 1e6, memoryMax: 1e8, isCanceled: () => false }
    const expr = parse(text, OPTIONS)
    const times = { start, end, step, lookbackMs: 300_000, delayedNameRemoval: false }
    const result = await execute(expr, { text, ...times, ...limits }, source, new LabelTable())
    const pieces = new JsonEncoder().encode(result)
    const answer = JSON.parse(Buffer.concat(pieces).toString()) as { data: { result: unknown } }
    return answer.data.result
  }
  const first = {
    count: '12',
    sum: '1e-07',
    buckets: [
      [1, '-2', '-1', '3'],
      [3, '-0.001', '0.001', '2'],
      [0, '0.5', '1', '1'],
      [0, '4', '8', '4.5'],
    ],
  }
  const second = {
    count: '3',
    sum: '7',
    buckets: [
      [3, '-Inf', '0.5', '1'],
      [0, '1', '+Inf', '2'],
    ],
  }
  const metric = (a: string) => ({ __name__: 'h', a })
  assert.deepEqual(await ask('h', 60_500, 60_500, 0), [
    { metric: metric('1'), histogram: [60.5, first] },
    { metric: metric('2'), histogram: [60.5, second] },
    { metric: metric('3'), value: [60.5, '6'] },
  ])
  assert.deepEqual(await ask('h', 30_000, 60_000, 30_000), [
    {
      metric: metric('1'),
      histograms: [
        [30, first],
        [60, first],
      ],
    },
    { metric: metric('2'), values: [[30, '5']], histograms: [[60, second]] },
    {
      metric: metric('3'),
      values: [
        [30, '5'],
        [60, '6'],
      ],
    },
  ])
  assert.deepEqual(await ask('h{a!="1"}[1m]', 60_000, 60_000, 0), [
    { metric: metric('2'), values: [[0.5, '5']], histograms: [[60, second]] },
    {
      metric: metric('3'),
      values: [
        [0.5, '5'],
        [60, '6'],
      ],
    },
  ])
})
