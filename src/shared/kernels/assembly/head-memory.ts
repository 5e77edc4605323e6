/**
 * Memory of a head: bump allocation with 64-bit arithmetic (the memory ends at 4 GiB, where u32
 * sums wrap), open-addressing tables, and the keyed hash of both.
 *
 * The hash is NH (UMAC, RFC 4418) over 32-bit words, which is universal: who does not know the key
 * cannot construct collisions. A multiply-shift takes its 64 bits to the 32 of a table tag.
 */
import {
  EXTENT_BYTES,
  EXTENT_ROW_BYTES,
  EXTENT_SHIFT,
  H_BUMP,
  H_EPOCH,
  H_EXTENT_AT,
  H_EXTENT_END,
  H_EXTENT_ROWS,
  H_EXTENTS_DROPPED,
  H_EXTENTS_FREE,
  H_EXTENTS_FREE_COUNT,
  H_EXTENTS_USED,
  H_FREE_SLOTS,
  H_KEY,
  H_LEASES,
  H_LIMIT,
  H_OUTGROWN,
  H_SMALL_FREE,
  H_SMALL_LISTS,
  H_SPARE_AT,
  H_SPARE_END,
  H_SPILLED_AT,
  H_SPILLED_END,
  LEASES_MAX,
  SLOT_BYTES_MAX,
  TABLE_SEGMENT_BITS,
  TABLE_SEGMENT_BYTES,
} from '../head-layout'

/** Kept back by `free`, so that a new extent fits whatever its alignment leaves unused. */
const RESERVE: u64 = 2 * EXTENT_BYTES
/** Outgrown tables from this size on are used for pieces of up to this size. */
const OUTGROWN_BYTES_MIN: u32 = 4096
/** Every multiple of 8 up to here is a class of pieces. */
const EXACT_BYTES_MAX: u32 = 512

/** Bytes that were never used, or can be used again for anything up to an extent's size. */
export function free(): u64 {
  const extents = u64(load<u32>(H_EXTENTS_FREE_COUNT)) << EXTENT_SHIFT
  const left = load<u64>(H_LIMIT) - load<u64>(H_BUMP) + extents
  return left > RESERVE ? left - RESERVE : 0
}

/** A region that starts at a multiple of 64 and was never used (all zero); 0 when memory is full. */
export function allocateRegion(bytes: u64): u32 {
  const at = (load<u64>(H_BUMP) + 63) & ~63
  const end = at + bytes
  if (end > load<u64>(H_LIMIT)) return 0
  store<u64>(H_BUMP, end)
  return u32(at)
}

/** Class of a small piece, and the bytes that pieces of a class have. */
function classOf(bytes: u32): u32 {
  if (bytes <= EXACT_BYTES_MAX) return (bytes + 7) >> 3
  const e = 31 - clz(bytes - 1)
  return 64 + ((e - 9) << 3) + ((bytes - 1 - (1 << e)) >> (e - 3)) + 1
}

function classBytes(kind: u32): u32 {
  if (kind <= 64) return kind << 3
  const step = kind - 65
  const e = 9 + (step >> 3)
  return (1 << e) + (((step & 7) + 1) << (e - 3))
}

/** A piece at a multiple of 8, perhaps used before, 1 MiB at most; 0 when memory is full. */
export function allocate(bytes: u32): u32 {
  const kind = classOf(bytes)
  const size = classBytes(kind)
  const list = load<u32>(H_SMALL_LISTS) + (kind << 2)
  const head = load<u32>(list)
  if (head != 0) {
    store<u32>(list, load<u32>(head))
    store<u64>(H_SMALL_FREE, load<u64>(H_SMALL_FREE) - u64(size))
    return head
  }
  const spare = load<u32>(H_SPARE_AT)
  if (size <= load<u32>(H_SPARE_END) - spare) {
    store<u32>(H_SPARE_AT, spare + size)
    return spare
  }
  // What was touched is there already: used before what was not.
  if (size <= OUTGROWN_BYTES_MIN && takeOutgrown()) return allocate(bytes)
  const extent = size <= u32(EXTENT_BYTES >> 3) ? takeFreeExtent() : 0
  if (extent != 0) {
    recycle(extent, EXTENT_BYTES)
    if (load<u32>(H_SPARE_AT) == extent) return allocate(bytes)
  }
  const at = load<u64>(H_BUMP)
  const end = at + u64(size)
  if (end > load<u64>(H_LIMIT)) return 0
  store<u64>(H_BUMP, end)
  return u32(at)
}

