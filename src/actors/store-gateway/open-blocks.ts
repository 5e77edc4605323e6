/**
 * The blocks that are open: an index-header in memory and, of remote blocks, on local disk, made
 * when a block is first asked for and let go when nobody has asked for long, or when it has left the
 * list; who reads one then reads it to the end. Local blocks, and those of a bucket that is a folder,
 * are read in place; others through the page cache.
 */
import { type BlockEntry, blockKey } from '../../shared/blocks/index.js'
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import {
  type BlockFile,
  decodeTombstones,
  type IndexReader,
  openIndex,
  openLocalFile,
  type ReadOptions,
  readTombstones,
  TOMBSTONES_FILE,
  TOMBSTONES_NONE_BYTES,
  type Tombstones,
  writeIndexHeader,
} from '../../shared/tsdb/index.js'
import type { Gate } from './gate.js'
import { type PageCache, PagedFile } from './page-cache.js'

/** A block that is open. */
export interface OpenBlock {
  readonly tenant: string
  readonly ulid: string
  /** Folder of its files on this machine, if it has any. */
  readonly dir: string | undefined
  readonly index: IndexReader
  readonly tombstones: Tombstones
  close(): void
}

/** Where blocks come from. */
export interface BlockPlaces {
  readonly env: Env
  readonly bucket: Bucket
  readonly cache: PageCache
  /** Folder for index-headers. */
  readonly folder: string
  /** How ranges of remote indexes are read. */
  readonly reads: ReadOptions
  /** Remote blocks that are opened at a time. */
  readonly opens: Gate
}

interface Slot {
  readonly key: string
  readonly block: Promise<OpenBlock>
  readonly dir: string | undefined
  readonly touched: number
  usedAt: number
  /** Questions that are being answered from it. */
  users: number
}

/** Open at a time at most; the one used longest ago is closed. */
const OPEN_MAX = 2_000

/** The open blocks of a shard, in order of use. */
export class OpenBlocks {
  private readonly places: BlockPlaces
  private readonly slots = new Map<string, Slot>()
  /** Those that were dropped while in use: the last user closes. */
  private readonly leaving = new Set<Slot>()

  constructor(places: BlockPlaces) {
    this.places = places
  }

  /** How many are open. */
  size(): number {
    return this.slots.size
  }

  /**
   * Asks a block, opened if it is not open: it stays so until the answer, whatever is dropped.
   * @throws AppError `block-gone`, `block-damaged`, those of the bucket
   */
  async use<T>(entry: BlockEntry, ask: (block: OpenBlock) => Promise<T>): Promise<T> {
    const key = `${entry.tenant}/${entry.ulid}`
    const slot = this.slotOf(key, entry)
    slot.users++
    try {
      return await ask(await this.orForget(key, slot))
    } finally {
      slot.users--
      if (slot.users === 0 && this.leaving.delete(slot)) closeSoon(slot)
    }
  }

  /** The slot of a block, now the one used last. */
  private slotOf(key: string, entry: BlockEntry): Slot {
    const dir = this.dirOf(entry)
    const known = this.slots.get(key)
    const touched = entry.touched ?? 0
    if (known !== undefined && known.dir === dir && known.touched === touched) {
      known.usedAt = this.places.env.clock.monotonic()
      this.slots.delete(key)
      this.slots.set(key, known)
      return known
    }
    if (known !== undefined) this.drop(key)
    const block =
      dir === undefined
        ? this.places.opens.run(() => this.openRemote(entry))
        : this.openLocal(entry, dir)
    const usedAt = this.places.env.clock.monotonic()
    const slot: Slot = { key, block, dir, touched, usedAt, users: 0 }
    this.slots.set(key, slot)
    if (this.slots.size > OPEN_MAX) {
      const [oldest] = this.slots.keys()
      this.drop(oldest!)
    }
    return slot
  }

  /** Lets go of a block that failed, so that the next question opens it anew. */
  drop(key: string): void {
    const slot = this.slots.get(key)
    if (slot === undefined) return
    this.slots.delete(key)
    if (slot.users > 0) this.leaving.add(slot)
    else closeSoon(slot)
  }

  /** Closes what nobody has asked for since a time of the monotonic clock. */
  closeIdle(before: number): void {
    for (const [key, slot] of this.slots) {
      if (slot.usedAt >= before) return
      this.drop(key)
    }
  }

