/**
 * What threads must agree on about a tenant, in cells that all of them share: the token bucket of its
 * ingestion rate, how many series each shard holds of it, and whether some that were refused may be
 * tried again. Looked at once per request or new series, never per sample.
 *
 *   header  0 rows i32 | 4 shards i32 | 8 lock i32 | 12 stamp i32 | 16 crowded i32 | 20 zero
 *           | 24 i32[shards]: 1 when the shard has counted all that it holds, then padding to 8
 *   a row   0 key i64 (hash of the tenant, odd; 0: never used, 2: free again; even: leaving)
 *           | 8 bucket i64 | 16 retries i32 | 20 refused i32 | 24 series i32[shards], then padding to 8
 *
 * A bucket is one number, the time at which it will be full again (GCRA: the theoretical arrival time
 * of ATM Forum TM 4.0), in microseconds of the wall clock: one compare-and-exchange takes tokens.
 *
 * Rows are found by open addressing and given under a lock, which is seldom: once per thread and tenant. A
 * row with nothing in it is marked as leaving, and freed if it is still so at the next sweep; whoever
 * holds it looks at the key at each use, and finds that it must look for its tenant's row again.
 */
import { xxhash64 } from '../base/xxhash64.js'

/** Tenants with cells of their own at once; those beyond share the last row. */
const ROWS_MAX = 8_192
const LOCK = 2
const STAMP = 3
const CROWDED = 4
const HEADER_WORDS = 6
const ROW_WORDS = 6
const RETRIES = 4
const REFUSED = 5

/** Of a row that was in use. */
const GONE = 2n
/** After so many looks at the lock, a second or two, who held it has been ended meanwhile. */
const LOOKS_MAX = 100_000_000
/** How long a bucket must have been full, ms. */
const IDLE_MS = 3_600_000

/** Microseconds that sums of rounded times may be off. */
const ROUNDING = 16

/** Tokens a second, and how many may be taken at once. */
export interface BucketSize {
  readonly rate: number
  readonly burst: number
}

/** A tenant's row, as one thread knows it. */
export interface TenantRow {
  readonly key: bigint
  /** Where it was when it was used last. */
  at: number
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
  rowOf(tenant: string): TenantRow {
    const key = keyOf(tenant)
    const found = this.find(key) ?? this.rows - 1
    const isOwn = found < this.rows - 1 && this.isOf(found, key)
    return { key, at: isOwn ? found : this.claim(key) }
  }

  /** Series of a tenant in some shards; for who only looks, and keeps no row. */
  seriesOf(tenant: string, range: { readonly from: number; readonly to: number }): number {
    const row = this.find(keyOf(tenant))
    return row === undefined ? 0 : this.sumOf(row, range)
  }

