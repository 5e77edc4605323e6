/** The front's part of the configuration, out of the whole one. */
import type { Config } from '../shared/config/index.js'
import type { HttpConfig } from './handler.js'

/** Bytes that bodies in flight may take when Mimir's key leaves it open (0): half a gigabyte. */
const INFLIGHT_BYTES_DEFAULT = 512 * 1024 * 1024
/** A client that takes no byte of its answer for so long is cut off (architecture, rule 20). */
const STALL_TIMEOUT_MS = 30_000

/** What `createServer` runs by. */
export function httpConfigOf(config: Config): HttpConfig {
  const inflightBytes = config['distributor.instance_limits.max_inflight_push_requests_bytes']
  const retryAfter = {
    minS: config['distributor.retry_after_header.min_backoff'] / 1000,
    maxS: config['distributor.retry_after_header.max_backoff'] / 1000,
  }
  return {
    listenAddress: config['server.http_listen_address'],
    listenPort: config['server.http_listen_port'],
    pathPrefix: config['server.http_path_prefix'].replace(/\/+$/, ''),
    prometheusPrefix: config['api.prometheus_http_prefix'].replace(/\/+$/, ''),
    multitenancyEnabled: config.multitenancy_enabled,
    noAuthTenant: config.no_auth_tenant,
    federation: {
      isEnabled: config['tenant_federation.enabled'],
      tenantsMax: config['tenant_federation.max_tenants'],
    },
    tenantHeaderRequired: config.tenant_header_required,
    pushBytesMax: config['distributor.max_recv_msg_size'],
    otlpBytesMax: config['distributor.max_otlp_request_size'],
    influxBytesMax: config['distributor.max_influx_request_size'],
    influxEnabled: config['distributor.influx_endpoint_enabled'],
    inflightPushesMax: config['distributor.instance_limits.max_inflight_push_requests'],
    inflightPushBytesMax: inflightBytes > 0 ? inflightBytes : INFLIGHT_BYTES_DEFAULT,
    ingestionRateMax: config['distributor.instance_limits.max_ingestion_rate'],
    ratePeriodMs: config['ingester.rate_update_period'],
    formBytesMax: config['frontend.max_body_size'],
    queryStatsEnabled: config['frontend.query_stats_enabled'],
    logSlowerThanMs: config['frontend.log_queries_longer_than'],
    readTimeoutMs: config['server.http_server_read_timeout'],
    stallTimeoutMs: STALL_TIMEOUT_MS,
    idleTimeoutMs: config['server.http_server_idle_timeout'],
    retryAfter: config['distributor.retry_after_header.enabled'] ? retryAfter : undefined,
    gracefulTimeoutMs: config['server.graceful_shutdown_timeout'],
  }
}
