/** The engine over series in memory: what the scripts do not reach. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../../src/shared/errors/index.js'
import { EMPTY_HISTOGRAM, type FloatHistogram } from '../../../src/shared/model/histogram.js'
import {
  execute,
  LabelTable,
  parse,
  type Query,
  type QueryResult,
} from '../../../src/shared/promql/index.js'
import { MemorySource } from '../../support/memory-source.js'

const OPTIONS = {
  enableExperimentalFunctions: true,
  experimentalDurationExpr: true,
  enableExtendedRangeSelectors: true,
  enableBinopFillModifiers: true,
}

function run(source: MemorySource, text: string, query: Partial<Query> = {}): Promise<QueryResult> {
  return execute(
    parse(text, OPTIONS),
    {
      text,
      start: 600_000,
      end: query.start ?? 600_000,
      step: 0,
      lookbackMs: 300_000,
      delayedNameRemoval: false,
      samplesMax: 1_000_000,
      memoryMax: 2 ** 26,
      isCanceled: () => false,
      ...query,
    },
    source,
    new LabelTable(),
  )
}

/** Rows as text: `a=1 b=2: 3 _ 4`. */
function rows({ data, labels }: QueryResult): string[] {
  assert.ok(data.type === 'vector' || data.type === 'matrix')
  const { matrix, order } = data
  return Array.from(order, (row) => {
    const name = labels.labels(matrix.sets[row]!).map(({ name, value }) => `${name}=${value}`)
    const points = Array.from({ length: matrix.steps }, (_, step) => {
      const word = matrix.present[row * matrix.words + (step >>> 5)]!
      return (word >>> (step & 31)) & 1 ? String(matrix.values[row * matrix.steps + step]) : '_'
    })
    return `${name.join(' ')}: ${points.join(' ')}`
  })
}

/** Three series of two jobs, a sample a minute. */
function requests(): MemorySource {
  return new MemorySource()
    .add({ __name__: 'req_total', job: 'a', i: '0' }, 60_000, count(60, 1))
    .add({ __name__: 'req_total', job: 'a', i: '1' }, 60_000, count(60, 2))
    .add({ __name__: 'req_total', job: 'b', i: '2' }, 60_000, count(60, 3))
}

function count(length: number, by: number): number[] {
  return Array.from({ length }, (_, i) => i * by)
}

function failsWith(id: string, text?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof AppError, String(error))
    assert.equal(error.id, id)
    if (text !== undefined) assert.match(error.message, text)
    return true
  }
}

test('a range query gives every step of every series, sorted by labels', async () => {
  const source = new MemorySource()
    .add({ __name__: 'up', job: 'b' }, 60_000, [1, undefined, undefined, 4])
    .add({ __name__: 'up', job: 'a' }, 60_000, [1, 'stale', 3, 4])
  const result = await run(source, 'up', {
    start: 0,
    end: 180_000,
    step: 30_000,
    lookbackMs: 60_000,
  })
  assert.deepEqual(rows(result), [
    '__name__=up job=a: 1 1 _ _ 3 3 4',
    '__name__=up job=b: 1 1 _ _ _ _ 4',
  ])
})

test('more steps than a word of presence bits', async () => {
  const result = await run(requests(), 'sum by (job) (req_total)', {
    start: 0,
    end: 59 * 60_000,
    step: 60_000,
  })
  const a = count(60, 3).join(' ')
  assert.deepEqual(rows(result), [`job=a: ${a}`, `job=b: ${a}`])
})

test('counts a series with stale markers in a range as if they were not there', async () => {
  const source = new MemorySource().add({ __name__: 'up' }, 60_000, [1, 'stale', 3, 'stale', 5])
  const result = await run(source, 'count_over_time(up[5m])', { start: 240_000 })
  assert.deepEqual(rows(result), [': 3'])
})

test('every selection is given back, after success and failure alike', async () => {
  const source = requests()
  await run(source, 'sum(req_total) + on () count(req_total offset 1d)')
  assert.equal(source.open, 0)
  await assert.rejects(run(source, 'req_total + on (job) req_total'), failsWith('query-execution'))
  assert.equal(source.open, 0)
})

test('equal selectors of touching times are asked of storage once', async () => {
  const source = requests()
  await run(source, 'rate(req_total[5m]) / on (i) req_total')
  assert.equal(source.requests.length, 1)
  assert.deepEqual(
    [source.requests[0]!.mint, source.requests[0]!.maxt],
    [600_000 - 300_000 + 1, 600_000],
  )
  await run(source, 'req_total - req_total offset 1h')
  assert.equal(source.requests.length, 3)
})

