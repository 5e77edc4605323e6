/**
 * Snapshot records (docs/formats/snapshot.md), assembled in the log buffer like those of the log, and
 * taken back at start. Everything is copied as it lies: raw tails, open chunks with the state of
 * their encoder, closed chunks. Only called between turns, when nothing is checked but not appended.
 */
import {
  C_COUNT,
  C_LENGTH,
  C_PREVIOUS,
  C_SPILLED,
  CHUNK_HEADER_BYTES,
  COUNTS,
  FILLS,
  FIRST_TIMES,
  H_COLUMN_CAP,
  H_LOG,
  H_LOG_AT,
  H_LOG_BYTES,
  H_MAXT,
  H_MINT,
  H_OOO_VALUES,
  LANE_BASES,
  LANE_SAMPLES,
  LAST_TIMES,
  LAST_VALUES,
  LIMITS,
  LOG_REFS,
  O_BUFFER,
  O_CLASS,
  O_CLOSED,
  O_COUNT,
  O_FROZEN,
  O_MAXT,
  O_MINT,
  OOO_ROW_BYTES,
  OOO_ROWS,
  R_BITS,
  R_BYTES,
  R_CLASS,
  R_CLOSED,
  R_COUNT,
  R_OPEN,
  R_SLOT_END,
  RECORD_HEADER_BYTES,
  RECORD_PAIRS,
  RECORD_STATES,
  RECORDS,
  SAVED_BASE,
  SAVED_CLOSED,
  SAVED_FILL,
  SAVED_FIRST_TIME,
  SAVED_HAS_OOO,
  SAVED_HEADER_BYTES,
  SAVED_LAST_TIME,
  SAVED_LAST_VALUE,
  SAVED_LIMIT,
  SAVED_NUMBER,
  SAVED_OOO_CLASS,
  SAVED_OOO_CLOSED,
  SAVED_OOO_COUNT,
  SAVED_OOO_HEADER_BYTES,
  SAVED_OOO_MAXT,
  SAVED_OOO_MINT,
  SAVED_OPEN_BYTES,
  SAVED_PAIR_COUNT,
  SAVED_PAIR_HEADER_BYTES,
  SAVED_RECORD,
  SAVED_RECORD_END,
  SAVED_TENANT,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
} from '../head-layout'
import { labelRow, pairRow, pairTenant } from './head-intern'
import { allocate, allocateChunk, allocateSlot, free, slotBytes } from './head-memory'
import { oooRow } from './head-ooo-read'
import { timeCell, valueCell } from './head-tiles'

/** End of what a slice may fill, as an address. */
function sliceEnd(most: u32): u32 {
  return load<u32>(H_LOG) + min(most, load<u32>(H_LOG_BYTES))
}

function endRecord(kind: u32, start: u32, end: u32): void {
  store<u32>(start, kind)
  store<u32>(start, end - start - RECORD_HEADER_BYTES, 4)
  store<u32>(H_LOG_AT, end - load<u32>(H_LOG))
}

/**
 * Adds a record of pairs [from, to) to the log buffer, as many as fit in `most` bytes.
 * @returns the first pair that is not in it
 */
export function savePairs(from: u32, to: u32, most: u32): u32 {
  const start = load<u32>(H_LOG) + load<u32>(H_LOG_AT)
  const end = sliceEnd(most)
  let p = start + RECORD_HEADER_BYTES
  let pair = from
  for (; pair < to; pair++) {
    const row = pairRow(pair)
    const length = u32(load<u16>(row, 4))
    // A tenant's pair of all series has no name; it is made with the tenant.
    if (load<u32>(row, 8) == 0) continue
    if (length + SAVED_PAIR_HEADER_BYTES > end - p) break
    store<u32>(p, pair)
    store<u32>(p, pairTenant(pair), 4)
    store<u16>(p, length, 8)
    store<u16>(p, load<u16>(row, 6), 10)
    memory.copy(p + SAVED_PAIR_HEADER_BYTES, load<u32>(row), length)
    p += SAVED_PAIR_HEADER_BYTES + length
  }
  endRecord(RECORD_PAIRS, start, p)
  return pair
}

