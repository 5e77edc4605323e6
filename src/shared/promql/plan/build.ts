/**
 * Makes the plan of a query: resolves `start()`, `end()`, `@` and offsets against the steps at
 * which each part is evaluated, lays out subqueries, takes step-invariant parts out of the steps,
 * and collects what is asked of storage, equal selectors once.
 *
 * Follows Prometheus promql/engine.go: PreprocessExpr, setOffsetForAtModifier, the subquery case
 * of eval.
 */
import { TextParts } from '../../base/text-parts.js'
import { fail } from '../../errors/index.js'
import type { Matcher } from '../../model/matcher.js'
import type { StepRange } from '../columns.js'
import type { FunctionRow } from '../functions/kernel.js'
import { FUNCTIONS } from '../functions/table.js'
import type {
  Aggregate,
  Binary,
  Call,
  DurationExpr,
  Expr,
  MatrixSelector,
  Modifiers,
  PosRange,
  Subquery,
  ValueType,
  VectorSelector,
} from '../syntax/ast.js'
import { typeOf } from '../syntax/check.js'
import { evaluateDuration } from './durations.js'
import { infoSelector, referenceModifiers } from './info.js'
import { sharedParts } from './inputs.js'
import type { InstantPlan, LookTimes, Plan, QueryPlan, RangePlan, Selection } from './plan.js'
import { Shapes } from './shapes.js'

/** The times of a query. */
export interface QueryTimes {
  /** Milliseconds. */
  readonly start: number
  readonly end: number
  /** Milliseconds; 0 makes it an instant query. */
  readonly step: number
  readonly lookbackMs: number
  /** Step of a subquery written without one (ms); Prometheus' evaluation interval. */
  readonly subqueryStepMs: number
}

interface Builder {
  readonly times: QueryTimes
  readonly selections: { matchers: Selection['matchers']; mint: number; maxt: number }[]
  /** Matchers as text → selections with them. */
  readonly byText: Map<string, number[]>
  /** A selector was met that another one reads for too, so that parts may be the same. */
  hasRepeats: boolean
  /** Called for each node and matcher, and may throw. */
  readonly tick: () => void
  /** Tells nodes that are the same; undefined: nobody asks. */
  readonly twins: Twins | undefined
  /**
   * What selectors here do about histograms of which it is not known whether counters were reset
   * before them: 'detect' looks, as Prometheus' HistogramStatsIterator does below functions of
   * counts and sums; 'never' is for what lies in a subquery or needs buckets.
   */
  resets: 'keep' | 'detect' | 'never'
}

/** Functions whose value depends on the evaluation time beyond their arguments. */
const TIME_READERS: ReadonlySet<string> = new Set([
  'time',
  'timestamp',
  'start_timestamp',
  'predict_linear',
])
/** Those that read it when called without an argument. */
const CLOCK_DEFAULTS: ReadonlySet<string> = new Set([
  'days_in_month',
  'day_of_month',
  'day_of_week',
  'day_of_year',
  'hour',
  'minute',
  'month',
  'year',
])

/**
 * @param tick is called for each node and matcher, and may throw
 * @throws AppError `bad-data` for a range query of the wrong type, `query-execution` for a selector
 *   that its function cannot take
 */
export function buildPlan(expr: Expr, times: QueryTimes, tick = (): void => {}): QueryPlan {
  const isInstant = times.step === 0
  const range: StepRange = isInstant
    ? { start: times.start, step: 1, count: 1 }
    : {
        start: times.start,
        step: times.step,
        count: Math.max(0, Math.floor((times.end - times.start) / times.step) + 1),
      }
  const type = typeOf(expr)
  if (!isInstant && (type === 'matrix' || type === 'string')) {
    const name = type === 'matrix' ? 'range vector' : 'string'
    throw fail('bad-data', {
      text: `invalid expression type "${name}" for range query, must be Scalar or instant Vector`,
    })
  }
  let builder = startBuilding(times, tick)
  let root = buildRoot(builder, expr, type, range)
  const { hasRepeats } = builder
  if (hasRepeats) {
    builder = startBuilding(times, tick, new Twins())
    root = buildRoot(builder, expr, type, range)
  }
  const { twins, selections } = builder
  if (twins === undefined || root.type === 'string') {
    return { root, selections, shared: NOTHING_SHARED, range }
  }
  return { root, selections, shared: sharedParts(root.plan, twins.firsts), range }
}

