/**
 * Aggregations. Rows of the input are made one by one into a scratch row and taken into their
 * group; only quantile needs them all at once.
 *
 * Hot; benchmark bench/shared/promql/execute.bench.ts. Follows Prometheus promql/engine.go:
 * rangeEvalAgg, aggregation, aggregationK, aggregationCountValues.
 */
import { printFloatShort } from '../../base/go-number.js'
import { quoteGo } from '../../base/go-string.js'
import { fail } from '../../errors/index.js'
import { METRIC_NAME } from '../../model/labels.js'
import type { Accumulator } from '../aggregations/accumulator.js'
import { ValueCounts } from '../aggregations/count-values.js'
import { HistogramGroups } from '../aggregations/histogram-groups.js'
import { quantileInto } from '../aggregations/quantile.js'
import { RankedHeaps } from '../aggregations/ranked.js'
import { type AccumulateForm, AGGREGATIONS } from '../aggregations/table.js'
import type { HistogramRow, StepMatrix } from '../columns.js'
import { ignoredInAggregation } from '../functions/native-texts.js'
import type { AggregatePlan } from '../plan/plan.js'
import type { PosRange } from '../syntax/ast.js'
import { type Groups, groupRows } from './groups.js'
import { keepFloats } from './histogram-cells.js'
import { limitRatio, limitRows } from './limit.js'
import { notesAt } from './notes.js'
import {
  MatrixBuilder,
  materialise,
  type QueryState,
  type RowStream,
  streamOf,
} from './operator.js'
import { compactRows } from './rows.js'

/** An aggregation. */
export async function evaluateAggregate(
  plan: AggregatePlan,
  state: QueryState,
): Promise<StepMatrix> {
  const { form } = AGGREGATIONS[plan.aggregate.op]
  switch (form.kind) {
    case 'accumulate':
      return accumulate(plan, form, await state.stream(plan.input), state)
    case 'ranked':
      return rank(plan, form.isTop, state)
    case 'quantile':
      return quantile(plan, state)
    case 'count-values':
      return countValues(plan, state)
    case 'limit':
      return limit(plan, state)
    case 'limit-ratio':
      return limitRatio(plan, state)
  }
}

/** Makes the rows of a stream one by one in a scratch row. */
async function eachRow(
  input: RowStream,
  state: QueryState,
  take: (
    row: number,
    values: Float64Array,
    present: Uint32Array,
    histograms: HistogramRow | undefined,
  ) => void,
): Promise<void> {
  const { memory } = state
  const values = memory.floats(input.steps)
  const present = memory.words((input.steps + 31) >>> 5)
  for (let row = 0; row < input.count; row++) {
    present.fill(0)
    const histograms = input.into(row, values, 0, present, 0)
    take(row, values, present, histograms)
    if (memory.worked(input.cost + input.steps)) await memory.breathe()
  }
}

async function accumulate(
  plan: AggregatePlan,
  form: AccumulateForm,
  input: RowStream,
  state: QueryState,
): Promise<StepMatrix> {
  const groups = groupRows(plan.aggregate, input, state)
  const out = state.memory.matrix(groups.sets.length, input.steps)
  out.sets.set(groups.sets)
  const accumulator: Accumulator = form.make(out, state.memory)
  const notes = notesAt(state, plan.input.expr.pos)
  let sums: HistogramGroups | undefined
  const marks = new GroupMarks(input, groups, state)
  await eachRow(input, state, (row, values, present, histograms) => {
    const group = groups.of[row]!
    if (histograms !== undefined && form.histograms !== 'alike') {
      if (form.histograms === 'ignored') leaveOut(plan, histograms, present, 0, state)
      else {
        sums ??= new HistogramGroups(out, form.histograms === 'avg', notes)
        const name = () => state.labels.value(input.sets[row]!, METRIC_NAME)
        sums.add(group, histograms, present, 0, name)
        if (marks.matter) marks.add(row, group, present)
        keepFloats(histograms, present, 0)
      }
    }
    accumulator.add(group, values, 0, present, 0)
    if (marks.matter) marks.add(row, group, present)
  })
  accumulator.finish()
  sums?.finish()
  if (marks.matter) marks.finish(out)
  return compactRows(out)
}

