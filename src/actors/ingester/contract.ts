/**
 * What others may know of an ingester shard: what it boots with, its link ends, its calls. Frames
 * of samples come from each distributor through a ring buffer and acks go back through another
 * (shared/wire/frames); queriers ask by calls and read samples in place, from the shard's memory
 * (shared/tsdb HeadReader).
 */

import type { Place } from '../../shared/hashring/index.js'
import type { LimitsData } from '../../shared/limits/index.js'
import type { Labels } from '../../shared/model/labels.js'
import type { Matcher } from '../../shared/model/matcher.js'
import type { RingReader, RingWriter } from '../../shared/ringbuf/index.js'

/** Custom trackers of a tenant at most: each costs every series of the shard a bit. */
export const TRACKERS_MAX = 256

/** Both directions of a link as this thread holds them. */
export interface LinkEnds {
  readonly writer: RingWriter
  readonly reader: RingReader
}

/** The ingester's slice of the configuration. */
export interface IngesterConfig {
  /** Root of local data; the shard keeps its own below `ingester-<index>/`. */
  readonly dataDir: string
  /** `wal.fsync`: before every ack, now and then, or when the system does. */
  readonly walFsync: 'always' | 'interval' | 'never'
  /** `wal.fsync_interval`, ms. */
  readonly walFsyncIntervalMs: number
  readonly walSegmentBytesMax: number
  /** `wal.snapshot_bytes`: how much log makes a snapshot due. */
  readonly snapshotLogBytes: number
  /** `head.spill_bytes`: closed chunks may take so much memory; 0: all of it. */
  readonly spillBytes: number
  /** `head.spill_after`: chunks that end this much before the newest sample go to the chunk file. */
  readonly spillAfterMs: number
  /** `head.cut_bytes`: with more closed chunks in memory heads are cut before their time; 0: they are not. */
  readonly cutBytes: number
  /** `ingester.metadata_retain_period`, ms: how long metadata stays after its last push. */
  readonly metadataRetainMs: number
  /** `ingester.instance_limits.max_series` of the process and `max_tenants`; 0 = no limit. */
  readonly seriesMax: number
  /** `ingester.active_series_metrics_update_period` (0: not counted) and `_idle_timeout`, ms. */
  readonly activeSeriesUpdateMs: number
  readonly activeSeriesIdleMs: number
  readonly tenantsMax: number
  /** `ingester.ignore_series_limit_for_metric_names`. */
  readonly ignoreSeriesLimitFor: readonly string[]
  /** `blocks_storage.tsdb.head_compaction_interval`, ms: how often it is looked whether to cut blocks. */
  readonly headCompactionIntervalMs: number
  /** `blocks_storage.tsdb.head_compaction_idle_timeout`, ms: when the head of a quiet tenant is cut whole. */
  readonly headCompactionIdleMs: number
  /** `early_head_compaction_min_in_memory_series`, of all shards of a zone; 0: never. */
  readonly earlyCutSeriesMin: number
  /** Per cent of a tenant's series that an early cut is to free. */
  readonly earlyCutReductionMin: number
}

/** Mimir's defaults, and ours where Mimir has no such key; `dataDir` is the caller's. */
export const INGESTER_DEFAULTS: Omit<IngesterConfig, 'dataDir'> = {
  walFsync: 'interval',
  walFsyncIntervalMs: 1000,
  walSegmentBytesMax: 128 << 20,
  snapshotLogBytes: 256 << 20,
  spillBytes: 64 << 20,
  spillAfterMs: 3_600_000,
  cutBytes: 512 << 20,
  metadataRetainMs: 600_000,
  seriesMax: 0,
  activeSeriesUpdateMs: 60_000,
  activeSeriesIdleMs: 1_200_000,
  tenantsMax: 0,
  ignoreSeriesLimitFor: [],
  headCompactionIntervalMs: 60_000,
  headCompactionIdleMs: 3_600_000,
  earlyCutSeriesMin: 0,
  earlyCutReductionMin: 15,
}

