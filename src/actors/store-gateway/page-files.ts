/**
 * Pages of remote objects on local disk, behind those in memory: a restart, and blocks that leave
 * memory for others, cost no requests. Within a budget, in files of 4 MiB of an object each; the
 * file used longest ago goes. A page lies in a slot of its own, with a checksum over all that says
 * what it is:
 *
 *   slot   number u32, bytes u32, crc32c u32 of those two and the data (little endian), data
 *
 * It is a cache: nothing is synced. What a crash has left half written, or the disk has spoilt, fails its
 * checksum when it is read: the file goes, and the page comes from the bucket. A disk that is full or
 * fails is left alone for a while.
 */
import { crc32c } from '../../shared/base/crc32c.js'
import type { DiskFile, Env } from '../../shared/env/index.js'
import { AppError } from '../../shared/errors/index.js'

const HEADER_BYTES = 12
/** Pages of an object that share a file. */
const FILE_PAGES = 64
/** Nothing is written while less than so much is left on the disk. */
const FREE_BYTES_MIN = 1 << 30
/** Pages between two looks at what is left. */
const PAGES_PER_LOOK = 64
/** For so long nothing is written after it has failed, ms. */
const REST_MS = 60_000

/** What there is of an object's stretch. */
interface PageFile {
  /** Bytes up to the end of the last slot. */
  bytes: number
  /** Which slots are taken; undefined: not looked yet. */
  slots: Uint8Array | undefined
}

/** Pages in files below one folder. */
export class PageFiles {
  private readonly env: Env
  private readonly folder: string
  private readonly bytesMax: number
  private readonly slotBytes: number
  /** In order of use, by path below the folder: `tenant/ulid/chunks-000001.0`. */
  private readonly files = new Map<string, PageFile>()
  private bytes = 0
  private restUntil = Number.NEGATIVE_INFINITY
  private pagesToLook = 0

  /** @param pageBytes of a page; the last one of an object is shorter */
  constructor(env: Env, folder: string, options: { bytesMax: number; pageBytes: number }) {
    this.env = env
    this.folder = folder
    this.bytesMax = options.bytesMax
    this.slotBytes = HEADER_BYTES + options.pageBytes
    this.tried(() => this.list())
  }

  /** Bytes of all files. */
  bytesHeld(): number {
    return this.bytes
  }

  /** Whether a page is there, as far as can be told without reading it. */
  has(key: string, number: number): boolean {
    const path = pathOf(key, number)
    const file = this.files.get(path)
    if (file === undefined) return false
    file.slots ??= this.tried(() => this.slotsOf(path, number)) ?? new Uint8Array(FILE_PAGES)
    return file.slots[number % FILE_PAGES] === 1
  }

  /** A page; undefined when it is not there, or not as it was written. */
  read(key: string, number: number): SharedArrayBuffer | undefined {
    if (!this.has(key, number)) return undefined
    const path = pathOf(key, number)
    const page = this.tried(() => this.open(path, (file) => this.pageAt(file, number)))
    if (page === undefined) {
      this.env.log.warn('a page on disk is damaged, it is got anew', { path })
      this.env.metrics.cell('nilo_store_gateway_page_files_damaged_total').add(1)
      this.drop(path)
      return undefined
    }
    const file = this.files.get(path)!
    this.files.delete(path)
    this.files.set(path, file)
    return page
  }

  /** Takes a page, if the disk does. */
  write(key: string, number: number, page: Uint8Array): void {
    if (page.length === 0 || this.has(key, number) || !this.mayWrite()) return
    const path = pathOf(key, number)
    const known = this.files.get(path)
    const at = (number % FILE_PAGES) * this.slotBytes
    const growth = Math.max(0, at + HEADER_BYTES + page.length - (known?.bytes ?? 0))
    if (!this.makeRoom(growth, path)) return
    const slot = Buffer.alloc(HEADER_BYTES + page.length)
    slot.set(page, HEADER_BYTES)
    slot.writeUInt32LE(number, 0)
    slot.writeUInt32LE(page.length, 4)
    slot.writeUInt32LE(checkOf(slot), 8)
    const isWritten = this.tried(() => {
      this.env.disk.makeFolder(`${this.folder}/${path.slice(0, path.lastIndexOf('/'))}`)
      return this.open(path, (file) => file.write(slot, at) === slot.length, 'append')
    })
    if (isWritten !== true) {
      this.restUntil = this.env.clock.monotonic() + REST_MS
      this.env.log.warn('pages are not kept on disk for a while: writing failed', { path })
      this.drop(path)
      return
    }
    const file = known ?? { bytes: 0, slots: new Uint8Array(FILE_PAGES) }
    file.bytes += growth
    file.slots![number % FILE_PAGES] = 1
    this.bytes += growth
    this.files.delete(path)
    this.files.set(path, file)
  }

