/**
 * Three zones with a copy of every series each: one that dies, comes back, or loses its disk costs
 * no push and no answer; two at once are not to be told from success.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REPLICA_PATIENCE_MS } from '../../src/actors/distributor/route.js'
import { SeededPrng } from '../../src/shared/base/prng.js'
import { remoteWriteBody } from '../support/remote-write.js'
import { World, type WorldOptions, zoneRoot } from './world.js'

const TENANT = 'team-a'
const SERIES = 12
const ZONES = 3
/** Shards of a zone. */
const MEMBERS = 2

/** A world of three zones, and what was pushed to it. */
class Zones {
  readonly world: World
  private readonly prng: SeededPrng
  /** Values by `n` and time: what was acknowledged. */
  private readonly sent = new Map<string, Map<number, number>>()
  /** How long the last push took. */
  tookMs = 0

  constructor(seed: number, rings: Pick<WorldOptions, 'writeRing' | 'ackRing'> = {}) {
    const shards = ZONES * MEMBERS
    const ingester = { snapshotLogBytes: 2_000 }
    this.world = new World({ seed, distributors: 2, shards, zones: ZONES, ingester, ...rings })
    this.prng = new SeededPrng(seed ^ 0x20ae5)
  }

  /** Pushes a few samples; the status. What was acknowledged is expected from then on. */
  async push(): Promise<number> {
    await this.world.env.timers.advance(1 + this.prng.below(300))
    const now = this.world.env.clock.now()
    const chosen = new Set(
      Array.from({ length: 1 + this.prng.below(8) }, () => this.prng.below(SERIES)),
    )
    const values = [...chosen].map((n) => [`${n}`, this.prng.below(1000)] as const)
    const series = values.map(([n, value]) => ({
      labels: { __name__: 'sim', n },
      samples: [[now, value] as const],
    }))
    const before = this.world.env.clock.monotonic()
    const { status } = await this.world.push(TENANT, remoteWriteBody(series))
    this.tookMs = this.world.env.clock.monotonic() - before
    if (status !== 200) return status
    for (const [n, value] of values) {
      const known = this.sent.get(n) ?? new Map<number, number>()
      this.sent.set(n, known.set(now, value))
    }
    return status
  }

  /** Everything that was acknowledged, and nothing else, is answered. */
  async assertWhole(): Promise<void> {
    const now = this.world.env.clock.now()
    const stored = await this.world.samples(TENANT, 'sim', now)
    const byNumber = new Map(
      [...stored].map(([labels, samples]) => [(JSON.parse(labels) as { n: string }).n, samples]),
    )
    for (const [n, samples] of this.sent) assert.deepEqual(byNumber.get(n), samples, `series ${n}`)
    assert.equal(byNumber.size, this.sent.size)
  }

  /** Starts what is not there and lets it replay. */
  async heal(): Promise<void> {
    const { ingesters } = this.world
    for (let index = 0; index < ingesters.length; index++) {
      if (ingesters[index] === undefined) this.world.startIngester(index)
    }
    await this.world.settle()
    assert.ok(ingesters.every((shard) => shard!.status().readyPercent === 100))
  }
}

for (let seed = 1; seed <= 8; seed++) {
  test(`one zone at a time dies, comes back, is wiped: nothing fails, nothing is lost (seed ${seed})`, async () => {
    const zones = new Zones(seed)
    const { world } = zones
    const prng = new SeededPrng(seed)
    let dead: number | undefined
    for (let step = 0; step < 60; step++) {
      assert.equal(await zones.push(), 200, `push ${step}, dead: ${dead}`)
      if (prng.below(4) === 0) {
        if (dead === undefined) {
          dead = prng.below(ZONES * MEMBERS)
          world.killIngester(dead)
        } else {
          world.startIngester(dead)
          if (prng.below(2) === 0) await world.settle()
          if (world.ingesters[dead]!.status().readyPercent === 100) dead = undefined
          else world.killIngester(dead)
        }
      }
      if (step % 10 === 9) await zones.assertWhole()
    }
    await zones.heal()
    await zones.assertWhole()
    // A zone loses its disk while it runs, and later its threads.
    const lost = prng.below(ZONES)
    world.env.disk.remove(zoneRoot(lost))
    for (let step = 0; step < 80; step++) {
      assert.equal(await zones.push(), 200)
      await world.settle()
    }
    assert.deepEqual(world.env.disk.list(zoneRoot(lost)), ['ingester-0', 'ingester-1'])
    for (let member = 0; member < MEMBERS; member++) world.killIngester(lost * MEMBERS + member)
    await zones.assertWhole()
    await zones.heal()
    for (let step = 0; step < 10; step++) assert.equal(await zones.push(), 200)
    await zones.assertWhole()
    world.close()
  })
}

