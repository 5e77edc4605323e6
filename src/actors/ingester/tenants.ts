/** What an ingester keeps per tenant beside its series: newest time, metadata, counters. */
import { emptyList } from '../../shared/base/empty-list.js'
import type { Env } from '../../shared/env/index.js'
import type {
  Limits,
  LimitsData,
  TenantCells,
  TenantLimits,
  TenantRow,
} from '../../shared/limits/index.js'
import type { Cell } from '../../shared/telemetry/index.js'
import type { Head } from '../../shared/tsdb/index.js'
import { DISCARD_REASONS } from '../../shared/wire/frames/index.js'
import { TenantMetadata } from './metadata.js'

/** Half of a head's chunk range: how far behind its newest sample a tenant may still write, in ms. */
const BEHIND_MAX_MS = 3_600_000
const IDLE_JITTER = 0.25
/** Tenants without series and metadata, of whom nothing came for so long, are forgotten, ms. */
const GONE_AFTER_MS = 3_600_000
/** Cells by tenant alone. */
const CELLS = [
  'cortex_ingester_memory_series_created_total',
  'cortex_ingester_memory_series_removed_total',
  'cortex_ingester_ingested_samples_total',
  'cortex_ingester_tsdb_out_of_order_samples_appended_total',
] as const

/** The oldest start that a sample may bring, also where its tenant has no samples to measure from. */
export function oldestStart(sampleMs: number): number {
  return sampleMs - BEHIND_MAX_MS
}

/** One tenant. */
export interface TenantState {
  readonly name: string
  /** In the head. */
  readonly index: number
  readonly metadata: TenantMetadata
  /** Time of the oldest sample in order that is in the head, ms, or before; Infinity without any. */
  mint: number
  /** Time of the newest sample, ms; -Infinity before the first. */
  maxt: number
  /** Its row in the cells that threads share. */
  readonly cells: TenantRow
  /** Samples in order before are in blocks, or going there: none is taken any more. */
  floor: number
  /** Samples newer than their series go out of order from this time on, whatever the limits say, until `lateUntil`. */
  lateFrom: number
  lateUntil: number
  /** There are samples out of order that no cut has frozen. */
  hasLate: boolean
  /** It has sent native histograms: of those the log does not say whether they came in order. */
  hasHistograms: boolean
  /** When the last sample was taken, ms. */
  appendedAt: number
  /** Of the idle timeout: not all tenants that have gone quiet are cut at once. */
  readonly idleFactor: number
  /** Series that the counters know of. */
  seriesCounted: number
  limits: TenantLimits
  readonly created: Cell
  readonly removed: Cell
  readonly ingested: Cell
  readonly outOfOrder: Cell
  /** [reason], made when first used. */
  readonly discarded: (Cell | undefined)[]
}

/** What tenants are made by. */
export interface TenantsOptions {
  readonly cells: TenantCells
  /** `ingester.instance_limits.max_tenants`; the runtime file may say otherwise. 0 = no limit. */
  readonly tenantsMax: number
  /** Hears how many series a tenant has, when that has changed. */
  onSeries(tenant: TenantState, series: number): void
  /** Time up to which samples in order of a tenant are in blocks; -Infinity: none are. */
  floorOf(name: string): number
}

/** All tenants of a shard. */
export class Tenants {
  private readonly env: Env
  private readonly head: Head
  private readonly states = emptyList<TenantState>()
  private readonly byName = new Map<string, TenantState>()
  private readonly limits: Limits
  private readonly options: TenantsOptions
  private used = 0

  constructor(env: Env, head: Head, limits: Limits, options: TenantsOptions) {
    this.options = options
    this.env = env
    this.head = head
    this.limits = limits
    // Asked during the replay too, when the tenants of the head are not known here yet.
    head.exemplars.limitOf = (index) =>
      limits.of(head.tenantNames()[index] ?? '').max_global_exemplars_per_user
  }

  /** Takes newer limits: they hold from the next frame on. */
  takeLimits(data: LimitsData): void {
    if (!this.limits.take(data)) return
    for (const state of this.states) {
      state.limits = this.limits.of(state.name)
      this.head.exemplars.trim(state.index)
    }
  }

  /** Which limits are in force here. */
  limitsVersion(): number {
    return this.limits.version()
  }

  /** A tenant by name, made when new; undefined when the head takes no more. */
  get(name: string): TenantState | undefined {
    const known = this.byName.get(name)
    if (known !== undefined) return known
    const max = this.tenantsMax()
    if (max > 0 && this.states.length >= max) return undefined
    const index = this.head.tenant(name)
    if (index === undefined) return undefined
    const { metrics } = this.env
    const state: TenantState = {
      name,
      index,
      cells: this.options.cells.rowOf(name),
      metadata: new TenantMetadata(),
      mint: Number.POSITIVE_INFINITY,
      maxt: Number.NEGATIVE_INFINITY,
      // One that comes back has what it had in blocks.
      floor: this.options.floorOf(name),
      lateFrom: Number.POSITIVE_INFINITY,
      lateUntil: Number.NEGATIVE_INFINITY,
      hasLate: false,
      hasHistograms: false,
      appendedAt: this.env.clock.now(),
      idleFactor: 1 + (this.env.prng.nextU32() / 2 ** 32) * IDLE_JITTER,
      seriesCounted: 0,
      limits: this.limits.of(name),
      created: metrics.cell('cortex_ingester_memory_series_created_total', name),
      removed: metrics.cell('cortex_ingester_memory_series_removed_total', name),
      ingested: metrics.cell('cortex_ingester_ingested_samples_total', name),
      outOfOrder: metrics.cell('cortex_ingester_tsdb_out_of_order_samples_appended_total', name),
      discarded: [],
    }
    this.byName.set(name, state)
    this.states.push(state)
    return state
  }