const NOTHING_SHARED: QueryPlan['shared'] = new Map()

function startBuilding(times: QueryTimes, tick: () => void, twins?: Twins): Builder {
  const made = { selections: [], byText: new Map(), hasRepeats: false }
  return { times, tick, twins, ...made, resets: 'keep' }
}

/** Nodes that are the same but for their position. */
class Twins {
  private readonly shapes = new Shapes()
  private readonly made = new Map<string, Plan>()
  /** Node → the first one that is the same. */
  readonly firsts = new Map<Plan, Plan>()

  note(node: Plan, expr: Expr, { start, step, count }: StepRange, resets: string): void {
    const key = `${this.shapes.of(expr)} ${start} ${step} ${count} ${resets}`
    const first = this.made.get(key)
    if (first === undefined) this.made.set(key, node)
    else this.firsts.set(node, first)
  }
}

function buildRoot(
  builder: Builder,
  expr: Expr,
  type: ValueType,
  range: StepRange,
): QueryPlan['root'] {
  const bare = unwrap(expr)
  if (bare.kind === 'string') return { type: 'string', value: bare.value } as const
  if (type === 'matrix') {
    return { type: 'matrix', plan: buildRange(builder, asRange(bare), range) } as const
  }
  const plan = build(builder, expr, range)
  return type === 'scalar'
    ? ({ type: 'scalar', plan } as const)
    : ({ type: 'vector', plan } as const)
}

/** The expression without parentheses around it. */
export function unwrap(expr: Expr): Exclude<Expr, { kind: 'paren' }> {
  while (expr.kind === 'paren') expr = expr.expr
  return expr
}

function build(builder: Builder, expr: Expr, range: StepRange): Plan {
  builder.tick()
  const bare = unwrap(expr)
  const node = buildBare(builder, bare, range)
  builder.twins?.note(node, bare, range, builder.resets)
  return node
}

function buildBare(
  builder: Builder,
  bare: Exclude<Expr, { kind: 'paren' }>,
  range: StepRange,
): Plan {
  if (bare.kind === 'number') return { kind: 'number', range, expr: bare, value: bare.value }
  const constant = bare.kind === 'call' ? FUNCTIONS[bare.func]?.kernel : undefined
  if (constant?.form === 'constant') {
    return { kind: 'number', range, expr: bare, value: constant.of(builder.times) }
  }
  if (range.count > 1 && isInvariant(bare)) {
    const once: StepRange = { start: range.start, step: range.step, count: 1 }
    return { kind: 'invariant', range, expr: bare, input: build(builder, bare, once) }
  }
  switch (bare.kind) {
    case 'vector-selector':
      return buildInstant(builder, bare, range, false)
    case 'aggregate':
      return buildAggregate(builder, bare, range)
    case 'call':
      return buildCall(builder, bare, range)
    case 'binary':
      return buildBinary(builder, bare, range)
    case 'unary': {
      const input = build(builder, bare.expr, range)
      if (bare.op === '+') return input
      return { kind: 'negate', range, expr: bare, input, isScalar: typeOf(bare) === 'scalar' }
    }
    default:
      throw fail('internal', { text: `a ${bare.kind} has no steps` })
  }
}

/** Whether a part has the same value at each step of a query. */
function isInvariant(expr: Expr): boolean {
  switch (expr.kind) {
    case 'number':
    case 'string':
      return true
    case 'vector-selector':
    case 'subquery':
      return expr.atMs !== undefined || expr.atBound !== undefined
    case 'matrix-selector':
      return isInvariant(expr.selector)
    case 'aggregate':
      // The parameter is not looked at, as in Prometheus.
      return isInvariant(expr.expr)
    case 'call':
      if (TIME_READERS.has(expr.func)) return false
      if (expr.args.length === 0 && CLOCK_DEFAULTS.has(expr.func)) return false
      return expr.args.every(isInvariant)
    case 'binary':
      return isInvariant(expr.lhs) && isInvariant(expr.rhs)
    case 'unary':
    case 'paren':
      return isInvariant(expr.expr)
  }
}

