/**
 * What stands behind an expression: `[5m]`, `[1h:1m]`, `offset`, `@`, `anchored`, `smoothed`.
 * Called by parse.ts. Follows Prometheus promql/parser/parse.go in what may be combined.
 */
import { printFloatFixed } from '../../base/go-number.js'
import type { DurationExpr, Expr, Modifiers, VectorSelector } from './ast.js'
import { isPlain, parseOffsetDuration, parsePositiveDuration } from './durations.js'
import { isNumberNext, numberOf } from './literals.js'
import { type Context, isEnabled, type TokenStream } from './stream.js'
import { endOf, type Token } from './tokens.js'

const DURATIONS = 'number, duration, step(), or range()'
const IN_BRACKETS: Context = { place: 'subquery or range selector', expected: DURATIONS }
const IN_STEP: Context = {
  place: 'subquery selector',
  expected: 'number, duration, step(), range(), or "]"',
}
const IN_OFFSET: Context = { place: 'offset', expected: DURATIONS }
const IN_AT: Context = { place: '@', expected: 'timestamp' }
const NO_MODIFIERS: Modifiers = {
  offsetMs: 0,
  offsetExpr: undefined,
  atMs: undefined,
  atBound: undefined,
}

/** Takes all that stands behind an expression. */
export function parseModifiers(stream: TokenStream, expr: Expr): Expr {
  while (true) {
    switch (stream.peekKind()) {
      case 'LEFT_BRACKET':
        expr = parseBrackets(stream, expr)
        break
      case 'OFFSET':
        expr = parseOffset(stream, expr)
        break
      case 'AT':
        expr = parseAt(stream, expr)
        break
      case 'ANCHORED':
        stream.take()
        expr = setMode(stream, expr, 'anchored')
        break
      case 'SMOOTHED':
        stream.take()
        expr = setMode(stream, expr, 'smoothed')
        break
      default:
        return expr
    }
  }
}

function parseBrackets(stream: TokenStream, expr: Expr): Expr {
  const height = stream.height
  const open = stream.take()
  const range = stream.within(IN_BRACKETS, () => parsePositiveDuration(stream))
  if (stream.accept('COLON') !== undefined) return finishSubquery(stream, expr, range, height)
  stream.expect('RIGHT_BRACKET', { place: 'subquery or range', expected: '":" or "]"' })
  if (expr.kind !== 'vector-selector') {
    throw stream.error(open.start, 'ranges only allowed for vector selectors')
  }
  if (hasOffset(expr)) throw stream.error(open.start, 'no offset modifiers allowed before range')
  if (expr.atMs !== undefined) throw stream.error(open.start, 'no @ modifiers allowed before range')
  stream.grow(height, expr.pos.start)
  return {
    kind: 'matrix-selector',
    selector: expr,
    rangeMs: fixedMs(range),
    rangeExpr: variable(range),
    pos: { start: expr.pos.start, end: stream.lastClosing },
  }
}

function finishSubquery(
  stream: TokenStream,
  expr: Expr,
  range: DurationExpr,
  height: number,
): Expr {
  const step =
    stream.peekKind() === 'RIGHT_BRACKET'
      ? undefined
      : stream.within(IN_STEP, () => parsePositiveDuration(stream))
  const close = stream.expect('RIGHT_BRACKET', { place: 'subquery selector', expected: '"]"' })
  stream.grow(height, expr.pos.start)
  return {
    kind: 'subquery',
    expr,
    rangeMs: fixedMs(range),
    rangeExpr: variable(range),
    stepMs: step === undefined ? 0 : fixedMs(step),
    stepExpr: step === undefined ? undefined : variable(step),
    ...NO_MODIFIERS,
    pos: { start: expr.pos.start, end: endOf(close) },
  }
}

function fixedMs(duration: DurationExpr): number {
  return isPlain(duration) ? duration.ms : 0
}

function variable(duration: DurationExpr): DurationExpr | undefined {
  return isPlain(duration) ? undefined : duration
}

function hasOffset(modifiers: Modifiers): boolean {
  return modifiers.offsetMs !== 0 || modifiers.offsetExpr !== undefined
}