/** What an ingester is built from; plain data that can be posted. */
export interface IngesterBoot {
  readonly index: number
  /** Shards of all zones. */
  readonly shardCount: number
  /** Zone, and place within it; without it there is one zone. */
  readonly place?: Place
  readonly config: IngesterConfig
  /** Limits of all tenants. */
  readonly limits: LimitsData
  /** What threads share about tenants (createTenantCells); without it this one is alone. */
  readonly tenantCells?: SharedArrayBuffer
  /** A zeroed memory (createHeadMemory), a new one for each life of the shard. */
  readonly memory: WebAssembly.Memory
  /** Claims of all threads (createBudget); without it there is no limit. */
  readonly budget?: SharedArrayBuffer
  /** The compiled head kernel (compileHeadKernel). */
  readonly kernel: WebAssembly.Module
}

/** Series by matchers, all of which must match, and time: ms, both ends inclusive. */
export interface SelectRequest {
  readonly tenant: string
  readonly matchers: readonly Matcher[]
  readonly mint: number
  readonly maxt: number
}

/** Series that match any of several selectors; none of them means all series. */
export interface LabelsRequest {
  readonly tenant: string
  readonly matchers: readonly (readonly Matcher[])[]
  readonly mint: number
  readonly maxt: number
}

/** What a sender said of a metric. */
export interface MetricMetadata {
  readonly metric: string
  /** One of METADATA_TYPES. */
  readonly type: string
  readonly help: string
  readonly unit: string
}

/** Series that any of several selectors matches, in a time; ms, both ends inclusive. */
export interface CutSeriesRequest {
  readonly tenant: string
  readonly selectors: readonly (readonly Matcher[])[]
  readonly mint: number
  readonly maxt: number
  readonly isDry: boolean
}

/** Exemplars of the series that any of several selectors matches; ms, both ends inclusive. */
export interface ExemplarsRequest {
  readonly tenant: string
  readonly selectors: readonly (readonly Matcher[])[]
  readonly mint: number
  readonly maxt: number
  /** At most so many; of more the newest ones that came are told, and that there were more. */
  readonly max: number
}

/** Exemplars of one series, by time. */
export interface SeriesExemplars {
  readonly labels: Labels
  readonly exemplars: readonly Exemplar[]
}

/** An exemplar as it was sent. */
export interface Exemplar {
  readonly labels: Labels
  readonly value: number
  /** ms. */
  readonly t: number
}

/**
 * The calls that queriers make. While the shard replays its log they fail with `overloaded`, which
 * may be retried: an answer from half a log would look like a whole one.
 */
export interface IngesterCalls {
  /** Refs, ascending, valid in this life of the shard's memory. */
  select(request: SelectRequest): Promise<{ refs: Uint32Array }>
  /** Label names, sorted. */
  labelNames(request: LabelsRequest): Promise<string[]>
  /** Values of a label, sorted. */
  labelValues(request: LabelsRequest & { readonly name: string }): Promise<string[]>
  series(request: LabelsRequest): Promise<Labels[]>
  /** @param request.metric '' for all metrics */
  metadata(request: { readonly tenant: string; readonly metric: string }): Promise<MetricMetadata[]>
  /**
   * Cuts blocks of the whole heads of some tenants, of all without any.
   * @param request.wait resolves when that is done, or has failed; else at once
   */
  flush(request: { readonly tenants: readonly string[]; readonly wait: boolean }): Promise<void>
  /**
   * Has all samples of some series in blocks, which makes them deletable: cuts the tenant's whole head
   * when it has any.
   * @param request.isDry only looks
   * @returns how many of the series the head has, with samples in the time
   */
  cutSeries(request: CutSeriesRequest): Promise<number>
  exemplars(
    request: ExemplarsRequest,
  ): Promise<{ readonly series: readonly SeriesExemplars[]; readonly isCut: boolean }>
}
