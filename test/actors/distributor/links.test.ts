/** Links that fill up, restart and lose things: who is answered what, and what is defined again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DISTRIBUTOR_DEFAULTS } from '../../../src/actors/distributor/contract.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { createHaCells, createTenantCells, HaCells } from '../../../src/shared/limits/index.js'
import {
  ACK_BYTES_MAX,
  ACK_REJECTED,
  ACK_RETRY,
  ACK_UNBOUND,
  WRITE_LAST,
} from '../../../src/shared/wire/frames/index.js'
import { below } from '../../shared/kernels/write-request-harness.js'
import { remoteWriteBody } from '../../support/remote-write.js'
import { Fixture } from './fixture.js'

const TIMEOUT_MS = DISTRIBUTOR_DEFAULTS.remoteTimeoutMs

const NOW = 1_700_000_000_000
const SEED = Number(process.env['SEED'] ?? 1)

/** A body of `count` series named by `name`. */
function bodyOf(name: string, count: number, at = 0, more = {}): Uint8Array {
  return remoteWriteBody(
    Array.from({ length: count }, (_, i) => ({
      labels: { __name__: name, ...more, index: String(i) },
      samples: [[NOW + at, i] as const],
    })),
  )
}

function turns(fixture: Fixture, count = 20): void {
  for (let i = 0; i < count; i++) fixture.distributor.turn()
}

test('answers by acks in any order, only when all shards have acked', () => {
  const fixture = new Fixture({ shards: 2 })
  const ids = [1, 2, 3].map((at) => fixture.send(bodyOf('m', 50, at)))
  turns(fixture)
  for (const shard of fixture.shards) assert.equal(shard.take().length, 3)
  for (const id of [3, 1, 2]) fixture.shards[1]!.ack({ requestId: ids[id - 1]! })
  turns(fixture)
  assert.equal(fixture.readAnswers(), 0)
  fixture.shards[0]!.ack({ requestId: ids[1]! })
  fixture.shards[0]!.ack({ requestId: ids[0]! })
  turns(fixture)
  assert.equal(fixture.readAnswers(), 2)
  assert.deepEqual(
    fixture.answers.map((answer) => answer.requestId),
    [ids[1], ids[0]],
  )
})

test('lets a retry win over a rejection, and a rejection over success', () => {
  const fixture = new Fixture({ shards: 2 })
  const push = (one: object, other: object): number[] => {
    const requestId = fixture.send(bodyOf('m', 50))
    turns(fixture)
    for (const [index, ack] of [one, other].entries()) {
      fixture.shards[index]!.take()
      fixture.shards[index]!.ack({ requestId, ...ack })
    }
    turns(fixture)
    fixture.readAnswers()
    return [fixture.answer(requestId).status]
  }
  const rejected = { status: ACK_REJECTED, reasons: [[1, 3]], text: 'out of order' }
  assert.deepEqual(push({}, {}), [200])
  assert.deepEqual(push(rejected, {}), [400])
  assert.equal(fixture.answers.at(-1)?.text, 'out of order')
  assert.deepEqual(push(rejected, { status: ACK_RETRY, text: 'disk full' }), [503])
  assert.deepEqual(
    [fixture.answers.at(-1)?.text, fixture.answers.at(-1)?.retryable],
    ['disk full', true],
  )
})

test('ignores acks of requests that it does not know', () => {
  const fixture = new Fixture()
  fixture.shards[0]!.ack({ requestId: 999 })
  turns(fixture)
  assert.equal(fixture.push(bodyOf('m', 3)).status, 200)
})

test('keeps a body in hand while the frame ring is full, and reads acks all the while', () => {
  const fixture = new Fixture({ frameRing: 1 << 15 })
  const ids: number[] = []
  for (let at = 0; at < 30; at++) ids.push(fixture.send(bodyOf('m', 200, at)))
  turns(fixture)
  const shard = fixture.shards[0]!
  const first = shard.take()
  assert.ok(first.length > 0 && first.length < 30)
  for (const frame of first.filter((one) => (one.flags & WRITE_LAST) !== 0)) {
    shard.ack({ requestId: frame.requestId })
  }
  fixture.distributor.turn()
  assert.ok(fixture.readAnswers() > 0)
  fixture.settle()
  assert.equal(fixture.answers.length, 30)
  for (const id of ids) assert.equal(fixture.answer(id).status, 200)
  assert.deepEqual(
    [...shard.samples.values()].map((list) => list.length),
    new Array(200).fill(30),
  )
})

