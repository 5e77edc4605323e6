/** What OTLP senders are answered over HTTP: content types, bounds, partial success, failures. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fail } from '../../src/shared/errors/index.js'
import { decode } from '../support/otlp.js'
import { type Answer, ask, startFront, type TestFront } from './support.js'

const PROTOBUF = 'application/x-protobuf'
const JSON_TYPE = 'application/json'

describe('POST /otlp/v1/metrics', () => {
  let front: TestFront
  before(async () => {
    front = await startFront({ otlpBytesMax: 100 })
  })
  after(() => front.server.drain())

  function push(headers: Record<string, string>, body: string | Buffer = 'x'): Promise<Answer> {
    return ask(front.port, '/otlp/v1/metrics', { method: 'POST', headers, body })
  }
  const statusOf = (answer: Answer) => decode('Status', Buffer.from(answer.body, 'latin1'))

  test('hands the body on, and answers in its own content type', async () => {
    front.pushAnswer = async () => ({ status: 200, text: '', retryable: false })
    const body = Buffer.from([10, 0])
    const answer = await push({ 'content-type': PROTOBUF, 'x-scope-orgid': 't' }, body)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], PROTOBUF)
    assert.equal(answer.body, '')
    assert.deepEqual(front.pushes.at(-1), { tenant: 't', body })
    const json = await push({ 'content-type': `${JSON_TYPE}; charset=utf-8` }, '{}')
    assert.equal(json.headers['content-type'], JSON_TYPE)
    assert.equal(json.body, '{}')
  })

  test('tells of points refused in a partial success', async () => {
    front.pushAnswer = async () => ({ status: 200, text: 'why', retryable: false, rejected: 300 })
    const answer = await push({ 'content-type': PROTOBUF })
    assert.equal(answer.status, 200)
    const partialSuccess = { rejectedDataPoints: 300, errorMessage: 'why' }
    assert.deepEqual(decode('Response', Buffer.from(answer.body, 'latin1')), { partialSuccess })
    const json = await push({ 'content-type': JSON_TYPE })
    const said = { rejectedDataPoints: '300', errorMessage: 'why' }
    assert.deepEqual(JSON.parse(json.body), { partialSuccess: said })
  })

  test('tells failures as a Status', async () => {
    front.pushAnswer = async () => ({ status: 400, text: 'bad', retryable: false })
    const answer = await push({ 'content-type': PROTOBUF })
    assert.equal(answer.status, 400)
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
    assert.deepEqual(statusOf(answer), { code: 3, message: 'bad' })
    const json = await push({ 'content-type': JSON_TYPE })
    assert.deepEqual(JSON.parse(json.body), { code: 3, message: 'bad' })
  })

  test('makes every failure of the server one that senders retry', async () => {
    front.pushAnswer = async () => Promise.reject(fail('internal', { text: 'oops' }))
    const answer = await push({ 'content-type': PROTOBUF })
    assert.equal(answer.status, 503)
    assert.equal(statusOf(answer)['code'], 14)
    front.pushAnswer = async () => ({ status: 429, text: 'slow down', retryable: true })
    const limited = await push({ 'content-type': PROTOBUF })
    assert.equal(limited.status, 429)
    assert.ok(Number(limited.headers['retry-after']) >= 1)
  })

  const refused: [string, Record<string, string>, string, number][] = [
    ['no content type', {}, 'x', 415],
    ['another content type', { 'content-type': 'text/plain' }, 'x', 415],
    ['another compression', { 'content-type': PROTOBUF, 'content-encoding': 'br' }, 'x', 415],
    ['a body over the limit', { 'content-type': PROTOBUF }, 'x'.repeat(101), 413],
  ]
  for (const [what, headers, body, status] of refused) {
    test(`refuses ${what} with ${status}`, async () => {
      const answer = await push(headers, body)
      assert.equal(answer.status, status)
      assert.equal(statusOf(answer)['code'], 3)
    })
  }
})
