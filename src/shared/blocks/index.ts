/**
 * Blocks as they lie in a bucket, beyond their bytes: which there are (bucket index), what is to
 * happen to them (markers), how they get there (upload). Promise: laid out as Mimir lays it out, so
 * that either can go on with the other's bucket.
 */
export { blocksBucketConfig } from './bucket-config.js'
export {
  type BucketIndex,
  type BucketScan,
  entriesOfIndex,
  findBucketIndex,
  indexedBlock,
  scanTenant,
  writeBucketIndex,
} from './bucket-index.js'
export { type BlockEntry, entryOfMeta } from './entry.js'
export {
  findObject,
  findTenantDeletion,
  markForDeletion,
  markNoCompact,
  type NoCompactReason,
  readMarks,
  type TenantDeletionMark,
  writeTenantDeletion,
} from './markers.js'
export { blockKey, bucketIndexKey, listNames, listTenants } from './names.js'
export { isShipped, readShippedNote, type ShippedNote, writeShippedNote } from './shipped-note.js'
export { deleteBlock, downloadBlock, downloadIndex, uploadBlock } from './upload.js'
