/**
 * Limits of a query that reads several tenants (reference: "Federated query semantics"): the smallest
 * bound of all, a switch only where all have it, the longest of durations that keep something back. Every
 * thread has this; the table of limits, which tells what each of them is, takes 130 KB, so that it is asked
 * by a test alone.
 */
import type { LimitName } from '../config/index.js'
import type { TenantLimits } from './limits.js'

/** Durations but those that bound a query: the longest counts. Of other numbers the smallest does, 0 is none. */
export const LONGEST: ReadonlySet<string> = new Set<LimitName>([
  'ha_tracker_update_timeout',
  'ha_tracker_update_timeout_jitter_max',
  'ha_tracker_failover_timeout',
  'ha_tracker_sample_failover_timeout',
  'creation_grace_period',
  'past_grace_period',
  'out_of_order_time_window',
  'cost_attribution_cooldown',
  'query_ingesters_within',
  'max_cache_freshness',
  'results_cache_ttl',
  'results_cache_ttl_for_out_of_order_time_window',
  'results_cache_ttl_for_cardinality_query',
  'results_cache_ttl_for_labels_query',
  'results_cache_ttl_for_errors',
  'compactor_partial_block_deletion_delay',
  'compactor_max_lookback',
  'ruler_evaluation_delay_duration',
  'ruler_min_rule_evaluation_interval',
  'alertmanager_notify_hook_timeout',
])

/** Lists of words; those that all have. */
export const WORDS: ReadonlySet<string> = new Set<LimitName>([
  'drop_labels',
  'promote_otel_resource_attributes',
  'cost_attribution_labels',
  'enabled_promql_experimental_functions',
  'enabled_promql_extended_range_selectors',
  'ruler_protected_namespaces',
  'alertmanager_receivers_firewall_block_cidr_networks',
  'alertmanager_notify_hook_receivers',
])

/** Lists of rules; all of them hold. */
export const RULES: ReadonlySet<string> = new Set<LimitName>([
  'blocked_queries',
  'limited_queries',
  'blocked_requests',
])

/** The row that holds for all of some tenants at once. @param rows at least one */
export function combineLimits(rows: readonly TenantLimits[]): TenantLimits {
  const combined: Record<string, unknown> = { ...rows[0] }
  for (const name of Object.keys(combined)) {
    combined[name] = combineValues(
      name,
      rows.map((row) => (row as unknown as Record<string, unknown>)[name]),
    )
  }
  return Object.freeze(combined) as unknown as TenantLimits
}

function combineValues(name: string, values: readonly unknown[]): unknown {
  const [first] = values
  if (typeof first === 'boolean') return values.every((value) => value === true)
  if (typeof first === 'number') {
    const numbers = values as readonly number[]
    return LONGEST.has(name) ? Math.max(...numbers) : smallestBound(numbers)
  }
  if (WORDS.has(name)) return commonWords(values as readonly (readonly string[])[])
  return RULES.has(name) ? values.flatMap((value) => value ?? []) : first
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
