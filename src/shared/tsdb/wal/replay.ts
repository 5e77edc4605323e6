/**
 * Snapshots and logs → head, at start. Several logs can be replayed into one head (a shard takes over the folders
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
import { listSnapshots, type Snapshot } from '../snapshot/list.js'
import { raiseNextNumber, SnapshotLoad } from '../snapshot/load.js'
import { Covered, type CoverOf } from './covered.js'
import {
  BATCH_HEADER_BYTES,
  RECORD_EXEMPLARS,
  RECORD_HEADER_BYTES,
  RECORD_HISTOGRAM_CHUNKS,
  RECORD_HISTOGRAMS,
  RECORD_METADATA,
  RECORD_OUT_OF_ORDER,
  RECORD_SAMPLES,
  RECORD_SERIES,
  SEGMENT_HEADER_BYTES,
  segmentName,
} from './format.js'
import {
  findNewest,
  listSegments,
  NEWEST_FILE,
  readSegment,
  type Segment,
  type SegmentPart,
} from './reader.js'
import {
  IN_BLOCK,
  loadHistogramChunks,
  NO_ROOM,
  type RecordTarget,
  replayRecords,
  UNKNOWN,
} from './replay-records.js'
import { SeriesNumbers } from './series-numbers.js'

/** A log to replay. */
export interface ReplayLog {
  readonly folder: string
  /** Where its snapshots are, when it may have some. */
  readonly snapshotFolder?: string
  /** Where what cannot be replayed is put; beside the log, not in it. */
  readonly damagedFolder: string
  /** What of it is in blocks; nothing when absent. */
  readonly coverOf?: CoverOf
  /** The log that this head goes on with: it knows the series by the numbers found. */
  readonly isOwn: boolean
}

/** What has come of the replay so far. */
export interface ReplayProgress {
  bytesDone: number
  bytesTotal: number
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
  /** Creation time of the newest segment or snapshot. */
  createdMax: number
  snapshots: number
  /** Series and samples that came from snapshots. */
  snapshotSeries: number
  snapshotSamples: number
  /** Bit per kind of record in the segments. */
  kinds: number
  /** Bytes of segments, which the next snapshot would spare. */
  logBytes: number
}

/** One problem found, for the log. */
export interface ReplayDamage {
  readonly path: string
  readonly position: number
  readonly length: number
  readonly reason: DamageReason
  /** Time range of the batch, when its header could be read. */
  readonly mint: number | undefined
  readonly maxt: number | undefined
  /** Samples that were lost with it, where known. */
  readonly samples: number | undefined
}

/**
 * `crc`: bytes that are no batch. `unknown-series`: samples of series whose labels were lost.
 * `torn`: an unfinished write at the end of a log, cut off. `cut`: a file that was longer.
 * `missing`: files that were there. `snapshot`: damage in a snapshot; lost is only what neither the
 * other snapshot nor the log has.
 */
export type DamageReason =
  | 'crc'
  | 'unknown-series'
  | 'malformed'
  | 'torn'
  | 'cut'
  | 'missing'
  | 'snapshot'

/** What is replayed, and into what. */
export interface ReplayOptions {
  readonly disk: Disk
  readonly head: Head
  readonly logs: readonly ReplayLog[]
  readonly onDamage: (damage: ReplayDamage) => void
}

/** Copies of damaged batches kept per log. */
const DAMAGED_FILES_MAX = 64

interface LogState extends ReplayLog {
  readonly covered: Covered
  readonly numbers: SeriesNumbers
  readonly snapshots: readonly Snapshot[]
  readonly segments: readonly Segment[]
  /** Segments from here on are needed; known once a snapshot was loaded whole, undefined before. */
  from: number | undefined
  /** Whether it was looked for missing segments. */
  isChecked: boolean
}

/** A file of a log, in the order in which they are read. */
interface Source {
  readonly log: LogState
  readonly segment: Segment
  readonly snapshot: Snapshot | undefined
  readonly order: number
}

/**
 * Replays the logs; yields the progress after each batch, the same object every time.
 * @throws AppError `data-version` before anything is done, `disk-failed` when a file cannot be read
 */
