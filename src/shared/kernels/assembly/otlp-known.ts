/**
 * What senders repeat: a ResourceMetrics whose bytes are those of one walked before, but for times,
 * values and counts, is not read again. Its *template* says which bytes must be equal, where times
 * and values lie, and the ids of the series in the order of their samples. All other bytes are
 * compared, so a template stands for exactly what it was made of; the hash only finds it. (docs/decisions/0029)
 *
 * Templates are made of what the walk has just read, and only when they give the very samples that
 * it gave. They hold numbers and explicit histograms; whatever else a ResourceMetrics has keeps it
 * from having one. Hot: bench/actors/distributor/otlp.bench.ts.
 */
import { equalBytes, hashHigh, hashLabels, hashLow } from './label-hash'
import {
  EPOCH_BUDGET,
  KIND_HEAD,
  KIND_KNOWN,
  KNOWN_BYTES,
  KNOWN_EPOCH,
  KNOWN_HAS_INFO,
  KNOWN_HASH,
  KNOWN_KEY,
  KNOWN_LENGTH,
  KNOWN_OPTIONS,
  KNOWN_OWN_AT,
  KNOWN_OWN_LENGTH,
  KNOWN_RUNS,
  KNOWN_SAMPLES,
  KNOWN_SLOTS,
  KNOWN_STAMP,
  KNOWN_STATIC,
  KNOWN_URL_AT,
  KNOWN_URL_LENGTH,
  METRIC_BYTES,
  METRIC_DATA_AT,
  METRIC_DATA_END,
  METRIC_FIRST,
  METRIC_KIND,
  METRIC_READ,
  METRIC_RESOURCE,
  METRIC_TEMPLATE,
  OPTION_KNOWS,
  OPTION_NHCB,
  OPTION_STARTS,
  OTLP_ARENA,
  OTLP_ARENA_AT,
  OTLP_ARENA_END,
  OTLP_BUDGET,
  OTLP_EPOCH,
  OTLP_IS_CUT,
  OTLP_KNOWN_SAMPLES,
  OTLP_METRIC_COUNT,
  OTLP_METRICS,
  OTLP_OPTIONS,
  OTLP_PLAIN_END,
  OTLP_STAMP,
  OTLP_TABLE,
  OTLP_WIPED,
  PART_AT,
  PART_HAS_INFO,
  PART_HASH,
  PART_LENGTH,
  PART_TIME_MAX,
  PART_TIME_MIN,
  PART_URL_AT,
  PART_URL_LENGTH,
} from './otlp-layout'
import { readAt, readLength, readVarint, skipValue } from './proto'
import {
  COLUMN_IDS,
  COLUMN_TIMES,
  COLUMN_VALUES,
  ID_ROUTE,
  LABEL_LENGTH_MAX,
  METADATA_EPOCH,
  ROUTE_NEW,
  ROUTE_REJECTED,
  SAMPLE_CAP,
  SAMPLE_COUNT,
  SHARD_BYTES,
  SHARD_DEFINED,
  SHARDS,
  TENANT,
  TENANT_PREVIOUS,
  TENANT_STAMP,
  TIME_MAX,
  TIME_MIN,
} from './write-request-layout'

/** Slots that are looked at for a template. */
const PROBES: u32 = 4
/** Odd. */
const KEY_PRIME: u64 = 0x9e3779b97f4a7c15
const STAMP_PRIME: u64 = 0xc2b2ae3d27d4eb4f

// What follows the fixed bytes of a run: bytes of no meaning; a number's time, the tag of its value (in
// the next eight bits) and the value, and maybe start and tag of the time before them; nothing, but
// all that a point's record speaks of has been passed. When counting began may change: nobody reads it.
const RUN_SKIP: u32 = 0
const RUN_DOUBLE: u32 = 1
const RUN_INT: u32 = 2
const RUN_POINT: u32 = 3
const RUN_BYTES: usize = 16

// Kinds of points with a record: kind (and number of buckets), where its time is and its value; of a
// histogram where time, sum (0: none), count and counts of buckets are; ids of its series.
const POINT_DOUBLE: u32 = 1
const POINT_INT: u32 = 2
const POINT_HISTOGRAM: u32 = 3

/** Whether templates are used for the body at hand. */
export function knows(o: usize): bool {
  const options = load<u32>(o, OTLP_OPTIONS)
  return (options & OPTION_KNOWS) != 0 && (options & OPTION_STARTS) == 0
}

