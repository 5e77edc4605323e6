/**
 * The time series database of a shard. `Head` owns series and samples in shared memory, `HeadReader`
 * reads them from other threads; a reader never sees half a sample or half a chunk.
 */
export { Head, type HeadOptions, READER_SLOTS_DEFAULT } from './head/head.js'
export { HeadReader, type ReadBuffer } from './head/head-reader.js'
