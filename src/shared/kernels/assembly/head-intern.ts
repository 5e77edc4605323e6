/**
 * From label bytes to a ref: pairs are interned per tenant, a series is its list of pair ids, and
 * each pair carries the list of series that have it. Everything is verified by bytes or ids, the
 * hashes only lead there.
 *
 * Refs grow, so postings are sorted without ever being sorted, but for those of reused refs: a list
 * that one stands in out of order is marked.
 *
 * Readers of other threads look pairs up and walk postings too (tsdb/head/head-index.ts). What they
 * found counts only if H_INDEX_SEQUENCE was even before and is the same afterwards, so everything
 * that changes what they look at stands between `beginChange` and `endChange`; what they may meet
 * in between is torn, but never leads them astray for ever.
 */
import {
  COUNTS,
  DEFINE_FULL,
  DEFINE_MALFORMED,
  FILLS,
  FIRST_TIMES,
  H_FREE_NAMES,
  H_FREE_PAIRS,
  H_FREE_REF_COUNT,
  H_FREE_REFS,
  H_FREE_TENANTS,
  H_INDEX_SEQUENCE,
  H_LAST_PAIRS,
  H_NAME_COUNT,
  H_NAME_TABLE,
  H_NO_NEW_SERIES,
  H_PAIR_COUNT,
  H_PAIR_TABLE,
  H_SCRATCH,
  H_SERIES_COUNT,
  H_SERIES_TABLE,
  H_TENANT_COUNT,
  H_TENANT_REUSES,
  H_TENANTS,
  LABELS_MAX,
  LANE_BASES,
  LANE_SAMPLES,
  LAST_TIMES,
  LAST_VALUES,
  LIMITS,
  NAME_DIRECTORY,
  NAME_ROW_BYTES,
  NAME_SLAB_SHIFT,
  NAME_SLABS_MAX,
  PAIR_DIRECTORY,
  PAIR_ROW_BYTES,
  PAIR_SLAB_SHIFT,
  PAIR_SLABS_MAX,
  POSTINGS_FIRST,
  POSTINGS_MAX,
  POSTINGS_UNSORTED,
  R_LABELS,
  RECORD_BYTES,
  RECORDS,
  SERIES_DIRECTORY,
  SERIES_SLAB_BYTES,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
  SERIES_SLABS_MAX,
  TENANT_ROW_BYTES,
  TENANTS_MAX,
} from '../head-layout'
import {
  allocate,
  allocateRegion,
  equalBytes,
  free,
  hashBytes,
  hashPairs,
  insertEntry,
  reserveEntry,
  segmentOf,
} from './head-memory'
import { layRows, ROW_GROUP, sequenceCell } from './head-tiles'

/** Second result of readVarint: where it ended; 0 when it was malformed. */
let varintEnd: u32 = 0

/** From here on readers' selections are void; called as often as one likes before `endChange`. */
export function beginChange(): void {
  const sequence = load<u32>(H_INDEX_SEQUENCE)
  if ((sequence & 1) != 0) return
  atomic.store<u32>(H_INDEX_SEQUENCE, sequence + 1)
  atomic.fence()
}

export function endChange(): void {
  const sequence = load<u32>(H_INDEX_SEQUENCE)
  if ((sequence & 1) == 0) return
  atomic.fence()
  atomic.store<u32>(H_INDEX_SEQUENCE, sequence + 1)
}

function readVarint(p: u32, end: u32): u32 {
  let value: u32 = 0
  let shift: u32 = 0
  varintEnd = 0
  while (p < end && shift < 28) {
    const byte = u32(load<u8>(p++))
    value |= (byte & 127) << shift
    if (byte < 128) {
      varintEnd = p
      return value
    }
    shift += 7
  }
  return 0
}

/** Address of a pair's row. */
export function pairRow(pair: u32): u32 {
  const slab = load<u32>(PAIR_DIRECTORY + ((pair >> PAIR_SLAB_SHIFT) << 2))
  return slab + (pair & ((1 << PAIR_SLAB_SHIFT) - 1)) * PAIR_ROW_BYTES
}

/** Address of a name's row. */
export function nameRow(name: u32): u32 {
  const slab = load<u32>(NAME_DIRECTORY + ((name >> NAME_SLAB_SHIFT) << 2))
  return slab + (name & ((1 << NAME_SLAB_SHIFT) - 1)) * NAME_ROW_BYTES
}

