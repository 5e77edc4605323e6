/**
 * Rows of storage and of the parts that work on it: buckets, TSDB, bucket store, compactor,
 * store-gateway, ruler, Alertmanager, and the rings they share. All are accepted and checked, so
 * that files written for Mimir load; issues to come give them effect.
 */
import {
  bool,
  choice,
  duration,
  durations,
  float,
  int,
  list,
  open,
  size,
  text,
  under,
  used,
} from './row.js'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const MIB = 1024 * 1024
const USED = { effect: 'yes' } as const
const ONE_PROCESS = 'There is one process and no ring.'

/** A ring's block, without effect but for the ingesters' replication factor. */
export const RING = {
  replication_factor: int(3, ONE_PROCESS, { least: 1 }),
  num_tokens: int(128, ONE_PROCESS),
  kvstore: open(ONE_PROCESS, { flag: '' }),
  heartbeat_period: duration(15 * SECOND, ONE_PROCESS),
  heartbeat_timeout: duration(MINUTE, ONE_PROCESS),
  auto_forget_unhealthy_periods: int(10, ONE_PROCESS),
  tokens_file_path: text('', ONE_PROCESS),
  zone_awareness_enabled: bool(false, ONE_PROCESS),
  excluded_zones: list([], ONE_PROCESS),
  unregister_on_shutdown: bool(true, ONE_PROCESS),
  observe_period: duration(0, ONE_PROCESS),
  min_ready_duration: duration(15 * SECOND, ONE_PROCESS),
  final_sleep: duration(0, ONE_PROCESS),
  token_generation_strategy: text('random', ONE_PROCESS),
  spread_minimizing_zones: list([], ONE_PROCESS),
  spread_minimizing_join_ring_in_order: bool(false, ONE_PROCESS),
  wait_stability_min_duration: duration(0, ONE_PROCESS),
  wait_stability_max_duration: duration(5 * MINUTE, ONE_PROCESS),
  wait_active_instance_timeout: duration(10 * MINUTE, ONE_PROCESS),
  instance_id: text('', ONE_PROCESS),
  instance_interface_names: list([], ONE_PROCESS),
  instance_port: int(0, ONE_PROCESS),
  instance_addr: text('', ONE_PROCESS),
  instance_enable_ipv6: bool(false, ONE_PROCESS),
  instance_availability_zone: text('', ONE_PROCESS),
} as const

/** The same where the ring is of actors that are there. */
export const ACTOR_RING = {
  ...RING,
  heartbeat_timeout: duration(MINUTE, 'Silence after which a member is shown as unhealthy.', USED),
  auto_forget_unhealthy_periods: int(
    10,
    'Such times after which it is forgotten; 0 = never.',
    USED,
  ),
} as const

const S3 = {
  endpoint: text('', 'Host and port of the service, without scheme.'),
  region: text('', 'Region.'),
  bucket_name: text('', 'Bucket.'),
  access_key_id: text('', 'Key; empty = from the environment.', { isSecret: true }),
  secret_access_key: text('', 'Secret of the key.', { isSecret: true }),
  session_token: text('', 'Token of the session.', { isSecret: true }),
  insecure: bool(false, 'Plain HTTP.'),
  signature_version: choice(['v4', 'v2'], 'v4', 'Signature.'),
  list_objects_version: text('', 'Version of the list call.'),
  bucket_lookup_type: choice(
    ['auto', 'path', 'virtual-hosted'],
    'auto',
    'Where the bucket is named.',
  ),
  dualstack_enabled: bool(true, 'Use dual-stack endpoints.'),
  storage_class: text('', 'Storage class.'),
  native_aws_auth_enabled: bool(false, 'Credentials from the environment.'),
  part_size: size(0, 'Bytes of a part of a large object; 0 = 64 MiB.'),
  send_content_md5: bool(false, 'Send Content-MD5.'),
  sts_endpoint: text('', 'Address of the token service.'),
  max_retries: int(10, 'Tries of a request.'),
  'sse.type': text('', 'Encryption.'),
  'sse.kms_key_id': text('', 'Key of that.'),
  'sse.kms_encryption_context': text('', 'Context of that.'),
  http: open('HTTP client.', { flag: '' }),
  trace: open('Tracing of the client.', { flag: '' }),
} as const

