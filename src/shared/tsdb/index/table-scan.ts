/**
 * Goes through a framed table of an index (symbols, postings offsets) in windows: notes where every
 * 32nd entry begins and a checksum of each such span, so that later a span can be read by itself and
 * still be checked, and checks the table's own.
 */
import { crc32c } from '../../base/crc32c.js'
import { type BlockFile, readSpan } from './block-file.js'
import { readU32 } from './cursor.js'
import { damaged, type Place } from './damage.js'
import { U32List } from './lists.js'

/** A table by its spans. */
export interface SampledTable {
  /** Offset of the frame in the file that has the table. */
  readonly from: number
  /** Entries. */
  readonly count: number
  /** [spans + 1] where each begins, from `from` on; the last one is the end of all entries. */
  readonly spans: Uint32Array
  /** [spans] */
  readonly checksums: Uint32Array
}

/** What a table is scanned with. */
export interface TableScan {
  readonly file: BlockFile
  readonly place: Place
  /** Offset of the frame. */
  readonly from: number
  /** First byte that cannot belong to it. */
  readonly to: number
  /** End of the entry at `at`, -1 when it is not whole before `end`. */
  entryEnd(bytes: Uint8Array, at: number, end: number): number
  /** Takes an entry; true when a span begins with it. */
  takeEntry(bytes: Uint8Array, at: number, end: number, index: number): boolean
  /** Gets all bytes of the frame, in order. */
  copy?(bytes: Uint8Array): void
}

/** Bytes of one read. */
const WINDOW_BYTES = 4 << 20
/** No name or value is longer than that. */
const ENTRY_BYTES_MAX = 16 << 20

/**
 * @throws AppError `block-damaged`
 */
export async function scanTable(scan: TableScan): Promise<SampledTable> {
  const { file, place, from, to } = scan
  if (to - from < 12) throw damaged(place, 'no room for it')
  const head = await readSpan(file, place, from, from + 8)
  scan.copy?.(head)
  const length = readU32(head, 0)
  const count = readU32(head, 4)
  if (length < 4 || length > to - from - 8) throw damaged(place, `${length} bytes claimed`)
  if (count > length - 4) throw damaged(place, `${count} entries in ${length} bytes`)
  const state = new ScanState(crc32c(head.subarray(4)))
  const end = from + 4 + length
  let index = 0
  for (let next = from + 8; index < count || next < end; ) {
    const piece = await readSpan(file, place, next, Math.min(end, next + WINDOW_BYTES))
    if (piece.length === 0) throw damaged(place, `${index} entries of ${count}`)
    scan.copy?.(piece)
    next += piece.length
    index = state.takePiece(scan, piece, index, count)
  }
  if (state.rest() > 0) throw damaged(place, `${count} entries and more`)
  const tail = await readSpan(file, place, end, end + 4)
  scan.copy?.(tail)
  if (readU32(tail, 0) !== state.checksum) throw damaged(place, 'wrong checksum')
  return state.result(from, count)
}

/** Between two pieces: what is left of the one before, and the span that is open. */
class ScanState {
  /** Of the frame so far. */
  checksum: number
  private held: Uint8Array = new Uint8Array(0)
  /** Offset of the first held byte from the frame's start. */
  private base = 8
  private spanChecksum = 0
  private readonly spans = new U32List()
  private readonly checksums = new U32List()

  constructor(checksum: number) {
    this.checksum = checksum
  }

  /** Bytes that no entry has taken. */
  rest(): number {
    return this.held.length
  }

  takePiece(scan: TableScan, piece: Uint8Array, index: number, count: number): number {
    this.checksum = crc32c(piece, this.checksum)
    const bytes = this.held.length === 0 ? piece : Buffer.concat([this.held, piece])
    let at = 0
    let spanAt = 0
    while (index < count) {
      const end = scan.entryEnd(bytes, at, bytes.length)
      if (end < 0) break
      if (scan.takeEntry(bytes, at, end, index)) {
        this.closeSpan(bytes.subarray(spanAt, at))
        this.spans.push(this.base + at)
        spanAt = at
      }
      at = end
      index++
    }
    this.spanChecksum = crc32c(bytes.subarray(spanAt, at), this.spanChecksum)
    this.held = bytes.subarray(at)
    this.base += at
    if (this.held.length > ENTRY_BYTES_MAX) {
      throw damaged(scan.place, `entry ${index} has no end`)
    }
    return index
  }

  result(from: number, count: number): SampledTable {
    if (this.spans.size > 0) this.checksums.push(this.spanChecksum)
    this.spans.push(this.base)
    const spans = this.spans.view().slice()
    return { from, count, spans, checksums: this.checksums.view().slice() }
  }

  private closeSpan(last: Uint8Array): void {
    const checksum = crc32c(last, this.spanChecksum)
    if (this.spans.size > 0) this.checksums.push(checksum)
    this.spanChecksum = 0
  }
}

/**
 * Reads spans [first, first + count) of a table and checks them.
 * @throws AppError `block-damaged`
 */
export async function readSpans(
  file: BlockFile,
  place: Place,
  table: SampledTable,
  first: number,
  count: number,
): Promise<Uint8Array> {
  const { from, spans, checksums } = table
  const base = spans[first]!
  const bytes = await readSpan(file, place, from + base, from + spans[first + count]!)
  for (let i = first; i < first + count; i++) {
    const part = bytes.subarray(spans[i]! - base, spans[i + 1]! - base)
    if (crc32c(part) !== checksums[i]) throw damaged(place, `wrong checksum of entries at ${i}`)
  }
  return bytes
}
