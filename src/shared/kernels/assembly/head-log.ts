/**
 * Log records (docs/formats/wal.md), assembled in the log buffer of the head's memory and written
 * from there with one call. The batch header is the caller's (tsdb/wal/writer.ts).
 *
 * A series is known to the log by a number of its own, given when its record is first written; 0
 * means that the log does not know it yet.
 */
import {
  BATCH_HEADER_BYTES,
  H_COLUMN_CAP,
  H_LOG,
  H_LOG_AT,
  H_LOG_BYTES,
  H_NEW,
  H_NEW_COUNT,
  H_NEXT_LOG_REF,
  H_OOO_REFS,
  H_OOO_TIMES,
  H_OOO_VALUES,
  H_REFS,
  H_TENANTS,
  H_TIMES,
  H_VALUES,
  LOG_REFS,
  RECORD_HEADER_BYTES,
  RECORD_OUT_OF_ORDER,
  RECORD_SAMPLES,
  RECORD_SERIES,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
  TENANT_ROW_BYTES,
} from '../head-layout'
import { labelRow, pairRow } from './head-intern'
import { isRun, isTile, LANES } from './head-tiles'

/** Numbers of tiles that are written at once are below: the last of eight must not wrap. */
const NUMBER_END: u32 = 0xfffffff0

/** Empties the log buffer and the list of series that were new to the log. */
export function logBegin(): void {
  store<u32>(H_LOG_AT, BATCH_HEADER_BYTES)
  store<u32>(H_NEW_COUNT, 0)
}

function logRefAt(ref: u32): u32 {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  return slab + LOG_REFS + ((ref & SERIES_SLAB_MASK) << 2)
}

export function logRef(ref: u32): u32 {
  return load<u32>(logRefAt(ref))
}

/** Notes by which number the log knows a series (replay of the shard's own log). */
export function setLogRef(ref: u32, number: u32): void {
  store<u32>(logRefAt(ref), number)
  if (number >= load<u32>(H_NEXT_LOG_REF)) store<u32>(H_NEXT_LOG_REF, number + 1)
}

/** Forgets the numbers given since logBegin: the write failed. They are not used again. */
export function logForget(): void {
  const list = load<u32>(H_NEW)
  const count = load<u32>(H_NEW_COUNT)
  for (let i: u32 = 0; i < count; i++) store<u32>(logRefAt(load<u32>(list + (i << 2))), 0)
  store<u32>(H_NEW_COUNT, 0)
}

/**
 * Adds columns [from, from + n) of one tenant: a series record for those that the log does not
 * know, then a samples record.
 * @returns false when the buffer is full; then nothing is added
 */
export function logSamples(tenant: u32, from: u32, n: u32): bool {
  useInOrder()
  return addColumns(tenant, from, n, RECORD_SAMPLES)
}

/**
 * The same for columns [from, from + n) and out-of-order columns [lateFrom, lateFrom + lateN), whose
 * record is of a kind of its own.
 */
export function logFrame(tenant: u32, from: u32, n: u32, lateFrom: u32, lateN: u32): bool {
  const mark = load<u32>(H_LOG_AT)
  const before = load<u32>(H_NEW_COUNT)
  if (n > 0 && !logSamples(tenant, from, n)) return false
  if (lateN == 0) return true
  useOutOfOrder()
  if (addColumns(tenant, lateFrom, lateN, RECORD_OUT_OF_ORDER)) return true
  takeBack(mark, before)
  return false
}

/** Adds the series of columns [from, from + n) that the log does not know; false without room. */
export function logSeries(tenant: u32, from: u32, n: u32): bool {
  const mark = load<u32>(H_LOG_AT)
  const before = load<u32>(H_NEW_COUNT)
  useInOrder()
  if (addSeries(tenant, from, n)) return true
  takeBack(mark, before)
  return false
}

// The columns in use.
let refsAt: u32 = 0
let timesAt: u32 = 0
let valuesAt: u32 = 0

function useInOrder(): void {
  refsAt = load<u32>(H_REFS)
  timesAt = load<u32>(H_TIMES)
  valuesAt = load<u32>(H_VALUES)
}

function useOutOfOrder(): void {
  refsAt = load<u32>(H_OOO_REFS)
  timesAt = load<u32>(H_OOO_TIMES)
  valuesAt = load<u32>(H_OOO_VALUES)
}

function addColumns(tenant: u32, from: u32, n: u32, kind: u32): bool {
  const mark = load<u32>(H_LOG_AT)
  const before = load<u32>(H_NEW_COUNT)
  // As a rule the log knows all of them.
  if (addSamples(from, n, kind)) return true
  if (addSeries(tenant, from, n) && addSamples(from, n, kind)) return true
  takeBack(mark, before)
  return false
}

/** Empties the log buffer down to a mark, and forgets the series numbers given since. */
function takeBack(mark: u32, before: u32): void {
  const list = load<u32>(H_NEW)
  const count = load<u32>(H_NEW_COUNT)
  for (let i = before; i < count; i++) store<u32>(logRefAt(load<u32>(list + (i << 2))), 0)
  store<u32>(H_NEW_COUNT, before)
  store<u32>(H_LOG_AT, mark)
}

