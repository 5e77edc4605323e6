/**
 * Reading one series from any thread, while its owner goes on appending. The tail, the open chunk
 * and the list of closed chunks are copied under the tile's sequence number (a seqlock); closed
 * chunks never change and are decoded in place. Never decodes what may change: copy, confirm,
 * decode.
 *
 * A reader writes only to its own slot. Columns are filled from their end backwards, newest samples
 * first, since closed chunks are linked backwards; a caller asks for blocks until there are no more.
 */
import {
  C_COUNT,
  C_LENGTH,
  C_MAXT,
  C_MINT,
  C_PREVIOUS,
  C_SPILLED,
  CHUNK_HEADER_BYTES,
  COUNTS,
  FILLS,
  FIRST_TIMES,
  H_READERS,
  LANE_BASES,
  LANE_SAMPLES,
  LAST_TIMES,
  R_BITS,
  R_BYTES,
  R_CLOSED,
  R_COUNT,
  R_MINT,
  R_OPEN,
  READER_BYTES,
  READER_CHUNK_BYTES,
  READER_CHUNKS,
  READER_CLOSED,
  READER_COLUMNS,
  READER_MAXT,
  READER_MINT,
  READER_MORE,
  READER_OPEN,
  READER_OPEN_BYTES,
  READER_OPEN_COUNT,
  READER_SAMPLES,
  READER_SPILLED,
  READER_STAGE,
  READER_TAIL,
  READER_TAIL_TIMES,
  READER_TAIL_VALUES,
  RECORDS,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
  SLOT_BYTES_MAX,
  TAIL_TIMES_ROW,
  TAIL_VALUES_ROW,
} from '../head-layout'
import { histogramOverlaps } from './head-histogram'
import {
  addChunks,
  copyOutOfOrder,
  countOutOfOrder,
  oooOverlaps,
  oooTouches,
} from './head-ooo-read'
import { sequenceCell, timeCell, valueCell } from './head-tiles'
import { decodeXor } from './xor'

/** Attempts at one snapshot before the caller is to let the writer run. */
const TRIES: u32 = 20000
const STAGE_TAIL: u32 = 0
const STAGE_OPEN: u32 = 1
const STAGE_CLOSED: u32 = 2

/**
 * Takes a consistent copy of a series' head into reader slot `slot`.
 * @returns the most samples that the following blocks can have in all, those out of order apart
 *   (READER_OOO_TOTAL of the slot); -1: busy, try again
 */
export function readBegin(slot: u32, ref: u32, mint: f64, maxt: f64): i32 {
  const state = load<u32>(H_READERS) + slot * READER_BYTES
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  if (!copyHead(state, slab, s)) return -1
  store<f64>(state, mint, READER_MINT)
  store<f64>(state, maxt, READER_MAXT)
  store<u32>(state, STAGE_TAIL, READER_STAGE)
  store<u32>(state, 1, READER_MORE)
  store<u32>(state, 0, READER_SPILLED)
  const open = load<u32>(state, READER_OPEN_COUNT)
  store<u32>(state, u32(open > 0), READER_CHUNKS)
  store<u32>(state, open > 0 ? load<u32>(state, READER_OPEN_BYTES) : 0, READER_CHUNK_BYTES)
  countOutOfOrder(state)
  let chunks: u32 = 0
  let bytes: u32 = 0
  let total = load<u32>(state, READER_TAIL) + open
  let chunk = load<u32>(state, READER_CLOSED)
  while (chunk != 0 && f64(load<i64>(chunk, C_MAXT)) >= mint) {
    if (f64(load<i64>(chunk, C_MINT)) <= maxt) {
      total += u32(load<u16>(chunk, C_COUNT)) & ~C_SPILLED
      chunks++
      bytes += u32(load<u16>(chunk, C_LENGTH))
    } else if (total == 0) store<u32>(state, load<u32>(chunk, C_PREVIOUS), READER_CLOSED)
    chunk = load<u32>(chunk, C_PREVIOUS)
  }
  addChunks(state, chunks, bytes)
  return total
}

