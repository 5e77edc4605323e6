/** What a tenant's limits come to for the engine; made once per row, which stays the same until it changes. */
import { printDuration } from '../../shared/base/duration.js'
import { fail } from '../../shared/errors/index.js'
import {
  type BlockedQuery,
  compileBlockedQueries,
  compileLimitedQueries,
  type LimitedQuery,
  type TenantLimits,
} from '../../shared/limits/index.js'
import type {
  FetchLimits,
  ParseOptions,
  QueryPlan,
  SeriesSource,
} from '../../shared/promql/index.js'

/** Bytes that one query's columns may take when Mimir's limit leaves it open (0): a gigabyte. */
const QUERY_MEMORY_DEFAULT = 1024 * 1024 * 1024

/** The engine's part of a tenant's limits; numbers that are 0 bound nothing. */
export interface QueryLimits {
  /** Bytes one query's columns may take. */
  readonly memoryMax: number
  readonly memoryError: 'query-memory' | 'err-mimir-max-estimated-memory-consumption-per-query'
  readonly delayedNameRemoval: boolean
  /** What of PromQL's experimental syntax is taken. */
  readonly syntax: ParseOptions
  readonly fetch: FetchLimits
  /** Bytes of a query's text. */
  readonly textBytesMax: number
  /** From start to end of a range query, ms. */
  readonly totalMs: number
  /** What one selector may look at, ms. */
  readonly partialMs: number
  /** How far back queries reach, ms; what is older is not seen. */
  readonly lookbackMs: number
  /** How long the range of a label query may be, ms; it is cut at its start. */
  readonly labelsMs: number
  /** `align_queries_with_step` */
  readonly alignsWithStep: boolean
  /** `blocked_queries` and `limited_queries`. */
  readonly blocked: readonly BlockedQuery[]
  readonly limited: readonly LimitedQuery[]
  /** Rows of label queries, by kind. */
  readonly rowsMax: Readonly<Record<'series' | 'label-names' | 'label-values', number>>
  readonly cardinality: CardinalityLimits
}

/** What of the cardinality API a tenant may ask. */
export interface CardinalityLimits {
  readonly isEnabled: boolean
  /** Rows of a list. */
  readonly rowsMax: number
  /** Names whose values are asked for at once. */
  readonly namesMax: number
  /** Bytes of an answer, of labels and of series. */
  readonly namesBytesMax: number
  readonly seriesBytesMax: number
}

const made = new WeakMap<TenantLimits, QueryLimits>()

/** The engine's part of a row. */
export function queryLimitsOf(limits: TenantLimits): QueryLimits {
  const known = made.get(limits)
  if (known !== undefined) return known
  const memory = limits.max_estimated_memory_consumption_per_query
  const query: QueryLimits = {
    memoryMax: memory > 0 ? memory : QUERY_MEMORY_DEFAULT,
    memoryError:
      memory > 0 ? 'err-mimir-max-estimated-memory-consumption-per-query' : 'query-memory',
    delayedNameRemoval: limits.enable_delayed_name_removal,
    syntax: {
      enableExperimentalFunctions: allOrNamed(limits.enabled_promql_experimental_functions),
      enableExtendedRangeSelectors: allOrNamed(limits.enabled_promql_extended_range_selectors),
      experimentalDurationExpr: limits.enabled_promql_duration_expressions,
      enableBinopFillModifiers: limits.enabled_promql_fill_modifiers,
    },
    fetch: {
      seriesMax: limits.max_fetched_series_per_query,
      chunksMax: limits.max_fetched_chunks_per_query,
      chunkBytesMax: limits.max_fetched_chunk_bytes_per_query,
    },
    textBytesMax: limits.max_query_expression_size_bytes,
    totalMs: limits.max_total_query_length,
    partialMs: limits.max_partial_query_length,
    lookbackMs: limits.max_query_lookback,
    labelsMs: limits.max_labels_query_length,
    alignsWithStep: limits.align_queries_with_step,
    blocked: compileBlockedQueries(limits.blocked_queries),
    limited: compileLimitedQueries(limits.limited_queries),
    rowsMax: {
      series: limits.max_series_query_limit,
      'label-names': limits.max_label_names_limit,
      'label-values': limits.max_label_values_limit,
    },
    cardinality: {
      isEnabled: limits.cardinality_analysis_enabled,
      rowsMax: limits.cardinality_analysis_max_results,
      namesMax: limits.label_values_max_cardinality_label_names_per_request,
      namesBytesMax: limits.label_names_and_values_results_max_size_bytes,
      seriesBytesMax: limits.active_series_results_max_size_bytes,
    },
  }
  made.set(limits, query)
  return query
}

/** @throws AppError `err-mimir-max-query-expression-size-bytes` */
export function checkText(text: string, { textBytesMax }: QueryLimits): void {
  // No character has more than three bytes per unit.
  if (textBytesMax === 0 || text.length * 3 <= textBytesMax) return
  const size = Buffer.byteLength(text)
  if (size <= textBytesMax) return
  throw fail('err-mimir-max-query-expression-size-bytes', { size, limit: textBytesMax })
}

/** @throws AppError `err-mimir-max-total-query-length`, `err-mimir-max-query-length` */
export function checkLengths(
  { range, selections }: Pick<QueryPlan, 'range' | 'selections'>,
  { totalMs, partialMs }: QueryLimits,
): void {
  const wholeMs = (range.count - 1) * range.step
  if (totalMs > 0 && wholeMs > totalMs) {
    throw fail('err-mimir-max-total-query-length', lengths(wholeMs, totalMs))
  }
  for (const { mint, maxt } of selections) {
    if (partialMs > 0 && maxt - mint > partialMs) {
      throw fail('err-mimir-max-query-length', lengths(maxt - mint, partialMs))
    }
  }
}

function lengths(lengthMs: number, limitMs: number): { length: string; limit: string } {
  return { length: printDuration(lengthMs), limit: printDuration(limitMs) }
}

/** A source in which nothing is older than the tenant may see. */
export function withinLookback(
  source: SeriesSource,
  { lookbackMs }: QueryLimits,
  nowMs: number,
): SeriesSource {
  if (lookbackMs === 0) return source
  const oldest = nowMs - lookbackMs
  return {
    async select(request, labels) {
      const mint = Math.max(request.mint, oldest)
      const selected = await source.select({ ...request, mint }, labels)
      return {
        count: selected.count,
        sets: selected.sets,
        read: (index, from, to, out) => selected.read(index, Math.max(from, oldest), to, out),
        release: () => selected.release(),
      }
    },
  }
}

/** The range of a label query, as far as the tenant may look. */
export function clampLabels<T extends { readonly mint: number; readonly maxt: number }>(
  query: T,
  { lookbackMs, labelsMs }: QueryLimits,
  nowMs: number,
): T {
  const maxt = Math.min(query.maxt, Math.max(nowMs, query.mint))
  let { mint } = query
  if (lookbackMs > 0) mint = Math.max(mint, nowMs - lookbackMs)
  if (labelsMs > 0) mint = Math.max(mint, maxt - labelsMs)
  return mint === query.mint ? query : { ...query, mint }
}

/** A list of names, of which `all` stands for every one. */
function allOrNamed(names: readonly string[]): boolean | ReadonlySet<string> {
  return names.includes('all') || new Set(names)
}