/** Takes the histograms of a row away from an aggregation of floats, which notes it. */
function leaveOut(
  plan: AggregatePlan,
  histograms: HistogramRow,
  present: Uint32Array,
  wordBase: number,
  state: QueryState,
): void {
  if (!keepFloats(histograms, present, wordBase)) return
  state.annotations.info(ignoredInAggregation(plan.aggregate.op), plan.input.expr.pos)
}

/**
 * Whether a group's name is to be dropped: when a row that is marked has a point at the group's
 * last step.
 */
class GroupMarks {
  /** Some row is marked, and some group has kept a name. */
  readonly matter: boolean
  private readonly dropName: Uint8Array | undefined
  /** [groups] last step with a point of a marked row; −1 without any. */
  private readonly lastMarked: Int32Array
  private readonly state: QueryState

  constructor(input: RowStream, groups: Groups, state: QueryState) {
    this.dropName = input.dropName
    this.matter =
      input.dropName?.includes(1) === true &&
      groups.sets.some((set) => state.labels.withoutName(set) !== set)
    this.lastMarked = new Int32Array(this.matter ? groups.sets.length : 0).fill(-1)
    this.state = state
  }

  add(row: number, group: number, present: Uint32Array): void {
    if (this.dropName![row] === 0) return
    const last = lastStep(present, 0, present.length)
    if (last > this.lastMarked[group]!) this.lastMarked[group] = last
  }

  finish(out: StepMatrix): void {
    const flags = this.state.memory.flags(out.series)
    for (let group = 0; group < out.series; group++) {
      const last = lastStep(out.present, group * out.words, out.words)
      if (last !== -1 && this.lastMarked[group] === last) flags[group] = 1
    }
    out.dropName = flags
  }
}

function lastStep(present: Uint32Array, wordBase: number, words: number): number {
  for (let word = words - 1; word >= 0; word--) {
    const bits = present[wordBase + word]!
    if (bits !== 0) return (word << 5) + 31 - Math.clz32(bits)
  }
  return -1
}

/** Bounds of a parameter that becomes a 64-bit integer; Prometheus promql/engine.go. */
const INT64_MAX = 2 ** 63 - 1024
const INT64_MIN = -(2 ** 63)

/** The parameter k of each step; undefined when none keeps anything. */
async function kOfSteps(plan: AggregatePlan, state: QueryState): Promise<Float64Array | undefined> {
  const ks = (await state.evaluate(plan.param!)).values
  if (!ks.some((k) => k !== k || k >= 1)) {
    // Nothing is kept, but what the input has to say is said.
    await eachRow(await state.stream(plan.input), state, () => {})
    return undefined
  }
  for (const k of ks) if (k !== k) throw execution('Parameter value is NaN')
  const least = ks.reduce((a, b) => Math.min(a, b))
  const most = ks.reduce((a, b) => Math.max(a, b))
  if (least <= INT64_MIN) throw execution(`Scalar value ${printFloatShort(least)} underflows int64`)
  if (most >= INT64_MAX) throw execution(`Scalar value ${printFloatShort(most)} overflows int64`)
  return ks
}

async function limit(plan: AggregatePlan, state: QueryState): Promise<StepMatrix> {
  const ks = await kOfSteps(plan, state)
  return ks === undefined ? state.memory.matrix(0, plan.range.count) : limitRows(plan, ks, state)
}

async function rank(plan: AggregatePlan, isTop: boolean, state: QueryState): Promise<StepMatrix> {
  const ks = await kOfSteps(plan, state)
  const { memory } = state
  const steps = plan.range.count
  if (ks === undefined) return memory.matrix(0, steps)
  const input = await state.stream(plan.input)
  const groups = groupRows(plan.aggregate, input, state)
  const heaps = new RankedHeaps({ memory, steps, ks, members: groups.members, isTop })
  await eachRow(input, state, (row, values, present, histograms) => {
    if (histograms !== undefined) leaveOut(plan, histograms, present, 0, state)
    heaps.add(groups.of[row]!, row, values, 0, present, 0)
  })
  return rankedRows(input, groups, heaps, state)
}

