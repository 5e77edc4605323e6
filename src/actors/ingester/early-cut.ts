/**
 * Which heads are worth an early cut because many of their series are not active any more, as Mimir's
 * early head compaction decides (docs of `early_head_compaction_*`): a cut up to twenty minutes ago
 * frees those, at the price of smaller blocks and of refusing older samples in order. Pure.
 */

/** A tenant's head. */
export interface HeadSize<T> {
  readonly tenant: T
  /** Series in memory. */
  readonly series: number
  /** Those that have had samples lately; undefined: not counted yet. */
  readonly active: number | undefined
  /** `early_head_compaction_owned_series_threshold`, of this shard's part; 0: none. */
  readonly seriesMin: number
  /** `…_min_estimated_series_reduction_percentage` of the tenant. */
  readonly reductionMin: number
}

/** When the whole shard is too large. */
export interface EarlyCutOptions {
  /** `early_head_compaction_min_in_memory_series`, of this shard's part; 0: never. */
  readonly seriesMin: number
  /** Per cent of a tenant's series that must go. */
  readonly reductionMin: number
}

/**
 * Tenants to cut: those over a threshold of their own, and while the shard is over its own those with
 * the most to free, until enough of them are chosen.
 */
export function earlyCuts<T>(heads: readonly HeadSize<T>[], options: EarlyCutOptions): T[] {
  const known = heads.flatMap((head) => {
    const freed = head.active === undefined ? 0 : head.series - head.active
    return freed > 0 ? [{ ...head, freed, percentage: (freed / head.series) * 100 }] : []
  })
  known.sort((a, b) => b.freed - a.freed)
  const chosen = new Set<T>()
  for (const { tenant, series, seriesMin, reductionMin, percentage } of known) {
    if (seriesMin > 0 && series >= seriesMin && percentage >= reductionMin) chosen.add(tenant)
  }
  if (options.seriesMin === 0) return [...chosen]
  let left = heads.reduce((sum, { series }) => sum + series, 0)
  for (const { tenant, freed, percentage } of known) {
    if (left < options.seriesMin) break
    if (percentage < options.reductionMin) continue
    chosen.add(tenant)
    left -= freed
  }
  return [...chosen]
}
