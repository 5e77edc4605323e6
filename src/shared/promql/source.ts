/**
 * What a selector asks of storage. The querier implements it over ingesters (and later blocks),
 * tests over a head in the same thread.
 */
import type { FloatHistogram } from '../model/histogram.js'
import type { Matcher } from '../model/matcher.js'
import type { FetchMeter } from './fetch-meter.js'
import type { LabelTable } from './label-table.js'

/**
 * Samples of one series, in a buffer owned by the caller and grown by the source. The arrays may be
 * the source's own, and longer than `count`: only those with stale markers among the samples may be
 * written to.
 */
export interface SampleBuffer {
  /** Milliseconds, ascending. */
  ts: Float64Array
  /** Stale markers keep their bits. */
  values: Float64Array
  /** Samples in the buffer. */
  count: number
  /** A source may say that there is no stale marker among them, which saves looking for one. */
  hasNoStale?: boolean
  /**
   * A source may say that no value is below the one before it, which saves looking for resets. The
   * engine sets it to false before each read.
   */
  hasNoResets?: boolean
  /**
   * [count] native histograms: undefined where a sample is a float, undefined altogether when all
   * are, to which the engine sets it before each read. The
   * array is the engine's from then on, the histograms are shared. Where there is one, `values` is
   * anything but a stale marker; a histogram that is a stale marker is given as a float that is one.
   */
  histograms: (FloatHistogram | undefined)[] | undefined
  /**
   * [count] when the counting of each sample began (ms), 0 where that is not known; left undefined,
   * to which the engine sets it before each read, when it is known of none.
   */
  starts?: Float64Array | undefined
  /**
   * Where other series have these times too, what they share: reads of one query and range with the
   * same array here and as many samples have the same times. The engine sets it to undefined before
   * each read.
   */
  times?: Float64Array | undefined
}

/** The series of one selector, in no particular order. */
export interface SelectedSeries {
  readonly count: number
  /** [count] label set ids in the LabelTable that was passed. */
  readonly sets: Uint32Array
  /**
   * Reads samples of series `index` with mint ≤ t ≤ maxt (ms, both inclusive) into `out` (its
   * count is set; the arrays may be replaced by larger ones). Synchronous: reads shared memory.
   */
  read(index: number, mint: number, maxt: number, out: SampleBuffer): void
  /** Gives the lease back; every selection is released exactly once. */
  release(): void
}

/** What a selector asks of storage. */
export interface SelectRequest {
  readonly matchers: readonly Matcher[]
  /** Milliseconds, inclusive: series without samples in between may be left out. */
  readonly mint: number
  readonly maxt: number
  /** The source adds the series that it selects, and the chunks that it reads for them. */
  readonly meter?: FetchMeter
}

/** Storage as a query sees it. */
export interface SeriesSource {
  select(request: SelectRequest, labels: LabelTable): Promise<SelectedSeries>
}
