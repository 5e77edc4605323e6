/** What a series is read to. */
import type { FloatHistogram } from '../../model/histogram.js'

/** Samples of one series, in arrays that are replaced by larger ones when they do not suffice. */
export interface ReadBuffer {
  /** ms, ascending. */
  ts: Float64Array
  /** Stale markers keep their bits. */
  values: Float64Array
  count: number
  /**
   * [count] native histograms: undefined where a sample is a float, undefined altogether when all
   * are; a reader sets it only when there is one.
   */
  histograms?: (FloatHistogram | undefined)[] | undefined
}