export function* replaySteps(options: ReplayOptions): Generator<ReplayProgress, ReplayProgress> {
  const logs = options.logs.map((log) => openLog(options, log))
  const sources = logs.flatMap(sourcesOf)
  // Stable: of one log the snapshots come first, then its segments by number.
  sources.sort((a, b) => a.order - b.order)
  const progress = newProgress(logs.reduce((sum, log) => sum + bytesOf(log), 0))
  const { view } = options.head
  const region = options.head.logRegion()
  const window = view.bytes.subarray(region.at, region.at + region.bytes.length)
  for (const source of sources) {
    const { log, segment, snapshot } = source
    progress.createdMax = Math.max(progress.createdMax, segment.createdMs)
    if (!isNeeded(source)) continue
    if (snapshot === undefined) reportGaps(options, log)
    const before = progress.bytesDone
    const load =
      snapshot === undefined ? undefined : beginLoad(options.head, log, snapshot, progress)
    const damagedBefore = progress.damagedBatches
    for (const part of readSegment(options.disk, segment, window)) {
      takePart(options, log, segment, part, window, progress, load)
      const end = part.position + (part.kind === 'batch' ? part.header.length : part.length)
      progress.bytesDone = before + end
      yield progress
    }
    progress.bytesDone = before + segment.size
    progress.bytesTotal = Math.max(progress.bytesTotal, progress.bytesDone)
    if (load === undefined) {
      progress.segments++
      progress.logBytes += Math.max(0, segment.size - SEGMENT_HEADER_BYTES)
      if (segment.bytesMissing > 0) reportCut(options, segment, segment.bytesMissing)
    } else {
      progress.snapshots++
      const isWhole = load.hasEnd && progress.damagedBatches === damagedBefore
      if (isWhole) log.from = segment.number
      else if (!load.hasEnd) reportCut(options, segment, 0)
    }
  }
  for (const log of logs) reportGaps(options, log)
  options.head.kernel.logBegin()
  return progress
}

function openLog({ disk, head }: ReplayOptions, log: ReplayLog): LogState {
  return {
    ...log,
    covered: new Covered(head, log.coverOf),
    numbers: new SeriesNumbers(UNKNOWN),
    snapshots: log.snapshotFolder === undefined ? [] : listSnapshots(disk, log.snapshotFolder),
    segments: listSegments(disk, log.folder),
    from: undefined,
    isChecked: false,
  }
}

/** Snapshots, newest first, then segments; the order of several logs is by creation. */
function sourcesOf(log: LogState): Source[] {
  const order = Math.max(0, ...log.snapshots.map(({ segment }) => segment.createdMs))
  return [
    ...log.snapshots.map((snapshot) => ({ log, segment: snapshot.segment, snapshot, order })),
    ...log.segments.map((segment) => ({
      log,
      segment,
      snapshot: undefined,
      order: Math.max(order, segment.createdMs),
    })),
  ]
}

/** An older snapshot, and segments before the newest one, serve when that is damaged. */
function isNeeded({ log, segment, snapshot }: Source): boolean {
  if (log.from === undefined) return true
  return snapshot === undefined && segment.number >= log.from
}

/** Bytes that are to be read when nothing is damaged. */
function bytesOf(log: LogState): number {
  const newest = log.snapshots[0]?.segment
  let bytes = newest?.size ?? 0
  for (const { number, size } of log.segments) if (number >= (newest?.number ?? 0)) bytes += size
  return bytes
}

function beginLoad(
  head: Head,
  log: LogState,
  snapshot: Snapshot,
  progress: ReplayProgress,
): SnapshotLoad {
  if (log.isOwn) raiseNextNumber(head, snapshot.nextNumber)
  const counts = {
    get series() {
      return progress.snapshotSeries
    },
    set series(count) {
      progress.snapshotSeries = count
    },
    get samplesUnknown() {
      return progress.samplesUnknown
    },
    set samplesUnknown(count) {
      progress.samplesUnknown = count
    },
    get samplesWithoutRoom() {
      return progress.samplesWithoutRoom
    },
    set samplesWithoutRoom(count) {
      progress.samplesWithoutRoom = count
    },
  }
  const { covered } = log
  const options = { head, counts, covered, segment: snapshot.segment.number }
  return new SnapshotLoad(options, (number, ref) => {
    log.numbers.set(number, ref ?? NO_ROOM)
    if (ref !== undefined && log.isOwn) head.kernel.setLogRef(ref, number)
  })
}