function lookTimes(builder: Builder, modifiers: Modifiers, range: StepRange): LookTimes {
  const { start, end } = builder.times
  const offsetMs = offsetOf(builder, modifiers)
  const at =
    modifiers.atBound === 'start' ? start : modifiers.atBound === 'end' ? end : modifiers.atMs
  if (at !== undefined) return { first: at - offsetMs, step: 0 }
  return { first: range.start - offsetMs, step: range.step }
}

function offsetOf({ times }: Builder, { offsetMs, offsetExpr }: Modifiers): number {
  return offsetExpr === undefined ? offsetMs : evaluateDuration(offsetExpr, times, 'any')
}

function buildInstant(
  builder: Builder,
  selector: VectorSelector,
  range: StepRange,
  asTimestamp: boolean,
): InstantPlan {
  const times = lookTimes(builder, selector, range)
  const { lookbackMs } = builder.times
  // timestamp() looks at samples as they are.
  const isSmoothed = selector.mode === 'smoothed' && !asTimestamp
  const window = sampleWindow(times, range, lookbackMs, isSmoothed ? lookbackMs : 0)
  const selection = select(builder, selector, window)
  // Under `@`, timestamp() looks from that time itself at what the offset lets it see; so it is in
  // Prometheus (rangeEvalTimestampFunctionOverVectorSelector), where the offset only selects.
  const isShifted = asTimestamp && times.step === 0
  const looks = isShifted ? { first: times.first + offsetOf(builder, selector), step: 0 } : times
  return {
    kind: 'instant',
    range,
    expr: selector,
    selection,
    times: looks,
    lookbackMs,
    ...window,
    asTimestamp,
    keepsName: false,
    asStart: false,
    isSmoothed,
    detectsResets: builder.resets === 'detect',
  }
}

/** The samples that some steps look at: windows are left-open. */
function sampleWindow(
  times: LookTimes,
  range: StepRange,
  backMs: number,
  aheadMs = 0,
): { mint: number; maxt: number } {
  return {
    mint: times.first - backMs + 1,
    maxt: times.first + Math.max(0, range.count - 1) * times.step + aheadMs,
  }
}

/** The storage request of a selector; equal ones with touching times are asked once. */
function select(
  builder: Builder,
  selector: VectorSelector,
  window: { mint: number; maxt: number },
): number {
  return selectMatchers(builder, selector.matchers, window)
}

function selectMatchers(
  builder: Builder,
  matchers: readonly Matcher[],
  { mint, maxt }: { mint: number; maxt: number },
): number {
  const texts = new TextParts()
  for (const { name, op, value } of matchers) {
    builder.tick()
    // Lengths tell where a text ends.
    texts.push(`${name.length} ${name}${op}${value.length} ${value},`)
  }
  const text = texts.join()
  const same = builder.byText.get(text) ?? []
  for (const index of same) {
    const known = builder.selections[index]!
    if (mint > known.maxt || maxt < known.mint) continue
    known.mint = Math.min(known.mint, mint)
    known.maxt = Math.max(known.maxt, maxt)
    builder.hasRepeats = true
    return index
  }
  builder.selections.push({ matchers, mint, maxt })
  same.push(builder.selections.length - 1)
  builder.byText.set(text, same)
  return builder.selections.length - 1
}

function asRange(expr: Expr): MatrixSelector | Subquery {
  const bare = unwrap(expr)
  if (bare.kind === 'matrix-selector' || bare.kind === 'subquery') return bare
  throw fail('internal', { text: `a ${bare.kind} is not a range vector` })
}

