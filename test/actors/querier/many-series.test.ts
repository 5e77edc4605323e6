/**
 * A selector that matches every series of a large tenant, on a real thread with the heap that the
 * server gives it: an answer or an error with a type, in bounded time of the processor, and the
 * thread is as it was. A fifth of a million series here; times and memory grow with their number. Seen
 * with a million: counted 5.1 s, answered 6.8 s of the processor, joined `query-memory` after 9.9 s.
 */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { QuerierQuery } from '../../../src/actors/querier/contract.js'
import type { Config } from '../../../src/shared/config/index.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { createBudget, MemoryBudget } from '../../../src/shared/slab/index.js'
import { TestShard, taskOf, textOf } from '../../support/querier.js'
import { startQuerierThread } from '../../support/querier-thread.js'

const SERIES = 200_000
const END_MS = 60_000
/** Processor time of this process, whose main thread waits meanwhile. */
const MS_PER_SERIES = 0.05

function instant(text: string): QuerierQuery {
  return { kind: 'query', text, atMs: END_MS, lookbackMs: 0, limit: 0 }
}

function range(text: string, steps: number): QuerierQuery {
  const times = { startMs: END_MS, endMs: END_MS + (steps - 1) * 1000, stepMs: 1000 }
  return { kind: 'query-range', text, ...times, lookbackMs: 0, limit: 0 }
}

const MANY = 'm{i!="x"}'

/** Limits, a query, and how it ends: the id of its error, or what its answer begins or ends with. */
const CASES: readonly (readonly [string, Partial<Config>, QuerierQuery, string | RegExp])[] = [
  ['is counted', {}, instant(`count(${MANY})`), /"200000"\]\}\]\}\}$/],
  ['is answered', {}, instant(MANY), /^\{"status":"success"/],
  ['is joined', {}, instant(`count(${MANY} * on (i) ${MANY})`), /"200000"\]\}\]\}\}$/],
  [
    'is joined with itself across',
    {},
    instant(`${MANY} * on (g) group_left ${MANY}`),
    'query-execution',
  ],
  [
    'is over the limit of series',
    { 'limits.max_fetched_series_per_query': 100_000 },
    instant(MANY),
    'err-mimir-max-series-per-query',
  ],
  ['holds too many samples', { 'querier.max_samples': 150_000 }, instant(MANY), 'query-execution'],
  ['takes too many bytes', {}, range(MANY, 1_000), 'query-memory'],
  [
    'takes more bytes than the tenant may',
    { 'limits.max_estimated_memory_consumption_per_query': 1 << 20 },
    instant(MANY),
    'err-mimir-max-estimated-memory-consumption-per-query',
  ],
]

describe(`a selector of ${SERIES} series`, () => {
  const shard = new TestShard()

  before(() => {
    for (let i = 0; i < SERIES; i++) {
      const labels = labelsOf({ __name__: 'm', g: String(i % 100), i: String(i) })
      shard.append('t', labels, [END_MS, i])
    }
  })

  for (const [name, changes, query, end] of CASES) {
    test(name, async (t) => {
      const budget = createBudget(0)
      const thread = startQuerierThread(shard, changes, { budget })
      t.after(() => thread.close())
      const began = process.cpuUsage()
      const outcome = await thread.run(taskOf('t', query)).then(textOf, ({ id }) => String(id))
      const { user, system } = process.cpuUsage(began)
      const ms = (user + system) / 1000
      t.diagnostic(`${ms.toFixed(0)} ms of the processor`)
      if (typeof end === 'string') assert.equal(outcome, end)
      else assert.match(outcome, end)
      assert.ok(ms < SERIES * MS_PER_SERIES, `${ms} ms`)
      assert.equal(new MemoryBudget(budget).claimed('queries'), 0)
      const next = textOf(await thread.run(taskOf('t', instant('m{i="7"}'))))
      assert.match(next, /"7"\]\}\]\}\}$/)
    })
  }
})
