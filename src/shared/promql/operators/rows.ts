/**
 * Rows whose label sets have become equal, and rows that have become empty: what Prometheus does
 * with them after an operation (promql/engine.go: rangeEval, mergeSeriesWithSameLabelset).
 */
import type { StepMatrix } from '../columns.js'
import { countBits } from '../memory.js'
import { type QueryState, sameLabelset } from './operator.js'

/** Whether any of the first `count` sets stands twice. */
export function hasRepeats(sets: Uint32Array, count: number): boolean {
  if (count < 2) return false
  let largest = 0
  for (let i = 0; i < count; i++) if (sets[i]! > largest) largest = sets[i]!
  // A mark per id is ten times as fast as a Set, unless ids are sparse.
  if (largest > 64 * count) return new Set(sets.subarray(0, count)).size !== count
  const marks = new Uint8Array(largest + 1)
  for (let i = 0; i < count; i++) {
    const set = sets[i]!
    if (marks[set] === 1) return true
    marks[set] = 1
  }
  return false
}

/**
 * After an operation that may have made label sets equal. A single step refuses them, unless names
 * are still to be dropped, when they may live on until the end; several steps merge those that do
 * not overlap.
 */
export function finishRows(matrix: StepMatrix, state: QueryState): StepMatrix {
  if (!hasRepeats(matrix.sets, matrix.series)) return matrix
  if (matrix.steps === 1) {
    if (!state.delayedNameRemoval) throw sameLabelset()
    return matrix
  }
  return mergeRows(matrix)
}

/**
 * Merges rows with equal label sets, in place.
 * @throws AppError `query-execution` when two have a point at the same step
 */
export function mergeRows(matrix: StepMatrix): StepMatrix {
  const { steps, words, sets, values, present } = matrix
  const firstRow = new Map<number, number>()
  for (let row = 0; row < matrix.series; row++) {
    const set = sets[row]!
    const first = firstRow.get(set)
    if (first === undefined) {
      firstRow.set(set, row)
      continue
    }
    for (let word = 0; word < words; word++) {
      let bits = present[row * words + word]!
      if ((bits & present[first * words + word]!) !== 0) throw sameLabelset()
      present[first * words + word]! |= bits
      present[row * words + word] = 0
      for (let step = word << 5; bits !== 0; step++, bits >>>= 1) {
        if ((bits & 1) === 0) continue
        values[first * steps + step] = values[row * steps + step]!
        if (matrix.histograms !== undefined) moveCell(matrix, row, first, step)
      }
    }
  }
  return compactRows(matrix)
}

/** Whether a row has a point at a step. */
export function isPresentAt(matrix: StepMatrix, row: number, step: number): boolean {
  return ((matrix.present[row * matrix.words + (step >>> 5)]! >>> (step & 31)) & 1) === 1
}

/** Moves what a cell holds besides its value to another row. */
function moveCell(matrix: StepMatrix, from: number, to: number, step: number): void {
  const rows = matrix.histograms!
  const histogram = rows[from]?.[step]
  let row = rows[to]
  if (row === undefined) {
    if (histogram === undefined) return
    row = new Array<undefined>(matrix.steps).fill(undefined)
    rows[to] = row
  }
  row[step] = histogram
}

/** Leaves empty rows out, in place, keeping the order. */
export function compactRows(matrix: StepMatrix): StepMatrix {
  const { steps, words, sets, values, present, dropName, histograms } = matrix
  let kept = 0
  for (let row = 0; row < matrix.series; row++) {
    if (countBits(present, row * words, (row + 1) * words) === 0) continue
    if (kept !== row) {
      sets[kept] = sets[row]!
      if (dropName !== undefined) dropName[kept] = dropName[row]!
      if (histograms !== undefined) histograms[kept] = histograms[row]
      values.copyWithin(kept * steps, row * steps, (row + 1) * steps)
      present.copyWithin(kept * words, row * words, (row + 1) * words)
    }
    kept++
  }
  matrix.series = kept
  return matrix
}

/**
 * At the end of a query under delayed name removal: drops the names that are marked. What becomes
 * equal by that is merged where it does not overlap; Prometheus 3.5 refuses it in any case.
 */
export function dropMarkedNames(matrix: StepMatrix, { labels, release }: QueryState): StepMatrix {
  const { dropName, sets } = matrix
  if (dropName !== undefined) {
    for (let row = 0; row < matrix.series; row++) {
      if (dropName[row] !== 0) sets[row] = labels.withoutName(sets[row]!)
    }
    matrix.dropName = undefined
  }
  if (!hasRepeats(sets, matrix.series)) return matrix
  if (release === '3.5') throw sameLabelset()
  return mergeRows(matrix)
}

/** A bit for every step. */
export function allPresent(present: Uint32Array, wordBase: number, steps: number): void {
  const whole = steps >>> 5
  present.fill(0xffffffff, wordBase, wordBase + whole)
  if ((steps & 31) !== 0) present[wordBase + whole] = 2 ** (steps & 31) - 1
}
