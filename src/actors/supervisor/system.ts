/**
 * The system as main holds it: clients of the distributors, the querier pool, metrics, status,
 * drain. Puts the table of actors (children.ts) under supervision.
 */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { collectWhenIdle, disconnect, Profiles, shrinkNewSpace } from '../../shared/actor/index.js'
import { blocksBucketConfig } from '../../shared/blocks/index.js'
import { checkBucketConfig } from '../../shared/bucket/index.js'
import { type Config, zoneRoots } from '../../shared/config/index.js'
import {
  compactHeap,
  createNodeEnv,
  type Env,
  openCollector,
  type Timer,
} from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import {
  createTenantCells,
  type HaEntry,
  Limits,
  practiceLimits,
  TenantCells,
} from '../../shared/limits/index.js'
import {
  createMetricBlock,
  type LogLevel,
  type MetricName,
  MetricsRegistry,
  openMetrics,
} from '../../shared/telemetry/index.js'
import { type CompactorDesk, compactorConfigOf, openCompactorDesk } from '../compactor/client.js'
import { DistributorClient } from '../distributor/client.js'
import { connectIngester, type IngesterClient } from '../ingester/client.js'
import type { CutSeriesRequest } from '../ingester/contract.js'
import type { QuerierPool, QueryStage } from '../querier/client.js'
import type { QuerierAnswer, QuerierMessage, QuerierTask } from '../querier/contract.js'
import { BlockActors } from './block-actors.js'
import { BlockList } from './block-list.js'
import { type ActorCounts, actorCounts, actorTable, ringSettingsOf } from './children.js'
import type { RingView, SeriesDeletion, SystemStatus } from './contract.js'
import { type HaKeeper, startHaKeeper } from './ha-keeper.js'
import { type MemoryWatch, startMemoryWatch } from './memory-watch.js'
import { exportOverrides } from './overrides-exporter.js'
import { dropRehearsals, type Practice, rehearse, rehearseQueries } from './rehearsal.js'
import { exportRings, Rings } from './rings.js'
import { RuntimeConfigWatch, readLimits } from './runtime-config.js'
import { type Stage, Supervisor } from './supervisor.js'

/** Main's own Env, and the registry that its metrics and all others' are in. */
export interface MainEnv {
  readonly env: Env
  readonly registry: MetricsRegistry
}

/** The running system. */
export interface System {
  readonly distributors: DistributorClient
  readonly queriers: QuerierPool
  /** The limits in force, and the files that they come from. */
  readonly runtime: RuntimeConfigWatch
  readonly rings: RingView
  /** Calls of a shard, over a port of its own; undefined while the shard does not run. */
  findIngester(shard: number): IngesterClient | undefined
  /** For one request; starts the compactor when it does not run. Without an index, the first one. */
  findCompactor(index?: number): CompactorDesk | undefined
  readonly compactorCount: number
  /** Tenants that have blocks, sorted. */
  blockTenants(): Promise<string[]>
  /** Tenants that have, or had, series in memory. */
  tenants(): string[]
  /** How many series a tenant has in memory, copies in other zones not counted. */
  seriesOf(tenant: string): number
  /** Which replica of each pair is believed. */
  haEntries(): HaEntry[]
  /** Of a counter or gauge the sum of a tenant, over all its other labels. */
  totalOf(metric: MetricName, tenant: string): number
  /** Samples of a tenant that were discarded since the start, by reason. */
  discarded(tenant: string): Readonly<Record<string, number>>
  /** Of this process' threads. */
  readonly profiles: Profiles
  /** Cuts blocks of the heads of some tenants, of all without any; failures are in the log. */
  flushHeads(tenants: readonly string[], isAwaited: boolean): Promise<void>
  /**
   * Has all samples of some series in blocks, on all shards; how many series heads have of them.
   * @throws AppError `actor-down` when a shard does not run
   */
  cutSeries(request: CutSeriesRequest): Promise<number>
  /** From now on compactions that go on know of a deletion; until the end is told. */
  beginDeletion(deletion: SeriesDeletion): () => void
  /** Claims bytes for the bodies of requests in flight; false when the memory limit forbids it. */
  claimBodies(bytes: number): boolean
  /** The text of `/metrics`. */
  metricsText(): string
  /** Asks every actor; takes a second at most. */
  status(): Promise<SystemStatus>
  /** Ends a thread as a crash would: `distributor/0`, `ingester/0`, `querier/0`. */
  kill(actor: string): Promise<void>
  /** From now on `/ready` says no. */
  beginDrain(): void
  /**
   * Waits for pushes in flight, then stops the queriers, the distributors, the ingesters (which sync
   * their logs). The listener must be closed and queries be at an end before.
   *
   * @returns the actors that did not stop in good order; empty: all is on disk
   */
  drain(): Promise<string[]>
}