/** Says which segments should be there and are not; once per log. */
function reportGaps(options: ReplayOptions, log: LogState): void {
  if (log.isChecked) return
  log.isChecked = true
  const oldest = log.snapshots.at(-1)?.segment.number
  let next = log.from ?? oldest ?? 1
  const newest = Math.max(
    findNewest(options.disk, log.folder),
    log.snapshots[0]?.segment.number ?? 0,
  )
  const hasLog = log.segments.some(({ size }) => size > SEGMENT_HEADER_BYTES)
  if (hasLog && findNewest(options.disk, log.folder) === 0) {
    // Whether segments after the last one are missing cannot be told.
    const path = `${log.folder}/${NEWEST_FILE}`
    options.onDamage({ path, position: 0, length: 0, reason: 'missing', ...NOTHING_KNOWN })
  }
  const numbers = log.segments.map(({ number }) => number).filter((number) => number >= next)
  for (const number of [...numbers, newest + 1]) {
    if (number > next) reportMissing(options, log, next, number - 1)
    next = Math.max(next, number + 1)
  }
}

function reportMissing(options: ReplayOptions, log: LogState, from: number, to: number): void {
  const names = from === to ? segmentName(from) : `${segmentName(from)}..${segmentName(to)}`
  const path = `${log.folder}/${names}`
  options.onDamage({ path, position: 0, length: 0, reason: 'missing', ...NOTHING_KNOWN })
}

function reportCut(options: ReplayOptions, segment: Segment, length: number): void {
  const { path, size } = segment
  options.onDamage({ path, position: size, length, reason: 'cut', ...NOTHING_KNOWN })
}

const NOTHING_KNOWN = { mint: undefined, maxt: undefined, samples: undefined } as const

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
    snapshots: 0,
    snapshotSeries: 0,
    snapshotSamples: 0,
    kinds: 0,
    logBytes: 0,
  }
}

function takePart(
  options: ReplayOptions,
  log: LogState,
  segment: Segment,
  part: SegmentPart,
  window: Buffer,
  progress: ReplayProgress,
  load: SnapshotLoad | undefined,
): void {
  const { path } = segment
  if (part.kind !== 'batch') {
    const { kind, position, length } = part
    if (kind === 'torn') {
      progress.tornBytes += length
      cutTail(options, segment, position)
    } else {
      progress.damagedBatches++
      progress.damagedBytes += length
      setAside(options, log, segment, position, length)
    }
    const reason = kind === 'torn' ? 'torn' : load === undefined ? 'crc' : 'snapshot'
    options.onDamage({ path, position, length, reason, ...NOTHING_KNOWN })
    return
  }
  progress.batches++
  const unknownBefore = progress.samplesUnknown
  if (load !== undefined) progress.snapshotSamples += part.header.sampleCount
  const isSnapshot = load !== undefined
  const target = recordsOf(options.head, log, progress, { number: segment.number, isSnapshot })
  const reason =
    load === undefined
      ? replayBatch(target, log, part, window, progress)
      : loadBatch(load, part, window, (kind, payload) => {
          if (kind === RECORD_SERIES) {
            return replaySeries(options.head, log, payload, progress)
          }
          return kind === RECORD_HISTOGRAM_CHUNKS
            ? loadHistogramChunks(target, payload)
            : replayRecords(target, payload)
        })
  if (reason === undefined) return
  progress.damagedBatches++
  progress.damagedBytes += part.header.length
  setAside(options, log, segment, part.position, part.header.length)
  const { mint, maxt, length, sampleCount } = part.header
  const unknown = progress.samplesUnknown - unknownBefore
  const samples = reason === 'unknown-series' ? unknown : sampleCount
  options.onDamage({ path, position: part.position, length, reason, mint, maxt, samples })
}

/** Whether a snapshot's record is read as one of the log. */
function isOfLog(kind: number): boolean {
  return kind === RECORD_SERIES || kind === RECORD_HISTOGRAM_CHUNKS || kind === RECORD_EXEMPLARS
}

