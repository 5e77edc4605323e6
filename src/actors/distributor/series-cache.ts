/**
 * Tenants and their series ids: gives the kernel what it asks for (ids, hash tables) and takes it back
 * by dropping whole tenants. The lookups themselves are the kernel's
 * (shared/kernels/assembly/label-hash.ts).
 *
 * Everything here is soft: a dropped tenant's series get new ids by use and are defined anew. An id
 * that comes to stand for another series starts out unrouted, and so is defined before its next use.
 */
import { fnv1 } from '../../shared/base/fnv.js'
import type { Members } from '../../shared/hashring/index.js'
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import type { LimitName, TenantLimits, TenantRow } from '../../shared/limits/index.js'
import type { Sender } from './ha-tracker.js'
import { LabelRewriter } from './rewrite.js'

/** What decides whether, and as what, a label set is stored. */
const LABEL_LIMITS = [
  'max_label_names_per_series',
  'max_label_names_per_info_series',
  'max_label_name_length',
  'max_label_value_length',
  'name_validation_scheme',
  // Series that were refused are tried again when these have changed.
  'max_global_series_per_user',
  'max_global_series_per_metric',
  'drop_labels',
  'metric_relabel_configs',
  'metric_relabeling_enabled',
  'label_value_length_over_limit_strategy',
  'ha_cluster_label',
  'ha_replica_label',
  // Where it is stored.
  'ingestion_tenant_shard_size',
] as const satisfies readonly LimitName[]
/** Ids are handed to tenants in blocks, so that a dropped tenant's come back whole. */
const ID_BLOCK = 256
const TABLE_SLOTS_MIN = 1_024
/** Slots of an old table moved at a time; twice what is needed to be done before the next doubling. */
const SLOTS_PER_MOVE = 4_096
const TENANTS_MAX = 65_536
/** A tenant of whom nothing came for so long makes room when another one comes, ms. */
const IDLE_MS = 3_600_000
/** So many of them for each that comes: a push waits for it. */
const IDLE_DROPS_MAX = 2

/** A tenant as the kernel knows it. */
export interface TenantSeries {
  readonly name: string
  /** Its series are those of pairs, whose replica label goes; the others of the tenant are apart. */
  readonly isPaired: boolean
  readonly nameBytes: Uint8Array
  /** FNV-1 state after the name. */
  readonly hash: number
  /** The row that its series were validated by. */
  limits: TenantLimits
  /** Parts of the ring that have its series; all when undefined. */
  members: Members | undefined
  /** What is done to labels; undefined: nothing. */
  rewriter: LabelRewriter | undefined
  /** Who sent series, by their ids; of those that were the first of a body. */
  readonly senders: Map<number, Sender>
  /** Its row in the cells that threads share; undefined before it was looked up. */
  cells: TenantRow | undefined
  /** `retries` of those cells when its series were last defined. */
  retries: number
  /** The kernel's record (layout TENANT_*). */
  readonly record: number
  readonly idBlocks: number[]
  /** When it was last opened, ms. */
  usedAt: number
  tableBytes: number
  oldTable: number
}

/** The tenants of one distributor. */
export class SeriesCache {
  private readonly kernel: WriteRequestKernel
  private readonly now: () => number
  private readonly membersOf: (tenant: string, limits: TenantLimits) => Members | undefined
  /** Least recently used first. */
  private readonly tenants = new Map<string, TenantSeries>()
  /** The one that was opened last, and of the same tenant the pairs' or the others'. */
  private latest: TenantSeries | undefined
  private latestOther: TenantSeries | undefined
  private readonly freeBlocks: number[] = []
  private blockNext = 0
  private readonly blockCount: number
  private readonly freeSlabs = new Map<number, number[]>()
  private heapTop: number

  /**
   * @param membersOf the part of the ring that a tenant is given; without it all of it
   * @param now monotonic ms; without it nobody is ever idle
   */
  constructor(
    kernel: WriteRequestKernel,
    membersOf: (tenant: string, limits: TenantLimits) => Members | undefined = () => undefined,
    now: () => number = () => 0,
  ) {
    this.kernel = kernel
    this.now = now
    this.membersOf = membersOf
    this.blockCount = kernel.sizes.seriesIdsMax / ID_BLOCK
    this.heapTop = kernel.heap
    // Id 0 is nobody's: the route of series whose label set is too long for an id.
    kernel.bytes[kernel.routes] = layout.ROUTE_REJECTED | layout.REASON_VALUE_LONG
  }

