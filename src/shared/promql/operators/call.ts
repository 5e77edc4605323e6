/**
 * Function calls. Knows the forms that a kernel takes (functions/kernel.ts), never a function's
 * name; absent_over_time and timestamp are operators of their own. Functions of one range vector
 * and float → float functions are streams, the rest works on whole matrices.
 */
import { quoteGo } from '../../base/go-string.js'
import type { FloatHistogram } from '../../model/histogram.js'
import { METRIC_NAME } from '../../model/labels.js'
import type { HistogramRow, StepMatrix } from '../columns.js'
import { absentLabels } from '../functions/absent.js'
import type { Argument, CallContext } from '../functions/kernel.js'
import { countBits, type QueryMemory } from '../memory.js'
import type {
  AbsentPlan,
  MapCallPlan,
  MatrixCallPlan,
  Plan,
  RangeCallPlan,
  TimestampPlan,
} from '../plan/plan.js'
import type { PosRange } from '../syntax/ast.js'
import { eachHistogram, extraPoints, histogramBytes, keepFloats } from './histogram-cells.js'
import { runMixed } from './mixed-range.js'
import { notesAt, seriesNotes } from './notes.js'
import {
  materialise,
  type QueryState,
  type RowStream,
  type SampleRows,
  sameLabelset,
  stepTimes,
  streamOf,
} from './operator.js'
import { countWindows, openRange, slide, windowsOf } from './range-selector.js'
import { allPresent, compactRows, finishRows, hasRepeats, mergeRows } from './rows.js'
import { namesDropped } from './selector.js'

/** A function of one range vector, series by series. */
export async function streamRangeCall(plan: RangeCallPlan, state: QueryState): Promise<RowStream> {
  const params = await scalarColumns(plan.params, state)
  const rows = await openRange(plan.input, state)
  const stream = rangeStream(plan, rows, params, state)
  if (state.delayedNameRemoval || !hasRepeats(stream.sets, stream.count)) return stream
  // Two series have become one by losing their names: that matters only if both have points.
  const matrix = await materialise(stream, state.memory)
  if (hasRepeats(matrix.sets, matrix.series)) throw sameLabelset()
  return streamOf(matrix)
}

function rangeStream(
  plan: RangeCallPlan,
  rows: SampleRows,
  params: readonly Float64Array[],
  state: QueryState,
): RowStream {
  const { func, input, range } = plan
  const { memory, stepSamples } = state
  const steps = range.count
  const words = (steps + 31) >>> 5
  const windows = windowsOf(input, state)
  const notes = notesAt(state, plan.pos)
  const counters = func.expectsCounter === true ? new CounterNames(state, plan.pos) : undefined
  const { run } = func
  const marks = func.keepsName === true ? rows : namesDropped(rows.sets, rows.count, state)
  return {
    count: rows.count,
    steps,
    sets: marks.sets,
    dropName: marks.dropName,
    cost: steps * 4 + 64,
    into(row, values, base, present, wordBase) {
      const { buffer } = windows
      rows.read(row, buffer)
      if (buffer.count === 0) return undefined
      // The samples of the fullest window are held besides the points, for the time of the call.
      memory.touch(slide(windows))
      if (stepSamples !== undefined) countWindows(windows, stepSamples)
      let histograms: HistogramRow | undefined
      if (buffer.histograms === undefined) {
        const { starts } = buffer
        if (starts === undefined || func.started === undefined || windows.mode !== 'plain') {
          run(windows, params, values, base, present, wordBase, notes)
        } else {
          const about = seriesNotes(notes, rows.sets[row]!, state)
          func.started(windows, starts, values, base, present, wordBase, about)
        }
      } else {
        const target = { values, base, present, wordBase }
        const about = seriesNotes(notes, rows.sets[row]!, state)
        histograms = runMixed(func, windows, buffer, params, target, about)
      }
      const points = countBits(present, wordBase, wordBase + words)
      if (points === 0) return undefined
      memory.hold(points)
      let held = 0
      if (histograms !== undefined) held = holdHistograms(histograms, memory)
      if (counters !== undefined && held < points) counters.check(rows.sets[row]!)
      return histograms
    },
  }
}

/** Counts the points that histograms are beyond one each. @returns how many histograms there are */
function holdHistograms(histograms: HistogramRow, memory: QueryMemory): number {
  let count = 0
  for (const histogram of histograms) {
    if (histogram === undefined) continue
    count++
    memory.hold(extraPoints(histogram))
    memory.claim(histogramBytes(histogram))
  }
  return count
}

/** Notes it once per name when a function of counters is given something else. */
class CounterNames {
  private readonly state: QueryState
  private readonly pos: PosRange
  private readonly seen = new Set<string>()

  constructor(state: QueryState, pos: PosRange) {
    this.state = state
    this.pos = pos
  }

  check(set: number): void {
    const name = this.state.labels.value(set, METRIC_NAME)
    if (name === '' || this.seen.has(name)) return
    this.seen.add(name)
    if (/_(?:total|sum|count|bucket)$/.test(name)) return
    this.state.annotations.info(
      `metric might not be a counter, name does not end in _total/_sum/_count/_bucket: ${quoteGo(name)}`,
      this.pos,
    )
  }
}

