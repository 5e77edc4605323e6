/**
 * A cut of blocks that ends at each of its calls to the disk: by the death of the process, or with the
 * power. The next life has every sample once, in its head or in a block, and so it is after the next
 * cut and another start.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CutBed, type Sample, Shard } from '../actors/ingester/harness.js'
import { FakeDisk } from '../support/fake-disk.js'
import { createFakeEnv } from '../support/fake-env.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const RANGE = 2 * HOUR
const START = Math.ceil(1_700_000_000_000 / RANGE) * RANGE
const TENANTS = ['a', 'b'] as const
const NAMES = ['x', 'y', 'gone']

let lives = 0

async function newLife(disk: FakeDisk) {
  // Another time and seed for each, or two would make blocks of one name.
  const env = createFakeEnv({ disk, now: START + 5 * HOUR + lives, seed: ++lives })
  const cuts = new CutBed(env)
  const shard = new Shard(env, {
    cuts,
    limits: { out_of_order_time_window: 10 * HOUR },
    config: { walFsync: 'always', walSegmentBytesMax: 8192, snapshotLogBytes: 4096 },
  })
  await shard.ready()
  return { env, cuts, shard }
}

type Life = Awaited<ReturnType<typeof newLife>>

/** In order and out of it, over two ranges and more. */
function push({ shard }: Life, from: number, minutes: number): Sample[] {
  const sent: Sample[] = []
  const send = (tenant: string, samples: Sample[]): void => {
    const ack = shard.push(tenant, samples)
    assert.equal(ack.status, 0, ack.text)
    if (tenant === 'a') sent.push(...samples)
  }
  for (const tenant of TENANTS) {
    for (let at = 0; at < minutes; at += 10) {
      const t = from + at * MINUTE
      send(tenant, [['x', t, at]])
      if (at < 30) send(tenant, [['gone', t, at]])
      if (at >= 20 && at % 20 === 0) send(tenant, [['y', t - 15 * MINUTE, at]])
      if (at >= 30 && at % 30 === 0) send(tenant, [['x', t - 25 * MINUTE - 1, -at]])
    }
  }
  return sent
}

/** Every sample is there once, in the head or in a block. */
async function assertOnce(life: Life, sent: readonly Sample[], what: string): Promise<void> {
  for (const tenant of TENANTS) {
    const inBlocks = await life.cuts.samples(life.env.disk, tenant)
    for (const name of NAMES) {
      const head = await life.shard.read(tenant, name)
      const found = [...head, ...(inBlocks.get(name) ?? [])].sort((a, b) => a[0] - b[0])
      const wanted = sent.filter(([of]) => of === name).map(([, t, v]) => [t, v])
      wanted.sort((a, b) => a[0]! - b[0]!)
      assert.deepEqual(found, wanted, `${what}: ${tenant} ${name}`)
    }
  }
}

/** Cuts, and ends after n calls to the disk; how many there were. */
async function cutUntil({ env, shard }: Life, n: number): Promise<number> {
  let calls = 0
  let isDead = false
  env.disk.fault = () => {
    isDead ||= ++calls > n
    return isDead ? { fail: 'EDEAD' } : undefined
  }
  let isDone = false
  const flushed = shard.ingester.calls.flush({ tenants: [], wait: true })
  flushed.then(
    () => {
      isDone = true
    },
    () => {},
  )
  for (let turns = 0; !isDead && !isDone; turns++) {
    assert.ok(turns < 100_000, 'it neither ends nor dies')
    try {
      shard.ingester.turn()
      shard.takeAcks()
    } catch (error) {
      // A thread dies of that.
      if (!isDead) throw error
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  return calls
}

/** Every call of the end, where things are decided and moved, and some before; NILO_SIM_CALL names one. */
function callsToTry(total: number): number[] {
  const wanted = process.env['NILO_SIM_CALL']
  if (wanted !== undefined) return [Number(wanted)]
  const calls = Array.from({ length: total + 1 }, (_, n) => n)
  return calls.filter((n) => n > total - 45 || n % 9 === 0)
}

async function dieAt(n: number, isPowerLoss: boolean): Promise<void> {
  const disk = new FakeDisk()
  const first = await newLife(disk)
  const sent = push(first, START, 250)
  await cutUntil(first, n)
  // What the dead one's builder goes on with must not matter: its calls fail until then.
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  disk.fault = () => undefined
  if (isPowerLoss) disk.crash()
  const second = await newLife(disk)
  await assertOnce(second, sent, `after call ${n}`)
  sent.push(...push(second, START + 260 * MINUTE, 20))
  for (const tenant of TENANTS) await second.shard.flush(tenant)
  await assertOnce(second, sent, `after call ${n} and a cut`)
  const third = await newLife(disk)
  await assertOnce(third, sent, `after call ${n}, a cut and a start`)
}

for (const isPowerLoss of [false, true]) {
  const how = isPowerLoss ? 'with the power' : 'by itself'
  test(`a cut may end ${how} at any call: nothing is lost, nothing doubled`, async () => {
    const whole = await newLife(new FakeDisk())
    push(whole, START, 250)
    const total = await cutUntil(whole, Number.POSITIVE_INFINITY)
    assert.ok(total > 60)
    for (const n of callsToTry(total)) await dieAt(n, isPowerLoss)
  })
}
