/**
 * Second pass over an OTLP request (the first is otlp-index.ts): data points become rows and
 * columns as in remote write. A known series costs a hash over its attributes' bytes, no label byte
 * is looked at and no string made; the 14 series of a histogram share one. Names and labels of new
 * series are made by the host (actors/distributor/otlp). Hot: bench/shared/kernels/otlp.bench.ts.
 *
 * Phases: points that hold increments, to be added up (in chunks of their own); all others; then
 * target_info, once the times of each resource's points are known.
 */

import { hashHigh, hashLabels, hashLow, isSeries, mixHash } from './label-hash'
import { indexAgain } from './otlp-index'
import { addKnown, fitsKnown, knows, learn } from './otlp-known'
import {
  EXTRA_COUNTS,
  EXTRA_CUSTOM,
  EXTRA_EXEMPLAR,
  EXTRA_EXPONENTIAL,
  INFO_INTERVAL_MS,
  INFO_SAMPLES_MAX,
  KIND_EXPONENTIAL,
  KIND_GAUGE,
  KIND_HEAD,
  KIND_HISTOGRAM,
  KIND_KNOWN,
  KIND_NONE,
  KIND_SUMMARY,
  METRIC_BYTES,
  METRIC_COUNTS,
  METRIC_DATA_AT,
  METRIC_DATA_END,
  METRIC_FIRST,
  METRIC_HASH,
  METRIC_KIND,
  METRIC_MARK,
  METRIC_MODE,
  METRIC_NAME_LENGTH,
  METRIC_NOTED,
  METRIC_RESOURCE,
  METRIC_SCOPE,
  METRIC_UNIT_LENGTH,
  MODE_DELTA,
  MODE_PLAIN,
  OPTION_NHCB,
  OTLP_FIELD_AT,
  OTLP_FLAG,
  OTLP_HAS_DELTA,
  OTLP_IS_CUT,
  OTLP_IS_DELTA,
  OTLP_METRIC_AT,
  OTLP_METRIC_COUNT,
  OTLP_METRICS,
  OTLP_OPTIONS,
  OTLP_PART_COUNT,
  OTLP_PARTS,
  OTLP_PHASE,
  OTLP_PLAIN_END,
  OTLP_POINT_CAP,
  OTLP_POINT_COUNT,
  OTLP_POINTS,
  OTLP_SUB_AT,
  PART_BYTES,
  PART_HAS_INFO,
  PART_HASH,
  PART_LENGTH,
  PART_TIME_MAX,
  PART_TIME_MIN,
  POINT_ATTRS_AT,
  POINT_ATTRS_LENGTH,
  POINT_BOUNDS_AT,
  POINT_BOUNDS_COUNT,
  POINT_BYTES,
  POINT_METRIC,
  POINT_RESOURCE,
  SUB_COUNT,
  SUB_FIRST,
  SUB_SUM,
} from './otlp-layout'
import {
  attrsAt,
  attrsLength,
  boundsAt,
  boundsLength,
  checkPoint,
  countsAt,
  countsLength,
  exemplarCount,
  hasSum,
  isStale,
  pointCount,
  pointStart,
  pointTime,
  quantileAt,
  quantileBits,
  quantileCount,
  readPoint,
  readQuantile,
  recorded,
  valueBits,
} from './otlp-points'
import { readAt, readLength, readVarint, skipValue } from './proto'
import {
  addExtra,
  addMark,
  addRow,
  addSample,
  addStart,
  count,
  fitsLabels,
  fitsStart,
  follow,
  hasStart,
  isFull,
  labelBytes,
  labelsAt,
  labelsLength,
  leave,
  resolve,
  setLabels,
  setSample,
  settle,
} from './request-rows'
import {
  EXEMPLARS,
  EXTRA_COUNT,
  HISTOGRAMS,
  ID_NEXT,
  ID_ROUTE,
  METADATA,
  METADATA_AT,
  METADATA_BYTES,
  METADATA_COUNT,
  OTLP,
  PENDING_COUNT,
  POS,
  REFS_KEY,
  ROUTE_NEW,
  ROUTE_REJECTED,
  ROW_CAP,
  SAMPLE_CAP,
  SAMPLE_COUNT,
  SCRATCH_AT,
  SHARD_BYTES,
  SHARD_DEFINED,
  SHARDS,
  TENANT,
  TENANT_PREVIOUS,
  WALK_DONE,
  WALK_MALFORMED,
  WALK_MORE,
  WALK_ROOM,
} from './write-request-layout'
import { isNoted } from './write-request-v2'

