/**
 * What a querier thread knows of one block: the series that it has met, as label sets and chunks,
 * and which of them matched earlier selections. Blocks never change but for what is deleted of them
 * (`touched`), so all of it stays good while the block and the label table do.
 */
import { TextParts } from '../../shared/base/text-parts.js'
import type { Disk } from '../../shared/env/index.js'
import type { Matcher } from '../../shared/model/matcher.js'
import type { LabelTable, SampleBuffer } from '../../shared/promql/index.js'
import { emptyColumns, type SampleColumns } from '../../shared/tsdb/index.js'
import type { BlockSeriesColumns } from '../store-gateway/contract.js'
import { type CachedColumns, type ColumnCache, STAMP_UNORDERED } from './column-cache.js'
import { SegmentFile, segmentPlace } from './segment-bytes.js'

/** Samples of a series that are deleted, ms, both ends inclusive. */
export interface Deleted {
  readonly mint: number
  readonly maxt: number
}

/** A block and where it is. */
export interface BlockPlace {
  readonly tenant: string
  readonly ulid: string
  /** Folder of its files on this machine, if it has any. */
  readonly dir: string | undefined
  /** Of the list's entry: what is deleted is as of then. */
  readonly touched: number
}

/** Selections remembered of a block. */
const SELECTIONS_MAX = 64

/** Columns that grow by whole answers. */
interface Columns {
  /** [rows] label set. */
  sets: Uint32Array
  /** [rows + 1] where each row's chunks begin. */
  chunkEnds: Uint32Array
  mints: Float64Array
  maxts: Float64Array
  segments: Uint32Array
  offsets: Uint32Array
}

/** One block. */
export class BlockTable {
  readonly tenant: string
  readonly ulid: string
  /** Folder of its files; undefined: chunks come as pages. */
  readonly dir: string | undefined
  readonly touched: number
  readonly columns: Columns = {
    sets: new Uint32Array(0),
    chunkEnds: new Uint32Array(1),
    mints: new Float64Array(0),
    maxts: new Float64Array(0),
    segments: new Uint32Array(0),
    offsets: new Uint32Array(0),
  }
  /** Segments that its chunks are in. */
  readonly segments = new Set<number>()
  /** Times of the first and the last sample of the series met so far, ms. */
  mint = Number.POSITIVE_INFINITY
  maxt = Number.NEGATIVE_INFINITY
  /** Selections that read from it now: it stays, and its files stay open. */
  holders = 0
  private readonly files = new Map<number, SegmentFile>()
  /** Columns of rows, through the cache. */
  readonly decoded: CachedColumns
  /** Reads a row's chunks for the selection that is reading now. */
  readChunks: (row: number, mint: number, maxt: number, out: SampleColumns) => void = () => {}
  readonly fetched = { chunks: 0, bytes: 0 }
  private readonly labels: LabelTable
  /** Rows that columns cannot be kept of: with histograms or start times. */
  private readonly rare = new Set<number>()
  private readonly rowOf = new Map<number, number>()
  /** Name and value symbol → pair of the label table. */
  private readonly pairOf = new Map<number, number>()
  private readonly selections = new Map<string, Uint32Array>()
  private readonly deletedRows = new Map<number, Deleted[]>()
  private rows = 0
  private isRetired = false
  private selectionBytes = 0

  constructor(
    { tenant, ulid, dir, touched }: BlockPlace,
    { labels, cache }: { readonly labels: LabelTable; readonly cache: ColumnCache },
  ) {
    this.tenant = tenant
    this.ulid = ulid
    this.dir = dir
    this.touched = touched
    this.labels = labels
    this.decoded = cache.over({
      read: (row, mint, maxt, out) => this.readCold(row, mint, maxt, out),
      stamp: (row) => (this.rare.has(row) ? STAMP_UNORDERED : 0),
      newest: (row) => this.columns.maxts[this.columns.chunkEnds[row + 1]! - 1]!,
      fetched: this.fetched,
    })
  }

  /** Bytes held, about. */
  bytes(): number {
    return this.rows * 60 + this.columns.mints.length * 24 + this.selectionBytes
  }

  /** A segment of a block that lies on this machine; throws `block-gone`. */
  file(disk: Disk, segment: number): SegmentFile {
    const known = this.files.get(segment)
    if (known !== undefined) return known
    const file = new SegmentFile(disk, this.dir!, segmentPlace(this.ulid, segment))
    this.files.set(segment, file)
    return file
  }

  /** A selection is over. */
  release(): void {
    this.holders--
    if (this.holders > 0) return
    if (this.isRetired) this.close()
    else for (const file of this.files.values()) file.rest()
  }

  /** It is out of use: its files are closed when the last selection is over. */
  retire(): void {
    this.isRetired = true
    this.decoded.dropAll()
    if (this.holders === 0) this.close()
  }

  /** Rows of an earlier selection. */
  findSelection(key: string): Uint32Array | undefined {
    return this.selections.get(key)
  }

  /** Remembers the rows of a selection. */
  keepSelection(key: string, rows: Uint32Array): void {
    if (this.selections.size >= SELECTIONS_MAX) {
      this.selections.clear()
      this.selectionBytes = 0
    }
    this.selections.set(key, rows)
    this.selectionBytes += rows.byteLength + key.length * 2 + 100
  }

  /** Those of the references that no row is known of. */
  unknown(refs: Uint32Array): Uint32Array {
    if (this.rows === 0) return refs
    return refs.filter((ref) => !this.rowOf.has(ref))
  }