test('fills every ring of the cycle and drains it', () => {
  const fixture = new Fixture({
    shards: 2,
    frameRing: 1 << 15,
    ackRing: 1 << 12,
    bodyRing: 1 << 14,
  })
  let sent = 0
  for (let idle = 0; idle < 50; idle++) {
    while (fixture.send(bodyOf('m', 60, sent)) > 0) {
      sent++
      idle = 0
    }
    fixture.distributor.turn()
    if (sent > 3_000) break
  }
  assert.ok(sent > 8, `${sent} bodies until nothing moved`)
  assert.equal(fixture.send(bodyOf('m', 60)), -1)
  fixture.settle()
  assert.equal(fixture.answers.length, sent)
  assert.ok(fixture.answers.every((answer) => answer.status === 200))
})

test('commits no frame whose ack might find no room', () => {
  const fixture = new Fixture({ ackRing: 1 << 12 })
  for (let at = 0; at < 40; at++) fixture.send(bodyOf('m', 1, at))
  turns(fixture)
  const shard = fixture.shards[0]!
  const frames = shard.take()
  assert.ok(frames.length >= 1 && frames.length <= (1 << 12) / ACK_BYTES_MAX)
  // The largest acks there are: FakeIngester.ack asserts that each finds room.
  for (const { requestId } of frames) {
    shard.ack({ requestId, status: ACK_REJECTED, text: 'x'.repeat(2_000) })
  }
  fixture.settle()
  assert.equal(fixture.answers.length, 40)
})

test('answers 503 to what an old link owed, and defines all anew on the next', () => {
  const fixture = new Fixture({ shards: 2 })
  assert.equal(fixture.push(bodyOf('m', 100)).status, 200)
  const lost = fixture.send(bodyOf('m', 100, 1))
  turns(fixture)
  fixture.relink(0)
  turns(fixture)
  fixture.readAnswers()
  assert.deepEqual([fixture.answer(lost).status, fixture.answer(lost).retryable], [503, true])
  assert.equal(fixture.push(bodyOf('m', 100, 2)).status, 200)
  const [fresh, kept] = fixture.shards
  assert.equal(fresh!.frames[0]!.defines.length, fresh!.frames[0]!.ids.length)
  assert.ok([...kept!.defineCounts.values()].every((count) => count === 1))
})

test('does not take for defined what a given-up frame would have defined', async () => {
  const fixture = new Fixture({ ackRing: 1 << 12 })
  // As many bodies as there is room for acks, then one that stays in hand with its defines.
  const waiting = [1, 2, 3, 4].map((at) => fixture.send(bodyOf('m', 20, at)))
  const lost = fixture.send(bodyOf('new', 100))
  turns(fixture)
  await fixture.env.clock.advance(TIMEOUT_MS + 1)
  turns(fixture)
  fixture.readAnswers()
  assert.ok(fixture.answers.some((answer) => waiting.includes(answer.requestId)))
  for (let i = 0; i < 5 && !fixture.answers.some((one) => one.requestId === lost); i++) {
    await fixture.env.clock.advance(TIMEOUT_MS + 1)
    turns(fixture)
    fixture.readAnswers()
  }
  assert.equal(fixture.answer(lost).status, 503)
  assert.match(fixture.answer(lost).text, new RegExp(`within ${TIMEOUT_MS} ms`))
  fixture.settle()
  const shard = fixture.shards[0]!
  assert.equal(shard.samples.has('acme|__name__=new,index=7'), false)
  assert.equal(fixture.push(bodyOf('new', 100, 1)).status, 200)
  assert.equal(shard.samples.get('acme|__name__=new,index=7')?.length, 1)
})

