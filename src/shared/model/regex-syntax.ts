/**
 * A reader of the plain part of RE2's syntax, for regex.ts: what most label matchers consist of
 * (literals, classes, groups, alternation, repeats) becomes a tree to reason about. Whatever else a
 * pattern has, errors included, makes it give up, and re2js takes the pattern as a whole. Flags are
 * those of Prometheus: `.` matches newlines, `^` and `$` are the ends of the text.
 * The syntax: https://github.com/google/re2/wiki/Syntax, Go regexp/syntax.
 */

/** Inclusive code point ranges, ascending, not overlapping: lo0, hi0, lo1, hi1, … */
export type CharClass = readonly number[]

/** A regular expression without captures; laziness is gone, since it cannot change a full match. */
export type RegexNode =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'class'; readonly ranges: CharClass }
  | { readonly kind: 'concat'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'alternate'; readonly options: readonly RegexNode[] }
  | {
      readonly kind: 'repeat'
      readonly of: RegexNode
      readonly min: number
      /** Infinity when unbounded. */
      readonly max: number
    }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end' }

const CODE_POINT_MAX = 0x10ffff
/** RE2's own bound of a repeat count. */
const REPEAT_MAX = 1000
const DEPTH_MAX = 100

/** Every code point. */
export const ANY_CHAR: CharClass = [0, CODE_POINT_MAX]
const DIGIT: CharClass = [0x30, 0x39]
const SPACE: CharClass = [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20]
const WORD: CharClass = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }

/** Raised inside only: the pattern is beyond this reader. */
class Beyond extends Error {}

interface Reader {
  readonly text: string
  at: number
  depth: number
  /** `(?i)` is on. */
  fold: boolean
}

/** The tree of a pattern, undefined when it has anything but the plain part of the syntax. */
export function findRegexTree(pattern: string): RegexNode | undefined {
  const reader: Reader = { text: pattern, at: 0, depth: 0, fold: false }
  try {
    const tree = readAlternation(reader)
    return reader.at === pattern.length ? tree : undefined
  } catch (error) {
    if (error instanceof Beyond) return undefined
    throw error
  }
}

function readAlternation(reader: Reader): RegexNode {
  const options = [readSequence(reader)]
  while (reader.text[reader.at] === '|') {
    reader.at++
    options.push(readSequence(reader))
  }
  return options.length === 1 ? options[0]! : { kind: 'alternate', options }
}

function readSequence(reader: Reader): RegexNode {
  const { text } = reader
  const parts: RegexNode[] = []
  let literal = ''
  while (reader.at < text.length && text[reader.at] !== '|' && text[reader.at] !== ')') {
    const atom = readAtom(reader)
    const repeated = readRepeat(reader, atom)
    if (repeated.kind === 'literal') {
      literal += repeated.text
      continue
    }
    if (literal !== '') parts.push({ kind: 'literal', text: literal })
    literal = ''
    if (repeated.kind === 'concat') parts.push(...repeated.parts)
    else parts.push(repeated)
  }
  if (literal !== '' || parts.length === 0) parts.push({ kind: 'literal', text: literal })
  return parts.length === 1 ? parts[0]! : { kind: 'concat', parts }
}

function readAtom(reader: Reader): RegexNode {
  const { text } = reader
  const char = String.fromCodePoint(text.codePointAt(reader.at)!)
  reader.at += char.length
  switch (char) {
    case '(':
      return readGroup(reader)
    case '[':
      return readClass(reader)
    case '.':
      return { kind: 'class', ranges: ANY_CHAR }
    case '^':
      return { kind: 'begin' }
    case '$':
      return { kind: 'end' }
    case '\\':
      return readEscape(reader)
    case '*':
    case '+':
    case '?':
      throw new Beyond()
    default:
      return charNode(reader, char.codePointAt(0)!)
  }
}

/** A character standing for itself, or for its case variants under `(?i)`. */
function charNode(reader: Reader, code: number): RegexNode {
  if (!reader.fold) return { kind: 'literal', text: String.fromCodePoint(code) }
  if (code >= 0x80) throw new Beyond()
  const lower = code | 0x20
  if (lower < 0x61 || lower > 0x7a) return { kind: 'literal', text: String.fromCodePoint(code) }
  const ranges = [lower - 0x20, lower - 0x20, lower, lower]
  // The long s and the Kelvin sign fold to ASCII letters.
  if (lower === 0x73) ranges.push(0x17f, 0x17f)
  if (lower === 0x6b) ranges.push(0x212a, 0x212a)
  return { kind: 'class', ranges }
}

function readGroup(reader: Reader): RegexNode {
  const { text } = reader
  const outerFold = reader.fold
  if (++reader.depth > DEPTH_MAX) throw new Beyond()
  if (text[reader.at] === '?') {
    const flags = /^\?(i?s?|s?i?)([:)])/.exec(text.slice(reader.at, reader.at + 5))
    if (flags === null) throw new Beyond()
    const fold = outerFold || flags[1]!.includes('i')
    if (flags[2] === ')') {
      // Flags without a group of their own hold until the enclosing one ends; `(?)` is an error.
      if (flags[1] === '') throw new Beyond()
      reader.at += flags[0].length
      reader.fold = fold
      reader.depth--
      // An empty node, and not something to repeat: Go calls that an error.
      if (isRepeatAt(text, reader.at)) throw new Beyond()
      return { kind: 'literal', text: '' }
    }
    reader.at += flags[0].length
    reader.fold = fold
  }
  const inner = readAlternation(reader)
  if (text[reader.at] !== ')') throw new Beyond()
  reader.at++
  reader.depth--
  reader.fold = outerFold
  return inner
}

