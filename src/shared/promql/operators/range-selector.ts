/**
 * Range vectors, one series at a time: samples from storage or the points of a subquery, stale
 * markers taken out, and the window of every step found with two cursors that slide over them.
 *
 * Hot; benchmark bench/shared/promql/execute.bench.ts. Windows are left-open, (end − range, end].
 */
import { withHint } from '../../model/histogram-arithmetic.js'
import type { HistogramRow, StepMatrix, StepRange } from '../columns.js'
import type { Windows } from '../functions/kernel.js'
import type { RangePlan } from '../plan/plan.js'
import type { SampleBuffer } from '../source.js'
import type { StepSamples } from '../step-samples.js'
import { findExtendedWindows } from './extended-windows.js'
import { extraPoints } from './histogram-cells.js'
import type { QueryState, SampleRows } from './operator.js'
import { detectResets, dropStale, sampleBuffer } from './selector.js'
import { type SharedWindows, WindowsByTimes } from './shared-windows.js'

/** The rows of a range vector; those of a subquery are evaluated here. */
export async function openRange(plan: RangePlan, state: QueryState): Promise<SampleRows> {
  return state.watchRange(plan, await rowsOf(plan, state))
}

async function rowsOf(plan: RangePlan, state: QueryState): Promise<SampleRows> {
  if (plan.input.from === 'subquery') {
    const inner = plan.input.plan
    // As in Prometheus: what a subquery reads is not counted, its points are, in their windows.
    const { stepSamples } = state
    state.stepSamples = undefined
    const rows = subqueryRows(await state.evaluate(inner), inner.range)
    state.stepSamples = stepSamples
    return state.release === '3.5' ? { ...rows, dropName: undefined } : rows
  }
  const { selection, mint, maxt, detectsResets } = plan.input
  const selected = state.selected[selection]!
  state.read.series += selected.count
  return {
    count: selected.count,
    sets: selected.sets,
    dropName: undefined,
    read(row, out) {
      out.histograms = undefined
      out.starts = undefined
      out.times = undefined
      out.hasNoResets = false
      selected.read(row, mint, maxt, out)
      state.read.samples += out.count
      state.memory.worked(out.count)
      dropStale(out)
      if (detectsResets && out.histograms !== undefined) detectResets(out.histograms)
    },
  }
}

function subqueryRows(matrix: StepMatrix, range: StepRange): SampleRows {
  return {
    count: matrix.series,
    sets: matrix.sets,
    dropName: matrix.dropName,
    read(row, out) {
      out.starts = undefined
      out.times = undefined
      out.hasNoResets = false
      if (out.ts.length < matrix.steps) {
        out.ts = new Float64Array(matrix.steps)
        out.values = new Float64Array(matrix.steps)
      }
      out.count = expandRow(matrix, row, range.start, range.step, out.ts, out.values)
      out.histograms = expandHistograms(matrix, row)
      dropStale(out)
    },
  }
}

/** Writes the points of a row with their times; returns how many. */
export function expandRow(
  matrix: StepMatrix,
  row: number,
  start: number,
  step: number,
  ts: Float64Array,
  values: Float64Array,
): number {
  const { steps, words, present } = matrix
  const base = row * steps
  let count = 0
  for (let word = 0; word < words; word++) {
    let bits = present[row * words + word]!
    for (let i = word << 5; bits !== 0; i++, bits >>>= 1) {
      if ((bits & 1) === 0) continue
      ts[count] = start + i * step
      values[count++] = matrix.values[base + i]!
    }
  }
  return count
}

/**
 * The histograms of a row's points, in the order of expandRow. What their hints say holds between
 * samples, of which a subquery skips some and repeats others.
 */
export function expandHistograms(matrix: StepMatrix, row: number): HistogramRow | undefined {
  const histograms = matrix.histograms?.[row]
  if (histograms === undefined) return undefined
  const base = row * matrix.words
  const found: HistogramRow = []
  for (const [step, histogram] of histograms.entries()) {
    if (((matrix.present[base + (step >>> 5)]! >>> (step & 31)) & 1) === 0) continue
    const isGauge = histogram?.counterResetHint === 'gauge'
    found.push(histogram === undefined || isGauge ? histogram : withHint(histogram, 'unknown'))
  }
  return found
}

