/**
 * Appending: a turn's columns are checked, logged (head-log.ts), appended to the raw tail and then
 * published. A full lane is encoded into the open chunk in one burst.
 *
 * What another thread reads (head-read.ts) is guarded twice. A burst changes the record, the open
 * chunk and the lane's count while the tile's sequence number is odd. Plain appends write above the
 * published count, and the count itself only after a fence (`publish`).
 *
 * Chunks are cut and encoded as Prometheus does (tsdb/head_append.go, tsdb/chunkenc/xor.go): at a two
 * hours' boundary, at the parts of the time up to there that come nearest to 120 samples each, near
 * 1,024 bytes, or at 240 samples. A new series' first burst comes after 1 to 16 samples, by its place, so
 * that the bursts of series that came together spread over time; 512 neighbours do it together, and so are
 * at the same row of the raw tails, on the same pages. Hot: bench/shared/tsdb/head.bench.ts.
 */
import {
  C_COUNT,
  C_LENGTH,
  C_MAXT,
  C_MINT,
  C_PREVIOUS,
  CHECK_DUPLICATE,
  CHECK_OUT_OF_ORDER,
  CHECK_TOO_OLD,
  CHUNK_BYTES_FULL,
  CHUNK_HEADER_BYTES,
  CHUNK_RANGE_MS,
  CHUNK_SAMPLES_MAX,
  CHUNK_SAMPLES_QUARTER,
  COUNTS,
  FILLS,
  FIRST_TIMES,
  H_DUPLICATES,
  H_FIRST_CODE,
  H_FIRST_REF,
  H_FIRST_TIME,
  H_MAXT,
  H_MINT,
  H_OOO_COUNT,
  H_OOO_REFS,
  H_OOO_TIMES,
  H_OOO_VALUES,
  H_OUT_OF_ORDER,
  H_PUBLISHED,
  H_REFS,
  H_REPEATED,
  H_SCRATCH,
  H_TIMES,
  H_TOO_OLD,
  H_VALUES,
  LANE_BASES,
  LANE_SAMPLES,
  LAST_TIMES,
  LAST_VALUES,
  LIMITS,
  O_MAXT,
  R_BITS,
  R_BYTES,
  R_CLASS,
  R_CLOSED,
  R_COUNT,
  R_CUT_AT,
  R_DELTA,
  R_LEADING,
  R_MINT,
  R_OPEN,
  R_SLOT_END,
  R_TIME,
  R_TRAILING,
  R_VALUE,
  RECORD_BYTES,
  RECORDS,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
  TAIL_TIMES_ROW,
  TAIL_VALUES_ROW,
} from '../head-layout'
import { histogramMaxTime, noteHistogram } from './head-histogram'
import { allocateChunk, allocateSlot, free, freeSlot, slotBytes } from './head-memory'
import { oooHolds, oooRow } from './head-ooo-read'
import {
  appendTile,
  checkTile,
  copyEight,
  copyEightRefs,
  isTile,
  isTileFull,
  LANES,
  ONES,
  sequenceCell,
  tileMaxt,
  tileMint,
  timeCell,
  valueCell,
} from './head-tiles'
import { bigEndian, decodeXor } from './xor'

/** A burst closes at most one chunk per sample and moves to a larger slot; that fits in here. */
const BURST_BYTES_MAX: u64 = 65536

/**
 * Checks columns [from, from + n) against the newest sample of each series, those of this turn
 * included, and moves what is accepted together at `from`. What may go out of order is moved to the
 * columns for that (H_OOO_COUNT).
 * Counts what is not in H_DUPLICATES and so on; a sample that repeats a stored one is dropped in
 * silence (H_REPEATED). H_MINT and H_MAXT are widened.
 * @param oldest samples of a time below are too old to go in order
 * @param oooOldest nor do they go out of order below this; Infinity: none does
 * @param behindOldest the same for those that are newer than all that their series has
 * @returns samples accepted in order
 */
