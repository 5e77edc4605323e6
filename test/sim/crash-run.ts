/**
 * One run of the simulation: pushes of two tenants while actors die and the disk fails, as a seed
 * decides. Nothing that was acknowledged is lost, nothing is there that was never sent, no push gets
 * an answer that forbids sending again. Called by crashes.test.ts, plants.test.ts and `npm run sim`.
 */
import assert from 'node:assert/strict'
import { SeededPrng } from '../../src/shared/base/prng.js'
import type { DiskCall, DiskFault } from '../support/fake-disk.js'
import { type PushedSeries, remoteWriteBody } from '../support/remote-write.js'
import { World, type WorldOptions } from './world.js'

const TENANTS = ['team-a', 'team-b']
const SERIES = 24
const STEPS = 120

type Samples = Map<string, Map<number, number>>

/** What goes wrong in a run beside deaths of actors and failing disks. */
export interface Weather {
  readonly hasPowerLoss: boolean
  /** How long an acknowledged sample may be unsynced, ms; 0: not at all. */
  readonly unsyncedMs: number
}

/** Runs one seed. @throws AssertionError when a promise is broken */
export async function runCrashes(
  seed: number,
  options: WorldOptions,
  weather: Weather,
): Promise<void> {
  const world = new World({ ...options, seed, distributors: 2, shards: 2 })
  try {
    await runWorld(world, seed, weather)
  } finally {
    world.close()
  }
}

async function runWorld(world: World, seed: number, weather: Weather): Promise<void> {
  const prng = new SeededPrng(seed ^ 0x5eed)
  const acknowledged: { at: number; tenant: string; series: PushedSeries }[] = []
  /** When syncs failed, shards died or the power failed: what was not synced yet may be gone. */
  const losses: number[] = []
  const sent: Samples = new Map()
  const seen = { taken: 0, refused: 0 }
  const sendOne = async (): Promise<boolean> => {
    await world.env.timers.advance(1 + prng.below(500))
    const tenant = TENANTS[prng.below(2)]!
    const series = randomSeries(prng, world.env.clock.now())
    for (const one of series) note(sent, tenant, one)
    const answer = await world.push(tenant, remoteWriteBody(series))
    const at = world.env.clock.now()
    if (answer.status !== 200) assert.ok(answer.retryable, `${answer.status} ${answer.text}`)
    else for (const one of series) acknowledged.push({ at, tenant, series: one })
    seen[answer.status === 200 ? 'taken' : 'refused']++
    return answer.status === 200
  }
  for (let step = 0; step < STEPS; step++) {
    await sendOne()
    await disturb(world, prng, weather, losses)
  }
  world.env.disk.fault = () => undefined
  for (const index of [0, 1]) {
    if (world.ingesters[index] === undefined) world.startIngester(index)
    if (world.distributors[index] === undefined) world.startDistributor(index)
  }
  // A replayed log that could not be synced is tried again after a second.
  const isReady = () => world.ingesters.every((shard) => shard!.status().readyPercent === 100)
  for (let seconds = 0; !isReady(); seconds++) {
    assert.ok(seconds < 10, 'it is never ready again')
    await world.settle()
    await world.env.timers.advance(1_000)
  }
  let tries = 0
  while (!(await sendOne())) assert.ok(tries++ < 50, 'it never takes writes again')
  assert.ok(seen.taken > 5 && seen.refused > 0, JSON.stringify(seen))
  const stored: Samples = new Map()
  for (const tenant of TENANTS) {
    const found = await world.samples(tenant, 'sim', world.env.clock.now())
    for (const [labels, samples] of found) stored.set(`${tenant} ${labels}`, samples)
  }
  const durable: Samples = new Map()
  for (const { at, tenant, series } of acknowledged) {
    // The push that a failing sync was to cover is answered a little later.
    const isAtRisk =
      weather.unsyncedMs > 0 &&
      losses.some((loss) => at <= loss + 50 && at > loss - weather.unsyncedMs)
    if (!isAtRisk) note(durable, tenant, series)
  }
  assertContains(stored, durable, 'was acknowledged and is not there')
  assertContains(sent, stored, 'is there and was never sent')
}

