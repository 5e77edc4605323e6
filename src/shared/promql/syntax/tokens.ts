/**
 * The tokens of PromQL: kinds, keywords, and how error texts name them.
 * Follows Prometheus promql/parser/lex.go.
 */
import { quoteGo } from '../../base/go-string.js'

/** What error texts call a token: `<op:+>`, `<aggr:sum>`, `<by>`, its own text, or a noun. */
type Naming = 'operator' | 'aggregator' | 'keyword' | 'text' | { readonly noun: string }

const KINDS = {
  EOF: { noun: 'end of input' },
  COMMENT: { noun: 'comment' },
  IDENTIFIER: { noun: 'identifier' },
  METRIC_IDENTIFIER: { noun: 'metric identifier' },
  STRING: { noun: 'string' },
  NUMBER: { noun: 'number' },
  DURATION: { noun: 'duration' },
  LEFT_PAREN: 'text',
  RIGHT_PAREN: 'text',
  LEFT_BRACE: 'text',
  RIGHT_BRACE: 'text',
  LEFT_BRACKET: 'text',
  RIGHT_BRACKET: 'text',
  COMMA: 'text',
  COLON: 'text',
  EQL: 'text',
  START: 'text',
  END: 'text',
  STEP: 'text',
  RANGE: 'text',
  MIN_OF: 'text',
  MAX_OF: 'text',
  ADD: 'operator',
  SUB: 'operator',
  MUL: 'operator',
  DIV: 'operator',
  MOD: 'operator',
  POW: 'operator',
  ATAN2: 'operator',
  EQLC: 'operator',
  NEQ: 'operator',
  LTE: 'operator',
  LSS: 'operator',
  GTE: 'operator',
  GTR: 'operator',
  TRIM_UPPER: 'operator',
  TRIM_LOWER: 'operator',
  EQL_REGEX: 'operator',
  NEQ_REGEX: 'operator',
  LAND: 'operator',
  LOR: 'operator',
  LUNLESS: 'operator',
  AT: 'operator',
  AVG: 'aggregator',
  BOTTOMK: 'aggregator',
  COUNT: 'aggregator',
  COUNT_VALUES: 'aggregator',
  GROUP: 'aggregator',
  LIMITK: 'aggregator',
  LIMIT_RATIO: 'aggregator',
  MAX: 'aggregator',
  MIN: 'aggregator',
  QUANTILE: 'aggregator',
  STDDEV: 'aggregator',
  STDVAR: 'aggregator',
  SUM: 'aggregator',
  TOPK: 'aggregator',
  ANCHORED: 'keyword',
  BOOL: 'keyword',
  BY: 'keyword',
  FILL: 'keyword',
  FILL_LEFT: 'keyword',
  FILL_RIGHT: 'keyword',
  GROUP_LEFT: 'keyword',
  GROUP_RIGHT: 'keyword',
  IGNORING: 'keyword',
  OFFSET: 'keyword',
  ON: 'keyword',
  SMOOTHED: 'keyword',
  WITHOUT: 'keyword',
} as const satisfies Record<string, Naming>

/** Kind of a token. */
export type TokenKind = keyof typeof KINDS

/** A token: `text` is as written, quotes included; `start` an offset into the query text. */
export interface Token {
  readonly kind: TokenKind
  readonly text: string
  readonly start: number
}

/** Where a token ends, exclusive. */
export function endOf(token: Token): number {
  return token.start + token.text.length
}

/** Words that are no identifiers outside of braces; looked up in lower case. */
export const KEYWORDS: ReadonlyMap<string, TokenKind> = new Map<string, TokenKind>([
  ['and', 'LAND'],
  ['or', 'LOR'],
  ['unless', 'LUNLESS'],
  ['atan2', 'ATAN2'],
  ['sum', 'SUM'],
  ['avg', 'AVG'],
  ['count', 'COUNT'],
  ['min', 'MIN'],
  ['max', 'MAX'],
  ['group', 'GROUP'],
  ['stddev', 'STDDEV'],
  ['stdvar', 'STDVAR'],
  ['topk', 'TOPK'],
  ['bottomk', 'BOTTOMK'],
  ['count_values', 'COUNT_VALUES'],
  ['quantile', 'QUANTILE'],
  ['limitk', 'LIMITK'],
  ['limit_ratio', 'LIMIT_RATIO'],
  ['offset', 'OFFSET'],
  ['smoothed', 'SMOOTHED'],
  ['anchored', 'ANCHORED'],
  ['by', 'BY'],
  ['without', 'WITHOUT'],
  ['on', 'ON'],
  ['ignoring', 'IGNORING'],
  ['group_left', 'GROUP_LEFT'],
  ['group_right', 'GROUP_RIGHT'],
  ['fill', 'FILL'],
  ['fill_left', 'FILL_LEFT'],
  ['fill_right', 'FILL_RIGHT'],
  ['bool', 'BOOL'],
  ['start', 'START'],
  ['end', 'END'],
  ['step', 'STEP'],
  ['range', 'RANGE'],
  ['min_of', 'MIN_OF'],
  ['max_of', 'MAX_OF'],
  ['inf', 'NUMBER'],
  ['nan', 'NUMBER'],
])

/** Keywords inside of square brackets. */
export const DURATION_KEYWORDS: ReadonlyMap<string, TokenKind> = new Map<string, TokenKind>([
  ['step', 'STEP'],
  ['range', 'RANGE'],
  ['min_of', 'MIN_OF'],
  ['max_of', 'MAX_OF'],
])

/** Whether the token is the name of an aggregation. */
export function isAggregator(kind: TokenKind): boolean {
  return KINDS[kind] === 'aggregator'
}

const NAME_TOKENS: ReadonlySet<TokenKind> = new Set<TokenKind>([
  'IDENTIFIER',
  'METRIC_IDENTIFIER',
  'START',
  'END',
  'STEP',
  'RANGE',
  'MIN_OF',
  'MAX_OF',
  'LAND',
  'LOR',
  'LUNLESS',
  'ANCHORED',
  'BY',
  'FILL',
  'FILL_LEFT',
  'FILL_RIGHT',
  'OFFSET',
  'SMOOTHED',
  'WITHOUT',
])

/** Whether the token may stand as a metric name: names and those keywords that are unambiguous. */
export function isMetricName(kind: TokenKind): boolean {
  return NAME_TOKENS.has(kind) || isAggregator(kind)
}

/** Whether the token may stand as a label name in a grouping. */
export function isGroupingLabel(kind: TokenKind): boolean {
  if (kind === 'WITHOUT') return false
  return isMetricName(kind) || kind === 'ATAN2' || KINDS[kind] === 'keyword'
}

/** The token as error texts name it. */
export function describeToken(token: Token): string {
  const naming: Naming = KINDS[token.kind]
  if (naming === 'operator') return `<op:${token.text}>`
  if (naming === 'aggregator') return `<aggr:${token.text}>`
  if (naming === 'keyword') return `<${token.text}>`
  if (naming === 'text') return quoteShort(token.text)
  if (token.kind === 'EOF') return naming.noun
  const isName = token.kind === 'IDENTIFIER' || token.kind === 'METRIC_IDENTIFIER'
  return `${naming.noun} ${isName ? quoteGo(token.text) : quoteShort(token.text)}`
}

/** Quoted; of a text that is longer than ten bytes the first ten characters only. */
function quoteShort(text: string): string {
  if (Buffer.byteLength(text) <= 10) return quoteGo(text)
  return `${quoteGo([...text.slice(0, 20)].slice(0, 10).join(''))}...`
}