/** A new row of a slabbed table, or 0 when memory is full; the caller counts it. */
function newRow(directory: u32, slabsMax: u32, shift: u32, rowBytes: u32, index: u32): u32 {
  const slab = index >> shift
  if (slab >= slabsMax) return 0
  const cell = directory + (slab << 2)
  if (load<u32>(cell) == 0) {
    const base = allocateRegion(u64(rowBytes) << u64(shift))
    if (base == 0) return 0
    store<u32>(cell, base)
  }
  return load<u32>(cell) + (index & ((1 << shift) - 1)) * rowBytes
}

/** Bytes of a piece with so much text; also without any it is a piece. */
export function keptBytes(length: u32): u32 {
  return max(length, 1)
}

/** Copies bytes that must stay. Loads past their end meet other pieces, or what is never handed out. */
function keepBytes(p: u32, length: u32): u32 {
  const at = allocate(keptBytes(length))
  if (at != 0) memory.copy(at, p, length)
  return at
}

function newPair(bytes: u32, length: u32, nameLength: u32, name: u32): u32 {
  const free = load<u32>(H_FREE_PAIRS)
  const pair = free != 0 ? free : load<u32>(H_PAIR_COUNT)
  const row = newRow(PAIR_DIRECTORY, PAIR_SLABS_MAX, PAIR_SLAB_SHIFT, PAIR_ROW_BYTES, pair)
  if (row == 0) return 0
  const kept = keepBytes(bytes, length)
  if (kept == 0) return 0
  if (free != 0) store<u32>(H_FREE_PAIRS, load<u32>(row))
  memory.fill(row, 0, PAIR_ROW_BYTES)
  store<u32>(row, kept)
  store<u16>(row, length, 4)
  store<u16>(row, nameLength, 6)
  store<u32>(row, name, 8)
  if (free == 0) store<u32>(H_PAIR_COUNT, pair + 1)
  return pair
}

/** Adds a tenant whose name stands at p; its index, or DEFINE_FULL. */
export function addTenant(p: u32, length: u32): i32 {
  const reused = load<u32>(H_FREE_TENANTS)
  const tenant = reused != 0 ? reused - 1 : load<u32>(H_TENANT_COUNT)
  if (tenant >= u32(TENANTS_MAX) || free() < 1 << 20) return DEFINE_FULL
  beginChange()
  const all = newPair(p, 0, 0, 0)
  const kept = keepBytes(p, length)
  if (all == 0 || kept == 0) {
    endChange()
    return DEFINE_FULL
  }
  const row = load<u32>(H_TENANTS) + tenant * TENANT_ROW_BYTES
  if (reused != 0) store<u32>(H_FREE_TENANTS, load<u32>(row, 24))
  memory.fill(row, 0, TENANT_ROW_BYTES)
  store<u32>(row, kept)
  store<u32>(row, length, 4)
  store<u32>(row, all, 8)
  if (reused == 0) store<u32>(H_TENANT_COUNT, tenant + 1)
  else atomic.add<u32>(H_TENANT_REUSES, 1)
  endChange()
  return tenant
}

function internName(tenant: u32, p: u32, length: u32): u32 {
  const tag = hashBytes(p, length, tenant)
  const segment = segmentOf(H_NAME_TABLE, tag)
  const base = load<u32>(segment)
  const mask = load<u32>(segment, 4)
  let at = tag & mask
  for (;;) {
    const entry = load<u64>(base + (at << 3))
    if (entry == 0) break
    if (u32(entry >> 32) == tag) {
      const name = u32(entry) - 1
      const row = nameRow(name)
      if (
        load<u32>(row, 4) == length &&
        load<u32>(row, 8) == tenant &&
        equalBytes(load<u32>(row), p, length)
      )
        return name
    }
    at = (at + 1) & mask
  }
  return newName(tenant, p, length, tag)
}