function copyHead(state: u32, slab: u32, s: u32): bool {
  const lane = sequenceCell(slab, s)
  const record = slab + RECORDS + (s << 6)
  const times = timeCell(slab, s, 0)
  const values = valueCell(slab, s, 0)
  for (let tries: u32 = 0; tries < TRIES; tries++) {
    const sequence = atomic.load<u32>(lane)
    if ((sequence & 1) != 0) continue
    const count = min(u32(atomic.load<u8>(slab + COUNTS + s)), LANE_SAMPLES)
    const base = load<i64>(slab + LANE_BASES + (s << 3))
    for (let k: u32 = 0; k < count; k++) {
      store<f64>(
        state + (k << 3),
        f64(base + i64(load<u32>(times + k * TAIL_TIMES_ROW))),
        READER_TAIL_TIMES,
      )
      store<u64>(state + (k << 3), load<u64>(values + k * TAIL_VALUES_ROW), READER_TAIL_VALUES)
    }
    const length = u32(load<u16>(record, R_BYTES)) + u32(load<u8>(record, R_BITS) != 0)
    const samples = u32(load<u16>(record, R_COUNT))
    if (samples > 0) {
      memory.copy(state + READER_OPEN, load<u32>(record, R_OPEN), min(length, SLOT_BYTES_MAX))
    }
    store<u32>(state, count, READER_TAIL)
    store<u32>(state, length, READER_OPEN_BYTES)
    store<u32>(state, samples, READER_OPEN_COUNT)
    store<u32>(state, load<u32>(record, R_CLOSED), READER_CLOSED)
    if (!copyOutOfOrder(state, slab, s, lane, sequence)) continue
    atomic.fence()
    if (atomic.load<u32>(lane) == sequence) return true
  }
  return false
}

/**
 * Fills the slot's columns from their end with the newest samples not yet given. READER_MORE of
 * the slot says whether there may be more; READER_SPILLED names the chunk that the host is to bring
 * first, if one is.
 * @returns samples: they stand at [READER_SAMPLES - n, READER_SAMPLES); -1 when a chunk is corrupt
 */
export function readBlock(slot: u32): i32 {
  const state = load<u32>(H_READERS) + slot * READER_BYTES
  const times = state + READER_COLUMNS
  const values = times + (READER_SAMPLES << 3)
  let room: u32 = READER_SAMPLES
  if (load<u32>(state, READER_STAGE) == STAGE_TAIL) {
    const count = load<u32>(state, READER_TAIL)
    room -= count
    memory.copy(times + (room << 3), state + READER_TAIL_TIMES, count << 3)
    memory.copy(values + (room << 3), state + READER_TAIL_VALUES, count << 3)
    room = trim(state, room, room + count)
    store<u32>(state, STAGE_OPEN, READER_STAGE)
  }
  if (load<u32>(state, READER_STAGE) == STAGE_OPEN) {
    const count = load<u32>(state, READER_OPEN_COUNT)
    if (count > 0) {
      const at = room - count
      const length = load<u32>(state, READER_OPEN_BYTES)
      const open = state + READER_OPEN
      if (decodeXor(open, length, times + (at << 3), values + (at << 3)) != count) return -1
      room = trim(state, at, room)
    }
    store<u32>(state, STAGE_CLOSED, READER_STAGE)
  }
  const mint = load<f64>(state, READER_MINT)
  const maxt = load<f64>(state, READER_MAXT)
  let chunk = load<u32>(state, READER_CLOSED)
  while (chunk != 0) {
    const from = f64(load<i64>(chunk, C_MINT))
    const to = f64(load<i64>(chunk, C_MAXT))
    if (to < mint) break
    if (from <= maxt) {
      const word = u32(load<u16>(chunk, C_COUNT))
      const count = word & ~C_SPILLED
      if (count > room) {
        store<u32>(state, chunk, READER_CLOSED)
        return READER_SAMPLES - room
      }
      const isSpilled = word != count
      if (isSpilled && load<u32>(state, READER_SPILLED) != chunk) {
        store<u32>(state, chunk, READER_SPILLED)
        store<u32>(state, chunk, READER_CLOSED)
        return READER_SAMPLES - room
      }
      const at = room - count
      const length = u32(load<u16>(chunk, C_LENGTH))
      const start = isSpilled ? state + READER_OPEN : chunk + CHUNK_HEADER_BYTES
      store<u32>(state, 0, READER_SPILLED)
      if (decodeXor(start, length, times + (at << 3), values + (at << 3)) != count) return -1
      room = from < mint || to > maxt ? trim(state, at, room) : at
    }
    chunk = load<u32>(chunk, C_PREVIOUS)
  }
  store<u32>(state, 0, READER_MORE)
  return READER_SAMPLES - room
}

