/**
 * What becomes of the work of a query that nobody wants any more: on a real thread, how much of the
 * processor it still takes, wherever it was; and while it waits for others, how long it goes on.
 * Processor time is that thread's alone, so that a busy machine does not matter.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { querierConfigOf } from '../../../src/actors/querier/client.js'
import {
  CANCEL_CLIENT,
  CANCEL_TIMEOUT,
  type QuerierQuery,
  type QuerierTask,
} from '../../../src/actors/querier/contract.js'
import { Querier } from '../../../src/actors/querier/querier.js'
import {
  connectStoreGateway,
  StoreGatewayClients,
} from '../../../src/actors/store-gateway/client.js'
import { defaultConfig, EMPTY_RUNTIME } from '../../../src/shared/config/index.js'
import { fail } from '../../../src/shared/errors/index.js'
import { limitsDataOf } from '../../../src/shared/limits/index.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { headModule } from '../../support/head-source.js'
import { createTestQuerier, TestShard, taskOf } from '../../support/querier.js'
import { type QuerierThread, startQuerierThread } from '../../support/querier-thread.js'

/** What a query may take of the processor after it was cancelled, ms. */
const STOPPED_WITHIN_MS = 100
/** After how much work of the thread queries are cancelled, ms of the processor. */
const MOMENTS_MS = [15, 80, 700]
const SERIES = 40_000
const END_MS = 600_000
const PATTERN_TEXT = 10 << 20

function instant(text: string): QuerierQuery {
  return { kind: 'query', text, atMs: END_MS, lookbackMs: 0, limit: 0 }
}

function range(text: string, steps: number): QuerierQuery {
  const startMs = END_MS - (steps - 1) * 1000
  return {
    kind: 'query-range',
    text,
    startMs,
    endMs: END_MS,
    stepMs: 1000,
    lookbackMs: 0,
    limit: 0,
  }
}

const ALL = { mint: 0, maxt: END_MS, limit: 0 }
const LONG_NUMBER = `0.${'1_'.repeat(PATTERN_TEXT / 2)}1`
const LONG_ESCAPES = `m{a="${'\\n'.repeat(PATTERN_TEXT / 4)}${'\\xff'.repeat(PATTERN_TEXT / 8)}"}`
const LONG_SELECTOR = `m{${'a="b",'.repeat(PATTERN_TEXT / 6)}}`

let hostileQueries = 0

/** Patterns that match everything, each by another automaton; new ones each time, since what they match is kept. */
function hostileQuery(): QuerierQuery {
  hostileQueries++
  const patterns = Array.from(
    { length: 64 },
    (_, i) => `i=~"(.*[a-z].*[0-9]){1,20}(y${i})?(x${hostileQueries})?"`,
  )
  return instant(`count(m{${patterns.join()}})`)
}

/** Each of them takes the thread far longer than it may go on. */
const WORK: Readonly<Record<string, QuerierQuery | (() => QuerierQuery)>> = {
  'a range query': range('rate(m[1m])', 300),
  'an aggregation over windows': range('sum by (g) (quantile_over_time(0.9, m[10m]))', 300),
  'an aggregation of many values': range('quantile by (g) (0.5, m)', 300),
  'label sets that are made': range('count_values("v", m)', 20),
  'a subquery': instant('max_over_time(rate(m[1m])[10m:1s])'),
  'a join': range('m * on (i) m', 100),
  'a regular expression over many values': hostileQuery,
  'a sort': instant('sort_by_label_desc(m, "i")'),
  'writing JSON': range('m', 300),
  'writing JSON of raw samples': instant('m[10m]'),
  'listing series': { kind: 'series', matchers: ['m'], ...ALL },
  'listing values': { kind: 'label-values', name: 'i', matchers: ['m{g!="1"}'], ...ALL },
  federation: { kind: 'federate', matchers: ['m'], atMs: END_MS },
  'parsing 10 MB': instant(LONG_SELECTOR),
  'parsing 10 MB of a number': instant(LONG_NUMBER),
  'parsing 10 MB of escapes': instant(LONG_ESCAPES),
  'parsing 10 MB of a selector': { kind: 'series', matchers: [LONG_SELECTOR], ...ALL },
}

describe('a cancelled query takes its thread for no more than 100 ms', () => {
  const shard = new TestShard()
  let thread: QuerierThread

  before(async () => {
    for (let i = 0; i < SERIES; i++) {
      const labels = labelsOf({ __name__: 'm', i: `valuevaluevalue${i}`, g: String(i % 500) })
      const samples = Array.from({ length: 20 }, (_, n) => [n * 30_000 + 30_000, i * n] as const)
      shard.append('t', labels, ...samples)
    }
    // As an ingester that has replayed its log: queriers read it in place.
    shard.head.serve()
    thread = startQuerierThread(shard, {
      'limits.enabled_promql_experimental_functions': ['all'],
      'querier.max_samples': 1e9,
    })
    // The first query waits for the thread to start.
    await thread.run(taskOf('t', instant('sum(rate(m[1m]))')))
  })
  after(() => thread.close())

  for (const [name, query] of Object.entries(WORK)) {
    test(name, async (t) => {
      let stops = 0
      for (const momentMs of MOMENTS_MS) {
        const cancelled = await soonestAfter(thread, query, momentMs)
        if (cancelled === undefined) continue
        stops++
        t.diagnostic(`${cancelled.toFixed(1)} ms after ${momentMs} ms`)
        assert.ok(cancelled < STOPPED_WITHIN_MS, `went on for ${cancelled} ms`)
      }
      assert.ok(stops > 0, 'the query was too short to be cancelled')
    })
  }
})

