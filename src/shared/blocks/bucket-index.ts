/**
 * `T/bucket-index.json.gz`: a tenant's blocks and deletion marks in one object, so that readers need
 * neither list nor read each meta.json. Written by cleaners, Mimir's and ours alike: its fields,
 * version 2; version 1 (without shard ids) is read, fields that we do not know are left alone.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Bucket } from '../bucket/index.js'
import type { Env } from '../env/index.js'
import { AppError, fail } from '../errors/index.js'
import {
  type BlockMeta,
  COMPACTOR_SHARD_LABEL,
  decodeBlockMeta,
  isOutOfOrder,
  isUlid,
} from '../tsdb/index.js'
import type { BlockEntry } from './entry.js'
import { findObject, readMarks } from './markers.js'
import { blockKey, bucketIndexKey, listNames } from './names.js'

/** A block, in Mimir's fields. */
export interface IndexedBlock {
  readonly block_id: string
  /** ms since the epoch. */
  readonly min_time: number
  /** Exclusive. */
  readonly max_time: number
  /** `1b6d`: chunk files are 000001 and so on; missing when they are not. */
  readonly segments_format?: string
  readonly segments_num?: number
  /** When meta.json came into the bucket, Unix seconds. */
  readonly uploaded_at: number
  readonly compactor_shard_id?: string
  readonly source?: string
  readonly compaction_level?: number
  readonly out_of_order?: boolean
  readonly labels?: Readonly<Record<string, string>>
}

/** A block that is to be deleted. */
export interface IndexedDeletionMark {
  readonly block_id: string
  /** Unix seconds. */
  readonly deletion_time: number
}

/** The index of a tenant. */
export interface BucketIndex {
  readonly version: number
  readonly blocks: readonly IndexedBlock[]
  readonly block_deletion_marks: readonly IndexedDeletionMark[]
  /** Unix seconds. */
  readonly updated_at: number
}

/** What a scan of a tenant found. */
export interface BucketScan {
  readonly index: BucketIndex
  /** Blocks without a meta.json, or with a damaged one: ULID → what is wrong. */
  readonly partials: ReadonlyMap<string, 'no-meta' | 'damaged-meta'>
  /** Blocks that are kept out of compactions. */
  readonly noCompact: ReadonlySet<string>
  readonly isTenantDeleted: boolean
}

const VERSION = 2
const READS_AT_ONCE = 16
/** An index of a million blocks is below it. */
const INDEX_BYTES_MAX = 512 * 1024 * 1024

/** Bytes of an index; the same index gives the same bytes. */
export function encodeBucketIndex(index: BucketIndex): Uint8Array {
  return gzipSync(JSON.stringify(index))
}

/**
 * Reads an index.
 *
 * @param where named in the error
 * @throws AppError `block-damaged`
 */
export function decodeBucketIndex(bytes: Uint8Array, where: string): BucketIndex {
  const damaged = (text: string, cause?: unknown) =>
    fail('block-damaged', { block: where, section: 'bucket index', text }, cause)
  let found: Partial<BucketIndex> | null
  try {
    const text = gunzipSync(bytes, { maxOutputLength: INDEX_BYTES_MAX }).toString()
    found = JSON.parse(text) as Partial<BucketIndex> | null
  } catch (error) {
    throw damaged(String(error), error)
  }
  if (typeof found !== 'object' || found === null) throw damaged('it is not an object')
  if (found.version !== 1 && found.version !== VERSION) {
    throw damaged(`version ${String(found.version)} is not known`)
  }
  const blocks = found.blocks ?? []
  const marks = found.block_deletion_marks ?? []
  if (!Array.isArray(blocks) || !Array.isArray(marks)) throw damaged('blocks is not a list')
  if (!blocks.every(isBlock)) throw damaged('a block lacks its id or times')
  if (!marks.every((mark) => isUlid(String(mark?.block_id)))) throw damaged('a mark lacks its id')
  const updated = typeof found.updated_at === 'number' ? found.updated_at : 0
  return { version: found.version, blocks, block_deletion_marks: marks, updated_at: updated }
}

function isBlock(block: Partial<IndexedBlock> | null): boolean {
  return (
    isUlid(String(block?.block_id)) &&
    Number.isSafeInteger(block?.min_time) &&
    Number.isSafeInteger(block?.max_time)
  )
}

/** The index of a tenant; undefined when there is none. @throws AppError `block-damaged` */
export async function findBucketIndex(
  bucket: Bucket,
  tenant: string,
): Promise<BucketIndex | undefined> {
  const key = bucketIndexKey(tenant)
  const bytes = await findObject(bucket, key)
  return bytes === undefined ? undefined : decodeBucketIndex(bytes, key)
}

/** Writes the index of a tenant. */
export async function writeBucketIndex(
  bucket: Bucket,
  tenant: string,
  index: BucketIndex,
): Promise<void> {
  await bucket.put(bucketIndexKey(tenant), encodeBucketIndex(index))
}

