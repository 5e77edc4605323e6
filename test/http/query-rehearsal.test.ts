/** The queries of a rehearsal: all are answered from the practice, with something in it, and nothing is seen of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { querierConfigOf } from '../../src/actors/querier/client.js'
import type { QuerierAnswer, QuerierTask } from '../../src/actors/querier/contract.js'
import { Practice } from '../../src/actors/querier/warm-up.js'
import { queryFrontendConfigOf } from '../../src/actors/query-frontend/query-frontend.js'
import { httpConfigOf } from '../../src/http/config.js'
import { Lifecycle } from '../../src/http/lifecycle.js'
import { playClients, REHEARSED } from '../../src/http/query-rehearsal.js'
import { defaultConfig } from '../../src/shared/config/index.js'
import { createNodeEnv } from '../../src/shared/env/index.js'
import { Limits } from '../../src/shared/limits/index.js'
import {
  createMetricBlock,
  MetricsRegistry,
  openMetrics,
} from '../../src/shared/telemetry/index.js'
import { createFakeEnv } from '../support/fake-env.js'
import { headModule } from '../support/head-source.js'
import { testLimits } from '../support/limits.js'
import { textOf } from '../support/querier.js'

const config = defaultConfig({})
const boot = {
  config: querierConfigOf(config),
  limits: testLimits(),
  shardCount: 1,
  kernel: headModule(),
}

/** A rehearsal, as far as it is let go on. */
async function rehearsed(isWanted: () => boolean): Promise<{
  readonly answers: readonly [QuerierTask, QuerierAnswer][]
  readonly metrics: string
}> {
  const registry = new MetricsRegistry()
  const block = createMetricBlock()
  registry.attach('main', block)
  const metrics = openMetrics(block, () => {})
  const env = createNodeEnv({ actor: 'main', logLevel: 'error', metrics })
  const practice = new Practice(env, boot)
  const answers: [QuerierTask, QuerierAnswer][] = []
  const run = async (task: QuerierTask): Promise<QuerierAnswer> => {
    const answer = await practice.run(task)
    answers.push([task, answer])
    return answer
  }
  const limits = new Limits(testLimits())
  const lifecycle = new Lifecycle(createFakeEnv(), '/data', () => {})
  const stage = { queriers: { size: 1, run }, limits, lifecycle, isWanted }
  const parts = { http: httpConfigOf(config), frontend: queryFrontendConfigOf(config) }
  await playClients(stage, parts, env)
  return { answers, metrics: registry.render() }
}

test('every kind of query is asked, and has an answer that is not empty', async () => {
  const { answers, metrics } = await rehearsed(() => false)
  assert.ok(answers.length >= REHEARSED.length)
  const kinds = new Set(answers.map(([{ query }]) => query.kind))
  const wanted = ['query', 'query-range', 'label-names', 'label-values', 'series']
  assert.deepEqual([...kinds].sort(), wanted.sort())
  for (const [{ query }, answer] of answers) {
    assert.match(textOf(answer), /^{"status":"success"/)
    assert.doesNotMatch(textOf(answer), /"result":\[\]|"data":\[\]/, JSON.stringify(query))
  }
  assert.doesNotMatch(metrics, /rehearsal/)
})

test('nothing is asked once somebody else does', async () => {
  let looks = 0
  const { answers } = await rehearsed(() => looks++ >= 3)
  assert.equal(answers.length, 3)
})
