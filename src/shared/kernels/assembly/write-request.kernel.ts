// inline: much
/**
 * The push path's kernel: a compressed remote write 1.0 request in, columns of (series id, time,
 * value bits) out, then those columns dealt to the shards. No object, string or allocation per
 * series or sample; a series that was foretold costs a hash of its label bytes (hot-path benchmark:
 * bench/shared/kernels/write-request.bench.ts).
 *
 * Called by shared/kernels/write-request.ts, which says what the functions promise. All state is in
 * a context (write-request-layout.ts); module globals carry second results only.
 *
 *   message WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3 }
 *   message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2;
 *                        repeated Exemplar exemplars = 3; repeated Histogram histograms = 4 }
 *   message Sample { double value = 1; int64 timestamp = 2 }
 */
import { walkForetold } from './foretold-series'
import { readAt, readLength, readVarint, skipValue } from './proto'
import {
  addRow,
  addSample,
  addSeries,
  count,
  fitsLabels,
  isFull,
  labelsAt,
  labelsLength,
  leave,
  NO_STARTS,
  readSample,
  resolve,
  resume,
  rowAt,
  setLabels,
  settle,
  usualSample,
} from './request-rows'
import {
  ATTENTION,
  ATTENTION_COUNT,
  COLUMN_IDS,
  COLUMN_TIMES,
  COLUMN_VALUES,
  COUNTS,
  END,
  ID_NEXT,
  ID_ROUTE,
  LABEL_LENGTH_MAX,
  METADATA,
  METADATA_AT,
  METADATA_BYTES,
  METADATA_COUNT,
  METADATA_LENGTH,
  OFFENDER,
  OFFENDER_REASON,
  OTHER_COUNT,
  OTHERS,
  PENDING_COUNT,
  PLAIN_ROUTES,
  POS,
  REASON_FUTURE,
  REASON_PAST,
  REASON_RELABEL,
  ROUTE_NEW,
  ROUTE_REJECTED,
  ROW_BYTES,
  ROW_COUNT,
  ROW_FIRST,
  ROW_SAMPLES,
  ROWS,
  SAMPLE_COUNT,
  SCRATCH_AT,
  SHARD_BYTES,
  SHARD_COUNT,
  SHARD_DEFINED,
  SHARD_IDS,
  SHARD_TIMES,
  SHARD_VALUES,
  SHARDS,
  STARTS,
  TENANT,
  TENANT_PREVIOUS,
  TIME_MAX,
  TIME_MIN,
  WALK_DONE,
  WALK_MALFORMED,
  WALK_MORE,
  WALK_ROOM,
} from './write-request-layout'

export { countItems } from './count-items'
export { defineRows, memberOf } from './define-rows'
export { moveSlots } from './label-hash'
export { labelSet } from './label-set'
export { otlpIndex } from './otlp-index'
export { snappyDecompress, snappyDecompressBoth, snappyLength } from './snappy'
export { verifyOtlp, walkOtlp } from './write-request-otlp'
export { symbols, verifyV2, walkV2 } from './write-request-v2'

// What `scanSeries` found.
let labelsApart: bool = false
let sampleTotal: u32 = 0
let histogramTotal: u32 = 0
let exemplarTotal: u32 = 0

