/**
 * Binary operators between two vectors. Rows are grouped by their matching key once; then pairs of
 * rows are combined over all steps, and presence bits tell where a pair matched. What Prometheus
 * checks at each step (several matches, equal result labels) is checked on overlaps of bits.
 *
 * Follows Prometheus promql/engine.go: VectorBinop, VectorAnd, VectorOr, VectorUnless.
 */
import type { HistogramRow, StepMatrix } from '../columns.js'
import type { VectorBinaryPlan } from '../plan/plan.js'
import type { BinaryOp, VectorMatching } from '../syntax/ast.js'
import { compareBool, compareRows, compute, isArithmetic } from './arithmetic.js'
import { operate, StepNotes, takeCells } from './histogram-binary.js'
import { matchProjection, ResultLabels } from './label-sets.js'
import { type Chains, checkOneSide, Pairs } from './match-checks.js'
import { notesAt } from './notes.js'
import { MatrixBuilder, type QueryState } from './operator.js'
import { compactRows, finishRows } from './rows.js'

/** Rows of both sides by matching key: ordinals from 0. */
interface Groups {
  readonly count: number
  /** [rows of the left side] ordinal. */
  readonly left: Uint32Array
  readonly right: Uint32Array
}

/** An operator between two vectors. */
export async function evaluateVectors(
  plan: VectorBinaryPlan,
  state: QueryState,
): Promise<StepMatrix> {
  const lhs = await state.evaluate(plan.lhs)
  const rhs = await state.evaluate(plan.rhs)
  const { op } = plan.binary
  const matching = plan.binary.matching ?? DEFAULT_MATCHING
  const groups = groupRows(lhs, rhs, matching, state)
  switch (op) {
    case 'and':
    case 'unless':
      return keepMatched(lhs, rhs, groups, op === 'and', state)
    case 'or':
      return finishRows(unite(lhs, rhs, groups, state), state)
    default:
      return finishRows(await combine(plan, matching, lhs, rhs, groups, state), state)
  }
}

const DEFAULT_MATCHING: VectorMatching = {
  card: 'one-to-one',
  labels: [],
  on: false,
  include: [],
  fillLeft: undefined,
  fillRight: undefined,
}

function groupRows(
  lhs: StepMatrix,
  rhs: StepMatrix,
  matching: VectorMatching,
  state: QueryState,
): Groups {
  const key = matchProjection(state.labels, matching)
  const project = ({ series, sets }: StepMatrix): Uint32Array => {
    const out = state.memory.words(series)
    for (let row = 0; row < series; row++) {
      out[row] = key.of(sets[row]!)
      state.memory.tick(16)
    }
    return out
  }
  const left = project(lhs)
  const right = project(rhs)
  // [set] ordinal + 1
  const ordinals = state.labels.takeNumbers()
  const keys: number[] = []
  for (const side of [left, right]) {
    for (let row = 0; row < side.length; row++) {
      const set = side[row]!
      if (ordinals[set] === 0) ordinals[set] = keys.push(set)
      side[row] = ordinals[set]! - 1
    }
  }
  state.labels.giveNumbers(ordinals, keys)
  return { left, right, count: keys.length }
}

/** [groups × words] where any row of a group has a point. */
function groupPresence(
  matrix: StepMatrix,
  ordinals: Uint32Array,
  count: number,
  state: QueryState,
): Uint32Array {
  const { words, present } = matrix
  const out = state.memory.words(count * words)
  for (let row = 0; row < matrix.series; row++) {
    const base = ordinals[row]! * words
    for (let word = 0; word < words; word++) out[base + word]! |= present[row * words + word]!
  }
  return out
}

/** `and`, `unless`: the left rows where the right side has their group, or has not. */
function keepMatched(
  lhs: StepMatrix,
  rhs: StepMatrix,
  groups: Groups,
  wanted: boolean,
  state: QueryState,
): StepMatrix {
  const { words, present } = lhs
  const right = groupPresence(rhs, groups.right, groups.count, state)
  for (let row = 0; row < lhs.series; row++) {
    const base = groups.left[row]! * words
    for (let word = 0; word < words; word++) {
      const bits = right[base + word]!
      present[row * words + word]! &= wanted ? bits : ~bits
    }
  }
  return compactRows(lhs)
}

