/** What a tenant's limits come to for the engine; made once per row, which stays the same until it changes. */
import type { TenantLimits } from '../../shared/limits/index.js'
import type { ParseOptions } from '../../shared/promql/index.js'

/** Bytes that one query's columns may take when Mimir's limit leaves it open (0): a gigabyte. */
const QUERY_MEMORY_DEFAULT = 1024 * 1024 * 1024

/** The engine's part of a tenant's limits. */
export interface QueryLimits {
  /** Bytes one query's columns may take. */
  readonly memoryMax: number
  readonly delayedNameRemoval: boolean
  /** What of PromQL's experimental syntax is taken. */
  readonly syntax: ParseOptions
}

const made = new WeakMap<TenantLimits, QueryLimits>()

/** The engine's part of a row. */
export function queryLimitsOf(limits: TenantLimits): QueryLimits {
  const known = made.get(limits)
  if (known !== undefined) return known
  const memory = limits.max_estimated_memory_consumption_per_query
  const query: QueryLimits = {
    memoryMax: memory > 0 ? memory : QUERY_MEMORY_DEFAULT,
    delayedNameRemoval: limits.enable_delayed_name_removal,
    syntax: {
      enableExperimentalFunctions: allOrNamed(limits.enabled_promql_experimental_functions),
      enableExtendedRangeSelectors: allOrNamed(limits.enabled_promql_extended_range_selectors),
      experimentalDurationExpr: limits.enabled_promql_duration_expressions,
      enableBinopFillModifiers: limits.enabled_promql_fill_modifiers,
    },
  }
  made.set(limits, query)
  return query
}

/** A list of names, of which `all` stands for every one. */
function allOrNamed(names: readonly string[]): boolean | ReadonlySet<string> {
  return names.includes('all') || new Set(names)
}
