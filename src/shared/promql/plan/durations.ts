/**
 * Duration expressions (`[5m * 2]`, `offset step()`) as milliseconds. They hang on the query's own
 * start, end and step only, so the plan knows them. Follows Prometheus promql/durations.go, whose
 * arithmetic is in float seconds, texts of errors included.
 */
import { goPow } from '../../base/go-math.js'
import { fail } from '../../errors/index.js'
import { goMax, goMin } from '../functions/math.js'
import type { DurationExpr } from '../syntax/ast.js'

/** What `step()` and `range()` stand for, in milliseconds. */
export interface DurationTimes {
  /** Of the query; an instant query has start === end. */
  readonly start: number
  readonly end: number
  /** 0 in an instant query. */
  readonly step: number
}

/** Go's time.Duration in milliseconds. */
const MS_MAX = 2 ** 63 / 1e6

/** How a duration may be signed. */
export type DurationSign = 'positive' | 'any'

/**
 * The value of a duration expression in milliseconds, cut off towards zero.
 * @throws AppError `bad-data` for what is not more than nothing where it must be, divides by zero
 *   or does not fit
 */
export function evaluateDuration(
  expr: DurationExpr,
  times: DurationTimes,
  sign: DurationSign,
): number {
  const seconds = secondsOf(expr, times)
  if (sign === 'positive' && seconds <= 0) throw invalid('duration must be greater than 0')
  const ms = Math.trunc(seconds * 1000)
  if (!(Math.abs(ms) < MS_MAX)) throw invalid('duration is out of range')
  return ms + 0
}

function secondsOf(expr: DurationExpr, times: DurationTimes): number {
  switch (expr.kind) {
    case 'duration':
      return expr.seconds
    case 'duration-call':
      return (expr.func === 'step' ? times.step : times.end - times.start) / 1000
    case 'duration-unary': {
      const value = secondsOf(expr.expr, times)
      return expr.op === '-' ? -value : value
    }
    case 'duration-binary':
      return compute(expr.op, secondsOf(expr.lhs, times), secondsOf(expr.rhs, times))
  }
}

function compute(
  op: Extract<DurationExpr, { kind: 'duration-binary' }>['op'],
  lhs: number,
  rhs: number,
): number {
  switch (op) {
    case '+':
      return lhs + rhs
    case '-':
      return lhs - rhs
    case '*':
      return lhs * rhs
    case '/':
      if (rhs === 0) throw invalid('division by zero')
      return lhs / rhs
    case '%':
      if (rhs === 0) throw invalid('modulo by zero')
      return lhs % rhs
    case '^':
      return goPow(lhs, rhs)
    case 'min_of':
      return goMin(lhs, rhs)
    case 'max_of':
      return goMax(lhs, rhs)
  }
}

function invalid(text: string): Error {
  return fail('bad-data', { text })
}
