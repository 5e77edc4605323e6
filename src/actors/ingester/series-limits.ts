/**
 * Whether a tenant may have one more series: the limits that Mimir's ingesters check. Asked where
 * series are defined, and only where there is such a limit; what is there already is never refused.
 * A series over a limit is refused until room is made: then the tenant's distributors define it anew
 * (TenantCells.retries), as they do when the limit has changed.
 */
import { memberCountOf, type Place, placeOf } from '../../shared/hashring/index.js'
import type { Limits, TenantCells, TenantRow } from '../../shared/limits/index.js'
import { METRIC_NAME } from '../../shared/model/labels.js'
import { decodeLabels, findPairBytes, type Head } from '../../shared/tsdb/index.js'
import { DEFINE_HEADER_BYTES, padTo8 } from '../../shared/wire/frames/index.js'
import { REF_INSTANCE_LIMIT, REF_METRIC_LIMIT, REF_USER_LIMIT } from './links.js'
import type { TenantState } from './tenants.js'

const METRIC_NAME_BYTES = Buffer.from(METRIC_NAME)

/** Series that a metric has; undefined where that does not matter. */
type MetricCount = { series: number } | undefined

/** How many more series there may be. */
interface SeriesRoom {
  readonly user: number
  readonly instance: number
  /** Series that a metric may have here. */
  readonly metric: number
}

/**
 * What is asked for each series of a frame, in order. A class: functions made anew for each frame are no
 * more what code was optimised for.
 */
export class SeriesGate {
  private readonly cells: TenantCells
  private readonly row: TenantRow
  /** [define]; undefined where metrics have no limit. */
  private readonly metrics: readonly MetricCount[] | undefined
  private readonly metricShare: number
  private userLeft: number
  private instanceLeft: number

  constructor(
    cells: TenantCells,
    row: TenantRow,
    room: SeriesRoom,
    metrics: readonly MetricCount[] | undefined,
  ) {
    this.cells = cells
    this.row = row
    this.metrics = metrics
    this.metricShare = room.metric
    this.userLeft = room.user
    this.instanceLeft = room.instance
  }

  /** 0 when the series may be made, or the REF_… that says why not. */
  refuses(index: number): number {
    if (this.instanceLeft <= 0) return REF_INSTANCE_LIMIT
    if (this.userLeft <= 0) return REF_USER_LIMIT
    const metric = this.metrics?.[index]
    return metric !== undefined && metric.series >= this.metricShare ? REF_METRIC_LIMIT : 0
  }

  /** The series was not there before, and is now. */
  made(index: number): void {
    this.userLeft--
    this.instanceLeft--
    const metric = this.metrics?.[index]
    if (metric !== undefined) metric.series++
  }

  /** The series would have been made. */
  refused(): void {
    this.cells.noteRefused(this.row)
  }
}

/** What the gate works on. */
export interface SeriesLimitsParts {
  readonly head: Head
  readonly limits: Limits
  readonly cells: TenantCells
  readonly shard: number
  readonly place: Place | undefined
  readonly zones: number
  /** `ingester.instance_limits.max_series`; the runtime file may say otherwise. */
  readonly instanceSeriesMax: number
  /** `ingester.ignore_series_limit_for_metric_names`. */
  readonly freeMetrics: ReadonlySet<string>
}

/** The series limits of one shard. */
export class SeriesLimits {
  private readonly parts: SeriesLimitsParts
  private readonly place: Place

  constructor(parts: SeriesLimitsParts) {
    this.parts = parts
    this.place = parts.place ?? placeOf(0, 1)
  }

  /** What threads share about tenants. */
  get cells(): TenantCells {
    return this.parts.cells
  }

  /** Series that the process may have, all tenants and the shards of one zone together; 0 = no limit. */
  instanceMax(): number {
    const { limits, instanceSeriesMax } = this.parts
    return limits.instance('ingester').max_series ?? instanceSeriesMax
  }

  /** Brings the tenant's count in the shared cells up to date; series that went make room for others. */
  note(tenant: TenantState, series: number): void {
    const { cells, shard } = this.parts
    cells.setSeries(tenant.cells, shard, series)
    if (series < tenant.seriesCounted) cells.allowRetry(tenant.cells)
  }

  /** How many metrics may have metadata here, and how many variants one; metrics are spread over the shards. */
  metadataBounds(tenant: TenantState): { metrics: number; variants: number } {
    const { limits } = tenant
    return {
      metrics: Math.ceil(limits.max_global_metadata_per_user / this.memberCountOf(tenant)),
      variants: limits.max_global_metadata_per_metric,
    }
  }

  /** Over how many of a zone's shards a tenant's series are spread. */
  private memberCountOf({ limits }: TenantState): number {
    const { zones } = this.parts
    return memberCountOf(
      { size: limits.ingestion_tenant_shard_size, zones },
      this.place.memberCount,
    )
  }

  /** The gate of a frame's defines; undefined when nothing limits them. */
  gate(tenant: TenantState, defines: Uint8Array, count: number): SeriesGate | undefined {
    const { max_global_series_per_user: userMax, max_global_series_per_metric: metricMax } =
      tenant.limits
    const instanceMax = this.instanceMax()
    if (userMax === 0 && metricMax === 0 && instanceMax === 0) return undefined
    const { cells, head } = this.parts
    const { zone, memberCount } = this.place
    const shards = { from: zone * memberCount, to: (zone + 1) * memberCount }
    const user =
      userMax === 0 ? Number.POSITIVE_INFINITY : userMax - cells.series(tenant.cells, shards)
    // Series are spread evenly over the shards: each has its part of what is counted by shard.
    const instanceShare = Math.ceil(instanceMax / memberCount)
    const instance =
      instanceMax === 0 ? Number.POSITIVE_INFINITY : instanceShare - head.seriesCount()
    const metrics = metricMax === 0 ? undefined : this.metricsOf(tenant, defines, count)
    const metric = Math.ceil(metricMax / this.memberCountOf(tenant))
    return new SeriesGate(cells, tenant.cells, { user, instance, metric }, metrics)
  }

  /** [define] how many series its metric has; metrics without the limit are left out. */
  private metricsOf(tenant: TenantState, defines: Uint8Array, count: number): MetricCount[] {
    const byPair = new Map<string, MetricCount>()
    const metrics: MetricCount[] = []
    const bytes = Buffer.from(defines.buffer, defines.byteOffset, defines.length)
    for (let i = 0, at = 0; i < count && at + DEFINE_HEADER_BYTES <= bytes.length; i++) {
      const from = at + DEFINE_HEADER_BYTES
      const end = from + bytes.readUInt32LE(at + 8)
      at = from + padTo8(end - from)
      if (at > bytes.length) break
      const pair = findPairBytes(bytes, { from, end }, METRIC_NAME_BYTES)
      const key = pair === undefined ? '' : (pair as Buffer).toString('latin1')
      if (!byPair.has(key))
        byPair.set(key, pair === undefined ? undefined : this.countOf(tenant, pair))
      metrics.push(byPair.get(key))
    }
    return metrics
  }

  private countOf(tenant: TenantState, pair: Uint8Array): MetricCount {
    const { freeMetrics, head } = this.parts
    const name = decodeLabels(pair)[0]!.value
    if (freeMetrics.has(name)) return undefined
    const found = head.findPair(tenant.index, pair)
    return { series: found === 0 ? 0 : head.view.postingsCount(found) }
  }
}
