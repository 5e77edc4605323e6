/** Chunk files of a shard: through restarts, snapshots, cuts and short memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeDisk } from '../../support/fake-disk.js'
import { createFakeEnv, type FakeEnv } from '../../support/fake-env.js'
import { CutBed, type Sample, Shard, type ShardOptions } from './harness.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const RANGE = 2 * HOUR
const START = Math.ceil(1_700_000_000_000 / RANGE) * RANGE
const FOLDER = 'data/ingester-0/chunks/'
const SERIES = ['a', 'b', 'c', 'd', 'e']
/** Everything older than half an hour is spilled as soon as there is a closed chunk. */
const EAGER: ShardOptions = { config: { spillBytes: 1, spillAfterMs: HOUR / 2 } }

const value = (name: string, t: number): number => Math.sin(t / 1_000) + name.charCodeAt(0)

function samplesOf(name: string, from: number, to: number): Sample[] {
  const samples: Sample[] = []
  for (let t = from; t < to; t += 10_000) samples.push([name, t, value(name, t)])
  return samples
}

/** Pushes ten minutes at a time, with time going on. */
async function fill(shard: Shard, env: FakeEnv, from: number, to: number): Promise<void> {
  for (let t = from; t < to; t += 10 * MINUTE) {
    await env.timers.advance(t + 10 * MINUTE - env.clock.now())
    for (const name of SERIES) {
      assert.equal(shard.push('t', samplesOf(name, t, Math.min(to, t + 10 * MINUTE))).status, 0)
    }
    await shard.rest()
  }
}

async function assertHolds(shard: Shard, from: number, to: number): Promise<void> {
  for (const name of SERIES) {
    const wanted = samplesOf(name, from, to).map(([, t, v]) => [t, v])
    assert.deepEqual(await shard.read('t', name), wanted, name)
  }
}

const filesOf = (disk: FakeDisk): string[] => disk.paths().filter((path) => path.startsWith(FOLDER))

test('chunks go to files by their age, and a restart has them again without those files', async () => {
  const disk = new FakeDisk()
  const env = createFakeEnv({ disk, now: START })
  const shard = new Shard(env, EAGER)
  await fill(shard, env, START, START + 2 * HOUR)
  // 20 minutes a chunk; the newest ones, and what is not closed, stay.
  const spilled = env.metrics.value('nilo_ingester_chunks_spilled_total', '0')
  assert.ok(spilled >= 3 * SERIES.length && spilled <= 4 * SERIES.length, `${spilled} chunks`)
  assert.ok(filesOf(disk).length > 1)
  assert.ok(env.metrics.value('nilo_ingester_chunk_file_bytes', '0') > spilled * 100)
  await assertHolds(shard, START, START + 2 * HOUR)
  for (const path of filesOf(disk)) disk.open(path, 'update').truncate(7)
  const killed = new Shard(createFakeEnv({ disk: disk.copy(), now: env.clock.now() }), EAGER)
  await assertHolds(killed, START, START + 2 * HOUR)
})

test('a clean stop puts what was spilled into its snapshot', async () => {
  const disk = new FakeDisk()
  const env = createFakeEnv({ disk, now: START })
  const shard = new Shard(env, EAGER)
  await fill(shard, env, START, START + 2 * HOUR)
  await shard.ingester.drain()
  const after = createFakeEnv({ disk, now: env.clock.now() })
  const next = new Shard(after, EAGER)
  assert.deepEqual(filesOf(disk), [])
  const line = after.log.lines.findLast(({ msg }) => msg === 'log replayed')
  assert.equal(line?.fields['samples'], 0)
  await assertHolds(next, START, START + 2 * HOUR)
  await fill(next, after, START + 2 * HOUR, START + 2 * HOUR + 20 * MINUTE)
  assert.ok(after.metrics.value('nilo_ingester_chunks_spilled_total', '0') > 0)
  await assertHolds(next, START, START + 2 * HOUR + 20 * MINUTE)
})

