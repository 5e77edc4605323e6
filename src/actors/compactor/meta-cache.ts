/** Descriptions of blocks: read once, since blocks never change. */
import { blockKey, findObject } from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import { AppError } from '../../shared/errors/index.js'
import { type BlockMeta, decodeBlockMeta } from '../../shared/tsdb/index.js'

/** Descriptions that are kept, about 1 KB each; beyond that a tenant's go when its work is done. */
const METAS_MAX = 50_000

/** Reads and keeps meta.json of blocks. */
export class MetaCache {
  private readonly bucket: Bucket
  private readonly atOnce: number
  private readonly tenants = new Map<string, Map<string, BlockMeta>>()

  constructor(bucket: Bucket, atOnce: number) {
    this.bucket = bucket
    this.atOnce = Math.max(1, atOnce)
  }

  /** By ULID; blocks that are gone, or whose description is damaged, are missing. */
  async read(tenant: string, ulids: readonly string[]): Promise<Map<string, BlockMeta>> {
    const known = this.tenants.get(tenant) ?? new Map<string, BlockMeta>()
    const metas = new Map<string, BlockMeta>()
    for (let at = 0; at < ulids.length; at += this.atOnce) {
      const some = ulids.slice(at, at + this.atOnce)
      const found = await Promise.all(
        some.map((ulid) => known.get(ulid) ?? this.findMeta(tenant, ulid)),
      )
      for (const [i, meta] of found.entries()) if (meta !== undefined) metas.set(some[i]!, meta)
    }
    this.tenants.set(tenant, new Map(metas))
    return metas
  }

  /** Reads a tenant's anew the next time. */
  drop(tenant: string): void {
    this.tenants.delete(tenant)
  }

  /** The tenant's work is done: keeps its descriptions for the next time if there is room. */
  settle(tenant: string): void {
    let count = 0
    for (const metas of this.tenants.values()) count += metas.size
    if (count > METAS_MAX) this.tenants.delete(tenant)
  }

  /** Lets go of tenants that are no more. */
  keepOnly(tenants: readonly string[]): void {
    const kept = new Set(tenants)
    for (const tenant of this.tenants.keys()) if (!kept.has(tenant)) this.tenants.delete(tenant)
  }

  private async findMeta(tenant: string, ulid: string): Promise<BlockMeta | undefined> {
    const key = blockKey(tenant, ulid, 'meta.json')
    const bytes = await findObject(this.bucket, key)
    if (bytes === undefined) return undefined
    try {
      return decodeBlockMeta(bytes, key)
    } catch (error) {
      if (error instanceof AppError && error.id === 'block-damaged') return undefined
      throw error
    }
  }
}
