/**
 * An ingester shard: owns the heads of its series, of all tenants, and their log. No thread in
 * sight: `turn` is one round of its loop, `calls` is what queriers ask.
 */
import type { Env } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import { Limits, type LimitsData, TenantCells } from '../../shared/limits/index.js'
import { Head, WalWriter } from '../../shared/tsdb/index.js'
import { ActiveSeries } from './active-series.js'
import { BlockReport } from './block-report.js'
import { CommitLoop } from './commit-loop.js'
import type { IngesterBoot, IngesterCalls, LinkEnds } from './contract.js'
import { type CutPeers, Cutter } from './cutter.js'
import type { ListedDamage } from './damage-list.js'
import { DistributorLink } from './links.js'
import { LogKeeper } from './log-keeper.js'
import { MemoryPressure } from './memory-pressure.js'
import { Recovery, shardFolder } from './recovery.js'
import { createCalls } from './select.js'
import { SeriesLimits } from './series-limits.js'
import { Snapshotter } from './snapshotter.js'
import { Spilling, type SpillingParts } from './spilling.js'
import { Tenants } from './tenants.js'

/** How often pushes let housekeeping in that has nothing to go on with, ms. */
const HOUSEKEEPING_MS = 5
/** How often metadata is looked through for what to drop, ms. */
const METADATA_SWEEP_MS = 60_000

/** What others do for a shard. */
export interface IngesterPeers extends CutPeers {
  /** Sees to a new life, for what only a start has again. */
  renew?(damage: ListedDamage): void
}

/** What a shard says of itself. */
export interface IngesterStatus {
  /** Of the replay. */
  readonly readyPercent: number
  /** Whether pushes are taken: replayed, and the log can be written. */
  readonly isServing: boolean
  readonly series: number
  readonly tenants: number
  readonly memoryBytes: number
  readonly limitsVersion: number
}

/**
 * Samples of a tenant that comes back are refused for so long where they are older than its blocks;
 * Mimir knows of those as long as its TSDB is open (close_idle_tsdb_timeout), ms.
 */
const GONE_CUT_MS = 13 * 3_600_000

/** One shard, without a thread: worker.ts gives it one, tests call its turns. */
export class Ingester {
  /** What queriers may call. */
  readonly calls: IngesterCalls
  readonly head: Head
  private readonly env: Env
  private readonly boot: IngesterBoot
  private readonly tenants: Tenants
  private readonly series: SeriesLimits
  private readonly recovery: Recovery
  private readonly log: LogKeeper
  private readonly snapshots: Snapshotter
  private readonly loop: CommitLoop
  private readonly links = new Map<number, DistributorLink>()
  private readonly gauges: ReturnType<typeof createGauges>
  private readonly pressure: MemoryPressure
  private readonly active: ActiveSeries
  private readonly cutter: Cutter | undefined
  private readonly spilling: Spilling
  private readonly report: BlockReport | undefined
  /** The links, as the loop takes them. */
  private linkList: DistributorLink[] = []
  /** There is more to do besides frames; of it, what keeps the house. */
  private isBusy = false
  private isKeeping = false
  private keepAt = 0
  private isServing = false
  private seriesShown = -1
  private sweptAt = 0

  /** @param peers without it no blocks are cut */
  constructor(env: Env, boot: IngesterBoot, peers?: IngesterPeers) {
    this.env = env
    this.boot = boot
    this.head = new Head(env, { memory: boot.memory, module: boot.kernel })
    const limits = new Limits(boot.limits)
    const series = createSeriesLimits(boot, this.head, limits)
    this.series = series
    this.tenants = new Tenants(env, this.head, limits, {
      cells: series.cells,
      tenantsMax: boot.config.tenantsMax,
      onSeries: (tenant, count) => series.note(tenant, count),
      floorOf: (name) => this.recovery.floorOf(name),
    })
    this.active = createActiveSeries(env, boot, this.head)
    this.recovery = new Recovery(env, boot, this.head)
    const shard = boot.index
    const { head, tenants, recovery } = this
    const createdMs = this.createdMs()
    const wal = this.createWriter(createdMs)
    this.log = new LogKeeper(env, wal, {
      fsync: boot.config.walFsync,
      intervalMs: boot.config.walFsyncIntervalMs,
    })
    this.snapshots = this.createSnapshotter(wal, createdMs)
    this.loop = new CommitLoop({
      env,
      shard,
      head,
      tenants,
      series,
      log: this.log,
      isOpen: () => recovery.isDone(),
      onBound: (ref) => this.cutter?.noteBound(ref),
    })
    this.calls = createCalls({
      env,
      shard,
      head,
      tenants,
      replayedPercent: () => this.readyPercent(),
      flush: (names) => this.flush(names),
      cutAll: (name) => this.cutAll(name),
    })
    if (peers !== undefined) {
      this.report = new BlockReport(env, peers, shardFolder(boot), recovery.localBlocks())
      this.cutter = this.createCutter(peers, () => wal.rotate())
    }
    this.spilling = createSpilling(env, boot, { head, tenants }, peers)
    this.pressure = new MemoryPressure(env, boot, head, {
      scarcity: () => this.spilling.hurry(),
      pressure: () => this.cutter?.cutEarly(),
      relief: () => {
        for (const link of this.links.values()) link.forgetFull()
      },
    })
    this.gauges = createGauges(env, shard)
  }

