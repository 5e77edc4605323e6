/** The log: what was appended comes back, and damage costs what is damaged and nothing more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { type Head, HeadReader, type ReadBuffer } from '../../../../src/shared/tsdb/index.js'
import { listSegments } from '../../../../src/shared/tsdb/wal/reader.js'
import {
  type ReplayDamage,
  type ReplayProgress,
  replaySteps,
} from '../../../../src/shared/tsdb/wal/replay.js'
import { WalWriter } from '../../../../src/shared/tsdb/wal/writer.js'
import { FakeDisk } from '../../../support/fake-disk.js'
import { createTestHead, headModule } from '../../../support/head-source.js'

const FOLDER = 'data/wal'
const START = 1_700_000_000_000

/** A head, its log, and what was acknowledged: time → value per series name. */
class Store {
  readonly head: Head = createTestHead()
  readonly damage: ReplayDamage[] = []
  readonly progress: ReplayProgress
  readonly writer: WalWriter
  private readonly reader = new HeadReader(this.head.view.memory, headModule(), 0)
  private readonly out: ReadBuffer = {
    ts: new Float64Array(0),
    values: new Float64Array(0),
    count: 0,
  }

  constructor(disk: FakeDisk, options: { folders?: string[]; segmentBytesMax?: number } = {}) {
    const logs = [FOLDER, ...(options.folders ?? [])].map((folder, index) => ({
      folder,
      damagedFolder: `${folder}-damaged`,
      isOwn: index === 0,
    }))
    const steps = replaySteps({
      disk,
      head: this.head,
      logs,
      onDamage: (damage) => this.damage.push(damage),
    })
    let next = steps.next()
    while (next.done !== true) next = steps.next()
    this.progress = next.value
    let created = this.progress.createdMax
    this.writer = new WalWriter({
      disk,
      folder: FOLDER,
      createdMs: () => ++created,
      ...(options.segmentBytesMax === undefined
        ? {}
        : { segmentBytesMax: options.segmentBytesMax }),
    })
  }

  /** One turn: samples of many series of one tenant. False when the write failed. */
  push(
    tenant: string,
    samples: readonly (readonly [name: string, t: number, v: number])[],
  ): boolean {
    const { head } = this
    const { kernel } = head
    for (const [i, [name, t, v]] of samples.entries()) {
      head.refs[i] = head.getOrCreate(tenant, labelsOf({ __name__: name }))
      head.times[i] = t
      head.values[i] = v
    }
    kernel.clearRange()
    kernel.logBegin()
    const accepted = kernel.check(0, samples.length, Number.NEGATIVE_INFINITY, Infinity, Infinity)
    assert.equal(kernel.logSamples(head.tenant(tenant)!, 0, accepted), 1)
    try {
      this.writer.append(head.logBatch(), { sampleCount: accepted, ...head.acceptedRange() })
    } catch {
      kernel.rollback(0, accepted)
      kernel.logForget()
      return false
    }
    assert.equal(kernel.append(0, accepted), accepted)
    kernel.publish(0, accepted)
    return true
  }

  read(tenant: string, name: string): [number, number][] {
    const matchers = [{ name: '__name__', op: '=', value: name }] as const
    const refs = this.head.select(tenant, matchers, -Infinity, Infinity)
    if (refs.length === 0) return []
    assert.equal(refs.length, 1)
    this.reader.read(refs[0]!, -Infinity, Infinity, this.out)
    return Array.from({ length: this.out.count }, (_, i) => [this.out.ts[i]!, this.out.values[i]!])
  }
}

/** Bodies of ten series each; series of later bodies are partly new. */
function bodyOf(index: number): [string, number, number][] {
  return Array.from({ length: 10 }, (_, i) => [
    `series_${(index >> 3) * 3 + i}`,
    START + index * 1000,
    index * 100 + i,
  ])
}

function expectedOf(bodies: readonly (readonly (readonly [string, number, number])[])[]) {
  const expected = new Map<string, [number, number][]>()
  for (const body of bodies) {
    for (const [name, t, v] of body) {
      const list = expected.get(name) ?? []
      list.push([t, v])
      expected.set(name, list)
    }
  }
  return expected
}

function assertHolds(store: Store, bodies: readonly (readonly [string, number, number][])[]): void {
  for (const [name, samples] of expectedOf(bodies)) {
    assert.deepEqual(store.read('t', name), samples, name)
  }
}

test('replays what was written, over several segments and several lives', () => {
  const disk = new FakeDisk()
  const bodies: [string, number, number][][] = []
  for (let life = 0; life < 4; life++) {
    const store = new Store(disk, { segmentBytesMax: 4096 })
    assertHolds(store, bodies)
    assert.deepEqual(store.damage, [])
    assert.equal(store.progress.samples, bodies.length * 10 + life)
    for (let i = 0; i < 40; i++) {
      bodies.push(bodyOf(bodies.length))
      assert.ok(store.push('t', bodies.at(-1)!))
    }
    store.push('other', [['series_0', START + life, life]])
  }
  const store = new Store(disk)
  assertHolds(store, bodies)
  assert.equal(store.read('other', 'series_0').length, 4)
  assert.ok(listSegments(disk, FOLDER).length > 4)
})