function newName(tenant: u32, p: u32, length: u32, tag: u32): u32 {
  if (!reserveEntry(H_NAME_TABLE, tag)) return 0
  const free = load<u32>(H_FREE_NAMES)
  const name = free != 0 ? free : load<u32>(H_NAME_COUNT)
  const row = newRow(NAME_DIRECTORY, NAME_SLABS_MAX, NAME_SLAB_SHIFT, NAME_ROW_BYTES, name)
  if (row == 0) return 0
  const kept = keepBytes(p, length)
  if (kept == 0) return 0
  if (free != 0) store<u32>(H_FREE_NAMES, load<u32>(row))
  memory.fill(row, 0, NAME_ROW_BYTES)
  const tenantRow = load<u32>(H_TENANTS) + tenant * TENANT_ROW_BYTES
  store<u32>(row, kept)
  store<u32>(row, length, 4)
  store<u32>(row, tenant, 8)
  store<u32>(row, load<u32>(tenantRow, 12), 12)
  store<u32>(tenantRow, name, 12)
  if (free == 0) store<u32>(H_NAME_COUNT, name + 1)
  insertEntry(H_NAME_TABLE, tag, name)
  return name
}

/** The id of a label of a tenant, created when new; 0 when memory is full. */
function internPair(
  tenant: u32,
  p: u32,
  length: u32,
  nameAt: u32,
  nameLength: u32,
  hasRoom: bool,
): u32 {
  const tag = hashBytes(p, length, tenant)
  const known = findPair(tenant, p, length, tag)
  if (known != 0 || !hasRoom) return known
  beginChange()
  const name = internName(tenant, nameAt, nameLength)
  if (name == 0 || !reserveEntry(H_PAIR_TABLE, tag)) return 0
  const pair = newPair(p, length, nameLength, name)
  if (pair == 0) return 0
  const row = nameRow(name)
  store<u32>(pairRow(pair), load<u32>(row, 16), 12)
  store<u32>(row, pair, 16)
  store<u32>(row, load<u32>(row, 20) + 1, 20)
  insertEntry(H_PAIR_TABLE, tag, pair)
  return pair
}

function findPair(tenant: u32, p: u32, length: u32, tag: u32): u32 {
  const segment = segmentOf(H_PAIR_TABLE, tag)
  const base = load<u32>(segment)
  const mask = load<u32>(segment, 4)
  const count = load<u32>(H_PAIR_COUNT)
  let at = tag & mask
  // Bounded, and entries checked, for readers that meet a table in change.
  for (let left = mask; left > 0; left--) {
    const entry = load<u64>(base + (at << 3))
    if (entry == 0) break
    const pair = u32(entry) - 1
    if (u32(entry >> 32) == tag && pair < count && isPair(pair, tenant, p, length)) return pair
    at = (at + 1) & mask
  }
  return 0
}

/** Whether a pair that is there is the tenant's of the bytes at p. */
function isPair(pair: u32, tenant: u32, p: u32, length: u32): bool {
  const row = pairRow(pair)
  return (
    u32(load<u16>(row, 4)) == length &&
    equalBytes(load<u32>(row), p, length) &&
    load<u32>(nameRow(load<u32>(row, 8)), 8) == tenant
  )
}

/** How many pairs at H_LAST_PAIRS are there still. */
let lastPairs: u32 = 0

/** To be called when a pair has been taken out. */
export function forgetLastPairs(): void {
  lastPairs = 0
}

/** The id of the pair whose bytes stand at p, 0 when the tenant has none such. */
export function lookupPair(tenant: u32, p: u32, length: u32): u32 {
  return findPair(tenant, p, length, hashBytes(p, length, tenant))
}

/** The tenant of a pair that has a name. */
export function pairTenant(pair: u32): u32 {
  return load<u32>(nameRow(load<u32>(pairRow(pair), 8)), 8)
}

/** The id of a pair whose bytes stand at p, created when new; 0 when malformed or memory is full. */
export function addPair(tenant: u32, p: u32, length: u32): u32 {
  const nameLength = readVarint(p, p + length)
  const nameAt = varintEnd
  if (nameAt == 0 || nameLength > p + length - nameAt) return 0
  if (tenant >= load<u32>(H_TENANT_COUNT)) return 0
  const hasRoom = free() > (u64(length) << 1) + (1 << 20)
  const pair = internPair(tenant, p, length, nameAt, nameLength, hasRoom)
  endChange()
  return pair
}

