/**
 * The push path's kernel: a compressed remote write 1.0 request in, columns of (series id, time,
 * value bits) out, then those columns dealt to the shards. No object, string or allocation per
 * series or sample; a series that is known costs a compare of its label bytes (hot-path benchmark:
 * bench/shared/kernels/write-request.bench.ts; aim 250 ns per sample for snappy, walk and lookup).
 *
 * Called by shared/kernels/write-request.ts, which says what the functions promise. All state is in
 * a context (write-request-layout.ts); module globals carry second results only.
 *
 *   message WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3 }
 *   message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2;
 *                        repeated Exemplar exemplars = 3; repeated Histogram histograms = 4 }
 *   message Sample { double value = 1; int64 timestamp = 2 }
 */
import {
  createSeries,
  equalBytes,
  findSeries,
  hashHigh,
  hashLabels,
  hashLow,
  isSeries,
  keyBytes,
  tagOf,
} from './label-hash'
import { readAt, readLength, readVarint, skipValue } from './proto'
import {
  ATTENTION,
  ATTENTION_COUNT,
  COLUMN_IDS,
  COLUMN_TIMES,
  COLUMN_VALUES,
  COUNTS,
  DEFINE_OVERHEAD,
  DUPLICATES,
  END,
  EXEMPLARS,
  HISTOGRAMS,
  ID_KEY,
  ID_LENGTH,
  ID_NEXT,
  ID_ROUTE,
  LABEL_BYTES,
  LABEL_LENGTH_MAX,
  LABEL_ROOM,
  METADATA,
  METADATA_CAP,
  METADATA_COUNT,
  OFFENDER,
  OFFENDER_REASON,
  PENDING,
  PENDING_BYTES,
  PENDING_COUNT,
  PENDING_HASH,
  PENDING_HASH2,
  PENDING_ID,
  PENDING_KEYS,
  PENDING_MAX,
  PENDING_ROW,
  PENDING_TAG,
  POS,
  REASON_FUTURE,
  RESUME_AT,
  RESUME_END,
  RESUME_LABELS,
  RESUME_LENGTH,
  ROUTE_NEW,
  ROUTE_REJECTED,
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
  SCRATCH_AT,
  SHARD_BYTES,
  SHARD_COUNT,
  SHARD_DEFINED,
  SHARD_IDS,
  SHARD_TIMES,
  SHARD_VALUES,
  SHARDS,
  TENANT,
  TENANT_COUNT,
  TENANT_ID_END,
  TENANT_ID_NEXT,
  TENANT_KEEPS_KEYS,
  TENANT_KEY_AT,
  TENANT_KEY_END,
  TENANT_MASK,
  TENANT_MISSES,
  TENANT_PREVIOUS,
  TIME_MAX,
  WALK_DONE,
  WALK_MALFORMED,
  WALK_MORE,
  WALK_ROOM,
} from './write-request-layout'

export { defineRows, memberOf } from './define-rows'
export { moveSlots } from './label-hash'
export { labelSet } from './label-set'
export { snappyDecompress, snappyLength } from './snappy'

/** Misses in a row after which lookups are gathered: the sender's order is not the last one's. */
const MISSES_SINGLE: u32 = 8
/** How far back a series' samples are searched for one of the same time. */
const DUPLICATE_WINDOW: u32 = 64

// The sample read last.
let sampleTime: f64 = 0
let sampleValue: u64 = 0

// What `scanSeries` found.
let labelsAt: usize = 0
let labelsLength: u32 = 0
let labelsApart: bool = false
let sampleTotal: u32 = 0
let histogramTotal: u32 = 0
let exemplarTotal: u32 = 0

