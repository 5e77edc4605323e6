/** The sizes of threads' new spaces: threads that keep all they make, and say how large it has become. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ResourceLimits, Worker } from 'node:worker_threads'
import { fixedNewSpace, growingNewSpace } from '../../../src/shared/actor/new-space.js'

const MIB = 1 << 20
/** Two halves. */
const HALVES = 2

const from = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href

/** Keeps half a million objects, looks at the new space before and after, and when it was made small again. */
const KEEPS_ALL = `
  const { parentPort } = require('node:worker_threads')
  const { getHeapSpaceStatistics } = require('node:v8')
  const size = () => getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size
  const before = size()
  const kept = []
  for (let i = 0; i < 500_000; i++) kept.push({ i })
  const after = size()
  Promise.all([import('${from('shared/actor/new-space.js')}'), import('${from('shared/env/index.js')}')]).then(
    ([{ shrinkNewSpace }, { openCollector }]) => {
      shrinkNewSpace(openCollector())
      parentPort.postMessage({ before, after, shrunk: size(), count: kept.length })
    },
  )
`

async function sizesOf(
  resourceLimits: ResourceLimits,
): Promise<{ before: number; after: number; shrunk: number; count: number }> {
  const worker = new Worker(KEEPS_ALL, { eval: true, resourceLimits })
  return await new Promise((resolve, reject) => {
    worker.on('message', resolve)
    worker.on('error', reject)
  })
}

test('a fixed new space has its size from the start on, whatever survives', async () => {
  const { before, after, count } = await sizesOf(fixedNewSpace(2))
  assert.equal(count, 500_000)
  assert.equal(before, HALVES * 2 * MIB)
  assert.equal(after, HALVES * 2 * MIB)
})

test('a growing one begins smaller, ends at its bound, and gets small again at rest', async () => {
  const { before, after, shrunk } = await sizesOf(growingNewSpace(4))
  assert.ok(before < HALVES * 4 * MIB, `${before}`)
  assert.equal(after, HALVES * 4 * MIB)
  assert.ok(shrunk <= HALVES * MIB, `${shrunk}`)
})
