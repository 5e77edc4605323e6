/**
 * Bodies that wait together are decompressed two at a time, and shards woken for two: nobody can tell it from the answers or
 * from what is stored.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compressSync } from 'snappy'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import type { TenantLimits } from '../../../src/shared/limits/index.js'
import { BODY_TEXT } from '../../../src/shared/wire/frames/index.js'
import { below, mutate } from '../../shared/kernels/write-request-harness.js'
import {
  encodeWriteRequest,
  type PushedSeries,
  remoteWriteBody,
} from '../../support/remote-write.js'
import { Fixture } from './fixture.js'

const NOW = 1_700_000_000_000
const SEED = Number(process.env['SEED'] ?? 1)

interface Sent {
  readonly body: Uint8Array
  readonly tenant: string
  readonly flags: number
}

function requestOf(random: SeededPrng, at: number): PushedSeries[] {
  const first = below(random, 40)
  const cluster =
    below(random, 3) === 0 ? { cluster: 'c', __replica__: `r${below(random, 2)}` } : {}
  return Array.from({ length: 1 + below(random, 60) }, (_, i) => ({
    labels: {
      __name__: 'm',
      index: String(first + i),
      pad: 'x'.repeat(below(random, 90)),
      ...cluster,
    },
    samples: [[NOW + at, i] as const],
  }))
}

/** One of every kind that can stand beside another. */
function bodyOf(random: SeededPrng, at: number): Sent {
  const tenant = below(random, 3) === 0 ? 'other' : 'acme'
  const plain = encodeWriteRequest(requestOf(random, at))
  const kind = below(random, 12)
  const sent = (body: Uint8Array, flags = 0): Sent => ({ body, tenant, flags })
  if (kind === 0) return sent(mutate(random, compressSync(Buffer.from(plain))))
  if (kind === 1) return sent(compressSync(Buffer.from(mutate(random, plain))))
  if (kind === 2) return sent(compressSync(Buffer.alloc(0)))
  if (kind === 3) return sent(compressSync(Buffer.alloc(600_000, 0x0a)))
  if (kind === 4) return sent(Buffer.from(`\x02\0\0\0{}t${at} 1\n`), BODY_TEXT)
  return sent(compressSync(Buffer.from(plain)))
}

/** Answers in the order of the requests, and what the shards got. */
function outcome(fixture: Fixture): unknown {
  const answers = [...fixture.answers].sort((a, b) => a.requestId - b.requestId)
  return { answers, samples: fixture.shards.map(({ samples }) => [...samples].sort()) }
}

const OPTIONS = {
  shards: 2,
  frameRing: 1 << 14,
  config: { maxRecvMsgSize: 500_000, isHaTrackerOn: true },
  limits: { accept_ha_samples: true } satisfies Partial<TenantLimits>,
}

test(`bodies that come together are taken as those that come one by one (seed ${SEED})`, () => {
  const random = new SeededPrng(SEED)
  for (let round = 0; round < 60; round++) {
    const sent = Array.from({ length: 2 + below(random, 24) }, (_, i) => bodyOf(random, i))
    const single = new Fixture(OPTIONS)
    for (const { body, tenant, flags } of sent) single.push(body, tenant, flags)
    const together = new Fixture(OPTIONS)
    for (const { body, tenant, flags } of sent) {
      assert.ok(together.send(body, tenant, flags) > 0, 'the ring takes all')
      // Some come while others are in hand.
      if (below(random, 6) === 0) together.distributor.turn()
    }
    together.settle()
    assert.deepEqual(outcome(together), outcome(single), `round ${round}`)
  }
})

test('a body that was decompressed ahead is not left lying, and goes with its link', () => {
  const body = (at: number) =>
    remoteWriteBody([{ labels: { __name__: 'up' }, samples: [[NOW + at, at]] }])
  const fixture = new Fixture()
  // One more than a turn takes, so that the last was decompressed and not begun.
  const ids = Array.from({ length: 10 }, (_, at) => fixture.send(body(at)))
  fixture.distributor.takeOversize({
    requestId: 99,
    tenant: 'acme',
    flags: 0,
    body: body(99).slice().buffer,
  })
  fixture.distributor.turn()
  assert.equal(fixture.distributor.hasMore(), true)
  fixture.settle()
  assert.deepEqual(
    fixture.answers.map(({ requestId, status }) => `${requestId}:${status}`).sort(),
    [...ids, 99].map((id) => `${id}:200`).sort(),
  )
  for (let at = 10; at < 20; at++) fixture.send(body(at))
  fixture.distributor.turn()
  const answered = fixture.answers.length
  fixture.relinkMain()
  assert.equal(fixture.push(body(30)).status, 200)
  assert.ok(answered < 21 && fixture.answers.length <= answered + 1)
})

test('a sleeping shard is woken for two bodies that wait together, and for a single one', () => {
  const body = (at: number) =>
    remoteWriteBody([{ labels: { __name__: 'up' }, samples: [[NOW + at, at]] }])
  const fixture = new Fixture()
  const shard = fixture.shards[0]!
  for (const [count, wokenBy] of [
    [1, 1],
    [2, 3],
    [3, 5],
  ] as const) {
    fixture.settle()
    shard.sleep()
    shard.wokenBy.length = 0
    for (let at = 0; at < count; at++) assert.ok(fixture.send(body(count * 10 + at)) > 0)
    fixture.distributor.turn()
    assert.deepEqual(shard.wokenBy, [wokenBy], `${count} bodies`)
  }
})
