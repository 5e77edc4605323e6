/**
 * Vector selectors and lists of labels: `foo{bar="baz"}`, `{"a.b", c=~"d"}`, `by (a, "b.c")`.
 * Called by parse.ts.
 */
import { quoteGo } from '../../base/go-string.js'
import { METRIC_NAME } from '../../model/labels.js'
import type { Matcher } from '../../model/matcher.js'
import { compileRegex } from '../../model/regex.js'
import type { VectorSelector } from './ast.js'
import { stringOf } from './literals.js'
import type { TokenStream } from './stream.js'
import { endOf, isGroupingLabel, type Token, type TokenKind } from './tokens.js'

const MATCH_OPS: ReadonlyMap<TokenKind, Matcher['op']> = new Map([
  ['EQL', '='],
  ['NEQ', '!='],
  ['EQL_REGEX', '=~'],
  ['NEQ_REGEX', '!~'],
])

/** Whether a matcher accepts a series that does not have the label. */
export function matchesEmpty(matcher: Matcher): boolean {
  switch (matcher.op) {
    case '=':
      return matcher.value === ''
    case '!=':
      return matcher.value !== ''
    case '=~':
      return compileRegex(matcher.value).test('')
    case '!~':
      return !compileRegex(matcher.value).test('')
  }
}

/** The rest of a vector selector whose metric name was taken, or all of one without a name. */
export function parseSelector(stream: TokenStream, name: Token | undefined): VectorSelector {
  const braces = stream.peekKind() === 'LEFT_BRACE' ? parseMatchers(stream) : undefined
  if (name === undefined && braces === undefined) throw stream.unexpected()
  const matchers = braces?.matchers ?? []
  if (name !== undefined) matchers.push({ name: METRIC_NAME, op: '=', value: name.text })
  stream.height = 1
  return {
    kind: 'vector-selector',
    name: name?.text ?? '',
    matchers,
    mode: 'plain',
    offsetMs: 0,
    offsetExpr: undefined,
    atMs: undefined,
    atBound: undefined,
    pos: {
      start: name?.start ?? braces!.start,
      end: braces?.end ?? endOf(name!),
    },
  }
}

interface Braces {
  readonly matchers: Matcher[]
  readonly start: number
  readonly end: number
}

function parseMatchers(stream: TokenStream): Braces {
  const { start } = stream.take()
  const matchers: Matcher[] = []
  while (true) {
    const close = stream.accept('RIGHT_BRACE')
    if (close !== undefined) return { matchers, start, end: endOf(close) }
    matchers.push(parseMatcher(stream))
    const kind = stream.peekKind()
    if (kind !== 'COMMA' && kind !== 'RIGHT_BRACE') {
      throw stream.unexpected({ place: 'label matching', expected: '"," or "}"' })
    }
    stream.accept('COMMA')
  }
}

function parseMatcher(stream: TokenStream): Matcher {
  const kind = stream.peekKind()
  if (kind !== 'IDENTIFIER' && kind !== 'STRING') {
    throw stream.unexpected({ place: 'label matching', expected: 'identifier or "}"' })
  }
  const label = stream.take()
  const name = kind === 'STRING' ? stringOf(stream, label) : label.text
  const op = MATCH_OPS.get(stream.peekKind())
  if (op === undefined) {
    if (kind === 'STRING') return { name: METRIC_NAME, op: '=', value: name }
    throw stream.unexpected({ place: 'label matching', expected: 'label matching operator' })
  }
  stream.take()
  const literal = stream.expect('STRING', { place: 'label matching', expected: 'string' })
  const value = stringOf(stream, literal)
  if (op === '=~' || op === '!~') stream.checkedAt(label.start, () => compileRegex(value))
  return { name, op, value }
}

/** Label names in parentheses, of `by`, `on`, `group_left` and the like. */
export function parseGrouping(stream: TokenStream): string[] {
  stream.expect('LEFT_PAREN', { place: 'grouping opts', expected: '"("' })
  const labels: string[] = []
  if (stream.accept('RIGHT_PAREN') !== undefined) return labels
  do {
    if (labels.length > 0 && stream.accept('RIGHT_PAREN') !== undefined) return labels
    labels.push(parseGroupingLabel(stream))
    const kind = stream.peekKind()
    if (kind !== 'COMMA' && kind !== 'RIGHT_PAREN') {
      throw stream.unexpected({ place: 'grouping opts', expected: '"," or ")"' })
    }
  } while (stream.accept('COMMA') !== undefined)
  stream.expect('RIGHT_PAREN')
  return labels
}

function parseGroupingLabel(stream: TokenStream): string {
  const kind = stream.peekKind()
  if (kind !== 'STRING' && !isGroupingLabel(kind)) {
    throw stream.unexpected({ place: 'grouping opts', expected: 'label' })
  }
  const token = stream.take()
  const label = kind === 'STRING' ? stringOf(stream, token) : token.text
  if (label !== '') return label
  throw stream.error(token.start, `invalid label name for grouping: ${quoteGo(label)}`)
}
