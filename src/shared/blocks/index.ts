/**
 * Blocks as they lie in a bucket and on local disks. `BlockEntry` is what the block list holds of one.
 */
export type { BlockEntry } from './entry.js'
