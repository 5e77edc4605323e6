/** The parser against tables of queries, the conformance scripts, damaged queries, and its bounds. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AppError } from '../../../../src/shared/errors/index.js'
import {
  type Expr,
  formatExpr,
  NESTING_MAX,
  type ParseOptions,
  parse,
  parseMetricSelector,
  printExpr,
  printPosition,
  TREE_DEPTH_MAX,
} from '../../../../src/shared/promql/syntax/index.js'
import { findShared, sharedPath } from '../../../support/shared-material.js'
import { INVALID } from './invalid-cases.js'
import { FORMATTED, VALID } from './valid-cases.js'

const EVERYTHING: ParseOptions = {
  enableExperimentalFunctions: true,
  experimentalDurationExpr: true,
  enableExtendedRangeSelectors: true,
  enableBinopFillModifiers: true,
}
const NOTHING: ParseOptions = {
  enableExperimentalFunctions: false,
  experimentalDurationExpr: false,
  enableExtendedRangeSelectors: false,
  enableBinopFillModifiers: false,
}

function errorOf(text: string, options = EVERYTHING): string {
  try {
    parse(text, options)
  } catch (error) {
    assert.ok(error instanceof AppError, String(error))
    assert.equal(error.id, 'query-parse')
    return error.message
  }
  return 'no error'
}

test('refuses what is no query with the text and the position of Prometheus', () => {
  for (const [query, error] of INVALID) assert.equal(errorOf(query), error, query)
})

test('parses what is a query and prints it as Prometheus does', () => {
  for (const [query, printed] of VALID) {
    assert.equal(printExpr(parse(query, EVERYTHING)), printed, query)
  }
})

test('lays out long queries as Prometheus does', () => {
  for (const [query, lines] of FORMATTED) {
    assert.deepEqual(formatExpr(parse(query, NOTHING)).split('\n'), lines)
  }
})

test('names the experimental part that is not enabled', () => {
  const cases: [string, string][] = [
    ['foo[5m*2]', '1:5: parse error: experimental duration expression is not enabled'],
    ['foo[step()]', '1:5: parse error: experimental duration expression is not enabled'],
    ['foo offset (5m)', '1:13: parse error: experimental duration expression is not enabled'],
    ['foo[5m] anchored', '1:1: parse error: anchored modifier is experimental and not enabled'],
    ['foo smoothed', '1:1: parse error: smoothed modifier is experimental and not enabled'],
    [
      'a + b + fill(1) c',
      '1:1: parse error: binop fill modifiers are experimental and not enabled',
    ],
    ['1 + mad_over_time(a[1m])', '1:5: parse error: function "mad_over_time" is not enabled'],
    [
      ' limitk(1, foo)',
      '1:2: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions',
    ],
  ]
  for (const [query, error] of cases) assert.equal(errorOf(query, NOTHING), error, query)
  assert.equal(errorOf('foo[5m] offset -5', NOTHING), 'no error')
  assert.equal(errorOf('fill + anchored + step', NOTHING), 'no error')
})

test('parses selectors alone', () => {
  assert.deepEqual(parseMetricSelector('foo{a=~"b.*", "c d"!="e"}', NOTHING), [
    { name: 'a', op: '=~', value: 'b.*' },
    { name: 'c d', op: '!=', value: 'e' },
    { name: '__name__', op: '=', value: 'foo' },
  ])
  assert.throws(() => parseMetricSelector('foo[5m]', NOTHING), /1:4: parse error: unexpected "\["/)
  assert.throws(() => parseMetricSelector('', NOTHING), /parse error: unexpected end of input/)
})

/** What an expression is without where it stands and the order of its matchers. */
function meaningOf(expr: Expr): unknown {
  return JSON.parse(
    JSON.stringify(expr, (key, value: unknown) => {
      if (key === 'pos') return undefined
      if (key === 'matchers' && Array.isArray(value))
        return value.map((m) => JSON.stringify(m)).sort()
      return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
    }),
  )
}

function conformanceQueries(folder: string): string[] {
  const queries = new Set<string>()
  const line =
    /^\s*eval(?:_\w+)?\s+(?:instant\s+at\s+\S+|range\s+from\s+\S+\s+to\s+\S+\s+step\s+\S+)\s+(.*)$/
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.test'))) {
    for (const text of readFileSync(join(folder, file), 'utf8').split('\n')) {
      const match = line.exec(text)
      if (match !== null) queries.add(match[1]!.trim())
    }
  }
  return [...queries]
}

test('parses every query of the conformance scripts; printed it means the same', (t) => {
  const folder = sharedPath('conformance/promqltest', t)
  if (folder === undefined) return
  const queries = conformanceQueries(folder)
  assert.ok(queries.length > 1500, `only ${queries.length} queries`)
  const refused: string[] = []
  for (const query of queries) {
    const error = errorOf(query)
    if (error !== 'no error') {
      refused.push(query)
      continue
    }
    const expr = parse(query, EVERYTHING)
    // Infinity is printed with a sign, which reads as an operator where a power follows.
    if (/[+]Inf/.test(printExpr(expr))) continue
    const again = parse(printExpr(expr), EVERYTHING)
    assert.deepEqual(meaningOf(again), meaningOf(expr), query)
    const formatted = parse(formatExpr(expr), EVERYTHING)
    assert.equal(printExpr(formatted), printExpr(expr), query)
  }
  assert.deepEqual(refused, [])
})

