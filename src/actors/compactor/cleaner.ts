/**
 * Keeps the bucket in order, a tenant at a time, as Mimir's cleaner does: blocks past the tenant's
 * retention are marked, marked blocks are deleted when their delay is over, blocks that never got a
 * meta.json go, tenants that are to be deleted go, and the bucket index is written anew. Everything
 * is found again after a crash: nothing is kept here but counts.
 */
import {
  type BucketIndex,
  type BucketScan,
  blockKey,
  bucketIndexKey,
  deleteBlock,
  findBucketIndex,
  findTenantDeletion,
  listNames,
  listTenants,
  markForDeletion,
  scanTenant,
  type TenantDeletionMark,
  writeBucketIndex,
  writeTenantDeletion,
} from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { AppError } from '../../shared/errors/index.js'
import type { Limits } from '../../shared/limits/index.js'
import { isUlid } from '../../shared/tsdb/index.js'
import type { BlockListCalls } from '../supervisor/contract.js'
import { dropCopies } from './local-copies.js'
import type { Task, TaskContext } from './task-loop.js'

/** What a cleaner works on. */
export interface CleanerParts {
  readonly env: Env
  readonly bucket: Bucket
  readonly list: Pick<BlockListCalls, 'blocks' | 'changeBlocks'>
  readonly limits: Pick<Limits, 'of'>
  readonly config: CleanerConfig
}

/** Mimir's keys `compactor.*` of cleaning. */
export interface CleanerConfig {
  readonly cleanupIntervalMs: number
  /** Tenants cleaned at once. */
  readonly cleanupConcurrency: number
  /** From the mark to the deletion. */
  readonly deletionDelayMs: number
  /** From a deleted tenant's last block to its last file. */
  readonly tenantCleanupDelayMs: number
}

/** A shorter delay would take uploads that are going on for left-overs: it switches this off. */
const PARTIAL_DELAY_MS_MIN = 4 * 3600_000

/** Cleans the bucket. */
export class Cleaner {
  private readonly parts: CleanerParts
  private readonly counted = new Set<string>()

  constructor(parts: CleanerParts) {
    this.parts = parts
    // Rates of failures need a zero to begin from.
    for (const name of COUNTERS) parts.env.metrics.cell(name).add(0)
  }

  /** The row of tasks.ts. */
  task(): Task {
    const everyMs = this.parts.config.cleanupIntervalMs
    return { name: 'clean', everyMs, run: (context) => this.run(context) }
  }

  /** Cleans all tenants once. @throws the first error, after all were tried */
  async run(context: TaskContext): Promise<void> {
    const { env, bucket, config } = this.parts
    const { metrics } = env
    metrics.cell('cortex_compactor_block_cleanup_started_total').add(1)
    const errors: unknown[] = []
    try {
      const tenants = await listTenants(bucket)
      this.dropGone(tenants)
      let next = 0
      const lane = async (): Promise<void> => {
        while (next < tenants.length && !context.isStopping()) {
          const tenant = tenants[next++]!
          await context.giveWay()
          await this.tryTenant(tenant, errors)
        }
      }
      await Promise.all(Array.from({ length: Math.max(1, config.cleanupConcurrency) }, lane))
    } catch (error) {
      errors.push(error)
    }
    if (errors.length > 0) {
      metrics.cell('cortex_compactor_block_cleanup_failed_total').add(1)
      throw errors[0]
    }
    if (context.isStopping()) return
    metrics.cell('cortex_compactor_block_cleanup_completed_total').add(1)
    metrics
      .cell('cortex_compactor_block_cleanup_last_successful_run_timestamp_seconds')
      .set(env.clock.now() / 1000)
  }

  private async tryTenant(tenant: string, errors: unknown[]): Promise<void> {
    const { env, bucket } = this.parts
    try {
      const mark = await findTenantDeletion(bucket, tenant)
      if (mark === undefined) await this.cleanTenant(tenant)
      else await this.deleteTenant(tenant, mark)
    } catch (error) {
      errors.push(error)
      env.log.warn('cleaning a tenant failed, it is tried again', { tenant, err: String(error) })
    }
  }

