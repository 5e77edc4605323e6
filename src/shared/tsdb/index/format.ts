/**
 * The index file of a block, version 2 (Prometheus tsdb/docs/format/index.md):
 *
 *   magic 0xBAAAD700 u32 | version u8
 *   symbols                 framed: count u32, strings; sorted, referred to by position
 *   series                  each at a multiple of 16: length uvarint | body | CRC u32
 *   label indices           no longer used; ours are empty
 *   postings                framed lists: count u32, references u32
 *   label offset table      framed, no longer used; ours is empty
 *   postings offset table   framed: count u32, entries 2 u8 | name | value | offset uvarint
 *   table of contents       six u64 offsets | CRC u32
 *
 * A frame is length u32 | body | CRC u32 of the body. Integers are big endian. A series is referred
 * to by its offset / 16. docs/formats/block.md has the rest.
 */
import { crc32c } from '../../base/crc32c.js'
import { type BlockFile, readSpan } from './block-file.js'
import { Cursor } from './cursor.js'
import { damaged } from './damage.js'

/** What an index file begins with. */
export const INDEX_MAGIC = 0xbaaad700
export const INDEX_VERSION = 2
/** Magic and version. */
export const INDEX_HEAD_BYTES = 5
export const TOC_BYTES = 52
export const SERIES_ALIGNMENT = 16
/** Begins each entry of the postings offset table: two strings follow. */
export const POSTINGS_KEYS = 2
/** Symbols, and values of a name, between two that are kept in memory. */
export const SAMPLING = 32

/** Offsets of the sections, from the start of the file; 0 where there is none. */
export interface Toc {
  readonly symbols: number
  readonly series: number
  readonly labelIndices: number
  readonly labelOffsetTable: number
  readonly postings: number
  readonly postingsOffsetTable: number
}

/** Reads head and table of contents; throws AppError `block-damaged`. */
export async function readToc(file: BlockFile, block: string): Promise<Toc> {
  const place = { block, section: 'index: table of contents' }
  if (file.size < INDEX_HEAD_BYTES + TOC_BYTES) throw damaged(place, 'the file is too short')
  const head = new Cursor(await readSpan(file, place, 0, INDEX_HEAD_BYTES), place)
  if (head.u32() !== INDEX_MAGIC) throw damaged(place, 'this is no index file')
  const version = head.u8()
  if (version !== INDEX_VERSION) throw damaged(place, `index version ${version} is not known`)
  const bytes = await readSpan(file, place, file.size - TOC_BYTES, file.size)
  return decodeToc(bytes, file.size, block)
}

/** Decodes a table of contents of an index of `size` bytes. */
export function decodeToc(bytes: Uint8Array, size: number, block: string): Toc {
  const place = { block, section: 'index: table of contents' }
  const cursor = new Cursor(bytes, place)
  if (crc32c(bytes.subarray(0, 48)) !== new Cursor(bytes, place, 48).u32()) {
    throw damaged(place, 'wrong checksum')
  }
  const toc = {
    symbols: cursor.u64(),
    series: cursor.u64(),
    labelIndices: cursor.u64(),
    labelOffsetTable: cursor.u64(),
    postings: cursor.u64(),
    postingsOffsetTable: cursor.u64(),
  }
  const end = size - TOC_BYTES
  const isInside = Object.values(toc).every((at) => at <= end)
  if (!isInside || toc.symbols < INDEX_HEAD_BYTES || toc.series < toc.symbols) {
    throw damaged(place, 'sections outside of the file')
  }
  if (toc.postingsOffsetTable < toc.series) throw damaged(place, 'no postings')
  return toc
}

/** First byte after a section: where the next one begins. */
export function sectionEnd(toc: Toc, from: number, size: number): number {
  let end = size - TOC_BYTES
  for (const at of Object.values(toc) as number[]) if (at > from && at < end) end = at
  return end
}
