/**
 * Queries over local blocks with store-gateway and querier in one thread, ns of CPU a sample: two-hour
 * blocks at one sample in 15 s and at one a minute, where a series has one chunk in each; with decoded
 * columns kept and without. Run: node dist/bench/actors/querier/blocks.bench.js
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ulidOf } from '../../../src/shared/base/ulid.js'
import { writeBlock } from '../../../src/shared/tsdb/index.js'
import { openConfigured } from '../../../test/shared/bucket/open.js'
import { realTimeEnv } from '../../../test/support/block-store.js'
import { type BlockWorld, createBlockWorld } from '../../../test/support/block-world.js'
import { gridSeries } from '../../../test/support/blocks.js'
import { report } from '../../figures.js'

const HOUR = 3_600_000
const FROM = Date.UTC(2025, 9, 9)
const TENANT = 'bench'
const SERIES = 500
const ROUNDS = 9
const GRIDS = [
  { name: '15 s', stepMs: 15_000, blocks: 4 },
  { name: '1 min', stepMs: 60_000, blocks: 24 },
]
const QUERIES = [
  { label: 'rates', text: 'sum by (job) (rate({__name__=~"metric.+"}[5m]))', stepMs: 60_000 },
  { label: 'sum', text: 'sum({__name__=~"metric.+"})', stepMs: 60_000 },
  { label: 'hourly', text: 'sum by (job) (rate({__name__=~"metric.+"}[1h]))', stepMs: HOUR },
]

const folder = mkdtempSync(join(tmpdir(), 'nilo-bench-'))
const env = realTimeEnv()
for (const grid of GRIDS) await run(grid)
rmSync(folder, { recursive: true, force: true })

async function run({ name, stepMs, blocks }: (typeof GRIDS)[number]): Promise<void> {
  const place = join(folder, name.replace(' ', ''))
  const samples = (2 * HOUR) / stepMs
  for (let block = 0; block < blocks; block++) {
    const minTime = FROM + block * 2 * HOUR
    const ulid = ulidOf(minTime, new Uint8Array(10))
    const series = gridSeries({ series: SERIES, from: minTime, stepMs, samples })
    const compaction = { level: 1, sources: [ulid] }
    const range = { minTime, maxTime: minTime + 2 * HOUR }
    await writeBlock(env.disk, join(place, TENANT), { ulid, ...range, compaction, series })
  }
  const keys = {
    'blocks_storage.backend': 'filesystem',
    'blocks_storage.filesystem.dir': place,
  } as const
  const bucket = await openConfigured(keys)
  const end = FROM + blocks * 2 * HOUR
  for (const [kind, bytes] of [
    ['decoding', 0],
    ['kept columns', 1 << 30],
  ] as const) {
    const world = createBlockWorld({
      ...{ env, bucket, dataDir: join(folder, 'data') },
      config: { 'querier.column_cache_bytes': bytes },
    })
    await world.gateways[0]!.calls.sync()
    for (const { label, ...query } of QUERIES) {
      const us = await cpuOf(world, { ...query, endMs: end })
      report(`${label}, ${name}, ${kind}`, (us * 1000) / (SERIES * samples * blocks), 'ns/sample')
    }
    await world.close()
  }
}

/** CPU time of one query, µs: the median, after two to get warm. */
async function cpuOf(
  world: BlockWorld,
  query: { readonly text: string; readonly stepMs: number; readonly endMs: number },
): Promise<number> {
  const range = { ...query, startMs: FROM, lookbackMs: 0, limit: 0 }
  const times: number[] = []
  for (let round = -2; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    await world.ask(TENANT, { kind: 'query-range', ...range })
    const { user, system } = process.cpuUsage(before)
    if (round >= 0) times.push(user + system)
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1]!
}
