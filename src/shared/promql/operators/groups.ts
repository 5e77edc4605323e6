/** The groups of an aggregation: which row of its input belongs to which. */
import type { Aggregate } from '../syntax/ast.js'
import { groupProjection } from './label-sets.js'
import type { QueryState, RowStream } from './operator.js'

/** Groups of a stream's rows. */
export interface Groups {
  /** [rows] ordinal of the group. */
  readonly of: Uint32Array
  /** [groups] label sets. */
  readonly sets: number[]
  /** [groups] rows. */
  readonly members: Uint32Array
}

/** Numbers the groups of an aggregation in the order of their first rows. */
export function groupRows(
  { grouping, without }: Pick<Aggregate, 'grouping' | 'without'>,
  input: RowStream,
  state: QueryState,
): Groups {
  const key = groupProjection(state.labels, grouping, without)
  const of = state.memory.words(input.count)
  const sets: number[] = []
  for (let row = 0; row < input.count; row++) {
    of[row] = key.of(input.sets[row]!)
    state.memory.tick(16)
  }
  // [set] ordinal + 1
  const ordinals = state.labels.takeNumbers()
  for (let row = 0; row < input.count; row++) {
    const set = of[row]!
    if (ordinals[set] === 0) ordinals[set] = sets.push(set)
    of[row] = ordinals[set]! - 1
  }
  state.labels.giveNumbers(ordinals, sets)
  const members = state.memory.words(sets.length)
  for (const group of of) members[group]! += 1
  return { of, sets, members }
}
