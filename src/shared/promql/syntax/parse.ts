/**
 * The parser of PromQL: text in, checked syntax tree out. By hand: precedence climbing over the
 * binary operators, one function per rule. Stops at the first error, which has Prometheus' text
 * and position. Called by the engine's front and by the metadata endpoints (selectors).
 *
 *   level  operators                     associate
 *   1      or                            left
 *   2      and unless                    left
 *   3      == != <= < >= > </ >/         left
 *   4      + -                           left
 *   5      * / % atan2, signs            left
 *   6      ^                             right
 *
 * `offset`, `@` and brackets bind closer than all of them.
 */
import { quoteGo } from '../../base/go-string.js'
import type { Matcher } from '../../model/matcher.js'
import { FUNCTIONS } from '../functions/table.js'
import type { Aggregate, AggregateOp, Binary, BinaryOp, Call, Expr, VectorMatching } from './ast.js'
import { checkTypes } from './check.js'
import { isNumberNext, numberOf, parseNumber, stringOf } from './literals.js'
import { parseModifiers } from './modifiers.js'
import { parseGrouping, parseSelector } from './selectors.js'
import { type Context, isEnabled, type ParseOptions, TokenStream } from './stream.js'
import { endOf, isAggregator, isMetricName, type Token, type TokenKind } from './tokens.js'

const OPERATORS: ReadonlyMap<TokenKind, { readonly op: BinaryOp; readonly level: number }> =
  new Map([
    ['LOR', { op: 'or', level: 1 }],
    ['LAND', { op: 'and', level: 2 }],
    ['LUNLESS', { op: 'unless', level: 2 }],
    ['EQLC', { op: '==', level: 3 }],
    ['NEQ', { op: '!=', level: 3 }],
    ['LTE', { op: '<=', level: 3 }],
    ['LSS', { op: '<', level: 3 }],
    ['GTE', { op: '>=', level: 3 }],
    ['GTR', { op: '>', level: 3 }],
    ['TRIM_UPPER', { op: '</', level: 3 }],
    ['TRIM_LOWER', { op: '>/', level: 3 }],
    ['ADD', { op: '+', level: 4 }],
    ['SUB', { op: '-', level: 4 }],
    ['MUL', { op: '*', level: 5 }],
    ['DIV', { op: '/', level: 5 }],
    ['MOD', { op: '%', level: 5 }],
    ['ATAN2', { op: 'atan2', level: 5 }],
    ['POW', { op: '^', level: 6 }],
  ])
const POWER_LEVEL = 6
const IN_AGGREGATION: Context = { place: 'aggregation', expected: '' }

/** Aggregations that take a parameter before the vector. */
const WITH_PARAM: ReadonlySet<string> = new Set([
  'topk',
  'bottomk',
  'count_values',
  'quantile',
  'limitk',
  'limit_ratio',
])
const EXPERIMENTAL_AGGREGATIONS: ReadonlySet<string> = new Set(['limitk', 'limit_ratio'])
/** What an expression may start with, metric names apart. */
const EXPR_STARTS: ReadonlySet<TokenKind> = new Set<TokenKind>([
  'NUMBER',
  'DURATION',
  'STRING',
  'LEFT_PAREN',
  'LEFT_BRACE',
  'ADD',
  'SUB',
])
/** Keywords that are functions when a parenthesis follows. */
const FUNCTION_TOKENS: ReadonlySet<TokenKind> = new Set<TokenKind>([
  'IDENTIFIER',
  'START',
  'END',
  'STEP',
  'RANGE',
  'MIN_OF',
  'MAX_OF',
])

/**
 * Parses and type-checks a query.
 *
 * @param tick is called for each token and node, and may throw
 * @throws AppError `query-parse` with Prometheus' text, position included
 */
export function parse(text: string, options: ParseOptions, tick?: () => void): Expr {
  const stream = new TokenStream(text, options, tick)
  if (stream.peekKind() === 'EOF') throw stream.error(0, 'no expression found in input')
  const expr = parseBinary(stream, 1)
  stream.expect('EOF')
  checkTypes(expr, text, tick)
  return expr
}

/**
 * Parses a series selector, as the `match[]` parameter has it.
 *
 * @param tick is called for each token, and may throw
 * @throws AppError `query-parse` with Prometheus' text, position included
 */
