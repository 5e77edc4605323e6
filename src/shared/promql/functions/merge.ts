/**
 * Rows that have come to have the same labels become one, as Prometheus' engine has it
 * (mergeSeriesWithSameLabelset): fine while they never have a value at the same step.
 */
import { fail } from '../../errors/index.js'
import type { StepMatrix } from '../columns.js'
import type { CallContext } from './kernel.js'
import { copyRows, hasAny } from './rows.js'

/**
 * The matrix itself when all labels differ, otherwise one with such rows merged into the first.
 * @throws AppError `query-execution` when two of them have a value at the same step
 */
export function mergeRows(context: CallContext, matrix: StepMatrix): StepMatrix {
  const rowOfSet = new Map<number, number>()
  const kept: number[] = []
  let isUnique = true
  const { steps, words, present, values } = matrix
  for (let row = 0; row < matrix.series; row++) {
    if (!hasAny(matrix, row)) continue
    const set = matrix.sets[row]!
    const first = rowOfSet.get(set)
    if (first === undefined) {
      rowOfSet.set(set, row)
      kept.push(row)
      continue
    }
    isUnique = false
    for (let word = 0; word < words; word++) {
      const bits = present[row * words + word]!
      if ((bits & present[first * words + word]!) !== 0) throw sameLabels()
      present[first * words + word]! |= bits
      for (let step = word * 32; step < Math.min(steps, word * 32 + 32); step++) {
        if (((bits >>> (step & 31)) & 1) === 0) continue
        values[first * steps + step] = values[row * steps + step]!
      }
    }
  }
  return isUnique ? matrix : copyRows(context, matrix, kept)
}

function sameLabels(): Error {
  return fail('query-execution', { text: 'vector cannot contain metrics with the same labelset' })
}
