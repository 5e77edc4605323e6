/**
 * What can be said of a regular expression from its tree (regex-syntax.ts), for a match of a whole
 * text: the literals that it is equal to, the prefix of everything that it matches, pieces in a row,
 * and whether backtracking over it is linear. regex.ts makes matchers of that.
 */
import { ANY_CHAR, type CharClass, type RegexNode } from './regex-syntax.js'

/** Bound of a set of literals that a pattern is turned into. */
const LITERALS_MAX = 10_000
/** Bound of a set that comes of multiplying parts, and of characters taken out of a class. */
const PRODUCT_MAX = 512
const CLASS_LITERALS_MAX = 16
/** Bound of the ways that backtracking may try besides the one unbounded repeat. */
const WAYS_MAX = 256

/**
 * Literals with gaps in between, each of them of any length from a minimum on: `a.*b.+` has the
 * literals a, b and '' and the gaps 0 and 1.
 */
export interface Pieces {
  readonly literals: readonly string[]
  /** [literals - 1] characters at least in each gap. */
  readonly gaps: readonly number[]
}

/**
 * Takes `^` off the start and `$` off the end, where they say nothing about a full match; undefined
 * when there are any elsewhere.
 */
export function stripAnchors(node: RegexNode): RegexNode | undefined {
  if (node.kind === 'alternate') {
    const options: RegexNode[] = []
    for (const option of node.options) {
      const stripped = stripAnchors(option)
      if (stripped === undefined) return undefined
      options.push(stripped)
    }
    return { kind: 'alternate', options }
  }
  let parts = node.kind === 'concat' ? node.parts : [node]
  while (parts[0]?.kind === 'begin') parts = parts.slice(1)
  while (parts.at(-1)?.kind === 'end') parts = parts.slice(0, -1)
  if (parts.some(hasAnchor)) return undefined
  if (parts.length === 0) return { kind: 'literal', text: '' }
  return parts.length === 1 ? parts[0] : { kind: 'concat', parts }
}

function hasAnchor(node: RegexNode): boolean {
  switch (node.kind) {
    case 'begin':
    case 'end':
      return true
    case 'concat':
      return node.parts.some(hasAnchor)
    case 'alternate':
      return node.options.some(hasAnchor)
    case 'repeat':
      return hasAnchor(node.of)
    default:
      return false
  }
}

/** All texts that the pattern matches, without duplicates; undefined when they are too many. */
export function findLiterals(node: RegexNode): readonly string[] | undefined {
  const found = literalsOf(node)
  return found === undefined ? undefined : [...new Set(found)]
}

function literalsOf(node: RegexNode): string[] | undefined {
  switch (node.kind) {
    case 'literal':
      return [node.text]
    case 'class':
      return classLiterals(node.ranges)
    case 'alternate': {
      const all: string[] = []
      for (const option of node.options) {
        const some = literalsOf(option)
        if (some === undefined || all.length + some.length > LITERALS_MAX) return undefined
        for (const text of some) all.push(text)
      }
      return all
    }
    case 'concat': {
      let heads = ['']
      for (const part of node.parts) {
        const tails = literalsOf(part)
        if (tails === undefined) return undefined
        const next = multiply(heads, tails)
        if (next === undefined) return undefined
        heads = next
      }
      return heads
    }
    case 'repeat': {
      if (node.max > CLASS_LITERALS_MAX) return undefined
      const once = literalsOf(node.of)
      if (once === undefined) return undefined
      let power: string[] | undefined = ['']
      const all: string[] = node.min === 0 ? [''] : []
      for (let count = 1; count <= node.max; count++) {
        power = multiply(power, once)
        if (power === undefined || all.length + power.length > PRODUCT_MAX) return undefined
        if (count >= node.min) all.push(...power)
      }
      return all
    }
    default:
      return undefined
  }
}

function multiply(heads: readonly string[], tails: readonly string[]): string[] | undefined {
  const count = heads.length * tails.length
  if (count > (heads.length === 1 || tails.length === 1 ? LITERALS_MAX : PRODUCT_MAX)) {
    return undefined
  }
  const all: string[] = []
  for (const head of heads) for (const tail of tails) all.push(head + tail)
  return all
}

