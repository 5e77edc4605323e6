/**
 * From label references of remote write 2.0 to the hash of a series. Hot: bench/actors/distributor.
 *
 * The hash of a label set is the sum of what each label adds, so the same for every order of labels
 * and every numbering of symbols. A label adds NH over its value's hash, under a key that is its
 * name's own, and a constant of that name; both come from ChaCha20 over the name's hash. Why two label
 * sets do not collide: docs/decisions/0026-hash-of-references.md.
 *
 * The labels of a body are few and come again and again, so what one adds is kept with its value's
 * symbol, for two names: values such as a service's often stand under two.
 */
import { hashHigh, hashLabels, hashLow, product, setHash } from './label-hash'
import { readAt, readVarint } from './proto'
import {
  HASH_KEY,
  KEY_LENGTHS,
  KEY_NAMES,
  LABEL_LENGTH_MAX,
  NAME_KEY_BYTES,
  NAME_KEY_HASH,
  NAME_KEY_HIGH,
  NAME_KEY_LOW,
  NAME_KEY_SLOTS,
  NAME_KEY_SUM,
  NAME_KEYS,
  PAIR_BYTES,
  PAIR_HASH,
  PAIR_LENGTH,
  PAIR_NAME,
  PAIRS,
  REFS_DECODED,
  REFS_KEY,
  REFS_MAX,
  REFS_WORK,
  SYMBOL_AT,
  SYMBOL_BYTES,
  SYMBOL_COUNT,
  SYMBOL_HASH,
  SYMBOL_LENGTH,
  SYMBOLS,
} from './write-request-layout'

/** What `hashRefs` found: how many references, and what they take as a label set at most. */
export let refCount: u32 = 0
export let refBytes: u32 = 0

/** Of a symbol that was the value of no label yet. */
const NO_NAME: u32 = 0xffffffff
/** Most bytes of references that are decoded together: a bit of a word for each. */
const NEAR_BYTES: u32 = 64

// The sum over the labels so far.
let sum: v128 = i64x2.splat(0)
let sumBytes: u32 = 0

/**
 * Hashes a symbol into its row. The length is hashed too, by words of the key that no other input
 * meets, since NH promises nothing for inputs of different lengths.
 */
export function hashSymbol(c: usize, index: u32, p: usize, length: u32): void {
  const key: usize = load<u32>(c, REFS_KEY)
  const symbols: usize = load<u32>(c, SYMBOLS)
  const row = symbols + <usize>index * SYMBOL_BYTES
  const low = load<u64>(key, KEY_LENGTHS + 16) * <u64>length + load<u64>(key, KEY_LENGTHS)
  const high = load<u64>(key, KEY_LENGTHS + 24) * <u64>length + load<u64>(key, KEY_LENGTHS + 8)
  const more = i64x2.replace_lane(i64x2.splat(<i64>low), 1, <i64>high)
  v128.store(row, i64x2.add(hashText(c, p, length), more), SYMBOL_HASH)
  store<u32>(row, p, SYMBOL_AT)
  store<u32>(row, length, SYMBOL_LENGTH)
  const pairs: usize = load<u32>(c, PAIRS)
  store<u64>(pairs + <usize>index * PAIR_BYTES, u64.MAX_VALUE, PAIR_NAME)
}

/** Few bytes, as most are, are hashed by NH of 32-bit words, twice, without a branch. */
function hashText(c: usize, p: usize, n: u32): v128 {
  if (n > 32) {
    // Longer ones never get into a label set, and what they are otherwise does not matter.
    hashLabels(c, p, min(n, <u32>load<u32>(c, LABEL_LENGTH_MAX)))
    return i64x2.replace_lane(i64x2.splat(<i64>hashLow), 1, <i64>hashHigh)
  }
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  const all = i8x16.splat(<i8>n)
  const first = v128.and(v128.load(p), i8x16.lt_u(places, all))
  const rest = i8x16.sub_sat_u(all, i8x16.splat(16))
  const second = v128.and(v128.load(p, 16), i8x16.lt_u(places, rest))
  const key: usize = load<u32>(c, HASH_KEY)
  const middle = v128.load(key, 16)
  const low = i64x2.add(
    product(i32x4.add(first, v128.load(key))),
    product(i32x4.add(second, middle)),
  )
  const high = i64x2.add(
    product(i32x4.add(first, middle)),
    product(i32x4.add(second, v128.load(key, 32))),
  )
  return sums(low, high)
}

/** The sum of the lanes of each. */
function sums(low: v128, high: v128): v128 {
  return i64x2.add(v128.shuffle<i64>(low, high, 0, 2), v128.shuffle<i64>(low, high, 1, 3))
}

