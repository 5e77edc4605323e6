/**
 * THE TABLE of configuration keys: YAML path → type, default, doc line, effect, flag where it is not
 * the path with dashes. Flags, the checks at start, `/config` and docs/reference/config.md follow
 * from it. Names are Mimir's verbatim; blocks without a Mimir counterpart (`data`, `actors`, `wal`)
 * are nilometer's own. Limits stand in table-limits.ts, storage, rings and rules in table-storage.ts.
 */
import { bool, choice, duration, float, int, list, open, size, text, under } from './row.js'
import { LIMITS } from './table-limits.js'
import { ACTOR_RING, STORAGE } from './table-storage.js'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const MIB = 1024 * 1024
const USED = { effect: 'yes' } as const
const PORT = { least: 0, most: 65535 } as const

const TOP = {
  target: list(['all'], 'Parts to run. One process runs them all, so `all` is what counts.'),
  multitenancy_enabled: bool(true, 'Take the tenant from the X-Scope-OrgID header.', {
    ...USED,
    flag: 'auth.multitenancy-enabled',
  }),
  no_auth_tenant: text('anonymous', 'Tenant of requests without a tenant header.', {
    ...USED,
    flag: 'auth.no-auth-tenant',
  }),
  tenant_header_required: bool(
    false,
    'Answer 401 when X-Scope-OrgID is missing, as Mimir does, in place of using no_auth_tenant.',
    { ...USED, flag: 'auth.tenant-header-required' },
  ),
  shutdown_delay: duration(0, 'How long /ready says 503 before the listener closes.', USED),
  max_separate_metrics_groups_per_user: int(1000, 'Groups of discard metrics a tenant.'),
  cost_attribution_eviction_interval: duration(20 * MINUTE, 'Age of idle cost attribution.'),
  cost_attribution_registry_path: text('', 'Path of the cost attribution metrics page.'),
  cost_attribution_cleanup_interval: duration(3 * MINUTE, 'How often idle attributions go.'),
  timeseries_unmarshal_caching_optimization_enabled: bool(true, 'Decoder tuning of Mimir.'),
} as const

const OWN = {
  'data.dir': text('./data', 'Root of everything that is kept on local disk.', USED),
  'data.zone_dirs': list(
    [],
    'Further roots, each best on a disk of its own. Each is a zone like data.dir: with ingester.ring.replication_factor at least as many, every series has a copy in each of them.',
    USED,
  ),
  'actors.distributors': int(0, 'Distributor threads; 0 = by core count.', {
    ...USED,
    most: 64,
  }),
  'actors.ingester_shards': int(0, 'Ingester shards, a thread each; 0 = by core count.', {
    ...USED,
    most: 64,
  }),
  'actors.queriers': int(0, 'Querier threads, one query each; 0 = by core count.', {
    ...USED,
    most: 256,
  }),
  'actors.store_gateways': int(0, 'Store-gateway shards; 0 = by core count.', {
    ...USED,
    most: 8,
  }),
  'actors.compactors': int(1, 'Compactor threads; each owns some of the jobs of each tenant.', {
    ...USED,
    least: 1,
    most: 8,
  }),
  memory_limit: size(
    0,
    "Memory that head, caches and queries may take; 0 = 75 % of the smaller of RAM and the control group's limit.",
    USED,
  ),
  'wal.fsync': choice(
    ['interval', 'always', 'never'],
    'interval',
    'When the log is synced: before every ack, or every wal.fsync_interval, or by the system.',
    USED,
  ),
  'wal.fsync_interval': duration(SECOND, 'How often the log is synced with wal.fsync: interval.', {
    ...USED,
    least: 10,
  }),
  'wal.snapshot_bytes': size(
    256 * 1024 * 1024,
    'A shard takes a snapshot of its head when its log since the last one exceeds this.',
    USED,
  ),
  'head.spill_bytes': size(
    64 * 1024 * 1024,
    'Memory of closed chunks, per shard, above which older ones go to a chunk file; 0 = none do.',
    USED,
  ),
  'head.spill_after': duration(
    60 * MINUTE,
    'How much older than the newest sample a chunk is that goes to a chunk file while memory is not short.',
    USED,
  ),
  'head.cut_bytes': size(
    512 * 1024 * 1024,
    'Memory of closed chunks, per shard, above which the older half of the largest heads is cut to blocks before its two hours are over; 0 = none is.',
    USED,
  ),
} as const

