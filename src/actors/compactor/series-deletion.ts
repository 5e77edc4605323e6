/**
 * Deletion of series: tombstones for every block of the list, local and in the bucket, as files beside
 * the block's index in Prometheus' format. The block list tells readers when the file of a block has
 * changed; a compaction leaves out what it says (tsdb/block/merge.ts).
 *
 * The heads have been cut before, so that all samples from before the deletion are in blocks. The list
 * is looked at until it has nothing new: a block may be shipped or compacted meanwhile. Compactions that
 * have read their sources by then see to their results themselves (run.ts): main knows of the
 * deletion from before the first look to after the last one.
 */
import { type BlockEntry, blockKey, downloadIndex, findObject } from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import {
  type BlockDeletion,
  decodeTombstones,
  deletionIn,
  encodeTombstones,
  openIndex,
  openLocalFile,
  readTombstones,
  TOMBSTONES_FILE,
  type Tombstones,
  writeTombstones,
} from '../../shared/tsdb/index.js'
import type { BlockListCalls, SeriesDeletion } from '../supervisor/contract.js'
import type { DeletedBlock, SeriesDeletionCalls } from './contract.js'

/** What deletions work on. */
export interface DeletionParts {
  readonly env: Env
  readonly bucket: Bucket
  readonly list: Pick<BlockListCalls, 'blocks' | 'changeBlocks'>
  /** Folder for indexes that are fetched. */
  readonly scratch: string
  /** Awaited between slices of work. */
  readonly pause: () => Promise<void>
}

/** Looks at the list until it has nothing new, at most. */
const LOOKS_MAX = 100

/** Deletes series, one request after the other. */
export class SeriesDeletions {
  private readonly parts: DeletionParts
  private last: Promise<unknown> = Promise.resolve()

  constructor(parts: DeletionParts) {
    this.parts = parts
  }

  /** What others may ask. */
  calls(): SeriesDeletionCalls {
    return {
      // Loaded by who deletes: it is a good part of the code, and wanted for nothing else here.
      parseSelectors: async (texts) => {
        const { parseAnySelectors } = await import('../../shared/promql/syntax/index.js')
        return parseAnySelectors(texts, 'invalid parameter "match[]": ')
      },
      deleteSeries: (deletion) => this.inTurn(() => this.delete(deletion, false)),
      previewDeletion: (deletion) => this.inTurn(() => this.delete(deletion, true)),
    }
  }

  private async inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.last.then(run)
    this.last = done.catch(() => {})
    return await done
  }

  private async delete(deletion: SeriesDeletion, isDry: boolean): Promise<DeletedBlock[]> {
    const { tenant, mint, maxt } = deletion
    const { env, list } = this.parts
    const done = new Set<string>()
    const report = new Map<string, DeletedBlock>()
    for (let look = 0; look < LOOKS_MAX; look++) {
      const { entries, isComplete } = await list.blocks({ tenant })
      if (!isComplete) throw fail('bucket-unread', { text: 'deletions wait for it' })
      const todo = entries.filter(
        (entry) => entry.minTime <= maxt && entry.maxTime > mint && !done.has(placeOf(entry)),
      )
      if (todo.length === 0 || (isDry && look > 0)) {
        const blocks = [...report.values()]
        if (!isDry) env.log.info('series deleted', { tenant, blocks: blocks.length })
        return blocks
      }
      for (const entry of todo) {
        const found = await this.deleteIn(entry, deletion, isDry)
        if (found !== undefined) report.set(entry.ulid, found)
        done.add(placeOf(entry))
        await this.parts.pause()
      }
    }
    throw fail('overloaded', { text: 'blocks change faster than series can be deleted of them' })
  }

  /** What there is to delete of a block; undefined: nothing, or the block has gone meanwhile. */
  private async deleteIn(
    entry: BlockEntry,
    deletion: SeriesDeletion,
    isDry: boolean,
  ): Promise<DeletedBlock | undefined> {
    const { tenant, ulid, minTime, maxTime } = entry
    try {
      const found = await this.find(entry, deletion)
      if (found.series === 0) return undefined
      // A copy may lack what the other one has: a deletion that was cut off in between.
      if (!isDry) await this.write(entry, found.tombstones)
      return { ulid, minTime, maxTime, series: found.series, chunks: found.chunks }
    } catch (error) {
      const { entries } = await this.parts.list.blocks({ tenant })
      const isThere = entries.some((one) => placeOf(one) === placeOf(entry))
      if (isThere || !(error instanceof AppError)) throw error
      return undefined
    }
  }

  private async find(entry: BlockEntry, deletion: SeriesDeletion): Promise<BlockDeletion> {
    const { env, bucket, scratch, pause } = this.parts
    const { tenant, ulid, localDir } = entry
    const inBucket = bucket.localPath(blockKey(tenant, ulid, 'index'))
    const isFetched = localDir === undefined && inBucket === undefined
    const path =
      localDir === undefined ? (inBucket ?? `${scratch}/${ulid}.index`) : `${localDir}/index`
    if (isFetched) {
      env.disk.makeFolder(scratch)
      await downloadIndex(bucket, { tenant, ulid, path }, env.disk)
    }
    const file = openLocalFile(env.disk, path)
    try {
      const index = await openIndex(file, { block: ulid })
      const tombstones = await this.tombstonesOf(entry)
      return await deletionIn({ index, tombstones }, deletion, pause)
    } finally {
      file.close()
      if (isFetched) env.disk.remove(path)
    }
  }

  private async tombstonesOf({ tenant, ulid, localDir }: BlockEntry): Promise<Tombstones> {
    const { env, bucket } = this.parts
    if (localDir !== undefined) return readTombstones(env.disk, localDir, ulid)
    const bytes = await findObject(bucket, blockKey(tenant, ulid, TOMBSTONES_FILE))
    return bytes === undefined ? new Map() : decodeTombstones(bytes, ulid)
  }

  private async write(
    { tenant, ulid, localDir, inBucket }: BlockEntry,
    tombstones: Tombstones,
  ): Promise<void> {
    const { env, bucket, list } = this.parts
    try {
      if (localDir !== undefined) writeTombstones(env.disk, localDir, tombstones)
      if (inBucket) {
        const key = blockKey(tenant, ulid, TOMBSTONES_FILE)
        await bucket.put(key, encodeTombstones(tombstones))
        const { entries } = await list.blocks({ tenant })
        // Nothing is to be left where a block was.
        if (!entries.some((one) => one.ulid === ulid)) await bucket.delete([key])
      }
    } finally {
      await list.changeBlocks({ tenant, touch: [ulid] })
    }
  }
}

/** Where a block is, as far as its files go. */
function placeOf({ ulid, localDir, inBucket }: BlockEntry): string {
  return `${ulid} ${localDir ?? ''} ${inBucket}`
}
