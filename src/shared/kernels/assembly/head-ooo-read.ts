/**
 * Samples out of order, the reading side: a small buffer per series, by time, and closed chunks,
 * which may overlap each other and what is in order. Equal times are for the reader to tell apart:
 * what is in order wins, then the older chunk, the buffer last.
 *
 * As in head-read.ts: what may change is copied under the tile's sequence number and confirmed.
 */
import {
  C_COUNT,
  C_LENGTH,
  C_MAXT,
  C_MINT,
  C_PREVIOUS,
  C_SPILLED,
  CHUNK_HEADER_BYTES,
  H_READERS,
  H_SCRATCH,
  O_BUFFER,
  O_CLOSED,
  O_COUNT,
  O_MAXT,
  O_MINT,
  OOO_ROWS,
  OOO_SAMPLES_MAX,
  READ_SPILLED,
  READER_BYTES,
  READER_CHUNK_BYTES,
  READER_CHUNKS,
  READER_COLUMNS,
  READER_MAXT,
  READER_MINT,
  READER_OOO,
  READER_OOO_CLOSED,
  READER_OOO_COUNT,
  READER_OOO_TOTAL,
  READER_OPEN,
  READER_SAMPLES,
  READER_SPILLED,
} from '../head-layout'
import { decodeXor } from './xor'

/** Chunks that are decoded to find one sample: a sender that repeats itself does so at once. */
const LOOKUPS_MAX: u32 = 8

/** The out-of-order row of a series, 0 when it has none. */
export function oooRow(slab: u32, s: u32): u32 {
  return load<u32>(slab + OOO_ROWS + (s << 2))
}

/** Whether the buffer or one of the newest chunks in memory has a sample of this time and these bits. */
export function oooHolds(slab: u32, s: u32, t: i64, v: u64): bool {
  const row = oooRow(slab, s)
  if (row == 0 || t < load<i64>(row, O_MINT) || t > load<i64>(row, O_MAXT)) return false
  const buffer = load<u32>(row, O_BUFFER)
  const count = u32(load<u16>(row, O_COUNT))
  for (let k: u32 = 0; k < count; k++) {
    const at = buffer + (k << 4)
    if (load<i64>(at) == t) return load<u64>(at, 8) == v
  }
  const times = load<u32>(H_SCRATCH)
  const values = times + (OOO_SAMPLES_MAX << 3)
  let chunk = load<u32>(row, O_CLOSED)
  for (let lookups: u32 = 0; chunk != 0 && lookups < LOOKUPS_MAX; ) {
    const isHere = (u32(load<u16>(chunk, C_COUNT)) & C_SPILLED) == 0
    if (isHere && t >= load<i64>(chunk, C_MINT) && t <= load<i64>(chunk, C_MAXT)) {
      lookups++
      const length = u32(load<u16>(chunk, C_LENGTH))
      const samples = decodeXor(chunk + CHUNK_HEADER_BYTES, length, times, values)
      for (let k: i32 = 0; k < samples; k++) {
        const at = k << 3
        if (load<f64>(times + at) == f64(t) && load<u64>(values + at) == v) return true
      }
    }
    chunk = load<u32>(chunk, C_PREVIOUS)
  }
  return false
}

/** Whether a series has an out-of-order sample or chunk that overlaps a range. */
export function oooOverlaps(slab: u32, s: u32, mint: f64, maxt: f64): bool {
  const row = oooRow(slab, s)
  if (row == 0) return false
  if (f64(load<i64>(row, O_MINT)) > maxt || f64(load<i64>(row, O_MAXT)) < mint) return false
  const buffer = load<u32>(row, O_BUFFER)
  const count = u32(load<u16>(row, O_COUNT))
  if (count > 0 && f64(load<i64>(buffer)) <= maxt) {
    if (f64(load<i64>(buffer + ((count - 1) << 4))) >= mint) return true
  }
  return nextChunk(load<u32>(row, O_CLOSED), mint, maxt) != 0
}

/** Whether a range overlaps the time from the first to the last sample that came out of order. */
export function oooTouches(slab: u32, s: u32, mint: f64, maxt: f64): bool {
  const row = oooRow(slab, s)
  if (row == 0) return false
  return f64(load<i64>(row, O_MINT)) <= maxt && f64(load<i64>(row, O_MAXT)) >= mint
}