function room(): u32 {
  return load<u32>(H_LOG_BYTES) - load<u32>(H_LOG_AT)
}

function addSeries(tenant: u32, from: u32, n: u32): bool {
  const refs = refsAt
  const list = load<u32>(H_NEW)
  const first = load<u32>(H_NEW_COUNT)
  let count = first
  let next = load<u32>(H_NEXT_LOG_REF)
  for (let i = from; i < from + n; i++) {
    const ref = load<u32>(refs + (i << 2))
    const cell = logRefAt(ref)
    if (load<u32>(cell) != 0) continue
    if (count >= load<u32>(H_COLUMN_CAP)) break
    store<u32>(cell, next++)
    store<u32>(list + (count << 2), ref)
    count++
  }
  store<u32>(H_NEXT_LOG_REF, next)
  store<u32>(H_NEW_COUNT, count)
  return count == first || writeSeries(tenant, list + (first << 2), count - first)
}

/** Payload: tenant length u32, count u32, tenant, then per series number, labels, bytes, labels. */
function writeSeries(tenant: u32, list: u32, count: u32): bool {
  const row = load<u32>(H_TENANTS) + tenant * TENANT_ROW_BYTES
  const nameLength = load<u32>(row, 4)
  const log = load<u32>(H_LOG)
  const start = log + load<u32>(H_LOG_AT)
  const end = log + load<u32>(H_LOG_BYTES)
  if (room() < u32(RECORD_HEADER_BYTES) + 8 + nameLength) return false
  let p = start + RECORD_HEADER_BYTES
  store<u32>(p, nameLength)
  store<u32>(p, count, 4)
  memory.copy(p + 8, load<u32>(row), nameLength)
  p += 8 + nameLength
  for (let i: u32 = 0; i < count; i++) {
    const ref = load<u32>(list + (i << 2))
    const labels = labelRow(ref)
    const pairs = load<u32>(labels)
    let bytes: u32 = 0
    for (let k: u32 = 1; k <= pairs; k++) {
      bytes += u32(load<u16>(pairRow(load<u32>(labels + (k << 2))), 4))
    }
    if (bytes + 16 > end - p) return false
    p = putVarint(p, u64(load<u32>(logRefAt(ref))))
    p = putVarint(p, u64(pairs))
    p = putVarint(p, u64(bytes))
    for (let k: u32 = 1; k <= pairs; k++) {
      const pair = pairRow(load<u32>(labels + (k << 2)))
      const length = u32(load<u16>(pair, 4))
      memory.copy(p, load<u32>(pair), length)
      p += length
    }
  }
  store<u32>(start, RECORD_SERIES)
  store<u32>(start, p - start - RECORD_HEADER_BYTES, 4)
  store<u32>(H_LOG_AT, p - log)
  return true
}

/**
 * Payload: base time i64, count u32, zero u32, then per sample two zigzag varints and 8 bytes.
 * @returns false, and nothing done, without room or when the log does not know one of the series
 */
function addSamples(from: u32, n: u32, kind: u32): bool {
  const refs = refsAt
  const times = timesAt
  const values = valuesAt
  const log = load<u32>(H_LOG)
  const start = log + load<u32>(H_LOG_AT)
  if (u64(room()) < RECORD_HEADER_BYTES + 16 + u64(n) * 24) return false
  const base = i64(load<f64>(times + (from << 3)))
  let p = start + RECORD_HEADER_BYTES
  store<i64>(p, base)
  store<u32>(p, n, 8)
  store<u32>(p, 0, 12)
  p += 16
  let previous: i64 = 0
  const end = from + n
  for (let i = from; i < end; i++) {
    const ref = load<u32>(refs + (i << 2))
    const cell = logRefAt(ref)
    const number = i64(load<u32>(cell))
    if (
      end - i >= LANES &&
      isTile(refs + (i << 2), ref) &&
      u32(number) - 1 < NUMBER_END &&
      isRun(cell, u32(number))
    ) {
      const done = addTile(p, number - previous, times + (i << 3), values + (i << 3), f64(base))
      if (done != 0) {
        p = done
        previous = number + LANES - 1
        i += LANES - 1
        continue
      }
    }
    if (number == 0) return false
    p = putZigzag(p, number - previous)
    previous = number
    p = putZigzag(p, i64(load<f64>(times + (i << 3))) - base)
    store<u64>(p, load<u64>(values + (i << 3)))
    p += 8
  }
  store<u32>(start, kind)
  store<u32>(start, p - start - RECORD_HEADER_BYTES, 4)
  store<u32>(H_LOG_AT, p - log)
  return true
}

/**
 * Puts the samples of a tile whose numbers follow one another, the first one by `step` after the one
 * before, when their times take two bytes at most.
 * @returns where they end, 0 when nothing is done
 */