/** The best of some tries: a collection of garbage, or a main thread that comes late, is no fault. */
async function soonestAfter(
  thread: QuerierThread,
  work: QuerierQuery | (() => QuerierQuery),
  momentMs: number,
): Promise<number | undefined> {
  let best: number | undefined
  for (let tries = 0; tries < 5 && (best ?? STOPPED_WITHIN_MS) >= STOPPED_WITHIN_MS; tries++) {
    const query = typeof work === 'function' ? work() : work
    const took = await cancelledAfter(thread, taskOf('t', query), momentMs)
    if (took === undefined && tries > 0 && momentMs > MOMENTS_MS[0]!) break
    if (took !== undefined) best = Math.min(best ?? took, took)
  }
  return best
}

/**
 * Runs a task and cancels it when its thread has worked for so long.
 * @returns what the thread worked after that, ms; undefined when the task was over before
 */
async function cancelledAfter(
  thread: QuerierThread,
  task: QuerierTask,
  momentMs: number,
): Promise<number | undefined> {
  const began = threadTimes()
  let outcome: unknown
  const running = thread.run(task).then(
    () => {
      outcome = 'answered'
    },
    (error: { id?: string }) => {
      outcome = error.id
    },
  )
  while (outcome === undefined && workedSince(began) < momentMs) {
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  if (outcome !== undefined) return undefined
  const before = threadTimes()
  Atomics.store(new Int32Array(task.cancel.cells), task.cancel.index, CANCEL_CLIENT)
  await running
  const worked = workedSince(before)
  if (outcome === 'answered') return undefined
  assert.equal(outcome, 'query-canceled')
  return worked
}

/** Time on a processor of each thread of this process but the first, ms. */
function threadTimes(): Map<string, number> {
  const times = new Map<string, number>()
  for (const id of readdirSync('/proc/self/task')) {
    if (id === String(process.pid)) continue
    try {
      const text = readFileSync(`/proc/self/task/${id}/schedstat`, 'utf8')
      times.set(id, Number(text.split(' ')[0]) / 1e6)
    } catch {
      // It has just ended.
    }
  }
  return times
}

/** Of the thread that worked most: the querier's. */
function workedSince(before: ReadonlyMap<string, number>): number {
  let most = 0
  for (const [id, ms] of threadTimes()) most = Math.max(most, ms - (before.get(id) ?? 0))
  return most
}

describe('a cancelled query does not go on waiting', () => {
  const env = createFakeEnv({ now: 1e9 })
  const query = instant('m')

  /** Runs until it waits, cancels, and lets the time pass that a look takes. */
  async function stopped(querier: Querier, reason = CANCEL_CLIENT): Promise<void> {
    const task = taskOf('t', query)
    const running = querier.run(task)
    const id = reason === CANCEL_TIMEOUT ? 'query-timeout' : 'query-canceled'
    const ended = assert.rejects(running, { id })
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    Atomics.store(new Int32Array(task.cancel.cells), task.cancel.index, reason)
    await env.timers.advance(20)
    await ended
    assert.equal(env.timers.pendingCount(), pendingBefore, 'timers are left')
  }
  let pendingBefore = 0

  test('for an ingester that does not answer', async () => {
    const shard = new TestShard()
    Object.assign(shard.calls, { select: () => new Promise(() => {}) })
    const querier = createTestQuerier(env, [shard])
    await stopped(querier)
    await stopped(querier, CANCEL_TIMEOUT)
  })

  test('for an ingester that is not there', async () => {
    const whole = defaultConfig()
    const config = querierConfigOf(whole)
    const limits = limitsDataOf(whole, EMPTY_RUNTIME)
    const querier = new Querier(env, { config, limits, shardCount: 1, kernel: headModule() })
    // How long it waits at most.
    pendingBefore = 1
    await stopped(querier)
    await env.timers.advance(10_000)
    pendingBefore = 0
  })

  for (const [name, isListed] of [
    ['for a store-gateway', true],
    ['for the block list', false],
  ] as const) {
    test(name, async () => {
      const shard = new TestShard()
      shard.append('t', labelsOf({ __name__: 'm' }), [END_MS, 1])
      const whole = defaultConfig()
      const boot = {
        config: querierConfigOf(whole),
        limits: limitsDataOf(whole, EMPTY_RUNTIME),
        shardCount: 1,
        kernel: headModule(),
      }
      const { port1, port2 } = new MessageChannel()
      let isOver = false
      const entry = { tenant: 't', ulid: '01HQRXF6GEYX3NVXHQV2GGT3YN', minTime: 0, maxTime: 1e12 }
      const answer = { version: 1, entries: [entry], isComplete: true, areHeadsNew: false }
      const querier = new Querier(env, boot, 0, {
        list: {
          blocks: () => (isListed ? Promise.resolve(answer as never) : new Promise(() => {})),
        },
        gateways: new StoreGatewayClients(
          1,
          () => {
            // What was given up asks again when its port closes; this one is for the first time only.
            if (isOver) throw fail('actor-down', { actor: 'store-gateway/0' })
            return connectStoreGateway(port1, 0)
          },
          async () => {},
        ),
      })
      querier.link(0, shard)
      await stopped(querier)
      await stopped(querier)
      isOver = true
      port1.close()
      port2.close()
    })
  }
})