export function parseMetricSelector(
  text: string,
  options: ParseOptions,
  tick?: () => void,
): readonly Matcher[] {
  const stream = new TokenStream(text, options, tick)
  const name = isMetricName(stream.peekKind()) ? stream.take() : undefined
  const selector = parseSelector(stream, name)
  stream.expect('EOF')
  return selector.matchers
}

function parseBinary(stream: TokenStream, level: number): Expr {
  let lhs = parseUnary(stream)
  while (true) {
    const operator = OPERATORS.get(stream.peekKind())
    if (operator === undefined || operator.level < level) return lhs
    const height = stream.height
    stream.take()
    const modifiers = parseBinaryModifiers(stream)
    const next = operator.level === POWER_LEVEL ? POWER_LEVEL : operator.level + 1
    const rhs = stream.nested(() => parseBinary(stream, next))
    lhs = makeBinary(stream, operator.op, lhs, rhs, modifiers)
    stream.grow(Math.max(height, stream.height), lhs.pos.start)
  }
}

interface BinaryModifiers {
  readonly returnBool: boolean
  readonly matching: VectorMatching
}

function parseBinaryModifiers(stream: TokenStream): BinaryModifiers {
  const returnBool = stream.accept('BOOL') !== undefined
  let card: VectorMatching['card'] = 'one-to-one'
  let labels: readonly string[] = []
  let include: readonly string[] = []
  const on = stream.peekKind() === 'ON'
  if (on || stream.peekKind() === 'IGNORING') {
    stream.take()
    labels = parseGrouping(stream)
    const kind = stream.peekKind()
    if (kind === 'GROUP_LEFT' || kind === 'GROUP_RIGHT') {
      stream.take()
      card = kind === 'GROUP_LEFT' ? 'many-to-one' : 'one-to-many'
      if (stream.peekKind() === 'LEFT_PAREN') include = parseGrouping(stream)
    }
  }
  return { returnBool, matching: { card, labels, on, include, ...parseFill(stream) } }
}

function parseFill(stream: TokenStream): Pick<VectorMatching, 'fillLeft' | 'fillRight'> {
  if (stream.accept('FILL') !== undefined) {
    const value = parseFillValue(stream)
    return { fillLeft: value, fillRight: value }
  }
  let fillLeft: number | undefined
  let fillRight: number | undefined
  while (true) {
    if (fillLeft === undefined && stream.accept('FILL_LEFT') !== undefined) {
      fillLeft = parseFillValue(stream)
    } else if (fillRight === undefined && stream.accept('FILL_RIGHT') !== undefined) {
      fillRight = parseFillValue(stream)
    } else {
      return { fillLeft, fillRight }
    }
  }
}

function parseFillValue(stream: TokenStream): number {
  stream.expect('LEFT_PAREN')
  const sign = stream.accept('SUB') ?? stream.accept('ADD')
  if (!isNumberNext(stream)) throw stream.unexpected()
  const value = numberOf(stream, stream.take())
  stream.expect('RIGHT_PAREN')
  return sign?.kind === 'SUB' ? -value : value
}

function makeBinary(
  stream: TokenStream,
  op: BinaryOp,
  lhs: Expr,
  rhs: Expr,
  { returnBool, matching }: BinaryModifiers,
): Binary {
  const pos = { start: lhs.pos.start, end: rhs.pos.end }
  const hasFill = matching.fillLeft !== undefined || matching.fillRight !== undefined
  if (hasFill && !stream.options.enableBinopFillModifiers) {
    throw stream.error(pos.start, 'binop fill modifiers are experimental and not enabled')
  }
  return { kind: 'binary', op, lhs, rhs, matching, returnBool, pos }
}

function parseUnary(stream: TokenStream): Expr {
  const sign = stream.accept('SUB') ?? stream.accept('ADD')
  if (sign === undefined) return parseModifiers(stream, parsePrimary(stream))
  const expr = stream.nested(() => parseBinary(stream, POWER_LEVEL))
  const pos = { start: sign.start, end: expr.pos.end }
  if (expr.kind === 'number') {
    return { ...expr, value: sign.kind === 'SUB' ? -expr.value : expr.value, pos }
  }
  stream.grow(stream.height, sign.start)
  return { kind: 'unary', op: sign.kind === 'SUB' ? '-' : '+', expr, pos }
}

