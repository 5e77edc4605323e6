/**
 * What the server keeps blocks in, whatever stands behind it: a folder, S3, GCS, Azure Blob or
 * Swift. Blocks, index, markers and uploads go through this interface only; `openBucket` makes one.
 *
 * Keys are relative to the configured prefix, with `/` between their parts. Every method retries
 * what may pass, within bounds, and throws AppErrors: `bucket-not-found` for a missing object,
 * `bucket-unavailable` when tries or time ran out, `bucket-refused` for what no retry mends.
 */

/** What an object is made from: bytes, or a local file, which is streamed. */
export type BucketBody = Uint8Array | { readonly path: string }

/** An object in a listing; with a delimiter also a folder, whose key ends in that delimiter. */
export interface BucketEntry {
  readonly key: string
  /** Bytes; of folders, and where a backend does not tell, missing. */
  readonly size?: number
  /** Last change, ms since the epoch. */
  readonly mtime?: number
}

/** Size and time of an object. */
export interface BucketAttributes {
  readonly size: number
  /** Last change, ms since the epoch. */
  readonly mtime: number
}

/** Objects by key. Safe to be used by many callers of one thread at once. */
export interface Bucket {
  /** For logs and pages: `s3 metrics-bucket`. */
  readonly name: string
  /** The whole object; meant for small ones. */
  get(key: string): Promise<Uint8Array>
  /**
   * Bytes from `offset` on, at most `length` of them: fewer where the object ends before, none from
   * its end on.
   */
  getRange(key: string, offset: number, length: number): Promise<Uint8Array>
  /**
   * Makes or replaces an object; readers see the former one or all of the new one.
   *
   * @param options.ifAbsent throw `bucket-exists` when there is one. Some servers cannot
   *   (`bucket-refused` then): nothing may depend on it
   */
  put(key: string, body: BucketBody, options?: { readonly ifAbsent?: boolean }): Promise<void>
  /** Removes objects, in no order that could be told; missing ones are fine. */
  delete(keys: readonly string[]): Promise<void>
  /**
   * Objects whose keys start with `prefix`, in byte order of keys. With a delimiter, keys that hold
   * it after the prefix are folded into one entry up to it.
   */
  list(prefix: string, delimiter?: string): AsyncGenerator<BucketEntry>
  attributes(key: string): Promise<BucketAttributes>
  /** Where an object lies on this machine, for reading in place; undefined of remote buckets. */
  localPath(key: string): string | undefined
  /** Lets go of connections. */
  close(): void
}