/** Gives back a piece of `bytes` from `allocate`. */
export function giveBack(at: u32, bytes: u32): void {
  const kind = classOf(bytes)
  const list = load<u32>(H_SMALL_LISTS) + (kind << 2)
  store<u32>(at, load<u32>(list))
  store<u32>(list, at)
  store<u64>(H_SMALL_FREE, load<u64>(H_SMALL_FREE) + u64(classBytes(kind)))
}

/** Gives back a table: another one of its size is hardly wanted, so small pieces are cut from it. */
function giveBackTable(at: u32, bytes: u32): void {
  if (bytes < OUTGROWN_BYTES_MIN) {
    giveBack(at, bytes)
    return
  }
  store<u32>(at, load<u32>(H_OUTGROWN))
  store<u32>(at, bytes, 4)
  store<u32>(H_OUTGROWN, at)
  store<u64>(H_SMALL_FREE, load<u64>(H_SMALL_FREE) + u64(bytes))
}

/** Makes an outgrown table the one that pieces are cut from; false without. */
function takeOutgrown(): bool {
  const at = load<u32>(H_OUTGROWN)
  if (at == 0) return false
  const bytes = load<u32>(at, 4)
  store<u32>(H_OUTGROWN, load<u32>(at))
  store<u64>(H_SMALL_FREE, load<u64>(H_SMALL_FREE) - u64(bytes))
  let rest = load<u32>(H_SPARE_AT)
  const end = load<u32>(H_SPARE_END)
  while (rest < end) {
    const piece = min(end - rest, EXACT_BYTES_MAX)
    giveBack(rest, piece)
    rest += piece
  }
  store<u32>(H_SPARE_AT, at)
  store<u32>(H_SPARE_END, at + bytes)
  return true
}

function extentRow(index: u32): u32 {
  return load<u32>(H_EXTENT_ROWS) + index * EXTENT_ROW_BYTES
}

/** Address of an extent that was used before and is free; 0 without. */
function takeFreeExtent(): u32 {
  const head = load<u32>(H_EXTENTS_FREE)
  if (head == 0) return 0
  store<u32>(H_EXTENTS_FREE, load<u32>(extentRow(head - 1), 4))
  store<u32>(H_EXTENTS_FREE_COUNT, load<u32>(H_EXTENTS_FREE_COUNT) - 1)
  return (head - 1) << EXTENT_SHIFT
}

/** Room for a closed chunk, half an extent and a bit at most; 0 when memory is full. */
export function allocateChunk(bytes: u32): u32 {
  return allocateIn(H_EXTENT_AT, (bytes + 7) & ~7)
}

/** Room for what stays of a chunk in a file: not among chunks, or it would keep their extents. */
export function allocateSpilled(bytes: u32): u32 {
  return allocateIn(H_SPILLED_AT, bytes)
}

/** Room in the extent whose next free byte and end stand at `cursor`, or in another one. */
function allocateIn(cursor: u32, size: u32): u32 {
  let at = load<u32>(cursor)
  if (size > load<u32>(cursor, 4) - at) {
    at = newExtent(cursor)
    if (at == 0) return 0
  }
  store<u32>(cursor, at + size)
  const row = extentRow(at >> EXTENT_SHIFT)
  store<u32>(row, load<u32>(row) + 1)
  return at
}

function newExtent(cursor: u32): u32 {
  let at = takeFreeExtent()
  if (at == 0) {
    const bump = load<u64>(H_BUMP)
    const start = (bump + EXTENT_BYTES - 1) & ~u64(EXTENT_BYTES - 1)
    if (start + EXTENT_BYTES > load<u64>(H_LIMIT)) return 0
    store<u64>(H_BUMP, start + EXTENT_BYTES)
    recycle(u32((bump + 7) & ~7), u32(start - ((bump + 7) & ~7)))
    at = u32(start)
  }
  store<u32>(H_EXTENTS_USED, load<u32>(H_EXTENTS_USED) + 1)
  const old = load<u32>(cursor, 4)
  store<u32>(cursor, at)
  store<u32>(cursor, at + EXTENT_BYTES, 4)
  // Everything in it was dropped while it was being filled.
  if (old != 0) dropWhenEmpty((old >> EXTENT_SHIFT) - 1)
  return at
}

/** A closed chunk is unlinked; its bytes stay as they are until no reader can be at them. */
export function dropChunk(at: u32): void {
  const index = at >> EXTENT_SHIFT
  const row = extentRow(index)
  store<u32>(row, load<u32>(row) - 1)
  const end = (index + 1) << EXTENT_SHIFT
  if (end != load<u32>(H_EXTENT_END) && end != load<u32>(H_SPILLED_END)) dropWhenEmpty(index)
}