test('answers 503 after the deadline, and ignores the ack that comes late', async () => {
  const fixture = new Fixture()
  const requestId = fixture.send(bodyOf('m', 5))
  turns(fixture)
  await fixture.env.clock.advance(TIMEOUT_MS - 1)
  turns(fixture)
  assert.equal(fixture.readAnswers(), 0)
  await fixture.env.clock.advance(1)
  turns(fixture)
  assert.equal(fixture.readAnswers(), 1)
  assert.equal(fixture.answer(requestId).status, 503)
  assert.equal(fixture.shards[0]!.serve(), 1)
  turns(fixture)
  assert.equal(fixture.readAnswers(), 0)
  assert.equal(fixture.push(bodyOf('m', 5, 1)).status, 200)
})

test('asks for a new link when an ingester does not know an id, and answers 503 until it comes', () => {
  const fixture = new Fixture({ shards: 2 })
  assert.equal(fixture.push(bodyOf('m', 50)).status, 200)
  const requestId = fixture.send(bodyOf('m', 50, 1))
  turns(fixture)
  fixture.shards[0]!.ack({ requestId, status: ACK_UNBOUND })
  fixture.settle()
  assert.equal(fixture.answer(requestId).status, 503)
  assert.deepEqual(fixture.relinked, [0])
  const meanwhile = fixture.push(bodyOf('m', 50, 2))
  assert.deepEqual([meanwhile.status, meanwhile.retryable], [503, true])
  fixture.relink(0)
  assert.equal(fixture.push(bodyOf('m', 50, 3)).status, 200)
})

test('answers 503 only to bodies that need a shard that is gone', () => {
  const fixture = new Fixture({ shards: 2 })
  const name = (shard: number): string => {
    for (let i = 0; ; i++) {
      fixture.push(remoteWriteBody([{ labels: { __name__: `n${i}` }, samples: [[NOW, 1]] }]))
      if (fixture.shards[shard]!.samples.has(`acme|__name__=n${i}`)) return `n${i}`
    }
  }
  const names = [name(0), name(1)]
  fixture.distributor.unlinkShard(0, fixture.shards[1]!.ends)
  fixture.distributor.unlinkShard(1, fixture.shards[1]!.ends)
  const statuses = names.map((one) => {
    const body = remoteWriteBody([{ labels: { __name__: one }, samples: [[NOW + 1, 1]] }])
    return fixture.push(body).status
  })
  assert.deepEqual(statuses, [200, 503])
})

test('drains: resolves when all that was taken is answered', async () => {
  const fixture = new Fixture()
  fixture.send(bodyOf('m', 5))
  let isDrained = false
  const drained = fixture.distributor.drain().then(() => {
    isDrained = true
  })
  turns(fixture)
  await fixture.env.timers.yieldNow()
  assert.equal(isDrained, false)
  fixture.settle()
  await drained
  assert.equal(fixture.answers.length, 1)
})

test(`answers every push once, through full rings and new links (seed ${SEED})`, async () => {
  const random = new SeededPrng(SEED)
  const fixture = new Fixture({
    shards: 2,
    frameRing: 1 << 15,
    ackRing: 1 << 13,
    bodyRing: 1 << 15,
  })
  const sent: number[] = []
  const due: number[][] = [[], []]
  for (let step = 0; step < 6_000; step++) {
    const action = below(random, 100)
    if (action < 40) {
      const id = fixture.send(bodyOf(`m${below(random, 5)}`, 1 + below(random, 80), step))
      if (id > 0) sent.push(id)
    } else if (action < 70) {
      fixture.distributor.turn()
    } else if (action < 80) {
      const shard = below(random, 2)
      for (const frame of fixture.shards[shard]!.take(1 + below(random, 4))) {
        if ((frame.flags & WRITE_LAST) !== 0) due[shard]!.push(frame.requestId)
      }
    } else if (action < 97) {
      const shard = below(random, 2)
      const [requestId] = due[shard]!.splice(below(random, due[shard]!.length || 1), 1)
      if (requestId !== undefined) fixture.shards[shard]!.ack({ requestId })
    } else if (action < 98 && step % 7 === 0) {
      const shard = below(random, 2)
      due[shard] = []
      fixture.relink(shard, { frameRing: 1 << 15 })
    } else fixture.readAnswers()
    if (step % 500 === 0) await fixture.env.clock.advance(100)
  }
  for (const [shard, requests] of due.entries()) {
    for (const requestId of requests) fixture.shards[shard]!.ack({ requestId })
  }
  fixture.settle()
  const answered = fixture.answers.map((answer) => answer.requestId).sort((a, b) => a - b)
  assert.deepEqual(answered, sent)
  const fine = fixture.answers.filter((answer) => answer.status === 200).length
  assert.ok(fine > sent.length / 2, `${fine} of ${sent.length}`)
})

