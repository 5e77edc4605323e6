/**
 * Runs a parsed query: plan, ask storage for every selector at once, evaluate, put the answer in
 * order. One query at a time per LabelTable; series are read one by one while operators pull.
 */
import type { AppError } from '../errors/index.js'
import { multiplyHistogram } from '../model/histogram-arithmetic.js'
import { Annotations } from './annotations.js'
import type { HistogramRow, QueryResult, SampleMatrix, StepMatrix } from './columns.js'
import { explainPlan } from './explain.js'
import { type FetchLimits, FetchMeter } from './fetch-meter.js'
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
import { shareResults } from './operators/shared.js'
import { buildPlan } from './plan/build.js'
import type {
  InvariantPlan,
  NumberPlan,
  Plan,
  QueryPlan,
  RangePlan,
  Selection,
} from './plan/plan.js'
import { Profile } from './profile.js'
import type { PrometheusRelease } from './release.js'
import type { SelectedSeries, SeriesSource } from './source.js'
import { StepSamples } from './step-samples.js'
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
  /** What may be fetched; without it there is no bound. */
  readonly fetchLimits?: FetchLimits
  /** A monotonic clock in ms; without it times are 0. */
  readonly now?: () => number
  /** Counts the samples that each step looks at. */
  readonly countsSteps?: boolean
  /** Tells what each node of the plan has cost. */
  readonly isProfiled?: boolean
}

/** Prometheus' evaluation interval, the step of a subquery that has none. */
const SUBQUERY_STEP_MS = 60_000
/** Units of work of a node or matcher that is planned. */
const TICK_UNITS = 64

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
  const now = query.now ?? (() => 0)
  const began = now()
  const memory = new QueryMemory(query)
  const plan = planOf(expr, query, () => memory.tick(TICK_UNITS))
  memory.checkCanceled()
  const meter = new FetchMeter(query.fetchLimits)
  labels.watch = {
    tick: () => memory.checkCanceled(),
    claim: (bytes) => memory.claimLabels(bytes),
  }
  let selected: SelectedSeries[] = []
  try {
    selected = await selectAll(plan.selections, source, labels, meter)
    const selectedAt = now()
    const state = makeState(query, memory, selected, { labels, meter, steps: plan.range.count })
    const profile = query.isProfiled === true ? profiled(state, now) : undefined
    shareResults(state, plan.shared, isStreamed)
    const result = await evaluateRoot(plan, query, state)
    const evaluatedAt = now()
    const data = inOrder(result, state)
    const stats = {
      prepareMs: selectedAt - began,
      evalMs: evaluatedAt - selectedAt,
      sortMs: now() - evaluatedAt,
      samplesPeak: memory.samplesPeak,
      bytesPeak: memory.bytesPeak,
      fetched: meter,
      stepSamples: state.stepSamples,
      profile: profile && explainPlan(plan, profile),
    }
    return {
      stats,
      labels,
      data,
      warnings: state.annotations.warnings(),
      infos: state.annotations.infos(),
      samplesRead: state.read.samples,
      seriesRead: state.read.series,
    }
  } finally {
    labels.watch = undefined
    for (const series of selected) series.release()
  }
}

/** The plan of a query, without running it. @throws AppError as `execute` does before it selects */
export function planOf(
  expr: Expr,
  query: Pick<Query, QueryTimesKey>,
  tick?: () => void,
): QueryPlan {
  const subqueryStepMs = query.subqueryStepMs ?? SUBQUERY_STEP_MS
  const { start, end, step, lookbackMs } = query
  return buildPlan(expr, { start, end, step, lookbackMs, subqueryStepMs }, tick)
}

type QueryTimesKey = 'start' | 'end' | 'step' | 'lookbackMs' | 'subqueryStepMs'

/** All selections, or none: when one fails the others are given back. */
async function selectAll(
  selections: readonly Selection[],
  source: SeriesSource,
  labels: LabelTable,
  meter: FetchMeter,
): Promise<SelectedSeries[]> {
  const select = ({ matchers, mint, maxt }: Selection) =>
    source.select({ matchers, mint, maxt, meter }, labels)
  // Most queries have one, or none, and are over soon.
  if (selections.length === 0) return []
  if (selections.length === 1) return [await select(selections[0]!)]
  const settled = await Promise.allSettled(selections.map(select))
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
  own: { readonly labels: LabelTable; readonly meter: FetchMeter; readonly steps: number },
): QueryState {
  const state: QueryState = {
    text: query.text,
    labels: own.labels,
    memory,
    annotations: new Annotations(query.text),
    selected,
    delayedNameRemoval: query.delayedNameRemoval,
    isRangeQuery: query.step !== 0,
    release: query.release ?? '3.5',
    read: { samples: 0, series: 0 },
    meter: own.meter,
    stepSamples: query.countsSteps === true ? new StepSamples(own.steps) : undefined,
    async evaluate(plan) {
      memory.checkCanceled()
      const level = memory.level()
      const matrix = await evaluate(plan, state)
      memory.settle(level, matrix)
      return matrix
    },
    stream: (plan) => stream(plan, state),
    watchRange: (_plan, rows) => rows,
  }
  return state
}

/** Lets a profile see what the state evaluates. */
function profiled(state: QueryState, now: () => number): Profile {
  const profile = new Profile({ now, meter: state.meter, read: state.read })
  const { evaluate, stream } = state
  state.evaluate = async (plan) => {
    const matrix = await profile.during(plan, () => evaluate(plan))
    profile.gave(plan, matrix)
    return matrix
  }
  state.stream = async (plan) => {
    const rows = await profile.during(plan, () => stream(plan))
    return isStreamed(plan) ? profile.over(plan, rows) : rows
  }
  state.watchRange = (plan, rows) => profile.overRange(plan, rows)
  return profile
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

/** Whether `stream` makes rows one by one; what it does not has been evaluated, and counted. */
function isStreamed(plan: Plan): boolean {
  switch (plan.kind) {
    case 'instant':
    case 'range-call':
    case 'map-call':
    case 'timestamp':
    case 'negate':
      return true
    case 'scalar-binary':
      return plan.sides !== 'both'
    default:
      return false
  }
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
      const input = await state.stream(plan.input)
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
  // As in Prometheus: what is read once counts at each step.
  const { stepSamples } = state
  if (stepSamples !== undefined) state.stepSamples = new StepSamples(0)
  const once = await state.evaluate(plan.input)
  const { count } = plan.range
  stepSamples?.addEach(count, state.stepSamples?.total ?? 0)
  state.stepSamples = stepSamples
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
    return { type: 'samples', matrix, order: rowsOf(matrix) }
  }
  let matrix = await state.evaluate(root.plan)
  if (query.delayedNameRemoval) matrix = dropMarkedNames(matrix, state)
  if (query.step !== 0) return { type: 'matrix', matrix, order: rowsOf(matrix), range: plan.range }
  if (root.type === 'scalar') return { type: 'scalar', value: matrix.values[0]!, atMs }
  return { type: 'vector', matrix, order: rowsOf(matrix), atMs }
}

/** The rows of a range as they are answered, by their labels; a vector's stay as they came. */
function inOrder(data: QueryResult['data'], { labels }: QueryState): QueryResult['data'] {
  if (data.type !== 'matrix' && data.type !== 'samples') return data
  const { matrix } = data
  data.order.sort((a, b) => labels.compare(matrix.sets[a]!, matrix.sets[b]!))
  return data
}

function rowsOf({ series }: { readonly series: number }): Uint32Array {
  return Uint32Array.from({ length: series }, (_, row) => row)
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
