/**
 * Writes a snapshot of a head, slice by slice between the owner's turns. What changes meanwhile may
 * be in it or not: it is in the log from the snapshot's segment on, and replay leaves out what the
 * slices have. Series that are defined meanwhile have their records there too.
 */
import type { Disk, DiskFile } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import {
  H_LOG,
  H_LOG_AT,
  H_LOG_BYTES,
  H_NEXT_LOG_REF,
  H_OOO_VALUES,
  H_PAIR_COUNT,
  H_SERIES_COUNT,
  RECORD_EXEMPLARS,
  RECORD_HEADER_BYTES,
  RECORD_HISTOGRAM_CHUNKS,
  RECORD_SNAPSHOT_END,
  RECORD_TENANTS,
} from '../../kernels/head-layout.js'
import { encodeExemplarRecord, setRecordSeries } from '../../wire/frames/index.js'
import type { Head } from '../head/head.js'
import { sealBatch } from '../wal/format.js'
import { CHUNK_HEAD_BYTES } from '../wal/replay-records.js'
import { encodeSnapshotHeader, snapshotName } from './format.js'

/** Bytes of a slice: a turn waits for one. */
const SLICE_BYTES = 1 << 20
/** Its part while spilled chunks are read back, some microseconds each. */
const SPILLED_PART = 1 / 8

/** What a snapshot is made of. */
export interface SnapshotOptions {
  readonly disk: Disk
  /** The shard's folder. */
  readonly folder: string
  readonly head: Head
  /** The log segment that has everything from now on. */
  readonly segment: number
  /** Not before that of the segments before. */
  readonly createdMs: number
  readonly sliceBytes?: number
}

/** A snapshot that is being taken. */
export class SnapshotWriter {
  private readonly options: SnapshotOptions
  private readonly path: string
  private readonly file: DiskFile
  private readonly sliceBytes: number
  private readonly pairEnd: number
  private readonly seriesEnd: number
  private size = 0
  private stage: 'tenants' | 'pairs' | 'states' | 'histograms' | 'exemplars' | 'end' | 'done' =
    'tenants'
  private next = 1
  private histogramRefs: number[] | undefined
  /** The last slice had spilled chunks. */
  private isReadingBack = false

  /** Creates the file. @throws AppError `disk-failed` */
  constructor(options: SnapshotOptions) {
    const { disk, folder, head, segment, createdMs } = options
    this.options = options
    this.sliceBytes = options.sliceBytes ?? SLICE_BYTES
    this.path = `${folder}/${snapshotName(segment)}`
    this.pairEnd = head.view.word(H_PAIR_COUNT)
    this.seriesEnd = head.view.word(H_SERIES_COUNT)
    this.file = disk.open(`${this.path}.tmp`, 'create')
    const nextNumber = head.view.word(H_NEXT_LOG_REF)
    this.write(encodeSnapshotHeader({ createdMs, nextNumber }))
  }

  /** Bytes written so far. */
  bytesWritten(): number {
    return this.size
  }

  /** Writes the next slice; false when all are written. @throws AppError `disk-failed` */
  step(): boolean {
    const { head } = this.options
    if (this.stage === 'done') return false
    head.kernel.logBegin()
    head.kernel.clearRange()
    let samples = 0
    if (this.stage === 'tenants') this.addTenants()
    else if (this.stage === 'pairs') this.addPairs()
    else if (this.stage === 'states') samples = this.addStates()
    else if (this.stage === 'histograms') this.addHistograms()
    else if (this.stage === 'exemplars') this.addExemplars()
    else this.addEnd()
    const range = samples > 0 ? head.acceptedRange() : { mint: 0, maxt: 0 }
    const batch = head.logBatch()
    sealBatch(batch, { sampleCount: samples, ...range })
    this.write(batch)
    // Numbers given for a slice hold in the snapshot only.
    head.kernel.logForget()
    head.kernel.logBegin()
    return this.hasMore()
  }

  private hasMore(): boolean {
    return this.stage !== 'done'
  }

  /** Payload: count u32, then per tenant index u32, length u32, name. */
  private addTenants(): void {
    const { head } = this.options
    const names = [...head.tenantNames().entries()]
      .filter(([, name]) => name !== '')
      .map(([index, name]) => [index, Buffer.from(name)] as const)
    const payload = Buffer.alloc(4 + names.reduce((sum, [, name]) => sum + 8 + name.length, 0))
    payload.writeUInt32LE(names.length, 0)
    let at = 4
    for (const [index, name] of names) {
      payload.writeUInt32LE(index, at)
      payload.writeUInt32LE(name.length, at + 4)
      name.copy(payload, at + 8)
      at += 8 + name.length
    }
    this.addRecord(RECORD_TENANTS, payload)
    this.stage = 'pairs'
  }

  private addPairs(): void {
    this.next = this.options.head.kernel.savePairs(this.next, this.pairEnd, this.sliceBytes) >>> 0
    if (this.next < this.pairEnd) return
    this.stage = 'states'
    this.next = 0
  }

  private addStates(): number {
    const { kernel } = this.options.head
    const from = this.next
    const most = this.isReadingBack ? this.sliceBytes * SPILLED_PART : this.sliceBytes
    this.next = kernel.saveStates(from, this.seriesEnd, most) >>> 0
    if (this.next === this.seriesEnd) this.stage = 'histograms'
    else if (this.next === from) {
      throw fail('internal', { text: `series ${from} is too large for a snapshot` })
    }
    this.fillHoles()
    return kernel.savedSampleCount() >>> 0
  }

