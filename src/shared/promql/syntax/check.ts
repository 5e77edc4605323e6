/**
 * Types of expressions, and the checks that need them: arguments, operands, selectors that would
 * match everything. Called by parse.ts on the tree it has just built, which is completed here:
 * `matching` stays on operators between two vectors only, set operators match many to many.
 * Follows Prometheus promql/parser/parse.go (checkAST), texts and order of checks included.
 */
import { quoteGo } from '../../base/go-string.js'
import { METRIC_NAME } from '../../model/labels.js'
import { FUNCTIONS } from '../functions/table.js'
import type {
  Aggregate,
  Binary,
  BinaryOp,
  Call,
  Expr,
  ValueType,
  VectorMatching,
  VectorSelector,
} from './ast.js'
import { isBlank } from './lexer.js'
import { parseError } from './position.js'
import { matchesEmpty } from './selectors.js'

const COMPARISONS: ReadonlySet<BinaryOp> = new Set<BinaryOp>(['==', '!=', '<=', '<', '>=', '>'])
const SETS: ReadonlySet<BinaryOp> = new Set<BinaryOp>(['and', 'or', 'unless'])

/** Types as error texts name them. */
const TYPE_NAMES: Readonly<Record<ValueType, string>> = {
  none: 'none',
  scalar: 'scalar',
  string: 'string',
  vector: 'instant vector',
  matrix: 'range vector',
}

/** What an expression evaluates to. */
export function typeOf(expr: Expr): ValueType {
  switch (expr.kind) {
    case 'number':
      return 'scalar'
    case 'string':
      return 'string'
    case 'vector-selector':
    case 'aggregate':
      return 'vector'
    case 'matrix-selector':
    case 'subquery':
      return 'matrix'
    case 'call':
      return FUNCTIONS[expr.func]!.returns
    case 'binary': {
      // A chain of operators is as deep as it is long: its left side is walked, not recursed into.
      let node: Expr = expr
      while (node.kind === 'binary') {
        if (typeOf(node.rhs) !== 'scalar') return 'vector'
        node = node.lhs
      }
      return typeOf(node) === 'scalar' ? 'scalar' : 'vector'
    }
    case 'unary':
    case 'paren':
      return typeOf(expr.expr)
  }
}

/**
 * Checks a tree; `text` is what it was parsed from.
 * @param tick is called for each node, and may throw
 * @throws AppError `query-parse`
 */
export function checkTypes(expr: Expr, text: string, tick: () => void = () => {}): void {
  new Checker(text, tick).check(expr)
}

class Checker {
  private readonly text: string
  private readonly tick: () => void
  /** Selectors that only filter by labels: the second argument of info(). */
  private readonly filters = new Set<Expr>()

  constructor(text: string, tick: () => void) {
    this.text = text
    this.tick = tick
  }

  /** Checks an expression and its parts; returns its type. */
  check(expr: Expr): ValueType {
    this.tick()
    switch (expr.kind) {
      case 'number':
      case 'string':
        break
      case 'vector-selector':
        this.checkSelector(expr)
        break
      case 'matrix-selector':
        this.checkSelector(expr.selector)
        break
      case 'aggregate':
        this.checkAggregate(expr)
        break
      case 'binary':
        return this.checkBinary(expr)
      case 'call':
        this.checkCall(expr)
        break
      case 'paren':
        return this.check(expr.expr)
      case 'unary': {
        const type = this.check(expr.expr)
        if (type === 'scalar' || type === 'vector') return type
        const got = quoteGo(TYPE_NAMES[type])
        const allowed =
          'unary expression only allowed on expressions of type scalar or instant vector'
        throw this.error(expr, `${allowed}, got ${got}`)
      }
      case 'subquery': {
        const type = this.check(expr.expr)
        if (type === 'vector') break
        throw this.error(expr, `subquery is only allowed on instant vector, got ${type} instead`)
      }
    }
    return typeOf(expr)
  }

  private error(at: Expr, message: string): Error {
    return parseError(this.text, at.pos.start, message)
  }

  private checkSelector(selector: VectorSelector): void {
    if (selector.name !== '') {
      for (const matcher of selector.matchers.slice(0, -1)) {
        if (matcher.name !== METRIC_NAME) continue
        const names = `${quoteGo(selector.name)} or ${quoteGo(matcher.value)}`
        throw this.error(selector, `metric name must not be set twice: ${names}`)
      }
      return
    }
    if (this.filters.has(selector)) return
    if (selector.matchers.some((matcher) => !matchesEmpty(matcher))) return
    throw this.error(selector, 'vector selector must contain at least one non-empty matcher')
  }

  private expectType(expr: Expr, want: ValueType, context: string): void {
    const got = this.check(expr)
    if (got === want) return
    const message = `expected type ${TYPE_NAMES[want]} in ${context}, got ${TYPE_NAMES[got]}`
    throw this.error(expr, message)
  }

