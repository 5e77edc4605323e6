import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { encodeLabels } from '../../../src/shared/tsdb/head/label-bytes.js'
import { WalWriter } from '../../../src/shared/tsdb/index.js'
import { BATCH_HEADER_BYTES } from '../../../src/shared/tsdb/wal/format.js'
import {
  ACK_OK,
  ACK_REJECTED,
  encodeExemplarRecord,
  encodeHistogramRecord,
} from '../../../src/shared/wire/frames/index.js'
import type { FakeDisk } from '../../support/fake-disk.js'
import { createFakeEnv, type FakeEnv } from '../../support/fake-env.js'
import { type Sample, Shard } from './harness.js'

const START = 1_700_000_000_000
const FOLDER = 'data/ingester-0'
/** Long enough for closed chunks. */
const BODIES = 300
const SERIES = 12

/** Body i: a sample of every series, and in every tenth a new one. */
function bodyOf(i: number): Sample[] {
  const samples: Sample[] = []
  for (let s = 0; s < SERIES; s++) samples.push([`s${s}`, START + i * 1000, (i * 7 + s) % 13])
  if (i % 10 === 0) samples.push([`late${i}`, START + i * 1000, i])
  return samples
}

async function settle(shard: Shard, env: FakeEnv): Promise<void> {
  for (let i = 0; i < 60; i++) {
    shard.settle()
    await env.timers.advance(1)
  }
}

async function fill(shard: Shard, env: FakeEnv, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    assert.equal(shard.push(i % 2 === 0 ? 'even' : 'odd', bodyOf(i)).status, 0)
    if (i % 5 === 0) await env.timers.advance(1)
  }
  await settle(shard, env)
}

async function assertHolds(shard: Shard, to: number, from = 0): Promise<void> {
  for (const [tenant, parity] of [
    ['even', 0],
    ['odd', 1],
  ] as const) {
    for (let s = 0; s < SERIES; s++) {
      const expected: [number, number][] = []
      for (let i = from; i < to; i++) {
        if (i % 2 === parity) expected.push([START + i * 1000, (i * 7 + s) % 13])
      }
      assert.deepEqual(await shard.read(tenant, `s${s}`), expected, `${tenant} s${s}`)
    }
  }
  for (let i = from; i < to; i += 10) {
    assert.deepEqual(await shard.read('even', `late${i}`), [[START + i * 1000, i]])
  }
}

function snapshotsOf(disk: FakeDisk): string[] {
  return disk.paths().filter((path) => path.startsWith(`${FOLDER}/snapshot.`))
}

function segmentsOf(disk: FakeDisk): string[] {
  return disk.paths().filter((path) => /\/wal\/\d{8}$/.test(path) && path.startsWith(FOLDER))
}

function flip(disk: FakeDisk, path: string, at: number): void {
  const byte = disk.readFile(path)[at]!
  disk.open(path, 'update').write(Uint8Array.of(byte ^ 0x10), at)
}

const OFTEN = { config: { snapshotLogBytes: 4000, walSegmentBytesMax: 1500 } }

test('snapshots bound the log, and a killed shard comes back whole from them', async () => {
  const env = createFakeEnv()
  let shard = new Shard(env, OFTEN)
  let done = 0
  for (let life = 0; life < 3; life++) {
    await fill(shard, env, done, done + BODIES / 3)
    done += BODIES / 3
    assert.equal(snapshotsOf(env.disk).length, 2)
    const first = Number(segmentsOf(env.disk)[0]!.slice(-8))
    assert.equal(first, Number(snapshotsOf(env.disk)[0]!.slice(-8)))
    shard = new Shard(env, OFTEN)
    await assertHolds(shard, done)
  }
  assert.ok(env.metrics.value('nilo_ingester_snapshots_total', '0') >= 6)
})

test('after a clean stop nothing is replayed, and what an idle life leaves is not rewritten', async () => {
  const env = createFakeEnv()
  const first = new Shard(env)
  await fill(first, env, 0, BODIES)
  await first.ingester.drain()
  assert.equal(snapshotsOf(env.disk).length, 1)
  const second = new Shard(env)
  const line = env.log.lines.findLast(({ msg }) => msg === 'log replayed')
  assert.equal(line?.fields['samples'], 0)
  assert.equal(line?.fields['snapshots'], 1)
  await assertHolds(second, BODIES)
  await second.ingester.drain()
  assert.equal(snapshotsOf(env.disk).length, 1)
  const third = new Shard(env)
  await fill(third, env, BODIES, BODIES + 200)
  await assertHolds(new Shard(env), BODIES + 200)
})

