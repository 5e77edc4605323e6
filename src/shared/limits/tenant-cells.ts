/**
 * What threads must agree on about a tenant, in cells that all of them share: the token bucket of its
 * ingestion rate, how many series each shard holds of it, and whether some that were refused may be
 * tried again. Looked at once per request or new series, never per sample.
 *
 *   header  0 rows i32 | 4 shards i32 | 8 zero
 *           | 16 i32[shards]: 1 when the shard has counted all that it holds, then padding to 8
 *   a row   0 key i64 (hash of the tenant, 0: free) | 8 bucket i64 | 16 retries i32 | 20 refused i32
 *           | 24 series i32[shards], then padding to 8
 *
 * A bucket is one number, the time at which it will be full again (GCRA: the theoretical arrival time
 * of ATM Forum TM 4.0), in microseconds of the wall clock: one compare-and-exchange takes tokens.
 */
import { xxhash64 } from '../base/xxhash64.js'

/** Tenants with cells of their own; those beyond share the last row. */
const ROWS_MAX = 8_192
const HEADER_BYTES = 16
const ROW_WORDS = 6
const RETRIES = 4
const REFUSED = 5

/** Microseconds that sums of rounded times may be off. */
const ROUNDING = 16

/** Tokens a second, and how many may be taken at once. */
export interface BucketSize {
  readonly rate: number
  readonly burst: number
}

/** Makes the cells, for so many shards. Memory that no tenant uses is not touched. */
export function createTenantCells(shards: number, rows = ROWS_MAX): SharedArrayBuffer {
  const wordCount = firstRow(shards) + rows * rowWords(shards)
  const cells = new SharedArrayBuffer(wordCount * 4)
  const words = new Int32Array(cells)
  words[0] = rows
  words[1] = shards
  return cells
}

/** A thread's view of the cells. */
export class TenantCells {
  private readonly words: Int32Array
  private readonly longs: BigInt64Array
  private readonly rows: number
  private readonly shards: number
  private readonly stride: number
  private readonly firstRow: number

  /** @param cells of createTenantCells; without them a thread is alone */
  constructor(cells: SharedArrayBuffer = createTenantCells(1)) {
    this.words = new Int32Array(cells)
    this.longs = new BigInt64Array(cells)
    this.rows = this.words[0]!
    this.shards = this.words[1]!
    this.stride = rowWords(this.shards)
    this.firstRow = firstRow(this.shards)
  }

  /** The row of a tenant, claimed when it is new: to be kept, and passed to the other methods. */
  rowOf(tenant: string): number {
    const key = BigInt.asIntN(64, xxhash64(Buffer.from(tenant)) | 1n)
    let row = Number(BigInt.asUintN(32, key)) % this.rows
    for (let tries = 1; tries < this.rows; tries++) {
      const at = this.wordOf(row) >>> 1
      const found = Atomics.compareExchange(this.longs, at, 0n, key)
      if (found === 0n || found === key) return row
      row = (row + 1) % this.rows
    }
    return this.rows - 1
  }

  /** The row of a tenant that has one, or the one for those that found none free. */
  findRow(tenant: string): number | undefined {
    const key = BigInt.asIntN(64, xxhash64(Buffer.from(tenant)) | 1n)
    let row = Number(BigInt.asUintN(32, key)) % this.rows
    for (let tries = 1; tries < this.rows; tries++) {
      const found = Atomics.load(this.longs, this.wordOf(row) >>> 1)
      if (found === key) return row
      if (found === 0n) return undefined
      row = (row + 1) % this.rows
    }
    return this.rows - 1
  }

  /**
   * Takes tokens when there are enough; otherwise nothing happens. More than the burst are never had.
   *
   * @param nowMs wall clock: one that goes back empties buckets at most
   */
  tryTake(row: number, count: number, size: BucketSize, nowMs: number): boolean {
    if (count > size.burst) return false
    if (count === 0) return true
    const at = (this.wordOf(row) >>> 1) + 1
    const microsPerToken = 1e6 / size.rate
    const now = nowMs * 1_000
    const room = size.burst * microsPerToken
    while (true) {
      const held = Atomics.load(this.longs, at)
      const fullAt = Math.min(Math.max(Number(held), now), now + room)
      const next = fullAt + count * microsPerToken
      if (next - now > room + ROUNDING) {
        // A clock that went back: from here on the bucket fills again.
        const fullest = BigInt(Math.round(now + room))
        if (held > fullest) Atomics.compareExchange(this.longs, at, held, fullest)
        return false
      }
      const stored = BigInt(Math.round(next))
      if (Atomics.compareExchange(this.longs, at, held, stored) === held) return true
    }
  }

  /** Notes how many series a shard has of the tenant. */
  setSeries(row: number, shard: number, count: number): void {
    Atomics.store(this.words, this.wordOf(row) + ROW_WORDS + (shard % this.shards), count)
  }

  /** Series of the tenant in some shards, such as a zone's; without them in all. */
  series(row: number, { from, to } = { from: 0, to: this.shards }): number {
    const first = this.wordOf(row) + ROW_WORDS
    let sum = 0
    for (let shard = from; shard < Math.min(to, this.shards); shard++) {
      sum += Atomics.load(this.words, first + shard)
    }
    return sum
  }

  /** A shard has counted what it holds of all tenants: from here on `holds` knows of it. */
  noteCounted(shard: number): void {
    Atomics.store(this.words, HEADER_BYTES / 4 + (shard % this.shards), 1)
  }

  /** Whether a shard has, or for all that is known may have, series of a tenant in memory. */
  holds(tenant: string, shard: number): boolean {
    const at = shard % this.shards
    if (Atomics.load(this.words, HEADER_BYTES / 4 + at) === 0) return true
    const row = this.findRow(tenant)
    if (row === undefined) return false
    // The last row is shared by those that found none: its count is that of one of them.
    return row === this.rows - 1 || this.series(row, { from: at, to: at + 1 }) > 0
  }

  /** Notes that series of the tenant were refused. */
  noteRefused(row: number): void {
    Atomics.store(this.words, this.wordOf(row) + REFUSED, 1)
  }

  /** Series of the tenant went: distributors are to try again those that were refused, if any were. */
  allowRetry(row: number): void {
    const at = this.wordOf(row)
    if (Atomics.exchange(this.words, at + REFUSED, 0) === 1) {
      Atomics.add(this.words, at + RETRIES, 1)
    }
  }

  /** Changes when series that were refused are to be tried again. */
  retries(row: number): number {
    return Atomics.load(this.words, this.wordOf(row) + RETRIES)
  }

  private wordOf(row: number): number {
    return this.firstRow + row * this.stride
  }
}

function firstRow(shards: number): number {
  return HEADER_BYTES / 4 + shards + (shards & 1)
}

function rowWords(shards: number): number {
  return ROW_WORDS + shards + (shards & 1)
}
