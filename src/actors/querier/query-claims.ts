/**
 * What the query of this thread holds of the process' memory: columns, told by the engine as a sum,
 * and pages of remote chunks, told as they come. One claim for both; gone when the query is.
 */
import { fail } from '../../shared/errors/index.js'
import type { MemoryBudget } from '../../shared/slab/index.js'

/** Bytes of remote chunks that one query may hold. */
const PAGES_BYTES_MAX = 512 << 20

/** The claim of one seat. */
export class QueryClaims {
  private readonly budget: MemoryBudget | undefined
  private readonly seat: number
  private columnBytes = 0
  private pageBytes = 0

  /** @param budget without it there is no limit but the pages' own */
  constructor(budget: MemoryBudget | undefined, seat: number) {
    this.budget = budget
    this.seat = seat
    this.end()
  }

  /** Sets the bytes of columns; false, and nothing changes, when there is no room. */
  setColumns(bytes: number): boolean {
    if (!this.raise(bytes + this.pageBytes)) return false
    this.columnBytes = bytes
    return true
  }

  /**
   * Adds bytes of pages.
   * @throws AppError `query-memory` for too many, `overloaded` when the process has no room
   */
  addPages(bytes: number): void {
    const pageBytes = this.pageBytes + bytes
    if (pageBytes > PAGES_BYTES_MAX) throw fail('query-memory', { limit: PAGES_BYTES_MAX })
    if (!this.raise(this.columnBytes + pageBytes)) {
      throw fail('overloaded', { text: 'there is no memory left for chunks of remote blocks' })
    }
    this.pageBytes = pageBytes
  }

  /** The query is over. */
  end(): void {
    this.columnBytes = 0
    this.pageBytes = 0
    this.budget?.set('queries', this.seat, 0)
  }

  private raise(bytes: number): boolean {
    return this.budget?.tryRaise('queries', this.seat, bytes) ?? true
  }
}