/** What templates are found by: resource, length and tenant; 0: none can be. */
function keyOf(c: usize, o: usize, p: usize, e: usize): u64 {
  if (p >= e || load<u8>(p) != 10) return 0
  const length = readLength(p + 1, e)
  if (readAt == 0 || length > load<u32>(c, LABEL_LENGTH_MAX)) return 0
  hashLabels(c, readAt, length)
  return (hashLow + <u64>(e - p) * KEY_PRIME + <u64>stampOf(c, o) * STAMP_PRIME) | 1
}

/** A number that the tenant has until its ids are given to others. */
function stampOf(c: usize, o: usize): u32 {
  const tenant: usize = load<u32>(c, TENANT)
  let stamp = load<u32>(tenant, TENANT_STAMP)
  if (stamp == 0) {
    stamp = load<u32>(o, OTLP_STAMP) + 1
    store<u32>(o, stamp, OTLP_STAMP)
    store<u32>(tenant, stamp, TENANT_STAMP)
  }
  return stamp
}

function slotOf(o: usize, key: u64, probe: u32): usize {
  const slot = (<u32>((key * KEY_PRIME) >> 40) + probe) & (KNOWN_SLOTS - 1)
  return load<u32>(o, OTLP_TABLE) + (slot << 2)
}

/**
 * The template of the ResourceMetrics [p, e), whatever its values; 0: none. Its samples stand in the
 * columns from `index` on then, if there is room for them, without being counted.
 */
export function findKnown(c: usize, o: usize, p: usize, e: usize, index: u32): usize {
  const key = keyOf(c, o, p, e)
  if (key == 0) return 0
  for (let probe: u32 = 0; probe < PROBES; probe++) {
    const known: usize = load<u32>(slotOf(o, key, probe))
    if (known == 0) return 0
    if (
      isKey(c, o, known, key, p, e) &&
      load<u32>(known, KNOWN_EPOCH) == load<u32>(c, METADATA_EPOCH) &&
      load<u32>(known, KNOWN_SAMPLES) <= load<u32>(c, SAMPLE_CAP) - index &&
      readSamples(c, known, p, index, true)
    ) {
      return known
    }
  }
  return 0
}

function isKey(c: usize, o: usize, known: usize, key: u64, p: usize, e: usize): bool {
  return (
    load<u64>(known, KNOWN_KEY) == key &&
    load<u32>(known, KNOWN_LENGTH) == <u32>(e - p) &&
    load<u32>(known, KNOWN_OPTIONS) == load<u32>(o, OTLP_OPTIONS) &&
    load<u32>(known, KNOWN_STAMP) == stampOf(c, o)
  )
}

/** Gives a resource's record what the template knows of it; its message begins at p. */
export function fillPart(part: usize, known: usize, p: usize): void {
  v128.store(part, v128.load(known, KNOWN_HASH), PART_HASH)
  store<u32>(part, <u32>p + load<u32>(known, KNOWN_OWN_AT), PART_AT)
  store<u32>(part, load<u32>(known, KNOWN_OWN_LENGTH), PART_LENGTH)
  store<u32>(part, <u32>p + load<u32>(known, KNOWN_URL_AT), PART_URL_AT)
  store<u32>(part, load<u32>(known, KNOWN_URL_LENGTH), PART_URL_LENGTH)
  store<u32>(part, load<u32>(known, KNOWN_HAS_INFO), PART_HAS_INFO)
}

/** Whether the samples of a known ResourceMetrics fit the chunk. */
export function fitsKnown(c: usize, metric: usize): bool {
  const known: usize = load<u32>(metric, METRIC_TEMPLATE)
  return load<u32>(known, KNOWN_SAMPLES) <= load<u32>(c, SAMPLE_CAP) - load<u32>(c, SAMPLE_COUNT)
}

/** Counts the samples of the ResourceMetrics found last as those of a resource's record. */
export function addTimes(resource: usize): void {
  store<f64>(resource, min(load<f64>(resource, PART_TIME_MIN), earliest), PART_TIME_MIN)
  store<f64>(resource, max(load<f64>(resource, PART_TIME_MAX), latest), PART_TIME_MAX)
}

/**
 * Appends the samples of a known ResourceMetrics to the columns. False, and nothing appended, when
 * not all of its series are as they were; its template is let go of then.
 */