function parseOffset(stream: TokenStream, expr: Expr): Expr {
  const height = stream.height
  stream.take()
  const offset = stream.within(IN_OFFSET, () => parseOffsetDuration(stream))
  stream.height = height
  const target = modifiersOf(expr)
  if (target === undefined) {
    const message =
      'offset modifier must be preceded by an instant vector selector or range vector selector or a subquery'
    throw stream.error(expr.pos.start, message)
  }
  if (hasOffset(target)) {
    throw stream.error(expr.pos.start, 'offset may not be set multiple times')
  }
  return modify(stream, expr, { offsetMs: fixedMs(offset), offsetExpr: variable(offset) })
}

function parseAt(stream: TokenStream, expr: Expr): Expr {
  stream.take()
  const kind = stream.peekKind()
  if (kind === 'START' || kind === 'END') {
    stream.take()
    stream.expect('LEFT_PAREN', IN_AT)
    stream.expect('RIGHT_PAREN', IN_AT)
    requireNoTime(stream, expr)
    return modify(stream, expr, { atBound: kind === 'START' ? 'start' : 'end' })
  }
  const sign = stream.accept('SUB') ?? stream.accept('ADD')
  if (!isNumberNext(stream)) throw stream.unexpected(IN_AT)
  const seconds = signed(stream, sign, stream.take())
  if (!(Math.abs(seconds) < 2 ** 63)) {
    const shown = printFloatFixed(seconds, 6)
    throw stream.error(expr.pos.start, `timestamp out of bounds for @ modifier: ${shown}`)
  }
  requireNoTime(stream, expr)
  return modify(stream, expr, { atMs: roundHalfAway(seconds * 1000) })
}

function signed(stream: TokenStream, sign: Token | undefined, token: Token): number {
  const value = numberOf(stream, token)
  return sign?.kind === 'SUB' ? -value : value
}

/** Rounds as Go's math.Round: half away from zero. */
function roundHalfAway(value: number): number {
  return value < 0 ? -Math.round(-value) + 0 : Math.round(value)
}

function requireNoTime(stream: TokenStream, expr: Expr): void {
  const target = modifiersOf(expr)
  if (target === undefined) {
    const message =
      '@ modifier must be preceded by an instant vector selector or range vector selector or a subquery'
    throw stream.error(expr.pos.start, message)
  }
  if (target.atMs === undefined && target.atBound === undefined) return
  throw stream.error(expr.pos.start, '@ <timestamp> may not be set multiple times')
}

/** Where an expression keeps its offset and its time; undefined where it can have none. */
function modifiersOf(expr: Expr): Modifiers | undefined {
  if (expr.kind === 'matrix-selector') return expr.selector
  return expr.kind === 'vector-selector' || expr.kind === 'subquery' ? expr : undefined
}

function modify(stream: TokenStream, expr: Expr, change: Partial<Modifiers>): Expr {
  const pos = { start: expr.pos.start, end: stream.lastClosing }
  if (expr.kind === 'matrix-selector') {
    return { ...expr, selector: { ...expr.selector, ...change }, pos }
  }
  return { ...expr, ...change, pos } as Expr
}

function setMode(stream: TokenStream, expr: Expr, mode: 'anchored' | 'smoothed'): Expr {
  const fail = (message: string): Error => stream.error(expr.pos.start, message)
  if (!isEnabled(stream.options.enableExtendedRangeSelectors, mode)) {
    throw fail(`${mode} modifier is experimental and not enabled`)
  }
  if (expr.kind === 'subquery') throw fail(`${mode} modifier is not supported for subqueries`)
  if (expr.kind !== 'vector-selector' && expr.kind !== 'matrix-selector') {
    throw fail(`${mode} modifier not implemented`)
  }
  const selector: VectorSelector = expr.kind === 'matrix-selector' ? expr.selector : expr
  if (selector.mode !== 'plain' && selector.mode !== mode) {
    throw fail('anchored and smoothed modifiers cannot be used together')
  }
  const changed: VectorSelector = { ...selector, mode }
  return expr.kind === 'matrix-selector' ? { ...expr, selector: changed } : changed
}
