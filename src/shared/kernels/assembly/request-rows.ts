/**
 * Rows and columns of a chunk, shared by both walks: series looked up (at once, or gathered and
 * then together), their samples appended. Hot: bench/shared/kernels/write-request.bench.ts.
 *
 * The labels at hand and the sample at hand are module globals, set by the walks.
 */
import {
  createSeries,
  findSeries,
  hashHigh,
  hashLabels,
  hashLow,
  isSeries,
  tagOf,
} from './label-hash'
import { EXTRA_SERIES } from './otlp-layout'
import { readAt, readLength, readVarint, skipValue } from './proto'
import { hashRefs, refBytes } from './refs-hash'
import {
  COLUMN_IDS,
  COLUMN_TIMES,
  COLUMN_VALUES,
  DEFINE_OVERHEAD,
  DUPLICATES,
  EXEMPLARS,
  EXTRA_AT,
  EXTRA_BYTES,
  EXTRA_COLUMN,
  EXTRA_COUNT,
  EXTRA_END,
  EXTRA_KIND,
  EXTRA_SIZE,
  EXTRA_SIZE_MAX,
  EXTRAS,
  HASHED_FLAGS,
  HISTOGRAMS,
  ID_NEXT,
  LABEL_BYTES,
  LABEL_LENGTH_MAX,
  LABEL_ROOM,
  METADATA_CAP,
  METADATA_COUNT,
  OTHER_COUNT,
  OTHERS,
  PENDING,
  PENDING_BYTES,
  PENDING_COUNT,
  PENDING_HASH,
  PENDING_HASH2,
  PENDING_ID,
  PENDING_MAX,
  PENDING_ROW,
  PENDING_TAG,
  POS,
  REFS_FLAG,
  RESUME_AT,
  RESUME_END,
  RESUME_LABELS,
  RESUME_LENGTH,
  RESUME_START,
  ROW_BYTES,
  ROW_CAP,
  ROW_COUNT,
  ROW_FIRST,
  ROW_LABELS,
  ROW_LENGTH,
  ROW_SAMPLES,
  ROWS,
  SAMPLE_CAP,
  SAMPLE_COUNT,
  STARTS,
  TENANT_COUNT,
  TENANT_ID_END,
  TENANT_ID_NEXT,
  TENANT_MASK,
  TENANT_MISSES,
  TENANT_PREVIOUS,
  TIME_MAX,
  TIME_MIN,
  WALK_DONE,
  WALK_MORE,
  WALK_ROOM,
} from './write-request-layout'

/** Misses in a row after which lookups are gathered: the sender's order is not the last one's. */
const MISSES_SINGLE: u32 = 8
/** How far back a series' samples are searched for one of the same time. */
const DUPLICATE_WINDOW: u32 = 64

// The sample read last.
let sampleTime: f64 = 0
let sampleValue: u64 = 0
/** When counting began that it belongs to, where the protocol says so with each sample; 0: not said. */
let sampleStart: f64 = 0

/** What `addSamples` is given by protocols without start times. */
export const NO_STARTS: f64 = -1
/** Added to the time of a start: no sample has such a time. */
const START_MARK: f64 = 0.5

/** The labels at hand: where, how long (or REFS_FLAG and how many), and how many bytes they are. */
export let labelsAt: usize = 0
export let labelsLength: u32 = 0
export let labelBytes: u32 = 0

/** Sets the labels at hand. */
export function setLabels(at: usize, length: u32, bytes: u32): void {
  labelsAt = at
  labelsLength = length
  labelBytes = bytes
}

/** Whether a bound of the chunk is met. */
export function isFull(c: usize): bool {
  return (
    load<u32>(c, SAMPLE_COUNT) >= load<u32>(c, SAMPLE_CAP) ||
    load<u32>(c, ROW_COUNT) >= load<u32>(c, ROW_CAP) ||
    load<u32>(c, METADATA_COUNT) >= load<u32>(c, METADATA_CAP) ||
    load<u32>(c, EXTRA_SIZE) >= <u32>EXTRA_SIZE_MAX ||
    load<u32>(c, EXTRA_COUNT) >= load<u32>(c, ROW_CAP)
  )
}