function classLiterals(ranges: CharClass): string[] | undefined {
  const all: string[] = []
  for (let i = 0; i < ranges.length; i += 2) {
    if (all.length + ranges[i + 1]! - ranges[i]! >= CLASS_LITERALS_MAX) return undefined
    for (let code = ranges[i]!; code <= ranges[i + 1]!; code++) all.push(String.fromCodePoint(code))
  }
  return all
}

/** What everything that the pattern matches begins with. */
export function prefixOf(node: RegexNode): string {
  switch (node.kind) {
    case 'literal':
      return node.text
    case 'class':
      return node.ranges.length === 2 && node.ranges[0] === node.ranges[1]
        ? String.fromCodePoint(node.ranges[0]!)
        : ''
    case 'concat': {
      let prefix = ''
      for (const part of node.parts) {
        prefix += prefixOf(part)
        if (part.kind !== 'literal') break
      }
      return prefix
    }
    case 'alternate': {
      let prefix = prefixOf(node.options[0]!)
      for (const option of node.options) prefix = commonPrefix(prefix, prefixOf(option))
      return prefix
    }
    case 'repeat':
      return node.min > 0 ? prefixOf(node.of) : ''
    default:
      return ''
  }
}

function commonPrefix(a: string, b: string): string {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  // Not between the halves of a surrogate pair.
  if (length > 0 && /[\ud800-\udbff]/.test(a[length - 1]!)) length--
  return a.slice(0, length)
}

/** The pattern as alternatives of literals with gaps; undefined when it has anything else. */
export function findPieces(node: RegexNode): readonly Pieces[] | undefined {
  const all: Pieces[] = []
  for (const option of node.kind === 'alternate' ? node.options : [node]) {
    const pieces = piecesOf(option.kind === 'concat' ? option.parts : [option])
    if (pieces === undefined) return undefined
    all.push(pieces)
  }
  return all.length > WAYS_MAX ? undefined : all
}

function piecesOf(parts: readonly RegexNode[]): Pieces | undefined {
  const literals = ['']
  const gaps: number[] = []
  let isGap = false
  for (const part of parts) {
    if (part.kind === 'literal') {
      if (part.text === '') continue
      literals[literals.length - 1] += part.text
      isGap = false
      continue
    }
    // Between characters that may be pairs of surrogates lengths above 1 are not told by indexes.
    if (part.kind !== 'repeat' || part.max !== Number.POSITIVE_INFINITY || part.min > 1) return
    if (part.of.kind !== 'class' || part.of.ranges !== ANY_CHAR) return undefined
    if (isGap) {
      if (part.min + gaps.at(-1)! > 1) return undefined
      gaps[gaps.length - 1]! += part.min
      continue
    }
    gaps.push(part.min)
    literals.push('')
    isGap = true
  }
  return { literals, gaps }
}

/**
 * Whether a backtracking matcher takes linear time on any text. Taken as proven when the tree has no
 * repeated groups, each of its sequences at most one unbounded repeat that may stop in more than one
 * place (its class overlaps what comes next) with none after it, and few alternatives otherwise.
 */
export function isLinear(node: RegexNode): boolean {
  const ways = waysOf(node)
  return ways !== undefined && ways <= WAYS_MAX && hasOneOpenRepeat(node)
}

/** How many ways through the tree there are, unbounded repeats counting one; undefined: not plain. */
function waysOf(node: RegexNode): number | undefined {
  switch (node.kind) {
    case 'literal':
    case 'class':
      return 1
    case 'concat': {
      let product = 1
      for (const part of node.parts) {
        const ways = waysOf(part)
        if (ways === undefined) return undefined
        product *= ways
      }
      return product
    }
    case 'alternate': {
      let sum = 0
      for (const option of node.options) {
        const ways = waysOf(option)
        if (ways === undefined) return undefined
        sum += ways
      }
      return sum
    }
    case 'repeat': {
      if (
        node.of.kind === 'class' ||
        (node.of.kind === 'literal' && [...node.of.text].length === 1)
      )
        return node.max === Number.POSITIVE_INFINITY ? 1 + node.min : 1 + node.max - node.min
      if (node.min !== 0 || node.max !== 1) return undefined
      const ways = waysOf(node.of)
      return ways === undefined ? undefined : ways + 1
    }
    default:
      return undefined
  }
}

