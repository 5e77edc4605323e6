/**
 * Decoded columns of series, kept in a querier thread for the next query within a budget of bytes.
 * A series' samples in order only ever grow at the end, so an entry is every sample from some time
 * on; a reader's stamp says whether there is more to append. Not kept: series with samples out of
 * order or native histograms, series asked for once only, ranges far from a series' end.
 *
 * What is given out are the cached columns themselves, which nobody may write to; columns with
 * stale markers, which operators take out in place, are given as copies. Budget full: entries that
 * the present query has not used make room. Hot: bench/shared/promql/execute.bench.ts.
 */
import { isStale } from '../../shared/model/stale.js'
import type { FetchMeter, SampleBuffer } from '../../shared/promql/index.js'

/** What a cache reads through: a HeadReader, or a block's table. */
export interface StampedReader {
  read(ref: number, mint: number, maxt: number, out: SampleBuffer): void
  /** Changes when the series has more samples; STAMP_BUSY, STAMP_UNORDERED. */
  stamp(ref: number): number
  /** Time of the newest sample, ms. */
  newest(ref: number): number
  /** Chunks read since they were last counted, and their bytes. */
  readonly fetched: { chunks: number; bytes: number }
}

/** Times of one or more series: those of one target are scraped together. */
interface Times {
  ts: Float64Array
  /** So many are set, of which each series has the first ones. */
  filled: number
  holders: number
}

/** Columns of one series. */
interface Entry {
  readonly owner: CachedColumns
  readonly ref: number
  times: Times
  values: Float64Array
  count: number
  /** All samples at and after this time are in the columns. */
  from: number
  /** The reader's stamp when they were. */
  stamp: number
  hasStale: boolean
  /** No value is below the one before it. */
  isRising: boolean
  /** The query that used it last. */
  usedBy: number
  /** Its place in the list of all entries. */
  place: number
}

/** The place of an entry that is used once. */
const UNLISTED = -1

/** Room for samples to come, so that a column is not copied for each of them. */
const SPARE_SAMPLES = 32
/** Bytes of an entry beside its samples. */
const ENTRY_BYTES = 400
const COLUMN_BYTES = 8
/** Ranges that end longer before a series' newest sample are not worth an entry, ms. */
const BEHIND_MAX_MS = 7_200_000

/** The budget, and who holds what of it. */
export class ColumnCache {
  private readonly bytesMax: number
  private readonly entries: Entry[] = []
  /** By the first of them, those last made. */
  private readonly timesByFirst = new Map<number, Times>()
  private bytes = 0
  private hand = 0
  private query = 0
  /** The query in which everything held was in use. */
  private fullIn = -1

  /** @param bytesMax 0: nothing is kept */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  /** Entries of earlier queries may go from here on. */
  beginQuery(): void {
    this.query++
  }

  /** A reader whose columns are kept here. */
  over(reader: StampedReader): CachedColumns {
    return new CachedColumns(this, reader)
  }

  /** Bytes held. */
  bytesHeld(): number {
    return this.bytes
  }

  /** The present query. */
  now(): number {
    return this.query
  }

  /** Whether there was no room in this query: what it reads from here on is not kept. */
  isFull(): boolean {
    return this.fullIn === this.query
  }

  /** Takes bytes, if need be by dropping what this query has not used; false when there is no room. */
  claim(bytes: number): boolean {
    if (this.bytes + bytes > this.bytesMax && this.isFull()) return false
    for (let looked = 0; this.bytes + bytes > this.bytesMax; looked++) {
      if (looked >= this.entries.length) {
        this.fullIn = this.query
        return false
      }
      if (this.hand >= this.entries.length) this.hand = 0
      const entry = this.entries[this.hand]!
      if (entry.usedBy === this.query) this.hand++
      else {
        entry.owner.drop(entry.ref)
        looked = -1
      }
    }
    this.bytes += bytes
    return true
  }

