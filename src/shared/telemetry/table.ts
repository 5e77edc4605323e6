/**
 * The table of the process' own metrics. Names, types and label names are Mimir's where the
 * meaning is; those of nilometer's own start with `nilo_`.
 */
export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** Label names, in the order in which values are given. */
  readonly labels: readonly string[]
  /** Upper bounds of a histogram's buckets, without +Inf. */
  readonly buckets?: readonly number[]
}

/** Every metric, by its name. */
export const METRICS = {
  nilo_http_unauthorized_total: {
    type: 'counter',
    help: 'Requests without a credential that is known.',
    labels: ['reason'],
  },
  nilo_http_credentials_last_reload_successful: {
    type: 'gauge',
    help: 'Whether the file of credentials could be read when it was last looked at.',
    labels: [],
  },
  cortex_distributor_received_samples_total: {
    type: 'counter',
    help: 'Samples received, after deduplication and validation.',
    labels: ['user'],
  },
  cortex_distributor_received_requests_total: {
    type: 'counter',
    help: 'Write requests received, after validation.',
    labels: ['user'],
  },
  cortex_distributor_requests_in_total: {
    type: 'counter',
    help: 'Write requests that came in, before validation.',
    labels: ['user'],
  },
  cortex_distributor_samples_in_total: {
    type: 'counter',
    help: 'Samples that came in, before validation.',
    labels: ['user'],
  },
  cortex_distributor_exemplars_in_total: {
    type: 'counter',
    help: 'Exemplars that came in, before validation.',
    labels: ['user'],
  },
  cortex_distributor_metadata_in_total: {
    type: 'counter',
    help: 'Metadata records that came in, before validation.',
    labels: ['user'],
  },
  cortex_distributor_deduped_samples_total: {
    type: 'counter',
    help: 'Samples of replicas that are not the elected one of their cluster.',
    labels: ['user', 'cluster'],
  },
  cortex_distributor_non_ha_samples_received_total: {
    type: 'counter',
    help: 'Samples from no HA cluster, of tenants whose clusters are de-duplicated.',
    labels: ['user'],
  },
  cortex_ha_tracker_elected_replica_changes_total: {
    type: 'counter',
    help: 'Elections of a replica.',
    labels: ['user', 'cluster'],
  },
  cortex_ha_tracker_elected_replica_timestamp_seconds: {
    type: 'gauge',
    help: 'When the elected replica was last heard of.',
    labels: ['user', 'cluster'],
  },
  cortex_discarded_requests_total: {
    type: 'counter',
    help: 'Push requests that were refused before they were read, by reason.',
    labels: ['reason', 'user'],
  },
  cortex_distributor_instance_rejected_requests_total: {
    type: 'counter',
    help: 'Push requests refused because of a limit of the whole process, by limit.',
    labels: ['reason'],
  },
  cortex_discarded_exemplars_total: {
    type: 'counter',
    help: 'Exemplars that were discarded, by reason.',
    labels: ['reason', 'user'],
  },
  cortex_discarded_metadata_total: {
    type: 'counter',
    help: 'Metadata records that were discarded, by reason.',
    labels: ['reason', 'user'],
  },
  nilo_distributor_body_bytes_total: {
    type: 'counter',
    help: 'Bytes of push bodies, compressed and decompressed.',
    labels: ['form'],
  },
  nilo_distributor_new_series_total: {
    type: 'counter',
    help: 'Series that were not in the cache, or not defined on their link.',
    labels: [],
  },
  cortex_discarded_samples_total: {
    type: 'counter',
    help: 'Samples that were discarded, by reason.',
    labels: ['reason', 'user'],
  },
  cortex_ingester_memory_series: {
    type: 'gauge',
    help: 'Series in memory.',
    labels: [],
  },
  cortex_ingester_active_series: {
    type: 'gauge',
    help: 'Series that had a sample within the idle timeout, per tenant.',
    labels: ['user'],
  },
  cortex_ingester_active_series_custom_tracker: {
    type: 'gauge',
    help: 'Those of them that match a custom tracker of the tenant.',
    labels: ['user', 'name'],
  },
  cortex_ingester_memory_series_created_total: {
    type: 'counter',
    help: 'Series created, per tenant.',
    labels: ['user'],
  },
  cortex_ingester_memory_series_removed_total: {
    type: 'counter',
    help: 'Series removed, per tenant: all their samples are in blocks.',
    labels: ['user'],
  },
  cortex_ingester_tsdb_compactions_total: {
    type: 'counter',
    help: 'Cuts of blocks from heads.',
    labels: [],
  },
  cortex_ingester_tsdb_compactions_failed_total: {
    type: 'counter',
    help: 'Cuts of blocks from heads that failed; they are tried again.',
    labels: [],
  },
  cortex_ingester_tsdb_compaction_duration_seconds: {
    type: 'histogram',
    help: 'How long cuts take, from the decision to the head being smaller.',
    labels: [],
    buckets: [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600],
  },
  nilo_ingester_head_min_timestamp_seconds: {
    type: 'gauge',
    help: 'Time of the oldest sample in order in the heads of a shard; 0 without any.',
    labels: ['ingester'],
  },
  nilo_ingester_head_max_timestamp_seconds: {
    type: 'gauge',
    help: 'Time of the newest sample of the heads of a shard; 0 without any.',
    labels: ['ingester'],
  },
  cortex_ingester_ingested_samples_total: {
    type: 'counter',
    help: 'Samples ingested, per tenant.',
    labels: ['user'],
  },
  cortex_ingester_tsdb_out_of_order_samples_appended_total: {
    type: 'counter',
    help: 'Samples ingested out of order, per tenant; they count as ingested as well.',
    labels: ['user'],
  },
  cortex_ingester_memory_users: {
    type: 'gauge',
    help: 'Tenants with series in memory.',
    labels: [],
  },
  cortex_ingester_tsdb_wal_corruptions_total: {
    type: 'counter',
    help: 'Damaged places found in the log at start.',
    labels: [],
  },
  cortex_ingester_tsdb_wal_writes_failed_total: {
    type: 'counter',
    help: 'Writes and syncs of the log that failed.',
    labels: [],
  },
  nilo_ingester_wal_written_bytes_total: {
    type: 'counter',
    help: 'Bytes written to the log.',
    labels: [],
  },
  nilo_ingester_unbound_frames_total: {
    type: 'counter',
    help: 'Frames refused since they named series ids that their link had not defined.',
    labels: [],
  },
  nilo_distributor_replicas_left_behind_total: {
    type: 'counter',
    help: 'Times that a distributor went on without a replica that took no frames.',
    labels: ['shard'],
  },
  nilo_store_gateway_pages_total: {
    type: 'counter',
    help: 'Pages of remote blocks that were asked for, by whether the cache, or local disk, had them.',
    labels: ['result'],
  },
  nilo_store_gateway_page_files_damaged_total: {
    type: 'counter',
    help: 'Pages of remote blocks on local disk that were not as they had been written.',
    labels: [],
  },
  nilo_store_gateway_gets_total: {
    type: 'counter',
    help: 'Ranges of remote blocks that were got from the bucket.',
    labels: [],
  },
  nilo_store_gateway_got_bytes_total: {
    type: 'counter',
    help: 'Bytes of those ranges.',
    labels: [],
  },
  cortex_bucket_stores_blocks_last_successful_sync_timestamp_seconds: {
    type: 'gauge',
    help: 'When the bucket was last read in full.',
    labels: [],
  },
  nilo_compactor_task_failures_total: {
    type: 'counter',
    help: 'Runs of compactor tasks that failed.',
    labels: ['task'],
  },
  nilo_compactor_paused_seconds_total: {
    type: 'counter',
    help: 'Time for which compactors stood back because pushes were being taken.',
    labels: [],
  },
  nilo_ingester_memory_bytes: {
    type: 'gauge',
    help: 'Bytes handed out of the memory of a shard.',
    labels: ['ingester'],
  },
  nilo_ingester_refuses_new_series: {
    type: 'gauge',
    help: '1 while a shard takes no new series, since the memory limit is near.',
    labels: ['ingester'],
  },
  nilo_memory_limit_bytes: {
    type: 'gauge',
    help: 'The memory limit, memory_limit or its default.',
    labels: [],
  },
  nilo_memory_claimed_bytes: {
    type: 'gauge',
    help: 'Memory that the threads have claimed, by purpose.',
    labels: ['purpose'],
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    help: 'Resident memory of the process.',
    labels: [],
  },
  nilo_ingester_damage_total: {
    type: 'counter',
    help: 'Damaged or missing parts of its data that a shard met, at its start and in chunk files since; /debug/damage lists them.',
    labels: ['ingester', 'reason'],
  },
  nilo_ingester_snapshots_total: {
    type: 'counter',
    help: 'Snapshots of its head that a shard has put on disk.',
    labels: ['ingester'],
  },
  nilo_ingester_snapshots_failed_total: {
    type: 'counter',
    help: 'Snapshots that could not be taken.',
    labels: ['ingester'],
  },
  nilo_ingester_snapshot_bytes: {
    type: 'gauge',
    help: 'Size of the newest snapshot.',
    labels: ['ingester'],
  },
  nilo_ingester_chunks_spilled_total: {
    type: 'counter',
    help: 'Closed chunks that a shard has moved from memory to its chunk files.',
    labels: ['ingester'],
  },
  nilo_ingester_chunk_spills_failed_total: {
    type: 'counter',
    help: 'Times that chunks could not be moved to a chunk file.',
    labels: ['ingester'],
  },
  nilo_ingester_chunk_file_bytes: {
    type: 'gauge',
    help: 'Size of the chunk files of a shard.',
    labels: ['ingester'],
  },
  nilo_ingester_replay_ratio: {
    type: 'gauge',
    help: 'How much of its log a shard has replayed.',
    labels: ['ingester'],
  },
  nilo_ingester_replay_seconds: {
    type: 'gauge',
    help: 'Time that the replay took at the start of a shard.',
    labels: ['ingester'],
  },
  cortex_runtime_config_last_reload_successful: {
    type: 'gauge',
    help: '1 when the runtime configuration on disk is in force, 0 while an earlier one is.',
    labels: [],
  },
  cortex_runtime_config_hash: {
    type: 'gauge',
    help: '1 for the hash of the runtime configuration in force.',
    labels: ['sha256'],
  },
  cortex_limits_defaults: {
    type: 'gauge',
    help: 'Limits of tenants without overrides; durations in seconds.',
    labels: ['limit_name'],
  },
  cortex_limits_overrides: {
    type: 'gauge',
    help: 'Limits of tenants with overrides; durations in seconds.',
    labels: ['limit_name', 'user'],
  },
  cortex_ring_members: {
    type: 'gauge',
    help: 'Members of a ring by state.',
    labels: ['name', 'state'],
  },
  cortex_ring_oldest_member_timestamp: {
    type: 'gauge',
    help: 'When the member that has been silent for longest was last heard of, by state; 0 without one.',
    labels: ['name', 'state'],
  },
  cortex_ring_tokens_total: {
    type: 'gauge',
    help: 'Tokens of a ring.',
    labels: ['name'],
  },
  nilo_actor_call_duration_seconds: {
    type: 'histogram',
    help: 'Time that calls between actors took, by the actor called.',
    labels: ['actor'],
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
  },
  nilo_actor_restarts_total: {
    type: 'counter',
    help: 'Restarts of actors after a crash.',
    labels: ['actor'],
  },
  nilo_ringbuf_stalls_total: {
    type: 'counter',
    help: 'Frames that found no room in a ring buffer at first, by link.',
    labels: ['link'],
  },
  nilo_ringbuf_frames_total: {
    type: 'counter',
    help: 'Frames passed through ring buffers, by link.',
    labels: ['link'],
  },
  nilo_ringbuf_wakes_total: {
    type: 'counter',
    help: 'Doorbell messages posted to sleeping readers, by link.',
    labels: ['link'],
  },
  nilo_actor_young_gcs_total: {
    type: 'counter',
    help: 'Collections of the new space of an actor thread.',
    labels: ['actor'],
  },
  cortex_request_duration_seconds: {
    type: 'histogram',
    help: 'Time (in seconds) spent serving HTTP requests.',
    labels: ['method', 'route', 'status_code', 'ws'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100],
  },
  cortex_inflight_requests: {
    type: 'gauge',
    help: 'Current number of inflight requests.',
    labels: ['method', 'route'],
  },
  cortex_distributor_inflight_push_requests: {
    type: 'gauge',
    help: 'Push requests in flight, bodies still arriving included.',
    labels: [],
  },
  cortex_distributor_inflight_push_requests_bytes: {
    type: 'gauge',
    help: 'Bytes of the push requests in flight.',
    labels: [],
  },
  cortex_query_frontend_queue_length: {
    type: 'gauge',
    help: 'Queries waiting for a querier thread.',
    labels: [],
  },
  cortex_query_frontend_queue_duration_seconds: {
    type: 'histogram',
    help: 'Time that queries waited for a querier thread.',
    labels: [],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  cortex_query_frontend_queries_total: {
    type: 'counter',
    help: 'Queries received, per kind and tenant.',
    labels: ['op', 'user'],
  },
  cortex_query_frontend_rejected_queries_total: {
    type: 'counter',
    help: 'Queries refused by the rules of their tenant: blocked, limited.',
    labels: ['user', 'reason'],
  },
  cortex_query_scheduler_discarded_requests_total: {
    type: 'counter',
    help: 'Queries refused because too many of the tenant were waiting.',
    labels: ['user'],
  },
  cortex_query_samples_processed_total: {
    type: 'counter',
    help: 'Samples read by queries, per tenant.',
    labels: ['user'],
  },
  cortex_query_fetched_series_total: {
    type: 'counter',
    help: 'Series read by queries, per tenant.',
    labels: ['user'],
  },
  cortex_compactor_runs_started_total: {
    type: 'counter',
    help: 'Runs of the compactor over all tenants that began.',
    labels: [],
  },
  cortex_compactor_runs_completed_total: {
    type: 'counter',
    help: 'Runs of the compactor that did all they had to.',
    labels: [],
  },
  cortex_compactor_runs_failed_total: {
    type: 'counter',
    help: 'Runs of the compactor with an error, by reason.',
    labels: ['reason'],
  },
  cortex_compactor_last_successful_run_timestamp_seconds: {
    type: 'gauge',
    help: 'When the compactor last did all it had to.',
    labels: [],
  },
  cortex_compactor_tenants_discovered: {
    type: 'gauge',
    help: 'Tenants that the last run found in the bucket.',
    labels: [],
  },
  cortex_compactor_tenants_skipped: {
    type: 'gauge',
    help: 'Tenants that the last run left to others.',
    labels: [],
  },
  cortex_compactor_tenants_processing_succeeded: {
    type: 'gauge',
    help: 'Tenants that the last run compacted.',
    labels: [],
  },
  cortex_compactor_tenants_processing_failed: {
    type: 'gauge',
    help: 'Tenants that the last run failed on.',
    labels: [],
  },
  cortex_compactor_meta_syncs_total: {
    type: 'counter',
    help: 'Times that a tenant was read before its compactions were planned.',
    labels: [],
  },
  cortex_compactor_group_compactions_total: {
    type: 'counter',
    help: 'Compactions done.',
    labels: [],
  },
  cortex_compactor_group_compaction_runs_started_total: {
    type: 'counter',
    help: 'Compactions that began.',
    labels: [],
  },
  cortex_compactor_group_compaction_runs_completed_total: {
    type: 'counter',
    help: 'Compactions that came to their end.',
    labels: [],
  },
  cortex_compactor_group_compactions_failures_total: {
    type: 'counter',
    help: 'Compactions that failed.',
    labels: [],
  },
  cortex_compactor_disk_out_of_space_errors_total: {
    type: 'counter',
    help: 'Compactions that were not begun for want of disk space.',
    labels: [],
  },
  cortex_compactor_blocks_marked_for_no_compaction_total: {
    type: 'counter',
    help: 'Damaged blocks that were kept out of compactions, by reason.',
    labels: ['reason'],
  },
  prometheus_tsdb_compaction_duration_seconds: {
    type: 'histogram',
    help: 'Time that compactions took.',
    labels: [],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192],
  },
  nilo_compactor_planned_jobs: {
    type: 'gauge',
    help: 'Compactions that can be done now.',
    labels: ['user'],
  },
  thanos_store_index_cache_requests_total: {
    type: 'counter',
    help: 'Total number of requests to the cache.',
    labels: ['item_type'],
  },
  thanos_store_index_cache_hits_total: {
    type: 'counter',
    help: 'Total number of requests to the cache that were a hit.',
    labels: ['item_type'],
  },
  thanos_objstore_bucket_operations_total: {
    type: 'counter',
    help: 'Operations against a bucket, every try counted.',
    labels: ['operation', 'component', 'bucket'],
  },
  thanos_objstore_bucket_operation_failures_total: {
    type: 'counter',
    help: 'Operations against a bucket that failed; missing objects are no failures.',
    labels: ['operation', 'component', 'bucket'],
  },
  thanos_objstore_bucket_operation_duration_seconds: {
    type: 'histogram',
    help: 'Time that operations against a bucket took.',
    labels: ['operation', 'component', 'bucket'],
    buckets: [0.001, 0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120],
  },
  cortex_ingester_shipper_uploads_total: {
    type: 'counter',
    help: 'Uploads of blocks that were begun.',
    labels: [],
  },
  cortex_ingester_shipper_upload_failures_total: {
    type: 'counter',
    help: 'Uploads of blocks that failed; they are tried again.',
    labels: [],
  },
  cortex_ingester_shipper_last_successful_upload_timestamp_seconds: {
    type: 'gauge',
    help: 'When a block was uploaded last.',
    labels: [],
  },
  cortex_ingester_oldest_unshipped_block_timestamp_seconds: {
    type: 'gauge',
    help: 'Start of the oldest block that is not uploaded; 0 when all are.',
    labels: [],
  },
  cortex_compactor_block_cleanup_started_total: {
    type: 'counter',
    help: 'Runs of the cleaner that began.',
    labels: [],
  },
  cortex_compactor_block_cleanup_completed_total: {
    type: 'counter',
    help: 'Runs of the cleaner that did all they had to.',
    labels: [],
  },
  cortex_compactor_block_cleanup_failed_total: {
    type: 'counter',
    help: 'Runs of the cleaner with an error.',
    labels: [],
  },
  cortex_compactor_block_cleanup_last_successful_run_timestamp_seconds: {
    type: 'gauge',
    help: 'When the cleaner last did all it had to.',
    labels: [],
  },
  cortex_compactor_blocks_cleaned_total: {
    type: 'counter',
    help: 'Blocks deleted.',
    labels: [],
  },
  cortex_compactor_block_cleanup_failures_total: {
    type: 'counter',
    help: 'Deletions of blocks that failed; they are tried again.',
    labels: [],
  },
  cortex_compactor_blocks_marked_for_deletion_total: {
    type: 'counter',
    help: 'Blocks marked for deletion, by reason.',
    labels: ['reason'],
  },
  cortex_bucket_blocks_count: {
    type: 'gauge',
    help: 'Blocks in the bucket, those marked for deletion included.',
    labels: ['user'],
  },
  cortex_bucket_blocks_marked_for_deletion_count: {
    type: 'gauge',
    help: 'Blocks in the bucket that are marked for deletion.',
    labels: ['user'],
  },
  cortex_bucket_blocks_marked_for_no_compaction_count: {
    type: 'gauge',
    help: 'Blocks in the bucket that are kept out of compactions.',
    labels: ['user'],
  },
  cortex_bucket_blocks_partials_count: {
    type: 'gauge',
    help: 'Blocks in the bucket without a meta.json that can be read.',
    labels: ['user'],
  },
  cortex_bucket_index_last_successful_update_timestamp_seconds: {
    type: 'gauge',
    help: 'When the bucket index was written last.',
    labels: ['user'],
  },
} as const satisfies Record<string, MetricRow>

/** Name of a metric in the table. */
export type MetricName = keyof typeof METRICS
