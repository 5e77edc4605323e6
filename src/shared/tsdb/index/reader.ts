/**
 * Reads the index of a block: label names and values, postings, series, symbols. What is read is
 * checked (bounds, checksums) and bounded by what was asked for; damage is AppError `block-damaged`.
 * The header (header.ts) stays in memory, all else is read when it is asked for.
 *
 * Not safe against a file that changes: blocks are never written again.
 */
import { crc32c } from '../../base/crc32c.js'
import {
  type BlockFile,
  LOCAL_READS,
  type ReadOptions,
  readMerged,
  readSpan,
} from './block-file.js'
import { Cursor, compareBytes, readU32 } from './cursor.js'
import { damaged, type Place } from './damage.js'
import { POSTINGS_KEYS, SAMPLING, SERIES_ALIGNMENT, sectionEnd } from './format.js'
import { type IndexHeader, loadIndexHeader, type NameRow, scanIndex } from './header.js'
import { entryBytes, type SeriesColumns, SeriesDecoder } from './series.js'
import { readSpans } from './table-scan.js'

/** What an index is opened with. */
export interface OpenIndexOptions {
  /** ULID, for messages. */
  readonly block: string
  /** File of writeIndexHeader or saveIndexHeader; without one the tables are read through once. */
  readonly header?: BlockFile
  /** How ranges are read; as on a local disk unless told. */
  readonly reads?: ReadOptions
}

/** A value of a label and where its postings are. */
export interface ValueRow {
  readonly value: string
  /** Offset of the list's frame. */
  readonly list: number
  /** First byte after it, where the next one begins: an upper bound of what to read. */
  readonly listEnd: number
}

/** An entry that is longer than what was read of it is read again; most are far shorter. */
const ENTRY_BYTES_GUESS = 4096
const ENTRY_BYTES_MAX = 64 << 20
const EMPTY = new Uint32Array(0)

/** Opens an index; throws AppError `block-damaged`. */
export async function openIndex(file: BlockFile, options: OpenIndexOptions): Promise<IndexReader> {
  const { block } = options
  const header =
    options.header === undefined
      ? await scanIndex(file, block)
      : await loadIndexHeader(options.header, block)
  if (header.indexBytes !== file.size) {
    const text = `it belongs to an index of ${header.indexBytes} bytes, not ${file.size}`
    throw damaged({ block, section: 'index-header' }, text)
  }
  return new IndexReader(file, header, options)
}

/** The index of one block. */
export class IndexReader {
  readonly block: string
  readonly header: IndexHeader
  private readonly file: BlockFile
  private readonly tables: BlockFile
  private readonly reads: ReadOptions
  private readonly names: ReadonlyMap<string, NameRow>

  constructor(file: BlockFile, header: IndexHeader, options: OpenIndexOptions) {
    this.file = file
    this.header = header
    this.block = options.block
    this.reads = options.reads ?? LOCAL_READS
    this.tables = header.hasTables && options.header !== undefined ? options.header : file
    this.names = new Map(header.names.map((row) => [row.name, row]))
  }

  /** Label names, sorted by their bytes. */
  labelNames(): string[] {
    return this.header.names.filter((row) => row.name !== '').map((row) => row.name)
  }

  /** How many values a label name has. */
  valueCount(name: string): number {
    return this.names.get(name)?.valueCount ?? 0
  }

  /** Values of a label name, sorted by their bytes. */
  async labelValues(name: string): Promise<string[]> {
    return (await this.valueRows(name)).map((row) => row.value)
  }

  /** References of all series, ascending. */
  async allPostings(): Promise<Uint32Array> {
    return await this.postings('', '')
  }

  /** References of the series that have a label, ascending; empty when there is none. */
  async postings(name: string, value: string): Promise<Uint32Array> {
    const rows = await this.findValues(name, [value])
    return (await this.lists(rows))[0] ?? EMPTY
  }

  /** All values of a name with the places of their postings. `prefix` narrows what is read. */
  async valueRows(name: string, prefix = ''): Promise<ValueRow[]> {
    const row = this.names.get(name)
    if (row === undefined) return []
    if (prefix === '') return await this.readRows(row, row.firstSpan, row.spanCount)
    const bytes = Buffer.from(prefix)
    const first = this.spanOf(row, bytes)
    // 0xff comes in no UTF-8 text, so this is above all that begin with the prefix.
    const last = this.spanOf(row, Buffer.concat([bytes, Buffer.from([0xff])]))
    const rows = await this.readRows(row, first, last - first + 1)
    return rows.filter((found) => found.value.startsWith(prefix))
  }