/**
 * Makes the index of a tenant from what the bucket has: one listing of its folder, one of its marks;
 * of blocks that the former index has, nothing more is read.
 */
export async function scanTenant(
  bucket: Bucket,
  tenant: string,
  options: { readonly former?: BucketIndex | undefined; readonly env: Pick<Env, 'clock'> },
): Promise<BucketScan> {
  const { former, env } = options
  const known = new Map(former?.blocks.map((block) => [block.block_id, block]))
  const times = new Map(
    former?.block_deletion_marks.map((mark) => [mark.block_id, mark.deletion_time]),
  )
  // Marks first: a block that is marked between the two is listed as one that is not.
  const marks = await readMarks(bucket, tenant, times)
  const names = await listNames(bucket, `${tenant}/`)
  const ulids = names.filter((name) => name.endsWith('/')).map((name) => name.slice(0, -1))
  const blocks: IndexedBlock[] = []
  const partials = new Map<string, 'no-meta' | 'damaged-meta'>()
  const there = ulids.filter(isUlid)
  for (let at = 0; at < there.length; at += READS_AT_ONCE) {
    const some = there.slice(at, at + READS_AT_ONCE)
    const found = await Promise.all(
      some.map((ulid) => known.get(ulid) ?? readBlock(bucket, tenant, ulid)),
    )
    for (const [i, block] of found.entries()) {
      if (typeof block === 'string') partials.set(some[i]!, block)
      else blocks.push(block)
    }
  }
  const kept = new Set(there)
  const deletions = [...marks.deletions]
    .filter(([ulid]) => kept.has(ulid))
    .map(([block_id, deletion_time]) => ({ block_id, deletion_time }))
  return {
    index: {
      version: VERSION,
      blocks,
      block_deletion_marks: deletions,
      updated_at: Math.floor(env.clock.now() / 1000),
    },
    partials,
    noCompact: marks.noCompact,
    isTenantDeleted: marks.isTenantDeleted,
  }
}

async function readBlock(
  bucket: Bucket,
  tenant: string,
  ulid: string,
): Promise<IndexedBlock | 'no-meta' | 'damaged-meta'> {
  const key = blockKey(tenant, ulid, 'meta.json')
  try {
    const [bytes, { mtime }] = await Promise.all([bucket.get(key), bucket.attributes(key)])
    const meta = decodeBlockMeta(bytes, key)
    return meta.ulid === ulid ? indexedBlock(meta, mtime) : 'damaged-meta'
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    if (error.id === 'bucket-not-found') return 'no-meta'
    if (error.id === 'block-damaged') return 'damaged-meta'
    throw error
  }
}

/** A block as the index has it. @param uploadedAt ms */
export function indexedBlock(meta: BlockMeta, uploadedAt: number): IndexedBlock {
  const { thanos } = meta
  const shard = thanos?.labels[COMPACTOR_SHARD_LABEL]
  const segments = segmentNames(meta)
  const isPlain = segments.every((name, i) => name === String(i + 1).padStart(6, '0'))
  const labels = thanos?.labels ?? {}
  return {
    block_id: meta.ulid,
    min_time: meta.minTime,
    max_time: meta.maxTime,
    ...(isPlain && segments.length > 0
      ? { segments_format: '1b6d', segments_num: segments.length }
      : {}),
    uploaded_at: Math.floor(uploadedAt / 1000),
    ...(shard === undefined ? {} : { compactor_shard_id: shard }),
    ...(thanos === undefined || thanos.source === '' ? {} : { source: thanos.source }),
    compaction_level: meta.compaction.level,
    ...(isOutOfOrder(meta) ? { out_of_order: true } : {}),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
  }
}

function segmentNames(meta: BlockMeta): string[] {
  const files = meta.thanos?.files
  if (files === undefined) return [...(meta.thanos?.segment_files ?? [])]
  const names = files.map(({ rel_path }) => /^chunks\/(.+)$/.exec(rel_path)?.[1])
  return names.filter((name) => name !== undefined)
}

/** The blocks of an index as the block list has them; those marked for deletion are left out. */
export function entriesOfIndex(tenant: string, index: BucketIndex): BlockEntry[] {
  const marked = new Set(index.block_deletion_marks.map((mark) => mark.block_id))
  const blocks = index.blocks.filter((block) => !marked.has(block.block_id))
  return blocks.map((block) => ({
    tenant,
    ulid: block.block_id,
    minTime: block.min_time,
    maxTime: block.max_time,
    inBucket: true,
    level: block.compaction_level ?? 0,
    numSeries: 0,
    uploadedAt: block.uploaded_at * 1000,
    ...(block.compactor_shard_id ? { compactorShard: block.compactor_shard_id } : {}),
    ...(block.out_of_order === true ? { outOfOrder: true } : {}),
  }))
}
