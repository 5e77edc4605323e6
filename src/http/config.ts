/** The front's part of the configuration, out of the whole one. */
import type { Config } from '../shared/config/index.js'
import type { Disk } from '../shared/env/index.js'
import { fail } from '../shared/errors/index.js'
import { readCredentials } from './access/access.js'
import { hasTls, type TlsConfig, tlsOptions } from './access/tls.js'
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
    pathPrefix: prefixOf(config['server.http_path_prefix']),
    prometheusPrefix: prefixOf(config['api.prometheus_http_prefix']),
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
    zones: 1 + config['data.zone_dirs'].length,
    ingestionRateMax: config['distributor.instance_limits.max_ingestion_rate'],
    ratePeriodMs: config['ingester.rate_update_period'],
    formBytesMax: config['frontend.max_body_size'],
    filterQueryables: config['querier.filter_queryables_enabled'],
    queryStatsEnabled: config['frontend.query_stats_enabled'],
    logSlowerThanMs: config['frontend.log_queries_longer_than'],
    readTimeoutMs: config['server.http_server_read_timeout'],
    stallTimeoutMs: STALL_TIMEOUT_MS,
    idleTimeoutMs: config['server.http_server_idle_timeout'],
    headerBytesMax: config['server.http_header_bytes_max'],
    connectionsMax: config['server.http_listen_conn_limit'],
    tls: tlsConfigOf(config),
    accessFile: config['access.file'],
    accessReloadMs: config['access.reload_period'],
    adminListener: addressOf(config['server.admin_listen_address']),
    retryAfter: config['distributor.retry_after_header.enabled'] ? retryAfter : undefined,
    gracefulTimeoutMs: config['server.graceful_shutdown_timeout'],
  }
}

/**
 * Complains of files that the listener could not begin with.
 *
 * @throws AppError `config-invalid`, `disk-failed`
 */
export function checkHttpFiles({ tls, accessFile }: HttpConfig, disk: Disk): void {
  if (tls !== undefined) tlsOptions(tls, { disk })
  if (accessFile !== '') readCredentials(disk, accessFile)
}

/** A prefix of paths: begins with a slash, ends with none. */
function prefixOf(text: string): string {
  const inner = text.replace(/^\/+|\/+$/g, '')
  return inner === '' ? '' : `/${inner}`
}

function tlsConfigOf(config: Config): TlsConfig | undefined {
  const tls: TlsConfig = {
    certFile: config['server.http_tls_config.cert_file'],
    keyFile: config['server.http_tls_config.key_file'],
    cert: config['server.http_tls_config.cert'],
    key: config['server.http_tls_config.key'],
    clientAuth: config['server.http_tls_config.client_auth_type'],
    clientCaFile: config['server.http_tls_config.client_ca_file'],
    clientCa: config['server.http_tls_config.client_ca'],
    minVersion: config['server.tls_min_version'],
    cipherSuites: config['server.tls_cipher_suites'],
    reloadMs: config['access.reload_period'],
  }
  return hasTls(tls) ? tls : undefined
}

/** `host:port`; the host may be left out, or in brackets. */
function addressOf(text: string): HttpConfig['adminListener'] {
  if (text === '') return undefined
  const match = /^(?:\[(.+)\]|([^:]*)):(\d{1,5})$/.exec(text)
  if (match === null || Number(match[3]) > 65_535) {
    throw fail('config-invalid', { text: `server.admin_listen_address: not host:port: ${text}` })
  }
  return { address: match[1] ?? match[2] ?? '', port: Number(match[3]) }
}
