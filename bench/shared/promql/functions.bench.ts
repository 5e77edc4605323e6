/**
 * Kernels of range functions, ns per series × step: 1,440 samples a series (6 h every 15 s), 361
 * steps of a minute, windows of 5 minutes (20 samples). Windows are there already, as the call
 * operator slides them once per series. Run: node dist/bench/shared/promql/functions.bench.js
 *
 * Rounds of all kernels are interleaved and the best of each is told.
 */
import assert from 'node:assert/strict'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import type { Notes, RangeKernel, Windows } from '../../../src/shared/promql/functions/kernel.js'
import { FUNCTIONS } from '../../../src/shared/promql/index.js'
import { report } from '../../figures.js'

const SERIES = 100
const SAMPLES = 1440
const SCRAPE_MS = 15_000
const STEPS = 361
const STEP_MS = 60_000
const RANGE_MS = 300_000
const ROUNDS = 12

const prng = new SeededPrng(1)
const random = (): number => prng.nextU32() / 2 ** 32
const silent: Notes = { warn: () => {}, info: () => {} }

function windowsOf(next: (value: number) => number): Windows {
  const ts = new Float64Array(SAMPLES)
  const values = new Float64Array(SAMPLES)
  const offset = Math.floor(random() * SCRAPE_MS)
  let value = 1000
  for (let k = 0; k < SAMPLES; k++) {
    ts[k] = k * SCRAPE_MS + offset
    value = next(value)
    values[k] = value
  }
  const from = new Int32Array(STEPS)
  const to = new Int32Array(STEPS)
  for (let i = 0; i < STEPS; i++) {
    const end = i * STEP_MS
    while (to[i]! < SAMPLES && ts[to[i]!]! <= end) to[i]!++
    while (from[i]! < to[i]! && ts[from[i]!]! <= end - RANGE_MS) from[i]!++
  }
  return {
    ts,
    values,
    count: SAMPLES,
    steps: STEPS,
    from,
    to,
    rangeMs: RANGE_MS,
    mode: 'plain',
    end0: 0,
    stepMs: STEP_MS,
    eval0: 0,
    evalStepMs: STEP_MS,
  }
}

const counters = Array.from({ length: SERIES }, () =>
  windowsOf((value) => value + Math.floor(random() * 50)),
)
const gauges = Array.from({ length: SERIES }, () =>
  windowsOf((value) => value + (random() - 0.5) * 10),
)

interface Case {
  readonly name: string
  readonly run: RangeKernel
  readonly data: readonly Windows[]
  readonly params: readonly Float64Array[]
  best: number
}

function caseOf(
  name: string,
  data: readonly Windows[],
  label = name,
  params: readonly number[] = [],
): Case {
  const kernel = FUNCTIONS[name]?.kernel
  assert.equal(kernel?.form, 'range')
  const columns = params.map((param) => new Float64Array(STEPS).fill(param))
  return { name: label, run: kernel.run, data, params: columns, best: Infinity }
}

const cases = [
  caseOf('rate', counters),
  caseOf('rate', gauges, 'rate of a gauge (resets)'),
  caseOf('increase', counters),
  caseOf('delta', gauges),
  caseOf('irate', counters),
  caseOf('changes', gauges),
  caseOf('sum_over_time', gauges),
  caseOf('avg_over_time', gauges),
  caseOf('max_over_time', gauges),
  caseOf('count_over_time', gauges),
  caseOf('last_over_time', gauges),
  caseOf('stddev_over_time', gauges),
  caseOf('quantile_over_time', gauges, 'quantile_over_time', [0.9]),
  caseOf('deriv', gauges),
  caseOf('predict_linear', gauges, 'predict_linear', [3600]),
]

const values = new Float64Array(STEPS)
const present = new Uint32Array((STEPS + 31) >>> 5)

function round({ run, data, params }: Case): number {
  const started = process.hrtime.bigint()
  for (const windows of data) {
    present.fill(0)
    run(windows, params, values, 0, present, 0, silent)
  }
  return Number(process.hrtime.bigint() - started) / (data.length * STEPS)
}

// The counters gain 24.5 every 15 s on average: rate and increase must say so.
round(cases[0]!)
assert.ok(Math.abs(values[200]! - 24.5 / 15) < 0.7, `rate is ${values[200]}`)
for (let i = 0; i < ROUNDS; i++) {
  for (const one of cases) one.best = Math.min(one.best, round(one))
}
for (const { name, best } of cases) {
  report(name, best, 'ns/series×step')
}