test('a subquery is evaluated at multiples of its step', async () => {
  const source = new MemorySource().add({ __name__: 'x' }, 1_000, count(1_000, 1))
  const result = await run(source, 'x[1m:25s]', { start: 610_001, end: 610_001 })
  assert.ok(result.data.type === 'samples')
  assert.deepEqual(Array.from(result.data.matrix.ts), [575_000, 600_000])
  const before = await run(source, 'count_over_time(vector(1)[30s:20s])', { start: 5_000 })
  assert.deepEqual(rows(before), [': 2'], 'division rounds towards zero before the epoch')
})

test('step-invariant parts are evaluated once and repeated', async () => {
  const result = await run(requests(), 'sum(req_total @ 120) + on () sum(req_total)', {
    start: 0,
    end: 120_000,
    step: 60_000,
  })
  assert.deepEqual(rows(result), [': 12 18 24'])
})

test('names go at once, or at the end of the query', async () => {
  const source = new MemorySource()
    .add({ __name__: 'a_total', job: 'x' }, 60_000, count(60, 1))
    .add({ __name__: 'b_total', job: 'x' }, 60_000, count(60, 2))
  const both = 'sum(rate({job="x"}[2m]))'
  await assert.rejects(run(source, both), failsWith('query-execution', /same labelset/))
  assert.deepEqual(rows(await run(source, both, { delayedNameRemoval: true })), [': 0.05'])
  await assert.rejects(
    run(source, 'rate({job="x"}[2m])', { delayedNameRemoval: true }),
    failsWith('query-execution', /same labelset/),
  )
  const renamed = 'label_replace(rate({job="x"}[2m]), "n", "$1", "__name__", "(.*)")'
  const result = await run(source, renamed, { delayedNameRemoval: true })
  assert.deepEqual(
    rows(result).map((row) => row.replace(/:.*/, '')),
    ['job=x n=a_total', 'job=x n=b_total'],
  )
})

test('series that lose their names merge when they do not overlap', async () => {
  const source = new MemorySource()
    .add({ __name__: 'a' }, 60_000, [1, 'stale'])
    .add({ __name__: 'b' }, 60_000, [undefined, 2])
  const range = { start: 0, end: 60_000, step: 60_000 }
  const text = '-{__name__=~"a|b"}'
  assert.deepEqual(rows(await run(source, text, range)), [': -1 -2'])
  const delayed = { ...range, delayedNameRemoval: true }
  assert.deepEqual(rows(await run(source, text, { ...delayed, release: 'main' })), [': -1 -2'])
  await assert.rejects(run(source, text, delayed), failsWith('query-execution', /same labelset/))
})

test('topk of one step comes in order, largest first, NaN last', async () => {
  const source = new MemorySource()
  for (const value of [3, Number.NaN, 7, 1]) {
    source.add({ __name__: 'x', v: String(value) }, 60_000, [value])
  }
  const at = { start: 0, end: 0 }
  const top = rows(await run(source, 'topk(4, x)', at)).map((row) => row.split(': ')[1])
  assert.deepEqual(top, ['7', '3', '1', 'NaN'])
  const bottom = rows(await run(source, 'bottomk(2, x)', at)).map((row) => row.split(': ')[1])
  assert.deepEqual(bottom, ['1', '3'])
})

test('avg goes on where the sum would overflow', async () => {
  const source = new MemorySource()
  for (let i = 0; i < 4; i++) source.add({ __name__: 'x', i: String(i) }, 60_000, [1.5e308])
  assert.deepEqual(rows(await run(source, 'avg(x)', { start: 0, end: 0 })), [': 1.5e+308'])
  assert.deepEqual(rows(await run(source, 'sum(x)', { start: 0, end: 0 })), [': Infinity'])
})

test('sum keeps what large values cancel out', async () => {
  const source = new MemorySource()
  for (const [i, value] of [1, 1e100, 1, -1e100].entries()) {
    source.add({ __name__: 'x', i: String(i) }, 60_000, [value])
  }
  assert.deepEqual(rows(await run(source, 'sum(x)', { start: 0, end: 0 })), [': 2'])
})

test('annotations name line and column, in bytes, each text once', async () => {
  const result = await run(requests(), 'quantile(\n  2, req_total)')
  assert.deepEqual(result.warnings, [
    'PromQL warning: quantile value should be between 0 and 1, got 2 (2:3)',
  ])
  const source = new MemorySource().add({ __name__: 'é"x' }, 60_000, count(60, 1))
  const noted = await run(source, '{"é"} or rate({"é\\"x"}[5m])')
  assert.deepEqual(noted.infos, [
    'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "é\\"x" (1:16)',
  ])
})

