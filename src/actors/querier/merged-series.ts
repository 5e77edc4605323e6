/**
 * Series of several sources as one selection: blocks in order of their times, then the shards'
 * heads. Series with equal labels become one; a sample that several have is taken once, from a head
 * before a block.
 *
 * Hot: `read` once per series of a query; benchmark bench/macro/blocks.ts.
 */
import type {
  FetchMeter,
  LabelTable,
  SampleBuffer,
  SelectedSeries,
} from '../../shared/promql/index.js'
import { appendColumns, emptyColumns, type SampleColumns } from '../../shared/tsdb/index.js'
import type { BlockRange } from './block-reads.js'
import { type BlockSelection, clearBuffer } from './block-selection.js'
import type { StampedReader } from './column-cache.js'
import { mergeSamples } from './merge.js'
import type { HeadRow, UnionColumns, UnionRows } from './union-columns.js'

/** The series of one head. */
export interface HeadSeries {
  /** [n] label sets. */
  readonly sets: Uint32Array
  /** [n] where they are in the reader. */
  readonly refs: Uint32Array
  /** Reads past the cache. */
  readonly reader: StampedReader
  /** Reads to arrays that may be a cache's: they are not to be written to. */
  read(index: number, mint: number, maxt: number, out: SampleBuffer): void
}

/** What a selection is made of. */
export interface SeriesParts {
  /** In order of their times. */
  readonly blocks: readonly BlockSelection[]
  /** Of equal samples the first one's stays. */
  readonly heads: readonly HeadSeries[]
  /** Counts the chunks of blocks. */
  readonly meter: FetchMeter
  /** Keeps what merging gives, where that may be kept. */
  readonly union?: UnionColumns | undefined
}

/** No source yet. */
const NONE = 0xffffffff
/** No head, and more than one. */
const NO_HEAD = -1
const HEADS = -2

/** Makes the selection; it owns the blocks from now on. */
export function mergeSeries(parts: SeriesParts, labels: LabelTable): SelectedSeries {
  return new MergedSeries(parts, labels)
}

/** Sources of union series: [source] its part, its index in there, and the next one of the series. */
class MergedSeries implements SelectedSeries, UnionRows {
  readonly count: number
  readonly sets: Uint32Array
  private readonly blocks: readonly BlockSelection[]
  private readonly heads: readonly HeadSeries[]
  private readonly meter: FetchMeter
  private readonly union: UnionColumns | undefined
  /** [series] its source that is a head. */
  private readonly headSource: Int32Array
  private readonly partOf: Uint16Array
  private readonly indexIn: Uint32Array
  private readonly next: Int32Array
  /** [series] its first source. */
  private readonly first: Uint32Array
  /** Arrays of callers' buffers that are no cached columns. */
  private readonly own = new WeakMap<SampleBuffer, SampleColumns>()
  private readonly given: SampleBuffer = emptyColumns()
  /** Of what has been read of the present series. */
  private hasNoStale = true
  private side = emptyColumns()
  private merged = emptyColumns()
  private readonly direct: SampleBuffer = emptyColumns()

  constructor({ blocks, heads, meter, union }: SeriesParts, labels: LabelTable) {
    this.union = union
    this.blocks = blocks
    this.heads = heads
    this.meter = meter
    let total = 0
    for (const { rows } of blocks) total += rows.length
    for (const { sets } of heads) total += sets.length
    this.partOf = new Uint16Array(total)
    this.indexIn = new Uint32Array(total)
    this.next = new Int32Array(total).fill(-1)
    this.first = new Uint32Array(total)
    this.headSource = new Int32Array(total).fill(NO_HEAD)
    this.sets = new Uint32Array(total)
    const seriesOf = labels.takeNumbers()
    const order = orderOf(blocks, labels, seriesOf)
    this.sets.set(order)
    this.first.fill(NONE)
    const last = new Uint32Array(total)
    let count = order.length
    let source = 0
    const take = (set: number, part: number, index: number): void => {
      this.partOf[source] = part
      this.indexIn[source] = index
      if (seriesOf[set] === 0) {
        this.sets[count] = set
        seriesOf[set] = ++count
      }
      const series = seriesOf[set]! - 1
      if (this.first[series] === NONE) this.first[series] = source
      else this.next[last[series]!] = source
      if (part >= blocks.length) {
        this.headSource[series] = this.headSource[series] === NO_HEAD ? source : HEADS
      }
      last[series] = source++
    }
    for (const [part, block] of blocks.entries()) {
      for (let i = 0; i < block.rows.length; i++) take(block.setAt(i), part, i)
    }
    // Each is merged before what came earlier, so the first one comes last.
    for (let head = heads.length - 1; head >= 0; head--) {
      const { sets } = heads[head]!
      for (let i = 0; i < sets.length; i++) take(sets[i]!, blocks.length + head, i)
    }
    this.count = count
    this.sets = this.sets.subarray(0, count)
    labels.giveNumbers(seriesOf, this.sets)
  }

  read(index: number, mint: number, maxt: number, out: SampleBuffer): void {
    let source = this.first[index]!
    const { blocks } = this
    if (this.next[source]! < 0 && this.partOf[source]! >= blocks.length) {
      this.heads[this.partOf[source]! - blocks.length]!.read(this.indexIn[source]!, mint, maxt, out)
      return
    }
    if (this.union !== undefined) {
      const row = { index, set: this.sets[index]! }
      this.union.readRow(this, row, mint, maxt, out).report(this.meter)
      return
    }
    const columns = this.ownOf(out)
    clear(columns)
    this.hasNoStale = true
    const range = { mint, maxt }
    for (; source >= 0; source = this.next[source]!) {
      const part = this.partOf[source]!
      if (part < blocks.length) this.readBlock(blocks[part]!, this.indexIn[source]!, range, columns)
      else this.readHead(this.heads[part - blocks.length]!, this.indexIn[source]!, range, columns)
    }
    out.ts = columns.ts
    out.values = columns.values
    out.count = columns.count
    out.histograms = columns.histograms
    out.starts = columns.starts
    out.hasNoStale = this.hasNoStale
  }

