/**
 * What the parser's parts share: the tokens of one query with a lookahead of one that is read as
 * late as possible, so that errors come in the order in which Prometheus finds them; what an
 * unexpected token is said to be found in; and the bounds on nesting.
 */
import { AppError } from '../../errors/index.js'
import { Lexer } from './lexer.js'
import { parseError } from './position.js'
import { describeToken, endOf, type Token, type TokenKind } from './tokens.js'

/**
 * Which experimental parts are allowed; names as in Prometheus' parser options. Where a set stands,
 * the functions and aggregations, or the modes, that are in it.
 */
export interface ParseOptions {
  readonly enableExperimentalFunctions: boolean | ReadonlySet<string>
  readonly experimentalDurationExpr: boolean
  readonly enableExtendedRangeSelectors: boolean | ReadonlySet<string>
  readonly enableBinopFillModifiers: boolean
}

/** Whether an option lets a name through. */
export function isEnabled(option: boolean | ReadonlySet<string>, name: string): boolean {
  return typeof option === 'boolean' ? option : option.has(name)
}

/** How deep parentheses, calls and signs may be nested in the text. */
export const NESTING_MAX = 250
/** How many levels the tree may have: a chain of operators is as deep as it is long. */
export const TREE_DEPTH_MAX = 1000

/** What an unexpected token is found in, and what was expected there; '' says nothing. */
export interface Context {
  readonly place: string
  readonly expected: string
}

const NO_CONTEXT: Context = { place: '', expected: '' }

/** Kinds whose end may become the end of an expression. */
const CLOSING: ReadonlySet<TokenKind> = new Set<TokenKind>([
  'RIGHT_BRACE',
  'RIGHT_PAREN',
  'RIGHT_BRACKET',
  'DURATION',
  'NUMBER',
])

/** The tokens of a query with one of look-ahead. */
export class TokenStream {
  readonly text: string
  readonly options: ParseOptions
  /** End of the last closing token that was read, lookahead included. */
  lastClosing = 0
  /** Levels of the expression that was parsed last. */
  height = 0
  private readonly lexer: Lexer
  private lookahead: Token | undefined
  private context = NO_CONTEXT
  private nesting = 0
  /** What long work on a token is to call now and then, too. */
  readonly tick: (() => void) | undefined

  /** @param tick is called for each token, and may throw */
  constructor(text: string, options: ParseOptions, tick?: () => void) {
    this.text = text
    this.options = options
    this.lexer = new Lexer(text, tick)
    this.tick = tick
  }

  /** The next token, left where it is. */
  peek(): Token {
    if (this.lookahead !== undefined) return this.lookahead
    this.tick?.()
    const token = this.lexer.next()
    if (CLOSING.has(token.kind)) this.lastClosing = endOf(token)
    this.lookahead = token
    return token
  }

  peekKind(): TokenKind {
    return this.peek().kind
  }

  /** The next token, taken. */
  take(): Token {
    const token = this.peek()
    this.lookahead = undefined
    return token
  }

  /** Takes the next token when it is of the kind. */
  accept(kind: TokenKind): Token | undefined {
    return this.peekKind() === kind ? this.take() : undefined
  }

  /** Takes the next token, which must be of the kind. */
  expect(kind: TokenKind, context = this.context): Token {
    if (this.peekKind() !== kind) throw this.unexpected(context)
    return this.take()
  }

  /** The error of a token that does not belong where it stands. */
  unexpected(context = this.context): AppError {
    const token = this.peek()
    const where = context.place === '' ? '' : ` in ${context.place}`
    const expected = context.expected === '' ? '' : `, expected ${context.expected}`
    return this.error(token.start, `unexpected ${describeToken(token)}${where}${expected}`)
  }

  /** The error of a query's text at an offset. */
  error(offset: number, message: string): AppError {
    return parseError(this.text, offset, message)
  }

  /** Runs a check of another module and puts its text at an offset of the query. */
  checkedAt<T>(offset: number, check: () => T): T {
    try {
      return check()
    } catch (cause) {
      if (cause instanceof AppError) throw this.error(offset, cause.message)
      throw cause
    }
  }

  /** Parses with a context that unexpected tokens are said to be in. */
  within<T>(context: Context, parse: () => T): T {
    const outer = this.context
    this.context = context
    const result = parse()
    this.context = outer
    return result
  }

  /** Parses one level deeper in the text. */
  nested<T>(parse: () => T): T {
    if (++this.nesting > NESTING_MAX) {
      const message = `expression is nested too deeply, at most ${NESTING_MAX} levels are allowed`
      throw this.error(this.peek().start, message)
    }
    const result = parse()
    this.nesting--
    return result
  }

  /** Notes the levels of the expression just built, over its highest part. */
  grow(parts: number, offset: number): void {
    this.height = parts + 1
    if (this.height <= TREE_DEPTH_MAX) return
    const message = `expression has too many levels, at most ${TREE_DEPTH_MAX} are allowed`
    throw this.error(offset, message)
  }

  /**
   * Where an aggregation ends whose end showed only when the next token had been read: at the
   * closing parenthesis before that token, when that is one too.
   */
  closingBeforeLookahead(): number {
    const at = this.lexer.lastStart
    if (at <= 0 || this.text[at] !== ')') return this.lastClosing
    let before = at - 1
    while (before > 0 && /[ \t\n\r]/.test(this.text[before]!)) before--
    return before > 0 && this.text[before] === ')' ? before + 1 : this.lastClosing
  }
}
