/**
 * Runs a thread's code before the first query needs it: queries of all common kinds, over a few series
 * of made-up numbers in a head of its own, which is let go of afterwards. What a function does not have
 * to do then is to be parsed, compiled and optimised while a client waits: the first calls of a fresh
 * process took thirty times as long as later ones. Works while the thread has nothing else to do.
 */
import type { Env } from '../../shared/env/index.js'
import { createHeadMemory } from '../../shared/kernels/head.js'
import { labelsOf } from '../../shared/model/labels.js'
import { Head, HeadReader } from '../../shared/tsdb/index.js'
import type { QuerierAnswer, QuerierBoot, QuerierQuery, QuerierTask } from './contract.js'
import type { ShardCalls } from './fanout.js'
import { type BlockAccess, Querier } from './querier.js'
import { BLOCK_START_MS, practiceBlocks, targetOf, wideLabels } from './warm-up-blocks.js'

/** Rounds over all queries, and the CPU time of the thread's that they may take, ms. */
const ROUNDS_MAX = 12
const SPENT_MAX_MS = 600
/** How long the thread must have been idle, ms. */
const IDLE_MS = 50

const TENANT = 'warm-up'
const SERIES = 48
const SAMPLES = 160
/** Series of the wide metric: tables grow by them, and loops come by their looks at the watch. */
const WIDE_SERIES = 1_000
const WIDE_SAMPLES = 24
const SCRAPE_MS = 15_000
const START_MS = 1_700_000_000_000
const END_MS = START_MS + (SAMPLES - 1) * SCRAPE_MS
const CACHE_BYTES = 4 << 20
/** Memory that such a head may need, pages; what is not touched costs nothing. */
const HEAD_PAGES = 4_096

const EXPRESSIONS = [
  'warm_total',
  'warm_total{code=~"4..|5..",path=~"/a.*",job!~"x-.*",instance!=""}',
  'sum by (job) (rate(warm_total{code!="400"}[5m]))',
  'topk(3, sum by (job, path) (irate(warm_total[5m])))',
  'histogram_quantile(0.9, sum by (le, job) (rate(warm_bucket[5m])))',
  'count by (__name__) ({__name__=~".+"})',
  'max_over_time(sum by (job) (increase(warm_total[5m]))[10m:1m])',
  'sum by (path) (warm_gauge * on (instance) group_left (path) warm_total{code="200"})',
  'absent(warm_total{job="none"})',
  'quantile by (job) (0.9, warm_gauge) + avg without (instance) (warm_gauge offset 1m)',
  '(warm_gauge > 3) unless on (job) (warm_total == 1.5) or min by (job) (warm_gauge)',
  'sum by (job) (count_over_time(warm_total[10m])) / ignoring (job) group_left sum(warm_total)',
  'avg_over_time(warm_gauge[10m]) - quantile_over_time(0.9, warm_gauge[10m])',
  'min_over_time(warm_gauge[5m]) and max_over_time(warm_gauge[5m]) < sum_over_time(warm_gauge[5m])',
  '(1 - warm_gauge / on (instance) group_right warm_total) * 100 != 50',
  'predict_linear(warm_gauge[10m], 3600) + deriv(warm_gauge[10m])',
  'sum(resets(warm_total[10m])) + sum(changes(warm_gauge[10m])) + stddev(warm_gauge)',
  'label_replace(delta(warm_gauge[5m]), "host", "$1", "instance", "([^-]+)-.*")',
  'clamp_max(abs(round(warm_gauge)), 5) ^ 2 + scalar(max(warm_gauge)) * time()',
  'sort_desc(last_over_time(warm_gauge[5m]))',
  'wide_bucket{path=~"/a.*|/b.*",le!~"0.*"}',
  'histogram_quantile(0.99, sum by (le, job) (rate(wide_bucket[2m])))',
  'sum by (pod) (wide_bucket * on (pod) group_left () group by (pod) (wide_bucket))',
]

/** What a thread practises on. */
export class Practice {
  private readonly env: Env
  private readonly boot: QuerierBoot
  private readonly reader: HeadReader
  private readonly blocks = practiceBlocks()
  /** For what is asked from outside, at any time. */
  private readonly querier: Querier

  constructor(env: Env, boot: QuerierBoot) {
    this.env = env
    this.boot = boot
    this.reader = practiceHead(env, boot)
    this.querier = practiceQuerier(env, boot, this.reader, this.blocks)
  }

  /** Practises until the rounds or the time are over. @param isBusy whether the thread is wanted */
  async warmUp(isBusy: () => boolean): Promise<void> {
    const { env, boot } = this
    const queries = practiceQueries()
    let spentMs = 0
    for (let round = 0; round < ROUNDS_MAX; round++) {
      // A new one each time: what it meets for the first time is what first calls are slow by.
      const querier = practiceQuerier(env, boot, this.reader, this.blocks)
      for (const query of queries) {
        while (isBusy()) await env.timers.sleep(IDLE_MS)
        const start = env.clock.monotonic()
        const cancel = { cells: new SharedArrayBuffer(4), index: 0 }
        await querier.run({ tenant: TENANT, query, cancel })
        spentMs += env.clock.monotonic() - start
        if (spentMs > SPENT_MAX_MS) return
        await env.timers.yieldNow()
      }
    }
  }

