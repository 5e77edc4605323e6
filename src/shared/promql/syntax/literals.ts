/**
 * Literals of PromQL: numbers, durations (which are numbers of seconds) and strings. Called by the
 * parser's parts.
 */
import { parseDuration } from '../../base/duration.js'
import { parseGoNumber } from '../../base/go-number.js'
import { quoteGo, unquoteGo } from '../../base/go-string.js'
import type { NumberLiteral } from './ast.js'
import type { TokenStream } from './stream.js'
import { endOf, type Token } from './tokens.js'

/** The number that a NUMBER or DURATION token stands for; a duration in seconds. */
export function numberOf(stream: TokenStream, token: Token): number {
  if (token.kind === 'DURATION') {
    return stream.checkedAt(token.start, () => parseDuration(token.text)) / 1000
  }
  const parsed = parseGoNumber(token.text, stream.tick)
  if ('value' in parsed) return parsed.value
  throw stream.error(token.start, `error parsing number: ${parsed.error}`)
}

/** Whether a number or duration comes next. */
export function isNumberNext(stream: TokenStream): boolean {
  const kind = stream.peekKind()
  return kind === 'NUMBER' || kind === 'DURATION'
}

/** Takes a number or duration, which comes next. */
export function parseNumber(stream: TokenStream): NumberLiteral {
  const token = stream.take()
  return {
    kind: 'number',
    value: numberOf(stream, token),
    isDuration: token.kind === 'DURATION',
    pos: { start: token.start, end: endOf(token) },
  }
}

/** The text that a STRING token stands for. */
export function stringOf(stream: TokenStream, token: Token): string {
  const value = unquoteGo(token.text, stream.tick)
  if (value !== undefined) return value
  const message = `error unquoting string ${quoteGo(token.text)}: invalid syntax`
  throw stream.error(token.start, message)
}
