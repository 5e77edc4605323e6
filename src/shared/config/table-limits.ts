/**
 * Rows of the block `limits`: the default limits of every tenant, as Mimir names them. Where a
 * default is not Mimir's, the doc line says so: ingestion is unlimited here until it is configured.
 */
import { bool, choice, duration, float, int, list, open, size, text } from './row.js'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const MIB = 1024 * 1024

/** A row of effect `yes` with a flag of its own. */
function used(flag: string) {
  return { effect: 'yes', flag } as const
}

function named(flag: string) {
  return { flag } as const
}

/** A row without effect, and why. */
function idle(flag: string, why: string) {
  return { flag, why } as const
}

const SPLIT = 'a query is not split; its columns are evaluated in one go'
const CACHE = 'results are not cached, decoded columns are'
const SAME = 'answers do not depend on it'

const WRITE = {
  request_rate: float(0, 'Pushes a second; 0 = any.', used('distributor.request-rate-limit')),
  request_burst_size: int(0, 'Pushes at once.', used('distributor.request-burst-size')),
  ingestion_rate: float(0, 'Samples, exemplars and metadata a second; 0 = any.', {
    ...used('distributor.ingestion-rate-limit'),
    mimirDefault: 10_000,
  }),
  ingestion_burst_size: int(200_000, 'Samples at once.', used('distributor.ingestion-burst-size')),
  ingestion_burst_factor: float(
    0,
    'Burst as a multiple of the rate; 0 = by size.',
    used('distributor.ingestion-burst-factor'),
  ),
  max_active_series_per_user: int(
    0,
    'Active series; 0 = any.',
    named('distributor.max-active-series-per-user'),
  ),
  ingestion_tenant_shard_size: int(
    0,
    'Shards of a tenant, of all zones together; 0 = all.',
    used('distributor.ingestion-tenant-shard-size'),
  ),
  ingestion_partitions_tenant_shard_size: int(
    0,
    'Partitions of a tenant.',
    named('ingest-storage.ingestion-partition-tenant-shard-size'),
  ),
  accept_ha_samples: bool(
    false,
    'De-duplicate pairs of Prometheus.',
    used('distributor.ha-tracker.enable-for-all-users'),
  ),
  ha_cluster_label: text('cluster', 'Label of the pair.', used('distributor.ha-tracker.cluster')),
  ha_replica_label: text(
    '__replica__',
    'Label of the replica.',
    used('distributor.ha-tracker.replica'),
  ),
  ha_max_clusters: int(100, 'Most pairs; 0 = any.', used('distributor.ha-tracker.max-clusters')),
  ha_tracker_update_timeout: duration(
    15 * SECOND,
    'How often the time of the elected replica is kept.',
    named('distributor.ha-tracker.update-timeout'),
  ),
  ha_tracker_update_timeout_jitter_max: duration(
    5 * SECOND,
    'Jitter of that.',
    named('distributor.ha-tracker.update-timeout-jitter-max'),
  ),
  ha_tracker_failover_timeout: duration(
    30 * SECOND,
    'Silence after which the other replica is elected.',
    used('distributor.ha-tracker.failover-timeout'),
  ),
  ha_tracker_sample_failover_timeout: duration(
    0,
    'Lead in sample time that election needs.',
    used('distributor.ha-tracker.failover-sample-timeout'),
  ),
  drop_labels: list([], 'Labels dropped at ingest.', used('distributor.drop-label')),
  metric_relabel_configs: open(
    'Relabel rules at ingest, as Prometheus has them; `__meta_tenant_id` is there.',
    used(''),
  ),
  metric_relabeling_enabled: bool(
    true,
    'Apply relabel rules.',
    used('distributor.metric-relabeling-enabled'),
  ),
  max_label_name_length: int(
    1024,
    'Bytes of a label name.',
    used('validation.max-length-label-name'),
  ),
  max_label_value_length: int(
    2048,
    'Bytes of a label value.',
    used('validation.max-length-label-value'),
  ),
  label_value_length_over_limit_strategy: choice(
    ['error', 'truncate', 'drop'],
    'error',
    'What happens to longer values: error refuses the series, truncate puts a hash in place of the tail, drop in place of all.',
    used('validation.label-value-length-over-limit-strategy'),
  ),
  max_label_names_per_series: int(
    30,
    'Labels of a series.',
    used('validation.max-label-names-per-series'),
  ),
  max_label_names_per_info_series: int(
    80,
    'Labels of a series whose name ends in _info.',
    used('validation.max-label-names-per-info-series'),
  ),
  max_metadata_length: int(
    1024,
    'Bytes of name, help or unit of a metric.',
    used('validation.max-metadata-length'),
  ),
  enforce_metadata_metric_name: bool(
    true,
    'Refuse metadata without a metric name.',
    used('validation.enforce-metadata-metric-name'),
  ),
  creation_grace_period: duration(
    10 * MINUTE,
    'How far ahead of the clock a sample may be.',
    used('validation.create-grace-period'),
  ),
  past_grace_period: duration(
    0,
    'How far behind the clock a sample may be, beyond the out-of-order window; 0 = any.',
    used('validation.past-grace-period'),
  ),
  enforce_out_of_order_window_on_distributor: bool(
    false,
    'Refuse samples at the door that are older than the out-of-order window by the clock.',
    used(''),
  ),
  name_validation_scheme: choice(
    ['legacy', 'utf8'],
    'legacy',
    'Which metric and label names are good.',
    used('validation.name-validation-scheme'),
  ),
  max_native_histogram_buckets: int(
    0,
    'Buckets of a native histogram; 0 = any.',
    used('validation.max-native-histogram-buckets'),
  ),
  reduce_native_histogram_over_max_buckets: bool(
    true,
    'Reduce larger ones.',
    used('validation.reduce-native-histogram-over-max-buckets'),
  ),
  max_exemplars_per_series_per_request: int(
    0,
    'Exemplars of a series in a push; 0 = any.',
    used('distributor.max-exemplars-per-series-per-request'),
  ),
  separate_metrics_group_label: text(
    '',
    'Label that becomes `group` on discard metrics.',
    named('validation.separate-metrics-group-label'),
  ),
  otel_metric_suffixes_enabled: bool(
    false,
    'Add unit and type suffixes to OTLP names.',
    used('distributor.otel-metric-suffixes-enabled'),
  ),
  otel_created_timestamp_zero_ingestion_enabled: bool(
    false,
    'Store a zero at the start time of OTLP counters.',
    used('distributor.otel-created-timestamp-zero-ingestion-enabled'),
  ),
  promote_otel_resource_attributes: list(
    [],
    'Resource attributes that become labels.',
    used('distributor.otel-promote-resource-attributes'),
  ),
  otel_keep_identifying_resource_attributes: bool(
    false,
    'Keep identifying attributes on target_info.',
    used('distributor.otel-keep-identifying-resource-attributes'),
  ),
  otel_convert_histograms_to_nhcb: bool(
    false,
    'Classic histograms as custom-bucket native ones.',
    used('distributor.otel-convert-histograms-to-nhcb'),
  ),
  otel_promote_scope_metadata: bool(
    false,
    'Scope attributes as labels.',
    used('distributor.otel-promote-scope-metadata'),
  ),
  otel_native_delta_ingestion: bool(
    false,
    'Take delta temporality.',
    used('distributor.otel-native-delta-ingestion'),
  ),
  otel_delta_to_cumulative: bool(
    false,
    'OTLP increments (delta temporality) are added up to counters; a key of ours.',
    used('distributor.otel-delta-to-cumulative'),
  ),
  otel_translation_strategy: choice(
    [
      '',
      'UnderscoreEscapingWithSuffixes',
      'UnderscoreEscapingWithoutSuffixes',
      'NoUTF8EscapingWithSuffixes',
      'NoTranslation',
    ],
    '',
    'How OTLP names are translated; empty: by name scheme and suffixes.',
    used('distributor.otel-translation-strategy'),
  ),
  otel_label_name_underscore_sanitization: bool(
    true,
    'Prefix label names that start with an underscore.',
    used('distributor.otel-label-name-underscore-sanitization'),
  ),
  otel_label_name_preserve_multiple_underscores: bool(
    true,
    'Keep runs of underscores.',
    used('distributor.otel-label-name-preserve-underscores'),
  ),
} as const