  private createCutter(peers: CutPeers, rotateLog: () => number): Cutter {
    const { env, boot, head, tenants } = this
    const { earlyCutSeriesMin, earlyCutReductionMin: reductionMin } = boot.config
    const shardCount = boot.place?.memberCount ?? boot.shardCount
    return new Cutter({
      env,
      shard: boot.index,
      head,
      memory: boot.memory,
      tenants,
      blocks: this.recovery.ownBlocks(),
      peers,
      intervalMs: boot.config.headCompactionIntervalMs,
      idleMs: boot.config.headCompactionIdleMs,
      early: { seriesMin: earlyCutSeriesMin / shardCount, reductionMin },
      bytesMax: boot.config.cutBytes,
      activeOf: (tenant) => this.active.activeOf(tenant),
      shardCount,
      rotateLog,
      links: () => this.links.values(),
      onGone: (tenant) => this.active.forget(tenant),
    })
  }

  /** What of tenants that are gone is in blocks matters no more once no log has samples of theirs. */
  private forgetGone(log: { readonly oldest: number; readonly newest: number }): void {
    const latest = this.env.clock.now() - GONE_CUT_MS
    this.recovery.ownBlocks().forgetGone(log, (name, { before }) => {
      return before < latest && this.tenants.find(name) === undefined
    })
  }

  /** Cuts blocks of whole heads, of all tenants when none is named. */
  private async flush(names: readonly string[]): Promise<void> {
    const { cutter, tenants } = this
    if (cutter === undefined) return
    const found = names.map((name) => tenants.find(name)).filter((tenant) => tenant !== undefined)
    const chosen = names.length === 0 ? tenants.all() : found
    await Promise.all(chosen.map((tenant) => cutter.flush(tenant)))
  }

  private async cutAll(name: string): Promise<void> {
    const tenant = this.tenants.find(name)
    if (tenant === undefined) return
    if (this.cutter === undefined) throw fail('internal', { text: 'this shard cuts no blocks' })
    this.tenants.keepLaggards(tenant)
    await this.cutter.flush(tenant)
  }

  /** How far it has come with what must be done before it answers: replay, and telling of its blocks. */
  private readyPercent(): number {
    const isReported = this.report === undefined || this.report.isDone()
    return isReported ? this.recovery.percent() : Math.min(99, this.recovery.percent())
  }

  /** Times of creation for segments and snapshots: later than all that replay saw, also when the clock went back. */
  private createdMs(): () => number {
    const { env, recovery } = this
    let created = 0
    return () => {
      created = Math.max(env.clock.now(), created + 1, recovery.createdMax() + 1)
      return created
    }
  }

  private createWriter(createdMs: () => number): WalWriter {
    const { boot, env } = this
    return new WalWriter({
      disk: env.disk,
      folder: `${shardFolder(boot)}/wal`,
      segmentBytesMax: boot.config.walSegmentBytesMax,
      createdMs,
      onLost: () => this.head.forgetLogged(),
    })
  }

  private createSnapshotter(wal: WalWriter, createdMs: () => number): Snapshotter {
    const { env, boot, head } = this
    return new Snapshotter({
      env,
      shard: boot.index,
      head,
      wal,
      folder: shardFolder(boot),
      logBytesMax: boot.config.snapshotLogBytes,
      createdMs,
      onTaken: (segment) => {
        this.log.trust()
        this.recovery.noteSnapshot(segment)
      },
      onLogCut: (oldest) => this.forgetGone({ oldest, newest: wal.newestSegment() }),
      isHeld: () => this.cutter?.holdsSnapshots() === true,
    })
  }

  /** Takes a link from a distributor, in place of its earlier generation, whose ids are void. */
  linkDistributor(index: number, ends: LinkEnds): void {
    this.links.set(index, new DistributorLink(ends))
    this.linkList = [...this.links.values()]
  }

  /** Takes newer limits. */
  takeLimits(data: LimitsData): void {
    this.tenants.takeLimits(data)
    for (const link of this.links.values()) link.forgetInstanceLimit()
  }

  /** One turn: replay while there is some, frames, housekeeping. False when there was nothing to do. */
  turn(): boolean {
    const isReplaying = !this.recovery.isDone() && this.replay()
    const hasTaken = this.loop.turn(this.linkList)
    this.log.tick()
    const now = this.env.clock.monotonic()
    if (!hasTaken || this.isKeeping || now >= this.keepAt) {
      this.keepAt = now + HOUSEKEEPING_MS
      this.isKeeping = this.keepHouse()
    }
    this.isBusy = isReplaying || this.isKeeping
    return this.isBusy || hasTaken
  }

