/** Chunks in chunk files: read as before, bytes for bytes in snapshots and blocks, and given back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c } from '../../../../src/shared/base/crc32c.js'
import { H_EXTENTS_FREE_COUNT } from '../../../../src/shared/kernels/head-layout.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { takeLease } from '../../../../src/shared/tsdb/head/leases.js'
import {
  ChunkSpiller,
  type DamagedChunk,
  DamageNotes,
  endLeaseOf,
  type Head,
  HeadChunks,
  HeadReader,
  type ReadBuffer,
} from '../../../../src/shared/tsdb/index.js'
import { FakeDisk } from '../../../support/fake-disk.js'
import { createTestHead, headModule } from '../../../support/head-source.js'
import { snapshotSum } from './kinds-bed.js'

const SERIES = 300
const SAMPLES = 1_000
const FOLDER = 'data/ingester-0/chunks'
const ALL = { mint: Number.NEGATIVE_INFINITY, maxt: Number.POSITIVE_INFINITY }

/** Noisy, so that chunks are of all sizes. */
function noise(series: number, i: number): number {
  return Math.sin(series * 7 + i) * 10 ** (series % 9)
}

class Bed {
  readonly disk: FakeDisk
  readonly head: Head
  readonly spiller: ChunkSpiller
  readonly reader: HeadReader
  /** As the owner met it; that of other readers is in notes. */
  readonly damaged: DamagedChunk[] = []
  private numbers = 0

  constructor(disk = new FakeDisk()) {
    this.disk = disk
    this.head = createTestHead()
    for (let i = 0; i < SAMPLES; i++) this.append(i)
    this.head.openChunkFiles(disk, (chunk) => this.damaged.push(chunk))
    this.spiller = new ChunkSpiller({
      disk,
      head: this.head,
      folder: FOLDER,
      newNumber: () => ++this.numbers,
      now: () => 0,
    })
    this.reader = new HeadReader(this.head.view.memory, headModule(), 1, disk)
  }

  append(i: number): void {
    const { head } = this
    for (let series = 0; series < SERIES; series++) {
      // Refs are given in order.
      if (i === 0) head.getOrCreate('t', labelsOf({ __name__: 'm', n: `${series}` }))
      head.refs[series] = series
      head.times[series] = i * 1_000
      head.values[series] = noise(series, i)
    }
    assert.equal(head.kernel.check(0, SERIES, -Infinity, Infinity, Infinity), SERIES)
    assert.equal(head.kernel.append(0, SERIES), SERIES)
    head.kernel.publish(0, SERIES)
  }

  spill(before = Number.POSITIVE_INFINITY): void {
    assert.ok(this.spiller.begin(before))
    while (this.spiller.step()) {}
    this.spiller.collect()
  }

  read(ref: number, range = ALL): [number, number][] {
    const out: ReadBuffer = { ts: new Float64Array(0), values: new Float64Array(0), count: 0 }
    this.reader.read(ref, range.mint, range.maxt, out)
    return Array.from({ length: out.count }, (_, i) => [out.ts[i]!, out.values[i]!])
  }

  assertHolds(from = 0, to = SAMPLES): void {
    for (let series = 0; series < SERIES; series++) {
      const wanted = Array.from({ length: to - from }, (_, i) => [
        (from + i) * 1_000,
        noise(series, from + i),
      ])
      assert.deepEqual(this.read(series), wanted, `series ${series}`)
    }
  }

  /** Whole chunks of all series, as a block takes them. */
  chunks(): string[] {
    const chunks = new HeadChunks(this.head.view.memory, headModule(), 2, this.disk)
    const range = { mint: 150_000, maxt: 930_000 }
    const found = Array.from({ length: SERIES }, (_, ref) => chunks.chunks(ref, range))
    chunks.close()
    return found.flat().map(({ mint, maxt, data }) => `${mint} ${maxt} ${crc32c(data)}`)
  }

  /** A checksum of a snapshot. */
  snapshot(folder: string): number {
    return snapshotSum(this, folder)
  }

  files(): string[] {
    return this.disk.paths().filter((path) => path.startsWith(`${FOLDER}/`))
  }
}

