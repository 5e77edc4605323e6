import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { definePool, type Pool, type PoolSeat } from '../../../src/shared/actor/index.js'
import { NODE_TIMERS } from '../../../src/shared/env/index.js'
import { AppError } from '../../../src/shared/errors/index.js'
import { MetricsRegistry } from '../../../src/shared/telemetry/index.js'
import { createFakeEnv } from '../../support/fake-env.js'
import type { PoolMessage, PoolTask } from './pool-thread.js'

const pools: Pool<PoolTask, unknown, PoolMessage>[] = []
after(() => Promise.all(pools.map((pool) => pool.close())))

function make(
  options: { size?: number; isCold?: boolean; onCrash?: () => number | undefined } = {},
) {
  const crashes: string[] = []
  const seated: PoolSeat<PoolMessage>[] = []
  const registry = new MetricsRegistry()
  const pool = definePool<PoolTask, unknown, PoolMessage>({
    actor: 'pool',
    entry: new URL('./pool-thread.js', import.meta.url),
    size: options.size ?? 1,
    boot: { offset: 100, isCold: options.isCold === true },
    logLevel: 'error',
    env: { ...createFakeEnv(), timers: NODE_TIMERS },
    heapMbMax: 40,
    onSeat: (seat) => {
      seated.push(seat)
      seat.send({ text: `welcome ${seat.index}` }, [])
    },
    onVacate: () => {},
    onMetricBlock: (actor, block) => registry.attach(actor, block),
    onCrash: (actor) => {
      crashes.push(actor)
      return options.onCrash === undefined ? 0 : options.onCrash()
    },
  })
  pools.push(pool)
  const run = (task: PoolTask): Promise<unknown> => pool.run(task, new AbortController().signal)
  return { pool, run, crashes, seated, registry }
}

const hasId = (id: string) => (error: unknown) => error instanceof AppError && error.id === id

test('runs tasks on seated threads, moves answers, keeps typed errors', async () => {
  const { pool, run, seated, registry } = make({ size: 2 })
  assert.equal(await run({ do: 'add', a: 1, b: 2 }), 103)
  const bytes = (await run({ do: 'bytes' })) as Uint8Array
  assert.equal(bytes.length, 1000)
  await assert.rejects(run({ do: 'refuse' }), (error) => {
    assert.ok(hasId('query-parse')(error))
    assert.equal((error as Error).message, '1:1: parse error')
    return true
  })
  const [text] = (await run({ do: 'messages' })) as string[]
  assert.match(text!, /^(0|1): welcome \1$/)
  while (seated.length < 2) await NODE_TIMERS.yieldNow()
  assert.deepEqual(
    pool
      .seats()
      .map((seat) => seat.index)
      .sort(),
    [0, 1],
  )
  assert.ok(registry.value('nilo_actor_restarts_total', 'pool') >= 1)
})

test('the first answer that is moved does not cost a thread its practised code', async () => {
  const { run } = make()
  assert.equal(await run({ do: 'is-fast', afterPractice: true }), true)
  assert.equal(((await run({ do: 'bytes' })) as Uint8Array).length, 1000)
  assert.equal(await run({ do: 'is-fast', afterPractice: false }), true)
})

test('threads are warm when they say so, and run tasks before; a new one is cold again', async () => {
  const { pool, run } = make({ isCold: true })
  assert.equal(await run({ do: 'add', a: 1, b: 2 }), 103)
  assert.equal(pool.warmCount(), 0)
  pool.seats()[0]!.send({ text: 'be warm' }, [])
  while (pool.warmCount() < 1) await NODE_TIMERS.yieldNow()
  await pool.kill(0)
  await run({ do: 'add', a: 1, b: 2 }).catch(() => {})
  assert.equal(pool.warmCount(), 0)
  const warm = make()
  while (warm.pool.warmCount() < 1) await NODE_TIMERS.yieldNow()
})

test('a thread that cannot take what it is sent ends, and a new one takes its place', async () => {
  const { pool, run, crashes } = make()
  assert.equal(await run({ do: 'add', a: 1, b: 2 }), 103)
  const [first] = pool.seats()
  first!.send({ text: 'stumble' }, [])
  while (crashes.length === 0) await NODE_TIMERS.yieldNow()
  while (pool.seats().length === 0) await NODE_TIMERS.yieldNow()
  assert.notEqual(pool.seats()[0]!.threadId, first!.threadId)
  assert.equal(await run({ do: 'add', a: 1, b: 2 }), 103)
})

test('an abort ends the thread, a new one takes its place, and it is no crash', async () => {
  const { pool, run, crashes } = make()
  assert.equal(await run({ do: 'add', a: 0, b: 0 }), 100)
  const first = pool.seats()[0]!.threadId
  const controller = new AbortController()
  const spin = pool.run({ do: 'spin' }, controller.signal)
  setImmediate(() => controller.abort())
  await assert.rejects(spin, hasId('actor-down'))
  assert.equal(await run({ do: 'add', a: 1, b: 0 }), 101)
  assert.notEqual(pool.seats()[0]!.threadId, first)
  assert.deepEqual(crashes, [])
})

test('a task whose thread dies fails with actor-down, the others go on', async () => {
  const { pool, run, crashes } = make({ size: 2 })
  await assert.rejects(run({ do: 'exit' }), hasId('actor-down'))
  assert.equal(await run({ do: 'add', a: 1, b: 0 }), 101)
  const spin = assert.rejects(run({ do: 'spin' }), hasId('actor-down'))
  for (const seat of pool.seats()) await pool.kill(seat.index)
  await spin
  assert.equal(await run({ do: 'add', a: 2, b: 0 }), 102)
  assert.ok(crashes.length >= 2)
})

test('a task beyond the heap limit fails alone', async () => {
  const { run } = make()
  await assert.rejects(run({ do: 'heap' }), hasId('query-memory'))
  assert.equal(await run({ do: 'add', a: 2, b: 0 }), 102)
})

test('a pool whose threads die as they load is made anew, and left when told so', async () => {
  process.env['NILO_TEST_POOL_BROKEN'] = '1'
  let chances = 2
  const { run, crashes } = make({
    onCrash: () => {
      chances--
      if (chances === 0) delete process.env['NILO_TEST_POOL_BROKEN']
      return chances < 0 ? undefined : 1
    },
  })
  while (chances > 0) await NODE_TIMERS.sleep(5)
  assert.equal(await retried(() => run({ do: 'add', a: 3, b: 0 })), 103)
  assert.ok(crashes.length >= 2)
})

test('a closed pool refuses', async () => {
  const { pool, run } = make()
  const spin = assert.rejects(run({ do: 'spin' }), hasId('actor-down'))
  await pool.close()
  await spin
  await assert.rejects(run({ do: 'add', a: 0, b: 0 }), hasId('actor-down'))
})

/** A sender's manner: what may be retried is. */
async function retried<T>(run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run()
    } catch (error) {
      if (!hasId('actor-down')(error)) throw error
      await NODE_TIMERS.sleep(5)
    }
  }
}
