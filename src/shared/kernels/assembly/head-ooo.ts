/**
 * Samples out of order, the writing side (Prometheus tsdb/ooo_head.go): each is put in its place in
 * the series' buffer, by time; a full buffer becomes a chunk of its own. At a time that the buffer
 * has, the first value stays. A buffer begins small and doubles up to OOO_SAMPLES_MAX.
 *
 * Benchmark: bench/shared/tsdb/head.bench.ts, "out of order".
 */
import {
  C_COUNT,
  C_LENGTH,
  C_MAXT,
  C_MINT,
  C_PREVIOUS,
  CHUNK_HEADER_BYTES,
  H_OOO_COUNT,
  H_OOO_REFS,
  H_OOO_TIMES,
  H_OOO_VALUES,
  H_SCRATCH,
  O_BUFFER,
  O_CLASS,
  O_CLOSED,
  O_COUNT,
  O_FROZEN,
  O_MAXT,
  O_MINT,
  OOO_ROW_BYTES,
  OOO_ROWS,
  OOO_SAMPLES_MAX,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
} from '../head-layout'
import { allocate, allocateChunk, allocateSlot, free, freeSlot, slotBytes } from './head-memory'
import { oooRow } from './head-ooo-read'
import { sequenceCell } from './head-tiles'
import { bigEndian } from './xor'

/** More than one insertion takes: a row, a larger buffer, a chunk. */
const INSERT_BYTES_MAX: u64 = 4096
/** Slot of the first buffer, four samples; every second class is twice as large. */
const CLASS_FIRST: u32 = 0

/** Forgets the out-of-order columns from `count` on. */
export function truncateOutOfOrder(count: u32): void {
  store<u32>(H_OOO_COUNT, count)
}

/**
 * Stores out-of-order columns [from, from + n), visible to readers at once.
 * @returns samples dealt with, fewer than n when memory is full; `oooAppended` of them are new
 */
export function appendOutOfOrder(from: u32, n: u32): u32 {
  const refs = load<u32>(H_OOO_REFS)
  const times = load<u32>(H_OOO_TIMES)
  const values = load<u32>(H_OOO_VALUES)
  appended = 0
  for (let i = from; i < from + n; i++) {
    if (free() < INSERT_BYTES_MAX) return i - from
    const t = i64(load<f64>(times + (i << 3)))
    insert(load<u32>(refs + (i << 2)), t, load<u64>(values + (i << 3)))
  }
  return n
}

let appended: u32 = 0

/** Samples that the last `appendOutOfOrder` added: the others' times were taken. */
export function oooAppended(): u32 {
  return appended
}

function insert(ref: u32, t: i64, v: u64): void {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  const known = oooRow(slab, s)
  const held: u32 = known == 0 ? 0 : u32(load<u16>(known, O_COUNT))
  let k = held
  if (known != 0) {
    const buffer = load<u32>(known, O_BUFFER)
    while (k > 0 && load<i64>(buffer + ((k - 1) << 4)) > t) k--
    if (k > 0 && load<i64>(buffer + ((k - 1) << 4)) == t) return
  }
  const lane = sequenceCell(slab, s)
  const sequence = load<u32>(lane)
  atomic.store<u32>(lane, sequence + 1)
  atomic.fence()
  const row = known != 0 ? known : newRow(slab, s)
  let count = held
  if (count == u32(OOO_SAMPLES_MAX)) {
    closeBuffer(row)
    count = 0
    k = 0
  }
  const buffer = roomFor(row, count)
  memory.copy(buffer + ((k + 1) << 4), buffer + (k << 4), (count - k) << 4)
  store<i64>(buffer + (k << 4), t)
  store<u64>(buffer + (k << 4), v, 8)
  store<u16>(row, count + 1, O_COUNT)
  if (t < load<i64>(row, O_MINT)) store<i64>(row, t, O_MINT)
  if (t > load<i64>(row, O_MAXT)) store<i64>(row, t, O_MAXT)
  atomic.fence()
  atomic.store<u32>(lane, sequence + 2)
  appended++
}

function newRow(slab: u32, s: u32): u32 {
  const row = allocate(OOO_ROW_BYTES)
  store<u32>(row, 0, O_CLOSED)
  store<u32>(row, 0, O_FROZEN)
  store<u32>(row, allocateSlot(CLASS_FIRST), O_BUFFER)
  store<u16>(row, 0, O_COUNT)
  store<u8>(row, CLASS_FIRST, O_CLASS)
  store<i64>(row, i64.MAX_VALUE, O_MINT)
  store<i64>(row, i64.MIN_VALUE, O_MAXT)
  store<u32>(slab + OOO_ROWS + (s << 2), row)
  return row
}

