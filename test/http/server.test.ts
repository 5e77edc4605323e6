import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { hostname } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { httpConfigOf } from '../../src/http/config.js'
import { defaultConfig } from '../../src/shared/config/index.js'
import { answerOf, ask, form, startFront, type TestFront, until } from './support.js'

describe('the front', () => {
  let front: TestFront
  before(async () => {
    front = await startFront()
  })
  after(() => front.server.drain())

  test('answers an unknown path of the Prometheus API in its envelope', async () => {
    const answer = await ask(front.port, '/prometheus/api/v1/rules?type=alert')
    assert.equal(answer.status, 404)
    assert.equal(answer.headers['content-type'], 'application/json')
    const envelope = { status: 'error', errorType: 'not_found', error: 'path not found' }
    assert.deepEqual(JSON.parse(answer.body), envelope)
  })

  test('answers any other unknown path in plain text', async () => {
    const answer = await ask(front.port, '/nope')
    assert.equal(answer.status, 404)
    assert.equal(answer.body, '404 page not found\n')
  })

  test('names the methods of a path asked with another one', async () => {
    const answer = await ask(front.port, '/api/v1/push')
    assert.equal(answer.status, 405)
    assert.equal(answer.headers['allow'], 'POST, OPTIONS')
    const options = await ask(front.port, '/prometheus/api/v1/query', { method: 'OPTIONS' })
    assert.equal(options.status, 204)
    assert.equal(options.headers['allow'], 'GET, POST, HEAD, OPTIONS')
  })

  test('answers HEAD with the headers of GET and no body', async () => {
    const answer = await ask(front.port, '/ready', { method: 'HEAD' })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-length'], '6')
    assert.equal(answer.body, '')
  })

  test('says what it is in the way that Grafana reads', async () => {
    for (const path of ['/api/v1/status/buildinfo', '/prometheus/api/v1/status/buildinfo']) {
      const { status, data } = JSON.parse((await ask(front.port, path)).body)
      assert.equal(status, 'success')
      assert.equal(data.application, 'Grafana Mimir')
      assert.equal(data.features.ruler_config_api, 'false')
    }
  })

  test('says when it started', async () => {
    for (const prefix of ['', '/prometheus']) {
      const answer = await ask(front.port, `${prefix}/api/v1/status/runtimeinfo`)
      const { status, data } = JSON.parse(answer.body)
      assert.equal(status, 'success')
      assert.equal(data.reloadConfigSuccess, true)
      assert.deepEqual([data.CWD, data.hostname], [process.cwd(), hostname()])
      assert.equal(data.corruptionCount, 0)
      assert.ok(Date.parse(data.startTime) <= Date.parse(data.serverTime))
    }
  })

  test('is the one member of rings that processes make up elsewhere', async () => {
    const index = (await ask(front.port, '/')).body
    const memberlist = (await ask(front.port, '/memberlist')).body
    assert.match(memberlist, /no gossip/)
    assert.match(memberlist, /href="\/ingester\/ring"/)
    assert.match(index, /href="\/memberlist"/)
    for (const kind of ['querier', 'query-scheduler', 'overrides-exporter']) {
      const path = `/${kind}/ring`
      const answer = await ask(front.port, path, { headers: { accept: 'application/json' } })
      const { shards } = JSON.parse(answer.body)
      assert.deepEqual([shards.length, shards[0].id, shards[0].state], [1, `${kind}-0`, 'ACTIVE'])
      assert.ok(shards[0].registered_timestamp <= shards[0].timestamp)
      const page = await ask(front.port, path)
      assert.ok(page.body.includes(`<td>${kind}-0</td><td>ACTIVE</td>`), page.body)
      for (const text of [index, memberlist]) assert.ok(text.includes(`href="${path}"`), path)
      for (const [id, status] of [
        [`${kind}-0`, 302],
        [`${kind}-1`, 404],
      ] as const) {
        const headers = { 'content-type': 'application/x-www-form-urlencoded' }
        const forgot = await ask(front.port, path, {
          method: 'POST',
          headers,
          body: `forget=${id}`,
        })
        assert.equal(forgot.status, status)
      }
    }
    const reason = 'ingester/0 replays its log (42 %)'
    front.readiness = { isReady: false, reason, percent: 42 }
    const starting = await ask(front.port, '/querier/ring')
    front.readiness = { isReady: true, reason: '', percent: 100 }
    assert.match(starting.body, /<td>JOINING<\/td>/)
  })

  test('lists every endpoint on its index page', async () => {
    const { status, headers, body } = await ask(front.port, '/')
    assert.equal(status, 200)
    assert.match(String(headers['content-type']), /^text\/html/)
    assert.match(body, /href="\/metrics"/)
    assert.match(body, /\/prometheus\/api\/v1\/query_range/)
    assert.match(body, /\/api\/v1\/push/)
    assert.doesNotMatch(body, /href="[^"]*(\/:|flush)/, 'no link is broken, or cuts heads')
  })

  test('shows readiness, configuration, metrics, services', async () => {
    assert.equal((await ask(front.port, '/ready')).body, 'ready\n')
    assert.equal((await ask(front.port, '/config')).body, 'target: all\n')
    assert.equal((await ask(front.port, '/config?mode=diff')).body, 'target: diff\n')
    assert.equal((await ask(front.port, '/config?mode=defaults')).body, 'target: defaults\n')
    assert.equal((await ask(front.port, '/config?mode=x')).status, 400)
    assert.equal((await ask(front.port, '/runtime_config')).body, 'overrides: all\n')
    assert.equal((await ask(front.port, '/runtime_config?mode=diff')).body, 'overrides: diff\n')
    assert.equal((await ask(front.port, '/metrics')).body, '# metrics\n')
    assert.equal((await ask(front.port, '/services')).body, 'ingester/0 => running\n')
    const reason = 'ingester/0 replays its log (42 %)'
    front.readiness = { isReady: false, reason, percent: 42 }
    const answer = await ask(front.port, '/ready')
    front.readiness = { isReady: true, reason: '', percent: 100 }
    assert.equal(answer.status, 503)
    assert.equal(answer.body, `${reason}\n`)
  })

  test('counts requests by method, route and status', async () => {
    await ask(front.port, '/prometheus/api/v1/label/job/values')
    const route = 'prometheus_api_v1_label_name_values'
    const name = 'cortex_request_duration_seconds'
    await until(() => front.env.metrics.observations(name, 'GET', route, '200', 'false').length > 0)
    assert.equal(front.env.metrics.observations(name, 'GET', route, '200', 'false').length, 1)
    assert.equal(front.env.metrics.value('cortex_inflight_requests', 'GET', route), 0)
  })

  test('gzips an answer for a client that takes it', async () => {
    const text = `{"status":"success","data":["${'x'.repeat(5000)}"]}`
    front.pool.answer = async () => answerOf(text.slice(0, 3000), text.slice(3000))
    const path = '/prometheus/api/v1/labels'
    const zipped = await ask(front.port, path, { headers: { 'accept-encoding': 'br, gzip' } })
    assert.equal(zipped.headers['content-encoding'], 'gzip')
    assert.equal(gunzipSync(Buffer.from(zipped.body, 'latin1')).toString(), text)
    for (const refusal of ['identity', 'gzip;q=0']) {
      const plain = await ask(front.port, path, { headers: { 'accept-encoding': refusal } })
      assert.equal(plain.headers['content-encoding'], undefined)
      assert.equal(plain.headers['content-length'], String(text.length))
      assert.equal(plain.body, text)
    }
  })

  test('sends pieces in order', async () => {
    const pieces = Array.from({ length: 40 }, (_, i) => String.fromCharCode(65 + i).repeat(100_000))
    front.pool.answer = async () => answerOf(...pieces)
    const answer = await ask(front.port, '/prometheus/api/v1/labels')
    assert.equal(answer.body, pieces.join(''))
  })

  test('serves HTTP/1.0 without a Host header', async () => {
    const socket = connect(front.port, '127.0.0.1')
    let received = ''
    socket.on('data', (piece) => {
      received += piece.toString()
    })
    socket.write('GET /ready HTTP/1.0\r\n\r\n')
    await new Promise((resolve) => socket.on('close', resolve))
    assert.match(received, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nready\n$/s)
  })

  test('takes a URL as long as Go would', async () => {
    front.pool.answer = async () => answerOf('{}')
    const query = 'x'.repeat(500_000)
    const answer = await ask(front.port, `/prometheus/api/v1/query?query=${query}`)
    assert.equal(answer.status, 200)
    const task = front.pool.tasks.at(-1)
    assert.equal(task?.query.kind === 'query' && task.query.text.length, 500_000)
  })

  test('turns an error that is not ours into a 500 and logs it', async () => {
    front.pool.answer = async () => {
      throw new TypeError('x is not a function')
    }
    const answer = await ask(front.port, '/prometheus/api/v1/query', form({ query: 'up' }))
    assert.equal(answer.status, 500)
    assert.equal(JSON.parse(answer.body).errorType, 'internal')
    assert.ok(Number(answer.headers['retry-after']) >= 6)
  })
})

