/**
 * The limits of every tenant: defaults of the configuration, and what the runtime file gives single
 * tenants instead. Each thread holds one `Limits`; the supervisor sends new data with a version
 * whenever the file has changed. Rows are frozen, and the same object for as long as nothing in them
 * has changed: who derives something from a row compares the reference.
 */
import {
  type Config,
  configSlice,
  type InstanceLimitValues,
  type LimitValues,
  type RuntimeConfig,
} from '../config/index.js'
import { checkLimits } from './check.js'
import { combineLimits } from './combine.js'

/** Rows of several tenants kept at a time. */
const COMBINED_MAX = 1_000

/** The limits of one tenant: Mimir's names; milliseconds, bytes. Frozen. */
export type TenantLimits = LimitValues

/** Everything that threads are sent. Plain data. */
export interface LimitsData extends RuntimeConfig {
  /** Counts the changes since the start, which is 1. */
  readonly version: number
  readonly defaults: TenantLimits
}

/** The limits as one thread has them. */
export class Limits {
  private data: LimitsData
  private rows: Map<string, TenantLimits>
  /** Rows of several tenants at once, as they were asked for. */
  private combined = new Map<string, TenantLimits>()

  constructor(data: LimitsData) {
    this.data = { ...data, defaults: Object.freeze({ ...data.defaults }) }
    this.rows = rowsOf(this.data)
  }

  /** The row of a tenant, or the one that holds for several (`a|b`) at once. */
  of(tenant: string): TenantLimits {
    const own = this.rows.get(tenant)
    if (own !== undefined) return own
    return tenant.includes('|') ? this.ofSeveral(tenant) : this.data.defaults
  }

  private ofSeveral(tenants: string): TenantLimits {
    const known = this.combined.get(tenants)
    if (known !== undefined) return known
    const row = combineLimits(tenants.split('|').map((tenant) => this.of(tenant)))
    if (this.combined.size >= COMBINED_MAX) this.combined.clear()
    this.combined.set(tenants, row)
    return row
  }

  /** The row of tenants without overrides. */
  defaults(): TenantLimits {
    return this.data.defaults
  }

  /** Counts changes; which one a thread has is seen at `/debug/actors`. */
  version(): number {
    return this.data.version
  }

  /** Tenants with overrides, and their whole rows. */
  overridden(): ReadonlyMap<string, TenantLimits> {
    return this.rows
  }

  /** `distributor_limits` and `ingester_limits` of the runtime file. */
  instance(kind: 'distributor' | 'ingester'): InstanceLimitValues {
    return kind === 'distributor' ? this.data.distributorLimits : this.data.ingesterLimits
  }

  /** For a further thread. */
  snapshot(): LimitsData {
    return this.data
  }

  /** Takes newer data; older and equal ones are left alone. False when they were. */
  take(data: LimitsData): boolean {
    if (data.version <= this.data.version) return false
    const isSame = JSON.stringify(data.defaults) === JSON.stringify(this.data.defaults)
    const defaults = isSame ? this.data.defaults : Object.freeze({ ...data.defaults })
    this.data = { ...data, defaults }
    const before = this.rows
    this.rows = rowsOf(this.data)
    this.combined.clear()
    for (const [tenant, row] of this.rows) {
      const old = before.get(tenant)
      if (old !== undefined && JSON.stringify(old) === JSON.stringify(row)) {
        this.rows.set(tenant, old)
      }
    }
    return true
  }
}

/**
 * The first data of a server.
 *
 * @throws AppError `config-invalid` when limits contradict each other
 */
export function limitsDataOf(config: Config, runtime: RuntimeConfig, version = 1): LimitsData {
  const defaults = configSlice(config, 'limits') as TenantLimits
  checkLimits(defaults, 'limits')
  const data = { ...runtime, version, defaults }
  for (const [tenant, row] of rowsOf(data)) checkLimits(row, `overrides of ${tenant}`)
  return data
}

function rowsOf(data: LimitsData): Map<string, TenantLimits> {
  const rows = new Map<string, TenantLimits>()
  for (const [tenant, changes] of data.overrides) {
    rows.set(tenant, Object.freeze({ ...data.defaults, ...changes }))
  }
  return rows
}
