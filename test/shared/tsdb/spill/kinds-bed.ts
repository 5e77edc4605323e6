/**
 * A head with chunks of every kind: of floats in order and out of it, of histograms in order and late.
 * For tests and fuzzing of chunk files.
 */
import assert from 'node:assert/strict'
import { crc32c } from '../../../../src/shared/base/crc32c.js'
import { BATCH_HEADER_BYTES, RECORD_STATES } from '../../../../src/shared/kernels/head-layout.js'
import type { IntHistogram } from '../../../../src/shared/model/histogram.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import {
  ChunkSpiller,
  type DamagedChunk,
  type Head,
  HeadChunks,
  HeadReader,
  type ReadBuffer,
  SnapshotWriter,
} from '../../../../src/shared/tsdb/index.js'
import { SNAPSHOT_HEADER_BYTES } from '../../../../src/shared/tsdb/snapshot/format.js'
import { findBatchHeader } from '../../../../src/shared/tsdb/wal/format.js'
import { FakeDisk } from '../../../support/fake-disk.js'
import { createTestHead, headModule } from '../../../support/head-source.js'

const FOLDER = 'data/ingester-0/chunks'
/** Series of floats, then of histograms. */
export const FLOATS = 9
const HISTOGRAMS = 5
/** All series. */
export const SERIES = FLOATS + HISTOGRAMS
/** Samples of each that came in order. */
export const SAMPLES = 350
/** Samples come every ten seconds; those out of order lie between them. */
export const STEP = 10_000
/** Nothing is too old. */
export const EVER = {
  inOrder: Number.NEGATIVE_INFINITY,
  outOfOrder: Number.NEGATIVE_INFINITY,
  behind: Number.POSITIVE_INFINITY,
}
const ALL = { mint: 0, maxt: 1e15 }

/** Takes a snapshot of a head: its checksum. */
export function snapshotSum(
  { disk, head }: { disk: FakeDisk; head: Head },
  folder: string,
): number {
  head.kernel.logBegin()
  disk.makeFolder(folder)
  const options = { disk, folder, head, segment: 7, createdMs: 1, sliceBytes: 100_000 }
  const writer = new SnapshotWriter(options)
  while (writer.step()) {}
  writer.sync()
  writer.commit()
  return crc32c(Buffer.concat(statesOf(Buffer.from(disk.readFile(`${folder}/snapshot.00000007`)))))
}

/** What a snapshot says of its series, however it is sliced; the slices with chunks of histograms whole. */
function statesOf(snapshot: Buffer): Buffer[] {
  const states: Buffer[] = []
  for (let at = SNAPSHOT_HEADER_BYTES; at < snapshot.length; ) {
    const { length } = findBatchHeader(snapshot, at, snapshot.length)!
    const record = at + BATCH_HEADER_BYTES
    const kind = snapshot.readUInt32LE(record)
    const end = record + 8 + snapshot.readUInt32LE(record + 4)
    if (kind === RECORD_STATES) states.push(snapshot.subarray(record + 8, end))
    else states.push(snapshot.subarray(record, at + length))
    at += length
  }
  return states
}

/** The histogram of a series and step. */
export function histogramOf(series: number, i: number): IntHistogram {
  const deltas = Float64Array.from({ length: 1 + (series % 9) * 8 }, (_, k) => (k === 0 ? i : 1))
  const count = deltas.reduce((sum, _, k) => sum + i + k, 0)
  return {
    counterResetHint: 'unknown',
    schema: 1,
    zeroThreshold: 0.001,
    zeroCount: 0,
    count,
    sum: count * (1 + series),
    positive: { spans: Int32Array.of(0, deltas.length), deltas },
    negative: { spans: new Int32Array(0), deltas: new Float64Array(0) },
    customValues: new Float64Array(0),
  }
}

/** Whether a series has a late sample before a step. */
export const isLate = (series: number, i: number): boolean => (series + i) % 3 === 0

/** A head with all of them, and its spiller. */
export class KindsBed {
  readonly disk = new FakeDisk()
  readonly head: Head = createTestHead()
  readonly damaged: DamagedChunk[] = []
  readonly reader: HeadReader
  readonly spiller: ChunkSpiller
  private numbers = 0

