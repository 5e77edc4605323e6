/**
 * Queries that ask for too much: bounded time and memory, errors with a type. Times are of the
 * processor, so that a busy machine does not matter, and generous.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AppError } from '../../../src/shared/errors/index.js'
import { compileRegex } from '../../../src/shared/model/regex.js'
import {
  execute,
  LabelTable,
  type ParseOptions,
  parse,
  type Query,
  type SeriesSource,
} from '../../../src/shared/promql/index.js'

const SYNTAX: ParseOptions = {
  enableExperimentalFunctions: true,
  experimentalDurationExpr: true,
  enableExtendedRangeSelectors: true,
  enableBinopFillModifiers: true,
}
const TEXT_BYTES = 10 << 20

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Runs, and says what came of it and how long the processor was busy. */
function measured(work: () => unknown): { outcome: unknown; ms: number } {
  const began = cpuMs()
  let outcome: unknown
  try {
    outcome = work()
  } catch (error) {
    outcome = error
  }
  return { outcome, ms: cpuMs() - began }
}

describe('texts of 10 MB are parsed or refused within seconds', () => {
  const repeat = (text: string): string => text.repeat(TEXT_BYTES / text.length)
  const refused: Record<string, string> = {
    'a chain of operators': `1${repeat('+1')}`,
    'powers, from the right': `1${repeat('^1')}`,
    'open parentheses': repeat('('),
    'unary operators': `${repeat('-')}1`,
    'nested calls': `${'sum('.repeat(2e6)}x${')'.repeat(2e6)}`,
    'an open string': `"${repeat('a')}`,
    'subqueries of subqueries': `x${repeat('[5m:1m]')}`,
    'a long duration expression': `x[${repeat('1m+')}1m]`,
    'a regular expression of many words': `x{a=~"${repeat('word|')}x"}`,
    'a deep regular expression': `x{a=~"${'('.repeat(4e6)}a${')'.repeat(4e6)}"}`,
    digits: repeat('1'),
    'nothing but spaces': repeat(' '),
  }
  for (const [name, text] of Object.entries(refused)) {
    test(name, () => {
      const { outcome, ms } = measured(() => parse(text, SYNTAX))
      assert.ok(outcome instanceof AppError, String(outcome))
      assert.equal(outcome.id, 'query-parse')
      assert.ok(ms < 5_000, `${ms} ms`)
    })
  }
  test('a long string, a long name, many matchers', () => {
    for (const text of [`"${repeat('a')}"`, repeat('a'), `x{${repeat('a="b",')}}`]) {
      const { outcome, ms } = measured(() => parse(text, SYNTAX))
      assert.ok(!(outcome instanceof Error), String(outcome))
      assert.ok(ms < 10_000, `${ms} ms`)
    }
  })
})

describe('regular expressions that other engines choke on', () => {
  const value = `${'a'.repeat(2047)}!`
  for (const pattern of [
    '(a+)+b',
    '(a|aa)+b',
    '(.*)*x',
    '(.*a){20}',
    '(x+x+)+y',
    '(a?){1000}a{1000}',
    '([a-z]+)*[0-9]',
    '(a|b)*'.repeat(1_000),
  ]) {
    test(pattern.slice(0, 20), () => {
      const { outcome, ms } = measured(() => compileRegex(pattern).test(value))
      assert.equal(outcome, false)
      assert.ok(ms < 3_000, `${ms} ms`)
    })
  }
  test('counted repeats are bounded in all', () => {
    for (const pattern of [
      '[a-z]{1,500}'.repeat(100),
      '((a{1000}){1000}){1000}',
      'x'.repeat(3e5),
    ]) {
      const { outcome, ms } = measured(() => compileRegex(pattern))
      assert.ok(outcome instanceof AppError)
      assert.equal(outcome.id, 'bad-data')
      assert.ok(ms < 1_000, `${ms} ms`)
    }
  })
})

