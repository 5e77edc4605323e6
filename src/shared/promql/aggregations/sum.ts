/**
 * sum and avg, with Neumaier's compensated summation in the order of the rows, count and group,
 * stddev and stdvar (Welford).
 *
 * Hot; benchmark bench/shared/promql/execute.bench.ts. Follows Prometheus promql/engine.go,
 * aggregation, to the order of operations.
 */
import type { StepMatrix } from '../columns.js'
import type { QueryMemory } from '../memory.js'
import type { Accumulator } from './accumulator.js'

/** sum */
export function sumAccumulator(out: StepMatrix, memory: QueryMemory): Accumulator {
  const lost = memory.floats(out.values.length)
  return {
    add(group, values, base, present, wordBase) {
      addSum(out, lost, group, values, base, present, wordBase)
    },
    finish() {
      for (let i = 0; i < lost.length; i++) out.values[i]! += lost[i]!
    },
  }
}

function addSum(
  out: StepMatrix,
  lost: Float64Array,
  group: number,
  values: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
): void {
  const { steps, words, values: sums, present: begun } = out
  const sumBase = group * steps
  for (let word = 0; word < words; word++) {
    const bits = present[wordBase + word]!
    if (bits === 0) continue
    const known = begun[group * words + word]!
    begun[group * words + word] = known | bits
    const first = word << 5
    const count = Math.min(32, steps - first)
    if (bits === known && bits === 0xffffffff >>> (32 - count)) {
      addAll(sums, lost, sumBase + first, values, base + first, count)
    } else addSome(sums, lost, sumBase + first, values, base + first, bits, known)
  }
}

/** Adds where there are values, of which `known` are not the first. */
function addSome(
  sums: Float64Array,
  lost: Float64Array,
  to: number,
  values: Float64Array,
  from: number,
  bits: number,
  known: number,
): void {
  for (let i = 0; bits !== 0; i++, bits >>>= 1, known >>>= 1) {
    if ((bits & 1) === 0) continue
    if ((known & 1) === 0) sums[to + i] = values[from + i]!
    else addAll(sums, lost, to + i, values, from + i, 1)
  }
}

/**
 * Adds values to as many sums. What an addition loses is exact however it is got: here without
 * looking which number is larger (Knuth's TwoSum).
 */
function addAll(
  sums: Float64Array,
  lost: Float64Array,
  to: number,
  values: Float64Array,
  from: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const at = to + i
    const value = values[from + i]!
    const sum = sums[at]!
    const total = sum + value
    sums[at] = total
    if (total === Infinity || total === -Infinity) {
      lost[at] = 0
      continue
    }
    const back = total - sum
    lost[at]! += sum - (total - back) + (value - back)
  }
}

/**
 * avg: the sum over the count as long as the sum is finite; from the step on that would overflow,
 * an incremental mean.
 */
export function avgAccumulator(out: StepMatrix, memory: QueryMemory): Accumulator {
  const columns: Averages = {
    lost: memory.floats(out.values.length),
    counts: memory.floats(out.values.length),
    isMean: memory.flags(out.values.length),
  }
  return {
    add(group, values, base, present, wordBase) {
      addAvg(out, columns, group, values, base, present, wordBase)
    },
    finish() {
      const { lost, counts, isMean } = columns
      for (let i = 0; i < lost.length; i++) {
        if (counts[i] === 0) continue
        out.values[i] =
          isMean[i] === 1
            ? out.values[i]! + lost[i]!
            : out.values[i]! / counts[i]! + lost[i]! / counts[i]!
      }
    },
  }
}

/** The running value in the matrix is a sum, or a mean where `isMean` is 1. */
interface Averages {
  readonly lost: Float64Array
  readonly counts: Float64Array
  readonly isMean: Uint8Array
}

