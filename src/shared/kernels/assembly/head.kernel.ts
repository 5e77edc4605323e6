// memory: shared
/**
 * The head of an ingester shard: series, postings, raw tails, chunks and log records in one shared
 * memory (layout: ../head-layout.ts). The ingester's thread owns it and calls everything but
 * `readBegin`, `readChunks`, `readBlock`, `readOutOfOrder`, `overlapsNow`, `lookupPair` and `decodeXor`, which readers call from their own instances.
 *
 * Offsets are kept below 4 GiB by 64-bit sums; what does not fit is answered by a code, never a
 * trap. Time crosses the boundary as f64 ms, exact to 2^53.
 */
import {
  CHUNK_FILE_ROW_BYTES,
  CHUNK_FILES_MAX,
  CHUNK_FOLDER_BYTES,
  EXTENT_ROW_BYTES,
  EXTENT_SHIFT,
  FIRST_REGION,
  H_BUMP,
  H_CHUNK_FILES,
  H_CHUNK_FOLDER,
  H_COLUMN_CAP,
  H_DEFINE_BYTES,
  H_DEFINES,
  H_EPOCH,
  H_EXTENT_ROWS,
  H_LAST_PAIRS,
  H_LIMIT,
  H_LOG,
  H_LOG_BYTES,
  H_NAME_COUNT,
  H_NAME_TABLE,
  H_NEW,
  H_NEXT_LOG_REF,
  H_OOO_REFS,
  H_OOO_TIMES,
  H_OOO_VALUES,
  H_PAIR_COUNT,
  H_PAIR_TABLE,
  H_READER_SLOTS,
  H_READERS,
  H_REFS,
  H_SCRATCH,
  H_SERIES_TABLE,
  H_SMALL_LISTS,
  H_TENANTS,
  H_TIMES,
  H_VALUES,
  H_VERSION,
  HEAD_VERSION,
  LABELS_MAX,
  LEASES_MAX,
  READER_BYTES,
  SMALL_CLASSES,
  TAIL_SLACK,
  TENANT_ROW_BYTES,
  TENANTS_MAX,
} from '../head-layout'
import { allocateRegion, createTable } from './head-memory'

export {
  append,
  check,
  checkDeltas,
  clearCounts,
  clearRange,
  closeFloats,
  publish,
  rollback,
  settle,
} from './head-append'
export {
  releaseName,
  releasePair,
  releaseSeries,
  releaseTenant,
  unlinkName,
  unlinkPair,
  unlinkSeries,
  unlinkTenant,
} from './head-collect'
export {
  histogramClose,
  histogramLate,
  histogramPut,
  histogramRead,
  histogramRow,
  lastTime,
  noteHistogram,
} from './head-histogram'
export {
  addPair,
  addTenant,
  beginChange,
  define,
  defineByPairs,
  endChange,
  lookupPair,
} from './head-intern'
export {
  logBegin,
  logDecode,
  logDecodeOutOfOrder,
  logForget,
  logFrame,
  logRef,
  logSamples,
  logSeries,
  setLogRef,
} from './head-log'
export { giveBack, nextEpoch, oldestLease, reclaimExtents } from './head-memory'
export { appendOutOfOrder, oooAppended, truncateOutOfOrder } from './head-ooo'
export { readOutOfOrder } from './head-ooo-read'
export { overlaps, overlapsNow, readBegin, readBlock } from './head-read'
export {
  adoptState,
  isSavedState,
  savedHoles,
  savedSampleCount,
  savePairs,
  saveStates,
} from './head-snapshot'
export { spillLink, spillStage, spillStagedBytes, spillStagedCount } from './head-spill'
export { firstTime, freezeLate, truncateLate, truncateSeries } from './head-truncate'
export { decodeXor } from './xor'

/**
 * Lays out a fresh, zeroed memory. The key (H_KEY) has been filled with random bytes.
 * @returns false when the memory is too small for its fixed regions
 */
export function init(
  pages: u32,
  columns: u32,
  defineBytes: u32,
  logBytes: u32,
  readerSlots: u32,
): bool {
  const limit = (u64(pages) << 16) - TAIL_SLACK
  store<u64>(H_BUMP, FIRST_REGION)
  store<u64>(H_LIMIT, limit)
  store<u32>(H_COLUMN_CAP, columns)
  store<u32>(H_DEFINE_BYTES, defineBytes)
  store<u32>(H_LOG_BYTES, logBytes)
  store<u32>(H_READER_SLOTS, readerSlots)
  store<u32>(H_TENANTS, allocateRegion(TENANTS_MAX * TENANT_ROW_BYTES))
  store<u32>(H_REFS, allocateRegion(u64(columns) * 4))
  store<u32>(H_TIMES, allocateRegion(u64(columns) * 8))
  store<u32>(H_VALUES, allocateRegion(u64(columns) * 8))
  store<u32>(H_OOO_REFS, allocateRegion(u64(columns) * 4))
  store<u32>(H_OOO_TIMES, allocateRegion(u64(columns) * 8))
  store<u32>(H_OOO_VALUES, allocateRegion(u64(columns) * 8))
  store<u32>(H_NEW, allocateRegion(u64(columns) * 4))
  store<u32>(H_DEFINES, allocateRegion(u64(defineBytes) + 64))
  store<u32>(H_LOG, allocateRegion(u64(logBytes) + 64))
  store<u32>(H_SCRATCH, allocateRegion(65536))
  store<u32>(H_LAST_PAIRS, allocateRegion(LABELS_MAX << 2))
  store<u32>(H_READERS, allocateRegion(u64(readerSlots) * READER_BYTES))
  store<u32>(H_EXTENT_ROWS, allocateRegion(EXTENT_ROW_BYTES << (32 - EXTENT_SHIFT)))
  store<u32>(H_SMALL_LISTS, allocateRegion(SMALL_CLASSES << 2))
  store<u32>(H_CHUNK_FOLDER, allocateRegion(CHUNK_FOLDER_BYTES))
  store<u32>(H_CHUNK_FILES, allocateRegion(CHUNK_FILES_MAX * CHUNK_FILE_ROW_BYTES))
  store<u32>(H_EPOCH, 1)
  store<u32>(H_PAIR_COUNT, 1)
  store<u32>(H_NAME_COUNT, 1)
  store<u32>(H_NEXT_LOG_REF, 1)
  const done =
    createTable(H_SERIES_TABLE, 4) && createTable(H_PAIR_TABLE, 4) && createTable(H_NAME_TABLE, 3)
  if (done && load<u32>(H_READERS) != 0 && readerSlots <= u32(LEASES_MAX))
    store<u32>(H_VERSION, HEAD_VERSION)
  return load<u32>(H_VERSION) == HEAD_VERSION
}