/** Makes main's Env. */
export function createMainEnv(logLevel: LogLevel): MainEnv {
  const registry = new MetricsRegistry()
  const block = createMetricBlock()
  registry.attach('main', block)
  const metrics = openMetrics(block, (further) => registry.attach('main', further))
  return { env: createNodeEnv({ actor: 'main', logLevel, metrics }), registry }
}

/**
 * Complains of what keeps a server of this configuration from its start, or its work.
 *
 * @throws AppError `config-invalid`, `disk-failed`
 */
export async function checkConfig(config: Config, env: Pick<Env, 'disk'>): Promise<void> {
  checkParts(config, env)
  await readLimits(env, config)
}

/** The same, but for limits. */
function checkParts(config: Config, env: Pick<Env, 'disk'>): void {
  checkBucketConfig(blocksBucketConfig(config), env.disk)
  // Compactors start with the first block; that theirs is wrong is to be said now.
  compactorConfigOf(config)
}

/** What a start may be given. */
export interface StartOptions {
  readonly onFatal: (reason: string) => void
  readonly cores?: number
  /** Sends pushes in a rehearsal, through all that stands before distributors; without it there is none. */
  readonly play?: (distributors: DistributorClient, practice: Practice) => Promise<void>
  /** Asks queries in a rehearsal, through all that stands before queriers; without it there is none. */
  readonly playQueries?: (behind: QueryStage) => Promise<void>
}

/**
 * Starts all actors. Resolves when they are built and linked; shards may still replay (`status`).
 *
 * @param options.onFatal is called once when the system cannot go on: the process must end
 * @throws AppError what the first actor that could not be built threw; nothing runs then
 */
export async function startSupervisor(
  config: Config,
  main: MainEnv,
  options: StartOptions,
): Promise<System> {
  const { env, registry } = main
  checkParts(config, env)
  const counts = actorCounts(config, options.cores ?? availableParallelism())
  const distributors = new DistributorClient(env, counts.distributors)
  const runtime = await RuntimeConfigWatch.open(env, config, (data) => supervisor.distribute(data))
  const tenantCells = createTenantCells(counts.ingesters)
  const ha = startHaKeeper(config, env, registry)
  exportOverrides(registry, config, runtime.limits)
  const memory = startMemoryWatch(config, env, counts.distributors)
  const blockActors = new BlockActors({
    ...env,
    compactors: counts.compactors,
    start: (kind, index) => supervisor.startOnDemand(kind, index),
  })
  const own = { runtime, blockActors }
  const blockList = new BlockList(blockActors, areHeadsNew(config, env))
  if (isBucketInUse(config, env)) blockList.awaitReader('store-gateway')
  const cells = {
    budget: memory.cells,
    blockList: blockList.cell,
    intake: distributors.intakeCell,
    haCells: ha.cells,
    tenantCells,
  }
  const supervisor = new Supervisor<QuerierTask, QuerierAnswer, QuerierMessage>({
    ...actorTable(config, counts, cells, runtime.limits),
    env,
    registry,
    logLevel: config['server.log_level'],
    main: {
      link: (link) => distributors.link(link),
      unlink: (_kind, index) => distributors.unlink(index),
    },
    services: blockList.calls,
    rehearse: (stages) =>
      rehearsePushes(config, env, stages, options.play, { distributors, ...own }),
    rehearsePool: (): Promise<void> =>
      rehearsePool(config, env, options.playQueries, { supervisor, size: counts.queriers, ...own }),
    onFatal: options.onFatal,
  })
  await supervisor.start()
  const rings = new Rings(env, ringSettingsOf(config, counts), () => supervisor.lives())
  exportRings(registry, rings)
  rings.start()
  const bucketWatch = watchBucket(config, env, blockActors)
  runtime.start()
  readAnswers(distributors, env, options.onFatal)
  return systemOf(supervisor, distributors, counts, {
    env,
    memory,
    blockActors,
    blockList,
    runtime,
    registry,
    ha,
    rings,
    bucketWatch,
    cellsSweep: sweepCells(env, tenantCells),
    tenantCells: new TenantCells(tenantCells),
    shardsPerZone: counts.ingesters / counts.zones,
    drainMs: config['server.graceful_shutdown_timeout'],
  })
}

