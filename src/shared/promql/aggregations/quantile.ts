/** quantile: the φ-quantile of each group, interpolated between its neighbours. */
import type { StepMatrix } from '../columns.js'
import { quantileOf } from '../functions/quantile.js'

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
      out.values[group * steps + step] = quantileOf(params[step]!, scratch, count)
      out.present[group * words + word]! |= bit
    }
  }
}