const PHASE_DELTA: u32 = 0
const PHASE_PLAIN: u32 = 1
const PHASE_INFO: u32 = 2
const PHASE_DONE: u32 = 3

/** What a series' labels may be longer than all that it is made of: `le`, names of labels, units. */
const LABELS_MORE: u32 = 512
/** Odd constants that tell the series of one point apart in their hashes. */
const SUB_LOW: u64 = 0x9e3779b97f4a7c15
const SUB_HIGH: u64 = 0xc2b2ae3d27d4eb4f

/** The first half of the hash of the point at hand. */
let pointLow: u64 = 0
let pointHigh: u64 = 0
/** Its record. */
let pointAt: usize = 0
/** Label bytes that a series of it may take. */
let pointBytes: u32 = 0

/** Walks on; gives a WALK code. */
export function walkOtlp(c: usize): i32 {
  const o: usize = load<u32>(c, OTLP)
  const tenant: usize = load<u32>(c, TENANT)
  while (load<u32>(o, OTLP_PHASE) != PHASE_DONE) {
    const phase = load<u32>(o, OTLP_PHASE)
    const isDelta = phase == PHASE_DELTA
    if (isDelta && load<u32>(o, OTLP_HAS_DELTA) == 0) {
      store<u32>(o, PHASE_PLAIN, OTLP_PHASE)
      continue
    }
    store<u32>(o, isDelta ? 1 : 0, OTLP_IS_DELTA)
    const code = phase == PHASE_INFO ? walkInfos(c, o, tenant) : walkMetrics(c, o, tenant)
    if (code != WALK_DONE) return code == WALK_MALFORMED ? code : leaveOtlp(c, tenant, code)
    if (phase == PHASE_PLAIN) store<u32>(o, load<u32>(c, SAMPLE_COUNT), OTLP_PLAIN_END)
    store<u32>(o, phase + 1, OTLP_PHASE)
    store<u32>(o, 0, OTLP_METRIC_AT)
    // What is added up does not share a chunk with what is not.
    if (isDelta) return leaveOtlp(c, tenant, WALK_MORE)
  }
  return leaveOtlp(c, tenant, WALK_DONE)
}

function leaveOtlp(c: usize, tenant: usize, code: i32): i32 {
  leave(c, tenant, load<u32>(c, POS), code)
  const o: usize = load<u32>(c, OTLP)
  if (code != WALK_DONE) store<u32>(o, 1, OTLP_IS_CUT)
  else if (load<u32>(o, OTLP_IS_CUT) == 0 && knows(o)) learn(c, o)
  return code
}

function walkMetrics(c: usize, o: usize, tenant: usize): i32 {
  const mode: u32 = load<u32>(o, OTLP_PHASE) == PHASE_DELTA ? MODE_DELTA : MODE_PLAIN
  for (let i = load<u32>(o, OTLP_METRIC_AT); i < load<u32>(o, OTLP_METRIC_COUNT); i++) {
    const metric: usize = load<u32>(o, OTLP_METRICS) + i * METRIC_BYTES
    const kind = load<u32>(metric, METRIC_KIND)
    if (load<u32>(metric, METRIC_MODE) != mode || kind == KIND_NONE) continue
    const code =
      kind >= <u32>KIND_HEAD ? beginResource(c, o, metric, i) : walkPoints(c, o, tenant, metric)
    if (code == WALK_AGAIN) {
      i--
      continue
    }
    if (code != WALK_DONE) {
      store<u32>(o, i, OTLP_METRIC_AT)
      return code
    }
    store<u32>(o, 0, OTLP_FIELD_AT)
  }
  return WALK_DONE
}

