/**
 * Which replica of each pair is believed, in cells that all distributors share (reference: "HA
 * tracker"): a row per tenant and cluster. Looked at once per request. The main thread shows the
 * rows, keeps them over a restart, and frees those that were silent for long.
 *
 *   header  0 rows i32 | 4 zero
 *   a row   i64 × 6: key (hash of tenant and cluster; 0 free, −1 was in use), hash of the tenant,
 *           hash of the elected replica, last heard of (ms), elected (ms), newest sample (ms)
 *           | elections i32 | lengths of three texts u16 | the texts: tenant, cluster, replica
 */
import { xxhash64 } from '../base/xxhash64.js'

const ROWS = 4_096
const HEADER_BYTES = 8
const ROW_BYTES = 576
const TEXT_AT = 64
const TEXT_MAX = 168
const TENANT = 1
const REPLICA = 2
const HEARD = 3
const ELECTED = 4
const SAMPLE = 5
const USED_BEFORE = -1n

/** A pair, or larger cluster, and whom of it is believed. */
export interface HaEntry {
  readonly tenant: string
  readonly cluster: string
  readonly replica: string
  /** ms since the epoch. */
  readonly heardAt: number
  readonly electedAt: number
  /** Elections so far. */
  readonly elections: number
}

/** A replica asks to be believed. */
export interface HaClaim {
  readonly replica: string
  readonly now: number
  /** `ha_tracker_failover_timeout`, ms. */
  readonly failoverMs: number
  /** Time of the request's first sample, ms, and how far it must be ahead for a failover; 0 = not at all. */
  readonly sampleMs: number
  readonly sampleFailoverMs: number
}

/** What became of it: believed as before, newly elected, or another one is believed. */
export type HaVerdict = 'elected' | 'changed' | 'other'

/** Makes the cells. */
export function createHaCells(rows = ROWS): SharedArrayBuffer {
  const cells = new SharedArrayBuffer(HEADER_BYTES + rows * ROW_BYTES)
  new Int32Array(cells)[0] = rows
  return cells
}

/** Texts whose hashes are remembered. */
const HASHES_MAX = 4_096

/** A cluster, and where it was. */
class KnownRow {
  readonly tenant: string
  readonly cluster: string
  readonly row: number
  readonly key: bigint

  constructor(tenant: string, cluster: string, row: number, key: bigint) {
    this.tenant = tenant
    this.cluster = cluster
    this.row = row
    this.key = key
  }
}

/** A thread's view. */
export class HaCells {
  private readonly longs: BigInt64Array
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly rows: number
  private readonly hashes = new Map<string, bigint>()
  /** The cluster that was asked for last: most likely the next is the same. */
  private latest = new KnownRow('', '', -1, 0n)

  /** @param cells of createHaCells; without them a thread is alone */
  constructor(cells: SharedArrayBuffer = createHaCells()) {
    this.longs = new BigInt64Array(cells)
    this.bytes = new Uint8Array(cells)
    this.view = new DataView(cells)
    this.rows = this.view.getInt32(0, true)
  }

  /**
   * The row of a cluster, claimed when it is new.
   *
   * @param clustersMax of the tenant, 0 = no limit
   * @returns −1 when the tenant has as many clusters as it may, or there is no row left
   */
  rowOf(tenant: string, cluster: string, clustersMax: number): number {
    const { latest } = this
    if (latest.row >= 0 && latest.cluster === cluster && latest.tenant === tenant) {
      if (Atomics.load(this.longs, longAt(latest.row)) === latest.key) return latest.row
    }
    const row = this.findRow(tenant, cluster, clustersMax)
    if (row >= 0) this.latest = new KnownRow(tenant, cluster, row, this.keyOf(tenant, cluster))
    return row
  }

  private findRow(tenant: string, cluster: string, clustersMax: number): number {
    const key = this.keyOf(tenant, cluster)
    const start = Number(BigInt.asUintN(32, key)) % this.rows
    let free = -1
    for (let i = 0; i < this.rows; i++) {
      const row = (start + i) % this.rows
      const found = Atomics.load(this.longs, longAt(row))
      if (found === key) return row
      if (free < 0 && (found === 0n || found === USED_BEFORE)) free = row
      if (found === 0n) break
    }
    const owner = this.hashOf(tenant)
    if (free < 0 || (clustersMax > 0 && this.clustersOf(owner) >= clustersMax)) return -1
    const before = Atomics.load(this.longs, longAt(free))
    if (before !== 0n && before !== USED_BEFORE) return this.findRow(tenant, cluster, clustersMax)
    const at = longAt(free)
    if (Atomics.compareExchange(this.longs, at, before, key) !== before) {
      return this.findRow(tenant, cluster, clustersMax)
    }
    for (const field of [REPLICA, HEARD, ELECTED, SAMPLE]) Atomics.store(this.longs, at + field, 0n)
    Atomics.store(this.longs, at + TENANT, owner)
    this.view.setInt32(byteAt(free) + 48, 0, true)
    this.setText(free, 0, tenant)
    this.setText(free, 1, cluster)
    return free
  }

