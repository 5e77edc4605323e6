/**
 * Expressions as text: on one line, as Prometheus' Expr.String() gives them (printer.go), and laid
 * out over lines of about a hundred characters, as its Prettify does (prettier.go).
 * Texts of absent(), error texts and /api/v1/format_query come from here.
 */
import { printDuration } from '../../base/duration.js'
import { printFloatFixed, printFloatPlain, printFloatShort } from '../../base/go-number.js'
import { quoteGo } from '../../base/go-string.js'
import { METRIC_NAME } from '../../model/labels.js'
import type { Matcher } from '../../model/matcher.js'
import type {
  Aggregate,
  Binary,
  DurationExpr,
  Expr,
  MatrixSelector,
  Modifiers,
  NumberLiteral,
  Subquery,
  VectorSelector,
} from './ast.js'

const LINE_BYTES_MAX = 100
const LEGACY_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/

/** The expression on one line. */
export function printExpr(expr: Expr): string {
  return print(expr, undefined)
}

/** With a cache, parts that were printed before are not printed again. */
function print(expr: Expr, cache: Map<Expr, string> | undefined): string {
  const known = cache?.get(expr)
  if (known !== undefined) return known
  const text = printParts(expr, (part) => print(part, cache))
  cache?.set(expr, text)
  return text
}

function printParts(expr: Expr, part: (expr: Expr) => string): string {
  switch (expr.kind) {
    case 'number':
      return printNumber(expr)
    case 'string':
      return quoteGo(expr.value)
    case 'vector-selector':
      return printSelector(expr)
    case 'matrix-selector':
      return printMatrix(expr)
    case 'subquery':
      return part(expr.expr) + subqueryTail(expr)
    case 'call':
      return `${expr.func}(${expr.args.map(part).join(', ')})`
    case 'aggregate': {
      const param = expr.param === undefined ? '' : `${part(expr.param)}, `
      return `${aggregateHead(expr)}(${param}${part(expr.expr)})`
    }
    case 'binary':
      return `${part(expr.lhs)} ${operator(expr)} ${part(expr.rhs)}`
    case 'unary':
      return expr.op + part(expr.expr)
    case 'paren':
      return `(${part(expr.expr)})`
  }
}

/** The expression over several lines where one would be too long. */
export function formatExpr(expr: Expr): string {
  return layOut(expr, 0, new Map())
}

/** A matcher as it stands in a selector. */
export function printMatcher(matcher: Matcher): string {
  return `${printLabel(matcher.name)}${matcher.op}${quoteGo(matcher.value)}`
}

function printNumber(expr: NumberLiteral): string {
  return expr.isDuration ? printDuration(expr.value * 1000) : printFloatPlain(expr.value)
}

function printLabel(name: string): string {
  return LEGACY_LABEL.test(name) ? name : quoteGo(name)
}

function printLabels(names: readonly string[]): string {
  return names.map(printLabel).join(', ')
}

function nameAndMatchers(selector: VectorSelector): string {
  const isName = (matcher: Matcher): boolean =>
    matcher.name === METRIC_NAME &&
    matcher.op === '=' &&
    matcher.value === selector.name &&
    matcher.value !== ''
  const matchers = selector.matchers.filter((matcher) => !isName(matcher)).map(printMatcher)
  return matchers.length === 0 ? selector.name : `${selector.name}{${matchers.sort().join(',')}}`
}

function atSuffix({ atMs, atBound }: Modifiers): string {
  if (atMs !== undefined) return ` @ ${printFloatFixed(atMs / 1000, 3)}`
  return atBound === undefined ? '' : ` @ ${atBound}()`
}

function offsetSuffix({ offsetMs, offsetExpr }: Modifiers): string {
  if (offsetExpr !== undefined) return ` offset ${printDurationExpr(offsetExpr)}`
  return offsetMs === 0 ? '' : ` offset ${printDuration(offsetMs)}`
}

function modeSuffix(selector: VectorSelector): string {
  return selector.mode === 'plain' ? '' : ` ${selector.mode}`
}

function printSelector(selector: VectorSelector): string {
  const suffixes = atSuffix(selector) + modeSuffix(selector) + offsetSuffix(selector)
  return nameAndMatchers(selector) + suffixes
}

function printMatrix({ selector, rangeMs, rangeExpr }: MatrixSelector): string {
  const range = rangeExpr === undefined ? printDuration(rangeMs) : printDurationExpr(rangeExpr)
  const suffixes = modeSuffix(selector) + atSuffix(selector) + offsetSuffix(selector)
  return `${nameAndMatchers(selector)}[${range}]${suffixes}`
}