/** Walks on from POS; gives a WALK code. */
export function walk(c: usize): i32 {
  const tenant: usize = load<u32>(c, TENANT)
  if (load<u32>(c, RESUME_AT) != 0) {
    const code = resume(c, tenant)
    if (code != WALK_DONE) return code
  }
  const end: usize = load<u32>(c, END)
  let p: usize = load<u32>(c, POS)
  while (p < end) {
    const start = p
    if (isFull(c)) return leave(c, tenant, start, WALK_MORE)
    if (load<u8>(p) == 10) {
      p++
    } else {
      const tag = readVarint(p, end)
      p = readAt
      if (p == 0) return WALK_MALFORMED
      if (tag != 10) {
        p = skipTop(c, tag, p, end)
        if (p == 0) return WALK_MALFORMED
        continue
      }
    }
    const length = readLength(p, end)
    p = readAt
    if (p == 0) return WALK_MALFORMED
    if (!fitsLabels(c, length)) return leave(c, tenant, start, WALK_MORE)
    const code = series(c, tenant, p, p + length)
    if (code == WALK_MALFORMED) return code
    if (code == WALK_ROOM) return leave(c, tenant, start, code)
    p += length
    if (code == WALK_MORE) return leave(c, tenant, p, code)
  }
  return leave(c, tenant, p, WALK_DONE)
}

function isFull(c: usize): bool {
  return (
    load<u32>(c, SAMPLE_COUNT) >= load<u32>(c, SAMPLE_CAP) ||
    load<u32>(c, ROW_COUNT) >= load<u32>(c, ROW_CAP) ||
    load<u32>(c, METADATA_COUNT) >= load<u32>(c, METADATA_CAP)
  )
}

/** Whether a series of this size may still be defined in this chunk's frames. */
function fitsLabels(c: usize, length: u32): bool {
  const most = min(length, load<u32>(c, LABEL_LENGTH_MAX)) + DEFINE_OVERHEAD
  return (
    load<u32>(c, ROW_COUNT) == 0 || most <= load<u32>(c, LABEL_ROOM) - load<u32>(c, LABEL_BYTES)
  )
}

function leave(c: usize, tenant: usize, p: usize, code: i32): i32 {
  store<u32>(c, p, POS)
  flush(c, tenant)
  return code
}

/** A field of the request that is no series: metadata is noted, the rest skipped. */
function skipTop(c: usize, tag: u64, p: usize, end: usize): usize {
  if (tag >> 3 == 1 || (tag >> 3 == 3 && tag != 26)) return 0
  skipValue(tag, p, end)
  if (tag == 26 && readAt != 0) {
    const length = readLength(p, end)
    const count = load<u32>(c, METADATA_COUNT)
    const at: usize = load<u32>(c, METADATA) + (count << 3)
    store<u32>(at, readAt)
    store<u32>(at, length, 4)
    store<u32>(c, count + 1, METADATA_COUNT)
    return readAt + length
  }
  return readAt
}

/** One series, its fields at [p, e). */
function series(c: usize, tenant: usize, p: usize, e: usize): i32 {
  let guess: u32 = 0
  if (load<u32>(c, PENDING_COUNT) == 0) {
    guess = load<u32>(load<u32>(c, ID_NEXT) + (load<u32>(tenant, TENANT_PREVIOUS) << 2))
    if (guess != 0) {
      const key: usize = load<u32>(load<u32>(c, ID_KEY) + (guess << 2))
      const length = load<u32>(load<u32>(c, ID_LENGTH) + (guess << 2))
      if (
        key != 0 &&
        length < <u32>(e - p) &&
        usualSample(p + length, e) &&
        equalBytes(p, key, length)
      ) {
        addRow(c, p, length, 1)
        addSample(c, guess)
        follow(tenant, guess)
        return WALK_DONE
      }
    }
  }
  return otherSeries(c, tenant, p, e, guess)
}