test('blocks are cut from chunk files, which go then', async () => {
  const disk = new FakeDisk()
  const env = createFakeEnv({ disk, now: START })
  const cuts = new CutBed(env)
  const shard = new Shard(env, { ...EAGER, cuts })
  await shard.ready()
  await fill(shard, env, START, START + 3 * HOUR + 10 * MINUTE)
  const inBlocks = await cuts.samples(disk, 't')
  for (const name of SERIES) {
    const wanted = samplesOf(name, START, START + RANGE).map(([, t, v]) => [t, v])
    assert.deepEqual(inBlocks.get(name), wanted, name)
  }
  await assertHolds(shard, START + RANGE, START + 3 * HOUR + 10 * MINUTE)
  await shard.flush('t')
  await env.timers.advance(2_000)
  await shard.rest()
  await env.timers.advance(2_000)
  await shard.rest()
  assert.deepEqual(filesOf(disk), [])
  assert.equal(env.metrics.value('nilo_ingester_chunk_file_bytes', '0'), 0)
})

test('a disk that refuses chunk files holds up nothing', async () => {
  const disk = new FakeDisk()
  const env = createFakeEnv({ disk, now: START })
  const shard = new Shard(env, EAGER)
  const open = disk.open.bind(disk)
  disk.open = (path, mode) => {
    if (path.startsWith(FOLDER) && mode === 'create') throw new Error('no room')
    return open(path, mode)
  }
  await fill(shard, env, START, START + 2 * HOUR)
  assert.ok(env.metrics.value('nilo_ingester_chunk_spills_failed_total', '0') > 1)
  await assertHolds(shard, START, START + 2 * HOUR)
  disk.open = open
  await fill(shard, env, START + 2 * HOUR, START + 2 * HOUR + 10 * MINUTE)
  assert.ok(env.metrics.value('nilo_ingester_chunks_spilled_total', '0') > 0)
  await assertHolds(shard, START, START + 2 * HOUR + 10 * MINUTE)
})

test('a chunk file that is damaged is listed, and all else goes on', async () => {
  const disk = new FakeDisk()
  const env = createFakeEnv({ disk, now: START })
  const shard = new Shard(env, EAGER)
  await fill(shard, env, START, START + 2 * HOUR)
  const [path] = filesOf(disk)
  const bytes = disk.readFile(path!)
  const position = 32 + 12 + 5
  disk.open(path!, 'update').write(Uint8Array.of(bytes[position]! ^ 1), position)
  // The first series' newest chunk of the first pass stands first.
  await assert.rejects(shard.read('t', 'a'), /is damaged at 32/)
  await assert.rejects(shard.read('t', 'a'), /is damaged at 32/)
  assert.deepEqual(
    (await shard.read('t', 'b')).length,
    samplesOf('b', START, START + 2 * HOUR).length,
  )
  await env.timers.advance(2_000)
  await shard.rest()
  const [entry, ...others] = shard.ingester.damage()
  assert.deepEqual(others, [])
  assert.equal(entry!['tenants'], 't')
  assert.equal(entry!['path'], path)
  assert.equal(entry!['position'], 32)
  const [from, to] = [Date.parse(`${entry!['from']}`), Date.parse(`${entry!['to']}`)]
  assert.ok(from >= START && from < to && to < START + HOUR)
  assert.equal((to - from) / 10_000 + 1, entry!['samples'])
  assert.equal(env.metrics.value('nilo_ingester_damage_total', '0', 'chunk-file'), 1)
  assert.ok(env.log.lines.some(({ msg }) => msg === 'a chunk file is damaged'))
  assert.equal(shard.push('t', [['a', START + 2 * HOUR, 1]]).status, 0)
  const next = new Shard(createFakeEnv({ disk: disk.copy(), now: env.clock.now() }), EAGER)
  assert.deepEqual(next.ingester.damage(), [])
  assert.equal((await next.read('t', 'a')).length, 721)
})