export function check(from: u32, n: u32, oldest: f64, oooOldest: f64, behindOldest: f64): u32 {
  const refs = load<u32>(H_REFS)
  const times = load<u32>(H_TIMES)
  const values = load<u32>(H_VALUES)
  let mint = load<f64>(H_MINT)
  let maxt = load<f64>(H_MAXT)
  let kept = from
  const end = from + n
  for (let i = from; i < end; i++) {
    const ref = load<u32>(refs + (i << 2))
    const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
    if (
      end - i >= LANES &&
      isTile(refs + (i << 2), ref) &&
      checkTile(slab, ref & SERIES_SLAB_MASK, times + (i << 3), values + (i << 3), oldest)
    ) {
      if (kept != i) moveTile(kept, i)
      kept += LANES
      i += LANES - 1
      mint = min(mint, tileMint)
      maxt = max(maxt, tileMaxt)
      continue
    }
    const time = load<f64>(times + (i << 3))
    const v = load<u64>(values + (i << 3))
    const s = (ref & SERIES_SLAB_MASK) << 3
    const t = i64(time)
    if (t > load<i64>(slab + LAST_TIMES + s) && time >= oldest) {
      store<i64>(slab + LAST_TIMES + s, t)
      store<u64>(slab + LAST_VALUES + s, v)
      store<u32>(refs + (kept << 2), ref)
      store<f64>(times + (kept << 3), time)
      store<u64>(values + (kept << 3), v)
      kept++
      mint = min(mint, time)
      maxt = max(maxt, time)
    } else divert(ref, time, v, oldest, oooOldest, behindOldest)
  }
  // Starts stand between two milliseconds.
  store<f64>(H_MINT, floor(mint))
  store<f64>(H_MAXT, floor(maxt))
  return kept - from
}

/** Moves eight columns from `from` down to `to`. */
function moveTile(to: u32, from: u32): void {
  const refs = load<u32>(H_REFS)
  const times = load<u32>(H_TIMES)
  const values = load<u32>(H_VALUES)
  copyEightRefs(refs + (to << 2), refs + (from << 2))
  copyEight(times + (to << 3), times + (from << 3))
  copyEight(values + (to << 3), values + (from << 3))
}

/** The stale marker, which is no sum. */
const STALE: u64 = 0x7ff0000000000002

/**
 * As `check`, for increments: each is added to the newest value of its series, which is what is
 * logged and stored, so that sums go on after a restart. An increment of the newest time is taken
 * to be the same once more (H_REPEATED); nothing goes out of order.
 */
export function checkDeltas(from: u32, n: u32, oldest: f64): u32 {
  const refs = load<u32>(H_REFS)
  const times = load<u32>(H_TIMES)
  const values = load<u32>(H_VALUES)
  let mint = load<f64>(H_MINT)
  let maxt = load<f64>(H_MAXT)
  let kept = from
  for (let i = from; i < from + n; i++) {
    const ref = load<u32>(refs + (i << 2))
    const time = load<f64>(times + (i << 3))
    const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
    const s = (ref & SERIES_SLAB_MASK) << 3
    const t = i64(time)
    const last = load<i64>(slab + LAST_TIMES + s)
    if (t > last && time >= oldest) {
      let v = load<u64>(values + (i << 3))
      if (v != STALE && last != i64.MIN_VALUE) {
        const before = load<f64>(slab + LAST_VALUES + s)
        // After a stale marker the sum begins anew.
        if (before == before) v = reinterpret<u64>(before + reinterpret<f64>(v))
      }
      store<i64>(slab + LAST_TIMES + s, t)
      store<u64>(slab + LAST_VALUES + s, v)
      store<u32>(refs + (kept << 2), ref)
      store<f64>(times + (kept << 3), time)
      store<u64>(values + (kept << 3), v)
      kept++
      mint = min(mint, time)
      maxt = max(maxt, time)
    } else if (t == last) bump(H_REPEATED)
    else if (time < oldest) reject(ref, time, H_TOO_OLD, CHECK_TOO_OLD)
    else reject(ref, time, H_OUT_OF_ORDER, CHECK_OUT_OF_ORDER)
  }
  store<f64>(H_MINT, mint)
  store<f64>(H_MAXT, maxt)
  return kept - from
}

