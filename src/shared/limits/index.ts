/**
 * Per-tenant limits. Promise: `limits.of(tenant)` costs a map lookup and gives a frozen row, the same
 * object until one of its values changes.
 */
export type { LimitName } from '../config/index.js'
export { Limits, type LimitsData, limitsDataOf, type TenantLimits } from './limits.js'