for (const rings of [{ writeRing: 16 << 10 }, { ackRing: 4 << 10 }]) {
  test(`a zone that hangs holds pushes up once, and takes part again later (${Object.keys(rings)})`, async () => {
    const zones = new Zones(4, rings)
    const { world } = zones
    for (let step = 0; step < 20; step++) assert.equal(await zones.push(), 200)
    const slow = [2, 3]
    for (const shard of slow) world.hang(shard)
    let held = 0
    let waited = 0
    for (let step = 0; step < 400; step++) {
      assert.equal(await zones.push(), 200, `push ${step}`)
      if (zones.tookMs > 20) held++
      waited = Math.max(waited, zones.tookMs)
    }
    // Once for each distributor and shard.
    assert.ok(held >= 2 && held <= 4, `${held} pushes were held up`)
    assert.ok(waited < REPLICA_PATIENCE_MS + 50, `for up to ${waited} ms`)
    await zones.assertWhole()
    for (const shard of slow) world.hang(shard, false)
    await world.settle()
    for (let step = 0; step < 20; step++) assert.equal(await zones.push(), 200)
    await zones.assertWhole()
    // It is needed now.
    for (let member = 0; member < MEMBERS; member++) world.killIngester(member)
    for (let step = 0; step < 20; step++) assert.equal(await zones.push(), 200)
    await zones.assertWhole()
    world.close()
  })
}

test('a zone that is slow, but moves, holds pushes up for a while only', async () => {
  const zones = new Zones(7, { writeRing: 16 << 10 })
  const { world } = zones
  for (let step = 0; step < 5; step++) assert.equal(await zones.push(), 200)
  // Always within the patience with one that hangs.
  for (const shard of [2, 3]) world.slowDown(shard, REPLICA_PATIENCE_MS - 50)
  let time = world.env.clock.now()
  const times = Array.from({ length: 80 }, (_, i) => i)
  const tookMs: number[] = []
  for (let step = 0; step < 400; step++) {
    const series = Array.from({ length: 4 }, (_, n) => ({
      labels: { __name__: 'slow', n: `${n}` },
      samples: times.map((i) => [time + i, step] as const),
    }))
    time += times.length
    const before = world.env.clock.monotonic()
    const { status } = await world.push(TENANT, remoteWriteBody(series))
    assert.equal(status, 200)
    tookMs.push(world.env.clock.monotonic() - before)
  }
  const total = (from: number): number =>
    tookMs.slice(from, from + 100).reduce((sum, ms) => sum + ms, 0)
  assert.ok(total(0) > 2_000, `the first hundred took ${total(0)} ms`)
  assert.ok(total(300) < total(0) / 2, `the last hundred took ${total(300)} ms, not ${total(0)}`)
  for (const shard of [2, 3]) world.slowDown(shard, 0)
  await world.settle()
  // It takes part again: it is needed now.
  await world.env.timers.advance(60_000)
  for (let step = 0; step < 5; step++) assert.equal(await zones.push(), 200)
  for (let member = 0; member < MEMBERS; member++) world.killIngester(member)
  for (let step = 0; step < 20; step++) assert.equal(await zones.push(), 200)
  await zones.assertWhole()
  world.close()
})

test('a zone that hangs is waited for where the others are not enough', async () => {
  const zones = new Zones(6, { writeRing: 16 << 10 })
  const { world } = zones
  for (let step = 0; step < 5; step++) assert.equal(await zones.push(), 200)
  for (const shard of [0, 1, 2, 3]) world.hang(shard)
  assert.equal(await zones.push(), 503)
  for (const shard of [2, 3]) world.hang(shard, false)
  await world.settle()
  assert.equal(await zones.push(), 200)
  world.close()
})

test('with two of three zones gone pushes are to be sent again', async () => {
  const zones = new Zones(1)
  assert.equal(await zones.push(), 200)
  for (const zone of [0, 2]) {
    for (let member = 0; member < MEMBERS; member++) {
      zones.world.killIngester(zone * MEMBERS + member)
    }
  }
  assert.equal(await zones.push(), 503)
  await zones.heal()
  assert.equal(await zones.push(), 200)
  await zones.assertWhole()
  zones.world.close()
})

test('an answer needs two of three zones', async () => {
  const zones = new Zones(3)
  const { world } = zones
  for (let step = 0; step < 5; step++) assert.equal(await zones.push(), 200)
  // They have not replayed their logs until turns are taken.
  for (let shard = 0; shard < MEMBERS; shard++) world.startIngester(shard)
  await zones.assertWhole()
  for (let shard = MEMBERS; shard < 2 * MEMBERS; shard++) world.startIngester(shard)
  await assert.rejects(zones.assertWhole(), /replays its log/)
  await world.settle()
  await zones.assertWhole()
  world.close()
})

test('a rejection counts when more than half of the replicas agree on it', async () => {
  const zones = new Zones(2)
  const { world } = zones
  const now = world.env.clock.now()
  const body = (t: number, value: number) =>
    remoteWriteBody([{ labels: { __name__: 'one' }, samples: [[t, value] as const] }])
  assert.equal((await world.push(TENANT, body(now, 1))).status, 200)
  const again = await world.push(TENANT, body(now, 2))
  assert.equal(again.status, 400)
  assert.match(again.text, /err-mimir-sample-duplicate-timestamp/)
  // A zone that was down for the sample would take it: two of three still agree.
  for (let member = 0; member < MEMBERS; member++) world.killIngester(member)
  assert.equal((await world.push(TENANT, body(now + 1000, 3))).status, 200)
  await zones.heal()
  assert.equal((await world.push(TENANT, body(now + 1000, 4))).status, 400)
  world.close()
})
