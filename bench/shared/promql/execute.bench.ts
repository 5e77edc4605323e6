/**
 * Queries over series in memory: 1,000 counters of 6 h at 15 s (1.44 M samples), 361 steps. What a
 * query costs beyond reading chunks, µs per series and query. Each result is checked once first.
 */
import { Bench } from 'tinybench'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { execute, LabelTable, parse, type QueryResult } from '../../../src/shared/promql/index.js'
import { MemorySource } from '../../../test/support/memory-source.js'
import { report } from '../../figures.js'

const SERIES = 1_000
const SCRAPES = 1_440
const STEP_MS = 60_000
const END_MS = SCRAPES * 15_000
const STEPS = 361

const QUERIES = [
  'requests_total',
  'sum by (job) (requests_total)',
  'sum by (job) (rate(requests_total[5m]))',
  'avg by (job) (max_over_time(requests_total[5m]))',
  'topk(5, rate(requests_total[5m]))',
  'quantile by (job) (0.9, rate(requests_total[5m]))',
  'requests_total * 2 > 100',
  'rate(requests_total[5m]) / on (instance, job) requests_total',
]

const source = counters()
const labels = new LabelTable()
const bench = new Bench({ time: 1_000, warmupTime: 300 })
for (const text of QUERIES) {
  await check(text)
  bench.add(text, () => run(text))
}
await bench.run()
for (const task of bench.tasks) {
  const { result } = task
  const ms = result.state === 'completed' ? result.latency.p50 : Number.NaN
  report(task.name, (ms * 1e6) / SERIES, 'ns/series', `${ms.toFixed(2)} ms`)
}

function run(text: string): Promise<QueryResult> {
  return execute(
    parse(text, {
      enableExperimentalFunctions: false,
      experimentalDurationExpr: false,
      enableExtendedRangeSelectors: false,
      enableBinopFillModifiers: false,
    }),
    {
      text,
      start: END_MS - (STEPS - 1) * STEP_MS,
      end: END_MS,
      step: STEP_MS,
      lookbackMs: 300_000,
      delayedNameRemoval: false,
      samplesMax: 50_000_000,
      memoryMax: 2 ** 30,
      isCanceled: () => false,
    },
    source,
    labels,
  )
}

async function check(text: string): Promise<void> {
  const { data } = await run(text)
  if (data.type !== 'matrix' || data.order.length === 0 || data.matrix.steps !== STEPS) {
    throw new Error(`${text} gave no ${STEPS} steps`)
  }
}

/** Counters of ten jobs that grow unevenly; a few restart. */
function counters(): MemorySource {
  const random = new SeededPrng(1)
  const made = new MemorySource()
  const ts = Float64Array.from({ length: SCRAPES }, (_, i) => (i + 1) * 15_000)
  for (let series = 0; series < SERIES; series++) {
    const values = new Float64Array(SCRAPES)
    let value = 0
    for (let i = 0; i < SCRAPES; i++) {
      value = random.fraction() < 0.0005 ? 0 : value + random.below(100)
      values[i] = value
    }
    const job = `job-${series % 10}`
    made.addColumns({ __name__: 'requests_total', instance: `i-${series}`, job }, ts, values)
  }
  return made
}
