/**
 * Compacts the blocks of all tenants, as Mimir's compactor does: read what the bucket has, plan, run
 * jobs until none is left or the tenant's time is over. A damaged source is set aside with a mark
 * (no-compact-mark.json) and listed at /debug/damage; all else goes on. Where several compactors run
 * a hash ring says whose a job is: all of them make the same plan, each runs its own part of it.
 */
import {
  type BucketIndex,
  blockKey,
  findBucketIndex,
  findObject,
  findTenantDeletion,
  listTenants,
  markNoCompact,
  scanTenant,
} from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import { createHashring, type Hashring, ownerOf } from '../../shared/hashring/index.js'
import type { Limits } from '../../shared/limits/index.js'
import { TOMBSTONES_FILE, TOMBSTONES_NONE_BYTES, verifyBlock } from '../../shared/tsdb/index.js'
import type { BlockListCalls } from '../supervisor/contract.js'
import { reportBlocks } from './block-report.js'
import type {
  CleaningCalls,
  CompactionConfig,
  CompactorCalls,
  DamagedBlock,
  JobReport,
  PlannedJob,
} from './contract.js'
import { findDuplicates } from './duplicates.js'
import { dropCopies } from './local-copies.js'
import { MetaCache } from './meta-cache.js'
import {
  type CompactionJob,
  type PlanBlock,
  type PlanOptions,
  planJobs,
  rewriteJob,
} from './plan.js'
import { markSources, openSource, runJob } from './run.js'
import type { Task, TaskContext } from './task-loop.js'

/** What compacting works on. */
export interface CompactionParts {
  readonly env: Env
  readonly bucket: Bucket
  readonly list: Pick<BlockListCalls, 'blocks' | 'changeBlocks' | 'deletions'>
  readonly limits: Pick<Limits, 'of'>
  readonly config: CompactionConfig
  /** Which compactor of how many this is; without it the only one. */
  readonly place?: { readonly index: number; readonly count: number }
  /** Jobs were done: what comes after them may be another compactor's. */
  readonly onDone?: () => void
}

const REPORTS_MAX = 100
const DAMAGED_MAX = 1000
/** Progress is told to the log at most so often. */
const LOG_EVERY_MS = 30_000

/** Compacts blocks. */
export class Compactions {
  private readonly parts: CompactionParts
  private readonly metas: MetaCache
  /** What the bucket had of each tenant when it was read last. */
  private readonly indexes = new Map<string, BucketIndex>()
  private readonly reports: JobReport[] = []
  private readonly damaged = new Map<string, DamagedBlock>()
  private number = 0
  /** Tenants whose tombstones are to be cleaned, and who waits for it. */
  private readonly toClean = new Map<string, ((error?: unknown) => void)[]>()
  private readonly ring: Hashring
  private readonly index: number
  private readonly scratch: string

  constructor(parts: CompactionParts) {
    const { index, count } = parts.place ?? { index: 0, count: 1 }
    this.parts = parts
    this.index = index
    this.ring = createHashring(count)
    this.scratch = `${parts.config.scratchDir}/compactor-${index}`
    this.metas = new MetaCache(parts.bucket, parts.config.metaSyncConcurrency)
    parts.env.disk.remove(this.scratch)
  }

  /** The row of tasks.ts. */
  task(): Task {
    const everyMs = this.parts.config.compactionIntervalMs
    return { name: 'compact', everyMs, run: (context) => this.run(context) }
  }

  /** Jobs, newest first; at most REPORTS_MAX. */
  jobs(): readonly JobReport[] {
    return this.reports
  }

  /** Blocks that were set aside. */
  damagedBlocks(): readonly DamagedBlock[] {
    return [...this.damaged.values()]
  }

  /** Compacts all tenants once. @throws the first error, after all were tried */
  async run(context: TaskContext): Promise<void> {
    const { env, bucket } = this.parts
    const { metrics } = env
    metrics.cell('cortex_compactor_runs_started_total').add(1)
    const errors: unknown[] = []
    const cleaned = [...this.toClean.keys()]
    try {
      const all = await listTenants(bucket)
      const tenants = all.filter((tenant) => this.isOwn(tenant))
      this.metas.keepOnly(tenants)
      for (const tenant of this.indexes.keys()) {
        if (!tenants.includes(tenant)) this.indexes.delete(tenant)
      }
      // Once for all compactors: /metrics shows sums over threads.
      if (this.index === 0) {
        metrics.cell('cortex_compactor_tenants_discovered').set(all.length)
        metrics.cell('cortex_compactor_tenants_skipped').set(all.length - tenants.length)
      }
      metrics.cell('cortex_compactor_tenants_processing_succeeded').set(0)
      metrics.cell('cortex_compactor_tenants_processing_failed').set(0)
      for (const tenant of tenants) {
        if (context.isStopping()) return
        await this.tryTenant(tenant, context, errors)
      }
    } catch (error) {
      errors.push(error)
    }
    // Who has nothing in the bucket has nothing to clean.
    for (const tenant of cleaned) this.noteCleaned(tenant, errors[0])
    if (errors.length > 0) {
      metrics.cell('cortex_compactor_runs_failed_total', 'error').add(1)
      throw errors[0]
    }
    metrics.cell('cortex_compactor_runs_completed_total').add(1)
    metrics
      .cell('cortex_compactor_last_successful_run_timestamp_seconds')
      .set(env.clock.now() / 1000)
  }

