/**
 * From label bytes to a series id: universal hash, table. Hot (the same benchmark as the walk). Known
 * series are told by their hash alone, which costs less than fetching bytes to compare with would
 * (decision 0032). The hash is that of byte-hash.ts; lengths are compared too.
 */
import { hashBytes } from './byte-hash'
import {
  HASH_KEY,
  ID_FINGERPRINT,
  ID_LENGTH,
  ID_METADATA,
  ID_NEXT,
  ID_ROUTE,
  ROUTE_NEW,
  TENANT_COUNT,
  TENANT_ID_NEXT,
  TENANT_MASK,
  TENANT_MOVED,
  TENANT_OLD_MASK,
  TENANT_OLD_TABLE,
  TENANT_TABLE,
} from './write-request-layout'

/** The two halves of the hash, set by `hashLabels`. */
export let hashLow: u64 = 0
export let hashHigh: u64 = 0

/** Whether n bytes are equal; reads up to 8 past the end when n < 8. */
export function equalBytes(a: usize, b: usize, n: u32): bool {
  if (n < 16) return equalShort(a, b, n)
  let i: u32 = 0
  while (i + 32 <= n) {
    const x = v128.xor(v128.load(a + i), v128.load(b + i))
    const y = v128.xor(v128.load(a + i, 16), v128.load(b + i, 16))
    if (v128.any_true(v128.or(x, y))) return false
    i += 32
  }
  if (n - i > 16 && v128.any_true(v128.xor(v128.load(a + i), v128.load(b + i)))) return false
  // The last 16 bytes, some of them for the second time.
  return !v128.any_true(v128.xor(v128.load(a + n - 16), v128.load(b + n - 16)))
}

function equalShort(a: usize, b: usize, n: u32): bool {
  if (n >= 8) {
    return load<u64>(a) == load<u64>(b) && load<u64>(a + n - 8) == load<u64>(b + n - 8)
  }
  if (n == 0) return true
  return (load<u64>(a) ^ load<u64>(b)) << (<u64>(64 - 8 * n)) == 0
}

/** Makes the hash of n bytes, n ≤ LABEL_LENGTH_MAX, the one at hand; reads as `hashBytes` does. */
export function hashLabels(c: usize, p: usize, n: u32): void {
  const hash = hashBytes(load<u32>(c, HASH_KEY), p, n)
  hashLow = <u64>i64x2.extract_lane(hash, 0)
  hashHigh = <u64>i64x2.extract_lane(hash, 1)
}

/** Adds to the hash at hand. */
export function mixHash(low: u64, high: u64): void {
  hashLow += low
  hashHigh += high
}

/** Sets the hash at hand. */
export function setHash(low: u64, high: u64): void {
  hashLow = low
  hashHigh = high
}

/** Word 0 × word 2 and word 1 × word 3, each 64 bits. */
export function product(x: v128): v128 {
  const upper = i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
  return i64x2.extmul_low_i32x4_u(x, upper)
}

/** 32 well-mixed bits of a hash: the slot's tag, whose low bits are its place. */
export function tagOf(low: u64, high: u64): u32 {
  return <u32>(((low ^ rotl<u64>(high, 32)) * 0x9e3779b97f4a7c15) >> 32)
}

/** Whether an id stands for label bytes of this hash and length. */
export function isSeries(c: usize, id: u32, low: u64, high: u64, length: u32): bool {
  const fingerprint: usize = load<u32>(c, ID_FINGERPRINT) + (id << 4)
  return (
    load<u64>(fingerprint) == low &&
    load<u64>(fingerprint, 8) == high &&
    load<u32>(load<u32>(c, ID_LENGTH) + (id << 2)) == length
  )
}

/** The id of a label set, or 0. */
export function findSeries(
  c: usize,
  tenant: usize,
  tag: u32,
  low: u64,
  high: u64,
  length: u32,
): u32 {
  const table: usize = load<u32>(tenant, TENANT_TABLE)
  const id = probe(c, table, load<u32>(tenant, TENANT_MASK), tag, low, high, length)
  if (id != 0) return id
  const old: usize = load<u32>(tenant, TENANT_OLD_TABLE)
  if (old == 0) return 0
  return probe(c, old, load<u32>(tenant, TENANT_OLD_MASK), tag, low, high, length)
}

function probe(c: usize, table: usize, mask: u32, tag: u32, low: u64, high: u64, length: u32): u32 {
  let slot: u32 = tag & mask
  // At most half of the slots are used, so an empty one ends this.
  while (true) {
    const entry = load<u64>(table + (slot << 3))
    if (entry == 0) return 0
    const id = <u32>(entry >> 32)
    if (<u32>entry == tag && isSeries(c, id, low, high, length)) return id
    slot = (slot + 1) & mask
  }
}

function insert(table: usize, mask: u32, entry: u64): void {
  let slot: u32 = <u32>entry & mask
  while (load<u64>(table + (slot << 3)) != 0) slot = (slot + 1) & mask
  store<u64>(table + (slot << 3), entry)
}

/** Gives a new label set the next id. */
export function createSeries(
  c: usize,
  tenant: usize,
  tag: u32,
  low: u64,
  high: u64,
  length: u32,
): u32 {
  const id = load<u32>(tenant, TENANT_ID_NEXT)
  store<u32>(tenant, id + 1, TENANT_ID_NEXT)
  store<u32>(tenant, load<u32>(tenant, TENANT_COUNT) + 1, TENANT_COUNT)
  const fingerprint: usize = load<u32>(c, ID_FINGERPRINT) + (id << 4)
  store<u64>(fingerprint, low)
  store<u64>(fingerprint, high, 8)
  store<u32>(load<u32>(c, ID_LENGTH) + (id << 2), length)
  store<u32>(load<u32>(c, ID_NEXT) + (id << 2), 0)
  store<u32>(load<u32>(c, ID_METADATA) + (id << 2), 0)
  store<u8>(load<u32>(c, ID_ROUTE) + id, ROUTE_NEW)
  const entry = ((<u64>id) << 32) | <u64>tag
  insert(load<u32>(tenant, TENANT_TABLE), load<u32>(tenant, TENANT_MASK), entry)
  return id
}

/**
 * Moves up to `slots` slots of the table before the last doubling. The tag has the place in both,
 * so no label byte is read. Lookups try both tables meanwhile.
 *
 * @returns slots still to move; at 0 the old table is free
 */
export function moveSlots(tenant: usize, slots: u32): u32 {
  const old: usize = load<u32>(tenant, TENANT_OLD_TABLE)
  if (old == 0) return 0
  const total = load<u32>(tenant, TENANT_OLD_MASK) + 1
  const from = load<u32>(tenant, TENANT_MOVED)
  const to = min(total, from + slots)
  const table: usize = load<u32>(tenant, TENANT_TABLE)
  const mask = load<u32>(tenant, TENANT_MASK)
  for (let slot = from; slot < to; slot++) {
    const entry = load<u64>(old + (slot << 3))
    if (entry != 0) insert(table, mask, entry)
  }
  store<u32>(tenant, to, TENANT_MOVED)
  if (to == total) store<u32>(tenant, 0, TENANT_OLD_TABLE)
  return total - to
}
