/**
 * What flows between operators: series × steps of floats with a presence bitmap. A row is one
 * series; its values stand at `row * steps`, its bits at `row * words`. Presence is never told by
 * a NaN. A scalar is a StepMatrix of one row with the empty label set, all steps present.
 */
import type { FloatHistogram } from '../model/histogram.js'
import type { ExplainedNode } from './explain.js'
import type { FetchMeter } from './fetch-meter.js'
import type { LabelTable } from './label-table.js'
import type { StepSamples } from './step-samples.js'

/**
 * [steps] native histograms of one row; a cell without one is a float. Where the row has no point
 * it is unspecified, as values are. Histograms are shared and never changed, arrays of them belong
 * to whoever was given the row.
 */
export type HistogramRow = (FloatHistogram | undefined)[]

/** The evaluation times of a query or subquery. */
export interface StepRange {
  /** Milliseconds of step 0. */
  readonly start: number
  /** Milliseconds between steps; 1 when there is one step only. */
  readonly step: number
  readonly count: number
}

/** [series × steps] floats. Columns belong to the query's arena. */
export interface StepMatrix {
  series: number
  readonly steps: number
  /** 32-bit words of presence per row: ceil(steps / 32). Bits past `steps` are 0. */
  readonly words: number
  /** [series] label set ids in the query's LabelTable. */
  sets: Uint32Array
  /** [series × steps], row-major; unspecified where absent. */
  values: Float64Array
  /** [series × words]; bit s & 31 of word s >>> 5. */
  present: Uint32Array
  /**
   * Names are still there though an operation has asked to drop them (delayed name removal);
   * one flag for the matrix: undefined when no row is marked, else [series] 0 or 1.
   */
  dropName: Uint8Array | undefined
  /**
   * Native histograms: undefined when there are none, else [series], undefined for rows of floats
   * only. `values` is unspecified where a cell is a histogram.
   */
  histograms: (HistogramRow | undefined)[] | undefined
}

/** Raw samples per series: an instant query whose answer is a range vector. */
export interface SampleMatrix {
  readonly series: number
  readonly sets: Uint32Array
  /** [series + 1] where each series' samples begin in ts and values. */
  readonly offsets: Uint32Array
  /** Milliseconds. */
  readonly ts: Float64Array
  readonly values: Float64Array
  /** [samples] those that are native histograms; undefined when there are none. */
  readonly histograms: HistogramRow | undefined
}

/** What a query has cost; times in ms by the clock that it was given. */
export interface ExecutionStats {
  /** Planning, and selecting series. */
  readonly prepareMs: number
  readonly evalMs: number
  /** Putting rows in order. */
  readonly sortMs: number
  /** Points held at once, as Prometheus counts them. */
  readonly samplesPeak: number
  /** Bytes of columns held at once. */
  readonly bytesPeak: number
  readonly fetched: FetchMeter
  /** Samples looked at, by step: undefined when they were not asked for. */
  readonly stepSamples: StepSamples | undefined
  /** The plan and its costs, when they were asked for. */
  readonly profile: ExplainedNode | undefined
}

/** The answer of a query, ready for wire/json. */
export interface QueryResult {
  readonly labels: LabelTable
  readonly data:
    | { readonly type: 'string'; readonly value: string; readonly atMs: number }
    | { readonly type: 'scalar'; readonly value: number; readonly atMs: number }
    /** Instant vector: steps = 1. `order` lists rows in answer order. */
    | {
        readonly type: 'vector'
        readonly matrix: StepMatrix
        readonly order: Uint32Array
        readonly atMs: number
      }
    /** Range query: rows sorted by labels, rows without a point left out of `order`. */
    | {
        readonly type: 'matrix'
        readonly matrix: StepMatrix
        readonly order: Uint32Array
        readonly range: StepRange
      }
    /** Instant query of a range vector. */
    | { readonly type: 'samples'; readonly matrix: SampleMatrix; readonly order: Uint32Array }
  /** Prometheus' texts, position included, without the `PromQL warning: ` cut off. */
  readonly warnings: readonly string[]
  readonly infos: readonly string[]
  readonly samplesRead: number
  readonly seriesRead: number
  readonly stats: ExecutionStats
}
