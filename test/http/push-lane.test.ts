/** Pushes past Node's server: the same answers as through it, and nothing read in two ways. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { AnswerHeads } from '../../src/http/answer-heads.js'
import { PushHeads } from '../../src/http/push-head.js'
import { startFront, until } from './support.js'
import { answersUntilEnd, answerTo, parts, READY, settle, wire } from './wire.js'

const PUSH = 'POST /api/v1/push HTTP/1.1\r\nHost: x\r\n'

function push(body: string, headers = '', start = PUSH): string {
  return `${start}${headers}Content-Length: ${body.length}\r\n\r\n${body}`
}

function otlp(body: string, type = 'application/x-protobuf', headers = ''): string {
  const start = 'POST /otlp/v1/metrics HTTP/1.1\r\nHost: x\r\n'
  return push(body, `Content-Type: ${type}\r\n${headers}`, start)
}

describe('the push lane', () => {
  const cases: Record<string, { request: string; answer?: { status: number; text: string } }> = {
    'a push': { request: push('abc') },
    'an empty push': { request: push('') },
    'a tenant': { request: push('abc', 'X-Scope-OrgID: acme\r\n') },
    'a bad tenant': { request: push('abc', 'X-Scope-OrgID: a/b\r\n') },
    'a body over the limit': { request: push('x'.repeat(101)) },
    'another encoding': { request: push('abc', 'Content-Encoding: gzip\r\n') },
    'another content type': { request: push('abc', 'Content-Type: text/plain\r\n') },
    'remote write 2.0': {
      request: push(
        'abc',
        'Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n',
      ),
    },
    'the last request': { request: push('abc', 'Connection: close\r\n') },
    'a rejection': { request: push('abc'), answer: { status: 400, text: 'why ö' } },
    'an overload': {
      request: push('abc', 'Retry-Attempt: 9\r\n'),
      answer: { status: 503, text: 'b' },
    },
    OTLP: { request: otlp('abc', undefined, 'Content-Encoding: gzip\r\n') },
    'OTLP in JSON': { request: otlp('{}', 'application/json; charset=utf-8') },
    // Long enough for lengths that are no UTF-8.
    'OTLP, points refused': {
      request: otlp('abc'),
      answer: { status: 200, text: 'x'.repeat(200) },
    },
    'OTLP, a rejection in JSON': {
      request: otlp('{}', 'application/json'),
      answer: { status: 400, text: 'why ö' },
    },
    'OTLP, an overload': { request: otlp('abc'), answer: { status: 500, text: 'b' } },
    'OTLP of another type': { request: otlp('abc', 'text/plain') },
    'OTLP of another encoding': { request: otlp('abc', undefined, 'Content-Encoding: br\r\n') },
    'OTLP over the limit': { request: otlp('x'.repeat(101)) },
    'OTLP of a bad tenant': { request: otlp('abc', undefined, 'X-Scope-OrgID: a/b\r\n') },
  }
  for (const [name, { request, answer }] of Object.entries(cases)) {
    test(`answers as Node's server does: ${name}`, async (t) => {
      const front = await startFront({
        pushBytesMax: 100,
        otlpBytesMax: 100,
        retryAfter: { minS: 7, maxS: 7 },
      })
      t.after(() => front.server.drain())
      const { status = 200, text = '' } = answer ?? {}
      front.pushAnswer = async () => ({ status, text, retryable: false })
      const own = parts(await answerTo(front, [request]))
      // A head that does not come at once is Node's to read.
      const node = parts(await answerTo(front, [request.slice(0, 10), request.slice(10)]))
      assert.deepEqual(own, node)
      assert.ok(front.pushes.length === 0 || front.pushes.length === 2)
      assert.deepEqual(front.pushes[0], front.pushes[1])
    })
  }

  test('takes push after push, bodies in pieces, and hands anything else on', async (t) => {
    const front = await startFront()
    t.after(() => front.server.drain())
    const { socket, received, count } = wire(front)
    socket.write(push('first'))
    await until(() => count() === 1)
    const second = push('x'.repeat(300))
    for (const piece of [second.slice(0, 90), second.slice(90, 200), second.slice(200)]) {
      socket.write(piece)
      await settle(front)
    }
    await until(() => count() === 2)
    socket.write(READY)
    await until(() => count() === 3)
    socket.write(push('third'))
    await until(() => count() === 4)
    socket.destroy()
    const bodies = front.pushes.map(({ body }) => body.toString())
    assert.deepEqual(bodies, ['first', 'x'.repeat(300), 'third'])
    assert.match(received(), /ready/)
  })

  test('answers requests that come before their time one after the other', async (t) => {
    const front = await startFront()
    t.after(() => front.server.drain())
    const { socket, received, count } = wire(front)
    const release: (() => void)[] = []
    front.pushAnswer = () =>
      new Promise((resolve) =>
        release.push(() => resolve({ status: 200, text: '', retryable: false })),
      )
    socket.write(push('one') + push('two') + READY)
    await until(() => release.length === 1)
    await settle(front)
    assert.equal(front.pushes.length, 1)
    socket.write(push('three'))
    await settle(front)
    release[0]!()
    await until(() => release.length === 2)
    assert.equal(count(), 1)
    release[1]!()
    await until(() => release.length === 3)
    release[2]!()
    await until(() => count() === 4)
    socket.destroy()
    assert.deepEqual(
      front.pushes.map(({ body }) => body.toString()),
      ['one', 'two', 'three'],
    )
    assert.match(received(), /ready/)
  })

  test('keeps a body that came whole before it is known who sends', async (t) => {
    const secret = createHash('sha256').update('token').digest('hex')
    const front = await startFront({ accessFile: 'access' }, undefined, {
      access: `edge write acme sha256:${secret}\n`,
    })
    t.after(() => front.server.drain())
    const { socket, count } = wire(front)
    const other = wire(front)
    for (let at = 1; at <= 3; at++) {
      socket.write(push(`${at}`.repeat(500), 'Authorization: Bearer token\r\n'))
      other.socket.write(push('x'.repeat(700)))
      await until(() => count() === at && other.count() === at)
    }
    socket.destroy()
    other.socket.destroy()
    assert.deepEqual(
      front.pushes.map(({ body, tenant }) => `${tenant} ${body}`),
      ['1', '2', '3'].map((digit) => `acme ${digit.repeat(500)}`),
    )
    assert.match(other.received(), /^HTTP\/1\.1 401 /)
  })

  test('goes by each head, however alike they are', async (t) => {
    const front = await startFront({ pushBytesMax: 100, otlpBytesMax: 200 })
    t.after(() => front.server.drain())
    const { socket, received, count } = wire(front)
    const long = 'x'.repeat(150)
    const requests: [request: string, status: number, tenant?: string][] = [
      [push('abc', 'X-Scope-OrgID: one\r\n'), 200, 'one'],
      [push('abc', 'X-Scope-OrgID: one\r\n'), 200, 'one'],
      [push('abc', 'X-Scope-OrgID: two\r\n'), 200, 'two'],
      [push('abc', 'X-Scope-OrgID: a/b\r\n'), 401],
      [push('abc', 'X-Scope-OrgID: a/b\r\n'), 401],
      [push('abc', 'X-Scope-OrgID: two\r\n'), 200, 'two'],
      [push(long, 'X-Scope-OrgID: two\r\n'), 400],
      [otlp(long, undefined, 'X-Scope-OrgID: two\r\n'), 200, 'two'],
      [push(long, 'X-Scope-OrgID: two\r\n'), 400],
      [push('abc', 'Content-Type: text/plain\r\n'), 415],
      [push('abc', 'Content-Type: text/plain\r\n'), 415],
      [push('abc'), 200, 'anonymous'],
    ]
    for (const [at, [request]] of requests.entries()) {
      socket.write(request)
      await until(() => count() === at + 1)
    }
    socket.destroy()
    const statuses = [...received().matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) =>
      Number(status),
    )
    assert.deepEqual(
      statuses,
      requests.map(([, status]) => status),
    )
    assert.deepEqual(
      front.pushes.map(({ tenant }) => tenant),
      requests.flatMap(([, , tenant]) => tenant ?? []),
    )
  })

  test('goes on after a refused body, which is thrown away', async (t) => {
    const front = await startFront({ pushBytesMax: 100 })
    t.after(() => front.server.drain())
    const { socket, received, count } = wire(front)
    const tooLarge = push('y'.repeat(500))
    socket.write(tooLarge.slice(0, 300))
    await until(() => count() === 1)
    socket.write(tooLarge.slice(300) + push('good'))
    await until(() => count() === 2)
    socket.destroy()
    assert.match(received(), /^HTTP\/1\.1 400 [\s\S]*HTTP\/1\.1 200 /)
    assert.deepEqual(
      front.pushes.map(({ body }) => body.toString()),
      ['good'],
    )
  })

  test('a client that goes before its answer leaves nothing behind', async (t) => {
    const front = await startFront()
    t.after(() => front.server.drain())
    const release: (() => void)[] = []
    front.pushAnswer = () =>
      new Promise((resolve) =>
        release.push(() => resolve({ status: 200, text: '', retryable: false })),
      )
    const { socket, closed } = wire(front)
    socket.write(push('one'))
    await until(() => release.length === 1)
    socket.resetAndDestroy()
    await closed
    await settle(front)
    release[0]!()
    const { metrics } = front.env
    const name = 'cortex_request_duration_seconds'
    await until(() => metrics.observations(name, 'POST', 'api_v1_push', '499', 'false').length > 0)
    assert.equal(metrics.value('cortex_distributor_inflight_push_requests'), 0)
    assert.equal(metrics.value('cortex_inflight_requests', 'POST', 'api_v1_push'), 0)
  })

  test('a drained server closes idle connections and ends busy ones with their answer', async () => {
    const front = await startFront()
    const release: (() => void)[] = []
    front.pushAnswer = () =>
      new Promise((resolve) =>
        release.push(() => resolve({ status: 200, text: '', retryable: false })),
      )
    const idle = wire(front)
    const busy = wire(front)
    busy.socket.write(push('one'))
    await until(() => release.length === 1)
    await settle(front)
    const drained = front.server.drain()
    await idle.closed
    release[0]!()
    await busy.closed
    assert.match(busy.received(), /^HTTP\/1\.1 200 [\s\S]*connection: close/i)
    await drained
  })

  test('bodies that come side by side, larger than promised room, are each their own', async (t) => {
    const front = await startFront({ pushBytesMax: 1 << 20 })
    t.after(() => front.server.drain())
    const bodies = ['a', 'b', 'c', 'd'].map((letter, i) => letter.repeat(700_000 + i))
    const wires = bodies.map(() => wire(front))
    const halves = bodies
      .map((body) => push(body))
      .map((text) => [text.slice(0, 400_000), text.slice(400_000)])
    for (const half of [0, 1]) {
      for (const [i, { socket }] of wires.entries()) socket.write(halves[i]![half]!)
      if (half === 0) await settle(front)
    }
    for (const { count } of wires) await until(() => count() === 1)
    const texts = front.pushes.map(({ body }) => body.toString()).sort()
    assert.ok(texts.every((text, i) => text === bodies[i]))
    assert.equal(texts.length, 4)
    for (const { socket } of wires) socket.destroy()
  })

  test('asks who pushes before the body is read', async (t) => {
    const hash = createHash('sha256').update('secret').digest('hex')
    const file = `edge write acme sha256:${hash}\n`
    const access = { accessFile: 'etc/access', accessReloadMs: 1_000 }
    const front = await startFront(access, undefined, { 'etc/access': file })
    t.after(() => front.server.drain())
    const { socket, received, count } = wire(front)
    socket.write(push('one') + push('two', 'Authorization: Bearer secret\r\n'))
    await until(() => count() === 2)
    socket.destroy()
    assert.match(received(), /^HTTP\/1\.1 401 [\s\S]*www-authenticate: Basic[\s\S]*HTTP\/1\.1 200 /)
    assert.deepEqual(front.pushes, [{ tenant: 'acme', body: Buffer.from('two') }])
  })

  const dubious = {
    'two lengths': `${PUSH}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
    'a length and chunks': `${PUSH}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'a bad length': `${PUSH}Content-Length: +3\r\n\r\nabc`,
    'no host': 'POST /api/v1/push HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc',
    'a space before the colon': `${PUSH}Content-Length : 3\r\n\r\nabc`,
    'a folded header': `${PUSH}X-A: b\r\n c\r\nContent-Length : 3\r\n\r\nabc`,
  }
  for (const [name, request] of Object.entries(dubious)) {
    test(`leaves a dubious request to Node, which refuses it: ${name}`, async (t) => {
      const front = await startFront()
      t.after(() => front.server.drain())
      // As the second one, when a good head is known.
      const answers = await answersUntilEnd(front, push('good'), request)
      assert.match(answers, /HTTP\/1\.1 400 [\s\S]*$/)
      assert.equal(front.pushes.length, 1)
    })
  }
})

test('answers have the time of their second', () => {
  const clock = { now: () => at, monotonic: () => at }
  let at = 5_000
  const heads = new AnswerHeads(clock, 60_000)
  const first = heads.done()
  at = 5_999
  assert.equal(heads.done(), first)
  assert.equal(first, `${heads.start({ status: 200 }, false)}content-length: 0\r\n\r\n`)
  at = 6_000
  assert.equal(heads.done(), first.replace('00:00:05', '00:00:06'))
})

describe('heads', () => {
  const head = (length: string, more = ''): Buffer =>
    Buffer.from(
      `POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\nX-B: 1\r\n${more}\r\nbody`,
    )

  test('are known again by everything but their length', () => {
    const heads = new PushHeads(['/p'], 4096)
    const first = heads.read(head('4'))
    assert.deepEqual({ ...first?.headers }, { host: 'a', 'x-b': '1' })
    assert.equal(first?.bodyBytes, 4)
    const second = heads.read(head('123456'))
    assert.equal(second?.headers, first?.headers)
    assert.equal(second?.bodyBytes, 123_456)
    assert.equal(second?.bodyAt, head('123456').length - 4)
    assert.equal(heads.read(head('12', 'X-C: 2\r\n'))?.headers['x-c'], '2')
    for (const bad of ['', '-1', '1 1', '0x10', '1\r\nContent-Length: 2', '12345678901', '1,1']) {
      assert.equal(heads.read(head(bad)), undefined, bad)
    }
    assert.equal(heads.read(Buffer.from('POST /p HTTP/1.1\r\nHost: a\r\n')), undefined)
    assert.equal(heads.read(Buffer.from(head('4').toString().replace('/p', '/q'))), undefined)
  })

  test('are known again whoever they are for', () => {
    const heads = new PushHeads(['/p'], 4096)
    const of = (tenant: string, length = '4') =>
      heads.read(head(length, `X-Scope-OrgID: ${tenant}\r\nX-D: 1\r\n`))
    const first = of('one')
    assert.equal(of('one', '77')?.headers, first?.headers)
    const second = of('another', '5')
    assert.deepEqual(
      { ...second?.headers },
      {
        host: 'a',
        'x-b': '1',
        'x-scope-orgid': 'another',
        'x-d': '1',
      },
    )
    assert.equal(second?.bodyBytes, 5)
    assert.equal(first?.headers['x-scope-orgid'], 'one')
    assert.equal(of('')?.headers['x-scope-orgid'], '')
    assert.equal(of('a b')?.headers['x-scope-orgid'], 'a b')
    assert.equal(of('one\r\nX-Scope-OrgID: two'), undefined)
    assert.equal(of('one\r\nContent-Length: 4'), undefined)
    assert.equal(of('one\nX-C: 2'), undefined)
    assert.equal(of('one\r\nX-C: 2')?.headers['x-c'], '2')
    assert.equal(heads.read(head('4'))?.headers['x-scope-orgid'], undefined)
  })

  test('are read alike whether one is known or not, whatever is wrong with them', () => {
    checkAlike(head('42'), head('42'))
    const tenant = 'X-Scope-OrgID: t1\r\n'
    checkAlike(head('42', tenant), head('1', tenant.replace('t1', 'other')))
    checkAlike(head('42', tenant), head('42'))
  })

  function checkAlike(goodHead: Buffer, before: Buffer): void {
    const good = goodHead.toString('latin1')
    const bytes = ['\r', '\n', ' ', '\t', ':', '0', '7', '-', ',', 'X', '\0', '\x7f', '\xff', '']
    let seen = 0
    for (let at = 0; at < good.length; at++) {
      for (const byte of bytes) {
        for (const cut of [0, 1]) {
          const text = good.slice(0, at) + byte + good.slice(at + cut)
          const fresh = new PushHeads(['/p'], 4096).read(Buffer.from(text, 'latin1'))
          const used = new PushHeads(['/p'], 4096)
          used.read(before)
          assert.deepEqual(used.read(Buffer.from(text, 'latin1')), fresh, JSON.stringify(text))
          if (fresh !== undefined) seen++
        }
      }
    }
    assert.ok(seen > 100)
  }
})
