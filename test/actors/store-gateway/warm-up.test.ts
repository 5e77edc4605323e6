/** What a store-gateway practises on: every question has an answer, and nothing is left on disk. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeGatewayConfigOf } from '../../../src/actors/store-gateway/client.js'
import { Gate } from '../../../src/actors/store-gateway/gate.js'
import { type BlockPlaces, OpenBlocks } from '../../../src/actors/store-gateway/open-blocks.js'
import { PageCache } from '../../../src/actors/store-gateway/page-cache.js'
import { StoreGateway } from '../../../src/actors/store-gateway/store-gateway.js'
import {
  practiceCalls,
  practiceQuestions,
  warmUp,
  writePracticeBlock,
} from '../../../src/actors/store-gateway/warm-up.js'
import { BlockList } from '../../../src/actors/supervisor/block-list.js'
import { defaultConfig } from '../../../src/shared/config/index.js'
import type { Env } from '../../../src/shared/env/index.js'
import { LOCAL_READS } from '../../../src/shared/tsdb/index.js'
import { createFakeEnv, type FakeEnv } from '../../support/fake-env.js'
import { createMemoryBucket } from '../../support/memory-bucket.js'

function placesOf(env: Env): BlockPlaces {
  const bucket = createMemoryBucket(env).bucket
  const cache = new PageCache(bucket, {
    bytesMax: 1 << 20,
    gapBytes: 0,
    reads: new Gate(1),
    claim: () => true,
    metrics: env.metrics,
  })
  return { env, bucket, cache, folder: 'practice', reads: LOCAL_READS, opens: new Gate(1) }
}

/** Paths that are left of practice. */
function leftOf({ disk }: FakeEnv): string[] {
  return disk.list('practice').concat(disk.exists('practice') ? ['practice'] : [])
}

test('each question of the practice has an answer that is not empty', async () => {
  const env = createFakeEnv()
  const places = placesOf(env)
  await writePracticeBlock(env, places.folder)
  const blocks = new OpenBlocks(places)
  for (const question of practiceQuestions(practiceCalls(places, blocks))) {
    assert.ok((await question()).length > 1)
  }
  blocks.close()
})

test('practice waits while questions come, and leaves nothing', async () => {
  const env = createFakeEnv()
  let looks = 0
  const done = warmUp({
    places: placesOf(env),
    isBusy: () => looks++ < 3,
    isOver: () => looks > 40,
  })
  await env.timers.yieldNow()
  while (looks < 4) await env.timers.advance(50)
  await done
  assert.ok(looks > 40)
  assert.deepEqual(leftOf(env), [])
})

test('a disk that is full costs practice, not the shard', async () => {
  const env = createFakeEnv()
  const list = new BlockList({})
  const config = storeGatewayConfigOf(defaultConfig({ 'data.dir': 'data' }))
  const boot = { index: 0, shardCount: 1, config, blockList: list.cell }
  const gateway = new StoreGateway(env, boot, list.calls, createMemoryBucket(env).bucket)
  env.disk.fault = ({ what }) => (what === 'write' ? { fail: 'ENOSPC' } : undefined)
  await gateway.practise()
  assert.match(env.log.lines[0]?.msg ?? '', /could not warm up/)
  env.disk.fault = () => undefined
  await gateway.practise()
  assert.equal(env.log.lines.length, 1)
  assert.deepEqual(env.disk.list('data/store-gateway-0-practice'), [])
  await gateway.drain()
})
