/**
 * First pass over an OTLP request: its metrics as a flat list, each with its resource, its scope,
 * and the half of the hash that all of its series share. Data points are stepped over; the second
 * pass (write-request-otlp.ts) then needs no nesting, and may stop and go on anywhere.
 *
 *   ExportMetricsServiceRequest { ResourceMetrics 1 }
 *   ResourceMetrics { Resource resource 1; ScopeMetrics 2; string schema_url 3 }
 *   ScopeMetrics { InstrumentationScope scope 1; Metric metrics 2; string schema_url 3 }
 *   Metric { name 1; description 2; unit 3; gauge 5; sum 7; histogram 9; exponential_histogram 10;
 *            summary 11 }, data { data_points 1; aggregation_temporality 2; is_monotonic 3 }
 */
import { hashHigh, hashLabels, hashLow, mixHash } from './label-hash'
import { addTimes, fillPart, findKnown, knows } from './otlp-known'
import {
  KIND_COUNTER,
  KIND_EXPONENTIAL,
  KIND_GAUGE,
  KIND_HEAD,
  KIND_HISTOGRAM,
  KIND_KNOWN,
  KIND_NONE,
  KIND_SUM,
  KIND_SUMMARY,
  KNOWN_SAMPLES,
  METRIC_BYTES,
  METRIC_COUNTS,
  METRIC_DATA_AT,
  METRIC_DATA_END,
  METRIC_HASH,
  METRIC_HELP_AT,
  METRIC_HELP_LENGTH,
  METRIC_KIND,
  METRIC_MARK,
  METRIC_MODE,
  METRIC_NAME_AT,
  METRIC_NAME_LENGTH,
  METRIC_NOTED,
  METRIC_READ,
  METRIC_RESOURCE,
  METRIC_SCOPE,
  METRIC_TEMPLATE,
  METRIC_UNIT_AT,
  METRIC_UNIT_LENGTH,
  MODE_DELTA,
  MODE_PLAIN,
  MODE_REFUSED,
  OPTION_DELTA_RAW,
  OPTION_DELTA_SUM,
  OPTION_NHCB,
  OPTION_STARTS,
  OTLP_FIELD_AT,
  OTLP_HAS_DELTA,
  OTLP_IS_CUT,
  OTLP_KNOWN_SAMPLES,
  OTLP_METRIC_AT,
  OTLP_METRIC_CAP,
  OTLP_METRIC_COUNT,
  OTLP_METRICS,
  OTLP_OPTIONS,
  OTLP_PART_CAP,
  OTLP_PART_COUNT,
  OTLP_PARTS,
  OTLP_PHASE,
  OTLP_REFUSED,
  OTLP_STAGE,
  OTLP_SUB_AT,
  PART_AT,
  PART_BYTES,
  PART_HAS_INFO,
  PART_HASH,
  PART_IS_RESOURCE,
  PART_LENGTH,
  PART_TIME_MAX,
  PART_TIME_MIN,
  PART_URL_AT,
  PART_URL_LENGTH,
  WALK_TOO_MUCH,
} from './otlp-layout'
import { readAt, readLength, readVarint, skipValue } from './proto'
import {
  END,
  LABEL_LENGTH_MAX,
  OTLP,
  POS,
  REFS_KEY,
  WALK_DONE,
  WALK_MALFORMED,
} from './write-request-layout'

const CUMULATIVE: u64 = 2
const DELTA: u64 = 1
/** Resources that a new one is compared with. */
const RESOURCES_NEAR: u32 = 8

/** Lists the metrics of the body [POS, END): WALK_DONE, WALK_MALFORMED or WALK_TOO_MUCH. */
export function otlpIndex(c: usize): i32 {
  const o: usize = load<u32>(c, OTLP)
  store<u32>(o, 0, OTLP_METRIC_COUNT)
  store<u32>(o, 0, OTLP_PART_COUNT)
  store<u32>(o, 0, OTLP_PHASE)
  store<u32>(o, 0, OTLP_METRIC_AT)
  store<u32>(o, 0, OTLP_FIELD_AT)
  store<u32>(o, 0, OTLP_SUB_AT)
  store<u32>(o, 0, OTLP_HAS_DELTA)
  store<u32>(o, 0, OTLP_REFUSED)
  store<u32>(o, 0, OTLP_IS_CUT)
  store<u32>(o, 0, OTLP_KNOWN_SAMPLES)
  return indexFrom(c, o, load<u32>(c, POS), knows(o))
}