const SERVER = {
  http_listen_address: text('127.0.0.1', 'Address of the HTTP listener.', USED),
  http_listen_port: int(9009, 'Port of the HTTP listener; 0 = any free one.', { ...USED, ...PORT }),
  http_listen_network: text('tcp', 'Network of the HTTP listener.'),
  http_path_prefix: text('', 'Prefix of every path.', { ...USED, flag: 'server.path-prefix' }),
  http_listen_conn_limit: int(0, 'Most connections at once; 0 = any.', {
    ...USED,
    flag: 'server.http-conn-limit',
  }),
  http_server_read_timeout: duration(30 * SECOND, 'Longest reading of a whole request.', {
    ...USED,
    flag: 'server.http-read-timeout',
  }),
  http_server_read_header_timeout: duration(0, 'Longest reading of the headers; 0 = as above.', {
    flag: 'server.http-read-header-timeout',
  }),
  http_server_write_timeout: duration(
    2 * MINUTE,
    'A client that takes nothing for 30 s is cut off.',
    {
      flag: 'server.http-write-timeout',
    },
  ),
  http_server_idle_timeout: duration(2 * MINUTE, 'How long an idle connection is kept.', {
    ...USED,
    flag: 'server.http-idle-timeout',
  }),
  graceful_shutdown_timeout: duration(30 * SECOND, 'Longest drain after SIGTERM.', USED),
  log_level: choice(['debug', 'info', 'warn', 'error'], 'info', 'Least level that is logged.', {
    ...USED,
    flag: 'log.level',
  }),
  log_format: choice(
    ['logfmt', 'json'],
    'logfmt',
    'Form of log lines; logfmt is what is written.',
    {
      flag: 'log.format',
    },
  ),
  log_source_ips_enabled: bool(false, 'Log source addresses.'),
  log_source_ips_full: bool(false, 'Log all source addresses.'),
  log_source_ips_header: text('', 'Header with the source address.'),
  log_source_ips_regex: text('', 'Pattern of the source address.'),
  log_request_headers: bool(false, 'Log request headers.'),
  log_request_at_info_level_enabled: bool(false, 'Log requests at level info.'),
  log_request_exclude_headers_list: list([], 'Headers that are not logged.'),
  http_log_closed_connections_without_response_enabled: bool(false, 'Log cut connections.'),
  'http_tls_config.cert_file': text('', 'Certificate of the HTTP listener, PEM; none: no TLS.', {
    ...USED,
    flag: 'server.http-tls-cert-path',
  }),
  'http_tls_config.key_file': text('', 'Its key, PEM.', {
    ...USED,
    flag: 'server.http-tls-key-path',
  }),
  'http_tls_config.cert': text('', 'The certificate itself, in place of a file.', {
    ...USED,
    flag: 'server.http-tls-cert',
  }),
  'http_tls_config.key': text('', 'The key itself, in place of a file.', {
    ...USED,
    flag: 'server.http-tls-key',
    isSecret: true,
  }),
  'http_tls_config.client_auth_type': choice(
    [
      '',
      'NoClientCert',
      'RequestClientCert',
      'RequireAnyClientCert',
      'VerifyClientCertIfGiven',
      'RequireAndVerifyClientCert',
    ],
    '',
    'What is asked of client certificates.',
    { ...USED, flag: 'server.http-tls-client-auth' },
  ),
  'http_tls_config.client_ca_file': text('', 'Authorities of client certificates, PEM.', {
    ...USED,
    flag: 'server.http-tls-ca-path',
  }),
  'http_tls_config.client_ca': text('', 'The authorities themselves, in place of a file.', {
    ...USED,
    flag: 'server.http-tls-ca',
  }),
  grpc_tls_config: open('TLS of the gRPC listener.', { flag: '' }),
  tls_cipher_suites: list([], "TLS cipher suites, by OpenSSL's names.", USED),
  tls_min_version: text('', 'Least TLS version: VersionTLS12 (the default), VersionTLS13.', USED),
  admin_listen_address: text(
    '',
    'host:port of a listener of its own for pages of the operator, which the other then has not; a key of ours.',
    USED,
  ),
  http_header_bytes_max: size(1024 * 1024, 'Largest request line and headers; a key of ours.', {
    ...USED,
    least: 1024,
  }),
  grpc_listen_network: text('tcp', 'There is no gRPC listener.'),
  grpc_listen_address: text('', 'There is no gRPC listener.'),
  grpc_listen_port: int(9095, 'There is no gRPC listener.', PORT),
  grpc_listen_conn_limit: int(0, 'There is no gRPC listener.', { flag: 'server.grpc-conn-limit' }),
  grpc_server_max_recv_msg_size: size(100 * MIB, 'There is no gRPC listener.', {
    flag: 'server.grpc-max-recv-msg-size-bytes',
  }),
  grpc_server_max_send_msg_size: size(100 * MIB, 'There is no gRPC listener.', {
    flag: 'server.grpc-max-send-msg-size-bytes',
  }),
  grpc_server_max_concurrent_streams: int(100, 'There is no gRPC listener.', {
    flag: 'server.grpc-max-concurrent-streams',
  }),
  grpc_server_max_connection_idle: duration(0, 'There is no gRPC listener.', {
    flag: 'server.grpc.keepalive.max-connection-idle',
  }),
  grpc_server_max_connection_age: duration(0, 'There is no gRPC listener.', {
    flag: 'server.grpc.keepalive.max-connection-age',
  }),
  grpc_server_max_connection_age_grace: duration(0, 'There is no gRPC listener.', {
    flag: 'server.grpc.keepalive.max-connection-age-grace',
  }),
  grpc_server_keepalive_time: duration(2 * HOUR, 'There is no gRPC listener.', {
    flag: 'server.grpc.keepalive.time',
  }),
  grpc_server_keepalive_timeout: duration(20 * SECOND, 'There is no gRPC listener.', {
    flag: 'server.grpc.keepalive.timeout',
  }),
  grpc_server_min_time_between_pings: duration(10 * SECOND, 'There is no gRPC listener.', {
    flag: 'server.grpc.keepalive.min-time-between-pings',
  }),
  grpc_server_ping_without_stream_allowed: bool(true, 'There is no gRPC listener.', {
    flag: 'server.grpc.keepalive.ping-without-stream-allowed',
  }),
  grpc_server_num_workers: int(100, 'There is no gRPC listener.', {
    flag: 'server.grpc.num-workers',
  }),
  register_instrumentation: bool(true, 'Serve /metrics.'),
  report_grpc_codes_in_instrumentation_label_enabled: bool(true, 'gRPC codes as labels.'),
  proxy_protocol_enabled: bool(false, 'Expect the PROXY protocol.'),
} as const

