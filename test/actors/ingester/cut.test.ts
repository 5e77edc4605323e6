/** Blocks cut from a shard's heads: what is in them, in the head, in the log, and when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBudget, MemoryBudget } from '../../../src/shared/slab/index.js'
import { takeLease } from '../../../src/shared/tsdb/head/leases.js'
import { endLeaseOf } from '../../../src/shared/tsdb/index.js'
import { FakeDisk } from '../../support/fake-disk.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { CutBed, type Sample, Shard, type ShardOptions } from './harness.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const RANGE = 2 * HOUR
/** A boundary of block ranges. */
const START = Math.ceil(1_700_000_000_000 / RANGE) * RANGE

async function createShard(disk: FakeDisk, options: ShardOptions & { now?: number } = {}) {
  const env = createFakeEnv({ disk, now: options.now ?? START })
  const cuts = new CutBed(env)
  const shard = new Shard(env, { cuts, ...options })
  await shard.ready()
  return { env, cuts, shard }
}

/** A series' samples, one a minute. */
function steady(name: string, from: number, to: number): Sample[] {
  const samples: Sample[] = []
  for (let t = from; t < to; t += MINUTE) samples.push([name, t, (t - START) / MINUTE])
  return samples
}

function pushAll(shard: Shard, tenant: string, samples: readonly Sample[]): void {
  for (let from = 0; from < samples.length; from += 100) {
    const ack = shard.push(tenant, samples.slice(from, from + 100))
    assert.equal(ack.status, 0, ack.text)
  }
}

const points = (samples: readonly Sample[]) => samples.map(([, t, v]) => [t, v])

test('a head that spans more than three hours gives a block of its first range', async () => {
  const disk = new FakeDisk()
  const { env, cuts, shard } = await createShard(disk)
  const all = steady('x', START + 10 * MINUTE, START + 3 * HOUR + 10 * MINUTE)
  const other = steady('gone', START + 10 * MINUTE, START + 20 * MINUTE)
  pushAll(shard, 't', [...other, ...all])
  await env.timers.advance(MINUTE)
  await shard.rest()
  assert.deepEqual(await cuts.samples(disk, 't'), new Map(), 'not more than 1.5 ranges')
  pushAll(shard, 't', steady('x', START + 3 * HOUR + 10 * MINUTE, START + 4 * HOUR))
  await env.timers.advance(MINUTE)
  await shard.rest()
  const { entries } = await cuts.blockList.calls.blocks({ tenant: 't' })
  const [block] = entries
  assert.equal(entries.length, 1)
  assert.deepEqual(
    [block!.minTime, block!.maxTime, block!.level, block!.numSeries, block!.inBucket],
    [START + 10 * MINUTE, START + RANGE, 1, 2, false],
  )
  const inBlock = await cuts.samples(disk, 't')
  assert.deepEqual(inBlock.get('x'), points(all.filter(([, t]) => t < START + RANGE)))
  assert.deepEqual(inBlock.get('gone'), points(other))
  assert.deepEqual(await shard.read('t', 'x'), points(steady('x', START + RANGE, START + 4 * HOUR)))
  assert.deepEqual(await shard.read('t', 'gone'), [])
  // The series without samples is gone, and its slot is used again.
  assert.equal(shard.ingester.head.seriesCount(), 1)
  assert.equal(env.metrics.value('cortex_ingester_memory_series_removed_total', 't'), 1)
  assert.equal(env.metrics.value('cortex_ingester_tsdb_compactions_total'), 1)
  assert.deepEqual(shard.ingester.head.labelValues('t', '__name__', [], EVER), ['x'])
  pushAll(shard, 't', [['new', START + 4 * HOUR, 7]])
  assert.equal(shard.ingester.head.refEnd(), 2)
  assert.deepEqual(await shard.read('t', 'new'), [[START + 4 * HOUR, 7]])
  assert.deepEqual(shard.ingester.head.labelValues('t', '__name__', [], EVER), ['new', 'x'])
  // In order nothing is taken any more of what is in the block.
  const late = shard.push('t', [['old', START + RANGE - 1, 1]])
  assert.deepEqual(late.counts, { sample_timestamp_too_old: 1 })
  await shard.ingester.drain()
})

const EVER = { mint: Number.NEGATIVE_INFINITY, maxt: Number.POSITIVE_INFINITY }