/** What becomes of a sample that cannot go in order. */
function divert(ref: u32, time: f64, v: u64, oldest: f64, oooOldest: f64, behindOldest: f64): void {
  // A start (wire/frames/write.ts) that cannot be stored is no sample that is lost.
  if (time != floor(time)) {
    bump(H_REPEATED)
    return
  }
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  const t = i64(time)
  const isNewest = t == load<i64>(slab + LAST_TIMES + (s << 3))
  const isTaken = isStored(slab, s, t)
  const isRepeated =
    (isNewest && v == load<u64>(slab + LAST_VALUES + (s << 3))) || (isTaken && v == storedValue)
  const isDuplicate = isNewest && time >= oldest
  if (isRepeated) bump(H_REPEATED)
  else if (
    (time >= oooOldest && !isDuplicate) ||
    (time >= behindOldest && isInItsOrder(slab, ref, t))
  ) {
    // At a time that is taken the first value stays.
    if (isNewest || isTaken) bump(H_REPEATED)
    else addOutOfOrder(ref, time, v)
  } else if (oooHolds(slab, s, t, v)) bump(H_REPEATED)
  else if (isDuplicate) reject(ref, time, H_DUPLICATES, CHECK_DUPLICATE)
  else if (time < oldest || oooOldest < f64.POSITIVE_INFINITY) {
    reject(ref, time, H_TOO_OLD, CHECK_TOO_OLD)
  } else reject(ref, time, H_OUT_OF_ORDER, CHECK_OUT_OF_ORDER)
}

/**
 * Whether nothing that its series has is newer than a sample, out of order or not. Of what this turn
 * took and did not store yet only the sample before is looked at: a sender's samples of one series
 * stand side by side.
 */
function isInItsOrder(slab: u32, ref: u32, t: i64): bool {
  const s = ref & SERIES_SLAB_MASK
  if (t <= load<i64>(slab + LAST_TIMES + (s << 3))) return false
  const row = oooRow(slab, s)
  if (row != 0 && t < load<i64>(row, O_MAXT)) return false
  const count = load<u32>(H_OOO_COUNT)
  if (count == 0) return true
  const before = count - 1
  if (load<u32>(load<u32>(H_OOO_REFS) + (before << 2)) != ref) return true
  return f64(t) >= load<f64>(load<u32>(H_OOO_TIMES) + (before << 3))
}

function bump(cell: u32): void {
  store<u32>(cell, load<u32>(cell) + 1)
}

/** There are as many of these columns as of the others, and a turn fills them at most once. */
function addOutOfOrder(ref: u32, time: f64, v: u64): void {
  const count = load<u32>(H_OOO_COUNT)
  store<u32>(load<u32>(H_OOO_REFS) + (count << 2), ref)
  store<f64>(load<u32>(H_OOO_TIMES) + (count << 3), time)
  store<u64>(load<u32>(H_OOO_VALUES) + (count << 3), v)
  store<u32>(H_OOO_COUNT, count + 1)
}

function reject(ref: u32, time: f64, cell: u32, code: u32): void {
  bump(cell)
  if (load<u32>(H_FIRST_CODE) != 0) return
  store<u32>(H_FIRST_CODE, code)
  store<u32>(H_FIRST_REF, ref)
  store<f64>(H_FIRST_TIME, time)
}

let storedValue: u64 = 0

/** Whether the raw tail or the open chunk has a sample of this time; its bits are in storedValue. */
function isStored(slab: u32, s: u32, t: i64): bool {
  const fill = u32(load<u8>(slab + FILLS + s))
  const base = load<i64>(slab + LANE_BASES + (s << 3))
  for (let k: u32 = 0; k < fill; k++) {
    if (base + i64(load<u32>(timeCell(slab, s, k))) != t) continue
    storedValue = load<u64>(valueCell(slab, s, k))
    return true
  }
  const record = slab + RECORDS + (s << 6)
  if (u32(load<u16>(record, R_COUNT)) == 0) return false
  if (t < load<i64>(record, R_MINT) || t > load<i64>(record, R_TIME)) return false
  const times = load<u32>(H_SCRATCH)
  const values = times + (CHUNK_SAMPLES_MAX << 3)
  const length = u32(load<u16>(record, R_BYTES)) + u32(load<u8>(record, R_BITS) != 0)
  const count = decodeXor(load<u32>(record, R_OPEN), length, times, values)
  for (let k: i32 = 0; k < count; k++) {
    if (load<f64>(times + (k << 3)) != f64(t)) continue
    storedValue = load<u64>(values + (k << 3))
    return true
  }
  return false
}