test('spilled chunks are read as before, in any range, and take the same place in blocks', () => {
  const bed = new Bed()
  const chunks = bed.chunks()
  bed.spill(500_000)
  assert.ok(bed.spiller.chunksSpilled() > SERIES * 3)
  const first = bed.spiller.chunksSpilled()
  bed.assertHolds()
  assert.deepEqual(bed.chunks(), chunks)
  bed.spill()
  assert.ok(bed.spiller.chunksSpilled() > first)
  assert.equal(bed.files().length, 2)
  bed.assertHolds()
  assert.deepEqual(bed.chunks(), chunks)
  const range = { mint: 333_333, maxt: 444_000 }
  const wanted = Array.from({ length: 111 }, (_, i) => [(334 + i) * 1_000, noise(5, 334 + i)])
  assert.deepEqual(bed.read(5, range), wanted)
  // What is appended afterwards comes after it.
  for (let i = SAMPLES; i < SAMPLES + 300; i++) bed.append(i)
  bed.assertHolds(0, SAMPLES + 300)
})

test('memory comes back when nobody reads it, files when no series has a chunk of them', () => {
  const bed = new Bed()
  const { head, spiller } = bed
  takeLease(head.view.u32, 3)
  const extents = head.chunkBytes() >>> 20
  bed.spill()
  assert.equal(head.view.word(H_EXTENTS_FREE_COUNT), 0)
  endLeaseOf(head.view.memory, 3)
  spiller.collect()
  // All but the one that is being filled.
  assert.ok(extents > 1)
  assert.equal(head.view.word(H_EXTENTS_FREE_COUNT), extents - 1)
  assert.equal(head.chunkBytes() >>> 20, 2)
  takeLease(head.view.u32, 3)
  for (let ref = 0; ref < SERIES; ref++) head.kernel.truncateSeries(ref, 990_000)
  spiller.collect()
  assert.equal(bed.files().length, 1, 'somebody may read it')
  endLeaseOf(head.view.memory, 3)
  spiller.collect()
  assert.deepEqual(bed.files(), [])
  assert.equal(spiller.fileBytes(), 0)
  // What a former life left goes at once.
  bed.disk.makeFolder(FOLDER)
  bed.disk.replaceFile(`${FOLDER}/00000001`, Buffer.from('NILOCHNK, damaged'))
  const next = new Bed(bed.disk)
  assert.deepEqual(next.files(), [])
  next.spill()
  next.assertHolds()
})

test('a snapshot has what was spilled', () => {
  const bed = new Bed()
  const whole = bed.snapshot('data/a')
  bed.spill(700_000)
  assert.equal(bed.snapshot('data/b'), whole)
})

test('a damaged chunk is never taken for another one, and named', () => {
  const bed = new Bed()
  bed.spill()
  const [path] = bed.files()
  const bytes = bed.disk.readFile(path!)
  const position = 40 + 17
  bed.disk.open(path!, 'update').write(Uint8Array.of(bytes[position]! ^ 4), position)
  const text = new RegExp(`${path} is damaged at 32`)
  const notes = new DamageNotes(bed.head.view)
  assert.throws(() => bed.read(0), text)
  const [note] = notes.take()
  assert.deepEqual(notes.take(), [])
  const { tenant, file, offset, samples, mint, maxt } = note!
  assert.deepEqual([tenant, file, offset], [0, 1, 32])
  // Newest chunks come first; the open one has the rest.
  assert.ok(maxt - mint === (samples - 1) * 1_000 && maxt < SAMPLES * 1_000 && samples > 30)
  assert.equal(bed.read(1).length, SAMPLES)
  assert.throws(() => bed.snapshot('data/c'), text)
  assert.deepEqual(bed.damaged, [note])
  bed.disk.open(path!, 'update').truncate(1_000)
  bed.reader.close()
  assert.throws(() => bed.read(SERIES - 1), /is damaged at/)
  assert.equal(notes.take().length, 1)
})

test('a disk that takes no more leaves everything in memory', () => {
  const bed = new Bed()
  const { disk } = bed
  const open = disk.open.bind(disk)
  disk.open = (path, mode) => {
    const file = open(path, mode)
    if (mode !== 'create') return file
    return Object.assign(Object.create(file) as typeof file, {
      write: (bytes: Uint8Array, at?: number) => file.write(bytes.subarray(0, 100), at),
    })
  }
  assert.throws(() => bed.spill(), /write data\/ingester-0\/chunks\/00000001: 100 of/)
  disk.open = open
  assert.equal(bed.spiller.chunksSpilled(), 0)
  assert.equal(bed.spiller.isActive(), false)
  bed.assertHolds()
  bed.spiller.collect()
  assert.deepEqual(bed.files(), [])
  bed.spill()
  bed.assertHolds()
})
