/**
 * A turn of an ingester, ns/sample: frames of 2,000 samples out of a real ring buffer, translated,
 * checked, logged (to a disk that takes everything), appended, published, acknowledged.
 * Run: node dist/bench/actors/ingester/turn.bench.js [series]
 */
import { INGESTER_DEFAULTS } from '../../../src/actors/ingester/contract.js'
import { Ingester } from '../../../src/actors/ingester/ingester.js'
import type { Disk, DiskFile, Env } from '../../../src/shared/env/index.js'
import { NODE_CLOCK, NODE_TIMERS } from '../../../src/shared/env/index.js'
import { compileHeadKernel, createHeadMemory } from '../../../src/shared/kernels/head.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { createRingbuf, RingReader, RingWriter } from '../../../src/shared/ringbuf/index.js'
import { createLog } from '../../../src/shared/telemetry/index.js'
import { encodeLabels } from '../../../src/shared/tsdb/head/label-bytes.js'
import {
  FRAME_WRITE,
  padTo8,
  WRITE_HEADER_BYTES,
  WRITE_LAST,
} from '../../../src/shared/wire/frames/index.js'
import { testLimits } from '../../../test/support/limits.js'
import { report } from '../../figures.js'

const SERIES = Number(process.argv[2] ?? 100_000)
const SCRAPES = 120
const BODY = 2000

const file: DiskFile = {
  path: 'nowhere',
  write: (bytes) => bytes.length,
  read: () => 0,
  size: () => 0,
  truncate() {},
  sync() {},
  syncLater: async () => {},
  close() {},
}
const disk: Disk = {
  open: () => file,
  readFile: () => new Uint8Array(0),
  exists: () => false,
  list: () => [],
  makeFolder() {},
  findFacts: () => undefined,
  link: () => 'impossible',
  removeEmptyFolder: () => false,
  freeBytes: () => Number.POSITIVE_INFINITY,
  rename() {},
  remove() {},
  syncFolder() {},
  replaceFile() {},
}
const cell = { add() {}, set() {}, observe() {} }
const env: Env = {
  clock: NODE_CLOCK,
  timers: NODE_TIMERS,
  prng: {
    nextU32: () => 0,
    fill: (bytes) => void crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
  },
  disk,
  log: createLog({ write: () => {}, now: () => 0, levelMin: 'error' }),
  metrics: { cell: () => cell, histogram: () => cell, release: () => {} },
}
const ingester = new Ingester(env, {
  index: 0,
  shardCount: 1,
  config: { ...INGESTER_DEFAULTS, dataDir: 'nowhere' },
  memory: createHeadMemory(),
  kernel: compileHeadKernel(),
  limits: testLimits(),
})
const down = createRingbuf(1 << 22, 1)
const up = createRingbuf(1 << 16, 1)
ingester.linkDistributor(0, { writer: new RingWriter(up, () => {}), reader: new RingReader(down) })
const writer = new RingWriter(down, () => {})
const acks = new RingReader(up)

function sendFrame(from: number, count: number, t: number, defines: Buffer): void {
  const idsAt = WRITE_HEADER_BYTES + 8 + defines.length
  const timesAt = idsAt + padTo8(count * 4)
  const length = timesAt + count * 16
  const at = writer.reserve(FRAME_WRITE, length)
  if (at < 0) throw new Error('the ring is full')
  const buffer = writer.data.buffer
  const start = writer.data.byteOffset + at
  const header = new Uint32Array(buffer, start, 8)
  header.set([1, WRITE_LAST, 1, defines.length === 0 ? 0 : count, defines.length, count, 0, 0])
  writer.data[at + WRITE_HEADER_BYTES] = 0x74
  writer.data.set(defines, at + WRITE_HEADER_BYTES + 8)
  const ids = new Uint32Array(buffer, start + idsAt, count)
  const times = new Float64Array(buffer, start + timesAt, count)
  const values = new Float64Array(buffer, start + timesAt + count * 8, count)
  for (let i = 0; i < count; i++) {
    ids[i] = from + i
    times[i] = t + (i % 3)
    values[i] = (t / 1000) * ((from + i) % 17)
  }
  writer.commit()
}

function definesOf(from: number, count: number): Buffer {
  const parts: Buffer[] = []
  for (let i = from; i < from + count; i++) {
    const labels = encodeLabels(
      labelsOf({ __name__: `metric_${i % 500}`, instance: `host-${i % 997}`, n: `${i}` }),
    )
    const define = Buffer.alloc(16 + padTo8(labels.length))
    define.writeUInt32LE(i, 0)
    define.writeUInt32LE(3, 4)
    define.writeUInt32LE(labels.length, 8)
    define.set(labels, 16)
    parts.push(define)
  }
  return Buffer.concat(parts)
}

const nothing = Buffer.alloc(0)
let best = Number.POSITIVE_INFINITY
let total = 0
for (let scrape = 0; scrape < SCRAPES; scrape++) {
  let took = 0
  for (let from = 0; from < SERIES; from += BODY) {
    const count = Math.min(BODY, SERIES - from)
    const defines = scrape === 0 ? definesOf(from, count) : nothing
    sendFrame(from, count, 1_700_000_000_000 + scrape * 15_000, defines)
    const start = process.hrtime.bigint()
    ingester.turn()
    took += Number(process.hrtime.bigint() - start)
    if (!acks.next()) throw new Error('no ack')
    acks.release()
  }
  if (scrape === 0) {
    report('turn with new series', took / SERIES, 'ns/series')
    continue
  }
  total += took
  best = Math.min(best, took / SERIES)
}
if (ingester.head.seriesCount() !== SERIES) throw new Error('series are missing')
const mean = total / SERIES / (SCRAPES - 1)
report('turn', mean, 'ns/sample')
report('turn, best scrape', best, 'ns/sample')
