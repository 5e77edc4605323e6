/** Main's part of the HA tracker: who is elected outlives a restart, and no file can stop the server. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HaKeeper, startHaKeeper } from '../../../src/actors/supervisor/ha-keeper.js'
import { defaultConfig } from '../../../src/shared/config/index.js'
import { HaCells } from '../../../src/shared/limits/index.js'
import { MetricsRegistry } from '../../../src/shared/telemetry/index.js'
import { createFakeEnv, type FakeEnv } from '../../support/fake-env.js'

const FILE = 'data/ha-tracker.json'
const config = defaultConfig({
  'data.dir': 'data',
  'distributor.ha_tracker.enable_ha_tracker': true,
})

/** A life of the server, on the disk and clock of an earlier one. */
function start(env: FakeEnv): HaKeeper {
  return startHaKeeper(config, env, new MetricsRegistry())
}

/** What a distributor does with a request of a pair. */
function hear({ cells }: HaKeeper, env: FakeEnv, cluster: string, replica: string): string {
  const view = new HaCells(cells)
  const now = env.clock.now()
  const timing = { failoverMs: 30_000, sampleMs: now, sampleFailoverMs: 0 }
  return view.claim(view.rowOf('t', cluster, 0), { replica, now, ...timing })
}

test('who is elected is in the file after five seconds, unsynced, and believed after a restart', async () => {
  const env = createFakeEnv()
  const keeper = start(env)
  assert.equal(hear(keeper, env, 'c', 'a'), 'changed')
  await env.clock.advance(5_000)
  assert.ok(env.disk.exists(FILE))
  assert.ok(!env.disk.exists(`${FILE}.tmp`))
  assert.deepEqual(
    env.disk.calls.filter(({ what }) => what === 'sync'),
    [],
    'main waits for no disk',
  )
  // Killed: the timers of that life are gone with it.
  const next = createFakeEnv({ disk: env.disk, now: env.clock.now() })
  const again = start(next)
  assert.deepEqual(again.list(), keeper.list())
  assert.equal(hear(again, next, 'c', 'b'), 'other')
  assert.equal(hear(again, next, 'c', 'a'), 'elected')
})

test('an end of the server writes what came since, and nothing is written that is written', async () => {
  const env = createFakeEnv()
  const keeper = start(env)
  hear(keeper, env, 'c', 'a')
  keeper.stop()
  assert.equal(env.clock.pendingCount(), 0)
  const again = start(createFakeEnv({ disk: env.disk, now: env.clock.now() }))
  assert.deepEqual(again.list(), keeper.list())
  const other = createFakeEnv()
  hear(start(other), other, 'c', 'a')
  await other.clock.advance(5_000)
  const calls = other.disk.calls.length
  await other.clock.advance(60_000)
  assert.equal(other.disk.calls.length, calls)
})

test('a file that cannot be read is left behind, and what of it is no entry', async () => {
  const entry = { tenant: 't', cluster: 'c', replica: 'a', elections: 1 }
  const good = { ...entry, heardAt: 1_700_000_000_000, electedAt: 1_700_000_000_000 }
  const cases: [string, number][] = [
    ['', 0],
    [JSON.stringify([good]).slice(0, -9), 0],
    ['{"tenant": "t"}', 0],
    [JSON.stringify([null, 7, entry, { ...good, heardAt: 'now' }, good]), 1],
  ]
  for (const [text, kept] of cases) {
    const env = createFakeEnv()
    env.disk.makeFolder('data')
    env.disk.replaceFile(FILE, Buffer.from(text))
    const keeper = start(env)
    assert.equal(keeper.list().length, kept, text)
    const warned = env.log.lines.filter(({ msg }) => /elected replicas .* are lost/.test(msg))
    assert.equal(warned.length, kept === 0 ? 1 : 0, text)
    assert.equal(hear(keeper, env, 'd', 'b'), 'changed')
    await env.clock.advance(5_000)
    const again = start(createFakeEnv({ disk: env.disk, now: env.clock.now() }))
    assert.equal(again.list().length, kept + 1, text)
  }
})

test('a disk that takes nothing is told of, and the file is written when it does', async () => {
  const env = createFakeEnv()
  const keeper = start(env)
  hear(keeper, env, 'c', 'a')
  env.disk.fault = ({ what }) => (what === 'write' ? { shortBytes: 5 } : undefined)
  await env.clock.advance(5_000)
  assert.ok(!env.disk.exists(FILE), 'half of it is no file')
  assert.ok(env.log.lines.some(({ msg }) => /could not be written/.test(msg)))
  env.disk.fault = () => undefined
  await env.clock.advance(5_000)
  const again = start(createFakeEnv({ disk: env.disk, now: env.clock.now() }))
  assert.deepEqual(again.list(), keeper.list())
})

test('a power cut loses who was elected, and no more', async () => {
  const env = createFakeEnv()
  const keeper = start(env)
  hear(keeper, env, 'c', 'a')
  await env.clock.advance(5_000)
  env.disk.crash()
  const next = createFakeEnv({ disk: env.disk, now: env.clock.now() })
  const again = start(next)
  assert.deepEqual(again.list(), [])
  assert.equal(hear(again, next, 'c', 'b'), 'changed')
})
