/**
 * Taking out of a series what is in blocks: chunks that end before the head's minimum, and chunks of
 * samples out of order that were frozen. Links and records change while the tile's sequence number
 * is odd; the bytes of dropped chunks stay until no reader can be at them (head-memory.ts). The
 * caller has seen to it that nobody reads who does not know of the blocks.
 */
import {
  C_MAXT,
  C_MINT,
  C_PREVIOUS,
  COUNTS,
  FILLS,
  FIRST_TIMES,
  HC_MAXT,
  HC_MINT,
  HC_PREVIOUS,
  HISTOGRAM_ROWS,
  HR_BYTES,
  HR_CLASS,
  HR_CLOSED,
  HR_COUNT,
  HR_FROZEN,
  HR_LATE,
  HR_MAXT,
  HR_MINT,
  HR_OPEN,
  LANE_BASES,
  O_BUFFER,
  O_CLOSED,
  O_COUNT,
  O_FROZEN,
  O_MAXT,
  O_MINT,
  R_BITS,
  R_BYTES,
  R_CLASS,
  R_CLOSED,
  R_COUNT,
  R_MINT,
  R_OPEN,
  R_TIME,
  RECORDS,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
} from '../head-layout'
import { giveSlot } from './head-histogram'
import { free, freeSlot } from './head-memory'
import { closeBuffer } from './head-ooo'
import { oooRow } from './head-ooo-read'
import { dropFloats, dropHistograms } from './head-spill'
import { sequenceCell, timeCell } from './head-tiles'

function begin(lane: u32): void {
  atomic.store<u32>(lane, load<u32>(lane) + 1)
  atomic.fence()
}

function end(lane: u32): void {
  atomic.fence()
  atomic.store<u32>(lane, load<u32>(lane) + 1)
}

/**
 * Drops the chunks of a series, of floats and of histograms, that end before `before`.
 * @returns 1 when the series has no sample left, else 0
 */
export function truncateSeries(ref: u32, before: f64): u32 {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  const at = slab + FIRST_TIMES + (s << 3)
  const first = load<i64>(at)
  if (first != i64.MAX_VALUE && f64(first) < before) {
    const lane = sequenceCell(slab, s)
    begin(lane)
    const floats = truncateFloats(slab, s, before)
    const histograms = truncateHistograms(load<u32>(slab + HISTOGRAM_ROWS + (s << 2)), before)
    store<i64>(at, min(floats, histograms))
    end(lane)
  }
  return u32(isEmpty(slab, s))
}

/** Whether a series has no sample at all. */
export function isEmpty(slab: u32, s: u32): bool {
  if (load<i64>(slab + FIRST_TIMES + (s << 3)) != i64.MAX_VALUE) return false
  const row = oooRow(slab, s)
  if (row != 0 && (load<u32>(row, O_CLOSED) != 0 || u32(load<u16>(row, O_COUNT)) > 0)) return false
  const histograms = load<u32>(slab + HISTOGRAM_ROWS + (s << 2))
  return histograms == 0 || load<u32>(histograms, HR_LATE) == 0
}

/** Time of the first float left, i64.MAX_VALUE without. */
function truncateFloats(slab: u32, s: u32, before: f64): i64 {
  const record = slab + RECORDS + (s << 6)
  const lane = sequenceCell(slab, s)
  const fill = u32(load<u8>(slab + FILLS + s))
  const count = u32(load<u16>(record, R_COUNT))
  const base = load<i64>(slab + LANE_BASES + (s << 3))
  let first: i64 = i64.MAX_VALUE
  if (fill > 0) {
    const newest = load<u32>(timeCell(slab, s, fill - 1))
    if (f64(base + i64(newest)) < before) {
      store<u8>(slab + FILLS + s, 0)
      store<u8>(slab + COUNTS + s, 0)
    } else first = base
  }
  if (count > 0) {
    if (f64(load<i64>(record, R_TIME)) < before) {
      freeSlot(load<u32>(record, R_OPEN), u32(load<u8>(record, R_CLASS)))
      store<u32>(record, 0, R_OPEN)
      store<u16>(record, 0, R_COUNT)
      store<u16>(record, 0, R_BYTES)
      store<u8>(record, 0, R_BITS)
    } else first = load<i64>(record, R_MINT)
  }
  return min(first, truncateList(record + R_CLOSED, before))
}

/** Cuts a list of closed chunks, newest first, before a time; where what is left begins. */
function truncateList(link: u32, before: f64): i64 {
  let first: i64 = i64.MAX_VALUE
  let chunk = load<u32>(link)
  while (chunk != 0 && f64(load<i64>(chunk, C_MAXT)) >= before) {
    first = load<i64>(chunk, C_MINT)
    link = chunk + C_PREVIOUS
    chunk = load<u32>(link)
  }
  store<u32>(link, 0)
  while (chunk != 0) {
    const next = load<u32>(chunk, C_PREVIOUS)
    dropFloats(chunk)
    chunk = next
  }
  return first
}

