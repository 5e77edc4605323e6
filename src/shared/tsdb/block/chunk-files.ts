/**
 * Chunk segments of a block, `chunks/000001` and on (Prometheus tsdb/docs/format/chunks.md):
 *
 *   magic 0x85BD40DD u32 | version u8 | padding 3
 *   chunk: length of data uvarint | encoding u8 | data | CRC-32C of encoding and data u32
 *
 * A chunk's reference is its segment's number from 0 and the offset of its length in there.
 */
import { crc32c } from '../../base/crc32c.js'
import type { Disk, DiskFile } from '../../env/index.js'
import {
  type BlockFile,
  LOCAL_READS,
  type ReadOptions,
  readMerged,
  readSpan,
  writeAll,
} from '../index/block-file.js'
import { readU32 } from '../index/cursor.js'
import { damaged, type Place } from '../index/damage.js'
import { ByteList } from '../index/lists.js'

const MAGIC = 0x85bd40dd
const VERSION = 1
const HEAD_BYTES = 8
/** Prometheus' bound of a segment. */
const SEGMENT_BYTES_MAX = 512 << 20
/** No chunk is longer: a sane one has a few KB. */
const CHUNK_BYTES_MAX = 64 << 20
/** What is read of a chunk whose end is not known; 120 float samples take 200 to 1,000. */
const CHUNK_BYTES_GUESS = 1280
const BUFFER_BYTES = 1 << 20
const CHECKSUM_BYTES = 4

/** Name of a segment by its number from 0. */
export function segmentName(segment: number): string {
  return String(segment + 1).padStart(6, '0')
}

/** Chunks that were read; data of chunk i is [from[i], to[i]) of `buffers[buffer[i]]`. */
export interface ChunkColumns {
  readonly count: number
  readonly encodings: Uint8Array
  readonly buffers: readonly Uint8Array[]
  readonly buffer: Uint32Array
  readonly from: Uint32Array
  readonly to: Uint32Array
}

/** Data of chunk `index`, a view. */
export function chunkData(chunks: ChunkColumns, index: number): Uint8Array {
  return chunks.buffers[chunks.buffer[index]!]!.subarray(chunks.from[index]!, chunks.to[index]!)
}

/** Encoding, data and checksum of chunk `index` as they lie in the segment, a view. */
export function chunkRecord(chunks: ChunkColumns, index: number): Uint8Array {
  return chunks.buffers[chunks.buffer[index]!]!.subarray(
    chunks.from[index]! - 1,
    chunks.to[index]! + CHECKSUM_BYTES,
  )
}

/** Reads the chunks of one block. */
export class ChunkReader {
  private readonly block: string
  private readonly open: (segment: number) => Promise<BlockFile> | BlockFile
  private readonly reads: ReadOptions
  private readonly files = new Map<number, BlockFile>()

  /** `open` is asked once for each segment, by its number from 0. */
  constructor(
    block: string,
    open: (segment: number) => Promise<BlockFile> | BlockFile,
    reads: ReadOptions = LOCAL_READS,
  ) {
    this.block = block
    this.open = open
    this.reads = reads
  }

  /**
   * Reads chunks, in the order given; best in the order of their references, which is that of their
   * series. All that is asked for is in memory at once: the caller asks for pieces.
   *
   * @throws AppError `block-damaged`
   */
  async read(segments: Uint32Array, offsets: Uint32Array): Promise<ChunkColumns> {
    const count = segments.length
    const columns = {
      count,
      encodings: new Uint8Array(count),
      buffers: [] as Uint8Array[],
      buffer: new Uint32Array(count),
      from: new Uint32Array(count),
      to: new Uint32Array(count),
    }
    for (const order of bySegment(segments, offsets)) {
      await this.readSegment(segments[order[0]!]!, offsets, order, columns)
    }
    return columns
  }

  private async readSegment(
    segment: number,
    offsets: Uint32Array,
    order: Uint32Array,
    columns: ChunkColumns & { readonly buffers: Uint8Array[] },
  ): Promise<void> {
    const place = { block: this.block, section: `chunks/${segmentName(segment)}` }
    const file = await this.fileOf(segment, place)
    const from = Float64Array.from(order, (i) => offsets[i]!)
    const to = new Float64Array(from.length)
    for (let i = 0; i < from.length; i++) {
      const at = from[i]!
      if (at < HEAD_BYTES || at >= file.size) throw damaged(place, `no chunk at ${at}`)
      const next = from[i + 1] ?? Infinity
      to[i] = Math.min(file.size, at + CHUNK_BYTES_GUESS, next > at ? next : Infinity)
    }
    const merged = await readMerged(file, place, { from, to }, this.reads)
    const base = columns.buffers.length
    columns.buffers.push(...merged.buffers)
    for (let at = 0; at < order.length; at++) {
      const i = order[at]!
      let buffer = base + merged.buffer[at]!
      let start = merged.start[at]!
      const size = chunkBytes(columns.buffers[buffer]!, start)
      if (size < 0 || start + size > columns.buffers[buffer]!.length) {
        buffer = columns.buffers.length
        columns.buffers.push(await readChunk(file, place, from[at]!))
        start = 0
      }
      columns.buffer[i] = buffer
      take(columns, i, start, { place, offset: from[at]! })
    }
  }

  private async fileOf(segment: number, place: Place): Promise<BlockFile> {
    const known = this.files.get(segment)
    if (known !== undefined) return known
    const file = await this.open(segment)
    const head = await readSpan(file, place, 0, HEAD_BYTES)
    if (readU32(head, 0) !== MAGIC) throw damaged(place, 'this is no chunks file')
    if (head[4] !== VERSION) throw damaged(place, `version ${head[4]} is not known`)
    this.files.set(segment, file)
    return file
  }
}