/** Reads what distributors answer, from now on. */
function readAnswers(
  distributors: DistributorClient,
  env: Env,
  onFatal: StartOptions['onFatal'],
): void {
  distributors.run().catch((error: unknown) => {
    const stack = error instanceof Error ? error.stack : undefined
    env.log.error('reading answers of distributors failed', { err: String(error), stack })
    onFatal(String(error))
  })
}

async function rehearsePushes(
  config: Config,
  env: Env,
  stages: readonly Stage[],
  play: StartOptions['play'],
  real: {
    readonly runtime: RuntimeConfigWatch
    readonly distributors: DistributorClient
    readonly blockActors: BlockActors
  },
): Promise<void> {
  const roots = zoneRoots(config)
  // A process that was killed leaves some.
  dropRehearsals(env, roots)
  if (play === undefined || !config['distributor.warm_up_enabled']) return
  const limits = practiceLimits(real.runtime.limits.snapshot())
  const isHaTrackerOn = config['distributor.ha_tracker.enable_ha_tracker']
  await rehearse(env, roots, stages, (client, isLast) =>
    play(client, { limits: new Limits(limits), isHaTrackerOn, isLast }),
  )
  const collect = openCollector()
  const giveBack = (): void => {
    shrinkNewSpace(collect)
    void compactHeap()
  }
  // It holds up the main thread for some 50 ms, and drops what queries have made hot.
  const done = (): number => real.distributors.taken() + real.blockActors.queries()
  collectWhenIdle(env.timers, done, giveBack)
}

/** Has the querier pool's way rehearsed, once its threads have warmed up. */
async function rehearsePool(
  config: Config,
  env: Env,
  play: StartOptions['playQueries'],
  real: {
    readonly supervisor: Pick<Supervisor<QuerierTask, QuerierAnswer, QuerierMessage>, 'runTask'>
    readonly size: number
    readonly runtime: RuntimeConfigWatch
    readonly blockActors: BlockActors
  },
): Promise<void> {
  if (play === undefined || !config['querier.warm_up_enabled']) return
  const { supervisor, size, runtime, blockActors } = real
  const run: QuerierPool['run'] = (task, signal) =>
    supervisor.runTask({ ...task, isRehearsed: true }, signal)
  const isWanted = (): boolean => blockActors.queries() > 0
  await rehearseQueries(env, { queriers: { size, run }, limits: runtime.limits, isWanted }, play)
}

/** How often cells of tenants are looked through, ms. */
const CELLS_SWEEP_MS = 60_000

/** Whether blocks may be in the bucket already: of a remote one only its reader can tell. */
function isBucketInUse(config: Config, env: Env): boolean {
  const bucket = blocksBucketConfig(config)
  if (bucket.backend !== 'filesystem') return true
  return env.disk.list(resolve(config['data.dir'], bucket['filesystem.dir'])).length > 0
}

/** Tells of blocks in the bucket: now, or when it is found by looks every so often that it has got some. */
function watchBucket(config: Config, env: Env, blockActors: BlockActors): { stop(): void } {
  let timer: Timer | undefined
  const look = (): void => {
    if (isBucketInUse(config, env)) blockActors.startAll()
    else timer = env.timers.after(config['blocks_storage.bucket_store.sync_interval'], look)
  }
  look()
  const stop = (): void => {
    timer?.cancel()
    blockActors.stop()
  }
  return { stop }
}

/** Frees, as time goes by, what tenants have in the cells that are gone. */
function sweepCells(env: Env, cells: SharedArrayBuffer): { stop(): void } {
  const view = new TenantCells(cells)
  let timer = env.timers.after(CELLS_SWEEP_MS, sweep)
  function sweep(): void {
    view.sweep(env.clock.now())
    timer = env.timers.after(CELLS_SWEEP_MS, sweep)
  }
  return { stop: () => timer.cancel() }
}

/** Whether no shard of any zone has left anything on disk. */
function areHeadsNew(config: Config, env: Env): boolean {
  const isOfShard = (name: string): boolean => /^ingester-\d+$/.test(name)
  return !zoneRoots(config).some((root) => env.disk.list(root).some(isOfShard))
}

