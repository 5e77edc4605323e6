/**
 * What each kind of bucket implements: single tries, full keys. Retries, deadlines, the prefix and
 * counting are the same for all and stand in `retrying.ts`, so that a backend is only its protocol.
 */
import { type AppError, fail } from '../errors/index.js'
import type { BucketAttributes, BucketBody, BucketEntry } from './bucket.js'
import type { PartsBackend } from './multipart.js'

/** A page of a listing. `next` is whatever the backend wants to be given for the next page. */
export interface BucketPage {
  readonly entries: readonly BucketEntry[]
  readonly next?: string
}

/** Bytes wanted of an object. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** One kind of bucket. Calls end when their signal says so. */
export interface BucketBackend {
  readonly name: string
  get(key: string, range: ByteRange | undefined, signal: AbortSignal): Promise<Uint8Array>
  put(key: string, body: BucketBody, ifAbsent: boolean, signal: AbortSignal): Promise<void>
  /** At most {@link DELETE_MAX} keys. */
  delete(keys: readonly string[], signal: AbortSignal): Promise<void>
  listPage(query: ListQuery, signal: AbortSignal): Promise<BucketPage>
  attributes(key: string, signal: AbortSignal): Promise<BucketAttributes>
  localPath?(key: string): string
  /** Where large files can be sent in parts. */
  readonly parts?: PartsBackend
  close(): void
}

/** What a page of a listing is asked by. */
export interface ListQuery {
  readonly prefix: string
  readonly delimiter: string
  /** `next` of the page before. */
  readonly from: string | undefined
  /** Entries wanted at most. */
  readonly limit: number
}

/** Keys of one delete call. */
export const DELETE_MAX = 500

/** Objects that a backend without a call for many deletes at once. */
const DELETES_AT_ONCE = 8

/** Deletes for backends that can delete one object at a time only. */
export async function deleteEach(
  keys: readonly string[],
  deleteOne: (key: string) => Promise<void>,
): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < keys.length) await deleteOne(keys[next++]!)
  }
  await Promise.all(Array.from({ length: Math.min(DELETES_AT_ONCE, keys.length) }, lane))
}

/** Largest object that is read in one piece. */
export const GET_SIZE_MAX = 512 * 1024 * 1024

/** A try that failed; what the catalogue's messages are filled with. */
export interface FailedTry {
  readonly bucket: string
  readonly operation: string
  readonly key: string
}

/**
 * The error of an HTTP status. Throttling, server errors and time-outs may pass; the rest does not
 * mend itself.
 */
export function errorOfStatus(
  tried: FailedTry,
  status: number,
  reason: string,
  cause?: unknown,
): AppError {
  if (status === 404) return fail('bucket-not-found', { ...tried }, cause)
  const mayPass = status === 408 || status === 429 || status >= 500
  const isNever = status === 501
  const text = reason === '' ? `status ${status}` : `status ${status}: ${reason}`
  return mayPass && !isNever ? unavailable(tried, text, cause) : refused(tried, text, cause)
}

/** The error of what may pass: connections that fail, are cut or hang. */
export function unavailable(tried: FailedTry, reason: string, cause?: unknown): AppError {
  return fail('bucket-unavailable', { ...tried, reason }, cause)
}

/** The error of what no retry mends. */
export function refused(tried: FailedTry, reason: string, cause?: unknown): AppError {
  return fail('bucket-refused', { ...tried, reason }, cause)
}

/**
 * Collects a body, which must have the size that was announced: a cut connection may look like an
 * end.
 *
 * @param size announced bytes; undefined when nothing was announced
 */
export async function collect(
  tried: FailedTry,
  parts: AsyncIterable<Uint8Array>,
  size: number | undefined,
): Promise<Uint8Array> {
  const limit = size ?? GET_SIZE_MAX
  if (limit > GET_SIZE_MAX) throw refused(tried, `${limit} bytes are too many for one read`)
  let into = Buffer.allocUnsafe(size ?? 65536)
  let length = 0
  for await (const part of parts) {
    if (length + part.length > limit) throw unavailable(tried, `the body exceeds ${limit} bytes`)
    if (length + part.length > into.length) {
      const larger = Buffer.allocUnsafe(Math.max(into.length * 2, length + part.length))
      larger.set(into.subarray(0, length))
      into = larger
    }
    into.set(part, length)
    length += part.length
  }
  if (size !== undefined && length !== size) {
    throw unavailable(tried, `the body ended after ${length} of ${size} bytes`)
  }
  return into.subarray(0, length)
}
