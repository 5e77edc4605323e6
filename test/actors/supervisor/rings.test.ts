/** Who is in a ring, as heartbeats come and go. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exportRings, type RingLife, Rings } from '../../../src/actors/supervisor/rings.js'
import { MetricsRegistry } from '../../../src/shared/telemetry/index.js'
import { createFakeEnv } from '../../support/fake-env.js'

const COMMON = { zones: 1, heartbeatTimeoutMs: 60_000, forgetPeriods: 10 }

function setUp() {
  const env = createFakeEnv()
  const beats = [1, 1]
  const lives = beats.map((_, index) => ({
    kind: 'ingester',
    index,
    state: 'running' as RingLife['state'],
    isJoining: false,
  }))
  const settings = {
    ingester: { ...COMMON, memberCount: 2 },
    distributor: { ...COMMON, memberCount: 1, isForCounting: true },
    compactor: { ...COMMON, memberCount: 1 },
  }
  const rings = new Rings(env, settings, () => [
    ...lives.map((life) => ({ ...life, beats: beats[life.index] })),
    {
      kind: 'distributor',
      index: 0,
      state: 'running',
      beats: ++distributorBeats,
      isJoining: false,
    },
    { kind: 'compactor', index: 0, state: 'stopped', beats: undefined, isJoining: false },
  ])
  let distributorBeats = 0
  const statesOf = (kind: string) => rings.members(kind).map(({ id, state }) => `${id} ${state}`)
  /** So many looks, a second each; the ingesters named beat. */
  const run = async (seconds: number, ...alive: number[]) => {
    for (let second = 0; second < seconds; second++) {
      for (const index of alive) beats[index]!++
      await env.timers.advance(1_000)
    }
  }
  return { env, rings, lives, statesOf, run }
}

test('members register with their first heartbeat, and have their part of the tokens', () => {
  const { env, rings, statesOf } = setUp()
  rings.start()
  assert.deepEqual(statesOf('ingester'), ['ingester-0 ACTIVE', 'ingester-1 ACTIVE'])
  assert.deepEqual(statesOf('compactor'), [], 'it has never run')
  const [one, other] = rings.members('ingester')
  assert.equal(one!.tokens.length, 512)
  assert.equal(new Set([...one!.tokens, ...other!.tokens]).size, 1_024)
  assert.equal(one!.registeredMs, env.clock.now())
  assert.equal(rings.members('distributor')[0]!.tokens.length, 1)
  rings.stop()
})

test('a silent member is unhealthy after the timeout, and forgotten after ten', async () => {
  const { env, rings, statesOf, run } = setUp()
  rings.start()
  const since = env.clock.now()
  await run(59, 1)
  assert.deepEqual(statesOf('ingester'), ['ingester-0 ACTIVE', 'ingester-1 ACTIVE'])
  await run(2, 1)
  assert.deepEqual(statesOf('ingester'), ['ingester-0 UNHEALTHY', 'ingester-1 ACTIVE'])
  assert.equal(rings.members('ingester')[0]!.heartbeatMs, since)
  await run(540, 1)
  assert.deepEqual(statesOf('ingester'), ['ingester-1 ACTIVE'])
  await run(1, 0, 1)
  const [back] = rings.members('ingester')
  assert.deepEqual([back!.id, back!.registeredMs], ['ingester-0', env.clock.now()])
  rings.stop()
})

test('states are those of the actors', () => {
  const { rings, lives, statesOf } = setUp()
  rings.start()
  const shown = (['starting', 'restarting', 'draining', 'stopped'] as const).map((state) => {
    lives[0]!.state = state
    return statesOf('ingester')[0]
  })
  assert.deepEqual(
    shown,
    ['JOINING', 'UNHEALTHY', 'LEAVING', 'PENDING'].map((state) => `ingester-0 ${state}`),
  )
  Object.assign(lives[0]!, { state: 'running', isJoining: true })
  assert.equal(statesOf('ingester')[0], 'ingester-0 JOINING')
  rings.stop()
})

test('who is forgotten on demand comes back when it lives', async () => {
  const { rings, statesOf, run } = setUp()
  rings.start()
  assert.equal(rings.forget('ingester', 'ingester-7'), false)
  assert.equal(rings.forget('distributor', 'ingester-0'), false)
  assert.equal(rings.forget('ingester', 'ingester-0'), true)
  assert.equal(rings.forget('ingester', 'ingester-1'), true)
  await run(3, 1)
  assert.deepEqual(statesOf('ingester'), ['ingester-1 ACTIVE'])
  rings.stop()
})

test('metrics count members by state, those that there are none of too', async () => {
  const { rings, run } = setUp()
  const registry = new MetricsRegistry()
  exportRings(registry, rings)
  rings.start()
  await run(61, 1)
  const text = registry.render()
  for (const line of [
    'cortex_ring_members{name="ingester",state="ACTIVE"} 1',
    'cortex_ring_members{name="ingester",state="Unhealthy"} 1',
    'cortex_ring_members{name="ingester",state="JOINING"} 0',
    'cortex_ring_members{name="compactor",state="ACTIVE"} 0',
    'cortex_ring_tokens_total{name="ingester"} 1024',
    'cortex_ring_oldest_member_timestamp{name="ingester",state="LEAVING"} 0',
  ]) {
    assert.ok(text.includes(`${line}\n`), line)
  }
  rings.stop()
})
