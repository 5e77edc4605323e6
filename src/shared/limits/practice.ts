/**
 * The limits of made-up work, which code is practised on before there is any other: what is looked at for
 * tenants is looked at for made-up ones, too, and refuses nothing. Two by two they are called alike; the
 * second of them has what the runtime file gives somebody, if it does.
 */
import type { LimitName } from '../config/index.js'
import type { LimitsData, TenantLimits } from './limits.js'

/** Made-up tenants, and those that come later. */
export const PRACTICE_TENANTS = [
  ['rehearsal-0', 'rehearsal-1'],
  ['rehearsal-later-0', 'rehearsal-later-1'],
] as const

/** A label that goes wherever labels go. */
export const PRACTICE_DROPPED_LABEL = 'rehearsal'

/** More than is made up. */
const MANY = 1e9
const DAY_MS = 86_400_000
/** Bounds that are looked at unless they are 0, and what they are at least then. */
const BOUNDS: readonly (readonly [BoundName, number])[] = [
  ['request_rate', MANY],
  ['request_burst_size', MANY],
  ['ingestion_rate', MANY],
  ['ingestion_burst_size', MANY],
  ['max_global_series_per_user', MANY],
  ['max_global_series_per_metric', MANY],
  ['ha_max_clusters', 100],
  ['max_label_name_length', 1_024],
  ['max_label_value_length', 2_048],
  ['max_label_names_per_series', 30],
  ['past_grace_period', DAY_MS],
  ['out_of_order_time_window', DAY_MS],
]
type BoundName = {
  [Name in LimitName]: TenantLimits[Name] extends number ? Name : never
}[LimitName]

/** What of overrides has code run that is not run without. */
const TELLING: readonly LimitName[] = [
  'accept_ha_samples',
  'metric_relabel_configs',
  'drop_labels',
  'max_global_series_per_user',
  'max_global_series_per_metric',
  'ingestion_rate',
]

/** Actions that put nothing down; not asked of `relabel`, which most threads do without. */
const SELECTING = /^(label)?(keep|drop)/i
/** Rules of the same kind as the tenant's, which keep all series that are made up. */
const SELECTING_RULES = [
  { source_labels: ['__name__'], regex: 'nothing_.*', action: 'drop' },
  { regex: PRACTICE_DROPPED_LABEL, action: 'labeldrop' },
]
const WRITING_RULES = [
  { source_labels: ['job'], target_label: PRACTICE_DROPPED_LABEL, action: 'replace' },
]

/** Limits for the tenants of practice, from those of the others. */
export function practiceLimits(real: LimitsData): LimitsData {
  const { defaults } = real
  const changes = TELLING.flatMap((name) => {
    const found = [...real.overrides.values()].find((row) => row[name] !== undefined)
    return found === undefined ? [] : [found]
  })[0]
  const overrides = new Map<string, Partial<TenantLimits>>()
  if (changes !== undefined) {
    const row = withoutBounds({ ...defaults, ...changes })
    for (const [, second] of PRACTICE_TENANTS) overrides.set(second, row)
  }
  const noInstanceLimits = { distributorLimits: {}, ingesterLimits: {} }
  return { ...real, overrides, defaults: withoutBounds(defaults), ...noInstanceLimits }
}

function withoutBounds(row: TenantLimits): TenantLimits {
  const changes: { -readonly [Name in LimitName]?: TenantLimits[Name] } = {}
  for (const [name, least] of BOUNDS) if (row[name] > 0) changes[name] = Math.max(row[name], least)
  const { metric_relabel_configs: rules, drop_labels: dropped } = row
  if (Array.isArray(rules) && rules.length > 0) {
    const isSelecting = rules.every((rule: { action?: unknown }) =>
      SELECTING.test(`${rule.action}`),
    )
    changes.metric_relabel_configs = isSelecting ? SELECTING_RULES : WRITING_RULES
  }
  if (dropped.length > 0) changes.drop_labels = [...dropped, PRACTICE_DROPPED_LABEL]
  return { ...row, ...changes }
}
