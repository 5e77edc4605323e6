/**
 * Data points of OTLP (opentelemetry.proto.metrics.v1), read in place into module globals: where
 * the attributes are, time, value or counts. Hot: bench/shared/kernels/otlp.bench.ts.
 *
 * Attributes usually lie in one run of fields, and packed lists in one field; what lies apart is put
 * together in the scratch region, so that whoever hashes or reads it later finds one run.
 *
 *   NumberDataPoint    { start 2, time 3, as_double 4, exemplars 5, as_int 6, attributes 7, flags 8 }
 *   HistogramDataPoint { start 2, time 3, count 4, sum 5, bucket_counts 6, explicit_bounds 7,
 *                        exemplars 8, attributes 9, flags 10 }
 *   ExponentialHistogramDataPoint { attributes 1, start 2, time 3, …, flags 10, exemplars 11 }
 *   SummaryDataPoint   { start 2, time 3, count 4, sum 5, quantile_values 6, attributes 7, flags 8 }
 */
import { KIND_EXPONENTIAL, KIND_HISTOGRAM, KIND_SUMMARY } from './otlp-layout'
import { readAt, readLength, readVarint, skipValue } from './proto'
import { SCRATCH_AT } from './write-request-layout'

/** The stale marker. */
const STALE: u64 = 0x7ff0000000000002

/** The attributes of the point at hand: key-value fields of one tag, one after the other. */
export let attrsAt: usize = 0
export let attrsLength: u32 = 0
/** Its time, ms. */
export let pointTime: f64 = 0
/** When its counting began, ms; 0: not said. */
export let pointStart: f64 = 0
/** Value of a number; sum of a histogram or summary; as bits. */
export let valueBits: u64 = 0
/** Whether a histogram has a sum. */
export let hasSum: bool = false
/** Observations, of a histogram or summary. */
export let pointCount: u64 = 0
/** It says that there is no value: a stale marker. */
export let isStale: bool = false
/** Exemplars that it has. */
export let exemplarCount: u32 = 0
/** Counts of buckets (u64) and upper bounds (f64), 8 bytes each. */
export let countsAt: usize = 0
export let countsLength: u32 = 0
export let boundsAt: usize = 0
export let boundsLength: u32 = 0
/** Quantiles of a summary. */
export let quantileCount: u32 = 0

let attrsApart: bool = false
/** Nothing is put together: what is read is only checked. */
let isCheck: bool = false
let countsApart: bool = false
let boundsApart: bool = false

/** The value to store for bits: the stale marker when the point has none. */
export function recorded(bits: u64): u64 {
  return isStale ? STALE : bits
}

/** As `readPoint`, but leaves the scratch region alone: lists in pieces are not to be read after it. */
export function checkPoint(c: usize, kind: u32, p: usize, e: usize): bool {
  isCheck = true
  const isSound = readPoint(c, kind, p, e)
  isCheck = false
  return isSound
}

/** Reads a point of a kind of metric, its fields at [p, e); false when it is malformed. */
export function readPoint(c: usize, kind: u32, p: usize, e: usize): bool {
  attrsAt = p
  attrsLength = 0
  attrsApart = false
  pointTime = 0
  pointStart = 0
  valueBits = 0
  hasSum = false
  isStale = false
  exemplarCount = 0
  if (kind < <u32>KIND_HISTOGRAM) return readNumber(c, p, e)
  pointCount = 0
  countsLength = 0
  boundsLength = 0
  quantileCount = 0
  if (kind == KIND_HISTOGRAM) return readHistogram(c, p, e)
  if (kind == KIND_SUMMARY) return readSummary(c, p, e)
  return kind == KIND_EXPONENTIAL && readExponential(c, p, e)
}

