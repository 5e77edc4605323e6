/**
 * Closed chunks go to a file (tsdb/spill), those out of order and of histograms as well: their data
 * are copied to the log buffer, which nobody uses between turns, written by the host, and then the
 * lists are given what stays of them. Both walks meet the same chunks in the same order, since
 * nothing happens in between; a slice may end anywhere in a series.
 *
 * A list changes by one store of an aligned word, from a whole chunk to one that says the same: who
 * reads it meets one or the other, and a lease keeps the data of the former.
 */
import {
  C_COUNT,
  C_LENGTH,
  C_MAXT,
  C_PREVIOUS,
  C_SPILLED,
  CHUNK_FILE_ROW_BYTES,
  CHUNK_HEADER_BYTES,
  EXTENT_BYTES,
  FILED_COUNT,
  FILED_HEADER_BYTES,
  FILED_LENGTH,
  H_CHUNK_FILES,
  H_LOG,
  H_LOG_BYTES,
  HC_COUNT,
  HC_LENGTH,
  HC_MAXT,
  HC_PREVIOUS,
  HC_SPILLED,
  HISTOGRAM_CHUNK_HEADER_BYTES,
  HISTOGRAM_ROWS,
  HR_CLOSED,
  HR_FROZEN,
  HR_LATE,
  O_CLOSED,
  O_FROZEN,
  R_CLOSED,
  RECORD_BYTES,
  RECORDS,
  S_FILE,
  S_OFFSET,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
  SPILLED_PLACE_BYTES,
} from '../head-layout'
import { allocateSpilled, dropChunk, free } from './head-memory'
import { oooRow } from './head-ooo-read'

/** A word that is always 0: the frozen chunk of a list that has none. */
const NO_CELL: u32 = 0

/** Of the last `spillStage`: bytes in the log buffer, chunks, the time before which they end. */
let stagedBytes: u32 = 0
let stagedCount: u32 = 0
let stagedBefore: f64 = 0
/** Bytes that a slice may have; a chunk that is larger stays in memory. */
let stagedRoom: u32 = 0

export function spillStagedBytes(): u32 {
  return stagedBytes
}

export function spillStagedCount(): u32 {
  return stagedCount
}

function slabOf(ref: u32): u32 {
  return load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
}

function recordOf(slab: u32, s: u32): u32 {
  return slab + RECORDS + s * RECORD_BYTES
}

function histogramsOf(slab: u32, s: u32): u32 {
  return load<u32>(slab + HISTOGRAM_ROWS + (s << 2))
}

/** Whether a closed chunk of floats is in memory, ends early enough, and fits a slice. */
function isFloatsDue(chunk: u32): bool {
  if ((u32(load<u16>(chunk, C_COUNT)) & C_SPILLED) != 0) return false
  if (f64(load<i64>(chunk, C_MAXT)) >= stagedBefore) return false
  return u32(load<u16>(chunk, C_LENGTH)) + FILED_HEADER_BYTES <= stagedRoom
}

/** The same for one of histograms. */
function isHistogramsDue(chunk: u32): bool {
  if ((load<u32>(chunk, HC_COUNT) & HC_SPILLED) != 0) return false
  if (f64(load<i64>(chunk, HC_MAXT)) >= stagedBefore) return false
  return load<u32>(chunk, HC_LENGTH) + FILED_HEADER_BYTES <= stagedRoom
}

/**
 * Puts the chunks of series [from, to) that end before `before` side by side into the log buffer, as
 * many as fit in `most` bytes; checksums are left to the host.
 * @returns the series to go on with, which may have chunks in there already
 */
export function spillStage(from: u32, to: u32, before: f64, most: u32): u32 {
  stagedRoom = min(most, load<u32>(H_LOG_BYTES))
  stagedBefore = before
  stagedBytes = 0
  stagedCount = 0
  let ref = from
  while (ref < to && stageSeries(slabOf(ref), ref & SERIES_SLAB_MASK)) ref++
  return ref
}

function stageSeries(slab: u32, s: u32): bool {
  if (!stageFloats(load<u32>(recordOf(slab, s), R_CLOSED))) return false
  const late = oooRow(slab, s)
  if (late != 0 && !stageFloats(load<u32>(late, O_CLOSED))) return false
  const histograms = histogramsOf(slab, s)
  if (histograms == 0) return true
  if (!stageHistograms(load<u32>(histograms, HR_CLOSED))) return false
  return stageHistograms(load<u32>(histograms, HR_LATE))
}

function stageFloats(chunk: u32): bool {
  for (; chunk != 0; chunk = load<u32>(chunk, C_PREVIOUS)) {
    if (!isFloatsDue(chunk)) continue
    const length = u32(load<u16>(chunk, C_LENGTH))
    if (!stage(chunk + CHUNK_HEADER_BYTES, length, u32(load<u16>(chunk, C_COUNT)))) return false
  }
  return true
}

function stageHistograms(chunk: u32): bool {
  for (; chunk != 0; chunk = load<u32>(chunk, HC_PREVIOUS)) {
    if (!isHistogramsDue(chunk)) continue
    const data = chunk + HISTOGRAM_CHUNK_HEADER_BYTES
    if (!stage(data, load<u32>(chunk, HC_LENGTH), load<u32>(chunk, HC_COUNT))) return false
  }
  return true
}