export function addKnown(c: usize, o: usize, metric: usize): bool {
  const known: usize = load<u32>(metric, METRIC_TEMPLATE)
  const index = load<u32>(c, SAMPLE_COUNT)
  // Those at the start of a body stand in the columns since they were found.
  const isRead = load<u32>(metric, METRIC_READ) == index + 1 && load<u32>(o, OTLP_IS_CUT) == 0
  if (!isRead) {
    const isSame = load<u32>(known, KNOWN_STAMP) == stampOf(c, o)
    if (!isSame || !readSamples(c, known, load<u32>(metric, METRIC_DATA_AT), index, true)) {
      store<u32>(known, 0, KNOWN_STAMP)
      return false
    }
  }
  const count = load<u32>(known, KNOWN_SAMPLES)
  store<u32>(c, index + count, SAMPLE_COUNT)
  const last = load<u32>(load<u32>(c, COLUMN_IDS) + ((index + count - 1) << 2))
  store<u32>(load<u32>(c, TENANT), last, TENANT_PREVIOUS)
  store<u32>(o, load<u32>(o, OTLP_KNOWN_SAMPLES) + count, OTLP_KNOWN_SAMPLES)
  return true
}

/** The times of the samples that `readSamples` has read, ms. */
let earliest: f64 = 0
let latest: f64 = 0

/**
 * Reads the samples of the ResourceMetrics at `from` into the columns, from `index` on, while its other
 * bytes are compared.
 *
 * @param isChecked series must be defined on their shards' links
 * @returns false when it is not as its template says, a time is out of bounds, or a series is not defined
 */
function readSamples(c: usize, known: usize, from: usize, index: u32, isChecked: bool): bool {
  const ids: usize = load<u32>(c, COLUMN_IDS)
  const times: usize = load<u32>(c, COLUMN_TIMES)
  const values: usize = load<u32>(c, COLUMN_VALUES)
  beginTimes()
  let p = from
  let fixed: usize = load<u32>(known, KNOWN_STATIC)
  let run: usize = load<u32>(known, KNOWN_RUNS)
  const end = fixed
  while (run < end) {
    const length = load<u32>(run)
    if (!equalBytes(p, fixed, length)) return false
    p += length
    fixed += length
    const what = load<u32>(run, 8)
    if (what == RUN_POINT) {
      const count = readPoint(c, load<u32>(run, 12), from, index, isChecked)
      if (count == 0) return false
      index += count
    } else if (what != RUN_SKIP) {
      const id = load<u32>(run, 12)
      // The value stands at the end, the time before it, and when counting began may be the first.
      const value = p + load<u32>(run, 4) - 8
      if (<u32>load<u8>(value - 1) != what >> 8 || !hasTime(c, load<u64>(value - 9))) return false
      if (value - p > 9 && load<u8>(value - 10) != 0x19) return false
      if (isChecked && !isReady(c, id)) return false
      const bits = load<u64>(value)
      store<u32>(ids + (index << 2), id)
      store<f64>(times + (index << 3), pointMs)
      const sample = (what & 0xff) == RUN_DOUBLE ? bits : reinterpret<u64>(<f64>(<i64>bits))
      store<u64>(values + (index << 3), sample)
      index++
    }
    p += load<u32>(run, 4)
    run += RUN_BYTES
  }
  return true
}

// The time read last: points of one export have the same.
let pointNanos: u64 = 0
let pointMs: f64 = 0

function beginTimes(): void {
  earliest = f64.POSITIVE_INFINITY
  latest = f64.NEGATIVE_INFINITY
  pointMs = -1
}

/** Makes a time the one at hand; false when it is out of bounds. */
function hasTime(c: usize, nanos: u64): bool {
  if (nanos == pointNanos && pointMs >= 0) return true
  pointNanos = nanos
  pointMs = <f64>(nanos / 1000000)
  earliest = min(earliest, pointMs)
  latest = max(latest, pointMs)
  return pointMs <= load<f64>(c, TIME_MAX) && pointMs >= load<f64>(c, TIME_MIN)
}