/** absent_over_time: 1 where no series has a sample in its window. */
export async function evaluateAbsent(plan: AbsentPlan, state: QueryState): Promise<StepMatrix> {
  const { memory, labels } = state
  const rows = await openRange(plan.input, state)
  const windows = windowsOf(plan.input, state)
  const steps = plan.range.count
  const words = (steps + 31) >>> 5
  const found = memory.words(words)
  for (let row = 0; row < rows.count; row++) {
    rows.read(row, windows.buffer)
    memory.touch(slide(windows))
    if (state.stepSamples !== undefined) countWindows(windows, state.stepSamples)
    for (let i = 0; i < steps; i++) {
      if (windows.from[i]! < windows.to[i]!) found[i >>> 5]! |= 1 << (i & 31)
    }
    if (memory.worked(steps)) await memory.breathe()
  }
  const matrix = memory.matrix(1, steps)
  allPresent(matrix.present, 0, steps)
  for (let word = 0; word < words; word++) matrix.present[word]! &= ~found[word]!
  matrix.values.fill(1)
  matrix.sets[0] = absentLabels(plan.input.expr, labels)
  if (countBits(matrix.present, 0, words) === 0) matrix.series = 0
  return matrix
}

/** A float → float function, row by row. */
export async function streamMapCall(plan: MapCallPlan, state: QueryState): Promise<RowStream> {
  const params = await scalarColumns(plan.params, state)
  const input = await state.stream(plan.input)
  const { func } = plan
  if (func.form === 'histogram') return ofHistograms(input, func.of, state)
  const { run, keepsName } = func
  return renamed(input, keepsName !== true, state, (row) => {
    const { values, base } = row
    if (row.histograms !== undefined) keepFloats(row.histograms, row.present, row.wordBase)
    run(values, values, base, base + input.steps, params, input.steps)
    return undefined
  })
}

/** A number of each histogram. */
function ofHistograms(
  input: RowStream,
  of: (histogram: FloatHistogram) => number,
  state: QueryState,
): Promise<RowStream> {
  const words = (input.steps + 31) >>> 5
  return renamed(input, true, state, ({ values, base, present, wordBase, histograms }) => {
    const wanted = new Uint32Array(words)
    if (histograms !== undefined) {
      eachHistogram(histograms, present, wordBase, (histogram, step) => {
        values[base + step] = of(histogram)
        wanted[step >>> 5]! |= 1 << (step & 31)
      })
    }
    present.set(wanted, wordBase)
    return undefined
  })
}

/** timestamp() of computed samples: the evaluation time. */
export async function streamTimestamp(plan: TimestampPlan, state: QueryState): Promise<RowStream> {
  const times = stepTimes(plan.range, state.memory)
  const input = await state.stream(plan.input)
  return renamed(input, true, state, ({ values, base }) => {
    for (let i = 0; i < times.length; i++) values[base + i] = times[i]! / 1000
    return undefined
  })
}

/** A row of a stream, to be changed in place. */
export interface ChangedRow {
  readonly values: Float64Array
  readonly base: number
  readonly present: Uint32Array
  readonly wordBase: number
  readonly histograms: HistogramRow | undefined
}

/**
 * The rows of a stream, changed in place and, if asked, without their names. When two of them
 * become one by that, they are merged.
 */
export async function renamed(
  input: RowStream,
  dropsName: boolean,
  state: QueryState,
  change: (row: ChangedRow) => HistogramRow | undefined,
): Promise<RowStream> {
  const marks = dropsName ? namesDropped(input.sets, input.count, state) : input
  const stream: RowStream = {
    count: input.count,
    steps: input.steps,
    sets: marks.sets,
    dropName: marks.dropName,
    cost: input.cost + input.steps,
    into(row, values, base, present, wordBase) {
      const histograms = input.into(row, values, base, present, wordBase)
      return change({ values, base, present, wordBase, histograms })
    },
  }
  if (!dropsName || state.delayedNameRemoval || !hasRepeats(marks.sets, input.count)) return stream
  return streamOf(finishRows(await materialise(stream, state.memory), state))
}

/** A function over whole matrices. */
export async function evaluateMatrixCall(
  plan: MatrixCallPlan,
  state: QueryState,
): Promise<StepMatrix> {
  const { memory } = state
  const args: Argument[] = []
  for (const [index, arg] of plan.args.entries()) {
    if (typeof arg === 'string') {
      args.push({ type: 'string', value: arg })
      continue
    }
    const type = plan.types[index] === 'scalar' ? 'scalar' : 'vector'
    args.push({ type, matrix: await state.evaluate(arg) })
  }
  const context: CallContext = {
    labels: state.labels,
    range: plan.range,
    args: plan.argExprs,
    pos: plan.expr.pos,
    delayedNameRemoval: state.delayedNameRemoval,
    isRangeQuery: state.isRangeQuery,
    release: state.release,
    notes: notesAt(state, plan.argExprs[0]?.pos ?? plan.expr.pos),
    matrix: (series) => memory.matrix(series, plan.range.count),
    tick: (units) => memory.tick(units),
  }
  const result = compactRows(plan.func.run(args, context))
  if (plan.func.relabels !== true) return finishRows(result, state)
  if (!hasRepeats(result.sets, result.series)) return result
  if (state.release === '3.5') throw sameLabelset()
  return mergeRows(result)
}

/** Scalar arguments as columns, one value a step. */
export async function scalarColumns(
  plans: readonly Plan[],
  state: QueryState,
): Promise<Float64Array[]> {
  const columns: Float64Array[] = []
  for (const plan of plans) columns.push((await state.evaluate(plan)).values)
  return columns
}
