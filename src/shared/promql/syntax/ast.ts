/**
 * The typed syntax tree of PromQL, after Prometheus promql/parser/ast.go. Nodes are plain frozen
 * values. Positions are UTF-8-agnostic character offsets [start, end) into the query text.
 * Times and durations are milliseconds.
 */
import type { Matcher } from '../../model/matcher.js'

/** What an expression evaluates to. `matrix` is a range vector, `vector` an instant vector. */
export type ValueType = 'none' | 'scalar' | 'string' | 'vector' | 'matrix'

/** A place in the query text. */
export interface PosRange {
  readonly start: number
  readonly end: number
}

/** Any node of the tree. */
export type Expr =
  | NumberLiteral
  | StringLiteral
  | VectorSelector
  | MatrixSelector
  | Subquery
  | Call
  | Aggregate
  | Binary
  | Unary
  | Paren

/** A number, or a duration that stands for one. */
export interface NumberLiteral {
  readonly kind: 'number'
  readonly value: number
  /** Written as a duration (`5m`): printed as such. */
  readonly isDuration: boolean
  readonly pos: PosRange
}

/** A string in any of the three quotes. */
export interface StringLiteral {
  readonly kind: 'string'
  readonly value: string
  readonly pos: PosRange
}

/** `offset`, `@` and, under the experimental options, the modes of a selector. */
export interface Modifiers {
  /** Milliseconds; positive looks back. 0 when absent. */
  readonly offsetMs: number
  /** An offset that is a duration expression; evaluated with the query's range and step. */
  readonly offsetExpr: DurationExpr | undefined
  /** `@ <time>`: milliseconds. */
  readonly atMs: number | undefined
  /** `@ start()` or `@ end()`. */
  readonly atBound: 'start' | 'end' | undefined
}

/** How a selector looks beyond its window (experimental, but for `plain`). */
export type SelectorMode = 'plain' | 'anchored' | 'smoothed'

/** `name{matchers} offset … @ …`. */
export interface VectorSelector extends Modifiers {
  readonly kind: 'vector-selector'
  /** Metric name written before the braces, or '' . It is among the matchers too. */
  readonly name: string
  readonly matchers: readonly Matcher[]
  readonly mode: SelectorMode
  readonly pos: PosRange
}

/** A selector with a range, `name[5m]`. */
export interface MatrixSelector {
  readonly kind: 'matrix-selector'
  readonly selector: VectorSelector
  readonly rangeMs: number
  readonly rangeExpr: DurationExpr | undefined
  readonly pos: PosRange
}

/** `expr[range:step]`. */
export interface Subquery extends Modifiers {
  readonly kind: 'subquery'
  readonly expr: Expr
  readonly rangeMs: number
  readonly rangeExpr: DurationExpr | undefined
  /** 0 = the default step. */
  readonly stepMs: number
  readonly stepExpr: DurationExpr | undefined
  readonly pos: PosRange
}

/** A function and its arguments. */
export interface Call {
  readonly kind: 'call'
  readonly func: string
  readonly args: readonly Expr[]
  readonly pos: PosRange
}

/** Names of aggregations; the table is in aggregations/table.ts. */
export type AggregateOp =
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'count'
  | 'group'
  | 'stddev'
  | 'stdvar'
  | 'topk'
  | 'bottomk'
  | 'quantile'
  | 'count_values'
  | 'limitk'
  | 'limit_ratio'

/** `op by (…) (param, expr)`. */
export interface Aggregate {
  readonly kind: 'aggregate'
  readonly op: AggregateOp
  readonly expr: Expr
  readonly param: Expr | undefined
  readonly grouping: readonly string[]
  readonly without: boolean
  readonly pos: PosRange
}

/** Operators between two expressions. */
export type BinaryOp =
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '^'
  | 'atan2'
  | '=='
  | '!='
  | '>'
  | '<'
  | '>='
  | '<='
  | '</'
  | '>/'
  | 'and'
  | 'or'
  | 'unless'

/** How series of two vectors are paired. */
export interface VectorMatching {
  readonly card: 'one-to-one' | 'many-to-one' | 'one-to-many' | 'many-to-many'
  readonly labels: readonly string[]
  /** `on (labels)`; otherwise `ignoring (labels)`. */
  readonly on: boolean
  /** Labels of `group_left` / `group_right`. */
  readonly include: readonly string[]
  readonly fillLeft: number | undefined
  readonly fillRight: number | undefined
}

/** Two expressions and the operator between them. */
export interface Binary {
  readonly kind: 'binary'
  readonly op: BinaryOp
  readonly lhs: Expr
  readonly rhs: Expr
  /** Only between two vectors. */
  readonly matching: VectorMatching | undefined
  readonly returnBool: boolean
  readonly pos: PosRange
}

/** A sign before an expression. */
export interface Unary {
  readonly kind: 'unary'
  readonly op: '+' | '-'
  readonly expr: Expr
  readonly pos: PosRange
}

/** An expression in parentheses, kept for printing. */
export interface Paren {
  readonly kind: 'paren'
  readonly expr: Expr
  readonly pos: PosRange
}

/**
 * A duration written as an expression (experimental): `[5m * 2]`, `offset step()`. Its value is in
 * seconds, as Prometheus computes it.
 */
export type DurationExpr =
  | {
      readonly kind: 'duration'
      readonly ms: number
      readonly seconds: number
      /** Written as a number of seconds, not as a duration. */
      readonly isNumber: boolean
      readonly wrapped: boolean
      readonly pos: PosRange
    }
  | {
      readonly kind: 'duration-call'
      readonly func: 'step' | 'range'
      readonly wrapped: boolean
      readonly pos: PosRange
    }
  | {
      readonly kind: 'duration-unary'
      readonly op: '+' | '-'
      readonly expr: DurationExpr
      readonly wrapped: boolean
      readonly pos: PosRange
    }
  | {
      readonly kind: 'duration-binary'
      readonly op: '+' | '-' | '*' | '/' | '%' | '^' | 'max_of' | 'min_of'
      readonly lhs: DurationExpr
      readonly rhs: DurationExpr
      /** In parentheses of its own. */
      readonly wrapped: boolean
      readonly pos: PosRange
    }