function buildRange(
  builder: Builder,
  expr: MatrixSelector | Subquery,
  range: StepRange,
): RangePlan {
  const rangeMs = positiveMs(builder, expr.rangeExpr, expr.rangeMs)
  if (expr.kind === 'matrix-selector') {
    const times = lookTimes(builder, expr.selector, range)
    const { mode } = expr.selector
    const { lookbackMs } = builder.times
    const backMs = mode === 'plain' ? rangeMs : rangeMs + lookbackMs
    const window = sampleWindow(times, range, backMs, mode === 'smoothed' ? lookbackMs : 0)
    const selection = select(builder, expr.selector, window)
    const detectsResets = builder.resets === 'detect'
    const input = { from: 'storage', selection, ...window, detectsResets } as const
    return { kind: 'range', range, expr, rangeMs, times, mode, lookbackMs, input }
  }
  const stepMs = positiveMs(builder, expr.stepExpr, expr.stepMs)
  const times = lookTimes(builder, expr, range)
  const inner = subquerySteps(
    { rangeMs, stepMs: stepMs || builder.times.subqueryStepMs },
    times,
    range,
  )
  const plan = within(builder, 'never', () => build(builder, expr.expr, inner))
  const input = { from: 'subquery', plan } as const
  return { kind: 'range', range, expr, rangeMs, times, mode: 'plain', lookbackMs: 0, input }
}

/** Builds a part below what says how resets are told; 'never' stays for all below. */
function within<T>(builder: Builder, resets: Builder['resets'], make: () => T): T {
  const before = builder.resets
  if (before !== 'never') builder.resets = resets
  const made = make()
  builder.resets = before
  return made
}

function positiveMs({ times }: Builder, expr: DurationExpr | undefined, fixedMs: number): number {
  return expr === undefined ? fixedMs : evaluateDuration(expr, times, 'positive')
}

/** The steps of a subquery: multiples of its step since the epoch within its left-open range. */
function subquerySteps(
  { rangeMs, stepMs: step }: { readonly rangeMs: number; readonly stepMs: number },
  times: LookTimes,
  range: StepRange,
): StepRange {
  const after = times.first - rangeMs
  // Rounded towards zero, as Go divides; then moved past the open end.
  let start = step * Math.trunc(after / step)
  if (start <= after) start += step
  const end = times.first + (range.count - 1) * times.step
  return { start, step, count: end < start ? 0 : Math.floor((end - start) / step) + 1 }
}

function buildAggregate(builder: Builder, expr: Aggregate, range: StepRange): Plan {
  const param = expr.param === undefined ? undefined : unwrap(expr.param)
  const label = param?.kind === 'string' ? param.value : undefined
  return {
    kind: 'aggregate',
    range,
    expr,
    aggregate: expr,
    param: param === undefined || label !== undefined ? undefined : build(builder, param, range),
    label,
    input: build(builder, expr.expr, range),
  }
}

/**
 * Where annotations of a range function point: at its first argument, without parentheses, but to
 * the start of the query where that is a subquery, in whose place Prometheus puts a selector
 * without a position.
 */
function notePosition(first: Expr): PosRange {
  let bare = first
  while (bare.kind === 'paren') bare = bare.expr
  return bare.kind === 'subquery' ? { start: 0, end: 0 } : bare.pos
}

function buildCall(builder: Builder, expr: Call, range: StepRange): Plan {
  const func = FUNCTIONS[expr.func]!.kernel
  const resets =
    func.form === 'histogram' && func.countsOnly === true
      ? 'detect'
      : func.form === 'matrix' && func.readsBuckets === true
        ? 'never'
        : builder.resets
  return within(builder, resets, () => buildCallOf(builder, expr, func, range))
}

