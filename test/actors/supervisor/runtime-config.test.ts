/** The runtime file as it changes on disk. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RuntimeConfigWatch } from '../../../src/actors/supervisor/runtime-config.js'
import { defaultConfig } from '../../../src/shared/config/index.js'
import type { LimitsData } from '../../../src/shared/limits/index.js'
import { createFakeEnv } from '../../support/fake-env.js'

const FILE = 'runtime.yaml'

async function watching(text: string) {
  const env = createFakeEnv()
  const put = (content: string): void => {
    env.disk.replaceFile(FILE, Buffer.from(content))
  }
  put(text)
  const sent: LimitsData[] = []
  const config = defaultConfig({ 'runtime_config.file': [FILE] })
  const watch = await RuntimeConfigWatch.open(env, config, (data) => sent.push(data))
  return { env, put, sent, watch }
}

const rate = (n: number): string => `overrides: {t: {ingestion_rate: ${n}}}`

test('hands out each change once, with the next version', async () => {
  const { put, sent, watch, env } = await watching(rate(1))
  assert.equal(watch.limits.of('t').ingestion_rate, 1)
  await watch.reload()
  assert.equal(sent.length, 0, 'nothing has changed')
  put(rate(2))
  await watch.reload()
  await watch.reload()
  assert.deepEqual(
    sent.map(({ version, overrides }) => [version, overrides.get('t')?.ingestion_rate]),
    [[2, 2]],
  )
  assert.equal(watch.limits.of('t').ingestion_rate, 2)
  assert.equal(env.metrics.value('cortex_runtime_config_last_reload_successful'), 1)
})

test('a broken or missing file leaves the last good one in force, and all pages say so', async () => {
  const { env, put, sent, watch } = await watching(rate(1))
  const { hash } = watch.status()
  put('overrides: {t: {ingestion_rat: 5}}')
  await watch.reload()
  await watch.reload()
  assert.equal(sent.length, 0)
  assert.equal(watch.limits.of('t').ingestion_rate, 1)
  assert.match(watch.status().problem, /unknown key ingestion_rat; did you mean ingestion_rate/)
  assert.equal(env.metrics.value('cortex_runtime_config_last_reload_successful'), 0)
  assert.equal(env.metrics.value('cortex_runtime_config_hash', hash), 1)
  const errors = env.log.lines.filter(({ level }) => level === 'error')
  assert.equal(errors.length, 1, 'said once')
  assert.match(watch.print('diff'), /^# The files on disk are not in force.*\n# .*ingestion_rat/)
  env.disk.remove(FILE)
  await watch.reload()
  assert.match(watch.status().problem, /runtime.yaml/)
  put(rate(3))
  await watch.reload()
  assert.equal(watch.status().problem, '')
  assert.equal(sent.length, 1)
  assert.equal(env.metrics.value('cortex_runtime_config_last_reload_successful'), 1)
  assert.equal(env.metrics.value('cortex_runtime_config_hash', hash), 0)
  assert.equal(watch.print('diff'), 'overrides:\n  "t":\n    ingestion_rate: 3\n')
})

test('the same text again after a broken one is in force again', async () => {
  const { put, sent, watch } = await watching(rate(1))
  put('overrides: [')
  await watch.reload()
  assert.notEqual(watch.status().problem, '')
  put(rate(1))
  await watch.reload()
  assert.equal(watch.status().problem, '')
  assert.equal(sent.length, 1)
})

test('a file that is broken at the start ends it', async () => {
  await assert.rejects(watching('overrides: {t: {nonsense: 1}}'), { id: 'config-invalid' })
})

test('custom trackers that are no selectors are refused, at the start and later', async () => {
  const trackers = (text: string): string =>
    `overrides: {t: {active_series_custom_trackers: ${text}}}`
  for (const bad of ['{a: "{b"}', '[a]', 'a']) {
    await assert.rejects(watching(trackers(bad)), { id: 'config-invalid' }, bad)
  }
  const { put, sent, watch } = await watching(trackers(`{a: '{b="c"}', d: up}`))
  put(trackers(`{a: '{b="c"'}`))
  await watch.reload()
  assert.equal(sent.length, 0)
  assert.match(
    watch.status().problem,
    /overrides of t: active_series_custom_trackers: a: .*parse error/,
  )
})

test('more custom trackers than are counted are refused, both lists taken together', async () => {
  const list = (prefix: string, count: number): string =>
    `{${Array.from({ length: count }, (_, i) => `${prefix}${i}: up`).join(', ')}}`
  const both = (first: number, more: number): string =>
    `overrides: {t: {active_series_custom_trackers: ${list('a', first)}, active_series_additional_custom_trackers: ${list('b', more)}}}`
  await watching(both(200, 56))
  await assert.rejects(watching(both(200, 57)), {
    id: 'config-invalid',
    message: /overrides of t: 257 custom trackers, at most 256 are counted/,
  })
})
