/**
 * A snapshot of a head on the real disk: writing it (all, longest slice), loading it into a new head.
 * Run: node dist/bench/shared/tsdb/snapshot.bench.js [series] [samples of each]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeDisk } from '../../../src/shared/env/index.js'
import { compileHeadKernel, createHeadMemory } from '../../../src/shared/kernels/head.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { Head, replaySteps, SnapshotWriter } from '../../../src/shared/tsdb/index.js'
import { report } from '../../figures.js'

const SERIES = Number(process.argv[2] ?? 200_000)
const SAMPLES = Number(process.argv[3] ?? 40)
const START = 1_700_000_000_000

const module = compileHeadKernel()
const prng = { fill: (bytes: Uint8Array) => void crypto.getRandomValues(bytes) }
const root = mkdtempSync(join(tmpdir(), 'nilo-snapshot-'))
const disk = nodeDisk()

function newHead(): Head {
  return new Head({ prng }, { memory: createHeadMemory(), module })
}

function filledHead(): Head {
  const head = newHead()
  for (let i = 0; i < SERIES; i++) {
    const pod = Math.floor(i / 40)
    const labels = labelsOf({
      __name__: `metric_${i % 40}`,
      cluster: 'production',
      container: `app-${pod % 17}`,
      id: `/kubepods/burstable/pod${pod}`,
      instance: `host-${pod % 250}`,
      job: 'kubelet',
      namespace: `team-${pod % 31}`,
      pod: `app-${pod}`,
    })
    const ref = head.getOrCreate('t', labels)
    head.kernel.setLogRef(ref, ref + 1)
    for (let k = 0; k < SAMPLES; k++) head.appendSample(ref, START + k * 15_000, i * k)
  }
  return head
}

/** What writing took, ns and bytes a series; the longest slice in ns. */
interface Written {
  readonly write: number
  readonly synced: number
  readonly bytes: number
  readonly longest: number
}

function write(head: Head, number: number): Written {
  const start = performance.now()
  const options = { disk, folder: root, head, segment: number, createdMs: number }
  const writer = new SnapshotWriter(options)
  let longest = 0
  for (let hasMore = true; hasMore; ) {
    const from = performance.now()
    hasMore = writer.step()
    longest = Math.max(longest, performance.now() - from)
  }
  const took = performance.now() - start
  writer.sync()
  writer.commit()
  const synced = performance.now() - start
  return {
    write: (took * 1e6) / SERIES,
    synced: (synced * 1e6) / SERIES,
    bytes: writer.bytesWritten() / SERIES,
    longest: longest * 1e6,
  }
}

/** ns a series. */
function load(): number {
  const head = newHead()
  const log = {
    folder: `${root}/wal`,
    snapshotFolder: root,
    damagedFolder: `${root}/damaged`,
    isOwn: true,
  }
  const start = performance.now()
  const steps = replaySteps({ disk, head, logs: [log], onDamage: () => {} })
  let next = steps.next()
  while (next.done !== true) next = steps.next()
  const took = performance.now() - start
  if (next.value.snapshotSamples !== SERIES * SAMPLES) throw new Error('samples are missing')
  return (took * 1e6) / SERIES
}

try {
  const head = filledHead()
  const written = [1, 2, 3].map((round) => write(head, round))
  const least = (of: (one: Written) => number) => Math.min(...written.map(of))
  report(
    'snapshot',
    least(({ write }) => write),
    'ns/series',
  )
  report(
    'snapshot with sync',
    least(({ synced }) => synced),
    'ns/series',
  )
  report(
    'snapshot, longest slice',
    least(({ longest }) => longest),
    'ns',
  )
  report(
    'snapshot, size',
    least(({ bytes }) => bytes),
    'B/series',
  )
  report('load', Math.min(load(), load(), load()), 'ns/series')
} finally {
  rmSync(root, { recursive: true, force: true })
}
