import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import {
  type ConnectOptions,
  connect,
  disconnect,
  expose,
  transferring,
} from '../../../src/shared/actor/index.js'
import { AppError, fail } from '../../../src/shared/errors/index.js'
import { createFakeEnv } from '../../support/fake-env.js'

interface Calls {
  add(a: number, b: number): number
  refuse(): void
  break(): void
  never(): Promise<void>
  fill(bytes: Uint8Array): Uint8Array
  odd(): unknown
}

const impl: Calls = {
  add: (a, b) => a + b,
  refuse: () => {
    throw fail('actor-timeout', { actor: 'x', call: 'y', deadlineMs: 5 })
  },
  break: () => {
    throw new TypeError('broken')
  },
  never: () => new Promise(() => {}),
  fill: (bytes) => transferring(bytes.fill(7), [bytes.buffer as ArrayBuffer]),
  odd: () => () => 1,
}

function pair(options: Partial<ConnectOptions> = {}) {
  const { port1, port2 } = new MessageChannel()
  expose(port2, impl)
  const client = connect<Calls>(port1, { actor: 'test/0', deadlineMs: 60_000, ...options })
  return { client, port1, port2 }
}

const hasId = (id: string) => (error: unknown) => error instanceof AppError && error.id === id

test('calls return, and their arguments and results may be moved', async () => {
  const { client } = pair()
  assert.equal(await client.add(2, 3), 5)
  const bytes = new Uint8Array(4)
  const back = await client.fill(transferring(bytes, [bytes.buffer]))
  assert.deepEqual([...back], [7, 7, 7, 7])
  assert.equal(bytes.length, 0)
  // A client in an async function's return is no promise.
  const same = await Promise.resolve(client)
  assert.equal(await same.add(1, 1), 2)
  disconnect(client)
})

test('errors of the catalogue keep id, details and text; others become internal', async () => {
  const { client } = pair()
  await assert.rejects(client.refuse(), (error) => {
    assert.ok(error instanceof AppError)
    assert.equal(error.id, 'actor-timeout')
    assert.deepEqual(error.details, { actor: 'x', call: 'y', deadlineMs: 5 })
    assert.equal(error.message, 'x did not answer y within 5 ms')
    assert.match(String((error.cause as Error).stack), /calls\.test/)
    return true
  })
  await assert.rejects(client.break(), (error) => {
    assert.ok(error instanceof AppError && error.id === 'internal')
    assert.equal(error.message, 'TypeError: broken')
    return true
  })
  await assert.rejects(client.odd(), hasId('internal'))
  const missing = client as unknown as { missing(): Promise<void> }
  await assert.rejects(missing.missing(), hasId('internal'))
  disconnect(client)
})

test('a call past its deadline rejects and names the call', async () => {
  const env = createFakeEnv()
  const { client } = pair({ timers: env.timers, deadlineMs: 500, deadlinesMs: { never: 2_000 } })
  let ended = false
  const call = client.never().finally(() => {
    ended = true
  })
  const rejected = assert.rejects(call, (error) => {
    assert.ok(hasId('actor-timeout')(error))
    assert.equal((error as Error).message, 'test/0 did not answer never within 2000 ms')
    return true
  })
  await env.timers.advance(1_999)
  assert.equal(ended, false)
  await env.timers.advance(1)
  await rejected
  assert.equal(env.timers.pendingCount(), 0)
  disconnect(client)
})

test('calls in flight and later ones reject when the other end is closed', async () => {
  const { client, port2 } = pair()
  const call = client.never()
  port2.close()
  await assert.rejects(call, hasId('actor-down'))
  await assert.rejects(client.add(1, 1), hasId('actor-down'))
})

test('disconnect rejects what is in flight', async () => {
  const { client } = pair()
  const call = client.never()
  disconnect(client)
  await assert.rejects(call, hasId('actor-down'))
})
