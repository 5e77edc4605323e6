/**
 * A folder as a bucket, laid out as Mimir's filesystem backend lays it out: keys are paths below it.
 * Objects appear whole: a draft beside the target, `<name>.draft-<hex>`, is synced and renamed (or
 * linked, for put-if-absent), the folder synced. Local files are linked rather than copied where
 * both lie on one file system. Listings leave drafts out, until they are a day old: then a process
 * has died over them, and whoever cleans up must see them. Empty folders vanish with their last
 * object, as object stores have none.
 */
import { dirname, join } from 'node:path'
import type { Disk, Env } from '../env/index.js'
import { AppError, fail } from '../errors/index.js'
import {
  type BucketBackend,
  type BucketPage,
  type ByteRange,
  type FailedTry,
  GET_SIZE_MAX,
  type ListQuery,
  refused,
  unavailable,
} from './backend.js'
import type { BucketAttributes, BucketBody, BucketEntry } from './bucket.js'
import type { FilePart } from './multipart.js'

const DRAFT = /\.draft-[0-9a-f]{16}$/
const DRAFT_AGE_MS_MAX = 24 * 3600 * 1000
const COPY_BYTES = 1024 * 1024
/** A delete that takes the folder away while a put makes its draft there: the put tries again. */
const PLACE_TRIES_MAX = 5

/** The backend over a folder, which is made with the first object. */
export function filesystemBackend(
  root: string,
  env: Pick<Env, 'disk' | 'clock' | 'prng'>,
): BucketBackend {
  return new FilesystemBackend(root, env)
}

class FilesystemBackend implements BucketBackend {
  readonly name: string
  private readonly root: string
  private readonly disk: Disk
  private readonly env: Pick<Env, 'disk' | 'clock' | 'prng'>

  constructor(root: string, env: Pick<Env, 'disk' | 'clock' | 'prng'>) {
    this.name = `filesystem ${root}`
    this.root = root
    this.disk = env.disk
    this.env = env
  }

  async get(key: string, range: ByteRange | undefined): Promise<Uint8Array> {
    const tried = this.tried('get', key)
    const { size } = this.facts(tried)
    const offset = Math.min(range?.offset ?? 0, size)
    const length = Math.min(range?.length ?? size, size - offset)
    if (length > GET_SIZE_MAX) throw refused(tried, `${length} bytes are too many for one read`)
    const file = this.disk.open(this.localPath(key), 'read')
    try {
      const into = new Uint8Array(length)
      let at = 0
      while (at < length) {
        const taken = file.read(into.subarray(at), offset + at)
        if (taken === 0) throw unavailable(tried, 'the file became shorter')
        at += taken
      }
      return into
    } finally {
      file.close()
    }
  }