function parsePrimary(stream: TokenStream): Expr {
  const kind = stream.peekKind()
  stream.height = 1
  if (isNumberNext(stream)) return parseNumber(stream)
  if (kind === 'STRING') {
    const token = stream.take()
    const pos = { start: token.start, end: endOf(token) }
    return { kind: 'string', value: stringOf(stream, token), pos }
  }
  if (kind === 'LEFT_PAREN') return parseParen(stream)
  if (!isMetricName(kind)) return parseSelector(stream, undefined)
  const name = stream.take()
  const next = stream.peekKind()
  if (next === 'LEFT_PAREN' && FUNCTION_TOKENS.has(kind)) return parseCall(stream, name)
  if (isAggregator(kind) && (next === 'LEFT_PAREN' || next === 'BY' || next === 'WITHOUT')) {
    return stream.within(IN_AGGREGATION, () => parseAggregate(stream, name))
  }
  return parseSelector(stream, name)
}

function parseParen(stream: TokenStream): Expr {
  const open = stream.take()
  const expr = stream.nested(() => parseBinary(stream, 1))
  const close = stream.expect('RIGHT_PAREN')
  stream.grow(stream.height, open.start)
  return { kind: 'paren', expr, pos: { start: open.start, end: endOf(close) } }
}

function startsExpr(kind: TokenKind): boolean {
  return EXPR_STARTS.has(kind) || isMetricName(kind)
}

/** Arguments in parentheses; sets the stream's height to that of the highest. */
function parseArguments(stream: TokenStream): Expr[] {
  stream.expect('LEFT_PAREN')
  const args: Expr[] = []
  let height = 0
  if (stream.accept('RIGHT_PAREN') === undefined) {
    while (true) {
      args.push(stream.nested(() => parseBinary(stream, 1)))
      height = Math.max(height, stream.height)
      const comma = stream.accept('COMMA')
      if (comma === undefined) break
      if (!startsExpr(stream.peekKind())) {
        throw stream.error(comma.start, 'trailing commas not allowed in function call args')
      }
    }
    stream.expect('RIGHT_PAREN')
  }
  stream.height = height
  return args
}

function parseCall(stream: TokenStream, name: Token): Call {
  const args = parseArguments(stream)
  const row = Object.hasOwn(FUNCTIONS, name.text) ? FUNCTIONS[name.text] : undefined
  if (row === undefined) {
    throw stream.error(name.start, `unknown function with name ${quoteGo(name.text)}`)
  }
  const { enableExperimentalFunctions } = stream.options
  if (row.experimental === true && !isEnabled(enableExperimentalFunctions, name.text)) {
    throw stream.error(name.start, `function ${quoteGo(name.text)} is not enabled`)
  }
  stream.grow(stream.height, name.start)
  return {
    kind: 'call',
    func: name.text,
    args,
    pos: { start: name.start, end: stream.lastClosing },
  }
}

function parseAggregate(stream: TokenStream, name: Token): Aggregate {
  let modifier = parseAggregateModifier(stream)
  const args = parseArguments(stream)
  const height = stream.height
  let end = stream.lastClosing
  if (modifier === undefined) {
    modifier = parseAggregateModifier(stream)
    end = modifier === undefined ? stream.closingBeforeLookahead() : stream.lastClosing
  }
  const op = name.text.toLowerCase() as AggregateOp
  const fail = (message: string): Error => stream.error(name.start, message)
  if (args.length === 0) throw fail('no arguments for aggregate expression provided')
  const { enableExperimentalFunctions } = stream.options
  if (EXPERIMENTAL_AGGREGATIONS.has(op) && !isEnabled(enableExperimentalFunctions, op)) {
    const flag = '--enable-feature=promql-experimental-functions'
    throw fail(`${op}() is experimental and must be enabled with ${flag}`)
  }
  const wanted = WITH_PARAM.has(op) ? 2 : 1
  if (args.length !== wanted) {
    const counts = `expected ${wanted}, got ${args.length}`
    throw fail(`wrong number of arguments for aggregate expression provided, ${counts}`)
  }
  stream.grow(height, name.start)
  return {
    kind: 'aggregate',
    op,
    expr: args[wanted - 1]!,
    param: wanted === 2 ? args[0] : undefined,
    grouping: modifier?.grouping ?? [],
    without: modifier?.without ?? false,
    pos: { start: name.start, end },
  }
}

function parseAggregateModifier(
  stream: TokenStream,
): { readonly grouping: readonly string[]; readonly without: boolean } | undefined {
  const kind = stream.peekKind()
  if (kind !== 'BY' && kind !== 'WITHOUT') return undefined
  stream.take()
  return { grouping: parseGrouping(stream), without: kind === 'WITHOUT' }
}