  /** Removes what is kept of blocks that are not there any more. */
  async forgetGone(isThere: (tenant: string, ulid: string) => Promise<boolean>): Promise<void> {
    const known = new Map<string, boolean>()
    for (const path of [...this.files.keys()]) {
      const [tenant, ulid] = path.split('/') as [string, string]
      const block = `${tenant}/${ulid}`
      const isKept = known.get(block) ?? (await isThere(tenant, ulid))
      known.set(block, isKept)
      if (!isKept) this.drop(path)
    }
  }

  /** What lies in the folder, as if the oldest blocks had been used longest ago. */
  private list(): void {
    const { disk } = this.env
    const found: { readonly ulid: string; readonly path: string; readonly bytes: number }[] = []
    for (const tenant of disk.list(this.folder)) {
      for (const ulid of disk.list(`${this.folder}/${tenant}`)) {
        for (const name of disk.list(`${this.folder}/${tenant}/${ulid}`)) {
          const path = `${tenant}/${ulid}/${name}`
          const bytes = disk.findFacts(`${this.folder}/${path}`)?.size ?? 0
          found.push({ ulid, path, bytes })
        }
      }
    }
    found.sort((a, b) => (a.ulid < b.ulid ? -1 : 1))
    for (const { path, bytes } of found) {
      this.files.set(path, { bytes, slots: undefined })
      this.bytes += bytes
    }
    this.makeRoom(0, '')
  }

  /** Drops files until so much more has room; false when it never has. */
  private makeRoom(bytes: number, except: string): boolean {
    if (bytes > this.bytesMax) return false
    for (const path of this.files.keys()) {
      if (this.bytes + bytes <= this.bytesMax) return true
      if (path !== except) this.drop(path)
    }
    return this.bytes + bytes <= this.bytesMax
  }

  private drop(path: string): void {
    const file = this.files.get(path)
    if (file !== undefined) this.bytes -= file.bytes
    this.files.delete(path)
    this.tried(() => {
      const { disk } = this.env
      disk.remove(`${this.folder}/${path}`)
      for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
        if (!disk.removeEmptyFolder(`${this.folder}/${path.slice(0, at)}`)) return
      }
    })
  }

  private mayWrite(): boolean {
    const now = this.env.clock.monotonic()
    if (now < this.restUntil) return false
    if (this.pagesToLook-- > 0) return true
    this.pagesToLook = PAGES_PER_LOOK
    // The folder may not be there yet, the one above is.
    const above = this.folder.slice(0, this.folder.lastIndexOf('/'))
    const free = this.tried(() => this.env.disk.freeBytes(above)) ?? 0
    if (free >= FREE_BYTES_MIN) return true
    this.restUntil = now + REST_MS
    return false
  }

  /** The slots of a file that have a page of the right number; which is whole shows when it is read. */
  private slotsOf(path: string, number: number): Uint8Array {
    const slots = new Uint8Array(FILE_PAGES)
    const first = number - (number % FILE_PAGES)
    const header = new Uint8Array(HEADER_BYTES)
    const view = new DataView(header.buffer)
    return this.open(path, (file) => {
      for (let at = 0; at * this.slotBytes < file.size(); at++) {
        if (at >= FILE_PAGES || file.read(header, at * this.slotBytes) < HEADER_BYTES) break
        const isTaken = view.getUint32(4, true) > 0 && view.getUint32(0, true) === first + at
        slots[at] = isTaken ? 1 : 0
      }
      return slots
    })
  }

  private pageAt(file: DiskFile, number: number): SharedArrayBuffer | undefined {
    const slot = Buffer.alloc(this.slotBytes)
    const count = file.read(slot, (number % FILE_PAGES) * this.slotBytes)
    if (count < HEADER_BYTES) return undefined
    const length = slot.readUInt32LE(4)
    if (slot.readUInt32LE(0) !== number || length === 0) return undefined
    if (length > count - HEADER_BYTES) return undefined
    const whole = slot.subarray(0, HEADER_BYTES + length)
    if (checkOf(whole) !== whole.readUInt32LE(8)) return undefined
    const page = new SharedArrayBuffer(length)
    new Uint8Array(page).set(whole.subarray(HEADER_BYTES))
    return page
  }

  private open<T>(path: string, use: (file: DiskFile) => T, mode: 'read' | 'append' = 'read'): T {
    const file = this.env.disk.open(`${this.folder}/${path}`, mode)
    try {
      return use(file)
    } finally {
      file.close()
    }
  }

  /** What some work comes to; undefined where the disk fails. */
  private tried<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      this.env.log.debug('a page on disk could not be used', { err: error.message })
      return undefined
    }
  }
}

/** Where a page's file lies below the folder, of an object `tenant/ulid/…`. */
function pathOf(key: string, number: number): string {
  const [tenant, ulid, ...rest] = key.split('/')
  return `${tenant}/${ulid}/${rest.join('-')}.${Math.floor(number / FILE_PAGES)}`
}

function checkOf(slot: Buffer): number {
  return crc32c(slot.subarray(HEADER_BYTES), crc32c(slot.subarray(0, 8)))
}