  /**
   * The tenant, opened when new. Where limits that decide what becomes of a label set have changed
   * its series are looked at anew. Not while an open frame uses ids.
   */
  open(name: string, limits: TenantLimits, isPaired = false): TenantSeries {
    const now = this.now()
    const latest = this.findLatest(name, isPaired)
    if (latest !== undefined && latest.limits === limits) {
      latest.usedAt = now
      return latest
    }
    const key = keyOf(name, isPaired)
    const tenant = this.tenants.get(key) ?? this.create(name, limits, isPaired)
    if (tenant.limits !== limits) {
      if (!decideAlike(tenant.limits, limits)) this.empty(tenant)
      tenant.limits = limits
      tenant.members = this.membersOf(name, limits)
      tenant.rewriter = rewriterOf(name, limits, isPaired)
    }
    tenant.usedAt = now
    this.tenants.delete(key)
    this.tenants.set(key, tenant)
    if (latest === undefined) {
      // Only those of one tenant: both are at the end of `tenants` then.
      this.latestOther = this.latest?.name === name ? this.latest : undefined
      this.latest = tenant
    }
    return tenant
  }

  /** Of pairs' bodies both are opened by turns. */
  private findLatest(name: string, isPaired: boolean): TenantSeries | undefined {
    const { latest, latestOther } = this
    if (latest === undefined || latest.name !== name) return undefined
    return latest.isPaired === isPaired ? latest : latestOther
  }

  /** Series of the tenant that ingesters refused are to be tried again: all are defined anew. */
  defineAnew(tenant: TenantSeries, retries: number): void {
    if (tenant.retries !== retries) this.empty(tenant)
    tenant.retries = retries
  }

  /** Tenants at present. */
  size(): number {
    return this.tenants.size
  }

  /**
   * Gives a tenant what `walk` found missing.
   *
   * @returns false when ids or memory are used up: `evict`, once no open frame uses ids
   */
  makeRoom(tenant: TenantSeries): boolean {
    return this.giveIds(tenant) && this.giveTable(tenant)
  }

  /** Moves a slice of a table that is being doubled. Call once per body. */
  tick(tenant: TenantSeries): void {
    if (tenant.oldTable !== 0) this.moveTable(tenant, SLOTS_PER_MOVE)
  }

  /** Drops the tenant that was not used for the longest time; the given one when there is no other. */
  evict(current: TenantSeries): void {
    for (const tenant of this.tenants.values()) {
      if (tenant === current) continue
      this.drop(tenant)
      return
    }
    if (current.idBlocks.length === 0) throw new Error('series cache: no room for one series')
    this.empty(current)
  }

  /** Drops all tenants, while no open frame uses ids. */
  clear(): void {
    for (const tenant of [...this.tenants.values()]) this.drop(tenant)
  }

  private create(name: string, limits: TenantLimits, isPaired: boolean): TenantSeries {
    this.dropIdle()
    if (this.tenants.size >= TENANTS_MAX) this.dropOldest()
    let record = this.takeSlab(layout.TENANT_BYTES)
    while (record === 0 && this.tenants.size > 0) {
      this.dropOldest()
      record = this.takeSlab(layout.TENANT_BYTES)
    }
    const nameBytes = Buffer.from(name)
    const tenant: TenantSeries = {
      name,
      isPaired,
      members: this.membersOf(name, limits),
      rewriter: rewriterOf(name, limits, isPaired),
      nameBytes,
      hash: fnv1(nameBytes),
      limits,
      senders: new Map(),
      cells: undefined,
      retries: 0,
      record,
      idBlocks: [],
      usedAt: 0,
      tableBytes: 0,
      oldTable: 0,
    }
    this.kernel.bytes.fill(0, record, record + layout.TENANT_BYTES)
    return tenant
  }

  private dropIdle(): void {
    const since = this.now() - IDLE_MS
    let left = IDLE_DROPS_MAX
    for (const tenant of this.tenants.values()) {
      if (tenant.usedAt >= since || left-- === 0) return
      this.drop(tenant)
    }
  }

  private dropOldest(): void {
    this.drop(this.tenants.values().next().value!)
  }

