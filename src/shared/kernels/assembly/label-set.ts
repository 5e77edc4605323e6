/**
 * A new series' labels: from the sender's bytes to the form that is defined on links (sorted, no
 * empty values), validated on the way in Mimir's order of checks. Runs once per series and config
 * version; what is said to the sender is worded in actors/distributor/validate.ts.
 */
import { readAt, readLength, readVarint, skipValue } from './proto'
import {
  LABEL_TABLE,
  LABELS_MAX,
  LIMIT_INFO_NAMES,
  LIMIT_NAME_LENGTH,
  LIMIT_NAMES,
  LIMIT_VALUE_LENGTH,
  NAMES_UTF8,
  REASON_DUPLICATE_LABEL,
  REASON_INFO_LABEL_COUNT,
  REASON_LABEL_COUNT,
  REASON_LABEL_INVALID,
  REASON_LABEL_NAME_LONG,
  REASON_MISSING_NAME,
  REASON_NAME_INVALID,
  REASON_VALUE_INVALID,
  REASON_VALUE_LONG,
  REFS_FLAG,
  SET_COUNT,
  SET_HASH,
  SET_LENGTH,
  SET_OFFENDER,
  SYMBOL_AT,
  SYMBOL_BYTES,
  SYMBOL_LENGTH,
  SYMBOLS,
  TENANT_HASH,
} from './write-request-layout'

/** A row of the label table. */
const NAME = 0
const NAME_LENGTH = 4
const VALUE = 8
const VALUE_LENGTH = 12

/** `__name__` as one little-endian word. */
export const METRIC_NAME: u64 = 0x5f5f656d616e5f5f
/** `_info`, its first four bytes and its last. */
const INFO_HEAD: u32 = 0x666e695f
const INFO_LAST: u8 = 0x6f

/** 2^64 ÷ the golden ratio, odd. */
const PLACE_PRIME: u64 = 0x9e3779b97f4a7c15

/**
 * Checks a label set and writes it in canonical form.
 *
 * @param p its label fields, as sent, or (with REFS_FLAG and their number as n) its references
 * @param out room for n + 16 bytes
 * @returns 0, a reason (then nothing is written), or −1 when a label is malformed. Sets SET_LENGTH
 *   (bytes written), SET_COUNT, SET_HASH (of tenant, names and values) and SET_OFFENDER
 */
export function labelSet(c: usize, p: usize, n: u32, out: usize): i32 {
  const table: usize = load<u32>(c, LABEL_TABLE)
  const isRefs = (n & REFS_FLAG) != 0
  const count = isRefs ? readRefs(c, p, n ^ REFS_FLAG, table) : readLabels(p, p + n, table)
  if (count < 0) return -1
  store<u32>(c, count, SET_COUNT)
  store<u32>(c, 0, SET_OFFENDER)
  const reason = checkName(c, table, count)
  if (reason != 0) return reason
  const isDistinct = sortLabels(table, count)
  const labelReason = checkLabels(c, table, count, isDistinct)
  if (labelReason != 0) return labelReason
  writeLabels(c, table, count, out)
  return 0
}

/** Fills the label table, without empty values; returns how many (counted on past its end) or −1. */
function readLabels(p: usize, end: usize, table: usize): i32 {
  let count: i32 = 0
  while (p < end) {
    const tag = readVarint(p, end)
    if (readAt == 0 || tag != 10) return -1
    const length = readLength(readAt, end)
    if (readAt == 0) return -1
    p = readAt
    const row = table + ((<usize>min(count, LABELS_MAX)) << 4)
    if (!readLabel(p, p + length, row)) return -1
    if (load<u32>(row, VALUE_LENGTH) != 0) count++
    p += length
  }
  return count
}

/** The same from references to symbols, which have been checked. */
function readRefs(c: usize, p: usize, n: u32, table: usize): i32 {
  const symbols: usize = load<u32>(c, SYMBOLS)
  let count: i32 = 0
  for (let i: u32 = 0; i < n; i += 2) {
    const row = table + ((<usize>min(count, LABELS_MAX)) << 4)
    for (let part: usize = 0; part < 16; part += 8) {
      const symbol = symbols + <usize>readVarint(p, p + 10) * SYMBOL_BYTES
      p = readAt
      store<u32>(row + part, load<u32>(symbol, SYMBOL_AT))
      store<u32>(row + part, load<u32>(symbol, SYMBOL_LENGTH), 4)
    }
    if (load<u32>(row, VALUE_LENGTH) != 0) count++
  }
  return count
}

