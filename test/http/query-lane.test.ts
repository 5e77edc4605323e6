/** Queries past Node's server: the same answers as through it, and nothing read in two ways. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { QueryForm } from '../../src/actors/querier/task-form.js'
import { QueryHeads } from '../../src/http/query-head.js'
import { fail } from '../../src/shared/errors/index.js'
import { answerOf, startFront, type TestFront, until } from './support.js'
import { answersUntilEnd, answerTo, parts, READY, settle, wire } from './wire.js'

const API = '/prometheus/api/v1'

function get(path: string, headers = ''): string {
  return `GET ${API}${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`
}

const POST = `POST ${API}/labels HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`

/** An answer with its body as it was before it was framed and zipped. */
function plain(text: string): ReturnType<typeof parts> {
  const answer = parts(text)
  if (answer.headers.get('transfer-encoding') !== 'chunked') return answer
  let body = ''
  for (let rest = answer.body; ; ) {
    const end = rest.indexOf('\r\n')
    const length = Number.parseInt(rest.slice(0, end), 16)
    if (length === 0) break
    body += rest.slice(end + 2, end + 2 + length)
    rest = rest.slice(end + 2 + length + 2)
  }
  return { ...answer, body: gunzipSync(Buffer.from(body, 'latin1')).toString() }
}

/** The answer as it comes from another thread. */
function crossed(...pieces: readonly string[]): ReturnType<typeof answerOf> {
  return new QueryForm().unpackAnswer(new QueryForm().packAnswer(answerOf(...pieces)))
}

/** Whether all of an answer has come. */
function isWhole(text: string): boolean {
  const { headers, body } = parts(text)
  const length = headers.get('content-length')
  if (length === undefined) return body.endsWith('0\r\n\r\n') || body === ''
  return body.length === Number(length)
}

async function wholeAnswer(front: TestFront, pieces: readonly string[]): Promise<string> {
  const { socket, received, count } = wire(front)
  for (const piece of pieces) {
    socket.write(piece)
    await settle(front)
  }
  await until(() => count() === 1 && isWhole(received()))
  socket.destroy()
  return received()
}

