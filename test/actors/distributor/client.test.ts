/** How main hands pushes to distributors: placing, waiting, spilling, restarts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DistributorClient, type DistributorLink } from '../../../src/actors/distributor/client.js'
import type { OversizeBody } from '../../../src/actors/distributor/contract.js'
import { createRingbuf, RingReader, RingWriter } from '../../../src/shared/ringbuf/index.js'
import {
  answerFrameBytes,
  decodeBody,
  encodeAnswer,
  FRAME_ANSWER,
} from '../../../src/shared/wire/frames/index.js'
import { createFakeEnv } from '../../support/fake-env.js'

/** A distributor that keeps what it is sent and answers when told. */
class FakeDistributor {
  readonly posted: OversizeBody[] = []
  readonly link: DistributorLink
  private readonly reader: RingReader
  private readonly writer: RingWriter

  constructor(index: number, options: { bodyRing?: number; answerRing?: number } = {}) {
    const down = createRingbuf(options.bodyRing ?? 1 << 14, 1)
    const up = createRingbuf(options.answerRing ?? 1 << 16, 1)
    this.reader = new RingReader(down)
    this.writer = new RingWriter(up, () => {})
    const port = {
      on: () => {},
      off: () => {},
      postMessage: (message: OversizeBody) => this.posted.push(message),
    }
    this.link = {
      index,
      writer: new RingWriter(down, () => {}),
      reader: new RingReader(up),
      port: port as unknown as DistributorLink['port'],
    }
  }

  /** Takes a body: `id tenant text`. */
  take(): string | undefined {
    if (!this.reader.next()) return undefined
    const { data, offset } = this.reader
    const { requestId, tenant, bodyAt, bodyLength } = decodeBody(data, offset)
    const text = Buffer.from(data.slice(bodyAt, bodyAt + bodyLength)).toString()
    this.reader.release()
    return `${requestId} ${tenant} ${text}`
  }

  answer(requestId: number, status = 200, text = ''): void {
    const bytes = Buffer.from(text)
    const offset = this.writer.reserve(FRAME_ANSWER, answerFrameBytes(bytes))
    assert.ok(offset >= 0, 'main left room for the answer')
    const answer = { requestId, status, retryable: status >= 500, written: WRITTEN, rejected: 0 }
    encodeAnswer(this.writer.data, offset, answer, bytes)
    this.writer.commit()
  }
}

function clientOf(count: number): {
  env: ReturnType<typeof createFakeEnv>
  client: DistributorClient
} {
  const env = createFakeEnv()
  return { env, client: new DistributorClient(env, count) }
}

const pieces = (text: string): [Uint8Array[], number] => [[Buffer.from(text)], text.length]

const WRITTEN = { samples: 3, histograms: 2, exemplars: 1 }

test('gives each push its own answer', async () => {
  const { client } = clientOf(1)
  const distributor = new FakeDistributor(0)
  client.link(distributor.link)
  const first = client.push('acme', [Buffer.from('o'), Buffer.from('ne')], 3)
  const second = client.push('beta', ...pieces('two'))
  assert.equal(distributor.take(), '1 acme one')
  assert.equal(distributor.take(), '2 beta two')
  distributor.answer(2, 400, 'no')
  distributor.answer(1)
  assert.equal(client.turn(), true)
  assert.deepEqual(await second, {
    status: 400,
    text: 'no',
    retryable: false,
    written: WRITTEN,
    rejected: 0,
  })
  assert.deepEqual(await first, {
    status: 200,
    text: '',
    retryable: false,
    written: WRITTEN,
    rejected: 0,
  })
  assert.equal(client.inFlight(), 0)
})

test('posts a body of more than a quarter of the ring', async () => {
  const { client } = clientOf(1)
  const distributor = new FakeDistributor(0)
  client.link(distributor.link)
  const text = 'x'.repeat(5_000)
  const push = client.push('acme', [Buffer.from(text), Buffer.from('y')], 5_001)
  assert.equal(distributor.take(), undefined)
  const [posted] = distributor.posted
  assert.equal(Buffer.from(posted!.body).toString(), `${text}y`)
  assert.deepEqual([posted!.tenant, posted!.requestId], ['acme', 1])
  distributor.answer(1)
  client.turn()
  assert.equal((await push).status, 200)
})

test('sends a tenant to one distributor, and to the next while its ring is over half full', () => {
  const { client } = clientOf(2)
  const distributors = [new FakeDistributor(0), new FakeDistributor(1)]
  for (const { link } of distributors) client.link(link)
  const text = 'x'.repeat(1_000)
  for (let i = 0; i < 4; i++) void client.push('acme', ...pieces(text))
  const counts = distributors.map((one) => one.link.writer.data.length - one.link.writer.spare())
  const home = counts[0]! > 0 ? 0 : 1
  assert.equal(counts[1 - home], 0)
  for (let i = 0; i < 10; i++) void client.push('acme', ...pieces(text))
  const used = distributors[1 - home]!.link
  assert.ok(used.writer.spare() < used.writer.data.length)
})

