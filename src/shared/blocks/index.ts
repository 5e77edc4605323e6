/**
 * Blocks as they lie in a bucket, beyond their bytes: which there are (bucket index), what is to
 * happen to them (markers), how they get there (upload). Promise: laid out as Mimir lays it out, so
 * that either can go on with the other's bucket.
 */
export { blocksBucketConfig } from './bucket-config.js'
export { type BlockEntry, entryOfMeta } from './entry.js'
