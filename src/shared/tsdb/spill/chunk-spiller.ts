/**
 * Moves closed chunks of a head to chunk files, and removes those that no list has any more. The
 * files are memory of another kind, not a store: snapshot and log have everything that is in them,
 * and a start removes them (decision 0020).
 *
 * A pass goes over all series in slices between the owner's turns: copy → one write() → the lists are
 * given what stays of the chunks. When the write fails nothing has happened.
 */
import type { Disk, DiskFile } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import {
  CHUNK_FILE_ROW_BYTES,
  CHUNK_FILES_MAX,
  CHUNK_FOLDER_BYTES,
  H_CHUNK_FILES,
  H_CHUNK_FOLDER,
  H_EXTENTS_DROPPED,
  H_LOG,
} from '../../kernels/head-layout.js'
import type { Head } from '../head/head.js'
import {
  CHUNK_FILE_HEADER_BYTES,
  chunkFileName,
  encodeChunkFileHeader,
  sealChunks,
} from './format.js'

/** Series and bytes of a slice: a turn waits for one. A chunk that is larger stays in memory. */
const SLICE_SERIES = 2048
const SLICE_BYTES = 512 << 10
/** A file is not gone on with from here on. */
const FILE_BYTES_MAX = 1 << 30

/** What a spiller works with. */
export interface SpillerParts {
  readonly disk: Disk
  readonly head: Head
  /** The shard's folder for chunk files; it is emptied. */
  readonly folder: string
  /** A number that no life of the shard had. */
  readonly newNumber: () => number
  readonly now: () => number
  /** Bytes of a slice, when not as many as usual. */
  readonly sliceBytes?: number
}

interface ChunkFile {
  readonly path: string
  size: number
  /** The epoch from which on nobody finds a chunk of it. */
  goneSince?: number
}

interface Pass {
  readonly before: number
  readonly end: number
  next: number
}

/** The chunk files of a shard, its owner's side. */
export class ChunkSpiller {
  private readonly parts: SpillerParts
  /** By slot. */
  private readonly files = new Map<number, ChunkFile>()
  private pass: Pass | undefined
  private writing: { slot: number; file: DiskFile; entry: ChunkFile } | undefined
  private spilled = 0
  private readonly isUsable: boolean

  /** Removes what an earlier life left. @throws AppError `disk-failed` */
  constructor(parts: SpillerParts) {
    this.parts = parts
    const { view } = parts.head
    const path = Buffer.from(parts.folder)
    const at = view.word(H_CHUNK_FOLDER)
    this.isUsable = path.length <= CHUNK_FOLDER_BYTES - 4
    if (this.isUsable) {
      view.u32[at >>> 2] = path.length
      view.bytes.set(path, at + 4)
    }
    parts.disk.remove(parts.folder)
  }

  /** Bytes of all files. */
  fileBytes(): number {
    let bytes = 0
    for (const { size } of this.files.values()) bytes += size
    return bytes
  }

  /** Chunks spilled since the start. */
  chunksSpilled(): number {
    return this.spilled
  }

  isActive(): boolean {
    return this.pass !== undefined
  }

  /** Begins a pass over the chunks that end before a time, ms; false when one goes on. */
  begin(before: number): boolean {
    if (this.pass !== undefined || !this.isUsable) return false
    this.pass = { before, end: this.parts.head.refEnd(), next: 0 }
    return true
  }

  /** The next slice; false when the pass is over. @throws AppError `disk-failed`: it is over as well */
  step(): boolean {
    const { pass } = this
    if (pass === undefined) return false
    try {
      if (this.slice(pass) && pass.next < pass.end) return true
    } catch (error) {
      this.endPass()
      throw error
    }
    this.endPass()
    return false
  }

  /** Gives the pass up where it is. */
  endPass(): void {
    this.closeFile()
    this.pass = undefined
    // Who takes a lease from here on does not find what was taken out.
    this.parts.head.kernel.nextEpoch()
  }

  /** False when there is no room for more. */
  private slice(pass: Pass): boolean {
    const { head } = this.parts
    const { kernel, view } = head
    const { before, next: from } = pass
    const to = Math.min(from + SLICE_SERIES, pass.end)
    const most = this.parts.sliceBytes ?? SLICE_BYTES
    const next = kernel.spillStage(from, to, before, most) >>> 0
    const bytes = kernel.spillStagedBytes() >>> 0
    if (bytes > 0) {
      const count = kernel.spillStagedCount() >>> 0
      const at = view.word(H_LOG)
      const staged = view.bytes.subarray(at, at + bytes)
      const writing = this.fileToWrite()
      if (writing === undefined) return false
      sealChunks(staged)
      write(writing.file, staged, writing.entry.size)
      const { slot, entry } = writing
      if (kernel.spillLink(from, slot, entry.size) === 0) return false
      entry.size += bytes
      this.spilled += count
      if (entry.size >= FILE_BYTES_MAX) this.closeFile()
    }
    pass.next = next
    return true
  }

  private fileToWrite(): ChunkSpiller['writing'] {
    if (this.writing !== undefined) return this.writing
    let slot = 0
    while (this.files.has(slot)) slot++
    if (slot === CHUNK_FILES_MAX) return undefined
    const { disk, folder, head, newNumber, now } = this.parts
    const number = newNumber()
    const path = `${folder}/${chunkFileName(number)}`
    disk.makeFolder(folder)
    const file = disk.open(path, 'create')
    const entry: ChunkFile = { path, size: CHUNK_FILE_HEADER_BYTES }
    this.files.set(slot, entry)
    this.writing = { slot, file, entry }
    const row = this.rowOf(slot)
    head.view.u32[row] = number
    head.view.u32[row + 1] = 0
    write(file, encodeChunkFileHeader(now()), 0)
    return this.writing
  }

  private rowOf(slot: number): number {
    return (this.parts.head.view.word(H_CHUNK_FILES) + slot * CHUNK_FILE_ROW_BYTES) >>> 2
  }

  private closeFile(): void {
    try {
      this.writing?.file.close()
    } finally {
      this.writing = undefined
    }
  }

  /** Gives back memory, and files, that nobody reads any more. @throws AppError `disk-failed` */
  collect(): void {
    const { head, disk } = this.parts
    const { kernel, view } = head
    if (view.word(H_EXTENTS_DROPPED) !== 0) kernel.reclaimExtents()
    for (const [slot, entry] of this.files) {
      if (slot === this.writing?.slot || view.u32[this.rowOf(slot) + 1] !== 0) continue
      entry.goneSince ??= kernel.nextEpoch() >>> 0
      if (kernel.oldestLease() >>> 0 < entry.goneSince) continue
      disk.remove(entry.path)
      this.files.delete(slot)
    }
  }
}

function write(file: DiskFile, bytes: Uint8Array, at: number): void {
  const written = file.write(bytes, at)
  if (written === bytes.length) return
  const text = `write ${file.path}: ${written} of ${bytes.length} bytes`
  throw fail('disk-failed', { text })
}