  private drop(tenant: TenantSeries): void {
    this.empty(tenant)
    this.giveSlab(tenant.record, layout.TENANT_BYTES)
    this.tenants.delete(keyOf(tenant.name, tenant.isPaired))
    if (this.latest === tenant || this.latestOther === tenant) {
      this.latest = undefined
      this.latestOther = undefined
    }
  }

  /** Takes everything back from a tenant. */
  private empty(tenant: TenantSeries): void {
    const table = this.get(tenant, layout.TENANT_TABLE)
    if (table !== 0) this.giveSlab(table, tenant.tableBytes)
    if (tenant.oldTable !== 0) this.giveSlab(tenant.oldTable, tenant.tableBytes / 2)
    this.freeBlocks.push(...tenant.idBlocks)
    tenant.senders.clear()
    tenant.idBlocks.length = 0
    tenant.tableBytes = 0
    tenant.oldTable = 0
    const { record } = tenant
    this.kernel.bytes.fill(0, record, record + layout.TENANT_BYTES)
  }

  private giveIds(tenant: TenantSeries): boolean {
    if (this.get(tenant, layout.TENANT_ID_NEXT) < this.get(tenant, layout.TENANT_ID_END))
      return true
    const isLeft = this.freeBlocks.length > 0 || this.blockNext < this.blockCount
    if (!isLeft) return false
    const block = this.freeBlocks.pop() ?? this.blockNext++
    tenant.idBlocks.push(block)
    this.set(tenant, layout.TENANT_ID_NEXT, Math.max(1, block * ID_BLOCK))
    this.set(tenant, layout.TENANT_ID_END, (block + 1) * ID_BLOCK)
    return true
  }

  private giveTable(tenant: TenantSeries): boolean {
    const slots = tenant.tableBytes / 8
    if (this.get(tenant, layout.TENANT_COUNT) + ID_BLOCK <= slots / 2) {
      this.tick(tenant)
      return true
    }
    if (tenant.oldTable !== 0) this.moveTable(tenant, slots)
    const bytes = Math.max(TABLE_SLOTS_MIN, slots * 2) * 8
    const table = this.takeSlab(bytes)
    if (table === 0) return false
    this.kernel.bytes.fill(0, table, table + bytes)
    if (slots > 0) {
      tenant.oldTable = this.get(tenant, layout.TENANT_TABLE)
      this.set(tenant, layout.TENANT_OLD_TABLE, tenant.oldTable)
      this.set(tenant, layout.TENANT_OLD_MASK, slots - 1)
      this.set(tenant, layout.TENANT_MOVED, 0)
    }
    tenant.tableBytes = bytes
    this.set(tenant, layout.TENANT_TABLE, table)
    this.set(tenant, layout.TENANT_MASK, bytes / 8 - 1)
    return true
  }

  private moveTable(tenant: TenantSeries, slots: number): void {
    if (this.kernel.exports.moveSlots(tenant.record, slots) !== 0) return
    this.giveSlab(tenant.oldTable, tenant.tableBytes / 2)
    tenant.oldTable = 0
  }

  /** Takes 2^n bytes of the heap; 0 when there is no room. */
  private takeSlab(bytes: number): number {
    const free = this.freeSlabs.get(bytes)?.pop()
    if (free !== undefined) return free
    if (this.heapTop + bytes > this.kernel.heapEnd) return 0
    this.heapTop += bytes
    return this.heapTop - bytes
  }

  private giveSlab(at: number, bytes: number): void {
    const free = this.freeSlabs.get(bytes)
    if (free === undefined) this.freeSlabs.set(bytes, [at])
    else free.push(at)
  }

  private get(tenant: TenantSeries, field: number): number {
    return this.kernel.words[(tenant.record + field) >>> 2]!
  }

  private set(tenant: TenantSeries, field: number, value: number): void {
    this.kernel.words[(tenant.record + field) >>> 2] = value
  }
}

function decideAlike(one: TenantLimits, other: TenantLimits): boolean {
  return LABEL_LIMITS.every((name) => JSON.stringify(one[name]) === JSON.stringify(other[name]))
}

/** No tenant's name has a bar. */
function keyOf(name: string, isPaired: boolean): string {
  return isPaired ? `${name}|paired` : name
}

function rewriterOf(
  name: string,
  limits: TenantLimits,
  isPaired: boolean,
): LabelRewriter | undefined {
  const rewriter = new LabelRewriter(name, limits, isPaired)
  return rewriter.isNeeded() ? rewriter : undefined
}