/** A series that is not as predicted, or of another shape than labels and one sample. */
function otherSeries(c: usize, tenant: usize, p: usize, e: usize, guess: u32): i32 {
  labelsAt = p
  let q = p
  while (q < e && load<u8>(q) == 10) {
    const length = readLength(q + 1, e)
    if (readAt == 0) return WALK_MALFORMED
    q = readAt + length
  }
  labelsLength = <u32>(q - p)
  const isUsual = q > p && q < e && usualSample(q, e)
  if (!isUsual) {
    if (!scanSeries(p, e)) return WALK_MALFORMED
    if (sampleTotal != 0 && labelsApart) gatherLabels(c, p, e)
    // Labels that nobody will look at again.
    if (sampleTotal == 0 && !verifyLabels(p, e)) return WALK_MALFORMED
  }
  if (
    labelsLength > load<u32>(c, LABEL_LENGTH_MAX) &&
    !verifyLabels(labelsAt, labelsAt + labelsLength)
  ) {
    return WALK_MALFORMED
  }
  const isKnown = resolve(c, tenant, guess, isUsual || sampleTotal != 0)
  if (isKnown < 0) return WALK_ROOM
  if (isUsual) {
    addRow(c, labelsAt, labelsLength, 1)
    addSample(c, isKnown)
  } else {
    count(c, HISTOGRAMS, histogramTotal)
    count(c, EXEMPLARS, exemplarTotal)
    if (sampleTotal == 0) return WALK_DONE
    if (labelsApart) store<u32>(c, labelsAt + labelsLength, SCRATCH_AT)
    addRow(c, labelsAt, labelsLength, 0)
    if (!addSamples(c, isKnown, p, e)) return WALK_MORE
  }
  if (load<u32>(c, PENDING_COUNT) >= pendingMax(tenant)) flush(c, tenant)
  return WALK_DONE
}

/**
 * Finds the id of the labels at hand, or queues them for the table (the row to come is theirs).
 *
 * @returns the id; 0 when queued, or when the label set is too long for an id; −1 without room
 */
function resolve(c: usize, tenant: usize, guess: u32, hasSamples: bool): i32 {
  if (!hasSamples || labelsLength > load<u32>(c, LABEL_LENGTH_MAX)) return 0
  hashLabels(c, labelsAt, labelsLength)
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
  count(c, PENDING_KEYS, keyBytes(labelsLength))
  store<u32>(tenant, load<u32>(tenant, TENANT_MISSES) + 1, TENANT_MISSES)
  return 0
}

/** Whether one more new series than those pending would find an id, a slot and room for its key. */
function hasRoom(c: usize, tenant: usize): bool {
  const pending = load<u32>(c, PENDING_COUNT)
  if (load<u32>(tenant, TENANT_ID_END) - load<u32>(tenant, TENANT_ID_NEXT) <= pending) return false
  const used = load<u32>(tenant, TENANT_COUNT) + pending + 1
  if (used > (load<u32>(tenant, TENANT_MASK) + 1) >> 1) return false
  if (load<u32>(tenant, TENANT_KEEPS_KEYS) == 0) return true
  const keys = load<u32>(c, PENDING_KEYS) + keyBytes(labelsLength)
  return keys <= load<u32>(tenant, TENANT_KEY_END) - load<u32>(tenant, TENANT_KEY_AT)
}

function pendingMax(tenant: usize): u32 {
  return load<u32>(tenant, TENANT_MISSES) <= MISSES_SINGLE ? 1 : PENDING_MAX
}

/** The prediction held. */
function follow(tenant: usize, id: u32): void {
  store<u32>(tenant, id, TENANT_PREVIOUS)
  store<u32>(tenant, 0, TENANT_MISSES)
}

/** Looks all pending series up, creates the new ones, and puts the ids into the columns. */
function flush(c: usize, tenant: usize): void {
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
  store<u32>(c, 0, PENDING_KEYS)
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
    load<u32>(row, ROW_LABELS),
    load<u32>(row, ROW_LENGTH),
  )
}

