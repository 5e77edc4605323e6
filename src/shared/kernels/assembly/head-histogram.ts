/**
 * Histogram chunks in a head's memory. They are encoded in TypeScript (tsdb/head/histograms.ts);
 * here an open chunk is put in place of the one before, closed ones are linked, and readers take
 * copies, all under the tile's sequence number, with the fences that only a kernel has.
 */
import {
  FIRST_TIMES,
  H_HISTOGRAM_SLOTS,
  H_READERS,
  HC_COUNT,
  HC_ENCODING,
  HC_LENGTH,
  HC_MAXT,
  HC_MINT,
  HC_PREVIOUS,
  HISTOGRAM_CHUNK_HEADER_BYTES,
  HISTOGRAM_CLASS_MAX,
  HISTOGRAM_CLASS_MIN,
  HISTOGRAM_ROW_BYTES,
  HISTOGRAM_ROWS,
  HR_BYTES,
  HR_CLASS,
  HR_CLOSED,
  HR_COUNT,
  HR_ENCODING,
  HR_LATE,
  HR_MAXT,
  HR_MINT,
  HR_OPEN,
  LAST_TIMES,
  LAST_VALUES,
  READER_BYTES,
  READER_COLUMNS,
  READER_TAIL_TIMES,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
} from '../head-layout'
import { allocate, allocateChunk, free } from './head-memory'
import { sequenceCell } from './head-tiles'

/** Bits that no sender's float has, in place of the last value. */
const NO_FLOAT: u64 = 0x7ff4000000000b1e
const TRIES: u32 = 20000

function slabOf(ref: u32): u32 {
  return load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
}

/** The histogram row of a series, 0 when it has none. */
export function histogramRow(ref: u32): u32 {
  return load<u32>(slabOf(ref) + HISTOGRAM_ROWS + ((ref & SERIES_SLAB_MASK) << 2))
}

/** Time of the newest sample of a series, or taken for it; -Infinity without any. */
export function lastTime(ref: u32): f64 {
  const t = load<i64>(slabOf(ref) + LAST_TIMES + ((ref & SERIES_SLAB_MASK) << 3))
  return t == i64.MIN_VALUE ? f64.NEGATIVE_INFINITY : f64(t)
}

/** Notes that a histogram of this time was taken: what comes later must be newer. */
export function noteHistogram(ref: u32, t: f64): void {
  const slab = slabOf(ref)
  const s = (ref & SERIES_SLAB_MASK) << 3
  if (i64(t) < load<i64>(slab + LAST_TIMES + s)) return
  store<i64>(slab + LAST_TIMES + s, i64(t))
  store<u64>(slab + LAST_VALUES + s, NO_FLOAT)
}

function begin(slab: u32, ref: u32): u32 {
  const tile = sequenceCell(slab, ref & SERIES_SLAB_MASK)
  atomic.store<u32>(tile, load<u32>(tile) + 1)
  atomic.fence()
  return tile
}

function end(tile: u32): void {
  atomic.fence()
  atomic.store<u32>(tile, load<u32>(tile) + 1)
}

/** A slot of 2^kind bytes; 0 without memory. */
function takeSlot(kind: u32): u32 {
  const list = H_HISTOGRAM_SLOTS + (kind << 2)
  const head = load<u32>(list)
  if (head == 0) return allocate(u32(1) << kind)
  store<u32>(list, load<u32>(head))
  return head
}

/** Gives back the slot of an open chunk. */
export function giveSlot(at: u32, kind: u32): void {
  const list = H_HISTOGRAM_SLOTS + (kind << 2)
  store<u32>(at, load<u32>(list))
  store<u32>(list, at)
}

function newRow(): u32 {
  const row = allocate(HISTOGRAM_ROW_BYTES)
  memory.fill(row, 0, HISTOGRAM_ROW_BYTES)
  store<i64>(row, i64.MIN_VALUE, HR_MAXT)
  return row
}

/**
 * Puts [at, at + length) in place of the series' open chunk, whose samples it continues.
 * @returns false, and nothing done, without memory
 */
export function histogramPut(
  ref: u32,
  at: u32,
  length: u32,
  encoding: u32,
  count: u32,
  mint: f64,
  maxt: f64,
): bool {
  if (free() < 1 << 20) return false
  const slab = slabOf(ref)
  const cell = slab + HISTOGRAM_ROWS + ((ref & SERIES_SLAB_MASK) << 2)
  let row = load<u32>(cell)
  if (row == 0) row = newRow()
  const old = load<u32>(row, HR_OPEN)
  const oldKind = u32(load<u8>(row, HR_CLASS))
  let slot = old
  let kind = oldKind
  if (slot == 0 || length > u32(1) << kind) {
    kind = HISTOGRAM_CLASS_MIN
    while (length > u32(1) << kind) kind++
    if (kind > u32(HISTOGRAM_CLASS_MAX)) return false
    slot = takeSlot(kind)
    if (slot == 0) return false
  }
  const tile = begin(slab, ref)
  memory.copy(slot, at, length)
  store<u32>(row, slot, HR_OPEN)
  store<u8>(row, kind, HR_CLASS)
  store<u32>(row, length, HR_BYTES)
  store<u32>(row, encoding, HR_ENCODING)
  store<u32>(row, count, HR_COUNT)
  store<i64>(row, i64(mint), HR_MINT)
  store<i64>(row, i64(maxt), HR_MAXT)
  store<u32>(cell, row)
  end(tile)
  if (old != 0 && old != slot) giveSlot(old, oldKind)
  const first = slab + FIRST_TIMES + ((ref & SERIES_SLAB_MASK) << 3)
  if (load<i64>(first) > i64(mint)) store<i64>(first, i64(mint))
  noteHistogram(ref, maxt)
  return true
}