  /** Times for a series with these samples, shared if they can be; undefined without room. */
  takeTimes(from: SampleBuffer): Times | undefined {
    const first = from.ts[0]!
    const known = this.timesByFirst.get(first)
    if (known !== undefined && agree(known, from, 0)) {
      known.holders++
      if (this.growTimes(known, from.count)) return known
      this.releaseTimes(known)
      return undefined
    }
    const room = from.count + SPARE_SAMPLES
    if (!this.claim(room * COLUMN_BYTES)) return undefined
    const times = ownTimes(room)
    this.timesByFirst.set(first, times)
    return times
  }

  /** Makes room for so many times; false when there is none. */
  growTimes(times: Times, count: number): boolean {
    if (count <= times.ts.length) return true
    const room = count + (count >>> 3) + SPARE_SAMPLES
    if (!this.claim((room - times.ts.length) * COLUMN_BYTES)) return false
    // Those that were given out stay as they are.
    const ts = new Float64Array(room)
    ts.set(times.ts.subarray(0, times.filled))
    times.ts = ts
    return true
  }

  /** Times of its own for an entry whose next samples are at others than those of its sharers. */
  unshare(entry: Entry): boolean {
    const { times, count } = entry
    if (times.holders === 1) {
      // Those that were given out stay as they are.
      times.ts = times.ts.slice()
      times.filled = count
      return true
    }
    const room = entry.values.length
    if (!this.claim(room * COLUMN_BYTES)) return false
    entry.times = ownTimes(room)
    entry.times.ts.set(times.ts.subarray(0, count))
    entry.times.filled = count
    this.releaseTimes(times)
    return true
  }

  private releaseTimes(times: Times): void {
    times.holders--
    if (times.holders > 0) return
    this.bytes -= times.ts.length * COLUMN_BYTES
    const first = times.ts[0]!
    if (this.timesByFirst.get(first) === times) this.timesByFirst.delete(first)
  }

  /** Gives bytes back. */
  unclaim(bytes: number): void {
    this.bytes -= bytes
  }

  /** Takes an entry into the list of those that may make room. */
  list(entry: Entry): void {
    entry.place = this.entries.length
    this.entries.push(entry)
  }

  /** Forgets an entry and gives back its bytes. */
  unlist(entry: Entry): void {
    const last = this.entries.pop()!
    if (last !== entry) {
      this.entries[entry.place] = last
      last.place = entry.place
    }
    this.bytes -= bytesOf(entry.values.length)
    this.releaseTimes(entry.times)
  }
}

/** One life of a shard, read through the cache. */
export class CachedColumns {
  private readonly cache: ColumnCache
  private readonly reader: StampedReader
  private readonly entries = new Map<number, Entry>()
  /** [ref] 1 when it has been asked for. */
  private asked = new Uint8Array(1024)
  private readonly scratch = emptyBuffer()
  private hits = 0
  private misses = 0
  /** Arrays of callers' buffers that are no cached columns. */
  private readonly own = new WeakMap<SampleBuffer, SampleBuffer>()

  constructor(cache: ColumnCache, reader: StampedReader) {
    this.cache = cache
    this.reader = reader
  }

  /** As a HeadReader's; the arrays that `out` gets are not to be written to. */
  read(ref: number, mint: number, maxt: number, out: SampleBuffer): void {
    if (!this.find(ref, mint, maxt, out)) this.readThrough(ref, mint, maxt, out)
  }

  /**
   * As `read`, but false, with nothing in `out`, when nothing is kept of the series: what it would
   * be read to is the caller's to choose.
   */
  find(ref: number, mint: number, maxt: number, out: SampleBuffer): boolean {
    let entry = this.entries.get(ref)
    const isHit = entry !== undefined && mint >= entry.from
    if (isHit) this.hits++
    else this.misses++
    if (entry === undefined || !isHit) {
      entry = this.fill(ref, mint, maxt)
      if (entry === undefined) return false
      if (entry.place === UNLISTED) {
        this.give(entry, mint, maxt, out)
        return true
      }
    }
    entry.usedBy = this.cache.now()
    const stamp = this.reader.stamp(ref)
    if (stamp !== entry.stamp && !this.catchUp(entry, stamp)) return false
    this.give(entry, mint, maxt, out)
    return true
  }