/** The samples of a point with a record, as the walk gives them; how many, or 0. */
function readPoint(c: usize, point: usize, p: usize, index: u32, isChecked: bool): u32 {
  const kind = load<u32>(point) & 0xff
  if (!hasTime(c, load<u64>(p + load<u32>(point, 4)))) return 0
  if (kind != POINT_HISTOGRAM) {
    const bits = load<u64>(p + load<u32>(point, 8))
    const value = kind == POINT_DOUBLE ? bits : reinterpret<u64>(<f64>(<i64>bits))
    return put(c, index, load<u32>(point, 12), value, isChecked) ? 1 : 0
  }
  const buckets = load<u32>(point) >> 8
  const sumAt = load<u32>(point, 8)
  const count = reinterpret<u64>(<f64>load<u64>(p + load<u32>(point, 12)))
  const countsAt = p + load<u32>(point, 16)
  let id = point + 20
  const first = index
  if (sumAt != 0) {
    if (!put(c, index++, load<u32>(id), load<u64>(p + sumAt), isChecked)) return 0
    id += 4
  }
  if (!put(c, index++, load<u32>(id), count, isChecked)) return 0
  id += 4
  let cumulative: u64 = 0
  for (let i: u32 = 0; i + 1 < buckets; i++) {
    cumulative += load<u64>(countsAt + (i << 3))
    if (!put(c, index++, load<u32>(id), reinterpret<u64>(<f64>cumulative), isChecked)) return 0
    id += 4
  }
  if (!put(c, index++, load<u32>(id), count, isChecked)) return 0
  return index - first
}

/** A sample at the time at hand; false when its series must be defined and is not. */
function put(c: usize, index: u32, id: u32, value: u64, isChecked: bool): bool {
  if (isChecked && !isReady(c, id)) return false
  store<u32>(load<u32>(c, COLUMN_IDS) + (index << 2), id)
  store<f64>(load<u32>(c, COLUMN_TIMES) + (index << 3), pointMs)
  store<u64>(load<u32>(c, COLUMN_VALUES) + (index << 3), value)
  return true
}

/** Whether a series has a shard, on whose link it is defined. */
function isReady(c: usize, id: u32): bool {
  const route: u32 = load<u8>(load<u32>(c, ID_ROUTE) + id)
  if (route >= <u32>ROUTE_REJECTED) return false
  const defined: usize = load<u32>(load<u32>(c, SHARDS) + route * SHARD_BYTES, SHARD_DEFINED)
  return ((load<u8>(defined + (id >> 3)) >> (<u8>id & 7)) & 1) == 1
}

/** Makes templates of what was walked in this chunk, which has all of the body. */
export function learn(c: usize, o: usize): void {
  const epoch = load<u32>(c, METADATA_EPOCH)
  if (load<u32>(o, OTLP_EPOCH) != epoch) {
    store<u32>(o, epoch, OTLP_EPOCH)
    store<u32>(o, 0, OTLP_WIPED)
    const room = load<u32>(o, OTLP_ARENA_END) - load<u32>(o, OTLP_ARENA)
    store<u32>(o, room * EPOCH_BUDGET, OTLP_BUDGET)
  }
  const total = load<u32>(o, OTLP_METRIC_COUNT)
  let end = load<u32>(o, OTLP_PLAIN_END)
  for (let i = total; i > 0; i--) {
    const metric: usize = load<u32>(o, OTLP_METRICS) + (i - 1) * METRIC_BYTES
    const kind = load<u32>(metric, METRIC_KIND)
    if (kind != KIND_HEAD && kind != KIND_KNOWN) continue
    const first = load<u32>(metric, METRIC_FIRST)
    if (kind == KIND_HEAD && end > first) learnOne(c, o, metric, first, end - first)
    end = first
  }
}

/** Makes a template of a ResourceMetrics, of which `count` samples are in the columns from `first` on. */
function learnOne(c: usize, o: usize, metric: usize, first: u32, count: u32): void {
  const p: usize = load<u32>(metric, METRIC_DATA_AT)
  const e: usize = load<u32>(metric, METRIC_DATA_END)
  const budget = load<u32>(o, OTLP_BUDGET)
  if (<u32>(e - p) > budget || !areRouted(c, first, count)) return
  store<u32>(o, budget - <u32>(e - p), OTLP_BUDGET)
  const key = keyOf(c, o, p, e)
  if (key == 0) return
  if (isRefreshed(c, o, key, p, e)) return
  isWriting = false
  if (!readShape(o, p, e) || sampleTotal != count) return
  const known = take(o)
  if (known == 0) return
  nextId = load<u32>(c, COLUMN_IDS) + (first << 2)
  isWriting = true
  readShape(o, p, e)
  isWriting = false
  describe(c, o, known, metric)
  store<u64>(known, key, KNOWN_KEY)
  if (!givesTheSame(c, known, p, first, count)) return
  store<u32>(o, <u32>known + neededBytes(), OTLP_ARENA_AT)
  enter(c, o, key, known)
}