test('forgets tenants, counts and links of a rehearsal', () => {
  const fixture = new Fixture({ shards: 2 })
  const { metrics } = fixture.env
  fixture.distributor.rehearse()
  assert.equal(fixture.push(bodyOf('played', 50), 'rehearsal').status, 200)
  const open = fixture.send(bodyOf('played', 20, 1), 'rehearsal')
  turns(fixture)
  fixture.distributor.forget()
  turns(fixture)
  assert.equal(metrics.size(), new Fixture({ shards: 2 }).env.metrics.size())
  assert.equal(metrics.value('nilo_distributor_new_series_total'), 0)
  assert.equal(metrics.value('nilo_distributor_body_bytes_total', 'compressed'), 0)
  const status = fixture.distributor.status()
  assert.deepEqual([status.tenants, status.inFlight, status.linkedShards], [0, 0, 0])
  fixture.relinkMain()
  for (const shard of [0, 1]) fixture.relink(shard)
  assert.equal(fixture.push(bodyOf('played', 50), 'acme').status, 200)
  assert.equal(fixture.push(bodyOf('played', 50, 1), 'acme').status, 200)
  assert.ok(
    fixture.answers.every(({ requestId }) => requestId !== open),
    'nobody waits for that',
  )
  const bound = fixture.shards.flatMap((shard) => [...shard.bound.values()])
  assert.equal(bound.length, 50, 'each series is defined anew, once')
  const kept = fixture.shards.flatMap((shard) => [...shard.samples.keys()])
  assert.ok(kept.every((key) => key.startsWith('acme|')))
})

test('a rehearsal elects nobody, takes no tokens and meets no limits of others', () => {
  const [haCells, tenantCells] = [createHaCells(8), createTenantCells(1, 8)]
  const limits = { accept_ha_samples: true, ingestion_rate: 1, ingestion_burst_size: 30 }
  const config = { isHaTrackerOn: true }
  const fixture = new Fixture({ config, limits, haCells, tenantCells })
  const { distributor, env } = fixture
  const before = [new Uint8Array(tenantCells.slice(0)), new Uint8Array(haCells.slice(0))]
  const pairOf = (replica: string) =>
    bodyOf('played', 20, 0, { cluster: 'c', __replica__: replica })
  for (let round = 0; round < 2; round++) {
    distributor.rehearse()
    fixture.relinkMain()
    fixture.relink(0)
    // More than the burst, were it looked at; the other replica is refused as ever.
    assert.equal(fixture.push(pairOf('one'), 'rehearsal-0').status, 200)
    assert.equal(fixture.push(pairOf('one'), 'rehearsal-0').status, 200)
    assert.equal(fixture.push(pairOf('two'), 'rehearsal-0').status, 202)
  }
  distributor.forget()
  assert.deepEqual([new Uint8Array(tenantCells), new Uint8Array(haCells)], before)
  assert.equal(env.metrics.size(), new Fixture().env.metrics.size())
  // What comes then is real, the same tenant too.
  fixture.relinkMain()
  fixture.relink(0)
  assert.equal(fixture.push(pairOf('two'), 'rehearsal-0').status, 200)
  assert.equal(fixture.push(pairOf('two'), 'rehearsal-0').status, 429)
  assert.deepEqual(
    new HaCells(haCells).list().map(({ replica }) => replica),
    ['two'],
  )
})