function systemOf(
  supervisor: Supervisor<QuerierTask, QuerierAnswer, QuerierMessage>,
  distributors: DistributorClient,
  counts: ActorCounts,
  options: {
    readonly env: Env
    readonly drainMs: number
    readonly memory: MemoryWatch
    readonly blockActors: BlockActors
    readonly blockList: BlockList
    readonly runtime: RuntimeConfigWatch
    readonly registry: MetricsRegistry
    readonly ha: HaKeeper
    readonly rings: Rings
    readonly bucketWatch: { stop(): void }
    readonly cellsSweep: { stop(): void }
    readonly tenantCells: TenantCells
    readonly shardsPerZone: number
  },
): System {
  const findIngester = (shard: number): IngesterClient | undefined => {
    const port = supervisor.openPort('ingester', shard)
    return port === undefined ? undefined : connectIngester(port, shard)
  }
  return {
    runtime: options.runtime,
    rings: options.rings,
    distributors,
    queriers: {
      size: counts.queriers,
      run: (task, signal) => {
        options.blockActors.noteQuery()
        return supervisor.runTask(task, signal)
      },
    },
    findIngester,
    ...headCalls(counts, options, findIngester),
    beginDeletion: (deletion) => options.blockList.beginDeletion(deletion),
    ...tenantViews(options),
    findCompactor(index = 0) {
      const port = supervisor.openPort('compactor', index)
      return port === undefined ? undefined : openCompactorDesk(port, index)
    },
    compactorCount: counts.compactors,
    blockTenants: () => options.blockList.calls.blockTenants(),
    claimBodies: (bytes) => options.memory.claimBodies(bytes),
    metricsText: () => {
      options.memory.show()
      return supervisor.metrics()
    },
    status: () => supervisor.status(),
    profiles: new Profiles(options.env, () => supervisor.threads()),
    kill: (actor) => supervisor.kill(actor),
    beginDrain: () => supervisor.beginDrain(),
    async drain() {
      supervisor.beginDrain()
      await settlePushes(distributors, options)
      distributors.close()
      options.memory.stop()
      options.runtime.stop()
      options.ha.stop()
      options.rings.stop()
      options.bucketWatch.stop()
      options.cellsSweep.stop()
      return supervisor.drain()
    },
  }
}

/** What is asked of all shards at once. */
function headCalls(
  counts: ActorCounts,
  options: { readonly env: Env; readonly shardsPerZone: number },
  findIngester: System['findIngester'],
): Pick<System, 'flushHeads' | 'cutSeries'> {
  const shards = Array.from({ length: counts.ingesters }, (_, shard) => shard)
  return {
    async flushHeads(tenants, wait) {
      await Promise.all(
        shards.map(async (shard) => {
          const ingester = findIngester(shard)
          try {
            await ingester?.flush({ tenants, wait })
          } catch (error) {
            options.env.log.error('heads cannot be flushed', { shard, err: String(error) })
          } finally {
            if (ingester !== undefined) disconnect(ingester)
          }
        }),
      )
    },
    cutSeries: async (request) => {
      const found = await Promise.all(
        shards.map(async (shard) => {
          const ingester = findIngester(shard)
          if (ingester === undefined) throw fail('actor-down', { actor: `ingester/${shard}` })
          return await ingester.cutSeries(request).finally(() => disconnect(ingester))
        }),
      )
      // Other zones have copies of the same.
      return found.slice(0, options.shardsPerZone).reduce((sum, count) => sum + count, 0)
    },
  }
}

/** What main can tell of tenants without asking a thread. */
function tenantViews(options: {
  readonly registry: MetricsRegistry
  readonly ha: HaKeeper
  readonly tenantCells: TenantCells
  readonly shardsPerZone: number
}): Pick<System, 'haEntries' | 'tenants' | 'seriesOf' | 'discarded' | 'totalOf'> {
  return {
    haEntries: () => options.ha.list(),
    tenants: () =>
      options.registry.labelValues('cortex_ingester_memory_series_created_total', 'user'),
    seriesOf: (tenant) => {
      const { tenantCells: cells, shardsPerZone } = options
      return cells.seriesOf(tenant, { from: 0, to: shardsPerZone })
    },
    totalOf: (metric, tenant) => {
      const where = { label: 'user', value: tenant }
      const sums = options.registry.sumsBy(metric, 'user', where)
      return sums[tenant] ?? 0
    },
    discarded: (tenant) => {
      const where = { label: 'user', value: tenant }
      return options.registry.sumsBy('cortex_discarded_samples_total', 'reason', where)
    },
  }
}

const SETTLE_CHECK_MS = 5

/** Pushes that were taken are answered, as far as that comes to pass in time. */
async function settlePushes(
  distributors: DistributorClient,
  options: { readonly env: Env; readonly drainMs: number },
): Promise<void> {
  const { clock, timers } = options.env
  const until = clock.monotonic() + options.drainMs / 2
  while (distributors.inFlight() > 0 && clock.monotonic() < until) {
    await timers.sleep(SETTLE_CHECK_MS)
  }
}
