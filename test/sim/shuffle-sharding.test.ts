/**
 * Tenants on some of the shards: their series go nowhere else, shards that are not theirs may be
 * down, and what they had elsewhere before their number of shards was changed is still found.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultConfig, EMPTY_RUNTIME } from '../../src/shared/config/index.js'
import { createHashring, hasMember, shuffleMembers } from '../../src/shared/hashring/index.js'
import { type LimitsData, limitsDataOf } from '../../src/shared/limits/index.js'
import { remoteWriteBody } from '../support/remote-write.js'
import { World } from './world.js'

const TENANTS = ['team-a', 'team-b', 'team-c', 'team-d']
const SERIES = 60

function limitsWith(size: number, version: number): LimitsData {
  const config = { ...defaultConfig(), 'limits.ingestion_tenant_shard_size': size }
  return limitsDataOf(config, EMPTY_RUNTIME, version)
}

function membersOf(tenant: string, size: number, memberCount: number, zones = 1): number[] {
  const members = shuffleMembers(createHashring(memberCount), tenant, { size, zones })
  return Array.from({ length: memberCount }, (_, member) => member).filter(
    (member) => members === undefined || hasMember(members, member),
  )
}

/** Which shards have series of a tenant. */
function holdersOf(world: World, tenant: string): number[] {
  return world.ingesters.flatMap((shard, index) => {
    const at = shard?.head.tenantNames().indexOf(tenant) ?? -1
    return at >= 0 && shard!.head.view.seriesCount(at) > 0 ? [index] : []
  })
}

async function push(world: World, tenant: string, value: number): Promise<number> {
  await world.env.timers.advance(1_000)
  const now = world.env.clock.now()
  const series = Array.from({ length: SERIES }, (_, n) => ({
    labels: { __name__: 'sim', n: String(n) },
    samples: [[now, value] as const],
  }))
  return (await world.push(tenant, remoteWriteBody(series))).status
}

/** Values of each series, in order of time; all alike. */
async function valuesOf(world: World, tenant: string): Promise<number[]> {
  const samples = await world.samples(tenant, 'sim', world.env.clock.now())
  assert.equal(samples.size, SERIES)
  const rows = [...samples.values()].map((row) => [...row.values()].join())
  assert.equal(new Set(rows).size, 1, 'all series alike')
  return rows[0]!.split(',').map(Number)
}

test('a tenant is on its own shards only, in each zone the same', async () => {
  for (const [shards, zones] of [
    [6, 1],
    [12, 3],
  ] as const) {
    const world = new World({ shards, zones, limits: limitsWith(2 * zones, 1) })
    const members = shards / zones
    for (const tenant of TENANTS) {
      assert.equal(await push(world, tenant, 1), 200)
      const own = membersOf(tenant, 2 * zones, members, zones)
      assert.equal(own.length, 2)
      const expected = Array.from({ length: zones }, (_, zone) =>
        own.map((member) => zone * members + member),
      ).flat()
      await world.settle()
      assert.deepEqual(holdersOf(world, tenant), expected)
      assert.deepEqual(await valuesOf(world, tenant), [1])
    }
    world.close()
  }
})

test('shards that are down are no matter to tenants of others', async () => {
  const world = new World({ shards: 6, limits: limitsWith(2, 1) })
  for (const tenant of TENANTS) assert.equal(await push(world, tenant, 1), 200)
  const [victim] = TENANTS
  const down = membersOf(victim!, 2, 6)[0]!
  world.killIngester(down)
  // In its next life it replays, and says so to whom asks; nobody else does.
  world.startIngester(down)
  let unharmed = 0
  for (const tenant of TENANTS) {
    if (membersOf(tenant, 2, 6).includes(down)) {
      await assert.rejects(valuesOf(world, tenant), /replays its log/)
      continue
    }
    unharmed++
    assert.deepEqual(await valuesOf(world, tenant), [1])
  }
  assert.ok(unharmed > 0, 'tenants elsewhere')
  world.killIngester(down)
  for (const tenant of TENANTS) {
    const expected = membersOf(tenant, 2, 6).includes(down) ? 503 : 200
    assert.equal(await push(world, tenant, 2), expected, tenant)
  }
  world.close()
})

test('what went to other shards before a change is found, before and after a restart', async () => {
  const world = new World({ shards: 6, limits: limitsWith(4, 1) })
  const sizes = [4, 1, 3, 0, 2]
  const sent: number[] = []
  for (const [at, size] of sizes.entries()) {
    world.takeLimits(limitsWith(size, at + 1))
    for (const tenant of TENANTS) assert.equal(await push(world, tenant, at), 200)
    sent.push(at)
    for (const tenant of TENANTS) assert.deepEqual(await valuesOf(world, tenant), sent)
  }
  await world.settle()
  // With two shards again, four more hold what came before.
  for (const tenant of TENANTS) assert.equal(holdersOf(world, tenant).length, 6)
  for (let index = 0; index < 6; index++) world.killIngester(index)
  for (let index = 0; index < 6; index++) world.startIngester(index)
  await assert.rejects(valuesOf(world, TENANTS[0]!), /replays its log/)
  await world.settle()
  for (const tenant of TENANTS) assert.deepEqual(await valuesOf(world, tenant), sent)
  world.close()
})

test('what a process has not read yet of its log is waited for', async () => {
  const first = new World({ shards: 6, limits: limitsWith(0, 1) })
  for (const tenant of TENANTS) assert.equal(await push(first, tenant, 1), 200)
  await first.settle()
  first.close()
  // The size was lowered while nothing ran: all shards may have something.
  const world = new World({ shards: 6, limits: limitsWith(1, 1), disk: first.env.disk })
  for (const tenant of TENANTS) {
    await assert.rejects(valuesOf(world, tenant), /replays its log/)
  }
  await world.settle()
  const rows = await world.samples(TENANTS[0]!, 'sim', first.env.clock.now() + 60_000)
  assert.equal(rows.size, SERIES)
  world.close()
})