function buildCallOf(
  builder: Builder,
  expr: Call,
  func: FunctionRow['kernel'],
  range: StepRange,
): Plan {
  const [first] = expr.args
  switch (func.form) {
    case 'range': {
      const at = expr.args.findIndex((arg) => typeOf(arg) === 'matrix')
      checkMode(expr, expr.args[at]!)
      const input = buildRange(builder, asRange(expr.args[at]!), range)
      const params = expr.args
        .filter((_, index) => index !== at)
        .map((arg) => build(builder, arg, range))
      const pos = notePosition(first!)
      return { kind: 'range-call', range, expr, func, input, params, pos }
    }
    case 'map':
    case 'histogram': {
      const params = expr.args.slice(1).map((arg) => build(builder, arg, range))
      return { kind: 'map-call', range, expr, func, input: build(builder, first!, range), params }
    }
    case 'matrix':
      return {
        kind: 'matrix-call',
        range,
        expr,
        func,
        args: expr.args.map((arg) => buildArgument(builder, arg, range)),
        types: expr.args.map(argumentType),
        argExprs: expr.args,
      }
    case 'constant':
      throw fail('internal', { text: `${expr.func}() is a number` })
    case 'operator':
      if (func.operator === 'absent_over_time') {
        checkMode(expr, first!)
        return { kind: 'absent', range, expr, input: buildRange(builder, asRange(first!), range) }
      }
      if (func.operator === 'info') return buildInfo(builder, expr, range)
      if (func.operator === 'start_timestamp') return buildStartTimestamp(builder, expr, range)
      return buildTimestamp(builder, expr, range)
  }
}

/** Refuses an anchored or smoothed selector where the function cannot take it. */
function checkMode(call: Call, arg: Expr): void {
  const bare = unwrap(arg)
  if (bare.kind !== 'matrix-selector' || bare.selector.mode === 'plain') return
  const { mode } = bare.selector
  const takes = (name: string): boolean => {
    const kernel = FUNCTIONS[name]?.kernel
    return kernel?.form === 'range' && kernel.modes?.includes(mode) === true
  }
  if (takes(call.func)) return
  const able = Object.keys(FUNCTIONS).filter(takes).sort().join(', ')
  throw fail('query-execution', {
    text: `${mode} modifier can only be used with: ${able} - not with ${call.func}`,
  })
}

function buildInfo(builder: Builder, expr: Call, range: StepRange): Plan {
  const input = build(builder, expr.args[0]!, range)
  const { matchers, nameMatchers, dataMatchers } = infoSelector(expr.args[1])
  const reference = referenceModifiers(expr.args[0]!, (modifiers) => offsetOf(builder, modifiers))
  const times = lookTimes(builder, { ...reference, offsetExpr: undefined }, range)
  const { lookbackMs } = builder.times
  const window = sampleWindow(times, range, lookbackMs)
  const selection = selectMatchers(builder, matchers, window)
  const flags = { asTimestamp: true, asStart: false, keepsName: true, isSmoothed: false } as const
  const look = { selection, times, lookbackMs, ...window, ...flags, detectsResets: false }
  const info = { kind: 'instant', range, expr, ...look } as const
  return { kind: 'info', range, expr, input, info, nameMatchers, dataMatchers }
}

function buildTimestamp(builder: Builder, expr: Call, range: StepRange): Plan {
  const arg = unwrap(expr.args[0]!)
  if (arg.kind === 'vector-selector') return buildInstant(builder, arg, range, true)
  return { kind: 'timestamp', range, expr, input: build(builder, arg, range) }
}

function buildStartTimestamp(builder: Builder, expr: Call, range: StepRange): Plan {
  const arg = unwrap(expr.args[0]!)
  if (arg.kind !== 'vector-selector') {
    return { kind: 'nothing', range, expr, input: build(builder, arg, range) }
  }
  return { ...buildInstant(builder, arg, range, true), asStart: true }
}

function argumentType(expr: Expr): 'string' | 'scalar' | 'vector' {
  const type = typeOf(expr)
  return type === 'string' || type === 'scalar' ? type : 'vector'
}

function buildArgument(builder: Builder, expr: Expr, range: StepRange): Plan | string {
  const bare = unwrap(expr)
  return bare.kind === 'string' ? bare.value : build(builder, bare, range)
}

function buildBinary(builder: Builder, expr: Binary, range: StepRange): Plan {
  const lhs = build(builder, expr.lhs, range)
  const rhs = build(builder, expr.rhs, range)
  const left = typeOf(expr.lhs) === 'scalar'
  const right = typeOf(expr.rhs) === 'scalar'
  if (!left && !right) return { kind: 'vector-binary', range, expr, binary: expr, lhs, rhs }
  const sides = left && right ? 'both' : left ? 'left' : 'right'
  return { kind: 'scalar-binary', range, expr, binary: expr, lhs, rhs, sides }
}