/**
 * Lists the metrics again from entry `index` on, a known ResourceMetrics, in which not all series are as
 * they were. A WALK code.
 */
export function indexAgain(c: usize, o: usize, index: u32): i32 {
  const metric: usize = load<u32>(o, OTLP_METRICS) + index * METRIC_BYTES
  const refused = load<u32>(o, OTLP_REFUSED)
  store<u32>(o, index, OTLP_METRIC_COUNT)
  const code = indexFrom(c, o, load<u32>(metric, METRIC_DATA_AT), false)
  store<u32>(o, refused, OTLP_REFUSED)
  return code
}

function indexFrom(c: usize, o: usize, p: usize, isKnowing: bool): i32 {
  const end: usize = load<u32>(c, END)
  // Samples of what is known at the start of the body stand in the columns at once.
  let isStart = true
  let first: u32 = 0
  while (p < end) {
    const tag = readVarint(p, end)
    if (readAt == 0) return WALK_MALFORMED
    if (tag == 10) {
      const length = readLength(readAt, end)
      if (readAt == 0) return WALK_MALFORMED
      p = readAt + length
      const known = isKnowing ? findKnown(c, o, p - length, p, first) : 0
      if (known != 0) {
        const metric = addKnownResource(c, o, known, p - length, p)
        if (metric == 0) return WALK_TOO_MUCH
        if (isStart) {
          store<u32>(metric, first + 1, METRIC_READ)
          first += load<u32>(known, KNOWN_SAMPLES)
        }
        continue
      }
      isStart = false
      const code = resourceMetrics(c, o, p - length, p, isKnowing)
      if (code != WALK_DONE) return code
    } else {
      if (tag >> 3 == 1) return WALK_MALFORMED
      skipValue(tag, readAt, end)
      if (readAt == 0) return WALK_MALFORMED
      p = readAt
    }
  }
  return WALK_DONE
}

/** What `findOwn` found: the message in field 1, and the text in field 3. */
let ownAt: usize = 0
let ownLength: u32 = 0
let urlAt: usize = 0
let urlLength: u32 = 0

/** Finds what ResourceMetrics and ScopeMetrics say of themselves, wherever it stands. */
function findOwn(p: usize, e: usize): bool {
  ownLength = 0
  urlLength = 0
  ownAt = p
  urlAt = p
  while (p < e) {
    const tag = readVarint(p, e)
    if (readAt == 0) return false
    if (tag >> 3 <= 3 && (tag & 7) != 2) return false
    if (tag == 10 || tag == 26) {
      const length = readLength(readAt, e)
      if (readAt == 0) return false
      if (tag == 10) {
        ownAt = readAt
        ownLength = length
      } else {
        urlAt = readAt
        urlLength = length
      }
      p = readAt + length
    } else {
      skipValue(tag, readAt, e)
      if (readAt == 0) return false
      p = readAt
    }
  }
  return true
}

function resourceMetrics(c: usize, o: usize, from: usize, e: usize, isLearnt: bool): i32 {
  if (!findOwn(from, e)) return WALK_MALFORMED
  const resource = findResource(c, o)
  if (resource == 0) return WALK_TOO_MUCH
  if (load<u32>(resource, PART_HAS_INFO) == 2) return WALK_MALFORMED
  if (isLearnt && addHead(o, KIND_HEAD, resource, from, e) == 0) return WALK_TOO_MUCH
  let p = from
  while (p < e) {
    const tag = readVarint(p, e)
    const at = readAt
    skipValue(tag, at, e)
    const next = readAt
    if (tag == 18) {
      const length = readLength(at, e)
      const code = scopeMetrics(c, o, resource, next - length, next)
      if (code != WALK_DONE) return code
    }
    p = next
  }
  return WALK_DONE
}