const API = {
  prometheus_http_prefix: text('/prometheus', 'Prefix of the Prometheus HTTP API.', {
    ...USED,
    flag: 'http.prometheus-http-prefix',
  }),
  alertmanager_http_prefix: text('/alertmanager', 'Prefix of the Alertmanager.', {
    flag: 'http.alertmanager-http-prefix',
  }),
  skip_label_name_validation_header_enabled: bool(false, 'Heed X-Mimir-SkipLabelNameValidation.', {
    flag: 'api.skip-label-name-validation-header-enabled',
  }),
  skip_label_count_validation_header_enabled: bool(
    false,
    'Heed X-Mimir-SkipLabelCountValidation.',
    { flag: 'api.skip-label-count-validation-header-enabled' },
  ),
  get_request_for_ingester_shutdown_enabled: bool(false, 'Take GET for shutdown.'),
} as const

const DISTRIBUTOR = {
  warm_up_enabled: bool(
    true,
    'Sends made-up pushes through all threads before the server starts to listen: the first thousands of real ones take less CPU.',
    USED,
  ),
  max_recv_msg_size: size(100 * MIB, 'Largest push body, as sent and unpacked.', {
    ...USED,
    least: 1024,
  }),
  max_otlp_request_size: size(100 * MIB, 'Largest OTLP body.', USED),
  influx_endpoint_enabled: bool(false, 'Take Influx line protocol.', USED),
  max_influx_request_size: size(100 * MIB, 'Largest body of Influx lines or text.', USED),
  max_request_pool_buffer_size: size(0, 'Buffer pool of Mimir.'),
  remote_timeout: duration(10 * SECOND, 'Longest wait for the ingesters of a push.', {
    ...USED,
    mimirDefault: 2 * SECOND,
  }),
  'retry_after_header.enabled': bool(true, 'Send Retry-After with 429 and 5xx.', USED),
  'retry_after_header.min_backoff': duration(6 * SECOND, 'Least Retry-After.', USED),
  'retry_after_header.max_backoff': duration(96 * SECOND, 'Greatest Retry-After.', USED),
  'ha_tracker.enable_ha_tracker': bool(false, 'De-duplicate pairs of Prometheus.', {
    ...USED,
    flag: 'distributor.ha-tracker.enable',
  }),
  'ha_tracker.enable_elected_replica_metric': bool(false, 'Export the elected replica.', {
    flag: 'distributor.ha-tracker.enable-elected-replica-metric',
  }),
  'ha_tracker.kvstore': open('Kept in shared memory and on disk here.'),
  'instance_limits.max_ingestion_rate': float(0, 'Most samples a second; 0 = any.', {
    ...USED,
    flag: 'distributor.instance-limits.max-ingestion-rate',
  }),
  'instance_limits.max_inflight_push_requests': int(2000, 'Most pushes at once; 0 = any.', {
    ...USED,
    flag: 'distributor.instance-limits.max-inflight-push-requests',
  }),
  'instance_limits.max_inflight_push_requests_bytes': size(0, 'Most bytes of pushes at once.', {
    ...USED,
    flag: 'distributor.instance-limits.max-inflight-push-requests-bytes',
  }),
  pool: open('Client pool of Mimir.'),
  write_requests_buffer_pooling_enabled: bool(true, 'Buffer pool of Mimir.'),
  limit_inflight_requests_using_grpc_method_limiter: bool(true, 'There is no gRPC listener.'),
  reusable_ingester_push_workers: int(2000, 'Goroutines of Mimir.'),
  service_overload_status_code_on_rate_limit_enabled: bool(false, 'Status 529 of Mimir 2.x.'),
  direct_otlp_translation_enabled: bool(true, 'Decoder choice of Mimir.'),
  usage_tracker_client: open('Client of a part that is not here.'),
} as const