/** So many series `x{id}`, two samples each, made up as they are read. */
function manySeries(count: number, labels: LabelTable): SeriesSource {
  const sets = new Uint32Array(count)
  const pairs = Uint32Array.of(labels.pair('__name__', 'x'), 0)
  for (let i = 0; i < count; i++) {
    pairs[1] = labels.pair('id', String(i))
    sets[i] = labels.internSet(pairs)
  }
  return {
    async select({ meter }) {
      meter?.addSeries(count)
      return {
        count,
        sets,
        release: () => {},
        read(index, _mint, maxt, out) {
          if (out.ts.length < 2) {
            out.ts = new Float64Array(2)
            out.values = new Float64Array(2)
          }
          out.ts.set([maxt - 1, maxt])
          out.values.set([index, index + 1])
          out.count = 2
        },
      }
    },
  }
}

const AT: Omit<Query, 'text'> = {
  start: 1e9,
  end: 1e9,
  step: 0,
  lookbackMs: 300_000,
  delayedNameRemoval: false,
  samplesMax: 5e7,
  memoryMax: 2 ** 30,
  isCanceled: () => false,
}

function run(
  source: SeriesSource,
  labels: LabelTable,
  text: string,
  changes: Partial<Query> = {},
): ReturnType<typeof execute> {
  return execute(parse(text, SYNTAX), { ...AT, text, ...changes }, source, labels)
}

describe('queries over a hundred thousand series', () => {
  const labels = new LabelTable()
  const source = manySeries(100_000, labels)

  for (const text of [
    'x',
    'sort(x)',
    'topk(50000, x)',
    'x * on (id) x',
    'x or x * 2',
    'label_replace(x, "a", "$1", "id", "(.*)")',
    'count_values("v", x)',
    'histogram_quantile(0.9, label_replace(x, "le", "$1", "id", "(.*)"))',
    'max_over_time(x[5m:1m])',
  ]) {
    test(`${text} looks at its cancel flag all the time`, async () => {
      let last = cpuMs()
      let longest = 0
      const isCanceled = (): boolean => {
        const now = cpuMs()
        longest = Math.max(longest, now - last)
        last = now
        return false
      }
      const range = { start: 1e9, end: 1e9 + 9_000, step: 1_000 }
      await run(source, labels, text, { ...range, isCanceled })
      assert.ok(longest < 400, `${longest} ms of the processor between two looks`)
      await assert.rejects(run(source, labels, text, { isCanceled: () => true }), {
        id: 'query-canceled',
      })
    })
  }

  test('limits of series, samples and memory', async () => {
    const fetchLimits = { seriesMax: 99_999, chunksMax: 0, chunkBytesMax: 0 }
    await assert.rejects(run(source, labels, 'x', { fetchLimits }), {
      id: 'err-mimir-max-series-per-query',
    })
    await assert.rejects(run(source, labels, 'x', { samplesMax: 50_000 }), {
      id: 'query-execution',
      message: /too many samples into memory/,
    })
    const small = {
      memoryMax: 1e6,
      memoryError: 'err-mimir-max-estimated-memory-consumption-per-query',
    } as const
    await assert.rejects(run(source, labels, 'x', small), { id: small.memoryError })
    // Labels that a query makes count as well.
    const others = 'label_replace(x, "b", "$1-$1", "id", "(.*)")'
    await assert.rejects(run(source, labels, others, { memoryMax: 1.2e7 }), { id: 'query-memory' })
  })

  test('joins that match everything with everything are refused', async () => {
    for (const text of ['x * on () x', 'x * on () group_left x', 'x > on () group_right x']) {
      const began = cpuMs()
      await assert.rejects(run(source, labels, text), {
        id: 'query-execution',
        message: /found duplicate series for the match group/,
      })
      assert.ok(cpuMs() - began < 5_000)
    }
  })
})

test('steps without number are refused before room is made for them', async () => {
  const labels = new LabelTable()
  const source = manySeries(1, labels)
  for (const text of [
    'x[100y:1ms]',
    'sum_over_time(vector(1)[100y:1ms])',
    'max_over_time(rate(x[1m])[100y:1ms])',
    'count_over_time(sum_over_time(x[10y:1s])[10y:1s])',
    'absent_over_time(vector(time())[200y:1ms])',
  ]) {
    const began = cpuMs()
    await assert.rejects(run(source, labels, text), (error: unknown) => {
      assert.ok(error instanceof AppError, String(error))
      assert.ok(['query-memory', 'query-execution'].includes(error.id), `${text}: ${error.id}`)
      return true
    })
    assert.ok(cpuMs() - began < 5_000, text)
  }
})