/** The rows that are among the best at any step: in order of rank when there is one step only. */
function rankedRows(
  input: RowStream,
  groups: Groups,
  heaps: RankedHeaps,
  state: QueryState,
): StepMatrix {
  const { steps } = input
  const outRows = new Int32Array(input.count).fill(-1)
  const order: number[] = []
  const groupCount = groups.sets.length
  for (let group = 0; group < groupCount; group++) {
    if (steps === 1) {
      for (const entry of heaps.ranked(group, 0)) order.push(heaps.row(entry))
      continue
    }
    for (let step = 0; step < steps; step++) {
      const first = heaps.first(group, step)
      const end = first + heaps.count(group, step)
      for (let entry = first; entry < end; entry++) {
        const row = heaps.row(entry)
        if (outRows[row] !== -1) continue
        outRows[row] = 0
        order.push(row)
      }
    }
  }
  for (const [at, row] of order.entries()) outRows[row] = at
  const out = state.memory.matrix(order.length, steps)
  if (input.dropName !== undefined) out.dropName = state.memory.flags(order.length)
  for (const [at, row] of order.entries()) {
    out.sets[at] = input.sets[row]!
    if (out.dropName !== undefined) out.dropName[at] = input.dropName![row]!
  }
  for (let group = 0; group < groupCount; group++) {
    for (let step = 0; step < steps; step++) {
      const first = heaps.first(group, step)
      const end = first + heaps.count(group, step)
      for (let entry = first; entry < end; entry++) {
        const at = outRows[heaps.row(entry)]!
        out.values[at * steps + step] = heaps.value(entry)
        out.present[at * out.words + (step >>> 5)]! |= 1 << (step & 31)
      }
    }
  }
  return out
}

async function quantile(plan: AggregatePlan, state: QueryState): Promise<StepMatrix> {
  const param = plan.param!
  const params = (await state.evaluate(param)).values
  warnOfQuantiles(params, param.expr.pos, state)
  const input = await materialise(await state.stream(plan.input), state.memory)
  input.histograms?.forEach((histograms, row) => {
    if (histograms !== undefined) {
      leaveOut(plan, histograms, input.present, row * input.words, state)
    }
  })
  const groups = groupRows(plan.aggregate, streamOf(input), state)
  const out = state.memory.matrix(groups.sets.length, input.steps)
  out.sets.set(groups.sets)
  const marks = new GroupMarks(streamOf(input), groups, state)
  if (marks.matter) {
    for (let row = 0; row < input.series; row++) {
      const bits = input.present.subarray(row * input.words, (row + 1) * input.words)
      marks.add(row, groups.of[row]!, bits)
    }
  }
  quantileInto(input, groups.of, params, out)
  if (marks.matter) marks.finish(out)
  return compactRows(out)
}

/** Prometheus warns of NaN, of the largest above 1 and of the smallest below 0. */
function warnOfQuantiles(params: Float64Array, pos: PosRange, state: QueryState): void {
  const largest = params.reduce((a, b) => Math.max(a, b), -Infinity)
  const smallest = params.reduce((a, b) => Math.min(a, b), Infinity)
  const wrong = largest !== largest ? [largest] : []
  if (largest > 1) wrong.push(largest)
  if (smallest < 0) wrong.push(smallest)
  for (const q of wrong) {
    const text = `quantile value should be between 0 and 1, got ${printFloatShort(q)}`
    state.annotations.warn(text, pos)
  }
}

async function countValues(plan: AggregatePlan, state: QueryState): Promise<StepMatrix> {
  const { label } = plan
  const { grouping, without } = plan.aggregate
  checkValueLabel(plan)
  const { labels, memory } = state
  const input = await state.stream(plan.input)
  const { steps } = input
  const counts = new ValueCounts({ labels, memory, steps, label: label!, grouping, without })
  await eachRow(input, state, (row, values, present, histograms) => {
    counts.add(input.sets[row]!, values, 0, present, 0, histograms)
  })
  const builder = new MatrixBuilder(memory, steps, counts.rows.length)
  const { matrix } = builder
  for (const row of counts.rows) {
    const at = builder.next()
    matrix.values.set(row.counts, at * steps)
    for (let step = 0; step < steps; step++) {
      if (row.counts[step] === 0) continue
      matrix.present[at * matrix.words + (step >>> 5)]! |= 1 << (step & 31)
    }
    builder.take(row.set, 0)
  }
  return matrix
}

/** Refuses a label name that is empty or not UTF-8: such bytes stand as lone surrogates. */
function checkValueLabel(plan: AggregatePlan): void {
  const label = plan.label!
  const hasBadBytes = /[\ud800-\udfff]/u.test(label)
  if (label === '' || hasBadBytes) throw execution(`invalid label name ${quoteGo(label)}`)
}

function execution(text: string): Error {
  return fail('query-execution', { text })
}
