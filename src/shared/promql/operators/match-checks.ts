/**
 * What binary operators between vectors refuse: a side that should be unique and is not, several
 * matches where one is allowed. Prometheus checks it at each step; here overlaps of presence bits
 * tell. Texts follow Prometheus promql/engine.go, VectorBinop.
 */
import { fail } from '../../errors/index.js'
import type { StepMatrix } from '../columns.js'
import type { VectorMatching } from '../syntax/ast.js'
import { printSet } from '../text.js'
import { matchProjection } from './label-sets.js'
import type { QueryState } from './operator.js'

/** Rows of one side by group: first of the chain, next of each; −1 ends it. */
export interface Chains {
  readonly first: Int32Array
  readonly next: Int32Array
}

/**
 * Finds pairs that Prometheus refuses: in one-to-one matching a second row of the same group at
 * the same step, otherwise a second one with the same result labels. Release 3.5 does not count
 * what a comparison has left out.
 */
export class Pairs {
  private readonly out: StepMatrix
  private readonly isOneToOne: boolean
  private readonly countsFiltered: boolean
  /** By group, or by result set: the pairs so far. */
  private readonly seen = new Map<number, Pair[]>()

  /** @param out the result, whose rows are the pairs */
  constructor(out: StepMatrix, matching: VectorMatching, state: QueryState) {
    this.out = out
    this.isOneToOne = matching.card === 'one-to-one'
    this.countsFiltered = state.release !== '3.5'
  }

  /** Where the pair in row `at` of the result matches, before a comparison filters it. */
  matched(at: number): Uint32Array | undefined {
    if (!this.countsFiltered) return undefined
    const { words } = this.out
    return this.out.present.slice(at * words, (at + 1) * words)
  }

  /** @param at the pair's row in the result; −1 when a comparison has left nothing of it */
  add(matched: Uint32Array | undefined, at: number, group: number, set: number): void {
    if (at === -1 && matched === undefined) return
    const key = this.isOneToOne ? group : set
    const pair: Pair = { matched, at, group }
    const pairs = this.seen.get(key)
    if (pairs === undefined) {
      this.seen.set(key, [pair])
      return
    }
    for (const earlier of pairs) if (earlier.group === group) this.check(earlier, pair)
    pairs.push(pair)
  }

  private check(a: Pair, b: Pair): void {
    for (let word = 0; word < this.out.words; word++) {
      if ((this.bits(a, word) & this.bits(b, word)) === 0) continue
      const why = this.isOneToOne
        ? 'many-to-one matching must be explicit (group_left/group_right)'
        : 'grouping labels must ensure unique matches'
      throw fail('query-execution', { text: `multiple matches for labels: ${why}` })
    }
  }

  private bits({ matched, at }: Pair, word: number): number {
    return matched === undefined ? this.out.present[at * this.out.words + word]! : matched[word]!
  }
}

/** A pair that has matched somewhere. */
interface Pair {
  readonly matched: Uint32Array | undefined
  readonly at: number
  readonly group: number
}

/**
 * Refuses two rows of one group on the side that must be unique, at a step where both sides have
 * something at all. The error names the first such step's rows.
 */
export function checkOneSide(
  one: StepMatrix,
  many: StepMatrix,
  chains: Chains,
  matching: VectorMatching,
  state: QueryState,
): void {
  const { words } = one
  const active = new Uint32Array(words)
  const fills = matching.fillLeft !== undefined || matching.fillRight !== undefined
  if (fills) active.fill(0xffffffff)
  else for (let i = 0; i < many.series * words; i++) active[i % words]! |= many.present[i]!
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