/** An entry of the list for a whole ResourceMetrics [p, e); 0 when there is no room. */
function addHead(o: usize, kind: u32, resource: usize, p: usize, e: usize): usize {
  const metric = addMetric(o)
  if (metric == 0) return 0
  store<u32>(metric, kind, METRIC_KIND)
  store<u32>(metric, resource, METRIC_RESOURCE)
  store<u32>(metric, p, METRIC_DATA_AT)
  store<u32>(metric, e, METRIC_DATA_END)
  return metric
}

/** Lists a known ResourceMetrics [p, e), its resource as if it had been read. */
function addKnownResource(c: usize, o: usize, known: usize, p: usize, e: usize): usize {
  const count = load<u32>(o, OTLP_PART_COUNT)
  if (count == load<u32>(o, OTLP_PART_CAP)) return 0
  store<u32>(o, count + 1, OTLP_PART_COUNT)
  const part: usize = load<u32>(o, OTLP_PARTS) + count * PART_BYTES
  fillPart(part, known, p)
  const resource = joinResource(o, part, count, load<u32>(part, PART_HAS_INFO))
  const metric = addHead(o, KIND_KNOWN, resource, p, e)
  if (metric == 0) return 0
  addTimes(resource)
  store<u32>(metric, known, METRIC_TEMPLATE)
  return metric
}

/** The record of the resource just found: that of an equal one shortly before, or a new one. */
function findResource(c: usize, o: usize): usize {
  const count = load<u32>(o, OTLP_PART_COUNT)
  const resource = addPart(c, o)
  if (resource == 0) return 0
  return joinResource(o, resource, count, LOOK)
}

/** What `joinResource` is told when it has to look itself. */
const LOOK: u32 = 0xff

/** The record to use for a resource at place `count`: that of an equal one shortly before, or itself. */
function joinResource(o: usize, resource: usize, count: u32, info: u32): usize {
  const first = count > RESOURCES_NEAR ? count - RESOURCES_NEAR : 0
  for (let i = count; i > first; i--) {
    const near: usize = load<u32>(o, OTLP_PARTS) + (i - 1) * PART_BYTES
    if (load<u32>(near, PART_IS_RESOURCE) == 0 || !isSamePart(near, resource)) continue
    store<u32>(o, count, OTLP_PART_COUNT)
    return near
  }
  store<u32>(resource, 1, PART_IS_RESOURCE)
  store<f64>(resource, f64.POSITIVE_INFINITY, PART_TIME_MIN)
  store<f64>(resource, f64.NEGATIVE_INFINITY, PART_TIME_MAX)
  store<u32>(resource, info == LOOK ? hasInfo(ownAt, ownAt + ownLength) : info, PART_HAS_INFO)
  return resource
}

function isSamePart(a: usize, b: usize): bool {
  return (
    load<u64>(a, PART_HASH) == load<u64>(b, PART_HASH) &&
    load<u64>(a, PART_HASH + 8) == load<u64>(b, PART_HASH + 8)
  )
}

/** A record of what `findOwn` found; 0 when there is no room, or it is of absurd size. */
function addPart(c: usize, o: usize): usize {
  const index = load<u32>(o, OTLP_PART_COUNT)
  const most = load<u32>(c, LABEL_LENGTH_MAX)
  if (index == load<u32>(o, OTLP_PART_CAP) || ownLength > most || urlLength > most) return 0
  store<u32>(o, index + 1, OTLP_PART_COUNT)
  const part: usize = load<u32>(o, OTLP_PARTS) + index * PART_BYTES
  hashText(c, ownAt, ownLength)
  store<u64>(part, hashLow, PART_HASH)
  store<u64>(part, hashHigh, PART_HASH + 8)
  if (urlLength != 0) {
    hashText(c, urlAt, urlLength)
    store<u64>(part, rotl<u64>(load<u64>(part, PART_HASH), 17) + hashLow, PART_HASH)
    store<u64>(part, rotl<u64>(load<u64>(part, PART_HASH + 8), 17) + hashHigh, PART_HASH + 8)
  }
  store<u32>(part, ownAt, PART_AT)
  store<u32>(part, ownLength, PART_LENGTH)
  store<u32>(part, urlAt, PART_URL_AT)
  store<u32>(part, urlLength, PART_URL_LENGTH)
  store<u32>(part, 0, PART_HAS_INFO)
  store<u32>(part, 0, PART_IS_RESOURCE)
  return part
}

