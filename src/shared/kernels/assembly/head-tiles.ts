/**
 * Eight neighbours at once: what head-append.ts and head-log.ts do where the next eight columns of a
 * turn are the eight series of one tile. Senders send series in the order in which these came first,
 * so nearly all of a steady turn is that (decision 0034).
 *
 * Nothing here has an outcome of its own: a function either does all that its caller would do one by
 * one, or nothing, and answers false. Times must be whole and lie in [0, 2^52) ms for that: such a
 * number added to 2^52 has it in its mantissa's bits, as the conversion to i64 that SIMD is without.
 */
import {
  FILLS,
  FIRST_TIMES,
  LANE_BASES,
  LANE_SAMPLES,
  LAST_TIMES,
  LAST_VALUES,
  LIMITS,
  TAIL_TIMES,
  TAIL_TIMES_ROW,
  TAIL_VALUES,
  TAIL_VALUES_ROW,
} from '../head-layout'

/** Lanes of a tile. */
export const LANES: u32 = 8
/** One in each byte of eight, and the uppermost bit. */
export const ONES: u64 = 0x0101010101010101
const HIGHS: u64 = 0x8080808080808080
/** The bits of 2^52. */
const EXPONENT: i64 = 0x4330000000000000

/** Address of the sequence number of a series' tile. */
export function sequenceCell(slab: u32, s: u32): u32 {
  return slab + ((s >> 3) << 2)
}

/** Address of the time of the k-th sample in a series' raw tail. */
export function timeCell(slab: u32, s: u32, k: u32): u32 {
  return slab + TAIL_TIMES + k * TAIL_TIMES_ROW + (s << 2)
}

/** And of its value. */
export function valueCell(slab: u32, s: u32, k: u32): u32 {
  return slab + TAIL_VALUES + k * TAIL_VALUES_ROW + (s << 3)
}

/** Neighbours that are encoded with the same scrape: so many values of a row fill a page. */
export const ROW_GROUP: u32 = 512

/**
 * Has the system lay pages under the rows of ROW_GROUP new series from s on. Each row comes into use
 * with a scrape of its own otherwise, and its pages come one by one while samples wait.
 */
export function layRows(slab: u32, s: u32): void {
  for (let k: u32 = 0; k < u32(LANE_SAMPLES); k++) {
    store<u32>(timeCell(slab, s, k), 0)
    store<u64>(valueCell(slab, s, k), 0)
  }
}

/** Whether the eight refs at p are those of the tile that begins with `ref`. */
export function isTile(p: u32, ref: u32): bool {
  return (ref & (LANES - 1)) == 0 && isRun(p, ref)
}

/** Whether the eight words at p are `first` and the seven that follow it. */
export function isRun(p: u32, first: u32): bool {
  const run = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3))
  const low = v128.xor(v128.load(p), run)
  const high = v128.xor(v128.load(p, 16), i32x4.add(run, i32x4.splat(4)))
  return !v128.any_true(v128.or(low, high))
}

/** Two times as integers; nonsense where `isInexact` says so. */
function millis(t: v128): v128 {
  return v128.xor(f64x2.add(t, i64x2.splat(EXPONENT)), i64x2.splat(EXPONENT))
}

/** Not zero where a time lost something on the way to an integer. */
function lost(t: v128, m: v128): v128 {
  const back = f64x2.sub(v128.xor(m, i64x2.splat(EXPONENT)), i64x2.splat(EXPONENT))
  return v128.or(f64x2.ne(back, t), v128.and(m, i64x2.splat(0xfff0000000000000)))
}

/** Of the tile that `checkTile` took last. */
export let tileMint: f64 = 0
export let tileMaxt: f64 = 0

/**
 * Notes eight samples as the newest of series s to s + 7, when each is newer than what its series
 * has and not older than `oldest`.
 */
