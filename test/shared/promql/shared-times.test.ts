/** Series that share their times: every function of a range answers as if each had its own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { writeStale } from '../../../src/shared/model/stale.js'
import {
  execute,
  FUNCTIONS,
  LabelTable,
  parse,
  type Query,
} from '../../../src/shared/promql/index.js'
import { MemorySource } from '../../support/memory-source.js'

const SAMPLES = 120
const MINUTE = 60_000
const SYNTAX = {
  enableExperimentalFunctions: true,
  experimentalDurationExpr: false,
  enableExtendedRangeSelectors: true,
  enableBinopFillModifiers: false,
}

/** Three targets with gaps and late scrapes, six series each: counters, resets, gauges, stale markers. */
function sourceOf(isShared: boolean): MemorySource {
  const prng = new SeededPrng(5)
  const source = new MemorySource()
  for (let target = 0; target < 3; target++) {
    const times: number[] = []
    for (let i = 0; i < SAMPLES; i++) {
      if (prng.below(15) > 0) times.push(i * 15_000 + target * 1_111 + prng.below(20))
    }
    const ts = Float64Array.from(times)
    for (let series = 0; series < 6; series++) {
      let value = series === 0 ? 1e6 : prng.below(20)
      const values = Float64Array.from(times, () => {
        if (series === 1) return value
        if (series === 2) return prng.below(100) - 50
        value = series > 3 && prng.below(20) === 0 ? 0 : value + prng.below(series === 0 ? 3 : 40)
        return value
      })
      if (series < 2) writeStale(values, 40 + 10 * series)
      source.addColumns(
        { __name__: 'm_total', target: `${target}`, series: `${series}` },
        isShared ? ts : ts.slice(),
        values,
      )
    }
  }
  return source
}

async function answer(source: MemorySource, text: string): Promise<unknown> {
  const query: Query = {
    text,
    start: 5 * MINUTE,
    end: 31 * MINUTE,
    step: MINUTE,
    lookbackMs: 5 * MINUTE,
    delayedNameRemoval: false,
    samplesMax: 1_000_000,
    memoryMax: 2 ** 26,
    isCanceled: () => false,
  }
  const labels = new LabelTable()
  const { data } = await execute(parse(text, SYNTAX), query, source, labels)
  assert.equal(data.type, 'matrix')
  const { matrix } = data
  // Bits, so that NaN and signed zeros count.
  const bits = new BigUint64Array(matrix.values.slice(0, matrix.series * matrix.steps).buffer)
  const present = [...matrix.present.subarray(0, matrix.series * matrix.words)]
  const isPresent = (at: number): boolean => {
    const row = Math.floor(at / matrix.steps)
    const step = at % matrix.steps
    return ((present[row * matrix.words + (step >>> 5)]! >>> (step & 31)) & 1) === 1
  }
  return { present, values: [...bits].map((value, at) => (isPresent(at) ? value : 0n)) }
}

const EXTRA: Readonly<Record<string, string>> = {
  predict_linear: ', 600',
  double_exponential_smoothing: ', 0.5, 0.1',
}

test('functions of ranges answer the same', async () => {
  let functions = 0
  for (const [name, { args, kernel }] of Object.entries(FUNCTIONS)) {
    if (kernel.form !== 'range') continue
    functions++
    const before = args[0] === 'scalar' ? '0.9, ' : ''
    for (const range of [
      'm_total[5m]',
      'm_total[40s]',
      'm_total[3m] offset 90s',
      'm_total[5m] @ 900',
    ]) {
      const text = `${name}(${before}${range}${EXTRA[name] ?? ''})`
      const [shared, own] = [
        await answer(sourceOf(true), text),
        await answer(sourceOf(false), text),
      ]
      assert.deepEqual(shared, own, text)
      assert.ok(
        (own as { values: bigint[] }).values.some((value) => value !== 0n),
        text,
      )
    }
  }
  assert.ok(functions > 20)
})

test('so do joins, several calls in a query, and other modes', async () => {
  for (const text of [
    'rate(m_total[5m]) / increase(m_total[2m])',
    'sum by (target) (rate(m_total[1m])) + sum by (target) (rate(m_total[5m]))',
    'rate(m_total[5m] anchored) + delta(m_total[5m] smoothed)',
    'max_over_time(rate(m_total[2m])[10m:30s])',
  ]) {
    assert.deepEqual(await answer(sourceOf(true), text), await answer(sourceOf(false), text), text)
  }
})