/** The first chunk of a list, newest first, that overlaps a range; 0 when none does. */
function nextChunk(chunk: u32, mint: f64, maxt: f64): u32 {
  while (chunk != 0) {
    if (f64(load<i64>(chunk, C_MINT)) <= maxt && f64(load<i64>(chunk, C_MAXT)) >= mint) break
    chunk = load<u32>(chunk, C_PREVIOUS)
  }
  return chunk
}

/**
 * Copies what a series has out of order to a reader's state; the caller confirms the sequence once
 * more afterwards. The row may be another's by now, so its addresses are confirmed before use.
 */
export function copyOutOfOrder(state: u32, slab: u32, s: u32, lane: u32, sequence: u32): bool {
  const row = oooRow(slab, s)
  store<u32>(state, 0, READER_OOO_COUNT)
  store<u32>(state, 0, READER_OOO_CLOSED)
  if (row == 0) return true
  const buffer = load<u32>(row, O_BUFFER)
  const closed = load<u32>(row, O_CLOSED)
  const count = min(u32(load<u16>(row, O_COUNT)), OOO_SAMPLES_MAX)
  atomic.fence()
  if (atomic.load<u32>(lane) != sequence) return false
  memory.copy(state + READER_OOO, buffer, count << 4)
  store<u32>(state, count, READER_OOO_COUNT)
  store<u32>(state, closed, READER_OOO_CLOSED)
  return true
}

/** Counts chunks that a read looks at. */
export function addChunks(state: u32, count: u32, bytes: u32): void {
  store<u32>(state, load<u32>(state, READER_CHUNKS) + count, READER_CHUNKS)
  store<u32>(state, load<u32>(state, READER_CHUNK_BYTES) + bytes, READER_CHUNK_BYTES)
}

/** Notes the most samples that `readOutOfOrder` can give in the slot's time range. */
export function countOutOfOrder(state: u32): void {
  const mint = load<f64>(state, READER_MINT)
  const maxt = load<f64>(state, READER_MAXT)
  let total = load<u32>(state, READER_OOO_COUNT)
  let chunk = nextChunk(load<u32>(state, READER_OOO_CLOSED), mint, maxt)
  store<u32>(state, chunk, READER_OOO_CLOSED)
  while (chunk != 0) {
    total += u32(load<u16>(chunk, C_COUNT)) & ~C_SPILLED
    addChunks(state, 1, u32(load<u16>(chunk, C_LENGTH)))
    chunk = nextChunk(load<u32>(chunk, C_PREVIOUS), mint, maxt)
  }
  store<u32>(state, total, READER_OOO_TOTAL)
}

/**
 * Fills the slot's columns from their beginning with the next run of out-of-order samples: the
 * buffer, then the chunks that overlap the range, newest first. Each run ascends.
 * @returns samples; 0 when there are no more, -1 when a chunk is corrupt, READ_SPILLED when the
 *   host is to bring the data of READER_SPILLED to READER_OPEN first
 */
export function readOutOfOrder(slot: u32): i32 {
  const state = load<u32>(H_READERS) + slot * READER_BYTES
  const times = state + READER_COLUMNS
  const values = times + (READER_SAMPLES << 3)
  const count = load<u32>(state, READER_OOO_COUNT)
  if (count > 0) {
    for (let k: u32 = 0; k < count; k++) {
      const at = state + READER_OOO + (k << 4)
      store<f64>(times + (k << 3), f64(load<i64>(at)))
      store<u64>(values + (k << 3), load<u64>(at, 8))
    }
    store<u32>(state, 0, READER_OOO_COUNT)
    return count
  }
  const chunk = load<u32>(state, READER_OOO_CLOSED)
  if (chunk == 0) return 0
  const word = u32(load<u16>(chunk, C_COUNT))
  const samples = word & ~C_SPILLED
  const isSpilled = word != samples
  if (isSpilled && load<u32>(state, READER_SPILLED) != chunk) {
    store<u32>(state, chunk, READER_SPILLED)
    return READ_SPILLED
  }
  store<u32>(state, 0, READER_SPILLED)
  const mint = load<f64>(state, READER_MINT)
  const maxt = load<f64>(state, READER_MAXT)
  store<u32>(state, nextChunk(load<u32>(chunk, C_PREVIOUS), mint, maxt), READER_OOO_CLOSED)
  const length = u32(load<u16>(chunk, C_LENGTH))
  const data = isSpilled ? state + READER_OPEN : chunk + CHUNK_HEADER_BYTES
  const decoded = decodeXor(data, length, times, values)
  return decoded == samples ? decoded : -1
}
