/**
 * histogram_quantile and histogram_fraction on classic histograms, whose buckets are rows that
 * differ in `le` only, and on native ones. After Prometheus promql/functions.go and its annotations.
 */
import { findGoFloat, printFloatDigits } from '../../base/go-float.js'
import { printFloatShort } from '../../base/go-number.js'
import { quoteGo } from '../../base/go-string.js'
import type { FloatHistogram } from '../../model/histogram.js'
import { METRIC_NAME } from '../../model/labels.js'
import type { StepMatrix } from '../columns.js'
import type { PosRange } from '../syntax/ast.js'
import { type Buckets, bucketFraction, bucketQuantile, type Monotonicity } from './buckets.js'
import type { CallContext, FunctionRows, MatrixKernel, WindowNotes } from './kernel.js'
import { withLabel } from './label.js'
import { nativeFraction, nativeQuantile } from './native-quantile.js'
import { forMetric, mixedClassicNative } from './native-texts.js'
import {
  argumentScalar,
  argumentString,
  argumentVector,
  hasAny,
  isPresent,
  setValue,
} from './rows.js'

/** The rows of one histogram. */
interface Histogram {
  /** Its labels, `le` left out. */
  readonly set: number
  /** The row of native histograms; −1 without one. */
  readonly native: number
  /** Rows of classic buckets by bound, ascending. */
  readonly rows: readonly number[]
  readonly bounds: readonly number[]
}

/** Makes the answer's rows from each histogram: a value per step that has buckets of one kind. */
interface HistogramValue {
  ofBuckets(buckets: Buckets, step: number, histogram: Histogram): number
  ofNative(histogram: FloatHistogram, step: number, notes: WindowNotes): number
}

/** Quantiles of classic histograms; Prometheus promql/quantile.go. */
const histogramQuantile: MatrixKernel = (args, context) => {
  const quantiles = argumentScalar(args, 0)
  warnOfQuantiles(context, quantiles, 0)
  const input = argumentVector(args, 1)
  const at = context.args[1]!.pos
  const histograms = groupBuckets(context, input, at)
  const forced = new ForcedNotes(context, at)
  const out = resultOf(context, histograms, 1)
  fill(context, { out, from: 0, input, at }, histograms, quantileValue(quantiles, forced))
  forced.emit()
  return out
}

/** Several quantiles, told apart by a label: arguments are vector, label, quantile… */
const histogramQuantiles: MatrixKernel = (args, context) => {
  const input = argumentVector(args, 0)
  const label = argumentString(args, 1)
  const at = context.args[0]!.pos
  for (let arg = 2; arg < args.length; arg++) {
    warnOfQuantiles(context, argumentScalar(args, arg), arg)
  }
  const histograms = groupBuckets(context, input, at)
  const forced = new ForcedNotes(context, at)
  const out = resultOf(context, histograms, args.length - 2)
  for (let arg = 2; arg < args.length; arg++) {
    const quantiles = argumentScalar(args, arg)
    const from = (arg - 2) * histograms.length
    // The value of the label is that of the first step: quantiles are constants in practice.
    const text = openMetricsFloat(quantiles[0]!)
    for (let row = from; row < from + histograms.length; row++) {
      out.sets[row] = withLabel(context.labels, out.sets[row]!, label, text)
    }
    fill(context, { out, from, input, at }, histograms, quantileValue(quantiles, forced))
  }
  forced.emit()
  return out
}

/** Fractions of classic histograms; Prometheus promql/quantile.go. */
const histogramFraction: MatrixKernel = (args, context) => {
  const lower = argumentScalar(args, 0)
  const upper = argumentScalar(args, 1)
  const input = argumentVector(args, 2)
  const at = context.args[2]!.pos
  const histograms = groupBuckets(context, input, at)
  const out = resultOf(context, histograms, 1)
  fill(context, { out, from: 0, input, at }, histograms, {
    ofBuckets: (buckets, step) => bucketFraction(lower[step]!, upper[step]!, buckets),
    ofNative: (histogram, step, notes) =>
      nativeFraction(lower[step]!, upper[step]!, histogram, notes),
  })
  return out
}