  constructor(sliceBytes?: number) {
    const { disk, head } = this
    head.openChunkFiles(disk, (chunk) => this.damaged.push(chunk))
    for (let n = 0; n < SERIES; n++) head.getOrCreate('t', labelsOf({ __name__: 'm', n: `${n}` }))
    for (let i = 1; i <= SAMPLES; i++) this.append(i)
    this.spiller = new ChunkSpiller({
      disk,
      head,
      folder: FOLDER,
      newNumber: () => ++this.numbers,
      now: () => 0,
      ...(sliceBytes === undefined ? {} : { sliceBytes }),
    })
    this.reader = new HeadReader(head.view.memory, headModule(), 1, disk)
  }

  private append(i: number): void {
    this.appendFloats(i, i * STEP)
    // What is late comes within the step before, from the end on.
    this.appendFloats(i, i * STEP - 5_000 + ((i * 7) % 11))
    for (let series = FLOATS; series < SERIES; series++) {
      assert.equal(this.appendHistogram(series, i, i * STEP), 'accepted')
      if (isLate(series, i)) assert.equal(this.appendHistogram(series, i, i * STEP - 5_000), 'late')
    }
  }

  private appendFloats(i: number, t: number): void {
    const { head } = this
    let count = 0
    for (let series = 0; series < FLOATS; series++) {
      if (t !== i * STEP && !isLate(series, i)) continue
      head.refs[count] = series
      head.times[count] = t
      head.values[count++] = Math.sin(series * 7 + t) * 10 ** (series % 9)
    }
    const inOrder = t === i * STEP ? count : 0
    assert.equal(
      head.kernel.check(0, count, EVER.inOrder, EVER.outOfOrder, Number.POSITIVE_INFINITY),
      inOrder,
    )
    assert.equal(head.kernel.append(0, inOrder), inOrder)
    head.kernel.publish(0, inOrder)
    const late = head.outOfOrderCount()
    assert.equal(late, count - inOrder)
    assert.equal(head.kernel.appendOutOfOrder(0, late), late)
    head.kernel.truncateOutOfOrder(0)
  }

  private appendHistogram(series: number, i: number, t: number): string {
    const { histograms } = this.head
    const histogram = histogramOf(series, i)
    const outcome = histograms.check(series, t, histogram, EVER)
    if (outcome === 'accepted') assert.ok(histograms.append(series, t, histogram))
    if (outcome === 'late') {
      assert.equal(histograms.appendLate(series, t, histogram), 'stored')
    }
    return outcome
  }

  spill(before = Number.POSITIVE_INFINITY): void {
    assert.ok(this.spiller.begin(before))
    while (this.spiller.step()) {}
    this.spiller.collect()
  }

  read(ref: number, { mint, maxt } = ALL): unknown[] {
    const out: ReadBuffer = { ts: new Float64Array(0), values: new Float64Array(0), count: 0 }
    this.reader.read(ref, mint, maxt, out)
    return Array.from({ length: out.count }, (_, i) => [
      out.ts[i],
      out.histograms?.[i] ?? out.values[i],
    ])
  }

  /** All that readers, blocks and snapshots get. */
  everything(): unknown {
    const { head, disk } = this
    const chunks = new HeadChunks(head.view.memory, headModule(), 2, disk)
    const range = { mint: STEP * 20 + 1, maxt: STEP * 333 }
    const refs = Array.from({ length: SERIES }, (_, ref) => ref)
    const inBlocks = refs.map((ref) =>
      [...chunks.chunks(ref, range), ...chunks.lateChunks(ref, range)].map(
        ({ mint, maxt, encoding, data }) => [mint, maxt, encoding, crc32c(data)],
      ),
    )
    chunks.close()
    const part = { mint: STEP * 55 - 6_000, maxt: STEP * 99 }
    return {
      all: refs.map((ref) => this.read(ref)),
      part: refs.map((ref) => this.read(ref, part)),
      inBlocks,
    }
  }

  snapshot(folder: string): number {
    return snapshotSum(this, folder)
  }

  freeze(): void {
    for (let ref = 0; ref < SERIES; ref++) assert.equal(this.head.kernel.freezeLate(ref), 1)
  }

  files(): string[] {
    return this.disk.paths().filter((path) => path.startsWith(`${FOLDER}/`))
  }
}