function dropWhenEmpty(index: u32): void {
  const row = extentRow(index)
  if (load<u32>(row) != 0) return
  store<u32>(row, load<u32>(H_EXTENTS_DROPPED), 4)
  store<u32>(row, atomic.load<u32>(H_EPOCH), 8)
  store<u32>(H_EXTENTS_DROPPED, index + 1)
}

/** Ends an epoch: what was unlinked in it is not found by who takes a lease from now on. */
export function nextEpoch(): u32 {
  return atomic.add<u32>(H_EPOCH, 1) + 1
}

/** The oldest epoch that somebody reads; the present one when nobody does. */
export function oldestLease(): u32 {
  let oldest = atomic.load<u32>(H_EPOCH)
  for (let slot: u32 = 0; slot < u32(LEASES_MAX); slot++) {
    const epoch = atomic.load<u32>(H_LEASES + (slot << 2))
    if (epoch != 0 && epoch < oldest) oldest = epoch
  }
  return oldest
}

/** Takes back the extents whose chunks nobody reads any more. */
export function reclaimExtents(): void {
  const oldest = oldestLease()
  let next = load<u32>(H_EXTENTS_DROPPED)
  store<u32>(H_EXTENTS_DROPPED, 0)
  while (next != 0) {
    const index = next - 1
    const row = extentRow(index)
    next = load<u32>(row, 4)
    const isFree = load<u32>(row, 8) < oldest
    const list = isFree ? H_EXTENTS_FREE : H_EXTENTS_DROPPED
    if (isFree) {
      store<u32>(H_EXTENTS_FREE_COUNT, load<u32>(H_EXTENTS_FREE_COUNT) + 1)
      store<u32>(H_EXTENTS_USED, load<u32>(H_EXTENTS_USED) - 1)
    }
    store<u32>(row, load<u32>(list), 4)
    store<u32>(list, index + 1)
  }
}

/** Gives a region to `allocate`; the larger of it and what is there is kept. */
function recycle(at: u32, bytes: u32): void {
  if (bytes <= load<u32>(H_SPARE_END) - load<u32>(H_SPARE_AT)) return
  store<u32>(H_SPARE_AT, at)
  store<u32>(H_SPARE_END, at + bytes)
}

/** Sizes of the slots of open chunks, about half again as large from one to the next. */
export function slotBytes(kind: u32): u32 {
  if (kind == 8) return SLOT_BYTES_MAX
  return (kind & 1) == 0 ? 64 << (kind >> 1) : 96 << (kind >> 1)
}

export function allocateSlot(kind: u32): u32 {
  const list = H_FREE_SLOTS + (kind << 2)
  const head = load<u32>(list)
  if (head != 0) {
    store<u32>(list, load<u32>(head))
    return head
  }
  return allocate(slotBytes(kind))
}

export function freeSlot(at: u32, kind: u32): void {
  const list = H_FREE_SLOTS + (kind << 2)
  store<u32>(at, load<u32>(list))
  store<u32>(list, at)
}

/** Hash of bytes for a table. Reads up to 7 bytes past the end; blocks of 1 KiB share a key. */
export function hashBytes(p: u32, length: u32, salt: u32): u32 {
  let sum: u64 = 0
  let total: u64 = u64(length) + (u64(salt) << 32)
  let left = length
  while (left > 0) {
    const block: u32 = left < 1024 ? left : 1024
    sum = 0
    let i: u32 = 0
    for (; i + 8 <= block; i += 8) {
      sum += nh(load<u64>(p + i), load<u64>(H_KEY + i))
    }
    if (i < block) {
      const mask = (u64(1) << (u64(block - i) << 3)) - 1
      sum += nh(load<u64>(p + i) & mask, load<u64>(H_KEY + i))
    }
    total = (total ^ sum) * (load<u64>(H_KEY, 1024) | 1)
    total ^= total >> 29
    p += block
    left -= block
  }
  return finish(total)
}

/** Hash of a list of pair ids for a table. */
export function hashPairs(p: u32, count: u32): u32 {
  let sum: u64 = u64(count)
  let i: u32 = 0
  for (; i + 2 <= count; i += 2) {
    sum += nh(load<u64>(p + (i << 2)), load<u64>(H_KEY + ((i << 2) & 1023)))
    if (((i << 2) & 1023) == 1016) sum = sum * (load<u64>(H_KEY, 1024) | 1)
  }
  if (i < count) sum += nh(u64(load<u32>(p + (i << 2))), load<u64>(H_KEY + ((i << 2) & 1023)))
  return finish(sum)
}

function nh(word: u64, key: u64): u64 {
  return u64(u32(word) + u32(key)) * u64(u32(word >> 32) + u32(key >> 32))
}

