import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { fail } from '../../src/shared/errors/index.js'
import { ask, startFront, type TestFront, until } from './support.js'

const PROTOBUF = 'application/x-protobuf'

describe('POST /api/v1/push', () => {
  let front: TestFront
  before(async () => {
    front = await startFront({ pushBytesMax: 1000, inflightPushBytesMax: 1500 })
  })
  after(() => front.server.drain())

  test('hands the body on as it came and answers 200 with nothing', async () => {
    const body = Buffer.from([0, 1, 2, 255, 254])
    const headers = { 'content-type': PROTOBUF, 'content-encoding': 'snappy', 'x-scope-orgid': 't' }
    const answer = await ask(front.port, '/api/v1/push', { method: 'POST', headers, body })
    assert.equal(answer.status, 200)
    assert.equal(answer.body, '')
    assert.deepEqual(front.pushes.at(-1), { tenant: 't', body })
  })

  test('gathers a chunked body', async () => {
    const request = httpRequest({ port: front.port, path: '/api/v1/push', method: 'POST' })
    const answered = new Promise<number>((resolve) => {
      request.on('response', (response) => resolve(response.resume().statusCode ?? 0))
    })
    for (const piece of ['ab', 'cd', 'ef']) {
      request.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
    request.end()
    assert.equal(await answered, 200)
    assert.equal(front.pushes.at(-1)?.body.toString(), 'abcdef')
  })

  const types = [
    { type: `${PROTOBUF};proto=prometheus.WriteRequest`, status: 200, text: /^$/ },
    { type: `${PROTOBUF}; proto="prometheus.WriteRequest"`, status: 200, text: /^$/ },
    { type: 'text/plain', status: 415, text: /got content type text.plain/ },
    {
      type: `${PROTOBUF};proto=io.prometheus.write.v2.Request`,
      status: 200,
      text: /^$/,
    },
    { type: `${PROTOBUF};proto=other.Message`, status: 415, text: /other\.Message/ },
    { type: `${PROTOBUF};proto`, status: 400, text: /^malformed content type/ },
  ]
  for (const { type, status, text } of types) {
    test(`content type ${type} → ${status}`, async () => {
      const options = { method: 'POST', headers: { 'content-type': type }, body: 'x' }
      const answer = await ask(front.port, '/api/v1/push', options)
      assert.equal(answer.status, status)
      assert.match(answer.body, text)
    })
  }

  test('tells a sender of remote write 2.0 what was written', async () => {
    const before = front.pushAnswer
    const written = { samples: 4, histograms: 2, exemplars: 1 }
    front.pushAnswer = async () => ({ status: 400, text: 'no', retryable: false, written })
    const headers = { 'content-type': `${PROTOBUF};proto=io.prometheus.write.v2.Request` }
    const answer = await ask(front.port, '/api/v1/push', { method: 'POST', headers, body: 'x' })
    front.pushAnswer = before
    assert.equal(answer.status, 400)
    assert.equal(answer.headers['x-prometheus-remote-write-samples-written'], '4')
    assert.equal(answer.headers['x-prometheus-remote-write-histograms-written'], '2')
    assert.equal(answer.headers['x-prometheus-remote-write-exemplars-written'], '1')
  })

  test('refuses another content encoding', async () => {
    const options = { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: 'x' }
    const answer = await ask(front.port, '/api/v1/push', options)
    assert.equal(answer.status, 415)
    assert.match(answer.body, /content encoding gzip\n$/)
  })

  test('refuses a body over the limit by its declared length and by what comes', async () => {
    const declared = await ask(front.port, '/api/v1/push', {
      method: 'POST',
      body: Buffer.alloc(1001),
    })
    const chunked = await ask(front.port, '/api/v1/push', {
      method: 'POST',
      headers: { 'transfer-encoding': 'chunked' },
      body: Buffer.alloc(1001),
    })
    for (const answer of [declared, chunked]) {
      assert.equal(answer.status, 400)
      assert.match(answer.body, /1000 bytes \(err-mimir-distributor-max-write-message-size\)/)
      assert.equal(answer.headers['retry-after'], undefined)
    }
    const fits = await ask(front.port, '/api/v1/push', { method: 'POST', body: Buffer.alloc(1000) })
    assert.equal(fits.status, 200)
  })

  test('passes on what the distributor answers, with Retry-After where one may retry', async (t) => {
    t.after(() => {
      front.pushAnswer = async () => ({ status: 200, text: '', retryable: false })
    })
    for (const [status, isRetried] of [
      [400, false],
      [202, false],
      [429, true],
      [503, true],
    ] as const) {
      front.pushAnswer = async () => ({ status, text: 'why', retryable: isRetried })
      const answer = await ask(front.port, '/api/v1/push', { method: 'POST', body: 'x' })
      assert.equal(answer.status, status)
      assert.equal(answer.body, 'why\n')
      const seconds = Number(answer.headers['retry-after'] ?? 0)
      assert.equal(seconds >= 6 && seconds <= 9, isRetried)
    }
    const headers = { 'retry-attempt': '9' }
    const late = await ask(front.port, '/api/v1/push', { method: 'POST', headers, body: 'x' })
    assert.ok(Number(late.headers['retry-after']) >= 48)
    assert.ok(Number(late.headers['retry-after']) <= 96)
  })

  test('answers 503 when no distributor takes the body', async (t) => {
    t.after(() => {
      front.pushAnswer = async () => ({ status: 200, text: '', retryable: false })
    })
    front.pushAnswer = async () => {
      throw fail('actor-down', { actor: 'distributor/0' })
    }
    const answer = await ask(front.port, '/api/v1/push', { method: 'POST', body: 'x' })
    assert.equal(answer.status, 503)
    assert.equal(answer.body, 'distributor/0 is not running\n')
    assert.ok(answer.headers['retry-after'])
  })
})

describe('slow and broken pushes', () => {
  test('a body that does not arrive in time is answered 408', async (t) => {
    const front = await startFront({ readTimeoutMs: 30_000 })
    t.after(() => front.server.drain())
    const request = httpRequest({ port: front.port, path: '/api/v1/push', method: 'POST' })
    request.on('error', () => {})
    request.write('half')
    const status = new Promise<number>((resolve) => {
      request.on('response', (response) => resolve(response.resume().statusCode ?? 0))
    })
    const inflight = 'cortex_distributor_inflight_push_requests_bytes'
    await until(() => front.env.metrics.value(inflight) === 4)
    await front.env.timers.advance(30_000)
    assert.equal(await status, 408)
    assert.equal(front.env.metrics.value(inflight), 0)
    assert.equal(front.pushes.length, 0)
    request.destroy()
  })

  test('a client that goes away half-way leaves nothing behind', async (t) => {
    const front = await startFront()
    t.after(() => front.server.drain())
    const socket = connect(front.port, '127.0.0.1')
    socket.write('POST /api/v1/push HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf')
    const { metrics } = front.env
    const requests = 'cortex_distributor_inflight_push_requests'
    await until(() => metrics.value(requests) === 1)
    assert.equal(metrics.value(`${requests}_bytes`), 4)
    socket.destroy()
    await until(() => metrics.value(requests) === 0)
    assert.equal(metrics.value(`${requests}_bytes`), 0)
    assert.equal(front.pushes.length, 0)
    const name = 'cortex_request_duration_seconds'
    await until(() => metrics.observations(name, 'POST', 'api_v1_push', '499', 'false').length > 0)
  })

  test('bounds the pushes in flight by number and by bytes', async (t) => {
    const front = await startFront({ inflightPushesMax: 2, inflightPushBytesMax: 10 })
    t.after(() => front.server.drain())
    const release: (() => void)[] = []
    front.pushAnswer = () =>
      new Promise((resolve) =>
        release.push(() => resolve({ status: 200, text: '', retryable: false })),
      )
    const push = (length: number) =>
      ask(front.port, '/api/v1/push', { method: 'POST', body: Buffer.alloc(length) })
    const first = push(6)
    await until(() => front.pushes.length === 1)
    const tooMany = await push(5)
    assert.equal(tooMany.status, 503)
    assert.match(tooMany.body, /err-mimir-distributor-max-inflight-push-requests-bytes/)
    const second = push(4)
    await until(() => front.pushes.length === 2)
    const third = await push(0)
    assert.equal(third.status, 503)
    assert.match(third.body, /\(err-mimir-distributor-max-inflight-push-requests\)/)
    for (const done of release) done()
    assert.equal((await first).status, 200)
    assert.equal((await second).status, 200)
    const again = push(10)
    await until(() => front.pushes.length === 3)
    release.at(-1)?.()
    assert.equal((await again).status, 200)
  })

  test('slow bodies hold no room that they only promise, and make way when there is none', async (t) => {
    const front = await startFront({ inflightPushesMax: 2, inflightPushBytesMax: 1000 })
    const sockets: ReturnType<typeof connect>[] = []
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      return front.server.drain()
    })
    const { metrics, timers } = front.env
    const requests = 'cortex_distributor_inflight_push_requests'
    const slow = (): (() => string) => {
      const socket = connect(front.port, '127.0.0.1')
      sockets.push(socket)
      let received = ''
      socket.on('error', () => {})
      socket.on('data', (piece) => {
        received += piece.toString()
      })
      socket.write('POST /api/v1/push HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\nhalf')
      return () => received
    }
    const push = (length: number) =>
      ask(front.port, '/api/v1/push', { method: 'POST', body: Buffer.alloc(length) })
    const first = slow()
    await until(() => metrics.value(requests) === 1)
    assert.equal((await push(900)).status, 200)
    await timers.advance(1000)
    const second = slow()
    await until(() => metrics.value(requests) === 2)
    // Neither has taken two seconds so far.
    assert.equal((await push(1)).status, 503)
    await timers.advance(1000)
    assert.equal((await push(1)).status, 200)
    await until(() => first().includes('HTTP/1.1 503'))
    assert.match(first(), /no room for a body that takes longer than 2000 ms/)
    assert.match(first(), /retry-after: \d+/i)
    assert.equal(second(), '')
    assert.equal(metrics.value(requests), 1)
  })

  test('a body that never ends is cut off after its refusal', async (t) => {
    const front = await startFront({ pushBytesMax: 10 })
    t.after(() => front.server.drain())
    const socket = connect(front.port, '127.0.0.1')
    let received = ''
    socket.on('data', (piece) => {
      received += piece.toString()
    })
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.on('error', () => {})
    socket.write('POST /api/v1/push HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc')
    await until(() => received.includes('max-write-message-size'))
    assert.match(received, /^HTTP\/1\.1 400 /)
    await front.env.timers.advance(5_000)
    await closed
  })
})
