/**
 * Bytes of remote objects in pages of shared memory, within a budget: index and chunks alike, the
 * page used longest ago goes first. A page that several ask for at once is got once; pages that lie
 * near each other are got by one request. A request is worth as many bytes as the gap that is read over,
 * so what else is missing in a stretch of that size is got with it, and no stretch is asked for twice:
 * as far as nothing has to leave the cache for that, and within a bound on what is got ahead at a time,
 * so that a question to hundreds of blocks does not fetch each one's neighbourhood. Otherwise the second
 * question near there brings the rest. Behind the pages in memory may be more of them on local disk
 * (page-files.ts), which are looked at before the bucket. What readers hold they keep: pages are shared memory, and live
 * until the last thread has let go of them.
 */
import type { Bucket } from '../../shared/bucket/index.js'
import type { Metrics } from '../../shared/telemetry/index.js'
import type { Gate } from './gate.js'
import type { PageFiles } from './page-files.js'

/** Bytes of a page; the last one of an object is shorter. */
export const PAGE_BYTES = 64 << 10
/** Bytes of one request at most. */
const GET_BYTES_MAX = 8 << 20
/** Bytes on their way at a time that nobody has asked for. */
const AHEAD_BYTES_MAX = 16 << 20

/** How the cache is made. */
export interface PageCacheOptions {
  readonly bytesMax: number
  /** Pages that are so near are got together. */
  readonly gapBytes: number
  /** Pages on local disk. */
  readonly files?: PageFiles | undefined
  /** Requests to the bucket at a time. */
  readonly reads: Gate
  /** Tells what is held; false: the process has no room for that. */
  claim(bytes: number): boolean
  readonly metrics: Metrics
}

/** The cache over one bucket. */
export class PageCache {
  private readonly bucket: Bucket
  private readonly options: PageCacheOptions
  /** In order of use, `key#page` → page. */
  private readonly pages = new Map<string, SharedArrayBuffer>()
  private readonly pending = new Map<string, Promise<SharedArrayBuffer>>()
  private bytes = 0
  /** Pages on their way that nobody has asked for. */
  private pagesAhead = 0
  private readonly gapPages: number

  constructor(bucket: Bucket, options: PageCacheOptions) {
    this.bucket = bucket
    this.options = options
    this.gapPages = Math.floor(options.gapBytes / PAGE_BYTES)
  }

  /** Bytes held. */
  bytesHeld(): number {
    return this.bytes
  }

  /**
   * Pages of an object, in the order asked for; beyond its end they are short or empty.
   *
   * @param numbers ascending
   * @throws AppError of the bucket, `bucket-not-found` among them
   */
  async get(key: string, numbers: Uint32Array): Promise<SharedArrayBuffer[]> {
    const missing: number[] = []
    const found = new Array<SharedArrayBuffer | Promise<SharedArrayBuffer> | undefined>(
      numbers.length,
    )
    let onDisk = 0
    for (const [i, number] of numbers.entries()) {
      const name = `${key}#${number}`
      found[i] = this.use(name) ?? this.pending.get(name)
      if (found[i] !== undefined) continue
      found[i] = this.fromDisk(key, number)
      if (found[i] === undefined) missing.push(i)
      else onDisk++
    }
    const { metrics } = this.options
    const hits = numbers.length - missing.length - onDisk
    metrics.cell('nilo_store_gateway_pages_total', 'hit').add(hits)
    metrics.cell('nilo_store_gateway_pages_total', 'disk').add(onDisk)
    metrics.cell('nilo_store_gateway_pages_total', 'miss').add(missing.length)
    for (const run of runsOf(missing, numbers, this.gapPages)) {
      const ahead = this.extend(key, run)
      const pages = this.fetch(key, run.from, run.to)
      this.pagesAhead += ahead
      const arrived = (): void => {
        this.pagesAhead -= ahead
      }
      pages.then(arrived, arrived)
      for (let number = run.from; number < run.to; number++) {
        this.await(
          `${key}#${number}`,
          pages.then((all) => all[number - run.from]!),
        )
      }
      for (const i of run.members) found[i] = this.pending.get(`${key}#${numbers[i]}`)
    }
    return await Promise.all(found.map((page) => page!))
  }

  /** Others that ask for the page meanwhile get this one. */
  private await(name: string, page: Promise<SharedArrayBuffer>): void {
    this.pending.set(name, page)
    const done = (): void => {
      if (this.pending.get(name) === page) this.pending.delete(name)
    }
    page.then(done, done)
  }