const BUCKET = {
  backend: choice(
    ['filesystem', 's3', 'gcs', 'azure', 'swift'],
    'filesystem',
    'Where blocks are kept.',
  ),
  storage_prefix: text('', 'Prefix of all objects; letters and digits.'),
  'filesystem.dir': text('blocks', 'Folder of the bucket, below data.dir unless absolute.'),
  ...under('s3', S3),
  ...under('gcs', {
    bucket_name: text('', 'Bucket.'),
    service_account: text('', 'Account, JSON.', { isSecret: true }),
    endpoint: text(
      '',
      "Address of the service where it is not Google's; no token is sent then, unless service_account is given.",
    ),
    enable_upload_retries: bool(false, 'Try uploads again.'),
    max_retries: int(20, 'Tries of a request.'),
    http: open('HTTP client.', { flag: '' }),
  }),
  ...under('azure', {
    account_name: text('', 'Account.'),
    account_key: text('', 'Key of the account.', { isSecret: true }),
    connection_string: text('', 'Connection string.', { isSecret: true }),
    container_name: text('', 'Container.'),
    endpoint_suffix: text('', 'Suffix of the address.'),
    max_retries: int(3, 'Tries of a request.'),
    user_assigned_id: text('', "Client id of one of the machine's identities."),
    http: open('HTTP client.', { flag: '' }),
  }),
  swift: open('OpenStack Swift.'),
} as const

const TSDB = {
  dir: text('./tsdb/', 'Local heads and logs; below data.dir here.'),
  block_ranges_period: durations([2 * HOUR], 'Length of a block.'),
  retention_period: duration(13 * HOUR, 'How long shipped blocks stay local.', USED),
  ship_interval: duration(MINUTE, 'How often blocks are shipped.', USED),
  ship_concurrency: int(10, 'Tenants shipped at once.', USED),
  head_compaction_interval: duration(MINUTE, 'How often it is looked whether to cut blocks.', USED),
  head_compaction_interval_jitter_enabled: bool(true, 'Jitter of that.'),
  head_compaction_concurrency: int(1, 'Heads compacted at once.'),
  head_compaction_idle_timeout: duration(HOUR, 'When the head of a quiet tenant is cut.', USED),
  head_chunks_write_buffer_size_bytes: size(4 * MIB, 'Buffer of Mimir.'),
  head_chunks_write_queue_size: int(1_000_000, 'Queue of Mimir.'),
  head_chunks_end_time_variance: float(0, 'Spread of chunk ends.'),
  stripe_size: int(16384, 'Lock stripes of Mimir.'),
  wal_compression_enabled: bool(false, 'Compress the log.'),
  wal_segment_size_bytes: size(128 * MIB, 'Segment of the log.'),
  wal_replay_concurrency: int(0, 'Heads replayed at once.'),
  flush_blocks_on_shutdown: bool(false, 'Ship all at stop.'),
  close_idle_tsdb_timeout: duration(13 * HOUR, 'When an idle head is closed.'),
  memory_snapshot_on_shutdown: bool(false, 'Snapshot at stop: always taken here.'),
  series_hash_cache_max_size_bytes: size(1024 * MIB, 'Cache of Mimir.'),
  max_tsdb_opening_concurrency_on_startup: int(10, 'Heads opened at once.'),
  out_of_order_capacity_min: int(4, 'Samples of an out-of-order chunk, least.'),
  out_of_order_capacity_max: int(32, 'Samples of an out-of-order chunk, most.'),
  early_head_compaction_min_in_memory_series: int(
    0,
    'Series in memory from which heads are cut early; 0 = never. Active series must be counted.',
    USED,
  ),
  early_head_compaction_min_estimated_series_reduction_percentage: int(
    15,
    'Per cent of series that are not active any more from which it is worth it.',
    USED,
  ),
  timely_head_compaction_enabled: bool(false, 'Compact as soon as a range is over.'),
  bigger_out_of_order_blocks_for_old_samples: bool(false, 'Longer blocks for old samples.'),
  head_postings_for_matchers_cache_ttl: duration(10 * SECOND, 'Cache of Mimir.'),
  head_postings_for_matchers_cache_force: bool(false, 'Cache of Mimir.'),
  head_postings_for_matchers_cache: open('Cache of Mimir.'),
  block_postings_for_matchers_cache: open('Cache of Mimir.'),
  block_postings_for_matchers_cache_ttl: duration(10 * SECOND, 'Cache of Mimir.'),
  block_postings_for_matchers_cache_force: bool(false, 'Cache of Mimir.'),
  index_lookup_planning: open('Planner of Mimir.'),
} as const