/** Walks on from POS; gives a WALK code. */
export function walk(c: usize): i32 {
  const tenant: usize = load<u32>(c, TENANT)
  const begun = resume(c, tenant)
  if (begun != WALK_DONE) return begun
  const end: usize = load<u32>(c, END)
  let p: usize = load<u32>(c, POS)
  while (p < end) {
    if (isFull(c)) return leave(c, tenant, p, WALK_MORE)
    const start = walkForetold(c, tenant, p, end)
    if (start != p) {
      p = start
      continue
    }
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

/** A field of the request that is no series: metadata is noted, the rest skipped. */
function skipTop(c: usize, tag: u64, p: usize, end: usize): usize {
  if (tag >> 3 == 1 || (tag >> 3 == 3 && tag != 26)) return 0
  skipValue(tag, p, end)
  if (tag == 26 && readAt != 0) {
    const length = readLength(p, end)
    const count = load<u32>(c, METADATA_COUNT)
    const at: usize = load<u32>(c, METADATA) + count * METADATA_BYTES
    store<u32>(at, readAt, METADATA_AT)
    store<u32>(at, length, METADATA_LENGTH)
    store<u32>(c, count + 1, METADATA_COUNT)
    return readAt + length
  }
  return readAt
}

/** One series of any shape, its fields at [p, e). */
function series(c: usize, tenant: usize, p: usize, e: usize): i32 {
  let q = p
  while (q < e && load<u8>(q) == 10) {
    const length = readLength(q + 1, e)
    if (readAt == 0) return WALK_MALFORMED
    q = readAt + length
  }
  setLabels(p, <u32>(q - p), <u32>(q - p))
  const isUsual = q > p && q < e && usualSample(q, e)
  let isEmpty = false
  if (!isUsual) {
    if (!scanSeries(p, e)) return WALK_MALFORMED
    isEmpty = sampleTotal + histogramTotal + exemplarTotal == 0
    if (!isEmpty && labelsApart) gatherLabels(c, p, e)
    // Labels that nobody will look at again.
    if (isEmpty && !verifyLabels(p, e)) return WALK_MALFORMED
  }
  if (
    labelsLength > load<u32>(c, LABEL_LENGTH_MAX) &&
    !verifyLabels(labelsAt, labelsAt + labelsLength)
  ) {
    return WALK_MALFORMED
  }
  const isKnown = resolve(c, tenant, foretold(c, tenant), !isEmpty)
  if (isKnown < 0) return WALK_ROOM
  if (isEmpty) return WALK_DONE
  if (isUsual) {
    addRow(c, labelsAt, labelsLength, labelsLength, 1)
    addSample(c, isKnown)
    return settle(c, tenant)
  }
  if (labelsApart) store<u32>(c, labelsAt + labelsLength, SCRATCH_AT)
  return addSeries(c, tenant, isKnown, p, e, sampleTotal, histogramTotal, exemplarTotal, NO_STARTS)
}

/** The series that came after the one before, in the last body; 0 when there is none. */
function foretold(c: usize, tenant: usize): u32 {
  if (load<u32>(c, PENDING_COUNT) != 0) return 0
  return load<u32>(load<u32>(c, ID_NEXT) + (load<u32>(tenant, TENANT_PREVIOUS) << 2))
}

/** Reads a series of any shape: where its labels are, how many of what it has. False: malformed. */
function scanSeries(p: usize, e: usize): bool {
  let labels = p
  let length: u32 = 0
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
      const size = readLength(readAt, e)
      if (readAt == 0) return false
      p = readAt + size
      if (field == 1) {
        if (length == 0) labels = start
        else if (labels + length != start) labelsApart = true
        length += <u32>(p - start)
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
  setLabels(labels, length, length)
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
  setLabels(to, <u32>(at - to), <u32>(at - to))
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
  const rows: usize = load<u32>(c, ROWS)
  const others: usize = load<u32>(c, OTHERS)
  const count = load<u32>(c, OTHER_COUNT)
  const ids: usize = load<u32>(c, COLUMN_IDS)
  const routes: usize = load<u32>(c, ID_ROUTE)
  const shards: usize = load<u32>(c, SHARDS)
  const attention: usize = load<u32>(c, ATTENTION)
  let found: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const row = load<u32>(others + (i << 2))
    const id = load<u32>(ids + (load<u32>(rows + row * ROW_BYTES, ROW_FIRST) << 2))
    const route: u32 = load<u8>(routes + id)
    let isDue = route == ROUTE_NEW
    if (route < <u32>ROUTE_REJECTED) {
      const defined: usize = load<u32>(shards + route * SHARD_BYTES, SHARD_DEFINED)
      isDue = ((load<u8>(defined + (id >> 3)) >> (<u8>id & 7)) & 1) == 0
    }
    if (isDue) {
      store<u32>(attention + (found << 2), row)
      found++
    }
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
  if (areForFirst(c, samples)) {
    memory.copy(load<u32>(shards, SHARD_IDS), ids, samples << 2)
    memory.copy(load<u32>(shards, SHARD_TIMES), times, samples << 3)
    memory.copy(load<u32>(shards, SHARD_VALUES), values, samples << 3)
    store<u32>(shards, samples, SHARD_COUNT)
    return
  }
  const timeMax = load<f64>(c, TIME_MAX)
  const timeMin = load<f64>(c, TIME_MIN)
  for (let i: u32 = 0; i < samples; i++) {
    const id = load<u32>(ids + (i << 2))
    const route: u32 = load<u8>(routes + id)
    const time = load<f64>(times + (i << 3))
    if (route >= <u32>ROUTE_REJECTED || time > timeMax || time < timeMin) {
      const timeReason = time > timeMax ? REASON_FUTURE : REASON_PAST
      refuse(c, i, route >= <u32>ROUTE_REJECTED ? route & 31 : timeReason)
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

/** Whether nothing of a chunk, nearly all of it plain, is refused, and all goes to the first shard. */
function areForFirst(c: usize, samples: u32): bool {
  const count = load<u32>(c, OTHER_COUNT)
  const plain = load<u32>(c, ROW_COUNT) - count
  if (load<u32>(c, PLAIN_ROUTES) != 0 || count > plain >> 2) return false
  const ids: usize = load<u32>(c, COLUMN_IDS)
  const times: usize = load<u32>(c, COLUMN_TIMES)
  const routes: usize = load<u32>(c, ID_ROUTE)
  const timeMax = load<f64>(c, TIME_MAX)
  const timeMin = load<f64>(c, TIME_MIN)
  let seen = plain
  for (let i: u32 = 0; i < count; i++) {
    const row = rowAt(c, load<u32>(load<u32>(c, OTHERS) + (i << 2)))
    const first = load<u32>(row, ROW_FIRST)
    const end = first + load<u32>(row, ROW_SAMPLES)
    if (load<u8>(routes + load<u32>(ids + (first << 2))) != 0) return false
    for (let at = first; at < end; at++) {
      const time = load<f64>(times + (at << 3))
      if (time > timeMax || time < timeMin) return false
    }
    seen += end - first
  }
  // Templates of OTLP have samples without rows.
  return seen == samples
}

function refuse(c: usize, index: u32, reason: u32): void {
  const time = load<f64>(load<u32>(c, COLUMN_TIMES) + (index << 3))
  const isMark = time == f64.POSITIVE_INFINITY
  if (!isMark && time != floor(time)) {
    // The sample that follows says it all.
    store<u32>(c, load<u32>(c, STARTS) - 1, STARTS)
    return
  }
  // What belongs to a mark's series is counted by the host, with the series' route.
  if (isMark && reason == REASON_FUTURE) return
  if (!isMark) count(c, COUNTS + (reason << 2), 1)
  if (load<u32>(c, OFFENDER) != 0xffffffff || reason == REASON_RELABEL) return
  store<u32>(c, index, OFFENDER)
  store<u32>(c, reason, OFFENDER_REASON)
}
