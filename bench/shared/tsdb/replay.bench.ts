/**
 * The log on the real disk: writing (encode, CRC, write), ns/sample, and replay into a new head,
 * samples/s. Run: node dist/bench/shared/tsdb/replay.bench.js [series] [scrapes]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeDisk } from '../../../src/shared/env/index.js'
import { compileHeadKernel, createHeadMemory } from '../../../src/shared/kernels/head.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { Head, replaySteps, WalWriter } from '../../../src/shared/tsdb/index.js'
import { report } from '../../figures.js'

const SERIES = Number(process.argv[2] ?? 50_000)
const SCRAPES = Number(process.argv[3] ?? 120)
const BODY = 2000

const module = compileHeadKernel()
const prng = { fill: (bytes: Uint8Array) => void crypto.getRandomValues(bytes) }
const root = mkdtempSync(join(tmpdir(), 'nilo-replay-'))
const disk = nodeDisk()

function newHead(): Head {
  return new Head({ prng }, { memory: createHeadMemory(), module })
}

function writeLog(): number {
  const head = newHead()
  let created = 0
  const writer = new WalWriter({ disk, folder: `${root}/wal`, createdMs: () => ++created })
  const refs = Uint32Array.from({ length: SERIES }, (_, i) =>
    head.getOrCreate(
      't',
      labelsOf({ __name__: `metric_${i % 500}`, instance: `host-${i % 997}`, n: `${i}` }),
    ),
  )
  const tenant = head.tenant('t')!
  let took = 0
  for (let scrape = 0; scrape < SCRAPES; scrape++) {
    const t = 1_700_000_000_000 + scrape * 15_000
    for (let from = 0; from < SERIES; from += BODY) {
      const count = Math.min(BODY, SERIES - from)
      head.refs.set(refs.subarray(from, from + count))
      for (let i = 0; i < count; i++) {
        head.times[i] = t + (i % 3)
        head.values[i] = scrape * ((from + i) % 17)
      }
      head.kernel.clearRange()
      head.kernel.logBegin()
      head.kernel.check(0, count, Number.NEGATIVE_INFINITY, Infinity, Infinity)
      const start = process.hrtime.bigint()
      head.kernel.logSamples(tenant, 0, count)
      writer.append(head.logBatch(), { sampleCount: count, ...head.acceptedRange() })
      took += Number(process.hrtime.bigint() - start)
    }
  }
  writer.sync()
  writer.close()
  return took / (SERIES * SCRAPES)
}

function replay(): number {
  const head = newHead()
  const log = { folder: `${root}/wal`, damagedFolder: `${root}/damaged`, isOwn: true }
  const start = process.hrtime.bigint()
  const steps = replaySteps({ disk, head, logs: [log], onDamage: () => {} })
  let next = steps.next()
  while (next.done !== true) next = steps.next()
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  if (next.value.samples !== SERIES * SCRAPES) throw new Error('samples are missing')
  return next.value.samples / seconds
}

try {
  report('log record, CRC, write', writeLog(), 'ns/sample')
  let best = 0
  for (let round = 0; round < 3; round++) best = Math.max(best, replay())
  report('replay', 1e9 / best, 'ns/sample', `${(best / 1e6).toFixed(1)} M samples/s`)
} finally {
  rmSync(root, { recursive: true, force: true })
}