const INGEST = {
  max_global_series_per_user: int(0, 'Series in memory; 0 = any.', {
    ...used('ingester.max-global-series-per-user'),
    mimirDefault: 150_000,
  }),
  max_global_series_per_metric: int(
    0,
    'Series of a metric; 0 = any.',
    used('ingester.max-global-series-per-metric'),
  ),
  max_global_metadata_per_user: int(
    0,
    'Metrics with metadata; 0 = any.',
    used('ingester.max-global-metadata-per-user'),
  ),
  max_global_metadata_per_metric: int(
    0,
    'Metadata of a metric; 0 = any.',
    used('ingester.max-global-metadata-per-metric'),
  ),
  max_global_exemplars_per_user: int(
    0,
    'Exemplars; 0 = none are kept.',
    used('ingester.max-global-exemplars-per-user'),
  ),
  ignore_ooo_exemplars: bool(
    false,
    'Drop late exemplars silently.',
    named('ingester.ignore-ooo-exemplars'),
  ),
  native_histograms_ingestion_enabled: bool(
    true,
    'Take native histograms; otherwise they are dropped and counted.',
    used('ingester.native-histograms-ingestion-enabled'),
  ),
  out_of_order_time_window: duration(
    0,
    'How much older than the newest one of the tenant a sample may be; 0 = not out of order at all.',
    used('ingester.out-of-order-time-window'),
  ),
  out_of_order_blocks_external_label_enabled: bool(
    false,
    'Label blocks of late samples.',
    named('ingester.out-of-order-blocks-external-label-enabled'),
  ),
  active_series_custom_trackers: open(
    'Name → matchers of series to count; 256 at most.',
    used('ingester.active-series-custom-trackers'),
  ),
  active_series_additional_custom_trackers: open('More of them.', used('')),
  early_head_compaction_owned_series_threshold: int(
    0,
    'Series that start an early compaction; 0 = none.',
    used('ingester.early-head-compaction-owned-series-threshold'),
  ),
  early_head_compaction_min_estimated_series_reduction_percentage: int(
    15,
    'Gain that it needs, per cent.',
    used('ingester.early-head-compaction-min-estimated-series-reduction-percentage'),
  ),
  cost_attribution_labels_structured: open('Labels of cost attribution.', named('')),
  cost_attribution_labels: list(
    [],
    'Labels of cost attribution.',
    named('validation.cost-attribution-labels'),
  ),
  max_cost_attribution_cardinality: int(
    2000,
    'Most values of them.',
    named('validation.max-cost-attribution-cardinality'),
  ),
  cost_attribution_cooldown: duration(
    0,
    'Pause after too many.',
    named('validation.cost-attribution-cooldown'),
  ),
} as const

