/** What a thread practises on: every query is answered, and has something to answer. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { querierConfigOf } from '../../../src/actors/querier/client.js'
import {
  Practice,
  practiceHead,
  practiceQuerier,
  practiceQueries,
} from '../../../src/actors/querier/warm-up.js'
import { BLOCK_START_MS } from '../../../src/actors/querier/warm-up-blocks.js'
import { defaultConfig } from '../../../src/shared/config/index.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { headModule } from '../../support/head-source.js'
import { testLimits } from '../../support/limits.js'
import { taskOf, textOf } from '../../support/querier.js'

const boot = {
  config: querierConfigOf(defaultConfig({})),
  shardCount: 1,
  kernel: headModule(),
  // What would keep real queries from everything keeps nothing from practice.
  practiceLimits: testLimits(),
  limits: testLimits({
    max_fetched_series_per_query: 1,
    blocked_queries: [{ pattern: '.*', regex: true }],
  }),
}

test('each query of the practice has an answer that is not empty', async () => {
  const env = createFakeEnv()
  const querier = practiceQuerier(env, boot, practiceHead(env, boot))
  for (const query of practiceQueries()) {
    const text = textOf(await querier.run(taskOf('warm-up', query)))
    assert.match(text, /^{"status":"success"/)
    assert.doesNotMatch(text, /"result":\[\]|"data":\[\]/, JSON.stringify(query))
  }
})

test('some of them are answered from blocks', async () => {
  const env = createFakeEnv()
  const querier = practiceQuerier(env, boot, practiceHead(env, boot))
  const [query] = practiceQueries().filter(
    (one) => 'startMs' in one && one.startMs === BLOCK_START_MS,
  )
  const { data } = JSON.parse(textOf(await querier.run(taskOf('warm-up', query!)))) as {
    data: { result: { values: [number, string][] }[] }
  }
  const times = data.result.flatMap(({ values }) => values.map(([time]) => time * 1000))
  assert.ok(Math.min(...times) < BLOCK_START_MS + 1_800_000)
  assert.ok(Math.max(...times) > BLOCK_START_MS + 7_200_000)
})

test('practice waits while the thread is busy', async () => {
  const env = createFakeEnv()
  let looks = 0
  const done = new Practice(env, boot).warmUp(() => looks++ < 3)
  for (let i = 0; i < 3; i++) await env.timers.advance(50)
  await done
  assert.ok(looks > 3)
})
