/**
 * Reads the segments of a log. Damage never stops it: bytes that make no batch are reported and the
 * next batch header is searched for. What to do with a whole batch, and with damage, is the caller's
 * business (replay.ts).
 *
 * The file is read in windows to a buffer of the caller's, the head's memory, where the kernel
 * decodes in place; a batch never exceeds the window.
 */
import type { Disk, DiskFile } from '../../env/index.js'
import { fail } from '../../errors/index.js'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  decodeSegmentHeader,
  findBatchHeader,
  findSegmentNumber,
  isBatchIntact,
  SEGMENT_HEADER_BYTES,
} from './format.js'

/** A segment file of one log. */
export interface Segment {
  readonly folder: string
  readonly path: string
  readonly number: number
  readonly size: number
  readonly createdMs: number
  /** Why no batch of it can be read. */
  readonly damage: string | undefined
  /** The last one of its log: may end in the middle of a write. */
  readonly isLast: boolean
}

/** What a segment consists of. */
export type SegmentPart =
  /** A whole batch with a good CRC, at [at, at + header.length) of the window. */
  | {
      readonly kind: 'batch'
      readonly at: number
      readonly header: BatchHeader
      readonly position: number
    }
  /** Bytes [position, position + length) of the file that make no batch. */
  | { readonly kind: 'damage'; readonly position: number; readonly length: number }
  /** The end of the file is the beginning of a batch: a write that did not finish. */
  | { readonly kind: 'torn'; readonly position: number; readonly length: number }

/**
 * The segments of a log in order; files too short for a header (an interrupted creation) are left
 * out.
 * @throws AppError `data-version` when a newer program wrote one
 */
export function listSegments(disk: Disk, folder: string): Segment[] {
  const names = disk.list(folder).filter((name) => findSegmentNumber(name) !== undefined)
  const segments: Segment[] = []
  for (const [index, name] of names.entries()) {
    const path = `${folder}/${name}`
    const file = disk.open(path, 'read')
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
    const read = file.read(header, 0)
    const size = file.size()
    file.close()
    if (size < SEGMENT_HEADER_BYTES) continue
    const found = decodeSegmentHeader(header.subarray(0, read))
    if ('unknownVersion' in found) {
      const text = `${path} has format version ${found.unknownVersion}, which is newer than this program`
      throw fail('data-version', { text })
    }
    const previous = segments.at(-1)?.createdMs ?? 0
    segments.push({
      folder,
      path,
      number: Number(name),
      size,
      createdMs: 'createdMs' in found ? found.createdMs : previous,
      damage: 'damage' in found ? found.damage : undefined,
      isLast: index === names.length - 1,
    })
  }
  return segments
}

/**
 * The parts of a segment, in order. Between two parts the window is the caller's to read in only.
 * @param window at least as large as the largest batch
 */
export function* readSegment(
  disk: Disk,
  segment: Segment,
  window: Buffer,
): Generator<SegmentPart, void> {
  const file = disk.open(segment.path, 'read')
  try {
    yield* readParts({ file, window, start: 0, end: 0 }, segment)
  } finally {
    file.close()
  }
}

/** A window on a file: bytes [start, end) of the file are at the window's beginning. */
interface WindowState {
  readonly file: DiskFile
  readonly window: Buffer
  start: number
  end: number
}

function* readParts(state: WindowState, segment: Segment): Generator<SegmentPart, void> {
  const { window } = state
  const { size } = segment
  // A header that cannot be read is damage as well; batches may follow it all the same.
  let position = SEGMENT_HEADER_BYTES
  let damageFrom = -1
  if (segment.damage !== undefined) damageFrom = 0
  while (position < size) {
    const header = headerAt(state, position, size)
    const fits = header !== undefined && header.length <= size - position
    if (fits) ensure(state, position, header.length, size)
    const at = position - state.start
    if (fits && isBatchIntact(window.subarray(at, at + header.length))) {
      if (damageFrom >= 0) {
        yield { kind: 'damage', position: damageFrom, length: position - damageFrom }
      }
      damageFrom = -1
      yield { kind: 'batch', at, header, position }
      position += header.length
      continue
    }
    const isTorn = segment.isLast && damageFrom < 0 && isBeginning(state, position, size, header)
    if (isTorn && !hasBatchAfter(state, position, size)) {
      yield { kind: 'torn', position, length: size - position }
      return
    }
    if (damageFrom < 0) damageFrom = position
    position += 8
  }
  if (damageFrom >= 0) yield { kind: 'damage', position: damageFrom, length: size - damageFrom }
}

/** Whether the rest of the file looks like the first part of a batch. */
function isBeginning(
  state: WindowState,
  position: number,
  size: number,
  header: BatchHeader | undefined,
): boolean {
  if (size - position < BATCH_HEADER_BYTES) return true
  if (header !== undefined) return header.length > size - position
  // A file that was lengthened but not written ends in zeros.
  ensure(state, position, BATCH_HEADER_BYTES, size)
  const at = position - state.start
  return state.window.subarray(at, at + BATCH_HEADER_BYTES).every((byte) => byte === 0)
}

function hasBatchAfter(state: WindowState, position: number, size: number): boolean {
  for (let at = position + 8; at < size; at += 8) {
    const header = headerAt(state, at, size)
    if (header === undefined || header.length > size - at) continue
    ensure(state, at, header.length, size)
    const from = at - state.start
    if (isBatchIntact(state.window.subarray(from, from + header.length))) return true
  }
  return false
}

function headerAt(state: WindowState, position: number, size: number): BatchHeader | undefined {
  if (size - position < BATCH_HEADER_BYTES) return undefined
  ensure(state, position, BATCH_HEADER_BYTES, size)
  return findBatchHeader(state.window, position - state.start, state.window.length)
}

/** Sees to it that bytes [position, position + length) of the file are in the window. */
function ensure(state: WindowState, position: number, length: number, size: number): void {
  if (position >= state.start && position + length <= state.end) return
  const wanted = Math.min(state.window.length, size - position)
  let read = 0
  while (read < wanted) {
    const got = state.file.read(state.window.subarray(read, wanted), position + read)
    if (got === 0) break
    read += got
  }
  // A file that is shorter than it was: what is missing reads as zeros.
  state.window.fill(0, read, wanted)
  state.start = position
  state.end = position + wanted
}
