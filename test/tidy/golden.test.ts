/**
 * The scripts in test/golden/promql use every function, aggregation, operator and modifier of PromQL,
 * in expressions that are not meant to fail; so a clone without the shared scripts is tested as well.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  AGGREGATIONS,
  type BinaryOp,
  type DurationExpr,
  type Expr,
  FUNCTIONS,
  type Modifiers,
  parse,
  type SelectorMode,
  type VectorMatching,
} from '../../src/shared/promql/index.js'
import { parseScript } from '../support/promqltest/script.js'

const FOLDER = 'test/golden/promql'
const SYNTAX = {
  enableExperimentalFunctions: true,
  experimentalDurationExpr: true,
  enableExtendedRangeSelectors: true,
  enableBinopFillModifiers: true,
}

/** The compiler sees to it that none is missing. */
const OPERATORS: Readonly<Record<BinaryOp, true>> = {
  '+': true,
  '-': true,
  '*': true,
  '/': true,
  '%': true,
  '^': true,
  atan2: true,
  '==': true,
  '!=': true,
  '>': true,
  '<': true,
  '>=': true,
  '<=': true,
  '</': true,
  '>/': true,
  and: true,
  or: true,
  unless: true,
}
type DurationBinary = Extract<DurationExpr, { kind: 'duration-binary' }>
const DURATIONS: Readonly<Record<DurationBinary['op'] | 'step' | 'range', true>> = {
  '+': true,
  '-': true,
  '*': true,
  '/': true,
  '%': true,
  '^': true,
  max_of: true,
  min_of: true,
  step: true,
  range: true,
}
const MODES: Readonly<Record<SelectorMode, true>> = { plain: true, anchored: true, smoothed: true }
const CARDS: Readonly<Record<VectorMatching['card'], true>> = {
  'one-to-one': true,
  'many-to-one': true,
  'one-to-many': true,
  'many-to-many': true,
}
const MODIFIERS = [
  ...['offset', 'negative offset', '@ time', '@ start', '@ end', 'by', 'without', 'bool'],
  ...['on', 'ignoring', 'include', 'fill_left', 'fill_right', 'sign', 'subquery', 'subquery step'],
]

/** Notes what an expression is made of. */
class Uses {
  readonly seen = new Set<string>()

  note(kind: string, name: string | boolean): void {
    if (name !== false) this.seen.add(name === true ? `modifier ${kind}` : `${kind} ${name}`)
  }

  add(expr: Expr): void {
    switch (expr.kind) {
      case 'vector-selector':
        this.note('mode', expr.mode)
        this.addModifiers(expr)
        return
      case 'matrix-selector':
        this.addDuration(expr.rangeExpr)
        this.add(expr.selector)
        return
      case 'subquery':
        this.note('subquery', true)
        this.note('subquery step', expr.stepMs > 0)
        this.addDuration(expr.rangeExpr)
        this.addDuration(expr.stepExpr)
        this.addModifiers(expr)
        this.add(expr.expr)
        return
      case 'call':
        this.note('function', expr.func)
        for (const arg of expr.args) this.add(arg)
        return
      case 'aggregate':
        this.note('aggregation', expr.op)
        this.note('by', !expr.without && expr.grouping.length > 0)
        this.note('without', expr.without)
        if (expr.param !== undefined) this.add(expr.param)
        this.add(expr.expr)
        return
      case 'binary':
        this.addBinary(expr)
        return
      case 'unary':
        this.note('sign', true)
        this.add(expr.expr)
        return
      case 'paren':
        this.add(expr.expr)
    }
  }

  private addBinary({ op, lhs, rhs, matching, returnBool }: Extract<Expr, { kind: 'binary' }>) {
    this.note('operator', op)
    this.note('bool', returnBool)
    if (matching !== undefined) {
      this.note('card', matching.card)
      this.note('on', matching.on)
      this.note('ignoring', !matching.on && matching.labels.length > 0)
      this.note('include', matching.include.length > 0)
      this.note('fill_left', matching.fillLeft !== undefined)
      this.note('fill_right', matching.fillRight !== undefined)
    }
    this.add(lhs)
    this.add(rhs)
  }

  private addModifiers({ offsetMs, offsetExpr, atMs, atBound }: Modifiers): void {
    this.note('offset', offsetMs > 0)
    this.note('negative offset', offsetMs < 0)
    this.note('@ time', atMs !== undefined)
    this.note('@ start', atBound === 'start')
    this.note('@ end', atBound === 'end')
    this.addDuration(offsetExpr)
  }

  private addDuration(expr: DurationExpr | undefined): void {
    if (expr === undefined || expr.kind === 'duration') return
    if (expr.kind === 'duration-call') {
      this.note('duration', expr.func)
      return
    }
    if (expr.kind === 'duration-unary') {
      this.addDuration(expr.expr)
      return
    }
    this.note('duration', expr.op)
    this.addDuration(expr.lhs)
    this.addDuration(expr.rhs)
  }
}

test('our own scripts use all of PromQL', () => {
  const uses = new Uses()
  for (const file of readdirSync(FOLDER)) {
    for (const command of parseScript(readFileSync(join(FOLDER, file), 'utf8'))) {
      if (command.kind !== 'eval' || command.expected.fail !== undefined) continue
      uses.add(parse(command.query, SYNTAX))
    }
  }
  const wanted = [
    ...Object.keys(FUNCTIONS).map((name) => `function ${name}`),
    ...Object.keys(AGGREGATIONS).map((name) => `aggregation ${name}`),
    ...Object.keys(OPERATORS).map((name) => `operator ${name}`),
    ...Object.keys(DURATIONS).map((name) => `duration ${name}`),
    ...Object.keys(MODES).map((name) => `mode ${name}`),
    ...Object.keys(CARDS).map((name) => `card ${name}`),
    ...MODIFIERS.map((name) => `modifier ${name}`),
  ]
  const missing = wanted.filter((name) => !uses.seen.has(name))
  assert.deepEqual(missing, [], 'no script in test/golden/promql uses them')
})