describe('the query lane', () => {
  const large = Array.from({ length: 9 }, (_, i) => `${i}`.repeat(20_000))
  const cases: Record<string, { request: string; answer?: readonly string[] | Error }> = {
    'label names': { request: get('/labels') },
    'label values': { request: get('/label/pod/values?limit=3') },
    'a query': { request: get('/query?query=up%7Ba%3D%22b%22%7D&time=17') },
    'a tenant': { request: get('/labels', 'X-Scope-OrgID: acme\r\n') },
    'a bad tenant': { request: get('/labels', 'X-Scope-OrgID: a/b\r\n') },
    'a bad parameter': { request: get('/query_range?start=5&end=3') },
    'text that is not ASCII': { request: get('/labels'), answer: ['{"a":"ö日"}'] },
    nothing: { request: get('/labels'), answer: [] },
    'an answer of many pieces': { request: get('/labels'), answer: large },
    'a small one to who takes gzip': { request: get('/labels', 'Accept-Encoding: gzip\r\n') },
    'a larger one to who takes gzip': {
      request: get('/labels', 'Accept-Encoding: gzip\r\n'),
      answer: ['ö'.repeat(2_000)],
    },
    gzip: { request: get('/labels', 'Accept-Encoding: br, gzip\r\n'), answer: large },
    'no gzip': { request: get('/labels', 'Accept-Encoding: gzip;q=0\r\n'), answer: large },
    'the last request': { request: get('/labels', 'Connection: close\r\n') },
    'a failure': { request: get('/labels'), answer: fail('query-execution', { text: 'why' }) },
    'an overload': { request: get('/labels'), answer: fail('query-memory', { limit: 1 }) },
    'a page of the API': { request: get('/status/buildinfo') },
    'more statistics': { request: get('/labels', 'X-Mimir-Response-Query-Stats: true\r\n') },
  }
  for (const [name, { request, answer }] of Object.entries(cases)) {
    test(`answers as Node's server does: ${name}`, async (t) => {
      const front = await startFront({ retryAfter: { minS: 7, maxS: 7 } })
      t.after(() => front.server.drain())
      if (answer instanceof Error) front.pool.answer = () => Promise.reject(answer)
      else if (answer !== undefined) front.pool.answer = async () => crossed(...answer)
      const own = plain(await wholeAnswer(front, [request]))
      // A head that does not come at once is Node's to read.
      const node = plain(await wholeAnswer(front, [request.slice(0, 10), request.slice(10)]))
      for (const { headers } of [own, node]) {
        const timing = headers.get('server-timing')?.replaceAll(/time;dur=[\d.]+/g, 'time')
        if (timing !== undefined) headers.set('server-timing', timing)
      }
      assert.deepEqual(own, node)
      if (Array.isArray(answer)) {
        const bytes = Buffer.from(answer.join('')).toString('latin1')
        assert.ok([bytes, answer.join('')].includes(own.body))
      }
      assert.deepEqual(
        front.pool.tasks[0]?.query,
        front.pool.tasks[front.pool.tasks.length / 2]?.query,
      )
    })
  }

  test('takes query after query, and hands anything else on', async (t) => {
    const front = await startFront()
    t.after(() => front.server.drain())
    const { socket, received, count } = wire(front)
    const requests = [get('/labels'), get('/series?match[]=up'), POST, get('/labels'), READY]
    for (const [i, request] of requests.entries()) {
      socket.write(request)
      await until(() => count() === i + 1)
    }
    socket.destroy()
    assert.equal(front.pool.tasks.length, 4)
    assert.equal(received().match(/HTTP\/1\.1 200 /g)?.length, 5)
  })

  test('answers requests that come before their time one after the other', async (t) => {
    const front = await startFront()
    t.after(() => front.server.drain())
    const release: (() => void)[] = []
    front.pool.answer = ({ query }) =>
      new Promise((resolve) => release.push(() => resolve(answerOf(`<${query.kind}>`))))
    const { socket, received, count } = wire(front)
    socket.write(get('/labels'))
    await until(() => release.length === 1)
    socket.write(get('/series?match[]=up') + get('/labels'))
    await settle(front)
    assert.equal(front.pool.tasks.length, 1)
    for (let i = 0; i < 3; i++) {
      await until(() => release.length > i)
      release[i]!()
    }
    await until(() => count() === 3 && received().endsWith('>'))
    socket.destroy()
    assert.match(received(), /<label-names>[^<]*<series>[^<]*<label-names>/)
  })

  for (const end of ['resetAndDestroy', 'destroy'] as const) {
    test(`a client that goes before its answer ends its query, and is counted: ${end}`, async (t) => {
      const front = await startFront()
      t.after(() => front.server.drain())
      const release: (() => void)[] = []
      front.pool.answer = () => new Promise((resolve) => release.push(() => resolve(answerOf('a'))))
      const { socket, closed } = wire(front)
      socket.write(get('/labels'))
      await until(() => release.length === 1)
      socket[end]()
      await closed
      const { cancel } = front.pool.tasks[0]!
      await until(() => Atomics.load(new Int32Array(cancel.cells), cancel.index) !== 0)
      release[0]!()
      const { metrics } = front.env
      const name = 'cortex_request_duration_seconds'
      const labels = ['GET', 'prometheus_api_v1_labels', '499', 'false']
      await until(() => metrics.observations(name, ...labels).length > 0)
      const inflight = metrics.value('cortex_inflight_requests', 'GET', 'prometheus_api_v1_labels')
      assert.equal(inflight, 0)
    })
  }

  test('a client that takes nothing of its answer is cut off', async (t) => {
    const front = await startFront({ stallTimeoutMs: 50 })
    t.after(() => front.server.drain())
    front.pool.answer = async () =>
      answerOf(...Array.from({ length: 64 }, () => 'x'.repeat(1 << 20)))
    const { socket, closed } = wire(front)
    socket.pause()
    socket.write(get('/labels'))
    const { metrics } = front.env
    const labels = ['GET', 'prometheus_api_v1_labels', '499', 'false']
    const count = () => metrics.observations('cortex_request_duration_seconds', ...labels).length
    await until(() => count() > 0)
    socket.destroy()
    await closed
  })

  test('a drained server closes idle connections and ends busy ones with their answer', async () => {
    const front = await startFront()
    const release: (() => void)[] = []
    const idle = wire(front)
    idle.socket.write(get('/labels'))
    await until(() => idle.count() === 1)
    front.pool.answer = () => new Promise((resolve) => release.push(() => resolve(answerOf('a'))))
    const busy = wire(front)
    busy.socket.write(get('/labels'))
    await until(() => release.length === 1)
    const drained = front.server.drain()
    await idle.closed
    release[0]!()
    await busy.closed
    assert.match(busy.received(), /^HTTP\/1\.1 200 [\s\S]*connection: close/i)
    await drained
  })

  const refused = {
    'no host': `GET ${API}/labels HTTP/1.1\r\n\r\n`,
    'a space before the colon': get('/labels', 'X-A : b\r\n'),
    'a folded header': get('/labels', 'X-A: b\r\n c\r\nX-B : d\r\n'),
    'two lengths': get('/labels', 'Content-Length: 0\r\nContent-Length: 3\r\n'),
  }
  for (const [name, request] of Object.entries(refused)) {
    test(`leaves a dubious request to Node, which refuses it: ${name}`, async (t) => {
      const front = await startFront()
      t.after(() => front.server.drain())
      const answers = await answersUntilEnd(front, get('/labels'), request)
      assert.match(answers, /HTTP\/1\.1 400 [\s\S]*$/)
      assert.equal(front.pool.tasks.length, 1)
    })
  }

  test('leaves a GET with a body to Node, and another method', async (t) => {
    const front = await startFront()
    t.after(() => front.server.drain())
    const body = await answerTo(front, [`${get('/labels', 'Content-Length: 3\r\n')}abc`])
    assert.match(body, /^HTTP\/1\.1 200 /)
    const head = await answerTo(front, [get('/labels').replace('GET', 'HEAD')])
    assert.match(head, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/)
  })
})

