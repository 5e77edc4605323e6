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

function write(head: Head, number: number): void {
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
  print(
    `write      ${(took / 1000).toFixed(2)} s, with sync ${(synced / 1000).toFixed(2)} s,`,
    `${(writer.bytesWritten() / SERIES).toFixed(0)} B/series, longest slice ${longest.toFixed(1)} ms`,
  )
}

function load(): void {
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
  print(
    `load       ${(took / 1000).toFixed(2)} s, ${((took / SERIES) * 1000).toFixed(2)} µs/series`,
  )
}

function print(...parts: string[]): void {
  process.stdout.write(`${parts.join(' ')}\n`)
}

try {
  const head = filledHead()
  for (let round = 1; round <= 3; round++) write(head, round)
  for (let round = 0; round < 3; round++) load()
} finally {
  rmSync(root, { recursive: true, force: true })
}