/** A ResourceMetrics begins; where it is a known one its samples are taken. */
function beginResource(c: usize, o: usize, metric: usize, index: u32): i32 {
  store<u32>(metric, load<u32>(c, SAMPLE_COUNT), METRIC_FIRST)
  if (load<u32>(metric, METRIC_KIND) == KIND_HEAD) return WALK_DONE
  if (!fitsKnown(c, metric)) return WALK_MORE
  if (addKnown(c, o, metric)) return WALK_DONE
  // The first of those listed again takes this one's place.
  if (indexAgain(c, o, index) != WALK_DONE) return WALK_MALFORMED
  return WALK_AGAIN
}

/** The entry at hand is another one now. */
const WALK_AGAIN: i32 = 3

function walkPoints(c: usize, o: usize, tenant: usize, metric: usize): i32 {
  const end: usize = load<u32>(metric, METRIC_DATA_END)
  const kind = load<u32>(metric, METRIC_KIND)
  let p: usize = load<u32>(o, OTLP_FIELD_AT)
  if (p == 0) p = load<u32>(metric, METRIC_DATA_AT)
  while (p < end) {
    const start = p
    if (load<u8>(p) != 10) {
      const tag = readVarint(p, end)
      if (readAt == 0 || tag >> 3 == 1) return WALK_MALFORMED
      skipValue(tag, readAt, end)
      if (readAt == 0) return WALK_MALFORMED
      p = readAt
      continue
    }
    const length = readLength(p + 1, end)
    if (readAt == 0) return WALK_MALFORMED
    const from = readAt
    p = from + length
    const scratch = load<u32>(c, SCRATCH_AT)
    if (!readPoint(c, kind, from, p)) return WALK_MALFORMED
    const code = point(c, o, tenant, metric, from, p)
    if (code != WALK_DONE) {
      // It is read again; what was put together for it comes to lie in the same place.
      store<u32>(c, scratch, SCRATCH_AT)
      store<u32>(o, start, OTLP_FIELD_AT)
      return code
    }
    store<u32>(o, 0, OTLP_SUB_AT)
  }
  return WALK_DONE
}

/** Rows and samples of the point that was read. */
function point(c: usize, o: usize, tenant: usize, metric: usize, p: usize, e: usize): i32 {
  if (isFull(c) || load<u32>(o, OTLP_POINT_COUNT) >= load<u32>(o, OTLP_POINT_CAP)) return WALK_MORE
  const resource: usize = load<u32>(metric, METRIC_RESOURCE)
  store<f64>(resource, min(load<f64>(resource, PART_TIME_MIN), pointTime), PART_TIME_MIN)
  store<f64>(resource, max(load<f64>(resource, PART_TIME_MAX), pointTime), PART_TIME_MAX)
  beginPoint(c, o, metric, resource)
  const kind = load<u32>(metric, METRIC_KIND)
  if (kind == KIND_EXPONENTIAL) return extraPoint(c, tenant, metric, p, e, EXTRA_EXPONENTIAL)
  if (kind == KIND_SUMMARY) return summaryPoint(c, o, tenant, metric, p, e)
  if (kind == KIND_HISTOGRAM) {
    if ((load<u32>(o, OTLP_OPTIONS) & OPTION_NHCB) != 0) {
      return extraPoint(c, tenant, metric, p, e, EXTRA_CUSTOM)
    }
    return histogramPoint(c, o, tenant, metric, p, e)
  }
  const code = seriesOf(c, tenant, SUB_SUM, recorded(valueBits))
  if (code != WALK_DONE) return code
  noteMetadata(c, metric)
  if (exemplarCount > 0 && kind != KIND_GAUGE) {
    exemplars(c, p, e, 0x2a, f64.NEGATIVE_INFINITY, f64.POSITIVE_INFINITY)
  }
  return WALK_DONE
}