  /** Those of the values that a name has, in the order asked for. */
  async findValues(name: string, values: readonly string[]): Promise<ValueRow[]> {
    const row = this.names.get(name)
    if (row === undefined) return []
    const spans = new Map<number, ValueRow[]>()
    const found: ValueRow[] = []
    for (const value of values) {
      const span = this.spanOf(row, Buffer.from(value))
      let rows = spans.get(span)
      if (rows === undefined) {
        rows = await this.readRows(row, span, 1)
        spans.set(span, rows)
      }
      const match = rows.find((candidate) => candidate.value === value)
      if (match !== undefined) found.push(match)
    }
    return found
  }

  /** Postings of values, in the order of the rows; near ones are read together. */
  async lists(rows: readonly ValueRow[]): Promise<Uint32Array[]> {
    const place = this.place('index: postings')
    const order = rows.map((_, i) => i).sort((a, b) => rows[a]!.list - rows[b]!.list)
    const from = Float64Array.from(order, (i) => rows[i]!.list)
    const to = Float64Array.from(order, (i) => rows[i]!.listEnd)
    const merged = await readMerged(this.file, place, { from, to }, this.reads)
    const lists: Uint32Array[] = new Array(rows.length)
    for (const [at, i] of order.entries()) {
      const room = to[at]! - from[at]!
      const start = merged.start[at]!
      const bytes = merged.buffers[merged.buffer[at]!]!.subarray(start, start + room)
      lists[i] = await this.decodeList(place, bytes, from[at]!)
    }
    return lists
  }

  /**
   * Series by reference.
   *
   * @param refs  ascending
   * @param range ms, inclusive: chunks without samples in it are left out, their series stay
   */
  async series(
    refs: Uint32Array,
    range: { mint: number; maxt: number } = { mint: -Infinity, maxt: Infinity },
  ): Promise<SeriesColumns> {
    const place = this.place('index: series')
    const { toc } = this.header
    const end = sectionEnd(toc, toc.series, this.file.size)
    const from = Float64Array.from(refs, (ref) => ref * SERIES_ALIGNMENT)
    const to = new Float64Array(refs.length)
    for (let i = 0; i < refs.length; i++) {
      if (from[i]! < toc.series || from[i]! >= end) throw damaged(place, `no series ${refs[i]!}`)
      to[i] = Math.min(end, from[i]! + ENTRY_BYTES_GUESS, from[i + 1] ?? end)
    }
    const merged = await readMerged(this.file, place, { from, to }, this.reads)
    const decoder = new SeriesDecoder(place, this.header.symbols.count, range)
    for (let i = 0; i < refs.length; i++) {
      const bytes = merged.buffers[merged.buffer[i]!]!
      const start = merged.start[i]!
      const size = entryBytes(bytes, start)
      if (size >= 0 && start + size <= bytes.length) decoder.take(refs[i]!, bytes, start)
      else decoder.take(refs[i]!, await this.readEntry(place, from[i]!, end), 0)
    }
    return decoder.result()
  }

  /** Texts of symbols, in the order asked for. Near ones are read together. */
  async symbols(ids: Uint32Array): Promise<string[]> {
    const place = this.place('index: symbols')
    const { symbols } = this.header
    const spans = [...new Set(Array.from(ids, (id) => Math.floor(id / SAMPLING)))]
    const texts = new Map<number, string>()
    const wanted = new Set(ids)
    for (const [first, count] of runsOf(Uint32Array.from(spans).sort())) {
      if (first + count > symbols.checksums.length) throw damaged(place, 'no such symbol')
      const bytes = await readSpans(this.tables, place, symbols, first, count)
      const cursor = new Cursor(bytes, place)
      for (let id = first * SAMPLING; cursor.at < cursor.end; id++) {
        const text = cursor.string()
        if (wanted.has(id)) texts.set(id, Buffer.from(text).toString('utf8'))
      }
    }
    return Array.from(ids, (id) => {
      const text = texts.get(id)
      if (text === undefined) throw damaged(place, `no symbol ${id}`)
      return text
    })
  }

