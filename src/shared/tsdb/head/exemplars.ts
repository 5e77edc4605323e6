/**
 * Exemplars of a head: the newest of each tenant up to a bound, oldest ones dropped first. Plain
 * objects: they are few by nature and off unless a limit is set.
 */

/** An exemplar of a series. */
export interface StoredExemplar {
  readonly ref: number
  /** ms. */
  readonly t: number
  readonly value: number
  /** Label bytes, as in a define. */
  readonly labels: Uint8Array
}

interface TenantExemplars {
  /** A circle once it is full. */
  readonly list: StoredExemplar[]
  /** The place of the oldest one. */
  next: number
  /** The newest one per series. */
  readonly newest: Map<number, StoredExemplar>
}

/** Exemplars by tenant. */
export class HeadExemplars {
  /** How many are kept of a tenant; 0: none. Asked for each exemplar. */
  limitOf: (tenant: number) => number = () => 0
  private readonly tenants = new Map<number, TenantExemplars>()

  /** The limit of a tenant has changed: what is beyond it goes, oldest first. */
  trim(tenant: number): void {
    if (!this.tenants.has(tenant)) return
    const limit = this.limitOf(tenant)
    const kept = limit === 0 ? [] : this.list(tenant).slice(-limit)
    this.tenants.delete(tenant)
    for (const exemplar of kept) this.add(tenant, exemplar)
  }

  /**
   * Whether an exemplar is to be kept: one that follows the series' newest one. What is equal to that
   * one or late is dropped in silence, as Prometheus does (tsdb/exemplar.go, validateExemplar).
   */
  isNew(tenant: number, exemplar: StoredExemplar): boolean {
    if (this.limitOf(tenant) === 0) return false
    const newest = this.tenants.get(tenant)?.newest.get(exemplar.ref)
    return newest === undefined || follows(exemplar, newest)
  }

  /** Keeps an exemplar. */
  add(tenant: number, exemplar: StoredExemplar): void {
    if (!this.isNew(tenant, exemplar)) return
    let found = this.tenants.get(tenant)
    if (found === undefined) {
      found = { list: [], next: 0, newest: new Map() }
      this.tenants.set(tenant, found)
    }
    found.newest.set(exemplar.ref, exemplar)
    if (found.list.length < this.limitOf(tenant)) {
      found.list.push(exemplar)
      return
    }
    const gone = found.list[found.next]!
    if (found.newest.get(gone.ref) === gone) found.newest.delete(gone.ref)
    found.list[found.next] = exemplar
    found.next = (found.next + 1) % found.list.length
  }

  /** Drops the exemplars of some series. @param isGone [ref] 1 of those */
  forget(isGone: Uint8Array): void {
    for (const tenant of this.tenants.keys()) {
      const all = this.list(tenant)
      const kept = all.filter(({ ref }) => isGone[ref] !== 1)
      if (kept.length === all.length) continue
      this.tenants.delete(tenant)
      for (const exemplar of kept) this.add(tenant, exemplar)
    }
  }

  /** Exemplars of some series in [mint, maxt], in the order in which they came. */
  select(
    tenant: number,
    refs: ReadonlySet<number>,
    range: { readonly mint: number; readonly maxt: number },
  ): StoredExemplar[] {
    return this.list(tenant).filter(
      ({ ref, t }) => refs.has(ref) && t >= range.mint && t <= range.maxt,
    )
  }

  /** All exemplars of a tenant, in the order in which they came. */
  list(tenant: number): StoredExemplar[] {
    const found = this.tenants.get(tenant)
    if (found === undefined) return []
    return [...found.list.slice(found.next), ...found.list.slice(0, found.next)]
  }
}

/** A native histogram has several exemplars of one time: by their values, then by their labels. */
function follows(exemplar: StoredExemplar, newest: StoredExemplar): boolean {
  if (exemplar.t !== newest.t) return exemplar.t > newest.t
  if (exemplar.value < newest.value) return false
  if (exemplar.value > newest.value) return true
  return Buffer.compare(exemplar.labels, newest.labels) > 0
}
