/** Compressed bodies: gzip and zstd, never unpacked beyond a bound. */
export { type Compression, decompress } from './decompress.js'
export { Gunzip } from './gunzip.js'
export { loadSnappy } from './snappy.js'
