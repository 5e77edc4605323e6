/**
 * Bytes of a block's chunk segment as a query reads them, synchronously: from a file of this
 * machine through a window that grows while series are read in the order of the file, or from pages
 * that a store-gateway has given.
 */
import type { Disk, DiskFile } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import { damaged, type Place, segmentName } from '../../shared/tsdb/index.js'
import type { SegmentPages } from '../store-gateway/contract.js'

/** A segment to read from. Ranges beyond its end are damage. */
export interface SegmentBytes {
  readonly place: Place
  /** First byte after chunks that lie one after the other, by the first one and the last. */
  endOf(first: number, last: number): number
  /** Copies bytes [from, from + into.length). */
  copy(from: number, into: Uint8Array): void
}

const LENGTH_BYTES = 5
/** No chunk is longer; a sane one has some hundred bytes. */
const CHUNK_BYTES_MAX = 64 << 20
/** What is read where nothing is known of the order that follows. */
const WINDOW_BYTES_MIN = 8 << 10
/** And while reads go on through the file: it stays in the processor's cache. */
const WINDOW_BYTES_MAX = 256 << 10
/** A gap that is read over. */
const GAP_BYTES = 32 << 10

/** Where a block's segment is, for errors. */
export function segmentPlace(ulid: string, segment: number): Place {
  return { block: ulid, section: `chunks/${segmentName(segment)}` }
}

/** First byte after a chunk, by the bytes of its length; throws `block-damaged`. */
function chunkEnd(place: Place, at: number, byteAt: (at: number) => number): number {
  let length = 0
  let scale = 1
  for (let i = at; i < at + LENGTH_BYTES; i++) {
    const byte = byteAt(i)
    length += (byte & 127) * scale
    if (byte < 128) {
      if (length > CHUNK_BYTES_MAX) break
      // Length, encoding, data, checksum.
      return i + 1 + 1 + length + 4
    }
    scale *= 128
  }
  throw damaged(place, `the chunk at ${at} has no end`)
}

/** A segment of a file. */
export class SegmentFile implements SegmentBytes {
  readonly place: Place
  private readonly file: DiskFile
  private readonly size: number
  private window = new Uint8Array(0)
  private from = 0
  private to = 0
  private next = WINDOW_BYTES_MIN

  /** @throws AppError `block-gone` when there is no such file */
  constructor(disk: Disk, dir: string, place: Place) {
    this.place = place
    const path = `${dir}/${place.section}`
    try {
      this.file = disk.open(path, 'read')
    } catch (error) {
      if (error instanceof AppError && !disk.exists(path)) {
        throw fail('block-gone', { block: place.block }, error)
      }
      throw error
    }
    this.size = this.file.size()
  }

  endOf(first: number, last: number): number {
    this.ensure(first, Math.min(this.size, last + LENGTH_BYTES))
    return chunkEnd(this.place, last, (at) => {
      if (at >= this.to) throw damaged(this.place, `the chunk at ${last} has no end`)
      return this.window[at - this.from]!
    })
  }

  copy(from: number, into: Uint8Array): void {
    const to = from + into.length
    this.ensure(from, to)
    into.set(this.window.subarray(from - this.from, to - this.from))
  }

  /** Lets go of the window, not of the file. */
  rest(): void {
    this.window = new Uint8Array(0)
    this.from = 0
    this.to = 0
    this.next = WINDOW_BYTES_MIN
  }

  close(): void {
    this.file.close()
  }

  private ensure(from: number, to: number): void {
    if (from >= this.from && to <= this.to) return
    if (to > this.size) throw damaged(this.place, `bytes to ${to} are wanted of ${this.size}`)
    const isOnward = from >= this.from && from <= this.to + GAP_BYTES && this.to > 0
    this.next = isOnward ? Math.min(this.next * 2, WINDOW_BYTES_MAX) : WINDOW_BYTES_MIN
    const bytes = Math.min(this.size - from, Math.max(to - from, this.next))
    if (bytes > this.window.length) this.window = new Uint8Array(Math.max(bytes, this.next))
    let count = 0
    while (count < bytes) {
      const read = this.file.read(this.window.subarray(count, bytes), from + count)
      if (read === 0) break
      count += read
    }
    this.from = from
    this.to = from + count
    if (to > this.to) throw damaged(this.place, `it ends at ${this.to}, not at ${this.size}`)
  }
}

/** A segment of which a store-gateway gave the pages that are wanted. */
export class SegmentOfPages implements SegmentBytes {
  readonly place: Place
  private readonly pageBytes: number
  private readonly pages = new Map<number, Uint8Array>()

  constructor(place: Place, { pageBytes, numbers, pages }: SegmentPages) {
    this.place = place
    this.pageBytes = pageBytes
    for (const [i, page] of pages.entries()) this.pages.set(numbers[i]!, new Uint8Array(page))
  }

  endOf(_first: number, last: number): number {
    return chunkEnd(this.place, last, (at) => {
      const byte = this.pages.get(Math.floor(at / this.pageBytes))?.[at % this.pageBytes]
      if (byte === undefined) throw damaged(this.place, `the chunk at ${last} has no end`)
      return byte
    })
  }

  copy(from: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      const page = this.pages.get(Math.floor((from + at) / this.pageBytes))
      const within = (from + at) % this.pageBytes
      const bytes = Math.min(into.length - at, (page?.length ?? 0) - within)
      if (page === undefined || bytes <= 0) {
        throw damaged(this.place, `it has no bytes at ${from + at}`)
      }
      into.set(page.subarray(within, within + bytes), at)
      at += bytes
    }
  }
}