/** Hashes the point's identity, and notes where its labels come from. */
function beginPoint(c: usize, o: usize, metric: usize, resource: usize): void {
  hashAttributes(c)
  pointLow = hashLow + load<u64>(metric, METRIC_HASH)
  pointHigh = hashHigh + load<u64>(metric, METRIC_HASH + 8)
  if (boundsLength != 0 && load<u32>(metric, METRIC_KIND) == KIND_HISTOGRAM) {
    hashLabels(c, boundsAt, boundsLength)
    const key: usize = load<u32>(c, REFS_KEY)
    mixHash(load<u64>(key) * <u64>boundsLength, load<u64>(key, 8) * <u64>boundsLength)
    pointLow += rotl<u64>(hashLow, 29)
    pointHigh += rotl<u64>(hashHigh, 29)
  }
  const scope: usize = load<u32>(metric, METRIC_SCOPE)
  const texts = load<u32>(metric, METRIC_NAME_LENGTH) + load<u32>(metric, METRIC_UNIT_LENGTH)
  const parts = load<u32>(resource, PART_LENGTH) + load<u32>(scope, PART_LENGTH)
  setPoint(o, metric, resource)
  pointBytes = 2 * (attrsLength + texts + parts) + LABELS_MORE
}

/** Hashes the attributes and their length; those too long for a label set get none. */
function hashAttributes(c: usize): void {
  if (attrsLength > MOST_ATTRIBUTES) {
    hashLabels(c, attrsAt, MOST_ATTRIBUTES)
  } else {
    hashLabels(c, attrsAt, attrsLength)
  }
  const key: usize = load<u32>(c, REFS_KEY)
  mixHash(load<u64>(key) * <u64>attrsLength, load<u64>(key, 8) * <u64>attrsLength)
}

/** Twice this is over any label set's length, so that what is cut off never matters. */
const MOST_ATTRIBUTES: u32 = 1 << 17

function setPoint(o: usize, metric: usize, resource: usize): void {
  const index = load<u32>(o, OTLP_POINT_COUNT)
  store<u32>(o, index + 1, OTLP_POINT_COUNT)
  pointAt = load<u32>(o, OTLP_POINTS) + index * POINT_BYTES
  store<u32>(pointAt, metric, POINT_METRIC)
  store<u32>(pointAt, attrsAt, POINT_ATTRS_AT)
  store<u32>(pointAt, attrsLength, POINT_ATTRS_LENGTH)
  store<u32>(pointAt, boundsAt, POINT_BOUNDS_AT)
  store<u32>(pointAt, boundsLength >> 3, POINT_BOUNDS_COUNT)
  store<u32>(pointAt, resource, POINT_RESOURCE)
}

/** Series `sub` of the point: found or queued; its id, 0 when queued or refused, or a code below 0. */
function find(c: usize, tenant: usize, sub: u32): i32 {
  if (isFull(c)) return -WALK_MORE
  const low = pointLow + SUB_LOW * <u64>sub
  const high = pointHigh + SUB_HIGH * <u64>sub
  const length = sub | OTLP_FLAG
  let guess: u32 = 0
  if (load<u32>(c, PENDING_COUNT) == 0) {
    guess = load<u32>(load<u32>(c, ID_NEXT) + (load<u32>(tenant, TENANT_PREVIOUS) << 2))
    if (guess != 0 && isSeries(c, guess, low, high, length) && isDefined(c, guess)) {
      setLabels(pointAt, length, 0)
      follow(tenant, guess)
      return guess
    }
  }
  if (!fitsLabels(c, pointBytes)) return -WALK_MORE
  setLabels(pointAt, length, pointBytes)
  setHash(low, high)
  const id = resolve(c, tenant, guess, true)
  return id < 0 ? -WALK_ROOM : id
}

/** Makes a hash the one at hand. */
function setHash(low: u64, high: u64): void {
  mixHash(low - hashLow, high - hashHigh)
}