/** Whether there is a template, which needed no more than to be told of metadata. */
function isRefreshed(c: usize, o: usize, key: u64, p: usize, e: usize): bool {
  const index = load<u32>(c, SAMPLE_COUNT)
  for (let probe: u32 = 0; probe < PROBES; probe++) {
    const known: usize = load<u32>(slotOf(o, key, probe))
    if (known == 0) return false
    if (!isKey(c, o, known, key, p, e)) continue
    if (load<u32>(known, KNOWN_SAMPLES) > load<u32>(c, SAMPLE_CAP) - index) continue
    if (!readSamples(c, known, p, index, false)) continue
    store<u32>(known, load<u32>(c, METADATA_EPOCH), KNOWN_EPOCH)
    return true
  }
  return false
}

/** Whether all series are known to be stored, or new. */
function areRouted(c: usize, first: u32, count: u32): bool {
  const ids = load<u32>(c, COLUMN_IDS) + (first << 2)
  for (let i: u32 = 0; i < count; i++) {
    const route: u32 = load<u8>(load<u32>(c, ID_ROUTE) + load<u32>(ids + (i << 2)))
    if (route >= <u32>ROUTE_REJECTED && route != <u32>ROUTE_NEW) return false
  }
  return true
}

function describe(c: usize, o: usize, known: usize, metric: usize): void {
  const p = load<u32>(metric, METRIC_DATA_AT)
  const resource: usize = load<u32>(metric, METRIC_RESOURCE)
  store<u32>(known, stampOf(c, o), KNOWN_STAMP)
  store<u32>(known, load<u32>(o, OTLP_OPTIONS), KNOWN_OPTIONS)
  store<u32>(known, load<u32>(metric, METRIC_DATA_END) - p, KNOWN_LENGTH)
  store<u32>(known, sampleTotal, KNOWN_SAMPLES)
  store<u32>(known, load<u32>(c, METADATA_EPOCH), KNOWN_EPOCH)
  v128.store(known, v128.load(resource, PART_HASH), KNOWN_HASH)
  store<u32>(known, ownAt - p, KNOWN_OWN_AT)
  store<u32>(known, ownLength, KNOWN_OWN_LENGTH)
  store<u32>(known, urlAt - p, KNOWN_URL_AT)
  store<u32>(known, urlLength, KNOWN_URL_LENGTH)
  store<u32>(known, load<u32>(resource, PART_HAS_INFO), KNOWN_HAS_INFO)
}

/** Whether a template gives what the walk gave. Tried behind the chunk's samples, where there is room. */
function givesTheSame(c: usize, known: usize, p: usize, first: u32, count: u32): bool {
  const index = load<u32>(c, SAMPLE_COUNT)
  if (count > load<u32>(c, SAMPLE_CAP) - index) return false
  if (!readSamples(c, known, p, index, false)) return false
  return (
    isSameColumn(load<u32>(c, COLUMN_IDS), first, index, count, 2) &&
    isSameColumn(load<u32>(c, COLUMN_TIMES), first, index, count, 3) &&
    isSameColumn(load<u32>(c, COLUMN_VALUES), first, index, count, 3)
  )
}

function isSameColumn(column: usize, a: u32, b: u32, count: u32, shift: u32): bool {
  return equalBytes(column + (a << shift), column + (b << shift), count << shift)
}

/** Room at the arena's end for the shape just read; 0: none. */
function take(o: usize): usize {
  const bytes = neededBytes()
  if (load<u32>(o, OTLP_ARENA_END) - load<u32>(o, OTLP_ARENA_AT) < bytes) {
    // All of it anew, but not again and again.
    if (load<u32>(o, OTLP_WIPED) != 0) return 0
    store<u32>(o, 1, OTLP_WIPED)
    memory.fill(load<u32>(o, OTLP_TABLE), 0, KNOWN_SLOTS << 2)
    store<u32>(o, load<u32>(o, OTLP_ARENA), OTLP_ARENA_AT)
    if (load<u32>(o, OTLP_ARENA_END) - load<u32>(o, OTLP_ARENA) < bytes) return 0
  }
  const known: usize = load<u32>(o, OTLP_ARENA_AT)
  pointTo = known + KNOWN_BYTES
  runTo = pointTo + pointBytes
  fixedTo = runTo + runBytes
  store<u32>(known, runTo, KNOWN_RUNS)
  store<u32>(known, fixedTo, KNOWN_STATIC)
  return known
}

