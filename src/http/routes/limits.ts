/** What limits are in force: those of a tenant, and what the runtime files say of all. */
import { fail } from '../../shared/errors/index.js'
import type { TenantLimits } from '../../shared/limits/index.js'
import { jsonReply, textReply } from '../errors.js'
import type { Front, HttpRequest, Reply } from '../handler.js'

/** GET /runtime_config */
export function runtimeConfig(request: HttpRequest, front: Front): Reply {
  const { runtime } = front.backend
  if (!runtime.hasFiles()) {
    throw fail('not-found', { text: 'no runtime configuration: runtime_config.file names no file' })
  }
  const mode = request.search().get('mode')
  if (mode !== null && mode !== 'diff') {
    throw fail('bad-data', { text: `unknown mode ${mode}: diff is known` })
  }
  return textReply(200, runtime.print(mode ?? 'all'))
}

/** GET /api/v1/user_limits */
export function userLimits(request: HttpRequest, front: Front): Reply {
  return jsonReply(200, userLimitsOf(front.backend.runtime.limits.of(request.tenant)))
}

/** The limits that Mimir tells a tenant, as it names them. */
function userLimitsOf(limits: TenantLimits): Readonly<Record<string, number>> {
  return {
    compactor_blocks_retention_period_seconds: limits.compactor_blocks_retention_period / 1000,
    ingestion_rate: limits.ingestion_rate,
    ingestion_burst_size: limits.ingestion_burst_size,
    ingestion_burst_factor: limits.ingestion_burst_factor,
    max_global_series_per_user: limits.max_global_series_per_user,
    max_global_series_per_metric: limits.max_global_series_per_metric,
    max_global_exemplars_per_user: limits.max_global_exemplars_per_user,
    max_fetched_chunks_per_query: limits.max_fetched_chunks_per_query,
    max_fetched_series_per_query: limits.max_fetched_series_per_query,
    max_fetched_chunk_bytes_per_query: limits.max_fetched_chunk_bytes_per_query,
    ruler_max_rules_per_rule_group: limits.ruler_max_rules_per_rule_group,
    ruler_max_rule_groups_per_tenant: limits.ruler_max_rule_groups_per_tenant,
    alertmanager_notification_rate_limit: limits.alertmanager_notification_rate_limit,
    alertmanager_max_dispatcher_aggregation_groups:
      limits.alertmanager_max_dispatcher_aggregation_groups,
    alertmanager_max_templates_count: limits.alertmanager_max_templates_count,
  }
}
