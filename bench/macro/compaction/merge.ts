/** Twelve blocks of two hours under our compactor and under a Prometheus. */
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ulidOf } from '../../../src/shared/base/ulid.js'
import { nodeDisk } from '../../../src/shared/env/node-disk.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { FloatEncoder } from '../../../src/shared/tsdb/chunk/float-chunk.js'
import { type BlockSeries, writeBlock } from '../../../src/shared/tsdb/index.js'
import { startNilo } from '../../../test/support/nilo.js'
import { waitFor } from '../../../test/support/processes.js'
import { startPrometheus, TENANT } from '../blocks/make.js'
import { print } from '../load-tool.js'
import { type Usage, usageOf } from './usage.js'

const HOUR = 3_600_000
const MINUTE = 60_000
const BLOCKS = 12
const GROWTH_MIB_MAX = 300
const RATIO_MAX = 2
/** Prometheus looks for what to compact once a minute. */
const QUIET_MS = 75_000

/** See the head of the command's file. */
export async function merge(folder: string, series: number): Promise<boolean> {
  const made = join(folder, 'made')
  const begun = performance.now()
  await makeBlocks(made, series)
  print(`${BLOCKS} blocks × ${series} series made in ${seconds(performance.now() - begun)} s`)
  const ours = await underUs(folder, made, series)
  print(`nilometer: ${shown(ours)}: one block of a day, through two of 12 hours`)
  const { usage, sources } = await underPrometheus(join(folder, 'prometheus'), made)
  const all = (usage.cpuS * BLOCKS) / sources
  print(`prometheus: ${shown(usage)}: ${sources} of ${BLOCKS} blocks; ${all.toFixed(1)} s for all`)
  const ratio = ours.cpuS / all
  print(
    `CPU ${ratio.toFixed(2)}× (at most ${RATIO_MAX}), RSS growth ${ours.growthMib.toFixed(0)} MiB (at most ${GROWTH_MIB_MAX})`,
  )
  return ratio <= RATIO_MAX && ours.growthMib <= GROWTH_MIB_MAX
}

/** The day before yesterday, from its beginning on. */
async function makeBlocks(folder: string, series: number): Promise<void> {
  mkdirSync(folder)
  const day = (Math.floor(Date.now() / (24 * HOUR)) - 2) * 24 * HOUR
  for (let block = 0; block < BLOCKS; block++) {
    const from = day + block * 2 * HOUR
    const ulid = ulidOf(
      from + 2 * HOUR,
      Uint8Array.from({ length: 10 }, () => block + 1),
    )
    await writeBlock(nodeDisk(), folder, {
      ulid,
      minTime: from,
      maxTime: from + 2 * HOUR,
      compaction: { level: 1, sources: [ulid] },
      series: counters(series, from),
    })
  }
}

/** Counters of the kind that node_exporter has, each with a sample a minute, in the order of labels. */
function* counters(series: number, from: number): Iterable<BlockSeries> {
  const pad = (n: number, digits: number): string => String(n).padStart(digits, '0')
  const words = new Uint32Array(2)
  const value = new Float64Array(words.buffer)
  for (let i = 0; i < series; i++) {
    const encoder = new FloatEncoder()
    // Each grows at a rate of its own, by some more and some less.
    value[0] = (from / MINUTE) * (i % 97)
    for (let t = from; t < from + 2 * HOUR; t += MINUTE) {
      value[0] += (i % 97) + ((t / MINUTE + i) % 5) * 0.25
      encoder.append(t + (i % 1000), words[1]!, words[0]!)
    }
    const labels = labelsOf({
      __name__: `node_metric_${pad(Math.floor(i / 1000), 4)}_total`,
      instance: `10.0.${pad(Math.floor((i % 1000) / 10), 3)}.7:9100`,
      job: 'node-exporter',
      mode: `mode-${i % 10}`,
    })
    const { mint, maxt } = encoder
    yield { labels, chunks: [{ mint, maxt, encoding: 1, data: encoder.bytes().slice() }] }
  }
}

async function underUs(folder: string, made: string, series: number): Promise<Usage> {
  const bucket = join(folder, 'bucket')
  const place = join(bucket, TENANT)
  mkdirSync(bucket)
  // A bucket in which there is nothing is not looked at.
  writeFileSync(join(bucket, 'in-use'), '')
  cpSync(made, join(folder, 'copy'), { recursive: true })
  const server = await startNilo(join(folder, 'nilo'), [
    `-blocks-storage.filesystem.dir=${bucket}`,
    '-compactor.compaction-interval=2s',
    '-compactor.first-level-compaction-wait-period=0s',
    '-blocks-storage.bucket-store.sync-interval=1s',
  ])
  try {
    const samples = series * BLOCKS * 120
    return await usageOf(server.pid, async () => {
      renameSync(join(folder, 'copy'), place)
      const isWhole = (name: string): boolean => {
        const meta = metaOf(join(place, name))
        return meta?.compaction.level === 3 && meta.stats.numSamples === samples
      }
      await waitFor(
        'a block of a day',
        server,
        async () => (readdirSync(place).some(isWhole) ? true : undefined),
        600_000,
      )
    })
  } finally {
    await server.stop()
  }
}

async function underPrometheus(
  folder: string,
  made: string,
): Promise<{ usage: Usage; sources: number }> {
  const data = join(folder, 'data')
  cpSync(made, data, { recursive: true })
  const server = await startPrometheus(folder)
  try {
    let quiet = performance.now()
    let end = { at: 0, of: '' }
    const names = (): string =>
      readdirSync(data)
        .filter((name) => name.length === 26)
        .sort()
        .join()
    // Until nothing has changed for a while; that while is idle, and so counts as nothing.
    const usage = await usageOf(server.pid, async () => {
      end = { at: performance.now(), of: names() }
      quiet = performance.now()
      while (performance.now() - quiet < QUIET_MS) {
        await new Promise((resolve) => setTimeout(resolve, 500))
        const now = names()
        if (now === end.of) continue
        end = { at: performance.now(), of: now }
        quiet = performance.now()
      }
    })
    const merged = names()
      .split(',')
      .map((name) => metaOf(join(data, name))!)
    const sources = merged
      .filter(({ compaction }) => compaction.level > 1)
      .reduce((sum, { compaction }) => sum + compaction.sources.length, 0)
    if (sources === 0) throw new Error('Prometheus has compacted nothing')
    return { usage, sources }
  } finally {
    await server.stop()
  }
}

interface Meta {
  readonly compaction: { readonly level: number; readonly sources: readonly string[] }
  readonly stats: { readonly numSamples: number }
}

function metaOf(block: string): Meta | undefined {
  try {
    return JSON.parse(readFileSync(join(block, 'meta.json'), 'utf8')) as Meta
  } catch {
    // No block, or not yet.
    return undefined
  }
}

function shown({ cpuS, growthMib, wallS }: Usage): string {
  return `${cpuS.toFixed(1)} s of CPU, RSS +${growthMib.toFixed(0)} MiB, ${wallS.toFixed(1)} s`
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1)
}