function readLabel(p: usize, end: usize, row: usize): bool {
  v128.store(row, i64x2.splat(0))
  while (p < end) {
    const tag = readVarint(p, end)
    if (readAt == 0) return false
    if (tag == 10 || tag == 18) {
      const length = readLength(readAt, end)
      if (readAt == 0) return false
      const at = row + (tag == 10 ? NAME : VALUE)
      store<u32>(at, readAt)
      store<u32>(at, length, 4)
      p = readAt + length
    } else {
      if (tag >> 3 == 1 || tag >> 3 == 2) return false
      skipValue(tag, readAt, end)
      if (readAt == 0) return false
      p = readAt
    }
  }
  return true
}

/** The metric name, and how many labels there are. */
function checkName(c: usize, table: usize, count: i32): i32 {
  const kept = min(count, LABELS_MAX)
  let name: usize = 0
  for (let i = 0; i < kept && name == 0; i++) {
    const row = table + ((<usize>i) << 4)
    if (load<u32>(row, NAME_LENGTH) == 8 && load<u64>(load<u32>(row, NAME)) == METRIC_NAME) {
      name = row
    }
  }
  if (name == 0) return REASON_MISSING_NAME
  store<u32>(c, <u32>(name - table) >> 4, SET_OFFENDER)
  const value: usize = load<u32>(name, VALUE)
  const length = load<u32>(name, VALUE_LENGTH)
  if (load<u32>(c, NAMES_UTF8) != 0 ? !isUtf8(value, length) : !isLegacyName(value, length, true)) {
    return REASON_NAME_INVALID
  }
  if (<u32>count <= load<u32>(c, LIMIT_NAMES) && count <= LABELS_MAX) return 0
  const isInfo =
    length >= 5 &&
    load<u32>(value + length - 5) == INFO_HEAD &&
    load<u8>(value + length - 1) == INFO_LAST
  if (!isInfo) return REASON_LABEL_COUNT
  if (<u32>count > load<u32>(c, LIMIT_INFO_NAMES) || count > LABELS_MAX) {
    return REASON_INFO_LABEL_COUNT
  }
  return 0
}

/** Insertion sort by name: senders sort, so this is one pass. Whether all names are different. */
function sortLabels(table: usize, count: i32): bool {
  let isDistinct = true
  for (let i = 1; i < count; i++) {
    const row = v128.load(table + ((<usize>i) << 4))
    const name: usize = i32x4.extract_lane(row, 0)
    const length: u32 = i32x4.extract_lane(row, 1)
    let to = table + ((<usize>i) << 4)
    while (to > table) {
      const order = compareBytes(load<u32>(to - 16), load<u32>(to - 16, 4), name, length)
      if (order == 0) isDistinct = false
      if (order <= 0) break
      v128.store(to, v128.load(to - 16))
      to -= 16
    }
    v128.store(to, row)
  }
  return isDistinct
}

function compareBytes(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const n = min(aLength, bLength)
  for (let i: u32 = 0; i < n; i += 8) {
    const x = load<u64>(a + i)
    const y = load<u64>(b + i)
    if (x == y) continue
    // What lies behind their ends may differ as well.
    const at = i + (<u32>ctz<u64>(x ^ y) >> 3)
    return at < n ? <i32>load<u8>(a + at) - <i32>load<u8>(b + at) : <i32>aLength - <i32>bLength
  }
  return <i32>aLength - <i32>bLength
}

function checkLabels(c: usize, table: usize, count: i32, isDistinct: bool): i32 {
  const anyName = load<u32>(c, NAMES_UTF8) != 0
  const nameMax = load<u32>(c, LIMIT_NAME_LENGTH)
  const valueMax = load<u32>(c, LIMIT_VALUE_LENGTH)
  for (let i = 0; i < count; i++) {
    const row = table + ((<usize>i) << 4)
    store<u32>(c, i, SET_OFFENDER)
    const name: usize = load<u32>(row, NAME)
    const length = load<u32>(row, NAME_LENGTH)
    const isValid = anyName ? length > 0 && isUtf8(name, length) : isLegacyName(name, length, false)
    if (!isValid) return REASON_LABEL_INVALID
    if (length > nameMax) return REASON_LABEL_NAME_LONG
    if (!isUtf8(load<u32>(row, VALUE), load<u32>(row, VALUE_LENGTH))) return REASON_VALUE_INVALID
    if (load<u32>(row, VALUE_LENGTH) > valueMax) return REASON_VALUE_LONG
    if (
      !isDistinct &&
      i > 0 &&
      compareBytes(load<u32>(row - 16, NAME), load<u32>(row - 16, NAME_LENGTH), name, length) == 0
    ) {
      return REASON_DUPLICATE_LABEL
    }
  }
  return 0
}