function finish(sum: u64): u32 {
  const mixed = (sum ^ (sum >> 32)) * (load<u64>(H_KEY, 1032) | 1) + load<u64>(H_KEY, 1040)
  return u32(mixed >> 32)
}

/** Row of the segment that a tag belongs to; within it entries are found by the tag's low bits. */
export function segmentOf(table: u32, tag: u32): u32 {
  return load<u32>(table) + (tag >> (32 - TABLE_SEGMENT_BITS)) * TABLE_SEGMENT_BYTES
}

/**
 * Allocates a table: open addressing in segments that grow one by one, so that nobody waits for more
 * than one to be filled anew. An entry is slot + 1 u32, tag u32.
 * @param bits a segment has 2^bits entries at first
 */
export function createTable(table: u32, bits: u32): bool {
  const segments: u32 = 1 << TABLE_SEGMENT_BITS
  const rows = allocateRegion(u64(segments * TABLE_SEGMENT_BYTES))
  const entries = allocateRegion((u64(segments) << 3) << u64(bits))
  if (rows == 0 || entries == 0) return false
  store<u32>(table, rows)
  for (let i: u32 = 0; i < segments; i++) {
    const segment = rows + i * TABLE_SEGMENT_BYTES
    store<u32>(segment, entries + ((i << 3) << bits))
    store<u32>(segment, (1 << bits) - 1, 4)
  }
  return true
}

/**
 * Makes room for one more entry. Segments double at three quarters; when memory does not allow that they
 * fill up to fifteen sixteenths and then refuse.
 */
export function reserveEntry(table: u32, tag: u32): bool {
  const segment = segmentOf(table, tag)
  const mask = load<u32>(segment, 4)
  const count = load<u32>(segment, 8)
  if (count < mask - (mask >> 2)) return true
  const size = (mask + 1) << 4
  const base = size <= u32(EXTENT_BYTES) && free() > u64(size) + (1 << 20) ? allocate(size) : 0
  if (base == 0) return count < mask - (mask >> 4)
  memory.fill(base, 0, size)
  const old = load<u32>(segment)
  const wide = (mask << 1) | 1
  for (let i: u32 = 0; i <= mask; i++) {
    const entry = load<u64>(old + (i << 3))
    if (entry == 0) continue
    let at = u32(entry >> 32) & wide
    while (load<u64>(base + (at << 3)) != 0) at = (at + 1) & wide
    store<u64>(base + (at << 3), entry)
  }
  store<u32>(segment, base)
  store<u32>(segment, wide, 4)
  giveBackTable(old, (mask + 1) << 3)
  return true
}

/** Adds an entry for which there is room. */
export function insertEntry(table: u32, tag: u32, slot: u32): void {
  const segment = segmentOf(table, tag)
  const base = load<u32>(segment)
  const mask = load<u32>(segment, 4)
  let at = tag & mask
  while (load<u64>(base + (at << 3)) != 0) at = (at + 1) & mask
  store<u64>(base + (at << 3), (u64(tag) << 32) | u64(slot + 1))
  store<u32>(segment, load<u32>(segment, 8) + 1, 8)
}

/** Takes out the entry of a slot; false when there is none. */
export function removeEntry(table: u32, tag: u32, slot: u32): bool {
  const segment = segmentOf(table, tag)
  const base = load<u32>(segment)
  const mask = load<u32>(segment, 4)
  const entry = (u64(tag) << 32) | u64(slot + 1)
  let at = tag & mask
  while (load<u64>(base + (at << 3)) != entry) {
    if (load<u64>(base + (at << 3)) == 0) return false
    at = (at + 1) & mask
  }
  // Those after it move up, so that each is still found from where it belongs.
  let next = at
  for (;;) {
    next = (next + 1) & mask
    const other = load<u64>(base + (next << 3))
    if (other == 0) break
    if (((next - u32(other >> 32)) & mask) < ((next - at) & mask)) continue
    store<u64>(base + (at << 3), other)
    at = next
  }
  store<u64>(base + (at << 3), 0)
  store<u32>(segment, load<u32>(segment, 8) - 1, 8)
  return true
}

/** Whether two byte ranges of one length are equal. */
export function equalBytes(a: u32, b: u32, length: u32): bool {
  let i: u32 = 0
  for (; i + 8 <= length; i += 8) {
    if (load<u64>(a + i) != load<u64>(b + i)) return false
  }
  if (i == length) return true
  // The last eight bytes, some of them for the second time; of fewer those that count.
  if (i != 0) return load<u64>(a + length - 8) == load<u64>(b + length - 8)
  return (load<u64>(a) ^ load<u64>(b)) << (u64(8 - length) << 3) == 0
}
