/**
 * What a query's answer must offer to be written as JSON: a structure of this module's own, which
 * promql's QueryResult fits as it is (wire lies below promql).
 */
import type { FloatHistogram } from '../../model/histogram.js'

/** Native histograms; undefined where there is a float or nothing. */
export type HistogramCells = readonly (FloatHistogram | undefined)[]

/** Label sets by id, their labels as pair ids sorted by name. */
export interface LabelSource {
  pairs(set: number): Uint32Array
  pairName(pair: number): string
  pairValue(pair: number): string
}

/** [series × steps] floats, row-major, with a bit per value that is there. */
export interface StepColumns {
  readonly steps: number
  /** 32-bit words of presence per row: ceil(steps / 32). */
  readonly words: number
  /** [series] label set ids. */
  readonly sets: Uint32Array
  /** [series × steps] */
  readonly values: Float64Array
  /** [series × words]; bit s & 31 of word s >>> 5; bits past `steps` are 0. */
  readonly present: Uint32Array
  /** [series] native histograms by step, undefined for rows of floats only. */
  readonly histograms?: readonly (HistogramCells | undefined)[] | undefined
}

/** Samples with times of their own. */
export interface SampleColumns {
  /** [series] label set ids. */
  readonly sets: Uint32Array
  /** [series + 1] where each series begins in ts and values. */
  readonly offsets: Uint32Array
  /** Milliseconds. */
  readonly ts: Float64Array
  readonly values: Float64Array
  /** [samples] those that are native histograms. */
  readonly histograms?: HistogramCells | undefined
}

/** The data of an answer; `order` lists the rows to write. Times are ms. */
export type QueryData =
  | { readonly type: 'string'; readonly value: string; readonly atMs: number }
  | { readonly type: 'scalar'; readonly value: number; readonly atMs: number }
  | {
      readonly type: 'vector'
      /** One step. */
      readonly matrix: StepColumns
      readonly order: Uint32Array
      readonly atMs: number
    }
  | {
      readonly type: 'matrix'
      readonly matrix: StepColumns
      readonly order: Uint32Array
      readonly range: { readonly start: number; readonly step: number }
    }
  | { readonly type: 'samples'; readonly matrix: SampleColumns; readonly order: Uint32Array }

/** A whole answer. */
export interface QueryAnswer {
  readonly labels: LabelSource
  readonly data: QueryData
  readonly warnings: readonly string[]
  readonly infos: readonly string[]
}