  /**
   * Counts what has been read since the last time.
   * @throws AppError when that is more than a query may fetch
   */
  report(meter: FetchMeter): void {
    const { fetched } = this.reader
    const { chunks, bytes } = fetched
    meter.cacheHits += this.hits
    meter.cacheMisses += this.misses
    this.hits = 0
    this.misses = 0
    if (chunks === 0) return
    fetched.chunks = 0
    fetched.bytes = 0
    meter.addChunks(chunks, bytes)
  }

  /** Forgets a series. */
  drop(ref: number): void {
    const entry = this.entries.get(ref)
    if (entry === undefined) return
    this.entries.delete(ref)
    this.cache.unlist(entry)
  }

  /** Forgets everything: the shard has another life. */
  dropAll(): void {
    for (const ref of [...this.entries.keys()]) this.drop(ref)
  }

  private give(entry: Entry, mint: number, maxt: number, out: SampleBuffer): void {
    const { values, count } = entry
    const { ts } = entry.times
    const first = mint <= ts[0]! ? 0 : lowerBound(ts, count, mint)
    const end = ts[count - 1]! <= maxt ? count : lowerBound(ts, count, maxt + 1)
    out.histograms = undefined
    out.count = Math.max(0, end - first)
    out.hasNoStale = !entry.hasStale
    // Without its stale markers a series may have resets that it has not with them.
    out.hasNoResets = entry.isRising && !entry.hasStale
    if (entry.hasStale) {
      out.ts = ts.slice(first, end)
      out.values = values.slice(first, end)
      return
    }
    if (entry.times.holders > 1) out.times = ts
    out.ts = first === 0 ? ts : ts.subarray(first)
    out.values = first === 0 ? values : values.subarray(first)
  }

  /**
   * An entry with all samples from `mint` on, if it is to be one: unlisted when there was no room
   * for it after all, so that what has been read is not read again.
   */
  private fill(ref: number, mint: number, maxt: number): Entry | undefined {
    const { reader } = this
    const scratch = this.scratch
    const known = this.entries.get(ref)
    if (known === undefined && !this.askedBefore(ref)) return undefined
    if (this.cache.isFull()) return undefined
    if (maxt < reader.newest(ref) - BEHIND_MAX_MS) return undefined
    const stamp = reader.stamp(ref)
    if (stamp < 0) return undefined
    scratch.histograms = undefined
    reader.read(ref, mint, Number.POSITIVE_INFINITY, scratch)
    if (scratch.histograms !== undefined || scratch.count === 0) return undefined
    if (reader.stamp(ref) === STAMP_UNORDERED) return undefined
    if (known !== undefined) this.drop(ref)
    const room = scratch.count + SPARE_SAMPLES
    const hasRoom = this.cache.claim(bytesOf(room))
    const times = hasRoom ? this.cache.takeTimes(scratch) : undefined
    const isKept = times !== undefined
    if (hasRoom && !isKept) this.cache.unclaim(bytesOf(room))
    const entry: Entry = {
      owner: this,
      ref,
      times: times ?? ownTimes(room),
      values: new Float64Array(room),
      count: 0,
      from: mint,
      stamp,
      hasStale: false,
      isRising: true,
      usedBy: this.cache.now(),
      place: UNLISTED,
    }
    append(entry, scratch)
    if (!isKept) return entry
    this.entries.set(ref, entry)
    this.cache.list(entry)
    return entry
  }

