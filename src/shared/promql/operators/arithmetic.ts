/**
 * The inner loops of binary operators: one row against another (or against the column of a
 * scalar), all steps. Arithmetic runs over every step, absent ones too, whose values nobody reads;
 * comparisons take bits away.
 *
 * Hot; benchmark bench/shared/promql/execute.bench.ts.
 */

import { goAtan2, goPow } from '../../base/go-math.js'
import type { BinaryOp } from '../syntax/ast.js'

/** Operators that make a new metric of their operands, whose name they drop. */
export function isArithmetic(op: BinaryOp): boolean {
  return ARITHMETIC.has(op)
}

const ARITHMETIC: ReadonlySet<BinaryOp> = new Set(['+', '-', '*', '/', '%', '^', 'atan2'])

/** out[i] = a[i] op b[i] for `count` steps; out may be a or b. */
export function compute(
  op: BinaryOp,
  a: Float64Array,
  aBase: number,
  b: Float64Array,
  bBase: number,
  out: Float64Array,
  outBase: number,
  count: number,
): void {
  switch (op) {
    case '+':
      for (let i = 0; i < count; i++) out[outBase + i] = a[aBase + i]! + b[bBase + i]!
      return
    case '-':
      for (let i = 0; i < count; i++) out[outBase + i] = a[aBase + i]! - b[bBase + i]!
      return
    case '*':
      for (let i = 0; i < count; i++) out[outBase + i] = a[aBase + i]! * b[bBase + i]!
      return
    case '/':
      for (let i = 0; i < count; i++) out[outBase + i] = a[aBase + i]! / b[bBase + i]!
      return
    case '%':
      for (let i = 0; i < count; i++) out[outBase + i] = a[aBase + i]! % b[bBase + i]!
      return
    case '^':
      for (let i = 0; i < count; i++) out[outBase + i] = goPow(a[aBase + i]!, b[bBase + i]!)
      return
    default:
      for (let i = 0; i < count; i++) out[outBase + i] = goAtan2(a[aBase + i]!, b[bBase + i]!)
  }
}

/** Whether a comparison holds. */
export function holds(op: BinaryOp, a: number, b: number): boolean {
  switch (op) {
    case '==':
      return a === b
    case '!=':
      return a !== b
    case '>':
      return a > b
    case '<':
      return a < b
    case '>=':
      return a >= b
    default:
      return a <= b
  }
}

/**
 * Compares where `words` has bits and keeps in `words` those that hold.
 * @param words presence from wordBase on: in those to compare, out those that hold
 */
export function compareRows(
  op: BinaryOp,
  a: Float64Array,
  aBase: number,
  b: Float64Array,
  bBase: number,
  words: Uint32Array,
  wordBase: number,
  count: number,
): void {
  const wordCount = (count + 31) >>> 5
  for (let word = 0; word < wordCount; word++) {
    const bits = words[wordBase + word]!
    if (bits === 0) continue
    const first = word << 5
    const last = Math.min(count, first + 32)
    words[wordBase + word] =
      bits & compareWord(op, a, aBase + first, b, bBase + first, last - first)
  }
}

function compareWord(
  op: BinaryOp,
  a: Float64Array,
  aBase: number,
  b: Float64Array,
  bBase: number,
  count: number,
): number {
  let held = 0
  switch (op) {
    case '==':
      for (let i = 0; i < count; i++) if (a[aBase + i]! === b[bBase + i]!) held |= 1 << i
      return held
    case '!=':
      for (let i = 0; i < count; i++) if (a[aBase + i]! !== b[bBase + i]!) held |= 1 << i
      return held
    case '>':
      for (let i = 0; i < count; i++) if (a[aBase + i]! > b[bBase + i]!) held |= 1 << i
      return held
    case '<':
      for (let i = 0; i < count; i++) if (a[aBase + i]! < b[bBase + i]!) held |= 1 << i
      return held
    case '>=':
      for (let i = 0; i < count; i++) if (a[aBase + i]! >= b[bBase + i]!) held |= 1 << i
      return held
    default:
      for (let i = 0; i < count; i++) if (a[aBase + i]! <= b[bBase + i]!) held |= 1 << i
      return held
  }
}

/** The answer of a comparison with `bool`: 1 where it holds, 0 where it does not. */
export function compareBool(
  op: BinaryOp,
  a: Float64Array,
  aBase: number,
  b: Float64Array,
  bBase: number,
  out: Float64Array,
  outBase: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    out[outBase + i] = holds(op, a[aBase + i]!, b[bBase + i]!) ? 1 : 0
  }
}
