/**
 * Appends batches to the log of one shard: a folder of numbered segments. A process never adds to a
 * segment that an earlier one began, so a damaged end stays where it is.
 *
 * After a failed or short write the segment is cut back and everything before it still counts. When
 * cutting fails too, or a sync did, the segment is not trusted any more and the next batch begins a
 * new one; until that works every append throws.
 */
import { dirname } from 'node:path'
import type { Disk, DiskFile } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  encodeSegmentHeader,
  findSegmentNumber,
  RECORD_HEADER_BYTES,
  SEGMENT_BYTES_MAX,
  sealBatch,
  segmentName,
} from './format.js'
import { findNewest, noteNewest } from './reader.js'

/** A log of batches: the local one here, later perhaps a partition elsewhere (architecture §6). */
export interface FrameLog {
  /**
   * Adds a batch; when it throws nothing of it counts.
   * @param batch room for the header, records, zero padding to 8; the header is filled in
   */
  append(batch: Buffer, header: Omit<BatchHeader, 'length'>): void
  /** Makes everything appended durable; blocks. Throws when it cannot be known to be. */
  sync(): void
  /** The same, off the thread. */
  syncLater(): Promise<void>
  /** Whether something was appended since the last sync began. */
  isDirty(): boolean
  close(): void
}

/** Where a log is written, and how. */
export interface WalWriterOptions {
  readonly disk: Disk
  readonly folder: string
  /** Creation time of the next segment, later than any that replay saw. */
  readonly createdMs: () => number
  readonly segmentBytesMax?: number
  /**
   * What was appended earlier cannot be known to be durable any more: a sync failed. What later
   * batches rely on (records of series) must be appended again.
   */
  readonly onLost?: () => void
}

/** Appends batches to the segments of a log. */
export class WalWriter implements FrameLog {
  private readonly options: WalWriterOptions
  private readonly segmentBytesMax: number
  private file: DiskFile | undefined
  private size = 0
  private number: number
  private hasUnsynced = false
  private bytesTotal = 0
  /** Bit per kind of record that was appended. */
  private kinds = 0

  constructor(options: WalWriterOptions) {
    this.options = options
    this.segmentBytesMax = options.segmentBytesMax ?? SEGMENT_BYTES_MAX
    makeDurableFolder(options.disk, options.folder)
    const numbers = options.disk.list(options.folder).map(findSegmentNumber)
    this.number = Math.max(
      findNewest(options.disk, options.folder),
      ...numbers.filter((number) => number !== undefined),
    )
  }

  append(batch: Buffer, header: Omit<BatchHeader, 'length'>): void {
    this.noteKinds(batch)
    const file = this.segmentFor(batch.length)
    sealBatch(batch, header)
    let written = 0
    let cause: unknown
    try {
      written = file.write(batch, this.size)
    } catch (error) {
      cause = error
    }
    if (cause !== undefined || written < batch.length) {
      this.cutBack(file)
      const text = `write ${file.path}: ${written} of ${batch.length} bytes`
      throw fail('disk-failed', { text }, cause)
    }
    this.size += batch.length
    this.bytesTotal += batch.length
    this.hasUnsynced = true
  }

  private noteKinds(batch: Buffer): void {
    for (let at = BATCH_HEADER_BYTES; batch.length - at >= RECORD_HEADER_BYTES; ) {
      const kind = batch.readUInt32LE(at)
      if (kind === 0) break
      this.kinds |= 1 << kind
      at += RECORD_HEADER_BYTES + batch.readUInt32LE(at + 4)
    }
  }

  /** Bit per kind of record that was appended. */
  kindsAppended(): number {
    return this.kinds
  }

  private cutBack(file: DiskFile): void {
    try {
      file.truncate(this.size)
    } catch {
      // What stands before the failed batch counts still.
      this.file = undefined
      this.hasUnsynced = false
      this.retire(file)
    }
  }

  /** Leaves the current segment behind: what follows goes to a new one. */
  private distrust(): void {
    const file = this.file
    this.file = undefined
    this.hasUnsynced = false
    try {
      file?.close()
    } catch {
      // The descriptor is gone either way.
    }
  }

  /** Syncs a segment to which nothing more is written, in the background. */
  private retire(file: DiskFile): void {
    file
      .syncLater()
      .catch(() => this.options.onLost?.())
      .finally(() => file.close())
  }

  private segmentFor(bytes: number): DiskFile {
    const { file } = this
    if (file !== undefined && this.size + bytes <= this.segmentBytesMax) return file
    const next = this.createSegment()
    if (file !== undefined) this.retire(file)
    return next
  }

  private createSegment(): DiskFile {
    const { disk, folder, createdMs } = this.options
    const number = this.number + 1
    // It may have been removed under a running process: one zone's disk of several, say.
    makeDurableFolder(disk, folder)
    const file = disk.open(`${folder}/${segmentName(number)}`, 'create')
    // From here on the name is taken, whatever goes wrong.
    this.number = number
    try {
      const previous = `${folder}/${segmentName(number - 1)}`
      const header = encodeSegmentHeader(createdMs(), sizeOf(disk, previous))
      if (file.write(header, 0) < header.length) {
        throw fail('disk-failed', { text: `write ${file.path}: no room for the header` })
      }
      file.sync()
      disk.syncFolder(folder)
      noteNewest(disk, folder, number)
      this.file = file
      this.size = header.length
      return file
    } catch (error) {
      file.close()
      throw error
    }
  }

  sync(): void {
    const { file } = this
    if (file === undefined) return
    this.hasUnsynced = false
    try {
      file.sync()
    } catch (error) {
      this.distrust()
      this.options.onLost?.()
      throw error
    }
  }

  async syncLater(): Promise<void> {
    const { file } = this
    if (file === undefined) return
    this.hasUnsynced = false
    try {
      await file.syncLater()
    } catch (error) {
      if (this.file === file) this.distrust()
      this.options.onLost?.()
      throw error
    }
  }

  isDirty(): boolean {
    return this.hasUnsynced
  }

  /** Bytes appended by this writer. */
  bytesAppended(): number {
    return this.bytesTotal
  }

  /** Begins a new segment: everything from now on is in it or a later one. Its number. */
  rotate(): number {
    const { file } = this
    this.createSegment()
    if (file !== undefined) this.retire(file)
    return this.number
  }

  /** Number of the segment begun last. */
  newestSegment(): number {
    return this.number
  }

  /** Deletes the segments below a number: a snapshot has what they held. */
  removeBefore(number: number): void {
    const { disk, folder } = this.options
    for (const name of disk.list(folder)) {
      const found = findSegmentNumber(name)
      if (found !== undefined && found < number) disk.remove(`${folder}/${name}`)
    }
  }

  close(): void {
    this.distrust()
  }
}

/** Makes a folder that a power loss leaves where it is: the two folders above it are synced too. */
function makeDurableFolder(disk: Disk, folder: string): void {
  if (disk.exists(folder)) return
  disk.makeFolder(folder)
  const parent = dirname(folder)
  disk.syncFolder(parent)
  disk.syncFolder(dirname(parent))
}

/** Bytes of a file, 0 when there is none. */
function sizeOf(disk: Disk, path: string): number {
  if (!disk.exists(path)) return 0
  const file = disk.open(path, 'read')
  try {
    return file.size()
  } finally {
    file.close()
  }
}
