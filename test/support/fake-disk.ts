/**
 * A disk in memory with faults. It tells apart what was written and what was synced, as a real one:
 * `crash()` is a power loss (unsynced bytes and folder entries are gone); a killed process is just
 * going on with the same disk.
 */

import type { Disk, DiskFile, PathFacts } from '../../src/shared/env/index.js'
import { fail } from '../../src/shared/errors/index.js'

/** One call that is about to happen. */
export interface DiskCall {
  readonly what:
    | 'open'
    | 'write'
    | 'read'
    | 'truncate'
    | 'sync'
    | 'rename'
    | 'link'
    | 'remove'
    | 'list'
  readonly path: string
  /** Bytes of a write. */
  readonly bytes: number
}

/** What goes wrong with it: it fails, or only so many bytes get written. */
export type DiskFault = { readonly fail: string } | { readonly shortBytes: number } | undefined

interface Inode {
  bytes: Uint8Array
  size: number
  /** What a power loss leaves. */
  synced: Uint8Array
  mtime: number
}

/** An in-memory disk; paths are plain keys with `/` between folders. */
export class FakeDisk implements Disk {
  /** Decides about each call; undefined: it succeeds. */
  fault: (call: DiskCall) => DiskFault = () => undefined
  /** Time of changes, ms since the epoch. */
  now: () => number = () => 0
  /** What `freeBytes` says. */
  free = Number.POSITIVE_INFINITY
  /** Calls so far, for tests that count. */
  readonly calls: DiskCall[] = []
  private entries = new Map<string, Inode>()
  private syncedEntries = new Map<string, Inode>()
  private readonly folders = new Set<string>(['', '.', '/'])

  open(path: string, mode: 'read' | 'append' | 'create' | 'update'): DiskFile {
    this.check('open', path)
    let inode = this.entries.get(path)
    if (inode === undefined) {
      if (mode === 'read' || mode === 'update') throw failed('open', path, 'ENOENT')
      if (!this.folders.has(folderOf(path))) throw failed('open', path, 'ENOENT')
      inode = { bytes: new Uint8Array(64), size: 0, synced: new Uint8Array(0), mtime: this.now() }
      this.entries.set(path, inode)
    }
    if (mode === 'create') inode.size = 0
    return this.fileOf(path, inode)
  }

  readFile(path: string): Uint8Array {
    this.check('read', path)
    const inode = this.entries.get(path)
    if (inode === undefined) throw failed('read', path, 'ENOENT')
    return inode.bytes.slice(0, inode.size)
  }

  exists(path: string): boolean {
    return this.entries.has(path) || this.folders.has(path)
  }

  list(folder: string): string[] {
    this.check('list', folder)
    const names = new Set<string>()
    for (const path of [...this.entries.keys(), ...this.folders]) {
      if (path.startsWith(`${folder}/`)) names.add(path.slice(folder.length + 1).split('/')[0]!)
    }
    return [...names].sort()
  }

  makeFolder(path: string): void {
    for (let at = path; at !== '' && !this.folders.has(at); at = folderOf(at)) this.folders.add(at)
  }

  findFacts(path: string): PathFacts | undefined {
    const inode = this.entries.get(path)
    if (inode !== undefined) return { size: inode.size, mtime: inode.mtime, isFolder: false }
    return this.folders.has(path) ? { size: 0, mtime: 0, isFolder: true } : undefined
  }

  link(from: string, to: string): 'linked' | 'exists' | 'impossible' {
    this.check('link', to)
    const inode = this.entries.get(from)
    if (inode === undefined || !this.folders.has(folderOf(to))) throw failed('link', to, 'ENOENT')
    if (this.entries.has(to)) return 'exists'
    this.entries.set(to, inode)
    return 'linked'
  }

  removeEmptyFolder(path: string): boolean {
    this.check('remove', path)
    const prefix = `${path}/`
    const isBelow = (key: string) => key.startsWith(prefix)
    if ([...this.entries.keys()].some(isBelow) || [...this.folders].some(isBelow)) return false
    return this.folders.delete(path)
  }

  rename(from: string, to: string): void {
    this.check('rename', from)
    const inode = this.entries.get(from)
    if (inode !== undefined) {
      this.entries.delete(from)
      this.entries.set(to, inode)
      return
    }
    if (!this.folders.has(from)) throw failed('rename', from, 'ENOENT')
    this.renameFolder(from, to)
  }

  remove(path: string): void {
    this.check('remove', path)
    for (const key of [...this.entries.keys()]) {
      if (key === path || key.startsWith(`${path}/`)) this.entries.delete(key)
    }
    for (const key of [...this.folders]) {
      if (key === path || key.startsWith(`${path}/`)) this.folders.delete(key)
    }
  }