  headOf(index: number): HeadRow | 'several' | undefined {
    const source = this.headSource[index]!
    if (source === NO_HEAD) return undefined
    if (source === HEADS) return 'several'
    const { reader, refs } = this.heads[this.partOf[source]! - this.blocks.length]!
    return { reader, ref: refs[this.indexIn[source]!]! }
  }

  readParts(index: number, mint: number, maxt: number, out: SampleBuffer): void {
    const { blocks, heads, direct } = this
    const columns: SampleColumns = { ...emptyColumns(), ts: out.ts, values: out.values }
    const range = { mint, maxt }
    for (let source = this.first[index]!; source >= 0; source = this.next[source]!) {
      const part = this.partOf[source]!
      const at = this.indexIn[source]!
      if (part < blocks.length) {
        const block = blocks[part]!
        this.takeBlock(block.startOf(at, range), columns, (to) => block.appendDirect(at, range, to))
        continue
      }
      const { reader, refs } = heads[part - blocks.length]!
      clearBuffer(direct)
      reader.read(refs[at]!, mint, maxt, direct)
      this.takeHead(direct, columns)
    }
    out.ts = columns.ts
    out.values = columns.values
    out.count = columns.count
    out.histograms = columns.histograms
    out.starts = columns.starts
  }

  takeFetched(into: { chunks: number; bytes: number }): void {
    for (const block of this.blocks) block.takeFetched(into)
    for (const { reader } of this.heads) {
      const { fetched } = reader
      into.chunks += fetched.chunks
      into.bytes += fetched.bytes
      fetched.chunks = 0
      fetched.bytes = 0
    }
  }

  release(): void {
    for (const block of this.blocks) block.release()
    this.side = emptyColumns()
    this.merged = emptyColumns()
  }

  private readBlock(
    block: BlockSelection,
    index: number,
    range: BlockRange,
    columns: SampleColumns,
  ): void {
    this.takeBlock(block.startOf(index, range), columns, (to) =>
      this.note(block.append(index, range, to, this.meter)),
    )
  }

  /** Takes samples of a block, from a time on, behind those that there are or among them. */
  private takeBlock(
    start: number,
    columns: SampleColumns,
    append: (to: SampleColumns) => void,
  ): void {
    const { count } = columns
    if (start === Number.POSITIVE_INFINITY) return
    if (count === 0 || start > columns.ts[count - 1]!) {
      append(columns)
      return
    }
    clear(this.side)
    append(this.side)
    if (this.side.count === 0) return
    mergeSamples(columns, this.side, this.merged)
    swap(columns, this.merged)
  }

  private readHead(
    head: HeadSeries,
    index: number,
    { mint, maxt }: BlockRange,
    columns: SampleColumns,
  ): void {
    clearBuffer(this.given)
    head.read(index, mint, maxt, this.given)
    if (this.given.count === 0) return
    this.note(this.given.hasNoStale === true)
    this.takeHead(this.given, columns)
  }

  private takeHead(given: SampleBuffer, columns: SampleColumns): void {
    if (given.count === 0) return
    const { count } = columns
    const isLater = count === 0 || given.ts[0]! > columns.ts[count - 1]!
    if (isLater) appendColumns(columns, given)
    else {
      mergeSamples(given, columns, this.merged)
      swap(columns, this.merged)
    }
  }

  private note(hasNoStale: boolean): void {
    this.hasNoStale &&= hasNoStale
  }

  private ownOf(out: SampleBuffer): SampleColumns {
    const known = this.own.get(out)
    if (known !== undefined) return known
    const columns = emptyColumns()
    this.own.set(out, columns)
    return columns
  }
}

/**
 * The sets of all blocks in the order of their labels, in which each block has them: so chunks are
 * read in the order of their files, and series come as they come from Prometheus. `seriesOf` gets
 * each set's place, counted from 1.
 */
function orderOf(
  blocks: readonly BlockSelection[],
  labels: LabelTable,
  seriesOf: Uint32Array,
): Uint32Array {
  let order = new Uint32Array(0)
  for (const block of blocks) {
    const merged = new Uint32Array(order.length + block.rows.length)
    let count = 0
    let at = 0
    for (let i = 0; i < block.rows.length; i++) {
      const set = block.setAt(i)
      const known = seriesOf[set]!
      if (known > 0) while (at < known) merged[count++] = order[at++]!
      else {
        while (at < order.length && labels.compare(order[at]!, set) < 0)
          merged[count++] = order[at++]!
        merged[count++] = set
      }
    }
    while (at < order.length) merged[count++] = order[at++]!
    if (count > order.length) for (let i = 0; i < count; i++) seriesOf[merged[i]!] = i + 1
    order = merged.subarray(0, count)
  }
  return order
}

function clear(columns: SampleColumns): void {
  columns.count = 0
  columns.histograms = undefined
  columns.starts = undefined
}

function swap(a: SampleColumns, b: SampleColumns): void {
  const { ts, values, count, histograms, starts } = a
  a.ts = b.ts
  a.values = b.values
  a.count = b.count
  a.histograms = b.histograms
  a.starts = b.starts
  b.ts = ts
  b.values = values
  b.count = count
  b.histograms = histograms
  b.starts = starts
}
