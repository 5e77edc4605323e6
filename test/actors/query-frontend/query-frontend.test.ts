import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { QuerierPool } from '../../../src/actors/querier/client.js'
import {
  CANCEL_CLIENT,
  CANCEL_NONE,
  CANCEL_TIMEOUT,
  type QuerierAnswer,
  type QuerierQuery,
  type QuerierTask,
} from '../../../src/actors/querier/contract.js'
import {
  QueryFrontend,
  type QueryFrontendConfig,
} from '../../../src/actors/query-frontend/query-frontend.js'
import { type ErrorId, fail } from '../../../src/shared/errors/index.js'
import { createFakeEnv, type FakeEnv } from '../../support/fake-env.js'

const ANSWER: Required<QuerierAnswer> = {
  pieces: [],
  text: undefined,
  samplesRead: 3,
  seriesRead: 2,
  tookMs: 1,
  contentType: 'text/plain',
  contentEncoding: undefined,
  stats: undefined,
}
const ANSWERED = { ...ANSWER, queuedMs: 0 }

interface Started {
  readonly task: QuerierTask
  readonly signal: AbortSignal
  resolve(): void
  reject(id: ErrorId): void
}

/** A pool whose tasks end when the test says so; an aborted task fails as a dead thread's does. */
class HeldPool implements QuerierPool {
  readonly size: number
  readonly started: Started[] = []

  constructor(size: number) {
    this.size = size
  }

  run(task: QuerierTask, signal: AbortSignal): Promise<QuerierAnswer> {
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(fail('actor-down', { actor: 'querier' })))
      this.started.push({
        task,
        signal,
        resolve: () => resolve(ANSWER),
        reject: (id) => reject(fail(id, { actor: 'ingester/0', text: 'x' })),
      })
    })
  }

  texts(): string[] {
    return this.started.map(({ task }) => ('text' in task.query ? task.query.text : ''))
  }
}

function makeFrontend(
  size: number,
  changes: Partial<QueryFrontendConfig> = {},
): { env: FakeEnv; pool: HeldPool; frontend: QueryFrontend } {
  const env = createFakeEnv()
  const pool = new HeldPool(size)
  const config = {
    outstandingPerTenantMax: 3,
    outstandingMax: 5,
    timeoutMs: 10_000,
    slowMs: 1_000,
    triesMax: 3,
    ...changes,
  }
  return { env, pool, frontend: new QueryFrontend(env, pool, config) }
}