test('a torn end costs the torn batch, is cut once, and the next life goes on', () => {
  for (const cut of [1, 20, 31, 40, 100]) {
    const disk = new FakeDisk()
    const store = new Store(disk)
    for (let i = 0; i < 5; i++) store.push('t', bodyOf(i))
    const path = listSegments(disk, FOLDER)[0]!.path
    const before = disk.readFile(path).length
    store.push('t', bodyOf(5))
    disk.open(path, 'update').truncate(before + cut)
    const next = new Store(disk)
    assertHolds(next, [0, 1, 2, 3, 4].map(bodyOf))
    assert.equal(next.progress.tornBytes, cut)
    assert.equal(next.progress.damagedBatches, 0)
    assert.ok(next.push('t', bodyOf(5)))
    const third = new Store(disk)
    assertHolds(third, [0, 1, 2, 3, 4, 5].map(bodyOf))
    assert.deepEqual(third.damage, [])
  }
})

test('a flipped bit anywhere costs one batch at most, and the batch is kept', () => {
  const pristine = new FakeDisk()
  const writing = new Store(pristine)
  // The same ten series in all bodies: their records are in the first batch.
  const bodies = Array.from({ length: 12 }, (_, i) =>
    bodyOf(0).map(([name, t, v]): [string, number, number] => [name, t + i, v + i]),
  )
  writing.push('t', bodies[0]!)
  const path = listSegments(pristine, FOLDER)[0]!.path
  const firstEnd = pristine.readFile(path).length
  for (const body of bodies.slice(1)) writing.push('t', body)
  const bytes = pristine.readFile(path)
  for (let at = 0; at < bytes.length; at += 13) {
    const disk = new FakeDisk()
    disk.makeFolder(FOLDER)
    const flipped = bytes.slice()
    flipped[at]! ^= 1 << (at & 7)
    disk.open(path, 'create').write(flipped)
    const store = new Store(disk)
    const lost = bodies.filter((body) => {
      const [name, t, v] = body[9]!
      return !store.read('t', name).some(([time, value]) => time === t && value === v)
    })
    const isSeriesHit = at >= 32 && at < firstEnd
    assert.ok(lost.length <= 1 || isSeriesHit, `bit ${at}: ${lost.length} batches lost`)
    for (const [name, samples] of expectedOf(bodies)) {
      const known = new Set(samples.map(String))
      for (const sample of store.read('t', name)) {
        assert.ok(known.has(String(sample)), `bit ${at}: a sample that was never sent`)
      }
    }
    if (at >= 32) assert.ok(store.damage.length > 0, `bit ${at} went unnoticed`)
    const isKept = disk.paths().some((name) => name.startsWith(`${FOLDER}-damaged/`))
    if (at >= 32) assert.ok(isKept || store.progress.tornBytes > 0, `bit ${at}`)
  }
})

test('a lost series record costs the samples of its own series only', () => {
  const disk = new FakeDisk()
  const store = new Store(disk)
  store.push('t', [['a', START, 1]])
  const path = listSegments(disk, FOLDER)[0]!.path
  const at = disk.readFile(path).length
  store.push('t', [['b', START, 1]])
  for (let i = 1; i < 5; i++) {
    store.push('t', [
      ['a', START + i, i],
      ['b', START + i, i],
    ])
  }
  const file = disk.open(path, 'update')
  file.write(Uint8Array.of(0xff), at + 40)
  const next = new Store(disk)
  assert.equal(next.read('t', 'a').length, 5)
  assert.deepEqual(next.read('t', 'b'), [])
  assert.equal(next.progress.samplesUnknown, 4)
  // The number of the lost series may be given again; its old samples must not come with it.
  next.push('t', [['c', START + 100, 100]])
  next.push('t', [['b', START + 100, 100]])
  const third = new Store(disk)
  assert.deepEqual(third.read('t', 'c'), [[START + 100, 100]])
  assert.deepEqual(third.read('t', 'b'), [[START + 100, 100]])
  assert.equal(third.read('t', 'a').length, 5)
})