function randomSeries(prng: SeededPrng, now: number): PushedSeries[] {
  const chosen = new Set(Array.from({ length: 1 + prng.below(10) }, () => prng.below(SERIES)))
  return [...chosen].map((n) => ({
    labels: { __name__: 'sim', n: `${n}` },
    samples: [[now, prng.below(1000) / 8] as const],
  }))
}

function note(samples: Samples, tenant: string, { labels, samples: [sample] }: PushedSeries): void {
  const key = `${tenant} ${JSON.stringify(labels)}`
  const known = samples.get(key) ?? new Map<number, number>()
  samples.set(key, known)
  known.set(sample![0], sample![1])
}

function assertContains(all: Samples, part: Samples, what: string): void {
  for (const [key, samples] of part) {
    for (const [t, value] of samples) {
      assert.equal(all.get(key)?.get(t), value, `${key} at ${t} ${what}`)
    }
  }
}

/** Kills, restarts and disk faults, each now and then. */
async function disturb(
  world: World,
  prng: SeededPrng,
  weather: Weather,
  losses: number[],
): Promise<void> {
  const index = prng.below(2)
  const dice = prng.below(100)
  if (dice < 8) {
    world.killIngester(index)
    // Nobody syncs what it left until its next life.
    losses.push(world.env.clock.now())
  } else if (dice < 12) world.killDistributor(index)
  else if (dice < 40) {
    if (world.ingesters[index] === undefined) world.startIngester(index)
    if (world.distributors[index] === undefined) world.startDistributor(index)
  } else if (dice < 46) {
    world.env.disk.fault = (call) => {
      const fault = faultOf(prng, call)
      if (fault !== undefined && call.what === 'sync') losses.push(world.env.clock.now())
      return fault
    }
  } else if (dice < 60) world.env.disk.fault = () => undefined
  else if (dice < 63 && weather.hasPowerLoss) {
    for (const shard of [0, 1]) world.killIngester(shard)
    world.env.disk.crash()
    losses.push(world.env.clock.now())
    for (const shard of [0, 1]) world.startIngester(shard)
  }
  if (dice % 2 === 0) await world.settle()
}

function faultOf(prng: SeededPrng, call: DiskCall): DiskFault {
  if (call.what === 'write' && prng.below(3) === 0) {
    return prng.below(2) === 0 ? { fail: 'ENOSPC' } : { shortBytes: prng.below(call.bytes) }
  }
  if (call.what === 'sync' && prng.below(4) === 0) return { fail: 'EIO' }
  if (call.what === 'truncate' && prng.below(3) === 0) return { fail: 'EIO' }
  return undefined
}

/** The kinds of run that there are, by name. */
export const SCENARIOS: Readonly<Record<string, { options: WorldOptions; weather: Weather }>> = {
  'actors die and the disk fails': {
    options: {},
    weather: { hasPowerLoss: false, unsyncedMs: 0 },
  },
  'the power fails too, every batch synced before its ack': {
    options: { ingester: { walFsync: 'always' } },
    weather: { hasPowerLoss: true, unsyncedMs: 0 },
  },
  // An interval of 1 s, half a second until the next turn, as long again for a sync to be noticed.
  'the power fails too, synced every second, small segments': {
    options: { ingester: { walSegmentBytesMax: 4096 } },
    weather: { hasPowerLoss: true, unsyncedMs: 2_000 },
  },
  'snapshots are taken all the time, power fails, fsync always': {
    options: { ingester: { walFsync: 'always', walSegmentBytesMax: 2000, snapshotLogBytes: 600 } },
    weather: { hasPowerLoss: true, unsyncedMs: 0 },
  },
  'snapshots are taken all the time, power fails, fsync interval': {
    options: { ingester: { walSegmentBytesMax: 2000, snapshotLogBytes: 600 } },
    weather: { hasPowerLoss: true, unsyncedMs: 2_000 },
  },
  'series ids are so few that tenants take them from each other': {
    options: { distributor: { seriesIdsMax: 256 } },
    weather: { hasPowerLoss: false, unsyncedMs: 0 },
  },
}