/** Clears what `check` and the log count per turn. */
export function clearCounts(): void {
  memory.fill(H_DUPLICATES, 0, H_FIRST_TIME - H_DUPLICATES)
}

/** Starts a new time range for the checks to widen. */
export function clearRange(): void {
  store<f64>(H_MINT, f64.POSITIVE_INFINITY)
  store<f64>(H_MAXT, f64.NEGATIVE_INFINITY)
}

/** Takes back what `check` noted of columns [from, from + n), which will not be appended. */
export function rollback(from: u32, n: u32): void {
  const refs = load<u32>(H_REFS)
  for (let i = from; i < from + n; i++) {
    const ref = load<u32>(refs + (i << 2))
    const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
    const s = ref & SERIES_SLAB_MASK
    const fill = u32(load<u8>(slab + FILLS + s))
    const record = slab + RECORDS + (s << 6)
    let t = load<i64>(record, R_TIME)
    let v = load<u64>(record, R_VALUE)
    if (load<i64>(slab + FIRST_TIMES + (s << 3)) == i64.MAX_VALUE) t = i64.MIN_VALUE
    else if (fill > 0) {
      t = load<i64>(slab + LANE_BASES + (s << 3)) + i64(load<u32>(timeCell(slab, s, fill - 1)))
      v = load<u64>(valueCell(slab, s, fill - 1))
    }
    store<i64>(slab + LAST_TIMES + (s << 3), t)
    store<u64>(slab + LAST_VALUES + (s << 3), v)
    const histogram = histogramMaxTime(slab, s)
    if (histogram > t) noteHistogram(ref, f64(histogram))
  }
}

/**
 * Appends columns [from, from + n), checked before, to the raw tails.
 * @returns samples appended; fewer than n when memory is full
 */
export function append(from: u32, n: u32): u32 {
  const refs = load<u32>(H_REFS)
  const times = load<u32>(H_TIMES)
  const values = load<u32>(H_VALUES)
  const end = from + n
  for (let i = from; i < end; i++) {
    const ref = load<u32>(refs + (i << 2))
    const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
    const s = ref & SERIES_SLAB_MASK
    if (
      end - i >= LANES &&
      isTile(refs + (i << 2), ref) &&
      (!isTileFull(slab, s) || burstTile(slab, s)) &&
      appendTile(slab, s, times + (i << 3), values + (i << 3))
    ) {
      i += LANES - 1
      continue
    }
    const t = i64(load<f64>(times + (i << 3)))
    let fill = u32(load<u8>(slab + FILLS + s))
    let delta = u64(t - load<i64>(slab + LANE_BASES + (s << 3)))
    // A lane takes times up to 49 days after its first one.
    if (fill >= u32(load<u8>(slab + LIMITS + s)) || (fill > 0 && delta > 0xffffffff)) {
      if (!burst(slab, s)) return i - from
      fill = 0
    }
    if (fill == 0) {
      delta = 0
      store<i64>(slab + LANE_BASES + (s << 3), t)
      const first = slab + FIRST_TIMES + (s << 3)
      if (load<i64>(first) == i64.MAX_VALUE) store<i64>(first, t)
    }
    store<u32>(timeCell(slab, s, fill), u32(delta))
    store<u64>(valueCell(slab, s, fill), load<u64>(values + (i << 3)))
    store<u8>(slab + FILLS + s, fill + 1)
  }
  return n
}