function rowAt(c: usize, index: u32): usize {
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

function count(c: usize, field: usize, more: u32): void {
  store<u32>(c + field, load<u32>(c + field) + more)
}

function addRow(c: usize, labels: usize, length: u32, samples: u32): void {
  const index = load<u32>(c, ROW_COUNT)
  const row = rowAt(c, index)
  store<u32>(row, labels, ROW_LABELS)
  store<u32>(row, length, ROW_LENGTH)
  store<u32>(row, load<u32>(c, SAMPLE_COUNT), ROW_FIRST)
  store<u32>(row, samples, ROW_SAMPLES)
  store<u32>(c, index + 1, ROW_COUNT)
  if (length <= load<u32>(c, LABEL_LENGTH_MAX)) count(c, LABEL_BYTES, length + DEFINE_OVERHEAD)
}

/** Appends the sample at hand to the columns. */
function addSample(c: usize, id: u32): void {
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
 * @returns false when the columns filled up first; RESUME_AT says where to go on
 */
function addSamples(c: usize, id: u32, q: usize, e: usize): bool {
  const row = rowAt(c, load<u32>(c, ROW_COUNT) - 1)
  const first = load<u32>(row, ROW_FIRST)
  while (q < e) {
    const start = q
    const tag = readVarint(q, e)
    if (tag != 18) {
      skipValue(tag, readAt, e)
      q = readAt
      continue
    }
    if (load<u32>(c, SAMPLE_COUNT) >= load<u32>(c, SAMPLE_CAP)) {
      store<u32>(c, start, RESUME_AT)
      store<u32>(c, e, RESUME_END)
      store<u32>(c, labelsAt, RESUME_LABELS)
      store<u32>(c, labelsLength, RESUME_LENGTH)
      return false
    }
    const length = readLength(readAt, e)
    q = readAt + length
    readSample(readAt, q)
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

/** Goes on with the series whose samples filled the columns. */
function resume(c: usize, tenant: usize): i32 {
  labelsAt = load<u32>(c, RESUME_LABELS)
  labelsLength = load<u32>(c, RESUME_LENGTH)
  const id = resolve(c, tenant, 0, true)
  if (id < 0) return WALK_ROOM
  const at: usize = load<u32>(c, RESUME_AT)
  store<u32>(c, 0, RESUME_AT)
  addRow(c, labelsAt, labelsLength, 0)
  const isWhole = addSamples(c, id, at, load<u32>(c, RESUME_END))
  flush(c, tenant)
  return isWhole ? WALK_DONE : WALK_MORE
}

/**
 * The sample field [q, e) when it has the usual shape: the last field, value and time (or time
 * alone: a value of 0 is not sent), the time in six bytes.
 */
function usualSample(q: usize, e: usize): bool {
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
function readSample(p: usize, e: usize): bool {
  sampleTime = 0
  sampleValue = 0
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
      skipValue(tag, p, e)
      if (readAt == 0) return false
      p = readAt
    }
  }
  return true
}

/** Reads a series of any shape: where its labels are, how many of what it has. False: malformed. */
function scanSeries(p: usize, e: usize): bool {
  labelsAt = p
  labelsLength = 0
  labelsApart = false
  sampleTotal = 0
  histogramTotal = 0
  exemplarTotal = 0
  while (p < e) {
    const start = p
    const tag = readVarint(p, e)
    if (readAt == 0) return false
    const field = tag >> 3
    if (field >= 1 && field <= 4) {
      if ((tag & 7) != 2) return false
      const length = readLength(readAt, e)
      if (readAt == 0) return false
      p = readAt + length
      if (field == 1) {
        if (labelsLength == 0) labelsAt = start
        else if (labelsAt + labelsLength != start) labelsApart = true
        labelsLength += <u32>(p - start)
      } else if (field == 2) {
        if (!readSample(readAt, p)) return false
        sampleTotal++
      } else if (field == 3) exemplarTotal++
      else histogramTotal++
    } else {
      skipValue(tag, readAt, e)
      if (readAt == 0) return false
      p = readAt
    }
  }
  return true
}

/** Puts labels that lie apart together, in the scratch region (as large as the body). */
function gatherLabels(c: usize, p: usize, e: usize): void {
  const to: usize = load<u32>(c, SCRATCH_AT)
  let at = to
  while (p < e) {
    const start = p
    const tag = readVarint(p, e)
    skipValue(tag, readAt, e)
    p = readAt
    if (tag == 10) {
      memory.copy(at, start, p - start)
      at += p - start
    }
  }
  labelsAt = to
  labelsLength = <u32>(at - to)
}

/**
 * Checks the framing of what `walk` has not seen yet, so that a body of many chunks is refused
 * before its first frame leaves: 0 or WALK_MALFORMED.
 */
export function verify(p: usize, end: usize): i32 {
  while (p < end) {
    const tag = readVarint(p, end)
    if (readAt == 0) return WALK_MALFORMED
    if (tag == 10) {
      const length = readLength(readAt, end)
      if (readAt == 0) return WALK_MALFORMED
      p = readAt + length
      const start = readAt
      if (!scanSeries(start, p) || !verifyLabels(start, p)) return WALK_MALFORMED
    } else {
      if (tag >> 3 == 1 || (tag >> 3 == 3 && tag != 26)) return WALK_MALFORMED
      skipValue(tag, readAt, end)
      if (readAt == 0) return WALK_MALFORMED
      p = readAt
    }
  }
  return 0
}

function verifyLabels(p: usize, e: usize): bool {
  while (p < e) {
    const tag = readVarint(p, e)
    const from = readAt
    skipValue(tag, from, e)
    p = readAt
    if (tag != 10) continue
    let q = from
    readLength(q, e)
    q = readAt
    while (q < p) {
      const inner = readVarint(q, p)
      if (readAt == 0) return false
      const isNamed = inner >> 3 == 1 || inner >> 3 == 2
      if (isNamed && (inner & 7) != 2) return false
      skipValue(inner, readAt, p)
      if (readAt == 0) return false
      q = readAt
    }
  }
  return true
}

/** Where to cut a large body: the end of the last top-level field at or below `most`, or of the first. */
export function cut(p: usize, end: usize, most: usize): usize {
  let last: usize = 0
  while (p < end) {
    const tag = readVarint(p, end)
    if (readAt == 0) return 0
    skipValue(tag, readAt, end)
    if (readAt == 0) return 0
    p = readAt
    if (p > most && last != 0) return last
    last = p
    if (p > most) return last
  }
  return last
}

/** Lists the rows whose series is new, or not defined yet on its shard's link. */
export function attend(c: usize): void {
  const rows = load<u32>(c, ROW_COUNT)
  const ids: usize = load<u32>(c, COLUMN_IDS)
  const routes: usize = load<u32>(c, ID_ROUTE)
  const shards: usize = load<u32>(c, SHARDS)
  const attention: usize = load<u32>(c, ATTENTION)
  let found: u32 = 0
  let row: usize = load<u32>(c, ROWS)
  for (let i: u32 = 0; i < rows; i++) {
    const id = load<u32>(ids + (load<u32>(row, ROW_FIRST) << 2))
    const route: u32 = load<u8>(routes + id)
    let isDue = route == ROUTE_NEW
    if (route < <u32>ROUTE_REJECTED) {
      const defined: usize = load<u32>(shards + route * SHARD_BYTES, SHARD_DEFINED)
      isDue = ((load<u8>(defined + (id >> 3)) >> (<u8>id & 7)) & 1) == 0
    }
    if (isDue) {
      store<u32>(attention + (found << 2), i)
      found++
    }
    row += ROW_BYTES
  }
  store<u32>(c, found, ATTENTION_COUNT)
}

/** Deals the columns to the shards' open frames; samples refused are counted by reason. */
export function scatter(c: usize): void {
  const samples = load<u32>(c, SAMPLE_COUNT)
  const ids: usize = load<u32>(c, COLUMN_IDS)
  const times: usize = load<u32>(c, COLUMN_TIMES)
  const values: usize = load<u32>(c, COLUMN_VALUES)
  const routes: usize = load<u32>(c, ID_ROUTE)
  const shards: usize = load<u32>(c, SHARDS)
  const timeMax = load<f64>(c, TIME_MAX)
  for (let i: u32 = 0; i < samples; i++) {
    const id = load<u32>(ids + (i << 2))
    const route: u32 = load<u8>(routes + id)
    const time = load<f64>(times + (i << 3))
    if (route >= <u32>ROUTE_REJECTED || time > timeMax) {
      refuse(c, i, route >= <u32>ROUTE_REJECTED ? route & 31 : REASON_FUTURE)
      continue
    }
    const shard = shards + route * SHARD_BYTES
    const at = load<u32>(shard, SHARD_COUNT)
    store<u32>(load<u32>(shard, SHARD_IDS) + (at << 2), id)
    store<f64>(load<u32>(shard, SHARD_TIMES) + (at << 3), time)
    store<u64>(load<u32>(shard, SHARD_VALUES) + (at << 3), load<u64>(values + (i << 3)))
    store<u32>(shard, at + 1, SHARD_COUNT)
  }
}

function refuse(c: usize, index: u32, reason: u32): void {
  count(c, COUNTS + (reason << 2), 1)
  if (load<u32>(c, OFFENDER) != 0xffffffff) return
  store<u32>(c, index, OFFENDER)
  store<u32>(c, reason, OFFENDER_REASON)
}
