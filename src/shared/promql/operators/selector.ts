/**
 * Instant vector selectors: at each step the newest sample within the lookback, unless it is a
 * stale marker. One cursor slides over the samples of a series: O(samples + steps).
 *
 * Hot; benchmark bench/shared/promql/execute.bench.ts. Follows Prometheus promql/engine.go,
 * vectorSelectorSingle: the window is left-open, (t − lookback, t].
 */
import { fail } from '../../errors/index.js'
import type { FloatHistogram } from '../../model/histogram.js'
import { withHint } from '../../model/histogram-arithmetic.js'
import { isReset } from '../../model/histogram-compare.js'
import { isStale } from '../../model/stale.js'
import type { HistogramRow } from '../columns.js'
import { interpolate } from '../functions/extended-rate.js'
import { countBits } from '../memory.js'
import type { InstantPlan } from '../plan/plan.js'
import type { SampleBuffer } from '../source.js'
import { printSet } from '../text.js'
import { extraPoints, histogramBytes } from './histogram-cells.js'
import { notesAt, seriesNotes } from './notes.js'
import type { QueryState, RowStream } from './operator.js'
import { fillSmoothedMixed } from './smoothed-histograms.js'

/** A buffer for a source to fill. */
export function sampleBuffer(): SampleBuffer {
  return {
    ts: new Float64Array(256),
    values: new Float64Array(256),
    count: 0,
    hasNoStale: false,
    histograms: undefined,
  }
}

/** The rows of an instant vector selector, or with `asTimestamp` their samples' times. */
export function streamInstant(plan: InstantPlan, state: QueryState): RowStream {
  const selected = state.selected[plan.selection]!
  const { mint, maxt, asTimestamp } = plan
  const steps = plan.range.count
  const words = (steps + 31) >>> 5
  // Made with the first row: many selectors of small queries have none.
  let made: SampleBuffer | undefined
  state.read.series += selected.count
  const { stepSamples } = state
  const notFloat = (row: number): Error => {
    const set = printSet(state.labels, selected.sets[row]!)
    return fail('query-execution', {
      text: `this should be an info metric, with float samples: ${set}`,
    })
  }
  return {
    count: selected.count,
    steps,
    ...(asTimestamp && !plan.keepsName
      ? namesDropped(selected.sets, selected.count, state)
      : { sets: selected.sets, dropName: undefined }),
    cost: steps + 64,
    into(row, values, base, present, wordBase) {
      made ??= sampleBuffer()
      const buffer = made
      buffer.histograms = undefined
      buffer.starts = undefined
      selected.read(row, mint, maxt, buffer)
      if (plan.keepsName && buffer.histograms !== undefined) throw notFloat(row)
      if (buffer.count === 0) return undefined
      state.memory.worked(buffer.count)
      if (plan.isSmoothed && buffer.histograms !== undefined) {
        const { histograms } = buffer
        dropStale(buffer)
        if (plan.detectsResets) detectResets(histograms)
        const notes = seriesNotes(notesAt(state, plan.expr.pos), selected.sets[row]!, state)
        const target = { values, base, present, wordBase }
        return fillSmoothedMixed(buffer, histograms, plan, target, notes)
      }
      fill(buffer, plan, values, base, present, wordBase)
      const points = countBits(present, wordBase, wordBase + words)
      state.read.samples += points
      state.memory.hold(points)
      if (buffer.histograms === undefined || asTimestamp) {
        stepSamples?.addPoints(present, wordBase, steps, () => 0)
        return undefined
      }
      if (plan.detectsResets) detectResets(buffer.histograms)
      const cells = histogramsAt(buffer, buffer.histograms, plan, state)
      stepSamples?.addPoints(present, wordBase, steps, (step) => extraOf(cells?.[step]))
      return cells
    },
  }
}

/** The row that a plan asks for. */
function fill(
  buffer: SampleBuffer,
  plan: InstantPlan,
  values: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
): void {
  const { times, lookbackMs } = plan
  const steps = plan.range.count
  if (plan.isSmoothed) fillSmoothed(buffer, plan, values, base, present, wordBase)
  else if (plan.asStart) fillStarts(buffer, plan, values, base, present, wordBase)
  else {
    const fillRow = plan.asTimestamp ? fillTimes : fillValues
    const { first, step } = times
    fillRow(buffer, first, step, steps, lookbackMs, values, base, present, wordBase)
  }
}

function extraOf(cell: FloatHistogram | undefined): number {
  return cell === undefined ? 0 : extraPoints(cell)
}

/**
 * Values of a smoothed selector: a sample at the time itself, or interpolated between its
 * neighbours within the lookback, or the last one before.
 */