/** Hashes bytes and their number. */
function hashText(c: usize, p: usize, length: u32): void {
  hashLabels(c, p, length)
  addLength(c, length)
}

/** `hashLow`, `hashHigh` with a length in it: NH promises nothing for inputs of different lengths. */
function addLength(c: usize, length: u32): void {
  const key: usize = load<u32>(c, REFS_KEY)
  mixHash(load<u64>(key) * <u64>length, load<u64>(key, 8) * <u64>length)
}

/**
 * Whether a resource gets a target_info: it says which one it is (service.name, or
 * service.instance.id) and something more. 1 or 0; 2 when its message is malformed.
 */
function hasInfo(p: usize, e: usize): u32 {
  let isNamed = false
  let others: u32 = 0
  while (p < e) {
    const tag = readVarint(p, e)
    if (readAt == 0) return 2
    const at = readAt
    skipValue(tag, at, e)
    if (readAt == 0) return 2
    const next = readAt
    if (tag == 10) {
      const length = readLength(at, e)
      const key = keyKind(next - length, next)
      if (key < 0) return 2
      if (key == 0) others++
      else if (key == 1) isNamed = true
    }
    p = next
  }
  return isNamed && others > 0 ? 1 : 0
}

/** `service.` as one little-endian word, and what may follow. */
const SERVICE: u64 = 0x2e65636976726573
const NAME: u32 = 0x656d616e
const INSTANCE: u64 = 0x65636e6174736e69
const NAMESPACE: u64 = 0x63617073656d616e

/** Of a key-value: 1 names the resource, 2 belongs to its name, 0 is something else; −1 malformed. */
function keyKind(p: usize, e: usize): i32 {
  while (p < e) {
    const tag = readVarint(p, e)
    if (readAt == 0) return -1
    const at = readAt
    skipValue(tag, at, e)
    if (readAt == 0) return -1
    const next = readAt
    if (tag == 10) {
      const length = readLength(at, e)
      return serviceKey(readAt, length)
    }
    p = next
  }
  return 0
}

function serviceKey(p: usize, length: u32): i32 {
  if (length < 12 || load<u64>(p) != SERVICE) return 0
  if (length == 12) return load<u32>(p, 8) == NAME ? 1 : 0
  if (length == 17) {
    return load<u64>(p, 8) == NAMESPACE && load<u8>(p, 16) == 0x65 ? 2 : 0
  }
  if (length != 19 || load<u64>(p, 8) != INSTANCE) return 0
  return load<u8>(p, 16) == 0x2e && load<u16>(p, 17) == 0x6469 ? 1 : 0
}

function scopeMetrics(c: usize, o: usize, resource: usize, from: usize, e: usize): i32 {
  if (!findOwn(from, e)) return WALK_MALFORMED
  const scope = addPart(c, o)
  if (scope == 0) return WALK_TOO_MUCH
  hashOwners(c, o, resource, scope)
  let p = from
  while (p < e) {
    const tag = readVarint(p, e)
    const at = readAt
    skipValue(tag, at, e)
    const next = readAt
    if (tag == 18) {
      const length = readLength(at, e)
      const metric = addMetric(o)
      if (metric == 0) return WALK_TOO_MUCH
      store<u32>(metric, resource, METRIC_RESOURCE)
      store<u32>(metric, scope, METRIC_SCOPE)
      const code = readMetric(c, o, metric, scope, next - length, next)
      if (code != WALK_DONE) return code
    }
    p = next
  }
  return WALK_DONE
}

