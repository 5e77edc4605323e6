/** Turns of an ingester: what is taken, refused, logged, acknowledged, and what a restart brings. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ACK_OK,
  ACK_REJECTED,
  ACK_RETRY,
  ACK_UNBOUND,
  FRAME_METADATA,
  METADATA_HEADER_BYTES,
  METADATA_RECORD_HEADER_BYTES,
  padTo8,
} from '../../../src/shared/wire/frames/index.js'
import { FakeDisk } from '../../support/fake-disk.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { type Sample, Shard } from './harness.js'

const START = 1_700_000_000_000
const ALL = { mint: -Infinity, maxt: Infinity }

test('stores what it acknowledges, by tenant', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env)
  assert.deepEqual(
    shard.push('a', [
      ['x', START, 1],
      ['y', START, 2],
    ]).status,
    ACK_OK,
  )
  assert.deepEqual(shard.push('b', [['x', START, 3]]).status, ACK_OK)
  assert.deepEqual(shard.push('a', [['x', START + 1000, 4]]).status, ACK_OK)
  assert.deepEqual(await shard.read('a', 'x'), [
    [START, 1],
    [START + 1000, 4],
  ])
  assert.deepEqual(await shard.read('b', 'x'), [[START, 3]])
  assert.deepEqual(await shard.read('b', 'y'), [])
  assert.equal(env.metrics.value('cortex_ingester_memory_series'), 3)
  assert.equal(env.metrics.value('cortex_ingester_memory_series_created_total', 'a'), 2)
  assert.equal(env.metrics.value('cortex_ingester_ingested_samples_total', 'a'), 3)
})

test('rejects older samples and other values, stores the rest, says why once', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env)
  shard.push('t', [
    ['x', START, 1],
    ['y', START, 1],
  ])
  const ack = shard.push('t', [
    ['y', START, 2],
    ['x', START - 1000, 1],
    ['x', START + 500, 2],
    ['z', START, 9],
    ['x', START + 400, 2],
  ])
  assert.equal(ack.status, ACK_REJECTED)
  assert.deepEqual(ack.counts, { sample_out_of_order: 2, sample_duplicate_timestamp: 1 })
  assert.match(ack.text, /^ingester-0: user=t: .*\(err-mimir-sample-duplicate-timestamp\)/)
  assert.match(ack.text, /timestamp 2023-11-14T22:13:20Z .*\{__name__="y", job="test"\}$/)
  assert.deepEqual(await shard.read('t', 'x'), [
    [START, 1],
    [START + 500, 2],
  ])
  assert.deepEqual(await shard.read('t', 'z'), [[START, 9]])
  const discarded = (reason: string): number =>
    env.metrics.value('cortex_discarded_samples_total', reason, 't')
  assert.equal(discarded('sample_out_of_order'), 2)
  assert.equal(discarded('sample_duplicate_timestamp'), 1)
})

test('takes a repeated body in silence, also when newer samples came since', async () => {
  const shard = new Shard(createFakeEnv())
  const body: Sample[] = [
    ['x', START, 1],
    ['y', START, 2],
  ]
  shard.push('t', body)
  shard.push('t', [['x', START + 15_000, 3]])
  assert.deepEqual(shard.push('t', body), { requestId: 3, status: ACK_OK, counts: {}, text: '' })
  assert.deepEqual(await shard.read('t', 'x'), [
    [START, 1],
    [START + 15_000, 3],
  ])
})

test('refuses what is an hour behind the newest sample of the tenant', async () => {
  const shard = new Shard(createFakeEnv())
  shard.push('t', [['x', START, 1]])
  const ack = shard.push('t', [
    ['new', START - 3_600_001, 1],
    ['other', START - 3_600_000, 1],
  ])
  assert.deepEqual(ack.counts, { sample_timestamp_too_old: 1 })
  assert.match(ack.text, /err-mimir-sample-timestamp-too-old/)
  assert.equal(shard.push('u', [['new', START - 9_000_000, 1]]).status, ACK_OK)
  assert.deepEqual(await shard.read('t', 'other'), [[START - 3_600_000, 1]])
})

test('frames of one turn count for each other', async () => {
  const shard = new Shard(createFakeEnv())
  shard.send('t', [['x', START + 10, 1]])
  shard.send('t', [['x', START, 0]])
  shard.send('t', [['x', START + 10, 1]])
  shard.send('t', [['x', START + 10, 2]])
  assert.deepEqual(
    shard.settle().map((ack) => ack.status),
    [ACK_OK, ACK_REJECTED, ACK_OK, ACK_REJECTED],
  )
  assert.deepEqual(await shard.read('t', 'x'), [[START + 10, 1]])
})

test('acknowledges a body of several frames once, with the worst of them', () => {
  const shard = new Shard(createFakeEnv())
  shard.send(
    't',
    [
      ['x', START, 1],
      ['x', START - 1, 1],
    ],
    { requestId: 7, isLast: false },
  )
  shard.send('t', [['y', START, 1]], { requestId: 8 })
  shard.send('t', [['x', START + 1, 1]], { requestId: 7 })
  const acks = shard.settle()
  assert.deepEqual(
    acks.map(({ requestId, status }) => [requestId, status]),
    [
      [8, ACK_OK],
      [7, ACK_REJECTED],
    ],
  )
  assert.deepEqual(acks[1]!.counts, { sample_out_of_order: 1 })
})

test('refuses a frame with an unknown id as a whole, and forgets ids with the generation', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env)
  shard.push('t', [['x', START, 1]])
  shard.send(
    't',
    [
      ['x', START + 1, 1],
      ['unknown', START, 1],
    ],
    { undefined: true },
  )
  assert.equal(shard.settle()[0]!.status, ACK_UNBOUND)
  assert.deepEqual(await shard.read('t', 'x'), [[START, 1]])
  shard.link()
  shard.send('t', [['x', START + 1, 1]], { undefined: true })
  assert.equal(shard.settle()[0]!.status, ACK_UNBOUND)
  shard.link()
  assert.equal(shard.push('t', [['x', START + 1, 1]]).status, ACK_OK)
  assert.equal(env.metrics.value('nilo_ingester_unbound_frames_total'), 2)
})

test('sends acks later when their ring is full, and loses none', () => {
  const shard = new Shard(createFakeEnv(), { ackBytes: 128 })
  for (let i = 0; i < 20; i++) shard.send('t', [['x', START + i, i]])
  const ids: number[] = []
  for (let i = 0; i < 40; i++) {
    shard.ingester.turn()
    ids.push(...shard.takeAcks().map((ack) => ack.requestId))
  }
  assert.deepEqual(
    ids,
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
})

test('a log that cannot be written makes pushes retry, and leaves no trace of them', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env)
  shard.push('t', [['x', START, 1]])
  env.disk.fault = (call) => (call.what === 'write' ? { shortBytes: 30 } : undefined)
  const ack = shard.push('t', [
    ['x', START + 1, 2],
    ['new', START, 1],
  ])
  assert.equal(ack.status, ACK_RETRY)
  assert.equal(ack.text, 'ingester-0 cannot write its log')
  assert.equal(shard.ingester.status().isServing, false)
  assert.deepEqual(await shard.read('t', 'x'), [[START, 1]])
  assert.deepEqual(await shard.read('t', 'new'), [])
  env.disk.fault = () => undefined
  await env.clock.advance(2000)
  shard.ingester.turn()
  assert.equal(shard.ingester.status().isServing, true, 'tries by itself')
  assert.equal(
    shard.push('t', [
      ['x', START + 1, 2],
      ['new', START, 1],
    ]).status,
    ACK_OK,
  )
  const next = new Shard(createFakeEnv({ disk: env.disk }))
  assert.deepEqual(await next.read('t', 'x'), [
    [START, 1],
    [START + 1, 2],
  ])
  assert.deepEqual(await next.read('t', 'new'), [[START, 1]])
})

test('with fsync always nothing acknowledged is lost by a power failure', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env, { config: { walFsync: 'always' } })
  for (let i = 0; i < 5; i++) shard.push('t', [['x', START + i, i]])
  env.disk.crash()
  assert.equal((await new Shard(createFakeEnv({ disk: env.disk })).read('t', 'x')).length, 5)
})

test('with fsync by interval the log is synced in the background', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env)
  shard.push('t', [['x', START, 1]])
  await env.clock.advance(1001)
  shard.ingester.turn()
  await env.clock.advance(1)
  env.disk.crash()
  assert.equal((await new Shard(createFakeEnv({ disk: env.disk })).read('t', 'x')).length, 1)
})

test('while it replays, pushes retry and queries fail, but ids are learned', async () => {
  const env = createFakeEnv()
  const before = new Shard(env)
  for (let i = 0; i < 100; i++)
    before.push('t', [
      ['x', START + i, i],
      [`y${i}`, START, i],
    ])
  // Every look at this clock takes 30 ms: a slice of the replay is one batch.
  const world = createFakeEnv({ disk: env.disk })
  let now = 0
  const clock = { now: () => START, monotonic: () => (now += 30) }
  const shard = new Shard({ ...world, clock }, { isReplayLeft: true })
  const samples: Sample[] = [
    ['x', START + 1000, 1],
    ['fresh', START + 1000, 1],
  ]
  shard.send('t', samples)
  assert.ok(shard.ingester.turn())
  const [refused] = shard.takeAcks()
  assert.equal(refused!.status, ACK_RETRY)
  assert.equal(refused!.text, 'ingester-0 replays its log')
  const { readyPercent, isServing } = shard.ingester.status()
  assert.ok(readyPercent < 100 && !isServing)
  const names = shard.ingester.calls.labelNames({ tenant: 't', matchers: [], ...ALL })
  await assert.rejects(names, { id: 'overloaded' })
  shard.settle()
  assert.equal(shard.push('t', samples).status, ACK_OK)
  assert.equal(shard.ingester.status().isServing, true)
  assert.equal((await shard.read('t', 'x')).length, 101)
  assert.deepEqual(await shard.read('t', 'fresh'), [[START + 1000, 1]])
  const rejected = shard.push('t', [['z', START - 3_700_000, 1]])
  assert.deepEqual(rejected.counts, { sample_timestamp_too_old: 1 }, 'knows the newest time')
})

test('another shard count loses nothing, in whatever order counts come', async () => {
  const disk = new FakeDisk()
  let t = START
  const expected: number[] = []
  for (const count of [2, 1, 2, 3, 1, 2]) {
    const shards = Array.from(
      { length: count },
      (_, index) => new Shard(createFakeEnv({ disk, now: t }), { index, shardCount: count }),
    )
    const holder = shards[count - 1]!
    const seen = (await Promise.all(shards.map((shard) => shard.read('t', 'x')))).flat()
    assert.deepEqual(
      [...new Set(seen.map(([time]) => time))].sort((a, b) => a - b),
      expected,
      `${count} shards`,
    )
    for (let i = 0; i < 3; i++) {
      t += 1000
      expected.push(t)
      assert.equal(holder.push('t', [['x', t, t]]).status, ACK_OK)
    }
  }
})

test('wherever the disk fails for good, acknowledged samples come back and no others do', async () => {
  let failures = 0
  for (let at = 0; at < 70; at++) {
    const env = createFakeEnv({ seed: at })
    const sent = new Set<string>()
    const acked: Sample[] = []
    let calls = 0
    env.disk.fault = ({ what }) => {
      if (what === 'list' || what === 'read' || calls++ < at) return undefined
      failures++
      return what === 'write' && at % 2 === 0 ? { shortBytes: at * 3 } : { fail: 'EIO' }
    }
    try {
      const shard = new Shard(env, {
        config: { walFsync: at % 3 === 0 ? 'always' : 'interval', walSegmentBytesMax: 700 },
      })
      for (let i = 0; i < 12; i++) {
        const samples: Sample[] = [
          ['x', START + i, i],
          [`y${i % 5}`, START + i, i],
        ]
        for (const sample of samples) sent.add(String(sample))
        if (shard.push('t', samples).status === ACK_OK) acked.push(...samples)
      }
    } catch (error) {
      assert.equal((error as { id?: string }).id, 'disk-failed', 'only a start may fail')
    }
    env.disk.fault = () => undefined
    const next = new Shard(createFakeEnv({ disk: env.disk }))
    for (const [name, t, v] of acked) {
      const samples = await next.read('t', name)
      assert.ok(
        samples.some(([time, value]) => time === t && value === v),
        `call ${at}: ${name} at ${t - START} is lost`,
      )
    }
    for (const name of ['x', 'y0', 'y1', 'y2', 'y3', 'y4']) {
      for (const [t, v] of await next.read('t', name)) assert.ok(sent.has(String([name, t, v])))
    }
  }
  assert.ok(failures > 50)
})

test('a full memory rejects new series, which is counted, and known ones go on', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env, { pages: 1760, ringBytes: 1 << 22 })
  let last = shard.push('t', [['first', START, 1]])
  for (let i = 0; i < 400 && last.status === ACK_OK; i++) {
    const samples = Array.from(
      { length: 500 },
      (_, k): Sample => [`${'long_name_'.repeat(20)}${i}_${k}`, START, k],
    )
    last = shard.push('t', samples)
  }
  assert.equal(last.status, ACK_REJECTED)
  assert.match(last.text, /^ingester-0 user=t: no new series are taken/)
  assert.ok(last.counts['memory_limit']! > 0)
  assert.ok(env.metrics.value('cortex_discarded_samples_total', 'memory_limit', 't') > 0)
  assert.equal(shard.push('t', [['first', START + 1, 1]]).status, ACK_OK, 'known series go on')
})

test('keeps metadata for as long as it is heard of', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env)
  sendMetadata(shard, 'm', [
    ['up', 2, 'Whether it is.', ''],
    ['bytes_total', 1, 'Grün.', 'bytes'],
  ])
  shard.settle()
  const list = (tenant: string, metric: string) => shard.ingester.calls.metadata({ tenant, metric })
  assert.deepEqual(await list('m', ''), [
    { metric: 'up', type: 'gauge', help: 'Whether it is.', unit: '' },
    { metric: 'bytes_total', type: 'counter', help: 'Grün.', unit: 'bytes' },
  ])
  assert.equal((await list('m', 'up')).length, 1)
  assert.deepEqual(await list('other', ''), [])
  await env.clock.advance(400_000)
  sendMetadata(shard, 'm', [['up', 2, 'Whether it is.', '']])
  shard.settle()
  await env.clock.advance(400_000)
  shard.settle()
  assert.deepEqual(
    (await list('m', '')).map(({ metric }) => metric),
    ['up'],
  )
})

test('answers the label calls', async () => {
  const shard = new Shard(createFakeEnv())
  shard.push('t', [
    ['x', START, 1],
    ['y', START, 2],
    ['z', START + 5000, 2],
  ])
  const { calls } = shard.ingester
  const tenant = 't'
  const matchers = [[{ name: '__name__', op: '=~', value: 'x|y' } as const]]
  assert.deepEqual(await calls.labelNames({ tenant, matchers: [], ...ALL }), ['__name__', 'job'])
  const request = { tenant, name: '__name__', ...ALL }
  assert.deepEqual(await calls.labelValues({ ...request, matchers: [] }), ['x', 'y', 'z'])
  assert.deepEqual(await calls.labelValues({ ...request, matchers }), ['x', 'y'])
  assert.equal((await calls.series({ tenant, matchers, ...ALL })).length, 2)
  const late = { tenant, matchers: [], mint: START + 1, maxt: Infinity }
  assert.deepEqual(await calls.series(late), [
    [
      { name: '__name__', value: 'z' },
      { name: 'job', value: 'test' },
    ],
  ])
  assert.deepEqual(await calls.labelNames({ ...late, tenant: 'nobody' }), [])
})

test('drains: takes what has come and syncs it', async () => {
  const env = createFakeEnv()
  const shard = new Shard(env)
  shard.send('t', [['x', START, 1]])
  await shard.ingester.drain()
  assert.equal(shard.takeAcks()[0]!.status, ACK_OK)
  env.disk.crash()
  assert.equal((await new Shard(createFakeEnv({ disk: env.disk })).read('t', 'x')).length, 1)
})

function sendMetadata(
  shard: Shard,
  tenant: string,
  entries: readonly (readonly [metric: string, type: number, help: string, unit: string])[],
): void {
  const records = entries.map(([metric, type, help, unit]) => {
    const texts = [metric, help, unit].map((text) => Buffer.from(text))
    const body = Buffer.concat(texts)
    const record = Buffer.alloc(padTo8(METADATA_RECORD_HEADER_BYTES + body.length))
    record.writeUInt32LE(type, 0)
    for (const [i, text] of texts.entries()) record.writeUInt32LE(text.length, 4 + i * 4)
    record.set(body, METADATA_RECORD_HEADER_BYTES)
    return record
  })
  const section = Buffer.concat(records)
  const start = METADATA_HEADER_BYTES + padTo8(tenant.length)
  const at = shard.writer.reserve(FRAME_METADATA, start + section.length)
  const frame = Buffer.alloc(start + section.length)
  frame.writeUInt32LE(tenant.length, 8)
  frame.writeUInt32LE(entries.length, 12)
  frame.writeUInt32LE(section.length, 16)
  frame.write(tenant, METADATA_HEADER_BYTES)
  frame.set(section, start)
  shard.writer.data.set(frame, at)
  shard.writer.commit()
}