/** Lets readers see what was appended to the series of columns [from, from + n). */
export function publish(from: u32, n: u32): void {
  const refs = load<u32>(H_REFS)
  atomic.fence()
  const end = from + n
  for (let i = from; i < end; i++) {
    const ref = load<u32>(refs + (i << 2))
    const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
    const s = ref & SERIES_SLAB_MASK & ~(LANES - 1)
    // All lanes of a tile at once: the others have the counts that are published already.
    store<u64>(slab + COUNTS + s, load<u64>(slab + FILLS + s))
    if (end - i >= LANES && isTile(refs + (i << 2), ref)) i += LANES - 1
  }
  atomic.add<u32>(H_PUBLISHED, 1)
}

/** Encodes a lane into the open chunk and empties it; false, and nothing done, without memory. */
function burst(slab: u32, s: u32): bool {
  if (free() < BURST_BYTES_MAX) return false
  const lane = sequenceCell(slab, s)
  const sequence = load<u32>(lane)
  atomic.store<u32>(lane, sequence + 1)
  atomic.fence()
  encodeLane(slab, s)
  store<u8>(slab + FILLS + s, 0)
  store<u8>(slab + LIMITS + s, LANE_SAMPLES)
  store<u8>(slab + COUNTS + s, 0)
  atomic.fence()
  atomic.store<u32>(lane, sequence + 2)
  return true
}

/**
 * The same for all lanes of a tile, which thereby are filled alike again; false, and nothing done,
 * without memory.
 */
function burstTile(slab: u32, s: u32): bool {
  if (free() < BURST_BYTES_MAX * LANES) return false
  const lane = sequenceCell(slab, s)
  const sequence = load<u32>(lane)
  atomic.store<u32>(lane, sequence + 1)
  atomic.fence()
  touchTile(slab, s)
  for (let k = s; k < s + LANES; k++) {
    if (load<u8>(slab + FILLS + k) != 0) encodeLane(slab, k)
  }
  store<u64>(slab + FILLS + s, 0)
  store<u64>(slab + LIMITS + s, LANE_SAMPLES * ONES)
  store<u64>(slab + COUNTS + s, 0)
  atomic.fence()
  atomic.store<u32>(lane, sequence + 2)
  return true
}

let touched: u64 = 0

/**
 * Has memory bring at once what `encodeLane` would wait for line by line: 3 to 5 ns a sample less.
 * Not a tile ahead, nor lane by lane: both are slower than nothing.
 */
function touchTile(slab: u32, s: u32): void {
  let sum: u64 = 0
  let record = slab + RECORDS + (s << 6)
  for (let k: u32 = 0; k < LANES; k++) {
    sum ^= load<u64>(load<u32>(record, R_OPEN) + u32(load<u16>(record, R_BYTES)))
    record += RECORD_BYTES
  }
  for (let k: u32 = 0; k < u32(LANE_SAMPLES); k++) {
    sum ^= load<u64>(timeCell(slab, s, k)) ^ load<u64>(valueCell(slab, s, k))
  }
  touched = sum
}

/** Encodes the tail of a series, full or not; false without memory. */
export function settle(ref: u32): bool {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  return u32(load<u8>(slab + FILLS + s)) == 0 || burst(slab, s)
}

/**
 * Encodes the tail and closes the open chunk: histograms follow.
 * @returns 1 when there were floats since the last time, 0 when not, -1 without memory
 */
export function closeFloats(ref: u32): i32 {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  const record = slab + RECORDS + (s << 6)
  if (!settle(ref) || free() < BURST_BYTES_MAX) return -1
  const count = u32(load<u16>(record, R_COUNT))
  if (count == 0) return 0
  const lane = sequenceCell(slab, s)
  const sequence = load<u32>(lane)
  atomic.store<u32>(lane, sequence + 1)
  atomic.fence()
  const length = u32(load<u16>(record, R_BYTES)) + u32(load<u8>(record, R_BITS) != 0)
  closeChunk(record, load<u32>(record, R_OPEN), length, count, load<i64>(record, R_TIME))
  store<u16>(record, 0, R_COUNT)
  store<u16>(record, 0, R_BYTES)
  store<u8>(record, 0, R_BITS)
  atomic.fence()
  atomic.store<u32>(lane, sequence + 2)
  return 1
}