function isRepeatAt(text: string, at: number): boolean {
  return /^(?:[*+?]|\{\d+(?:,\d*)?\})/.test(text.slice(at, at + 16))
}

function readRepeat(reader: Reader, atom: RegexNode): RegexNode {
  const { text } = reader
  if (!isRepeatAt(text, reader.at)) return atom
  // What `^*` means differs from engine to engine.
  if (atom.kind === 'begin' || atom.kind === 'end') throw new Beyond()
  const counts = /^\{(\d+)(,?)(\d*)\}/.exec(text.slice(reader.at, reader.at + 16))
  let min = 0
  let max = Number.POSITIVE_INFINITY
  if (counts !== null) {
    reader.at += counts[0].length
    min = Number(counts[1])
    if (counts[2] === '') max = min
    else if (counts[3] !== '') max = Number(counts[3])
    if (min > REPEAT_MAX || (max !== Number.POSITIVE_INFINITY && max > REPEAT_MAX) || max < min) {
      throw new Beyond()
    }
  } else {
    const op = text[reader.at++]
    if (op === '+') min = 1
    if (op === '?') max = 1
  }
  if (text[reader.at] === '?') reader.at++
  // A repeat of a repeat is an error in RE2.
  if (isRepeatAt(text, reader.at)) throw new Beyond()
  return { kind: 'repeat', of: atom, min, max }
}

function readEscape(reader: Reader): RegexNode {
  const { text } = reader
  const char = text[reader.at]
  if (char === undefined) throw new Beyond()
  const ranges = perlClass(char)
  if (ranges !== undefined) {
    // Folded, \w takes in the long s and the Kelvin sign.
    if (reader.fold) throw new Beyond()
    reader.at++
    return { kind: 'class', ranges }
  }
  if (char === 'A' || char === 'z') {
    reader.at++
    return { kind: char === 'A' ? 'begin' : 'end' }
  }
  return charNode(reader, readEscapedChar(reader))
}

/** The code point after a backslash: a control, `\x41`, `\x{1F600}` or a punctuation sign. */
function readEscapedChar(reader: Reader): number {
  const { text } = reader
  const char = text[reader.at]
  if (char === undefined) throw new Beyond()
  const control = CONTROLS[char]
  if (control !== undefined) {
    reader.at++
    return control
  }
  if (char === 'x') {
    const hex = /^x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/.exec(
      text.slice(reader.at, reader.at + 9),
    )
    const code = hex === null ? Number.NaN : Number.parseInt((hex[1] ?? hex[2])!, 16)
    if (!(code <= CODE_POINT_MAX) || (code >= 0xd800 && code <= 0xdfff)) throw new Beyond()
    reader.at += hex![0].length
    return code
  }
  const code = char.charCodeAt(0)
  if (code >= 0x80 || /[0-9A-Za-z]/.test(char)) throw new Beyond()
  reader.at++
  return code
}

function perlClass(char: string): CharClass | undefined {
  switch (char) {
    case 'd':
      return DIGIT
    case 'D':
      return invert(DIGIT)
    case 's':
      return SPACE
    case 'S':
      return invert(SPACE)
    case 'w':
      return WORD
    case 'W':
      return invert(WORD)
    default:
      return undefined
  }
}

function readClass(reader: Reader): RegexNode {
  const { text } = reader
  if (reader.fold) throw new Beyond()
  let isNegated = false
  if (text[reader.at] === '^') {
    isNegated = true
    reader.at++
  }
  const ranges: number[] = []
  for (let isFirst = true; isFirst || text[reader.at] !== ']'; isFirst = false) {
    if (reader.at >= text.length) throw new Beyond()
    if (text[reader.at] === '[' && text[reader.at + 1] === ':') throw new Beyond()
    const perl = text[reader.at] === '\\' ? perlClass(text[reader.at + 1] ?? '') : undefined
    if (perl !== undefined) {
      reader.at += 2
      ranges.push(...perl)
      continue
    }
    const lo = readClassChar(reader)
    let hi = lo
    const next = text[reader.at + 1]
    if (text[reader.at] === '-' && next !== undefined && next !== ']') {
      reader.at++
      hi = readClassChar(reader)
      if (hi < lo) throw new Beyond()
    }
    ranges.push(lo, hi)
  }
  reader.at++
  const merged = mergeRanges(ranges)
  return { kind: 'class', ranges: isNegated ? invert(merged) : merged }
}

function readClassChar(reader: Reader): number {
  const { text } = reader
  if (text[reader.at] === '\\') {
    reader.at++
    return readEscapedChar(reader)
  }
  const code = text.codePointAt(reader.at)
  if (code === undefined) throw new Beyond()
  reader.at += code > 0xffff ? 2 : 1
  return code
}

function mergeRanges(ranges: readonly number[]): CharClass {
  const pairs: [number, number][] = []
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i]!, ranges[i + 1]!])
  pairs.sort((a, b) => a[0] - b[0])
  const merged: number[] = []
  for (const [lo, hi] of pairs) {
    const last = merged.length - 1
    if (last > 0 && lo <= merged[last]! + 1) merged[last] = Math.max(merged[last]!, hi)
    else merged.push(lo, hi)
  }
  return merged
}

function invert(ranges: CharClass): CharClass {
  const inverted: number[] = []
  let next = 0
  for (let i = 0; i < ranges.length; i += 2) {
    if (ranges[i]! > next) inverted.push(next, ranges[i]! - 1)
    next = ranges[i + 1]! + 1
  }
  if (next <= CODE_POINT_MAX) inverted.push(next, CODE_POINT_MAX)
  return inverted
}