function neededBytes(): u32 {
  return (KNOWN_BYTES + pointBytes + runBytes + fixedBytes + 15) & ~15
}

function enter(c: usize, o: usize, key: u64, known: usize): void {
  let slot = slotOf(o, key, (<u32>known >> 4) % PROBES)
  for (let probe: u32 = 0; probe < PROBES; probe++) {
    const at = slotOf(o, key, probe)
    const other: usize = load<u32>(at)
    // One that was let go of is in nobody's way.
    if (other != 0 && load<u32>(other, KNOWN_STAMP) != 0) continue
    slot = at
    break
  }
  store<u32>(slot, known)
}

// The shape of a ResourceMetrics: read once to know its size, once more to be written down.
let isWriting: bool = false
let fixedFrom: usize = 0
let base: usize = 0
let sampleTotal: u32 = 0
let pointBytes: u32 = 0
let runBytes: u32 = 0
let fixedBytes: u32 = 0
let pointTo: usize = 0
let runTo: usize = 0
let fixedTo: usize = 0
let nextId: usize = 0
let hasNhcb: bool = false
let ownAt: u32 = 0
let ownLength: u32 = 0
let urlAt: u32 = 0
let urlLength: u32 = 0

let valueAt: usize = 0

/** Passes the field at p, whose value begins at `valueAt`; its tag, or 0 when it is malformed. */
function passField(p: usize, e: usize): u64 {
  const tag = readVarint(p, e)
  if (readAt == 0) return 0
  valueAt = readAt
  skipValue(tag, valueAt, e)
  return readAt == 0 ? 0 : tag
}

/**
 * Reads the shape of [p, e); false when it can have no template. The walk has not looked into all that
 * it passed: of two data of a metric it reads the last.
 */
function readShape(o: usize, p: usize, e: usize): bool {
  hasNhcb = (load<u32>(o, OTLP_OPTIONS) & OPTION_NHCB) != 0
  base = p
  fixedFrom = p
  sampleTotal = 0
  pointBytes = 0
  runBytes = 0
  fixedBytes = 0
  ownAt = <u32>p
  ownLength = 0
  urlAt = <u32>p
  urlLength = 0
  while (p < e) {
    const tag = passField(p, e)
    if (tag == 0) return false
    const at = valueAt
    p = readAt
    if (tag == 18 || tag == 10 || tag == 26) {
      const length = readLength(at, e)
      if (tag == 18 && !readScope(p - length, p)) return false
      if (tag == 10) {
        ownAt = <u32>(p - length)
        ownLength = length
      } else if (tag == 26) {
        urlAt = <u32>(p - length)
        urlLength = length
      }
    }
  }
  addRun(e, 0, RUN_SKIP, 0)
  return true
}

function readScope(p: usize, e: usize): bool {
  while (p < e) {
    const tag = passField(p, e)
    if (tag == 0) return false
    const at = valueAt
    p = readAt
    if (tag != 18) continue
    const length = readLength(at, e)
    if (!readMetric(p - length, p)) return false
  }
  return true
}

/** A metric with one of the data that templates hold, or with none. */
function readMetric(p: usize, e: usize): bool {
  let hasData = false
  while (p < e) {
    const tag = passField(p, e)
    if (tag == 0) return false
    const at = valueAt
    p = readAt
    const field = tag >> 3
    if (field == 10 || field == 11) return false
    if (field != 5 && field != 7 && field != 9) continue
    if (hasData || (field == 9 && hasNhcb)) return false
    hasData = true
    const length = readLength(at, e)
    if (!readData(p - length, p, field == 9)) return false
  }
  return true
}

function readData(p: usize, e: usize, isHistogram: bool): bool {
  while (p < e) {
    const tag = passField(p, e)
    if (tag == 0) return false
    const at = valueAt
    p = readAt
    if (tag != 10) continue
    const length = readLength(at, e)
    if (!(isHistogram ? readBuckets(p - length, p) : readNumber(p - length, p))) return false
  }
  return true
}

