/**
 * The walk over remote write 2.0 (io.prometheus.write.v2.Request): symbols are hashed once per
 * body, a series is looked up by the hash over its symbols' hashes. Compared with 1.0 a body is a
 * sixth of the size, and no label byte is touched for a known series.
 *
 *   message Request { repeated string symbols = 4; repeated TimeSeries timeseries = 5 }
 *   message TimeSeries { repeated uint32 labels_refs = 1; repeated Sample samples = 2;
 *                        repeated Histogram histograms = 3; repeated Exemplar exemplars = 4;
 *                        Metadata metadata = 5; int64 created_timestamp = 6 }
 *   message Sample { double value = 1; int64 timestamp = 2; int64 start_timestamp = 3 }
 *   message Metadata { MetricType type = 1; uint32 help_ref = 3; uint32 unit_ref = 4 }
 */
import { hashHigh, hashLow, isSeries } from './label-hash'
import { METRIC_NAME } from './label-set'
import { readAt, readLength, readTag, readVarint, skipValue } from './proto'
import { hashRefs, hashSymbol, refBytes, refCount } from './refs-hash'
import {
  addRow,
  addSample,
  addSeries,
  addStart,
  fitsLabels,
  fitsStart,
  follow,
  hasStart,
  isFull,
  labelBytes,
  labelsAt,
  labelsLength,
  leave,
  readSample,
  resolve,
  resume,
  setLabels,
  settle,
  usualSample,
} from './request-rows'
import {
  END,
  ID_METADATA,
  ID_NEXT,
  METADATA,
  METADATA_AT,
  METADATA_BYTES,
  METADATA_COUNT,
  METADATA_EPOCH,
  METADATA_LABELS,
  METADATA_LABELS_LENGTH,
  METADATA_LENGTH,
  METADATA_SEEN,
  METADATA_SEEN_SLOTS,
  PENDING_COUNT,
  POS,
  REFS_FLAG,
  SAMPLE_COUNT,
  SCRATCH_AT,
  SYMBOL_AT,
  SYMBOL_BYTES,
  SYMBOL_CAP,
  SYMBOL_COUNT,
  SYMBOL_HASH,
  SYMBOL_LENGTH,
  SYMBOLS,
  TENANT,
  TENANT_HASH,
  TENANT_PREVIOUS,
  WALK_DONE,
  WALK_MALFORMED,
  WALK_MORE,
  WALK_ROOM,
} from './write-request-layout'

/** 2^64 ÷ the golden ratio, odd. */
const MIX_PRIME: u64 = 0x9e3779b97f4a7c15

// What `scanSeries` found: references, whether they lie apart, how many of what.
let refsAt: usize = 0
let refsEnd: usize = 0
let refsApart: bool = false
let sampleTotal: u32 = 0
let histogramTotal: u32 = 0
let exemplarTotal: u32 = 0
let metadataAt: usize = 0
let metadataLength: u32 = 0
/** When counting of the series began, ms; 0: not said. */
let seriesStart: f64 = 0

/** Hash of the metadata looked at last; its message, when that is short (length 0: it is not). */
let metadataHash: u64 = 0
let shortLength: u32 = 0
let shortMetadata: u64 = 0

/**
 * Reads the symbols of the body [POS, END) and moves POS on to the first other field: 0, or
 * WALK_MALFORMED when its framing is not sound, the first symbol is not empty, or there are more than
 * SYMBOL_CAP.
 */
export function symbols(c: usize): i32 {
  const end: usize = load<u32>(c, END)
  const most = load<u32>(c, SYMBOL_CAP)
  let p: usize = load<u32>(c, POS)
  let total: u32 = 0
  let other: usize = 0
  shortLength = 0
  while (p < end) {
    const tag = readTag(p, end)
    if (readAt == 0) return WALK_MALFORMED
    if (tag == 34) {
      const length = readLength(readAt, end)
      if (readAt == 0 || total == most || (total == 0 && length != 0)) return WALK_MALFORMED
      hashSymbol(c, total, readAt, length)
      total++
      p = readAt + length
    } else {
      if (tag >> 3 == 4 || (tag >> 3 == 5 && tag != 42)) return WALK_MALFORMED
      if (other == 0) other = p
      skipValue(tag, readAt, end)
      if (readAt == 0) return WALK_MALFORMED
      p = readAt
    }
  }
  store<u32>(c, total, SYMBOL_COUNT)
  store<u32>(c, other == 0 ? end : other, POS)
  return WALK_DONE
}