  /** Takes into a run what else is missing in the stretches of its ends. @returns pages added */
  private extend(key: string, run: Run): number {
    const size = this.gapPages
    if (size < 2) return 0
    const isKnown = (number: number): boolean => {
      const name = `${key}#${number}`
      const isNear = this.pages.has(name) || this.pending.has(name)
      return isNear || this.options.files?.has(key, number) === true
    }
    const first = run.from - (run.from % size)
    const end = run.to - 1 - ((run.to - 1) % size) + size
    let from = first
    let to = end
    while (from < run.from && isKnown(from)) from++
    while (to > run.to && isKnown(to - 1)) to--
    const ahead = run.from - from + (to - run.to)
    if ((to - from) * PAGE_BYTES > GET_BYTES_MAX) return 0
    let isNew = true
    for (let number = first; isNew && number < end; number++) isNew = !isKnown(number)
    if (isNew && !this.hasRoomAhead(to - from, ahead)) return 0
    run.from = from
    run.to = to
    return ahead
  }

  /** Whether pages may be got, some of them ahead, without another one's leaving for it. */
  private hasRoomAhead(count: number, ahead: number): boolean {
    const most = AHEAD_BYTES_MAX / PAGE_BYTES
    const held = this.bytes + (this.pending.size + count) * PAGE_BYTES
    return this.pagesAhead + ahead <= most && held <= this.options.bytesMax
  }

  private use(name: string): SharedArrayBuffer | undefined {
    const page = this.pages.get(name)
    if (page === undefined) return undefined
    this.pages.delete(name)
    this.pages.set(name, page)
    return page
  }

  private fromDisk(key: string, number: number): SharedArrayBuffer | undefined {
    const page = this.options.files?.read(key, number)
    if (page !== undefined) this.keep(`${key}#${number}`, page)
    return page
  }

  /** Gets pages [from, to) of an object by one request. */
  private async fetch(key: string, from: number, to: number): Promise<SharedArrayBuffer[]> {
    const bytes = await this.options.reads.run(() =>
      this.bucket.getRange(key, from * PAGE_BYTES, (to - from) * PAGE_BYTES),
    )
    const { metrics } = this.options
    metrics.cell('nilo_store_gateway_gets_total').add(1)
    metrics.cell('nilo_store_gateway_got_bytes_total').add(bytes.length)
    const pages: SharedArrayBuffer[] = []
    for (let at = 0; at < to - from; at++) {
      const piece = bytes.subarray(at * PAGE_BYTES, (at + 1) * PAGE_BYTES)
      const page = new SharedArrayBuffer(piece.length)
      new Uint8Array(page).set(piece)
      pages.push(page)
      this.keep(`${key}#${from + at}`, page)
      this.options.files?.write(key, from + at, piece)
    }
    return pages
  }

  private keep(name: string, page: SharedArrayBuffer): void {
    if (this.pages.has(name)) return
    const { bytesMax, claim } = this.options
    const size = page.byteLength
    if (size === 0) return
    while (this.bytes + size > bytesMax || !claim(this.bytes + size)) {
      if (!this.dropOldest()) return
    }
    this.pages.set(name, page)
    this.bytes += size
  }

  private dropOldest(): boolean {
    for (const [name, page] of this.pages) {
      this.pages.delete(name)
      this.bytes -= page.byteLength
      return true
    }
    return false
  }
}

interface Run {
  /** Pages [from, to). */
  from: number
  to: number
  /** Indexes of what was asked for and is missing. */
  readonly members: number[]
}

/** Missing pages as runs, each of which is one request. */
function runsOf(missing: readonly number[], numbers: Uint32Array, gapPages: number): Run[] {
  const runs: Run[] = []
  for (const i of missing) {
    const page = numbers[i]!
    const run = runs.at(-1)
    const fits =
      run !== undefined &&
      page - run.to <= gapPages &&
      (page + 1 - run.from) * PAGE_BYTES <= GET_BYTES_MAX
    if (fits) {
      run.to = page + 1
      run.members.push(i)
    } else runs.push({ from: page, to: page + 1, members: [i] })
  }
  return runs
}

/** A remote object as a file that is read through the cache; answers are copies. */
export class PagedFile {
  readonly size: number
  private readonly cache: PageCache
  private readonly key: string

  constructor(cache: PageCache, key: string, size: number) {
    this.cache = cache
    this.key = key
    this.size = size
  }

  async read(offset: number, count: number): Promise<Uint8Array> {
    const end = Math.min(this.size, offset + count)
    if (end <= offset) return new Uint8Array(0)
    const first = Math.floor(offset / PAGE_BYTES)
    const last = Math.floor((end - 1) / PAGE_BYTES)
    const numbers = Uint32Array.from({ length: last - first + 1 }, (_, i) => first + i)
    const pages = await this.cache.get(this.key, numbers)
    const bytes = new Uint8Array(end - offset)
    for (const [i, page] of pages.entries()) {
      const start = (first + i) * PAGE_BYTES
      const from = Math.max(0, offset - start)
      const to = Math.min(page.byteLength, end - start)
      if (to > from) bytes.set(new Uint8Array(page, from, to - from), start + from - offset)
    }
    return bytes
  }
}
