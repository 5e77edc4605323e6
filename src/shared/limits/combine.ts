/**
 * Limits of a query that reads several tenants (reference: "Federated query semantics"): the smallest
 * bound of all, a switch only where all have it, the longest of durations that keep something back.
 */
import { LIMITS, type LimitName } from '../config/index.js'
import type { TenantLimits } from './limits.js'

/** Durations that bound a query; the smallest counts, 0 is none. */
const BOUNDS: ReadonlySet<LimitName> = new Set([
  'max_query_lookback',
  'max_partial_query_length',
  'max_total_query_length',
  'max_labels_query_length',
  'compactor_blocks_retention_period',
])

/** Lists of rules; all of them hold. */
const RULES: ReadonlySet<LimitName> = new Set([
  'blocked_queries',
  'limited_queries',
  'blocked_requests',
])

/** The row that holds for all of some tenants at once. @param rows at least one */
export function combineLimits(rows: readonly TenantLimits[]): TenantLimits {
  const combined: Record<string, unknown> = { ...rows[0] }
  for (const name of Object.keys(LIMITS) as LimitName[]) {
    combined[name] = combineValues(
      name,
      rows.map((row) => row[name]),
    )
  }
  return Object.freeze(combined) as TenantLimits
}

function combineValues(name: LimitName, values: readonly unknown[]): unknown {
  switch (LIMITS[name].type) {
    case 'bool':
      return values.every((value) => value === true)
    case 'int':
    case 'float':
    case 'size':
      return smallestBound(values as readonly number[])
    case 'duration':
      return BOUNDS.has(name)
        ? smallestBound(values as readonly number[])
        : Math.max(...(values as readonly number[]))
    case 'list':
      return commonWords(values as readonly (readonly string[])[])
    default:
      return RULES.has(name) ? values.flatMap((value) => value ?? []) : values[0]
  }
}

/** The smallest number that is not 0, which is no bound; 0 when all are. */
function smallestBound(values: readonly number[]): number {
  const bounds = values.filter((value) => value > 0)
  return bounds.length === 0 ? 0 : Math.min(...bounds)
}

/** Words that all lists have; `all` has every word. */
function commonWords(lists: readonly (readonly string[])[]): readonly string[] {
  const named = lists.filter((list) => !list.includes('all'))
  if (named.length === 0) return lists[0] ?? []
  return named[0]!.filter((word) => named.every((list) => list.includes(word)))
}