/** Whether a series of this size may still be defined in this chunk's frames. */
export function fitsLabels(c: usize, length: u32): bool {
  const most = min(length, load<u32>(c, LABEL_LENGTH_MAX)) + DEFINE_OVERHEAD
  return (
    load<u32>(c, ROW_COUNT) == 0 || most <= load<u32>(c, LABEL_ROOM) - load<u32>(c, LABEL_BYTES)
  )
}

/** Ends a walk at p: what waits for the table is looked up. */
export function leave(c: usize, tenant: usize, p: usize, code: i32): i32 {
  store<u32>(c, p, POS)
  flush(c, tenant)
  return code
}

/**
 * Finds the id of the labels at hand, or queues them for the table (the row to come is theirs).
 *
 * @returns the id; 0 when queued, or when the label set is too long for an id; −1 without room
 */
export function resolve(c: usize, tenant: usize, guess: u32, hasSamples: bool): i32 {
  if (!hasSamples || labelBytes > load<u32>(c, LABEL_LENGTH_MAX)) return 0
  // References and data points were hashed when they were read.
  if ((labelsLength & HASHED_FLAGS) == 0) hashLabels(c, labelsAt, labelsLength)
  if (guess != 0 && isSeries(c, guess, hashLow, hashHigh, labelsLength)) {
    follow(tenant, guess)
    return guess
  }
  if (!hasRoom(c, tenant)) return -1
  const pending = load<u32>(c, PENDING_COUNT)
  const at: usize = load<u32>(c, PENDING) + pending * PENDING_BYTES
  store<u64>(at, hashLow, PENDING_HASH)
  store<u64>(at, hashHigh, PENDING_HASH2)
  store<u32>(at, tagOf(hashLow, hashHigh), PENDING_TAG)
  store<u32>(at, load<u32>(c, ROW_COUNT), PENDING_ROW)
  store<u32>(c, pending + 1, PENDING_COUNT)
  store<u32>(tenant, load<u32>(tenant, TENANT_MISSES) + 1, TENANT_MISSES)
  return 0
}

/** Whether one more new series than those pending would find an id and a slot. */
function hasRoom(c: usize, tenant: usize): bool {
  const pending = load<u32>(c, PENDING_COUNT)
  if (load<u32>(tenant, TENANT_ID_END) - load<u32>(tenant, TENANT_ID_NEXT) <= pending) return false
  const used = load<u32>(tenant, TENANT_COUNT) + pending + 1
  return used <= (load<u32>(tenant, TENANT_MASK) + 1) >> 1
}

function pendingMax(tenant: usize): u32 {
  return load<u32>(tenant, TENANT_MISSES) <= MISSES_SINGLE ? 1 : PENDING_MAX
}

/** The prediction held. */
export function follow(tenant: usize, id: u32): void {
  store<u32>(tenant, id, TENANT_PREVIOUS)
  store<u32>(tenant, 0, TENANT_MISSES)
}

/** Looks all pending series up, creates the new ones, and puts the ids into the columns. */
export function flush(c: usize, tenant: usize): void {
  const pending = load<u32>(c, PENDING_COUNT)
  if (pending == 0) return
  const first: usize = load<u32>(c, PENDING)
  // All probes before anything else: their cache misses overlap (~100 ns less per series).
  for (let i: u32 = 0; i < pending; i++) {
    const at = first + i * PENDING_BYTES
    store<u32>(at, findPending(c, tenant, at), PENDING_ID)
  }
  const next: usize = load<u32>(c, ID_NEXT)
  let previous = load<u32>(tenant, TENANT_PREVIOUS)
  for (let i: u32 = 0; i < pending; i++) {
    const at = first + i * PENDING_BYTES
    let id = load<u32>(at, PENDING_ID)
    // Two equal new ones may wait together.
    if (id == 0) id = findPending(c, tenant, at)
    if (id == 0) id = createPending(c, tenant, at)
    nameRow(c, load<u32>(at, PENDING_ROW), id)
    if (previous != 0) store<u32>(next + (previous << 2), id)
    previous = id
  }
  store<u32>(tenant, previous, TENANT_PREVIOUS)
  store<u32>(c, 0, PENDING_COUNT)
}