test('a client that takes nothing of its answer is cut off', async (t) => {
  const front = await startFront({ stallTimeoutMs: 50 })
  t.after(() => front.server.drain())
  // More than the socket buffers of both ends hold.
  const piece = 'x'.repeat(1024 * 1024)
  front.pool.answer = async () => answerOf(...new Array<string>(64).fill(piece))
  const socket = connect(front.port, '127.0.0.1')
  socket.pause()
  socket.on('error', () => {})
  socket.write('GET /prometheus/api/v1/labels HTTP/1.1\r\nhost: x\r\n\r\n')
  const name = 'cortex_request_duration_seconds'
  const route = 'prometheus_api_v1_labels'
  const { metrics } = front.env
  await until(() => metrics.observations(name, 'GET', route, '499', 'false').length === 1)
  socket.destroy()
})

describe('tenants', () => {
  const cases = [
    { header: undefined, status: 200, tenant: 'anonymous' },
    { header: 'team-a', status: 200, tenant: 'team-a' },
    { header: "A!-_.*'()9", status: 200, tenant: "A!-_.*'()9" },
    { header: 'a|a', status: 200, tenant: 'a' },
    { header: 'a'.repeat(150), status: 200, tenant: 'a'.repeat(150) },
    { header: 'a'.repeat(151), status: 401, text: /too long: max 150/ },
    {
      header: 'a/b',
      status: 401,
      text: /^tenant ID 'a\/b' contains unsupported character '\/'\n$/,
    },
    { header: 'é', status: 401, text: /unsupported character/ },
    { header: '.', status: 401, text: /is '\.' or '\.\.'/ },
    { header: '..', status: 401, text: /is '\.' or '\.\.'/ },
    { header: '__mimir_cluster', status: 401, text: /not allowed/ },
    { header: 'b|a|b', status: 422, text: /at most 1 .* got 2/ },
    { header: 'a|', status: 401, text: /no org id/ },
  ]
  for (const { header, status, tenant, text } of cases) {
    test(`X-Scope-OrgID ${header?.slice(0, 20) ?? 'missing'} → ${status}`, async (t) => {
      const front = await startFront()
      t.after(() => front.server.drain())
      const headers: Record<string, string> =
        header === undefined ? {} : { 'X-Scope-OrgID': header }
      const answer = await ask(front.port, '/prometheus/api/v1/labels', { headers })
      assert.equal(answer.status, status)
      if (tenant !== undefined) assert.equal(front.pool.tasks[0]?.tenant, tenant)
      if (text !== undefined) {
        assert.match(answer.body, text)
        assert.match(String(answer.headers['content-type']), /^text\/plain/)
        assert.equal(front.pool.tasks.length, 0)
      }
    })
  }

  test('a missing header is refused where it is required', async (t) => {
    const front = await startFront({ tenantHeaderRequired: true })
    t.after(() => front.server.drain())
    const answer = await ask(front.port, '/prometheus/api/v1/labels')
    assert.equal(answer.status, 401)
    assert.equal(answer.body, 'no org id\n')
    assert.equal((await ask(front.port, '/ready')).status, 200)
  })

  test('several are read at once where federation is on, and never written', async (t) => {
    const front = await startFront({ federation: { isEnabled: true, tenantsMax: 3 } })
    t.after(() => front.server.drain())
    const headers = { 'X-Scope-OrgID': 'c|a|b|a' }
    assert.equal((await ask(front.port, '/prometheus/api/v1/labels', { headers })).status, 200)
    assert.equal(front.pool.tasks[0]?.tenant, 'a|b|c')
    const options = { method: 'POST', headers, body: 'x' }
    const pushed = await ask(front.port, '/api/v1/push', options)
    assert.deepEqual([pushed.status, front.pushes.length], [422, 0])
    assert.match(pushed.body, /at most 1 .* got 3/)
    assert.equal((await ask(front.port, '/api/v1/user_limits', { headers })).status, 422)
    const many = { headers: { 'X-Scope-OrgID': 'a|b|c|d' } }
    const refused = await ask(front.port, '/prometheus/api/v1/labels', many)
    assert.deepEqual(
      [refused.status, refused.body],
      [422, 'too many tenant IDs: at most 3 in one request, got 4\n'],
    )
  })

  test('a tenant is told its limits', async (t) => {
    const front = await startFront()
    t.after(() => front.server.drain())
    const rateOf = async (tenant: string): Promise<unknown> => {
      const headers = { 'X-Scope-OrgID': tenant }
      const answer = await ask(front.port, '/api/v1/user_limits', { headers })
      const limits = JSON.parse(answer.body) as Record<string, number>
      assert.ok(Object.values(limits).every((value) => typeof value === 'number'))
      return limits.ingestion_rate
    }
    assert.equal(await rateOf('acme'), 7)
    assert.equal(await rateOf('other'), 0)
  })

  test('the header is ignored where there is one tenant only', async (t) => {
    const front = await startFront({ multitenancyEnabled: false, noAuthTenant: 'me' })
    t.after(() => front.server.drain())
    await ask(front.port, '/prometheus/api/v1/labels', { headers: { 'x-scope-orgid': 'a/b' } })
    assert.equal(front.pool.tasks[0]?.tenant, 'me')
  })
})