function addAvg(
  out: StepMatrix,
  columns: Averages,
  group: number,
  values: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
): void {
  const { steps, words, values: sums, present: begun } = out
  const { lost, counts, isMean } = columns
  const sumBase = group * steps
  for (let word = 0; word < words; word++) {
    let bits = present[wordBase + word]!
    begun[group * words + word]! |= bits
    for (let i = word << 5; bits !== 0; i++, bits >>>= 1) {
      if ((bits & 1) === 0) continue
      const value = values[base + i]!
      const at = sumBase + i
      const count = counts[at]! + 1
      counts[at] = count
      if (count === 1) {
        sums[at] = value
        continue
      }
      const sum = sums[at]!
      const total = sum + value
      if (isMean[at] === 0 && total !== Infinity && total !== -Infinity) {
        lost[at]! += Math.abs(sum) >= Math.abs(value) ? sum - total + value : value - total + sum
        sums[at] = total
      } else {
        addToMean(sums, columns, at, value, count)
      }
    }
  }
}

function addToMean(
  sums: Float64Array,
  columns: Averages,
  at: number,
  value: number,
  count: number,
): void {
  const { lost, isMean } = columns
  if (isMean[at] === 0) {
    isMean[at] = 1
    sums[at]! /= count - 1
    lost[at]! /= count - 1
  }
  const share = (count - 1) / count
  const mean = share * sums[at]!
  const part = value / count
  const compensation = share * lost[at]!
  const total = mean + part
  if (total === Infinity || total === -Infinity) lost[at] = 0
  else if (Math.abs(mean) >= Math.abs(part)) lost[at] = compensation + (mean - total + part)
  else lost[at] = compensation + (part - total + mean)
  sums[at] = total
}

/** count */
export function countAccumulator(out: StepMatrix): Accumulator {
  return {
    add(group, _values, _base, present, wordBase) {
      const { steps, words } = out
      for (let word = 0; word < words; word++) {
        let bits = present[wordBase + word]!
        out.present[group * words + word]! |= bits
        for (let i = group * steps + (word << 5); bits !== 0; i++, bits >>>= 1) {
          out.values[i]! += bits & 1
        }
      }
    },
    finish() {},
  }
}

/** group: 1 where there is anything. */
export function groupAccumulator(out: StepMatrix): Accumulator {
  return {
    add(group, _values, _base, present, wordBase) {
      const { words } = out
      for (let word = 0; word < words; word++) {
        out.present[group * words + word]! |= present[wordBase + word]!
      }
    },
    finish() {
      out.values.fill(1)
    },
  }
}

/** stddev */
export function stddevAccumulator(out: StepMatrix, memory: QueryMemory): Accumulator {
  return varianceAccumulator(out, memory, true)
}

/** stdvar */
export function stdvarAccumulator(out: StepMatrix, memory: QueryMemory): Accumulator {
  return varianceAccumulator(out, memory, false)
}

function varianceAccumulator(out: StepMatrix, memory: QueryMemory, rooted: boolean): Accumulator {
  const means = memory.floats(out.values.length)
  const counts = memory.floats(out.values.length)
  return {
    add(group, values, base, present, wordBase) {
      addVariance(out, means, counts, group, values, base, present, wordBase)
    },
    finish() {
      for (let i = 0; i < counts.length; i++) {
        const variance = out.values[i]! / counts[i]!
        out.values[i] = rooted ? Math.sqrt(variance) : variance
      }
    },
  }
}

function addVariance(
  out: StepMatrix,
  means: Float64Array,
  counts: Float64Array,
  group: number,
  values: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
): void {
  const { steps, words, values: sums } = out
  for (let word = 0; word < words; word++) {
    let bits = present[wordBase + word]!
    out.present[group * words + word]! |= bits
    for (let i = word << 5; bits !== 0; i++, bits >>>= 1) {
      if ((bits & 1) === 0) continue
      const value = values[base + i]!
      const at = group * steps + i
      const count = counts[at]! + 1
      counts[at] = count
      if (count === 1) {
        means[at] = value
        sums[at] = Number.isFinite(value) ? 0 : Number.NaN
        continue
      }
      const delta = value - means[at]!
      means[at]! += delta / count
      sums[at]! += delta * (value - means[at]!)
    }
  }
}