/** Whether a series needs no define on its shard's link, so that its labels take no room there. */
function isDefined(c: usize, id: u32): bool {
  const route: u32 = load<u8>(load<u32>(c, ID_ROUTE) + id)
  if (route >= <u32>ROUTE_REJECTED) return route != <u32>ROUTE_NEW
  const defined: usize = load<u32>(load<u32>(c, SHARDS) + route * SHARD_BYTES, SHARD_DEFINED)
  return ((load<u8>(defined + (id >> 3)) >> (<u8>id & 7)) & 1) == 1
}

/** A row for series `sub` of the point: a sample, after a zero where counting began. */
function seriesOf(c: usize, tenant: usize, sub: u32, value: u64): i32 {
  const metric: usize = load<u32>(pointAt, POINT_METRIC)
  const isQuantile = sub >= <u32>SUB_FIRST && load<u32>(metric, METRIC_KIND) == KIND_SUMMARY
  const start = load<u32>(metric, METRIC_COUNTS) != 0 && !isQuantile && !isStale ? pointStart : 0
  if (start > 0 && load<u32>(c, SAMPLE_COUNT) > 0 && !fitsStart(c)) return WALK_MORE
  const id = find(c, tenant, sub)
  if (id < 0) return -id
  setSample(pointTime, value)
  const isStarted = hasStart(c, start)
  addRow(c, labelsAt, labelsLength, labelBytes, isStarted ? 2 : 1)
  if (isStarted) addStart(c, id, start)
  addSample(c, id)
  return settle(c, tenant)
}

/** Exemplars × buckets of one point, above which its exemplars are not looked at. */
const EXEMPLAR_STEPS_MAX: u32 = 1 << 20

/** `_sum`, `_count` and the buckets; goes on at OTLP_SUB_AT. */
function histogramPoint(c: usize, o: usize, tenant: usize, metric: usize, p: usize, e: usize): i32 {
  // Bounds without counts say nothing.
  const bounds = countsLength == 0 ? 0 : boundsLength >> 3
  const hasExemplars = exemplarCount > 0 && exemplarCount <= EXEMPLAR_STEPS_MAX / (bounds + 1)
  const total: u32 = SUB_FIRST + bounds + 1
  const first = load<u32>(o, OTLP_SUB_AT)
  let cumulative: u64 = 0
  let below = f64.NEGATIVE_INFINITY
  for (let sub: u32 = 0; sub < total; sub++) {
    let bound = f64.POSITIVE_INFINITY
    if (sub >= <u32>SUB_FIRST && sub + 1 < total) {
      const at = (sub - SUB_FIRST) << 3
      bound = load<f64>(boundsAt + at)
      if (at < countsLength) cumulative += load<u64>(countsAt + at)
    }
    // Without buckets there is +Inf alone.
    const isSent = sub != SUB_SUM || hasSum
    if (sub >= first && isSent) {
      const whole = sub == SUB_COUNT || sub + 1 == total ? pointCount : cumulative
      const bits = sub == SUB_SUM ? valueBits : reinterpret<u64>(<f64>whole)
      const code = seriesOf(c, tenant, sub, recorded(bits))
      if (code != WALK_DONE) {
        store<u32>(o, sub, OTLP_SUB_AT)
        return code
      }
      if (sub == SUB_COUNT) noteMetadata(c, metric)
      if (sub >= <u32>SUB_FIRST && hasExemplars) exemplars(c, p, e, 0x42, below, bound)
    }
    if (sub >= <u32>SUB_FIRST) below = bound
  }
  return WALK_DONE
}