const CACHE_BACKEND = ['', 'inmemory', 'memcached', 'redis'] as const

const BUCKET_STORE = {
  sync_dir: text('./tsdb-sync/', 'Local index headers; below data.dir here.'),
  sync_interval: duration(15 * MINUTE, 'How often the bucket is looked at.', { effect: 'yes' }),
  max_concurrent: int(200, 'Queries at once.'),
  max_concurrent_queue_timeout: duration(5 * SECOND, 'Wait for a place.'),
  tenant_sync_concurrency: int(1, 'Tenants looked at, at once.'),
  block_sync_concurrency: int(4, 'Blocks opened at once.'),
  meta_sync_concurrency: int(20, 'Block descriptions read at once.'),
  ignore_blocks_within: duration(10 * HOUR, 'Every complete block is asked, whatever its age.'),
  ignore_deletion_mark_delay: duration(HOUR, 'Marked blocks are asked for so long.', {
    flag: 'blocks-storage.bucket-store.ignore-deletion-marks-delay',
  }),
  ignore_deletion_mark_while_querying_delay: duration(50 * MINUTE, 'The same while querying.', {
    flag: 'blocks-storage.bucket-store.ignore-deletion-marks-while-querying-delay',
  }),
  ...under('bucket_index', {
    enabled: bool(true, 'Use the bucket index.'),
    update_on_error_interval: duration(MINUTE, 'Wait after an error.'),
    idle_timeout: duration(HOUR, 'When an idle index is dropped.'),
    max_stale_period: duration(HOUR, 'Age from which queries fail.'),
  }),
  'index_cache.backend': choice(CACHE_BACKEND, 'inmemory', 'Where index parts are cached.'),
  'index_cache.inmemory.max_size_bytes': size(1024 * MIB, 'Size of that cache.'),
  'index_cache.memcached': open('There is no memcached client.'),
  'chunks_cache.backend': choice(CACHE_BACKEND, '', 'Where chunks are cached.'),
  'chunks_cache.memcached': open('There is no memcached client.'),
  'chunks_cache.attributes_ttl': duration(168 * HOUR, 'How long attributes are cached.'),
  'chunks_cache.attributes_in_memory_max_items': int(50_000, 'How many attributes are cached.'),
  'chunks_cache.subrange_ttl': duration(24 * HOUR, 'How long parts are cached.'),
  'chunks_cache.max_get_range_requests': int(3, 'Requests of a read.'),
  'metadata_cache.backend': choice(CACHE_BACKEND, '', 'Where metadata is cached.'),
  'metadata_cache.memcached': open('There is no memcached client.'),
  'index_header.max_idle_file_handles': int(1, 'Idle handles of a header.'),
  'index_header.lazy_loading_enabled': bool(true, 'Open headers on use.'),
  'index_header.lazy_loading_idle_timeout': duration(HOUR, 'When an idle header is closed.', {
    effect: 'yes',
  }),
  'index_header.lazy_loading_concurrency': int(4, 'Remote blocks opened at once.', {
    effect: 'yes',
  }),
  'index_header.lazy_loading_concurrency_queue_timeout': duration(5 * SECOND, 'Wait for that.'),
  'index_header.eager_loading_startup_enabled': bool(true, 'Open at start what was open.'),
  'index_header.verify_on_load': bool(false, 'Check headers on opening.'),
  partitioner_max_gap_bytes: size(512 * 1024, 'Gap that two reads are joined over.', {
    effect: 'yes',
  }),
  streaming_series_batch_size: int(5000, 'Series of a batch.'),
  series_fetch_preference: float(0.75, 'Choice of lookup.', {
    flag: 'blocks-storage.bucket-store.series-fetch-preference',
  }),
  series_selection_strategy: open('Choice of lookup.'),
  series_hash_cache_max_size_bytes: size(1024 * MIB, 'Cache of Mimir.'),
  postings_offsets_in_mem_sampling: int(32, 'One of so many offsets is kept.'),
  batch_series_size: int(5000, 'Series of a batch.'),
} as const

