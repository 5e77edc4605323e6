/**
 * Reads the segments of a log. Damage never stops it: bytes that make no batch are reported and the
 * next batch header is searched for. What to do with a whole batch, and with damage, is the caller's
 * business (replay.ts).
 *
 * The file is read in windows to a buffer of the caller's, the head's memory, where the kernel
 * decodes in place; a batch never exceeds the window.
 */
import { crc32c } from '../../base/crc32c.js'
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
  segmentName,
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
  /** Bytes that the next segment's header says it had, and more than there are. */
  readonly bytesMissing: number
}

/** Beside a log's segments: the number of the newest one, so that its loss is noticed. */
export const NEWEST_FILE = 'newest'

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
 * The segments of a log in order. A last file too short for a header is left out when nothing says
 * that it was ever longer (an interrupted creation).
 * @throws AppError `data-version` when a newer program wrote one
 */
export function listSegments(disk: Disk, folder: string): Segment[] {
  const names = disk.list(folder).filter((name) => findSegmentNumber(name) !== undefined)
  const noted = findNewest(disk, folder)
  const segments: Segment[] = []
  for (const [index, name] of names.entries()) {
    const path = `${folder}/${name}`
    const number = Number(name)
    const { found, size } = readHeader(disk, path)
    if ('unknownVersion' in found) throw newerVersion(path, found.unknownVersion)
    const previous = segments.at(-1)
    if (
      'createdMs' in found &&
      previous?.number === number - 1 &&
      found.previousBytes > previous.size
    ) {
      segments[segments.length - 1] = {
        ...previous,
        bytesMissing: found.previousBytes - previous.size,
      }
    }
    const isLast = index === names.length - 1
    if (size < SEGMENT_HEADER_BYTES && isLast && number > noted) continue
    segments.push({
      folder,
      path,
      number,
      size,
      createdMs: 'createdMs' in found ? found.createdMs : (previous?.createdMs ?? 0),
      damage: 'damage' in found ? found.damage : undefined,
      isLast,
      bytesMissing: 0,
    })
  }
  return segments
}

function readHeader(
  disk: Disk,
  path: string,
): { found: ReturnType<typeof decodeSegmentHeader>; size: number } {
  const file = disk.open(path, 'read')
  try {
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
    const read = file.read(header, 0)
    return { found: decodeSegmentHeader(header.subarray(0, read)), size: file.size() }
  } finally {
    file.close()
  }
}

/** The refusal of a file that a newer program wrote. */
export function newerVersion(path: string, version: number): Error {
  const text = `${path} has format version ${version}, which is newer than this program`
  return fail('data-version', { text })
}

/** The number of the newest segment that was begun in a log; 0 when nothing tells. */
export function findNewest(disk: Disk, folder: string): number {
  const path = `${folder}/${NEWEST_FILE}`
  if (!disk.exists(path)) return 0
  const text = Buffer.from(disk.readFile(path)).toString('latin1')
  const number = findSegmentNumber(text.slice(0, 8)) ?? 0
  return text === newestText(number) ? number : 0
}

/** Notes the newest segment. @throws AppError `disk-failed` */
export function noteNewest(disk: Disk, folder: string, number: number): void {
  disk.replaceFile(`${folder}/${NEWEST_FILE}`, Buffer.from(newestText(number)))
}

function newestText(number: number): string {
  const name = segmentName(number)
  return `${name} crc32c=${crc32c(Buffer.from(name)).toString(16).padStart(8, '0')}\n`
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