/** Time of the first histogram left, i64.MAX_VALUE without. */
function truncateHistograms(row: u32, before: f64): i64 {
  if (row == 0) return i64.MAX_VALUE
  let first: i64 = i64.MAX_VALUE
  const open = load<u32>(row, HR_OPEN)
  if (open != 0) {
    if (f64(load<i64>(row, HR_MAXT)) < before) {
      store<u32>(row, 0, HR_OPEN)
      store<u32>(row, 0, HR_BYTES)
      store<u32>(row, 0, HR_COUNT)
      giveSlot(open, u32(load<u8>(row, HR_CLASS)))
    } else first = load<i64>(row, HR_MINT)
  }
  let link = row + HR_CLOSED
  let chunk = load<u32>(link)
  while (chunk != 0 && f64(load<i64>(chunk, HC_MAXT)) >= before) {
    first = load<i64>(chunk, HC_MINT)
    link = chunk + HC_PREVIOUS
    chunk = load<u32>(link)
  }
  store<u32>(link, 0)
  while (chunk != 0) {
    const next = load<u32>(chunk, HC_PREVIOUS)
    dropHistograms(chunk)
    chunk = next
  }
  return first
}

/**
 * Notes what a series has out of order as what goes into a block: its buffer becomes a chunk.
 * @returns 1 when there is anything, 0 when not, -1 without memory
 */
export function freezeLate(ref: u32): i32 {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  const row = oooRow(slab, s)
  const histograms = load<u32>(slab + HISTOGRAM_ROWS + (s << 2))
  let frozen: u32 = 0
  if (histograms != 0) {
    frozen = load<u32>(histograms, HR_LATE)
    store<u32>(histograms, frozen, HR_FROZEN)
  }
  if (row == 0) return i32(frozen != 0)
  const lane = sequenceCell(slab, s)
  if (u32(load<u16>(row, O_COUNT)) > 0) {
    if (free() < 4096) return -1
    begin(lane)
    closeBuffer(row)
    end(lane)
  }
  store<u32>(row, load<u32>(row, O_CLOSED), O_FROZEN)
  return i32((load<u32>(row, O_FROZEN) | frozen) != 0)
}

/** Drops the chunks that `freezeLate` noted. */
export function truncateLate(ref: u32): void {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  const lane = sequenceCell(slab, s)
  begin(lane)
  truncateLateFloats(oooRow(slab, s))
  truncateLateHistograms(load<u32>(slab + HISTOGRAM_ROWS + (s << 2)))
  end(lane)
}

function truncateLateHistograms(row: u32): void {
  if (row == 0) return
  const frozen = load<u32>(row, HR_FROZEN)
  if (frozen == 0) return
  store<u32>(row, 0, HR_FROZEN)
  let link = row + HR_LATE
  let chunk = load<u32>(link)
  while (chunk != 0 && chunk != frozen) {
    link = chunk + HC_PREVIOUS
    chunk = load<u32>(link)
  }
  store<u32>(link, 0)
  while (chunk != 0) {
    const next = load<u32>(chunk, HC_PREVIOUS)
    dropHistograms(chunk)
    chunk = next
  }
}

function truncateLateFloats(row: u32): void {
  const frozen = row == 0 ? 0 : load<u32>(row, O_FROZEN)
  if (frozen == 0) return
  store<u32>(row, 0, O_FROZEN)
  let mint: i64 = i64.MAX_VALUE
  let maxt: i64 = i64.MIN_VALUE
  const count = u32(load<u16>(row, O_COUNT))
  if (count > 0) {
    const buffer = load<u32>(row, O_BUFFER)
    mint = load<i64>(buffer)
    maxt = load<i64>(buffer + ((count - 1) << 4))
  }
  let link = row + O_CLOSED
  let chunk = load<u32>(link)
  while (chunk != 0 && chunk != frozen) {
    mint = min(mint, load<i64>(chunk, C_MINT))
    maxt = max(maxt, load<i64>(chunk, C_MAXT))
    link = chunk + C_PREVIOUS
    chunk = load<u32>(link)
  }
  store<u32>(link, 0)
  store<i64>(row, mint, O_MINT)
  store<i64>(row, maxt, O_MAXT)
  while (chunk != 0) {
    const next = load<u32>(chunk, C_PREVIOUS)
    dropFloats(chunk)
    chunk = next
  }
}

/** Time of the first sample in order of a series, or a time before it; Infinity without. */
export function firstTime(ref: u32): f64 {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const first = load<i64>(slab + FIRST_TIMES + ((ref & SERIES_SLAB_MASK) << 3))
  return first == i64.MAX_VALUE ? f64.POSITIVE_INFINITY : f64(first)
}