function addMetric(o: usize): usize {
  const index = load<u32>(o, OTLP_METRIC_COUNT)
  if (index == load<u32>(o, OTLP_METRIC_CAP)) return 0
  store<u32>(o, index + 1, OTLP_METRIC_COUNT)
  const metric: usize = load<u32>(o, OTLP_METRICS) + index * METRIC_BYTES
  store<u32>(metric, 0, METRIC_KIND)
  store<u32>(metric, MODE_PLAIN, METRIC_MODE)
  store<u64>(metric, 0, METRIC_NAME_AT)
  store<u64>(metric, 0, METRIC_UNIT_AT)
  store<u64>(metric, 0, METRIC_HELP_AT)
  store<u32>(metric, 0, METRIC_NOTED)
  store<u32>(metric, 0, METRIC_COUNTS)
  return metric
}

/** Reads a Metric message but for its points. */
function readMetric(c: usize, o: usize, metric: usize, scope: usize, p: usize, e: usize): i32 {
  let kind: u32 = KIND_NONE
  const start = p
  let head = e
  while (p < e) {
    const fieldAt = p
    const tag = readVarint(p, e)
    if (readAt == 0) return WALK_MALFORMED
    const field = <u32>(tag >> 3)
    if (tag > 0x62 || (tag & 7) != 2) {
      if (field <= 3) return WALK_MALFORMED
      skipValue(tag, readAt, e)
      if (readAt == 0) return WALK_MALFORMED
      p = readAt
      continue
    }
    const length = readLength(readAt, e)
    if (readAt == 0) return WALK_MALFORMED
    const at = readAt
    p = at + length
    const found = kindOf(field)
    if (found != KIND_NONE) {
      kind = found
      // What tells the metric apart stands before its data as a rule.
      head = p == e ? fieldAt : start
      store<u32>(metric, at, METRIC_DATA_AT)
      store<u32>(metric, p, METRIC_DATA_END)
    } else if (field >= 1 && field <= 3) {
      if (length > load<u32>(c, LABEL_LENGTH_MAX)) return WALK_TOO_MUCH
      // Name, description, unit.
      const to = field == 1 ? METRIC_NAME_AT : field == 2 ? METRIC_HELP_AT : METRIC_UNIT_AT
      store<u32>(metric + to, at)
      store<u32>(metric + to, length, 4)
    }
  }
  if (kind == KIND_NONE) return WALK_DONE
  kind = readHead(o, metric, kind)
  if (kind == KIND_NONE) return WALK_MALFORMED
  store<u32>(metric, kind, METRIC_KIND)
  if (head != start && <u32>(head - start) <= load<u32>(c, LABEL_LENGTH_MAX)) {
    hashText(c, start, <u32>(head - start))
  } else {
    hashTexts(c, o, metric)
  }
  nameMetric(c, metric, scope, kind)
  return WALK_DONE
}

function kindOf(field: u32): u32 {
  if (field == 5) return KIND_GAUGE
  if (field == 7) return KIND_COUNTER
  if (field == 9) return KIND_HISTOGRAM
  if (field == 10) return KIND_EXPONENTIAL
  return field == 11 ? KIND_SUMMARY : KIND_NONE
}

/** Reads temporality and monotony, which stand behind the points as a rule; the kind in the end. */
function readHead(o: usize, metric: usize, kind: u32): u32 {
  const hasStarts = u32((load<u32>(o, OTLP_OPTIONS) & OPTION_STARTS) != 0)
  if (kind == KIND_SUMMARY) store<u32>(metric, hasStarts, METRIC_COUNTS)
  if (kind == KIND_GAUGE || kind == KIND_SUMMARY) return kind
  let p: usize = load<u32>(metric, METRIC_DATA_AT)
  const e: usize = load<u32>(metric, METRIC_DATA_END)
  let temporality: u64 = 0
  let isMonotonic = false
  while (p < e) {
    const tag = readVarint(p, e)
    if (readAt == 0) return KIND_NONE
    const at = readAt
    skipValue(tag, at, e)
    if (readAt == 0) return KIND_NONE
    p = readAt
    if (tag == 0x10) temporality = readVarint(at, e)
    else if (tag == 0x18) isMonotonic = readVarint(at, e) != 0
    else if (tag >> 3 == 1 && tag != 10) return KIND_NONE
  }
  store<u32>(metric, modeOf(o, temporality, kind), METRIC_MODE)
  if (kind == KIND_COUNTER && !isMonotonic) return KIND_SUM
  if (temporality == CUMULATIVE) store<u32>(metric, hasStarts, METRIC_COUNTS)
  return kind
}

