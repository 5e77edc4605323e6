/**
 * Straight lines through windows of samples (deriv, predict_linear): least squares with the sums of
 * Prometheus promql/functions.go (linearRegression), each with what its additions lose. Two windows
 * are gone through side by side, one in each half of a vector; each for itself in the order of time.
 * The sums of times alone are left for other series with the same times.
 * Called by ../trend.ts. Benchmark: bench/shared/promql/functions.bench.ts.
 */

/** Of one half: the sums, after which the losses stand in the same order. */
let x: f64 = 0
let y: f64 = 0
let xy: f64 = 0
let xx: f64 = 0
let lostX: f64 = 0
let lostY: f64 = 0
let lostXy: f64 = 0
let lostXx: f64 = 0
/** Whether all values so far are the first one. */
let isConstant: bool = true

/** Where the sums of x and of its squares lie, one of each a window, and whether they are there. */
let sumsX: usize = 0
let sumsXx: usize = 0
let areKnown: bool = false

/** What an addition loses (Knuth's TwoSum): exact whichever number is larger. */
function lossOf(sum: v128, added: v128, next: v128): v128 {
  const back = f64x2.sub(next, sum)
  return f64x2.add(f64x2.sub(sum, f64x2.sub(next, back)), f64x2.sub(added, back))
}

function loss(sum: f64, added: f64, next: f64): f64 {
  const back = next - sum
  return sum - (next - back) + (added - back)
}

/** One number of each of two windows. */
function both(first: usize, second: usize): v128 {
  return v128.load64_lane(second, v128.load64_splat(first), 1)
}

/**
 * Fits a line to each window: its slope per second, and its value at the window's origin. Windows of
 * fewer than two samples are left as they are.
 * @param ts times, ms; f64
 * @param values f64
 * @param from first sample of each window; i32
 * @param to one past the last; i32
 * @param origins ms; f64, which the lines' values replace
 * @param slopes f64, written
 * @param xs sums of seconds; f64, written
 * @param xxs sums of their squares; f64, written
 * @param known whether the last two are there, from the same times, windows and origins
 */
export function fitLines(
  ts: usize,
  values: usize,
  from: usize,
  to: usize,
  origins: usize,
  slopes: usize,
  xs: usize,
  xxs: usize,
  known: i32,
  count: i32,
): void {
  sumsX = xs
  sumsXx = xxs
  areKnown = known != 0
  for (let i = 0; i < count; i += 2) {
    // The last window of an odd number is its own neighbour.
    const j = i + 1 < count ? i + 1 : i
    fitTwo(ts, values, from, to, origins, slopes, i, j)
  }
}

function fitTwo(
  ts: usize,
  values: usize,
  from: usize,
  to: usize,
  origins: usize,
  slopes: usize,
  i: i32,
  j: i32,
): void {
  const from0 = load<i32>(from + ((<usize>i) << 2))
  const from1 = load<i32>(from + ((<usize>j) << 2))
  const n0 = load<i32>(to + ((<usize>i) << 2)) - from0
  const n1 = load<i32>(to + ((<usize>j) << 2)) - from1
  const n = n0 < n1 ? n0 : n1
  const t0 = ts + ((<usize>from0) << 3)
  const t1 = ts + ((<usize>from1) << 3)
  const v0 = values + ((<usize>from0) << 3)
  const v1 = values + ((<usize>from1) << 3)
  const origin0 = load<f64>(origins + ((<usize>i) << 3))
  const origin1 = load<f64>(origins + ((<usize>j) << 3))
  const origin = both(origins + ((<usize>i) << 3), origins + ((<usize>j) << 3))
  const thousand = f64x2.splat(1e3)
  const first = both(v0, v1)
  let sx = f64x2.splat(0)
  let sy = sx
  let sxy = sx
  let sxx = sx
  let lx = sx
  let ly = sx
  let lxy = sx
  let lxx = sx
  let differs = sx
  const hasXs = areKnown
  const end: usize = n > 0 ? (<usize>n) << 3 : 0
  for (let k: usize = 0; k < end; k += 8) {
    const seconds = f64x2.div(f64x2.sub(both(t0 + k, t1 + k), origin), thousand)
    const value = both(v0 + k, v1 + k)
    differs = v128.or(differs, f64x2.ne(value, first))
    const nextY = f64x2.add(sy, value)
    ly = f64x2.add(ly, lossOf(sy, value, nextY))
    sy = nextY
    const product = f64x2.mul(seconds, value)
    const nextXy = f64x2.add(sxy, product)
    lxy = f64x2.add(lxy, lossOf(sxy, product, nextXy))
    sxy = nextXy
    if (hasXs) continue
    const nextX = f64x2.add(sx, seconds)
    lx = f64x2.add(lx, lossOf(sx, seconds, nextX))
    sx = nextX
    const square = f64x2.mul(seconds, seconds)
    const nextXx = f64x2.add(sxx, square)
    lxx = f64x2.add(lxx, lossOf(sxx, square, nextXx))
    sxx = nextXx
  }
  if (n0 > 1) {
    hold(sx, sy, sxy, sxx)
    holdLost(lx, ly, lxy, lxx)
    isConstant = i64x2.extract_lane(differs, 0) == 0
    finish(t0, v0, n, n0, origin0, origins, slopes, i)
  }
  if (j != i && n1 > 1) {
    hold(swap(sx), swap(sy), swap(sxy), swap(sxx))
    holdLost(swap(lx), swap(ly), swap(lxy), swap(lxx))
    isConstant = i64x2.extract_lane(differs, 1) == 0
    finish(t1, v1, n, n1, origin1, origins, slopes, j)
  }
}

