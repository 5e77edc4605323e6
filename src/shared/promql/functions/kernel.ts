/**
 * The forms that a PromQL function takes. Each has one row, beside its kernel, and `table.ts` all of
 * them; the call operator (operators/call.ts) knows the forms, never a function's name.
 */

import type { FloatHistogram } from '../../model/histogram.js'
import type { HistogramRow, StepMatrix, StepRange } from '../columns.js'
import type { LabelTable } from '../label-table.js'
import type { PrometheusRelease } from '../release.js'
import type { Expr, PosRange, SelectorMode, ValueType } from '../syntax/ast.js'

/** Times that several series of a query have, and what the function of a call has made of them. */
export interface SharedTimes {
  kept: Float64Array | undefined
}

/**
 * One series' samples and the window of every step. Windows are left-open, (end − range, end].
 * Stale markers are taken out beforehand. Reused from series to series.
 */
export interface Windows {
  /** [count] ms, ascending. */
  ts: Float64Array
  /** [count] */
  values: Float64Array
  count: number
  readonly steps: number
  /** [steps] first sample in the window of each step. */
  readonly from: Int32Array
  /** [steps] one past the last sample; from === to means an empty window. */
  readonly to: Int32Array
  readonly rangeMs: number
  /**
   * `anchored` and `smoothed` windows may have a sample at or before their start, smoothed ones
   * one after their end: functions without these modes never see them.
   */
  readonly mode: SelectorMode
  /** End of the window of step 0 (ms), offset and @ applied; step i ends at end0 + i × stepMs. */
  readonly end0: number
  readonly stepMs: number
  /** Evaluation time of step 0 (ms), offset and @ not applied; used by predict_linear. */
  readonly eval0: number
  /** Milliseconds between evaluation times: not 0 under @, as stepMs is. */
  readonly evalStepMs: number
  /** It is known that no value is below the one before it. */
  readonly hasNoResets?: boolean
  /** Where the windows are those of other series as well. At most four numbers a step may be kept. */
  readonly shared?: SharedTimes | undefined
  /** Where other series have these times: series of one call with this array and as many samples do. */
  readonly times?: Float64Array | undefined
}

/**
 * A function of one range vector. Writes values[base + i] and sets the bit of each step i that
 * has a result: `present[wordBase + (i >>> 5)] |= 1 << (i & 31)` (bits are 0 beforehand).
 * @param params scalar arguments, in order, each [steps]
 */
export type RangeKernel = (
  windows: Windows,
  params: readonly Float64Array[],
  values: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
  notes: Notes,
) => void

/** The same of samples with start timestamps: [count] ms, 0 where one is not known. */
export type StartedKernel = (
  windows: Windows,
  starts: Float64Array,
  values: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
  notes: WindowNotes,
) => void

/** A window of samples of which at least one is a histogram; reused from window to window. */
export interface MixedWindow {
  readonly ts: Float64Array
  /** Unspecified where there is a histogram. */
  readonly values: Float64Array
  readonly histograms: HistogramRow
  /** Start timestamps, as StartedKernel has them; undefined when none is known. */
  readonly starts: Float64Array | undefined
  /** First sample of the window, one past the last. */
  from: number
  to: number
  /** How many of them are histograms. */
  histogramCount: number
  readonly rangeMs: number
  readonly mode: SelectorMode
  /** End of the window (ms). */
  end: number
}

/** What a function of a range vector answers for such a window; undefined: nothing. */
export type WindowKernel = (
  window: MixedWindow,
  notes: WindowNotes,
) => number | FloatHistogram | undefined

/** Notes about one series. */
export interface WindowNotes extends Notes {
  /** The series' metric name, '' without one. */
  name(): string
  readonly release: PrometheusRelease
}

/** A float → float function, step by step. In and out may be the same array. */
export type MapKernel = (
  values: Float64Array,
  out: Float64Array,
  from: number,
  to: number,
  params: readonly Float64Array[],
  steps: number,
) => void

