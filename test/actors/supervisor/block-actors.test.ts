/** Who starts when for blocks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockActors } from '../../../src/actors/supervisor/block-actors.js'
import { createFakeEnv } from '../../support/fake-env.js'

function bed() {
  const { clock, timers } = createFakeEnv()
  const started: string[] = []
  /** Ends the start of the store-gateway. */
  const runs: (() => void)[] = []
  const actors = new BlockActors({
    clock,
    timers,
    compactors: 2,
    start: (kind, index) => {
      started.push(`${kind}/${index}`)
      if (kind === 'compactor') return Promise.resolve()
      return new Promise((resolve) => runs.push(resolve))
    },
  })
  return { timers, started, runs, actors }
}

test('a bucket with blocks starts all of them', () => {
  const { started, actors } = bed()
  actors.startAll()
  assert.deepEqual(started, ['store-gateway/0', 'compactor/0', 'compactor/1'])
})

test('queries that came are counted, whether they start anything or not', () => {
  const { started, actors } = bed()
  assert.equal(actors.queries(), 0)
  actors.noteQuery()
  actors.noteQuery()
  assert.equal(actors.queries(), 2)
  assert.deepEqual(started, [])
})

test('after the first cut compactors start, the store-gateway a minute later, unless all is over', async () => {
  for (const isStopped of [false, true]) {
    const { timers, started, actors } = bed()
    actors.onFirst()
    assert.deepEqual(started, ['compactor/0', 'compactor/1'])
    if (isStopped) actors.stop()
    await timers.advance(60_000)
    assert.deepEqual(started.slice(2), isStopped ? [] : ['store-gateway/0'])
  }
})

test('where queries are asked a store-gateway runs before the first block is listed', async () => {
  const { timers, started, runs, actors } = bed()
  await actors.beforeFirst()
  assert.deepEqual(started, [])
  actors.noteQuery()
  let isReady = false
  const ready = actors.beforeFirst().then(() => {
    isReady = true
  })
  await timers.advance(100)
  assert.deepEqual([started, isReady], [['store-gateway/0'], false])
  runs[0]!()
  await ready
  const late = actors.beforeFirst()
  // One that does not start keeps no block from the list.
  await timers.advance(2_000)
  await late
  await timers.advance(300_000)
  await actors.beforeFirst()
  assert.equal(started.length, 2)
})