/** End of the chunk range that a time lies in. */
function rangeEnd(t: i64): i64 {
  let range = t / CHUNK_RANGE_MS
  if (range * CHUNK_RANGE_MS > t) range -= 1
  return (range + 1) * CHUNK_RANGE_MS
}

/**
 * Where a chunk is to end that has a quarter of its samples, from `start` to `now`: the time to the
 * end of its range divided evenly among the chunks that have room in there.
 */
function evenEnd(start: i64, now: i64, end: i64): i64 {
  const chunks = f64(end - start) / (f64(now - start + 1) * 4)
  return chunks <= 1 ? end : i64(f64(start) + f64(end - start) / floor(chunks))
}

// The bit writer: `at` is the byte being filled, `held` its first `heldBits` bits, left-aligned.
// Eight bytes are stored at a time, so the slot always has eight to spare.
let at: u32 = 0
let held: u64 = 0
let heldBits: u32 = 0

/** Writes the low n bits of v, 1 ≤ n ≤ 56; the bits above are 0. */
function put(v: u64, n: u32): void {
  const total = heldBits + n
  held |= v << u64(64 - total)
  store<u64>(at, bigEndian(held))
  at += total >> 3
  held <<= u64(total & 56)
  heldBits = total & 7
}

/** Writes the low n bits of head, n ≤ 14, then the low `width` bits of v; at once where they fit. */
function putAfter(head: u64, n: u32, v: u64, width: u32): void {
  if (n + width <= 56) put((head << u64(width)) | v, n + width)
  else {
    put((head << 32) | (v >> u64(width - 32)), n + 32)
    put(v & ((u64(1) << u64(width - 32)) - 1), width - 32)
  }
}

function putWide(v: u64, n: u32): void {
  if (n > 56) {
    put(v >> 32, n - 32)
    put(v & 0xffffffff, 32)
  } else put(v, n)
}

function putVarint(v: u64): void {
  while (v > 127) {
    put((v & 127) | 128, 8)
    v >>= 7
  }
  put(v, 8)
}

function encodeLane(slab: u32, s: u32): void {
  const record = slab + RECORDS + (s << 6)
  const lane = timeCell(slab, s, 0)
  const lanes = valueCell(slab, s, 0)
  const fill = u32(load<u8>(slab + FILLS + s))
  const base = load<i64>(slab + LANE_BASES + (s << 3))
  let count = u32(load<u16>(record, R_COUNT))
  let open = load<u32>(record, R_OPEN)
  let slotEnd = load<u32>(record, R_SLOT_END)
  let previousTime = load<i64>(record, R_TIME)
  let previous = load<u64>(record, R_VALUE)
  let delta = load<u64>(record, R_DELTA)
  let cutAt = load<i64>(record, R_CUT_AT)
  let leading = u32(load<u8>(record, R_LEADING))
  let trailing = u32(load<u8>(record, R_TRAILING))
  at = open + u32(load<u16>(record, R_BYTES))
  heldBits = u32(load<u8>(record, R_BITS))
  held = heldBits > 0 ? u64(load<u8>(at)) << 56 : 0
  for (let k: u32 = 0; k < fill; k++) {
    const t = base + i64(load<u32>(lane + k * TAIL_TIMES_ROW))
    const v = load<u64>(lanes + k * TAIL_VALUES_ROW)
    const length = at - open + u32(heldBits > 0)
    if (count == u32(CHUNK_SAMPLES_QUARTER)) {
      cutAt = evenEnd(load<i64>(record, R_MINT), previousTime, cutAt)
    }
    if (
      count > 0 &&
      (count >= u32(CHUNK_SAMPLES_MAX) || t >= cutAt || length > u32(CHUNK_BYTES_FULL))
    ) {
      closeChunk(record, open, length, count, previousTime)
      count = 0
    }
    if (count == 0) {
      open = load<u32>(record, R_OPEN)
      if (open == 0) open = openSlot(record, 0)
      slotEnd = load<u32>(record, R_SLOT_END)
      store<i64>(record, t, R_MINT)
      cutAt = rangeEnd(t)
      leading = 255
      trailing = 0
      delta = 0
      at = open + 2
      held = 0
      heldBits = 0
      putVarint((u64(t) << 1) ^ u64(t >> 63))
      putWide(v, 64)
    } else {
      if (at + 32 > slotEnd) {
        open = growSlot(record, at - open + 1)
        slotEnd = load<u32>(record, R_SLOT_END)
      }
      const step = u64(t - previousTime)
      // A time that comes when it is due takes one bit, which goes with the value's.
      let timeBits: u32 = 0
      if (count == 1) putVarint(step)
      else if (step == delta) timeBits = 1
      else putDelta(i64(step - delta))
      delta = step
      const x = v ^ previous
      if (x == 0) put(0, 1 + timeBits)
      else {
        const zeros = min(u32(clz(x)), 31)
        const low = u32(ctz(x))
        if (leading != 255 && zeros >= leading && low >= trailing) {
          putAfter(2, 2 + timeBits, x >> u64(trailing), 64 - leading - trailing)
        } else {
          leading = zeros
          trailing = low
          const width = 64 - leading - trailing
          const window = (3 << 11) | (leading << 6) | (width & 63)
          putAfter(u64(window), 13 + timeBits, x >> u64(trailing), width)
        }
      }
    }
    count++
    previousTime = t
    previous = v
  }
  store<u8>(open, u8(count >> 8))
  store<u8>(open, u8(count), 1)
  store<i64>(record, previousTime, R_TIME)
  store<u64>(record, previous, R_VALUE)
  store<u64>(record, delta, R_DELTA)
  store<i64>(record, cutAt, R_CUT_AT)
  store<u16>(record, at - open, R_BYTES)
  store<u8>(record, heldBits, R_BITS)
  store<u16>(record, count, R_COUNT)
  store<u8>(record, leading, R_LEADING)
  store<u8>(record, trailing, R_TRAILING)
}

