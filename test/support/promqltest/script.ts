/**
 * Reads scripts of Prometheus' PromQL test language (`load`, `eval`, `expect`, `clear`) into
 * commands. The language: conformance/promqltest/README.md of the shared material.
 */
import { parseDuration } from '../../../src/shared/base/duration.js'
import { findGoFloat } from '../../../src/shared/base/go-float.js'
import { parseGoNumber } from '../../../src/shared/base/go-number.js'
import { unquoteGo } from '../../../src/shared/base/go-string.js'
import { type Item, parseSeriesLine, type SeriesLine } from './series.js'

export type Command =
  | { readonly kind: 'clear'; readonly line: number }
  | {
      readonly kind: 'load'
      readonly line: number
      readonly stepMs: number
      /** Classic histograms become native ones besides. */
      readonly withNhcb: boolean
      readonly series: readonly SeriesLine[]
    }
  | EvalCommand

/** One query and what is expected of it. */
export interface EvalCommand {
  readonly kind: 'eval'
  readonly line: number
  readonly query: string
  /** Milliseconds; an instant eval has start === end and step 0. */
  readonly start: number
  readonly end: number
  readonly step: number
  readonly isInstant: boolean
  readonly expected: Expected
}

/** What a text is compared with: all of it, or anywhere in it. */
export type TextMatch =
  | { readonly how: 'any' }
  | { readonly how: 'msg'; readonly text: string }
  | { readonly how: 'regex'; readonly text: string }

export interface Expected {
  fail: TextMatch | undefined
  readonly warn: TextMatch[]
  readonly info: TextMatch[]
  noWarn: boolean
  noInfo: boolean
  isOrdered: boolean
  /** The result is this string. */
  string: string | undefined
  /** The result is this scalar. */
  scalar: number | undefined
  /** Times of the values below, when the result is a range vector. */
  rangeVector: { readonly start: number; readonly end: number; readonly step: number } | undefined
  readonly series: { readonly line: SeriesLine; readonly items: readonly Item[] }[]
}

const INSTANT = /^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$/i
const RANGE =
  /^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$/i
const EXPECT = /^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(msg|regex):(.+))?$/
const EXPECT_RANGE = /^expect\s+range\s+vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$/

/** Reads a script. @throws Error naming the line that is not understood */
export function parseScript(text: string): Command[] {
  const lines = text.split('\n').map((line) => {
    const trimmed = line.trim()
    return trimmed.startsWith('#') ? '' : trimmed
  })
  const commands: Command[] = []
  let at = 0
  while (at < lines.length) {
    const first = lines[at]!
    if (first === '') {
      at++
      continue
    }
    const body: string[] = []
    let next = at + 1
    const word = first.split(/\s/)[0]!.toLowerCase()
    if (word !== 'clear')
      while (next < lines.length && lines[next] !== '') body.push(lines[next++]!)
    try {
      const command = parseCommand(word, first, at + 1, body)
      if (command.kind === 'eval') next = at + 1 + command.used
      commands.push(command.kind === 'eval' ? command.command : command)
    } catch (error) {
      throw new Error(`line ${at + 1}: ${(error as Error).message}`, { cause: error })
    }
    at = next
  }
  return commands
}

type Parsed =
  | Exclude<Command, EvalCommand>
  | { readonly kind: 'eval'; readonly command: EvalCommand; readonly used: number }

function parseCommand(word: string, first: string, line: number, body: string[]): Parsed {
  if (word === 'clear') return { kind: 'clear', line }
  if (word === 'load' || word === 'load_with_nhcb') {
    const stepMs = parseDuration(first.split(/\s+/)[1]!)
    const withNhcb = word === 'load_with_nhcb'
    return { kind: 'load', line, stepMs, withNhcb, series: body.map(parseSeriesLine) }
  }
  if (!word.startsWith('eval')) throw new Error(`unknown command ${word}`)
  return parseEval(first, line, body)
}

function parseEval(first: string, line: number, body: readonly string[]): Parsed {
  const instant = INSTANT.exec(first)
  const range = RANGE.exec(first)
  let times: { start: number; end: number; step: number; isInstant: boolean }
  let query: string
  let mode: string | undefined
  if (instant !== null) {
    const at = parseTime(instant[2] ?? '0')
    times = { start: at, end: at, step: 0, isInstant: true }
    mode = instant[1]
    query = instant[3]!
  } else if (range !== null) {
    const [start, end, step] = range.slice(2, 5).map(parseTime) as [number, number, number]
    times = { start, end, step, isInstant: false }
    mode = range[1]
    query = range[5]!
  } else throw new Error(`not an eval: ${first}`)
  const expected = emptyExpected()
  if (mode === 'fail') expected.fail = { how: 'any' }
  if (mode === 'warn') expected.warn.push({ how: 'any' })
  if (mode === 'info') expected.info.push({ how: 'any' })
  if (mode === 'ordered') expected.isOrdered = true
  let used = 0
  while (used < body.length) {
    if (readExpectation(body[used++]!, expected) === 'ends') break
  }
  return { kind: 'eval', command: { kind: 'eval', line, query, ...times, expected }, used }
}

function emptyExpected(): Expected {
  return {
    fail: undefined,
    warn: [],
    info: [],
    noWarn: false,
    noInfo: false,
    isOrdered: false,
    string: undefined,
    scalar: undefined,
    rangeVector: undefined,
    series: [],
  }
}

function readExpectation(line: string, expected: Expected): 'goes on' | 'ends' {
  const old = /^expected_fail_(message|regexp)\s+(.+)$/.exec(line)
  if (old !== null) {
    expected.fail = { how: old[1] === 'message' ? 'msg' : 'regex', text: old[2]!.trim() }
    return 'ends'
  }
  const text = /^expect\s+string\s+(.+)$/.exec(line)
  if (text !== null) {
    expected.string = unquoteGo(text[1]!.trim()) ?? text[1]!
    return 'goes on'
  }
  const range = EXPECT_RANGE.exec(line)
  if (range !== null) {
    const [start, end, step] = range.slice(1, 4).map(parseTime) as [number, number, number]
    expected.rangeVector = { start, end, step }
    return 'goes on'
  }
  const plain = EXPECT.exec(line)
  if (plain !== null) {
    setExpectation(expected, plain[1]!, plain[2], plain[3]?.trim())
    return 'goes on'
  }
  const scalar = findNumber(line)
  if (scalar !== undefined) {
    expected.scalar = scalar
    return 'ends'
  }
  const series = parseSeriesLine(line)
  expected.series.push({ line: series, items: series.items })
  return 'goes on'
}

function setExpectation(
  expected: Expected,
  what: string,
  how: string | undefined,
  text: string | undefined,
): void {
  const match: TextMatch =
    how === undefined ? { how: 'any' } : { how: how === 'msg' ? 'msg' : 'regex', text: text! }
  if (what === 'fail') expected.fail = match
  else if (what === 'warn') expected.warn.push(match)
  else if (what === 'info') expected.info.push(match)
  else if (what === 'no_warn') expected.noWarn = true
  else if (what === 'no_info') expected.noInfo = true
  else expected.isOrdered = true
}

function findNumber(text: string): number | undefined {
  const integer = parseGoNumber(text)
  return 'value' in integer ? integer.value : findGoFloat(text)
}

/** A duration since the epoch, which may be negative. */
function parseTime(text: string): number {
  return text.startsWith('-') ? -parseDuration(text.slice(1)) : parseDuration(text)
}
