/**
 * Log → head, at start. Several logs can be replayed into one head (a shard takes over the folders
 * of shards that are no more): their segments are taken in order of creation, so that samples of
 * one series come in the order in which they were accepted, whichever log they went to.
 *
 * Start never fails because of damage: a batch with a bad CRC is set aside under `damaged/`, a torn
 * end is cut off, both are counted. Of a batch with samples of unknown series (their record was in a
 * damaged one) a copy is set aside too, but what can be is replayed: one lost record must not cost
 * the samples of all series that are written together with its own.
 * A generator, one step per batch, so that the caller's loop goes on answering.
 */
import type { Disk } from '../../env/index.js'
import {
  DEFINE_FULL,
  H_LOG,
  H_OOO_REFS,
  H_OOO_TIMES,
  H_OOO_VALUES,
} from '../../kernels/head-layout.js'
import type { Head } from '../head/head.js'
import {
  BATCH_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_METADATA,
  RECORD_OUT_OF_ORDER,
  RECORD_SAMPLES,
  RECORD_SERIES,
} from './format.js'
import { listSegments, readSegment, type Segment, type SegmentPart } from './reader.js'

/** A log to replay. */
export interface ReplayLog {
  readonly folder: string
  /** Where what cannot be replayed is put; beside the log, not in it. */
  readonly damagedFolder: string
  /** The log that this head goes on with: it knows the series by the numbers found. */
  readonly isOwn: boolean
}

/** What has come of the replay so far. */
export interface ReplayProgress {
  bytesDone: number
  readonly bytesTotal: number
  segments: number
  batches: number
  series: number
  samples: number
  /** Samples that the head refused as older or equal: an earlier copy of them is there. */
  samplesRefused: number
  /** Samples for which the head had no memory. They stay in the log. */
  samplesWithoutRoom: number
  damagedBatches: number
  damagedBytes: number
  /** Samples of series whose record was damaged. */
  samplesUnknown: number
  tornBytes: number
  /** Creation time of the newest segment. */
  createdMax: number
}

/** One problem found, for the log. */
export interface ReplayDamage {
  readonly path: string
  readonly position: number
  readonly length: number
  readonly reason: 'crc' | 'unknown-series' | 'malformed' | 'torn'
  /** Time range of the batch, when its header could be read. */
  readonly mint: number | undefined
  readonly maxt: number | undefined
}

/** What is replayed, and into what. */
export interface ReplayOptions {
  readonly disk: Disk
  readonly head: Head
  readonly logs: readonly ReplayLog[]
  readonly onDamage: (damage: ReplayDamage) => void
}

/** Marks in the map of series numbers. */
const UNKNOWN = 0xffffffff
const NO_ROOM = 0xfffffffe

/** Copies of damaged batches kept per log. */
const DAMAGED_FILES_MAX = 64

/** Series numbers of one log → refs. */
interface NumberMap {
  refs: Uint32Array
}

interface LogState extends ReplayLog {
  readonly numbers: NumberMap
}

/**
 * Replays the logs; yields the progress after each batch, the same object every time.
 * @throws AppError `data-version` before anything is done, `disk-failed` when a file cannot be read
 */
export function* replaySteps(options: ReplayOptions): Generator<ReplayProgress, ReplayProgress> {
  const work = options.logs.map((log): [LogState, Segment[]] => [
    { ...log, numbers: { refs: new Uint32Array(1024).fill(UNKNOWN) } },
    listSegments(options.disk, log.folder),
  ])
  const segments = work.flatMap(([log, list]) => list.map((segment) => ({ log, segment })))
  segments.sort((a, b) => a.segment.createdMs - b.segment.createdMs)
  const progress = newProgress(segments.reduce((sum, { segment }) => sum + segment.size, 0))
  const { view } = options.head
  const region = options.head.logRegion()
  const window = view.bytes.subarray(region.at, region.at + region.bytes.length)
  for (const { log, segment } of segments) {
    const before = progress.bytesDone
    progress.createdMax = Math.max(progress.createdMax, segment.createdMs)
    for (const part of readSegment(options.disk, segment, window)) {
      takePart(options, log, segment, part, window, progress)
      const end = part.position + (part.kind === 'batch' ? part.header.length : part.length)
      progress.bytesDone = before + end
      yield progress
    }
    progress.bytesDone = before + segment.size
    progress.segments++
  }
  options.head.kernel.logBegin()
  return progress
}