/** The buffer, with room for one more sample than it has. */
function roomFor(row: u32, count: u32): u32 {
  const old = load<u32>(row, O_BUFFER)
  const kind = u32(load<u8>(row, O_CLASS))
  if (count << 4 < slotBytes(kind)) return old
  const buffer = allocateSlot(kind + 2)
  memory.copy(buffer, old, count << 4)
  store<u32>(row, buffer, O_BUFFER)
  store<u8>(row, kind + 2, O_CLASS)
  freeSlot(old, kind)
  return buffer
}

/** Makes the buffer the newest chunk; it is empty afterwards. */
export function closeBuffer(row: u32): void {
  const buffer = load<u32>(row, O_BUFFER)
  const count = u32(load<u16>(row, O_COUNT))
  const scratch = load<u32>(H_SCRATCH)
  const length = encode(buffer, count, scratch)
  const chunk = allocateChunk(CHUNK_HEADER_BYTES + length)
  store<u32>(chunk, load<u32>(row, O_CLOSED), C_PREVIOUS)
  store<u16>(chunk, length, C_LENGTH)
  store<u16>(chunk, count, C_COUNT)
  store<i64>(chunk, load<i64>(buffer), C_MINT)
  store<i64>(chunk, load<i64>(buffer + ((count - 1) << 4)), C_MAXT)
  memory.copy(chunk + CHUNK_HEADER_BYTES, scratch, length)
  store<u32>(row, chunk, O_CLOSED)
  store<u16>(row, 0, O_COUNT)
}

// The bit writer, as in head-append.ts. It has one of its own: shared with the in-order path, that is
// not inlined there any more and takes 10 % longer (31.6 against 28.7 ns/sample).
let at: u32 = 0
let pending: u64 = 0
let pendingBits: u32 = 0

/** Writes the low n bits of v, 1 ≤ n ≤ 56; the bits above are 0. Stores eight bytes. */
function put(v: u64, n: u32): void {
  const total = pendingBits + n
  pending |= v << u64(64 - total)
  store<u64>(at, bigEndian(pending))
  at += total >> 3
  pending <<= u64(total & 56)
  pendingBits = total & 7
}

function putWide(v: u64, n: u32): void {
  if (n > 32) {
    put(v >> 32, n - 32)
    n = 32
  }
  put(v & (0xffffffffffffffff >> u64(64 - n)), n)
}

function putVarint(v: u64): void {
  for (; v > 127; v >>= 7) put((v & 127) | 128, 8)
  put(v, 8)
}

/** A delta of deltas, as the format has it: prefix of ones, then 14, 17, 20 or 64 bits. */
function putDelta(d: i64): void {
  if (d == 0) put(0, 1)
  else if (fits(d, 14)) put((u64(2) << 14) | (u64(d) & 0x3fff), 16)
  else if (fits(d, 17)) put((u64(6) << 17) | (u64(d) & 0x1ffff), 20)
  else if (fits(d, 20)) put((u64(14) << 20) | (u64(d) & 0xfffff), 24)
  else {
    put(15, 4)
    putWide(u64(d), 64)
  }
}

function fits(d: i64, bits: u32): bool {
  const half = i64(1) << u64(bits - 1)
  return d > -half && d <= half
}

/** Encodes (time, value) pairs to an XOR chunk at `out`, which has room; how many bytes. */
function encode(pairs: u32, count: u32, out: u32): u32 {
  store<u8>(out, u8(count >> 8))
  store<u8>(out, u8(count), 1)
  at = out + 2
  pending = 0
  pendingBits = 0
  let previousTime = load<i64>(pairs)
  let previous = load<u64>(pairs, 8)
  putVarint((u64(previousTime) << 1) ^ u64(previousTime >> 63))
  putWide(previous, 64)
  let delta: u64 = 0
  let leading: u32 = 255
  let trailing: u32 = 0
  for (let k: u32 = 1; k < count; k++) {
    const t = load<i64>(pairs + (k << 4))
    const v = load<u64>(pairs + (k << 4), 8)
    const step = u64(t - previousTime)
    if (k == 1) putVarint(step)
    else putDelta(i64(step - delta))
    delta = step
    const x = v ^ previous
    if (x == 0) put(0, 1)
    else {
      const zeros = min(u32(clz(x)), 31)
      const low = u32(ctz(x))
      if (leading != 255 && zeros >= leading && low >= trailing) put(2, 2)
      else {
        leading = zeros
        trailing = low
        put((u64(3) << 11) | (u64(leading) << 6) | u64((64 - leading - trailing) & 63), 13)
      }
      putWide(x >> u64(trailing), 64 - leading - trailing)
    }
    previousTime = t
    previous = v
  }
  return at + u32(pendingBits > 0) - out
}