  syncFolder(path: string): void {
    this.check('sync', path)
    for (const key of [...this.syncedEntries.keys()]) {
      if (folderOf(key) === path && !this.entries.has(key)) this.syncedEntries.delete(key)
    }
    const places = new Map([...this.entries].map(([key, inode]) => [inode, key]))
    for (const [key, inode] of [...this.syncedEntries]) {
      // A folder that was renamed to here brings along what was synced in it.
      const place = places.get(inode)
      if (place === undefined || place === key || !place.startsWith(`${path}/`)) continue
      this.syncedEntries.delete(key)
      this.syncedEntries.set(place, inode)
    }
    for (const [key, inode] of this.entries) {
      if (folderOf(key) === path) this.syncedEntries.set(key, inode)
    }
  }

  freeBytes(): number {
    return this.free
  }

  replaceFile(path: string, bytes: Uint8Array): void {
    const file = this.open(`${path}.tmp`, 'create')
    if (file.write(bytes) !== bytes.length) throw failed('write', path, 'ENOSPC')
    file.sync()
    file.close()
    this.rename(`${path}.tmp`, path)
    this.syncFolder(folderOf(path))
  }

  /** Power loss: every file and folder is as it was when last synced. */
  crash(): void {
    this.entries = new Map(this.syncedEntries)
    // Of a folder that was renamed the old name is back.
    for (const path of this.entries.keys()) this.makeFolder(folderOf(path))
    for (const inode of this.entries.values()) {
      inode.bytes = inode.synced.slice()
      inode.size = inode.synced.length
    }
  }

  /** A disk of its own with the same files and folders. */
  copy(): FakeDisk {
    const copy = new FakeDisk()
    for (const folder of this.folders) copy.folders.add(folder)
    for (const [path, inode] of this.entries) {
      const { bytes, size, synced, mtime } = inode
      const twin = { bytes: bytes.slice(), size, synced: synced.slice(), mtime }
      copy.entries.set(path, twin)
      if (this.syncedEntries.get(path) === inode) copy.syncedEntries.set(path, twin)
    }
    return copy
  }

  /** All paths of files, sorted. */
  paths(): string[] {
    return [...this.entries.keys()].sort()
  }

  private fileOf(path: string, inode: Inode): DiskFile {
    return {
      path,
      write: (bytes, position) => this.writeTo(path, inode, bytes, position ?? inode.size),
      read: (into, position) => {
        this.check('read', path)
        const part = inode.bytes.subarray(position, Math.min(inode.size, position + into.length))
        into.set(part)
        return part.length
      },
      size: () => inode.size,
      truncate: (size) => {
        this.check('truncate', path)
        reserve(inode, size)
        inode.bytes.fill(0, Math.min(size, inode.size))
        inode.size = size
      },
      sync: () => {
        this.check('sync', path)
        inode.synced = inode.bytes.slice(0, inode.size)
      },
      syncLater: async () => {
        this.check('sync', path)
        inode.synced = inode.bytes.slice(0, inode.size)
      },
      close: () => {},
    }
  }

  private writeTo(path: string, inode: Inode, bytes: Uint8Array, position: number): number {
    const fault = this.check('write', path, bytes.length)
    const length = fault === undefined ? bytes.length : Math.min(bytes.length, fault.shortBytes)
    reserve(inode, position + length)
    inode.bytes.set(bytes.subarray(0, length), position)
    inode.size = Math.max(inode.size, position + length)
    inode.mtime = this.now()
    return length
  }

  private check(
    what: DiskCall['what'],
    path: string,
    bytes = 0,
  ): { readonly shortBytes: number } | undefined {
    const call = { what, path, bytes }
    this.calls.push(call)
    const fault = this.fault(call)
    if (fault !== undefined && 'fail' in fault) throw failed(what, path, fault.fail)
    return fault
  }

  private renameFolder(from: string, to: string): void {
    for (const [path, inode] of [...this.entries]) {
      if (!path.startsWith(`${from}/`)) continue
      this.entries.delete(path)
      this.entries.set(to + path.slice(from.length), inode)
    }
    for (const path of [...this.folders]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      this.folders.delete(path)
      this.folders.add(to + path.slice(from.length))
    }
  }
}

function reserve(inode: Inode, size: number): void {
  if (size <= inode.bytes.length) return
  const larger = new Uint8Array(Math.max(size, inode.bytes.length * 2))
  larger.set(inode.bytes.subarray(0, inode.size))
  inode.bytes = larger
}

function folderOf(path: string): string {
  const at = path.lastIndexOf('/')
  return at <= 0 ? '' : path.slice(0, at)
}

function failed(what: string, path: string, reason: string): Error {
  return fail('disk-failed', { text: `${what} ${path}: ${reason}` })
}
