/**
 * One compaction: sources are read where they lie (a local copy, a bucket on disk) or fetched, merged
 * in the scratch folder, checked, uploaded; then the block list changes in one step, and the sources
 * are marked for deletion. A crash between any two steps leaves the sources, or both: then the next
 * run finds that the result has all that they have (duplicates.ts).
 */
import { ulidOf } from '../../shared/base/ulid.js'
import {
  type BlockEntry,
  blockKey,
  downloadBlock,
  entryOfMeta,
  markForDeletion,
  uploadBlock,
} from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import {
  type Block,
  type BlockMeta,
  COMPACTOR_SHARD_LABEL,
  deletionIn,
  mergeBlocks,
  openBlock,
  type ThanosMeta,
  verifyBlock,
  writeTombstones,
} from '../../shared/tsdb/index.js'
import type { BlockListCalls, SeriesDeletion } from '../supervisor/contract.js'
import { dropCopies } from './local-copies.js'
import type { CompactionJob } from './plan.js'

/** What a job works on. */
export interface JobParts {
  readonly env: Env
  readonly bucket: Bucket
  readonly list: Pick<BlockListCalls, 'blocks' | 'changeBlocks' | 'deletions'>
  /** The job's own folder; made and removed here. */
  readonly scratch: string
  /** Shards of a split. */
  readonly shards: number
  /** Whether local copies of sources may be read; else they are read from the bucket alone. */
  readonly readsLocal: boolean
  /** Awaited between slices of work. */
  readonly pause: () => Promise<void>
  /** Told how far it is, 0 to 1. */
  readonly progress: (share: number) => void
}

/** Room that is left beside what a job writes. */
const SPARE_BYTES = 64 << 20
/** A result is rarely larger than its sources; this much is reckoned with. */
const GROWTH = 1.1

/**
 * Runs a job.
 *
 * @returns the blocks that it made, as the bucket has them
 * @throws AppError `block-damaged` naming a source, `chunk-corrupt`, `disk-failed`, of the bucket
 */
export async function runJob(
  parts: JobParts,
  tenant: string,
  job: CompactionJob,
): Promise<BlockMeta[]> {
  const { env, scratch } = parts
  env.disk.remove(scratch)
  env.disk.makeFolder(`${scratch}/out`)
  const blocks: Block[] = []
  try {
    const { from } = await parts.list.deletions({ tenant })
    const places = await placesOf(parts, tenant, job)
    checkRoom(parts, job, places)
    for (const place of places) blocks.push(await openSource(parts, tenant, place))
    const metas = await merge(parts, job, blocks)
    await check(parts, blocks, metas)
    return await publish(parts, tenant, job, { metas, from })
  } finally {
    for (const block of blocks) block.close()
    env.disk.remove(scratch)
  }
}

/** Where a source is. */
interface Place {
  readonly ulid: string
  /** Its folder on this machine; undefined when it must be fetched. */
  readonly dir: string | undefined
  readonly bytes: number
}

async function placesOf(parts: JobParts, tenant: string, job: CompactionJob): Promise<Place[]> {
  const { env, bucket, list } = parts
  const { entries } = await list.blocks({ tenant })
  const local = new Map(entries.map((entry: BlockEntry) => [entry.ulid, entry.localDir]))
  return job.blocks.map(({ meta: { ulid, thanos } }) => {
    const own = parts.readsLocal ? local.get(ulid) : undefined
    const index = bucket.localPath(blockKey(tenant, ulid, 'index'))
    const dir =
      own !== undefined && env.disk.exists(`${own}/meta.json`)
        ? own
        : index?.replace(/\/index$/, '')
    const files = thanos?.files ?? []
    return { ulid, dir, bytes: files.reduce((sum, file) => sum + (file.size_bytes ?? 0), 0) }
  })
}

/** What is fetched and what is written must fit. */
function checkRoom({ env, scratch }: JobParts, job: CompactionJob, places: readonly Place[]): void {
  const all = places.reduce((sum, place) => sum + place.bytes, 0)
  const fetched = places.reduce((sum, { dir, bytes }) => sum + (dir === undefined ? bytes : 0), 0)
  const needed = Math.ceil((all + fetched) * GROWTH) + SPARE_BYTES
  const free = env.disk.freeBytes(scratch)
  if (free >= needed) return
  env.metrics.cell('cortex_compactor_disk_out_of_space_errors_total').add(1)
  const text = `compaction ${job.key} needs ${needed} bytes in ${scratch}, ${free} are free`
  throw fail('disk-failed', { text })
}

/** Opens a block of the bucket, which is fetched to the scratch folder unless `dir` has it. */
export async function openSource(
  { env, bucket, scratch }: Pick<JobParts, 'env' | 'bucket' | 'scratch'>,
  tenant: string,
  { ulid, dir }: { readonly ulid: string; readonly dir?: string | undefined },
): Promise<Block> {
  const local = dir ?? bucket.localPath(blockKey(tenant, ulid, 'index'))?.replace(/\/index$/, '')
  if (local !== undefined) return await openBlock(env.disk, local)
  const fetched = `${scratch}/${ulid}`
  await downloadBlock(bucket, { tenant, ulid, dir: fetched }, env.disk)
  return await openBlock(env.disk, fetched)
}