const INGESTER = {
  metadata_retain_period: duration(10 * MINUTE, 'How long metadata is kept after its last push.', {
    ...USED,
    flag: 'ingester.metadata-retain-period',
  }),
  rate_update_period: duration(15 * SECOND, 'How often rates are computed.', {
    ...USED,
    least: 1,
  }),
  active_series_metrics_enabled: bool(true, 'Count active series.', USED),
  active_series_metrics_update_period: duration(MINUTE, 'How often active series are counted.', {
    ...USED,
    least: 10,
  }),
  active_series_metrics_idle_timeout: duration(
    20 * MINUTE,
    'When a series stops being active.',
    USED,
  ),
  tsdb_config_update_period: duration(15 * SECOND, 'How often limits reach the heads.'),
  'instance_limits.max_ingestion_rate': float(0, 'Most samples a second; 0 = any.', {
    flag: 'ingester.instance-limits.max-ingestion-rate',
  }),
  'instance_limits.max_tenants': int(0, 'Most tenants; 0 = any.', {
    ...USED,
    flag: 'ingester.instance-limits.max-tenants',
  }),
  'instance_limits.max_series': int(0, 'Most series; 0 = any.', {
    ...USED,
    flag: 'ingester.instance-limits.max-series',
  }),
  'instance_limits.max_inflight_push_requests': int(30000, 'Most pushes at once; 0 = any.', {
    flag: 'ingester.instance-limits.max-inflight-push-requests',
  }),
  'instance_limits.max_inflight_push_requests_bytes': size(0, 'Most bytes of pushes at once.', {
    flag: 'ingester.instance-limits.max-inflight-push-requests-bytes',
  }),
  error_sample_rate: int(10, 'One of so many errors is logged.'),
  read_path_cpu_utilization_limit: float(0, 'CPU use above which reads are refused.'),
  read_path_memory_utilization_limit: size(0, 'Memory above which reads are refused.'),
  log_utilization_based_limiter_cpu_samples: bool(false, 'Logging of the limiter.'),
  limit_inflight_requests_using_grpc_method_limiter: bool(true, 'There is no gRPC listener.'),
  ignore_series_limit_for_metric_names: list([], 'Metrics without a series limit.', USED),
  return_only_grpc_errors: bool(true, 'There is no gRPC listener.'),
  use_ingester_owned_series_for_limits: bool(false, 'Count owned series.'),
  track_ingester_owned_series: bool(false, 'Count owned series.'),
  owned_series_update_interval: duration(15 * SECOND, 'How often owned series are counted.'),
  push_grpc_method_enabled: bool(true, 'There is no gRPC listener.'),
  push_circuit_breaker: open('Circuit breaker of Mimir.'),
  read_circuit_breaker: open('Circuit breaker of Mimir.'),
  push_reactive_limiter: open('Reactive limiter of Mimir.'),
  read_reactive_limiter: open('Reactive limiter of Mimir.'),
  rejection_prioritizer: open('Reactive limiter of Mimir.'),
  partition_ring: open('Partitions of ingest storage.'),
  client: open('Client of Mimir.'),
} as const

