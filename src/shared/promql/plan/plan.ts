/**
 * The plan of one query: the syntax tree with every time resolved. Each node knows the steps it is
 * evaluated at, so that offsets, `@`, subqueries and step-invariant parts need no further thought
 * while running. Built by build.ts, run by execute.ts and operators/.
 */
import type { Matcher } from '../../model/matcher.js'
import type { StepRange } from '../columns.js'
import type { FunctionRow } from '../functions/kernel.js'
import type { Aggregate, Binary, Expr, PosRange, SelectorMode } from '../syntax/ast.js'

/** What a query asks of storage; the plan's selectors name it by index. */
export interface Selection {
  readonly matchers: readonly Matcher[]
  /** Milliseconds, both inclusive. */
  readonly mint: number
  readonly maxt: number
}

/** Where the times of a selector lie: step i looks back from first + i × step. */
export interface LookTimes {
  /** Milliseconds, offset and @ applied. */
  readonly first: number
  /** Milliseconds between two of them; 0 under `@`. */
  readonly step: number
}

interface Node {
  readonly range: StepRange
  /** The expression as written. */
  readonly expr: Expr
}

/** A constant at every step. */
export interface NumberPlan extends Node {
  readonly kind: 'number'
  readonly value: number
}

/** An instant vector selector; `asTimestamp`: its samples' times instead of their values. */
export interface InstantPlan extends Node {
  readonly kind: 'instant'
  readonly selection: number
  readonly times: LookTimes
  readonly lookbackMs: number
  /** Milliseconds, both inclusive: samples that are looked at. */
  readonly mint: number
  readonly maxt: number
  readonly asTimestamp: boolean
  /** Of those times, when counting began: start_timestamp(). */
  readonly asStart: boolean
  /** Whether label sets are left as they are under asTimestamp, as info() wants them. */
  readonly keepsName: boolean
  /** Histograms of unknown hint are compared with the ones before them. */
  readonly detectsResets: boolean
  /** Values between samples are interpolated, from those of the lookback on either side. */
  readonly isSmoothed: boolean
}

/** A range vector. */
export interface RangePlan extends Node {
  readonly kind: 'range'
  readonly rangeMs: number
  readonly times: LookTimes
  readonly mode: SelectorMode
  /** How far beyond its window an anchored or smoothed selector looks. */
  readonly lookbackMs: number
  readonly input:
    | {
        readonly from: 'storage'
        readonly selection: number
        /** Milliseconds, both inclusive: samples that are looked at. */
        readonly mint: number
        readonly maxt: number
        /** As for an instant selector. */
        readonly detectsResets: boolean
      }
    /** The subquery's own steps are those of its plan. */
    | { readonly from: 'subquery'; readonly plan: Plan }
}

/** A function of one range vector, series by series. */
export interface RangeCallPlan extends Node {
  readonly kind: 'range-call'
  readonly func: Extract<FunctionRow['kernel'], { form: 'range' }>
  readonly input: RangePlan
  readonly params: readonly Plan[]
  readonly pos: PosRange
}

/** absent_over_time. */
export interface AbsentPlan extends Node {
  readonly kind: 'absent'
  readonly input: RangePlan
}

/** A float → float function. */
export interface MapCallPlan extends Node {
  readonly kind: 'map-call'
  readonly func: Extract<FunctionRow['kernel'], { form: 'map' | 'histogram' }>
  readonly input: Plan
  readonly params: readonly Plan[]
}

/** A function over whole matrices. A string stands for itself. */
export interface MatrixCallPlan extends Node {
  readonly kind: 'matrix-call'
  readonly func: Extract<FunctionRow['kernel'], { form: 'matrix' }>
  readonly args: readonly (Plan | string)[]
  readonly types: readonly ('string' | 'scalar' | 'vector')[]
  readonly argExprs: readonly Expr[]
}

/** timestamp() of anything but a selector: the evaluation time where there is a sample. */
export interface TimestampPlan extends Node {
  readonly kind: 'timestamp'
  readonly input: Plan
}

/** Unary minus. */
export interface NegatePlan extends Node {
  readonly kind: 'negate'
  readonly input: Plan
  readonly isScalar: boolean
}

/** An aggregation with its grouping. */
export interface AggregatePlan extends Node {
  readonly kind: 'aggregate'
  readonly aggregate: Aggregate
  readonly input: Plan
  /** k of topk, φ of quantile. */
  readonly param: Plan | undefined
  /** The label of count_values. */
  readonly label: string | undefined
}

/** Scalars on both sides, or one side a scalar. */
export interface ScalarBinaryPlan extends Node {
  readonly kind: 'scalar-binary'
  readonly binary: Binary
  readonly lhs: Plan
  readonly rhs: Plan
  readonly sides: 'both' | 'left' | 'right'
}

/** Vectors on both sides. */
export interface VectorBinaryPlan extends Node {
  readonly kind: 'vector-binary'
  readonly binary: Binary
  readonly lhs: Plan
  readonly rhs: Plan
}

/** No series, whatever the input is: start_timestamp() of computed samples. */
export interface NothingPlan extends Node {
  readonly kind: 'nothing'
  readonly input: Plan
}

/** info(). */
export interface InfoPlan extends Node {
  readonly kind: 'info'
  readonly input: Plan
  /** The info series: the times of their samples. */
  readonly info: InstantPlan
  /** A series that all of them accept is an info series itself, and not enriched. */
  readonly nameMatchers: readonly Matcher[]
  /** Only labels that these name are added, where there are any. */
  readonly dataMatchers: readonly Matcher[]
}

/** A part whose value is the same at each step: evaluated at the first, repeated. */
export interface InvariantPlan extends Node {
  readonly kind: 'invariant'
  readonly input: Plan
}

/** A node that gives a matrix of steps. */
export type Plan =
  | NumberPlan
  | InstantPlan
  | RangeCallPlan
  | AbsentPlan
  | MapCallPlan
  | MatrixCallPlan
  | TimestampPlan
  | NegatePlan
  | AggregatePlan
  | ScalarBinaryPlan
  | VectorBinaryPlan
  | InfoPlan
  | NothingPlan
  | InvariantPlan

/** What stands in several places of a query, but for positions the same. */
export interface SharedPart {
  /** The places in which it is asked for. */
  uses: number
  /** Something is read for it. */
  reads: boolean
}

/** A whole query. */
export interface QueryPlan {
  readonly root:
    | { readonly type: 'string'; readonly value: string }
    | { readonly type: 'scalar' | 'vector'; readonly plan: Plan }
    /** Only of an instant query. */
    | { readonly type: 'matrix'; readonly plan: RangePlan }
  readonly selections: readonly Selection[]
  /** Parts that are evaluated once, by the nodes that they are in each of their places. */
  readonly shared: ReadonlyMap<Plan, SharedPart>
  readonly range: StepRange
}
