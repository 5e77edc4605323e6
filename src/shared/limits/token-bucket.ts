/** A token bucket of one thread, and the burst that a tenant's limits allow. */
import type { TenantLimits } from './limits.js'
import type { BucketSize } from './tenant-cells.js'

/** Fills at a rate up to its burst; full at first. */
export class TokenBucket {
  /** When it will be full again, ms. */
  private fullAt = Number.NEGATIVE_INFINITY

  /** Takes tokens when there are enough; otherwise nothing happens. @param now monotonic, ms */
  tryTake(count: number, { rate, burst }: BucketSize, now: number): boolean {
    const next = Math.max(this.fullAt, now) + (count * 1_000) / rate
    // A hair of room: sums of fractions are not exact.
    if (next - now > (burst * 1_000) / rate + 1e-6) return false
    this.fullAt = next
    return true
  }
}

/** `ingestion_rate` and its burst; undefined when there is no limit. */
export function ingestionBucket(limits: TenantLimits): BucketSize | undefined {
  const rate = limits.ingestion_rate
  if (rate === 0) return undefined
  const factor = limits.ingestion_burst_factor
  const burst = factor > 0 ? Math.floor(rate * factor) : limits.ingestion_burst_size
  return { rate, burst }
}

/** `request_rate` and its burst; undefined when there is no limit. */
export function requestBucket(limits: TenantLimits): BucketSize | undefined {
  if (limits.request_rate === 0) return undefined
  return { rate: limits.request_rate, burst: limits.request_burst_size }
}