/** Walks on from POS; gives a WALK code. */
export function walkV2(c: usize): i32 {
  const tenant: usize = load<u32>(c, TENANT)
  const begun = resume(c, tenant)
  if (begun != WALK_DONE) return begun
  const end: usize = load<u32>(c, END)
  let p: usize = load<u32>(c, POS)
  while (p < end) {
    const start = p
    if (isFull(c)) return leave(c, tenant, start, WALK_MORE)
    const tag = readTag(p, end)
    if (tag != 42) {
      skipValue(tag, readAt, end)
      p = readAt
      continue
    }
    const length = readLength(readAt, end)
    p = readAt
    const code = series(c, tenant, p, p + length)
    if (code == WALK_MALFORMED) return code
    if (code == WALK_ROOM) return leave(c, tenant, start, code)
    if (code == NO_ROOM_FOR_LABELS) return leave(c, tenant, start, WALK_MORE)
    p += length
    if (code == WALK_MORE) return leave(c, tenant, p, code)
  }
  return leave(c, tenant, p, WALK_DONE)
}

/** From `series`: its labels do not fit this chunk's defines. */
const NO_ROOM_FOR_LABELS: i32 = 3

/** One series, its fields at [p, e). The usual one: references, a sample, perhaps metadata. */
function series(c: usize, tenant: usize, p: usize, e: usize): i32 {
  if (p < e && load<u8>(p) == 10) {
    const length = readLength(p + 1, e)
    if (readAt == 0) return WALK_MALFORMED
    const from = readAt
    const q = from + length
    const size: u32 = <u32>(e - q) > 1 ? 2 + <u32>load<u8>(q, 1) : u32.MAX_VALUE
    if (size <= <u32>(e - q) && usualSample(q, q + size) && readTrailer(q + size, e)) {
      if (!hashRefs(c, from, q, u32.MAX_VALUE)) return WALK_MALFORMED
      setLabels(from, refCount | REFS_FLAG, refBytes)
      return usualSeries(c, tenant)
    }
  }
  return otherSeries(c, tenant, p, e)
}

/** Whether what follows the sample is at most a metadata message and a start time; both are noted. */
function readTrailer(p: usize, e: usize): bool {
  metadataAt = 0
  seriesStart = 0
  if (p < e && load<u8>(p) == 42) {
    metadataLength = readLength(p + 1, e)
    metadataAt = readAt
    if (metadataAt == 0) return false
    p = metadataAt + metadataLength
  }
  if (p < e && load<u8>(p) == 48) {
    seriesStart = <f64>(<i64>readVarint(p + 1, e))
    if (readAt == 0) return false
    p = readAt
  }
  return p == e
}

function usualSeries(c: usize, tenant: usize): i32 {
  if (lacksRoom(c)) return NO_ROOM_FOR_LABELS
  let guess: u32 = 0
  if (load<u32>(c, PENDING_COUNT) == 0) {
    guess = load<u32>(load<u32>(c, ID_NEXT) + (load<u32>(tenant, TENANT_PREVIOUS) << 2))
    if (guess != 0 && isSeries(c, guess, hashLow, hashHigh, labelsLength)) {
      addUsual(c, guess)
      follow(tenant, guess)
      return metadataAt == 0 || noteMetadata(c, guess) ? WALK_DONE : WALK_MALFORMED
    }
  }
  const id = resolve(c, tenant, guess, true)
  if (id < 0) return WALK_ROOM
  addUsual(c, id)
  if (metadataAt != 0 && !noteMetadata(c, id)) return WALK_MALFORMED
  return settle(c, tenant)
}

/** A row of the sample at hand, and of the start that it tells of. */
function addUsual(c: usize, id: u32): void {
  const isStarted = hasStart(c, seriesStart)
  addRow(c, labelsAt, labelsLength, labelBytes, isStarted ? 2 : 1)
  if (isStarted) addStart(c, id, seriesStart)
  addSample(c, id)
}

/** Whether the chunk has no room for what a series may begin with: then the next one takes it. */
function lacksRoom(c: usize): bool {
  return (
    !fitsLabels(c, labelBytes) ||
    (seriesStart > 0 && load<u32>(c, SAMPLE_COUNT) > 0 && !fitsStart(c))
  )
}

