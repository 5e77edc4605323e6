/** The block list: changes in one step, versions, what merges, what never comes back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockList } from '../../../src/actors/supervisor/block-list.js'
import { BlockListReader } from '../../../src/actors/supervisor/client.js'
import type { BlockEntry } from '../../../src/shared/blocks/index.js'

function entry(ulid: string, more: Partial<BlockEntry> = {}): BlockEntry {
  const base = { tenant: 'a', ulid, minTime: 0, maxTime: 10, inBucket: false }
  return { ...base, level: 1, numSeries: 0, ...more }
}

test('a change replaces blocks in one step and raises the version', () => {
  const list = new BlockList()
  assert.equal(list.change({ tenant: 'a', add: [entry('B', { minTime: 5 }), entry('A')] }), 1)
  const result = entry('C', { level: 2, minTime: 0 })
  assert.equal(list.change({ tenant: 'a', add: [result], remove: ['A', 'B'] }), 2)
  assert.deepEqual(list.blocks('a'), {
    version: 2,
    entries: [result],
    isComplete: true,
    areHeadsNew: false,
  })
  assert.deepEqual(list.blocks('b').entries, [])
})

test('gives the blocks of a tenant in order of their times', () => {
  const list = new BlockList()
  list.change({ tenant: 'a', add: [entry('X', { minTime: 9 }), entry('Y'), entry('W')] })
  assert.deepEqual(
    list.blocks('a').entries.map(({ ulid }) => ulid),
    ['W', 'Y', 'X'],
  )
})

test('a block in two places is one entry, and stays while one of them is left', () => {
  const list = new BlockList()
  list.change({ tenant: 'a', add: [entry('A', { localDir: '/d/A', numSeries: 7 })] })
  list.change({ tenant: 'a', add: [entry('A', { inBucket: true })] })
  const both = entry('A', { localDir: '/d/A', numSeries: 7, inBucket: true })
  assert.deepEqual(list.blocks('a').entries, [both])
  list.change({ tenant: 'a', dropLocal: ['A'] })
  assert.deepEqual(list.blocks('a').entries, [entry('A', { numSeries: 7, inBucket: true })])
})

test('a block without a copy left is gone, and what was removed does not come back', () => {
  const list = new BlockList()
  list.change({ tenant: 'a', add: [entry('A', { localDir: '/d/A' }), entry('B')] })
  list.change({ tenant: 'a', dropLocal: ['A'], remove: ['B'] })
  list.change({ tenant: 'a', add: [entry('A', { inBucket: true }), entry('B')] })
  assert.deepEqual(list.blocks('a').entries, [])
})

test('a shard that starts without blocks of the list takes its copies from it, not for good', async () => {
  const list = new BlockList()
  const lost = entry('A', { localDir: '/d/ingester-1/blocks/a/A' })
  const kept = entry('B', { localDir: '/d/ingester-1/blocks/a/B' })
  const shipped = entry('C', { localDir: '/d/ingester-1/blocks/a/C', inBucket: true })
  const other = entry('D', { localDir: '/d/ingester-10/blocks/a/D' })
  list.change({ tenant: 'a', add: [lost, kept, shipped, other] })
  const { version } = list.blocks('a')
  await list.calls.keepLocal({ folder: '/d/ingester-1', ulids: ['B'] })
  assert.deepEqual(list.blocks('a').entries, [kept, entry('C', { inBucket: true }), other])
  assert.equal(list.blocks('a').version, version + 1)
  list.change({ tenant: 'a', add: [lost] })
  assert.equal(list.blocks('a').entries.length, 4)
})

test('is complete only when every reader of the bucket has read its part', async () => {
  const list = new BlockList()
  list.awaitReader('store-gateway/0')
  list.awaitReader('store-gateway/1')
  await list.calls.noteBucketRead({ reader: 'store-gateway/1' })
  assert.equal(list.blocks('a').isComplete, false)
  await list.calls.noteBucketRead({ reader: 'store-gateway/0' })
  assert.equal(list.blocks('a').isComplete, true)
})

test('tells once that there are blocks', () => {
  let times = 0
  const list = new BlockList({ onFirst: () => times++ })
  list.change({ tenant: 'a' })
  assert.equal(times, 0)
  list.change({ tenant: 'a', add: [entry('A')] })
  list.change({ tenant: 'a', add: [entry('B')] })
  assert.equal(times, 1)
})

test('what another thread brings first is listed once all is ready for it', async () => {
  const steps: string[] = []
  const list = new BlockList({
    beforeFirst: async () => void steps.push(`before ${list.blocks('a').entries.length}`),
    onFirst: () => void steps.push(`first ${list.blocks('a').entries.length}`),
  })
  await list.calls.changeBlocks({ tenant: 'a', remove: ['Z'] })
  assert.deepEqual(steps, [])
  await list.calls.changeBlocks({ tenant: 'a', add: [entry('A')] })
  await list.calls.changeBlocks({ tenant: 'a', add: [entry('B')] })
  assert.deepEqual(steps, ['before 0', 'first 1'])
})

test('a reader asks only when the version has changed', async () => {
  const list = new BlockList()
  let asked = 0
  const blocks = (request: { tenant: string }) => {
    asked++
    return list.calls.blocks(request)
  }
  const reader = new BlockListReader({ blocks }, list.cell)
  assert.deepEqual((await reader.blocks('a')).entries, [])
  assert.equal(asked, 0)
  list.change({ tenant: 'a', add: [entry('A')] })
  assert.equal((await reader.blocks('a')).entries.length, 1)
  assert.equal((await reader.blocks('a')).entries.length, 1)
  assert.equal(asked, 1)
  list.change({ tenant: 'a', remove: ['A'] })
  assert.deepEqual((await reader.blocks('a')).entries, [])
  assert.equal(asked, 2)
})