  /** A replica of the row's cluster has sent something. */
  claim(row: number, claim: HaClaim): HaVerdict {
    const at = longAt(row)
    const mine = this.hashOf(claim.replica)
    const elected = Atomics.load(this.longs, at + REPLICA)
    if (elected === mine) {
      this.heard(at, claim)
      return 'elected'
    }
    if (elected !== 0n) {
      const silentMs = claim.now - Number(Atomics.load(this.longs, at + HEARD))
      if (silentMs <= claim.failoverMs) return 'other'
      const lead = claim.sampleMs - Number(Atomics.load(this.longs, at + SAMPLE))
      if (claim.sampleFailoverMs > 0 && lead < claim.sampleFailoverMs) return 'other'
    }
    if (Atomics.compareExchange(this.longs, at + REPLICA, elected, mine) !== elected) return 'other'
    this.heard(at, claim)
    Atomics.store(this.longs, at + ELECTED, BigInt(Math.floor(claim.now)))
    this.setText(row, 2, claim.replica)
    const count = byteAt(row) + 48
    this.view.setInt32(count, this.view.getInt32(count, true) + 1, true)
    return 'changed'
  }

  /** The replica that is believed, for a text. */
  replicaOf(row: number): string {
    return this.text(row, 2)
  }

  /** All rows in use, by tenant and cluster. */
  list(): HaEntry[] {
    const entries: HaEntry[] = []
    for (let row = 0; row < this.rows; row++) {
      const at = longAt(row)
      const key = Atomics.load(this.longs, at)
      if (key === 0n || key === USED_BEFORE) continue
      entries.push({
        tenant: this.text(row, 0),
        cluster: this.text(row, 1),
        replica: this.text(row, 2),
        heardAt: Number(Atomics.load(this.longs, at + HEARD)),
        electedAt: Number(Atomics.load(this.longs, at + ELECTED)),
        elections: this.view.getInt32(byteAt(row) + 48, true),
      })
    }
    const order = (entry: HaEntry): string => `${entry.tenant}\0${entry.cluster}`
    return entries.sort((a, b) => (order(a) < order(b) ? -1 : 1))
  }

  /** Puts back what was kept over a restart; before any request comes. */
  restore(entries: readonly HaEntry[]): void {
    for (const { tenant, cluster, replica, heardAt, electedAt, elections } of entries) {
      const row = this.rowOf(tenant, cluster, 0)
      if (row < 0) return
      const at = longAt(row)
      Atomics.store(this.longs, at + REPLICA, this.hashOf(replica))
      Atomics.store(this.longs, at + HEARD, BigInt(Math.floor(heardAt)))
      Atomics.store(this.longs, at + ELECTED, BigInt(Math.floor(electedAt)))
      this.view.setInt32(byteAt(row) + 48, elections, true)
      this.setText(row, 2, replica)
    }
  }

  /** Frees the rows that were last heard of before a time. */
  sweep(before: number): void {
    for (let row = 0; row < this.rows; row++) {
      const at = longAt(row)
      const key = Atomics.load(this.longs, at)
      if (key === 0n || key === USED_BEFORE) continue
      if (Number(Atomics.load(this.longs, at + HEARD)) >= before) continue
      Atomics.compareExchange(this.longs, at, key, USED_BEFORE)
    }
  }

  private heard(at: number, { now, sampleMs }: HaClaim): void {
    Atomics.store(this.longs, at + HEARD, BigInt(Math.floor(now)))
    if (Number.isFinite(sampleMs)) {
      Atomics.store(this.longs, at + SAMPLE, BigInt(Math.floor(sampleMs)))
    }
  }

  private keyOf(tenant: string, cluster: string): bigint {
    return this.hashOf(`${tenant}\0${cluster}`)
  }

  /** The hash of a text, remembered: the same few come with every request. */
  private hashOf(text: string): bigint {
    let hash = this.hashes.get(text)
    if (hash !== undefined) return hash
    hash = hashOf(text)
    if (this.hashes.size >= HASHES_MAX) this.hashes.clear()
    this.hashes.set(text, hash)
    return hash
  }

  private clustersOf(owner: bigint): number {
    let count = 0
    for (let row = 0; row < this.rows; row++) {
      const at = longAt(row)
      const key = Atomics.load(this.longs, at)
      if (key === 0n || key === USED_BEFORE) continue
      if (Atomics.load(this.longs, at + TENANT) === owner) count++
    }
    return count
  }

  private setText(row: number, part: number, text: string): void {
    const bytes = Buffer.from(text).subarray(0, TEXT_MAX)
    const base = byteAt(row)
    this.bytes.set(bytes, base + TEXT_AT + part * TEXT_MAX)
    this.view.setUint16(base + 52 + part * 2, bytes.length, true)
  }

  private text(row: number, part: number): string {
    const base = byteAt(row)
    const from = base + TEXT_AT + part * TEXT_MAX
    const length = this.view.getUint16(base + 52 + part * 2, true)
    return Buffer.from(this.bytes.slice(from, from + length)).toString('utf8')
  }
}

function byteAt(row: number): number {
  return HEADER_BYTES + row * ROW_BYTES
}

function longAt(row: number): number {
  return byteAt(row) / 8
}

/** Never 0 nor −1, which stand for rows that nobody has. */
function hashOf(text: string): bigint {
  const hash = BigInt.asIntN(64, xxhash64(Buffer.from(text)))
  return hash === 0n || hash === USED_BEFORE ? 1n : hash
}