const QUERIER = {
  timeout: duration(2 * MINUTE, 'Longest query.', USED),
  warm_up_enabled: bool(
    true,
    'Runs made-up queries before /ready says yes: the first real ones are faster.',
    USED,
  ),
  column_cache_bytes: size(
    256 * MIB,
    'Decoded samples kept for later queries, of all threads together.',
    USED,
  ),
  max_samples: int(50_000_000, 'Most samples that one query holds at once.', { ...USED, least: 1 }),
  lookback_delta: duration(5 * MINUTE, 'How far an instant selector looks back.', {
    ...USED,
    least: 1,
  }),
  default_evaluation_interval: duration(MINUTE, 'Step of a subquery that gives none.', {
    ...USED,
    least: 1,
  }),
  query_store_after: duration(12 * HOUR, 'Every complete block is asked, whatever its age.'),
  max_concurrent: int(20, 'Queries at once: actors.queriers says it here.'),
  query_engine: choice(['mimir', 'prometheus'], 'mimir', 'There is one engine.'),
  enable_query_engine_fallback: bool(true, 'There is one engine.'),
  max_concurrent_remote_read_queries: int(2, 'Queries at once of one remote read.'),
  prefer_availability_zone: text('', 'Zone to ask first.'),
  prefer_availability_zones: list([], 'Zones to ask first.'),
  minimize_ingester_requests: bool(true, 'Ask no more ingesters than needed.'),
  minimize_ingester_requests_hedging_delay: duration(3 * SECOND, 'When to ask more.'),
  streaming_chunks_per_ingester_series_buffer_size: int(256, 'Buffer of Mimir.', {
    flag: 'querier.streaming-chunks-per-ingester-buffer-size',
  }),
  streaming_chunks_per_store_gateway_series_buffer_size: int(256, 'Buffer of Mimir.', {
    flag: 'querier.streaming-chunks-per-store-gateway-buffer-size',
  }),
  shuffle_sharding_ingesters_enabled: bool(true, 'Ask only ingesters of the tenant.', {
    effect: 'yes',
  }),
  ring: open('Ring of Mimir.'),
  mimir_query_engine: open('Switches of an engine that is not here.'),
  store_gateway_client: open('Client of Mimir.'),
  filter_queryables_enabled: bool(false, 'Heed X-Filter-Queryables.', { effect: 'yes' }),
} as const

const FRONTEND = {
  split_queries_by_interval: duration(24 * HOUR, 'Pieces that a range query is cut into.'),
  cache_results: bool(false, 'Cache results.'),
  'results_cache.backend': text('', 'Where results are cached.'),
  'results_cache.memcached': open('There is no memcached client.'),
  'results_cache.compression': text('', 'Compression of cached results.'),
  cache_errors: bool(false, 'Cache errors.'),
  parallelize_shardable_queries: bool(false, 'Shard queries.'),
  max_retries: int(5, 'Tries of a query that met a part that was down.', {
    ...USED,
    flag: 'query-frontend.max-retries-per-request',
  }),
  query_stats_enabled: bool(true, 'Log and send statistics of queries.', {
    ...USED,
    flag: 'query-frontend.query-stats-enabled',
  }),
  log_queries_longer_than: duration(0, 'Log slower queries; 0 = none.', {
    ...USED,
    flag: 'query-frontend.log-queries-longer-than',
    least: -1,
  }),
  log_query_request_headers: list([], 'Headers logged with a query.'),
  query_sharding_target_series_per_shard: int(0, 'Series a shard of a query.'),
  shard_active_series_queries: bool(false, 'Shard active series queries.'),
  not_running_timeout: duration(2 * SECOND, 'Wait for queriers at start.'),
  max_body_size: size(10 * MIB, 'Largest body of a query.', { ...USED, least: 1024 }),
  active_series_write_timeout: duration(5 * MINUTE, 'Longest answer of active series.'),
  scheduler_address: text('', 'There is no separate scheduler.'),
  scheduler_dns_lookup_period: duration(10 * SECOND, 'There is no separate scheduler.'),
  scheduler_worker_concurrency: int(5, 'There is no separate scheduler.'),
  grpc_client_config: open('There is no gRPC client.'),
  query_result_response_format: text('protobuf', 'Encoding between parts of Mimir.'),
  extra_propagated_headers: list([], 'Headers passed on.'),
  instance_interface_names: list([], 'Network interfaces.'),
  address: text('', 'Address of this instance.', { flag: 'query-frontend.instance-addr' }),
  port: int(0, 'Port of this instance.', { flag: 'query-frontend.instance-port' }),
  enable_query_engine_fallback: bool(true, 'There is one engine.'),
  query_engine: text('mimir', 'There is one engine.'),
} as const