/**
 * Adds [at, at + length), a chunk of one histogram that came out of order.
 * @returns false, and nothing done, without memory
 */
export function histogramLate(ref: u32, at: u32, length: u32, encoding: u32, t: f64): bool {
  if (free() < 2 << 20) return false
  const slab = slabOf(ref)
  const cell = slab + HISTOGRAM_ROWS + ((ref & SERIES_SLAB_MASK) << 2)
  let row = load<u32>(cell)
  if (row == 0) row = newRow()
  const node = newNode(load<u32>(row, HR_LATE), at, length)
  store<u32>(node, 1, HC_COUNT)
  store<u32>(node, encoding, HC_ENCODING)
  store<i64>(node, i64(t), HC_MINT)
  store<i64>(node, i64(t), HC_MAXT)
  const tile = begin(slab, ref)
  store<u32>(row, node, HR_LATE)
  store<u32>(cell, row)
  end(tile)
  return true
}

/** A chunk of its own place, that [at, at + length) is copied to. */
function newNode(previous: u32, at: u32, length: u32): u32 {
  const node = allocateChunk(HISTOGRAM_CHUNK_HEADER_BYTES + length)
  store<u32>(node, previous, HC_PREVIOUS)
  store<u32>(node, length, HC_LENGTH)
  memory.copy(node + HISTOGRAM_CHUNK_HEADER_BYTES, at, length)
  return node
}

/** Links the open chunk to the closed ones; false without memory. */
export function histogramClose(ref: u32): bool {
  const row = histogramRow(ref)
  if (row == 0 || load<u32>(row, HR_OPEN) == 0) return true
  if (free() < 2 << 20) return false
  const open = load<u32>(row, HR_OPEN)
  const length = load<u32>(row, HR_BYTES)
  const node = newNode(load<u32>(row, HR_CLOSED), open, length)
  store<u32>(node, load<u32>(row, HR_COUNT), HC_COUNT)
  store<u32>(node, load<u32>(row, HR_ENCODING), HC_ENCODING)
  store<i64>(node, load<i64>(row, HR_MINT), HC_MINT)
  store<i64>(node, load<i64>(row, HR_MAXT), HC_MAXT)
  const tile = begin(slabOf(ref), ref)
  store<u32>(row, node, HR_CLOSED)
  store<u32>(row, 0, HR_OPEN)
  store<u32>(row, 0, HR_BYTES)
  store<u32>(row, 0, HR_COUNT)
  end(tile)
  giveSlot(open, u32(load<u8>(row, HR_CLASS)))
  return true
}

/**
 * Copies a series' open histogram chunk to the columns of reader slot `slot`, and to its
 * READER_TAIL_TIMES: bytes u32, encoding u32, newest closed chunk u32, last one out of order u32.
 * @returns 1, 0 for a series without histograms, -1: busy, try again
 */
export function histogramRead(slot: u32, ref: u32): i32 {
  const state = load<u32>(H_READERS) + slot * READER_BYTES
  const tile = sequenceCell(slabOf(ref), ref & SERIES_SLAB_MASK)
  for (let tries: u32 = 0; tries < TRIES; tries++) {
    const sequence = atomic.load<u32>(tile)
    if ((sequence & 1) != 0) continue
    const row = histogramRow(ref)
    if (row != 0) {
      const open = load<u32>(row, HR_OPEN)
      const length = open == 0 ? 0 : min(load<u32>(row, HR_BYTES), u32(1) << HISTOGRAM_CLASS_MAX)
      memory.copy(state + READER_COLUMNS, open, length)
      store<u32>(state + READER_TAIL_TIMES, length)
      store<u32>(state + READER_TAIL_TIMES, load<u32>(row, HR_ENCODING), 4)
      store<u32>(state + READER_TAIL_TIMES, load<u32>(row, HR_CLOSED), 8)
      store<u32>(state + READER_TAIL_TIMES, load<u32>(row, HR_LATE), 12)
    }
    atomic.fence()
    if (atomic.load<u32>(tile) == sequence) return row == 0 ? 0 : 1
  }
  return -1
}

/** Whether a series has a histogram chunk that overlaps a range. */
export function histogramOverlaps(ref: u32, mint: f64, maxt: f64): bool {
  const row = histogramRow(ref)
  if (row == 0) return false
  let late = load<u32>(row, HR_LATE)
  while (late != 0) {
    const t = f64(load<i64>(late, HC_MINT))
    if (t >= mint && t <= maxt) return true
    late = load<u32>(late, HC_PREVIOUS)
  }
  if (f64(load<i64>(row, HR_MAXT)) < mint) return false
  if (load<u32>(row, HR_OPEN) != 0 && f64(load<i64>(row, HR_MINT)) <= maxt) return true
  let chunk = load<u32>(row, HR_CLOSED)
  while (chunk != 0 && f64(load<i64>(chunk, HC_MAXT)) >= mint) {
    if (f64(load<i64>(chunk, HC_MINT)) <= maxt) return true
    chunk = load<u32>(chunk, HC_PREVIOUS)
  }
  return false
}

/** Time of the newest histogram stored, i64.MIN_VALUE without. */
export function histogramMaxTime(slab: u32, s: u32): i64 {
  const row = load<u32>(slab + HISTOGRAM_ROWS + (s << 2))
  return row == 0 ? i64.MIN_VALUE : load<i64>(row, HR_MAXT)
}