/** The ref of the series with the pair ids at H_SCRATCH, created when new; or DEFINE_FULL. */
export function defineByPairs(tenant: u32, count: u32): i32 {
  if (tenant >= load<u32>(H_TENANT_COUNT) || count == 0 || count > u32(LABELS_MAX)) {
    return DEFINE_MALFORMED
  }
  const worst = u64(count + 1) * (POSTINGS_MAX + 32) * 4
  const hasRoom = free() > worst + SERIES_SLAB_BYTES + (1 << 20)
  const ref = internSeries(tenant, load<u32>(H_SCRATCH), count, hasRoom)
  endChange()
  return ref
}

/** Checks the labels' framing; false when lengths do not add up or there are too many. */
function wellFormed(p: u32, length: u32, count: u32): bool {
  if (count == 0 || count > u32(LABELS_MAX)) return false
  const end = p + length
  for (let i: u32 = 0; i < count; i++) {
    const start = p
    const nameLength = readVarint(p, end)
    if (varintEnd == 0 || nameLength > end - varintEnd) return false
    const valueLength = readVarint(varintEnd + nameLength, end)
    if (varintEnd == 0 || valueLength > end - varintEnd) return false
    p = varintEnd + valueLength
    if (p - start > 65535) return false
  }
  return p == end
}

/**
 * The ref of a series, created when it is new.
 * @param p labels: per label, sorted by name: uvarint length, name, uvarint length, value
 * @returns ref, DEFINE_MALFORMED or DEFINE_FULL
 */
export function define(tenant: u32, p: u32, length: u32, count: u32): i32 {
  if (tenant >= load<u32>(H_TENANT_COUNT) || !wellFormed(p, length, count)) return DEFINE_MALFORMED
  // The most that a new series can take: bytes, a postings block and a row per label, slabs, row.
  const worst = u64(length) * 2 + u64(count + 1) * (POSTINGS_MAX + 32) * 4
  const hasRoom = load<u32>(H_NO_NEW_SERIES) == 0 && free() > worst + SERIES_SLAB_BYTES + (1 << 20)
  const list = load<u32>(H_LAST_PAIRS)
  const end = p + length
  for (let i: u32 = 0; i < count; i++) {
    const nameLength = readVarint(p, end)
    const nameAt = varintEnd
    const valueLength = readVarint(nameAt + nameLength, end)
    const next = varintEnd + valueLength
    // Neighbours share most of their labels, which then need not be looked for.
    const last = i < lastPairs ? load<u32>(list + (i << 2)) : 0
    if (last == 0 || !isPair(last, tenant, p, next - p)) {
      const pair = internPair(tenant, p, next - p, nameAt, nameLength, hasRoom)
      if (pair == 0) {
        endChange()
        return DEFINE_FULL
      }
      store<u32>(list + (i << 2), pair)
      if (i >= lastPairs) lastPairs = i + 1
    }
    p = next
  }
  const ref = internSeries(tenant, list, count, hasRoom)
  endChange()
  return ref
}

function internSeries(tenant: u32, list: u32, count: u32, hasRoom: bool): i32 {
  const tag = hashPairs(list, count)
  const segment = segmentOf(H_SERIES_TABLE, tag)
  const base = load<u32>(segment)
  const mask = load<u32>(segment, 4)
  let at = tag & mask
  for (;;) {
    const entry = load<u64>(base + (at << 3))
    if (entry == 0) break
    if (u32(entry >> 32) == tag) {
      const ref = u32(entry) - 1
      const row = labelRow(ref)
      if (load<u32>(row) == count && equalBytes(row + 4, list, count << 2)) return ref
    }
    at = (at + 1) & mask
  }
  return hasRoom ? newSeries(tenant, list, count, tag) : DEFINE_FULL
}