  private async cleanTenant(tenant: string): Promise<void> {
    const { bucket, env } = this.parts
    const former = await this.formerIndex(tenant)
    const first = await scanTenant(bucket, tenant, { former, env })
    const hasMarked = await this.applyRetention(tenant, first)
    const deleted = await this.deleteDue(tenant, first)
    const hasCleaned = await this.cleanPartials(tenant, first)
    const isChanged = hasMarked || deleted.size > 0 || hasCleaned
    // What still lies in the folder of a deleted block is no block.
    const blocks = first.index.blocks.filter(({ block_id }) => !deleted.has(block_id))
    const options = { former: { ...first.index, blocks }, env }
    const scan = isChanged ? await scanTenant(bucket, tenant, options) : first
    await writeBucketIndex(bucket, tenant, scan.index)
    const remove = scan.index.block_deletion_marks.map(({ block_id }) => block_id)
    if (remove.length > 0) await this.parts.list.changeBlocks({ tenant, remove })
    this.count(tenant, scan)
  }

  /** A damaged index is as good as none: the scan makes it anew. */
  private async formerIndex(tenant: string): Promise<BucketIndex | undefined> {
    const { bucket, env } = this.parts
    try {
      return await findBucketIndex(bucket, tenant)
    } catch (error) {
      if (!(error instanceof AppError) || error.id !== 'block-damaged') throw error
      env.log.warn('the bucket index is damaged and made anew', { tenant, err: error.message })
      return undefined
    }
  }

  private async applyRetention(tenant: string, scan: BucketScan): Promise<boolean> {
    const { env, bucket, limits } = this.parts
    const retentionMs = limits.of(tenant).compactor_blocks_retention_period
    if (retentionMs <= 0) return false
    const now = env.clock.now()
    const marked = new Set(scan.index.block_deletion_marks.map(({ block_id }) => block_id))
    const due = scan.index.blocks.filter(
      (block) => block.max_time < now - retentionMs && !marked.has(block.block_id),
    )
    for (const { block_id: ulid } of due) {
      const details = `block exceeding retention of ${retentionMs / 1000} s`
      await markForDeletion(bucket, { tenant, ulid }, { now, details })
      this.countMark('retention')
      env.log.info('block marked for deletion', { tenant, block: ulid, reason: 'retention' })
    }
    return due.length > 0
  }

  private async deleteDue(tenant: string, scan: BucketScan): Promise<Set<string>> {
    const { env, config } = this.parts
    const before = env.clock.now() - config.deletionDelayMs
    const due = scan.index.block_deletion_marks.filter(
      ({ block_id, deletion_time }) =>
        deletion_time * 1000 <= before || scan.partials.get(block_id) === 'no-meta',
    )
    for (const { block_id } of due) await this.deleteOne(tenant, block_id)
    return new Set(due.map(({ block_id }) => block_id))
  }

  private async deleteOne(tenant: string, ulid: string): Promise<void> {
    const { env, bucket, list } = this.parts
    // Readers forget a block before its files go.
    await dropCopies(this.parts, tenant, [ulid])
    await list.changeBlocks({ tenant, remove: [ulid] })
    try {
      await deleteBlock(bucket, { tenant, ulid })
    } catch (error) {
      env.metrics.cell('cortex_compactor_block_cleanup_failures_total').add(1)
      throw error
    }
    env.metrics.cell('cortex_compactor_blocks_cleaned_total').add(1)
    env.log.info('block deleted', { tenant, block: ulid })
  }