/** A series of another shape. */
function otherSeries(c: usize, tenant: usize, p: usize, e: usize): i32 {
  if (!scanSeries(p, e)) return WALK_MALFORMED
  if (refsApart) gatherRefs(c, p, e)
  if (!hashRefs(c, refsAt, refsEnd, u32.MAX_VALUE)) return WALK_MALFORMED
  setLabels(refsAt, refCount | REFS_FLAG, refBytes)
  const isEmpty = sampleTotal + histogramTotal + exemplarTotal == 0
  if (isEmpty && metadataAt == 0) return WALK_DONE
  if (lacksRoom(c)) return NO_ROOM_FOR_LABELS
  if (isEmpty) return noteMetadata(c, 0) ? WALK_DONE : WALK_MALFORMED
  const id = resolve(c, tenant, 0, true)
  if (id < 0) return WALK_ROOM
  if (metadataAt != 0 && !noteMetadata(c, id)) return WALK_MALFORMED
  if (refsApart) store<u32>(c, refsEnd, SCRATCH_AT)
  return addSeries(c, tenant, id, p, e, sampleTotal, histogramTotal, exemplarTotal, seriesStart)
}

/** Reads a series of any shape: false when it is malformed. */
function scanSeries(p: usize, e: usize): bool {
  refsAt = p
  refsEnd = p
  refsApart = false
  sampleTotal = 0
  histogramTotal = 0
  exemplarTotal = 0
  metadataAt = 0
  seriesStart = 0
  while (p < e) {
    const tag = readVarint(p, e)
    if (readAt == 0) return false
    const field = tag >> 3
    if (tag == 8) {
      // References one by one: allowed, though nobody sends them so.
      refsApart = true
      readVarint(readAt, e)
      if (readAt == 0) return false
      p = readAt
    } else if (field >= 1 && field <= 5) {
      if ((tag & 7) != 2) return false
      const size = readLength(readAt, e)
      if (readAt == 0) return false
      p = readAt + size
      if (field == 1) {
        if (refsEnd != refsAt) refsApart = true
        refsAt = readAt
        refsEnd = p
      } else if (field == 2) {
        if (!readSample(readAt, p)) return false
        sampleTotal++
      } else if (field == 3) histogramTotal++
      else if (field == 4) exemplarTotal++
      else {
        metadataAt = readAt
        metadataLength = size
      }
    } else {
      if (tag == 48) seriesStart = <f64>(<i64>readVarint(readAt, e))
      else skipValue(tag, readAt, e)
      if (readAt == 0) return false
      p = readAt
    }
  }
  if (seriesStart < 0) seriesStart = 0
  return true
}

/** Puts references that lie apart together, in the scratch region. */
function gatherRefs(c: usize, p: usize, e: usize): void {
  const to: usize = load<u32>(c, SCRATCH_AT)
  let at = to
  while (p < e) {
    const tag = readVarint(p, e)
    let from = readAt
    skipValue(tag, from, e)
    p = readAt
    if (tag != 8 && tag != 10) continue
    if (tag == 10) {
      readLength(from, e)
      from = readAt
    }
    memory.copy(at, from, p - from)
    at += p - from
  }
  refsAt = to
  refsEnd = at
}

/**
 * Gives the metadata at hand to the host, unless it had the same for this id not long ago. False
 * when it is malformed.
 */
function noteMetadata(c: usize, id: u32): bool {
  if (!isAsBefore() && !hashMetadata(c)) return false
  if (id != 0) {
    const mark = <u32>(metadataHash >> 32) ^ load<u32>(c, METADATA_EPOCH)
    const cell: usize = load<u32>(c, ID_METADATA) + (id << 2)
    if (load<u32>(cell) == mark) return true
    store<u32>(cell, mark)
  }
  if (isSeen(c, metadataHash)) return true
  const index = load<u32>(c, METADATA_COUNT)
  const at: usize = load<u32>(c, METADATA) + index * METADATA_BYTES
  store<u32>(at, metadataAt, METADATA_AT)
  store<u32>(at, metadataLength, METADATA_LENGTH)
  store<u32>(at, labelsAt, METADATA_LABELS)
  store<u32>(at, labelsLength, METADATA_LABELS_LENGTH)
  store<u32>(c, index + 1, METADATA_COUNT)
  return true
}

/** Whether the message at hand is short and that of the series before; series of one metric say the same. */
function isAsBefore(): bool {
  if (metadataLength - 1 >= 8) {
    shortLength = 0
    return false
  }
  const word = load<u64>(metadataAt) & (u64.MAX_VALUE >> <u64>(64 - 8 * metadataLength))
  if (metadataLength == shortLength && word == shortMetadata) return true
  shortLength = metadataLength
  shortMetadata = word
  return false
}

