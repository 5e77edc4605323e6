/**
 * Durations in brackets and after `offset`: a number, a duration, or (experimental) arithmetic
 * over them with `step()`, `range()`, `min_of` and `max_of`. Called by parse.ts.
 * Follows the duration rules of Prometheus promql/parser/generated_parser.y.
 */
import type { DurationExpr, NumberLiteral } from './ast.js'
import { isNumberNext, parseNumber } from './literals.js'
import type { TokenStream } from './stream.js'
import { endOf, type Token, type TokenKind } from './tokens.js'

/** Go's time.Duration in seconds. */
const SECONDS_MAX = 2 ** 63 / 1e9

type DurationOp = '+' | '-' | '*' | '/' | '%' | '^'

const OPERATORS: ReadonlyMap<TokenKind, { readonly op: DurationOp; readonly level: number }> =
  new Map([
    ['ADD', { op: '+', level: 1 }],
    ['SUB', { op: '-', level: 1 }],
    ['MUL', { op: '*', level: 2 }],
    ['DIV', { op: '/', level: 2 }],
    ['MOD', { op: '%', level: 2 }],
    ['POW', { op: '^', level: 3 }],
  ])

const POWER_LEVEL = 3

/** A duration in brackets; a plain one must be more than nothing. */
export function parsePositiveDuration(stream: TokenStream): DurationExpr {
  const expr = parseBinary(stream, 1)
  if (isPlain(expr) && expr.seconds <= 0) {
    throw stream.error(expr.pos.start, 'duration must be greater than 0')
  }
  return expr
}

/**
 * A duration after `offset`. A number, with or without a sign, ends it: `foo offset -2 ^ 2` is a
 * power of `foo offset -2`. Only what starts with a parenthesis goes on as arithmetic.
 */
export function parseOffsetDuration(stream: TokenStream): DurationExpr {
  const kind = stream.peekKind()
  if (isNumberNext(stream)) return parseLiteral(stream)
  if (isFunction(kind)) return parseFunction(stream)
  if (kind !== 'ADD' && kind !== 'SUB') return parseBinary(stream, 1)
  const sign = stream.take()
  if (isNumberNext(stream)) return applySign(stream, sign, literalOf(parseNumber(stream)))
  if (isFunction(stream.peekKind())) return applySign(stream, sign, parseFunction(stream))
  if (stream.peekKind() === 'LEFT_PAREN') {
    stream.take()
    const inner = stream.nested(() => parseBinary(stream, 1))
    stream.expect('RIGHT_PAREN')
    return applySign(stream, sign, wrap(inner, inner.pos.start, inner.pos.end))
  }
  const operand = stream.nested(() => parseBinary(stream, POWER_LEVEL))
  return continueBinary(stream, applySign(stream, sign, operand), 1)
}

/** A literal without parentheses: it has a fixed value, without the experimental feature. */
export function isPlain(
  expr: DurationExpr,
): expr is DurationExpr & { readonly kind: 'duration'; readonly wrapped: false } {
  return expr.kind === 'duration' && !expr.wrapped
}

function parseBinary(stream: TokenStream, level: number): DurationExpr {
  return continueBinary(stream, parseUnary(stream), level)
}

function continueBinary(stream: TokenStream, lhs: DurationExpr, level: number): DurationExpr {
  let height = stream.height
  while (true) {
    const operator = OPERATORS.get(stream.peekKind())
    if (operator === undefined || operator.level < level) return lhs
    const token = stream.take()
    const isPower = operator.level === POWER_LEVEL
    const rhs = stream.nested(() => parseBinary(stream, operator.level + (isPower ? 0 : 1)))
    requireExperimental(stream, lhs)
    if (isPlain(rhs) && rhs.seconds === 0) {
      if (operator.op === '/') throw stream.error(token.start, 'division by zero')
      if (operator.op === '%') throw stream.error(token.start, 'modulo by zero')
    }
    const pos = { start: lhs.pos.start, end: rhs.pos.end }
    lhs = { kind: 'duration-binary', op: operator.op, lhs, rhs, wrapped: false, pos }
    height = Math.max(height, stream.height)
    stream.grow(height, pos.start)
    height = stream.height
  }
}