function query(text: string): QuerierQuery {
  return { kind: 'format-query', text }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function cellOf({ task }: Started): number {
  return Atomics.load(new Int32Array(task.cancel.cells), task.cancel.index)
}

describe('QueryFrontend', () => {
  test('runs as many queries as there are threads, tenants in turn', async () => {
    const { pool, frontend } = makeFrontend(1)
    const answers = ['a1', 'a2', 'a3'].map((text) => frontend.run('a', query(text)))
    answers.push(...['b1', 'b2'].map((text) => frontend.run('b', query(text))))
    for (let i = 0; i < 5; i++) {
      assert.equal(pool.started.length, i + 1)
      pool.started[i]!.resolve()
      await settled()
    }
    assert.deepEqual(pool.texts(), ['a1', 'a2', 'b1', 'a3', 'b2'])
    assert.deepEqual(await Promise.all(answers), Array(5).fill(ANSWERED))
  })

  test('ends a query by its number, another tenant only its own', async () => {
    const { pool, frontend } = makeFrontend(1)
    const runs = frontend.run('a', query('runs'))
    const waits = frontend.run('b', query('waits'))
    const [first, second] = frontend.queries()
    assert.equal(frontend.cancel(second!.id, 'a'), false)
    assert.equal(frontend.cancel(second!.id + 1), false)
    assert.equal(frontend.cancel(second!.id, 'b'), true)
    await assert.rejects(waits, { id: 'query-canceled' })
    assert.equal(frontend.cancel(first!.id), true)
    assert.equal(cellOf(pool.started[0]!), CANCEL_CLIENT)
    pool.started[0]!.reject('query-canceled')
    await assert.rejects(runs, { id: 'query-canceled' })
    assert.deepEqual(frontend.queries(), [])
    assert.equal(frontend.cancel(first!.id), false)
  })

  test('remembers the last queries that took long', async () => {
    const { env, pool, frontend } = makeFrontend(1)
    for (let i = 0; i < 102; i++) {
      const answer = frontend.run('a', query(`x${i}`))
      await env.timers.advance(i === 50 ? 10 : 1_500)
      const isFailed = i === 101
      if (isFailed) pool.started[i]!.reject('query-execution')
      else pool.started[i]!.resolve()
      await answer.catch(() => undefined)
    }
    const slow = frontend.slowQueries()
    assert.equal(slow.length, 100)
    assert.deepEqual([slow[0]!.text, slow[0]!.status], ['x101', 'query-execution'])
    assert.ok(!slow.some(({ text }) => text === 'x50'))
    assert.equal(slow[1]!.tookMs, 1_500)
  })

  test('counts what was read, per tenant', async () => {
    const { env, pool, frontend } = makeFrontend(1)
    const answer = frontend.run('a', query('x'))
    pool.started[0]!.resolve()
    await answer
    assert.equal(env.metrics.value('cortex_query_samples_processed_total', 'a'), 3)
    assert.equal(env.metrics.value('cortex_query_fetched_series_total', 'a'), 2)
    assert.equal(env.metrics.value('cortex_query_frontend_queries_total', 'format-query', 'a'), 1)
  })

  test('refuses what is over the bound of a tenant, and of all tenants', async () => {
    const { env, pool, frontend } = makeFrontend(1)
    const taken = [frontend.run('a', query('runs'))]
    for (let i = 0; i < 3; i++) taken.push(frontend.run('a', query('waits')))
    await assert.rejects(frontend.run('a', query('x')), { id: 'query-queue-full' })
    for (const tenant of ['b', 'c']) taken.push(frontend.run(tenant, query('waits')))
    await assert.rejects(frontend.run('d', query('x')), { id: 'query-queue-full' })
    assert.equal(env.metrics.value('cortex_query_scheduler_discarded_requests_total', 'a'), 1)
    assert.equal(env.metrics.value('cortex_query_frontend_queue_length'), 5)
    for (let i = 0; i < taken.length; i++) {
      pool.started[i]!.resolve()
      await settled()
    }
    await Promise.all(taken)
    assert.equal(env.metrics.value('cortex_query_frontend_queue_length'), 0)
    assert.equal(env.timers.pendingCount(), 0)
  })

  test('a waiting query whose client goes away leaves the queue at once', async () => {
    const { env, pool, frontend } = makeFrontend(1)
    const first = frontend.run('a', query('first'))
    const gone = new AbortController()
    const second = frontend.run('a', query('second'), { signal: gone.signal })
    const third = frontend.run('a', query('third'))
    gone.abort()
    await assert.rejects(second, { id: 'query-canceled' })
    assert.equal(env.metrics.value('cortex_query_frontend_queue_length'), 1)
    pool.started[0]!.resolve()
    await first
    await settled()
    assert.deepEqual(pool.texts(), ['first', 'third'])
    pool.started[1]!.resolve()
    await third
  })

  test('a running query whose client goes away is cancelled by its cell, then by force', async () => {
    const { env, pool, frontend } = makeFrontend(1)
    const gone = new AbortController()
    const running = frontend.run('a', query('x'), { signal: gone.signal })
    const rejected = assert.rejects(running, { id: 'query-canceled' })
    const next = frontend.run('a', query('next'))
    assert.equal(cellOf(pool.started[0]!), CANCEL_NONE)
    gone.abort()
    assert.equal(cellOf(pool.started[0]!), CANCEL_CLIENT)
    await env.timers.advance(4_999)
    assert.equal(pool.started[0]!.signal.aborted, false)
    assert.equal(pool.started.length, 1, 'its thread is not free')
    await env.timers.advance(1)
    assert.equal(pool.started[0]!.signal.aborted, true)
    await rejected
    await settled()
    assert.equal(cellOf(pool.started[1]!), CANCEL_NONE)
    pool.started[1]!.resolve()
    await next
  })

  test('a query past its deadline is told so, whether it waits or runs', async () => {
    const { env, pool, frontend } = makeFrontend(1)
    const running = assert.rejects(frontend.run('a', query('x')), { id: 'query-timeout' })
    const waiting = frontend.run('a', query('y'), { timeoutMs: 2_000 })
    const rejected = assert.rejects(waiting, { id: 'query-timeout' })
    await env.timers.advance(2_000)
    await rejected
    await env.timers.advance(8_000)
    assert.equal(cellOf(pool.started[0]!), CANCEL_TIMEOUT)
    pool.started[0]!.reject('query-timeout')
    await running
    await settled()
    assert.equal(env.timers.pendingCount(), 0)
  })

  test('tries again when a thread or shard was down, no more often than allowed', async () => {
    const { env, pool, frontend } = makeFrontend(1)
    const saved = frontend.run('a', query('x'))
    pool.started[0]!.reject('actor-down')
    await env.timers.advance(50)
    pool.started[1]!.reject('overloaded')
    await env.timers.advance(100)
    pool.started[2]!.resolve()
    assert.deepEqual(await saved, ANSWERED)
    const lost = assert.rejects(frontend.run('a', query('y')), { id: 'actor-down' })
    for (let i = 3; i < 6; i++) {
      pool.started[i]!.reject('actor-down')
      await env.timers.advance(200)
    }
    await lost
    assert.equal(pool.started.length, 6)
    const wrong = assert.rejects(frontend.run('a', query('z')), { id: 'query-execution' })
    pool.started[6]!.reject('query-execution')
    await wrong
    assert.equal(pool.started.length, 7)
  })

  test('draining takes nothing new, finishes what it has, cancels the rest at the deadline', async () => {
    const { env, pool, frontend } = makeFrontend(2)
    const done = frontend.run('a', query('done'))
    const late = assert.rejects(frontend.run('a', query('late')), { id: 'shutting-down' })
    const drained = frontend.drain(1_000)
    await assert.rejects(frontend.run('a', query('new')), { id: 'shutting-down' })
    pool.started[0]!.resolve()
    assert.deepEqual(await done, ANSWERED)
    await env.timers.advance(1_000)
    assert.equal(cellOf(pool.started[1]!), CANCEL_CLIENT)
    pool.started[1]!.reject('query-canceled')
    await late
    await drained
  })

  test('shows what it has in hand', () => {
    const { pool, frontend } = makeFrontend(1)
    void frontend.run('a', query('x'.repeat(500)))
    void frontend.run('b', query('y'))
    assert.equal(pool.started.length, 1)
    const shown = frontend.queries().map(({ tenant, state, text }) => [tenant, state, text.length])
    const wanted = [
      ['a', 'running', 200],
      ['b', 'queued', 1],
    ]
    assert.deepEqual(shown, wanted)
  })
})