  /** Appends what has come since; false when the columns are not to be used now. */
  private catchUp(entry: Entry, stamp: number): boolean {
    const { reader } = this
    const scratch = this.scratch
    if (stamp === STAMP_BUSY) return false
    scratch.histograms = undefined
    if (stamp !== STAMP_UNORDERED) {
      reader.read(
        entry.ref,
        entry.times.ts[entry.count - 1]! + 1,
        Number.POSITIVE_INFINITY,
        scratch,
      )
    }
    if (stamp === STAMP_UNORDERED || scratch.histograms !== undefined) {
      this.drop(entry.ref)
      return false
    }
    const needed = entry.count + scratch.count
    if (!this.makeRoom(entry, needed)) {
      this.drop(entry.ref)
      return false
    }
    append(entry, scratch)
    entry.stamp = stamp
    return true
  }

  /** Room in an entry for what is in the scratch; false when there is none. */
  private makeRoom(entry: Entry, needed: number): boolean {
    const { cache, scratch } = this
    if (!agree(entry.times, scratch, entry.count) && !cache.unshare(entry)) return false
    if (!cache.growTimes(entry.times, needed)) return false
    if (needed <= entry.values.length) return true
    const room = needed + (needed >>> 3) + SPARE_SAMPLES
    if (!cache.claim(bytesOf(room) - bytesOf(entry.values.length))) return false
    const values = new Float64Array(room)
    values.set(entry.values.subarray(0, entry.count))
    entry.values = values
    return true
  }

  private askedBefore(ref: number): boolean {
    if (ref >= this.asked.length) {
      const larger = new Uint8Array(Math.max(ref + 1, this.asked.length * 2))
      larger.set(this.asked)
      this.asked = larger
    }
    const before = this.asked[ref] === 1
    this.asked[ref] = 1
    return before
  }

  /** Reads to arrays that are the caller's own: those in `out` may be an entry's. */
  private readThrough(ref: number, mint: number, maxt: number, out: SampleBuffer): void {
    let own = this.own.get(out)
    if (own === undefined) {
      own = emptyBuffer()
      this.own.set(out, own)
    }
    own.histograms = undefined
    own.starts = undefined
    this.reader.read(ref, mint, maxt, own)
    out.starts = own.starts
    out.ts = own.ts
    out.values = own.values
    out.count = own.count
    out.histograms = own.histograms
    out.hasNoStale = false
  }
}

/** Stamp of a series that is being written to right now. */
export const STAMP_BUSY = -1
/** Stamp of a series with samples out of order. */
export const STAMP_UNORDERED = -2

function append(entry: Entry, from: SampleBuffer): void {
  const { times, values } = entry
  const { ts } = times
  let at = entry.count
  let before = at === 0 ? Number.NaN : values[at - 1]!
  for (let i = 0; i < from.count; i++, at++) {
    const value = from.values[i]!
    if (at >= times.filled) ts[at] = from.ts[i]!
    if (value < before) entry.isRising = false
    before = value
    if (value !== value && isStale(value)) entry.hasStale = true
  }
  values.set(from.values.subarray(0, from.count), entry.count)
  if (at > times.filled) times.filled = at
  entry.count = at
}

/** Whether times that are set from an index on are those of samples to come there. */
function agree({ ts, filled }: Times, from: SampleBuffer, at: number): boolean {
  const end = Math.min(from.count, filled - at)
  for (let i = 0; i < end; i++) if (ts[at + i] !== from.ts[i]) return false
  return true
}

function ownTimes(room: number): Times {
  return { ts: new Float64Array(room), filled: 0, holders: 1 }
}

function bytesOf(room: number): number {
  return room * COLUMN_BYTES + ENTRY_BYTES
}

/** Index of the first time that is not below `time`. */
function lowerBound(ts: Float64Array, count: number, time: number): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ts[middle]! < time) low = middle + 1
    else high = middle
  }
  return low
}

function emptyBuffer(): SampleBuffer {
  return { ts: new Float64Array(0), values: new Float64Array(0), count: 0, histograms: undefined }
}
