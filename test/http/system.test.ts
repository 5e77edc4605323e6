/** The whole system behind the front: real threads, rings, logs; pushes and queries over HTTP. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  QueryFrontend,
  queryFrontendConfigOf,
} from '../../src/actors/query-frontend/query-frontend.js'
import { createMainEnv, type System, startSupervisor } from '../../src/actors/supervisor/system.js'
import { httpConfigOf } from '../../src/http/config.js'
import { Lifecycle } from '../../src/http/lifecycle.js'
import { createServer, type HttpServer } from '../../src/http/server.js'
import { defaultConfig } from '../../src/shared/config/index.js'
import { callApi, seriesOf } from '../support/prom-api.js'
import { push, remoteWriteBody, sendBody } from '../support/remote-write.js'

const NOW = Math.floor(Date.now() / 1000) * 1000

interface Running {
  readonly system: System
  readonly server: HttpServer
  readonly url: string
}

async function start(folder: string): Promise<Running> {
  const config = defaultConfig({
    'data.dir': folder,
    'server.http_listen_port': 0,
    'server.log_level': 'error',
    'actors.ingester_shards': 2,
  })
  const main = createMainEnv('error')
  const system = await startSupervisor(config, main, {
    cores: 2,
    onFatal: (reason) => assert.fail(reason),
  })
  const { env } = main
  const backend = {
    distributors: system.distributors,
    frontend: new QueryFrontend(env, system.queriers, queryFrontendConfigOf(config)),
    status: () => system.status(),
    metricsText: () => system.metricsText(),
    flushHeads: system.flushHeads,
    profiles: system.profiles,
    cutSeries: system.cutSeries,
    beginDeletion: system.beginDeletion,
    configYaml: () => '',
    runtime: system.runtime,
    rings: system.rings,
    totalOf: system.totalOf,
    lifecycle: new Lifecycle(env, folder, () => {}),
    findCompactor: system.findCompactor,
    compactorCount: system.compactorCount,
    blockTenants: system.blockTenants,
    discarded: system.discarded,
    haEntries: system.haEntries,
    tenants: system.tenants,
    seriesOf: system.seriesOf,
    version: '0.1.0',
  }
  const server = createServer(backend, httpConfigOf(config), env)
  const url = `http://127.0.0.1:${await server.listen()}`
  while ((await fetch(`${url}/ready`)).status !== 200) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return { system, server, url }
}

async function stop({ system, server }: Running): Promise<void> {
  await server.drain()
  assert.deepEqual(await system.drain(), [])
}

describe('push and query through every thread', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-http-'))
  let running: Running

  before(async () => {
    running = await start(folder)
  })
  after(async () => {
    await stop(running)
    rmSync(folder, { recursive: true, force: true })
  })

  const value = async (query: string, tenant?: string): Promise<string | undefined> => {
    const params = { query, time: NOW / 1000 }
    const answer = await callApi(`${running.url}/prometheus`, 'query', params, { tenant })
    assert.equal(answer.status, 'success', JSON.stringify(answer))
    return [...seriesOf(answer.data).values()][0]?.values().next().value
  }

  test('what is pushed is read back, by its own tenant only', async () => {
    const series = Array.from({ length: 500 }, (_, i) => ({
      labels: { __name__: 'pushed', i: String(i), job: `job-${i % 3}` },
      samples: [[NOW - 15_000, i] as const, [NOW, i + 0.5] as const],
    }))
    assert.deepEqual(await push(`${running.url}/api/v1/push`, series), { status: 200, text: '' })
    assert.equal(await value('count(pushed)'), '500')
    assert.equal(await value('sum(pushed)'), '125000')
    assert.equal(await value('pushed{i="7"} offset 15s'), '7')
    assert.equal(await value('count(pushed)', 'somebody-else'), undefined)
    const labels = await callApi(`${running.url}/prometheus`, 'label/job/values')
    assert.deepEqual(labels.data, ['job-0', 'job-1', 'job-2'])
    const metrics = await (await fetch(`${running.url}/metrics`)).text()
    assert.match(metrics, /^cortex_ingester_memory_series(\{[^}]*\})? 500$/m)
    assert.match(metrics, /^cortex_request_duration_seconds_count\{.*api_v1_push.*\} 1$/m)
  })

  test('a push that is wrong in part is 400 with the first reason, the rest stored', async () => {
    const { status, text } = await push(`${running.url}/api/v1/push`, [
      { labels: { __name__: 'half_good' }, samples: [[NOW, 1]] },
      { labels: { no_name: 'x' }, samples: [[NOW, 1]] },
    ])
    assert.equal(status, 400)
    assert.match(text, /err-mimir-missing-metric-name/)
    assert.equal(await value('half_good'), '1')
  })

  test('a body that is no snappy is 400 and harms nobody', async () => {
    const broken = await sendBody(`${running.url}/api/v1/push`, Buffer.from('not snappy at all'))
    assert.equal(broken.status, 400)
    const body = remoteWriteBody([{ labels: { __name__: 'after' }, samples: [[NOW, 2]] }])
    const cut = await sendBody(`${running.url}/api/v1/push`, body.subarray(0, body.length - 3))
    assert.equal(cut.status, 400)
    assert.equal((await sendBody(`${running.url}/api/v1/push`, body)).status, 200)
    assert.equal(await value('after'), '2')
  })

  test('threads that die under pushes and queries cost senders retries only', async () => {
    let isOver = false
    let stored = 0
    const refused = new Set<number>()
    const pushing = (async () => {
      while (!isOver) {
        const samples = [[NOW - 100_000 + stored, stored] as const]
        const series = [{ labels: { __name__: 'survivor' }, samples }]
        const { status } = await push(`${running.url}/api/v1/push`, series)
        if (status === 200) stored++
        else refused.add(status)
      }
    })()
    const failed = new Set<number>()
    const querying = (async () => {
      while (!isOver) {
        const params = { query: 'sum(pushed)', time: NOW / 1000 }
        const answer = await callApi(`${running.url}/prometheus`, 'query', params)
        if (answer.status === 'success') assert.match(JSON.stringify(answer.data), /125000/)
        else failed.add(answer.httpStatus)
      }
    })()
    for (const actor of ['querier/0', 'distributor/0', 'ingester/0', 'ingester/1']) {
      await running.system.kill(actor)
      const before = stored
      while (stored < before + 20) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    isOver = true
    await Promise.all([pushing, querying])
    for (const status of [...refused, ...failed]) assert.equal(status, 503)
    assert.equal(await value('count_over_time(survivor[10m])'), String(stored))
    assert.equal(await value('sum(pushed)'), '125000')
  })

  test('a second start finds everything', async () => {
    await stop(running)
    running = await start(folder)
    assert.equal(await value('sum(pushed)'), '125000')
    assert.equal(await value('half_good'), '1')
  })
})
