/**
 * JSON answers: ns per point of a matrix, against JSON.stringify of the same data, and ns per row
 * of a vector. `npm run bench -- shared/wire/json`
 */
import { Bench } from 'tinybench'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { LabelTable } from '../../../src/shared/promql/label-table.js'
import { JsonEncoder, type QueryAnswer } from '../../../src/shared/wire/json/index.js'
import { report } from '../../figures.js'

const SERIES = 1000
const STEPS = 361
const WORDS = Math.ceil(STEPS / 32)
const START = 1_732_200_000_000

/** Values by kind, from a fixed sequence. */
const KINDS: Readonly<Record<string, (index: number) => number>> = {
  'whole numbers': (index) => (index * 7919) % 1_000_003,
  '3 decimals': (index) => ((index * 7919) % 1_000_003) / 1000,
  '17 digits': (index) => Math.abs(Math.sin(index + 1)) * 1000,
}

const labels = new LabelTable()
const sets = Uint32Array.from({ length: SERIES }, (_, i) =>
  labels.internLabels(
    labelsOf({
      __name__: 'http_requests_total',
      instance: `host-${i}.example:9100`,
      job: 'node',
      code: '200',
      method: 'GET',
      path: `/api/v1/resource/${i % 50}`,
    }),
  ),
)
const order = Uint32Array.from({ length: SERIES }, (_, i) => i)
const encoder = new JsonEncoder()

function matrixOf(kind: (index: number) => number): QueryAnswer {
  const values = Float64Array.from({ length: SERIES * STEPS }, (_, i) => kind(i))
  const present = new Uint32Array(SERIES * WORDS)
  for (let i = 0; i < SERIES * STEPS; i++) {
    const step = i % STEPS
    present[Math.floor(i / STEPS) * WORDS + (step >>> 5)]! |= 1 << (step & 31)
  }
  const matrix = { steps: STEPS, words: WORDS, sets, values, present }
  const data = { type: 'matrix', matrix, order, range: { start: START, step: 60_000 } } as const
  return { labels, data, warnings: [], infos: [] }
}

function vectorOf(kind: (index: number) => number): QueryAnswer {
  const values = Float64Array.from({ length: SERIES }, (_, i) => kind(i))
  const matrix = { steps: 1, words: 1, sets, values, present: new Uint32Array(SERIES).fill(1) }
  const data = { type: 'vector', matrix, order, atMs: START } as const
  return { labels, data, warnings: [], infos: [] }
}

/** The same answer as objects, for JSON.stringify. */
function plainOf(answer: QueryAnswer): unknown {
  return JSON.parse(Buffer.concat(encoder.encode(answer)).toString())
}

const bench = new Bench({ time: 500, warmupTime: 100 })
const units = new Map<string, number>()
for (const [name, kind] of Object.entries(KINDS)) {
  const matrix = matrixOf(kind)
  const vector = vectorOf(kind)
  const plain = plainOf(matrix)
  const written = Buffer.concat(encoder.encode(matrix)).toString()
  if (JSON.stringify(plain) !== written)
    throw new Error(`${name}: the answer is not what it should be`)
  bench.add(`matrix of ${name}, ns/point`, () => encoder.encode(matrix))
  units.set(`matrix of ${name}, ns/point`, SERIES * STEPS)
  bench.add(`JSON.stringify of ${name} (numbers are text already), ns/point`, () => {
    Buffer.from(JSON.stringify(plain))
  })
  units.set(`JSON.stringify of ${name} (numbers are text already), ns/point`, SERIES * STEPS)
  bench.add(`vector of ${name}, ns/row`, () => encoder.encode(vector))
  units.set(`vector of ${name}, ns/row`, SERIES)
}
await bench.run()
for (const task of bench.tasks) {
  const result = task.result
  if (result.state !== 'completed') throw new Error(`${task.name}: ${result.state}`)
  const ns = (result.latency.p50 * 1e6) / units.get(task.name)!
  const [name, unit] = task.name.split(', ns/')
  report(name!, ns, `ns/${unit}`)
}