/**
 * Makes the hash of label references [p, end), at most `most` of them, the one at hand.
 *
 * @returns false when a reference is malformed, out of range, or without its other half
 */
export function hashRefs(c: usize, p: usize, end: usize, most: u32): bool {
  const size = <u32>(end - p)
  if (size - 1 < NEAR_BYTES && most == u32.MAX_VALUE) {
    const all: u64 = u64.MAX_VALUE >> (64 - <u64>size)
    const more = continued(p) & all
    // No reference of three bytes, and the last one ends here.
    if ((more & (more << 1)) == 0 && more >> (<u64>size - 1) == 0) return hashNear(c, p, size, more)
  }
  return hashFar(c, p, end, most)
}

/**
 * References of one or two bytes each, `more` having a bit for each byte that a reference goes on
 * after: eight bytes at a time become numbers of 16 bits, then each label is looked up.
 */
function hashNear(c: usize, p: usize, size: u32, more: u64): bool {
  const count = size - <u32>popcnt<u64>(more)
  const symbolCount = load<u32>(c, SYMBOL_COUNT)
  if ((count & 1) != 0 || symbolCount == 0) return false
  const table: usize = load<u32>(c, REFS_WORK)
  const refs: usize = table + REFS_DECODED
  const places = i16x8(0, 1, 2, 3, 4, 5, 6, 7)
  let largest = i16x8.splat(0)
  let at: u32 = 0
  let done: u32 = 0
  while (done < count) {
    const bits = <u32>(more >> <u64>at) & 0xff
    const bytes = v128.load64_zero(p + at)
    const spread = i8x16.swizzle(bytes, v128.load(table + (bits << 4)))
    const low = v128.and(spread, i16x8.splat(0x7f))
    const high = v128.and(i16x8.shr_u(spread, 1), i16x8.splat(0x3f80))
    const numbers = v128.or(low, high)
    const isOwn = i16x8.gt_s(i16x8.splat(<i16>(count - done)), places)
    largest = i16x8.max_u(largest, v128.and(numbers, isOwn))
    v128.store(refs + (done << 1), numbers)
    // One that begins in the last byte is left to the next eight.
    at += 8 - (bits >> 7)
    done += 8 - <u32>popcnt<u32>(bits)
  }
  const bound = i16x8.splat(<i16>(min(symbolCount, 0x4000) - 1))
  if (v128.any_true(i16x8.gt_u(largest, bound))) return false
  addLabels(c, refs, refs + (count << 1))
  setHash(<u64>i64x2.extract_lane(sum, 0), <u64>i64x2.extract_lane(sum, 1))
  refBytes = sumBytes
  refCount = count
  return true
}

/** Sums up what labels add, whose numbers of 16 bits, names and values, stand at [at, end). */
function addLabels(c: usize, at: usize, end: usize): void {
  const pairs: usize = load<u32>(c, PAIRS)
  let total = i64x2.splat(0)
  let bytes: u32 = 0
  while (at < end) {
    const label = load<u32>(at)
    const name = label & 0xffff
    const row = pairs + <usize>(label >> 16) * PAIR_BYTES
    const way: usize = load<u32>(row, PAIR_NAME + 4) == name ? 4 : 0
    if (load<u32>(row + way, PAIR_NAME) != name) {
      const other = hashPair(c, row, name, label >> 16)
      total = i64x2.add(total, v128.load(row + (other << 2), PAIR_HASH))
      bytes += load<u32>(row + other, PAIR_LENGTH)
    } else {
      total = i64x2.add(total, v128.load(row + (way << 2), PAIR_HASH))
      bytes += load<u32>(row + way, PAIR_LENGTH)
    }
    at += 4
  }
  sum = total
  sumBytes = bytes
}

/** A bit for each of 64 bytes: whether a varint goes on after it. */
function continued(p: usize): u64 {
  const a = <u64>(<u32>i8x16.bitmask(v128.load(p)))
  const b = <u64>(<u32>i8x16.bitmask(v128.load(p, 16)))
  const d = <u64>(<u32>i8x16.bitmask(v128.load(p, 32)))
  const e = <u64>(<u32>i8x16.bitmask(v128.load(p, 48)))
  return a | (b << 16) | (d << 32) | (e << 48)
}

