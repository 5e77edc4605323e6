/**
 * Closed chunks of floats go to a file (tsdb/spill): their data are copied to the log buffer, which
 * nobody uses between turns, written by the host, and then the lists are given what stays of them.
 * Both walks meet the same chunks, since nothing happens in between.
 *
 * A list changes by one store of an aligned word, from a whole chunk to one that says the same: who
 * reads it meets one or the other, and a lease keeps the data of the former.
 */
import {
  C_COUNT,
  C_FILE,
  C_LENGTH,
  C_MAXT,
  C_OFFSET,
  C_PREVIOUS,
  C_SPILLED,
  CHUNK_FILE_ROW_BYTES,
  CHUNK_HEADER_BYTES,
  EXTENT_BYTES,
  FILED_HEADER_BYTES,
  H_CHUNK_FILES,
  H_LOG,
  H_LOG_BYTES,
  R_CLOSED,
  RECORD_BYTES,
  RECORDS,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
  SPILL_CHUNKS_MAX,
  SPILLED_CHUNK_BYTES,
} from '../head-layout'
import { allocateSpilled, dropChunk, free } from './head-memory'

/** Of the last `spillStage`: bytes in the log buffer, chunks. */
let stagedBytes: u32 = 0
let stagedCount: u32 = 0

export function spillStagedBytes(): u32 {
  return stagedBytes
}

export function spillStagedCount(): u32 {
  return stagedCount
}

function recordOf(ref: u32): u32 {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  return slab + RECORDS + (ref & SERIES_SLAB_MASK) * RECORD_BYTES
}

/** Whether a closed chunk is in memory, and ends before a time. */
function isDue(chunk: u32, before: f64): bool {
  return (u32(load<u16>(chunk, C_COUNT)) & C_SPILLED) == 0 && f64(load<i64>(chunk, C_MAXT)) < before
}

/**
 * Puts the chunks of series [from, to) that end before `before` side by side into the log buffer, as
 * many series as fit in `most` bytes; checksums are left to the host.
 * @returns the first series that is not among them
 */
export function spillStage(from: u32, to: u32, before: f64, most: u32): u32 {
  const log = load<u32>(H_LOG)
  const room = min(most, load<u32>(H_LOG_BYTES))
  stagedBytes = 0
  stagedCount = 0
  let ref = from
  for (; ref < to; ref++) {
    let bytes: u32 = 0
    let count: u32 = 0
    for (
      let chunk = load<u32>(recordOf(ref), R_CLOSED);
      chunk != 0 && count < u32(SPILL_CHUNKS_MAX);
      chunk = load<u32>(chunk, C_PREVIOUS)
    ) {
      if (!isDue(chunk, before)) continue
      const length = u32(load<u16>(chunk, C_LENGTH))
      if (length + FILED_HEADER_BYTES > room - stagedBytes - bytes) return ref
      const p = log + stagedBytes + bytes
      store<u16>(p, length, 4)
      store<u16>(p, load<u16>(chunk, C_COUNT), 6)
      memory.copy(p + FILED_HEADER_BYTES, chunk + CHUNK_HEADER_BYTES, length)
      bytes += FILED_HEADER_BYTES + length
      count++
    }
    stagedBytes += bytes
    stagedCount += count
  }
  return ref
}

/**
 * What `spillStage` has put together stands in a file: takes those chunks out of memory.
 * @returns 1, or 0 and nothing done without memory
 */
export function spillLink(from: u32, to: u32, before: f64, file: u32, offset: u32): u32 {
  if (free() < u64(stagedCount) * SPILLED_CHUNK_BYTES + EXTENT_BYTES) return 0
  for (let ref = from; ref < to; ref++) {
    let link = recordOf(ref) + R_CLOSED
    let chunk = load<u32>(link)
    for (let count: u32 = 0; chunk != 0 && count < u32(SPILL_CHUNKS_MAX); ) {
      const next = load<u32>(chunk, C_PREVIOUS)
      if (isDue(chunk, before)) {
        const left = allocateSpilled()
        memory.copy(left, chunk, CHUNK_HEADER_BYTES)
        store<u16>(left, u32(load<u16>(chunk, C_COUNT)) | C_SPILLED, C_COUNT)
        store<u32>(left, file, C_FILE)
        store<u32>(left, offset, C_OFFSET)
        offset += FILED_HEADER_BYTES + u32(load<u16>(chunk, C_LENGTH))
        atomic.fence()
        atomic.store<u32>(link, left)
        dropChunk(chunk)
        link = left + C_PREVIOUS
        count++
      } else link = chunk + C_PREVIOUS
      chunk = next
    }
  }
  const row = fileRow(file)
  store<u32>(row, load<u32>(row, 4) + stagedCount, 4)
  return 1
}

function fileRow(file: u32): u32 {
  return load<u32>(H_CHUNK_FILES) + file * CHUNK_FILE_ROW_BYTES
}

/** A closed chunk of floats is unlinked, wherever its data are. */
export function dropFloats(chunk: u32): void {
  if ((u32(load<u16>(chunk, C_COUNT)) & C_SPILLED) != 0) {
    const row = fileRow(load<u32>(chunk, C_FILE))
    store<u32>(row, load<u32>(row, 4) - 1, 4)
  }
  dropChunk(chunk)
}
