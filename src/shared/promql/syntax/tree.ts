/**
 * Expressions as the tree that /api/v1/parse_query answers, for user interfaces that draw them.
 * Keys and spellings follow Prometheus web/api/v1/translate_ast.go. Durations that are expressions
 * have no value without a query's times and are 0 here, as there.
 */
import { printFloatPlain } from '../../base/go-number.js'
import { FUNCTIONS } from '../functions/table.js'
import type { Binary, Expr, Modifiers, VectorSelector } from './ast.js'

/** A node of the tree, ready for JSON. */
export type TreeNode = Readonly<Record<string, unknown>> & { readonly type: string }

/** The tree of an expression. */
export function treeOf(expr: Expr): TreeNode {
  switch (expr.kind) {
    case 'number':
      return { type: 'numberLiteral', val: printFloatPlain(expr.value) }
    case 'string':
      return { type: 'stringLiteral', val: expr.value }
    case 'paren':
      return { type: 'parenExpr', expr: treeOf(expr.expr) }
    case 'unary':
      return { type: 'unaryExpr', op: expr.op, expr: treeOf(expr.expr) }
    case 'vector-selector':
      return { type: 'vectorSelector', ...selectorFields(expr) }
    case 'matrix-selector':
      return { type: 'matrixSelector', range: expr.rangeMs, ...selectorFields(expr.selector) }
    case 'subquery': {
      const { rangeMs, stepMs } = expr
      const fields = { range: rangeMs, step: stepMs, ...modifierFields(expr) }
      return { type: 'subquery', expr: treeOf(expr.expr), ...fields }
    }
    case 'aggregate':
      return {
        type: 'aggregation',
        op: expr.op,
        expr: treeOf(expr.expr),
        param: expr.param === undefined ? null : treeOf(expr.param),
        grouping: expr.grouping,
        without: expr.without,
      }
    case 'call': {
      const { args, variadic, returns } = FUNCTIONS[expr.func]!
      const func = { name: expr.func, argTypes: args, variadic, returnType: returns }
      return { type: 'call', func, args: expr.args.map(treeOf) }
    }
    case 'binary':
      return {
        type: 'binaryExpr',
        op: expr.op,
        lhs: treeOf(expr.lhs),
        rhs: treeOf(expr.rhs),
        matching: matchingFields(expr),
        bool: expr.returnBool,
      }
  }
}

function selectorFields(selector: VectorSelector): Readonly<Record<string, unknown>> {
  return {
    name: selector.name,
    ...modifierFields(selector),
    matchers: selector.matchers.map(({ name, op, value }) => ({ name, value, type: op })),
    anchored: selector.mode === 'anchored',
    smoothed: selector.mode === 'smoothed',
  }
}

function modifierFields({ offsetMs, atMs, atBound }: Modifiers): Readonly<Record<string, unknown>> {
  return { offset: offsetMs, timestamp: atMs ?? null, startOrEnd: atBound ?? null }
}

function matchingFields({ matching }: Binary): Readonly<Record<string, unknown>> | null {
  if (matching === undefined) return null
  const { card, labels, on, include, fillLeft, fillRight } = matching
  const fillValues = { lhs: fillLeft ?? null, rhs: fillRight ?? null }
  return { card, labels, on, include, fillValues }
}