  /** What others may ask. */
  calls(): Pick<CompactorCalls, 'compactions' | 'plannedJobs' | 'tenantBlocks'> {
    const { env, bucket, config } = this.parts
    const metasAtOnce = config.metaSyncConcurrency
    return {
      compactions: async () => ({ jobs: this.reports, damaged: this.damagedBlocks() }),
      plannedJobs: async ({ tenant }) =>
        (await this.plan(tenant)).map((job) => plannedJob(job, this.ownerOf(tenant, job.key))),
      tenantBlocks: ({ tenant }) => reportBlocks({ env, bucket, metasAtOnce }, tenant),
    }
  }

  /**
   * What else they may ask.
   * @param wake has a run begin at once
   */
  cleaningCalls(wake: () => void): CleaningCalls {
    return {
      cleanTombstones: ({ tenant }) =>
        new Promise((resolve, reject) => {
          const done = (error?: unknown): void => (error === undefined ? resolve() : reject(error))
          this.toClean.set(tenant, [...(this.toClean.get(tenant) ?? []), done])
          wake()
        }),
    }
  }

  private noteCleaned(tenant: string, error?: unknown): void {
    for (const done of this.toClean.get(tenant) ?? []) done(error)
    this.toClean.delete(tenant)
  }

  /** Writes the blocks that have tombstones anew, without what is deleted. */
  private async clean(tenant: string, context: TaskContext): Promise<void> {
    if (!this.toClean.has(tenant)) return
    const waiting = this.toClean.get(tenant)!
    this.toClean.delete(tenant)
    let error: unknown
    try {
      for (const block of await this.read(tenant)) {
        await context.giveWay()
        const key = blockKey(tenant, block.meta.ulid, TOMBSTONES_FILE)
        const bytes = await findObject(this.parts.bucket, key)
        if (bytes === undefined || bytes.length <= TOMBSTONES_NONE_BYTES) continue
        if (await this.runJob(tenant, rewriteJob(block), context)) continue
        throw fail('overloaded', { text: `block ${block.meta.ulid} could not be written anew` })
      }
    } catch (reason) {
      error = reason
    }
    for (const done of waiting) done(error)
  }

  /** For `/debug/actors`. */
  details(): Record<string, string | number> {
    const running = this.reports.filter(({ state }) => state === 'running')
    return {
      compacting: running.map(({ tenant, job }) => `${tenant}: ${job}`).join('; '),
      compactions_listed: this.reports.length,
      damaged_blocks: this.damaged.size,
    }
  }

  private async plan(tenant: string): Promise<CompactionJob[]> {
    return planJobs(await this.read(tenant), this.planOptions(tenant))
  }

  /** Whose a job is, or the tenant itself (''). */
  private ownerOf(tenant: string, key: string): number {
    const size = this.parts.limits.of(tenant).compactor_tenant_shard_size
    return ownerOf(this.ring, { tenant, key, size })
  }

  private isOwn(tenant: string): boolean {
    const { enabledTenants, disabledTenants } = this.parts.config
    if (disabledTenants.includes(tenant)) return false
    return enabledTenants.length === 0 || enabledTenants.includes(tenant)
  }

  private async tryTenant(tenant: string, context: TaskContext, errors: unknown[]): Promise<void> {
    const { env, bucket } = this.parts
    try {
      const mark = await findTenantDeletion(bucket, tenant)
      if (mark === undefined) await this.clean(tenant, context)
      if (mark === undefined && !(await this.compactTenant(tenant, context))) {
        throw new Error(`compactions of tenant ${tenant} failed`)
      }
      env.metrics.cell('cortex_compactor_tenants_processing_succeeded').add(1)
    } catch (error) {
      errors.push(error)
      env.metrics.cell('cortex_compactor_tenants_processing_failed').add(1)
      env.log.warn('compacting a tenant failed, it is tried again', { tenant, err: String(error) })
    }
  }