  /** Whether nothing of a tenant is here any more, and nothing has come for a while. */
  isGone(tenant: TenantState): boolean {
    if (this.head.view.seriesCount(tenant.index) > 0 || !tenant.metadata.isEmpty()) return false
    return this.env.clock.now() - tenant.appendedAt >= GONE_AFTER_MS
  }

  /** Forgets a tenant that is gone. When something comes it is made anew. */
  drop(tenant: TenantState): void {
    this.byName.delete(tenant.name)
    const at = this.states.indexOf(tenant)
    const last = this.states.pop()!
    if (at < this.states.length) this.states[at] = last
    const { metrics } = this.env
    for (const name of CELLS) metrics.release(name, tenant.name)
    for (const reason of tenant.discarded.keys()) {
      if (tenant.discarded[reason] === undefined) continue
      const label = DISCARD_REASONS[reason] ?? 'none'
      metrics.release('cortex_discarded_samples_total', label, tenant.name)
    }
  }

  /** Why there is no further tenant. */
  fullText(): string {
    const max = this.tenantsMax()
    if (max === 0 || this.states.length < max) return 'has no memory for further tenants'
    return `has the ${max} tenants that it may have (err-mimir-ingester-max-tenants). To adjust the related limit, configure -ingester.instance-limits.max-tenants`
  }

  private tenantsMax(): number {
    return this.limits.instance('ingester').max_tenants ?? this.options.tenantsMax
  }

  /** A tenant that has been seen. */
  find(name: string): TenantState | undefined {
    return this.byName.get(name)
  }

  all(): readonly TenantState[] {
    return this.states
  }

  /** Tenants that have series, as far as they were counted. */
  countUsed(): number {
    return this.used
  }

  /** Samples below this time are too old to go in order. */
  oldestOf(tenant: TenantState): number {
    return Math.max(tenant.floor, tenant.maxt - BEHIND_MAX_MS)
  }

  /** Samples in order of these times were stored. */
  noteTimes(tenant: TenantState, mint: number, maxt: number): void {
    tenant.mint = Math.min(tenant.mint, mint)
    tenant.maxt = Math.max(tenant.maxt, maxt)
  }

  /**
   * Samples below this time may not go out of order either; Infinity when none may.
   * @param firstTime of what is being checked: a tenant without samples measures from there
   */
  oldestOutOfOrder(tenant: TenantState, firstTime: number): number {
    const window = tenant.limits.out_of_order_time_window
    if (window === 0) return Number.POSITIVE_INFINITY
    const newest = tenant.maxt === Number.NEGATIVE_INFINITY ? firstTime : tenant.maxt
    return newest - window
  }

  /** The same for samples that are newer than all that their series has: those of a sender that is behind. */
  oldestBehind(tenant: TenantState): number {
    return tenant.maxt < tenant.lateUntil ? tenant.lateFrom : Number.POSITIVE_INFINITY
  }

  /**
   * The tenant's head is about to be cut whole, or before its time: senders that are behind the newest one do not lose
   * what would have gone in order. Forgotten by a restart.
   */
  keepLaggards(tenant: TenantState): void {
    if (tenant.maxt === Number.NEGATIVE_INFINITY) return
    tenant.lateFrom = Math.min(tenant.lateFrom, this.oldestOf(tenant))
    tenant.lateUntil = tenant.maxt + BEHIND_MAX_MS
  }

  /** Counts discarded samples. */
  discard(tenant: TenantState, reason: number, count: number): void {
    let cell = tenant.discarded[reason]
    if (cell === undefined) {
      const name = DISCARD_REASONS[reason] ?? 'none'
      cell = this.env.metrics.cell('cortex_discarded_samples_total', name, tenant.name)
      tenant.discarded[reason] = cell
    }
    cell.add(count)
  }

  /** Brings the counters of created series up to date. */
  countSeries(tenant: TenantState): void {
    const series = this.head.view.seriesCount(tenant.index)
    if (series === tenant.seriesCounted) return
    tenant.created.add(Math.max(0, series - tenant.seriesCounted))
    this.noteSeries(tenant, series)
  }

  /** The same for series that were removed, before others are created. */
  noteRemoved(tenant: TenantState): void {
    const series = this.head.view.seriesCount(tenant.index)
    if (series === tenant.seriesCounted) return
    tenant.removed.add(tenant.seriesCounted - series)
    this.noteSeries(tenant, series)
  }

  private noteSeries(tenant: TenantState, series: number): void {
    this.options.onSeries(tenant, series)
    if (tenant.seriesCounted > 0) this.used--
    if (series > 0) this.used++
    tenant.seriesCounted = series
  }

  /**
   * After replay: makes all tenants that the head has, with their times.
   * @param floorOf time up to which a tenant's samples in order are in blocks
   */
  takeReplayed(floorOf: (name: string) => number): void {
    for (const [index, name] of this.head.tenantNames().entries()) {
      const tenant = name === '' ? undefined : this.get(name)
      if (tenant === undefined) continue
      const { mint, maxt, hasLate, hasHistograms } = this.head.timesOf(index)
      tenant.floor = Math.max(tenant.floor, floorOf(name))
      tenant.mint = Math.min(tenant.mint, Math.max(mint, tenant.floor))
      tenant.maxt = Math.max(tenant.maxt, maxt)
      tenant.hasLate = hasLate
      tenant.hasHistograms = hasHistograms
      this.countSeries(tenant)
    }
  }
}
