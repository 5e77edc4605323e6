/**
 * A large object in parts: some at once, each with tries of its own, so that a cut connection costs
 * one part. It appears whole when the last call has put the parts together; when something fails for
 * good the parts are given up. Used by retrying.ts for backends that have such calls.
 */
import type { AppError } from '../errors/index.js'

/** A stretch of the file that is sent. */
export interface FilePart {
  readonly path: string
  readonly offset: number
  readonly length: number
}

/** The calls of a backend that takes objects in parts. */
export interface PartsBackend {
  /** Larger objects are sent in parts of this many bytes. */
  readonly partSize: number
  /** Begins an object; a name for what follows. */
  begin(key: string, signal: AbortSignal): Promise<string>
  /** Sends a part, numbered from 1; its tag. */
  putPart(at: PartsPlace, number: number, part: FilePart, signal: AbortSignal): Promise<string>
  /** Puts the parts together, by their tags in order. */
  end(
    at: PartsPlace,
    tags: readonly string[],
    ifAbsent: boolean,
    signal: AbortSignal,
  ): Promise<void>
  /** Gives the parts up. */
  abort(at: PartsPlace, signal: AbortSignal): Promise<void>
}

/** An object that is being sent in parts. */
export interface PartsPlace {
  readonly key: string
  readonly upload: string
}

/** How a step is run: with its deadline, tries and counting. */
export type RunStep = <T>(
  operation: string,
  bytes: number,
  run: (signal: AbortSignal, tries: number) => Promise<T>,
) => Promise<T>

/** What is sent. */
export interface PartsObject {
  readonly key: string
  readonly path: string
  readonly size: number
  readonly ifAbsent: boolean
  /** Whether an object of this key and size is there: looked at when an answer was lost. */
  isThere(): Promise<boolean>
}

/** Parts under way at once: each is streamed, so memory is a buffer or two of each. */
const AT_ONCE = 4
/** S3's own limit. */
const PARTS_MAX = 10_000
const MIB = 1024 ** 2

/** Bytes of a part of an object: the configured ones, or more where that would be too many parts. */
export function partSizeOf(size: number, partSize: number): number {
  return Math.max(partSize, Math.ceil(size / PARTS_MAX / MIB) * MIB)
}

/** Sends a file in parts. @throws AppError of the step that failed for good */
export async function putInParts(
  backend: PartsBackend,
  object: PartsObject,
  step: RunStep,
): Promise<void> {
  const { key, size } = object
  const upload = await step('upload_begin', 0, (signal) => backend.begin(key, signal))
  const at = { key, upload }
  try {
    const tags = await putParts(backend, at, object, step)
    await step('upload', size, async (signal, tries) => {
      try {
        await backend.end(at, tags, object.ifAbsent, signal)
      } catch (error) {
        // An answer that was lost: then the parts are the object already.
        const isUnknown = (error as AppError).id === 'bucket-not-found'
        if (tries === 1 || !isUnknown || !(await object.isThere())) throw error
      }
    })
  } catch (error) {
    // A policy need not allow it: then they stay until the bucket's own rules remove them.
    await step('upload_abort', 0, (signal) => backend.abort(at, signal)).catch(() => {})
    throw error
  }
}

async function putParts(
  backend: PartsBackend,
  at: PartsPlace,
  { path, size }: PartsObject,
  step: RunStep,
): Promise<string[]> {
  const partSize = partSizeOf(size, backend.partSize)
  const count = Math.ceil(size / partSize)
  const tags = new Array<string>(count)
  let next = 0
  let hasFailed = false
  const lane = async (): Promise<void> => {
    while (next < count && !hasFailed) {
      const index = next++
      const offset = index * partSize
      const part = { path, offset, length: Math.min(partSize, size - offset) }
      try {
        tags[index] = await step('upload_part', part.length, (signal) =>
          backend.putPart(at, index + 1, part, signal),
        )
      } catch (error) {
        hasFailed = true
        throw error
      }
    }
  }
  // All lanes have ended before anything is given up: a part that came later would stay for ever.
  const ended = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, count) }, lane))
  for (const lane of ended) if (lane.status === 'rejected') throw lane.reason
  return tags
}
