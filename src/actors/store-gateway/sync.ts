/**
 * The bucket → the block list: what is there at the start, and now and then what others have put
 * there or taken away. Our own writers change the list themselves; nothing waits for this.
 *
 * The bucket index only spares reading: a listing says which blocks there are, so that one which was
 * uploaded since the index was written is found as well.
 */
import {
  type BucketIndex,
  entriesOfIndex,
  findBucketIndex,
  listTenants,
  scanTenant,
} from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { AppError } from '../../shared/errors/index.js'
import type { BlockListCalls } from '../supervisor/contract.js'

/** What a sync works on. */
export interface SyncParts {
  readonly env: Env
  readonly bucket: Bucket
  readonly list: Pick<BlockListCalls, 'changeBlocks'>
}

/** Blocks that are remembered to be read anew. */
const DISTRUSTED_MAX = 10_000

/** Brings the list up to date with the bucket. */
export class BucketSync {
  private readonly parts: SyncParts
  /** Per tenant: what the bucket had when it was last read. */
  private readonly former = new Map<string, BucketIndex>()
  /** ULIDs of blocks that were not there when they were asked for: their meta.json is read anew. */
  private readonly distrusted = new Set<string>()

  constructor(parts: SyncParts) {
    this.parts = parts
  }

  /** Reads the bucket once; throws AppErrors of the bucket. */
  async run(): Promise<{ tenants: number; blocks: number }> {
    const tenants = new Set(await listTenants(this.parts.bucket))
    let blocks = 0
    for (const tenant of tenants) blocks += await this.syncTenant(tenant)
    this.distrusted.clear()
    for (const tenant of [...this.former.keys()]) {
      if (!tenants.has(tenant)) await this.take(tenant, undefined)
    }
    return { tenants: tenants.size, blocks }
  }

  /**
   * A block of the list is not there. Most often it has just been replaced; but a deletion that was cut
   * off may have left a file in a folder that an index still names.
   */
  distrust(ulid: string): void {
    if (this.distrusted.size < DISTRUSTED_MAX) this.distrusted.add(ulid)
  }

  private async syncTenant(tenant: string): Promise<number> {
    const { env, bucket } = this.parts
    const known = this.former.get(tenant) ?? (await this.findIndex(tenant))
    const blocks = known?.blocks.filter(({ block_id }) => !this.distrusted.has(block_id)) ?? []
    const former = known === undefined ? undefined : { ...known, blocks }
    const scan = await scanTenant(bucket, tenant, { former, env })
    for (const [block, why] of scan.partials) {
      if (why === 'damaged-meta') env.log.warn('a block is left out', { tenant, block, why })
    }
    return await this.take(tenant, scan.isTenantDeleted ? undefined : scan.index)
  }

  /** Tells the list what is there, and what the last reading saw and this one does not. */
  private async take(tenant: string, index: BucketIndex | undefined): Promise<number> {
    const former = this.former.get(tenant)
    const add = index === undefined ? [] : entriesOfIndex(tenant, index)
    const ulids = new Set(add.map(({ ulid }) => ulid))
    const seen = former === undefined ? [] : entriesOfIndex(tenant, former)
    const remove = seen.map(({ ulid }) => ulid).filter((ulid) => !ulids.has(ulid))
    if (add.length > 0 || remove.length > 0) {
      await this.parts.list.changeBlocks({ tenant, add, remove })
    }
    if (index === undefined) this.former.delete(tenant)
    else this.former.set(tenant, index)
    return add.length
  }

  private async findIndex(tenant: string): Promise<BucketIndex | undefined> {
    try {
      return await findBucketIndex(this.parts.bucket, tenant)
    } catch (error) {
      if (!(error instanceof AppError) || error.id !== 'block-damaged') throw error
      this.parts.env.log.warn('the bucket index is damaged', { tenant, err: error.message })
      return undefined
    }
  }
}
