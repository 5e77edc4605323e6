/**
 * A block from a head, as the compactor's thread makes it: 14 labels and 24 samples a series, nothing
 * paused. CPU of this thread and its helpers per series, collections, and what is resident
 * at most. Run: node dist/bench/actors/compactor/build.bench.js [series]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PerformanceObserver } from 'node:perf_hooks'
import { buildBlocks } from '../../../src/actors/compactor/build.js'
import { createMainEnv } from '../../../src/actors/supervisor/system.js'
import { openCollector } from '../../../src/shared/env/index.js'
import { compileHeadKernel, createHeadMemory } from '../../../src/shared/kernels/head.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { Head } from '../../../src/shared/tsdb/index.js'
import { report } from '../../figures.js'

const SERIES = Number(process.argv[2] ?? 100_000)
const SCRAPES = 24
const BODY = 2_000
const START = 1_700_006_400_000
const RANGE = { mint: START, maxt: START + 7_200_000 }
const { env } = createMainEnv('error')
const memory = createHeadMemory()
const kernel = compileHeadKernel()
const head = new Head(env, { memory, module: kernel })

for (let i = 0; i < SERIES; i++) {
  const target = Math.floor(i / 100)
  const labels: Record<string, string> = {
    __name__: `metric_${i % 100}_total`,
    path: `/p${i % 40}`,
  }
  for (let n = 0; n < 8; n++) labels[`label_${n}`] = `value-${n}-${target % (n * 3 + 2)}`
  for (const name of ['instance', 'pod', 'host']) labels[name] = `${name}-${target}.example.org`
  head.getOrCreate('bench', labelsOf({ ...labels, code: `${(i % 5) * 100}` }))
}
for (let scrape = 0; scrape < SCRAPES; scrape++) {
  for (let from = 0; from < SERIES; from += BODY) {
    const count = Math.min(BODY, SERIES - from)
    for (let i = 0; i < count; i++) {
      head.refs[i] = from + i
      head.times[i] = START + scrape * 15_000 + (i % 3)
      head.values[i] = (from + i) * 3 + ((scrape * 7 + i) % 5) * ((i & 1) === 0 ? 1 : 0.125)
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

let collections = 0
new PerformanceObserver((list) => {
  collections += list.getEntries().length
}).observe({ entryTypes: ['gc'] })
const folder = mkdtempSync(join(tmpdir(), 'nilo-build-'))
const collect = openCollector()
const pause = env.timers.yieldNow
const parts = { env, kernel, readerSlot: 1, isStopping: () => false, pause, collect }
try {
  for (const round of ['first', 'second']) {
    let peak = process.memoryUsage.rss()
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss())
    }, 20)
    const refs = head.view.postings(head.view.allPair(0)).slice()
    const before = process.cpuUsage()
    collections = 0
    const built = await buildBlocks(parts, {
      tenant: 'bench',
      memory,
      folder,
      refs,
      ranges: [RANGE],
      lateRefs: new Uint32Array(0),
      rangeMs: 7_200_000,
    })
    const { user, system } = process.cpuUsage(before)
    clearInterval(timer)
    if (built[0]?.numSamples !== SERIES * SCRAPES) throw new Error(JSON.stringify(built))
    await env.timers.sleep(100)
    report(`${round} build`, (user + system) / SERIES, 'µs/series', `${collections} collections`)
    report(`${round} build, resident`, peak / 2 ** 20, 'MiB')
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
