/**
 * The bucket → the block list: what is there at the start, and now and then what others have put
 * there or taken away. Our own writers change the list themselves; nothing waits for this.
 */
import type { BlockEntry } from '../../shared/blocks/index.js'
import { entryOfMeta } from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { AppError } from '../../shared/errors/index.js'
import { decodeBlockMeta, isUlid } from '../../shared/tsdb/index.js'
import type { BlockListCalls } from '../supervisor/contract.js'

/** What a sync works on. */
export interface SyncParts {
  readonly env: Env
  readonly bucket: Bucket
  readonly list: Pick<BlockListCalls, 'blocks' | 'changeBlocks'>
  readonly parallelReads: number
}

/** Objects below the bucket's root that are no tenants. */
const NO_TENANTS = new Set(['__mimir_cluster', 'debug', 'rules', 'alerts', 'alertmanager'])

/** Brings the list up to date with the bucket. */
export class BucketSync {
  private readonly parts: SyncParts
  /** Per tenant: blocks that the bucket had when it was last read. */
  private readonly seen = new Map<string, ReadonlySet<string>>()

  constructor(parts: SyncParts) {
    this.parts = parts
  }

  /** Reads the bucket once; throws AppErrors of the bucket. */
  async run(): Promise<{ tenants: number; blocks: number }> {
    const tenants = await this.tenants()
    let blocks = 0
    for (const tenant of tenants) blocks += await this.syncTenant(tenant)
    for (const tenant of this.seen.keys()) {
      if (!tenants.includes(tenant)) await this.forgetMissing(tenant, new Set())
    }
    return { tenants: tenants.length, blocks }
  }

  private async tenants(): Promise<string[]> {
    const found: string[] = []
    for await (const { key } of this.parts.bucket.list('', '/')) {
      if (key.endsWith('/') && !NO_TENANTS.has(key.slice(0, -1))) found.push(key.slice(0, -1))
    }
    return found
  }

  private async syncTenant(tenant: string): Promise<number> {
    const { list } = this.parts
    const known = new Map((await list.blocks({ tenant })).entries.map((one) => [one.ulid, one]))
    const { ulids, entries } = await this.read(tenant, known)
    if (entries.length > 0) await list.changeBlocks({ tenant, add: entries })
    await this.forgetMissing(tenant, ulids)
    return ulids.size
  }

  /** Blocks that the last read saw and this one does not have left the bucket meanwhile. */
  private async forgetMissing(tenant: string, ulids: ReadonlySet<string>): Promise<void> {
    const gone = [...(this.seen.get(tenant) ?? [])].filter((ulid) => !ulids.has(ulid))
    if (gone.length > 0) await this.parts.list.changeBlocks({ tenant, remove: gone })
    if (ulids.size === 0) this.seen.delete(tenant)
    else this.seen.set(tenant, ulids)
  }

  /** A tenant's blocks, by their descriptions; those that are known already are not read again. */
  private async read(
    tenant: string,
    known: ReadonlyMap<string, BlockEntry>,
  ): Promise<{ ulids: Set<string>; entries: BlockEntry[] }> {
    const { bucket, parallelReads } = this.parts
    const ulids = new Set<string>()
    for await (const { key } of bucket.list(`${tenant}/`, '/')) {
      const name = key.slice(tenant.length + 1, -1)
      if (key.endsWith('/') && isUlid(name)) ulids.add(name)
    }
    const unread = [...ulids].filter((ulid) => known.get(ulid)?.inBucket !== true)
    const entries: BlockEntry[] = []
    for (let at = 0; at < unread.length; at += parallelReads) {
      const some = unread.slice(at, at + parallelReads)
      const found = await Promise.all(some.map((ulid) => this.readEntry(tenant, ulid)))
      for (const [i, entry] of found.entries()) {
        if (entry === undefined) ulids.delete(some[i]!)
        else entries.push(entry)
      }
    }
    return { ulids, entries }
  }

  /** Undefined while the block is being uploaded or deleted, or when its description is damaged. */
  private async readEntry(tenant: string, ulid: string): Promise<BlockEntry | undefined> {
    const { bucket, env } = this.parts
    try {
      const bytes = await bucket.get(`${tenant}/${ulid}/meta.json`)
      return entryOfMeta(tenant, decodeBlockMeta(bytes, ulid), { inBucket: true })
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (error.id === 'bucket-not-found') return undefined
      if (error.id !== 'block-damaged') throw error
      env.log.warn('a block is left out', { tenant, block: ulid, err: error.message })
      return undefined
    }
  }
}
