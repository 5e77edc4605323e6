/**
 * sum and avg of native histograms, beside the floats' accumulators: a state per group and step
 * that has any. A group that holds both kinds answers nothing and says so, and so does one whose
 * buckets do not go together. Follows Prometheus promql/engine.go, aggregation.
 */
import type { FloatHistogram } from '../../model/histogram.js'
import { compactHistogram } from '../../model/histogram-arithmetic.js'
import { addToSum, beginSum, finishSum } from '../../model/histogram-sum.js'
import type { HistogramRow, StepMatrix } from '../columns.js'
import type { Notes } from '../functions/kernel.js'
import { addToMean, finishMean, type MeanState } from '../functions/native-range.js'
import {
  boundsReconciled,
  MIXED_IN_AGGREGATION,
  mixedSchemas,
  resetsCollide,
} from '../functions/native-texts.js'

/** Histograms of one group at one step. */
interface Cell {
  state: MeanState
  count: number
  hasReset: boolean
  hasNoReset: boolean
  /** There was a float before the first histogram, or before buckets did not fit. */
  hasFloat: boolean
  isIncompatible: boolean
}

/** Sums or averages of histograms per group and step. */
export class HistogramGroups {
  private readonly out: StepMatrix
  private readonly isMean: boolean
  private readonly notes: Notes
  /** By group × steps + step. */
  private readonly cells = new Map<number, Cell>()

  /** @param out the matrix of the floats' accumulator, whose bits tell where floats have been */
  constructor(out: StepMatrix, isMean: boolean, notes: Notes) {
    this.out = out
    this.isMean = isMean
    this.notes = notes
  }

  /** Takes the histograms of a row; `name` is asked for when its metric has to be named. */
  add(
    group: number,
    histograms: HistogramRow,
    present: Uint32Array,
    wordBase: number,
    name: () => string,
  ): void {
    for (let step = 0; step < histograms.length; step++) {
      const histogram = histograms[step]
      if (histogram === undefined) continue
      if (((present[wordBase + (step >>> 5)]! >>> (step & 31)) & 1) === 0) continue
      const key = group * this.out.steps + step
      const cell = this.cells.get(key)
      if (cell === undefined) {
        this.cells.set(key, this.begin(histogram, this.hasFloat(group, step)))
      } else if (!cell.isIncompatible && !cell.hasFloat) {
        this.extend(cell, histogram, this.hasFloat(group, step), name)
      }
    }
  }

  private hasFloat(group: number, step: number): boolean {
    const { words, present } = this.out
    return ((present[group * words + (step >>> 5)]! >>> (step & 31)) & 1) === 1
  }

  private begin(histogram: FloatHistogram, hasFloat: boolean): Cell {
    return {
      state: { sum: beginSum(histogram), isMean: false },
      count: 1,
      hasReset: histogram.counterResetHint === 'reset',
      hasNoReset: histogram.counterResetHint === 'not_reset',
      hasFloat,
      isIncompatible: false,
    }
  }

  private extend(
    cell: Cell,
    histogram: FloatHistogram,
    hasFloat: boolean,
    name: () => string,
  ): void {
    cell.count++
    if (histogram.counterResetHint === 'reset') cell.hasReset = true
    if (histogram.counterResetHint === 'not_reset') cell.hasNoReset = true
    const added = this.isMean
      ? addToMean(cell.state, histogram, cell.count)
      : addToTotal(cell.state, histogram)
    if (added === undefined) {
      this.notes.warn(mixedSchemas(name()))
      cell.isIncompatible = true
      cell.hasFloat = hasFloat
      return
    }
    cell.state = added.mean
    if (added.boundsReconciled) this.notes.info(boundsReconciled('aggregation'))
  }

  /** Puts the results beside those of the floats, in place of what must not be answered. */
  finish(): void {
    const { out } = this
    for (const [key, cell] of this.cells) {
      const group = Math.floor(key / out.steps)
      const step = key - group * out.steps
      const word = group * out.words + (step >>> 5)
      const bit = 1 << (step & 31)
      const isMixed = cell.hasFloat || (!cell.isIncompatible && this.hasFloat(group, step))
      if (isMixed) this.notes.warn(MIXED_IN_AGGREGATION)
      if (isMixed || cell.isIncompatible) {
        out.present[word]! &= ~bit
        continue
      }
      if (cell.hasReset && cell.hasNoReset) this.notes.warn(resetsCollide('aggregation'))
      const { state, count } = cell
      out.histograms ??= []
      let row = out.histograms[group]
      if (row === undefined) {
        row = new Array<undefined>(out.steps).fill(undefined)
        out.histograms[group] = row
      }
      row[step] = compactHistogram(this.isMean ? finishMean(state, count) : finishSum(state.sum))
      out.present[word]! |= bit
    }
  }
}

/** A sum as the state of a mean that never becomes one. */
function addToTotal(state: MeanState, histogram: FloatHistogram): ReturnType<typeof addToMean> {
  const added = addToSum(state.sum, histogram)
  if (added === undefined) return undefined
  return { mean: { sum: added.sum, isMean: false }, boundsReconciled: added.boundsReconciled }
}
