/**
 * What senders say of metrics: type, help and unit. Kept in memory only, per tenant and metric name,
 * and dropped when not heard of for a while; senders repeat it every minute.
 */
import {
  METADATA_ACKED,
  METADATA_HEADER_BYTES,
  METADATA_RECORD_HEADER_BYTES,
  METADATA_TYPES,
  padTo8,
} from '../../shared/wire/frames/index.js'
import type { MetricMetadata } from './contract.js'

/** Metrics per tenant, and differing entries per metric; beyond, new ones are not taken. */
const METRICS_MAX = 100_000
const VARIANTS_MAX = 10

interface Entry {
  readonly value: MetricMetadata
  seenAt: number
}

/** Why metadata was not taken. */
export type MetadataRefusal = 'per_user_metadata_limit' | 'per_metric_metadata_limit'

function boundOf(configured: number, most: number): number {
  return configured > 0 ? Math.min(configured, most) : most
}

/** Metadata of one tenant. */
export class TenantMetadata {
  private readonly metrics = new Map<string, Entry[]>()

  /**
   * Takes an entry, or notes that it was heard of again.
   *
   * @param bounds of metrics and of differing entries of one, 0: those that hold for all
   * @returns the reason for which it was not taken, or undefined
   */
  put(
    value: MetricMetadata,
    now: number,
    bounds: { readonly metrics: number; readonly variants: number },
  ): MetadataRefusal | undefined {
    let entries = this.metrics.get(value.metric)
    if (entries === undefined) {
      if (this.metrics.size >= boundOf(bounds.metrics, METRICS_MAX)) {
        return 'per_user_metadata_limit'
      }
      entries = []
      this.metrics.set(value.metric, entries)
    }
    const known = entries.find(
      (entry) =>
        entry.value.type === value.type &&
        entry.value.help === value.help &&
        entry.value.unit === value.unit,
    )
    if (known !== undefined) known.seenAt = now
    else if (entries.length < boundOf(bounds.variants, VARIANTS_MAX)) {
      entries.push({ value, seenAt: now })
    } else return 'per_metric_metadata_limit'
    return undefined
  }

  /** Entries of one metric, or of all for ''. */
  list(metric: string): MetricMetadata[] {
    if (metric !== '') return (this.metrics.get(metric) ?? []).map((entry) => entry.value)
    return [...this.metrics.values()].flatMap((entries) => entries.map((entry) => entry.value))
  }

  isEmpty(): boolean {
    return this.metrics.size === 0
  }

  /** Drops what was last heard of before a time. */
  dropBefore(time: number): void {
    for (const [metric, entries] of this.metrics) {
      const kept = entries.filter((entry) => entry.seenAt >= time)
      if (kept.length === 0) this.metrics.delete(metric)
      else if (kept.length < entries.length) this.metrics.set(metric, kept)
    }
  }
}

/** A METADATA frame. */
export interface MetadataFrame {
  readonly requestId: number
  /** An ack of its body follows, and tells what was refused. */
  readonly isAcked: boolean
  readonly tenant: string
  readonly entries: readonly MetricMetadata[]
}

/**
 * Reads the payload of a METADATA frame (wire/frames/write.ts).
 * @returns tenant and entries; undefined when lengths do not add up
 */
export function findMetadata(payload: Buffer): MetadataFrame | undefined {
  if (payload.length < METADATA_HEADER_BYTES) return undefined
  const tenantLength = payload.readUInt32LE(8)
  const count = payload.readUInt32LE(12)
  let at = METADATA_HEADER_BYTES + padTo8(tenantLength)
  if (tenantLength > payload.length || at > payload.length) return undefined
  const tenant = payload.toString(
    'utf8',
    METADATA_HEADER_BYTES,
    METADATA_HEADER_BYTES + tenantLength,
  )
  const entries: MetricMetadata[] = []
  for (let i = 0; i < count; i++) {
    const start = at + METADATA_RECORD_HEADER_BYTES
    if (start > payload.length) return undefined
    const type = METADATA_TYPES[payload.readUInt32LE(at)] ?? 'unknown'
    const metricEnd = start + payload.readUInt32LE(at + 4)
    const helpEnd = metricEnd + payload.readUInt32LE(at + 8)
    const unitEnd = helpEnd + payload.readUInt32LE(at + 12)
    if (unitEnd > payload.length) return undefined
    entries.push({
      metric: payload.toString('utf8', start, metricEnd),
      type,
      help: payload.toString('utf8', metricEnd, helpEnd),
      unit: payload.toString('utf8', helpEnd, unitEnd),
    })
    at += padTo8(METADATA_RECORD_HEADER_BYTES + unitEnd - start)
  }
  const isAcked = (payload.readUInt32LE(4) & METADATA_ACKED) !== 0
  return { requestId: payload.readUInt32LE(0), isAcked, tenant, entries }
}