describe('heads of queries', () => {
  const good = `GET ${API}/labels?a=%C3%B6&b[]=1 HTTP/1.1\r\nHost: a\r\nX-B: 1\r\n\r\n`

  test('are known again by all but their first line', () => {
    const heads = new QueryHeads(4096)
    const first = heads.read(Buffer.from(good))
    assert.deepEqual(
      { ...first, headers: { ...first?.headers } },
      {
        url: `${API}/labels?a=%C3%B6&b[]=1`,
        headers: { host: 'a', 'x-b': '1' },
        isLast: false,
      },
    )
    const second = heads.read(Buffer.from(good.replace('labels', 'series')))
    assert.equal(second?.headers, first?.headers)
    assert.match(second?.url ?? '', /series/)
    assert.equal(new QueryHeads(good.length - 1).read(Buffer.from(good)), undefined)
    assert.equal(heads.read(Buffer.from(good + good)), undefined)
    assert.equal(heads.read(Buffer.from(good.replace('1.1', '1.0'))), undefined)
    assert.equal(heads.read(Buffer.from(good.slice(0, -2))), undefined)
    assert.equal(heads.read(Buffer.from(good.replace('/labels', '/lab#els'))), undefined)
  })

  test('are read alike whether one is known or not, whatever is wrong with them', () => {
    const bytes = ['\r', '\n', ' ', '\t', ':', '#', '"', ',', 'X', '\0', '\x7f', '\xff', '']
    let seen = 0
    for (let at = 0; at < good.length; at++) {
      for (const byte of bytes) {
        for (const cut of [0, 1]) {
          const text = good.slice(0, at) + byte + good.slice(at + cut)
          const known = new QueryHeads(4096)
          known.read(Buffer.from(good))
          const fresh = new QueryHeads(4096).read(Buffer.from(text, 'latin1'))
          assert.deepEqual(known.read(Buffer.from(text, 'latin1')), fresh, JSON.stringify(text))
          if (fresh !== undefined) seen++
        }
      }
    }
    assert.ok(seen > 100)
  })
})
