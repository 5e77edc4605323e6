/** Limits as metrics, by Mimir's names: those of all tenants, and of each that has overrides. */
import { type Config, LIMITS, type LimitName } from '../../shared/config/index.js'
import { fail } from '../../shared/errors/index.js'
import type { Limits, TenantLimits } from '../../shared/limits/index.js'
import type { MetricsRegistry } from '../../shared/telemetry/index.js'

/**
 * Shows the limits that `overrides_exporter.enabled_metrics` names, as they are when asked for.
 *
 * @throws AppError `config-invalid` for a name that is no limit, or none with a number
 */
export function exportOverrides(registry: MetricsRegistry, config: Config, limits: Limits): void {
  const names = config['overrides_exporter.enabled_metrics'].map(limitName)
  registry.compute('cortex_limits_defaults', () =>
    names.map((name) => ({ labelValues: [name], value: numberOf(limits.defaults(), name) })),
  )
  registry.compute('cortex_limits_overrides', () =>
    [...limits.overridden()].flatMap(([tenant, row]) =>
      names.map((name) => ({ labelValues: [name, tenant], value: numberOf(row, name) })),
    ),
  )
}

function limitName(name: string): LimitName {
  const isNumber = /^(bool|int|float|size|duration)$/
  if (Object.hasOwn(LIMITS, name) && isNumber.test(LIMITS[name as LimitName].type)) {
    return name as LimitName
  }
  const text = `overrides_exporter.enabled_metrics: ${name} is not a limit with a number`
  throw fail('config-invalid', { text })
}

/** Durations in seconds, switches as 0 and 1. */
function numberOf(limits: TenantLimits, name: LimitName): number {
  const value = Number(limits[name])
  return LIMITS[name].type === 'duration' ? value / 1000 : value
}