  /** Brings the data of spilled chunks to their places in the slice. */
  private fillHoles(): void {
    const { kernel, view } = this.options.head
    const count = kernel.savedHoles() >>> 0
    this.isReadingBack = count > 0
    if (count === 0) return
    const spilled = this.options.head.chunkFiles()
    const from = view.word(H_OOO_VALUES) >>> 2
    for (let i = 0; i < count; i++) {
      const [to, node, ref] = view.u32.subarray(from + i * 4, from + i * 4 + 3)
      view.bytes.set(spilled.floatsOf(node!, ref!), to!)
    }
  }

  /** Payload: count u32, zero u32, then per chunk number, encoding, length, whether out of order, bytes. */
  private addHistograms(): void {
    const { head } = this.options
    this.histogramRefs ??= [...head.histograms.refs()]
    const parts: Uint8Array[] = []
    let bytes = 0
    while (bytes < this.sliceBytes && this.histogramRefs.length > 0) {
      const ref = this.histogramRefs.pop()!
      const number = this.numberOf(ref)
      const inOrder = head.histograms.chunks(ref)
      const chunks = [...inOrder, ...head.histograms.chunksOutOfOrder(ref)]
      for (const [at, chunk] of chunks.entries()) {
        const part = Buffer.alloc(CHUNK_HEAD_BYTES + chunk.bytes.length)
        part.writeUInt32LE(number, 0)
        part.writeUInt32LE(chunk.encoding, 4)
        part.writeUInt32LE(chunk.bytes.length, 8)
        part.writeUInt32LE(at < inOrder.length ? 0 : 1, 12)
        part.set(chunk.bytes, CHUNK_HEAD_BYTES)
        parts.push(part)
        bytes += part.length
      }
    }
    if (this.histogramRefs.length === 0) this.stage = 'exemplars'
    this.addParts(RECORD_HISTOGRAM_CHUNKS, parts)
  }

  /** The log's number of a series; one that the log is to get anew has a record in the slice. */
  private numberOf(ref: number): number {
    const { kernel, refs, view } = this.options.head
    if (kernel.logRef(ref) === 0) {
      refs[0] = ref
      if (kernel.logSeries(view.tenantOf(ref), 0, 1) === 0) {
        throw fail('internal', { text: 'a slice of histograms is too large for a snapshot' })
      }
    }
    return kernel.logRef(ref) >>> 0
  }

  /** All tenants' exemplars, as in the log. */
  private addExemplars(): void {
    const { head } = this.options
    const parts: Uint8Array[] = []
    for (const index of head.tenantNames().keys()) {
      for (const { ref, t, value, labels } of head.exemplars.list(index)) {
        const record = encodeExemplarRecord(t, value, labels)
        setRecordSeries(record, this.numberOf(ref))
        parts.push(record)
      }
    }
    this.addParts(RECORD_EXEMPLARS, parts)
    this.stage = 'end'
  }

  private addParts(kind: number, parts: readonly Uint8Array[]): void {
    if (parts.length === 0 || this.options.head.logRecord(kind, parts)) return
    throw fail('internal', { text: 'a slice of histograms is too large for a snapshot' })
  }

  /** Payload: series u32, next series number u32. */
  private addEnd(): void {
    const payload = Buffer.alloc(8)
    payload.writeUInt32LE(this.seriesEnd, 0)
    payload.writeUInt32LE(this.options.head.view.word(H_NEXT_LOG_REF), 4)
    this.addRecord(RECORD_SNAPSHOT_END, payload)
    this.stage = 'done'
  }

  private addRecord(kind: number, payload: Buffer): void {
    const { view } = this.options.head
    const used = view.word(H_LOG_AT)
    const at = view.word(H_LOG) + used
    if (used + RECORD_HEADER_BYTES + payload.length > view.word(H_LOG_BYTES)) {
      throw fail('internal', { text: 'the tenants are too many for a snapshot' })
    }
    view.bytes.writeUInt32LE(kind, at)
    view.bytes.writeUInt32LE(payload.length, at + 4)
    view.bytes.set(payload, at + RECORD_HEADER_BYTES)
    view.u32[H_LOG_AT >>> 2] = used + RECORD_HEADER_BYTES + payload.length
  }

  private write(bytes: Buffer): void {
    const written = this.file.write(bytes, this.size)
    if (written < bytes.length) {
      const text = `write ${this.file.path}: ${written} of ${bytes.length} bytes`
      throw fail('disk-failed', { text })
    }
    this.size += bytes.length
  }

  /** Makes what is written durable, off the thread. */
  syncLater(): Promise<void> {
    return this.file.syncLater()
  }

  /** The same, blocking. */
  sync(): void {
    this.file.sync()
  }

  /** Gives the synced file its name: from here on it counts. @throws AppError `disk-failed` */
  commit(): void {
    const { disk, folder } = this.options
    this.options.head.closeChunkFiles()
    this.file.close()
    disk.rename(`${this.path}.tmp`, this.path)
    disk.syncFolder(folder)
  }

  /** Gives up: nothing of it is left. */
  abort(): void {
    try {
      this.options.head.closeChunkFiles()
      this.file.close()
    } catch {
      // It may be closed already.
    }
    try {
      this.options.disk.remove(`${this.path}.tmp`)
    } catch {
      // The next start removes it.
    }
  }
}
