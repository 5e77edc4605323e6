/** What a tenant's limits say about OTLP, derived once per row of limits. */
import * as otlp from '../../shared/kernels/assembly/otlp-layout.js'
import type { TenantLimits } from '../../shared/limits/index.js'
import type { OtlpNaming } from '../../shared/wire/otlp/index.js'
import { OtlpNames } from './otlp-names.js'

/** How OTLP becomes series for one tenant. */
export interface OtlpSettings {
  readonly naming: OtlpNaming
  /** Resource attributes that become labels of every series. */
  readonly promoted: ReadonlySet<string>
  readonly promoteScope: boolean
  /** target_info keeps the attributes that `job` and `instance` are made of. */
  readonly keepIdentifying: boolean
  /** Explicit histograms become native ones. */
  readonly nhcb: boolean
  /** OPTION flags of the kernel. */
  readonly options: number
  readonly names: OtlpNames
}

const known = new WeakMap<TenantLimits, OtlpSettings>()

/** The settings of a row of limits; the same object for the same row. */
export function otlpSettingsOf(limits: TenantLimits): OtlpSettings {
  let settings = known.get(limits)
  if (settings === undefined) {
    settings = derive(limits)
    known.set(limits, settings)
  }
  return settings
}

function derive(limits: TenantLimits): OtlpSettings {
  const nhcb = limits.otel_convert_histograms_to_nhcb
  const naming: OtlpNaming = {
    ...strategyOf(limits),
    prefixesUnderscore: limits.otel_label_name_underscore_sanitization,
    keepsUnderscores: limits.otel_label_name_preserve_multiple_underscores,
  }
  return {
    naming,
    promoted: new Set(limits.promote_otel_resource_attributes),
    promoteScope: limits.otel_promote_scope_metadata,
    keepIdentifying: limits.otel_keep_identifying_resource_attributes,
    nhcb,
    options:
      (nhcb ? otlp.OPTION_NHCB : 0) |
      (limits.otel_native_delta_ingestion ? otlp.OPTION_DELTA_RAW : 0) |
      (limits.otel_delta_to_cumulative ? otlp.OPTION_DELTA_SUM : 0) |
      (limits.otel_created_timestamp_zero_ingestion_enabled ? otlp.OPTION_STARTS : 0),
    names: new OtlpNames(naming),
  }
}

function strategyOf(limits: TenantLimits): Pick<OtlpNaming, 'escapes' | 'hasSuffixes'> {
  switch (limits.otel_translation_strategy) {
    case 'UnderscoreEscapingWithSuffixes':
      return { escapes: true, hasSuffixes: true }
    case 'UnderscoreEscapingWithoutSuffixes':
      return { escapes: true, hasSuffixes: false }
    case 'NoUTF8EscapingWithSuffixes':
      return { escapes: false, hasSuffixes: true }
    case 'NoTranslation':
      return { escapes: false, hasSuffixes: false }
    default: {
      const escapes = limits.name_validation_scheme === 'legacy'
      return { escapes, hasSuffixes: limits.otel_metric_suffixes_enabled }
    }
  }
}
