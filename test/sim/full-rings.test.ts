/**
 * The cycle main → distributor → ingester → acks → answers with every ring full: requests push
 * back, answers never do, so that it drains from any state (architecture, rules between actors).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { framesFitting } from '../../src/shared/ringbuf/index.js'
import { ACK_BYTES_MAX, ANSWER_BYTES_MAX } from '../../src/shared/wire/frames/index.js'
import { remoteWriteBody } from '../support/remote-write.js'
import { World } from './world.js'

const TENANT = 'team-a'
const RINGS = { bodyRing: 16_384, writeRing: 16_384, ackRing: 8_192, answerRing: 32_768 }
const BODIES = 60

/** A body that takes a kilobyte of the body ring and a quarter of the frame ring: few fit at once. */
function bodyAt(number: number, now: number): Uint8Array {
  let noise = number + 1
  const text = Array.from({ length: 700 }, () => {
    noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0
    return String.fromCharCode(97 + ((noise >>> 24) % 26))
  }).join('')
  const labels = { __name__: 'full', number: `${number}`, text, same: 'x'.repeat(2_000) }
  return remoteWriteBody([{ labels, samples: [[now, number]] as const }])
}

interface Outcome {
  readonly statuses: number[]
}

function pushAll(world: World): Outcome {
  const now = world.env.clock.now()
  const outcome: Outcome = { statuses: [] }
  for (let number = 0; number < BODIES; number++) {
    const body = bodyAt(number, now)
    world.client.push(TENANT, [body], body.length).then(
      ({ status }) => outcome.statuses.push(status),
      () => outcome.statuses.push(503),
    )
  }
  return outcome
}

/** Turns of one actor until it has nothing more that it can do. */
function exhaust(actor: { turn(): boolean }): void {
  for (let turns = 0; actor.turn(); turns++) assert.ok(turns < 10_000, 'it never comes to rest')
}

test('all rings of the cycle full at once drain, and every push is answered once', async () => {
  const world = new World(RINGS)
  const distributor = world.distributors[0]!
  const ingester = world.ingesters[0]!
  const ackRoom = framesFitting(RINGS.ackRing, ACK_BYTES_MAX)
  const answerRoom = framesFitting(RINGS.answerRing, ANSWER_BYTES_MAX)
  const outcome = pushAll(world)

  // Nobody reads: main fills the body ring, the distributor the frame ring, and both are stuck.
  exhaust(distributor)
  for (let round = 0; round < BODIES; round++) {
    world.client.turn()
    exhaust(distributor)
  }
  const frames = world.stats('0-0')
  const bodies = world.stats('main-0')
  assert.equal(distributor.turn(), false)
  assert.ok(frames.down.stalls > 0 && frames.down.frames <= ackRoom, 'the frame ring is full')
  assert.ok(frames.down.usedBytes > RINGS.writeRing / 2)
  assert.ok(bodies.down.stalls > 0 && bodies.down.frames <= answerRoom, 'the body ring is full')
  assert.ok(bodies.down.usedBytes > RINGS.bodyRing / 2)
  assert.ok(world.client.inFlight() === BODIES && outcome.statuses.length === 0)

  // The ingester takes its frames; the distributor does not come to reading the acks yet.
  exhaust(ingester)
  const acks = world.stats('0-0').up
  assert.equal(acks.frames, frames.down.frames, 'every frame has its ack in the ring')
  assert.ok(acks.usedBytes > 0)

  // Main stays deaf: distributor and ingester go on until every answer that has room is given.
  for (let round = 0; round < BODIES; round++) {
    exhaust(distributor)
    exhaust(ingester)
  }
  const answers = world.stats('main-0')
  assert.equal(answers.up.frames, answers.down.frames, 'all bodies taken are answered')
  assert.equal(answers.up.stalls, 0, 'an answer always has room')
  assert.equal(world.stats('0-0').up.stalls, 0, 'an ack always has room')

  await world.settle()
  assert.deepEqual(outcome.statuses, Array(BODIES).fill(200))
  const rows = await world.query(TENANT, 'count(full)', world.env.clock.now())
  assert.equal(rows[0]!.value[1], `${BODIES}`)
  world.close()
})

test('no order of turns wedges the cycle, and answers and acks never wait for room', async () => {
  let tightest = 0
  for (let seed = 1; seed <= 40; seed++) {
    const world = new World({ ...RINGS, seed, shards: 2 })
    const outcome = pushAll(world)
    const actors = [world.client, ...world.distributors, ...world.ingesters]
    // Bursts of one actor alone fill what it writes to and starve what it reads from.
    for (let burst = 0; burst < 60; burst++) {
      const actor = actors[world.env.prng.below(actors.length)]!
      const turns = 1 + world.env.prng.below(12)
      for (let turn = 0; turn < turns; turn++) actor.turn()
      const { down } = world.stats('0-0')
      const main = world.stats('main-0')
      if (down.stalls > 0 && main.down.stalls > 0) tightest++
    }
    await world.settle()
    assert.deepEqual(outcome.statuses, Array(BODIES).fill(200), `seed ${seed}`)
    for (const link of ['0-0', '0-1', 'main-0']) {
      const { up, down } = world.stats(link)
      assert.equal(up.stalls, 0, `answers on ${link} waited, seed ${seed}`)
      assert.equal(down.usedBytes + up.usedBytes, 0, `${link} is empty again, seed ${seed}`)
    }
    const rows = await world.query(TENANT, 'count(full)', world.env.clock.now())
    assert.equal(rows[0]!.value[1], `${BODIES}`, `seed ${seed}`)
    world.close()
  }
  assert.ok(tightest > 0, 'no run had body ring and frame ring full at once')
})
