/** The distributor's metric cells, by tenant: added to per body, never per sample. */
import type { Cell, Metrics } from '../../shared/telemetry/index.js'
import { DISCARD_REASONS } from '../../shared/wire/frames/index.js'

/** What one body came to. */
export interface BodyCounts {
  samples: number
  /** By reason. */
  readonly discarded: Uint32Array
  exemplars: number
  histograms: number
  duplicates: number
  metadata: number
  newSeries: number
  compressedBytes: number
  bytes: number
}

/** Tenants that have cells; of one more the one that was quiet for the longest time loses its own. */
const TENANTS_MAX = 16_000

const DUPLICATES_REASON = DISCARD_REASONS.indexOf('sample_duplicate_timestamp')

/** Cells by tenant alone. */
const BY_TENANT = [
  'cortex_distributor_requests_in_total',
  'cortex_distributor_samples_in_total',
  'cortex_distributor_exemplars_in_total',
  'cortex_distributor_metadata_in_total',
  'cortex_distributor_received_requests_total',
  'cortex_distributor_received_samples_total',
  'cortex_distributor_non_ha_samples_received_total',
] as const

interface TenantCells {
  readonly tenant: string
  readonly requestsIn: Cell
  readonly samplesIn: Cell
  readonly exemplarsIn: Cell
  readonly metadataIn: Cell
  readonly requests: Cell
  readonly samples: Cell
  readonly discarded: (Cell | undefined)[]
}

/** Counts bodies into metric cells. */
export class Counters {
  /** Where a body's discards are put together for `count`, by reason. */
  readonly discarded = new Uint32Array(DISCARD_REASONS.length)
  private readonly metrics: Metrics
  private readonly tenantsMax: number
  /** The one that was counted last at the end. */
  private readonly tenants = new Map<string, TenantCells>()
  private latest: TenantCells | undefined
  private readonly compressed: Cell
  private readonly decompressed: Cell
  private readonly newSeries: Cell

  constructor(metrics: Metrics, tenantsMax = TENANTS_MAX) {
    this.metrics = metrics
    this.tenantsMax = tenantsMax
    this.compressed = metrics.cell('nilo_distributor_body_bytes_total', 'compressed')
    this.decompressed = metrics.cell('nilo_distributor_body_bytes_total', 'decompressed')
    this.newSeries = metrics.cell('nilo_distributor_new_series_total')
  }

  /** Counts a body that was decoded. */
  count(tenant: string, counts: BodyCounts): void {
    const cells = this.cellsOf(tenant)
    const discarded = counts.discarded
    discarded[DUPLICATES_REASON] = discarded[DUPLICATES_REASON]! + counts.duplicates
    const stored = counts.samples + counts.histograms
    let all = stored
    for (let reason = 1; reason < DISCARD_REASONS.length; reason++) {
      const count = discarded[reason]!
      if (count === 0) continue
      all += count
      const cell = cells.discarded[reason] ?? this.discardCell(reason, tenant)
      cells.discarded[reason] = cell
      cell.add(count)
    }
    cells.requestsIn.add(1)
    cells.samplesIn.add(all)
    if (counts.exemplars > 0) cells.exemplarsIn.add(counts.exemplars)
    if (counts.metadata > 0) cells.metadataIn.add(counts.metadata)
    if (stored > 0) {
      cells.requests.add(1)
      cells.samples.add(stored)
    }
    this.newSeries.add(counts.newSeries)
    this.compressed.add(counts.compressedBytes)
    this.decompressed.add(counts.bytes)
  }

  /** Counts a request that was refused as a whole, and the samples in it. */
  refused(tenant: string, reason: number, samples: number): void {
    const cells = this.cellsOf(tenant)
    cells.requestsIn.add(1)
    cells.samplesIn.add(samples)
    this.discardCell(reason, tenant).add(samples)
  }

  /** Counts a request of a replica that is not believed. */
  deduped(tenant: string, cluster: string, samples: number): void {
    const cells = this.cellsOf(tenant)
    cells.requestsIn.add(1)
    cells.samplesIn.add(samples)
    this.metrics.cell('cortex_distributor_deduped_samples_total', tenant, cluster).add(samples)
  }

  /** Counts samples that came from no pair where pairs are looked for. */
  notPaired(tenant: string, samples: number): void {
    this.metrics.cell('cortex_distributor_non_ha_samples_received_total', tenant).add(samples)
  }

  /** Counts an exemplar that was refused. */
  discardExemplar(tenant: string, reason: string): void {
    this.metrics.cell('cortex_discarded_exemplars_total', reason, tenant).add(1)
  }

  /** Counts metadata records that were refused. */
  discardMetadata(tenant: string, reason: string): void {
    this.metrics.cell('cortex_discarded_metadata_total', reason, tenant).add(1)
  }

  private discardCell(reason: number, tenant: string): Cell {
    return this.metrics.cell('cortex_discarded_samples_total', DISCARD_REASONS[reason]!, tenant)
  }

  private cellsOf(tenant: string): TenantCells {
    const { latest } = this
    if (latest !== undefined && latest.tenant === tenant) return latest
    const cells = this.tenants.get(tenant) ?? this.open(tenant)
    this.tenants.delete(tenant)
    this.tenants.set(tenant, cells)
    this.latest = cells
    return cells
  }

  private open(tenant: string): TenantCells {
    const { metrics } = this
    if (this.tenants.size >= this.tenantsMax) this.forget(this.tenants.keys().next().value!)
    return {
      tenant,
      requestsIn: metrics.cell('cortex_distributor_requests_in_total', tenant),
      samplesIn: metrics.cell('cortex_distributor_samples_in_total', tenant),
      exemplarsIn: metrics.cell('cortex_distributor_exemplars_in_total', tenant),
      metadataIn: metrics.cell('cortex_distributor_metadata_in_total', tenant),
      requests: metrics.cell('cortex_distributor_received_requests_total', tenant),
      samples: metrics.cell('cortex_distributor_received_samples_total', tenant),
      discarded: [],
    }
  }

  private forget(tenant: string): void {
    const { metrics } = this
    this.tenants.delete(tenant)
    for (const name of BY_TENANT) metrics.release(name, tenant)
    for (const reason of DISCARD_REASONS) {
      metrics.release('cortex_discarded_samples_total', reason, tenant)
    }
  }
}