function subqueryTail(expr: Subquery): string {
  const { rangeMs, rangeExpr, stepMs, stepExpr } = expr
  const range = rangeExpr === undefined ? printDuration(rangeMs) : printDurationExpr(rangeExpr)
  const fixed = stepMs === 0 ? '' : printDuration(stepMs)
  const step = stepExpr === undefined ? fixed : printDurationExpr(stepExpr)
  return `[${range}:${step}]${atSuffix(expr)}${offsetSuffix(expr)}`
}

function printDurationExpr(expr: DurationExpr): string {
  const inner = printBareDuration(expr)
  return expr.wrapped ? `(${inner})` : inner
}

function printBareDuration(expr: DurationExpr): string {
  switch (expr.kind) {
    case 'duration':
      return expr.isNumber ? printFloatPlain(expr.seconds) : printDuration(expr.ms)
    case 'duration-call':
      return `${expr.func}()`
    case 'duration-unary':
      return (expr.op === '-' ? '-' : '') + printDurationExpr(expr.expr)
    case 'duration-binary': {
      const lhs = printDurationExpr(expr.lhs)
      const rhs = printDurationExpr(expr.rhs)
      const isCall = expr.op === 'max_of' || expr.op === 'min_of'
      return isCall ? `${expr.op}(${lhs}, ${rhs})` : `${lhs} ${expr.op} ${rhs}`
    }
  }
}

function aggregateHead(expr: Aggregate): string {
  if (expr.without) return `${expr.op} without (${printLabels(expr.grouping)}) `
  if (expr.grouping.length === 0) return expr.op
  return `${expr.op} by (${printLabels(expr.grouping)}) `
}

/** The operator with `bool`, labels to match on and values to fill in. */
function operator(expr: Binary): string {
  let out: string = expr.op
  if (expr.returnBool) out += ' bool'
  const matching = expr.matching
  if (matching === undefined) return out
  const { card, labels, on, include, fillLeft, fillRight } = matching
  const isGrouped = card === 'many-to-one' || card === 'one-to-many'
  if (labels.length > 0 || on || isGrouped) {
    out += ` ${on ? 'on' : 'ignoring'} (${printLabels(labels)})`
  }
  if (isGrouped)
    out += ` group_${card === 'many-to-one' ? 'left' : 'right'} (${printLabels(include)})`
  if (fillLeft !== undefined && Object.is(fillLeft, fillRight)) {
    return `${out} fill (${printFloatShort(fillLeft)})`
  }
  if (fillLeft !== undefined) out += ` fill_left (${printFloatShort(fillLeft)})`
  if (fillRight !== undefined) out += ` fill_right (${printFloatShort(fillRight)})`
  return out
}

/** At level 0 the expression starts where the cursor is, else on a line of its own. */
function layOut(expr: Expr, level: number, cache: Map<Expr, string>): string {
  const indent = '  '.repeat(level)
  const line = print(expr, cache)
  if (expr.kind === 'unary') return indent + expr.op + layOut(expr.expr, level, cache).trim()
  if (isShort(line)) {
    return expr.kind === 'subquery' ? line : indent + line
  }
  switch (expr.kind) {
    case 'aggregate': {
      const param = expr.param === undefined ? '' : `${layOut(expr.param, level + 1, cache)},\n`
      const inner = param + layOut(expr.expr, level + 1, cache)
      return `${indent}${aggregateHead(expr)}(\n${inner}\n${indent})`
    }
    case 'binary': {
      const sides = [layOut(expr.lhs, level + 1, cache), layOut(expr.rhs, level + 1, cache)]
      return `${sides[0]}\n${indent}${operator(expr)}\n${sides[1]}`
    }
    case 'call': {
      const args = expr.args.map((arg) => layOut(arg, level + 1, cache)).join(',\n')
      return `${indent}${expr.func}(\n${args}\n${indent})`
    }
    case 'paren':
      return `${indent}(\n${layOut(expr.expr, level + 1, cache)}\n${indent})`
    case 'subquery':
      return layOut(expr.expr, level, cache) + subqueryTail(expr)
    default:
      return indent + line
  }
}

function isShort(line: string): boolean {
  return line.length <= LINE_BYTES_MAX && Buffer.byteLength(line) <= LINE_BYTES_MAX
}
