/**
 * The series of one block that a query selected, and their samples.
 *
 * Hot: `append` once per series and block of a query; benchmark bench/macro/blocks.ts.
 */
import type { FloatHistogram } from '../../shared/model/histogram.js'
import { withHint } from '../../shared/model/histogram-arithmetic.js'
import type { BlockFetch, FetchMeter, SampleBuffer } from '../../shared/promql/index.js'
import { appendColumns, type ChunkDecoder, type SampleColumns } from '../../shared/tsdb/index.js'
import type { BlockRange } from './block-reads.js'
import type { BlockTable, Deleted } from './block-table.js'
import type { SegmentBytes } from './segment-bytes.js'

/** Chunks of one segment that a selection needs: of each series the first and the last. */
export interface ChunkPlan {
  readonly segment: number
  /** Ascending. */
  readonly firsts: Uint32Array
  readonly lasts: Uint32Array
}

/** One block's part of a selection. */
export class BlockSelection {
  readonly table: BlockTable
  /** Rows of the table that have chunks in the range. */
  readonly rows: Uint32Array
  /** What the query has taken of the block, for those who ask what it cost. */
  private readonly use: BlockFetch
  private readonly range: BlockRange
  private readonly decoder: ChunkDecoder
  private readonly segments = new Map<number, SegmentBytes>()
  /** The segment read last. */
  private segment = -1
  private bytes: SegmentBytes | undefined

  /** Chunks up to each series' end can be read, so its columns may be kept. */
  private readonly isWholeToEnd: boolean
  private readonly given: SampleBuffer = {
    ts: new Float64Array(0),
    values: new Float64Array(0),
    count: 0,
    histograms: undefined,
  }
  private readonly readChunks: BlockTable['readChunks']

  constructor(
    table: BlockTable,
    rows: Uint32Array,
    range: BlockRange,
    { decoder, meter }: { readonly decoder: ChunkDecoder; readonly meter: FetchMeter },
  ) {
    this.table = table
    this.range = range
    this.decoder = decoder
    this.isWholeToEnd = table.dir !== undefined || range.maxt >= table.maxt
    this.readChunks = (row, mint, maxt, out) => this.decode(row, { mint, maxt }, out)
    const isWhole = range.mint <= table.mint && range.maxt >= table.maxt
    const isAll = isWhole && !table.hasDeleted()
    this.rows = isAll ? rows : rows.filter((row) => this.hasChunks(row))
    this.use = meter.block(table.ulid, {
      mint: Math.max(range.mint, table.mint),
      maxt: Math.min(range.maxt, table.maxt),
    })
    this.use.series += this.rows.length
  }

  /** Label set of a series. */
  setAt(index: number): number {
    return this.table.columns.sets[this.rows[index]!]!
  }

  /** Label sets of all series. */
  sets(): Uint32Array {
    const { sets } = this.table.columns
    const out = new Uint32Array(this.rows.length)
    for (let i = 0; i < out.length; i++) out[i] = sets[this.rows[i]!]!
    return out
  }

  /** Which bytes of a remote block have to be there before `append` is called. */
  plans(): ChunkPlan[] {
    const { segments, offsets } = this.table.columns
    const bySegment = new Map<number, { firsts: number[]; lasts: number[] }>()
    for (const row of this.rows) {
      const end = this.endChunk(row, this.range)
      for (let at = this.firstChunk(row, this.range); at < end; ) {
        const segment = segments[at]!
        const from = at
        while (at < end && segments[at] === segment) at++
        const plan = bySegment.get(segment) ?? { firsts: [], lasts: [] }
        bySegment.set(segment, plan)
        plan.firsts.push(offsets[from]!)
        plan.lasts.push(offsets[at - 1]!)
      }
    }
    return Array.from(bySegment, ([segment, { firsts, lasts }]) => ({
      segment,
      firsts: Uint32Array.from(firsts),
      lasts: Uint32Array.from(lasts),
    }))
  }

  /** Gives a segment; all of them, before `append`. */
  take(segment: number, bytes: SegmentBytes): void {
    this.segments.set(segment, bytes)
  }

  /** Time from which a series may have samples in a range; Infinity when it has none. */
  startOf(index: number, range: BlockRange): number {
    const row = this.rows[index]!
    const first = this.firstChunk(row, range)
    if (first >= this.endChunk(row, range)) return Number.POSITIVE_INFINITY
    return Math.max(range.mint, this.table.columns.mints[first]!)
  }

  /**
   * Appends a series' samples with mint ≤ t ≤ maxt, within the selection's range, to columns that
   * end before them.
   *
   * @returns whether it is known that there is no stale marker among them
   * @throws AppError `block-damaged`, those of the meter
   */
  append(index: number, range: BlockRange, out: SampleColumns, meter: FetchMeter): boolean {
    const row = this.rows[index]!
    const before = out.count
    let hasNoStale = false
    if (this.isWholeToEnd && this.findDecoded(row, range)) {
      appendColumns(out, this.given)
      hasNoStale = this.given.hasNoStale === true
    } else this.decode(row, range, out)
    this.report(meter)
    if (before > 0 && out.histograms !== undefined) unhint(out.histograms, before)
    return hasNoStale
  }

