/** Limits for tests: the defaults with changes, and tenants with others. */
import { defaultConfig, EMPTY_RUNTIME } from '../../src/shared/config/index.js'
import { type LimitsData, limitsDataOf, type TenantLimits } from '../../src/shared/limits/index.js'

/** Data of a version, as the supervisor would send it. */
export function testLimits(
  changes: Partial<TenantLimits> = {},
  overrides: Readonly<Record<string, Partial<TenantLimits>>> = {},
  version = 1,
): LimitsData {
  const data = limitsDataOf(defaultConfig(), EMPTY_RUNTIME, version)
  const defaults = { ...data.defaults, ...changes }
  return { ...data, defaults, overrides: new Map(Object.entries(overrides)) }
}
