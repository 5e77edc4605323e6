/**
 * Series on their way into an index: kept in order until the symbols are known, in memory at first,
 * in a file beyond that. They are read again once per pass.
 *
 *   record: bytes of the rest uvarint | ids uvarint, symbol ids uvarint | the rest as it is written
 */
import type { Disk, DiskFile } from '../../env/index.js'
import { writeAll } from './block-file.js'
import { ByteList } from './lists.js'

const MEMORY_BYTES = 1 << 20
const WINDOW_BYTES = 1 << 20

/** One record of a spool, reused. */
export interface SpoolRecord {
  /** Valid up to `idCount`. */
  ids: Uint32Array
  idCount: number
  bytes: Uint8Array
  /** What follows the ids is bytes [from, to). */
  from: number
  to: number
}

/** Records in order. */
export class Spool {
  /** Records so far. */
  count = 0
  private readonly disk: Disk
  private readonly path: string
  private readonly buffer = new ByteList(64 << 10)
  private readonly scratch = new ByteList(1024)
  private file: DiskFile | undefined
  private size = 0
  /** What passes read into, once there is a file. */
  private window: Uint8Array | undefined

  constructor(disk: Disk, path: string) {
    this.disk = disk
    this.path = path
  }

  /** Appends a record of the ids [from, to). */
  append(ids: ArrayLike<number>, from: number, to: number, rest: Uint8Array): void {
    const { buffer } = this
    const scratch = this.scratch
    scratch.size = 0
    scratch.uvarint(to - from)
    for (let i = from; i < to; i++) scratch.uvarint(ids[i]!)
    buffer.uvarint(scratch.size + rest.length)
    buffer.put(scratch.view())
    buffer.put(rest)
    this.count++
    if (buffer.size >= MEMORY_BYTES) this.spill()
  }

  /** Goes through all records; each is valid until the next. Nothing is appended after this. */
  *records(): Generator<SpoolRecord> {
    const record = createRecord()
    if (this.file === undefined) {
      const { bytes, size } = this.buffer
      record.bytes = bytes
      for (let at = 0; at < size; at = record.to) {
        takeRecord(record, at)
        yield record
      }
      return
    }
    if (this.buffer.size > 0) this.spill()
    this.window ??= new Uint8Array(WINDOW_BYTES)
    let { window } = this
    for (let at = 0; at < this.size; ) {
      const held = this.file.read(window, at)
      record.bytes = window
      let used = 0
      while (recordEnd(window, used, held) > 0) {
        takeRecord(record, used)
        yield record
        used = record.to
      }
      // A record that is larger than the window: series of very many chunks.
      if (used === 0) {
        window = new Uint8Array(window.length * 2)
        this.window = window
      }
      at += used
    }
  }

  /** Removes the file. */
  close(): void {
    this.file?.close()
    if (this.file !== undefined) this.disk.remove(this.path)
    this.file = undefined
    this.buffer.size = 0
  }

  private spill(): void {
    this.file ??= this.disk.open(this.path, 'create')
    writeAll(this.file, this.buffer.view())
    this.size += this.buffer.size
    this.buffer.size = 0
  }
}

function createRecord(): SpoolRecord {
  return { ids: new Uint32Array(64), idCount: 0, bytes: new Uint8Array(0), from: 0, to: 0 }
}

/** End of the record at `at`, 0 when it is not whole before `end`. */
function recordEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 10 > end && bytes.subarray(at, end).every((byte) => byte >= 128)) return 0
  const size = takeUvarint(bytes, at)
  return next + size <= end ? next + size : 0
}

function takeRecord(record: SpoolRecord, at: number): void {
  const { bytes } = record
  const size = takeUvarint(bytes, at)
  record.to = next + size
  const count = takeUvarint(bytes, next)
  if (count > record.ids.length) record.ids = new Uint32Array(count * 2)
  record.idCount = count
  for (let i = 0; i < count; i++) record.ids[i] = takeUvarint(bytes, next)
  record.from = next
}

/** Position after the number taken last. */
let next = 0

function takeUvarint(bytes: Uint8Array, at: number): number {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++]!
    value += (byte & 127) * scale
    if (byte < 128) break
  }
  next = at
  return value
}