const READ = {
  max_fetched_chunks_per_query: int(
    2_000_000,
    'Chunks of a query; 0 = any.',
    used('querier.max-fetched-chunks-per-query'),
  ),
  max_estimated_fetched_chunks_per_query_multiplier: float(
    0,
    'Estimate that is allowed above it.',
    idle(
      'querier.max-estimated-fetched-chunks-per-query-multiplier',
      'chunks are counted as they are read, not estimated',
    ),
  ),
  max_fetched_series_per_query: int(
    0,
    'Series of a query; 0 = any.',
    used('querier.max-fetched-series-per-query'),
  ),
  max_fetched_chunk_bytes_per_query: size(
    0,
    'Chunk bytes of a query; 0 = any.',
    used('querier.max-fetched-chunk-bytes-per-query'),
  ),
  max_estimated_memory_consumption_per_query: size(
    0,
    'Memory of a query; 0 = 1 GiB.',
    used('querier.max-estimated-memory-consumption-per-query'),
  ),
  max_query_lookback: duration(
    0,
    'How far back queries reach; 0 = any.',
    used('querier.max-query-lookback'),
  ),
  max_partial_query_length: duration(
    0,
    'Longest partial query; 0 = any.',
    used('querier.max-partial-query-length'),
  ),
  max_total_query_length: duration(
    0,
    'Longest query; 0 = any.',
    used('query-frontend.max-total-query-length'),
  ),
  max_query_expression_size_bytes: size(
    0,
    'Bytes of a query text; 0 = any.',
    used('query-frontend.max-query-expression-size-bytes'),
  ),
  max_query_parallelism: int(
    14,
    'Partial queries at once.',
    idle('querier.max-query-parallelism', SPLIT),
  ),
  max_queriers_per_tenant: float(
    0,
    'Queriers of a tenant; 0 = all.',
    named('query-frontend.max-queriers-per-tenant'),
  ),
  max_labels_query_length: duration(
    0,
    'How far back label queries reach; 0 = any.',
    used('store.max-labels-query-length'),
  ),
  max_series_query_limit: int(
    0,
    'Most series of /series; 0 = any.',
    used('querier.max-series-query-limit'),
  ),
  max_label_names_limit: int(
    0,
    'Most names of /labels; 0 = any.',
    used('querier.max-label-names-limit'),
  ),
  max_label_values_limit: int(
    0,
    'Most values of /label; 0 = any.',
    used('querier.max-label-values-limit'),
  ),
  query_ingesters_within: duration(
    13 * HOUR,
    'Ingesters are always asked.',
    idle('querier.query-ingesters-within', 'heads are read in place and know their time range'),
  ),
  query_sharding_total_shards: int(
    16,
    'Shards of a query.',
    idle('query-frontend.query-sharding-total-shards', SPLIT),
  ),
  query_sharding_max_sharded_queries: int(
    128,
    'Most sharded parts.',
    idle('query-frontend.query-sharding-max-sharded-queries', SPLIT),
  ),
  query_sharding_max_regexp_size_bytes: size(
    4096,
    'Longest pattern of a sharded query.',
    idle('query-frontend.query-sharding-max-regexp-size-bytes', SPLIT),
  ),
  max_cache_freshness: duration(
    10 * MINUTE,
    'Age from which results are cached.',
    idle('query-frontend.max-cache-freshness', CACHE),
  ),
  results_cache_ttl: duration(
    7 * DAY,
    'How long results are cached.',
    idle('query-frontend.results-cache-ttl', CACHE),
  ),
  results_cache_ttl_for_out_of_order_time_window: duration(
    10 * MINUTE,
    'The same within the out-of-order window.',
    idle('query-frontend.results-cache-ttl-for-out-of-order-time-window', CACHE),
  ),
  results_cache_ttl_for_cardinality_query: duration(
    0,
    'The same for cardinality.',
    idle('query-frontend.results-cache-ttl-for-cardinality-query', CACHE),
  ),
  results_cache_ttl_for_labels_query: duration(
    0,
    'The same for labels.',
    idle('query-frontend.results-cache-ttl-for-labels-query', CACHE),
  ),
  results_cache_ttl_for_errors: duration(
    5 * MINUTE,
    'The same for errors.',
    idle('query-frontend.results-cache-ttl-for-errors', CACHE),
  ),
  cache_unaligned_requests: bool(
    false,
    'Cache ranges off the step too.',
    idle('query-frontend.cache-unaligned-requests', CACHE),
  ),
  align_queries_with_step: bool(
    false,
    'Move ranges onto the step.',
    used('query-frontend.align-queries-with-step'),
  ),
  enabled_promql_experimental_functions: list(
    [],
    'Experimental PromQL functions and aggregations that may be used, or `all`.',
    used('query-frontend.enabled-promql-experimental-functions'),
  ),
  enabled_promql_extended_range_selectors: list(
    [],
    'Extended range selectors that may be used: `anchored`, `smoothed`, or `all`.',
    used('query-frontend.enabled-promql-extended-range-selectors'),
  ),
  enabled_promql_duration_expressions: bool(
    false,
    'Take arithmetic for durations in PromQL, `[5m * 2]`, `offset step()`. A key of nilometer.',
    used('query-frontend.enabled-promql-duration-expressions'),
  ),
  enabled_promql_fill_modifiers: bool(
    false,
    'Take `fill`, `fill_left` and `fill_right` in binary operations. A key of nilometer.',
    used('query-frontend.enabled-promql-fill-modifiers'),
  ),
  prom2_range_compat: bool(
    false,
    'Read [X:X] as Prometheus 2 did.',
    named('query-frontend.prom2-range-compat'),
  ),
  subquery_spin_off_enabled: bool(
    false,
    'Run subqueries as range queries.',
    idle('query-frontend.subquery-spin-off-enabled', SPLIT),
  ),
  labels_query_optimizer_enabled: bool(
    true,
    'Simplify matchers of label queries.',
    idle('query-frontend.labels-query-optimizer-enabled', SAME),
  ),
  enable_delayed_name_removal: bool(
    false,
    'Drop __name__ at the end of a query only, as Prometheus does by a feature flag.',
    used('querier.enable-delayed-name-removal'),
  ),
  blocked_queries: open(
    'Queries that are refused: a list of `pattern` with `regex`, `unaligned_range_queries`, `time_range_longer_than`, `step_size_shorter_than`, `reason`.',
    used(''),
  ),
  limited_queries: open(
    'Queries that may run once in a while: a list of `query` and `allowed_frequency`.',
    used(''),
  ),
  blocked_requests: open(
    'Requests of the read path that are refused: a list of `path`, `method`, `query_params` (name → `value`, `is_regexp`).',
    used(''),
  ),
  cardinality_analysis_enabled: bool(
    false,
    'Serve the cardinality API.',
    used('querier.cardinality-analysis-enabled'),
  ),
  cardinality_analysis_max_results: int(
    500,
    'Most results of it.',
    used('querier.cardinality-api-max-series-limit'),
  ),
  label_names_and_values_results_max_size_bytes: size(
    400 * MIB,
    'Largest answer of label names and values.',
    used('querier.label-names-and-values-results-max-size-bytes'),
  ),
  label_values_max_cardinality_label_names_per_request: int(
    100,
    'Label names of a request.',
    used('querier.label-values-max-cardinality-label-names-per-request'),
  ),
  active_series_results_max_size_bytes: size(
    400 * MIB,
    'Largest answer of active series.',
    used('querier.active-series-results-max-size-bytes'),
  ),
} as const

