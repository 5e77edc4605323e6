/**
 * Where blocks are kept for good. Promise: one interface over a folder, S3 and compatibles, Azure
 * Blob, GCS and Swift; objects appear whole; what may pass is retried within bounds; everything else
 * is a typed error. Clients of remote stores are loaded when the first bucket of their kind opens.
 */
export { DELETE_MAX } from './backend.js'
export type { Bucket, BucketAttributes, BucketBody, BucketEntry } from './bucket.js'
export { checkBucketConfig } from './check.js'
export { type BucketConfig, openBucket } from './open.js'
