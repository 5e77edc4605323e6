/** What a thread has of V8's collector, and what that takes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getHeapStatistics } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { compactHeap, giveCollector, openCollector } from '../../../src/shared/env/index.js'

const index = new URL('../../../src/shared/env/index.js', import.meta.url).href

/** Asks for the collector twice, tells how many contexts there are and whether it collects. */
const ASKS = `
  const { parentPort } = require('node:worker_threads')
  const { getHeapStatistics } = require('node:v8')
  import('${index}').then(({ openCollector }) => {
    const isSame = openCollector() === openCollector()
    const garbage = new WeakRef({})
    setImmediate(() => {
      openCollector()()
      const contexts = getHeapStatistics().number_of_native_contexts
      parentPort.postMessage({ isSame, contexts, isCollected: garbage.deref() === undefined })
    })
  })
`

test('a thread that was given the collector makes no context for it', async () => {
  giveCollector()
  const worker = new Worker(ASKS, { eval: true })
  const seen = await new Promise((resolve, reject) => {
    worker.on('message', resolve)
    worker.on('error', reject)
  })
  assert.deepEqual(seen, { isSame: true, contexts: 1, isCollected: true })
})

test('another one makes a single context', () => {
  const before = getHeapStatistics().number_of_native_contexts
  assert.equal(openCollector(), openCollector())
  assert.equal(getHeapStatistics().number_of_native_contexts, before + 1)
})

test('compacting gives back pages that were left with little on them', async () => {
  const collect = openCollector()
  let all: object[] = []
  for (let i = 0; i < 400_000; i++) all.push({ i })
  collect()
  all = all.filter((_, i) => i % 50 === 0)
  collect()
  const before = getHeapStatistics().total_heap_size
  await compactHeap()
  assert.ok(getHeapStatistics().total_heap_size < before)
  assert.equal(all.length, 8_000)
})