test('a snapshot that was interrupted is removed, its log is replayed', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env, { config: { snapshotLogBytes: 1e9 } })
  await fill(shard, env, 0, 40)
  env.disk.open(`${FOLDER}/snapshot.00000007.tmp`, 'create').write(Buffer.from('NILOSNAP'))
  const next = new Shard(env)
  await assertHolds(next, 40)
  assert.deepEqual(snapshotsOf(env.disk), [])
})

test('with the newest snapshot damaged anywhere, the older one and the log have everything', async () => {
  const pristine = createFakeEnv()
  const shard = new Shard(pristine, OFTEN)
  await fill(shard, pristine, 0, 120)
  const [, newest] = snapshotsOf(pristine.disk)
  const size = pristine.disk.readFile(newest!).length
  for (let at = 0; at < size; at += Math.ceil(size / 40)) {
    const env = createFakeEnv({ disk: copyOf(pristine) })
    flip(env.disk, newest!, at)
    const next = new Shard(env)
    await assertHolds(next, 120)
    assert.ok(env.metrics.value('cortex_ingester_tsdb_wal_corruptions_total') > 0, `at ${at}`)
    // And it goes on from there.
    await fill(next, env, 120, 130)
    await assertHolds(new Shard(env), 130)
  }
  for (const change of ['cut', 'gone'] as const) {
    const env = createFakeEnv({ disk: copyOf(pristine) })
    if (change === 'gone') env.disk.remove(newest!)
    else env.disk.open(newest!, 'update').truncate(size >> 1)
    await assertHolds(new Shard(env), 120)
  }
})

test('with both snapshots damaged no series answers with what is not its own', async () => {
  const pristine = createFakeEnv()
  const shard = new Shard(pristine, OFTEN)
  await fill(shard, pristine, 0, 120)
  for (let round = 0; round < 20; round++) {
    const env = createFakeEnv({ disk: copyOf(pristine), seed: round })
    for (const path of snapshotsOf(env.disk)) {
      flip(env.disk, path, env.prng.below(env.disk.readFile(path).length))
    }
    const next = new Shard(env)
    for (let s = 0; s < SERIES; s++) {
      for (const [t, v] of await next.read('even', `s${s}`)) {
        const i = (t - START) / 1000
        assert.equal(v, (i * 7 + s) % 13)
        assert.equal(i % 2, 0)
      }
    }
    assert.ok(env.metrics.value('cortex_ingester_tsdb_wal_corruptions_total') > 0)
  }
})

test('a newer snapshot format refuses the start', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env)
  await fill(shard, env, 0, 10)
  await shard.ingester.drain()
  const [path] = snapshotsOf(env.disk)
  const { encodeSnapshotHeader } = await import('../../../src/shared/tsdb/snapshot/format.js')
  const { crc32c } = await import('../../../src/shared/base/crc32c.js')
  const header = encodeSnapshotHeader({ createdMs: 1, nextNumber: 1 })
  header.writeUInt32LE(99, 8)
  header.writeUInt32LE(crc32c(header.subarray(0, 28)), 28)
  env.disk.open(path!, 'update').write(header, 0)
  assert.throws(() => new Shard(env), { id: 'data-version' })
})

test('a shard that takes over another one has its snapshots too', async () => {
  const env = createFakeEnv()
  const zero = new Shard(env, { ...OFTEN, shardCount: 2 })
  const one = new Shard(env, { ...OFTEN, shardCount: 2, index: 1 })
  zero.push('even', [['moved', START, 1]])
  for (let i = 0; i < 50; i++) one.push('even', [['moved', START + 1000 + i, i]])
  await fill(one, env, 0, 100)
  await settle(zero, env)
  const only = new Shard(env, OFTEN)
  await assertHolds(only, 100)
  assert.equal((await only.read('even', 'moved')).length, 51)
  await fill(only, env, 100, 120)
  await only.ingester.drain()
  const next = new Shard(env, OFTEN)
  await assertHolds(next, 120)
  // Its own two snapshots have all that the other one had, which is not read again.
  const line = env.log.lines.findLast(({ msg }) => msg === 'log replayed')
  assert.equal(line?.fields['snapshots'], 1)
  // Unless something was written there since. A snapshot's time of creation tells which came first.
  await env.timers.advance(60_000)
  const again = new Shard(env, { ...OFTEN, shardCount: 2, index: 1 })
  await fill(again, env, 120, 124)
  const last = new Shard(env, OFTEN)
  await assertHolds(last, 124)
})

test('a snapshot that the disk refuses costs nothing, and is taken later', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env, OFTEN)
  env.disk.fault = (call) => (call.path.includes('snapshot.') ? { fail: 'ENOSPC' } : undefined)
  await fill(shard, env, 0, 60)
  assert.deepEqual(snapshotsOf(env.disk), [])
  await assertHolds(new Shard(env, OFTEN), 60)
  env.disk.fault = () => undefined
  await env.timers.advance(2000)
  await fill(shard, env, 60, 62)
  assert.ok(snapshotsOf(env.disk).length > 0)
})

