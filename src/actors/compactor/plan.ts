/**
 * Blocks of a tenant → compaction jobs, Mimir's split-and-merge planner (reference: Mimir's
 * documentation of the compactor). Pure.
 *
 * Ranges go from the smallest to the largest (2h, 12h, 24h), each aligned to the epoch. Within the
 * smallest, blocks without a shard are split first where splitting is on. In every range the blocks
 * of one shard are merged when there are two or more: those of one range on top of each other
 * (several ingesters, out of order) at 2h, neighbours above that.
 */
import { fnv1 } from '../../shared/base/fnv.js'
import { ulidBytes } from '../../shared/base/ulid.js'
import { type BlockMeta, COMPACTOR_SHARD_LABEL } from '../../shared/tsdb/index.js'

/** A block that may be compacted. */
export interface PlanBlock {
  readonly meta: BlockMeta
  /** When it came into the bucket, ms since the epoch. */
  readonly uploadedAt: number
}

/** What planning goes by. */
export interface PlanOptions {
  /** ms, ascending, each a divisor of the next. */
  readonly ranges: readonly number[]
  /** Shards of a split; 0: none. */
  readonly shards: number
  /** Jobs that a split of one range is done in. */
  readonly splitGroups: number
  /** ms since the epoch. */
  readonly now: number
  /** Blocks of level 1 wait so long after their upload, for others of their time to come, ms. */
  readonly firstLevelWaitMs: number
  readonly order: 'smallest-range-oldest-blocks-first' | 'newest-blocks-first'
}

/** One compaction. */
export interface CompactionJob {
  /** The same for the same work in every plan: `0@17241709254077376921-merge--1760004000000-…`. */
  readonly key: string
  readonly stage: 'split' | 'merge'
  /** `1_of_4`: the shard whose blocks are merged, or the group that is split; '' without. */
  readonly shard: string
  /** The range, ms, its end exclusive. */
  readonly rangeStart: number
  readonly rangeEnd: number
  /** In order of their times. */
  readonly blocks: readonly PlanBlock[]
}

interface RangeGroup {
  readonly rangeStart: number
  readonly rangeEnd: number
  readonly blocks: PlanBlock[]
}

/** Jobs that can be done now, in the order to do them; none conflicts with another. */
export function planJobs(blocks: readonly PlanBlock[], options: PlanOptions): CompactionJob[] {
  const jobs: CompactionJob[] = []
  for (const [labels, group] of byLabels(blocks)) {
    const own: CompactionJob[] = []
    for (const range of options.ranges) {
      for (const job of jobsOfRange(labels, group, range, options)) {
        if (!own.some((planned) => conflicts(planned, job))) own.push(job)
      }
    }
    jobs.push(...own)
  }
  const newest = blocks.reduce((most, block) => Math.max(most, block.meta.maxTime), -Infinity)
  return jobs
    .filter((job) => isRipe(job, newest) && hasWaited(job, options))
    .sort(options.order === 'newest-blocks-first' ? byNewest : bySmallest)
}

