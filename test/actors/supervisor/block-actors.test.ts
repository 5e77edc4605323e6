/** Who starts when for blocks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockActors } from '../../../src/actors/supervisor/block-actors.js'
import { createFakeEnv } from '../../support/fake-env.js'

function bed() {
  const { timers } = createFakeEnv()
  const started: string[] = []
  const actors = new BlockActors({
    timers,
    compactors: 2,
    start: (kind, index) => void started.push(`${kind}/${index}`),
  })
  return { timers, started, actors }
}

test('a bucket with blocks starts all of them', () => {
  const { started, actors } = bed()
  actors.startAll()
  assert.deepEqual(started, ['store-gateway/0', 'compactor/0', 'compactor/1'])
})

test('after the first cut compactors start, the store-gateway a minute later, unless all is over', async () => {
  for (const isStopped of [false, true]) {
    const { timers, started, actors } = bed()
    actors.noteFirst()
    assert.deepEqual(started, ['compactor/0', 'compactor/1'])
    if (isStopped) actors.stop()
    await timers.advance(60_000)
    assert.deepEqual(started.slice(2), isStopped ? [] : ['store-gateway/0'])
  }
})