  /** All symbols in order, as bytes, some thousands at a time. */
  async *allSymbols(): AsyncGenerator<Uint8Array[]> {
    const place = this.place('index: symbols')
    const { symbols } = this.header
    const step = 256
    for (let span = 0; span < symbols.checksums.length; span += step) {
      const count = Math.min(step, symbols.checksums.length - span)
      const cursor = new Cursor(await readSpans(this.tables, place, symbols, span, count), place)
      const texts: Uint8Array[] = []
      while (cursor.at < cursor.end) texts.push(cursor.string())
      yield texts
    }
  }

  private place(section: string): Place {
    return { block: this.block, section }
  }

  /** The span of a name in which a value is, if it is anywhere. */
  private spanOf(row: NameRow, value: Uint8Array): number {
    const { firstValues, firstValueEnds } = this.header
    let low = row.firstSpan
    let high = row.firstSpan + row.spanCount
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      const first = firstValues.subarray(firstValueEnds[middle - 1]!, firstValueEnds[middle]!)
      if (compareBytes(first, value) <= 0) low = middle
      else high = middle
    }
    return low
  }

  private async readRows(row: NameRow, first: number, count: number): Promise<ValueRow[]> {
    const place = this.place('index: postings offsets')
    const { postings, firstLists } = this.header
    const cursor = new Cursor(await readSpans(this.tables, place, postings, first, count), place)
    const values: string[] = []
    const lists: number[] = []
    while (cursor.at < cursor.end) {
      if (cursor.u8() !== POSTINGS_KEYS) throw damaged(place, 'an entry that is none')
      cursor.string()
      values.push(Buffer.from(cursor.string()).toString('utf8'))
      lists.push(cursor.uvarint())
    }
    lists.push(firstLists[first + count]!)
    if (row.name === '' && values.length > 1) throw damaged(place, 'several lists of all series')
    return values.map((value, i) => this.rowOf(place, value, lists[i]!, lists[i + 1]!))
  }

  /** Lists follow each other in the order of their values; where not, the end is found by reading. */
  private rowOf(place: Place, value: string, list: number, next: number): ValueRow {
    const { toc } = this.header
    const end = sectionEnd(toc, toc.postings, this.file.size)
    if (list < toc.series || list + 8 > end) throw damaged(place, `a list at ${list}`)
    return { value, list, listEnd: next > list && next <= end ? next : list + 8 }
  }

  private async decodeList(place: Place, bytes: Uint8Array, at: number): Promise<Uint32Array> {
    if (bytes.length < 8) throw damaged(place, 'a list without a head')
    const length = readU32(bytes, 0)
    if (length < 4 || length % 4 !== 0 || at + length + 8 > this.file.size) {
      throw damaged(place, `a list of ${length} bytes`)
    }
    if (length + 8 > bytes.length) {
      return await this.decodeList(place, await readSpan(this.file, place, at, at + length + 8), at)
    }
    const body = bytes.subarray(4, 4 + length)
    if (crc32c(body) !== readU32(bytes, 4 + length)) throw damaged(place, 'wrong checksum')
    const count = readU32(body, 0)
    if (count * 4 !== length - 4) throw damaged(place, `${count} references in ${length} bytes`)
    return decodeRefs(body, count)
  }

  /** An entry that does not end where one would think. */
  private async readEntry(place: Place, from: number, end: number): Promise<Uint8Array> {
    const head = await readSpan(this.file, place, from, Math.min(end, from + 16))
    const size = entryBytes(head, 0)
    if (size < 0 || size > ENTRY_BYTES_MAX || from + size > end) {
      throw damaged(place, `series ${from / SERIES_ALIGNMENT}: no end`)
    }
    return await readSpan(this.file, place, from, from + size)
  }
}

/** References of a postings list: big endian after the count. */
function decodeRefs(body: Uint8Array, count: number): Uint32Array {
  const refs = new Uint32Array(count)
  for (let i = 0; i < count; i++) refs[i] = readU32(body, 4 + i * 4)
  return refs
}

/** Most spans that are read at once. */
const RUN_MAX = 1024

/** Runs of neighbours in an ascending list. */
function* runsOf(list: Uint32Array): Generator<[number, number]> {
  for (let i = 0; i < list.length; ) {
    const first = list[i]!
    let count = 1
    while (count < RUN_MAX && list[i + count] === first + count) count++
    yield [first, count]
    i += count
  }
}
