/**
 * The time series database of a shard. `Head` owns series and samples in shared memory, `HeadReader`
 * reads them from other threads; a reader never sees half a sample or half a chunk. `WalWriter`
 * makes what a head takes durable, `replaySteps` brings it back; damage costs what is damaged.
 * `openBlock` reads a block of a disk, `openIndex` and `ChunkReader` one that is anywhere;
 * what is read is checked, and damage is told as AppError `block-damaged`.
 */

export {
  appendColumns,
  ChunkDecoder,
  type ChunkRun,
  emptyColumns,
  type SampleColumns,
} from './block/chunk-decoder.js'
export {
  type ChunkColumns,
  ChunkReader,
  chunkData,
  segmentName,
} from './block/chunk-files.js'
export { copyBlock } from './block/copy.js'
export {
  type BlockDeletion,
  type DeletedSelection,
  deletionIn,
  hasTombstones,
  readTombstones,
  TOMBSTONES_FILE,
  TOMBSTONES_NONE_BYTES,
  writeTombstones,
} from './block/delete.js'
export { BlockImporter, type ImportOptions } from './block/import.js'
export { type MergeInput, type MergeOutput, mergeBlocks } from './block/merge.js'
export {
  type BlockCompaction,
  type BlockFileEntry,
  type BlockMeta,
  type BlockStats,
  COMPACTOR_SHARD_LABEL,
  decodeBlockMeta,
  encodeBlockMeta,
  isOutOfOrder,
  isUlid,
  OUT_OF_ORDER_HINT,
  OUT_OF_ORDER_LABEL,
  type ThanosMeta,
} from './block/meta.js'
export { type Block, openBlock } from './block/reader.js'
export {
  type DumpOptions,
  dumpBlocks,
  findBlocks,
  inspectBlock,
  listBlocks,
  verifyBlocks,
} from './block/report.js'
export {
  type BlockChunk,
  type BlockSeries,
  readSeries,
  type StoredSeries,
} from './block/series.js'
export {
  type DeletedInterval,
  decodeTombstones,
  encodeTombstones,
  type Tombstones,
} from './block/tombstones.js'
export { type BlockReport, type VerifyOptions, verifyBlock } from './block/verify.js'
export {
  BLOCK_TEMPORARY,
  type BlockInput,
  compareLabels,
  type NumberedBlockInput,
  type NumberedSeries,
  writeBlock,
  writeNumberedBlock,
} from './block/writer.js'
export { type EncodedChunk, encodeSamples, type SampleRun } from './chunk/encode-samples.js'
export { isSameHistogram } from './chunk/open-histograms.js'
export { type Collected, collectSteps, dropTenantSteps } from './head/collector.js'
export type { StoredExemplar } from './head/exemplars.js'
export { type CheckCounts, Head, type HeadOptions, READER_SLOTS_DEFAULT } from './head/head.js'
export { type ChunkRange, HeadChunks } from './head/head-chunks.js'
export { HeadReader, type ReadBuffer } from './head/head-reader.js'
export type { HeadStats } from './head/head-stats.js'
export type { HistogramOutcome } from './head/histograms.js'
export { decodeLabels, encodePair, findPairBytes } from './head/label-bytes.js'
export { type OrderedSeries, orderByLabels } from './head/label-order.js'
export { endLeaseOf, retireHead } from './head/leases.js'
export {
  labelNamesSteps,
  labelValuesSteps,
  matchAnySteps,
  selectSteps,
  seriesSteps,
  type TimeRange,
} from './head/select.js'
export {
  type BlockFile,
  LOCAL_READS,
  openLocalFile,
  type ReadOptions,
} from './index/block-file.js'
export { damaged, type Place } from './index/damage.js'
export { encodeIndexHeader, type IndexHeader, writeIndexHeader } from './index/header.js'
export { type IndexReader, openIndex } from './index/reader.js'
export { selectRefs } from './index/select.js'
export type { SeriesColumns } from './index/series.js'
export { oldestNeeded, removeOldSnapshots, snapshotNumbers } from './snapshot/list.js'
export { SnapshotWriter } from './snapshot/writer.js'
export { ChunkSpiller } from './spill/chunk-spiller.js'
export { type DamagedChunk, DamageNotes } from './spill/damage-notes.js'
export { chunkFileName } from './spill/format.js'
export { RECORD_EXEMPLARS, RECORD_HISTOGRAMS } from './wal/format.js'
export {
  type DamageReason,
  type ReplayDamage,
  type ReplayLog,
  type ReplayProgress,
  replaySteps,
} from './wal/replay.js'
export { type FrameLog, WalWriter } from './wal/writer.js'