function quantileValue(quantiles: Float64Array, forced: ForcedNotes): HistogramValue {
  const found: Monotonicity = { isForced: false, boundMin: 0, boundMax: 0, diffMax: 0 }
  return {
    ofBuckets: (buckets, step, histogram) => {
      const value = bucketQuantile(quantiles[step]!, buckets, found)
      if (found.isForced) forced.add(histogram.set, step, found)
      return value
    },
    ofNative: (histogram, step, notes) => nativeQuantile(quantiles[step]!, histogram, notes),
  }
}

/** Each step with an invalid quantile warns, whatever the vector holds. */
function warnOfQuantiles(context: CallContext, quantiles: Float64Array, arg: number): void {
  for (let step = 0; step < context.range.count; step++) {
    const q = quantiles[step]!
    if (q >= 0 && q <= 1) continue
    context.notes.warn(
      `quantile value should be between 0 and 1, got ${printFloatShort(q)}`,
      context.args[arg]!.pos,
    )
  }
}

/** Finds the histograms among rows: native ones, then the others in order of their first buckets. */
function groupBuckets(context: CallContext, input: StepMatrix, pos: PosRange): Histogram[] {
  const { labels } = context
  const groups = new Map<number, { row: number; bound: number }[]>()
  const natives = new Map<number, number>()
  for (let row = 0; row < input.series; row++) {
    if (!hasAny(input, row)) continue
    if (input.histograms?.[row] !== undefined) {
      natives.set(input.sets[row]!, row)
      if (!hasFloats(input, row)) continue
    }
    const set = input.sets[row]!
    const le = labels.value(set, 'le')
    const bound = findGoFloat(le)
    if (bound === undefined) {
      const text = `bucket label "le" is missing or has a malformed value of ${quoteGo(le)}`
      context.notes.warn(text + forMetric(labels.value(set, METRIC_NAME)), pos)
      continue
    }
    const without = withLabel(labels, set, 'le', '')
    const group = groups.get(without)
    if (group === undefined) groups.set(without, [{ row, bound }])
    else group.push({ row, bound })
  }
  const sets = new Set([...natives.keys(), ...groups.keys()])
  return Array.from(sets, (set) => {
    const buckets = groups.get(set) ?? []
    buckets.sort((a, b) => (a.bound < b.bound ? -1 : a.bound > b.bound ? 1 : 0))
    return {
      set,
      native: natives.get(set) ?? -1,
      rows: buckets.map((bucket) => bucket.row),
      bounds: buckets.map((bucket) => bucket.bound),
    }
  })
}

/** Whether a row with histograms has a float besides. */
function hasFloats(input: StepMatrix, row: number): boolean {
  const histograms = input.histograms![row]!
  for (let step = 0; step < input.steps; step++) {
    if (histograms[step] === undefined && isPresent(input, row, step)) return true
  }
  return false
}

/** The rows of the answer: `times` rows for each histogram, without metric names. */
function resultOf(
  context: CallContext,
  histograms: readonly Histogram[],
  times: number,
): StepMatrix {
  const out = context.matrix(histograms.length * times)
  for (let row = 0; row < out.series; row++) {
    const { set } = histograms[row % histograms.length]!
    out.sets[row] = context.delayedNameRemoval ? set : context.labels.withoutName(set)
  }
  if (context.delayedNameRemoval) out.dropName = new Uint8Array(out.series).fill(1)
  return out
}

function fill(
  context: CallContext,
  places: { out: StepMatrix; from: number; input: StepMatrix; at: PosRange },
  histograms: readonly Histogram[],
  value: HistogramValue,
): void {
  const { out, from: fromRow, input, at } = places
  const { steps, words, values, present } = input
  const sizeMax = histograms.reduce((max, { rows }) => Math.max(max, rows.length), 0)
  const buckets: Buckets = {
    bounds: new Float64Array(sizeMax),
    counts: new Float64Array(sizeMax),
    count: 0,
  }
  for (const [index, histogram] of histograms.entries()) {
    const { set, native, rows, bounds } = histogram
    const notes = nativeNotes(context, set, at)
    context.tick(steps * (rows.length + 1))
    for (let step = 0; step < steps; step++) {
      let count = 0
      for (let k = 0; k < rows.length; k++) {
        const row = rows[k]!
        if (((present[row * words + (step >>> 5)]! >>> (step & 31)) & 1) === 0) continue
        if (input.histograms?.[row]?.[step] !== undefined) continue
        buckets.bounds[count] = bounds[k]!
        buckets.counts[count] = values[row * steps + step]!
        count++
      }
      const cell = native === -1 ? undefined : histogramAt(input, native, step)
      if (cell !== undefined) {
        // One of each kind: neither is evaluated.
        const name = context.labels.value(set, METRIC_NAME)
        if (count > 0) context.notes.warn(mixedClassicNative(name), at)
        else setValue(out, fromRow + index, step, value.ofNative(cell, step, notes))
        continue
      }
      if (count === 0) continue
      buckets.count = count
      setValue(out, fromRow + index, step, value.ofBuckets(buckets, step, histogram))
    }
  }
}