  /** Blocks without a meta.json that nobody has added to for a while are marked. */
  private async cleanPartials(tenant: string, scan: BucketScan): Promise<boolean> {
    const { env, bucket, limits } = this.parts
    const delayMs = limits.of(tenant).compactor_partial_block_deletion_delay
    if (delayMs < PARTIAL_DELAY_MS_MIN) return false
    const marked = new Set(scan.index.block_deletion_marks.map(({ block_id }) => block_id))
    const now = env.clock.now()
    let hasMarked = false
    for (const [ulid, why] of scan.partials) {
      if (why !== 'no-meta' || marked.has(ulid)) continue
      let newest = Number.NEGATIVE_INFINITY
      for await (const { key, mtime } of bucket.list(blockKey(tenant, ulid, ''))) {
        newest = Math.max(newest, mtime ?? (await bucket.attributes(key)).mtime)
      }
      if (newest === Number.NEGATIVE_INFINITY || newest > now - delayMs) continue
      await markForDeletion(bucket, { tenant, ulid }, { now, details: 'partial block' })
      this.countMark('partial')
      env.log.info('block marked for deletion', { tenant, block: ulid, reason: 'partial' })
      hasMarked = true
    }
    return hasMarked
  }

  /** Blocks first, then the note that they are gone, and after the delay what else there is. */
  private async deleteTenant(tenant: string, mark: TenantDeletionMark): Promise<void> {
    const { env, bucket, config } = this.parts
    const names = await listNames(bucket, `${tenant}/`)
    const ulids = names.map((name) => name.replace(/\/$/, '')).filter(isUlid)
    for (const ulid of ulids) await this.deleteOne(tenant, ulid)
    await bucket.delete([bucketIndexKey(tenant)])
    this.forgetCounts(tenant)
    const now = Math.floor(env.clock.now() / 1000)
    if (mark.finished_time === undefined) {
      await writeTenantDeletion(bucket, tenant, { ...mark, finished_time: now })
      env.log.info('all blocks of a deleted tenant are gone', { tenant, blocks: ulids.length })
    } else if ((now - mark.finished_time) * 1000 >= config.tenantCleanupDelayMs) {
      await this.deleteRest(tenant)
    }
  }

  /** The tenant's own mark last: until then this begins anew. */
  private async deleteRest(tenant: string): Promise<void> {
    const { env, bucket } = this.parts
    const own = `${tenant}/markers/tenant-deletion-mark.json`
    const keys: string[] = []
    for await (const { key } of bucket.list(`${tenant}/`)) if (key !== own) keys.push(key)
    await bucket.delete(keys)
    await bucket.delete([own])
    env.log.info('deleted tenant is gone', { tenant, objects: keys.length + 1 })
  }

  private countMark(reason: string): void {
    this.parts.env.metrics.cell('cortex_compactor_blocks_marked_for_deletion_total', reason).add(1)
  }

  private count(tenant: string, { index, partials, noCompact }: BucketScan): void {
    this.counted.add(tenant)
    const { metrics } = this.parts.env
    metrics.cell('cortex_bucket_blocks_count', tenant).set(index.blocks.length)
    metrics
      .cell('cortex_bucket_blocks_marked_for_deletion_count', tenant)
      .set(index.block_deletion_marks.length)
    metrics.cell('cortex_bucket_blocks_marked_for_no_compaction_count', tenant).set(noCompact.size)
    metrics.cell('cortex_bucket_blocks_partials_count', tenant).set(partials.size)
    metrics
      .cell('cortex_bucket_index_last_successful_update_timestamp_seconds', tenant)
      .set(index.updated_at)
  }

  private forgetCounts(tenant: string): void {
    if (!this.counted.delete(tenant)) return
    for (const name of PER_TENANT) this.parts.env.metrics.cell(name, tenant).set(0)
  }

  private dropGone(tenants: readonly string[]): void {
    for (const tenant of this.counted) if (!tenants.includes(tenant)) this.forgetCounts(tenant)
  }
}

const COUNTERS = [
  'cortex_compactor_block_cleanup_started_total',
  'cortex_compactor_block_cleanup_completed_total',
  'cortex_compactor_block_cleanup_failed_total',
  'cortex_compactor_blocks_cleaned_total',
  'cortex_compactor_block_cleanup_failures_total',
] as const

const PER_TENANT = [
  'cortex_bucket_blocks_count',
  'cortex_bucket_blocks_marked_for_deletion_count',
  'cortex_bucket_blocks_marked_for_no_compaction_count',
  'cortex_bucket_blocks_partials_count',
  'cortex_bucket_index_last_successful_update_timestamp_seconds',
] as const
