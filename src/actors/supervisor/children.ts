/**
 * THE TABLE of actors: which there are, how many, in what order they start, how patiently they are
 * restarted, what they boot with, and who streams to whom. The only place that knows their counts.
 */

import { join } from 'node:path'
import { threadEntry } from '../../shared/base/own-files.js'
import { type Config, defaultConfig, EMPTY_RUNTIME, zoneRoots } from '../../shared/config/index.js'
import { hasQuorum, type Place, placeOf } from '../../shared/hashring/index.js'
import { compileHeadKernel, createHeadMemory } from '../../shared/kernels/head.js'
import { compileKernel } from '../../shared/kernels/load.js'
import {
  createFrequencyCells,
  type Limits,
  type LimitsData,
  limitsDataOf,
  practiceLimits,
} from '../../shared/limits/index.js'
import { endLeaseOf, retireHead } from '../../shared/tsdb/index.js'
import { compactorConfigOf } from '../compactor/client.js'
import { type CompactorBoot, readerSlotOf } from '../compactor/contract.js'
import {
  DISTRIBUTOR_DEFAULTS,
  type DistributorBootData,
  type DistributorConfig,
} from '../distributor/contract.js'
import { INGESTER_DEFAULTS, type IngesterBoot, type IngesterConfig } from '../ingester/contract.js'
import { createQueryForm, dropQuerierClaims, querierConfigOf } from '../querier/client.js'
import type {
  QuerierAnswer,
  QuerierBoot,
  QuerierMessage,
  QuerierTask,
} from '../querier/contract.js'
import { storeGatewayConfigOf } from '../store-gateway/client.js'
import type { StoreGatewayBoot } from '../store-gateway/contract.js'
import type { RestartPolicy } from './restart.js'
import type { RingSettings } from './rings.js'
import type { ChildSpec, PoolSpec } from './supervisor.js'
import type { LinkSpec } from './wiring.js'

/** Threads of each kind. */
export interface ActorCounts {
  readonly distributors: number
  /** Shards of all zones. */
  readonly ingesters: number
  /** Each zone has as many shards. */
  readonly zones: number
  readonly queriers: number
  readonly storeGateways: number
  readonly compactors: number
}

/** Cells that the main thread makes for all threads. */
export interface SharedCells {
  /** Claims of memory (createBudget). */
  readonly budget: SharedArrayBuffer
  /** The version of the block list. */
  readonly blockList: SharedArrayBuffer
  /** What threads share about tenants (createTenantCells). */
  readonly tenantCells: SharedArrayBuffer
  /** How many pushes are inside (createIntakeCell). */
  readonly intake: SharedArrayBuffer
  /** Which replicas are believed (createHaCells). */
  readonly haCells: SharedArrayBuffer
}

/** The rows of the system. */
export interface ActorTable {
  readonly children: readonly ChildSpec[]
  readonly links: readonly LinkSpec[]
  readonly pool: PoolSpec<QuerierTask, QuerierAnswer, QuerierMessage>
}

/** Ten crashes a minute; a crash that repeats at once gets there within half a minute. */
const POLICY: RestartPolicy = {
  intensity: 10,
  periodMs: 60_000,
  backoffMinMs: 50,
  backoffMaxMs: 5_000,
}
/** Pool threads are many, and each query may take one along. */
const POOL_POLICY: RestartPolicy = { ...POLICY, intensity: 30 }
/** A shard replays in turns after its start; this bounds building alone. */
const START_MS = 60_000
/** Heap of a querier thread. Columns are bounded by `memoryMax` of the query, and lie outside it. */
const QUERIER_HEAP_MB = 512
/**
 * Bodies of 8 senders or so fit at once, a body over a quarter goes as a message. Rings are used
 * from end to end, so this is also the memory that a busy link keeps.
 */
const BODY_RING_BYTES = 4 << 20
/** Frames of many bodies: a frame is at most half of it. */
const WRITE_RING_BYTES = 4 << 20
/** Answers and acks: 63 of the largest at once, more of the usual ones. */
const ANSWER_RING_BYTES = 128 << 10

/** Cores that one distributor and one shard are given together with what serves them. */
const CORES_PER_PAIR = 4
const PAIRS_MAX = 8

/** Counts by the machine's cores: 2 → 1/1/2, 4 → 1/1/2, 8 → 2/2/3, 16 → 4/4/6; the config overrides. */
export function actorCounts(config: Config, cores: number): ActorCounts {
  const pairs = Math.min(PAIRS_MAX, Math.max(1, Math.floor(cores / CORES_PER_PAIR)))
  const zones = 1 + config['data.zone_dirs'].length
  return {
    distributors: config['actors.distributors'] || pairs,
    ingesters: (config['actors.ingester_shards'] || pairs) * zones,
    zones,
    queriers: config['actors.queriers'] || Math.max(2, Math.round(cores * 0.375)),
    storeGateways: config['actors.store_gateways'] || Math.max(1, Math.round(cores / 8)),
    compactors: config['actors.compactors'],
  }
}