test('a query may hold so many samples at once', async () => {
  const range = { start: 0, end: 540_000, step: 60_000 }
  const needed = 30
  assert.equal(rows(await run(requests(), 'req_total', { ...range, samplesMax: needed })).length, 3)
  await assert.rejects(
    run(requests(), 'req_total', { ...range, samplesMax: needed - 1 }),
    failsWith(
      'query-execution',
      /^query processing would load too many samples into memory in query execution$/,
    ),
  )
})

test('a query may claim so many bytes; an aggregation needs those of its groups only', async () => {
  const source = new MemorySource()
  for (let i = 0; i < 2_000; i++) {
    source.add({ __name__: 'x', i: String(i) }, 60_000, count(400, 1))
  }
  const range = { start: 0, end: 399 * 60_000, step: 60_000, memoryMax: 2_000_000 }
  await assert.rejects(run(source, 'x', range), failsWith('query-memory', /2000000 bytes/))
  assert.equal(rows(await run(source, 'sum(rate(x[5m]))', range)).length, 1)
})

test('a canceled query ends between batches of series, and lets messages through before', async () => {
  const source = new MemorySource()
  for (let i = 0; i < 20_000; i++) source.add({ __name__: 'x', i: String(i) }, 60_000, [1])
  let isCanceled = false
  setImmediate(() => {
    isCanceled = true
  })
  const range = { start: 0, end: 399_000, step: 1_000, isCanceled: () => isCanceled }
  await assert.rejects(run(source, 'sum(x)', range), failsWith('query-canceled'))
  assert.equal(source.open, 0)
})

test('a range query is a scalar or an instant vector', async () => {
  const range = { start: 0, end: 60_000, step: 60_000 }
  for (const [text, type] of [
    ['req_total[5m]', 'range vector'],
    ['"x"', 'string'],
  ] as const) {
    const message = `invalid expression type "${type}" for range query, must be Scalar or instant Vector`
    await assert.rejects(run(requests(), text, range), (error) => {
      assert.ok(error instanceof AppError && error.id === 'bad-data')
      assert.equal(error.message, message)
      return true
    })
  }
})

test('matching errors name the first step that has them, series in order of labels', async () => {
  const source = new MemorySource()
    .add({ __name__: 'r', a: '2' }, 60_000, [1, 1])
    .add({ __name__: 'r', a: '1' }, 60_000, [undefined, 1])
    .add({ __name__: 'l' }, 60_000, [1, 1])
  const range = { start: 0, end: 60_000, step: 60_000, lookbackMs: 60_000 }
  await assert.rejects(
    run(source, 'l + on () r', range),
    failsWith(
      'query-execution',
      /match group \{\} on the right hand-side of the operation: \[\{__name__="r", a="1"\}, \{__name__="r", a="2"\}\];many-to-many/,
    ),
  )
  assert.deepEqual(rows(await run(source, 'l + on () r', { ...range, end: 0, step: 60_000 })), [
    ': 2',
  ])
})

test('a comparison counts what it leaves out as a match, since after release 3.5', async () => {
  const source = new MemorySource()
    .add({ __name__: 'm', l: 'a' }, 60_000, [0])
    .add({ __name__: 'm', l: 'b' }, 60_000, [2])
    .add({ __name__: 'o' }, 60_000, [1])
  const at = { start: 0, end: 0 }
  assert.equal(rows(await run(source, 'm > on () o', at)).length, 1)
  await assert.rejects(
    run(source, 'm > on () o', { ...at, release: 'main' }),
    failsWith('query-execution', /multiple matches for labels: many-to-one/),
  )
})

test('histograms count for as many samples as they are large, and for their bytes', async () => {
  const histogram: FloatHistogram = {
    ...EMPTY_HISTOGRAM,
    count: 40,
    positive: { spans: Int32Array.of(0, 40), counts: new Float64Array(40).fill(1) },
  }
  const ts = Float64Array.of(540_000, 600_000)
  const source = new MemorySource().addColumns({ __name__: 'h' }, ts, new Float64Array(2), [
    histogram,
    histogram,
  ])
  // 168 bytes, a span of 8, 40 counts of 8 and 8 for the time, in units of 16 bytes.
  const needed = 31
  const result = await run(source, 'h', { samplesMax: needed })
  assert.ok(result.data.type === 'vector')
  assert.equal(result.data.matrix.histograms?.[0]?.[0], histogram)
  await assert.rejects(run(source, 'h', { samplesMax: needed - 1 }), /too many samples/)
  await assert.rejects(run(source, 'sum(h) + sum(h)', { memoryMax: 500 }), { id: 'query-memory' })
})
