/**
 * De-duplication of pairs of Prometheus (reference: "HA tracker"): the labels of a request's first
 * series say which replica of which cluster sent it; one replica of a cluster is believed, until it
 * has been silent for the failover timeout. State lies in cells that all distributors share.
 */
import { HaCells, type TenantLimits } from '../../shared/limits/index.js'
import type { Labels } from '../../shared/model/labels.js'
import type { Metrics } from '../../shared/telemetry/index.js'

/** What is done with a request. */
export type HaDecision =
  | { readonly kind: 'untouched' }
  | { readonly kind: 'believed' }
  | { readonly kind: 'other'; readonly cluster: string; readonly text: string }
  | { readonly kind: 'too-many'; readonly text: string }

/** A replica of a cluster; texts are empty where the series does not say. */
export interface Sender {
  readonly cluster: string
  readonly replica: string
}

/** Decides for one distributor. */
export class HaTracker {
  private readonly isEnabled: boolean
  private readonly cells: HaCells
  private readonly metrics: Metrics

  /** @param cells of createHaCells */
  constructor(isEnabled: boolean, cells: SharedArrayBuffer | undefined, metrics: Metrics) {
    this.isEnabled = isEnabled
    this.cells = new HaCells(cells)
    this.metrics = metrics
  }

  /** Whether requests of a tenant are looked at. */
  looksAt(limits: TenantLimits): boolean {
    return this.isEnabled && limits.accept_ha_samples
  }

  /** Who sends a series of such labels. */
  senderOf(labels: Labels, limits: TenantLimits): Sender {
    const cluster = labelValue(labels, limits.ha_cluster_label)
    return { cluster, replica: labelValue(labels, limits.ha_replica_label) }
  }

  /**
   * @param first who sent the request's first series, and its first time in ms
   * @param now wall clock, ms
   */
  decide(
    tenant: string,
    limits: TenantLimits,
    first: { readonly sender: Sender; readonly timeMs: number },
    now: number,
  ): HaDecision {
    const { cluster, replica } = first.sender
    if (cluster === '' || replica === '') return { kind: 'untouched' }
    const row = this.cells.rowOf(tenant, cluster, limits.ha_max_clusters)
    if (row < 0) return { kind: 'too-many', text: describeTooMany(limits.ha_max_clusters) }
    const verdict = this.cells.claim(row, {
      replica,
      now,
      failoverMs: limits.ha_tracker_failover_timeout,
      sampleMs: first.timeMs,
      sampleFailoverMs: limits.ha_tracker_sample_failover_timeout,
    })
    if (verdict === 'other') {
      const elected = this.cells.replicaOf(row)
      const text = `replica '${replica}' of cluster '${cluster}' is not the elected one, which is '${elected}'`
      return { kind: 'other', cluster, text }
    }
    if (verdict === 'changed') {
      this.metrics.cell('cortex_ha_tracker_elected_replica_changes_total', tenant, cluster).add(1)
    }
    return { kind: 'believed' }
  }
}

function labelValue(labels: Labels, name: string): string {
  return labels.find((label) => label.name === name)?.value ?? ''
}

function describeTooMany(most: number): string {
  return `the tenant has more than ${most} HA clusters (err-mimir-tenant-too-many-ha-clusters). To adjust the related per-tenant limit, configure -distributor.ha-tracker.max-clusters, or contact your service administrator.`
}