function addTile(at: u32, step: i64, times: u32, values: u32, base: f64): u32 {
  const z0 = stepsFrom(base, times)
  const z1 = stepsFrom(base, times + 32)
  if (v128.any_true(v128.and(v128.or(z0, z1), i32x4.splat(~0x3fff)))) return 0
  const w0 = varints(z0)
  const w1 = varints(z1)
  let p = putZigzag(at, step)
  const first = u32(i32x4.extract_lane(w0, 0))
  store<u16>(p, first >> 8)
  p += 1 + ((first >> 15) & 1)
  store<u64>(p, load<u64>(values))
  p = putSample(p + 8, i32x4.extract_lane(w0, 1), values + 8)
  p = putSample(p, i32x4.extract_lane(w0, 2), values + 16)
  p = putSample(p, i32x4.extract_lane(w0, 3), values + 24)
  p = putSample(p, i32x4.extract_lane(w1, 0), values + 32)
  p = putSample(p, i32x4.extract_lane(w1, 1), values + 40)
  p = putSample(p, i32x4.extract_lane(w1, 2), values + 48)
  return putSample(p, i32x4.extract_lane(w1, 3), values + 56)
}

/** Zigzag of four times' whole milliseconds since `base`; great where that does not fit. */
function stepsFrom(base: f64, times: u32): v128 {
  const from = f64x2.splat(base)
  const a = i32x4.trunc_sat_f64x2_s_zero(f64x2.sub(f64x2.trunc(v128.load(times)), from))
  const b = i32x4.trunc_sat_f64x2_s_zero(f64x2.sub(f64x2.trunc(v128.load(times, 16)), from))
  const steps = v128.shuffle<u64>(a, b, 0, 2)
  return v128.xor(i32x4.shl(steps, 1), i32x4.shr_s(steps, 31))
}

/** Of four numbers below 2^14: the byte of a step of 1, then the number's varint, one byte or two. */
function varints(z: v128): v128 {
  const low = i32x4.shl(v128.and(z, i32x4.splat(127)), 8)
  const high = i32x4.shl(i32x4.shr_u(z, 7), 16)
  const more = v128.and(i32x4.gt_s(z, i32x4.splat(127)), i32x4.splat(0x8000))
  return v128.or(v128.or(low, high), v128.or(more, i32x4.splat(2)))
}

function putSample(p: u32, varint: i32, value: u32): u32 {
  store<u32>(p, varint)
  p += 2 + ((u32(varint) >> 15) & 1)
  store<u64>(p, load<u64>(value))
  return p + 8
}

function putVarint(p: u32, v: u64): u32 {
  while (v > 127) {
    store<u8>(p++, u8(v) | 128)
    v >>= 7
  }
  store<u8>(p, u8(v))
  return p + 1
}

function putZigzag(p: u32, v: i64): u32 {
  const z = u64((v << 1) ^ (v >> 63))
  if (z < 128) {
    store<u8>(p, u8(z))
    return p + 1
  }
  return putVarint(p, z)
}

let cursor: u32 = 0

/** A zigzag varint at `cursor`, of ten bytes at most; moves the cursor past `end` when malformed. */
function takeZigzag(end: u32): i64 {
  let z: u64 = 0
  let shift: u64 = 0
  while (cursor < end && shift < 70) {
    const byte = u64(load<u8>(cursor++))
    z |= (byte & 127) << shift
    if (byte < 128) return i64(z >> 1) ^ -i64(z & 1)
    shift += 7
  }
  cursor = end + 1
  return 0
}

/**
 * Decodes the payload of a samples record to the columns from `from` on; refs are the log's
 * numbers still.
 * @returns samples, or -1 when the record is malformed or does not fit
 */
export function logDecode(p: u32, length: u32, from: u32): i32 {
  useInOrder()
  return decodeColumns(p, length, from)
}

/** The same for an out-of-order record, to the columns for such samples. */
export function logDecodeOutOfOrder(p: u32, length: u32, from: u32): i32 {
  useOutOfOrder()
  return decodeColumns(p, length, from)
}

function decodeColumns(p: u32, length: u32, from: u32): i32 {
  if (length < 16) return -1
  const end = p + length
  const base = load<i64>(p)
  const n = load<u32>(p, 8)
  if (n > (length - 16) / 10 || from + n > load<u32>(H_COLUMN_CAP)) return -1
  const refs = refsAt
  const times = timesAt
  const values = valuesAt
  cursor = p + 16
  let number: i64 = 0
  for (let i = from; i < from + n; i++) {
    number += takeZigzag(end)
    const t = base + takeZigzag(end)
    if (cursor > end || end - cursor < 8 || number < 1 || number > 0xffffffff) return -1
    store<u32>(refs + (i << 2), u32(number))
    store<f64>(times + (i << 3), f64(t))
    store<u64>(values + (i << 3), load<u64>(cursor))
    cursor += 8
  }
  return cursor == end ? i32(n) : -1
}