/** Indexes of the chunks of each segment, by offset. */
function bySegment(segments: Uint32Array, offsets: Uint32Array): Uint32Array[] {
  if (isInOrder(segments, offsets) && segments.length > 0) {
    if (segments[0] === segments.at(-1)) return [Uint32Array.from(segments, (_, i) => i)]
  }
  const order = Uint32Array.from(segments, (_, i) => i)
  order.sort((a, b) => segments[a]! - segments[b]! || offsets[a]! - offsets[b]!)
  const groups: Uint32Array[] = []
  for (let i = 0, from = 0; i < order.length; i++) {
    if (i + 1 < order.length && segments[order[i + 1]!] === segments[order[from]!]) continue
    groups.push(order.subarray(from, i + 1))
    from = i + 1
  }
  return groups
}

function isInOrder(segments: Uint32Array, offsets: Uint32Array): boolean {
  for (let i = 1; i < segments.length; i++) {
    if (segments[i]! < segments[i - 1]!) return false
    if (segments[i] === segments[i - 1] && offsets[i]! < offsets[i - 1]!) return false
  }
  return true
}

/** All bytes of the chunk at `at`, length to checksum; -1 when its length cannot be seen. */
function chunkBytes(bytes: Uint8Array, at: number): number {
  let length = 0
  let scale = 1
  for (let i = at; i < bytes.length && i < at + 5; i++) {
    const byte = bytes[i]!
    length += (byte & 127) * scale
    if (byte < 128) return i + 1 - at + 1 + length + 4
    scale *= 128
  }
  return -1
}

async function readChunk(file: BlockFile, place: Place, at: number): Promise<Uint8Array> {
  const head = await readSpan(file, place, at, Math.min(file.size, at + 5))
  const size = chunkBytes(head, 0)
  if (size < 0 || size > CHUNK_BYTES_MAX || at + size > file.size) {
    throw damaged(place, `the chunk at ${at} has no end`)
  }
  return await readSpan(file, place, at, at + size)
}

function take(
  columns: ChunkColumns,
  index: number,
  start: number,
  at: { readonly place: Place; readonly offset: number },
): void {
  const bytes = columns.buffers[columns.buffer[index]!]!
  const end = start + chunkBytes(bytes, start) - 4
  let from = start
  while (bytes[from++]! >= 128);
  if (crc32c(bytes.subarray(from, end)) !== readU32(bytes, end)) {
    throw damaged(at.place, `the chunk at ${at.offset} has a wrong checksum`)
  }
  columns.encodings[index] = bytes[from]!
  columns.from[index] = from + 1
  columns.to[index] = end
}

/** Writes the segments of one block, in order. */
export class ChunkWriter {
  /** Segment and offset of the chunk written last. */
  segment = -1
  offset = 0
  private readonly disk: Disk
  private readonly folder: string
  private readonly segmentBytesMax: number
  private readonly buffer = new ByteList(BUFFER_BYTES + (64 << 10))
  private file: DiskFile | undefined
  /** Bytes of the segment, with those in the buffer. */
  private size = 0

  /** `folder` is `chunks` of the block, made here. */
  constructor(disk: Disk, folder: string, segmentBytesMax = SEGMENT_BYTES_MAX) {
    this.disk = disk
    this.folder = folder
    this.segmentBytesMax = segmentBytesMax
    disk.makeFolder(folder)
  }

  /** Appends a chunk; `segment` and `offset` say where it went. */
  append(encoding: number, data: Uint8Array): void {
    const { buffer } = this
    this.begin(data.length)
    const from = buffer.size
    buffer.u8(encoding)
    buffer.put(data)
    buffer.u32(crc32c(buffer.bytes.subarray(from, buffer.size)))
    this.end(from)
  }

  /** Appends a chunk of another block with the checksum that it has there, and that was right. */
  copy(record: Uint8Array): void {
    this.begin(record.length - 1 - CHECKSUM_BYTES)
    const from = this.buffer.size
    this.buffer.put(record)
    this.end(from)
  }

  private begin(length: number): void {
    const most = length + 10
    if (this.file === undefined || this.size + most > this.segmentBytesMax) this.cut()
    const { buffer } = this
    const before = buffer.size
    this.offset = this.size
    buffer.uvarint(length)
    this.size += buffer.size - before
  }

  private end(from: number): void {
    const { buffer } = this
    this.size += buffer.size - from
    if (buffer.size >= BUFFER_BYTES) this.flush()
  }

  /** Syncs and closes what is open; the folder too. */
  close(): void {
    this.closeFile()
    this.disk.syncFolder(this.folder)
  }

  /** Closes without a sync, after a failure. */
  abandon(): void {
    this.file?.close()
    this.file = undefined
  }

  private cut(): void {
    this.closeFile()
    this.segment++
    this.file = this.disk.open(`${this.folder}/${segmentName(this.segment)}`, 'create')
    const { buffer } = this
    buffer.u32(MAGIC)
    buffer.u8(VERSION)
    for (let i = 0; i < 3; i++) buffer.u8(0)
    this.size = HEAD_BYTES
  }

  private closeFile(): void {
    if (this.file === undefined) return
    this.flush()
    this.file.sync()
    this.file.close()
    this.file = undefined
  }

  private flush(): void {
    writeAll(this.file!, this.buffer.view())
    this.buffer.size = 0
  }
}