/** `or`: the left rows, and the right ones where the left side has not their group. */
function unite(lhs: StepMatrix, rhs: StepMatrix, groups: Groups, state: QueryState): StepMatrix {
  const { steps, words } = lhs
  const left = groupPresence(lhs, groups.left, groups.count, state)
  const builder = new MatrixBuilder(state.memory, steps, lhs.series + rhs.series)
  const { matrix } = builder
  for (let row = 0; row < lhs.series; row++) {
    const at = builder.next()
    matrix.values.set(lhs.values.subarray(row * steps, (row + 1) * steps), at * steps)
    matrix.present.set(lhs.present.subarray(row * words, (row + 1) * words), at * words)
    const dropName = lhs.dropName === undefined ? 0 : lhs.dropName[row]!
    builder.take(lhs.sets[row]!, dropName, lhs.histograms?.[row])
  }
  for (let row = 0; row < rhs.series; row++) {
    const at = builder.next()
    const base = groups.right[row]! * words
    matrix.values.set(rhs.values.subarray(row * steps, (row + 1) * steps), at * steps)
    for (let word = 0; word < words; word++) {
      matrix.present[at * words + word] = rhs.present[row * words + word]! & ~left[base + word]!
    }
    const dropName = rhs.dropName === undefined ? 0 : rhs.dropName[row]!
    builder.take(rhs.sets[row]!, dropName, rhs.histograms?.[row])
  }
  return matrix
}

function chainRows(ordinals: Uint32Array, groupCount: number): Chains {
  const first = new Int32Array(groupCount).fill(-1)
  const next = new Int32Array(ordinals.length).fill(-1)
  for (let row = ordinals.length - 1; row >= 0; row--) {
    next[row] = first[ordinals[row]!]!
    first[ordinals[row]!] = row
  }
  return { first, next }
}

/** Arithmetic and comparisons: pairs of rows of the same group. */
async function combine(
  plan: VectorBinaryPlan,
  matching: VectorMatching,
  lhs: StepMatrix,
  rhs: StepMatrix,
  groups: Groups,
  state: QueryState,
): Promise<StepMatrix> {
  const { op, returnBool } = plan.binary
  // `one` is the side whose rows are unique in their group, `many` the other.
  const isSwapped = matching.card === 'one-to-many'
  const many = isSwapped ? rhs : lhs
  const one = isSwapped ? lhs : rhs
  const manyGroups = isSwapped ? groups.right : groups.left
  const oneGroups = isSwapped ? groups.left : groups.right
  const chains = chainRows(oneGroups, groups.count)
  checkOneSide(one, many, chains, matching, state)

  const dropsName = isArithmetic(op) || (returnBool && !state.delayedNameRemoval)
  const results = new ResultLabels(state.labels, matching, dropsName)
  const key = matchProjection(state.labels, matching)
  const { steps, words } = lhs
  // `fill_left` is for the many side and `fill_right` for the one side, whichever is written left.
  const fillMany = fillerOf(matching.fillLeft, many, manyGroups, groups.count, state)
  const fillOne = fillerOf(matching.fillRight, one, oneGroups, groups.count, state)
  const filled = (fillOne ? many.series : 0) + (fillMany ? one.series : 0)
  const builder = new MatrixBuilder(state.memory, steps, pairCount(manyGroups, chains) + filled)
  const { matrix } = builder
  const pairs = new Pairs(matrix, matching, state)
  const stepNotes = new StepNotes()
  /** Computes the row `at`, whose bits tell where both sides are; keeps it unless it is empty. */
  const take = (m: Operand, o: Operand, at: number, set: number): boolean => {
    const [left, right] = isSwapped ? [o, m] : [m, o]
    const histograms = pairRow(op, returnBool, left, right, matrix, at, stepNotes)
    return builder.take(set, returnBool ? 1 : 0, histograms)
  }
  for (let row = 0; row < many.series; row++) {
    const group = manyGroups[row]!
    const set = many.sets[row]!
    const operand = operandOf(many, row)
    const pair = (other: Operand, otherSet: number, at: number): void => {
      const matched = pairs.matched(at)
      const result = results.of(set, otherSet)
      pairs.add(matched, take(operand, other, at, result) ? at : -1, group, result)
    }
    for (let other = chains.first[group]!; other !== -1; other = chains.next[other]!) {
      const at = builder.next()
      if (!overlap(many, row, one, other, matrix.present, at * words)) continue
      pair(operandOf(one, other), one.sets[other]!, at)
    }
    if (fillOne !== undefined) {
      const at = builder.next()
      if (remainder(many, row, fillOne.present, group, matrix.present, at * words)) {
        pair(fillOne, key.of(set), at)
      }
    }
    if (state.memory.worked(steps)) await state.memory.breathe()
  }
  for (let row = 0; fillMany !== undefined && row < one.series; row++) {
    const at = builder.next()
    const group = oneGroups[row]!
    if (!remainder(one, row, fillMany.present, group, matrix.present, at * words)) continue
    const set = one.sets[row]!
    take(fillMany, operandOf(one, row), at, results.of(key.of(set), set))
    if (state.memory.worked(steps)) await state.memory.breathe()
  }
  stepNotes.emit(notesAt(state, plan.expr.pos))
  return matrix
}