describe('draining', () => {
  test('finishes what is in flight, refuses what comes on open connections, then closes', async () => {
    const front = await startFront()
    let finish = (): void => {}
    front.pool.answer = () =>
      new Promise((resolve) => {
        finish = () => resolve(answerOf('done'))
      })
    const inFlight = ask(front.port, '/prometheus/api/v1/labels')
    await until(() => front.pool.tasks.length === 1)
    const socket = connect(front.port, '127.0.0.1')
    let received = ''
    socket.on('data', (piece) => {
      received += piece.toString()
    })
    // Half a request: the connection is not idle, so that closing the listener leaves it open.
    socket.write('POST /api/v1/push HTTP/1.1\r\nhost: x\r\n')
    await until(() => socket.readyState === 'open')
    // Accepted after it, answered after it: the server has read what the first one sent.
    await ask(front.port, '/ready')
    await ask(front.port, '/ready')
    let isDrained = false
    const drained = front.server.drain().then(() => {
      isDrained = true
    })
    socket.write('content-length: 0\r\n\r\n')
    await until(() => received.includes('\r\n\r\n'))
    assert.match(received, /^HTTP\/1\.1 503 /)
    assert.match(received, /connection: close/i)
    assert.match(received, /retry-after: \d+/i)
    assert.equal(isDrained, false)
    finish()
    assert.equal((await inFlight).body, 'done')
    await drained
    await assert.rejects(ask(front.port, '/ready'), { code: 'ECONNREFUSED' })
  })

  test('cuts off what is still in flight after the graceful time', async () => {
    const front = await startFront({ gracefulTimeoutMs: 1000 })
    front.pool.answer = () => new Promise(() => {})
    const lost = assert.rejects(ask(front.port, '/prometheus/api/v1/labels'), {
      code: 'ECONNRESET',
    })
    await until(() => front.pool.tasks.length === 1)
    const drained = front.server.drain()
    await front.env.timers.advance(1000)
    await lost
    await drained
  })
})

test('prefixes of paths begin with a slash and end with none, however they are written', () => {
  for (const [written, meant] of [
    ['', ''],
    ['/', ''],
    ['x', '/x'],
    ['/x/y/', '/x/y'],
  ] as const) {
    const config = httpConfigOf(
      defaultConfig({ 'server.http_path_prefix': written, 'api.prometheus_http_prefix': written }),
    )
    assert.deepEqual([config.pathPrefix, config.prometheusPrefix], [meant, meant])
  }
})