function newProgress(bytesTotal: number): ReplayProgress {
  return {
    bytesDone: 0,
    bytesTotal,
    segments: 0,
    batches: 0,
    series: 0,
    samples: 0,
    samplesRefused: 0,
    samplesWithoutRoom: 0,
    damagedBatches: 0,
    damagedBytes: 0,
    samplesUnknown: 0,
    tornBytes: 0,
    createdMax: 0,
  }
}

function takePart(
  options: ReplayOptions,
  log: LogState,
  segment: Segment,
  part: SegmentPart,
  window: Buffer,
  progress: ReplayProgress,
): void {
  if (part.kind === 'torn') {
    progress.tornBytes += part.length
    cutTail(options, segment, part.position)
    report(options, segment, part, 'torn')
    return
  }
  if (part.kind === 'damage') {
    progress.damagedBatches++
    progress.damagedBytes += part.length
    setAside(options, log, segment, part.position, part.length)
    report(options, segment, part, 'crc')
    return
  }
  progress.batches++
  const reason = replayBatch(options.head, log, part, window, progress)
  if (reason === undefined) return
  progress.damagedBatches++
  progress.damagedBytes += part.header.length
  setAside(options, log, segment, part.position, part.header.length)
  const { mint, maxt, length } = part.header
  options.onDamage({ path: segment.path, position: part.position, length, reason, mint, maxt })
}

function report(
  options: ReplayOptions,
  segment: Segment,
  part: { position: number; length: number },
  reason: 'torn' | 'crc',
): void {
  const { position, length } = part
  options.onDamage({
    path: segment.path,
    position,
    length,
    reason,
    mint: undefined,
    maxt: undefined,
  })
}

/** Applies a batch; says why when not all of it could be. */
function replayBatch(
  head: Head,
  log: LogState,
  part: SegmentPart & { kind: 'batch' },
  window: Buffer,
  progress: ReplayProgress,
): 'unknown-series' | 'malformed' | undefined {
  const end = part.at + part.header.length
  let count = 0
  let lateCount = 0
  for (let at = part.at + BATCH_HEADER_BYTES; end - at >= RECORD_HEADER_BYTES; ) {
    const kind = window.readUInt32LE(at)
    const length = window.readUInt32LE(at + 4)
    const payload = at + RECORD_HEADER_BYTES
    if (kind === 0) break // padding
    if (length > end - payload) return 'malformed'
    if (kind === RECORD_SERIES) {
      if (!replaySeries(head, log, window.subarray(payload, payload + length), progress)) {
        return 'malformed'
      }
    } else if (kind === RECORD_SAMPLES) {
      const address = head.view.word(H_LOG) + payload
      const decoded = head.kernel.logDecode(address, length, count)
      if (decoded < 0) return 'malformed'
      mapNumbers(head.refs, log.numbers, count, decoded)
      count += decoded
    } else if (kind === RECORD_OUT_OF_ORDER) {
      const address = head.view.word(H_LOG) + payload
      const decoded = head.kernel.logDecodeOutOfOrder(address, length, lateCount)
      if (decoded < 0) return 'malformed'
      lateCount += decoded
      mapNumbers(lateColumns(head).refs, log.numbers, lateCount - decoded, decoded)
    } else if (kind !== RECORD_METADATA) return 'malformed'
    at = payload + length
  }
  const unknownBefore = progress.samplesUnknown
  appendColumns(head, dropMarked(head, count, progress), progress)
  appendLate(head, dropMarked(lateColumns(head), lateCount, progress), progress)
  return progress.samplesUnknown > unknownBefore ? 'unknown-series' : undefined
}

/** Defines the series of a record. */
function replaySeries(
  head: Head,
  log: LogState,
  payload: Buffer,
  progress: ReplayProgress,
): boolean {
  if (payload.length < 8) return false
  const nameLength = payload.readUInt32LE(0)
  const count = payload.readUInt32LE(4)
  if (nameLength > payload.length - 8) return false
  const tenant = head.tenant(payload.toString('utf8', 8, 8 + nameLength))
  const cursor = { at: 8 + nameLength }
  const address = payload.byteOffset
  for (let i = 0; i < count; i++) {
    const number = takeVarint(payload, cursor)
    const labelCount = takeVarint(payload, cursor)
    const length = takeVarint(payload, cursor)
    if (number < 1 || number >= NO_ROOM || length > payload.length - cursor.at) return false
    const ref =
      tenant === undefined
        ? DEFINE_FULL
        : head.kernel.define(tenant, address + cursor.at, length, labelCount)
    cursor.at += length
    if (ref < 0 && ref !== DEFINE_FULL) return false
    setNumber(log.numbers, number, ref < 0 ? NO_ROOM : ref)
    if (ref >= 0 && log.isOwn) head.kernel.setLogRef(ref, number)
    progress.series++
  }
  return true
}

