/**
 * What of a log or snapshot is in blocks already, by tenant, and so is left out when it is read back
 * (architecture §8.19).
 */
import type { Head } from '../head/head.js'

/** What of one tenant's samples is in blocks. */
export interface TenantCover {
  /** Samples in order before this time, ms; -Infinity: none. */
  readonly before: number
  /** Samples out of order that were logged before this segment; 0: none. */
  readonly lateBefore: number
}

/** By the name of a tenant. */
export type CoverOf = (tenant: string) => TenantCover

const NOTHING: TenantCover = { before: Number.NEGATIVE_INFINITY, lateBefore: 0 }

/** The cover of one log, by the head's tenants and refs. */
export class Covered {
  private readonly head: Head
  private readonly coverOf: CoverOf | undefined
  /** [tenant] */
  private readonly known: TenantCover[] = []

  /** @param coverOf undefined: nothing is in blocks */
  constructor(head: Head, coverOf: CoverOf | undefined) {
    this.head = head
    this.coverOf = coverOf
  }

  ofTenant(tenant: number): TenantCover {
    if (this.coverOf === undefined) return NOTHING
    let cover = this.known[tenant]
    if (cover === undefined) {
      cover = this.coverOf(this.head.tenantNames()[tenant] ?? '')
      this.known[tenant] = cover
    }
    return cover
  }

  /** Whether a sample in order is in a block. */
  has(ref: number, t: number): boolean {
    return this.coverOf !== undefined && t < this.ofTenant(this.head.view.tenantOf(ref)).before
  }

  /** Whether a sample out of order that stands in a segment is. */
  hasLate(ref: number, segment: number): boolean {
    if (this.coverOf === undefined) return false
    return segment < this.ofTenant(this.head.view.tenantOf(ref)).lateBefore
  }

  /**
   * Where a histogram that is read back belongs. The log does not say of one whether it came in
   * order; but what it has from before a cut's end and since the cut came out of order.
   */
  placeOf(
    ref: number,
    t: number,
    isLate: boolean,
    segment: { readonly number: number; readonly isSnapshot: boolean },
  ): 'order' | 'late' | 'block' {
    const place = isLate ? 'late' : 'order'
    if (this.coverOf === undefined) return place
    const { before, lateBefore } = this.ofTenant(this.head.view.tenantOf(ref))
    if (segment.number < lateBefore) return isLate || t < before ? 'block' : 'order'
    if (t >= before || isLate) return place
    return segment.isSnapshot ? 'block' : 'late'
  }

  /** Whether nothing is in blocks of anybody. */
  isEmpty(): boolean {
    return this.coverOf === undefined
  }
}