/** Takes a batch of a snapshot; says why when not all of it could be. */
function loadBatch(
  load: SnapshotLoad,
  part: SegmentPart & { kind: 'batch' },
  window: Buffer,
  takeOther: (kind: number, payload: Buffer) => boolean,
): 'unknown-series' | 'malformed' | undefined {
  const end = part.at + part.header.length
  for (let at = part.at + BATCH_HEADER_BYTES; end - at >= RECORD_HEADER_BYTES; ) {
    const kind = window.readUInt32LE(at)
    const length = window.readUInt32LE(at + 4)
    const payload = at + RECORD_HEADER_BYTES
    if (kind === 0) break // padding
    if (length > end - payload) return 'malformed'
    if (isOfLog(kind)) {
      if (!takeOther(kind, window.subarray(payload, payload + length))) return 'malformed'
      at = payload + length
      continue
    }
    const outcome = load.take(kind, window, payload, length)
    if (outcome !== 'loaded') return outcome
    at = payload + length
  }
  return undefined
}

/** Applies a batch; says why when not all of it could be. */
function replayBatch(
  target: RecordTarget,
  log: LogState,
  part: SegmentPart & { kind: 'batch' },
  window: Buffer,
  progress: ReplayProgress,
): 'unknown-series' | 'malformed' | undefined {
  const { head, covered } = target
  const end = part.at + part.header.length
  let count = 0
  let lateCount = 0
  const later: Uint8Array[] = []
  for (let at = part.at + BATCH_HEADER_BYTES; end - at >= RECORD_HEADER_BYTES; ) {
    const kind = window.readUInt32LE(at)
    const length = window.readUInt32LE(at + 4)
    const payload = at + RECORD_HEADER_BYTES
    if (kind === 0) break // padding
    progress.kinds |= 1 << kind
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
    } else if (kind === RECORD_HISTOGRAMS || kind === RECORD_EXEMPLARS) {
      later.push(window.subarray(payload, payload + length))
    } else if (kind !== RECORD_METADATA) return 'malformed'
    at = payload + length
  }
  const unknownBefore = progress.samplesUnknown
  if (!covered.isEmpty()) {
    const { number } = target.segment
    markCovered(head, count, (ref, t) => covered.has(ref, t))
    markCovered(lateColumns(head), lateCount, (ref) => covered.hasLate(ref, number))
  }
  appendColumns(head, dropMarked(head, count, progress), progress)
  appendLate(head, dropMarked(lateColumns(head), lateCount, progress), progress)
  for (const payload of later) {
    if (!replayRecords(target, payload)) return 'malformed'
  }
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
    if (number < 1 || number >= IN_BLOCK || length > payload.length - cursor.at) return false
    const ref =
      tenant === undefined
        ? DEFINE_FULL
        : head.kernel.define(tenant, address + cursor.at, length, labelCount)
    cursor.at += length
    if (ref < 0 && ref !== DEFINE_FULL) return false
    log.numbers.set(number, ref < 0 ? NO_ROOM : ref)
    if (ref >= 0 && log.isOwn) head.kernel.setLogRef(ref, number)
    progress.series++
  }
  return true
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
function mapNumbers(refs: Uint32Array, map: SeriesNumbers, from: number, count: number): void {
  for (let i = from; i < from + count; i++) refs[i] = map.get(refs[i]!)
}

/** Marks samples that are in blocks. */
function markCovered(
  { refs, times }: Columns,
  count: number,
  isCovered: (ref: number, t: number) => boolean,
): void {
  for (let i = 0; i < count; i++) {
    const ref = refs[i]!
    if (ref < IN_BLOCK && isCovered(ref, times[i]!)) refs[i] = IN_BLOCK
  }
}

/** What records of histograms and exemplars are replayed with. */
function recordsOf(
  head: Head,
  log: LogState,
  counts: ReplayProgress,
  segment: RecordTarget['segment'],
): RecordTarget {
  return { head, numbers: log.numbers, covered: log.covered, counts, segment }
}

/** Takes out samples without a ref, and those in blocks; how many are left. */
function dropMarked(columns: Columns, count: number, progress: ReplayProgress): number {
  const { refs, times, values } = columns
  let kept = 0
  while (kept < count && refs[kept]! < IN_BLOCK) kept++
  for (let i = kept; i < count; i++) {
    const ref = refs[i]!
    if (ref === IN_BLOCK) progress.samplesRefused++
    else if (ref === NO_ROOM) progress.samplesWithoutRoom++
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
  const accepted = kernel.check(
    0,
    count,
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  )
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