const REST = {
  ...under('query_scheduler', {
    max_outstanding_requests_per_tenant: int(100, 'Most queries of a tenant that wait.', {
      ...USED,
      least: 1,
    }),
    querier_forget_delay: duration(0, 'There is no separate scheduler.'),
    grpc_client_config: open('There is no gRPC client.'),
    service_discovery_mode: text('dns', 'There is no separate scheduler.'),
    ring: open('There is no separate scheduler.'),
    max_used_instances: int(0, 'There is no separate scheduler.'),
    prioritize_query_components: bool(false, 'Queue order.'),
  }),
  ...under('tenant_federation', {
    enabled: bool(false, 'Read several tenants by `a|b`.', USED),
    max_concurrent: int(16, 'Tenants read at once.', { ...USED, least: 1 }),
    max_tenants: int(0, 'Most tenants of a query; 0 = any.', USED),
  }),
  ...under('runtime_config', {
    file: list([], 'Files with per-tenant overrides, merged left to right.', USED),
    period: duration(10 * SECOND, 'How often they are read.', {
      ...USED,
      flag: 'runtime-config.reload-period',
      least: 10,
    }),
    http_client_config: open('Client for files by URL.'),
  }),
  ...under('overrides_exporter', {
    enabled_metrics: list(
      [
        'ingestion_rate',
        'ingestion_burst_size',
        'max_global_series_per_user',
        'max_global_series_per_metric',
        'max_global_exemplars_per_user',
        'max_fetched_chunks_per_query',
        'max_fetched_series_per_query',
        'max_fetched_chunk_bytes_per_query',
        'ruler_max_rules_per_rule_group',
        'ruler_max_rule_groups_per_tenant',
      ],
      'Limits that /metrics shows as cortex_limits_overrides and cortex_limits_defaults.',
      USED,
    ),
    ring: open('There is one process.'),
  }),
  ...under('usage_stats', {
    enabled: bool(true, 'Nothing is ever reported.'),
    installation_mode: text('custom', 'Nothing is ever reported.'),
  }),
  ...under('activity_tracker', {
    filepath: text('./metrics-activity.log', 'File of running queries.'),
    max_entries: int(1024, 'Entries of that file.'),
  }),
  frontend_worker: open('There are no separate frontends.'),
  ingester_client: open('There is no gRPC client.'),
  memberlist: open('There is one process and no gossip.'),
  ingest_storage: open('The log is local.'),
  block_builder: open('There is no such part.'),
  block_builder_scheduler: open('There is no such part.'),
  compactor_scheduler: open('There is no such part.'),
  usage_tracker: open('There is no such part.'),
  continuous_test: open('There is no such part.'),
  flusher: open('There is no such part.'),
  vault: open('There is no Vault client.'),
} as const

/** Every key: dotted YAML path → row. */
export const CONFIG = {
  ...TOP,
  ...OWN,
  ...under('access', {
    file: text(
      '',
      'Who may do what: a credential a line (docs/access-control.md); none: everybody everything. A key of ours.',
      USED,
    ),
    reload_period: duration(
      10 * SECOND,
      'How often that file and certificates are looked at.',
      USED,
    ),
  }),
  ...under('api', API),
  ...under('server', SERVER),
  ...under('distributor', DISTRIBUTOR),
  ...under('distributor.ring', ACTOR_RING),
  ...under('ingester', INGESTER),
  ...under('ingester.ring', ACTOR_RING),
  'ingester.ring.replication_factor': int(
    3,
    'Copies of a series: in force is the least of it and the number of zones (data.zone_dirs).',
    { ...USED, least: 1 },
  ),
  ...under('querier', QUERIER),
  ...under('frontend', FRONTEND),
  ...under('limits', LIMITS),
  ...STORAGE,
  ...REST,
} as const

/** Dotted YAML path of a key in the table. */
export type ConfigKey = keyof typeof CONFIG
