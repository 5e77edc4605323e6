/** New lives that actors ask for: soon the first time, then no more often than it is worth. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RENEW_EVERY_MS, Renewals } from '../../../src/actors/supervisor/renewals.js'
import { createFakeEnv } from '../../support/fake-env.js'

function bed() {
  const env = createFakeEnv()
  const renewals = new Renewals(env)
  const ended: string[] = []
  /** A life of an actor, which ends as soon as it is told to. */
  const life = (actor: string) => ({
    actor,
    terminate: () => {
      ended.push(actor)
      renewals.noteExit(actor)
    },
  })
  return { env, renewals, ended, life }
}

test('an actor that asks is ended once, and what it asked for stays listed', async () => {
  const { env, renewals, ended, life } = bed()
  const first = life('ingester/0')
  for (const position of [32, 99]) renewals.ask(first, { position })
  assert.deepEqual(ended, [])
  await env.timers.advance(1)
  assert.deepEqual(ended, ['ingester/0'])
  assert.deepEqual(renewals.damageOf('ingester/0'), [{ position: 32 }, { position: 99 }])
  assert.deepEqual(renewals.damageOf('ingester/1'), [])
})

test('a second new life comes no sooner than ten minutes after the first; others do not wait', async () => {
  const { env, renewals, ended, life } = bed()
  renewals.ask(life('ingester/0'), { position: 1 })
  await env.timers.advance(1)
  renewals.ask(life('ingester/0'), { position: 2 })
  renewals.ask(life('ingester/1'), { position: 3 })
  await env.timers.advance(RENEW_EVERY_MS - 1000)
  assert.deepEqual(ended, ['ingester/0', 'ingester/1'])
  await env.timers.advance(1000)
  assert.deepEqual(ended, ['ingester/0', 'ingester/1', 'ingester/0'])
})

test('a wish ends with its life, and with the system', async () => {
  const { env, renewals, ended, life } = bed()
  renewals.ask(life('ingester/0'), { position: 1 })
  renewals.noteExit('ingester/0')
  renewals.ask(life('ingester/1'), { position: 2 })
  renewals.stop()
  renewals.ask(life('ingester/2'), { position: 3 })
  await env.timers.advance(2 * RENEW_EVERY_MS)
  assert.deepEqual(ended, [])
  assert.deepEqual(renewals.damageOf('ingester/0'), [{ position: 1 }])
})
