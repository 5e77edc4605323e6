/**
 * Quantiles of samples, for quantile_over_time and the quantile aggregation. After Prometheus
 * promql/quantile.go.
 */

/**
 * The quantile of the first `count` values, interpolated between the two next to it; their order is
 * changed. NaN counts as the smallest.
 * @param count with 0 the answer is NaN
 */
export function quantileOf(q: number, values: Float64Array, count: number): number {
  if (count === 0 || Number.isNaN(q)) return Number.NaN
  if (q < 0) return Number.NEGATIVE_INFINITY
  if (q > 1) return Number.POSITIVE_INFINITY
  const nans = nansFirst(values, count)
  const rank = q * (count - 1)
  const lower = Math.max(0, Math.floor(rank))
  const upper = Math.min(count - 1, lower + 1)
  const weight = rank - Math.floor(rank)
  if (lower >= nans) placeRank(values, nans, count - 1, lower)
  const lowerValue = values[lower]!
  // What stands behind the lower one is not smaller; the smallest of it is next.
  let upperValue = values[upper]!
  if (lower >= nans) {
    for (let k = upper + 1; k < count; k++) if (values[k]! < upperValue) upperValue = values[k]!
  } else if (upper >= nans) {
    placeRank(values, nans, count - 1, upper)
    upperValue = values[upper]!
  }
  return lowerValue * (1 - weight) + upperValue * weight
}

/** Moves NaNs to the front. @returns how many there are */
function nansFirst(values: Float64Array, count: number): number {
  let nans = 0
  for (let k = 0; k < count; k++) {
    const value = values[k]!
    if (value === value) continue
    values[k] = values[nans]!
    values[nans++] = Number.NaN
  }
  return nans
}

/** So few are sorted by insertion. */
const INSERTION_MAX = 12

/**
 * Orders values [from, last] as far as it takes to have the right one at `rank`: none before it is
 * larger, none behind it smaller. Hoare's selection; a part that does not shrink is sorted.
 */
function placeRank(values: Float64Array, from: number, last: number, rank: number): void {
  let left = from
  let right = last
  // Each turn halves the part as a rule; so many are enough for any that does.
  for (let turns = 64; right - left >= INSERTION_MAX && turns > 0; turns--) {
    const pivot = middleOf(values[left]!, values[(left + right) >>> 1]!, values[right]!)
    let i = left
    let j = right
    while (i <= j) {
      while (values[i]! < pivot) i++
      while (values[j]! > pivot) j--
      if (i > j) break
      const value = values[i]!
      values[i++] = values[j]!
      values[j--] = value
    }
    if (rank <= j) right = j
    else if (rank >= i) left = i
    else return
  }
  if (right - left >= INSERTION_MAX) {
    values.subarray(left, right + 1).sort()
    return
  }
  for (let k = left + 1; k <= right; k++) {
    const value = values[k]!
    let at = k
    while (at > left && values[at - 1]! > value) {
      values[at] = values[at - 1]!
      at--
    }
    values[at] = value
  }
}

function middleOf(a: number, b: number, c: number): number {
  if (a < b) return b < c ? b : a < c ? c : a
  return a < c ? a : b < c ? c : b
}