function setNumber(map: NumberMap, number: number, ref: number): void {
  if (number >= map.refs.length) {
    const larger = new Uint32Array(Math.max(number + 1, map.refs.length * 2)).fill(UNKNOWN)
    larger.set(map.refs)
    map.refs = larger
  }
  map.refs[number] = ref
}

/** Columns of samples. */
interface Columns {
  readonly refs: Uint32Array
  readonly times: Float64Array
  readonly values: Float64Array
}

/** The head's columns for samples out of order. */
function lateColumns(head: Head): Columns {
  const { buffer } = head.view.memory
  return {
    refs: new Uint32Array(buffer, head.view.word(H_OOO_REFS), head.capacity),
    times: new Float64Array(buffer, head.view.word(H_OOO_TIMES), head.capacity),
    values: new Float64Array(buffer, head.view.word(H_OOO_VALUES), head.capacity),
  }
}

/** Replaces the log's numbers in a column by refs, or by UNKNOWN or NO_ROOM. */
function mapNumbers(refs: Uint32Array, map: NumberMap, from: number, count: number): void {
  const known = map.refs
  for (let i = from; i < from + count; i++) {
    const number = refs[i]!
    refs[i] = number < known.length ? known[number]! : UNKNOWN
  }
}

/** Takes out samples without a ref; how many are left. */
function dropMarked(columns: Columns, count: number, progress: ReplayProgress): number {
  const { refs, times, values } = columns
  let kept = 0
  while (kept < count && refs[kept]! < NO_ROOM) kept++
  for (let i = kept; i < count; i++) {
    const ref = refs[i]!
    if (ref === NO_ROOM) progress.samplesWithoutRoom++
    else if (ref === UNKNOWN) progress.samplesUnknown++
    else {
      refs[kept] = ref
      times[kept] = times[i]!
      values.copyWithin(kept, i, i + 1)
      kept++
    }
  }
  return kept
}

function appendColumns(head: Head, count: number, progress: ReplayProgress): void {
  const { kernel } = head
  const accepted = kernel.check(0, count, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)
  const appended = kernel.append(0, accepted)
  kernel.publish(0, appended)
  if (appended < accepted) kernel.rollback(appended, accepted - appended)
  progress.samples += appended
  progress.samplesRefused += count - accepted
  progress.samplesWithoutRoom += accepted - appended
}

/** Samples that were out of order when they were accepted; their window does not count any more. */
function appendLate(head: Head, count: number, progress: ReplayProgress): void {
  if (count === 0) return
  const done = head.kernel.appendOutOfOrder(0, count)
  const appended = head.kernel.oooAppended()
  progress.samples += appended
  progress.samplesRefused += done - appended
  progress.samplesWithoutRoom += count - done
}

function takeVarint(bytes: Buffer, cursor: { at: number }): number {
  let value = 0
  for (let shift = 1; shift <= 2 ** 28; shift *= 128) {
    const byte = bytes[cursor.at++]
    if (byte === undefined) return NO_ROOM
    value += (byte & 127) * shift
    if (byte < 128) return value
  }
  return NO_ROOM
}

/** Keeps damaged bytes for whoever wants to look, once. */
function setAside(
  options: ReplayOptions,
  log: ReplayLog,
  segment: Segment,
  position: number,
  length: number,
): void {
  const { disk } = options
  const name = segment.path.slice(segment.path.lastIndexOf('/') + 1)
  const path = `${log.damagedFolder}/${name}-${position}`
  if (disk.exists(path) || disk.list(log.damagedFolder).length >= DAMAGED_FILES_MAX) return
  const file = disk.open(segment.path, 'read')
  try {
    const bytes = Buffer.alloc(Math.min(length, 64 << 20))
    const read = file.read(bytes, position)
    disk.makeFolder(log.damagedFolder)
    disk.replaceFile(path, bytes.subarray(0, read))
  } catch {
    // The bytes are still in the segment: replay goes on without the copy.
  } finally {
    file.close()
  }
}

function cutTail(options: ReplayOptions, segment: Segment, size: number): void {
  try {
    const file = options.disk.open(segment.path, 'update')
    file.truncate(size)
    file.close()
  } catch {
    // It will be reported as damage at the next start.
  }
}