  /**
   * Removes what is kept of blocks that are not there any more.
   * @param isThere whether a tenant's block is in the list
   */
  async forgetGone(isThere: (tenant: string, ulid: string) => Promise<boolean>): Promise<void> {
    const { env, folder } = this.places
    for (const tenant of env.disk.list(folder)) {
      for (const ulid of env.disk.list(`${folder}/${tenant}`)) {
        if (await isThere(tenant, ulid)) continue
        const key = `${tenant}/${ulid}`
        this.drop(key)
        // Of what is still read, or being made, the next time.
        if ([...this.leaving].some((slot) => slot.key === key)) continue
        env.disk.remove(`${folder}/${key}`)
      }
    }
    for (const [key] of this.slots) {
      const [tenant, ulid] = key.split('/') as [string, string]
      if (!(await isThere(tenant, ulid))) this.drop(key)
    }
  }

  /** Closes everything. */
  close(): void {
    for (const key of [...this.slots.keys()]) this.drop(key)
  }

  private async orForget(key: string, slot: Slot): Promise<OpenBlock> {
    try {
      return await slot.block
    } catch (error) {
      if (this.slots.get(key) === slot) this.slots.delete(key)
      throw error
    }
  }

  private dirOf(entry: BlockEntry): string | undefined {
    const { localDir, inBucket } = entry
    // The bucket has what a disk may have lost.
    if (localDir !== undefined && (!inBucket || this.hasIndex(localDir))) return localDir
    const meta = this.places.bucket.localPath(`${entry.tenant}/${entry.ulid}/meta.json`)
    return meta?.slice(0, meta.lastIndexOf('/'))
  }

  private hasIndex(dir: string): boolean {
    return this.places.env.disk.exists(`${dir}/index`)
  }

  private async openLocal(entry: BlockEntry, dir: string): Promise<OpenBlock> {
    const { disk } = this.places.env
    const { tenant, ulid } = entry
    const path = `${dir}/index`
    if (!this.hasIndex(dir)) throw fail('block-gone', { block: ulid })
    const file = openLocalFile(disk, path)
    try {
      const index = await openIndex(file, { block: ulid })
      const tombstones = readTombstones(disk, dir, ulid)
      return { tenant, ulid, dir, index, tombstones, close: () => file.close() }
    } catch (error) {
      file.close()
      throw error
    }
  }

  private async openRemote(entry: BlockEntry): Promise<OpenBlock> {
    const { bucket, cache, env } = this.places
    const { tenant, ulid } = entry
    const key = blockKey(tenant, ulid, 'index')
    // One request tells how long the index is and whether there are tombstones.
    const sizes = new Map<string, number | undefined>()
    for await (const entry of bucket.list(blockKey(tenant, ulid, ''))) {
      sizes.set(entry.key, entry.size)
    }
    if (!sizes.has(key)) throw fail('block-gone', { block: ulid })
    const size = sizes.get(key) ?? (await bucket.attributes(key)).size
    const file: BlockFile = new PagedFile(cache, key, size)
    const folder = `${this.places.folder}/${tenant}/${ulid}`
    const path = `${folder}/index-header`
    env.disk.makeFolder(folder)
    try {
      const stones = blockKey(tenant, ulid, TOMBSTONES_FILE)
      const isNone = (sizes.get(stones) ?? Infinity) <= TOMBSTONES_NONE_BYTES
      const tombstones: Tombstones =
        sizes.has(stones) && !isNone ? decodeTombstones(await bucket.get(stones), ulid) : new Map()
      const open = async (): Promise<OpenBlock> => ({
        ...(await this.openWithHeader(entry, file, path)),
        tombstones,
      })
      if (env.disk.exists(path)) {
        try {
          return await open()
        } catch (error) {
          if (!(error instanceof AppError) || error.id !== 'block-damaged') throw error
          env.log.warn('an index-header is made anew', { tenant, block: ulid, err: error.message })
        }
      }
      await writeIndexHeader(env.disk, path, file, ulid)
      return await open()
    } catch (error) {
      throw goneOr(error, ulid)
    }
  }

  private async openWithHeader(
    { tenant, ulid }: BlockEntry,
    file: BlockFile,
    path: string,
  ): Promise<Omit<OpenBlock, 'tombstones'>> {
    const header = openLocalFile(this.places.env.disk, path)
    try {
      const index = await openIndex(file, { block: ulid, header, reads: this.places.reads })
      const close = (): void => header.close()
      return { tenant, ulid, dir: undefined, index, close }
    } catch (error) {
      header.close()
      throw error
    }
  }
}

function closeSoon({ block }: Slot): void {
  block.then(
    (open) => open.close(),
    () => {},
  )
}

/** What a missing object of a block means to who asked. */
export function goneOr(error: unknown, ulid: string): unknown {
  if (!(error instanceof AppError) || error.id !== 'bucket-not-found') return error
  return fail('block-gone', { block: ulid }, error)
}
