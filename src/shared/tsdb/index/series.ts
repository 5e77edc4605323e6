/**
 * Series entries of an index → columns. An entry has its symbols and, for each chunk, the times of
 * its first and last sample and where it lies. Hot: once per series of a query over blocks, and of
 * a compaction.
 *
 *   entry: length uvarint | body | CRC-32C u32
 *   body:  labels uvarint, (name, value) symbols uvarint
 *          | chunks uvarint, first: mint varint, maxt - mint uvarint, reference uvarint
 *            then: mint - previous maxt uvarint, maxt - mint uvarint, reference's growth varint
 */
import { crc32c } from '../../base/crc32c.js'
import { Cursor, readU32 } from './cursor.js'
import { damaged, type Place } from './damage.js'
import { F64List, U32List } from './lists.js'

/** Series by columns. A chunk's reference is its segment (0 is `000001`) and the offset in it. */
export interface SeriesColumns {
  readonly count: number
  /** [count] as asked for. */
  readonly refs: Uint32Array
  /** [count + 1] where each one's symbols begin: name and value by turns, sorted by name. */
  readonly labelEnds: Uint32Array
  readonly symbols: Uint32Array
  /** [count + 1] where each one's chunks begin. */
  readonly chunkEnds: Uint32Array
  /** Times of the first and the last sample, ms. */
  readonly mints: Float64Array
  readonly maxts: Float64Array
  readonly segments: Uint32Array
  readonly offsets: Uint32Array
}

/** Collects series entries. */
export class SeriesDecoder {
  private readonly place: Place
  private readonly symbolCount: number
  private readonly mint: number
  private readonly maxt: number
  private readonly refs = new U32List()
  private readonly labelEnds = new U32List()
  private readonly symbols = new U32List(1024)
  private readonly chunkEnds = new U32List()
  private readonly mints = new F64List(256)
  private readonly maxts = new F64List(256)
  private readonly segments = new U32List(256)
  private readonly offsets = new U32List(256)

  /** Chunks without samples in [mint, maxt] are left out, their series stay. */
  constructor(place: Place, symbolCount: number, range: { mint: number; maxt: number }) {
    this.place = place
    this.symbolCount = symbolCount
    this.mint = range.mint
    this.maxt = range.maxt
    this.labelEnds.push(0)
    this.chunkEnds.push(0)
  }

  /** Takes the entry at `at`, which is whole; throws AppError `block-damaged`. */
  take(ref: number, bytes: Uint8Array, at: number): void {
    const head = new Cursor(bytes, this.place, at)
    const length = head.uvarint()
    const end = head.at + length
    if (length > bytes.length || end + 4 > bytes.length) throw this.wrong(ref, 'no end')
    if (crc32c(bytes.subarray(head.at, end)) !== readU32(bytes, end)) {
      throw this.wrong(ref, 'wrong checksum')
    }
    const cursor = new Cursor(bytes, this.place, head.at, end)
    this.refs.push(ref)
    const labels = cursor.uvarint()
    if (labels > length) throw this.wrong(ref, `${labels} labels`)
    for (let i = 0; i < labels * 2; i++) {
      const symbol = cursor.uvarint()
      if (symbol >= this.symbolCount) throw this.wrong(ref, `symbol ${symbol}`)
      this.symbols.push(symbol)
    }
    this.labelEnds.push(this.symbols.size)
    const chunks = cursor.uvarint()
    if (chunks > length) throw this.wrong(ref, `${chunks} chunks`)
    this.takeChunks(ref, cursor, chunks)
    this.chunkEnds.push(this.mints.size)
  }

  private takeChunks(ref: number, cursor: Cursor, count: number): void {
    let maxt = 0
    let reference = 0
    for (let i = 0; i < count; i++) {
      const mint = i === 0 ? cursor.varint() : maxt + cursor.uvarint()
      maxt = mint + cursor.uvarint()
      reference = i === 0 ? cursor.uvarint() : reference + cursor.varint()
      if (reference < 0) throw this.wrong(ref, 'a chunk without a place')
      if (maxt < this.mint || mint > this.maxt) continue
      this.mints.push(mint)
      this.maxts.push(maxt)
      this.segments.push(Math.floor(reference / 2 ** 32))
      this.offsets.push(reference >>> 0)
    }
  }

  /** What was taken; the columns are the caller's, the decoder is done. */
  result(): SeriesColumns {
    return {
      count: this.refs.size,
      refs: this.refs.view(),
      labelEnds: this.labelEnds.view(),
      symbols: this.symbols.view(),
      chunkEnds: this.chunkEnds.view(),
      mints: this.mints.view(),
      maxts: this.maxts.view(),
      segments: this.segments.view(),
      offsets: this.offsets.view(),
    }
  }

  private wrong(ref: number, text: string): Error {
    return damaged(this.place, `series ${ref}: ${text}`)
  }
}

/** Bytes of the entry at `at`, as far as can be seen; -1 when not even its length can. */
export function entryBytes(bytes: Uint8Array, at: number): number {
  let length = 0
  let scale = 1
  for (let i = at; i < bytes.length && i < at + 5; i++) {
    const byte = bytes[i]!
    length += (byte & 127) * scale
    if (byte < 128) return i + 1 - at + length + 4
    scale *= 128
  }
  return -1
}
