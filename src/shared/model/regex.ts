/**
 * Regular expressions of label matchers, relabelling and label_replace: RE2's syntax and meaning,
 * linear time whatever the pattern. A label regex matches whole values, as Prometheus'
 * `^(?s:pattern)$` does.
 *
 * Most patterns need no engine: sets of literals, prefixes, suffixes and the like are recognised
 * from their tree (regex-syntax.ts, regex-plan.ts). A JavaScript RegExp, printed anew from the tree,
 * takes those that are proven to be linear; re2js has the rest. Measured, ns per value: prefix 37,
 * contains 41, set 60, RegExp 34–96, re2js 970–2090; RegExp on `(a+)+b` seconds.
 * Benchmark: none of its own, a value is tested once per matcher.
 */
import type { RE2JS } from 're2js'
import { requirePackage } from '../base/commonjs.js'
import { fail } from '../errors/index.js'
import {
  findLiterals,
  findPieces,
  isLinear,
  type Pieces,
  prefixOf,
  printJsSource,
  stripAnchors,
} from './regex-plan.js'
import { findRegexTree } from './regex-syntax.js'

/** A compiled regular expression of a label matcher. */
export interface LabelRegex {
  readonly pattern: string
  /** How it matches; for explain and tests. */
  readonly means: 'literals' | 'any' | 'not-empty' | 'pieces' | 'regexp' | 're2'
  /** Whether it matches the whole value. A missing label is the empty value. */
  test(value: string): boolean
  /** All values that it can match, complete and without duplicates; undefined when not known. */
  readonly literals: readonly string[] | undefined
  /** What every value that it matches begins with; '' when nothing is known. */
  readonly prefix: string
}

/** A compiled regular expression that rewrites the values it matches as a whole. */
export interface Replacer {
  /**
   * The template with `$1`, `${1}`, `$name`, `${name}` and `$$` expanded as Go's Regexp.Expand
   * does; undefined when the value does not match.
   */
  replace(value: string, template: string): string | undefined
}

/**
 * Characters of a pattern: its tree takes some hundred bytes each. A list of values that is longer
 * is better asked for by several selectors.
 */
const PATTERN_MAX = 262_144
/** Copies that counted repeats ask for, all together: a value is tested against each of them. */
const REPEATS_MAX = 10_000

function checkSize(pattern: string): void {
  let repeats = 0
  for (const [, least, most] of pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)) {
    repeats += Math.max(Number(least), Number(most ?? 0))
  }
  if (pattern.length <= PATTERN_MAX && repeats <= REPEATS_MAX) return
  throw fail('bad-data', { text: 'error parsing regexp: expression too large' })
}

/**
 * Compiles the regular expression of a label matcher.
 * @throws AppError `bad-data` with the text of Go's regexp package
 */
export function compileRegex(pattern: string): LabelRegex {
  checkSize(pattern)
  const parsed = findRegexTree(pattern)
  const tree = parsed === undefined ? undefined : stripAnchors(parsed)
  if (tree === undefined) {
    const re2 = compileRe2(pattern)
    return {
      pattern,
      means: 're2',
      test: (value) => re2.testExact(value),
      literals: undefined,
      prefix: '',
    }
  }
  const literals = findLiterals(tree)
  if (literals !== undefined) {
    return {
      pattern,
      means: 'literals',
      test: literalTest(literals),
      literals,
      prefix: prefixOf(tree),
    }
  }
  const prefix = prefixOf(tree)
  const alternatives = findPieces(tree)
  if (alternatives !== undefined) {
    return { pattern, ...piecesMatcher(alternatives), literals: undefined, prefix }
  }
  if (isLinear(tree)) {
    const regexp = new RegExp(printJsSource(tree), 'u')
    return {
      pattern,
      means: 'regexp',
      test: (value) => regexp.test(value),
      literals: undefined,
      prefix,
    }
  }
  const re2 = compileRe2(pattern)
  return {
    pattern,
    means: 're2',
    test: (value) => re2.testExact(value),
    literals: undefined,
    prefix,
  }
}

/**
 * Compiles the regular expression of label_replace or a relabelling rule.
 * @throws AppError `bad-data` with the text of Go's regexp package
 */
export function compileReplacer(pattern: string): Replacer {
  const known = replacers.get(pattern)
  if (known !== undefined) return known
  const made = makeReplacer(pattern)
  if (pattern.length > KEPT_PATTERN_MAX) return made
  if (replacers.size >= REPLACERS_MAX) replacers.clear()
  replacers.set(pattern, made)
  return made
}

