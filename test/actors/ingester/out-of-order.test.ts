/** Samples out of order: what an ingester takes, refuses, keeps through restarts, and answers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import { ACK_OK, ACK_REJECTED, ACK_RETRY } from '../../../src/shared/wire/frames/index.js'
import { FakeDisk } from '../../support/fake-disk.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { type Ack, type Sample, Shard, type ShardOptions } from './harness.js'

const START = 1_700_000_000_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** In-order samples may be this much behind the newest of their tenant. */
const BEHIND_MAX = HOUR

function createShard(disk: FakeDisk, window: number, options: ShardOptions = {}) {
  const env = createFakeEnv({ disk })
  const shard = new Shard(env, {
    ...options,
    limits: { out_of_order_time_window: window },
    config: { walSegmentBytesMax: 1 << 16, ...options.config },
  })
  return { env, shard }
}

test('takes late samples within the window, in their place, also after a restart', async () => {
  const disk = new FakeDisk()
  const { env, shard } = createShard(disk, 10 * MINUTE)
  assert.equal(shard.push('t', [['x', START, 1]]).status, ACK_OK)
  const late = shard.push('t', [
    ['x', START - 2 * MINUTE, 3],
    ['x', START - 10 * MINUTE, 2],
    ['y', START - MINUTE, 7],
  ])
  assert.deepEqual([late.status, late.counts], [ACK_OK, {}])
  const ack = shard.push('t', [
    ['x', START - 10 * MINUTE - 1, 9],
    ['x', START, 9],
  ])
  assert.equal(ack.status, ACK_REJECTED)
  assert.deepEqual(ack.counts, { sample_timestamp_too_old: 1, sample_duplicate_timestamp: 1 })
  assert.match(ack.text, /\(err-mimir-sample-timestamp-too-old\)/)
  const x = [
    [START - 10 * MINUTE, 2],
    [START - 2 * MINUTE, 3],
    [START, 1],
  ]
  assert.deepEqual(await shard.read('t', 'x'), x)
  const appended = 'cortex_ingester_tsdb_out_of_order_samples_appended_total'
  assert.equal(env.metrics.value(appended, 't'), 2)
  assert.equal(env.metrics.value('cortex_ingester_ingested_samples_total', 't'), 4)

  // The window says what is taken, not what is kept.
  const next = createShard(disk, 0)
  assert.deepEqual(await next.shard.read('t', 'x'), x)
  const refused = next.shard.push('t', [['x', START - MINUTE, 5]])
  assert.deepEqual(refused.counts, { sample_out_of_order: 1 })
  assert.match(refused.text, /\(err-mimir-sample-out-of-order\)/)
  assert.equal(next.shard.push('t', [['x', START - 2 * MINUTE, 3]]).status, ACK_OK)
})

test('a series may begin anywhere in the window, and is found there only', async () => {
  const { shard } = createShard(new FakeDisk(), 3 * HOUR)
  shard.push('t', [['x', START, 1]])
  assert.equal(shard.push('t', [['old', START - 2 * HOUR, 5]]).status, ACK_OK)
  assert.deepEqual(await shard.read('t', 'old'), [[START - 2 * HOUR, 5]])
  const matchers = [{ name: '__name__', op: '=', value: 'old' }] as const
  const select = async (mint: number, maxt: number): Promise<number> =>
    (await shard.ingester.calls.select({ tenant: 't', matchers, mint, maxt })).refs.length
  assert.equal(await select(START - 2 * HOUR, START - 2 * HOUR), 1)
  assert.equal(await select(START - 2 * HOUR + 1, START), 0)
  assert.equal(await select(START - 3 * HOUR, START - 2 * HOUR - 1), 0)
})

test('a tenant without samples measures the window from its first one', () => {
  const { shard } = createShard(new FakeDisk(), 10 * MINUTE)
  const ack = shard.push('t', [
    ['x', START, 1],
    ['x', START - 10 * MINUTE, 2],
    ['x', START - 10 * MINUTE - 1, 3],
  ])
  assert.deepEqual(ack.counts, { sample_timestamp_too_old: 1 })
})

test('at a time that is taken the first value stays, silently', async () => {
  const { shard } = createShard(new FakeDisk(), HOUR)
  // 200 in order: tail, open chunk and a closed one; the same times again with other values.
  const times = Array.from({ length: 200 }, (_, i) => START + i * 1000)
  for (const t of times) shard.push('t', [['x', t, 1]])
  for (const t of times.slice(0, -1)) assert.equal(shard.push('t', [['x', t, 2]]).status, ACK_OK)
  assert.deepEqual(
    await shard.read('t', 'x'),
    times.map((t) => [t, 1]),
  )
  // The same among late ones, over several chunks of theirs.
  for (const value of [1, 2, 3]) {
    for (let i = 0; i < 100; i++) {
      const t = START - ((i * 37) % 100) * 1000 - 500
      assert.equal(shard.push('t', [['x', t, value]]).status, ACK_OK)
    }
  }
  const read = await shard.read('t', 'x')
  assert.equal(read.length, 300)
  assert.ok(read.every(([t, v], i) => v === 1 && (i === 0 || t > read[i - 1]![0])))
})

