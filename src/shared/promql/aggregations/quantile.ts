/** quantile: the φ-quantile of each group, interpolated between its neighbours. */
import type { StepMatrix } from '../columns.js'

/**
 * The φ-quantile of unordered values, which are sorted in place. Follows Prometheus
 * promql/quantile.go: NaN is the smallest of all.
 */
export function quantileOf(q: number, values: Float64Array): number {
  const count = values.length
  if (count === 0 || q !== q) return Number.NaN
  if (q < 0) return -Infinity
  if (q > 1) return Infinity
  // Typed arrays sort NaN to the end: index i of Prometheus' order is i − nans here.
  values.sort()
  let nans = 0
  while (nans < count && values[count - 1 - nans] !== values[count - 1 - nans]) nans++
  const rank = q * (count - 1)
  const lower = Math.max(0, Math.floor(rank))
  const upper = Math.min(count - 1, lower + 1)
  const weight = rank - Math.floor(rank)
  const below = lower < nans ? Number.NaN : values[lower - nans]!
  const above = upper < nans ? Number.NaN : values[upper - nans]!
  return below * (1 - weight) + above * weight
}

/**
 * Fills `out`, one row per group.
 * @param groups [rows of input] group of each row
 * @param params [steps] φ
 */
export function quantileInto(
  input: StepMatrix,
  groups: Uint32Array,
  params: Float64Array,
  out: StepMatrix,
): void {
  const { steps, words } = input
  const members = Array.from({ length: out.series }, (): number[] => [])
  for (let row = 0; row < input.series; row++) members[groups[row]!]!.push(row)
  const largest = members.reduce((most, rows) => Math.max(most, rows.length), 0)
  const scratch = new Float64Array(largest)
  for (const [group, rows] of members.entries()) {
    for (let step = 0; step < steps; step++) {
      const word = step >>> 5
      const bit = 1 << (step & 31)
      let count = 0
      for (const row of rows) {
        if ((input.present[row * words + word]! & bit) === 0) continue
        scratch[count++] = input.values[row * steps + step]!
      }
      if (count === 0) continue
      out.values[group * steps + step] = quantileOf(params[step]!, scratch.subarray(0, count))
      out.present[group * words + word]! |= bit
    }
  }
}