/** The halves of a vector, exchanged. */
function swap(halves: v128): v128 {
  return v128.shuffle<u64>(halves, halves, 1, 0)
}

/** Keeps the sums of the first halves. */
function hold(sx: v128, sy: v128, sxy: v128, sxx: v128): void {
  x = f64x2.extract_lane(sx, 0)
  y = f64x2.extract_lane(sy, 0)
  xy = f64x2.extract_lane(sxy, 0)
  xx = f64x2.extract_lane(sxx, 0)
}

/** And what they have lost. */
function holdLost(lx: v128, ly: v128, lxy: v128, lxx: v128): void {
  lostX = f64x2.extract_lane(lx, 0)
  lostY = f64x2.extract_lane(ly, 0)
  lostXy = f64x2.extract_lane(lxy, 0)
  lostXx = f64x2.extract_lane(lxx, 0)
}

/** Adds the samples from `done` on, which the other window does not have, and draws the line. */
function finish(
  ts: usize,
  values: usize,
  done: i32,
  count: i32,
  origin: f64,
  origins: usize,
  slopes: usize,
  window: i32,
): void {
  const first = load<f64>(values)
  for (let k = done > 0 ? done : 0; k < count; k++) {
    const value = load<f64>(values + ((<usize>k) << 3))
    if (value != first) isConstant = false
    const seconds = (load<f64>(ts + ((<usize>k) << 3)) - origin) / 1e3
    const nextY = y + value
    lostY += loss(y, value, nextY)
    y = nextY
    const product = seconds * value
    const nextXy = xy + product
    lostXy += loss(xy, product, nextXy)
    xy = nextXy
    if (areKnown) continue
    const nextX = x + seconds
    lostX += loss(x, seconds, nextX)
    x = nextX
    const square = seconds * seconds
    const nextXx = xx + square
    lostXx += loss(xx, square, nextXx)
    xx = nextXx
  }
  const slopeAt = slopes + ((<usize>window) << 3)
  const valueAt = origins + ((<usize>window) << 3)
  const xAt = sumsX + ((<usize>window) << 3)
  const xxAt = sumsXx + ((<usize>window) << 3)
  if (!areKnown) {
    store<f64>(xAt, x + lostX)
    store<f64>(xxAt, xx + lostXx)
  }
  if (isConstant) {
    const hasLine = Math.abs(first) != Infinity
    store<f64>(slopeAt, hasLine ? 0 : NaN)
    store<f64>(valueAt, hasLine ? first : NaN)
    return
  }
  const n = f64(count)
  const sumX = load<f64>(xAt)
  // What an infinite sum has lost is not a number.
  const sumY = Math.abs(y) == Infinity ? y : y + lostY
  const sumXy = Math.abs(xy) == Infinity ? xy : xy + lostXy
  const slope = (sumXy - (sumX * sumY) / n) / (load<f64>(xxAt) - (sumX * sumX) / n)
  store<f64>(slopeAt, slope)
  store<f64>(valueAt, sumY / n - (slope * sumX) / n)
}