test('what cannot be written is not stored, in order or not, and can be sent again', async () => {
  const disk = new FakeDisk()
  const { shard } = createShard(disk, HOUR)
  shard.push('t', [['x', START, 1]])
  disk.fault = ({ what }) => (what === 'write' ? { fail: 'ENOSPC' } : undefined)
  const body: Sample[] = [
    ['x', START - 1000, 2],
    ['z', START - 2000, 3],
    ['x', START + 1000, 4],
  ]
  assert.equal(shard.push('t', body).status, ACK_RETRY)
  assert.deepEqual(await shard.read('t', 'x'), [[START, 1]])
  disk.fault = () => undefined
  assert.equal(shard.push('t', body).status, ACK_OK)
  const x = [
    [START - 1000, 2],
    [START, 1],
    [START + 1000, 4],
  ]
  assert.deepEqual(await shard.read('t', 'x'), x)
  const next = createShard(disk, HOUR)
  assert.deepEqual(await next.shard.read('t', 'x'), x)
  assert.deepEqual(await next.shard.read('t', 'z'), [[START - 2000, 3]])
})

test('what repeats a body of the same turn that cannot be written is not stored either', async () => {
  const disk = new FakeDisk()
  const { shard } = createShard(disk, HOUR)
  shard.push('t', [['x', START, 1]])
  disk.fault = ({ what }) => (what === 'write' ? { fail: 'ENOSPC' } : undefined)
  const body: Sample[] = [['x', START + 1000, 4]]
  shard.send('t', body)
  shard.send('t', body)
  assert.deepEqual(
    shard.settle().map(({ status }) => status),
    [ACK_RETRY, ACK_RETRY],
  )
  disk.fault = () => undefined
  assert.equal(shard.push('t', body).status, ACK_OK)
  assert.deepEqual(await shard.read('t', 'x'), [
    [START, 1],
    [START + 1000, 4],
  ])
})

test('with no memory left late samples are refused for now, without harm to the others', async () => {
  // The least that a head starts with, and a little.
  const { shard } = createShard(new FakeDisk(), 24 * HOUR, { pages: 1760 })
  shard.push('t', [['x', START, 1]])
  let stored = 0
  let status = ACK_OK
  for (let i = 1; status === ACK_OK && i < 4000; i++) {
    const body: Sample[] = Array.from({ length: 1000 }, (_, k) => [
      `s${k}`,
      START - i * 1000,
      Math.sin(i * 1000 + k),
    ])
    status = shard.push('t', body).status
    if (status === ACK_OK) stored = i
  }
  assert.equal(status, ACK_RETRY)
  assert.deepEqual(await shard.read('t', 'x'), [[START, 1]])
  const s7 = await shard.read('t', 's7')
  assert.ok(s7.length >= stored)
  const isWhole = s7.every(([t, v]) => v === Math.sin(START - t + 7))
  assert.ok(isWhole && stored > 10)
})

/** What an ingester should hold, as plain as can be. */
class Model {
  readonly series = new Map<string, { last: number; samples: Map<number, number> }>()
  private maxt = Number.NEGATIVE_INFINITY
  /** Every sample that was taken, also at a time that had a value. */
  private readonly taken = new Set<string>()
  private readonly window: number

  constructor(window: number) {
    this.window = window
  }

  /** Takes a body; the least and the most samples that may be refused of it. */
  push(body: readonly Sample[]): { least: number; most: number } {
    const from = this.maxt === Number.NEGATIVE_INFINITY ? body[0]![1] : this.maxt
    const oldest = this.maxt - BEHIND_MAX
    const lateOldest = this.window === 0 ? Number.POSITIVE_INFINITY : from - this.window
    const refused = { least: 0, most: 0 }
    let newest = this.maxt
    for (const [name, t, v] of body) {
      const series = this.series.get(name) ?? { last: Number.NEGATIVE_INFINITY, samples: new Map() }
      this.series.set(name, series)
      const taken = series.samples.get(t)
      if (t > series.last && t >= oldest) {
        assert.ok(taken === undefined || taken === v || t < newest)
        series.last = t
        if (taken === undefined) series.samples.set(t, v)
        newest = Math.max(newest, t)
      } else if (t >= lateOldest && !(t === series.last && t >= oldest)) {
        if (taken === undefined) series.samples.set(t, v)
        this.taken.add(`${name} ${t} ${v}`)
      } else {
        // Of what repeats one that was taken only the newest are known to be told.
        if (taken !== v && !this.taken.has(`${name} ${t} ${v}`)) refused.least++
        if (!(t === series.last && taken === v)) refused.most++
      }
    }
    this.maxt = newest
    return refused
  }
}