/** A number: time and value are told once each. */
function readNumber(p: usize, e: usize): bool {
  let start: usize = 0
  let time: usize = 0
  let value: usize = 0
  let kind: u32 = 0
  while (p < e) {
    const tag = passField(p, e)
    if (tag == 0) return false
    const at = valueAt
    p = readAt
    if (tag == 0x19) {
      if (time != 0) return false
      time = at
    } else if (tag == 0x11) {
      if (start != 0) return false
      start = at
    } else if (tag == 0x21 || tag == 0x31) {
      if (value != 0) return false
      value = at
      kind = tag == 0x21 ? POINT_DOUBLE : POINT_INT
    } else if (tag == 0x2a) return false
  }
  if (time == 0 || value == 0) return false
  if (value == time + 9) {
    const run = kind == POINT_DOUBLE ? RUN_DOUBLE | (0x21 << 8) : RUN_INT | (0x31 << 8)
    const isBegun = start != 0 && time == start + 9
    if (isBegun) addRun(start, 26, run, takeId())
    else addRun(time, 17, run, takeId())
    return true
  }
  addRun(min(time, value), 8, RUN_SKIP, 0)
  addRun(max(time, value), 8, RUN_SKIP, 0)
  addPoint()
  addWord(kind)
  addWord(<u32>(time - base))
  addWord(<u32>(value - base))
  addIds(1)
  return true
}

/** A histogram: time, count, sum and counts of buckets are told once each. */
function readBuckets(p: usize, e: usize): bool {
  let time: usize = 0
  let sum: usize = 0
  let count: usize = 0
  let counts: usize = 0
  let buckets: u32 = 0
  while (p < e) {
    const tag = passField(p, e)
    if (tag == 0) return false
    const at = valueAt
    p = readAt
    if (tag == 0x19) {
      if (time != 0) return false
      time = at
    } else if (tag == 0x21) {
      if (count != 0) return false
      count = at
    } else if (tag == 0x29) {
      if (sum != 0) return false
      sum = at
    } else if (tag == 0x32) {
      if (counts != 0) return false
      const length = readLength(at, e)
      counts = p - length
      buckets = length >> 3
      addRun(counts, length, RUN_SKIP, 0)
      continue
    } else if (tag == 0x42 || tag == 0x31 || tag == 0x39) return false
    // Start, least and greatest value change as they like: nobody reads them.
    else if (tag != 0x11 && tag != 0x59 && tag != 0x61) continue
    addRun(at, 8, RUN_SKIP, 0)
  }
  if (time == 0 || count == 0 || buckets >= 1 << 20) return false
  addPoint()
  addWord(POINT_HISTOGRAM | (buckets << 8))
  addWord(<u32>(time - base))
  addWord(sum == 0 ? 0 : <u32>(sum - base))
  addWord(<u32>(count - base))
  addWord(counts == 0 ? 0 : <u32>(counts - base))
  addIds(max(buckets, 1) + 1 + u32(sum != 0))
  return true
}

/** Bytes that may change from `at` on; all before them are fixed. */
function addRun(at: usize, length: u32, what: u32, more: u32): void {
  const fixed = <u32>(at - fixedFrom)
  if (isWriting) {
    store<u32>(runTo, fixed)
    store<u32>(runTo, length, 4)
    store<u32>(runTo, what, 8)
    store<u32>(runTo, more, 12)
    memory.copy(fixedTo, fixedFrom, fixed)
    runTo += RUN_BYTES
    fixedTo += fixed
  }
  runBytes += <u32>RUN_BYTES
  fixedBytes += fixed
  fixedFrom = at + length
}

/** Has the point's record, which follows, looked at. */
function addPoint(): void {
  addRun(fixedFrom, 0, RUN_POINT, <u32>pointTo)
}

/** The id of the next sample. */
function takeId(): u32 {
  sampleTotal++
  if (!isWriting) return 0
  nextId += 4
  return load<u32>(nextId - 4)
}

function addWord(word: u32): void {
  if (isWriting) {
    store<u32>(pointTo, word)
    pointTo += 4
  }
  pointBytes += 4
}

/** Ids of the next samples. */
function addIds(count: u32): void {
  if (isWriting) {
    memory.copy(pointTo, nextId, count << 2)
    pointTo += count << 2
    nextId += count << 2
  }
  pointBytes += count << 2
  sampleTotal += count
}