function findPending(c: usize, tenant: usize, at: usize): u32 {
  const length = load<u32>(rowAt(c, load<u32>(at, PENDING_ROW)), ROW_LENGTH)
  return findSeries(
    c,
    tenant,
    load<u32>(at, PENDING_TAG),
    load<u64>(at, PENDING_HASH),
    load<u64>(at, PENDING_HASH2),
    length,
  )
}

function createPending(c: usize, tenant: usize, at: usize): u32 {
  const row = rowAt(c, load<u32>(at, PENDING_ROW))
  return createSeries(
    c,
    tenant,
    load<u32>(at, PENDING_TAG),
    load<u64>(at, PENDING_HASH),
    load<u64>(at, PENDING_HASH2),
    load<u32>(row, ROW_LENGTH),
  )
}

export function rowAt(c: usize, index: u32): usize {
  return load<u32>(c, ROWS) + index * ROW_BYTES
}

/** Gives a row's samples their id. */
function nameRow(c: usize, index: u32, id: u32): void {
  const row = rowAt(c, index)
  let at: usize = load<u32>(c, COLUMN_IDS) + (load<u32>(row, ROW_FIRST) << 2)
  const end = at + (load<u32>(row, ROW_SAMPLES) << 2)
  while (at < end) {
    store<u32>(at, id)
    at += 4
  }
}

export function count(c: usize, field: usize, more: u32): void {
  store<u32>(c + field, load<u32>(c + field) + more)
}

export function addRow(c: usize, labels: usize, length: u32, bytes: u32, samples: u32): void {
  const index = load<u32>(c, ROW_COUNT)
  const row = rowAt(c, index)
  store<u32>(row, labels, ROW_LABELS)
  store<u32>(row, length, ROW_LENGTH)
  store<u32>(row, load<u32>(c, SAMPLE_COUNT), ROW_FIRST)
  store<u32>(row, samples, ROW_SAMPLES)
  store<u32>(c, index + 1, ROW_COUNT)
  const others = load<u32>(c, OTHER_COUNT)
  store<u32>(load<u32>(c, OTHERS) + (others << 2), index)
  store<u32>(c, others + 1, OTHER_COUNT)
  if (bytes <= load<u32>(c, LABEL_LENGTH_MAX)) count(c, LABEL_BYTES, bytes + DEFINE_OVERHEAD)
}

/** Appends a mark: no sample, but a place where the id of a series with extras only will stand. */
export function addMark(c: usize, id: u32): void {
  sampleTime = f64.POSITIVE_INFINITY
  sampleValue = 0
  addSample(c, id)
}

/** Notes fields [p, e) of the last row's series that the host reads: histograms or exemplars. */
export function addExtra(c: usize, p: usize, e: usize, kind: u32): void {
  const index = load<u32>(c, EXTRA_COUNT)
  const at: usize = load<u32>(c, EXTRAS) + index * EXTRA_BYTES
  const row = rowAt(c, load<u32>(c, ROW_COUNT) - 1)
  store<u32>(at, load<u32>(row, ROW_FIRST), EXTRA_COLUMN)
  store<u32>(at, p, EXTRA_AT)
  store<u32>(at, e, EXTRA_END)
  store<u32>(at, kind, EXTRA_KIND)
  store<u32>(c, index + 1, EXTRA_COUNT)
  count(c, EXTRA_SIZE, <u32>(e - p))
}

/** Sets the sample at hand. */
export function setSample(time: f64, value: u64): void {
  sampleTime = time
  sampleValue = value
}

/**
 * Whether the sample at hand says when counting began, at a time that a zero may be stored at. The
 * ingester leaves it out when the series has newer samples, so it may be told with every sample.
 */