  /** Answers a query of a rehearsal, whatever its tenant. @throws AppError as Querier.run */
  run(task: QuerierTask): Promise<QuerierAnswer> {
    return this.querier.run({ ...task, tenant: TENANT })
  }
}

/** Everything that is asked; a range of steps after an instant each. */
export function practiceQueries(): QuerierQuery[] {
  const span = { mint: START_MS, maxt: END_MS, limit: 0 }
  const matchers = ['{job="a"}']
  const evaluated = EXPRESSIONS.flatMap((text): QuerierQuery[] => {
    const more = { text, lookbackMs: 0, limit: 0 }
    return [
      { kind: 'query', atMs: END_MS, ...more },
      { kind: 'query-range', startMs: END_MS - 1_800_000, endMs: END_MS, stepMs: 30_000, ...more },
    ]
  })
  return [
    ...evaluated,
    { kind: 'label-names', matchers: [], ...span },
    { kind: 'label-values', name: 'instance', matchers: [], ...span },
    { kind: 'label-values', name: '__name__', matchers, ...span },
    { kind: 'series', matchers, ...span },
    ...practiceBlockQueries(),
  ]
}

/** What is asked of blocks as well. */
function practiceBlockQueries(): QuerierQuery[] {
  const span = { mint: BLOCK_START_MS, maxt: END_MS, limit: 0 }
  const range = { startMs: BLOCK_START_MS, endMs: END_MS, stepMs: 300_000, lookbackMs: 0, limit: 0 }
  const texts = ['sum by (le) (rate(wide_bucket[10m]))', 'wide_bucket{le="1",pod=~"web-1.*"}']
  return [
    ...texts.map((text): QuerierQuery => ({ kind: 'query-range', text, ...range })),
    { kind: 'label-values', name: '__name__', matchers: ['{job="b"}'], ...span },
    { kind: 'label-names', matchers: [], ...span },
    { kind: 'label-values', name: 'pod', matchers: [], ...span },
    { kind: 'series', matchers: ['wide_bucket{le="10"}'], ...span },
  ]
}

/** A querier that has met nothing of the head yet. */
export function practiceQuerier(
  env: Env,
  { kernel, config, limits, practiceLimits }: QuerierBoot,
  reader: HeadReader,
  blocks: BlockAccess = practiceBlocks(),
): Querier {
  const boot = {
    kernel,
    config: { ...config, cacheBytes: CACHE_BYTES },
    shardCount: 1,
    limits: practiceLimits ?? limits,
  }
  const querier = new Querier(env, boot, 0, blocks)
  querier.link(0, { calls: NO_CALLS, reader })
  return querier
}

/** A head with counters, buckets and gauges of two jobs, and a metric of many series. */
export function practiceHead(env: Env, { kernel }: QuerierBoot): HeadReader {
  const memory = createHeadMemory(HEAD_PAGES)
  const sizes = { columns: 1 << 12, defineBytes: 1 << 16, logBytes: 1 << 16, readerSlots: 1 }
  const head = new Head(env, { memory, module: kernel, ...sizes })
  for (let series = 0; series < SERIES; series++) addSeries(head, series)
  for (let series = 0; series < WIDE_SERIES; series++) addWideSeries(head, series)
  head.serve()
  return new HeadReader(memory, kernel, 0, env.disk)
}

function addSeries(head: Head, series: number): void {
  const kind = series % 3
  const job = series % 2 === 0 ? 'a' : 'b'
  const place = Math.floor(series / 3)
  const ref = head.getOrCreate(
    TENANT,
    labelsOf({
      __name__: ['warm_total', 'warm_bucket', 'warm_gauge'][kind]!,
      ...(kind === 0 ? { code: place % 4 < 3 ? '200' : '500', path: `/a${place}` } : {}),
      ...(kind === 1 ? { le: ['0.1', '1', '5', '+Inf'][(place >> 1) % 4]! } : {}),
      job,
      instance: `host-${place}`,
    }),
  )
  let value = series
  for (let i = 0; i < SAMPLES; i++) {
    // Counters that begin anew now and then, gauges with fractions that stand still at times.
    if (kind < 2) value = i % 60 === 59 ? 0 : value + ((i * 7 + series) % 11)
    else if (i % 3 > 0) value = ((i * 37 + series * 11) % 1_000) / 7
    head.appendSample(ref, START_MS + i * SCRAPE_MS + offsetOf(place, i), value)
  }
}

function addWideSeries(head: Head, series: number): void {
  const target = targetOf(series)
  const ref = head.getOrCreate(TENANT, wideLabels(series))
  for (let i = SAMPLES - WIDE_SAMPLES; i < SAMPLES; i++) {
    head.appendSample(ref, START_MS + i * SCRAPE_MS - (target % 50) * 300, i * (series % 7))
  }
}

/** Some targets are scraped together, some at times of their own, and some of these too late. */
function offsetOf(place: number, scrape: number): number {
  return place < 8 ? 0 : -100 * place - (scrape % 20 === 3 ? 0 : 7)
}

const refuse = (): Promise<never> => Promise.reject(new Error('there is no ingester'))

/** The head always tells itself. */
const NO_CALLS: ShardCalls = {
  select: refuse,
  labelNames: refuse,
  labelValues: refuse,
  metadata: refuse,
  exemplars: refuse,
}
