/** Where annotations point: texts and positions as Prometheus 3.5 answers these very queries. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { execute, LabelTable, parse } from '../../../src/shared/promql/index.js'
import { MemorySource } from '../../support/memory-source.js'

const NOT_COUNTER =
  'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket:'
const QUANTILE = 'PromQL warning: quantile value should be between 0 and 1, got'

/** [query, warnings and infos] on a series `up`, which is no counter, and a bucket. */
const CASES: readonly (readonly [string, readonly string[]])[] = [
  ['rate(up[1m])', [`${NOT_COUNTER} "up" (1:6)`]],
  ['1 +\n  sum(increase( up[1m] offset 0s))', [`${NOT_COUNTER} "up" (2:17)`]],
  ['rate(up[1m:1s])', [`${NOT_COUNTER} "up" (1:1)`]],
  ['1 + rate((up[1m:1s]))', [`${NOT_COUNTER} "up" (1:1)`]],
  ['rate(up[1m]) + rate(up[1m])', [`${NOT_COUNTER} "up" (1:21)`]],
  ['rate((up[1m]))', [`${NOT_COUNTER} "up" (1:7)`]],
  ['histogram_quantile(2, b_bucket)', [`${QUANTILE} 2 (1:20)`]],
  ['1 + quantile(-1, up)', [`${QUANTILE} -1 (1:14)`]],
  ['quantile_over_time(1.5, up[1m])', [`${QUANTILE} 1.5 (1:20)`]],
]

test('annotations point where those of Prometheus do', async () => {
  const source = new MemorySource()
    .add({ __name__: 'up', job: 'a' }, 10_000, [1, 1, 1, 1, 1, 1])
    .add({ __name__: 'b_bucket', le: '+Inf' }, 10_000, [1, 1, 1, 1, 1, 1])
  for (const [text, notes] of CASES) {
    const options = {
      enableExperimentalFunctions: false,
      experimentalDurationExpr: false,
      enableExtendedRangeSelectors: false,
      enableBinopFillModifiers: false,
    }
    const query = {
      text,
      start: 50_000,
      end: 50_000,
      step: 0,
      lookbackMs: 300_000,
      evaluationIntervalMs: 60_000,
      delayedNameRemoval: true,
      samplesMax: 1e6,
      memoryMax: 1e8,
      isCanceled: () => false,
    }
    const result = await execute(parse(text, options), query, source, new LabelTable())
    assert.deepEqual([...result.warnings, ...result.infos].sort(), [...notes].sort(), text)
  }
})