function modeOf(o: usize, temporality: u64, kind: u32): u32 {
  if (temporality == CUMULATIVE) return MODE_PLAIN
  const options = load<u32>(o, OTLP_OPTIONS)
  // Native histograms are not added up.
  const isNative =
    kind == KIND_EXPONENTIAL || (kind == KIND_HISTOGRAM && (options & OPTION_NHCB) != 0)
  if (temporality == DELTA && (options & OPTION_DELTA_SUM) != 0 && !isNative) {
    store<u32>(o, 1, OTLP_HAS_DELTA)
    return MODE_DELTA
  }
  if (temporality == DELTA && (options & OPTION_DELTA_RAW) != 0) return MODE_PLAIN
  store<u32>(o, load<u32>(o, OTLP_REFUSED) + 1, OTLP_REFUSED)
  return MODE_REFUSED
}

/** Odd. */
const MARK_PRIME: u64 = 0x9e3779b97f4a7c15

/** Hashes a scope with its resource, so that each metric has both in one. */
function hashOwners(c: usize, o: usize, resource: usize, scope: usize): void {
  const stage = o + OTLP_STAGE
  v128.store(stage, v128.load(resource, PART_HASH))
  v128.store(stage, v128.load(scope, PART_HASH), 16)
  hashLabels(c, stage, 32)
  store<u64>(scope, hashLow, PART_HASH)
  store<u64>(scope, hashHigh, PART_HASH + 8)
}

/** Hashes name, description and unit of a metric whose fields come in an order of their own. */
function hashTexts(c: usize, o: usize, metric: usize): void {
  const stage = o + OTLP_STAGE
  hashText(c, load<u32>(metric, METRIC_HELP_AT), load<u32>(metric, METRIC_HELP_LENGTH))
  store<u64>(stage, hashLow)
  store<u64>(stage, hashHigh, 8)
  hashText(c, load<u32>(metric, METRIC_NAME_AT), load<u32>(metric, METRIC_NAME_LENGTH))
  store<u64>(stage, hashLow, 16)
  store<u64>(stage, hashHigh, 24)
  hashText(c, load<u32>(metric, METRIC_UNIT_AT), load<u32>(metric, METRIC_UNIT_LENGTH))
  store<u64>(stage, hashLow, 32)
  store<u64>(stage, hashHigh, 40)
  hashLabels(c, stage, 48)
}

/** What all series of the metric have in their hash, and what its metadata is known by. */
function nameMetric(c: usize, metric: usize, scope: usize, kind: u32): void {
  store<u64>(metric, (hashLow + <u64>kind) * MARK_PRIME, METRIC_MARK)
  const key: usize = load<u32>(c, REFS_KEY)
  // Odd multipliers, so that the parts do not cancel each other, nor a point's attributes.
  const shape = ((<u64>load<u32>(metric, METRIC_MODE)) << 32) | <u64>kind
  const low = hashLow + (load<u64>(scope, PART_HASH) + shape) * (load<u64>(key, 32) | 1)
  const high = hashHigh + (load<u64>(scope, PART_HASH + 8) + shape) * (load<u64>(key, 40) | 1)
  store<u64>(metric, low * (load<u64>(key, 16) | 1), METRIC_HASH)
  store<u64>(metric, high * (load<u64>(key, 24) | 1), METRIC_HASH + 8)
}