export function hasStart(c: usize, start: f64): bool {
  return (
    start > 0 &&
    start < sampleTime &&
    start >= load<f64>(c, TIME_MIN) &&
    sampleTime <= load<f64>(c, TIME_MAX)
  )
}

/** Whether a start and its sample fit the chunk. */
export function fitsStart(c: usize): bool {
  return load<u32>(c, SAMPLE_COUNT) + 2 <= load<u32>(c, SAMPLE_CAP)
}

/** Appends the start that the sample at hand tells of; that sample is to follow. */
export function addStart(c: usize, id: u32, start: f64): void {
  const time = sampleTime
  const value = sampleValue
  setSample(start + START_MARK, 0)
  addSample(c, id)
  setSample(time, value)
  count(c, STARTS, 1)
}

/** Appends the sample at hand to the columns. */
export function addSample(c: usize, id: u32): void {
  const index = load<u32>(c, SAMPLE_COUNT)
  store<u32>(load<u32>(c, COLUMN_IDS) + (index << 2), id)
  store<f64>(load<u32>(c, COLUMN_TIMES) + (index << 3), sampleTime)
  store<u64>(load<u32>(c, COLUMN_VALUES) + (index << 3), sampleValue)
  store<u32>(c, index + 1, SAMPLE_COUNT)
}

/**
 * Appends all samples among the fields [q, e), already checked, to the last row. A sample of a time
 * that the series had shortly before in this request is dropped, as Mimir does.
 *
 * @param start when counting began; 0: only samples may say; NO_STARTS: nothing does
 * @returns false when the columns filled up first; RESUME_AT says where to go on
 */
export function addSamples(c: usize, id: u32, q: usize, e: usize, start: f64): bool {
  const row = rowAt(c, load<u32>(c, ROW_COUNT) - 1)
  const first = load<u32>(row, ROW_FIRST)
  let told: f64 = 0
  while (q < e) {
    const from = q
    const tag = readVarint(q, e)
    if (tag != 18) {
      skipValue(tag, readAt, e)
      q = readAt
      continue
    }
    const isFirst = load<u32>(row, ROW_SAMPLES) == 0
    const isFull =
      start == NO_STARTS || isFirst
        ? load<u32>(c, SAMPLE_COUNT) >= load<u32>(c, SAMPLE_CAP)
        : !fitsStart(c)
    if (isFull) {
      store<u32>(c, from, RESUME_AT)
      store<u32>(c, e, RESUME_END)
      store<u32>(c, labelsAt, RESUME_LABELS)
      store<u32>(c, labelsLength, RESUME_LENGTH)
      store<f64>(c, start, RESUME_START)
      return false
    }
    const length = readLength(readAt, e)
    q = readAt + length
    readSample(readAt, q)
    const begun = start != NO_STARTS && sampleStart > 0 ? sampleStart : start
    if (begun != told && hasStart(c, begun) && fitsStart(c)) {
      addStart(c, id, begun)
      store<u32>(row, load<u32>(row, ROW_SAMPLES) + 1, ROW_SAMPLES)
      told = begun
    }
    if (isRepeated(c, first)) {
      count(c, DUPLICATES, 1)
    } else {
      addSample(c, id)
      store<u32>(row, load<u32>(row, ROW_SAMPLES) + 1, ROW_SAMPLES)
    }
  }
  return true
}

/** Whether the series has the time at hand among its newest samples of this chunk. */
function isRepeated(c: usize, first: u32): bool {
  const times: usize = load<u32>(c, COLUMN_TIMES)
  let index = load<u32>(c, SAMPLE_COUNT)
  const last = index > first + DUPLICATE_WINDOW ? index - DUPLICATE_WINDOW : first
  if (index > first && sampleTime > load<f64>(times + ((index - 1) << 3))) return false
  while (index > last) {
    index--
    if (load<f64>(times + (index << 3)) == sampleTime) return true
  }
  return false
}

/**
 * Appends all of a series at hand of any shape, its fields at [p, e): a row, its samples, and what
 * the host reads of it. Gives a WALK code.
 *
 * @param start as for `addSamples`
 */