  /** Runs jobs until there is none; false when some failed. */
  private async compactTenant(tenant: string, context: TaskContext): Promise<boolean> {
    const { env, config } = this.parts
    const until = env.clock.monotonic() + config.maxCompactionTimeMs
    const failed = new Set<string>()
    let done = 0
    for (;;) {
      await context.giveWay()
      const all = await this.plan(tenant)
      const planned = all.filter((job) => this.ownerOf(tenant, job.key) === this.index)
      const jobs = planned.filter((job) => !failed.has(workOf(job)))
      env.metrics.cell('nilo_compactor_planned_jobs', tenant).set(planned.length)
      if (jobs.length === 0 || context.isStopping()) break
      if (env.clock.monotonic() > until) break
      const now = jobs.slice(0, Math.max(1, config.compactionConcurrency))
      const results = await Promise.all(now.map((job) => this.runJob(tenant, job, context)))
      for (const [i, isDone] of results.entries()) {
        if (isDone) done++
        else failed.add(workOf(now[i]!))
      }
      // A block may be gone that was there when it was read first.
      if (results.includes(false)) this.metas.drop(tenant)
      if (context.isStopping()) break
    }
    this.metas.settle(tenant)
    if (done > 0) this.parts.onDone?.()
    return failed.size === 0 || context.isStopping()
  }

  /** What the bucket has of a tenant and may be compacted; duplicates are marked. */
  private async read(tenant: string): Promise<PlanBlock[]> {
    const { env, bucket, list, limits } = this.parts
    env.metrics.cell('cortex_compactor_meta_syncs_total').add(1)
    const former = this.indexes.get(tenant) ?? (await this.findIndex(tenant))
    const { index, noCompact } = await scanTenant(bucket, tenant, { former, env })
    this.indexes.set(tenant, index)
    const marked = new Set(index.block_deletion_marks.map((mark) => mark.block_id))
    const lookback = limits.of(tenant).compactor_max_lookback
    const oldest = lookback > 0 ? env.clock.now() - lookback : Number.NEGATIVE_INFINITY
    const there = index.blocks.filter(
      (block) =>
        !marked.has(block.block_id) && !noCompact.has(block.block_id) && block.max_time >= oldest,
    )
    const metas = await this.metas.read(
      tenant,
      there.map((block) => block.block_id),
    )
    const duplicates = [...findDuplicates([...metas.values()])]
    for (const ulid of duplicates) metas.delete(ulid)
    if (duplicates.length > 0 && this.ownerOf(tenant, '') === this.index) {
      env.log.info('blocks whose samples others have are removed', {
        tenant,
        blocks: duplicates.join(','),
      })
      await dropCopies(this.parts, tenant, duplicates)
      await list.changeBlocks({ tenant, remove: duplicates })
      await markSources(this.parts, tenant, duplicates)
    }
    return there.flatMap((block) => {
      const meta = metas.get(block.block_id)
      return meta === undefined ? [] : [{ meta, uploadedAt: block.uploaded_at * 1000 }]
    })
  }

  /** The index that a cleaner wrote spares reading every block's time; a damaged one is as good as none. */
  private async findIndex(tenant: string): Promise<BucketIndex | undefined> {
    try {
      return await findBucketIndex(this.parts.bucket, tenant)
    } catch (error) {
      if (error instanceof AppError && error.id === 'block-damaged') return undefined
      throw error
    }
  }

  private planOptions(tenant: string): PlanOptions {
    const { env, limits, config } = this.parts
    const row = limits.of(tenant)
    return {
      ranges: config.blockRangesMs,
      shards: row.compactor_split_and_merge_shards,
      splitGroups: row.compactor_split_groups,
      now: env.clock.now(),
      firstLevelWaitMs: config.firstLevelWaitMs,
      order: config.jobsOrder,
    }
  }

  /** Runs a job with its retries; true when the plan may go on with its results. */
  private async runJob(tenant: string, job: CompactionJob, context: TaskContext): Promise<boolean> {
    const { env, config } = this.parts
    for (let tries = 1; ; tries++) {
      // After a failure local copies are left alone: they may be what is damaged.
      const isLast = tries >= Math.max(2, config.compactionRetries)
      const error = await this.tryJob(tenant, job, context, tries === 1)
      if (error === undefined) return true
      if (context.isStopping()) return false
      const bad = tries > 1 ? await this.findDamaged(tenant, job, error) : undefined
      if (bad !== undefined) {
        await this.setAside(tenant, bad.ulid, bad.error)
        return true
      }
      if (isLast) return false
      await env.timers.sleep(Math.min(10_000, 500 * 2 ** tries))
    }
  }