/** [a-zA-Z_][a-zA-Z0-9_]*, with colons too in a metric name. */
function isLegacyName(p: usize, length: u32, colons: bool): bool {
  if (length == 0) return false
  const first = load<u8>(p)
  if (first >= 0x30 && first <= 0x39) return false
  // 0x3a is the colon, and comes after the digits.
  const digits = i8x16.splat(colons ? 0x3a - 0x30 : 0x39 - 0x30)
  for (let i: u32 = 0; i < length; i += 16) {
    const bytes = v128.load(p + i)
    const folded = i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61))
    const isLetter = i8x16.le_u(folded, i8x16.splat(25))
    const isDigit = i8x16.le_u(i8x16.sub(bytes, i8x16.splat(0x30)), digits)
    const isLine = i8x16.eq(bytes, i8x16.splat(0x5f))
    const wrong = ~i8x16.bitmask(v128.or(v128.or(isLetter, isDigit), isLine))
    if ((wrong & bitsOf(length - i)) != 0) return false
  }
  return true
}

/** A bit for each of the bytes that are left, 16 at most. */
function bitsOf(left: u32): i32 {
  return left >= 16 ? 0xffff : (1 << left) - 1
}

function isAscii(p: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i += 16) {
    if ((i8x16.bitmask(v128.load(p + i)) & bitsOf(length - i)) != 0) return false
  }
  return true
}

/** Well-formed UTF-8 as Go sees it: shortest forms, no surrogates, up to U+10FFFF. */
function isUtf8(p: usize, length: u32): bool {
  if (isAscii(p, length)) return true
  const end = p + length
  while (p < end) {
    if (<u32>(end - p) >= 8 && (load<u64>(p) & 0x8080808080808080) == 0) {
      p += 8
      continue
    }
    const byte: u32 = load<u8>(p)
    if (byte < 0x80) {
      p++
      continue
    }
    const size: u32 = byte < 0xc2 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 0
    if (size == 0 || size > <u32>(end - p)) return false
    const second: u32 = load<u8>(p, 1)
    const least: u32 = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80
    const most: u32 = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf
    if (second < least || second > most) return false
    if (size > 2 && (load<u8>(p, 2) & 0xc0) != 0x80) return false
    if (size > 3 && (load<u8>(p, 3) & 0xc0) != 0x80) return false
    p += size
  }
  return true
}

function writeLabels(c: usize, table: usize, count: i32, out: usize): void {
  let at = out
  for (let i = 0; i < count; i++) {
    const row = table + ((<usize>i) << 4)
    for (let part: u32 = 0; part < 16; part += 8) {
      const bytes: usize = load<u32>(row + part)
      const length = load<u32>(row + part, 4)
      at = writeVarint(at, length)
      // Both ends have slack: steps of 16 cost less than a call to copy.
      for (let j: u32 = 0; j < length; j += 16) v128.store(at + j, v128.load(bytes + j))
      at += length
    }
  }
  store<u32>(c, <u32>(at - out), SET_LENGTH)
  store<u32>(c, placeHash(load<u32>(c, TENANT_HASH), out, <u32>(at - out)), SET_HASH)
}

/**
 * The hash that decides a series' shard, over the canonical form: eight bytes a step, each mixed in
 * by a multiplication and a fold of the upper half. The same in every process, so never change it:
 * a series that moves to another shard meets its own past only in queries.
 */
function placeHash(state: u32, p: usize, n: u32): u32 {
  let hash: u64 = ((<u64>state) << 32) | <u64>n
  let i: u32 = 0
  for (; i + 8 <= n; i += 8) hash = placeStep(hash, load<u64>(p + i))
  if (i < n) hash = placeStep(hash, load<u64>(p + i) & (u64.MAX_VALUE >> <u64>(64 - 8 * (n - i))))
  return <u32>hash
}

function placeStep(hash: u64, word: u64): u64 {
  const product = (hash ^ word) * PLACE_PRIME
  return product ^ (product >> 32)
}

function writeVarint(at: usize, value: u32): usize {
  while (value >= 0x80) {
    store<u8>(at, value | 0x80)
    value >>= 7
    at++
  }
  store<u8>(at, value)
  return at + 1
}