/** Windows and the buffer that they slide over. */
export interface SlidingWindows extends Windows {
  readonly buffer: SampleBuffer
  /** How far beyond its range an anchored or smoothed window looks. */
  readonly lookbackMs: number
  /** [steps] Their own, or those that other series have as well. */
  from: Int32Array
  to: Int32Array
  readonly own: { readonly from: Int32Array; readonly to: Int32Array }
  readonly byTimes: WindowsByTimes
  shared: SharedWindows | undefined
  times: Float64Array | undefined
  hasNoResets: boolean
}

/** Windows over a buffer, to be filled series by series with `slide`. */
export function windowsOf(plan: RangePlan, state: QueryState): SlidingWindows {
  const steps = plan.range.count
  state.memory.claim(steps * 8)
  const buffer = sampleBuffer()
  const own = { from: new Int32Array(steps), to: new Int32Array(steps) }
  return {
    buffer,
    ts: buffer.ts,
    values: buffer.values,
    count: 0,
    steps,
    own,
    from: own.from,
    to: own.to,
    byTimes: new WindowsByTimes(steps, state.memory),
    shared: undefined,
    times: undefined,
    hasNoResets: false,
    rangeMs: plan.rangeMs,
    mode: plan.mode,
    lookbackMs: plan.lookbackMs,
    end0: plan.times.first,
    stepMs: plan.times.step,
    eval0: plan.range.start,
    evalStepMs: plan.range.step,
  }
}

/** Counts the samples in every window, histograms by their size. */
export function countWindows(windows: SlidingWindows, counts: StepSamples): void {
  const { from, to, steps, buffer } = windows
  for (let step = 0; step < steps; step++) {
    let samples = to[step]! - from[step]!
    for (let i = from[step]!; buffer.histograms !== undefined && i < to[step]!; i++) {
      const histogram = buffer.histograms[i]
      if (histogram !== undefined) samples += extraPoints(histogram)
    }
    counts.add(step, samples)
  }
}

/**
 * Points the windows at what is in their buffer.
 * @returns samples of the fullest window
 */
export function slide(windows: SlidingWindows): number {
  const { buffer } = windows
  windows.ts = buffer.ts
  windows.values = buffer.values
  windows.count = buffer.count
  windows.hasNoResets = buffer.hasNoResets === true
  const { times, count } = buffer
  windows.times = windows.mode === 'plain' ? times : undefined
  if (times !== undefined && windows.mode === 'plain') {
    const known = windows.byTimes.of(times, count)
    if (known !== undefined) return point(windows, known)
  }
  windows.from = windows.own.from
  windows.to = windows.own.to
  windows.shared = undefined
  if (windows.mode !== 'plain') {
    const range = { ...windows, isSmoothed: windows.mode === 'smoothed' }
    return findExtendedWindows(buffer.ts, buffer.count, range, windows.from, windows.to)
  }
  const { from, to } = windows
  const { end0, stepMs, rangeMs, steps } = windows
  const fullest = findWindows(buffer.ts, count, end0, stepMs, rangeMs, steps, from, to)
  if (times === undefined || !windows.byTimes.takes(times)) return fullest
  return point(windows, windows.byTimes.keep(times, { count, fullest, from, to }))
}

/** Has the windows be those that were found before. @returns samples of the fullest one */
function point(windows: SlidingWindows, shared: SharedWindows): number {
  windows.shared = shared
  windows.from = shared.from
  windows.to = shared.to
  return shared.fullest
}

function findWindows(
  ts: Float64Array,
  count: number,
  end0: number,
  step: number,
  range: number,
  steps: number,
  froms: Int32Array,
  tos: Int32Array,
): number {
  let from = 0
  let to = 0
  let fullest = 0
  // Samples from one step to the next: both ends most likely move by as many as the last time.
  let stride = 0
  let end = end0
  for (let i = 0; i < steps; i++, end += step) {
    const start = end - range
    const likely = to + stride
    if (stride > 1 && likely < count && ts[likely - 1]! <= end && ts[likely]! > end) to = likely
    else {
      const before = to
      while (to < count && ts[to]! <= end) to++
      stride = to - before
    }
    const first = from + stride
    if (stride > 1 && first < to && ts[first - 1]! <= start && ts[first]! > start) from = first
    else while (from < to && ts[from]! <= start) from++
    froms[i] = from
    tos[i] = to
    if (to - from > fullest) fullest = to - from
  }
  return fullest
}