async function merge(
  parts: JobParts,
  job: CompactionJob,
  blocks: readonly Block[],
): Promise<BlockMeta[]> {
  const { env, scratch, pause, progress } = parts
  const shards = job.stage === 'split' ? parts.shards : 1
  const outputs = Array.from({ length: shards }, (_, i) => {
    const random = new Uint8Array(10)
    env.prng.fill(random)
    const shard = job.stage === 'split' ? `${i + 1}_of_${shards}` : job.shard
    return { ulid: ulidOf(env.clock.now(), random), thanos: thanosOf(job, shard) }
  })
  const metas = await mergeBlocks(env.disk, `${scratch}/out`, {
    blocks,
    outputs,
    pause,
    progress: (done, all) => progress(all === 0 ? 1 : done / all),
  })
  return metas.filter((meta) => meta !== undefined)
}

function thanosOf(job: CompactionJob, shard: string): ThanosMeta {
  const labels = { ...job.blocks[0]!.meta.thanos?.labels }
  delete labels[COMPACTOR_SHARD_LABEL]
  if (shard !== '') labels[COMPACTOR_SHARD_LABEL] = shard
  return { version: 1, labels, downsample: { resolution: 0 }, source: 'compactor' }
}

/** Reads the results again, and compares how many samples went in and came out. */
async function check(
  parts: JobParts,
  sources: readonly Block[],
  metas: readonly BlockMeta[],
): Promise<void> {
  const { env, scratch, pause } = parts
  for (const { ulid } of metas) {
    const block = await openBlock(env.disk, `${scratch}/out/${ulid}`)
    const { problems } = await verifyBlock(block, { pause }).finally(() => block.close())
    if (problems.length === 0) continue
    const text = `the result ${ulid} is wrong: ${problems[0]}`
    throw fail('internal', { text })
  }
  const counts = sources.map(({ meta }) => meta.stats.numSamples)
  const made = metas.reduce((sum, meta) => sum + meta.stats.numSamples, 0)
  const most = counts.reduce((sum, count) => sum + count, 0)
  const hasTombstones = sources.some(({ tombstones }) => tombstones.size > 0)
  const least = hasTombstones ? 0 : isDisjoint(sources) ? most : Math.max(...counts)
  if (made >= least && made <= most) return
  const text = `the result has ${made} samples, the sources have ${counts.join(', ')}`
  throw fail('internal', { text })
}

function isDisjoint(sources: readonly Block[]): boolean {
  return sources.every(({ meta }, i) => i === 0 || meta.minTime >= sources[i - 1]!.meta.maxTime)
}

/** Bucket first, then the list, then the sources' marks. */
async function publish(
  parts: JobParts,
  tenant: string,
  job: CompactionJob,
  made: { readonly metas: readonly BlockMeta[]; readonly from: number },
): Promise<BlockMeta[]> {
  const { env, bucket, list, scratch } = parts
  const sources = job.blocks.map(({ meta }) => meta.ulid)
  const uploaded: BlockMeta[] = []
  for (;;) {
    // What was deleted since the sources were opened is deleted of the results as well.
    const { deletions, next } = await list.deletions({ tenant, from: made.from })
    uploaded.length = 0
    for (const { ulid } of made.metas) {
      const dir = `${scratch}/out/${ulid}`
      for (const deletion of deletions) await deleteIn(parts, dir, deletion)
      uploaded.push(await uploadBlock(bucket, { tenant, dir }, env.disk))
    }
    const place = { inBucket: true, uploadedAt: env.clock.now() }
    const add = uploaded.map((meta) => entryOfMeta(tenant, meta, place))
    // A reader of the bucket may have brought a result into the list before it had its tombstones.
    const touch = deletions.length > 0 ? add.map(({ ulid }) => ulid) : []
    const change = { tenant, add, remove: sources, touch, deletionsSeen: next }
    await dropCopies(parts, tenant, sources)
    if ((await list.changeBlocks(change)) !== 0) break
  }
  await markSources(parts, tenant, sources)
  return uploaded
}

async function deleteIn(
  { env, pause }: JobParts,
  dir: string,
  deletion: SeriesDeletion,
): Promise<void> {
  const block = await openBlock(env.disk, dir)
  try {
    const { isNew, tombstones } = await deletionIn(block, deletion, pause)
    if (isNew) writeTombstones(env.disk, dir, tombstones)
  } finally {
    block.close()
  }
}

/** Marks blocks whose samples other blocks have. */
export async function markSources(
  { env, bucket }: Pick<JobParts, 'env' | 'bucket'>,
  tenant: string,
  ulids: readonly string[],
): Promise<void> {
  for (const ulid of ulids) {
    const details = 'source of compacted block'
    await markForDeletion(bucket, { tenant, ulid }, { now: env.clock.now(), details })
    env.metrics.cell('cortex_compactor_blocks_marked_for_deletion_total', 'compaction').add(1)
  }
}