export function checkTile(slab: u32, s: u32, times: u32, values: u32, oldest: f64): bool {
  const t0 = v128.load(times)
  const t1 = v128.load(times, 16)
  const t2 = v128.load(times, 32)
  const t3 = v128.load(times, 48)
  const m0 = millis(t0)
  const m1 = millis(t1)
  const m2 = millis(t2)
  const m3 = millis(t3)
  const bad = v128.or(v128.or(lost(t0, m0), lost(t1, m1)), v128.or(lost(t2, m2), lost(t3, m3)))
  const last = slab + LAST_TIMES + (s << 3)
  const newer = v128.and(
    v128.and(i64x2.gt_s(m0, v128.load(last)), i64x2.gt_s(m1, v128.load(last, 16))),
    v128.and(i64x2.gt_s(m2, v128.load(last, 32)), i64x2.gt_s(m3, v128.load(last, 48))),
  )
  const least = f64x2.pmin(f64x2.pmin(t0, t1), f64x2.pmin(t2, t3))
  const good = v128.and(newer, f64x2.ge(least, f64x2.splat(oldest)))
  if (v128.any_true(bad) || !i64x2.all_true(good)) return false
  const most = f64x2.pmax(f64x2.pmax(t0, t1), f64x2.pmax(t2, t3))
  tileMint = min(f64x2.extract_lane(least, 0), f64x2.extract_lane(least, 1))
  tileMaxt = max(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1))
  v128.store(last, m0)
  v128.store(last, m1, 16)
  v128.store(last, m2, 32)
  v128.store(last, m3, 48)
  copyEight(slab + LAST_VALUES + (s << 3), values)
  return true
}

/** Copies eight words of 64 bits; they may overlap. */
export function copyEight(to: u32, from: u32): void {
  const a = v128.load(from)
  const b = v128.load(from, 16)
  const c = v128.load(from, 32)
  const d = v128.load(from, 48)
  v128.store(to, a)
  v128.store(to, b, 16)
  v128.store(to, c, 32)
  v128.store(to, d, 48)
}

/** Copies eight words of 32 bits; they may overlap. */
export function copyEightRefs(to: u32, from: u32): void {
  const a = v128.load(from)
  const b = v128.load(from, 16)
  v128.store(to, a)
  v128.store(to, b, 16)
}

/** Whether one of the lanes s to s + 7 has as many samples as it takes. */
export function isTileFull(slab: u32, s: u32): bool {
  // Both are 16 at most, so that nothing is borrowed from the next byte unless the answer is yes.
  return ((load<u64>(slab + LIMITS + s) - load<u64>(slab + FILLS + s) - ONES) & HIGHS) != 0
}

/**
 * Appends eight samples to lanes s to s + 7, none of which is full; the lanes must have equally
 * many, and times must be within 49 days of their first ones.
 */
export function appendTile(slab: u32, s: u32, times: u32, values: u32): bool {
  const fills = load<u64>(slab + FILLS + s)
  const fill = u32(fills & 255)
  if (fills != u64(fill) * ONES) return false
  const t0 = v128.load(times)
  const t1 = v128.load(times, 16)
  const t2 = v128.load(times, 32)
  const t3 = v128.load(times, 48)
  const m0 = millis(t0)
  const m1 = millis(t1)
  const m2 = millis(t2)
  const m3 = millis(t3)
  let bad = v128.or(v128.or(lost(t0, m0), lost(t1, m1)), v128.or(lost(t2, m2), lost(t3, m3)))
  const bases = slab + LANE_BASES + (s << 3)
  const row = timeCell(slab, s, fill)
  if (fill == 0) {
    if (v128.any_true(bad)) return false
    v128.store(bases, m0)
    v128.store(bases, m1, 16)
    v128.store(bases, m2, 32)
    v128.store(bases, m3, 48)
    const first = slab + FIRST_TIMES + (s << 3)
    noteFirst(first, m0)
    noteFirst(first + 16, m1)
    noteFirst(first + 32, m2)
    noteFirst(first + 48, m3)
    v128.store(row, i64x2.splat(0))
    v128.store(row, i64x2.splat(0), 16)
  } else {
    const d0 = i64x2.sub(m0, v128.load(bases))
    const d1 = i64x2.sub(m1, v128.load(bases, 16))
    const d2 = i64x2.sub(m2, v128.load(bases, 32))
    const d3 = i64x2.sub(m3, v128.load(bases, 48))
    const all = v128.or(v128.or(d0, d1), v128.or(d2, d3))
    bad = v128.or(bad, v128.and(all, i64x2.splat(0xffffffff00000000)))
    if (v128.any_true(bad)) return false
    v128.store(row, lowWords(d0, d1))
    v128.store(row, lowWords(d2, d3), 16)
  }
  copyEight(valueCell(slab, s, fill), values)
  store<u64>(slab + FILLS + s, fills + ONES)
  return true
}

/** The lower halves of four words of 64 bits. */
function lowWords(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 0, 2, 4, 6)
}

/** Puts times where none are yet. */
function noteFirst(at: u32, m: v128): void {
  const old = v128.load(at)
  v128.store(at, v128.bitselect(m, old, i64x2.eq(old, i64x2.splat(i64.MAX_VALUE))))
}
