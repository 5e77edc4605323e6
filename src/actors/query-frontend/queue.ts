/**
 * A fair queue over tenants: first in, first out within a tenant, tenants in turn. Bounded per
 * tenant and in all. What is taken out early (cancelled, timed out) leaves no hole.
 */
import { fail } from '../../shared/errors/index.js'

/** How many may wait. */
export interface FairQueueBounds {
  /** `query_scheduler.max_outstanding_requests_per_tenant`. */
  readonly perTenantMax: number
  /** Over all tenants: tenants may be many. */
  readonly totalMax: number
}

/** Serves tenants in turn, each in the order of its arrivals. */
export class FairQueue<T> {
  private readonly bounds: FairQueueBounds
  private readonly waiting = new Map<string, T[]>()
  /** Tenants with something waiting; the first one is served next. */
  private readonly turns: string[] = []
  private count = 0

  constructor(bounds: FairQueueBounds) {
    this.bounds = bounds
  }

  get length(): number {
    return this.count
  }

  /** @throws AppError `query-queue-full` */
  push(tenant: string, item: T): void {
    const items = this.waiting.get(tenant)
    const isFull = items !== undefined && items.length >= this.bounds.perTenantMax
    if (isFull || this.count >= this.bounds.totalMax) throw fail('query-queue-full')
    this.count++
    if (items !== undefined) {
      items.push(item)
      return
    }
    this.waiting.set(tenant, [item])
    this.turns.push(tenant)
  }

  /** Takes the oldest of the tenant whose turn it is; undefined when nothing waits. */
  shift(): T | undefined {
    const tenant = this.turns.shift()
    if (tenant === undefined) return undefined
    const items = this.waiting.get(tenant)!
    const item = items.shift()
    this.count--
    if (items.length === 0) this.waiting.delete(tenant)
    else this.turns.push(tenant)
    return item
  }

  /** Takes an item out of line; false when it does not wait (any more). */
  remove(tenant: string, item: T): boolean {
    const items = this.waiting.get(tenant)
    const index = items?.indexOf(item) ?? -1
    if (items === undefined || index < 0) return false
    items.splice(index, 1)
    this.count--
    if (items.length === 0) {
      this.waiting.delete(tenant)
      this.turns.splice(this.turns.indexOf(tenant), 1)
    }
    return true
  }
}
