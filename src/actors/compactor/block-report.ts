/** A tenant's blocks as an operator wants to see them: what the bucket has, with marks and descriptions. */
import {
  type BucketIndex,
  findBucketIndex,
  findTenantDeletion,
  scanTenant,
} from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { AppError } from '../../shared/errors/index.js'
import type { BlocksReport, ListedBlock } from './contract.js'
import { MetaCache } from './meta-cache.js'

/** The newest so many are described. */
const BLOCKS_MAX = 1_000

/** What is listed. */
export interface ReportParts {
  readonly env: Env
  readonly bucket: Bucket
  /** Descriptions read at once. */
  readonly metasAtOnce: number
}

/** Reads the bucket, newest blocks first. */
export async function reportBlocks(parts: ReportParts, tenant: string): Promise<BlocksReport> {
  const { env, bucket, metasAtOnce } = parts
  const former = await findIndex(bucket, tenant)
  const { index, noCompact, partials } = await scanTenant(bucket, tenant, { former, env })
  const newest = [...index.blocks]
    .sort((a, b) => b.max_time - a.max_time || (a.block_id < b.block_id ? 1 : -1))
    .slice(0, BLOCKS_MAX)
  const ulids = newest.map(({ block_id }) => block_id)
  const metas = await new MetaCache(bucket, metasAtOnce).read(tenant, ulids)
  const deletions = new Map(
    index.block_deletion_marks.map((mark) => [mark.block_id, mark.deletion_time]),
  )
  const blocks = newest.map((block): ListedBlock => {
    const meta = metas.get(block.block_id)
    const deletion = deletions.get(block.block_id)
    return {
      block_id: block.block_id,
      min_time: new Date(block.min_time).toISOString(),
      max_time: new Date(block.max_time).toISOString(),
      duration_ms: block.max_time - block.min_time,
      uploaded_at: new Date(block.uploaded_at * 1000).toISOString(),
      level: meta?.compaction.level ?? block.compaction_level ?? 0,
      shard: block.compactor_shard_id ?? '',
      source: block.source ?? meta?.thanos?.source ?? '',
      out_of_order: block.out_of_order === true,
      no_compact: noCompact.has(block.block_id),
      ...(meta === undefined ? {} : { stats: meta.stats }),
      sources: meta?.compaction.sources ?? [],
      parents: (meta?.compaction.parents ?? []).map(({ ulid }) => ulid),
      ...(deletion === undefined ? {} : { deletion_time: new Date(deletion * 1000).toISOString() }),
    }
  })
  return {
    tenant,
    blocks,
    count: index.blocks.length,
    partial_blocks: [...partials.keys()],
    is_tenant_deleted: (await findTenantDeletion(bucket, tenant)) !== undefined,
  }
}

/** A damaged index spares nothing, and is written anew by the cleaner. */
async function findIndex(bucket: Bucket, tenant: string): Promise<BucketIndex | undefined> {
  try {
    return await findBucketIndex(bucket, tenant)
  } catch (error) {
    if (error instanceof AppError && error.id === 'block-damaged') return undefined
    throw error
  }
}