  /** After a turn that worked: whether the next one has something to do though no frames wait. */
  hasMore(): boolean {
    return this.isBusy
  }

  /** False while replay waits for something. */
  private replay(): boolean {
    const isBusy = !this.recovery.isWaiting()
    if (this.recovery.step()) this.takeReplayed()
    this.gauges.replayed.set(this.recovery.percent() / 100)
    return isBusy
  }

  /** What goes on besides pushes, a slice of it; true while there is more. */
  private keepHouse(): boolean {
    this.report?.tick()
    this.serveOnce()
    const isReplayed = this.recovery.isDone()
    if (isReplayed) this.pressure.look()
    let isBusy = isReplayed && this.tickSnapshots()
    if (isReplayed) isBusy = this.spilling.tick() || isBusy
    if (this.isServing && !this.snapshots.isActive()) isBusy = this.cutter?.tick() || isBusy
    this.showGauges()
    if (isReplayed) this.active.tick(() => this.tenants.all())
    this.sweepMetadata()
    return isBusy
  }

  private takeReplayed(): void {
    this.tenants.takeReplayed((tenant) => this.recovery.floorOf(tenant))
    this.series.cells.noteCounted(this.boot.index)
    this.snapshots.begin(this.recovery.replayed())
  }

  /** Readers may select for themselves once all is here again, and the block list knows of the rest. */
  private serveOnce(): void {
    if (this.isServing || !this.recovery.isDone() || this.readyPercent() < 100) return
    this.isServing = true
    this.head.serve()
  }

  private tickSnapshots(): boolean {
    if (this.log.isDistrusted()) this.snapshots.request()
    return this.snapshots.tick()
  }

  private showGauges(): void {
    const series = this.head.seriesCount()
    const { used } = this.head.memoryUse()
    this.gauges.memory.set(used)
    if (series === this.seriesShown) return
    this.seriesShown = series
    this.gauges.series.set(series)
    this.gauges.users.set(this.tenants.countUsed())
  }

  private sweepMetadata(): void {
    const now = this.env.clock.now()
    if (now - this.sweptAt < METADATA_SWEEP_MS) return
    this.sweptAt = now
    const oldest = now - this.boot.config.metadataRetainMs
    for (const tenant of this.tenants.all()) tenant.metadata.dropBefore(oldest)
  }

  status(): IngesterStatus {
    return {
      readyPercent: this.readyPercent(),
      isServing: this.recovery.isDone() && this.log.isWorking(),
      series: this.head.seriesCount(),
      tenants: this.tenants.all().length,
      memoryBytes: this.head.memoryUse().used,
      limitsVersion: this.tenants.limitsVersion(),
    }
  }

  /** What could not be read at the start, in the order in which it was found; the first ones of many. */
  damage(): readonly ListedDamage[] {
    return [...this.recovery.damage(), ...this.spilling.damage()]
  }

  /** Takes what has come, a last snapshot, and closes the log. The distributors are drained before. */
  async drain(): Promise<void> {
    while (this.loop.turn(this.linkList)) await this.env.timers.yieldNow()
    this.cutter?.finish()
    this.spilling.finish()
    if (this.recovery.isDone()) await this.snapshots.finish()
    this.log.close()
  }
}

function createSeriesLimits(boot: IngesterBoot, head: Head, limits: Limits): SeriesLimits {
  return new SeriesLimits({
    head,
    limits,
    cells: new TenantCells(boot.tenantCells),
    shard: boot.index,
    place: boot.place,
    zones: boot.place === undefined ? 1 : boot.shardCount / boot.place.memberCount,
    instanceSeriesMax: boot.config.seriesMax,
    freeMetrics: new Set(boot.config.ignoreSeriesLimitFor),
  })
}

function createActiveSeries(env: Env, boot: IngesterBoot, head: Head): ActiveSeries {
  const { activeSeriesUpdateMs: updateMs, activeSeriesIdleMs: idleMs } = boot.config
  return new ActiveSeries(env, head, { updateMs, idleMs })
}

function createSpilling(
  env: Env,
  boot: IngesterBoot,
  parts: Pick<SpillingParts, 'head' | 'tenants'>,
  peers: IngesterPeers | undefined,
): Spilling {
  const { spillBytes: bytesMax, spillAfterMs: afterMs } = boot.config
  const folder = shardFolder(boot)
  const onDamage = (damage: ListedDamage): void => peers?.renew?.(damage)
  return new Spilling({ env, shard: boot.index, folder, bytesMax, afterMs, onDamage, ...parts })
}

function createGauges({ metrics }: Env, shard: number) {
  return {
    series: metrics.cell('cortex_ingester_memory_series'),
    users: metrics.cell('cortex_ingester_memory_users'),
    memory: metrics.cell('nilo_ingester_memory_bytes', String(shard)),
    replayed: metrics.cell('nilo_ingester_replay_ratio', String(shard)),
  }
}
