/**
 * Local blocks → bucket, and local copies away when their time is over (Mimir's shipper and local
 * retention). A block that was shipped has a note in its folder, `shipped.json`, with the time: by
 * it a restart knows that the bucket decides about the block from now on. What is not shipped is
 * never removed here.
 *
 * A copy that goes is noted as dropped, so that no start brings it back, and leaves the block list; its
 * files follow when nobody can still be reading them.
 */
import type { BlockEntry } from '../../shared/blocks/index.js'
import {
  blockKey,
  findObject,
  findTenantDeletion,
  isShipped,
  readShippedNote,
  uploadBlock,
  writeShippedNote,
} from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { hasTombstones, isUlid, TOMBSTONES_FILE } from '../../shared/tsdb/index.js'
import type { BlockListCalls } from '../supervisor/contract.js'
import { dropCopy } from './local-copies.js'
import type { Task, TaskContext } from './task-loop.js'

/** What a shipper works on. */
export interface ShipperParts {
  readonly env: Env
  readonly bucket: Bucket
  readonly list: Pick<BlockListCalls, 'blocks' | 'changeBlocks' | 'blockTenants'>
  readonly config: ShipperConfig
}

/** Mimir's keys `blocks_storage.tsdb.*` of shipping. */
export interface ShipperConfig {
  /** Roots of local data, one a zone. */
  readonly roots: readonly string[]
  readonly shipIntervalMs: number
  /** Tenants shipped at once. */
  readonly shipConcurrency: number
  /** How long shipped blocks stay local. */
  readonly retentionMs: number
}

/** Longer than any query, and than any reader keeps a former block list. */
const REMOVE_AFTER_MS = 5 * 60_000
const COUNTERS = [
  'cortex_ingester_shipper_uploads_total',
  'cortex_ingester_shipper_upload_failures_total',
] as const

/** Ships the blocks of this process. */
export class Shipper {
  private readonly parts: ShipperParts
  /** Folders of shipped blocks that the list does not name: since when, on the monotonic clock. */
  private readonly unlisted = new Map<string, number>()

  constructor(parts: ShipperParts) {
    this.parts = parts
    // Rates of failures need a zero to begin from.
    for (const name of COUNTERS) parts.env.metrics.cell(name).add(0)
  }

  /** The row of tasks.ts. */
  task(): Task {
    const everyMs = this.parts.config.shipIntervalMs
    return { name: 'ship', everyMs, run: (context) => this.run(context) }
  }

  /** Ships what is to be shipped, once. @throws the first error, after all tenants were tried */
  async run(context: TaskContext): Promise<void> {
    const { env, list, config } = this.parts
    const tenants = await list.blockTenants()
    const errors: unknown[] = []
    let oldest = Number.POSITIVE_INFINITY
    let next = 0
    const lane = async (): Promise<void> => {
      while (next < tenants.length && !context.isStopping()) {
        const tenant = tenants[next++]!
        try {
          oldest = Math.min(oldest, await this.shipTenant(tenant, context))
        } catch (error) {
          errors.push(error)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.max(1, config.shipConcurrency) }, lane))
    env.metrics
      .cell('cortex_ingester_oldest_unshipped_block_timestamp_seconds')
      .set(Number.isFinite(oldest) ? oldest / 1000 : 0)
    await this.sweep(context)
    if (errors.length > 0) throw errors[0]
  }

  /** @returns start of the oldest block that is still unshipped, ms */
  private async shipTenant(tenant: string, context: TaskContext): Promise<number> {
    const { list, bucket } = this.parts
    const { entries } = await list.blocks({ tenant })
    const local = entries.filter(({ localDir }) => localDir !== undefined)
    if (local.length === 0) return Number.POSITIVE_INFINITY
    const isDeleted = (await findTenantDeletion(bucket, tenant)) !== undefined
    const unshipped: BlockEntry[] = []
    for (const entry of local) {
      const shippedAt = readShippedNote(this.parts.env.disk, entry.localDir!)?.shippedAt
      if (isDeleted) await forgetBlock(this.parts, entry)
      else if (shippedAt === undefined) unshipped.push(entry)
      else await this.keepOrDrop(entry, shippedAt)
    }
    while (unshipped.length > 0 && !context.isStopping()) {
      await context.giveWay()
      await this.ship(unshipped[0]!)
      unshipped.shift()
    }
    return Math.min(...unshipped.map(({ minTime }) => minTime), Number.POSITIVE_INFINITY)
  }

