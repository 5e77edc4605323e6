/**
 * Runs a shard's code before the first question needs it, as queriers do (querier/warm-up.ts): questions
 * of all kinds about a made-up block, which is written for that and removed afterwards. The first question
 * about the first real block took forty times as long as later ones. Works while nobody asks.
 */
import type { Env } from '../../shared/env/index.js'
import { labelsOf } from '../../shared/model/labels.js'
import type { Matcher } from '../../shared/model/matcher.js'
import { openMetrics } from '../../shared/telemetry/index.js'
import {
  type BlockSeries,
  compareLabels,
  encodeSamples,
  writeBlock,
} from '../../shared/tsdb/index.js'
import type { BlocksRequest, StoreGatewayCalls } from './contract.js'
import { type BlockPlaces, OpenBlocks } from './open-blocks.js'
import { PostingsCache } from './postings-cache.js'
import { createCalls } from './select.js'

/** What practice goes by. */
export interface PracticeParts {
  /** Where blocks are opened; of `folder` nothing is left. */
  readonly places: BlockPlaces
  /** Whether somebody asks. */
  isBusy(): boolean
  /** Whether the shard is being stopped. */
  isOver(): boolean
}

/** Rounds over all questions, and the time that they may take, ms. */
const ROUNDS_MAX = 30
const SPENT_MAX_MS = 250
/** How long is waited for who asks, ms. */
const IDLE_MS = 50

const TENANT = 'warm-up'
const ULID = '0000000000WARM0000000000V0'
const SERIES = 600
const CHUNKS = 3
const START_MS = 1_700_000_000_000
const CHUNK_MS = 1_800_000
const CACHE_BYTES = 4 << 20

const MATCHERS: readonly (readonly Matcher[])[] = [
  [{ name: '__name__', op: '=', value: 'warm_total' }],
  [{ name: 'job', op: '=', value: 'a' }],
  [
    { name: '__name__', op: '=~', value: 'warm_.+' },
    { name: 'job', op: '!=', value: '' },
    { name: 'path', op: '=~', value: '/a.*|/b/list' },
    { name: 'le', op: '!~', value: '0.*' },
  ],
  [{ name: '__name__', op: '=~', value: '.+' }],
]

/** Practises until the rounds or the time are over. */
export async function warmUp(parts: PracticeParts): Promise<void> {
  const { env, folder } = parts.places
  env.disk.remove(folder)
  try {
    await writePracticeBlock(env, folder)
    let leftMs = SPENT_MAX_MS
    for (let round = 0; round < ROUNDS_MAX && leftMs > 0 && !parts.isOver(); round++) {
      leftMs -= await practiceRound(parts)
    }
  } finally {
    env.disk.remove(folder)
  }
}

/** Asks everything once. @returns how long the answers took, ms */
async function practiceRound({ places, isBusy }: PracticeParts): Promise<number> {
  const { clock, timers } = places.env
  let spentMs = 0
  // New ones each time: what is met for the first time is what first answers are slow by.
  const blocks = new OpenBlocks(places)
  try {
    for (const question of practiceQuestions(practiceCalls(places, blocks))) {
      while (isBusy()) await timers.sleep(IDLE_MS)
      const start = clock.monotonic()
      await question()
      spentMs += clock.monotonic() - start
      await timers.yieldNow()
    }
  } finally {
    blocks.close()
  }
  return spentMs
}

/** Everything that is asked; each gives what was answered. */
export function practiceQuestions(calls: StoreGatewayCalls): (() => Promise<readonly unknown[]>)[] {
  const request: BlocksRequest = { tenant: TENANT, ulids: [ULID] }
  const series = async (matchers: readonly Matcher[]): Promise<readonly unknown[]> => {
    const [found] = await calls.select({ ...request, matchers })
    const refs = found?.refs ?? new Uint32Array(0)
    return Array.from((await calls.series({ tenant: TENANT, ulid: ULID, refs })).symbolIds)
  }
  return [
    ...MATCHERS.map((matchers) => () => series(matchers)),
    () => calls.labelNames(request),
    () => calls.labelValues({ ...request, name: 'pod' }),
    () => calls.labelValues({ ...request, name: '__name__' }),
  ]
}

/** Calls that answer from the block in the folder, and have met nothing of it yet. */
export function practiceCalls(places: BlockPlaces, blocks: OpenBlocks): StoreGatewayCalls {
  const { env, cache, folder } = places
  // What is counted here nobody is to see.
  const metrics = openMetrics()
  const postings = new PostingsCache({ bytesMax: CACHE_BYTES, claim: () => true, metrics })
  const localDir = `${folder}/${ULID}`
  const times = { minTime: START_MS, maxTime: START_MS + CHUNKS * CHUNK_MS }
  const entry = { tenant: TENANT, ulid: ULID, localDir, ...times }
  return createCalls({
    env,
    cache,
    postings,
    use: (_tenant, _ulid, ask) =>
      blocks.use({ ...entry, inBucket: false, level: 1, numSeries: SERIES }, ask),
    forget: () => {},
    sync: async () => {},
  })
}

/** Writes the block. */
export async function writePracticeBlock(env: Env, folder: string): Promise<void> {
  env.disk.makeFolder(folder)
  await writeBlock(env.disk, folder, {
    ulid: ULID,
    compaction: { level: 1, sources: [ULID] },
    series: practiceSeries(),
    pause: () => env.timers.yieldNow(),
  })
}

function practiceSeries(): BlockSeries[] {
  const samples = { ts: Float64Array.of(START_MS), values: Float64Array.of(1), count: 1 }
  const [chunk] = encodeSamples(samples)
  const chunks = Array.from({ length: CHUNKS }, (_, i) => {
    const mint = START_MS + i * CHUNK_MS
    return { ...chunk!, mint, maxt: mint + CHUNK_MS - 1 }
  })
  const all = Array.from({ length: SERIES }, (_, series) =>
    labelsOf({
      __name__: series % 4 === 0 ? 'warm_total' : 'warm_bucket',
      ...(series % 4 === 0 ? {} : { le: ['0.1', '1', '+Inf'][(series % 4) - 1]! }),
      cluster: 'east',
      container: 'web',
      image: 'registry.example/web:1.2.3',
      instance: `10.0.${series >> 6}.${series >> 2}:8080`,
      job: series % 8 < 4 ? 'a' : 'b',
      namespace: ['shop', 'payments', 'search'][series % 3]!,
      path: `/${'abcde'[(series >> 2) % 5]}/list`,
      pod: `web-${series >> 2}`,
    }),
  )
  return all.sort(compareLabels).map((labels) => ({ labels, chunks }))
}
