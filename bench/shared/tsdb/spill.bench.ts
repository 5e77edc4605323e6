/**
 * Chunk files: memory per series of a head of three hours before and after, what spilling costs per
 * chunk and the longest slice, and reading whole series, neighbours and every fifth, from memory and
 * from files (page cache warm). Run: node dist/bench/shared/tsdb/spill.bench.js [series]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeDisk } from '../../../src/shared/env/index.js'
import { compileHeadKernel, createHeadMemory } from '../../../src/shared/kernels/head.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { ChunkSpiller, Head, HeadReader, SnapshotWriter } from '../../../src/shared/tsdb/index.js'
import { report } from '../../figures.js'

const SERIES = Number(process.argv[2] ?? 20_000)
const SCRAPES = 720
const KEPT_MS = 3_600_000
const READS = Math.min(SERIES, 4_000)

const module = compileHeadKernel()
const memory = createHeadMemory()
const prng = { fill: (bytes: Uint8Array) => void crypto.getRandomValues(bytes) }
const head = new Head({ prng }, { memory, module })
const folder = mkdtempSync(join(tmpdir(), 'nilo-spill-'))
const spiller = new ChunkSpiller({
  disk: nodeDisk(),
  head,
  folder,
  newNumber: () => Math.floor(Math.random() * 2 ** 32),
  now: () => Date.now(),
})
const reader = new HeadReader(memory, module, 0, nodeDisk())

for (let i = 0; i < SERIES; i++) {
  const labels = { __name__: `metric_${i % 500}_total`, instance: `host-${i % 900}`, n: `${i}` }
  head.getOrCreate('bench', labelsOf(labels))
}
const BODY = 2_000
const values = new Float64Array(SERIES)
const start = 1_700_000_000_000
for (let scrape = 0; scrape < SCRAPES; scrape++) {
  for (let from = 0; from < SERIES; from += BODY) {
    const count = Math.min(BODY, SERIES - from)
    for (let i = 0; i < count; i++) {
      const ref = from + i
      values[ref]! += (ref % 17) + ((scrape * 7 + i) % 5) * ((i & 1) === 0 ? 1 : 0.125)
      head.refs[i] = ref
      head.times[i] = start + scrape * 15_000 + (i % 3)
      head.values[i] = values[ref]!
    }
    head.kernel.check(
      0,
      count,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    )
    head.kernel.append(0, count)
    head.kernel.publish(0, count)
  }
}

const out = { ts: new Float64Array(4096), values: new Float64Array(4096), count: 0 }

/** ns per sample, the best of several. */
function read(step: number): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    let samples = 0
    const before = process.cpuUsage()
    for (let i = 0; i < READS; i++) {
      reader.read((i * step) % SERIES, start, Number.POSITIVE_INFINITY, out)
      samples += out.count
    }
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, ((user + system) * 1e3) / samples)
  }
  if (out.count !== SCRAPES) throw new Error(`read ${out.count} samples of ${SCRAPES}`)
  return best
}

report('memory, nothing spilled', head.dataBytes() / SERIES, 'B/series', `${SCRAPES} scrapes`)
report('read from memory, neighbours', read(1), 'ns/sample')
report('read from memory, every fifth', read(5), 'ns/sample')
spiller.begin(start + SCRAPES * 15_000 - KEPT_MS)
let longest = 0
const before = process.cpuUsage()
for (let more = true; more; ) {
  const from = performance.now()
  more = spiller.step()
  longest = Math.max(longest, performance.now() - from)
}
const { user, system } = process.cpuUsage(before)
spiller.collect()
report('spill', (user + system) / spiller.chunksSpilled(), 'µs/chunk', 'CPU, two hours of three')
report('longest slice', longest, 'ms')
report('chunk file', spiller.fileBytes() / SERIES, 'B/series')
report('memory, an hour kept', head.dataBytes() / SERIES, 'B/series')
report('read, two hours of three from a file, neighbours', read(1), 'ns/sample')
report('read, the same, every fifth', read(5), 'ns/sample')

head.openChunkFiles(nodeDisk(), () => {})
const writer = new SnapshotWriter({ disk: nodeDisk(), folder, head, segment: 1, createdMs: 1 })
const slices: number[] = []
for (let more = true; more; ) {
  const from = performance.now()
  more = writer.step()
  slices.push(performance.now() - from)
}
writer.abort()
slices.sort((a, b) => a - b)
report('snapshot with it, slice of 99 %', slices[Math.floor(slices.length * 0.99)]!, 'ms')
report('the whole of it', (slices.reduce((a, b) => a + b) / SERIES) * 1e3, 'µs/series')
rmSync(folder, { recursive: true, force: true })