test('gives nothing but a parse error on damaged queries', () => {
  const folder = findShared('conformance/promqltest')
  const whole = [...VALID.map(([query]) => query), ...INVALID.map(([query]) => query)]
  if (folder !== undefined) whole.push(...conformanceQueries(folder))
  let state = 20261121
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const pieces = ['(', ')', '[', ']', '{', '}', ',', ':', '"', '`', '\\', '-', '^', '@', '#', '\n']
  pieces.push('5m', '1_', '0x', ' by (', ' offset ', ' on(', 'fill(', 'step()', 'é', '\ud83d', '\0')
  let refused = 0
  for (let round = 0; round < 20_000; round++) {
    let query = whole[random(whole.length)]!
    for (let edits = 1 + random(3); edits > 0; edits--) {
      const at = random(query.length + 1)
      const gone = random(2) === 0 ? random(4) : 0
      query =
        query.slice(0, at) + (pieces[random(pieces.length * 2)] ?? '') + query.slice(at + gone)
    }
    const error = errorOf(query)
    if (error === 'no error') continue
    refused++
    assert.match(error, /^(\d+:\d+|unknown position): parse error: ./, query)
  }
  assert.ok(refused > 5000, `only ${refused} were refused`)
})

test('refuses what is nested too deeply, whatever the nesting is made of', () => {
  const deep = (open: string, close: string, count: number): string =>
    `${open.repeat(count)}x${close.repeat(count)}`
  for (const [open, close] of [
    ['(', ')'],
    ['-', ''],
    ['sum(', ')'],
    ['1^', ''],
    ['abs(', ')'],
  ]) {
    assert.equal(errorOf(deep(open!, close!, NESTING_MAX - 1)), 'no error', open)
    assert.match(errorOf(deep(open!, close!, NESTING_MAX + 1)), /nested too deeply/, open)
    assert.match(errorOf(deep(open!, close!, 1_000_000)), /nested too deeply/, open)
  }
  assert.match(errorOf(`x[${deep('(', ')', 100_000)}]`), /nested too deeply/)
  assert.equal(errorOf(deep('1+', '', TREE_DEPTH_MAX - 1)), 'no error')
  assert.match(errorOf(deep('1+', '', 1_000_000)), /too many levels/)
  assert.match(errorOf(`x${'[5m:1m]'.repeat(100_000)}`), /too many levels/)
  assert.match(errorOf(`x[1${'+1'.repeat(100_000)}]`), /too many levels/)
})

test('answers ten megabytes of text', () => {
  const size = 10_000_000
  assert.equal(errorOf(`${' '.repeat(size)}foo`), 'no error')
  assert.equal(errorOf('a'.repeat(size)), 'no error')
  assert.equal(errorOf(`"${'\\n'.repeat(size / 20)}"`), 'no error')
  assert.match(errorOf('1_'.repeat(size / 20)), /bad number or duration syntax/)
  assert.match(errorOf('1'.repeat(size / 10)), /value out of range/)
  assert.match(errorOf(`${'\n'.repeat(size)}!`), /^10000001:1: /)
})

test('gives positions in the text as written', () => {
  const ratio = parse('rate(foo{b="c"}[5m] offset 1m) / x @ end()  ', EVERYTHING)
  assert.ok(ratio.kind === 'binary' && ratio.lhs.kind === 'call')
  assert.deepEqual(ratio.pos, { start: 0, end: 42 })
  assert.deepEqual(ratio.lhs.pos, { start: 0, end: 30 })
  assert.deepEqual(ratio.lhs.args[0]!.pos, { start: 5, end: 29 })
  assert.deepEqual(ratio.rhs.pos, { start: 33, end: 42 })
})

test('prints positions as line and column of bytes', () => {
  assert.equal(printPosition('foo', 0), '1:1')
  assert.equal(printPosition('é + x', 4), '1:6')
  assert.equal(printPosition('a\n😀 b', 5), '2:6')
  assert.equal(printPosition('', 0), 'unknown position')
})

test('gives the tree its parts', () => {
  const expr = parse('foo{a="b"}[1h30m] @ start() offset -5m', EVERYTHING)
  assert.deepEqual(JSON.parse(JSON.stringify(expr)), {
    kind: 'matrix-selector',
    rangeMs: 5_400_000,
    selector: {
      kind: 'vector-selector',
      name: 'foo',
      matchers: [
        { name: 'a', op: '=', value: 'b' },
        { name: '__name__', op: '=', value: 'foo' },
      ],
      mode: 'plain',
      offsetMs: -300_000,
      atBound: 'start',
      pos: { start: 0, end: 10 },
    },
    pos: { start: 0, end: 38 },
  })
  const set = parse('a and on(x) b', EVERYTHING)
  assert.ok(set.kind === 'binary')
  assert.equal(set.matching?.card, 'many-to-many')
  const scaled = parse('2 * a', EVERYTHING)
  assert.ok(scaled.kind === 'binary')
  assert.equal(scaled.matching, undefined)
})

test('a string of nothing but escapes can be ended in the middle', () => {
  const text = `"${'\\u00e9'.repeat(100_000)}"`
  let ticks = 0
  const stop = (): void => {
    if (++ticks > 5_000) throw new Error('stopped')
  }
  assert.throws(() => parse(text, NOTHING, stop), /^Error: stopped$/)
  assert.equal(ticks, 5_001)
})
