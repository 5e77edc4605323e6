/**
 * Binary operators between two vectors. Rows are grouped by their matching key once; then pairs of
 * rows are combined over all steps, and presence bits tell where a pair matched. What Prometheus
 * checks at each step (several matches, equal result labels) is checked on overlaps of bits.
 *
 * Follows Prometheus promql/engine.go: VectorBinop, VectorAnd, VectorOr, VectorUnless.
 */
import { fail } from '../../errors/index.js'
import type { StepMatrix } from '../columns.js'
import type { VectorBinaryPlan } from '../plan/plan.js'
import type { BinaryOp, VectorMatching } from '../syntax/ast.js'
import { printSet } from '../text.js'
import { compareBool, compareRows, compute, isArithmetic } from './arithmetic.js'
import { matchProjection, ResultLabels } from './label-sets.js'
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
  const ordinals = new Map<number, number>()
  const number = (matrix: StepMatrix): Uint32Array => {
    const out = state.memory.words(matrix.series)
    for (let row = 0; row < matrix.series; row++) {
      const set = key.of(matrix.sets[row]!)
      let ordinal = ordinals.get(set)
      if (ordinal === undefined) {
        ordinal = ordinals.size
        ordinals.set(set, ordinal)
      }
      out[row] = ordinal
    }
    return out
  }
  const left = number(lhs)
  const right = number(rhs)
  return { left, right, count: ordinals.size }
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
    builder.take(lhs.sets[row]!, lhs.dropName === undefined ? 0 : lhs.dropName[row]!)
  }
  for (let row = 0; row < rhs.series; row++) {
    const at = builder.next()
    const base = groups.right[row]! * words
    matrix.values.set(rhs.values.subarray(row * steps, (row + 1) * steps), at * steps)
    for (let word = 0; word < words; word++) {
      matrix.present[at * words + word] = rhs.present[row * words + word]! & ~left[base + word]!
    }
    builder.take(rhs.sets[row]!, rhs.dropName === undefined ? 0 : rhs.dropName[row]!)
  }
  return matrix
}

/** Rows of one side by group: first of the chain, next of each; −1 ends it. */
interface Chains {
  readonly first: Int32Array
  readonly next: Int32Array
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
  const { steps, words } = lhs
  const builder = new MatrixBuilder(state.memory, steps, pairCount(manyGroups, chains))
  const { matrix } = builder
  const pairs = new Pairs({ many, one, out: matrix }, matching, state)
  for (let row = 0; row < many.series; row++) {
    const group = manyGroups[row]!
    for (let other = chains.first[group]!; other !== -1; other = chains.next[other]!) {
      const at = builder.next()
      if (!overlap(many, row, one, other, matrix.present, at * words)) continue
      const set = results.of(many.sets[row]!, one.sets[other]!)
      const [a, b] = isSwapped ? [other, row] : [row, other]
      pairRow(op, returnBool, lhs, a * steps, rhs, b * steps, matrix, at)
      const isKept = builder.take(set, returnBool ? 1 : 0)
      pairs.add(row, other, isKept ? at : -1, group, set)
    }
    if (state.memory.worked(steps)) await state.memory.breathe()
  }
  return matrix
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

function pairRow(
  op: BinaryOp,
  returnBool: boolean,
  lhs: StepMatrix,
  aBase: number,
  rhs: StepMatrix,
  bBase: number,
  out: StepMatrix,
  at: number,
): void {
  const { steps, words } = out
  const base = at * steps
  if (isArithmetic(op)) {
    compute(op, lhs.values, aBase, rhs.values, bBase, out.values, base, steps)
  } else if (returnBool) {
    compareBool(op, lhs.values, aBase, rhs.values, bBase, out.values, base, steps)
  } else {
    for (let i = 0; i < steps; i++) out.values[base + i] = lhs.values[aBase + i]!
    compareRows(op, lhs.values, aBase, rhs.values, bBase, out.present, at * words, steps)
  }
}

/**
 * Finds pairs that Prometheus refuses: in one-to-one matching a second row of the same group at
 * the same step, otherwise a second one with the same result labels. Release 3.5 does not count
 * what a comparison has left out.
 */
class Pairs {
  private readonly out: StepMatrix
  private readonly many: StepMatrix
  private readonly one: StepMatrix
  private readonly isOneToOne: boolean
  private readonly countsFiltered: boolean
  /** By group, or by result set: the pairs so far, as many-row, one-row, row of the result, group. */
  private readonly seen = new Map<number, number[]>()

