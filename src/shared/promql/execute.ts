/**
 * Runs a parsed query: plan, ask storage for every selector at once, evaluate, put the answer in
 * order. One query at a time per LabelTable; series are read one by one while operators pull.
 */
import type { AppError } from '../errors/index.js'
import { multiplyHistogram } from '../model/histogram-arithmetic.js'
import { Annotations } from './annotations.js'
import type { HistogramRow, QueryResult, SampleMatrix, StepMatrix } from './columns.js'
import { EMPTY_SET, type LabelTable } from './label-table.js'
import { type QueryLimits, QueryMemory } from './memory.js'
import { evaluateAggregate } from './operators/aggregate.js'
import { evaluateScalars, streamVectorScalar } from './operators/binary.js'
import {
  evaluateAbsent,
  evaluateMatrixCall,
  renamed,
  streamMapCall,
  streamRangeCall,
  streamTimestamp,
} from './operators/call.js'
import { extendSamples } from './operators/extended-windows.js'
import { evaluateInfo } from './operators/info.js'
import { evaluateVectors } from './operators/match.js'
import { materialise, type QueryState, type RowStream, streamOf } from './operators/operator.js'
import { expandHistograms, expandRow, openRange } from './operators/range-selector.js'
import { allPresent, dropMarkedNames } from './operators/rows.js'
import { sampleBuffer, streamInstant } from './operators/selector.js'
import { buildPlan } from './plan/build.js'
import type {
  InvariantPlan,
  NumberPlan,
  Plan,
  QueryPlan,
  RangePlan,
  Selection,
} from './plan/plan.js'
import type { PrometheusRelease } from './release.js'
import type { SelectedSeries, SeriesSource } from './source.js'
import type { Expr } from './syntax/ast.js'

/** When and under what limits a query runs. */
export interface Query extends QueryLimits {
  /** The query as written: annotations name lines and columns of it. */
  readonly text: string
  /** Milliseconds. An instant query has start === end and step 0. */
  readonly start: number
  readonly end: number
  readonly step: number
  /** How old the newest sample of an instant selector may be. */
  readonly lookbackMs: number
  /** Step of a subquery that is written without one (ms); 1 m when left out. */
  readonly subqueryStepMs?: number
  /** Whether metric names are dropped at the end of the query instead of at once. */
  readonly delayedNameRemoval: boolean
  /** Whose choices are followed where Prometheus has changed its mind; '3.5' when left out. */
  readonly release?: PrometheusRelease
}

/** Prometheus' evaluation interval, the step of a subquery that has none. */
const SUBQUERY_STEP_MS = 60_000

/**
 * Evaluates a query.
 * @param labels the table that the answer's label sets are of; it grows
 * @throws AppError `query-execution` with Prometheus' text, `query-memory`, `query-canceled`,
 *   `query-unsupported` for what is parsed but not run yet, `bad-data` for a range query of a
 *   range vector or string
 */
export async function execute(
  expr: Expr,
  query: Query,
  source: SeriesSource,
  labels: LabelTable,
): Promise<QueryResult> {
  const subqueryStepMs = query.subqueryStepMs ?? SUBQUERY_STEP_MS
  const { start, end, step, lookbackMs } = query
  const plan = buildPlan(expr, { start, end, step, lookbackMs, subqueryStepMs })
  const memory = new QueryMemory(query)
  memory.checkCanceled()
  const selected = await selectAll(plan.selections, source, labels)
  try {
    const state = makeState(query, memory, selected, labels)
    const data = await evaluateRoot(plan, query, state)
    return {
      labels,
      data,
      warnings: state.annotations.warnings(),
      infos: state.annotations.infos(),
      samplesRead: state.read.samples,
      seriesRead: state.read.series,
    }
  } finally {
    for (const series of selected) series.release()
  }
}

