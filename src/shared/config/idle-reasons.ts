/**
 * Why keys of Mimir have no effect here, by the pattern of their names: most come in families. A row
 * whose reason is its own has it in its `why`; one whose doc line says it all needs none.
 */

const NO_RULER = 'rules are not evaluated by this server'
const NO_ALERTMANAGER = 'there is no Alertmanager in this server'
const NOT_SPLIT = 'a query is not split; its columns are evaluated in one go'
const NOT_CACHED = 'results are not cached, decoded columns are'
const ONE_FRONT = 'frontend and queriers are one process'
const ONE_FOLDER = 'data.dir holds all of it'
const FIXED = 'how many at once is fixed'
const IN_PLACE = 'queriers read blocks in place, by pages'
const NO_LOG = 'requests that are no queries are not logged'
const BY_PROGRESS = 'slow readers are known by what they take, not by a time for the whole answer'
const PARTITIONS = 'it belongs to ingest storage, which is not here'
const ALL_ZONES = 'all zones are asked: they are memory of this process'

/** The first pattern that matches a key has its reason. */
export const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^(ruler|ruler_storage)\.|^limits\.ruler_/, NO_RULER],
  [/^(alertmanager|alertmanager_storage)\.|^limits\.alertmanager_/, NO_ALERTMANAGER],
  [/^api\.alertmanager_/, NO_ALERTMANAGER],
  [/^target$/, 'one process runs all parts'],
  [/separate_metrics_group/, 'metrics of what was discarded have no groups'],
  [/cost_attribution/, 'cost is not attributed'],
  [/^timeseries_unmarshal_|^distributor\.direct_otlp_/, 'bodies are read where they lie'],
  [/^api\.skip_label_/, 'labels of all senders are checked, whatever their headers say'],
  [/^api\.get_request_for_ingester/, 'a shutdown is asked for by POST alone'],
  [/^server\.http_listen_network$/, 'listeners are TCP'],
  [/^server\.http_server_read_header_/, 'headers fall under server.http_server_read_timeout'],
  [/^server\.http_server_write_timeout$|^frontend\.active_series_write_/, BY_PROGRESS],
  [/^server\.log_format$/, 'lines are logfmt'],
  [/^server\.(log_|http_log_)/, NO_LOG],
  [/^server\.(grpc_|report_grpc_)/, 'there is no gRPC listener'],
  [/^server\.register_instrumentation$/, '/metrics is always there'],
  [/^server\.proxy_protocol_/, 'a proxy in front is to speak HTTP'],
  [/^distributor\.ha_tracker\.enable_elected_/, '/distributor/ha_tracker shows them'],
  [/^distributor\.ha_tracker\.kvstore$/, 'distributors share memory, and the disk keeps it'],
  [/^distributor\.service_overload_/, 'a push over its rate is answered 429'],
  [/^distributor\.(pool|usage_tracker_client)$/, 'ingesters are threads of this process'],
  [/^ingester\.tsdb_config_update_/, 'limits reach the heads when they change'],
  [/^ingester\.instance_limits\./, 'distributor.instance_limits has it, where pushes come in'],
  [
    /^ingester\.error_sample_rate$/,
    'refusals are not logged: /api/v1/rejected and metrics have them',
  ],
  [/^ingester\.(read_path_|log_utilization_)/, 'memory_limit and the queue bound what reads take'],
  [/owned_series/, 'a shard owns all series that it has'],
  [/^ingester\.partition_ring$|^limits\.ingestion_partitions_/, PARTITIONS],
  [/^limits\.max_active_series_per_user$/, PARTITIONS],
  [/query_store_after$|ignore_blocks_within$/, 'what heads and blocks both have is taken once'],
  [/^querier\.max_concurrent$/, 'actors.queriers says it'],
  [/^querier\.max_concurrent_remote_read_/, 'a remote read is one task of one querier'],
  [/^querier\.(prefer_availability_|minimize_ingester_)/, ALL_ZONES],
  [/^querier\.mimir_query_engine$/, 'that engine is not here'],
  [/^frontend\.(split_|parallelize_|query_sharding_|shard_)/, NOT_SPLIT],
  [/^frontend\.(cache_|results_cache\.)/, NOT_CACHED],
  [/^frontend\.log_query_request_headers$/, 'the log of queries has no headers'],
  [/^frontend\.not_running_timeout$/, 'queries that come before the start is over get 503 at once'],
  [/^frontend\.(query_result_|extra_prop|instance_|address$|port$)/, ONE_FRONT],
  [
    /^limits\.ha_tracker_update_/,
    'the time is kept with each request, in memory that threads share',
  ],
  [/^limits\.ignore_ooo_exemplars$/, 'late exemplars are dropped without a word'],
  [/^limits\.out_of_order_blocks_external_/, 'blocks of late samples are compacted as all others'],
  [/^limits\.max_queriers_per_tenant$|^query_scheduler\.prior/, 'the queue is fair over tenants'],
  [/^limits\.prom2_range_compat$/, 'ranges are read as Prometheus 3 reads them'],
  [/^limits\.compactor_max_per_block_upload_/, 'files of a block go one after the other'],
  [/^limits\.store_gateway_tenant_shard_size_per_zone$/, 'store-gateways have no zones'],
  [/^limits\.s3_sse_/, 'encryption is set for a whole bucket, by its sse block'],
  [/\.native_aws_auth_enabled$/, 'keys come from the configuration or the environment'],
  [/\.s3\.trace$/, 'the client has no trace'],
  [/\.enable_upload_retries$/, 'who calls the client tries again'],
  [/\.http$|\.http\./, "the client is Node's own"],
  [/\.max_retries$/, 'who calls the client tries again'],
  [/^blocks_storage\.tsdb\.dir$|\.sync_dir$/, ONE_FOLDER],
  [/\.block_ranges_period$|\.bigger_out_of_order_/, 'blocks of heads are of two hours'],
  [/\.head_compaction_(concurrency|interval_jitter_enabled)$/, 'a shard cuts one head at a time'],
  [/\.head_chunks_end_time_variance$/, 'chunks end by their number of samples and their range'],
  [
    /\.wal_compression_enabled$|\.wal_segment_size_bytes$/,
    'the log is not that of Prometheus; wal has its keys',
  ],
  [
    /\.wal_replay_concurrency$|\.max_tsdb_opening_/,
    'tenants of a shard have one log, read in order',
  ],
  [/\.flush_blocks_on_shutdown$/, '/ingester/prepare-shutdown has heads cut at the stop'],
  [/\.close_idle_tsdb_timeout$/, 'a tenant without series holds nothing that could be closed'],
  [/\.memory_snapshot_on_shutdown$/, 'one is always taken'],
  [/\.out_of_order_capacity_/, 'late samples of a series wait in a buffer of fixed size'],
  [/\.timely_head_compaction_enabled$/, 'a head is cut when it spans more than three hours'],
  [/\.ignore_deletion_mark/, 'a block that is marked is not in the block list any more'],
  [/\.bucket_store\.max_concurrent/, 'the queue bounds how many queries run'],
  [/_concurrency$/, FIXED],
  [/\.bucket_index\./, 'a listing says what there is, the index spares reading descriptions'],
  [
    /\.metadata_cache\./,
    'one process has one block list in memory: descriptions are read once, and listed at a sync',
  ],
  [/\.(index_cache|chunks_cache)\./, 'store_gateway.cache_bytes is the one budget of caches'],
  [/\.index_header\.(lazy|eager)_/, 'a block is opened when it is first asked for'],
  [/\.index_header\./, 'headers in use are in memory, and checked as they are read'],
  [/\.(streaming_series_batch_size|batch_series_size|series_fetch_preference)$/, IN_PLACE],
  [/\.series_selection_strategy$/, IN_PLACE],
  [
    /sampling(_rate)?$|_sparse_index_headers|sparse_index_headers_/,
    'index-headers are made where they are used, in one way',
  ],
  [
    /^compactor\.consistency_delay$/,
    "a block's description is uploaded last: what is seen is whole",
  ],
  [/^compactor\.no_blocks_file_cleanup_/, 'files of a tenant go when the tenant is deleted'],
  [/^compactor\.max_lookback$/, 'every block is seen, whatever its age'],
  [/^store_gateway\.(en|dis)abled_tenants$/, 'store-gateways serve all tenants'],
  [/^runtime_config\.http_client_config$/, 'runtime files are read from the disk alone'],
  [/^activity_tracker\./, 'queries that run are listed over HTTP'],
]

/** Doc lines that say themselves what is not here. */
const SAYS_SO = /^There (is|are) |of Mimir\b|\bhere\.$|^Nothing is |^The log is local/

/** What is said where nothing is known; a test looks for it. */
export const NO_REASON = 'no reason'

/** Why a key without effect has none; '' where its doc line says so. */
export function whyIdle(key: string, doc: string): string {
  const why = REASONS.find(([pattern]) => pattern.test(key))?.[1]
  return why ?? (SAYS_SO.test(doc) ? '' : NO_REASON)
}