/** False, and nothing done, when the slice is full. */
function stage(data: u32, length: u32, samples: u32): bool {
  if (length + FILED_HEADER_BYTES > stagedRoom - stagedBytes) return false
  const p = load<u32>(H_LOG) + stagedBytes
  store<u32>(p, length, FILED_LENGTH)
  store<u32>(p, samples, FILED_COUNT)
  memory.copy(p + FILED_HEADER_BYTES, data, length)
  stagedBytes += FILED_HEADER_BYTES + length
  stagedCount++
  return true
}

/** Where the next chunk that is linked stands, and how many are to be. */
let linkFile: u32 = 0
let linkOffset: u32 = 0
let linksLeft: u32 = 0

/**
 * What `spillStage` has put together from series `from` on stands in a file: takes those chunks out
 * of memory.
 * @returns 1, or 0 and nothing done without memory
 */
export function spillLink(from: u32, file: u32, offset: u32): u32 {
  const left = u64(HISTOGRAM_CHUNK_HEADER_BYTES + SPILLED_PLACE_BYTES)
  if (free() < u64(stagedCount) * left + EXTENT_BYTES) return 0
  linkFile = file
  linkOffset = offset
  linksLeft = stagedCount
  for (let ref = from; linksLeft > 0; ref++) linkSeries(slabOf(ref), ref & SERIES_SLAB_MASK)
  const row = fileRow(file)
  store<u32>(row, load<u32>(row, 4) + stagedCount, 4)
  return 1
}

function linkSeries(slab: u32, s: u32): void {
  linkFloats(recordOf(slab, s) + R_CLOSED, NO_CELL)
  const late = oooRow(slab, s)
  if (late != 0) linkFloats(late + O_CLOSED, late + O_FROZEN)
  const histograms = histogramsOf(slab, s)
  if (histograms == 0) return
  linkHistograms(histograms + HR_CLOSED, NO_CELL)
  linkHistograms(histograms + HR_LATE, histograms + HR_FROZEN)
}

function linkFloats(link: u32, frozen: u32): void {
  let chunk = load<u32>(link)
  while (chunk != 0 && linksLeft > 0) {
    if (isFloatsDue(chunk)) {
      const left = moved(chunk, CHUNK_HEADER_BYTES, u32(load<u16>(chunk, C_LENGTH)))
      store<u16>(left, u32(load<u16>(chunk, C_COUNT)) | C_SPILLED, C_COUNT)
      replace(link, frozen, chunk, left)
      chunk = left
    }
    link = chunk + C_PREVIOUS
    chunk = load<u32>(link)
  }
}

function linkHistograms(link: u32, frozen: u32): void {
  let chunk = load<u32>(link)
  while (chunk != 0 && linksLeft > 0) {
    if (isHistogramsDue(chunk)) {
      const left = moved(chunk, HISTOGRAM_CHUNK_HEADER_BYTES, load<u32>(chunk, HC_LENGTH))
      store<u32>(left, load<u32>(chunk, HC_COUNT) | HC_SPILLED, HC_COUNT)
      replace(link, frozen, chunk, left)
      chunk = left
    }
    link = chunk + HC_PREVIOUS
    chunk = load<u32>(link)
  }
}

/** What stays of a chunk: its header, and where its data are. */
function moved(chunk: u32, headerBytes: u32, length: u32): u32 {
  const left = allocateSpilled(headerBytes + SPILLED_PLACE_BYTES)
  memory.copy(left, chunk, headerBytes)
  store<u32>(left + headerBytes, linkFile, S_FILE)
  store<u32>(left + headerBytes, linkOffset, S_OFFSET)
  linkOffset += FILED_HEADER_BYTES + length
  linksLeft--
  return left
}

function replace(link: u32, frozen: u32, chunk: u32, left: u32): void {
  atomic.fence()
  atomic.store<u32>(link, left)
  if (load<u32>(frozen) == chunk) atomic.store<u32>(frozen, left)
  dropChunk(chunk)
}

function fileRow(file: u32): u32 {
  return load<u32>(H_CHUNK_FILES) + file * CHUNK_FILE_ROW_BYTES
}

/** A closed chunk of floats is unlinked, wherever its data are. */
export function dropFloats(chunk: u32): void {
  if ((u32(load<u16>(chunk, C_COUNT)) & C_SPILLED) != 0) leaveFile(chunk + CHUNK_HEADER_BYTES)
  dropChunk(chunk)
}

/** The same for one of histograms. */
export function dropHistograms(chunk: u32): void {
  const place = chunk + HISTOGRAM_CHUNK_HEADER_BYTES
  if ((load<u32>(chunk, HC_COUNT) & HC_SPILLED) != 0) leaveFile(place)
  dropChunk(chunk)
}

function leaveFile(place: u32): void {
  const row = fileRow(load<u32>(place, S_FILE))
  store<u32>(row, load<u32>(row, 4) - 1, 4)
}