/** `_sum`, `_count` and the quantiles; goes on at OTLP_SUB_AT. */
function summaryPoint(
  c: usize,
  o: usize,
  tenant: usize,
  metric: usize,
  from: usize,
  e: usize,
): i32 {
  const first = load<u32>(o, OTLP_SUB_AT)
  const low = pointLow
  const high = pointHigh
  let p = from
  const total: u32 = SUB_FIRST + quantileCount
  for (let sub: u32 = 0; sub < total; sub++) {
    let bits = sub == SUB_SUM ? valueBits : reinterpret<u64>(<f64>pointCount)
    if (sub >= <u32>SUB_FIRST) {
      p = nextField(p, e, 0x32)
      readQuantile(fieldAt, p)
      bits = quantileBits
    }
    if (sub < first) continue
    if (sub >= <u32>SUB_FIRST) {
      if (load<u32>(o, OTLP_POINT_COUNT) >= load<u32>(o, OTLP_POINT_CAP)) {
        store<u32>(o, sub, OTLP_SUB_AT)
        return WALK_MORE
      }
      const quantile = quantileAt == 0 ? 0 : load<u64>(quantileAt)
      setPoint(o, metric, load<u32>(metric, METRIC_RESOURCE))
      store<u32>(pointAt, quantileAt, POINT_BOUNDS_AT)
      pointLow = low + (quantile ^ SUB_HIGH) * SUB_LOW
      pointHigh = high + (quantile ^ SUB_LOW) * SUB_HIGH
    }
    // All quantiles are series SUB_FIRST of points of their own: their order says nothing.
    const code = seriesOf(c, tenant, min(sub, <u32>SUB_FIRST), recorded(bits))
    if (code != WALK_DONE) {
      store<u32>(o, sub, OTLP_SUB_AT)
      return code
    }
    if (sub == SUB_COUNT) noteMetadata(c, metric)
  }
  return WALK_DONE
}

/** A point that becomes a native histogram: the host reads it. */
function extraPoint(c: usize, tenant: usize, metric: usize, p: usize, e: usize, kind: u32): i32 {
  const id = find(c, tenant, SUB_SUM)
  if (id < 0) return -id
  addRow(c, labelsAt, labelsLength, labelBytes, 1)
  addMark(c, id)
  addExtra(c, p, e, kind + load<u32>(metric, METRIC_COUNTS) * <u32>EXTRA_COUNTS)
  count(c, HISTOGRAMS, 1)
  count(c, EXEMPLARS, exemplarCount)
  settle(c, tenant)
  noteMetadata(c, metric)
  return WALK_DONE
}

/** Where the field found by `nextField` begins. */
let fieldAt: usize = 0

/** The end of the next field of a tag at or after p; the message's framing is sound. 0: none. */
function nextField(p: usize, e: usize, wanted: u64): usize {
  while (p < e) {
    const tag = readVarint(p, e)
    const at = readAt
    skipValue(tag, at, e)
    p = readAt
    if (tag != wanted) continue
    const length = readLength(at, e)
    fieldAt = p - length
    return p
  }
  return 0
}

/** Notes the exemplars whose value lies in (below, bound] for the last row. */
function exemplars(c: usize, p: usize, e: usize, tag: u64, below: f64, bound: f64): void {
  while (true) {
    p = nextField(p, e, tag)
    if (p == 0 || load<u32>(c, EXTRA_COUNT) >= load<u32>(c, ROW_CAP)) return
    const value = exemplarValue(fieldAt, p)
    const isLowest = below == f64.NEGATIVE_INFINITY
    if (!(value <= bound) && bound != f64.POSITIVE_INFINITY) continue
    if (!(value > below) && !isLowest) continue
    addExtra(c, fieldAt, p, EXTRA_EXEMPLAR)
    count(c, EXEMPLARS, 1)
  }
}

/** The value of an exemplar: as_double 3, as_int 6. */
function exemplarValue(p: usize, e: usize): f64 {
  let value: f64 = 0
  while (p < e) {
    const tag = readVarint(p, e)
    if (readAt == 0) return 0
    const at = readAt
    skipValue(tag, at, e)
    if (readAt == 0) return 0
    if (tag == 0x19) value = load<f64>(at)
    else if (tag == 0x31) value = <f64>load<i64>(at)
    p = readAt
  }
  return value
}

/** Gives the metric's metadata to the host, unless it had the same not long ago. */
function noteMetadata(c: usize, metric: usize): void {
  if (load<u32>(metric, METRIC_NOTED) != 0) return
  store<u32>(metric, 1, METRIC_NOTED)
  const mark = load<u64>(metric, METRIC_MARK)
  if (isNoted(c, mark, mark >> 7)) return
  const index = load<u32>(c, METADATA_COUNT)
  store<u32>(load<u32>(c, METADATA) + index * METADATA_BYTES, metric, METADATA_AT)
  store<u32>(c, index + 1, METADATA_COUNT)
}

