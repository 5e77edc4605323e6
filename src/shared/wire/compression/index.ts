/** Compressed bodies: gzip, zstd and lz4, never unpacked beyond a bound; snappy for answers. */
export { type Compression, decompress } from './decompress.js'
export { Gunzip } from './gunzip.js'
export { frameSnappy, loadSnappy } from './snappy.js'
