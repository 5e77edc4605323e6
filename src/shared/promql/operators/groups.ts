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
  const ordinals = new Map<number, number>()
  const of = state.memory.words(input.count)
  const sets: number[] = []
  for (let row = 0; row < input.count; row++) {
    const set = key.of(input.sets[row]!)
    state.memory.tick(16)
    let ordinal = ordinals.get(set)
    if (ordinal === undefined) {
      ordinal = sets.length
      ordinals.set(set, ordinal)
      sets.push(set)
    }
    of[row] = ordinal
  }
  const members = state.memory.words(sets.length)
  for (const group of of) members[group]! += 1
  return { of, sets, members }
}
