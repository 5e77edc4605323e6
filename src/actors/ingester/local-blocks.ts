/**
 * A shard's local blocks, and what of its heads is in blocks (architecture §8.19):
 *
 *   cut/<ULID>              built, not decided upon: rubbish after a crash
 *   cuts                    the note that decides: from here on these samples are in these blocks
 *   blocks/<tenant>/<ULID>  where blocks are read
 *
 * A copy that was dropped (shared/blocks/shipped-note.ts) is not there any more; its files go later.
 *
 * A cut writes its blocks, then the note, then moves the blocks. After a crash the next start either
 * finds no note and does it all again, or moves what the note names.
 */
import { type BlockEntry, readShippedNote } from '../../shared/blocks/index.js'
import type { Disk } from '../../shared/env/index.js'
import { decodeBlockMeta, isOutOfOrder, isUlid } from '../../shared/tsdb/index.js'
import { readNoteFile, writeNoteFile } from './note-file.js'

const NOTE = 'cuts'
const SCRATCH = 'cut'
const BLOCKS = 'blocks'
const DAMAGED = 'damaged'

/** What of a tenant's samples is in blocks. */
export interface TenantCut {
  /** Samples in order before this time, ms; -Infinity: none. */
  readonly before: number
  /** Samples out of order that were logged before this segment; 0: none. */
  readonly lateBefore: number
}

/** A block that the note names and that may not have been moved yet. */
interface Moving {
  readonly tenant: string
  readonly ulid: string
}

interface CutNote {
  readonly tenants: Readonly<Record<string, { readonly before?: number; readonly late: number }>>
  readonly moving: readonly Moving[]
}

/** A block that cannot be read, and why; it was set aside. */
export interface DamagedBlock {
  readonly path: string
  readonly reason: string
}

/** The blocks of one shard's folder. */
export class LocalBlocks {
  private readonly disk: Disk
  private readonly folder: string
  private readonly cuts = new Map<string, TenantCut>()
  /** Newest segment of the log when a tenant was first found gone. */
  private readonly goneAt = new Map<string, number>()

  /** @param folder `data/ingester-0` */
  constructor(disk: Disk, folder: string) {
    this.disk = disk
    this.folder = folder
  }

  /** Where a compactor builds. */
  scratch(): string {
    return `${this.folder}/${SCRATCH}`
  }

  /** What is in blocks of a tenant. */
  cutOf(tenant: string): TenantCut {
    return this.cuts.get(tenant) ?? { before: Number.NEGATIVE_INFINITY, lateBefore: 0 }
  }

  /** Tenants of which something is in blocks. */
  cutTenants(): string[] {
    return [...this.cuts.keys()]
  }

  /**
   * Forgets tenants that are gone, when no log or snapshot that is kept can have samples of them: the
   * next note does not name them.
   *
   * @param log segments: the oldest that a start would read, the newest there is
   */
  forgetGone(
    log: { readonly oldest: number; readonly newest: number },
    isGone: (tenant: string, cut: TenantCut) => boolean,
  ): void {
    for (const [tenant, cut] of this.cuts) {
      const goneAt = this.goneAt.get(tenant) ?? log.newest
      if (!isGone(tenant, cut)) this.goneAt.delete(tenant)
      else if (goneAt >= log.oldest) this.goneAt.set(tenant, goneAt)
      else {
        this.cuts.delete(tenant)
        this.goneAt.delete(tenant)
      }
    }
  }

  /**
   * At start: reads the note, finishes what it decided, removes what it did not, and lists the blocks.
   * @throws AppError `disk-failed`
   */
  open(onDamage: (damage: DamagedBlock) => void): BlockEntry[] {
    const note = readNoteFile(this.disk, `${this.folder}/${NOTE}`) as CutNote | undefined
    for (const [tenant, { before, late }] of Object.entries(note?.tenants ?? {})) {
      this.cuts.set(tenant, { before: before ?? Number.NEGATIVE_INFINITY, lateBefore: late })
    }
    for (const { tenant, ulid } of note?.moving ?? []) this.move(tenant, ulid)
    this.disk.remove(this.scratch())
    const entries = this.list(onDamage)
    // Should the note be lost, the blocks say as much as they can.
    for (const { tenant, maxTime, outOfOrder } of entries) {
      const { before, lateBefore } = this.cutOf(tenant)
      if (outOfOrder !== true && maxTime > before) {
        this.cuts.set(tenant, { before: maxTime, lateBefore })
      }
    }
    return entries
  }

  /** Removes what an earlier try left in the scratch folder. */
  clearScratch(): void {
    this.disk.remove(this.scratch())
  }

  /**
   * Decides that what a cut covers is in blocks. @throws AppError `disk-failed`: then it is not
   * decided, or the next start finds that it is.
   */
  decide(tenant: string, cut: TenantCut, ulids: readonly string[]): void {
    const before = this.cutOf(tenant)
    this.cuts.set(tenant, cut)
    const tenants = Object.fromEntries(
      [...this.cuts].map(([name, { before: time, lateBefore: late }]) => [
        name,
        Number.isFinite(time) ? { before: time, late } : { late },
      ]),
    )
    const moving = ulids.map((ulid) => ({ tenant, ulid }))
    try {
      writeNoteFile(this.disk, `${this.folder}/${NOTE}`, { tenants, moving } satisfies CutNote)
    } catch (error) {
      this.cuts.set(tenant, before)
      throw error
    }
  }

  /** Puts a built block where blocks are read; its folder there. @throws AppError `disk-failed` */
  move(tenant: string, ulid: string): string {
    const { disk } = this
    const from = `${this.scratch()}/${ulid}`
    const place = `${this.folder}/${BLOCKS}/${tenant}`
    if (disk.exists(from)) {
      disk.makeFolder(place)
      disk.rename(from, `${place}/${ulid}`)
      for (const folder of [place, `${this.folder}/${BLOCKS}`, this.folder]) disk.syncFolder(folder)
    }
    return `${place}/${ulid}`
  }

  private list(onDamage: (damage: DamagedBlock) => void): BlockEntry[] {
    const { disk } = this
    const blocks = `${this.folder}/${BLOCKS}`
    const entries: BlockEntry[] = []
    for (const tenant of disk.list(blocks)) {
      for (const ulid of disk.list(`${blocks}/${tenant}`)) {
        const localDir = `${blocks}/${tenant}/${ulid}`
        if (!isUlid(ulid) || readShippedNote(disk, localDir)?.isDropped === true) continue
        try {
          const meta = decodeBlockMeta(disk.readFile(`${localDir}/meta.json`), ulid)
          entries.push({
            tenant,
            ulid,
            minTime: meta.minTime,
            maxTime: meta.maxTime,
            localDir,
            inBucket: false,
            level: meta.compaction.level,
            numSeries: meta.stats.numSeries,
            ...(isOutOfOrder(meta) ? { outOfOrder: true } : {}),
          })
        } catch (error) {
          const path = `${this.folder}/${DAMAGED}/${ulid}`
          disk.makeFolder(`${this.folder}/${DAMAGED}`)
          disk.rename(localDir, path)
          onDamage({ path, reason: String(error) })
        }
      }
    }
    return entries
  }
}