test('missing, empty and headless segments are reported, the rest is there', () => {
  const disk = new FakeDisk()
  const store = new Store(disk, { segmentBytesMax: 400 })
  const bodies = Array.from({ length: 12 }, (_, i) => bodyOf(i % 8))
  for (let i = 0; i < 8; i++) store.push('t', bodies[i]!)
  const segments = listSegments(disk, FOLDER)
  assert.ok(segments.length >= 4)
  disk.remove(segments[1]!.path)
  disk.open(segments[2]!.path, 'update').truncate(0)
  disk.open(segments[3]!.path, 'update').truncate(17)
  const next = new Store(disk)
  assert.deepEqual(
    next.damage
      .filter(({ reason }) => reason !== 'unknown-series')
      .map(({ path, reason }) => [path.slice(-8), reason]),
    [
      ['00000002', 'missing'],
      // How long the third was stood in the fourth.
      ['00000003', 'crc'],
      ['00000004', 'crc'],
      ['00000004', 'cut'],
    ],
  )
  assert.ok(next.push('t', [['more', START + 1e6, 1]]))
  assert.deepEqual(new Store(disk).read('t', 'more'), [[START + 1e6, 1]])
})

test('refuses a log of a newer format', () => {
  const disk = new FakeDisk()
  const store = new Store(disk)
  store.push('t', bodyOf(0))
  const path = listSegments(disk, FOLDER)[0]!.path
  const bytes = disk.readFile(path).slice(0, 32)
  const header = Buffer.from(bytes)
  header.writeUInt32LE(2, 8)
  header.writeUInt32LE(crcOf(header.subarray(0, 28)), 28)
  disk.open(path, 'update').write(header, 0)
  assert.throws(() => new Store(disk), { id: 'data-version' })
})

test('a write that fails or is short leaves nothing behind, and its series are logged later', () => {
  for (const fault of [{ fail: 'ENOSPC' }, { shortBytes: 0 }, { shortBytes: 50 }] as const) {
    for (const isCutBroken of [false, true]) {
      const disk = new FakeDisk()
      const store = new Store(disk)
      assert.ok(store.push('t', bodyOf(0)))
      disk.fault = (call) => {
        if (call.what === 'write') return fault
        return isCutBroken && call.what === 'truncate' ? { fail: 'EIO' } : undefined
      }
      assert.equal(store.push('t', [['new', START, 1], ...bodyOf(1)]), false)
      assert.equal(store.push('t', [['new', START, 1], ...bodyOf(1)]), false)
      assert.deepEqual(store.read('t', 'new'), [])
      assert.equal(store.read('t', 'series_0').length, 1)
      disk.fault = () => undefined
      assert.ok(store.push('t', [['new', START, 1], ...bodyOf(1)]))
      const next = new Store(disk)
      assertHolds(next, [bodyOf(0), bodyOf(1), [['new', START, 1]]])
      if (!isCutBroken) assert.deepEqual(next.damage, [])
    }
  }
})

test('after a failed sync the next batch goes to a new segment', () => {
  const disk = new FakeDisk()
  const store = new Store(disk)
  store.push('t', bodyOf(0))
  disk.fault = (call) => (call.what === 'sync' ? { fail: 'EIO' } : undefined)
  assert.throws(() => store.writer.sync(), { id: 'disk-failed' })
  assert.equal(store.push('t', bodyOf(1)), false, 'no new segment can be made')
  disk.fault = () => undefined
  assert.ok(store.push('t', bodyOf(1)))
  assertHolds(new Store(disk), [bodyOf(0), bodyOf(1)])
})

test('what was synced survives a power loss, whenever it comes', () => {
  for (let crashAt = 1; crashAt < 30; crashAt++) {
    const disk = new FakeDisk()
    const store = new Store(disk, { segmentBytesMax: 1500 })
    let synced = 0
    for (let i = 0; i < crashAt; i++) {
      store.push('t', bodyOf(i))
      if (i % 3 === 0) {
        store.writer.sync()
        synced = i + 1
      }
    }
    disk.crash()
    const next = new Store(disk)
    for (let i = 0; i < synced; i++) {
      const [name, t, v] = bodyOf(i)[3]!
      assert.ok(next.read('t', name).some(([time, value]) => time === t && value === v))
    }
    assert.deepEqual(next.damage, [])
  }
})

test('folders of former shards are replayed in the order in which they were written', () => {
  const disk = new FakeDisk()
  const other = 'old/wal'
  // The series moves between two logs, back and forth.
  new Store(disk).push('t', [['moving', START, 0]])
  swapFolders(disk, other)
  let store = new Store(disk, { folders: [other] })
  assert.deepEqual(store.read('t', 'moving'), [[START, 0]])
  store.push('t', [['moving', START + 1, 1]])
  swapFolders(disk, other)
  store = new Store(disk, { folders: [other] })
  store.push('t', [['moving', START + 2, 2]])
  swapFolders(disk, other)
  store = new Store(disk, { folders: [other] })
  assert.deepEqual(store.read('t', 'moving'), [
    [START, 0],
    [START + 1, 1],
    [START + 2, 2],
  ])
})

function swapFolders(disk: FakeDisk, other: string): void {
  disk.makeFolder(FOLDER)
  disk.makeFolder(other)
  disk.rename(FOLDER, 'swap')
  disk.rename(other, FOLDER)
  disk.rename('swap', other)
}

function crcOf(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}
