/**
 * A query that takes more of its thread's heap than it may: it fails alone with an error that says so,
 * whatever it filled the heap with; queries on other threads are answered meanwhile, and its own
 * thread answers the next one.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { QuerierQuery } from '../../../src/actors/querier/contract.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { TestShard, taskOf, textOf } from '../../support/querier.js'
import { type QuerierThread, startQuerierThread } from '../../support/querier-thread.js'

const SERIES = 30_000
const END_MS = 60_000
const THREADS = 2

function instant(text: string): QuerierQuery {
  return { kind: 'query', text, atMs: END_MS, lookbackMs: 0, limit: 0 }
}

/** New label sets, level by level. */
function nested(levels: number): string {
  let text = 'm'
  for (let i = 0; i < levels; i++) text = `label_replace(${text}, "l${i}", "$1-${i}", "i", "(.*)")`
  return text
}

/** What fills a heap of so many MB, each in a way of its own. */
const HEAP_MB = 96
const LONG_SELECTOR = `m{${'a="b",'.repeat(1_600_000)}}`
const HUNGRY: Readonly<Record<string, QuerierQuery>> = {
  'label sets that it makes': instant(nested(40)),
  'values that it counts': {
    kind: 'query-range',
    text: 'count_values("v", m * time())',
    startMs: END_MS,
    endMs: END_MS + 100_000,
    stepMs: 1_000,
    lookbackMs: 0,
    limit: 0,
  },
  'a query text': instant(LONG_SELECTOR),
  'a text to be formatted': { kind: 'format-query', text: LONG_SELECTOR },
}

describe('a query that fills its heap', () => {
  const shard = new TestShard()
  const gone: number[] = []
  let threads: QuerierThread

  before(() => {
    for (let i = 0; i < SERIES; i++) {
      const labels = labelsOf({ __name__: 'm', i: `value of the label ${i}` })
      shard.append('t', labels, [END_MS, i])
    }
    const options = { size: THREADS, heapMbMax: HEAP_MB, onGone: (seat: number) => gone.push(seat) }
    threads = startQuerierThread(shard, {}, options)
  })
  after(() => threads.close())

  for (const [name, query] of Object.entries(HUNGRY)) {
    test(`with ${name}`, async () => {
      const failing = threads.run(taskOf('t', query)).then(
        (answer) => `answered: ${textOf(answer).slice(0, 100)}`,
        (error: { id: string }) => error.id,
      )
      let others = 0
      let outcome: string | undefined
      void failing.then((id) => {
        outcome = id
      })
      while (outcome === undefined) {
        const answer = await threads.run(taskOf('t', instant('m{i="value of the label 7"}')))
        assert.match(textOf(answer), /"7"/)
        others++
      }
      assert.equal(outcome, 'query-memory')
      assert.ok(others > 0)
      // Both threads are there and free.
      const counts = [1, 2].map(() => threads.run(taskOf('t', instant('count(m)'))))
      for (const answer of await Promise.all(counts)) assert.match(textOf(answer), /"30000"/)
      assert.equal(threads.seats(), THREADS)
    })
  }

  test('no thread had to be ended', () => {
    assert.deepEqual(gone, [])
  })
})