/** Hashes the metadata at hand; false when it is malformed. */
function hashMetadata(c: usize): bool {
  let type: u64 = 0
  let help: u64 = 0
  let unit: u64 = 0
  let p = metadataAt
  const e = p + metadataLength
  while (p < e) {
    const tag = readTag(p, e)
    if (readAt == 0) return false
    p = readAt
    if (tag == 8 || tag == 24 || tag == 32) {
      const value = readTag(p, e)
      if (readAt == 0) return false
      if (tag == 8) type = value
      else if (tag == 24) help = value
      else unit = value
    } else {
      skipValue(tag, p, e)
      if (readAt == 0) return false
    }
    p = readAt
  }
  const known = load<u32>(c, SYMBOL_COUNT)
  if (help >= <u64>known || unit >= <u64>known) return false
  const rows: usize = load<u32>(c, SYMBOLS)
  const helpHash = load<u64>(rows + <usize>help * SYMBOL_BYTES, SYMBOL_HASH)
  const unitHash = load<u64>(rows + <usize>unit * SYMBOL_BYTES, SYMBOL_HASH)
  metadataHash = (helpHash ^ rotl<u64>(unitHash, 21) ^ type) * MIX_PRIME
  return true
}

/** Whether the host had this metadata for the metric at hand not long ago; it has from now on. */
function isSeen(c: usize, metadata: u64): bool {
  return isNoted(c, metricHash(c, labelsAt, labelsLength ^ REFS_FLAG), metadata)
}

/**
 * Whether a metric's metadata was noted not long ago; if not it is from now on. Both are hashes.
 *
 * Its place is one of eight, a cache line: with one alone two metrics of a hundred share it in three
 * processes of ten, and push each other out in every body. The lowest byte of a key tells its epoch.
 */
export function isNoted(c: usize, metric: u64, metadata: u64): bool {
  const tenant = ((<u64>load<u32>(c, TENANT)) << 32) | <u64>load<u32>(c, TENANT_HASH)
  const epoch: u64 = load<u32>(c, METADATA_EPOCH)
  let key = (metric ^ tenant ^ epoch) * MIX_PRIME
  key = (key ^ (key >> 29) ^ metadata) * MIX_PRIME
  key = (key & ~0xff) | (epoch & 0xff)
  const line = <u32>(key >> 40) & (METADATA_SEEN_SLOTS / 8 - 1)
  const cells: usize = load<u32>(c, METADATA_SEEN) + (line << 6)
  let free: usize = <usize>(key >> 8) & 56
  for (let i: usize = 0; i < 64; i += 8) {
    const cell = load<u64>(cells + i)
    if (cell == key) return true
    if (cell == 0 || (cell & 0xff) != (epoch & 0xff)) free = i
  }
  store<u64>(cells + free, key)
  return false
}

/** Hash of the metric name among references that have been checked; 0 without one. */
function metricHash(c: usize, p: usize, refs: u32): u64 {
  const rows: usize = load<u32>(c, SYMBOLS)
  for (let i: u32 = 0; i < refs; i += 2) {
    const name = rows + <usize>readVarint(p, p + 10) * SYMBOL_BYTES
    const value = rows + <usize>readVarint(readAt, readAt + 10) * SYMBOL_BYTES
    p = readAt
    if (load<u32>(name, SYMBOL_LENGTH) != 8) continue
    if (load<u64>(load<u32>(name, SYMBOL_AT)) == METRIC_NAME) return load<u64>(value, SYMBOL_HASH)
  }
  return 0
}

/** Checks what `walkV2` has not seen yet, as `verify` does for 1.0: 0 or WALK_MALFORMED. */
export function verifyV2(c: usize, p: usize, end: usize): i32 {
  while (p < end) {
    const tag = readVarint(p, end)
    const from = readAt
    skipValue(tag, from, end)
    p = readAt
    if (tag != 42) continue
    readLength(from, end)
    if (!scanSeries(readAt, p)) return WALK_MALFORMED
    // Scratch is not touched: nothing is put there for good.
    if (refsApart) gatherRefs(c, from, p)
    if (!hashRefs(c, refsAt, refsEnd, u32.MAX_VALUE)) return WALK_MALFORMED
  }
  return 0
}
