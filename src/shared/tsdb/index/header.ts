/**
 * The index-header: what of a block's index stays in memory while it is in use, and lies in a small
 * local file while it is not. Every 32nd symbol and every 32nd value of each label name, by their
 * offsets, with a checksum of what lies between; from there readers go on in the tables themselves.
 *
 * The file is ours and a cache, made anew when it is damaged or of another version:
 *
 *   symbols, postings offset table   copied frames, when the index is far away; else nothing
 *   body                             see encodeIndexHeader; integers big endian
 *   length of the body u32 | its CRC-32C u32 | version u32 | magic "NILX" u32
 */
import { crc32c } from '../../base/crc32c.js'
import type { Disk } from '../../env/index.js'
import { type BlockFile, readSpan, writeAll } from './block-file.js'
import { Cursor, readU32 } from './cursor.js'
import { damaged } from './damage.js'
import { POSTINGS_KEYS, readToc, SAMPLING, sectionEnd, type Toc } from './format.js'
import { ByteList, F64List, U32List } from './lists.js'
import { type SampledTable, scanTable } from './table-scan.js'

const MAGIC = 0x4e494c58
const VERSION = 1
const TRAILER_BYTES = 16

/** A label name of a block. */
export interface NameRow {
  readonly name: string
  /** Its spans of the postings offset table. */
  readonly firstSpan: number
  readonly spanCount: number
  readonly valueCount: number
}

/** What stays in memory of an index. */
export interface IndexHeader {
  readonly indexBytes: number
  readonly toc: Toc
  readonly symbols: SampledTable
  readonly postings: SampledTable
  /** Sorted by their bytes; without the empty one. */
  readonly names: readonly NameRow[]
  /** First value of each span, [firstValueEnds[i - 1], firstValueEnds[i]) of the bytes. */
  readonly firstValues: Uint8Array
  readonly firstValueEnds: Uint32Array
  /** [spans + 1] offset in the index of each span's first postings list; then the end of them. */
  readonly firstLists: Float64Array
  /** Whether the header's file has copies of the two tables, and they are read there. */
  readonly hasTables: boolean
}

/** Reads an index through once and makes its header. Tables are given to `copy` as they are read. */
export async function scanIndex(
  file: BlockFile,
  block: string,
  copy?: (bytes: Uint8Array) => void,
): Promise<IndexHeader> {
  const toc = await readToc(file, block)
  const symbols = await scanTable({
    file,
    place: { block, section: 'index: symbols' },
    from: toc.symbols,
    to: sectionEnd(toc, toc.symbols, file.size),
    entryEnd: stringEnd,
    takeEntry: (_bytes, _at, _end, index) => index % SAMPLING === 0,
    ...(copy === undefined ? {} : { copy }),
  })
  const place = { block, section: 'index: postings offsets' }
  const samples = new PostingsSamples(place)
  const postings = await scanTable({
    file,
    place,
    from: toc.postingsOffsetTable,
    to: sectionEnd(toc, toc.postingsOffsetTable, file.size),
    entryEnd: postingsEntryEnd,
    takeEntry: (bytes, at, end, index) => samples.take(bytes, at, end, index),
    ...(copy === undefined ? {} : { copy }),
  })
  const moved = copy === undefined ? {} : copied(symbols, postings)
  const hasTables = copy !== undefined
  const rest = samples.result(sectionEnd(toc, toc.postings, file.size))
  return { indexBytes: file.size, toc, symbols, postings, ...rest, hasTables, ...moved }
}

/** Where the tables lie in the header's file: one after the other from its start. */
function copied(
  symbols: SampledTable,
  postings: SampledTable,
): Pick<IndexHeader, 'symbols' | 'postings'> {
  const symbolBytes = symbols.spans.at(-1)! + 4
  return { symbols: { ...symbols, from: 0 }, postings: { ...postings, from: symbolBytes } }
}

/** Notes names and every 32nd value of each. */
class PostingsSamples {
  private readonly place: { readonly block: string; readonly section: string }
  private readonly names: NameRow[] = []
  private readonly firstValues = new ByteList()
  private readonly firstValueEnds = new U32List()
  private readonly firstLists = new F64List()
  private name: Uint8Array | undefined
  private values = 0
  private firstSpan = 0

  constructor(place: { readonly block: string; readonly section: string }) {
    this.place = place
  }

  take(bytes: Uint8Array, at: number, end: number, index: number): boolean {
    const cursor = new Cursor(bytes, this.place, at, end)
    if (cursor.u8() !== POSTINGS_KEYS) throw damaged(this.place, `entry ${index} is none`)
    const name = cursor.string()
    const isSame = this.name !== undefined && Buffer.compare(this.name, name) === 0
    if (isSame && this.values++ % SAMPLING !== 0) return false
    const value = cursor.string()
    const list = cursor.uvarint()
    if (!isSame) this.begin(name, index)
    this.firstValues.put(value)
    this.firstValueEnds.push(this.firstValues.size)
    this.firstLists.push(list)
    return true
  }

  result(
    postingsEnd: number,
  ): Pick<IndexHeader, 'names' | 'firstValues' | 'firstValueEnds' | 'firstLists'> {
    this.close()
    this.firstLists.push(postingsEnd)
    return {
      names: this.names,
      firstValues: this.firstValues.view().slice(),
      firstValueEnds: this.firstValueEnds.view().slice(),
      firstLists: this.firstLists.view().slice(),
    }
  }

