/** The pool thread itself: a real thread over a head whose calls this thread answers. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { createQueryForm, querierConfigOf } from '../../../src/actors/querier/client.js'
import {
  CANCEL_CLIENT,
  type QuerierAnswer,
  type QuerierBoot,
  type QuerierMessage,
  type QuerierQuery,
  type QuerierTask,
} from '../../../src/actors/querier/contract.js'
import { definePool, expose, type Pool } from '../../../src/shared/actor/index.js'
import { defaultConfig } from '../../../src/shared/config/index.js'
import { createNodeEnv } from '../../../src/shared/env/index.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { createMetricBlock, openMetrics } from '../../../src/shared/telemetry/index.js'
import { headModule } from '../../support/head-source.js'
import { testLimits } from '../../support/limits.js'
import { TestShard, taskOf, textOf } from '../../support/querier.js'

function instant(text: string): QuerierQuery {
  return { kind: 'query', text, atMs: 60_000, lookbackMs: 0, limit: 0 }
}

describe('a querier thread', () => {
  const shard = new TestShard()
  let pool: Pool<QuerierTask, QuerierAnswer, QuerierMessage>
  const { signal } = new AbortController()

  before(() => {
    for (let i = 0; i < 3000; i++) {
      shard.append('t', labelsOf({ __name__: 'm', i: String(i) }), [60_000, i])
    }
    const metrics = openMetrics(createMetricBlock(), () => {})
    pool = definePool({
      actor: 'querier',
      entry: new URL('../../../src/actors/querier/worker.js', import.meta.url),
      size: 1,
      boot: {
        config: querierConfigOf(defaultConfig()),
        limits: testLimits(),
        shardCount: 1,
        kernel: headModule(),
      } satisfies QuerierBoot,
      form: createQueryForm,
      logLevel: 'error',
      env: createNodeEnv({ actor: 'main', logLevel: 'error', metrics }),
      heapMbMax: 256,
      onSeat: (seat) => {
        const { port1, port2 } = new MessageChannel()
        expose(port1, shard.calls)
        seat.send({ shard: 0, port: port2, memory: shard.head.view.memory }, [port2])
      },
      onVacate: () => {},
      onMetricBlock: () => {},
      onCrash: () => 0,
    })
  })
  after(() => pool.close())

  test('reads the head in place and hands over its answer', async () => {
    const answer = await pool.run(taskOf('t', instant('sum(m)')), signal)
    const result = '[{"metric":{},"value":[60,"4498500"]}]'
    const data = `{"resultType":"vector","result":${result}}`
    assert.equal(textOf(answer), `{"status":"success","data":${data}}`)
    assert.equal(answer.seriesRead, 3000)
    const list = await pool.run(taskOf('t', instant('m')), signal)
    assert.equal(JSON.parse(textOf(list)).data.result.length, 3000)
  })

  test('throws errors with their id', async () => {
    await assert.rejects(pool.run(taskOf('t', instant('1+')), signal), { id: 'query-parse' })
  })

  test('heeds its cancel cell in the middle of a query', async () => {
    const task = taskOf('t', instant('sum(m)'))
    const { select } = shard.calls
    const cancelThenSelect: typeof select = (request) => {
      Atomics.store(new Int32Array(task.cancel.cells), 0, CANCEL_CLIENT)
      return select(request)
    }
    Object.assign(shard.calls, { select: cancelThenSelect })
    await assert.rejects(pool.run(task, signal), { id: 'query-canceled' })
    Object.assign(shard.calls, { select })
  })

  test('is replaced when it was ended, and the next query is answered', async () => {
    const ended = new AbortController()
    const task = taskOf('t', instant('m'))
    const { select } = shard.calls
    // A call that never comes back holds the query.
    Object.assign(shard.calls, { select: () => new Promise(() => {}) })
    const running = assert.rejects(pool.run(task, ended.signal), { id: 'actor-down' })
    setImmediate(() => ended.abort())
    await running
    Object.assign(shard.calls, { select })
    const answer = await pool.run(taskOf('t', instant('count(m)')), signal)
    assert.match(textOf(answer), /"3000"/)
  })
})