  async put(key: string, body: BucketBody, ifAbsent: boolean): Promise<void> {
    const target = this.localPath(key)
    for (let tries = 1; ; tries++) {
      try {
        this.disk.makeFolder(dirname(target))
        return this.place(target, body, ifAbsent ? this.tried('put', key) : undefined)
      } catch (error) {
        const isGone = error instanceof AppError && /ENOENT/.test(error.message)
        if (!isGone || tries >= PLACE_TRIES_MAX || this.disk.exists(dirname(target))) throw error
      }
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    const folders = new Set<string>()
    for (const key of keys) {
      const path = this.localPath(key)
      if (this.disk.findFacts(path)?.isFolder === false) this.disk.remove(path)
      folders.add(dirname(path))
    }
    for (const folder of folders) this.removeEmpty(folder)
  }

  async listPage(query: ListQuery): Promise<BucketPage> {
    const entries: BucketEntry[] = []
    // The walk stops one entry after the page: that one's existence says that there is a next page.
    for (const entry of this.walk(query, '')) {
      if (entries.length === query.limit) return { entries, next: entries.at(-1)!.key }
      entries.push(entry)
    }
    return { entries }
  }

  async attributes(key: string): Promise<BucketAttributes> {
    return this.facts(this.tried('attributes', key))
  }

  localPath(key: string): string {
    const isUnsafe = key.startsWith('/') || /(^|\/)\.{0,2}(\/|$)/.test(key)
    if (isUnsafe) throw refused(this.tried('path', key), 'the key is no path below the folder')
    return join(this.root, key)
  }

  close(): void {}

  private tried(operation: string, key: string): FailedTry {
    return { bucket: this.name, operation, key }
  }

  private facts(tried: FailedTry): BucketAttributes {
    const facts = this.disk.findFacts(this.localPath(tried.key))
    if (facts === undefined || facts.isFolder) throw fail('bucket-not-found', { ...tried })
    return { size: facts.size, mtime: Math.floor(facts.mtime) }
  }

  /** @param unlessThere set: throw `bucket-exists` of this try when the target is there */
  private place(target: string, body: BucketBody, unlessThere: FailedTry | undefined): void {
    const draft = `${target}.draft-${this.random()}`
    try {
      if (!('path' in body) || this.disk.link(body.path, draft) !== 'linked') {
        this.writeDraft(draft, body)
      }
      if (unlessThere === undefined) this.disk.rename(draft, target)
      else if (this.disk.link(draft, target) !== 'linked') {
        throw fail('bucket-exists', { ...unlessThere })
      }
    } finally {
      this.disk.remove(draft)
    }
    this.disk.syncFolder(dirname(target))
  }

  private writeDraft(draft: string, body: BucketBody): void {
    const out = this.disk.open(draft, 'create')
    try {
      for (const part of partsOf(this.disk, body)) writeAll(out, part)
      out.sync()
    } finally {
      out.close()
    }
  }

  /** Removes a folder that has become empty, and those above it, below the root. */
  private removeEmpty(folder: string): void {
    let at = folder
    while (at.length > this.root.length && this.disk.removeEmptyFolder(at)) at = dirname(at)
  }

  /** Entries of a folder (its key ends in `/`, '' is the root) in byte order of keys. */
  private *walk(query: ListQuery, folder: string): Generator<BucketEntry> {
    const { prefix, delimiter, from } = query
    const names: { key: string; isFolder: boolean; size: number; mtime: number }[] = []
    for (const name of this.disk.list(join(this.root, folder))) {
      const facts = this.disk.findFacts(join(this.root, folder, name))
      if (facts === undefined || this.isFreshDraft(name, facts.mtime)) continue
      names.push({ ...facts, key: folder + name + (facts.isFolder ? '/' : '') })
    }
    names.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
    for (const { key, isFolder, size, mtime } of names) {
      const isOnTheWay = isFolder && prefix.startsWith(key)
      if (!isOnTheWay && !key.startsWith(prefix)) continue
      if (isPast(key, isFolder, from)) continue
      if (!isFolder) yield { key, size, mtime: Math.floor(mtime) }
      else if (delimiter !== '/' || isOnTheWay) yield* this.walk(query, key)
      else if (this.hasObjects(key)) yield { key }
    }
  }

  /** Folders that a crash has left empty, or with drafts alone, are none in an object store. */
  private hasObjects(folder: string): boolean {
    return this.disk.list(join(this.root, folder)).some((name) => {
      const facts = this.disk.findFacts(join(this.root, folder, name))
      if (facts === undefined || this.isFreshDraft(name, facts.mtime)) return false
      return !facts.isFolder || this.hasObjects(`${folder}${name}/`)
    })
  }

  private isFreshDraft(name: string, mtime: number): boolean {
    return DRAFT.test(name) && this.env.clock.now() - mtime < DRAFT_AGE_MS_MAX
  }

  private random(): string {
    const bytes = Buffer.alloc(8)
    this.env.prng.fill(bytes)
    return bytes.toString('hex')
  }
}

/** Whether a page that began before has given all of this entry. */
function isPast(key: string, isFolder: boolean, from: string | undefined): boolean {
  if (from === undefined) return false
  if (isFolder && from.startsWith(key) && from !== key) return false
  return Buffer.compare(Buffer.from(key), Buffer.from(from)) <= 0
}

function writeAll(out: { path: string; write(bytes: Uint8Array): number }, part: Uint8Array): void {
  for (let at = 0; at < part.length; ) {
    const written = out.write(part.subarray(at))
    if (written === 0) throw fail('disk-failed', { text: `write ${out.path}: ENOSPC` })
    at += written
  }
}

/** Bytes of a body. @throws AppError `disk-failed` when its file is not there */
export function sizeOf(disk: Disk, body: BucketBody): number {
  if (!('path' in body)) return body.length
  const facts = disk.findFacts(body.path)
  if (facts === undefined) throw fail('disk-failed', { text: `read ${body.path}: ENOENT` })
  return facts.size
}

/** A body in pieces, or a stretch of a file; those of a file are valid until the next one. */
export function* partsOf(disk: Disk, body: BucketBody | FilePart): Generator<Uint8Array> {
  if (!('path' in body)) {
    yield body
    return
  }
  const file = disk.open(body.path, 'read')
  try {
    const offset = 'offset' in body ? body.offset : 0
    const end = 'offset' in body ? offset + body.length : file.size()
    for (let at = offset; at < end; ) {
      const part = new Uint8Array(Math.min(COPY_BYTES, end - at))
      const taken = file.read(part, at)
      if (taken === 0) throw fail('disk-failed', { text: `read ${body.path}: it became shorter` })
      yield part.subarray(0, taken)
      at += taken
    }
  } finally {
    file.close()
  }
}