  /** Gives a row's samples from columns that are kept, or are to be from now on. */
  private findDecoded(row: number, { mint, maxt }: BlockRange): boolean {
    this.table.readChunks = this.readChunks
    clearBuffer(this.given)
    return this.table.decoded.find(row, mint, maxt, this.given)
  }

  /** The same past the cache; what is read is counted at the table. */
  appendDirect(index: number, range: BlockRange, out: SampleColumns): void {
    const before = out.count
    this.decode(this.rows[index]!, range, out)
    if (before > 0 && out.histograms !== undefined) unhint(out.histograms, before)
  }

  /** Moves what has been read since the last time to another count. */
  takeFetched(into: { chunks: number; bytes: number }): void {
    const { fetched } = this.table
    this.use.chunks += fetched.chunks
    this.use.chunkBytes += fetched.bytes
    into.chunks += fetched.chunks
    into.bytes += fetched.bytes
    fetched.chunks = 0
    fetched.bytes = 0
  }

  private report(meter: FetchMeter): void {
    const { decoded, fetched } = this.table
    this.use.chunks += fetched.chunks
    this.use.chunkBytes += fetched.bytes
    decoded.report(meter)
  }

  private decode(row: number, range: BlockRange, out: SampleColumns): void {
    const { columns, fetched } = this.table
    const { mint, maxt } = range
    const before = out.count
    const end = this.endChunk(row, range)
    for (let from = this.firstChunk(row, range); from < end; ) {
      const segment = columns.segments[from]!
      let to = from + 1
      while (to < end && columns.segments[to] === segment) to++
      if (segment !== this.segment) {
        this.segment = segment
        this.bytes = this.segments.get(segment)!
      }
      const bytes = this.bytes!
      const { place } = bytes
      const { offsets } = columns
      const base = offsets[from]!
      const length = bytes.endOf(base, offsets[to - 1]!) - base
      fetched.chunks += to - from
      fetched.bytes += length
      bytes.copy(base, this.decoder.input(length))
      this.decoder.append({ place, length, offsets, from, to, base }, mint, maxt, out)
      from = to
    }
    const deleted = this.table.deletedOf(row)
    if (deleted !== undefined) dropDeleted(out, before, deleted)
  }

  /** Lets go of the block; once. */
  release(): void {
    this.segments.clear()
    this.bytes = undefined
    this.segment = -1
    this.table.release()
  }

  /** Whether a row has chunks in the range that are not deleted as a whole. */
  private hasChunks(row: number): boolean {
    const { mints, maxts } = this.table.columns
    const deleted = this.table.deletedOf(row)
    const end = this.endChunk(row, this.range)
    for (let at = this.firstChunk(row, this.range); at < end; at++) {
      const isGone = deleted?.some(({ mint, maxt }) => mints[at]! >= mint && maxts[at]! <= maxt)
      if (isGone !== true) return true
    }
    return false
  }

  private firstChunk(row: number, { mint }: BlockRange): number {
    const { chunkEnds, maxts } = this.table.columns
    const end = chunkEnds[row + 1]!
    let at = chunkEnds[row]!
    while (at < end && maxts[at]! < mint) at++
    return at
  }

  private endChunk(row: number, { maxt }: BlockRange): number {
    const { chunkEnds, mints } = this.table.columns
    const start = chunkEnds[row]!
    let at = chunkEnds[row + 1]!
    while (at > start && mints[at - 1]! > maxt) at--
    return at
  }
}

/** Makes a buffer ready for the next read. */
export function clearBuffer(buffer: SampleBuffer): void {
  buffer.histograms = undefined
  buffer.starts = undefined
  buffer.hasNoStale = false
}

/** Whether a counter was reset between two blocks is known to nobody. */
function unhint(histograms: (FloatHistogram | undefined)[], at: number): void {
  const first = histograms[at]
  if (first === undefined || first.counterResetHint === 'gauge') return
  histograms[at] = withHint(first, 'unknown')
}

/** Takes deleted samples out of columns from an index on. */
function dropDeleted(out: SampleColumns, from: number, deleted: readonly Deleted[]): void {
  const { ts, values, histograms, starts, count } = out
  let kept = from
  for (let i = from; i < count; i++) {
    const t = ts[i]!
    if (deleted.some(({ mint, maxt }) => t >= mint && t <= maxt)) continue
    ts[kept] = t
    // By bits: a stale marker is a NaN of its own.
    if (kept !== i) values.copyWithin(kept, i, i + 1)
    if (histograms !== undefined) histograms[kept] = histograms[i]
    if (starts !== undefined) starts[kept] = starts[i]!
    kept++
  }
  out.count = kept
  if (histograms !== undefined) histograms.length = kept
}