export function addSeries(
  c: usize,
  tenant: usize,
  id: u32,
  p: usize,
  e: usize,
  samples: u32,
  histograms: u32,
  exemplars: u32,
  start: f64,
): i32 {
  count(c, HISTOGRAMS, histograms)
  count(c, EXEMPLARS, exemplars)
  addRow(c, labelsAt, labelsLength, labelBytes, samples == 0 ? 1 : 0)
  if (histograms + exemplars != 0) addExtra(c, p, e, EXTRA_SERIES)
  if (samples == 0) addMark(c, id)
  else if (!addSamples(c, id, p, e, start)) return WALK_MORE
  return settle(c, tenant)
}

/** A series has been added: what waits is looked up when enough does. */
export function settle(c: usize, tenant: usize): i32 {
  if (load<u32>(c, PENDING_COUNT) >= pendingMax(tenant)) flush(c, tenant)
  return WALK_DONE
}

/** Goes on with a series whose samples filled the columns, if there is one. */
export function resume(c: usize, tenant: usize): i32 {
  if (load<u32>(c, RESUME_AT) == 0) return WALK_DONE
  labelsAt = load<u32>(c, RESUME_LABELS)
  labelsLength = load<u32>(c, RESUME_LENGTH)
  labelBytes = labelsLength
  if ((labelsLength & REFS_FLAG) != 0) {
    const refs = labelsLength ^ REFS_FLAG
    hashRefs(c, labelsAt, labelsAt + refs * 10, refs)
    labelBytes = refBytes
  }
  const id = resolve(c, tenant, 0, true)
  if (id < 0) return WALK_ROOM
  const at: usize = load<u32>(c, RESUME_AT)
  store<u32>(c, 0, RESUME_AT)
  addRow(c, labelsAt, labelsLength, labelBytes, 0)
  const start = load<f64>(c, RESUME_START)
  const isWhole = addSamples(c, id, at, load<u32>(c, RESUME_END), start)
  flush(c, tenant)
  return isWhole ? WALK_DONE : WALK_MORE
}

/**
 * The sample field [q, e) when it has the usual shape: the last field, value and time (or time
 * alone: a value of 0 is not sent), the time in six bytes.
 */
export function usualSample(q: usize, e: usize): bool {
  const size = <u32>(e - q)
  let time: usize
  if (size == 18) {
    if (load<u16>(q) != 0x1012 || load<u8>(q, 2) != 9 || load<u8>(q, 11) != 16) return false
    sampleValue = load<u64>(q, 3)
    time = q + 12
  } else if (size == 9) {
    if (load<u16>(q) != 0x0712 || load<u8>(q, 2) != 16) return false
    sampleValue = 0
    time = q + 3
  } else {
    return false
  }
  const w = load<u64>(time)
  if ((w & 0x808080808080) != 0x008080808080) return false
  const bits: u64 =
    (w & 0x7f) |
    ((w >> 1) & 0x3f80) |
    ((w >> 2) & 0x1fc000) |
    ((w >> 3) & 0xfe00000) |
    ((w >> 4) & 0x7f0000000) |
    ((w >> 5) & 0x3f800000000)
  sampleTime = <f64>bits
  return true
}

/** Reads a sample message of any shape. */
export function readSample(p: usize, e: usize): bool {
  sampleTime = 0
  sampleValue = 0
  sampleStart = 0
  while (p < e) {
    const tag = readVarint(p, e)
    if (readAt == 0) return false
    p = readAt
    if (tag == 9) {
      if (<u32>(e - p) < 8) return false
      sampleValue = load<u64>(p)
      p += 8
    } else if (tag == 16) {
      sampleTime = <f64>(<i64>readVarint(p, e))
      if (readAt == 0) return false
      p = readAt
    } else {
      if (tag >> 3 == 1 || tag >> 3 == 2) return false
      if (tag == 24) sampleStart = <f64>(<i64>readVarint(p, e))
      else skipValue(tag, p, e)
      if (readAt == 0) return false
      p = readAt
    }
  }
  return true
}
