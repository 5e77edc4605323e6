/**
 * Per-tenant limits. Promise: `limits.of(tenant)` costs a map lookup and gives a frozen row, the same
 * object until one of its values changes; what all threads count together lies in shared cells.
 */
export type { LimitName } from '../config/index.js'
export { createFrequencyCells, FrequencyCells } from './frequency-cells.js'
export { createHaCells, HaCells, type HaClaim, type HaEntry, type HaVerdict } from './ha-cells.js'
export { Limits, type LimitsData, limitsDataOf, type TenantLimits } from './limits.js'
export { PRACTICE_DROPPED_LABEL, PRACTICE_TENANTS, practiceLimits } from './practice.js'
export {
  type BlockedQuery,
  type BlockedRequest,
  compileBlockedQueries,
  compileBlockedRequests,
  compileLimitedQueries,
  type LimitedQuery,
  type RuledQuery,
} from './query-rules.js'
export { type BucketSize, createTenantCells, TenantCells, type TenantRow } from './tenant-cells.js'
export { ingestionBucket, requestBucket, TokenBucket } from './token-bucket.js'