/** All selections, or none: when one fails the others are given back. */
async function selectAll(
  selections: readonly Selection[],
  source: SeriesSource,
  labels: LabelTable,
): Promise<SelectedSeries[]> {
  const settled = await Promise.allSettled(
    selections.map((selection) => source.select(selection, labels)),
  )
  const failed = settled.find((outcome) => outcome.status === 'rejected')
  const selected = settled.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? [outcome.value] : [],
  )
  if (failed === undefined) return selected
  for (const series of selected) series.release()
  throw failed.reason as AppError
}

function makeState(
  query: Query,
  memory: QueryMemory,
  selected: readonly SelectedSeries[],
  labels: LabelTable,
): QueryState {
  const state: QueryState = {
    text: query.text,
    labels,
    memory,
    annotations: new Annotations(query.text),
    selected,
    delayedNameRemoval: query.delayedNameRemoval,
    isRangeQuery: query.step !== 0,
    release: query.release ?? '3.5',
    read: { samples: 0, series: 0 },
    async evaluate(plan) {
      memory.checkCanceled()
      const level = memory.level()
      const matrix = await evaluate(plan, state)
      memory.settle(level, matrix)
      return matrix
    },
    stream: (plan) => stream(plan, state),
  }
  return state
}

/** A part of the plan as a matrix. */
async function evaluate(plan: Plan, state: QueryState): Promise<StepMatrix> {
  switch (plan.kind) {
    case 'number':
      return evaluateNumber(plan, state)
    case 'invariant':
      return evaluateInvariant(plan, state)
    case 'absent':
      return evaluateAbsent(plan, state)
    case 'matrix-call':
      return evaluateMatrixCall(plan, state)
    case 'aggregate':
      return evaluateAggregate(plan, state)
    case 'nothing':
      await state.evaluate(plan.input)
      return state.memory.matrix(0, plan.range.count)
    case 'info':
      return evaluateInfo(plan, state)
    case 'vector-binary':
      return evaluateVectors(plan, state)
    case 'scalar-binary':
      if (plan.sides === 'both') return evaluateScalars(plan, state)
      break
    default:
  }
  return materialise(await stream(plan, state), state.memory)
}

/** A part of the plan row by row; what cannot stream is evaluated. */
async function stream(plan: Plan, state: QueryState): Promise<RowStream> {
  switch (plan.kind) {
    case 'instant':
      return streamInstant(plan, state)
    case 'range-call':
      return streamRangeCall(plan, state)
    case 'map-call':
      return streamMapCall(plan, state)
    case 'timestamp':
      return streamTimestamp(plan, state)
    case 'negate': {
      const input = await stream(plan.input, state)
      const { steps } = input
      return renamed(input, !plan.isScalar, state, ({ values, base, histograms }) => {
        for (let i = base; i < base + steps; i++) values[i] = -values[i]!
        return histograms?.map((cell) => cell && multiplyHistogram(cell, -1))
      })
    }
    case 'scalar-binary':
      if (plan.sides !== 'both') return streamVectorScalar(plan, state)
      break
    default:
  }
  return streamOf(await state.evaluate(plan))
}

function evaluateNumber(plan: NumberPlan, state: QueryState): StepMatrix {
  const { count } = plan.range
  const matrix = state.memory.matrix(1, count)
  matrix.sets[0] = EMPTY_SET
  matrix.values.fill(plan.value)
  allPresent(matrix.present, 0, count)
  return matrix
}

/** The first step's values at every step. */
async function evaluateInvariant(plan: InvariantPlan, state: QueryState): Promise<StepMatrix> {
  const once = await state.evaluate(plan.input)
  const { count } = plan.range
  const matrix = state.memory.matrix(once.series, count)
  matrix.sets.set(once.sets.subarray(0, once.series))
  matrix.dropName = once.dropName
  for (let row = 0; row < once.series; row++) {
    matrix.values.fill(once.values[row]!, row * count, (row + 1) * count)
    const histogram = once.histograms?.[row]?.[0]
    if (histogram !== undefined) {
      matrix.histograms ??= []
      matrix.histograms[row] = new Array<typeof histogram>(count).fill(histogram)
    }
    allPresent(matrix.present, row * matrix.words, count)
  }
  return matrix
}

