/**
 * The lexer of PromQL: text in, one token at a time out; comments and blanks are skipped.
 * Called by parse.ts. Follows Prometheus promql/parser/lex.go, with its error texts and the
 * positions that it gives them; what it takes depends on where it is: outside of braces and
 * brackets, inside of braces, and inside of brackets before the first number (`duration` below).
 */
import { describeRune, quoteGo, quoteGoRune } from '../../base/go-string.js'
import { parseError } from './position.js'
import { DURATION_KEYWORDS, KEYWORDS, type Token, type TokenKind } from './tokens.js'

const SINGLE: Readonly<Record<string, TokenKind>> = {
  ',': 'COMMA',
  '*': 'MUL',
  '/': 'DIV',
  '%': 'MOD',
  '+': 'ADD',
  '-': 'SUB',
  '^': 'POW',
  '@': 'AT',
}
const DURATION_SINGLE: Readonly<Record<string, TokenKind>> = {
  ',': 'COMMA',
  '*': 'MUL',
  '/': 'DIV',
  '%': 'MOD',
  '+': 'ADD',
  '-': 'SUB',
  '^': 'POW',
}
/** Every so many characters of a long token are a unit of work: 64. */
const TICK_MASK = 63
/** Stands for the end of the input where a character is printed. */
const END_RUNE = '\ufffd'

/** Cuts a query text into tokens. */
export class Lexer {
  readonly text: string
  /** Start of the token that was read last: what scanning for closing parentheses begins from. */
  lastStart = 0
  private at = 0
  /** Where the token that is being read starts; the position of lexical errors. */
  private start = 0
  private parenDepth = 0
  private braceOpen = false
  private bracketOpen = false
  private gotColon = false
  private gotDuration = false
  /** Whether a bracket was opened and no number has come since. */
  private inDuration = false
  private readonly tick: (() => void) | undefined

  /** @param tick is called now and then within long tokens, and may throw */
  constructor(text: string, tick?: () => void) {
    this.text = text
    this.tick = tick
  }

  /** The next token; EOF again and again at the end. Throws AppError `query-parse`. */
  next(): Token {
    while (true) {
      this.skipBlanks()
      const token = this.braceOpen
        ? this.insideBraces()
        : this.inDuration
          ? this.insideDuration()
          : this.statement()
      if (token === undefined) continue
      this.lastStart = token.start
      return token
    }
  }

  private skipBlanks(): void {
    while (this.at < this.text.length && isBlank(this.text.charCodeAt(this.at))) this.at++
    this.start = this.at
  }

  private emit(kind: TokenKind): Token {
    const token = { kind, text: this.text.slice(this.start, this.at), start: this.start }
    this.start = this.at
    return token
  }

  private error(message: string): Error {
    return parseError(this.text, this.start, message)
  }

  /** One character on, within a token that may be of any length. */
  private advance(): void {
    if ((++this.at & TICK_MASK) === 0) this.tick?.()
  }

  /** The character at the cursor, '' at the end. */
  private peek(): string {
    return this.charAt(this.at)
  }

  private charAt(at: number): string {
    const code = this.text.codePointAt(at)
    return code === undefined ? '' : String.fromCodePoint(code)
  }

  private take(length: number, kind: TokenKind): Token {
    this.at += length
    return this.emit(kind)
  }

  private skipComment(): undefined {
    while (this.at < this.text.length && !isLineEnd(this.text.charCodeAt(this.at))) this.at++
    return undefined
  }

  private statement(): Token | undefined {
    const char = this.peek()
    if (char === '') return this.endOfInput()
    if (char === '#') return this.skipComment()
    const single = SINGLE[char]
    if (single !== undefined) return this.take(1, single)
    if (isDigit(char) || (char === '.' && isDigit(this.text[this.at + 1] ?? ''))) {
      return this.numberOrDuration()
    }
    if (char === '"' || char === "'" || char === '`') return this.string(char)
    if (isAlpha(char) || char === ':') return this.word(char)
    return this.comparison(char) ?? this.parenthesis(char)
  }

  private endOfInput(): Token {
    if (this.parenDepth !== 0) throw this.error('unclosed left parenthesis')
    if (this.bracketOpen) throw this.error('unclosed left bracket')
    return this.emit('EOF')
  }

  private comparison(char: string): Token | undefined {
    const next = this.charAt(this.at + 1)
    switch (char) {
      case '=':
        if (next === '=') return this.take(2, 'EQLC')
        if (next === '~') throw this.error("unexpected character after '=': '~'")
        return this.take(1, 'EQL')
      case '!':
        if (next === '=') return this.take(2, 'NEQ')
        throw this.error(`unexpected character after '!': ${quoteGoRune(next || END_RUNE)}`)
      case '<':
        if (next === '=') return this.take(2, 'LTE')
        return next === '/' ? this.take(2, 'TRIM_UPPER') : this.take(1, 'LSS')
      case '>':
        if (next === '=') return this.take(2, 'GTE')
        return next === '/' ? this.take(2, 'TRIM_LOWER') : this.take(1, 'GTR')
      default:
        return undefined
    }
  }