function hasOneOpenRepeat(node: RegexNode): boolean {
  return sequencesOf(node).every((parts) => {
    let isOpen = false
    for (const [index, part] of parts.entries()) {
      const unbounded = countUnbounded(part)
      if (unbounded === 0) continue
      if (isOpen || unbounded > 1) return false
      isOpen = !closesAt(part, parts[index + 1])
    }
    return true
  })
}

/** Whether a repeat can only stop in one place, its characters not being those that follow. */
function closesAt(part: RegexNode, next: RegexNode | undefined): boolean {
  // Inside of an optional or an alternative the way on is not looked at.
  if (part.kind !== 'repeat' || part.max !== Number.POSITIVE_INFINITY || next === undefined) {
    return false
  }
  const own = firstChars(part.of)
  const following = firstChars(next)
  return own !== undefined && following !== undefined && !overlaps(own, following)
}

/** The alternatives at the top, each as its parts. */
function sequencesOf(node: RegexNode): (readonly RegexNode[])[] {
  if (node.kind === 'alternate') return node.options.flatMap(sequencesOf)
  return [node.kind === 'concat' ? node.parts : [node]]
}

function countUnbounded(node: RegexNode): number {
  switch (node.kind) {
    case 'concat':
      return node.parts.reduce((sum, part) => sum + countUnbounded(part), 0)
    case 'alternate':
      return node.options.reduce((sum, option) => sum + countUnbounded(option), 0)
    case 'repeat':
      return node.max === Number.POSITIVE_INFINITY ? 1 : countUnbounded(node.of)
    default:
      return 0
  }
}

/** What a node that takes at least one character may begin with; undefined when it may take none. */
function firstChars(node: RegexNode): CharClass | undefined {
  switch (node.kind) {
    case 'literal': {
      const code = node.text.codePointAt(0)
      return code === undefined ? undefined : [code, code]
    }
    case 'class':
      return node.ranges
    case 'concat':
      return firstChars(node.parts[0]!)
    case 'alternate': {
      const all: number[] = []
      for (const option of node.options) {
        const first = firstChars(option)
        if (first === undefined) return undefined
        all.push(...first)
      }
      return all
    }
    case 'repeat':
      return node.min > 0 ? firstChars(node.of) : undefined
    default:
      return undefined
  }
}

function overlaps(a: CharClass, b: CharClass): boolean {
  for (let i = 0; i < a.length; i += 2) {
    for (let k = 0; k < b.length; k += 2) {
      if (a[i]! <= b[k + 1]! && b[k]! <= a[i + 1]!) return true
    }
  }
  return false
}

/** The tree as source of a JavaScript expression with the flag `u`, anchored at both ends. */
export function printJsSource(node: RegexNode): string {
  return `^(?:${source(node)})$`
}

function source(node: RegexNode): string {
  switch (node.kind) {
    case 'literal':
      return Array.from(node.text, (char) => escapeCode(char.codePointAt(0)!)).join('')
    case 'class':
      return classSource(node.ranges)
    case 'concat':
      return node.parts
        .map((part) => (part.kind === 'alternate' ? `(?:${source(part)})` : source(part)))
        .join('')
    case 'alternate':
      return node.options.map(source).join('|')
    case 'repeat': {
      const max = node.max === Number.POSITIVE_INFINITY ? '' : node.max
      return `(?:${source(node.of)}){${node.min},${max}}`
    }
    default:
      return ''
  }
}

function classSource(ranges: CharClass): string {
  if (ranges.length === 0) return '[]'
  let text = ''
  for (let i = 0; i < ranges.length; i += 2) {
    text += escapeCode(ranges[i]!)
    if (ranges[i + 1]! > ranges[i]!) text += `-${escapeCode(ranges[i + 1]!)}`
  }
  return `[${text}]`
}

function escapeCode(code: number): string {
  const isPlain = code < 0x80 && /[0-9A-Za-z_]/.test(String.fromCharCode(code))
  return isPlain ? String.fromCharCode(code) : `\\u{${code.toString(16)}}`
}
