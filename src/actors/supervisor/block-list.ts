/**
 * The block list: which blocks there are, local and in the bucket, one for the whole process. It
 * lives on the main thread; writers change it in single steps, and readers are told by a version in
 * a shared cell when to ask again (architecture §8.19–20). Nothing waits for a scan of the bucket.
 *
 * A block that left the list never comes back: a sync that read the bucket index before the removal
 * would otherwise bring it in again.
 */
import type { BlockEntry } from '../../shared/blocks/index.js'
import { fail } from '../../shared/errors/index.js'
import type {
  BlockChange,
  BlockListCalls,
  BlocksAnswer,
  DeletionsAnswer,
  SeriesDeletion,
} from './contract.js'

/** Removed ULIDs that are remembered; the oldest are forgotten, when their syncs are long over. */
const REMOVED_MAX = 100_000
/** Deletions that are remembered; a compaction that began before the oldest begins anew. */
const DELETIONS_MAX = 1_000

/** Who hears of the first block. */
export interface BlockListHooks {
  /** Awaited before the first blocks are listed that another thread brings. */
  beforeFirst?(): Promise<void>
  /** Called once, with the first block. */
  onFirst?(): void
}

/** The list, and the calls by which other threads use it. */
export class BlockList {
  /** The Int32 version cell, for the boot data of all threads. */
  readonly cell = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  readonly calls: BlockListCalls
  private readonly version = new Int32Array(this.cell)
  private readonly tenants = new Map<string, Map<string, BlockEntry>>()
  private readonly removed = new Set<string>()
  /** Named parts of the bucket that have not been read since the start. */
  private readonly unread = new Set<string>()
  /** The last ones, whether over or not. */
  private readonly deletions: { readonly of: SeriesDeletion; isOver: boolean }[] = []
  /** Number of the first one that is remembered. */
  private firstDeletion = 0
  private readonly hooks: BlockListHooks
  private readonly areHeadsNew: boolean
  private hasBlocks = false

  /**
   * @param areHeadsNew no shard has anything on disk, so that heads say nothing of the time before
   */
  constructor(hooks: BlockListHooks = {}, areHeadsNew = false) {
    this.hooks = hooks
    this.areHeadsNew = areHeadsNew
    this.calls = {
      blocks: async ({ tenant }) => this.blocks(tenant),
      changeBlocks: async (change) => {
        if (!this.hasBlocks && (change.add ?? []).length > 0) await hooks.beforeFirst?.()
        return this.change(change)
      },
      keepLocal: async ({ folder, ulids }) => this.keepLocal(folder, new Set(ulids)),
      blockTenants: async () => [...this.tenants.keys()].sort(),
      deletions: async ({ tenant, from }) => this.deletionsOf(tenant, from),
      noteBucketRead: async ({ reader }) => this.noteRead(reader),
    }
  }

  /** A reader of the bucket will bring in blocks: the list is not complete until it has. */
  awaitReader(reader: string): void {
    this.unread.add(reader)
    this.raise()
  }

  /** A tenant's blocks, in order of their times. */
  blocks(tenant: string): BlocksAnswer {
    const entries = [...(this.tenants.get(tenant)?.values() ?? [])].sort(byTime)
    const isComplete = this.unread.size === 0
    return { version: this.version[0]!, entries, isComplete, areHeadsNew: this.areHeadsNew }
  }

  /** Changes a tenant's blocks in one step. */
  change(change: BlockChange): number {
    const { tenant, add = [], dropLocal = [], remove = [], touch = [] } = change
    if ((change.deletionsSeen ?? this.nextDeletion()) < this.nextDeletion()) return 0
    const blocks = this.tenants.get(tenant) ?? new Map<string, BlockEntry>()
    this.tenants.set(tenant, blocks)
    for (const entry of add) {
      if (this.removed.has(entry.ulid)) continue
      const known = blocks.get(entry.ulid)
      blocks.set(entry.ulid, known === undefined ? entry : merged(known, entry))
    }
    for (const ulid of dropLocal) {
      const known = blocks.get(ulid)
      if (known === undefined) continue
      const { localDir: _, ...rest } = known
      if (rest.inBucket) blocks.set(ulid, rest)
      else this.remove(blocks, ulid)
    }
    for (const ulid of remove) this.remove(blocks, ulid)
    for (const ulid of touch) {
      const known = blocks.get(ulid)
      if (known !== undefined) blocks.set(ulid, { ...known, touched: (known.touched ?? 0) + 1 })
    }
    const isEmpty = blocks.size === 0
    if (isEmpty) this.tenants.delete(tenant)
    const version = this.raise()
    if (!isEmpty && !this.hasBlocks) {
      this.hasBlocks = true
      this.hooks.onFirst?.()
    }
    return version
  }

  private keepLocal(folder: string, there: ReadonlySet<string>): void {
    let isChanged = false
    for (const [tenant, blocks] of this.tenants) {
      for (const [ulid, { localDir, ...rest }] of blocks) {
        if (localDir?.startsWith(`${folder}/`) !== true || there.has(ulid)) continue
        isChanged = true
        if (rest.inBucket) blocks.set(ulid, rest)
        else blocks.delete(ulid)
      }
      if (blocks.size === 0) this.tenants.delete(tenant)
    }
    if (isChanged) this.raise()
  }

  /** Samples are being deleted; until the end is told, results of compactions may lack it. */
  beginDeletion(of: SeriesDeletion): () => void {
    const deletion = { of, isOver: false }
    this.deletions.push(deletion)
    while (this.deletions.length > DELETIONS_MAX && this.deletions[0]!.isOver) {
      this.deletions.shift()
      this.firstDeletion++
    }
    return () => {
      deletion.isOver = true
    }
  }

  private nextDeletion(): number {
    return this.firstDeletion + this.deletions.length
  }

  private deletionsOf(tenant: string, from: number | undefined): DeletionsAnswer {
    const next = this.nextDeletion()
    const open = this.deletions.findIndex(({ isOver }) => !isOver)
    const first = open < 0 ? next : this.firstDeletion + open
    if (from === undefined) return { from: first, next, deletions: [] }
    if (from < this.firstDeletion) {
      throw fail('overloaded', { text: 'many series were deleted since the work began' })
    }
    const some = this.deletions.slice(from - this.firstDeletion).map(({ of }) => of)
    return { from: first, next, deletions: some.filter((one) => one.tenant === tenant) }
  }

  private remove(blocks: Map<string, BlockEntry>, ulid: string): void {
    blocks.delete(ulid)
    this.removed.add(ulid)
    if (this.removed.size > REMOVED_MAX) {
      for (const oldest of this.removed) {
        this.removed.delete(oldest)
        break
      }
    }
  }

  private noteRead(reader: string): void {
    if (this.unread.delete(reader)) this.raise()
  }

  private raise(): number {
    return Atomics.add(this.version, 0, 1) + 1
  }
}

/** What two reports of one block say together: where it lies, and what only one of them knew. */
function merged(known: BlockEntry, entry: BlockEntry): BlockEntry {
  return {
    ...known,
    ...entry,
    inBucket: known.inBucket || entry.inBucket,
    level: Math.max(known.level, entry.level),
    numSeries: Math.max(known.numSeries, entry.numSeries),
    ...(known.touched === undefined ? {} : { touched: known.touched }),
  }
}

function byTime(a: BlockEntry, b: BlockEntry): number {
  if (a.minTime !== b.minTime) return a.minTime - b.minTime
  return a.ulid < b.ulid ? -1 : 1
}
