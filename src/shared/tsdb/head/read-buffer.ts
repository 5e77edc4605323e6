/** What a series is read to. */

/** Samples of one series, in arrays that are replaced by larger ones when they do not suffice. */
export interface ReadBuffer {
  /** ms, ascending. */
  ts: Float64Array
  /** Stale markers keep their bits. */
  values: Float64Array
  count: number
}