function newSeries(tenant: u32, list: u32, count: u32, tag: u32): i32 {
  beginChange()
  if (!reserveEntry(H_SERIES_TABLE, tag)) return DEFINE_FULL
  const free = load<u32>(H_FREE_REFS)
  const ref = free != 0 ? free - 1 : load<u32>(H_SERIES_COUNT)
  const index = ref >> SERIES_SLAB_SHIFT
  if (index >= u32(SERIES_SLABS_MAX)) return DEFINE_FULL
  const cell = SERIES_DIRECTORY + (index << 2)
  if (load<u32>(cell) == 0) {
    const base = allocateRegion(SERIES_SLAB_BYTES)
    if (base == 0) return DEFINE_FULL
    store<u32>(cell, base)
  }
  const row = allocate((count + 1) << 2)
  if (row == 0) return DEFINE_FULL
  store<u32>(row, count)
  memory.copy(row + 4, list, count << 2)
  const slab = load<u32>(cell)
  const s = ref & SERIES_SLAB_MASK
  const record = slab + RECORDS + (s << 6)
  if (free != 0) clearSlot(slab, s, record)
  store<u32>(record, row, R_LABELS)
  store<i64>(slab + LAST_TIMES + (s << 3), i64.MIN_VALUE)
  store<i64>(slab + FIRST_TIMES + (s << 3), i64.MAX_VALUE)
  store<u8>(slab + LIMITS + s, 1 + ((ref / ROW_GROUP) & (LANE_SAMPLES - 1)))
  if (free == 0) {
    store<u32>(H_SERIES_COUNT, ref + 1)
    if (ref % ROW_GROUP == 0) layRows(slab, s)
  }
  insertEntry(H_SERIES_TABLE, tag, ref)
  for (let i: u32 = 0; i < count; i++) addPosting(load<u32>(list + (i << 2)), ref)
  const tenantRow = load<u32>(H_TENANTS) + tenant * TENANT_ROW_BYTES
  addPosting(load<u32>(tenantRow, 8), ref)
  store<u32>(tenantRow, load<u32>(tenantRow, 16) + 1, 16)
  return ref
}

/** Takes a slot off the list of free ones, as good as new. */
function clearSlot(slab: u32, s: u32, record: u32): void {
  store<u32>(H_FREE_REFS, load<u32>(record))
  store<u32>(H_FREE_REF_COUNT, load<u32>(H_FREE_REF_COUNT) - 1)
  const lane = sequenceCell(slab, s)
  const sequence = load<u32>(lane)
  atomic.store<u32>(lane, sequence + 1)
  atomic.fence()
  memory.fill(record, 0, RECORD_BYTES)
  store<u8>(slab + FILLS + s, 0)
  store<u8>(slab + COUNTS + s, 0)
  store<u64>(slab + LAST_VALUES + (s << 3), 0)
  store<i64>(slab + LANE_BASES + (s << 3), 0)
  atomic.fence()
  atomic.store<u32>(lane, sequence + 2)
}

/** Address of a series' label row. */
export function labelRow(ref: u32): u32 {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  return load<u32>(slab + RECORDS + ((ref & SERIES_SLAB_MASK) << 6), R_LABELS)
}

/** Words of the block that is in use when a list of this many entries grows by one. */
function blockWords(words: u32): u32 {
  const wide = words << 1
  return min(wide, u32(POSTINGS_MAX))
}

/**
 * Appends a ref to a pair's list. The first one stands in the row; with the second it moves to a
 * block. The first word of the last block tells how many words it has; once there is a next one it
 * is the link, and the size follows from the sequence 3, 3, 6, 12 … 1,023. `define` has seen to it
 * that there is memory.
 */
function addPosting(pair: u32, ref: u32): void {
  const row = pairRow(pair)
  const word = load<u32>(row, 16)
  const count = word & ~POSTINGS_UNSORTED
  store<u32>(row, word + 1, 16)
  if (count == 0) {
    store<u32>(row, ref, 20)
    return
  }
  const last = load<u32>(count == 1 ? row + 20 : load<u32>(row, 28) - 4)
  if (ref < last) store<u32>(row, load<u32>(row, 16) | POSTINGS_UNSORTED, 16)
  if (count == 1) {
    const block = allocate(POSTINGS_FIRST << 2)
    store<u32>(block, POSTINGS_FIRST)
    store<u32>(block, load<u32>(row, 20), 4)
    store<u32>(block, ref, 8)
    store<u32>(row, block, 20)
    store<u32>(row, block, 24)
    store<u32>(row, block + 12, 28)
    return
  }
  let block = load<u32>(row, 24)
  let at = load<u32>(row, 28)
  const words = load<u32>(block)
  if (at == block + (words << 2)) {
    const wide = count < 4 ? POSTINGS_FIRST : blockWords(words)
    const next = allocate(wide << 2)
    store<u32>(block, next)
    store<u32>(next, wide)
    store<u32>(row, next, 24)
    block = next
    at = next + 4
  }
  store<u32>(at, ref)
  store<u32>(row, at + 4, 28)
}
