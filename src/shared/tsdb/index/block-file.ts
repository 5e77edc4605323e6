/**
 * The files of a block as readers see them: bytes at an offset, wherever they are. Ranges that lie
 * near each other are read together.
 */
import type { Disk, DiskFile } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import { damaged, type Place } from './damage.js'

/** A file that is never written again: on the local disk, or an object read by ranges. */
export interface BlockFile {
  /** Bytes. */
  readonly size: number
  /** Bytes of a range within the file; fewer when the file turns out to be shorter. */
  read(offset: number, bytes: number): Promise<Uint8Array>
}

/** How ranges are read. */
export interface ReadOptions {
  /** Ranges with at most so many unwanted bytes in between are read together. */
  readonly gapBytes: number
  /** Most bytes of one read, but for a range that is longer by itself. */
  readonly readBytesMax: number
  /** Reads under way at a time. */
  readonly parallelReads: number
}

/** Reading a local file: a short gap costs less than a call. */
export const LOCAL_READS: ReadOptions = { gapBytes: 4096, readBytesMax: 1 << 20, parallelReads: 1 }

/** Opens a file of the local disk; the caller closes it. */
export function openLocalFile(disk: Disk, path: string): BlockFile & { close(): void } {
  const file: DiskFile = disk.open(path, 'read')
  return {
    size: file.size(),
    read: async (offset, bytes) => readWhole(file, offset, bytes),
    close: () => file.close(),
  }
}

/**
 * Appends all of the bytes to a file.
 * @throws AppError `disk-failed`
 */
export function writeAll(file: DiskFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const written = file.write(bytes.subarray(at))
    if (written === 0) throw fail('disk-failed', { text: `write ${file.path}: no space left` })
    at += written
  }
}

function readWhole(file: DiskFile, offset: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let count = 0
  while (count < size) {
    const read = file.read(bytes.subarray(count), offset + count)
    if (read === 0) break
    count += read
  }
  return bytes.subarray(0, count)
}

/**
 * Reads [from, to) of a file.
 * @throws AppError `block-damaged` when the file has not got them
 */
export async function readSpan(
  file: BlockFile,
  place: Place,
  from: number,
  to: number,
): Promise<Uint8Array> {
  if (from < 0 || from > to || to > file.size) {
    throw damaged(place, `bytes ${from} to ${to} are wanted of a file of ${file.size}`)
  }
  const bytes = await file.read(from, to - from)
  if (bytes.length === to - from) return bytes
  throw damaged(place, `the file ends at ${from + bytes.length}, not at ${file.size}`)
}

/** Bytes of many ranges; range i begins at `start[i]` of `buffers[buffer[i]]`. */
export interface MergedBytes {
  readonly buffers: readonly Uint8Array[]
  readonly buffer: Uint32Array
  readonly start: Uint32Array
}

/**
 * Reads many ranges of a file in as few reads as the options say.
 *
 * @param from [n] ascending
 * @param to   [n] first byte after each range, capped at the end of the file by the caller
 */
export async function readMerged(
  file: BlockFile,
  place: Place,
  ranges: { readonly from: Float64Array; readonly to: Float64Array },
  options: ReadOptions,
): Promise<MergedBytes> {
  const { from, to } = ranges
  const buffer = new Uint32Array(from.length)
  const start = new Uint32Array(from.length)
  const spans: [number, number][] = []
  for (let i = 0; i < from.length; i++) {
    const open = spans.at(-1)
    const fits =
      open !== undefined &&
      from[i]! - open[1] <= options.gapBytes &&
      to[i]! - open[0] <= options.readBytesMax
    if (fits) open[1] = Math.max(open[1], to[i]!)
    else spans.push([from[i]!, to[i]!])
    buffer[i] = spans.length - 1
    start[i] = from[i]! - spans.at(-1)![0]
  }
  const buffers: Uint8Array[] = []
  for (let i = 0; i < spans.length; i += options.parallelReads) {
    const some = spans.slice(i, i + options.parallelReads)
    buffers.push(...(await Promise.all(some.map(([a, b]) => readSpan(file, place, a, b)))))
  }
  return { buffers, buffer, start }
}
