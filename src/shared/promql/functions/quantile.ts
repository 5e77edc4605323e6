/**
 * Quantiles of samples, for quantile_over_time and the quantile aggregation. After Prometheus
 * promql/quantile.go.
 */

/**
 * The quantile of samples, interpolated between the two next to it. NaN counts as the smallest.
 * @param sorted by sortFloats(): ascending, NaN last
 * @param count how many of them count, from the start; with 0 the answer is NaN
 */
export function quantileOfSorted(q: number, sorted: Float64Array, count: number): number {
  if (count === 0 || Number.isNaN(q)) return Number.NaN
  if (q < 0) return Number.NEGATIVE_INFINITY
  if (q > 1) return Number.POSITIVE_INFINITY
  let numbers = count
  while (numbers > 0 && Number.isNaN(sorted[numbers - 1])) numbers--
  const nans = count - numbers
  const rank = q * (count - 1)
  const lower = Math.max(0, Math.floor(rank))
  const upper = Math.min(count - 1, lower + 1)
  const weight = rank - Math.floor(rank)
  const lowerValue = lower < nans ? Number.NaN : sorted[lower - nans]!
  const upperValue = upper < nans ? Number.NaN : sorted[upper - nans]!
  return lowerValue * (1 - weight) + upperValue * weight
}

/** Above this many, TypedArray.sort() is faster than insertion (some 500 ns a call at the least). */
const INSERTION_MAX = 40

/** Sorts the first `count` values in place: ascending, NaN last. */
export function sortFloats(values: Float64Array, count: number): void {
  if (count > INSERTION_MAX) {
    values.subarray(0, count).sort()
    return
  }
  let numbers = 0
  for (let k = 0; k < count; k++) {
    const value = values[k]!
    if (value !== value) continue
    let at = numbers++
    while (at > 0 && values[at - 1]! > value) {
      values[at] = values[at - 1]!
      at--
    }
    values[at] = value
  }
  values.fill(Number.NaN, numbers, count)
}
