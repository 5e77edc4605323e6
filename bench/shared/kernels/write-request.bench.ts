/**
 * Write-request kernel: ns per sample for snappy, walk and lookup, by the way the lookup goes.
 * `node dist/bench/shared/kernels/write-request.bench.js [series]`; least time over rounds.
 */
import { randomFillSync } from 'node:crypto'
import { SeriesCache, type TenantSeries } from '../../../src/actors/distributor/series-cache.js'
import * as layout from '../../../src/shared/kernels/assembly/write-request-layout.js'
import { compileKernel } from '../../../src/shared/kernels/load.js'
import { WriteRequestKernel } from '../../../src/shared/kernels/write-request.js'
import { Limits } from '../../../src/shared/limits/index.js'
import { testLimits } from '../../../test/support/limits.js'
import { report } from '../../figures.js'
import { scrapeOf } from '../../remote-write-data.js'

const SERIES = Number(process.argv[2] ?? 20_000)
const ROUNDS = 15
const NOW = 1_700_000_000_000

const module = compileKernel('write-request')
const scrapes = [scrapeOf(SERIES, 0, NOW), scrapeOf(SERIES, 1, NOW)]
console.log(
  `${SERIES} series, ${(scrapes[0]!.rawBytes / SERIES).toFixed(0)} B raw and ${(scrapes[0]!.bodies.reduce((sum, body) => sum + body.length, 0) / SERIES).toFixed(0)} B compressed per sample`,
)

measure('snappy alone', false, false)
measureBoth()
measure('snappy, walk, the expected series', true, false)
measure('snappy, walk, table', true, true)

function measure(name: string, isWalking: boolean, forgets: boolean): void {
  const kernel = createKernel()
  const cache = new SeriesCache(kernel)
  const tenant = cache.open('bench', new Limits(testLimits()).defaults())
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    let samples = 0
    for (const body of round % 2 === 0 ? scrapes[0]!.bodies : scrapes[1]!.bodies) {
      kernel.bytes.set(body, kernel.source)
      const length = kernel.exports.snappyDecompress(
        kernel.source,
        body.length,
        kernel.body,
        8 << 20,
      )
      if (length < 0) throw new Error('corrupt')
      if (isWalking) samples += walk(kernel, cache, tenant, length, forgets)
    }
    const tookMs = performance.now() - from
    if (isWalking && samples !== SERIES) throw new Error(`${samples} samples, not ${SERIES}`)
    if (round > 0) best = Math.min(best, (tookMs * 1e6) / SERIES)
  }
  report(name, best, 'ns/sample')
}

function measureBoth(): void {
  const kernel = createKernel()
  const { bodies } = scrapes[0]!
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    for (let i = 0; i < bodies.length; i++) {
      const next = bodies[(i + 1) % bodies.length]!
      const isDone = kernel.decompressBoth(bodies[i]!, next, 8 << 20)
      if (!isDone || kernel.unpacked(0) < 0 || kernel.unpacked(1) < 0) throw new Error('corrupt')
    }
    if (round > 0) best = Math.min(best, ((performance.now() - from) * 1e6) / SERIES / 2)
  }
  report('snappy alone, two bodies at once', best, 'ns/sample')
}

function createKernel(): WriteRequestKernel {
  return new WriteRequestKernel(
    module,
    {
      bodyBytesMax: 8 << 20,
      sourceBytesMax: 8 << 20,
      samplesMax: 65_536,
      defineBytesMax: 2 << 20,
      shardCount: 1,
      seriesIdsMax: 1 << 21,
      heapBytes: 512 << 20,
      templateBytes: 0,
    },
    (bytes) => void randomFillSync(bytes),
  )
}

function walk(
  kernel: WriteRequestKernel,
  cache: SeriesCache,
  tenant: TenantSeries,
  length: number,
  forgets: boolean,
): number {
  kernel.beginBody(length)
  kernel.set(layout.TENANT, tenant.record)
  kernel.beginChunk()
  let code = 0
  do {
    if (forgets) forgetOrder(kernel, tenant)
    code = kernel.exports.walk(kernel.context)
    if (code === layout.WALK_ROOM) cache.makeRoom(tenant)
  } while (code === layout.WALK_ROOM)
  if (code !== layout.WALK_DONE) throw new Error(`walk: ${code}`)
  return kernel.get(layout.SAMPLE_COUNT)
}

/** As if the sender's order were new: no prediction holds. */
function forgetOrder(kernel: WriteRequestKernel, tenant: TenantSeries): void {
  const next = kernel.get(layout.ID_NEXT) >>> 2
  kernel.words.fill(0, next, next + SERIES + 1_024)
  kernel.words[(tenant.record + layout.TENANT_PREVIOUS) >>> 2] = 0
}