test('after a failed sync pushes wait for a snapshot', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env, { config: { walFsyncIntervalMs: 10 } })
  await fill(shard, env, 0, 10)
  env.disk.fault = (call) => (call.what === 'sync' ? { fail: 'EIO' } : undefined)
  shard.push('even', bodyOf(10))
  await env.timers.advance(50)
  await settle(shard, env)
  assert.equal(shard.ingester.status().isServing, false)
  assert.notEqual(shard.push('odd', bodyOf(11)).status, 0)
  env.disk.fault = () => undefined
  await env.timers.advance(3000)
  await settle(shard, env)
  await env.timers.advance(3000)
  await settle(shard, env)
  assert.equal(shard.ingester.status().isServing, true)
  assert.equal(snapshotsOf(env.disk).length, 1)
  await fill(shard, env, 11, 30)
  env.disk.crash()
  const next = new Shard(env)
  assert.equal((await next.read('even', 's0'))[5]?.[0], START + 10_000)
})

/** A histogram with start time, and an exemplar. */
function recordsOf(i: number): Uint8Array[] {
  const buckets = { spans: Int32Array.of(0, 1), deltas: Float64Array.of(i) }
  const histogram = {
    counterResetHint: 'unknown',
    schema: 1,
    zeroThreshold: 0.001,
    zeroCount: 0,
    count: i,
    sum: i,
    positive: buckets,
    negative: { spans: new Int32Array(), deltas: new Float64Array() },
    customValues: new Float64Array(),
  } as const
  const label = encodeLabels(labelsOf({ trace_id: `trace-${i}` }))
  return [
    encodeHistogramRecord(START + i * 1000, histogram, START - 5000),
    encodeExemplarRecord(START + i * 1000, i, label),
  ]
}

test('histograms that come again in the same turn are no duplicates, others are', () => {
  const shard = new Shard(createFakeEnv())
  shard.push('t', [['h', START - 9000, 1]])
  const other = recordsOf(2)
  new DataView(other[0]!.buffer, other[0]!.byteOffset).setFloat64(16, START + 1000, true)
  for (const records of [recordsOf(1), recordsOf(1), other]) shard.sendRecords('t', 'h', records)
  const acks = shard.settle()
  assert.deepEqual(
    acks.map(({ status }) => status),
    [ACK_OK, ACK_OK, ACK_REJECTED],
  )
  assert.match(acks[2]!.text, /err-mimir-sample-duplicate-timestamp/)
})

test('histograms and exemplars are in snapshots, which go on being taken', async () => {
  const env = createFakeEnv()
  const options = { ...OFTEN, limits: { max_global_exemplars_per_user: 50 } }
  const shard = new Shard(env, options)
  shard.push('t', [['h', START - 9000, 1]])
  for (let i = 1; i <= 200; i++) {
    assert.equal(shard.pushRecords('t', 'h', recordsOf(i)).status, 0)
    if (i % 5 === 0) await env.timers.advance(1)
  }
  await settle(shard, env)
  assert.equal(snapshotsOf(env.disk).length, 2)
  assert.ok(env.metrics.value('nilo_ingester_snapshots_total', '0') > 3)
  const next = new Shard(env, options)
  const chunksOf = ({ ingester }: Shard): string[] =>
    ingester.head.histograms.chunks(0).map(({ bytes }) => Buffer.from(bytes).toString('hex'))
  const samples = chunksOf(shard).reduce(
    (sum, hex) => sum + Number.parseInt(hex.slice(0, 4), 16),
    0,
  )
  // The first one is the start's.
  assert.equal(samples, 201)
  assert.deepEqual(chunksOf(next), chunksOf(shard))
  const times = ({ ingester }: Shard): number[] => ingester.head.exemplars.list(0).map(({ t }) => t)
  assert.deepEqual(times(next), times(shard))
  assert.ok(times(next).length > 0)
})

test('a log with records that a snapshot cannot hold is kept, in this life and the next', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env, OFTEN)
  await fill(shard, env, 0, 5)
  const writer = new WalWriter({ disk: env.disk, folder: `${FOLDER}/wal`, createdMs: () => 9e12 })
  const batch = Buffer.alloc(BATCH_HEADER_BYTES + 8)
  batch.writeUInt32LE(15, BATCH_HEADER_BYTES)
  writer.append(batch, { sampleCount: 0, mint: 0, maxt: 0 })
  assert.equal(writer.kindsAppended(), 1 << 15)
  const next = new Shard(env, OFTEN)
  await fill(next, env, 5, 60)
  await next.ingester.drain()
  assert.deepEqual(snapshotsOf(env.disk), [])
  await assertHolds(new Shard(env, OFTEN), 60)
})

function copyOf(env: FakeEnv): FakeDisk {
  return env.disk.copy()
}
