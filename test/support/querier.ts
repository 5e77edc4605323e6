/** A querier over heads in the same thread: what runs in a pool thread over ingester shards. */

import type { MetricMetadata } from '../../src/actors/ingester/contract.js'
import { bodyOf, type QuerierPool, querierConfigOf } from '../../src/actors/querier/client.js'
import type { QuerierAnswer, QuerierQuery, QuerierTask } from '../../src/actors/querier/contract.js'
import type { ShardCalls, ShardLink } from '../../src/actors/querier/fanout.js'
import { Querier } from '../../src/actors/querier/querier.js'
import { type Config, defaultConfig, EMPTY_RUNTIME } from '../../src/shared/config/index.js'
import type { Env } from '../../src/shared/env/index.js'
import { limitsDataOf } from '../../src/shared/limits/index.js'
import type { Labels } from '../../src/shared/model/labels.js'
import { type Head, HeadReader } from '../../src/shared/tsdb/index.js'
import { createTestHead, headModule } from './head-source.js'

/** A shard: a head and the calls that its ingester would answer. */
export class TestShard implements ShardLink {
  readonly head: Head
  readonly reader: HeadReader
  readonly calls: ShardCalls
  readonly metadata: MetricMetadata[] = []

  constructor() {
    const head = createTestHead()
    this.head = head
    this.reader = new HeadReader(head.view.memory, headModule(), 0)
    this.calls = {
      select: async ({ tenant, matchers, mint, maxt }) => ({
        refs: head.select(tenant, matchers, mint, maxt),
      }),
      labelNames: async ({ tenant, matchers, mint, maxt }) =>
        head.labelNames(tenant, matchers, { mint, maxt }),
      labelValues: async ({ tenant, name, matchers, mint, maxt }) =>
        head.labelValues(tenant, name, matchers, { mint, maxt }),
      metadata: async ({ metric }) =>
        this.metadata.filter((entry) => metric === '' || entry.metric === metric),
      exemplars: async () => ({ series: [], isCut: false }),
    }
  }

  /** Stores samples of one series: pairs of a time in ms and a value. */
  append(tenant: string, labels: Labels, ...samples: readonly (readonly [number, number])[]): void {
    const ref = this.head.getOrCreate(tenant, labels)
    for (const [t, value] of samples) {
      const outcome = this.head.appendSample(ref, t, value)
      if (outcome !== 'appended') throw new Error(`sample is ${outcome}`)
    }
  }
}

/** A querier over these shards; with several zones each of them has as many, and all series. */
export function createTestQuerier(
  env: Env,
  shards: readonly ShardLink[],
  changes: Partial<Config> = {},
  zones = 1,
): Querier {
  const whole = defaultConfig(changes)
  const limits = limitsDataOf(whole, EMPTY_RUNTIME)
  const boot = {
    config: querierConfigOf(whole),
    limits,
    shardCount: shards.length,
    zones,
    kernel: headModule(),
  }
  const querier = new Querier(env, boot)
  for (const [index, shard] of shards.entries()) querier.link(index, shard)
  return querier
}

/** A task that nobody cancels. */
export function taskOf(tenant: string, query: QuerierQuery): QuerierTask {
  return { tenant, query, cancel: { cells: new SharedArrayBuffer(4), index: 0 } }
}

/** The JSON of an answer. */
export function textOf(answer: QuerierAnswer): string {
  return bodyOf(answer).toString('utf8')
}

/** A pool of one seat whose querier runs in this thread. */
export function poolOf(querier: Querier): QuerierPool {
  return { size: 1, run: (task) => querier.run(task) }
}
