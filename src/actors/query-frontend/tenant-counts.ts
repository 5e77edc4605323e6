/** The cells in which a tenant's queries are counted, which looking up for each query would cost microseconds. */
import type { Cell, Metrics } from '../../shared/telemetry/index.js'
import type { QuerierQuery } from '../querier/contract.js'

type Kind = QuerierQuery['kind']

/** Tenants whose cells are kept at a time. */
const TENANTS_MAX = 1_000

/** One tenant's. */
export class TenantCells {
  private readonly metrics: Metrics
  private readonly tenant: string
  private readonly byKind = new Map<Kind, Cell>()
  private samples: Cell | undefined
  private series: Cell | undefined

  constructor(metrics: Metrics, tenant: string) {
    this.metrics = metrics
    this.tenant = tenant
  }

  /** A query has come. */
  addQuery(kind: Kind): void {
    let cell = this.byKind.get(kind)
    if (cell === undefined) {
      cell = this.metrics.cell('cortex_query_frontend_queries_total', kind, this.tenant)
      this.byKind.set(kind, cell)
    }
    cell.add(1)
  }

  /** A query has read so much. */
  addRead(samples: number, series: number): void {
    this.samples ??= this.metrics.cell('cortex_query_samples_processed_total', this.tenant)
    this.series ??= this.metrics.cell('cortex_query_fetched_series_total', this.tenant)
    this.samples.add(samples)
    this.series.add(series)
  }
}

/** All tenants'. */
export class TenantCounts {
  private readonly metrics: Metrics
  private readonly tenants = new Map<string, TenantCells>()

  constructor(metrics: Metrics) {
    this.metrics = metrics
  }

  of(tenant: string): TenantCells {
    let cells = this.tenants.get(tenant)
    if (cells === undefined) {
      if (this.tenants.size >= TENANTS_MAX) this.tenants.clear()
      cells = new TenantCells(this.metrics, tenant)
      this.tenants.set(tenant, cells)
    }
    return cells
  }
}