/** A body of one to twelve samples around a time that goes on. */
function bodyOf(prng: SeededPrng, now: number, sent: readonly Sample[]): Sample[] {
  return Array.from({ length: 1 + prng.below(12) }, (): Sample => {
    const name = `s${prng.below(4)}`
    const kind = prng.below(10)
    const repeated = sent[Math.max(0, sent.length - 1 - prng.below(200))]
    if (kind < 1 && repeated !== undefined) return repeated
    if (kind < 2 && repeated !== undefined) return [repeated[0], repeated[1], prng.fraction()]
    const value = prng.below(3) === 0 ? prng.below(5) : prng.fraction() * 1000
    const behind = kind < 6 ? 0 : prng.below(kind < 9 ? 20 * MINUTE : 100 * MINUTE)
    return [name, now - behind + prng.below(1000), value]
  })
}

async function run(seed: number): Promise<number> {
  const prng = new SeededPrng(seed)
  const window = [0, 5 * MINUTE, 30 * MINUTE, 90 * MINUTE][seed % 4]!
  const disk = new FakeDisk()
  const model = new Model(window)
  const sent: Sample[] = []
  // With snapshots all the time, with one at a clean stop, with none.
  const options =
    seed % 3 === 0 ? {} : { config: { snapshotLogBytes: seed % 3 === 1 ? 2000 : 1e9 } }
  let { env, shard } = createShard(disk, window, options)
  let now = START
  let late = 0
  for (let step = 0; step < 250; step++) {
    now += prng.below(prng.below(40) === 0 ? 40 * MINUTE : 15_000)
    const body = bodyOf(prng, now, sent)
    if (prng.below(12) === 0) await failOnce(shard, disk, body, prng)
    const refused = model.push(body)
    assertAnswer(shard.push('t', body), refused, `seed ${seed}, step ${step}`)
    sent.push(...body)
    // Lets the sync of a snapshot end.
    await env.timers.advance(1)
    if (prng.below(25) !== 0) continue
    await assertHolds(shard, model, `seed ${seed}, step ${step}`)
    late += env.metrics.value('cortex_ingester_tsdb_out_of_order_samples_appended_total', 't')
    if (seed % 3 === 2) await shard.ingester.drain()
    ;({ env, shard } = createShard(disk, window, options))
    await assertHolds(shard, model, `seed ${seed}, after the restart at step ${step}`)
  }
  await assertHolds(shard, model, `seed ${seed}, end`)
  return late
}

/** A push that the disk refuses changes nothing. */
async function failOnce(
  shard: Shard,
  disk: FakeDisk,
  body: readonly Sample[],
  prng: SeededPrng,
): Promise<void> {
  const isShort = prng.below(2) === 0
  let calls = 0
  disk.fault = ({ what }) => {
    if (what !== 'write') return undefined
    calls++
    return isShort ? { shortBytes: 40 } : { fail: 'EIO' }
  }
  const { status } = shard.push('t', body)
  disk.fault = () => undefined
  assert.ok(calls === 0 || status === ACK_RETRY)
}

function assertAnswer(ack: Ack, refused: { least: number; most: number }, where: string): void {
  const count = Object.values(ack.counts).reduce((sum, n) => sum + n, 0)
  assert.ok(
    count >= refused.least && count <= refused.most,
    `${where}: ${count} of ${JSON.stringify(refused)} refused: ${ack.text}`,
  )
  assert.equal(ack.status, count === 0 ? ACK_OK : ACK_REJECTED, where)
}

async function assertHolds(shard: Shard, model: Model, where: string): Promise<void> {
  for (const [name, { samples }] of model.series) {
    const expected = [...samples].sort(([a], [b]) => a - b)
    assert.deepEqual(await shard.read('t', name), expected, `${where}, series ${name}`)
  }
}

const FIRST_SEED = Number(process.env['NILO_TEST_SEED'] ?? 1)
const SEEDS = Number(process.env['NILO_TEST_COUNT'] ?? 24)

test('whatever comes in whatever order, also through restarts, a model holds the same', async () => {
  let late = 0
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) late += await run(seed)
  assert.ok(late > 100, `${late} samples out of order`)
})
