/** The samples of series with native histograms, floats and histograms apart, as they are written. */
import type { FloatHistogram } from '../../model/histogram.js'
import type { HistogramCells, SampleColumns, StepColumns } from './answer.js'

/** Samples of one series. */
export interface MixedSamples {
  /** Milliseconds and values of the floats. */
  readonly ts: Float64Array
  readonly values: Float64Array
  readonly histograms: readonly { readonly ms: number; readonly histogram: FloatHistogram }[]
}

/** Whether any sample of a series is a histogram. */
export function hasHistograms({ histograms, offsets }: SampleColumns, row: number): boolean {
  if (histograms === undefined) return false
  for (let k = offsets[row]!; k < offsets[row + 1]!; k++) {
    if (histograms[k] !== undefined) return true
  }
  return false
}

/** The points of a row of steps. */
export function stepSamples(
  { steps, words, values, present }: StepColumns,
  row: number,
  cells: HistogramCells,
  range: { readonly start: number; readonly step: number },
): MixedSamples {
  const at: number[] = []
  for (let step = 0; step < steps; step++) {
    if (((present[row * words + (step >>> 5)]! >>> (step & 31)) & 1) === 1) at.push(step)
  }
  const floats = at.filter((step) => cells[step] === undefined)
  const timeOf = (step: number): number => range.start + step * range.step
  return {
    ts: Float64Array.from(floats, timeOf),
    values: Float64Array.from(floats, (step) => values[row * steps + step]!),
    histograms: at.flatMap((step) => {
      const histogram = cells[step]
      return histogram === undefined ? [] : [{ ms: timeOf(step), histogram }]
    }),
  }
}

/** The samples of a series of a range vector. */
export function rangeSamples(matrix: SampleColumns, row: number): MixedSamples {
  const { offsets, ts, values, histograms } = matrix
  const at = Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_, k) => offsets[row]! + k)
  const floats = at.filter((k) => histograms![k] === undefined)
  return {
    ts: Float64Array.from(floats, (k) => ts[k]!),
    values: Float64Array.from(floats, (k) => values[k]!),
    histograms: at.flatMap((k) => {
      const histogram = histograms![k]
      return histogram === undefined ? [] : [{ ms: ts[k]!, histogram }]
    }),
  }
}
