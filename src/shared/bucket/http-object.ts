/**
 * Objects over plain HTTP: what the backends without a client library ask and understand alike.
 */
import type { Disk } from '../env/index.js'
import { fail } from '../errors/index.js'
import { type ByteRange, collect, type FailedTry } from './backend.js'
import type { BucketBody } from './bucket.js'
import { partsOf, sizeOf } from './filesystem.js'
import { announcedSize, drained, type HttpAnswer, type HttpRequest } from './http-client.js'

/** Throws what a status other than success means. */
export type CheckAnswer = (tried: FailedTry, answer: HttpAnswer) => Promise<void>

/** Header that asks for a part of an object; none for all of it. */
export function rangeHeaders(range: ByteRange | undefined): Record<string, string> {
  if (range === undefined) return {}
  return { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
}

/** The bytes of a GET: none for a range behind the end, the part also of a server without ranges. */
export async function bytesOf(
  tried: FailedTry,
  answer: HttpAnswer,
  range: ByteRange | undefined,
  check: CheckAnswer,
): Promise<Uint8Array> {
  if (answer.status === 416) {
    await drained(answer)
    return new Uint8Array(0)
  }
  await check(tried, answer)
  const found = await collect(tried, answer.body, announcedSize(answer))
  if (range === undefined || answer.status === 206) return found
  return found.subarray(range.offset, range.offset + range.length)
}

/** Body and headers of an upload. */
export function uploadOf(
  disk: Disk,
  body: BucketBody,
): Required<Pick<HttpRequest, 'headers' | 'body'>> {
  const length = String(sizeOf(disk, body))
  return {
    headers: { 'content-type': 'application/octet-stream', 'content-length': length },
    body: 'path' in body ? partsOf(disk, body) : body,
  }
}

/** @throws AppError `bucket-exists` when an object stood where none may, else what `check` throws */
export async function checkUpload(
  tried: FailedTry,
  answer: HttpAnswer,
  ifAbsent: boolean,
  check: CheckAnswer,
): Promise<void> {
  if (ifAbsent && answer.status === 412) {
    await drained(answer)
    throw fail('bucket-exists', { ...tried })
  }
  await check(tried, answer)
  await drained(answer)
}