function histogramAt(input: StepMatrix, row: number, step: number): FloatHistogram | undefined {
  return isPresent(input, row, step) ? input.histograms![row]![step] : undefined
}

/** Notes of one native series; without delayed removal its name is gone before anyone asks. */
function nativeNotes(context: CallContext, set: number, at: PosRange): WindowNotes {
  const { notes, labels, delayedNameRemoval, release } = context
  return {
    release,
    warn: (text) => notes.warn(text, at),
    info: (text) => notes.info(text, at),
    name: () => (delayedNameRemoval ? labels.value(set, METRIC_NAME) : ''),
  }
}

/** What was forced under one metric name. */
interface Forced {
  boundMin: number
  boundMax: number
  diffMax: number
  samples: number
  msMin: number
  msMax: number
}

/** Gathers forced monotonicity over all steps and series, to say it once per metric name. */
class ForcedNotes {
  private readonly byName = new Map<string, Forced>()
  private readonly context: CallContext
  private readonly pos: PosRange

  constructor(context: CallContext, pos: PosRange) {
    this.context = context
    this.pos = pos
  }

  add(set: number, step: number, found: Monotonicity): void {
    const { labels, range, delayedNameRemoval } = this.context
    // Without delayed removal names are gone before anyone asks.
    const name = delayedNameRemoval ? labels.value(set, METRIC_NAME) : ''
    const ms = range.start + step * range.step
    const known = this.byName.get(name)
    if (known === undefined) {
      const { boundMin, boundMax, diffMax } = found
      this.byName.set(name, { boundMin, boundMax, diffMax, samples: 1, msMin: ms, msMax: ms })
      return
    }
    known.boundMin = Math.min(known.boundMin, found.boundMin)
    known.boundMax = Math.max(known.boundMax, found.boundMax)
    known.diffMax = Math.max(known.diffMax, found.diffMax)
    known.samples++
    known.msMin = Math.min(known.msMin, ms)
    known.msMax = Math.max(known.msMax, ms)
  }

  emit(): void {
    for (const [name, forced] of this.byName) {
      this.context.notes.info(
        'input to histogram_quantile needed to be fixed for monotonicity (see ' +
          'https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)' +
          `${forMetric(name)}, from buckets ${printFloatShort(forced.boundMin)} to ` +
          `${printFloatShort(forced.boundMax)}, with a max diff of ${printFloatDigits(forced.diffMax, 2)}, ` +
          `over ${forced.samples} samples from ${rfc3339(forced.msMin)} to ${rfc3339(forced.msMax)}`,
        this.pos,
      )
    }
  }
}

function rfc3339(ms: number): string {
  return new Date(Math.trunc(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}

/** OpenMetrics' notation of a float: always with a point or an exponent. */
function openMetricsFloat(value: number): string {
  const text = printFloatShort(value)
  return /[.eNI]/.test(text) ? text : `${text}.0`
}

/** Their rows of the function table. */
export const bucketFunctions: FunctionRows = {
  histogram_fraction: {
    args: ['scalar', 'scalar', 'vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The estimated share of observations between two bounds.',
    kernel: { form: 'matrix', run: histogramFraction, readsBuckets: true },
  },
  histogram_quantile: {
    args: ['scalar', 'vector'],
    variadic: 0,
    returns: 'vector',
    doc: 'The estimated quantile of the observations of a histogram.',
    kernel: { form: 'matrix', run: histogramQuantile, readsBuckets: true },
  },
  histogram_quantiles: {
    args: ['vector', 'string', 'scalar', 'scalar'],
    variadic: 9,
    returns: 'vector',
    experimental: true,
    doc: 'Several quantiles of a histogram at once, told apart by a label.',
    kernel: { form: 'matrix', run: histogramQuantiles, readsBuckets: true },
  },
}