/** The series that is being saved. */
let savedRef: u32 = 0
/** Samples in the record that `saveStates` made last. */
let savedSamples: u32 = 0
/** Spilled chunks in it: their data are to be put there by the host. */
let holes: u32 = 0

/** Bytes of a hole: where the data belong in memory, the chunk, its series, zero. */
const HOLE_BYTES: u32 = 16

/** How many holes there are; they stand where a turn has values out of order. */
export function savedHoles(): u32 {
  return holes
}

export function savedSampleCount(): u32 {
  return savedSamples
}

/**
 * Adds a record of the series [from, to) that the log knows or that have samples, as many as fit in `most` bytes; one that
 * alone is larger may take the whole buffer. Widens H_MINT and H_MAXT.
 * @returns the first series that is not in it; `from` when not even the buffer is large enough
 */
export function saveStates(from: u32, to: u32, most: u32): u32 {
  const start = load<u32>(H_LOG) + load<u32>(H_LOG_AT)
  const end = sliceEnd(most)
  savedSamples = 0
  holes = 0
  const holesMax = load<u32>(H_COLUMN_CAP) >> 1
  let p = start + RECORD_HEADER_BYTES
  let ref = from
  for (; ref < to; ref++) {
    const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
    const s = ref & SERIES_SLAB_MASK
    const hasSamples = load<i64>(slab + FIRST_TIMES + (s << 3)) != i64.MAX_VALUE
    if (load<u32>(slab + LOG_REFS + (s << 2)) == 0 && !hasSamples && oooRow(slab, s) == 0) continue
    const bytes = savedBytes(slab, s, ref)
    const isAlone = p == start + RECORD_HEADER_BYTES
    const limit = isAlone ? u64(sliceEnd(u32.MAX_VALUE)) : u64(end)
    if (u64(p) + bytes > limit || holes + spilledCount > holesMax) break
    saveState(p, slab, s, ref, u32(bytes))
    p += u32(bytes)
  }
  endRecord(RECORD_STATES, start, p)
  return ref
}

function openBytes(record: u32): u32 {
  if (u32(load<u16>(record, R_COUNT)) == 0) return 0
  return u32(load<u16>(record, R_BYTES)) + u32(load<u8>(record, R_BITS) != 0)
}

function savedBytes(slab: u32, s: u32, ref: u32): u64 {
  const record = slab + RECORDS + (s << 6)
  let bytes: u64 = SAVED_HEADER_BYTES + (u64(load<u32>(labelRow(ref))) << 2)
  bytes += u64(load<u8>(slab + FILLS + s)) * 12 + openBytes(record)
  spilledCount = 0
  bytes += closedBytes(load<u32>(record, R_CLOSED))
  const row = oooRow(slab, s)
  if (row == 0) return bytes
  bytes += SAVED_OOO_HEADER_BYTES + (u64(load<u16>(row, O_COUNT)) << 4)
  return bytes + closedBytes(load<u32>(row, O_CLOSED))
}

/** Spilled chunks of the series at hand. */
let spilledCount: u32 = 0

function closedBytes(chunk: u32): u64 {
  let bytes: u64 = 0
  while (chunk != 0) {
    if ((u32(load<u16>(chunk, C_COUNT)) & C_SPILLED) != 0) spilledCount++
    bytes += CHUNK_HEADER_BYTES + u64(load<u16>(chunk, C_LENGTH))
    chunk = load<u32>(chunk, C_PREVIOUS)
  }
  return bytes
}