test('a restart brings back neither more nor less than what is not in blocks', async () => {
  for (const isClean of [false, true]) {
    const disk = new FakeDisk()
    const first = await createShard(disk)
    pushAll(first.shard, 't', steady('x', START, START + 4 * HOUR))
    pushAll(first.shard, 'u', steady('x', START, START + HOUR))
    await first.env.timers.advance(MINUTE)
    await first.shard.rest()
    if (isClean) await first.shard.ingester.drain()
    const second = await createShard(disk, { now: START + 4 * HOUR })
    const kept = points(steady('x', START + RANGE, START + 4 * HOUR))
    assert.deepEqual(await second.shard.read('t', 'x'), kept)
    assert.deepEqual(await second.shard.read('u', 'x'), points(steady('x', START, START + HOUR)))
    // The block is listed again, and what it has is not taken.
    const inBlock = await second.cuts.samples(disk, 't')
    assert.deepEqual(inBlock.get('x'), points(steady('x', START, START + RANGE)))
    const ack = second.shard.push('t', [['y', START + RANGE - 1, 1]])
    assert.deepEqual(ack.counts, { sample_timestamp_too_old: 1 })
    // And nothing is cut twice.
    await second.shard.flush('t')
    const all = await second.cuts.samples(disk, 't')
    assert.deepEqual(all.get('x'), points(steady('x', START, START + 4 * HOUR)))
    await second.shard.ingester.drain()
  }
})

test('a flush cuts everything, along the ranges; samples out of order get blocks of their own', async () => {
  const disk = new FakeDisk()
  const limits = { out_of_order_time_window: 5 * HOUR }
  const { cuts, env, shard } = await createShard(disk, { limits })
  const odd = steady('x', START + MINUTE, START + 3 * HOUR).filter((_, i) => i % 2 === 1)
  const even = steady('x', START + MINUTE, START + 3 * HOUR).filter((_, i) => i % 2 === 0)
  pushAll(shard, 't', odd)
  pushAll(shard, 't', [...even].reverse())
  await shard.flush('t')
  const { entries } = await cuts.blockList.calls.blocks({ tenant: 't' })
  assert.deepEqual(
    entries
      .map(({ minTime, maxTime, outOfOrder = false }) => [minTime, maxTime, outOfOrder])
      .sort(),
    [
      [START, START + RANGE, true],
      [START + 2 * MINUTE, START + RANGE, false],
      [START + RANGE, START + 3 * HOUR - MINUTE + 1, false],
      [START + RANGE, START + 2 * RANGE, true],
    ],
  )
  const inBlocks = await cuts.samples(disk, 't')
  assert.deepEqual(inBlocks.get('x'), points(steady('x', START + MINUTE, START + 3 * HOUR)))
  assert.deepEqual(await shard.read('t', 'x'), [])
  assert.equal(shard.ingester.head.seriesCount(), 0)
  // Late ones go on being taken, and the next restart has only those.
  pushAll(shard, 't', [['x', START + 30_000, 5]])
  assert.deepEqual(await shard.read('t', 'x'), [[START + 30_000, 5]])
  const next = await createShard(disk, { limits, now: env.clock.now() + 1 })
  assert.deepEqual(await next.shard.read('t', 'x'), [[START + 30_000, 5]])
  await next.shard.flush('t')
  const all = await next.cuts.samples(disk, 't')
  assert.equal(all.get('x')!.length, 180)
})

test('a tenant that has gone quiet is cut whole, and its series leave memory', async () => {
  const disk = new FakeDisk()
  const { env, cuts, shard } = await createShard(disk)
  pushAll(shard, 't', steady('x', START, START + 10 * MINUTE))
  await env.timers.advance(HOUR - MINUTE)
  await shard.rest()
  assert.equal(shard.ingester.head.seriesCount(), 1)
  await env.timers.advance(30 * MINUTE)
  await shard.rest()
  assert.equal(shard.ingester.head.seriesCount(), 0)
  const inBlocks = await cuts.samples(disk, 't')
  assert.deepEqual(inBlocks.get('x'), points(steady('x', START, START + 10 * MINUTE)))
})

test('series that only a replayed log still names leave memory too', async () => {
  const disk = new FakeDisk()
  const first = await createShard(disk)
  pushAll(first.shard, 't', steady('x', START, START + 10 * MINUTE))
  await first.shard.flush('t')
  const { env, shard } = await createShard(disk, { now: START + HOUR })
  assert.equal(shard.ingester.head.seriesCount(), 1)
  assert.deepEqual(await shard.read('t', 'x'), [])
  await env.timers.advance(90 * MINUTE)
  await shard.rest()
  assert.equal(shard.ingester.head.seriesCount(), 0)
  pushAll(shard, 't', [['x', START + 2 * HOUR, 1]])
  assert.deepEqual(await shard.read('t', 'x'), [[START + 2 * HOUR, 1]])
})