function fillSmoothed(
  buffer: SampleBuffer,
  plan: InstantPlan,
  values: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
): void {
  dropStale(buffer)
  const { ts, values: samples, count } = buffer
  const { times, lookbackMs } = plan
  let next = 0
  for (let i = 0; i < plan.range.count; i++) {
    const at = times.first + i * times.step
    while (next < count && ts[next]! < at) next++
    const isAt = next < count && ts[next]! === at
    if (!isAt && (next === 0 || ts[next - 1]! <= at - lookbackMs)) continue
    const hasNext = next < count && ts[next]! <= at + lookbackMs
    if (isAt) values[base + i] = samples[next]!
    else if (hasNext) values[base + i] = interpolate(ts, samples, next - 1, at, false)
    else values[base + i] = samples[next - 1]!
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

/** When the counting of the newest sample began: 0 where that is not known. */
function fillStarts(
  buffer: SampleBuffer,
  plan: InstantPlan,
  values: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
): void {
  const { ts, values: samples, starts, count } = buffer
  const { times, lookbackMs } = plan
  let next = 0
  for (let i = 0; i < plan.range.count; i++) {
    const at = times.first + i * times.step
    while (next < count && ts[next]! <= at) next++
    if (next === 0 || ts[next - 1]! <= at - lookbackMs || isStale(samples[next - 1]!)) continue
    values[base + i] = (starts?.[next - 1] ?? 0) / 1000
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

/** Takes stale markers out: they are not samples of a range. */
export function dropStale(buffer: SampleBuffer): void {
  if (buffer.hasNoStale === true) return
  const { ts, values, histograms, starts, count } = buffer
  let i = 0
  while (i < count && (values[i] === values[i] || !isStale(values[i]!))) i++
  if (i === count) return
  let kept = i
  for (; i < count; i++) {
    if (isStale(values[i]!)) continue
    if (histograms !== undefined) histograms[kept] = histograms[i]
    if (starts !== undefined) starts[kept] = starts[i]!
    ts[kept] = ts[i]!
    values[kept++] = values[i]!
  }
  buffer.count = kept
  buffer.times = undefined
}

/** Tells of histograms with an unknown hint, but the first, whether counters were reset before. */
export function detectResets(histograms: HistogramRow): void {
  let previous: FloatHistogram | undefined
  for (const [index, histogram] of histograms.entries()) {
    if (histogram === undefined) continue
    if (previous !== undefined && histogram.counterResetHint === 'unknown') {
      histograms[index] = withHint(histogram, isReset(histogram, previous) ? 'reset' : 'not_reset')
    }
    previous = histogram
  }
}

/** The histograms among what the steps see; stale markers are floats. */
function histogramsAt(
  { ts, count }: SampleBuffer,
  histograms: HistogramRow,
  plan: InstantPlan,
  { memory }: QueryState,
): HistogramRow | undefined {
  const { times, lookbackMs } = plan
  const steps = plan.range.count
  let row: HistogramRow | undefined
  let next = 0
  let at = times.first
  for (let i = 0; i < steps; i++, at += times.step) {
    while (next < count && ts[next]! <= at) next++
    if (next === 0 || ts[next - 1]! <= at - lookbackMs) continue
    const histogram = histograms[next - 1]
    if (histogram === undefined) continue
    row ??= new Array<undefined>(steps).fill(undefined)
    row[i] = histogram
    memory.hold(extraPoints(histogram))
    memory.claim(histogramBytes(histogram))
  }
  return row
}

/** Sets and marks of rows whose operation drops the metric name. */
export function namesDropped(
  sets: Uint32Array,
  count: number,
  state: QueryState,
): { sets: Uint32Array; dropName: Uint8Array | undefined } {
  if (state.delayedNameRemoval) {
    return { sets, dropName: state.memory.flags(count).fill(1) }
  }
  const dropped = state.memory.words(count)
  for (let row = 0; row < count; row++) dropped[row] = state.labels.withoutName(sets[row]!)
  return { sets: dropped, dropName: undefined }
}

function fillValues(
  buffer: SampleBuffer,
  first: number,
  step: number,
  steps: number,
  lookback: number,
  values: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
): void {
  const { ts, values: samples, count } = buffer
  let next = 0
  // Samples from one step to the next, most likely as many as the last time.
  let stride = 0
  let at = first
  for (let i = 0; i < steps; i++, at += step) {
    const likely = next + stride
    if (stride > 1 && likely < count && ts[likely - 1]! <= at && ts[likely]! > at) next = likely
    else {
      const before = next
      while (next < count && ts[next]! <= at) next++
      stride = next - before
    }
    if (next === 0 || ts[next - 1]! <= at - lookback) continue
    const value = samples[next - 1]!
    if (value !== value && isStale(value)) continue
    values[base + i] = value
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}

function fillTimes(
  buffer: SampleBuffer,
  first: number,
  step: number,
  steps: number,
  lookback: number,
  values: Float64Array,
  base: number,
  present: Uint32Array,
  wordBase: number,
): void {
  const { ts, values: samples, count } = buffer
  let next = 0
  let at = first
  for (let i = 0; i < steps; i++, at += step) {
    while (next < count && ts[next]! <= at) next++
    if (next === 0 || ts[next - 1]! <= at - lookback || isStale(samples[next - 1]!)) continue
    values[base + i] = ts[next - 1]! / 1000
    present[wordBase + (i >>> 5)]! |= 1 << (i & 31)
  }
}