  private begin(name: Uint8Array, index: number): void {
    if (index === 0 ? name.length > 0 : Buffer.compare(this.name!, name) > 0) {
      throw damaged(this.place, `entry ${index} is out of order`)
    }
    this.close()
    this.name = Uint8Array.from(name)
    this.values = 1
    this.firstSpan = this.firstLists.size
  }

  private close(): void {
    if (this.name === undefined) return
    this.names.push({
      name: Buffer.from(this.name).toString('utf8'),
      firstSpan: this.firstSpan,
      spanCount: this.firstLists.size - this.firstSpan,
      valueCount: this.values,
    })
  }
}

/** End of a string at `at`, -1 when it is not whole. */
function stringEnd(bytes: Uint8Array, at: number, end: number): number {
  const from = uvarintEnd(bytes, at, end)
  if (from < 0) return -1
  let length = 0
  for (let i = from - 1; i >= at; i--) length = length * 128 + (bytes[i]! & 127)
  return from + length <= end ? from + length : -1
}

function postingsEntryEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return -1
  const name = stringEnd(bytes, at + 1, end)
  const value = name < 0 ? -1 : stringEnd(bytes, name, end)
  return value < 0 ? -1 : uvarintEnd(bytes, value, end)
}

function uvarintEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) if (bytes[at++]! < 128) return at
  return -1
}

/** The header as bytes: body and trailer. */
export function encodeIndexHeader(header: IndexHeader): Uint8Array {
  const out = new ByteList(4096)
  out.u64(header.indexBytes)
  out.u8(header.hasTables ? 1 : 0)
  for (const at of Object.values(header.toc) as number[]) out.u64(at)
  for (const table of [header.symbols, header.postings]) {
    out.u64(table.from)
    out.u32(table.count)
    out.u32(table.checksums.length)
    for (const at of table.spans) out.u32(at)
    for (const checksum of table.checksums) out.u32(checksum)
  }
  for (const at of header.firstLists) out.u64(at)
  for (const end of header.firstValueEnds) out.u32(end)
  out.string(header.firstValues)
  out.u32(header.names.length)
  for (const row of header.names) {
    out.string(Buffer.from(row.name))
    out.u32(row.firstSpan)
    out.u32(row.spanCount)
    out.u32(row.valueCount)
  }
  const { size } = out
  out.u32(size)
  out.u32(crc32c(out.view().subarray(0, size)))
  out.u32(VERSION)
  out.u32(MAGIC)
  return out.view()
}

/**
 * Reads a header from its file.
 * @throws AppError `block-damaged`: then it is to be made anew
 */
export async function loadIndexHeader(file: BlockFile, block: string): Promise<IndexHeader> {
  const place = { block, section: 'index-header' }
  const end = file.size - TRAILER_BYTES
  const trailer = await readSpan(file, place, end, file.size)
  const size = readU32(trailer, 0)
  if (readU32(trailer, 12) !== MAGIC) throw damaged(place, 'this is no index-header')
  if (readU32(trailer, 8) !== VERSION) throw damaged(place, 'another version')
  const body = await readSpan(file, place, end - size, end)
  if (crc32c(body) !== readU32(trailer, 4)) throw damaged(place, 'wrong checksum')
  const cursor = new Cursor(body, place)
  const indexBytes = cursor.u64()
  const hasTables = cursor.u8() === 1
  const toc: Toc = {
    symbols: cursor.u64(),
    series: cursor.u64(),
    labelIndices: cursor.u64(),
    labelOffsetTable: cursor.u64(),
    postings: cursor.u64(),
    postingsOffsetTable: cursor.u64(),
  }
  const symbols = takeTable(cursor)
  const postings = takeTable(cursor)
  const spanCount = postings.checksums.length
  const firstLists = Float64Array.from({ length: spanCount + 1 }, () => cursor.u64())
  const firstValueEnds = Uint32Array.from({ length: spanCount }, () => cursor.u32())
  const firstValues = cursor.string()
  const names = Array.from(
    { length: cursor.u32() },
    (): NameRow => ({
      name: Buffer.from(cursor.string()).toString('utf8'),
      firstSpan: cursor.u32(),
      spanCount: cursor.u32(),
      valueCount: cursor.u32(),
    }),
  )
  const tables = { symbols, postings }
  const values = { firstLists, firstValueEnds, firstValues }
  return { indexBytes, toc, hasTables, ...tables, ...values, names }
}

function takeTable(cursor: Cursor): SampledTable {
  const from = cursor.u64()
  const count = cursor.u32()
  const spanCount = cursor.u32()
  const spans = Uint32Array.from({ length: spanCount + 1 }, () => cursor.u32())
  const checksums = Uint32Array.from({ length: spanCount }, () => cursor.u32())
  return { from, count, spans, checksums }
}

/**
 * Makes the header's file of an index that is far away, with copies of both tables.
 * The folder must be there.
 */
export async function writeIndexHeader(
  disk: Disk,
  path: string,
  index: BlockFile,
  block: string,
): Promise<IndexHeader> {
  const temporary = `${path}.tmp`
  const file = disk.open(temporary, 'create')
  try {
    const header = await scanIndex(index, block, (bytes) => writeAll(file, bytes))
    writeAll(file, encodeIndexHeader(header))
    disk.rename(temporary, path)
    return header
  } catch (error) {
    disk.remove(temporary)
    throw error
  } finally {
    file.close()
  }
}