test('nothing is dropped while a reader may not know of the block', async () => {
  const disk = new FakeDisk()
  const { env, shard } = await createShard(disk)
  pushAll(shard, 't', steady('x', START, START + 10 * MINUTE))
  takeLease(new Uint32Array(shard.memory.buffer), 5)
  const flushed = shard.ingester.calls.flush({ tenants: ['t'], wait: true })
  await shard.rest()
  assert.equal((await shard.read('t', 'x')).length, 10)
  endLeaseOf(shard.memory, 5)
  await env.timers.advance(300)
  await shard.rest()
  await flushed
  assert.deepEqual(await shard.read('t', 'x'), [])
})

test('a series is not dropped before every link has forgotten it, and lives on when it is used', async () => {
  const disk = new FakeDisk()
  const { shard } = await createShard(disk)
  const held: Uint32Array[] = []
  shard.onForget = (ids) => held.push(ids)
  pushAll(shard, 't', [
    ...steady('x', START, START + MINUTE),
    ...steady('y', START, START + MINUTE),
  ])
  const flushed = shard.ingester.calls.flush({ tenants: ['t'], wait: true })
  await shard.rest()
  assert.equal(shard.ingester.head.seriesCount(), 2)
  // On its way before the word came: y lives on, with its ref.
  pushAll(shard, 't', [['y', START + MINUTE, 2]])
  for (const ids of held) shard.sendForgotten(ids)
  await shard.rest()
  await flushed
  assert.equal(shard.ingester.head.seriesCount(), 1)
  assert.deepEqual(await shard.read('t', 'y'), [[START + MINUTE, 2]])
  pushAll(shard, 't', [
    ['y', START + 2 * MINUTE, 3],
    ['x', START + 2 * MINUTE, 4],
  ])
  assert.deepEqual(await shard.read('t', 'x'), [[START + 2 * MINUTE, 4]])
  assert.equal((await shard.read('t', 'y')).length, 2)
  assert.equal(shard.ingester.head.seriesCount(), 2)
})

test('a build that fails is tried again, and loses nothing', async () => {
  const disk = new FakeDisk()
  const { env, cuts, shard } = await createShard(disk)
  pushAll(shard, 't', steady('x', START, START + 4 * HOUR))
  let failures = 0
  cuts.onBuild = () => {
    if (failures++ < 2) throw new Error('no luck')
  }
  for (let minutes = 0; minutes < 3; minutes++) {
    await env.timers.advance(MINUTE)
    await shard.rest()
  }
  assert.equal(env.metrics.value('cortex_ingester_tsdb_compactions_failed_total'), 2)
  const inBlocks = await cuts.samples(disk, 't')
  assert.deepEqual(inBlocks.get('x'), points(steady('x', START, START + RANGE)))
  const kept = points(steady('x', START + RANGE, START + 4 * HOUR))
  assert.deepEqual(await shard.read('t', 'x'), kept)
})

test('when memory is short all but the newest is cut, in the middle of a range', async () => {
  const disk = new FakeDisk()
  const MIB = 1 << 20
  const cells = createBudget(100 * MIB)
  const { env, cuts, shard } = await createShard(disk, { budget: cells, now: START + HOUR })
  const all = steady('x', START, START + HOUR)
  pushAll(shard, 't', all)
  new MemoryBudget(cells).noteResident(86 * MIB)
  await env.timers.advance(20)
  await shard.rest()
  const before = START + 40 * MINUTE + 20
  const inBlocks = await cuts.samples(disk, 't')
  assert.deepEqual(inBlocks.get('x'), points(all.filter(([, t]) => t < before)))
  const kept = await shard.read('t', 'x')
  assert.deepEqual(kept.slice(-19), points(all.filter(([, t]) => t >= before)).slice(-19))
  // The next block begins where this one ended; nothing is in both.
  await shard.flush('t')
  assert.deepEqual((await cuts.samples(disk, 't')).get('x'), points(all))
  const { entries } = await cuts.blockList.calls.blocks({ tenant: 't' })
  assert.deepEqual(
    entries.map(({ minTime, maxTime }) => [minTime, maxTime]),
    [
      [START, before],
      [before, START + 59 * MINUTE + 1],
    ],
  )
})