  private parenthesis(char: string): Token {
    switch (char) {
      case '(':
        this.parenDepth++
        return this.take(1, 'LEFT_PAREN')
      case ')':
        return this.closeParen()
      case '{':
        this.braceOpen = true
        return this.take(1, 'LEFT_BRACE')
      case '[':
        if (this.bracketOpen) throw this.error("unexpected left bracket '['")
        this.gotColon = false
        this.bracketOpen = true
        this.inDuration = true
        return this.take(1, 'LEFT_BRACKET')
      case ']':
        if (!this.bracketOpen) throw this.error("unexpected right bracket ']'")
        this.bracketOpen = false
        return this.take(1, 'RIGHT_BRACKET')
      default:
        throw this.error(`unexpected character: ${quoteGoRune(char)}`)
    }
  }

  private closeParen(): Token {
    const token = this.take(1, 'RIGHT_PAREN')
    this.parenDepth--
    if (this.parenDepth < 0) throw this.error("unexpected right parenthesis ')'")
    return token
  }

  /** A keyword, a name, or, inside of brackets, a colon. */
  private word(char: string): Token {
    if (this.bracketOpen) return this.wordInBrackets(char)
    while (isWordCode(this.text.charCodeAt(this.at))) this.at++
    const word = this.text.slice(this.start, this.at)
    const kind = word.length > 12 ? undefined : KEYWORDS.get(word.toLowerCase())
    if (kind === undefined)
      return this.emit(word.includes(':') ? 'METRIC_IDENTIFIER' : 'IDENTIFIER')
    const isFill = kind === 'FILL' || kind === 'FILL_LEFT' || kind === 'FILL_RIGHT'
    return this.emit(isFill && !this.parenFollows() ? 'IDENTIFIER' : kind)
  }

  private wordInBrackets(char: string): Token {
    if (char === ':') {
      if (this.gotColon) throw this.error("unexpected colon ':'")
      this.gotColon = true
      return this.take(1, 'COLON')
    }
    const token = this.durationKeyword(char)
    if (token !== undefined) return token
    throw this.error(`unexpected character: ${quoteGoRune(char)}, expected ':'`)
  }

  private parenFollows(): boolean {
    let at = this.at
    while (isBlank(this.text.charCodeAt(at))) at++
    return this.text[at] === '('
  }

  private durationKeyword(char: string): Token | undefined {
    if (!/[smr]/i.test(char)) return undefined
    let end = this.at
    while (isAlpha(this.text[end] ?? '')) end++
    const kind = DURATION_KEYWORDS.get(this.text.slice(this.at, end).toLowerCase())
    return kind === undefined ? undefined : this.take(end - this.at, kind)
  }

  /** After a left bracket, up to the first number: signs, parentheses, step() and the like. */
  private insideDuration(): Token {
    const char = this.peek()
    if (char === '') throw this.error('unexpected end of input in duration expression')
    const single = DURATION_SINGLE[char]
    if (single !== undefined) return this.take(1, single)
    if (isDigit(char) || (char === '.' && isDigit(this.text[this.at + 1] ?? ''))) {
      this.gotDuration = true
      this.inDuration = false
      return this.numberOrDuration()
    }
    const token = this.durationKeyword(char)
    if (token !== undefined) return token
    switch (char) {
      case ']':
        this.bracketOpen = false
        this.inDuration = false
        this.gotColon = false
        return this.take(1, 'RIGHT_BRACKET')
      case ':':
        return this.colonInDuration()
      case '(':
        this.parenDepth++
        return this.take(1, 'LEFT_PAREN')
      case ')':
        return this.closeParen()
      default: {
        const shown = quoteGoRune(char)
        throw this.error(`unexpected character in duration expression: ${shown}`)
      }
    }
  }

  private colonInDuration(): Token {
    const token = this.take(1, 'COLON')
    if (!this.gotDuration) {
      throw this.error('unexpected colon before duration in duration expression')
    }
    if (this.gotColon) throw this.error('unexpected repeated colon in duration expression')
    this.gotColon = true
    return token
  }

  private insideBraces(): Token | undefined {
    const char = this.peek()
    if (char === '') throw this.error('unexpected end of input inside braces')
    if (char === '#') return this.skipComment()
    if (isAlpha(char)) {
      while (isAlphaNumericCode(this.text.charCodeAt(this.at))) this.at++
      return this.emit('IDENTIFIER')
    }
    if (char === '"' || char === "'" || char === '`') return this.string(char)
    const next = this.charAt(this.at + 1)
    switch (char) {
      case ',':
        return this.take(1, 'COMMA')
      case '=':
        return next === '~' ? this.take(2, 'EQL_REGEX') : this.take(1, 'EQL')
      case '!': {
        if (next === '~') return this.take(2, 'NEQ_REGEX')
        if (next === '=') return this.take(2, 'NEQ')
        const shown = quoteGoRune(next || END_RUNE)
        throw this.error(`unexpected character after '!' inside braces: ${shown}`)
      }
      case '{':
        throw this.error("unexpected left brace '{'")
      case '}':
        this.braceOpen = false
        return this.take(1, 'RIGHT_BRACE')
      default:
        throw this.error(`unexpected character inside braces: ${quoteGoRune(char)}`)
    }
  }

