/**
 * What a query takes out of storage: series, chunks and their bytes, counted as it goes and stopped
 * at the tenant's limits. One per query; sources add to it, explanations and logs read it.
 */
import { fail } from '../errors/index.js'

/** Bounds of one query; 0 = none. */
export interface FetchLimits {
  /** `max_fetched_series_per_query` */
  readonly seriesMax: number
  /** `max_fetched_chunks_per_query` */
  readonly chunksMax: number
  /** `max_fetched_chunk_bytes_per_query` */
  readonly chunkBytesMax: number
}

/** No bounds. */
export const FETCH_UNLIMITED: FetchLimits = { seriesMax: 0, chunksMax: 0, chunkBytesMax: 0 }

/** What a query took out of one block. */
export interface BlockFetch {
  readonly block: string
  /** The part of the block's time that was asked for, ms, both ends inclusive. */
  mint: number
  maxt: number
  /** Series selected; those of several selectors count once for each. */
  series: number
  chunks: number
  chunkBytes: number
}

/** Counts what one query fetches. */
export class FetchMeter {
  series = 0
  /** Chunks read and decoded; those of cached columns are not. */
  chunks = 0
  chunkBytes = 0
  /** Series whose columns were in the cache, and those that were not. */
  cacheHits = 0
  cacheMisses = 0
  /** By block, in the order in which they were first asked. */
  readonly blocks = new Map<string, BlockFetch>()
  private readonly limits: FetchLimits

  constructor(limits: FetchLimits = FETCH_UNLIMITED) {
    this.limits = limits
  }

  /** The record of a block, widened to a further range; the caller adds to it. */
  block(block: string, range: { readonly mint: number; readonly maxt: number }): BlockFetch {
    const known = this.blocks.get(block)
    if (known === undefined) {
      const use = { block, ...range, series: 0, chunks: 0, chunkBytes: 0 }
      this.blocks.set(block, use)
      return use
    }
    known.mint = Math.min(known.mint, range.mint)
    known.maxt = Math.max(known.maxt, range.maxt)
    return known
  }

  /** Counts selected series. @throws AppError `err-mimir-max-series-per-query` */
  addSeries(count: number): void {
    this.series += count
    const { seriesMax } = this.limits
    if (seriesMax > 0 && this.series > seriesMax) {
      throw fail('err-mimir-max-series-per-query', { limit: seriesMax })
    }
  }

  /**
   * Counts chunks that were read.
   * @throws AppError `err-mimir-max-chunks-per-query`, `err-mimir-max-chunks-bytes-per-query`
   */
  addChunks(count: number, bytes: number): void {
    this.chunks += count
    this.chunkBytes += bytes
    const { chunksMax, chunkBytesMax } = this.limits
    if (chunksMax > 0 && this.chunks > chunksMax) {
      throw fail('err-mimir-max-chunks-per-query', { limit: chunksMax })
    }
    if (chunkBytesMax > 0 && this.chunkBytes > chunkBytesMax) {
      throw fail('err-mimir-max-chunks-bytes-per-query', { limit: chunkBytesMax })
    }
  }
}