function readNumber(c: usize, from: usize, e: usize): bool {
  let p = from
  while (p < e) {
    const tag: u32 = load<u8>(p)
    if (tag == 0x3a) {
      p = readAttributes(p, e, 0x3a)
    } else if (tag == 0x19 || tag == 0x21 || tag == 0x31 || tag == 0x11) {
      if (<u32>(e - p) < 9) return false
      const bits = load<u64>(p, 1)
      if (tag == 0x19) pointTime = timeOf(bits)
      else if (tag == 0x21) valueBits = bits
      else if (tag == 0x11) pointStart = startOf(bits)
      else valueBits = reinterpret<u64>(<f64>(<i64>bits))
      p += 9
    } else {
      p = readOther(p, e, 0x40, 0x2a)
    }
    if (p == 0) return false
  }
  if (attrsApart) gatherAttributes(c, from, e, 0x3a)
  return true
}

function readHistogram(c: usize, from: usize, e: usize): bool {
  let p = from
  countsApart = false
  boundsApart = false
  while (p < e) {
    const tag: u32 = load<u8>(p)
    if (tag == 0x4a) {
      p = readAttributes(p, e, tag)
    } else if (tag == 0x19 || tag == 0x21 || tag == 0x29 || tag == 0x11) {
      if (<u32>(e - p) < 9) return false
      readTotals(tag, load<u64>(p, 1))
      p += 9
    } else if (tag == 0x32 || tag == 0x3a) {
      const length = readLength(p + 1, e)
      if (readAt == 0 || (length & 7) != 0) return false
      notePacked(tag == 0x32, readAt, length)
      p = readAt + length
    } else if (tag == 0x31 || tag == 0x39) {
      if (<u32>(e - p) < 9) return false
      if (tag == 0x31) countsApart = true
      else boundsApart = true
      p += 9
    } else {
      p = readOther(p, e, 0x50, 0x42)
    }
    if (p == 0) return false
  }
  if (attrsApart) gatherAttributes(c, from, e, 0x4a)
  if (countsApart) {
    countsAt = load<u32>(c, SCRATCH_AT)
    countsLength = gatherPacked(c, from, e, 6)
  }
  if (boundsApart) {
    boundsAt = load<u32>(c, SCRATCH_AT)
    boundsLength = gatherPacked(c, from, e, 7)
  }
  // One bucket more than bounds; none at all is allowed too.
  return countsLength == 0 || countsLength == boundsLength + 8
}

function notePacked(isCounts: bool, at: usize, length: u32): void {
  if (isCounts) {
    if (countsLength != 0) countsApart = true
    countsAt = at
    countsLength = length
  } else {
    if (boundsLength != 0) boundsApart = true
    boundsAt = at
    boundsLength = length
  }
}

function readTotals(tag: u32, bits: u64): void {
  if (tag == 0x19) pointTime = timeOf(bits)
  else if (tag == 0x11) pointStart = startOf(bits)
  else if (tag == 0x21) pointCount = bits
  else {
    valueBits = bits
    hasSum = true
  }
}

function readSummary(c: usize, from: usize, e: usize): bool {
  let p = from
  while (p < e) {
    const tag: u32 = load<u8>(p)
    if (tag == 0x3a) {
      p = readAttributes(p, e, tag)
    } else if (tag == 0x19 || tag == 0x21 || tag == 0x29 || tag == 0x11) {
      if (<u32>(e - p) < 9) return false
      readTotals(tag, load<u64>(p, 1))
      p += 9
    } else if (tag == 0x32) {
      const length = readLength(p + 1, e)
      if (readAt == 0) return false
      p = readAt + length
      if (!readQuantile(p - length, p)) return false
      quantileCount++
    } else {
      p = readOther(p, e, 0x40, 0)
    }
    if (p == 0) return false
  }
  if (attrsApart) gatherAttributes(c, from, e, 0x3a)
  return true
}

/** A quantile and its value, set by `readQuantile`. */
export let quantileAt: usize = 0
export let quantileBits: u64 = 0

/** Reads a ValueAtQuantile message. */
export function readQuantile(p: usize, e: usize): bool {
  quantileBits = 0
  quantileAt = 0
  while (p < e) {
    const tag = readVarint(p, e)
    if (readAt == 0) return false
    const from = readAt
    skipValue(tag, from, e)
    if (readAt == 0) return false
    if (tag == 9) quantileAt = from
    else if (tag == 17) quantileBits = load<u64>(from)
    p = readAt
  }
  return true
}