  private string(quote: string): Token {
    this.at++
    const text = this.text
    const isRaw = quote === '`'
    while (true) {
      const char = text[this.at] ?? ''
      if (char === quote) return this.take(1, 'STRING')
      if (char === '' || (char === '\n' && !isRaw)) {
        throw this.error(isRaw ? 'unterminated raw string' : 'unterminated quoted string')
      }
      if (char === '\ufffd') throw this.error('invalid UTF-8 rune')
      this.advance()
      if (char === '\\' && !isRaw) this.escape(quote)
    }
  }

  /** Checks the escape whose backslash was read. */
  private escape(quote: string): void {
    const char = this.peek()
    if (char === '') throw this.error('escape sequence not terminated')
    if ('abfnrtv\\'.includes(char) || char === quote) {
      this.advance()
      return
    }
    if (/^[0-7]$/.test(char)) {
      this.codeEscape(3, 8, 255)
      return
    }
    if (char !== 'x' && char !== 'u' && char !== 'U') {
      throw this.error(`unknown escape sequence ${describeRune(char)}`)
    }
    this.advance()
    if (char === 'x') this.codeEscape(2, 16, 255)
    else this.codeEscape(char === 'u' ? 4 : 8, 16, 0x10ffff)
  }

  private codeEscape(digits: number, base: number, max: number): void {
    let code = 0
    for (let i = 0; i < digits; i++) {
      const char = this.peek()
      if (char === '') throw this.error('escape sequence not terminated')
      const digit = /[0-9a-fA-F]/.test(char) ? Number.parseInt(char, 16) : 16
      if (digit >= base) {
        throw this.error(`illegal character ${describeRune(char)} in escape sequence`)
      }
      code = code * base + digit
      this.advance()
    }
    if (code > max || (code >= 0xd800 && code < 0xe000)) {
      throw this.error('escape sequence is an invalid Unicode code point')
    }
  }

  private numberOrDuration(): Token {
    if (this.scanNumber()) return this.emit('NUMBER')
    if (this.scanDuration()) return this.emit('DURATION')
    const shown = quoteGo(this.text.slice(this.start, this.at))
    throw this.error(`bad number or duration syntax: ${shown}`)
  }

  private accept(set: string): boolean {
    const char = this.text[this.at]
    if (char === undefined || !set.includes(char)) return false
    this.advance()
    return true
  }

  private isNext(set: string): boolean {
    const char = this.text[this.at]
    return char !== undefined && set.includes(char)
  }

  /**
   * Scans a number; whether it is one is for the parser to say. On failure the cursor stays where
   * the number broke off: a duration goes on from there, and error texts show what was read.
   */
  private scanNumber(): boolean {
    let digits = '0123456789'
    if (this.accept('0') && this.accept('xX')) {
      this.accept('_')
      digits = '0123456789abcdefABCDEF'
    }
    const isHex = digits.length > 10
    this.accept('.')
    this.accept(digits)
    let dots = 0
    let exponents = 0
    const inside = `${digits}._eE`
    while (this.isNext(inside)) {
      if (this.isNext('.') && dots > 0) return !this.accept('.')
      if (this.isNext('eE') && exponents > 0) return !this.accept('eE')
      if (this.accept('.')) {
        dots++
        if (this.accept('_.') || isHex) return false
      } else if (this.accept('eE')) {
        exponents++
        this.accept('+-')
        if (this.accept('._eE') || this.at === this.text.length) return false
      } else if (this.accept('_')) {
        if (this.accept('._eE') || this.at === this.text.length) return false
      } else {
        while (this.accept(digits));
      }
    }
    return !isAlphaNumericCode(this.text.charCodeAt(this.at))
  }

  /** The rest of a duration, from its first unit on; the parser checks the order of the units. */
  private scanDuration(): boolean {
    if (!this.accept('smhdwy')) return false
    this.accept('s')
    while (this.accept('0123456789')) {
      while (this.accept('0123456789'));
      if (!this.accept('smhdw')) return false
      this.accept('s')
    }
    if (!isAlphaNumericCode(this.text.charCodeAt(this.at))) return true
    this.at++
    return false
  }
}

/** Blank, tab, line feed, carriage return; NaN (past the end) is none. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d
}

function isLineEnd(code: number): boolean {
  return code === 0x0a || code === 0x0d
}

function isDigit(char: string): boolean {
  return char >= '0' && char <= '9' && char.length === 1
}

function isAlpha(char: string): boolean {
  return /^[a-zA-Z_]$/.test(char)
}

function isAlphaNumericCode(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x5f
  )
}

function isWordCode(code: number): boolean {
  return isAlphaNumericCode(code) || code === 0x3a
}