function saveState(p: u32, slab: u32, s: u32, ref: u32, bytes: u32): void {
  savedRef = ref
  const record = slab + RECORDS + (s << 6)
  const labels = labelRow(ref)
  const pairs = load<u32>(labels)
  const fill = u32(load<u8>(slab + FILLS + s))
  const open = openBytes(record)
  store<u32>(p, bytes)
  store<u32>(p, load<u32>(slab + LOG_REFS + (s << 2)), SAVED_NUMBER)
  store<u32>(p, pairTenant(load<u32>(labels, 4)), SAVED_TENANT)
  store<u16>(p, pairs, SAVED_PAIR_COUNT)
  store<u8>(p, fill, SAVED_FILL)
  const row = oooRow(slab, s)
  const flag: u32 = row == 0 ? 0 : SAVED_HAS_OOO
  store<u8>(p, u32(load<u8>(slab + LIMITS + s)) | flag, SAVED_LIMIT)
  store<u32>(p, open, SAVED_OPEN_BYTES)
  store<i64>(p, load<i64>(slab + FIRST_TIMES + (s << 3)), SAVED_FIRST_TIME)
  store<i64>(p, load<i64>(slab + LAST_TIMES + (s << 3)), SAVED_LAST_TIME)
  store<u64>(p, load<u64>(slab + LAST_VALUES + (s << 3)), SAVED_LAST_VALUE)
  store<i64>(p, load<i64>(slab + LANE_BASES + (s << 3)), SAVED_BASE)
  memory.copy(p + SAVED_RECORD, record, 40)
  store<u64>(p, load<u64>(record, R_BYTES), SAVED_RECORD_END)
  let to = p + SAVED_HEADER_BYTES
  memory.copy(to, labels + 4, pairs << 2)
  to = saveTail(to + (pairs << 2), slab, s, fill)
  if (open > 0) memory.copy(to, load<u32>(record, R_OPEN), open)
  to += open
  let samples = fill + u32(load<u16>(record, R_COUNT))
  to = saveClosed(to, load<u32>(record, R_CLOSED))
  samples += closedSamples
  store<u32>(p, closedCount, SAVED_CLOSED)
  if (samples > 0) {
    store<f64>(H_MINT, min(load<f64>(H_MINT), f64(load<i64>(p, SAVED_FIRST_TIME))))
    store<f64>(H_MAXT, max(load<f64>(H_MAXT), f64(load<i64>(p, SAVED_LAST_TIME))))
  }
  savedSamples += samples
  if (row != 0) saveOutOfOrder(to, row)
}

function saveOutOfOrder(p: u32, row: u32): void {
  const count = u32(load<u16>(row, O_COUNT))
  store<u16>(p, count, SAVED_OOO_COUNT)
  store<u16>(p, load<u8>(row, O_CLASS), SAVED_OOO_CLASS)
  store<i64>(p, load<i64>(row, O_MINT), SAVED_OOO_MINT)
  store<i64>(p, load<i64>(row, O_MAXT), SAVED_OOO_MAXT)
  const to = p + SAVED_OOO_HEADER_BYTES
  memory.copy(to, load<u32>(row, O_BUFFER), count << 4)
  saveClosed(to + (count << 4), load<u32>(row, O_CLOSED))
  store<u32>(p, closedCount, SAVED_OOO_CLOSED)
  savedSamples += count + closedSamples
  store<f64>(H_MINT, min(load<f64>(H_MINT), f64(load<i64>(row, O_MINT))))
  store<f64>(H_MAXT, max(load<f64>(H_MAXT), f64(load<i64>(row, O_MAXT))))
}

/** Of the last `saveClosed`. */
let closedCount: u32 = 0
let closedSamples: u32 = 0

/** Copies a list of closed chunks, newest first; where it ends. */
function saveClosed(to: u32, chunk: u32): u32 {
  closedCount = 0
  closedSamples = 0
  while (chunk != 0) {
    const length = u32(load<u16>(chunk, C_LENGTH))
    const samples = u32(load<u16>(chunk, C_COUNT)) & ~C_SPILLED
    if (samples == u32(load<u16>(chunk, C_COUNT))) {
      memory.copy(to, chunk, CHUNK_HEADER_BYTES + length)
    } else {
      memory.copy(to, chunk, CHUNK_HEADER_BYTES)
      store<u16>(to, samples, C_COUNT)
      addHole(to + CHUNK_HEADER_BYTES, chunk)
    }
    store<u32>(to, 0, C_PREVIOUS)
    to += CHUNK_HEADER_BYTES + length
    closedSamples += samples
    closedCount++
    chunk = load<u32>(chunk, C_PREVIOUS)
  }
  return to
}