test('when chunks take more than they may the older half of the largest heads is cut', async () => {
  const disk = new FakeDisk()
  const { env, cuts, shard } = await createShard(disk, { config: { cutBytes: 1 } })
  const small = steady('x', START, START + 50 * MINUTE)
  const wide = Array.from({ length: 150 }, (_, i) => START + i * 20_000)
  pushAll(shard, 'small', small)
  await env.timers.advance(MINUTE)
  await shard.rest()
  assert.deepEqual(await cuts.samples(disk, 'small'), new Map(), 'no chunk is closed yet')
  pushAll(
    shard,
    'wide',
    wide.flatMap((t): Sample[] => [0, 1, 2].map((n) => [`w${n}`, t, Math.sin(t + n)])),
  )
  await env.timers.advance(MINUTE)
  await shard.rest()
  assert.deepEqual(await cuts.samples(disk, 'small'), new Map(), 'it has less than a half')
  const of = (n: number, times: readonly number[]) => times.map((t) => [t, Math.sin(t + n)])
  const middle = (wide[0]! + wide.at(-1)!) / 2
  const inBlocks = await cuts.samples(disk, 'wide')
  const older = wide.filter((t) => t < middle)
  assert.deepEqual(inBlocks.get('w2'), of(2, older))
  // A sender that is behind the others, but not by an hour, loses nothing.
  const behind = [1, 2, 3, 5].map((n): Sample => ['late', START + n * MINUTE, n])
  pushAll(shard, 'wide', behind.slice(0, 1))
  pushAll(shard, 'wide', behind.slice(1))
  assert.deepEqual(await shard.read('wide', 'late'), points(behind))
  // Within its own series it keeps to the order, as all others do, where no window says otherwise.
  for (const [name, minutes] of [
    ['late', 4],
    ['w0', 1.5],
  ] as const) {
    const refused = shard.push('wide', [[name, START + minutes * MINUTE, 9]])
    assert.deepEqual(refused.counts, { sample_timestamp_too_old: 1 }, name)
    assert.match(refused.text, /\(err-mimir-sample-timestamp-too-old\)/)
  }
  const disorder = shard.push('wide', [
    ['late', START + 7 * MINUTE, 7],
    ['late', START + 6 * MINUTE, 6],
    ['w0', wide.at(-1)! - 1, 9],
  ])
  assert.deepEqual(disorder.counts, { sample_timestamp_too_old: 1, sample_out_of_order: 1 })
  assert.deepEqual(shard.push('wide', behind).counts, {}, 'what comes again is known')
  const late = [...behind, ['late', START + 7 * MINUTE, 7] satisfies Sample]
  assert.deepEqual(await shard.read('wide', 'late'), points(late))
  await shard.flush('wide')
  const all = await cuts.samples(disk, 'wide')
  for (const n of [0, 1, 2]) assert.deepEqual(all.get(`w${n}`), of(n, wide))
  assert.deepEqual(all.get('late'), points(late))
})

test('series that are not active any more leave memory early where there are many', async () => {
  for (const seriesMin of [0, 30]) {
    const disk = new FakeDisk()
    const config = { earlyCutSeriesMin: seriesMin }
    const { env, cuts, shard } = await createShard(disk, { config })
    const gone = Array.from({ length: 30 }, (_, i): Sample => [`gone-${i}`, START + MINUTE, i])
    pushAll(shard, 't', gone)
    for (let minute = 1; minute <= 30; minute++) {
      pushAll(shard, 't', [['kept', START + minute * MINUTE, minute]])
      await env.timers.advance(MINUTE)
      await shard.rest()
    }
    const isCut = seriesMin > 0
    assert.equal(shard.ingester.head.seriesCount(), isCut ? 1 : 31)
    const inBlocks = await cuts.samples(disk, 't')
    assert.deepEqual(inBlocks.get('gone-7'), isCut ? [[START + MINUTE, 7]] : undefined)
    const { entries } = await cuts.blockList.calls.blocks({ tenant: 't' })
    assert.ok(entries.length <= 2, `${entries.length} blocks`)
    const kept = [...(inBlocks.get('kept') ?? []), ...(await shard.read('t', 'kept'))]
    // Those of the chunk that was being written are in both until it closes.
    assert.equal(new Set(kept.map(([t]) => t)).size, 30)
  }
})

test('memory is given back: a head with churn does not grow from cut to cut', async () => {
  const disk = new FakeDisk()
  const { env, shard } = await createShard(disk)
  const used: number[] = []
  for (let round = 0; round < 8; round++) {
    const from = START + round * RANGE
    const samples: Sample[] = []
    for (let t = 0; t < 5; t++) {
      for (let n = 0; n < 500; n++) {
        samples.push([`m_${round}_${n}`, from + t * 20 * MINUTE, Math.sin(n * t)])
      }
    }
    pushAll(shard, 't', samples)
    env.clock.set(from + RANGE)
    await shard.flush('t')
    assert.equal(shard.ingester.head.seriesCount(), 0)
    used.push(shard.ingester.head.memoryUse().used + shard.ingester.head.reusableBytes())
  }
  assert.equal(used.at(-1), used[1], used.join(' '))
  assert.ok(shard.ingester.head.refEnd() <= 500)
})
