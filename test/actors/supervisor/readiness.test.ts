/** What `/ready` says, and the log while it is not: always what is waited for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChildStatus, Readiness } from '../../../src/actors/supervisor/contract.js'
import { ReadyWatch, readinessOf } from '../../../src/actors/supervisor/readiness.js'
import { createFakeEnv } from '../../support/fake-env.js'

function child(actor: string, change: Partial<ChildStatus> = {}): ChildStatus {
  const status = { readyPercent: 100, isServing: true, details: {} }
  const rest = { restarts: 0, lastExit: '', isOnDemand: false, silentMs: 0 }
  return { actor, state: 'running', status, ...rest, ...change }
}

function reasonOf(...children: ChildStatus[]): string {
  const rest = { isDraining: false, kinds: [{ kind: 'ingester' }], startingPool: undefined }
  return readinessOf({ children, ...rest }).reason
}

test('an actor of which nothing is known is waited for', () => {
  assert.equal(reasonOf(child('ingester/0'), child('distributor/0')), '')
  assert.equal(
    reasonOf(child('ingester/0', { status: undefined, silentMs: 1_200 })),
    'ingester/0 has not answered for 1 s',
  )
  // It answered before: busy for a moment is not dead.
  assert.equal(reasonOf(child('ingester/0', { silentMs: 2_900 })), '')
  assert.equal(
    reasonOf(child('ingester/0', { silentMs: 61_000 })),
    'ingester/0 has not answered for 61 s',
  )
  assert.equal(reasonOf(child('compactor/0', { status: undefined, isOnDemand: true })), '')
})

test('the one that is furthest from ready is named', () => {
  const replaying = (actor: string, readyPercent: number) =>
    child(actor, { status: { readyPercent, isServing: false, details: {} } })
  const readOnly = child('ingester/2', {
    status: { readyPercent: 100, isServing: false, details: {} },
  })
  const behind = replaying('ingester/1', 12.6)
  assert.equal(
    reasonOf(readOnly, replaying('ingester/0', 43.7), behind),
    'ingester/1 replays its log (12 %)',
  )
  assert.equal(
    reasonOf(behind, child('ingester/3', { state: 'starting' })),
    'ingester/3 is starting',
  )
  assert.equal(reasonOf(readOnly), 'ingester/2 takes no writes')
})

test('a silent actor is not among those that are enough', () => {
  const kinds = [{ kind: 'ingester', isEnough: (isUp: readonly boolean[]) => isUp.includes(true) }]
  const rest = { isDraining: false, kinds, startingPool: undefined }
  const silent = child('ingester/0', { silentMs: 5_000 })
  assert.equal(readinessOf({ ...rest, children: [silent, child('ingester/1')] }).isReady, true)
  assert.equal(readinessOf({ ...rest, children: [silent, silent] }).isReady, false)
})

test('the log says again and again what is waited for, and when that ends', async () => {
  const env = createFakeEnv()
  let readiness: Readiness = { isReady: true, reason: '', percent: 100 }
  const watch = new ReadyWatch(env, async () => readiness)
  watch.start()
  await env.timers.advance(60_000)
  assert.deepEqual(env.log.lines, [])
  readiness = { isReady: false, reason: 'ingester/0 is starting', percent: 0 }
  await env.timers.advance(20_000)
  readiness = { isReady: true, reason: '', percent: 100 }
  await env.timers.advance(30_000)
  assert.deepEqual(
    env.log.lines.map(({ msg, fields }) => [msg, fields]),
    [
      ['not ready', { waits_for: 'ingester/0 is starting', for_s: 10 }],
      ['not ready', { waits_for: 'ingester/0 is starting', for_s: 20 }],
      ['ready', { waited_s: 30 }],
    ],
  )
  watch.stop()
  readiness = { isReady: false, reason: 'x', percent: 0 }
  await env.timers.advance(60_000)
  assert.equal(env.log.lines.length, 3)
  assert.equal(env.timers.pendingCount(), 0)
})