/** Delta of deltas other than 0, whose bit is 0: 10 + 14 bits, 110 + 17, 1110 + 20, 1111 + 64. */
function putDelta(d: i64): void {
  if (d >= -8191 && d <= 8192) put((u64(2) << 14) | (u64(d) & 0x3fff), 16)
  else if (d >= -65535 && d <= 65536) put((u64(6) << 17) | (u64(d) & 0x1ffff), 20)
  else if (d >= -524287 && d <= 524288) put((u64(14) << 20) | (u64(d) & 0xfffff), 24)
  else {
    put(15, 4)
    putWide(u64(d), 64)
  }
}

/** Copies the open chunk to its own place at the head of the list; the slot goes back. */
function closeChunk(record: u32, open: u32, length: u32, count: u32, maxt: i64): void {
  const node = allocateChunk(CHUNK_HEADER_BYTES + length)
  store<u32>(node, load<u32>(record, R_CLOSED), C_PREVIOUS)
  store<u16>(node, length, C_LENGTH)
  store<u16>(node, count, C_COUNT)
  store<i64>(node, load<i64>(record, R_MINT), C_MINT)
  store<i64>(node, maxt, C_MAXT)
  store<u8>(open, u8(count >> 8))
  store<u8>(open, u8(count), 1)
  memory.copy(node + CHUNK_HEADER_BYTES, open, length)
  store<u32>(record, node, R_CLOSED)
  freeSlot(open, u32(load<u8>(record, R_CLASS)))
  store<u32>(record, 0, R_OPEN)
}

function openSlot(record: u32, kind: u32): u32 {
  const slot = allocateSlot(kind)
  store<u32>(record, slot, R_OPEN)
  store<u32>(record, slot + slotBytes(kind), R_SLOT_END)
  store<u8>(record, kind, R_CLASS)
  return slot
}

/** Moves the open chunk to the next larger slot, and the bit writer with it. */
function growSlot(record: u32, length: u32): u32 {
  const old = load<u32>(record, R_OPEN)
  const kind = u32(load<u8>(record, R_CLASS))
  const slot = openSlot(record, kind + 1)
  memory.copy(slot, old, length)
  at = at - old + slot
  freeSlot(old, kind)
  return slot
}