/** An exponential histogram: the host reads the rest of it. */
function readExponential(c: usize, from: usize, e: usize): bool {
  let p = from
  while (p < e) {
    const tag: u32 = load<u8>(p)
    if (tag == 0x0a) {
      p = readAttributes(p, e, tag)
    } else if (tag == 0x19 || tag == 0x21) {
      if (<u32>(e - p) < 9) return false
      readTotals(tag, load<u64>(p, 1))
      p += 9
    } else {
      p = readOther(p, e, 0x50, 0x5a)
    }
    if (p == 0) return false
  }
  if (attrsApart) gatherAttributes(c, from, e, 0x0a)
  return true
}

/** Notes attributes from the one on whose tag (one byte) is at p; where they end, or 0. */
function readAttributes(p: usize, e: usize, tag: u32): usize {
  if (attrsLength == 0) attrsAt = p
  else if (attrsAt + attrsLength != p) attrsApart = true
  const from = p
  do {
    // Most are below 128 bytes.
    const length: u32 = <u32>(e - p) > 1 ? load<u8>(p, 1) : 0x80
    if (length < 0x80 && length <= <u32>(e - p) - 2) {
      p += 2 + length
    } else {
      const more = readLength(p + 1, e)
      if (readAt == 0) return 0
      p = readAt + more
    }
  } while (p < e && <u32>load<u8>(p) == tag)
  attrsLength += <u32>(p - from)
  return p
}

/** Any other field: flags and exemplars are looked at, the rest is skipped. Where it ends, or 0. */
function readOther(p: usize, e: usize, flagsTag: u64, exemplarTag: u64): usize {
  const tag = readVarint(p, e)
  if (readAt == 0) return 0
  const from = readAt
  if (tag == flagsTag) {
    isStale = (readVarint(from, e) & 1) != 0
    return readAt
  }
  skipValue(tag, from, e)
  if (tag == exemplarTag && readAt != 0) exemplarCount++
  return readAt
}

// Times converted last: points of one export have the same, and a division takes as long as three fields.
let timeNanos: u64 = 0
let timeMillis: f64 = 0
let startNanos: u64 = 0
let startMillis: f64 = 0

/** A time of nanoseconds in milliseconds. */
function timeOf(nanos: u64): f64 {
  if (nanos != timeNanos) {
    timeNanos = nanos
    timeMillis = <f64>(nanos / 1000000)
  }
  return timeMillis
}

/** The same of a start. */
function startOf(nanos: u64): f64 {
  if (nanos != startNanos) {
    startNanos = nanos
    startMillis = <f64>(nanos / 1000000)
  }
  return startMillis
}

/** Puts attributes that lie apart together. The point's framing is sound. */
function gatherAttributes(c: usize, p: usize, e: usize, attributeTag: u64): void {
  if (isCheck) return
  const to: usize = load<u32>(c, SCRATCH_AT)
  let at = to
  while (p < e) {
    const start = p
    const tag = readVarint(p, e)
    skipValue(tag, readAt, e)
    p = readAt
    if (tag != attributeTag) continue
    memory.copy(at, start, p - start)
    at += p - start
  }
  store<u32>(c, at, SCRATCH_AT)
  attrsAt = to
  attrsLength = <u32>(at - to)
}

/** Puts a list of 8-byte values together that came in pieces, packed or not; its length. */
function gatherPacked(c: usize, p: usize, e: usize, field: u64): u32 {
  const to: usize = load<u32>(c, SCRATCH_AT)
  let at = to
  while (p < e) {
    const tag = readVarint(p, e)
    let from = readAt
    skipValue(tag, from, e)
    p = readAt
    if (tag >> 3 != field) continue
    if ((tag & 7) == 2) {
      readLength(from, e)
      from = readAt
    }
    if (!isCheck) memory.copy(at, from, p - from)
    at += p - from
  }
  if (!isCheck) store<u32>(c, at, SCRATCH_AT)
  return <u32>(at - to)
}