/** References of any length. */
function hashFar(c: usize, p: usize, end: usize, most: u32): bool {
  const pairs: usize = load<u32>(c, PAIRS)
  const symbolCount: u64 = load<u32>(c, SYMBOL_COUNT)
  let total = i64x2.splat(0)
  let count: u32 = 0
  let bytes: u32 = 0
  while (p < end && count < most) {
    const name = readVarint(p, end)
    if (readAt == 0 || name >= symbolCount) return false
    const value = readVarint(readAt, end)
    if (readAt == 0 || value >= symbolCount) return false
    p = readAt
    const row = pairs + <usize>value * PAIR_BYTES
    let way: usize = load<u32>(row, PAIR_NAME + 4) == <u32>name ? 4 : 0
    if (load<u32>(row + way, PAIR_NAME) != <u32>name) way = hashPair(c, row, <u32>name, <u32>value)
    total = i64x2.add(total, v128.load(row + (way << 2), PAIR_HASH))
    bytes += load<u32>(row + way, PAIR_LENGTH)
    count += 2
  }
  setHash(<u64>i64x2.extract_lane(total, 0), <u64>i64x2.extract_lane(total, 1))
  refBytes = count <= <u32>REFS_MAX ? bytes : u32.MAX_VALUE >> 1
  refCount = count
  return true
}

/** Hashes a label into the row of its value's symbol: 4 when it went to the second place, 0 to the first. */
function hashPair(c: usize, row: usize, name: u32, value: u32): usize {
  const way: usize = load<u32>(row, PAIR_NAME) == NO_NAME ? 0 : 4
  const symbols: usize = load<u32>(c, SYMBOLS)
  const n = symbols + <usize>name * SYMBOL_BYTES
  const v = symbols + <usize>value * SYMBOL_BYTES
  const longest: u32 = load<u32>(c, LABEL_LENGTH_MAX)
  const key = keyOf(c, n)
  const hash = v128.load(v, SYMBOL_HASH)
  const low = product(i32x4.add(hash, v128.load(key, NAME_KEY_LOW)))
  const high = product(i32x4.add(hash, v128.load(key, NAME_KEY_HIGH)))
  v128.store(row + (way << 2), i64x2.add(sums(low, high), v128.load(key, NAME_KEY_SUM)), PAIR_HASH)
  store<u32>(row + way, name, PAIR_NAME)
  const length = min(load<u32>(n, SYMBOL_LENGTH), longest)
  store<u32>(row + way, length + min(load<u32>(v, SYMBOL_LENGTH), longest) + 8, PAIR_LENGTH)
  return way
}

/** The key of a name; those that come again and again are kept from body to body. */
function keyOf(c: usize, symbol: usize): usize {
  const hash = v128.load(symbol, SYMBOL_HASH)
  const slot = load<u32>(symbol, SYMBOL_HASH + 4) & (NAME_KEY_SLOTS - 1)
  const key: usize = load<u32>(c, NAME_KEYS) + slot * NAME_KEY_BYTES
  if (v128.any_true(v128.xor(v128.load(key, NAME_KEY_HASH), hash))) makeKey(c, key, hash)
  return key
}

/** A block of ChaCha20 (RFC 8439 §2.3), the name's hash in place of counter and nonce. */
function makeKey(c: usize, key: usize, hash: v128): void {
  const secret: usize = load<u32>(c, REFS_KEY) + KEY_NAMES
  let a = i32x4(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)
  let b = v128.load(secret)
  let d = v128.load(secret, 16)
  let e = hash
  for (let round = 0; round < 20; round++) {
    a = i32x4.add(a, b)
    e = rotate(v128.xor(e, a), 16)
    d = i32x4.add(d, e)
    b = rotate(v128.xor(b, d), 12)
    a = i32x4.add(a, b)
    e = rotate(v128.xor(e, a), 8)
    d = i32x4.add(d, e)
    b = rotate(v128.xor(b, d), 7)
    // Columns become diagonals, and diagonals columns.
    const up = (round & 1) == 0
    b = up ? turnOne(b) : turnThree(b)
    d = v128.shuffle<i32>(d, d, 2, 3, 0, 1)
    e = up ? turnThree(e) : turnOne(e)
  }
  const words = i32x4(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)
  v128.store(key, hash, NAME_KEY_HASH)
  v128.store(key, i32x4.add(a, words), NAME_KEY_SUM)
  v128.store(key, i32x4.add(b, v128.load(secret)), NAME_KEY_LOW)
  v128.store(key, i32x4.add(d, v128.load(secret, 16)), NAME_KEY_HIGH)
}

function rotate(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits))
}

function turnOne(x: v128): v128 {
  return v128.shuffle<i32>(x, x, 1, 2, 3, 0)
}

function turnThree(x: v128): v128 {
  return v128.shuffle<i32>(x, x, 3, 0, 1, 2)
}