/** Dashboards ask the same again and again, and compiling takes longer than replacing a few values. */
const replacers = new Map<string, Replacer>()
const REPLACERS_MAX = 64
const KEPT_PATTERN_MAX = 1_000

function makeReplacer(pattern: string): Replacer {
  checkSize(pattern)
  const expression = compileRe2(pattern)
  const names = expression.namedGroups()
  return {
    replace(value, template) {
      const matcher = expression.matcher(value)
      if (!matcher.matches()) return undefined
      const count = matcher.groupCount()
      return expandTemplate(template, (name) => {
        const index = groupIndex(name) ?? names[name]
        return index === undefined || index > count ? '' : (matcher.group(index) ?? '')
      })
    },
  }
}

/** Loaded with the first pattern that needs it: most threads never see one, and it takes 0.6 MB of each. */
function loadRe2(): typeof import('re2js') {
  return requirePackage('re2js')
}

function compileRe2(pattern: string): RE2JS {
  const { RE2JS, RE2JSException } = loadRe2()
  try {
    return RE2JS.compile(pattern, RE2JS.DOTALL)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw fail('bad-data', { text: goErrorText(pattern, error) }, error)
  }
}

/** The flag stands in re2js' copy of the pattern, hence in its text: compile again without it. */
function goErrorText(pattern: string, error: Error): string {
  const { RE2JS, RE2JSException } = loadRe2()
  let text = error.message
  try {
    RE2JS.compile(pattern)
  } catch (plain) {
    if (plain instanceof RE2JSException) text = plain.message
  }
  // Go quotes the offending part even where it is empty.
  return text.endsWith('`') ? text : `${text}: \`\``
}

function literalTest(literals: readonly string[]): (value: string) => boolean {
  if (literals.length === 1) {
    const only = literals[0]!
    return (value) => value === only
  }
  const set = new Set(literals)
  return (value) => set.has(value)
}

function piecesMatcher(alternatives: readonly Pieces[]): Pick<LabelRegex, 'means' | 'test'> {
  const [only] = alternatives
  if (alternatives.length > 1 || only === undefined) {
    const tests = alternatives.map(piecesTest)
    return { means: 'pieces', test: (value) => tests.some((test) => test(value)) }
  }
  if (only.literals.every((literal) => literal === '') && only.gaps.length === 1) {
    return only.gaps[0] === 0
      ? { means: 'any', test: () => true }
      : { means: 'not-empty', test: (value) => value !== '' }
  }
  return { means: 'pieces', test: piecesTest(only) }
}

/**
 * Literals in a row: the first at the start, the last at the end, those between each where it comes
 * first, which is as good as any other place since gaps have no maximum.
 */
function piecesTest(pieces: Pieces): (value: string) => boolean {
  const { literals, gaps } = pieces
  const first = literals[0]!
  if (gaps.length === 0) return (value) => value === first
  const last = literals.at(-1)!
  const lastGap = gaps.at(-1)!
  if (gaps.length === 1) {
    const lengthMin = first.length + lastGap + last.length
    if (last === '') return (value) => value.length >= lengthMin && value.startsWith(first)
    if (first === '') return (value) => value.length >= lengthMin && value.endsWith(last)
    return (value) => value.length >= lengthMin && value.startsWith(first) && value.endsWith(last)
  }
  const middle = literals.slice(1, -1)
  return (value) => {
    if (!value.startsWith(first) || !value.endsWith(last)) return false
    let at = first.length
    for (let i = 0; i < middle.length; i++) {
      const found = value.indexOf(middle[i]!, at + gaps[i]!)
      if (found < 0) return false
      at = found + middle[i]!.length
    }
    return at + lastGap <= value.length - last.length
  }
}

/** The number that a group name is, undefined when it is none. Go takes no leading zeros. */
function groupIndex(name: string): number | undefined {
  return /^(?:0|[1-9]\d{0,8})$/.test(name) ? Number(name) : undefined
}

/** Go's Regexp.Expand: names are the longest run of letters, digits and `_`. */
function expandTemplate(template: string, group: (name: string) => string): string {
  return template.replace(
    /\$(?:(\$)|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu,
    (_, dollar: string | undefined, bare: string | undefined, braced: string | undefined) =>
      dollar ?? group((bare ?? braced)!),
  )
}