test('places a push that waited as soon as there is room', async () => {
  const { env, client } = clientOf(1)
  const distributor = new FakeDistributor(0, { bodyRing: 1 << 12 })
  client.link(distributor.link)
  for (let i = 0; i < 4; i++) void client.push('acme', ...pieces('x'.repeat(900)))
  const placed = client.push('acme', ...pieces('later'.repeat(100)))
  await env.clock.advance(900)
  client.turn()
  for (let i = 0; i < 4; i++) assert.match(distributor.take() ?? '', /x$/)
  assert.equal(distributor.take(), undefined)
  client.turn()
  const taken = distributor.take()
  assert.match(taken ?? '', /later$/)
  distributor.answer(Number(taken!.split(' ')[0]))
  client.turn()
  assert.equal((await placed).status, 200)
})

test('keeps a lent body as it was while it waits for room', async () => {
  const { client } = clientOf(1)
  const distributor = new FakeDistributor(0, { bodyRing: 1 << 12 })
  client.link(distributor.link)
  for (let i = 0; i < 4; i++) void client.push('acme', ...pieces('x'.repeat(900)))
  const lent = [Buffer.from('la'), Buffer.from('ter'.repeat(200))]
  const placed = client.push('acme', lent, 602, 0, 'lent')
  for (const piece of lent) piece.fill('!')
  client.turn()
  for (let i = 0; i < 4; i++) assert.match(distributor.take() ?? '', /x$/)
  client.turn()
  assert.equal(distributor.take(), `5 acme la${'ter'.repeat(200)}`)
  distributor.answer(5)
  client.turn()
  assert.equal((await placed).status, 200)
})

test('refuses as overloaded when no room comes within a second', async () => {
  const { env, client } = clientOf(1)
  const distributor = new FakeDistributor(0, { bodyRing: 1 << 12 })
  client.link(distributor.link)
  for (let i = 0; i < 5; i++) void client.push('acme', ...pieces('x'.repeat(900))).catch(() => {})
  const late = assert.rejects(client.push('acme', ...pieces('y'.repeat(900))), { id: 'overloaded' })
  await env.clock.advance(999)
  client.turn()
  assert.ok(client.inFlight() >= 5)
  await env.clock.advance(1)
  client.turn()
  await late
})

test('answers 503 to what was in flight when a distributor goes, and uses its next life', async () => {
  const { client } = clientOf(1)
  const old = new FakeDistributor(0)
  client.link(old.link)
  const lost = client.push('acme', ...pieces('one'))
  client.unlink(0)
  assert.deepEqual([(await lost).status, (await lost).retryable], [503, true])
  const waiting = client.push('acme', ...pieces('two'))
  const fresh = new FakeDistributor(0)
  client.link(fresh.link)
  client.turn()
  assert.equal(fresh.take(), '1 acme two')
  fresh.answer(1)
  client.turn()
  assert.equal((await waiting).status, 200)
})

test('says that no distributor runs when none comes within a second', async () => {
  const { env, client } = clientOf(2)
  const push = assert.rejects(client.push('acme', ...pieces('one')), { id: 'actor-down' })
  await env.clock.advance(1_000)
  client.turn()
  await push
})

test('has no more in flight than the answer ring has room for', async () => {
  const { client } = clientOf(1)
  const distributor = new FakeDistributor(0, { answerRing: 1 << 12 })
  client.link(distributor.link)
  const pushes = Array.from({ length: 20 }, () => client.push('acme', ...pieces('x')))
  const answered = new Set<number>()
  for (let round = 0; round < 30; round++) {
    const ids: number[] = []
    for (let taken = distributor.take(); taken !== undefined; taken = distributor.take()) {
      ids.push(Number(taken.split(' ')[0]))
    }
    // The largest answers there are: `answer` asserts that each finds room.
    for (const id of ids) {
      answered.add(id)
      distributor.answer(id, 503, 'x'.repeat(1_008))
    }
    client.turn()
  }
  assert.equal(answered.size, 20)
  for (const answer of await Promise.all(pushes)) assert.equal(answer.status, 503)
})

test('takes no push after it was closed', async () => {
  const { client } = clientOf(1)
  const waiting = assert.rejects(client.push('acme', ...pieces('one')), { id: 'shutting-down' })
  client.close()
  await waiting
  await assert.rejects(client.push('acme', ...pieces('one')), { id: 'shutting-down' })
})