const COMPACTOR = {
  block_ranges: durations([2 * HOUR, 12 * HOUR, 24 * HOUR], 'Lengths of compacted blocks.', USED),
  data_dir: text('./data-compactor/', 'Scratch folder; below data.dir here.', USED),
  compaction_interval: duration(HOUR, 'How often it runs.', USED),
  compaction_concurrency: int(1, 'Compactions at once.', USED),
  compaction_retries: int(3, 'Tries of a compaction.', USED),
  first_level_compaction_wait_period: duration(25 * MINUTE, 'Age of blocks to compact.', USED),
  cleanup_interval: duration(15 * MINUTE, 'How often the bucket is cleaned.', USED),
  cleanup_concurrency: int(20, 'Tenants cleaned at once.', USED),
  deletion_delay: duration(12 * HOUR, 'From mark to deletion.', USED),
  tenant_cleanup_delay: duration(6 * HOUR, 'From the last block to the last file.', USED),
  max_compaction_time: duration(HOUR, 'Longest run of a tenant.', USED),
  max_opening_blocks_concurrency: int(1, 'Blocks opened at once.'),
  max_closing_blocks_concurrency: int(1, 'Blocks closed at once.'),
  symbols_flushers_concurrency: int(1, 'Symbol writers at once.'),
  max_block_upload_validation_concurrency: int(1, 'Uploads checked at once.', USED),
  update_blocks_concurrency: int(1, 'Updates at once.'),
  block_sync_concurrency: int(8, 'Blocks fetched at once.'),
  meta_sync_concurrency: int(20, 'Block descriptions read at once.', USED),
  consistency_delay: duration(0, 'Age of blocks that are seen.'),
  no_blocks_file_cleanup_enabled: bool(false, 'Remove files of tenants without blocks.'),
  upload_sparse_index_headers: bool(false, 'Upload index headers.'),
  sparse_index_headers_sampling_rate: int(32, 'One of so many offsets is kept.'),
  sparse_index_headers_config: open('Headers of Mimir.'),
  compaction_jobs_order: choice(
    ['smallest-range-oldest-blocks-first', 'newest-blocks-first'],
    'smallest-range-oldest-blocks-first',
    'Order of jobs.',
    USED,
  ),
  enabled_tenants: list([], 'Only these tenants.', USED),
  disabled_tenants: list([], 'Not these tenants.', USED),
  in_memory_tenant_meta_cache_size: int(0, 'Cache of Mimir.'),
  max_lookback: duration(0, 'Age up to which blocks are seen.', { flag: '' }),
  uploaded_blocks_cleanup: open('Cleaning of Mimir.'),
  scheduler_client: open('There is no separate scheduler.'),
  planning_mode: text('standalone', 'There is no separate scheduler.'),
  ...under('sharding_ring', ACTOR_RING),
} as const

const RULER = {
  external_url: text('', 'Address in alerts.', { flag: 'ruler.external.url' }),
  client: open('There is no gRPC client.'),
  evaluation_interval: duration(MINUTE, 'Interval of groups that give none.'),
  poll_interval: duration(10 * MINUTE, 'How often rules are loaded.'),
  rule_path: text('./data-ruler/', 'Folder of rule files; below data.dir here.'),
  alertmanager_url: text('', 'Where alerts go.'),
  alertmanager_refresh_interval: duration(MINUTE, 'How often its name is resolved.'),
  alertmanager_client: open('Client of the Alertmanager.'),
  notification_queue_capacity: int(10_000, 'Alerts that wait.'),
  notification_timeout: duration(10 * SECOND, 'Longest notification.'),
  max_notification_batch_size: int(256, 'Alerts of a notification.'),
  for_outage_tolerance: duration(HOUR, 'Outage over which `for` lives on.'),
  for_grace_period: duration(2 * MINUTE, 'Least wait after that.'),
  resend_delay: duration(MINUTE, 'When an alert is sent again.'),
  enable_api: bool(true, 'Serve the rules API.'),
  enabled_tenants: list([], 'Only these tenants.'),
  disabled_tenants: list([], 'Not these tenants.'),
  query_stats_enabled: bool(false, 'Log statistics of rules.'),
  query_frontend: open('Rules are evaluated here.'),
  'tenant_federation.enabled': bool(false, 'Rules over several tenants.'),
  outbound_sync_queue_poll_interval: duration(10 * SECOND, 'How often changes are told.'),
  inbound_sync_queue_poll_interval: duration(10 * SECOND, 'How often they are taken.'),
  max_independent_rule_evaluation_concurrency: int(0, 'Rules evaluated at once.'),
  independent_rule_evaluation_concurrency_min_duration_percentage: float(50, 'When.'),
  rule_evaluation_write_enabled: bool(true, 'Write results.'),
  ...under('ring', RING),
} as const