/** Blocks by their labels but for the shard, and resolution: others are never merged. */
function byLabels(blocks: readonly PlanBlock[]): Map<string, PlanBlock[]> {
  const groups = new Map<string, PlanBlock[]>()
  for (const block of [...blocks].sort(byTime)) {
    const { thanos } = block.meta
    const labels = Object.entries(thanos?.labels ?? {})
      .filter(([name]) => name !== COMPACTOR_SHARD_LABEL)
      .map(([name, value]) => `${name}=${value}`)
      .sort()
    const key = `${thanos?.downsample.resolution ?? 0}@${labels.join(',')}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [block])
    else group.push(block)
  }
  return groups
}

function jobsOfRange(
  labels: string,
  blocks: readonly PlanBlock[],
  range: number,
  options: PlanOptions,
): CompactionJob[] {
  const isSmallest = range === options.ranges[0]
  return groupsOfRange(blocks, range).flatMap((group) => {
    const splits = options.shards > 0 && isSmallest ? splitJobs(labels, group, options) : []
    return splits.length > 0 ? splits : mergeJobs(labels, group)
  })
}

/** Blocks that lie within one range each; those that reach over the end of theirs are left out. */
function groupsOfRange(blocks: readonly PlanBlock[], range: number): RangeGroup[] {
  const groups = new Map<number, RangeGroup>()
  for (const block of blocks) {
    const rangeStart = Math.floor(block.meta.minTime / range) * range
    const rangeEnd = rangeStart + range
    if (block.meta.maxTime > rangeEnd) continue
    const group = groups.get(rangeStart)
    if (group === undefined) groups.set(rangeStart, { rangeStart, rangeEnd, blocks: [block] })
    else group.blocks.push(block)
  }
  return [...groups.values()]
}

/** Blocks without a shard, in groups by their ULIDs. */
function splitJobs(labels: string, group: RangeGroup, options: PlanOptions): CompactionJob[] {
  const groups = new Map<number, PlanBlock[]>()
  const count = Math.max(1, options.splitGroups)
  for (const block of group.blocks) {
    if (shardOf(block) !== '') continue
    const number = fnv1(ulidBytes(block.meta.ulid)) % count
    groups.set(number, [...(groups.get(number) ?? []), block])
  }
  return [...groups].map(([number, blocks]) =>
    jobOf('split', labels, `${number + 1}_of_${count}`, { ...group, blocks }),
  )
}

function mergeJobs(labels: string, group: RangeGroup): CompactionJob[] {
  const shards = new Map<string, PlanBlock[]>()
  for (const block of group.blocks) {
    const shard = shardOf(block)
    shards.set(shard, [...(shards.get(shard) ?? []), block])
  }
  return [...shards]
    .filter(([, blocks]) => blocks.length > 1)
    .map(([shard, blocks]) => jobOf('merge', labels, shard, { ...group, blocks }))
}

function jobOf(
  stage: 'split' | 'merge',
  labels: string,
  shard: string,
  group: RangeGroup,
): CompactionJob {
  const { rangeStart, rangeEnd, blocks } = group
  const key = `${labels}-${stage}-${shard}-${rangeStart}-${rangeEnd}`
  return { key, stage, shard, rangeStart, rangeEnd, blocks }
}

/** One block, written anew without what is deleted of it. */
export function rewriteJob(block: PlanBlock): CompactionJob {
  const { minTime, maxTime, ulid } = block.meta
  const group = { rangeStart: minTime, rangeEnd: maxTime, blocks: [block] }
  return { ...jobOf('merge', '', shardOf(block), group), key: `clean-${ulid}` }
}

function shardOf(block: PlanBlock): string {
  return block.meta.thanos?.labels[COMPACTOR_SHARD_LABEL] ?? ''
}

/** Whether two jobs of blocks with equal labels touch the same data. */
function conflicts(a: CompactionJob, b: CompactionJob): boolean {
  if (a.rangeEnd <= b.rangeStart || b.rangeEnd <= a.rangeStart) return false
  // Shards, and groups of one split, have nothing in common.
  return a.stage !== b.stage || a.shard === b.shard
}

/** Whether nothing more can come into the range: so that today's blocks are not merged too early. */
function isRipe(job: CompactionJob, newest: number): boolean {
  if (job.rangeEnd <= newest) return true
  const first = Math.min(...job.blocks.map((block) => block.meta.minTime))
  const last = Math.max(...job.blocks.map((block) => block.meta.maxTime))
  return last - first === job.rangeEnd - job.rangeStart
}

function hasWaited(job: CompactionJob, options: PlanOptions): boolean {
  const { now, firstLevelWaitMs } = options
  return job.blocks.every(
    ({ meta, uploadedAt }) => meta.compaction.level > 1 || uploadedAt + firstLevelWaitMs <= now,
  )
}

function byTime(a: PlanBlock, b: PlanBlock): number {
  return a.meta.minTime - b.meta.minTime || (a.meta.ulid < b.meta.ulid ? -1 : 1)
}

function bySmallest(a: CompactionJob, b: CompactionJob): number {
  return (
    a.rangeEnd - a.rangeStart - (b.rangeEnd - b.rangeStart) ||
    a.rangeStart - b.rangeStart ||
    byStage(a, b)
  )
}

function byNewest(a: CompactionJob, b: CompactionJob): number {
  return b.rangeEnd - a.rangeEnd || b.rangeStart - a.rangeStart || byStage(a, b)
}

/** Splits first: merges of their shards wait for them. */
function byStage(a: CompactionJob, b: CompactionJob): number {
  if (a.stage !== b.stage) return a.stage === 'split' ? -1 : 1
  return a.key < b.key ? -1 : 1
}