/** A row's values. */
interface Operand {
  readonly values: Float64Array
  readonly base: number
  readonly histograms: HistogramRow | undefined
}

function operandOf({ values, steps, histograms }: StepMatrix, row: number): Operand {
  return { values, base: row * steps, histograms: histograms?.[row] }
}

/** What stands for the rows of a side that are missing. */
interface Filler extends Operand {
  /** [groups × words] where the side has any row of a group. */
  readonly present: Uint32Array
}

function fillerOf(
  value: number | undefined,
  side: StepMatrix,
  ordinals: Uint32Array,
  groupCount: number,
  state: QueryState,
): Filler | undefined {
  if (value === undefined) return undefined
  const present = groupPresence(side, ordinals, groupCount, state)
  const values = state.memory.floats(side.steps).fill(value)
  return { values, base: 0, histograms: undefined, present }
}

function pairCount(manyGroups: Uint32Array, chains: Chains): number {
  let count = 0
  for (const group of manyGroups) {
    for (let row = chains.first[group]!; row !== -1; row = chains.next[row]!) count++
  }
  return count
}

/** Writes where both rows have points; whether that is anywhere. */
function overlap(
  many: StepMatrix,
  row: number,
  one: StepMatrix,
  other: number,
  out: Uint32Array,
  outBase: number,
): boolean {
  const { words } = many
  let any = 0
  for (let word = 0; word < words; word++) {
    const bits = many.present[row * words + word]! & one.present[other * words + word]!
    out[outBase + word] = bits
    any |= bits
  }
  return any !== 0
}

/** Writes where a row has points and its group on the other side has none; whether that is anywhere. */
function remainder(
  matrix: StepMatrix,
  row: number,
  others: Uint32Array,
  group: number,
  out: Uint32Array,
  outBase: number,
): boolean {
  const { words, present } = matrix
  let any = 0
  for (let word = 0; word < words; word++) {
    const bits = present[row * words + word]! & ~others[group * words + word]!
    out[outBase + word] = bits
    any |= bits
  }
  return any !== 0
}

/** @returns the result's histograms */
function pairRow(
  op: BinaryOp,
  returnBool: boolean,
  left: Operand,
  right: Operand,
  out: StepMatrix,
  at: number,
  notes: StepNotes,
): HistogramRow | undefined {
  const { steps, words, values, present } = out
  const base = at * steps
  const wordBase = at * words
  const { values: a, base: aBase } = left
  const { values: b, base: bBase } = right
  const cells = takeCells(op, left.histograms, right.histograms, steps, present, wordBase)
  if (isArithmetic(op)) {
    compute(op, a, aBase, b, bBase, values, base, steps)
  } else if (returnBool) {
    compareBool(op, a, aBase, b, bBase, values, base, steps)
  } else {
    for (let i = 0; i < steps; i++) values[base + i] = a[aBase + i]!
    compareRows(op, a, aBase, b, bBase, present, wordBase, steps)
  }
  if (cells === undefined) return undefined
  return operate(
    op,
    returnBool,
    cells,
    (step) => left.histograms?.[step] ?? a[aBase + step]!,
    (step) => right.histograms?.[step] ?? b[bBase + step]!,
    { steps, values, base, present, wordBase },
    notes,
  )
}