/** target_info of the body's resources, over the times of their points. */
function walkInfos(c: usize, o: usize, tenant: usize): i32 {
  const total = load<u32>(o, OTLP_PART_COUNT)
  for (let i = load<u32>(o, OTLP_METRIC_AT); i < total; i++) {
    const resource: usize = load<u32>(o, OTLP_PARTS) + i * PART_BYTES
    if (load<u32>(resource, PART_HAS_INFO) != 1) continue
    const last = load<f64>(resource, PART_TIME_MAX)
    if (!(last >= load<f64>(resource, PART_TIME_MIN))) continue
    store<u32>(o, i, OTLP_METRIC_AT)
    const code = info(c, o, tenant, resource, last)
    if (code != WALK_DONE) return code
  }
  return WALK_DONE
}

function info(c: usize, o: usize, tenant: usize, resource: usize, last: f64): i32 {
  const first = load<f64>(resource, PART_TIME_MIN)
  const steps = ceil((last - first) / <f64>INFO_INTERVAL_MS)
  const room = load<u32>(c, SAMPLE_CAP)
  const samples: u32 = <u32>min(steps, <f64>(min(room, <u32>INFO_SAMPLES_MAX) - 1)) + 1
  const used = load<u32>(c, SAMPLE_COUNT)
  if (used != 0 && used + samples > room) return WALK_MORE
  if (load<u32>(o, OTLP_POINT_COUNT) >= load<u32>(o, OTLP_POINT_CAP)) return WALK_MORE
  setPoint(o, 0, resource)
  store<u32>(pointAt, 0, POINT_ATTRS_LENGTH)
  pointLow = load<u64>(resource, PART_HASH) * SUB_LOW
  pointHigh = load<u64>(resource, PART_HASH + 8) * SUB_HIGH
  pointBytes = 2 * load<u32>(resource, PART_LENGTH) + LABELS_MORE
  const id = find(c, tenant, SUB_SUM)
  if (id < 0) return -id
  addRow(c, labelsAt, labelsLength, labelBytes, samples)
  for (let i = samples - 1; i > 0; i--) {
    // From the first on when all fit, else the latest of them.
    const at =
      <f64>samples > steps
        ? first + (steps - <f64>i) * <f64>INFO_INTERVAL_MS
        : last - <f64>i * <f64>INFO_INTERVAL_MS
    setSample(at, ONE)
    addSample(c, id)
  }
  setSample(last, ONE)
  addSample(c, id)
  return settle(c, tenant)
}

/** 1.0. */
const ONE: u64 = 0x3ff0000000000000

/** Checks all points, as `verify` does for remote write 1.0: 0 or WALK_MALFORMED. */
export function verifyOtlp(c: usize): i32 {
  const o: usize = load<u32>(c, OTLP)
  const total = load<u32>(o, OTLP_METRIC_COUNT)
  for (let i: u32 = 0; i < total; i++) {
    const metric: usize = load<u32>(o, OTLP_METRICS) + i * METRIC_BYTES
    const kind = load<u32>(metric, METRIC_KIND)
    // What is known has been read before.
    if (kind == KIND_NONE || kind >= <u32>KIND_HEAD) continue
    const end: usize = load<u32>(metric, METRIC_DATA_END)
    let p: usize = load<u32>(metric, METRIC_DATA_AT)
    while (p < end) {
      const tag = readVarint(p, end)
      if (readAt == 0) return WALK_MALFORMED
      const at = readAt
      skipValue(tag, at, end)
      if (readAt == 0 || (tag >> 3 == 1 && tag != 10)) return WALK_MALFORMED
      p = readAt
      if (tag != 10) continue
      const length = readLength(at, end)
      if (!checkPoint(c, kind, p - length, p)) return WALK_MALFORMED
    }
  }
  return 0
}