  /** Rows of references, all of which are known. */
  rowsOf(refs: Uint32Array): Uint32Array {
    return refs.map((ref) => this.rowOf.get(ref)!)
  }

  /** Whether anything is deleted of any row. */
  hasDeleted(): boolean {
    return this.deletedRows.size > 0
  }

  /** What is deleted of a row. */
  deletedOf(row: number): readonly Deleted[] | undefined {
    return this.deletedRows.size === 0 ? undefined : this.deletedRows.get(row)
  }

  /** Takes in series, in the order of the references that they were asked by. */
  add(refs: Uint32Array, answer: BlockSeriesColumns): void {
    const { columns, rows } = this
    const chunksBefore = columns.mints.length
    const sets = new Uint32Array(rows + refs.length)
    sets.set(columns.sets)
    this.internSets(answer, sets.subarray(rows))
    const chunkEnds = new Uint32Array(rows + refs.length + 1)
    chunkEnds.set(columns.chunkEnds)
    for (let i = 0; i < refs.length; i++) {
      chunkEnds[rows + i + 1] = chunksBefore + answer.chunkEnds[i + 1]!
      this.rowOf.set(refs[i]!, rows + i)
    }
    columns.sets = sets
    columns.chunkEnds = chunkEnds
    columns.mints = joinedFloats(columns.mints, answer.mints)
    columns.maxts = joinedFloats(columns.maxts, answer.maxts)
    columns.segments = joined(columns.segments, answer.segments)
    columns.offsets = joined(columns.offsets, answer.offsets)
    for (let i = 0; i < answer.mints.length; i++) {
      this.mint = Math.min(this.mint, answer.mints[i]!)
      this.maxt = Math.max(this.maxt, answer.maxts[i]!)
      this.segments.add(answer.segments[i]!)
    }
    const { deleted } = answer
    for (let at = 0; at < deleted.length; at += 3) {
      const row = rows + deleted[at]!
      const list = this.deletedRows.get(row) ?? []
      list.push({ mint: deleted[at + 1]!, maxt: deleted[at + 2]! })
      this.deletedRows.set(row, list)
    }
    this.rows += refs.length
  }

  private readCold(row: number, mint: number, maxt: number, out: SampleBuffer): void {
    const columns: SampleColumns = { ...emptyColumns(), ts: out.ts, values: out.values }
    this.readChunks(row, mint, maxt, columns)
    out.ts = columns.ts
    out.values = columns.values
    out.count = columns.count
    out.histograms = columns.histograms
    out.starts = columns.starts
    if (columns.histograms !== undefined || columns.starts !== undefined) this.rare.add(row)
  }

  private close(): void {
    for (const file of this.files.values()) file.close()
    this.files.clear()
  }

  private internSets(answer: BlockSeriesColumns, sets: Uint32Array): void {
    const { symbols, labelEnds } = answer
    const texts = textsOf(answer)
    let scratch = new Uint32Array(64)
    // Of the series before: most labels stand at the same place there, and need not be looked up.
    let names = new Uint32Array(64)
    let values = new Uint32Array(64)
    let known = 0
    for (let i = 0; i < sets.length; i++) {
      const from = labelEnds[i]!
      const count = (labelEnds[i + 1]! - from) >>> 1
      if (count > scratch.length) {
        scratch = new Uint32Array(count * 2)
        names = new Uint32Array(count * 2)
        values = new Uint32Array(count * 2)
        known = 0
      }
      for (let label = 0; label < count; label++) {
        const name = symbols[from + label * 2]!
        const value = symbols[from + label * 2 + 1]!
        if (label < known && names[label] === name && values[label] === value) continue
        scratch[label] = this.pair(name, value, texts)
        names[label] = name
        values[label] = value
      }
      known = count
      sets[i] = this.labels.internSet(scratch.subarray(0, count))
    }
  }

  private pair(name: number, value: number, texts: (symbol: number) => string): number {
    const key = name * 2 ** 26 + value
    // Symbols beyond that are interned each time anew, which is only slower.
    const isExact = value < 2 ** 26 && name < 2 ** 26
    const known = isExact ? this.pairOf.get(key) : undefined
    if (known !== undefined) return known
    const id = this.labels.pair(texts(name), texts(value))
    if (isExact) this.pairOf.set(key, id)
    return id
  }
}

/** What makes two selections of a block the same. @param tick is called for each matcher */
export function selectionKey(matchers: readonly Matcher[], tick?: () => void): string {
  const texts = new TextParts()
  for (const { name, op, value } of matchers) {
    tick?.()
    texts.push(`${JSON.stringify([name, op, value])},`)
  }
  return texts.join()
}

function textsOf({ symbolIds, textEnds, texts }: BlockSeriesColumns): (symbol: number) => string {
  const buffer = Buffer.from(texts.buffer, texts.byteOffset, texts.length)
  const known = new Map<number, string>()
  for (let i = 0; i < symbolIds.length; i++) {
    known.set(symbolIds[i]!, buffer.toString('utf8', i === 0 ? 0 : textEnds[i - 1]!, textEnds[i]!))
  }
  return (symbol) => known.get(symbol)!
}

function joined(a: Uint32Array, b: Uint32Array): Uint32Array {
  const all = new Uint32Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}

function joinedFloats(a: Float64Array, b: Float64Array): Float64Array {
  const all = new Float64Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}