  /** One try; gives the error. */
  private async tryJob(
    tenant: string,
    job: CompactionJob,
    context: TaskContext,
    readsLocal: boolean,
  ): Promise<unknown> {
    const { env, bucket, list, limits } = this.parts
    const { metrics, log } = env
    const at = this.begin(tenant, job)
    const started = env.clock.monotonic()
    let logged = started
    metrics.cell('cortex_compactor_group_compaction_runs_started_total').add(1)
    try {
      const made = await runJob(
        {
          env,
          bucket,
          list,
          readsLocal,
          scratch: `${this.scratch}/${this.number++}`,
          shards: limits.of(tenant).compactor_split_and_merge_shards,
          pause: () => this.pause(context),
          progress: (share) => {
            at.update({ share, tookMs: env.clock.monotonic() - started })
            if (env.clock.monotonic() - logged < LOG_EVERY_MS) return
            logged = env.clock.monotonic()
            log.info('compaction goes on', { tenant, job: job.key, share: share.toFixed(2) })
          },
        },
        tenant,
        job,
      )
      const tookMs = env.clock.monotonic() - started
      metrics.cell('cortex_compactor_group_compaction_runs_completed_total').add(1)
      metrics.cell('cortex_compactor_group_compactions_total').add(1)
      metrics.histogram('prometheus_tsdb_compaction_duration_seconds').observe(tookMs / 1000)
      const result = made.map((meta) => meta.ulid).join(' ')
      at.update({ state: 'done', share: 1, tookMs, result })
      log.info('blocks compacted', { tenant, job: job.key, result, took_ms: Math.round(tookMs) })
      return undefined
    } catch (error) {
      const tookMs = env.clock.monotonic() - started
      at.update({ state: 'failed', tookMs, result: String(error) })
      if (context.isStopping()) return error
      metrics.cell('cortex_compactor_group_compactions_failures_total').add(1)
      log.warn('compaction failed', { tenant, job: job.key, err: String(error) })
      return error
    }
  }

  /** A safe point: stops here when the actor is to stop. */
  private async pause(context: TaskContext): Promise<void> {
    await context.giveWay()
    if (context.isStopping()) throw new AppError('shutting-down')
  }

  /** The source that an error is about; found by reading all of them when the error does not say. */
  private async findDamaged(
    tenant: string,
    job: CompactionJob,
    error: unknown,
  ): Promise<{ ulid: string; error: AppError } | undefined> {
    if (!(error instanceof AppError)) return undefined
    const sources = job.blocks.map(({ meta }) => meta.ulid)
    if (error.id === 'block-damaged') {
      const ulid = sources.find((source) => String(error.details.block).includes(source))
      return ulid === undefined ? undefined : { ulid, error }
    }
    if (error.id !== 'chunk-corrupt') return undefined
    const scratch = `${this.scratch}/${this.number++}`
    try {
      for (const ulid of sources) {
        const block = await openSource({ ...this.parts, scratch }, tenant, { ulid })
        const report = await verifyBlock(block, { samples: true }).finally(() => block.close())
        if (report.problems.length > 0) return { ulid, error }
      }
      return undefined
    } finally {
      this.parts.env.disk.remove(scratch)
    }
  }

  /** Keeps a damaged block out of compactions; queries go on with what of it can be read. */
  private async setAside(tenant: string, ulid: string, error: AppError): Promise<void> {
    const { env, bucket } = this.parts
    const isOrder = /chunks of series .* are out of order/.test(error.message)
    const reason = isOrder ? 'block-index-out-of-order-chunk' : 'critical'
    const now = env.clock.now()
    const details = error.message
    await markNoCompact(bucket, { tenant, ulid }, { now, reason, details })
    env.metrics.cell('cortex_compactor_blocks_marked_for_no_compaction_total', reason).add(1)
    env.log.error('a damaged block is kept out of compactions', {
      tenant,
      block: ulid,
      reason,
      err: error.message,
    })
    if (this.damaged.size >= DAMAGED_MAX) return
    this.damaged.set(ulid, { tenant, block: ulid, reason, text: error.message, since: now })
  }

  private begin(tenant: string, job: CompactionJob): { update(change: Partial<JobReport>): void } {
    let report: JobReport = {
      tenant,
      job: job.key,
      sources: job.blocks.map(({ meta }) => meta.ulid),
      state: 'running',
      share: 0,
      started: this.parts.env.clock.now(),
      tookMs: 0,
      result: '',
    }
    this.reports.unshift(report)
    if (this.reports.length > REPORTS_MAX) this.reports.pop()
    return {
      update: (change) => {
        const at = this.reports.indexOf(report)
        report = { ...report, ...change }
        if (at >= 0) this.reports[at] = report
      },
    }
  }
}

/** A job and its sources: with others it is worth another try. */
function workOf({ key, blocks }: CompactionJob): string {
  return `${key}: ${blocks.map(({ meta }) => meta.ulid).join()}`
}

function plannedJob(job: CompactionJob, owner: number): PlannedJob {
  const { key, stage, shard, rangeStart, rangeEnd, blocks } = job
  const ulids = blocks.map(({ meta }) => meta.ulid)
  const times = {
    min_time: new Date(rangeStart).toISOString(),
    max_time: new Date(rangeEnd).toISOString(),
  }
  return { key, stage, shard, ...times, blocks: ulids, owner }
}