async function evaluateRoot(
  plan: QueryPlan,
  query: Query,
  state: QueryState,
): Promise<QueryResult['data']> {
  const { root } = plan
  const atMs = query.start
  if (root.type === 'string') return { type: 'string', value: root.value, atMs }
  if (root.type === 'matrix') {
    const matrix = await collectSamples(root.plan, state)
    return { type: 'samples', matrix, order: orderByLabels(matrix, state.labels) }
  }
  let matrix = await state.evaluate(root.plan)
  if (query.delayedNameRemoval) matrix = dropMarkedNames(matrix, state)
  if (query.step !== 0) {
    return { type: 'matrix', matrix, order: orderByLabels(matrix, state.labels), range: plan.range }
  }
  if (root.type === 'scalar') return { type: 'scalar', value: matrix.values[0]!, atMs }
  const order = Uint32Array.from({ length: matrix.series }, (_, row) => row)
  return { type: 'vector', matrix, order, atMs }
}

/** Rows in the order of their labels. */
function orderByLabels(
  matrix: { readonly series: number; readonly sets: Uint32Array },
  labels: LabelTable,
): Uint32Array {
  const order = Uint32Array.from({ length: matrix.series }, (_, row) => row)
  return order.sort((a, b) => labels.compare(matrix.sets[a]!, matrix.sets[b]!))
}

/** The answer of an instant query that is a range vector: raw samples, or a subquery's points. */
async function collectSamples(plan: RangePlan, state: QueryState): Promise<SampleMatrix> {
  if (plan.input.from === 'subquery') {
    let inner = await state.evaluate(plan.input.plan)
    if (state.delayedNameRemoval) inner = dropMarkedNames(inner, state)
    const { start, step } = plan.input.plan.range
    return gather(inner.series, inner.sets, state, (row, out) => {
      if (out.ts.length < inner.steps) {
        out.ts = new Float64Array(inner.steps)
        out.values = new Float64Array(inner.steps)
      }
      out.count = expandRow(inner, row, start, step, out.ts, out.values)
      out.histograms = expandHistograms(inner, row)
    })
  }
  const rows = await openRange(plan, state)
  return gather(rows.count, rows.sets, state, (row, out) => {
    rows.read(row, out)
    if (plan.mode !== 'plain') extendSamples(plan, out)
  })
}

async function gather(
  count: number,
  sets: Uint32Array,
  state: QueryState,
  read: (row: number, out: ReturnType<typeof sampleBuffer>) => void,
): Promise<SampleMatrix> {
  const { memory } = state
  const buffer = sampleBuffer()
  const parts: {
    set: number
    ts: Float64Array
    values: Float64Array
    histograms: HistogramRow | undefined
  }[] = []
  let total = 0
  for (let row = 0; row < count; row++) {
    read(row, buffer)
    if (buffer.count === 0) continue
    memory.hold(buffer.count)
    memory.claim(buffer.count * 32)
    const ts = buffer.ts.slice(0, buffer.count)
    const values = buffer.values.slice(0, buffer.count)
    const histograms = buffer.histograms?.slice(0, buffer.count)
    parts.push({ set: sets[row]!, ts, values, histograms })
    total += buffer.count
    if (memory.worked(64)) await memory.breathe()
  }
  const matrix: SampleMatrix = {
    series: parts.length,
    sets: Uint32Array.from(parts, ({ set }) => set),
    offsets: new Uint32Array(parts.length + 1),
    ts: new Float64Array(total),
    values: new Float64Array(total),
    histograms: parts.some((part) => part.histograms !== undefined)
      ? new Array<undefined>(total).fill(undefined)
      : undefined,
  }
  for (const [row, { ts, values, histograms }] of parts.entries()) {
    const at = matrix.offsets[row]!
    for (let k = 0; histograms !== undefined && k < ts.length; k++) {
      matrix.histograms![at + k] = histograms[k]
    }
    matrix.ts.set(ts, at)
    matrix.values.set(values, at)
    matrix.offsets[row + 1] = at + ts.length
  }
  return matrix
}
