/**
 * How operators hand rows to each other. A `RowStream` gives one series × all steps at a time, so
 * that an aggregation over a selector or a function of one keeps its groups only, never the rows.
 * What needs its whole input (matching, ranking by quantile, label functions) has it materialised.
 *
 * Rows of a StepMatrix are never empty: what has no point is left out as early as it is known.
 */
import { fail } from '../../errors/index.js'
import type { Annotations } from '../annotations.js'
import type { HistogramRow, StepMatrix, StepRange } from '../columns.js'
import type { FetchMeter } from '../fetch-meter.js'
import type { LabelTable } from '../label-table.js'
import { countBits, type QueryMemory } from '../memory.js'
import type { Plan, RangePlan } from '../plan/plan.js'
import type { PrometheusRelease } from '../release.js'
import type { SampleBuffer, SelectedSeries } from '../source.js'
import type { StepSamples } from '../step-samples.js'

/** What the operators of one query share. */
export interface QueryState {
  /** The query as written. */
  readonly text: string
  readonly labels: LabelTable
  readonly memory: QueryMemory
  readonly annotations: Annotations
  /** By index of the plan's selections. */
  readonly selected: readonly SelectedSeries[]
  readonly delayedNameRemoval: boolean
  readonly isRangeQuery: boolean
  readonly release: PrometheusRelease
  /** Counters of the answer. */
  readonly read: { samples: number; series: number }
  /** What was fetched. */
  readonly meter: FetchMeter
  /** Samples by step of what is evaluated now; undefined when nobody asked. */
  stepSamples: StepSamples | undefined
  /** Evaluates a part of the plan; the matrix has this one consumer, which may change it. */
  evaluate(plan: Plan): Promise<StepMatrix>
  /** The same as rows, one by one. */
  stream(plan: Plan): Promise<RowStream>
  /** Lets a profile see what a range selector reads. */
  watchRange(plan: RangePlan, rows: SampleRows): SampleRows
}

/** The series of a range vector. */
export interface SampleRows {
  readonly count: number
  readonly sets: Uint32Array
  /** [count] 1 where a subquery's series has lost its name already; undefined: nowhere. */
  readonly dropName: Uint8Array | undefined
  /** Reads the samples of a row, without stale markers. */
  read(row: number, out: SampleBuffer): void
}

/** Rows that are made when asked for. */
export interface RowStream {
  readonly count: number
  readonly steps: number
  /** [count] label sets of the rows as they come out. */
  readonly sets: Uint32Array
  /** [count] 1 where the name is to be dropped at the end of the query; undefined: nowhere. */
  readonly dropName: Uint8Array | undefined
  /** Units of work that a row costs, for QueryMemory.worked. */
  readonly cost: number
  /**
   * Makes row `row`: values from `base` on, presence bits from `wordBase` on, which are 0
   * beforehand. Synchronous. May leave the bits 0: an empty row.
   *
   * @returns the row's native histograms, which the caller may change; undefined when all are floats
   */
  into(
    row: number,
    values: Float64Array,
    base: number,
    present: Uint32Array,
    wordBase: number,
  ): HistogramRow | undefined
}

/** Prometheus' error for two series that became one. */
export function sameLabelset(): Error {
  return fail('query-execution', { text: 'vector cannot contain metrics with the same labelset' })
}

/** The rows of a matrix. */
export function streamOf(matrix: StepMatrix): RowStream {
  const { steps, words } = matrix
  return {
    count: matrix.series,
    steps,
    sets: matrix.sets,
    dropName: matrix.dropName,
    cost: steps,
    into(row, values, base, present, wordBase) {
      copyFloats(matrix.values, row * steps, values, base, steps)
      copyWords(matrix.present, row * words, present, wordBase, words)
      return matrix.histograms?.[row]
    },
  }
}

function copyFloats(
  from: Float64Array,
  fromBase: number,
  to: Float64Array,
  toBase: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) to[toBase + i] = from[fromBase + i]!
}

function copyWords(
  from: Uint32Array,
  fromBase: number,
  to: Uint32Array,
  toBase: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) to[toBase + i] = from[fromBase + i]!
}

/** Takes rows one by one into a matrix that grows; empty ones are not kept. */
export class MatrixBuilder {
  private readonly memory: QueryMemory
  private capacity: number
  private readonly countMax: number
  readonly matrix: StepMatrix

  /** @param countMax rows at most */
  constructor(memory: QueryMemory, steps: number, countMax: number) {
    this.memory = memory
    this.countMax = countMax
    this.capacity = Math.min(countMax, Math.max(16, Math.ceil(65_536 / Math.max(1, steps))))
    this.matrix = memory.matrix(this.capacity, steps)
    this.matrix.series = 0
  }

  /** Index of the row to fill: its presence bits are 0. It counts only when `take` is called. */
  next(): number {
    if (this.matrix.series === this.capacity) this.grow()
    return this.matrix.series
  }

  /** Keeps the row of `next` unless it is empty. */
  take(set: number, dropName: number, histograms?: HistogramRow): boolean {
    const { matrix } = this
    const { series, words } = matrix
    this.memory.tick(matrix.steps + 64)
    if (countBits(matrix.present, series * words, (series + 1) * words) === 0) return false
    matrix.sets[series] = set
    if (dropName !== 0) {
      if (matrix.dropName === undefined) matrix.dropName = this.memory.flags(this.capacity)
      matrix.dropName[series] = dropName
    }
    if (histograms !== undefined) {
      matrix.histograms ??= []
      matrix.histograms[series] = histograms
    }
    matrix.series++
    return true
  }

  private grow(): void {
    const { matrix, memory } = this
    const { series, steps, words } = matrix
    this.capacity = Math.min(this.countMax, this.capacity * 2)
    const larger = memory.matrix(this.capacity, steps)
    larger.values.set(matrix.values.subarray(0, series * steps))
    larger.present.set(matrix.present.subarray(0, series * words))
    larger.sets.set(matrix.sets.subarray(0, series))
    matrix.values = larger.values
    matrix.present = larger.present
    matrix.sets = larger.sets
    if (matrix.dropName !== undefined) {
      const flags = memory.flags(this.capacity)
      flags.set(matrix.dropName.subarray(0, series))
      matrix.dropName = flags
    }
  }
}

/** Makes all rows of a stream. */
export async function materialise(stream: RowStream, memory: QueryMemory): Promise<StepMatrix> {
  const builder = new MatrixBuilder(memory, stream.steps, stream.count)
  const { matrix } = builder
  for (let row = 0; row < stream.count; row++) {
    const at = builder.next()
    const { steps, words } = matrix
    const histograms = stream.into(row, matrix.values, at * steps, matrix.present, at * words)
    const dropName = stream.dropName === undefined ? 0 : stream.dropName[row]!
    builder.take(stream.sets[row]!, dropName, histograms)
    if (memory.worked(stream.cost)) await memory.breathe()
  }
  return matrix
}

/** Steps at which a range is evaluated, as a column of ms. */
export function stepTimes(range: StepRange, memory: QueryMemory): Float64Array {
  const times = memory.floats(range.count)
  for (let i = 0; i < range.count; i++) times[i] = range.start + i * range.step
  return times
}
