/**
 * Columns of series that lie in blocks and in a head, kept as one: what merging them gives does not
 * change but at its end, as long as the tenant's blocks and the heads are the same ones. A query
 * whose range ends after all blocks keeps them; any that begins late enough is answered from them.
 *
 * Hot: `read` once per series of a query; benchmark bench/macro/blocks.ts.
 */
import type { SampleBuffer } from '../../shared/promql/index.js'
import {
  type CachedColumns,
  type ColumnCache,
  STAMP_UNORDERED,
  type StampedReader,
} from './column-cache.js'

/** A series in a head. */
export interface HeadRow {
  readonly reader: StampedReader
  readonly ref: number
}

/** The series of one selection, merged when they are read. */
export interface UnionRows {
  /** Where in a head the series is; undefined when in none, 'several' when in more than one. */
  headOf(index: number): HeadRow | 'several' | undefined
  /** Merges the parts, past all caches, into the buffer's own arrays. */
  readParts(index: number, mint: number, maxt: number, out: SampleBuffer): void
  /** Chunks that this has read since the last time. */
  takeFetched(into: { chunks: number; bytes: number }): void
}

/** A stamp of series that are in no head. */
const STAMP_NO_HEAD = 0

/** The merged columns of one tenant, by label set. */
export class UnionColumns implements StampedReader {
  readonly fetched = { chunks: 0, bytes: 0 }
  private readonly columns: CachedColumns
  private rows: UnionRows | undefined
  private index = 0
  /** Label set → the ref that the series had in a head. */
  private readonly refs = new Map<number, number>()
  /** Sets that are not kept: with histograms or start times. */
  private readonly rare = new Set<number>()

  constructor(cache: ColumnCache) {
    this.columns = cache.over(this)
  }

  /** Reads a series of a selection; the arrays that `out` gets are not to be written to. */
  readRow(
    rows: UnionRows,
    { index, set }: { readonly index: number; readonly set: number },
    mint: number,
    maxt: number,
    out: SampleBuffer,
  ): CachedColumns {
    this.rows = rows
    this.index = index
    this.columns.read(set, mint, maxt, out)
    this.rows = undefined
    return this.columns
  }

  /** Forgets everything. */
  dropAll(): void {
    this.columns.dropAll()
  }

  read(set: number, mint: number, maxt: number, out: SampleBuffer): void {
    const rows = this.rows!
    rows.readParts(this.index, mint, maxt, out)
    rows.takeFetched(this.fetched)
    if (out.histograms !== undefined || out.starts !== undefined) this.rare.add(set)
  }

  stamp(set: number): number {
    const head = this.rows!.headOf(this.index)
    if (head === undefined) return this.rare.has(set) ? STAMP_UNORDERED : STAMP_NO_HEAD
    if (head === 'several' || this.rare.has(set)) return STAMP_UNORDERED
    const known = this.refs.get(set)
    if (known !== head.ref) {
      this.refs.set(set, head.ref)
      // Of another ref a stamp tells nothing.
      if (known !== undefined) return STAMP_UNORDERED
    }
    const stamp = head.reader.stamp(head.ref)
    return stamp < 0 ? stamp : stamp + 1
  }

  newest(): number {
    const head = this.rows!.headOf(this.index)
    return typeof head === 'object' ? head.reader.newest(head.ref) : Number.NEGATIVE_INFINITY
  }
}

/** Tenants whose columns are kept. */
const TENANTS_MAX = 100

/** The merged columns of all tenants. */
export class UnionCache {
  private readonly cache: ColumnCache
  private readonly tenants = new Map<
    string,
    { readonly of: readonly unknown[]; readonly columns: UnionColumns }
  >()

  constructor(cache: ColumnCache) {
    this.cache = cache
  }

  /**
   * Those of a tenant.
   *
   * @param of what they are columns of (label table, blocks, heads); when that is another they are
   *   made anew
   */
  columnsOf(tenant: string, of: readonly unknown[]): UnionColumns {
    const known = this.tenants.get(tenant)
    if (known !== undefined && isSame(known.of, of)) return known.columns
    known?.columns.dropAll()
    if (known === undefined && this.tenants.size >= TENANTS_MAX) this.dropAll()
    const columns = new UnionColumns(this.cache)
    this.tenants.set(tenant, { of, columns })
    return columns
  }

  /** Forgets everything. */
  dropAll(): void {
    for (const { columns } of this.tenants.values()) columns.dropAll()
    this.tenants.clear()
  }
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}