  /**
   * Takes tokens when there are enough; otherwise nothing happens. More than the burst are never had.
   *
   * @param nowMs wall clock: one that goes back empties buckets at most
   */
  tryTake(row: TenantRow, count: number, size: BucketSize, nowMs: number): boolean {
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
  setSeries(row: TenantRow, shard: number, count: number): void {
    Atomics.store(this.words, this.wordOf(row) + ROW_WORDS + (shard % this.shards), count)
  }

  /** Series of the tenant in some shards, such as a zone's; without them in all. */
  series(row: TenantRow, { from, to } = { from: 0, to: this.shards }): number {
    return this.sumOf(this.placeOf(row), { from, to })
  }

  /** A shard has counted what it holds of all tenants: from here on `holds` knows of it. */
  noteCounted(shard: number): void {
    Atomics.store(this.words, HEADER_WORDS + (shard % this.shards), 1)
  }

  /** Whether a shard has, or for all that is known may have, series of a tenant in memory. */
  holds(tenant: string, shard: number): boolean {
    const at = shard % this.shards
    if (Atomics.load(this.words, HEADER_WORDS + at) === 0) return true
    // Counts of those that share a row are each other's.
    if (Atomics.load(this.words, CROWDED) !== 0) return true
    return this.seriesOf(tenant, { from: at, to: at + 1 }) > 0
  }

  /** Notes that series of the tenant were refused. */
  noteRefused(row: TenantRow): void {
    Atomics.store(this.words, this.wordOf(row) + REFUSED, 1)
  }

  /** Series of the tenant went: distributors are to try again those that were refused, if any were. */
  allowRetry(row: TenantRow): void {
    const at = this.wordOf(row)
    if (Atomics.exchange(this.words, at + REFUSED, 0) === 1) {
      Atomics.store(this.words, at + RETRIES, this.nextStamp())
    }
  }

  /** Changes when series that were refused are to be tried again. */
  retries(row: TenantRow): number {
    return Atomics.load(this.words, this.wordOf(row) + RETRIES)
  }

  /**
   * Frees rows that nothing is in, and that nobody used since the sweep before; the others are marked.
   * For one thread, every minute or more: longer than any use of a row takes.
   */
  sweep(nowMs: number): void {
    this.lock()
    const end = this.rows - 1
    for (let row = 0; row < end; row++) {
      const at = this.keyAt(row)
      const key = Atomics.load(this.longs, at)
      if (key === 0n || key === GONE) continue
      if (!this.isIdle(row, nowMs)) Atomics.store(this.longs, at, key | 1n)
      else Atomics.store(this.longs, at, (key & 1n) === 1n ? key ^ 1n : GONE)
    }
    // Where nothing follows nobody has to look on.
    for (let row = end - 1; row >= 0; row--) {
      const at = this.keyAt(row)
      if (Atomics.load(this.longs, at) !== GONE) continue
      if (Atomics.load(this.longs, this.keyAt((row + 1) % end)) === 0n) {
        Atomics.store(this.longs, at, 0n)
      }
    }
    this.unlock()
  }

  /** Whether a row says nothing that one which was never used would not. */
  private isIdle(row: number, nowMs: number): boolean {
    const at = this.wordsAt(row)
    if (Atomics.load(this.words, at + REFUSED) !== 0) return false
    if (this.sumOf(row, { from: 0, to: this.shards }) > 0) return false
    return Number(Atomics.load(this.longs, (at >>> 1) + 1)) <= (nowMs - IDLE_MS) * 1_000
  }

  private sumOf(row: number, { from, to }: { from: number; to: number }): number {
    const first = this.wordsAt(row) + ROW_WORDS
    let sum = 0
    for (let shard = from; shard < Math.min(to, this.shards); shard++) {
      sum += Atomics.load(this.words, first + shard)
    }
    return sum
  }

  /** Where a tenant's row is; undefined when it has none. */
  private find(key: bigint): number | undefined {
    const end = this.rows - 1
    let row = homeOf(key, end)
    for (let tries = 0; tries < end; tries++) {
      const found = Atomics.load(this.longs, this.keyAt(row))
      if ((found | 1n) === key) return row
      if (found === 0n) return undefined
      row = (row + 1) % end
    }
    return end
  }

  /** Gives a tenant the row that it has, or a free one; the last one when there is none. */
  private claim(key: bigint): number {
    this.lock()
    const end = this.rows - 1
    let free = end
    let row = homeOf(key, end)
    for (let tries = 0; tries < end; tries++) {
      const found = Atomics.load(this.longs, this.keyAt(row))
      if ((found | 1n) === key) {
        free = row
        break
      }
      if (free === end && (found === 0n || found === GONE)) free = row
      if (found === 0n) break
      row = (row + 1) % end
    }
    if (free === end) Atomics.store(this.words, CROWDED, 1)
    else this.give(free, key)
    this.unlock()
    return free
  }

  private give(row: number, key: bigint): void {
    const found = Atomics.load(this.longs, this.keyAt(row))
    if ((found | 1n) !== key) {
      const at = this.wordsAt(row)
      Atomics.store(this.longs, (at >>> 1) + 1, 0n)
      for (let word = REFUSED; word < this.stride; word++) Atomics.store(this.words, at + word, 0)
      // No number that its distributors may know from an earlier row.
      Atomics.store(this.words, at + RETRIES, this.nextStamp())
    }
    Atomics.store(this.longs, this.keyAt(row), key)
  }

  private nextStamp(): number {
    return Atomics.add(this.words, STAMP, 1) + 1
  }

  /** Waits, turning: it is held for some microseconds. */
  private lock(): void {
    let looks = 0
    while (Atomics.compareExchange(this.words, LOCK, 0, 1) !== 0) {
      if (++looks === LOOKS_MAX) return
    }
  }

  private unlock(): void {
    Atomics.store(this.words, LOCK, 0)
  }

  private isOf(row: number, key: bigint): boolean {
    return row === this.rows - 1 || Atomics.load(this.longs, this.keyAt(row)) === key
  }

  /** Where a tenant's row is by now. */
  private placeOf(row: TenantRow): number {
    if (!this.isOf(row.at, row.key)) row.at = this.claim(row.key)
    return row.at
  }

  private wordOf(row: TenantRow): number {
    return this.wordsAt(this.placeOf(row))
  }

  private wordsAt(row: number): number {
    return this.firstRow + row * this.stride
  }

  private keyAt(row: number): number {
    return this.wordsAt(row) >>> 1
  }
}

/** Odd. */
function keyOf(tenant: string): bigint {
  return BigInt.asIntN(64, xxhash64(Buffer.from(tenant)) | 1n)
}

function homeOf(key: bigint, rows: number): number {
  return Number(BigInt.asUintN(32, key >> 1n)) % rows
}

function firstRow(shards: number): number {
  return HEADER_WORDS + shards + (shards & 1)
}

function rowWords(shards: number): number {
  return ROW_WORDS + shards + (shards & 1)
}