function addHole(to: u32, chunk: u32): void {
  const at = load<u32>(H_OOO_VALUES) + holes * HOLE_BYTES
  store<u32>(at, to)
  store<u32>(at, chunk, 4)
  store<u32>(at, savedRef, 8)
  holes++
}

function saveTail(p: u32, slab: u32, s: u32, fill: u32): u32 {
  for (let k: u32 = 0; k < fill; k++) {
    store<u32>(p, load<u32>(timeCell(slab, s, k)))
    store<u64>(p, load<u64>(valueCell(slab, s, k)), 4)
    p += 12
  }
  return p
}

/** Whether the lengths inside the saved state at p add up; `room` bytes are left from there on. */
export function isSavedState(p: u32, room: u32): bool {
  if (room < u32(SAVED_HEADER_BYTES)) return false
  const bytes = load<u32>(p)
  if (bytes > room || bytes < u32(SAVED_HEADER_BYTES)) return false
  const fill = u32(load<u8>(p, SAVED_FILL))
  const limit = u32(load<u8>(p, SAVED_LIMIT)) & (SAVED_HAS_OOO - 1)
  const open = load<u32>(p, SAVED_OPEN_BYTES)
  const kind = u32(load<u8>(p, SAVED_RECORD_END + R_CLASS - R_BYTES))
  if (fill > u32(LANE_SAMPLES) || limit < 1 || limit > u32(LANE_SAMPLES) || kind > 8) return false
  if (open > slotBytes(kind)) return false
  const fixed =
    u64(SAVED_HEADER_BYTES) + (u64(load<u16>(p, SAVED_PAIR_COUNT)) << 2) + u64(fill) * 12 + open
  if (fixed > bytes) return false
  const end = p + bytes
  let at = skipClosed(p + u32(fixed), load<u32>(p, SAVED_CLOSED), end)
  if (at == 0 || u32(load<u8>(p, SAVED_LIMIT)) < u32(SAVED_HAS_OOO)) return at == end
  if (end - at < u32(SAVED_OOO_HEADER_BYTES)) return false
  const count = u32(load<u16>(at, SAVED_OOO_COUNT))
  const slot = u32(load<u16>(at, SAVED_OOO_CLASS))
  const closed = load<u32>(at, SAVED_OOO_CLOSED)
  at += SAVED_OOO_HEADER_BYTES
  if (slot > 8 || count << 4 > slotBytes(slot) || count << 4 > end - at) return false
  return skipClosed(at + (count << 4), closed, end) == end
}

/** Where a list of closed chunks ends; 0 when that is beyond `end`. */
function skipClosed(chunk: u32, count: u32, end: u32): u32 {
  for (; count > 0; count--) {
    if (end - chunk < u32(CHUNK_HEADER_BYTES)) return 0
    const size = u32(CHUNK_HEADER_BYTES) + u32(load<u16>(chunk, C_LENGTH))
    if (size > end - chunk) return 0
    chunk += size
  }
  return chunk
}

/**
 * Gives a series without samples the state saved at p.
 * @param hasLate false: what came out of order is in blocks already
 * @returns 1, or 0 without memory, or -1 when the series has samples
 */
