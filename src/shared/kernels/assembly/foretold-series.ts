/**
 * Walks series of a remote write 1.0 body that come as foretold: each the one that came after the one
 * before it in the last body, with one sample of the usual shape. Nearly all do; hot:
 * bench/shared/kernels/write-request.bench.ts.
 *
 * What `attend` and `scatter` would ask of each is asked here, where its id is at hand: the rows left
 * to them are noted.
 */
import { hashBytes } from './byte-hash'
import {
  COLUMN_IDS,
  COLUMN_TIMES,
  COLUMN_VALUES,
  DEFINE_OVERHEAD,
  HASH_KEY,
  ID_FINGERPRINT,
  ID_LENGTH,
  ID_NEXT,
  ID_ROUTE,
  LABEL_BYTES,
  LABEL_LENGTH_MAX,
  LABEL_ROOM,
  OTHER_COUNT,
  OTHERS,
  PENDING_COUNT,
  PLAIN_ROUTES,
  ROUTE_REJECTED,
  ROW_BYTES,
  ROW_CAP,
  ROW_COUNT,
  ROW_FIRST,
  ROW_LABELS,
  ROW_LENGTH,
  ROW_SAMPLES,
  ROWS,
  SAMPLE_CAP,
  SAMPLE_COUNT,
  SHARD_BYTES,
  SHARD_DEFINED,
  SHARDS,
  TENANT_MISSES,
  TENANT_PREVIOUS,
  TIME_MAX,
  TIME_MIN,
} from './write-request-layout'

/**
 * Walks on from p, where a field begins and the chunk has room for a series.
 *
 * @returns where the first series begins that is not as foretold, or finds no room
 */
export function walkForetold(c: usize, tenant: usize, p: usize, end: usize): usize {
  if (load<u32>(c, PENDING_COUNT) != 0) return p
  const from = p
  let row = load<u32>(c, ROW_COUNT)
  let column = load<u32>(c, SAMPLE_COUNT)
  const rowEnd = row + min(load<u32>(c, ROW_CAP) - row, load<u32>(c, SAMPLE_CAP) - column)
  let previous = load<u32>(tenant, TENANT_PREVIOUS)
  let timeBits: u64 = 0
  let time: f64 = 0
  let isTimely = false
  while (p < end && row < rowEnd) {
    // The field's tag and its length, in one byte or two.
    const head = load<u32>(p)
    const isLong = (head & 0x8000) != 0
    const near = (head >> 8) & 0x7f
    const length = select<u32>(near | ((head >> 9) & 0x3f80), near, isLong)
    const at = p + 2 + <usize>isLong
    const e = at + length
    if ((head & 0xff) != 10 || (head & 0x808000) == 0x808000 || e > end) break
    const id = load<u32>(load<u32>(c, ID_NEXT) + (previous << 2))
    const n = load<u32>(load<u32>(c, ID_LENGTH) + (id << 2))
    const size = length - n
    // Nobody's id, 0, has no length.
    if (n - 1 >= load<u32>(c, LABEL_LENGTH_MAX) || !isUsual(at + n, size)) break
    const fingerprint = v128.load(load<u32>(c, ID_FINGERPRINT) + (id << 4))
    const hash = hashBytes(load<u32>(c, HASH_KEY), at, n)
    if (v128.any_true(v128.xor(hash, fingerprint))) break
    const bits = load<u64>(e - 6) << 16
    if (bits != timeBits) {
      timeBits = bits
      time = <f64>timeOf(bits >> 16)
      isTimely = time >= load<f64>(c, TIME_MIN) && time <= load<f64>(c, TIME_MAX)
    }
    if (!(isTimely && isPlain(c, id)) && !addOther(c, row, n)) break
    const index: usize = load<u32>(c, ROWS) + row * ROW_BYTES
    store<u32>(index, at, ROW_LABELS)
    store<u32>(index, n, ROW_LENGTH)
    store<u32>(index, column, ROW_FIRST)
    store<u32>(index, 1, ROW_SAMPLES)
    store<u32>(load<u32>(c, COLUMN_IDS) + (column << 2), id)
    store<f64>(load<u32>(c, COLUMN_TIMES) + (column << 3), time)
    const value = select<u64>(load<u64>(at + n, 3), 0, size == 18)
    store<u64>(load<u32>(c, COLUMN_VALUES) + (column << 3), value)
    previous = id
    p = e
    row++
    column++
  }
  if (p == from) return p
  store<u32>(c, row, ROW_COUNT)
  store<u32>(c, column, SAMPLE_COUNT)
  store<u32>(tenant, previous, TENANT_PREVIOUS)
  store<u32>(tenant, 0, TENANT_MISSES)
  return p
}

/**
 * Whether a sample field of the usual shape takes the `size` bytes at p: value and time, or time alone
 * as a value of 0 is not sent; the time in six bytes.
 */
function isUsual(p: usize, size: u32): bool {
  if (size != 18 && size != 9) return false
  const head = select<u32>(0x091012, 0x100712, size == 18)
  const end = load<u64>(p + size - 8)
  return (
    (<u32>((load<u32>(p) & 0xffffff) == head) &
      <u32>((end & 0x808080808080ff00) == 0x0080808080801000)) ==
    1
  )
}

/** What a varint of six bytes says. */
function timeOf(w: u64): i64 {
  return (
    (w & 0x7f) |
    ((w >> 1) & 0x3f80) |
    ((w >> 2) & 0x1fc000) |
    ((w >> 3) & 0xfe00000) |
    ((w >> 4) & 0x7f0000000) |
    ((w >> 5) & 0x3f800000000)
  )
}

/** Whether a series is stored, by a shard that knows it; its route is noted. */
function isPlain(c: usize, id: u32): bool {
  const route: u32 = load<u8>(load<u32>(c, ID_ROUTE) + id)
  if (route >= <u32>ROUTE_REJECTED) return false
  const defined: usize = load<u32>(load<u32>(c, SHARDS) + route * SHARD_BYTES, SHARD_DEFINED)
  if (((load<u8>(defined + (id >> 3)) >> (<u8>id & 7)) & 1) == 0) return false
  if (route != 0) store<u32>(c, load<u32>(c, PLAIN_ROUTES) | route, PLAIN_ROUTES)
  return true
}

/** Notes a row that is not plain; false when its labels, of n bytes, find no room in this chunk. */
function addOther(c: usize, row: u32, n: u32): bool {
  const bytes = load<u32>(c, LABEL_BYTES) + n + DEFINE_OVERHEAD
  if (bytes > load<u32>(c, LABEL_ROOM)) return false
  store<u32>(c, bytes, LABEL_BYTES)
  const count = load<u32>(c, OTHER_COUNT)
  store<u32>(load<u32>(c, OTHERS) + (count << 2), row)
  store<u32>(c, count + 1, OTHER_COUNT)
  return true
}