const BLOCKS = {
  compactor_blocks_retention_period: duration(
    0,
    'How long blocks are kept; 0 = for ever.',
    used('compactor.blocks-retention-period'),
  ),
  compactor_split_and_merge_shards: int(
    0,
    'Shards of a compaction; 0 = one.',
    used('compactor.split-and-merge-shards'),
  ),
  compactor_split_groups: int(1, 'Groups of a split.', used('compactor.split-groups')),
  compactor_tenant_shard_size: int(
    0,
    'Compactors of a tenant; 0 = all.',
    used('compactor.compactor-tenant-shard-size'),
  ),
  compactor_partial_block_deletion_delay: duration(
    DAY,
    'Age from which partial blocks are deleted.',
    used('compactor.partial-block-deletion-delay'),
  ),
  compactor_max_lookback: duration(
    0,
    'Age up to which blocks are compacted; 0 = any.',
    used('compactor.max-lookback'),
  ),
  compactor_max_per_block_upload_concurrency: int(
    8,
    'Uploads of a block at once.',
    named('compactor.max-per-block-upload-concurrency'),
  ),
  compactor_block_upload_enabled: bool(
    false,
    'Take block uploads.',
    used('compactor.block-upload-enabled'),
  ),
  compactor_block_upload_validation_enabled: bool(
    true,
    'Check uploaded blocks.',
    used('compactor.block-upload-validation-enabled'),
  ),
  compactor_block_upload_verify_chunks: bool(
    true,
    'Check their chunks.',
    used('compactor.block-upload-verify-chunks'),
  ),
  compactor_block_upload_max_block_size_bytes: size(
    0,
    'Largest uploaded block; 0 = any.',
    used('compactor.block-upload-max-block-size-bytes'),
  ),
  store_gateway_tenant_shard_size: int(
    0,
    'Store-gateways of a tenant; 0 = all.',
    used('store-gateway.tenant-shard-size'),
  ),
  store_gateway_tenant_shard_size_per_zone: int(
    0,
    'The same per zone.',
    named('store-gateway.tenant-shard-size-per-zone'),
  ),
  s3_sse_type: text('', 'Encryption in the bucket.', named('')),
  s3_sse_kms_key_id: text('', 'Key of that.', named('')),
  s3_sse_kms_encryption_context: text('', 'Context of that.', named('')),
} as const