  constructor(
    sides: { many: StepMatrix; one: StepMatrix; out: StepMatrix },
    matching: VectorMatching,
    state: QueryState,
  ) {
    this.out = sides.out
    this.many = sides.many
    this.one = sides.one
    this.isOneToOne = matching.card === 'one-to-one'
    this.countsFiltered = state.release !== '3.5'
  }

  /** @param at the pair's row in the result; −1 when a comparison has left nothing of it */
  add(row: number, other: number, at: number, group: number, set: number): void {
    if (at === -1 && !this.countsFiltered) return
    const key = this.isOneToOne ? group : set
    const pairs = this.seen.get(key)
    if (pairs === undefined) {
      this.seen.set(key, [row, other, at, group])
      return
    }
    pairs.push(row, other, at, group)
    const last = pairs.length - 4
    for (let earlier = 0; earlier < last; earlier += 4) {
      if (pairs[earlier + 3] === group) this.check(pairs, earlier, last)
    }
  }

  private check(pairs: readonly number[], a: number, b: number): void {
    for (let word = 0; word < this.out.words; word++) {
      if ((this.matched(pairs, a, word) & this.matched(pairs, b, word)) === 0) continue
      const why = this.isOneToOne
        ? 'many-to-one matching must be explicit (group_left/group_right)'
        : 'grouping labels must ensure unique matches'
      throw fail('query-execution', { text: `multiple matches for labels: ${why}` })
    }
  }

  /** Where a pair counts as a match. */
  private matched(pairs: readonly number[], pair: number, word: number): number {
    const words = this.out.words
    if (!this.countsFiltered) return this.out.present[pairs[pair + 2]! * words + word]!
    const many = this.many.present[pairs[pair]! * words + word]!
    return many & this.one.present[pairs[pair + 1]! * words + word]!
  }
}

/**
 * Refuses two rows of one group on the side that must be unique, at a step where both sides have
 * something at all. The error names the first such step's rows.
 */
function checkOneSide(
  one: StepMatrix,
  many: StepMatrix,
  chains: Chains,
  matching: VectorMatching,
  state: QueryState,
): void {
  const { words } = one
  const active = new Uint32Array(words)
  for (let i = 0; i < many.series * words; i++) active[i % words]! |= many.present[i]!
  const seen = new Uint32Array(words)
  let stepFirst = Infinity
  let rowFirst = -1
  let chainFirst = -1
  for (const start of chains.first) {
    if (start === -1 || chains.next[start] === -1) continue
    seen.fill(0)
    for (let row = start; row !== -1; row = chains.next[row]!) {
      for (let word = 0; word < words; word++) {
        const bits = one.present[row * words + word]! & active[word]!
        const twice = bits & seen[word]!
        seen[word]! |= bits
        if (twice === 0) continue
        const step = (word << 5) + (31 - Math.clz32(twice & -twice))
        if (step > stepFirst || (step === stepFirst && row > rowFirst)) continue
        stepFirst = step
        rowFirst = row
        chainFirst = start
      }
    }
  }
  if (rowFirst === -1) return
  const at = stepFirst >>> 5
  const bit = 1 << (stepFirst & 31)
  let earlier = chainFirst
  while ((one.present[earlier * words + at]! & bit) === 0) earlier = chains.next[earlier]!
  throw duplicateSeries(one.sets[rowFirst]!, one.sets[earlier]!, matching, state)
}

function duplicateSeries(
  set: number,
  earlier: number,
  matching: VectorMatching,
  { labels }: QueryState,
): Error {
  const group = printSet(labels, matchProjection(labels, matching).of(set))
  // In the order of their labels, so that the text does not hang on the order of storage.
  if (labels.compare(set, earlier) > 0) [set, earlier] = [earlier, set]
  const side = matching.card === 'one-to-many' ? 'left' : 'right'
  return fail('query-execution', {
    text:
      `found duplicate series for the match group ${group} on the ${side} hand-side of the operation: ` +
      `[${printSet(labels, set)}, ${printSet(labels, earlier)}]` +
      ';many-to-many matching not allowed: matching labels must be unique on one side',
  })
}