export function adoptState(ref: u32, p: u32, hasLate: bool): i32 {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  const record = slab + RECORDS + (s << 6)
  if (load<i64>(slab + FIRST_TIMES + (s << 3)) != i64.MAX_VALUE) return -1
  const hasOutOfOrder = hasLate && u32(load<u8>(p, SAVED_LIMIT)) >= u32(SAVED_HAS_OOO)
  if (oooRow(slab, s) != 0) return -1
  if (load<i64>(p, SAVED_FIRST_TIME) == i64.MAX_VALUE && !hasOutOfOrder) return 1
  if (free() < u64(load<u32>(p)) * 2 + 65536) return 0
  const fill = u32(load<u8>(p, SAVED_FILL))
  const open = load<u32>(p, SAVED_OPEN_BYTES)
  store<u8>(slab + FILLS + s, fill)
  store<u8>(slab + LIMITS + s, u32(load<u8>(p, SAVED_LIMIT)) & (SAVED_HAS_OOO - 1))
  store<i64>(slab + FIRST_TIMES + (s << 3), load<i64>(p, SAVED_FIRST_TIME))
  store<i64>(slab + LAST_TIMES + (s << 3), load<i64>(p, SAVED_LAST_TIME))
  store<u64>(slab + LAST_VALUES + (s << 3), load<u64>(p, SAVED_LAST_VALUE))
  store<i64>(slab + LANE_BASES + (s << 3), load<i64>(p, SAVED_BASE))
  memory.copy(record, p + SAVED_RECORD, 40)
  store<u64>(record, load<u64>(p, SAVED_RECORD_END), R_BYTES)
  let from = p + SAVED_HEADER_BYTES + (u32(load<u16>(p, SAVED_PAIR_COUNT)) << 2)
  for (let k: u32 = 0; k < fill; k++) {
    store<u32>(timeCell(slab, s, k), load<u32>(from))
    store<u64>(valueCell(slab, s, k), load<u64>(from, 4))
    from += 12
  }
  store<u8>(slab + COUNTS + s, fill)
  if (open > 0) {
    const kind = u32(load<u8>(record, R_CLASS))
    const slot = allocateSlot(kind)
    memory.copy(slot, from, open)
    store<u32>(record, slot, R_OPEN)
    store<u32>(record, slot + slotBytes(kind), R_SLOT_END)
    from += open
  } else store<u16>(record, 0, R_COUNT)
  from = adoptClosed(record + R_CLOSED, from, load<u32>(p, SAVED_CLOSED))
  if (hasOutOfOrder) adoptOutOfOrder(slab, s, from)
  return 1
}

function adoptOutOfOrder(slab: u32, s: u32, p: u32): void {
  const count = u32(load<u16>(p, SAVED_OOO_COUNT))
  const kind = u32(load<u16>(p, SAVED_OOO_CLASS))
  const row = allocate(OOO_ROW_BYTES)
  store<u32>(row, 0, O_FROZEN)
  const buffer = allocateSlot(kind)
  memory.copy(buffer, p + SAVED_OOO_HEADER_BYTES, count << 4)
  store<u32>(row, buffer, O_BUFFER)
  store<u16>(row, count, O_COUNT)
  store<u8>(row, kind, O_CLASS)
  store<i64>(row, load<i64>(p, SAVED_OOO_MINT), O_MINT)
  store<i64>(row, load<i64>(p, SAVED_OOO_MAXT), O_MAXT)
  const closed = p + SAVED_OOO_HEADER_BYTES + (count << 4)
  adoptClosed(row + O_CLOSED, closed, load<u32>(p, SAVED_OOO_CLOSED))
  store<u32>(slab + OOO_ROWS + (s << 2), row)
}

/** Copies closed chunks, newest first as they were saved, to the list at `link`; where they end. */
function adoptClosed(link: u32, from: u32, count: u32): u32 {
  store<u32>(link, 0)
  for (; count > 0; count--) {
    const size = CHUNK_HEADER_BYTES + u32(load<u16>(from, C_LENGTH))
    const node = allocateChunk(size)
    memory.copy(node, from, size)
    store<u32>(node, 0, C_PREVIOUS)
    store<u32>(link, node)
    link = node + C_PREVIOUS
    from += size
  }
  return from
}