const ALERTMANAGER = {
  data_dir: text('./data-alertmanager/', 'Local state; below data.dir here.', {
    flag: 'alertmanager.storage.path',
  }),
  retention: duration(120 * HOUR, 'How long state is kept.', {
    flag: 'alertmanager.storage.retention',
  }),
  external_url: text('http://localhost:8080/alertmanager', 'Its address.', {
    flag: 'alertmanager.web.external-url',
  }),
  poll_interval: duration(15 * SECOND, 'How often configurations are loaded.', {
    flag: 'alertmanager.configs.poll-interval',
  }),
  persist_interval: duration(15 * MINUTE, 'How often state is saved.'),
  peer_timeout: duration(15 * SECOND, 'Wait of the next replica.'),
  fallback_config_file: text('', 'Configuration of tenants without one.', {
    flag: 'alertmanager.configs.fallback',
  }),
  grafana_alertmanager_compatibility_enabled: bool(false, 'Grafana configurations.'),
  max_recv_msg_size: size(100 * MIB, 'Largest request.'),
  enable_api: bool(true, 'Serve its API.'),
  enable_state_cleanup: bool(true, 'Remove state of gone tenants.'),
  utf8_strict_mode: bool(false, 'UTF-8 matchers only.', {
    flag: 'alertmanager.utf8-strict-mode-enabled',
  }),
  utf8_migration_logging: bool(false, 'Log differences.', {
    flag: 'alertmanager.utf8-migration-logging-enabled',
  }),
  log_parsing_label_matchers: bool(false, 'Log parsing.'),
  max_concurrent_get_requests_per_tenant: int(0, 'Reads at once; 0 = any.'),
  strict_initialization: bool(false, 'Initialise all at start.'),
  enabled_tenants: list([], 'Only these tenants.'),
  disabled_tenants: list([], 'Not these tenants.'),
  alertmanager_client: open('There is no gRPC client.'),
  ...under('sharding_ring', RING),
} as const

const RULE_BACKEND = ['filesystem', 'local', 's3', 'gcs', 'azure', 'swift'] as const

const RULES_BUCKET = {
  ...BUCKET,
  backend: choice(RULE_BACKEND, 'filesystem', 'Where they are kept.'),
  'local.directory': text('', 'Read-only folder, one below it per tenant.'),
  'local.path': text('', 'Read-only folder, one file per tenant.'),
  cache: open('There is no memcached client.'),
} as const

/** What a bucket client of ours has no use for. */
const BLOCKS_BUCKET = {
  ...used(BUCKET),
  's3.native_aws_auth_enabled': BUCKET['s3.native_aws_auth_enabled'],
  's3.trace': BUCKET['s3.trace'],
  'gcs.enable_upload_retries': BUCKET['gcs.enable_upload_retries'],
  'azure.http': BUCKET['azure.http'],
} as const

/** Rows of all blocks of this file, with their prefixes. */
export const STORAGE = {
  ...under('blocks_storage', BLOCKS_BUCKET),
  ...under('blocks_storage.tsdb', TSDB),
  ...under('blocks_storage.bucket_store', BUCKET_STORE),
  ...under('common.storage', BLOCKS_BUCKET),
  'common.client_cluster_validation': open(ONE_PROCESS),
  ...under('compactor', COMPACTOR),
  ...under('store_gateway.sharding_ring', ACTOR_RING),
  'store_gateway.cache_bytes': size(
    256 * MIB,
    'Bytes of blocks of remote buckets, index and chunks, kept in memory.',
    { effect: 'yes' },
  ),
  'store_gateway.disk_cache_bytes': size(
    0,
    'Bytes of them that each store-gateway keeps on local disk besides, over restarts too; 0: none.',
    { effect: 'yes' },
  ),
  'store_gateway.dynamic_replication': open(ONE_PROCESS),
  'store_gateway.enabled_tenants': list([], 'Only these tenants.'),
  'store_gateway.disabled_tenants': list([], 'Not these tenants.'),
  ...under('ruler', RULER),
  ...under('ruler_storage', RULES_BUCKET),
  ...under('alertmanager', ALERTMANAGER),
  ...under('alertmanager_storage', RULES_BUCKET),
} as const