/** Makes the table. Compiles the kernels: once, here; threads only instantiate them. */
export function actorTable(
  config: Config,
  counts: ActorCounts,
  cells: SharedCells,
  limits: Limits,
): ActorTable {
  const headKernel = compileHeadKernel()
  const pushKernel = compileKernel('write-request')
  // Of the present life of each shard; a new life gets a new memory, since a crash may have left
  // the old one in any state, and queriers may still read it.
  const memories: WebAssembly.Memory[] = []
  const shutdownMs = config['server.graceful_shutdown_timeout']
  const common = { policy: POLICY, startMs: START_MS, shutdownMs }
  const { ingesters: shardCount, zones } = counts
  const { budget, tenantCells, haCells } = cells
  return {
    // Started in this order, stopped in reverse.
    children: [
      { ...common, ...storeGatewayRow(config, counts, cells) },
      { ...common, ...compactorRow(config, counts, headKernel, { limits, memories, cells }) },
      {
        ...common,
        kind: 'ingester',
        count: counts.ingesters,
        entry: threadEntry('ingester'),
        boot: (index): IngesterBoot => {
          const memory = createHeadMemory()
          memories[index] = memory
          const place = placeOf(index, shardCount / zones)
          const settings = { config: ingesterConfigOf(config, place), limits: limits.snapshot() }
          const kernel = headKernel
          return { index, shardCount, place, ...settings, budget, tenantCells, memory, kernel }
        },
        understudy: (index) =>
          understudyOf(
            ingesterConfigOf(config, placeOf(index, shardCount / zones)),
            practiceLimits(limits.snapshot()),
          ),
        // A querier may hear late of the next life: until then it is to wait, not to read on.
        onGone: (index) => {
          const memory = memories[index]
          if (memory !== undefined) retireHead(memory)
        },
        // With zones one may be gone: pushes and queries go on.
        ...(zones > 1 ? { isEnough: (isUp) => hasQuorum(isUp, zones) } : {}),
      },
      {
        ...common,
        kind: 'distributor',
        count: counts.distributors,
        entry: threadEntry('distributor'),
        boot: (index): DistributorBootData => {
          const settings = { config: distributorConfigOf(config), limits: limits.snapshot() }
          return { index, shardCount, zones, ...settings, tenantCells, haCells, kernel: pushKernel }
        },
      },
    ],
    links: [
      { from: 'main', to: 'distributor', downBytes: BODY_RING_BYTES, upBytes: ANSWER_RING_BYTES },
      {
        from: 'distributor',
        to: 'ingester',
        downBytes: WRITE_RING_BYTES,
        upBytes: ANSWER_RING_BYTES,
      },
    ],
    pool: querierRow(config, counts, cells, { headKernel, memories, limits }),
  }
}

/** The rings of these actors. */
export function ringSettingsOf(
  config: Config,
  counts: ActorCounts,
): Readonly<Record<string, RingSettings>> {
  const { zones } = counts
  return {
    distributor: {
      memberCount: counts.distributors,
      zones: 1,
      isForCounting: true,
      heartbeatTimeoutMs: config['distributor.ring.heartbeat_timeout'],
      forgetPeriods: config['distributor.ring.auto_forget_unhealthy_periods'],
    },
    ingester: {
      memberCount: counts.ingesters,
      zones,
      heartbeatTimeoutMs: config['ingester.ring.heartbeat_timeout'],
      forgetPeriods: config['ingester.ring.auto_forget_unhealthy_periods'],
    },
    compactor: {
      memberCount: counts.compactors,
      zones: 1,
      heartbeatTimeoutMs: config['compactor.sharding_ring.heartbeat_timeout'],
      forgetPeriods: config['compactor.sharding_ring.auto_forget_unhealthy_periods'],
    },
    'store-gateway': {
      memberCount: counts.storeGateways,
      zones: 1,
      heartbeatTimeoutMs: config['store_gateway.sharding_ring.heartbeat_timeout'],
      forgetPeriods: config['store_gateway.sharding_ring.auto_forget_unhealthy_periods'],
    },
  }
}