/**
 * Where a kernel leaves its annotations: the text with `PromQL warning: ` or `PromQL info: ` left
 * out. The call operator adds that, the position (that of the first argument when none is given)
 * and drops repetitions.
 */
export interface Notes {
  warn(text: string, pos?: PosRange): void
  info(text: string, pos?: PosRange): void
}

/** What a whole-matrix function works with. */
export interface CallContext {
  readonly labels: LabelTable
  readonly range: StepRange
  /** The call's arguments as written: for absent() and error texts. */
  readonly args: readonly Expr[]
  readonly pos: PosRange
  readonly delayedNameRemoval: boolean
  /** The query is a range query: its answer is sorted by labels whatever sort() says. */
  readonly isRangeQuery: boolean
  readonly release: PrometheusRelease
  readonly notes: Notes
  /** A zeroed matrix out of the query's arena. */
  matrix(series: number): StepMatrix
  /** Notes work done, so that a long loop hears that the query is not wanted any more. */
  tick(units: number): void
}

/** An evaluated argument. Strings come as they are, everything else as a matrix. */
export type Argument =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'scalar' | 'vector'; readonly matrix: StepMatrix }

/** A function over evaluated arguments: label functions, sort, absent, histogram_quantile, time. */
export type MatrixKernel = (args: readonly Argument[], context: CallContext) => StepMatrix

/** The query's own times in milliseconds; an instant query has start === end and step 0. */
export interface ConstantTimes {
  readonly start: number
  readonly end: number
  readonly step: number
}

/** A function of one range vector. */
export interface RangeForm {
  readonly form: 'range'
  readonly run: RangeKernel
  /**
   * What it does with native histograms: left out, it takes the floats only and says so; 'alike':
   * the kernel does not look at values, so that they do not matter.
   */
  readonly histograms?: WindowKernel | 'alike'
  /** For samples with start timestamps, where they matter. */
  readonly started?: StartedKernel
  readonly keepsName?: true
  readonly expectsCounter?: true
  /** Modes of selectors besides the plain one that the function can take. */
  readonly modes?: readonly SelectorMode[]
}

/** A row of the function table. Signatures follow Prometheus promql/parser/functions.go. */
export interface FunctionRow {
  readonly args: readonly ValueType[]
  /**
   * 0: exactly args. Otherwise the last may be left out, and it may be repeated: without bound when
   * -1, so that there are at most args.length - 1 + n arguments when n > 0.
   */
  readonly variadic: number
  readonly returns: ValueType
  readonly experimental?: true
  readonly doc: string
  readonly kernel: /**
   * keepsName: last_over_time and the like. expectsCounter: rate and increase, which note it
   * when a metric's name is not a counter's (the call operator does).
   */
    | RangeForm
    | { readonly form: 'map'; readonly run: MapKernel; readonly keepsName?: true }
    /** A number of each native histogram; floats are left out. */
    | {
        readonly form: 'histogram'
        readonly of: (histogram: FloatHistogram) => number
        /** Looks at count and sum, not at buckets. */
        readonly countsOnly?: true
      }
    /** relabels: makes label sets of its own, so that rows may have become equal. */
    | {
        readonly form: 'matrix'
        readonly run: MatrixKernel
        readonly relabels?: true
        /** Looks at buckets of native histograms. */
        readonly readsBuckets?: true
      }
    /** A number that the query's times fix: start(), end(), range(), step(). Milliseconds in, seconds out. */
    | { readonly form: 'constant'; readonly of: (times: ConstantTimes) => number }
    /** Handled by an operator of its own since it needs more than values: timestamp, absent_over_time. */
    | {
        readonly form: 'operator'
        readonly operator: 'timestamp' | 'start_timestamp' | 'absent_over_time' | 'info'
      }
}

/** Rows of functions that belong together, by name; `table.ts` puts them all into one table. */
export type FunctionRows = Readonly<Record<string, FunctionRow>>