  private checkAggregate(expr: Aggregate): void {
    this.expectType(expr.expr, 'vector', 'aggregation expression')
    if (expr.param === undefined) return
    const want = expr.op === 'count_values' ? 'string' : 'scalar'
    this.expectType(expr.param, want, 'aggregation parameter')
  }

  private checkBinary(expr: Binary): ValueType {
    const left = this.check(expr.lhs)
    const right = this.check(expr.rhs)
    const atOperator = (message: string): Error =>
      parseError(this.text, operatorStart(expr, this.text), message)
    const isComparison = COMPARISONS.has(expr.op)
    if (expr.returnBool && !isComparison) {
      throw atOperator('bool modifier can only be used on comparison operators')
    }
    if (isComparison && !expr.returnBool && left === 'scalar' && right === 'scalar') {
      throw atOperator('comparisons between scalars must use BOOL modifier')
    }
    const matching = expr.matching!
    const shared = matching.on ? findShared(matching) : undefined
    if (shared !== undefined) {
      const label = quoteGo(shared)
      throw atOperator(`label ${label} must not occur in ON and GROUP clause at once`)
    }
    for (const side of [expr.lhs, expr.rhs]) {
      const type = side === expr.lhs ? left : right
      if (type === 'scalar' || type === 'vector') continue
      const message = 'binary expression must contain only scalar and instant vector types'
      throw this.error(side, message)
    }
    setMatching(expr, this.checkMatching(expr, matching, left === 'vector' && right === 'vector'))
    return left === 'scalar' && right === 'scalar' ? 'scalar' : 'vector'
  }

  private checkMatching(
    expr: Binary,
    matching: VectorMatching,
    areVectors: boolean,
  ): VectorMatching | undefined {
    const isSet = SETS.has(expr.op)
    const hasFill = matching.fillLeft !== undefined || matching.fillRight !== undefined
    if (!areVectors) {
      if (matching.labels.length > 0) {
        throw this.error(expr, 'vector matching only allowed between instant vectors')
      }
      if (hasFill) {
        throw this.error(expr, 'filling in missing series only allowed between instant vectors')
      }
      if (!isSet) return undefined
      const op = quoteGo(expr.op)
      throw this.error(expr, `set operator ${op} not allowed in binary scalar expression`)
    }
    if (!isSet) return matching
    if (matching.card !== 'one-to-one') {
      throw this.error(expr, `no grouping allowed for ${quoteGo(expr.op)} operation`)
    }
    if (hasFill) {
      throw this.error(expr, 'filling in missing series not allowed for set operators')
    }
    return { ...matching, card: 'many-to-many' }
  }

  private checkCall(expr: Call): void {
    const { args: types, variadic } = FUNCTIONS[expr.func]!
    const name = quoteGo(expr.func)
    const count = expr.args.length
    const least = variadic === 0 ? types.length : types.length - 1
    const most = variadic < 0 ? Number.POSITIVE_INFINITY : least + variadic
    if (count < least || count > most) {
      const bound = variadic === 0 ? '' : count < least ? 'at least ' : 'at most '
      const wanted = count < least ? least : most
      const message = `expected ${bound}${wanted} argument(s) in call to ${name}, got ${count}`
      throw this.error(expr, message)
    }
    if (expr.func === 'info' && count > 1) this.checkInfoFilter(expr, expr.args[1]!)
    for (const [index, arg] of expr.args.entries()) {
      const want = types[Math.min(index, types.length - 1)]!
      this.expectType(arg, want, `call to function ${name}`)
    }
  }

  private checkInfoFilter(call: Call, filter: Expr): void {
    const type = typeOf(filter)
    if (type !== 'vector') {
      const types = `expected type ${TYPE_NAMES.vector} in call to function "info"`
      throw this.error(call, `${types}, got ${TYPE_NAMES[type]}`)
    }
    if (filter.kind !== 'vector-selector') {
      throw this.error(filter, 'expected label selectors only')
    }
    if (filter.name !== '') {
      throw this.error(filter, 'expected label selectors only, got vector selector instead')
    }
    this.filters.add(filter)
  }
}

/** A label that stands in both `on` and `group_left` or `group_right`. */
function findShared(matching: VectorMatching): string | undefined {
  const include = new Set(matching.include)
  return matching.labels.find((label) => include.has(label))
}

/** Where the operator stands, but for a comment between it and its left side. */
function operatorStart(expr: Binary, text: string): number {
  let at = expr.lhs.pos.end
  while (isBlank(text.charCodeAt(at))) at++
  return at
}

/** The parser's trees are its own until it hands them out. */
function setMatching(expr: Binary, matching: VectorMatching | undefined): void {
  const own: { matching: VectorMatching | undefined } = expr
  own.matching = matching
}
