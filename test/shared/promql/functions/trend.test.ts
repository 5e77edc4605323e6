/** deriv and predict_linear, bit for bit what Prometheus' linearRegression gives for each window alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import type { Notes, Windows } from '../../../../src/shared/promql/functions/kernel.js'
import { FUNCTIONS } from '../../../../src/shared/promql/index.js'

const silent: Notes = { warn: () => {}, info: () => {} }
const AHEAD = 3_600

/** Neumaier's addition as Prometheus has it: the sum and what it has lost. */
function add(value: number, [sum, lost]: readonly [number, number]): [number, number] {
  const total = sum + value
  if (total === Infinity || total === -Infinity) return [total, 0]
  if (Math.abs(sum) >= Math.abs(value)) return [total, lost + (sum - total + value)]
  return [total, lost + (value - total + sum)]
}

/** Slope and value at the origin of one window. */
function fit(ts: Float64Array, values: Float64Array, origin: number): [number, number] {
  if (values.every((value, k) => k === 0 || value === values[0])) {
    return Math.abs(values[0]!) === Infinity ? [Number.NaN, Number.NaN] : [0, values[0]!]
  }
  let x: [number, number] = [0, 0]
  let y: [number, number] = [0, 0]
  let xy: [number, number] = [0, 0]
  let xx: [number, number] = [0, 0]
  for (const [k, value] of values.entries()) {
    const seconds = (ts[k]! - origin) / 1e3
    y = add(value, y)
    x = add(seconds, x)
    xy = add(seconds * value, xy)
    xx = add(seconds * seconds, xx)
  }
  const n = values.length
  const sum = ([total, lost]: [number, number]) => total + lost
  const covariance = sum(xy) - (sum(x) * sum(y)) / n
  const variance = sum(xx) - (sum(x) * sum(x)) / n
  const slope = covariance / variance
  return [slope, sum(y) / n - (slope * sum(x)) / n]
}

const GAUGES: readonly ((prng: SeededPrng, value: number, k: number) => number)[] = [
  (prng, value) => value + (prng.fraction() - 0.5) * 1e3,
  (prng, value) => value + 4_096 * prng.below(50),
  (prng, value) => (prng.below(12) === 0 ? value + 1 : value),
  (prng) => 10 ** (prng.below(400) - 200) * (prng.below(2) === 0 ? 1 : -1),
  (_prng, _value, k) => (k < 200 ? 7 : k),
  (prng, value, k) => (k === 150 ? Number.NaN : k === 300 ? Infinity : value + prng.fraction()),
  (_prng, _value, k) => (k < 100 ? -Infinity : 1.5),
]

function windowsOf(prng: SeededPrng, steps: number, rangeMs: number, gauge: number): Windows {
  const count = 50 + prng.below(400)
  const ts = new Float64Array(count + 10)
  const values = new Float64Array(count + 10)
  let value = 1e6
  for (let k = 0, t = 0; k < count; k++, t += 15_000 * (1 + prng.below(20 - (k % 19)) / 19)) {
    ts[k] = Math.floor(t) + prng.below(20)
    value = GAUGES[gauge]!(prng, value, k)
    values[k] = value
  }
  const stepMs = 61_000
  const from = new Int32Array(steps)
  const to = new Int32Array(steps)
  for (let i = 0; i < steps; i++) {
    while (to[i]! < count && ts[to[i]!]! <= i * stepMs) to[i]!++
    while (from[i]! < to[i]! && ts[from[i]!]! <= i * stepMs - rangeMs) from[i]!++
  }
  const times = { end0: 0, stepMs, eval0: 0, evalStepMs: stepMs }
  return { ts, values, count, steps, from, to, rangeMs, mode: 'plain', ...times }
}

test('lines are those of each window alone, to the last bit', () => {
  const prng = new SeededPrng(3)
  let lines = 0
  for (let round = 0; round < 20; round++) {
    for (const gauge of GAUGES.keys()) {
      const steps = 1 + prng.below(120)
      const windows = windowsOf(prng, steps, 1 + prng.below(4_000_000), gauge)
      const { ts, values, from, to } = windows
      for (const name of ['deriv', 'predict_linear'] as const) {
        const kernel = FUNCTIONS[name]!.kernel
        assert.ok(kernel.form === 'range')
        const out = new Float64Array(steps)
        const present = new Uint32Array((steps + 31) >>> 5)
        kernel.run(windows, [new Float64Array(steps).fill(AHEAD)], out, 0, present, 0, silent)
        for (let i = 0; i < steps; i++) {
          const isPresent = ((present[i >>> 5]! >>> (i & 31)) & 1) === 1
          assert.equal(isPresent, to[i]! - from[i]! > 1)
          if (!isPresent) continue
          const origin = name === 'deriv' ? ts[from[i]!]! : i * windows.evalStepMs
          const part = [from[i]!, to[i]!] as const
          const [slope, value] = fit(ts.subarray(...part), values.subarray(...part), origin)
          const expected = name === 'deriv' ? slope : slope * AHEAD + value
          assert.ok(Object.is(out[i], expected), `${name} ${gauge}: ${out[i]}, not ${expected}`)
          lines++
        }
      }
    }
  }
  assert.ok(lines > 5_000)
})