function parseUnary(stream: TokenStream): DurationExpr {
  const kind = stream.peekKind()
  if (kind === 'ADD' || kind === 'SUB') {
    const sign = stream.take()
    const operand = stream.nested(() => parseBinary(stream, POWER_LEVEL))
    return applySign(stream, sign, operand)
  }
  stream.height = 1
  if (isNumberNext(stream)) return parseLiteral(stream)
  if (isFunction(kind)) return parseFunction(stream)
  const open = stream.expect('LEFT_PAREN')
  const inner = stream.nested(() => parseBinary(stream, 1))
  const close = stream.expect('RIGHT_PAREN')
  requireExperimental(stream, inner)
  return wrap(inner, open.start, endOf(close))
}

function parseLiteral(stream: TokenStream): DurationExpr {
  const number = parseNumber(stream)
  if (isOutOfRange(number.value)) throw stream.error(number.pos.start, 'duration out of range')
  return literalOf(number)
}

function literalOf({ value, isDuration, pos }: NumberLiteral): DurationExpr {
  return literal(value, !isDuration, pos.start, pos.end)
}

function literal(seconds: number, isNumber: boolean, start: number, end: number): DurationExpr {
  // Go rounds to nanoseconds, then cuts off to milliseconds.
  const ms = Math.sign(seconds) * Math.trunc(Math.round(Math.abs(seconds) * 1e9) / 1e6) + 0
  return { kind: 'duration', ms, seconds, isNumber, wrapped: false, pos: { start, end } }
}

function isOutOfRange(seconds: number): boolean {
  return seconds > SECONDS_MAX || seconds < -SECONDS_MAX
}

function isFunction(kind: TokenKind): boolean {
  return kind === 'STEP' || kind === 'RANGE' || kind === 'MIN_OF' || kind === 'MAX_OF'
}

function parseFunction(stream: TokenStream): DurationExpr {
  const name = stream.take()
  stream.expect('LEFT_PAREN')
  const expr =
    name.kind === 'STEP' || name.kind === 'RANGE'
      ? finishCall(stream, name)
      : finishExtreme(stream, name)
  requireExperimental(stream, expr)
  return expr
}

function finishCall(stream: TokenStream, name: Token): DurationExpr {
  const close = stream.expect('RIGHT_PAREN')
  const pos = { start: name.start, end: endOf(close) }
  const func = name.kind === 'STEP' ? 'step' : 'range'
  return { kind: 'duration-call', func, wrapped: false, pos }
}

function finishExtreme(stream: TokenStream, name: Token): DurationExpr {
  const lhs = stream.nested(() => parseBinary(stream, 1))
  stream.expect('COMMA')
  const rhs = stream.nested(() => parseBinary(stream, 1))
  const close = stream.expect('RIGHT_PAREN')
  const op = name.kind === 'MIN_OF' ? 'min_of' : 'max_of'
  const pos = { start: name.start, end: endOf(close) }
  return { kind: 'duration-binary', op, lhs, rhs, wrapped: false, pos }
}

function applySign(stream: TokenStream, sign: Token, expr: DurationExpr): DurationExpr {
  if (isPlain(expr)) {
    const seconds = sign.kind === 'SUB' ? -expr.seconds : expr.seconds
    if (isOutOfRange(seconds)) throw stream.error(sign.start, 'duration out of range')
    return literal(seconds, expr.isNumber, sign.start, expr.pos.end)
  }
  if (sign.kind === 'ADD') return expr
  const pos = { start: sign.start, end: expr.pos.end }
  return { kind: 'duration-unary', op: '-', expr, wrapped: false, pos }
}

function wrap(expr: DurationExpr, start: number, end: number): DurationExpr {
  if (expr.kind !== 'duration') return { ...expr, wrapped: true }
  return { ...expr, wrapped: true, pos: { start, end } }
}

function requireExperimental(stream: TokenStream, expr: DurationExpr): void {
  if (stream.options.experimentalDurationExpr) return
  throw stream.error(expr.pos.start, 'experimental duration expression is not enabled')
}