/**
 * Leaves of columns [from, to) what lies in the slot's time range, moved up to end at `to`.
 * @returns where it begins
 */
function trim(state: u32, from: u32, to: u32): u32 {
  const mint = load<f64>(state, READER_MINT)
  const maxt = load<f64>(state, READER_MAXT)
  const times = state + READER_COLUMNS
  const values = times + (READER_SAMPLES << 3)
  let end = to
  while (end > from && load<f64>(times + ((end - 1) << 3)) > maxt) end--
  while (from < end && load<f64>(times + (from << 3)) < mint) from++
  if (end < to) {
    memory.copy(times + ((to - (end - from)) << 3), times + (from << 3), (end - from) << 3)
    memory.copy(values + ((to - (end - from)) << 3), values + (from << 3), (end - from) << 3)
  }
  return to - (end - from)
}

/** Whether a series has a chunk (the tail counts as part of the open one) that overlaps a range. */
export function overlaps(ref: u32, mint: f64, maxt: f64): bool {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  return (
    overlapsInOrder(slab, s, mint, maxt) ||
    oooOverlaps(slab, s, mint, maxt) ||
    histogramOverlaps(ref, mint, maxt)
  )
}

/**
 * The same from another thread than the owner's: an answer that was not torn. What a series has out
 * of order counts by its first and last time only.
 */
export function overlapsNow(ref: u32, mint: f64, maxt: f64): bool {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  const lane = sequenceCell(slab, s)
  for (let tries: u32 = 0; tries < TRIES; tries++) {
    const sequence = atomic.load<u32>(lane)
    if ((sequence & 1) != 0) continue
    const found =
      overlapsInOrder(slab, s, mint, maxt) ||
      oooTouches(slab, s, mint, maxt) ||
      histogramOverlaps(ref, mint, maxt)
    atomic.fence()
    if (atomic.load<u32>(lane) == sequence) return found
  }
  return true
}

function overlapsInOrder(slab: u32, s: u32, mint: f64, maxt: f64): bool {
  const first = load<i64>(slab + FIRST_TIMES + (s << 3))
  if (first == i64.MAX_VALUE || f64(first) > maxt) return false
  if (f64(load<i64>(slab + LAST_TIMES + (s << 3))) < mint) return false
  const record = slab + RECORDS + (s << 6)
  const isOpen = u32(load<u16>(record, R_COUNT)) > 0
  const hasTail = u32(load<u8>(slab + FILLS + s)) > 0
  const start = isOpen ? load<i64>(record, R_MINT) : load<i64>(slab + LANE_BASES + (s << 3))
  if ((isOpen || hasTail) && f64(start) <= maxt) return true
  let chunk = load<u32>(record, R_CLOSED)
  while (chunk != 0 && f64(load<i64>(chunk, C_MAXT)) >= mint) {
    if (f64(load<i64>(chunk, C_MINT)) <= maxt) return true
    chunk = load<u32>(chunk, C_PREVIOUS)
  }
  return false
}