function querierRow(
  config: Config,
  counts: ActorCounts,
  cells: SharedCells,
  head: {
    readonly headKernel: WebAssembly.Module
    readonly memories: WebAssembly.Memory[]
    readonly limits: Limits
  },
): PoolSpec<QuerierTask, QuerierAnswer, QuerierMessage> {
  return {
    kind: 'querier',
    size: counts.queriers,
    entry: threadEntry('querier'),
    policy: POOL_POLICY,
    boot: {
      config: querierConfigOf(config, counts.queriers),
      limits: head.limits.snapshot(),
      practiceLimits: limitsDataOf(defaultConfig(), EMPTY_RUNTIME),
      shardCount: counts.ingesters,
      zones: counts.zones,
      tenantCells: cells.tenantCells,
      budget: cells.budget,
      queryRuns: createFrequencyCells(),
      blocks: { list: cells.blockList, shardCount: counts.storeGateways },
      kernel: head.headKernel,
    } satisfies QuerierBoot,
    form: createQueryForm,
    settingsNotice: (data) => ({ limits: data as LimitsData }),
    heapMbMax: QUERIER_HEAP_MB,
    // Never before: it may have been reading to the last.
    onGone: (seat) => {
      for (const memory of head.memories) endLeaseOf(memory, seat)
      dropQuerierClaims(cells.budget, seat)
    },
    notices: {
      kind: 'ingester',
      notice: (shard, port) => ({ shard, port, memory: head.memories[shard]! }),
    },
  }
}

function storeGatewayRow(
  config: Config,
  counts: ActorCounts,
  { blockList, budget }: SharedCells,
): Pick<ChildSpec, 'kind' | 'count' | 'isOnDemand' | 'entry' | 'boot'> {
  const shardCount = counts.storeGateways
  const common = { shardCount, config: storeGatewayConfigOf(config), blockList, budget }
  return {
    kind: 'store-gateway',
    count: shardCount,
    isOnDemand: true,
    entry: threadEntry('store-gateway'),
    boot: (index): StoreGatewayBoot => ({ index, ...common }),
  }
}

function compactorRow(
  config: Config,
  { compactors: count }: ActorCounts,
  kernel: WebAssembly.Module,
  shared: {
    readonly limits: Limits
    readonly memories: readonly WebAssembly.Memory[]
    readonly cells: SharedCells
  },
): Pick<ChildSpec, 'kind' | 'count' | 'isOnDemand' | 'entry' | 'boot' | 'onGone'> {
  return {
    kind: 'compactor',
    count,
    isOnDemand: true,
    entry: threadEntry('compactor'),
    boot: (index): CompactorBoot => {
      const limits = shared.limits.snapshot()
      const { intake } = shared.cells
      return { index, count, config: compactorConfigOf(config), limits, intake, kernel }
    },
    onGone: (index) => {
      for (const memory of shared.memories) endLeaseOf(memory, readerSlotOf(index))
    },
  }
}

/** What is different in the boot data of an ingester in a rehearsal: it is alone, and writes elsewhere. */
function understudyOf({ dataDir, ...settings }: IngesterConfig, limits: LimitsData): object {
  const config = { ...settings, dataDir: rehearsalFolder(dataDir), walFsync: 'never' as const }
  return { config, budget: undefined, tenantCells: undefined, limits }
}

/** Where ingesters write in a rehearsal, below a root of local data. */
export function rehearsalFolder(root: string): string {
  return join(root, 'rehearsal')
}

function ingesterConfigOf(config: Config, { zone }: Place): IngesterConfig {
  return {
    ...INGESTER_DEFAULTS,
    dataDir: zoneRoots(config)[zone]!,
    walFsync: config['wal.fsync'],
    walFsyncIntervalMs: config['wal.fsync_interval'],
    snapshotLogBytes: config['wal.snapshot_bytes'],
    spillBytes: config['head.spill_bytes'],
    spillAfterMs: config['head.spill_after'],
    cutBytes: config['head.cut_bytes'],
    metadataRetainMs: config['ingester.metadata_retain_period'],
    activeSeriesUpdateMs: config['ingester.active_series_metrics_enabled']
      ? config['ingester.active_series_metrics_update_period']
      : 0,
    activeSeriesIdleMs: config['ingester.active_series_metrics_idle_timeout'],
    seriesMax: config['ingester.instance_limits.max_series'],
    tenantsMax: config['ingester.instance_limits.max_tenants'],
    ignoreSeriesLimitFor: config['ingester.ignore_series_limit_for_metric_names'],
    headCompactionIntervalMs: config['blocks_storage.tsdb.head_compaction_interval'],
    headCompactionIdleMs: config['blocks_storage.tsdb.head_compaction_idle_timeout'],
    earlyCutSeriesMin: config['blocks_storage.tsdb.early_head_compaction_min_in_memory_series'],
    earlyCutReductionMin:
      config['blocks_storage.tsdb.early_head_compaction_min_estimated_series_reduction_percentage'],
  }
}

function distributorConfigOf(config: Config): DistributorConfig {
  return {
    ...DISTRIBUTOR_DEFAULTS,
    maxRecvMsgSize: config['distributor.max_recv_msg_size'],
    isHaTrackerOn: config['distributor.ha_tracker.enable_ha_tracker'],
    maxOtlpRequestSize: config['distributor.max_otlp_request_size'],
    maxInfluxRequestSize: config['distributor.max_influx_request_size'],
    remoteTimeoutMs: config['distributor.remote_timeout'],
  }
}