const RULES = {
  ruler_evaluation_delay_duration: duration(
    MINUTE,
    'How far in the past rules are evaluated.',
    named('ruler.evaluation-delay-duration'),
  ),
  ruler_max_rules_per_rule_group: int(
    20,
    'Rules of a group.',
    named('ruler.max-rules-per-rule-group'),
  ),
  ruler_max_rule_groups_per_tenant: int(
    70,
    'Groups of a tenant.',
    named('ruler.max-rule-groups-per-tenant'),
  ),
  ruler_max_rules_per_rule_group_by_namespace: open(
    'Rules of a group, by namespace.',
    named('ruler.max-rules-per-rule-group-by-namespace'),
  ),
  ruler_max_rule_groups_per_tenant_by_namespace: open(
    'Groups of a tenant, by namespace.',
    named('ruler.max-rule-groups-per-tenant-by-namespace'),
  ),
  ruler_protected_namespaces: list(
    [],
    'Namespaces that need a header to change.',
    named('ruler.protected-namespaces'),
  ),
  ruler_recording_rules_evaluation_enabled: bool(
    true,
    'Evaluate recording rules.',
    named('ruler.recording-rules-evaluation-enabled'),
  ),
  ruler_alerting_rules_evaluation_enabled: bool(
    true,
    'Evaluate alerting rules.',
    named('ruler.alerting-rules-evaluation-enabled'),
  ),
  ruler_sync_rules_on_changes_enabled: bool(
    true,
    'Load rules when they change.',
    named('ruler.sync-rules-on-changes-enabled'),
  ),
  ruler_max_independent_rule_evaluation_concurrency_per_tenant: int(
    4,
    'Rules evaluated at once.',
    named('ruler.max-independent-rule-evaluation-concurrency-per-tenant'),
  ),
  ruler_min_rule_evaluation_interval: duration(
    0,
    'Least interval of a group.',
    named('ruler.min-rule-evaluation-interval'),
  ),
  ruler_max_rule_evaluation_results: int(
    0,
    'Series of a rule; 0 = any.',
    named('ruler.max-rule-evaluation-results'),
  ),
  ruler_tenant_shard_size: int(0, 'Rulers of a tenant.', named('ruler.tenant-shard-size')),
  ruler_alertmanager_client_config: open(
    'Where alerts of a tenant go.',
    named('ruler.alertmanager-client-config'),
  ),
  alertmanager_receivers_firewall_block_cidr_networks: list(
    [],
    'Networks that receivers may not reach.',
    named('alertmanager.receivers-firewall-block-cidr-networks'),
  ),
  alertmanager_receivers_firewall_block_private_addresses: bool(
    false,
    'Keep receivers from private addresses.',
    named('alertmanager.receivers-firewall-block-private-addresses'),
  ),
  alertmanager_notification_rate_limit: float(0, 'Notifications a second; 0 = any.', {
    flag: 'alertmanager.notification-rate-limit',
    least: -1,
  }),
  alertmanager_notification_rate_limit_per_integration: open(
    'The same by integration.',
    named('alertmanager.notification-rate-limit-per-integration'),
  ),
  alertmanager_max_grafana_config_size_bytes: size(
    0,
    'Bytes of a Grafana configuration.',
    named('alertmanager.max-grafana-config-size-bytes'),
  ),
  alertmanager_max_config_size_bytes: size(
    0,
    'Bytes of a configuration; 0 = any.',
    named('alertmanager.max-config-size-bytes'),
  ),
  alertmanager_max_templates_count: int(
    0,
    'Templates; 0 = any.',
    named('alertmanager.max-templates-count'),
  ),
  alertmanager_max_template_size_bytes: size(
    0,
    'Bytes of a template; 0 = any.',
    named('alertmanager.max-template-size-bytes'),
  ),
  alertmanager_max_dispatcher_aggregation_groups: int(
    0,
    'Aggregation groups; 0 = any.',
    named('alertmanager.max-dispatcher-aggregation-groups'),
  ),
  alertmanager_max_alerts_count: int(0, 'Alerts; 0 = any.', named('alertmanager.max-alerts-count')),
  alertmanager_max_alerts_size_bytes: size(
    0,
    'Bytes of alerts; 0 = any.',
    named('alertmanager.max-alerts-size-bytes'),
  ),
  alertmanager_max_silences_count: int(
    0,
    'Silences; 0 = any.',
    named('alertmanager.max-silences-count'),
  ),
  alertmanager_max_silence_size_bytes: size(
    0,
    'Bytes of a silence; 0 = any.',
    named('alertmanager.max-silence-size-bytes'),
  ),
  alertmanager_notify_hook_url: text(
    '',
    'URL asked before a notification.',
    named('alertmanager.notify-hook-url'),
  ),
  alertmanager_notify_hook_receivers: list(
    [],
    'Receivers that it is asked for.',
    named('alertmanager.notify-hook-receivers'),
  ),
  alertmanager_notify_hook_timeout: duration(
    30 * SECOND,
    'How long it may take.',
    named('alertmanager.notify-hook-timeout'),
  ),
} as const

/** Rows of `limits`, without the prefix. */
export const LIMITS = { ...WRITE, ...INGEST, ...READ, ...BLOCKS, ...RULES } as const
