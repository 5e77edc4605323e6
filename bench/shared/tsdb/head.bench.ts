/**
 * The head: append, ns/sample (burst and publishing included); create, ns/series; decode and read,
 * ns/sample; log encoding, ns/sample; samples out of order: check, insertion, reading. Run: node dist/bench/shared/tsdb/head.bench.js [series]
 *
 * Plain loops over whole rounds, the best of several: a single append is too short for a harness.
 */
import { compileHeadKernel, createHeadMemory } from '../../../src/shared/kernels/head.js'
import { encodeLabels } from '../../../src/shared/tsdb/head/label-bytes.js'
import { Head, HeadReader } from '../../../src/shared/tsdb/index.js'
import { report } from '../../figures.js'

const SERIES = Number(process.argv[2] ?? 100_000)
const SCRAPES = 240
const BODY = 2000

const module = compileHeadKernel()
const memory = createHeadMemory()
const prng = { fill: (bytes: Uint8Array) => void crypto.getRandomValues(bytes) }
const head = new Head({ prng }, { memory, module })

function seconds(run: () => void): number {
  const start = process.hrtime.bigint()
  run()
  return Number(process.hrtime.bigint() - start) / 1e9
}

function labelsOfSeries(i: number): Uint8Array {
  const values = [
    ['__name__', `node_metric_${i % 500}_seconds_total`],
    ['cluster', 'europe-west-1'],
    ['container', `container-${i % 37}`],
    ['device', `/dev/sda${i % 11}`],
    ['env', 'production'],
    ['instance', `10.0.${(i >> 8) & 255}.${i & 255}:9100`],
    ['job', 'node-exporter'],
    ['mode', ['idle', 'user', 'system', 'iowait'][i & 3]!],
    ['namespace', `namespace-${i % 83}`],
    ['pod', `some-deployment-${i % 5000}-abcde`],
    ['region', 'eu'],
    ['shard', `${i % 16}`],
    ['zone', `zone-${i % 3}`],
  ]
  return encodeLabels(values.map(([name, value]) => ({ name: name!, value: value! })))
}

const sections: { bytes: Uint8Array; count: number }[] = []
for (let from = 0; from < SERIES; from += BODY) {
  const parts: Buffer[] = []
  const count = Math.min(BODY, SERIES - from)
  for (let i = from; i < from + count; i++) {
    const labels = labelsOfSeries(i)
    const define = Buffer.alloc(16 + ((labels.length + 7) & ~7))
    define.writeUInt32LE(i, 0)
    define.writeUInt32LE(13, 4)
    define.writeUInt32LE(labels.length, 8)
    define.set(labels, 16)
    parts.push(define)
  }
  sections.push({ bytes: Buffer.concat(parts), count })
}
const tenant = head.tenant('bench')!
const refs = new Uint32Array(SERIES)
const define = (): void => {
  for (const { bytes, count } of sections) {
    head.defineSection(tenant, bytes, count, (id, ref) => {
      refs[id] = ref
    })
  }
}
report('create', (seconds(define) / SERIES) * 1e9, 'ns/series')
report('find by labels', (seconds(define) / SERIES) * 1e9, 'ns/series')
report(
  'memory per new series',
  head.memoryUse().used / SERIES,
  'B/series',
  'fixed regions included',
)

// Counters with some noise; values per body are made outside the timed part.
const values = new Float64Array(SERIES)
let append = 0
let check = 0
let log = 0
const rounds: number[] = []
for (let scrape = 0; scrape < SCRAPES; scrape++) {
  const t = 1_700_000_000_000 + scrape * 15_000
  let round = 0
  for (let from = 0; from < SERIES; from += BODY) {
    const count = Math.min(BODY, SERIES - from)
    for (let i = 0; i < count; i++) {
      values[from + i]! += ((from + i) % 17) + ((scrape * 7 + i) % 5) * ((i & 1) === 0 ? 1 : 0.125)
      head.times[i] = t + (i % 3)
    }
    head.refs.set(refs.subarray(from, from + count))
    head.values.set(values.subarray(from, from + count))
    check += seconds(() =>
      head.kernel.check(0, count, Number.NEGATIVE_INFINITY, Infinity, Infinity),
    )
    head.kernel.logBegin()
    log += seconds(() => head.kernel.logSamples(tenant, 0, count))
    const took = seconds(() => {
      if (head.kernel.append(0, count) !== count) throw new Error('memory is full')
      head.kernel.publish(0, count)
    })
    append += took
    round += took
  }
  rounds.push((round / SERIES) * 1e9)
}
const samples = SERIES * SCRAPES
report('check', (check / samples) * 1e9, 'ns/sample')
report('log record', (log / samples) * 1e9, 'ns/sample')
report('append + burst + publish', (append / samples) * 1e9, 'ns/sample')
report('append, best scrape', Math.min(...rounds), 'ns/sample')
report('append, worst scrape', Math.max(...rounds), 'ns/sample')
report(
  'memory per series in the end',
  head.memoryUse().used / SERIES,
  'B/series',
  `after ${SCRAPES} scrapes`,
)

const reader = new HeadReader(memory, module, 0)
const out = { ts: new Float64Array(4096), values: new Float64Array(4096), count: 0 }
let best = Infinity
for (let round = 0; round < 5; round++) {
  let read = 0
  const took = seconds(() => {
    for (let ref = 0; ref < Math.min(SERIES, 10_000); ref++) {
      reader.read(ref, -Infinity, Infinity, out)
      read += out.count
    }
  })
  best = Math.min(best, (took / read) * 1e9)
}
if (out.count !== SCRAPES) throw new Error(`read ${out.count} samples of ${SCRAPES}`)
report('read whole series', best, 'ns/sample')

// Out of order: to each series, between its samples, from the newest backwards and forth.
const LATE = 48
const late: number[] = []
for (let round = 0; round < LATE; round++) {
  const t = 1_700_000_000_000 + ((round * 37) % (SCRAPES - 1)) * 15_000 + 7_000
  for (let from = 0; from < SERIES; from += BODY) {
    const count = Math.min(BODY, SERIES - from)
    head.times.fill(t, 0, count)
    head.refs.set(refs.subarray(from, from + count))
    head.values.set(values.subarray(from, from + count))
    const took = seconds(() => {
      head.kernel.truncateOutOfOrder(0)
      head.kernel.check(0, count, Number.NEGATIVE_INFINITY, 0, Infinity)
      if (head.kernel.appendOutOfOrder(0, count) !== count) throw new Error('memory is full')
    })
    late.push((took / count) * 1e9)
  }
}
late.sort((a, b) => a - b)
report('out of order, median body', late[late.length >> 1]!, 'ns/sample', 'check included')
report(
  'out of order, mean',
  late.reduce((sum, one) => sum + one, 0) / late.length,
  'ns/sample',
  'chunks closed',
)
best = Infinity
for (let round = 0; round < 5; round++) {
  let read = 0
  const took = seconds(() => {
    for (let ref = 0; ref < Math.min(SERIES, 10_000); ref++) {
      reader.read(ref, -Infinity, Infinity, out)
      read += out.count
    }
  })
  best = Math.min(best, (took / read) * 1e9)
}
if (out.count !== SCRAPES + LATE) throw new Error(`read ${out.count} of ${SCRAPES + LATE}`)
report('read, a sixth out of order', best, 'ns/sample')