  private async ship(entry: BlockEntry): Promise<void> {
    const { env, bucket, list } = this.parts
    const { tenant, ulid, localDir } = entry
    const dir = localDir!
    const uploads = env.metrics.cell('cortex_ingester_shipper_uploads_total')
    const failures = env.metrics.cell('cortex_ingester_shipper_upload_failures_total')
    uploads.add(1)
    try {
      const start = env.clock.monotonic()
      const before = this.tombstonesOf(dir)
      await uploadBlock(bucket, { tenant, dir }, env.disk)
      const now = env.clock.now()
      writeShippedNote(env.disk, dir, { shippedAt: now, isDropped: false })
      await list.changeBlocks({ tenant, add: [{ ...entry, inBucket: true, uploadedAt: now }] })
      // Who deletes from here on sees to the bucket's copy himself; before, only to ours.
      if (this.tombstonesOf(dir) !== before) await this.sendTombstones(entry)
      env.metrics
        .cell('cortex_ingester_shipper_last_successful_upload_timestamp_seconds')
        .set(now / 1000)
      const tookMs = Math.round(env.clock.monotonic() - start)
      env.log.info('block shipped', { tenant, block: ulid, took_ms: tookMs })
    } catch (error) {
      failures.add(1)
      env.log.warn('block not shipped, it is tried again', {
        tenant,
        block: ulid,
        err: String(error),
      })
      throw error
    }
  }

  /** The local tombstones as text; '' when there are none. */
  private tombstonesOf(dir: string): string {
    const { disk } = this.parts.env
    const path = `${dir}/${TOMBSTONES_FILE}`
    return disk.exists(path) ? Buffer.from(disk.readFile(path)).toString('latin1') : ''
  }

  private async sendTombstones({ tenant, ulid, localDir }: BlockEntry): Promise<void> {
    const path = `${localDir}/${TOMBSTONES_FILE}`
    await this.parts.bucket.put(blockKey(tenant, ulid, TOMBSTONES_FILE), { path })
  }

  /**
   * A block that was shipped: after a restart it is looked whether the bucket still has it; later
   * its local copy leaves when its time is over.
   */
  private async keepOrDrop(entry: BlockEntry, shippedAt: number): Promise<void> {
    const { env, bucket, list, config } = this.parts
    const { tenant, ulid } = entry
    if (!entry.inBucket) {
      const isMarked = await findObject(bucket, blockKey(tenant, ulid, 'deletion-mark.json'))
      const meta = await findObject(bucket, blockKey(tenant, ulid, 'meta.json'))
      // Compacted or deleted meanwhile: the local copy goes the same way.
      if (meta === undefined || isMarked !== undefined) return await forgetBlock(this.parts, entry)
      // The process may have ended between a deletion here and the same in the bucket.
      if (hasTombstones(env.disk, entry.localDir!)) await this.sendTombstones(entry)
      await list.changeBlocks({
        tenant,
        add: [{ ...entry, inBucket: true, uploadedAt: shippedAt }],
      })
    }
    if (env.clock.now() - shippedAt >= config.retentionMs) {
      dropCopy(env, entry.localDir!)
      await list.changeBlocks({ tenant, dropLocal: [ulid] })
    }
  }

  /** Removes the files of shipped blocks that have not been in the list for a while. */
  private async sweep(context: TaskContext): Promise<void> {
    const { env, list, config } = this.parts
    const now = env.clock.monotonic()
    const seen = new Set<string>()
    for (const { tenant, blocks } of localTenants(env, config.roots)) {
      if (context.isStopping()) return
      const { entries } = await list.blocks({ tenant })
      const listed = new Set(
        entries.map(({ ulid, localDir }) => (localDir === undefined ? '' : ulid)),
      )
      for (const { ulid, dir } of blocks) {
        if (listed.has(ulid) || !isShipped(env.disk, dir)) continue
        seen.add(dir)
        const since = this.unlisted.get(dir) ?? now
        this.unlisted.set(dir, since)
        if (now - since < REMOVE_AFTER_MS) continue
        env.disk.remove(dir)
        this.unlisted.delete(dir)
        env.log.info('local copy of a block removed', { tenant, block: ulid })
      }
      await context.giveWay()
    }
    for (const dir of this.unlisted.keys()) if (!seen.has(dir)) this.unlisted.delete(dir)
  }
}

/** The block leaves the list for good; the shipper removes its files later. */
export async function forgetBlock(
  {
    env,
    list,
  }: Pick<ShipperParts, 'env'> & { readonly list: Pick<BlockListCalls, 'changeBlocks'> },
  { tenant, ulid, localDir }: BlockEntry,
): Promise<void> {
  if (localDir !== undefined) dropCopy(env, localDir)
  await list.changeBlocks({ tenant, remove: [ulid] })
}

/** Block folders of all shards, by tenant. */
function localTenants(
  { disk }: Pick<Env, 'disk'>,
  roots: readonly string[],
): { tenant: string; blocks: { ulid: string; dir: string }[] }[] {
  const found = new Map<string, { ulid: string; dir: string }[]>()
  const shards = roots.flatMap((root) =>
    disk.list(root).map((name) => ({ name, folder: `${root}/${name}/blocks` })),
  )
  for (const { name, folder } of shards) {
    if (!/^ingester-\d+$/.test(name)) continue
    if (disk.findFacts(folder)?.isFolder !== true) continue
    for (const tenant of disk.list(folder)) {
      const blocks = found.get(tenant) ?? []
      found.set(tenant, blocks)
      for (const ulid of disk.list(`${folder}/${tenant}`)) {
        if (isUlid(ulid)) blocks.push({ ulid, dir: `${folder}/${tenant}/${ulid}` })
      }
    }
  }
  return [...found].map(([tenant, blocks]) => ({ tenant, blocks }))
}
