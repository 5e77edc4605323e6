/** Where operators and kernels leave annotations: at a place of the query, about a series. */
import { METRIC_NAME } from '../../model/labels.js'
import type { Notes, WindowNotes } from '../functions/kernel.js'
import type { PosRange } from '../syntax/ast.js'
import type { QueryState } from './operator.js'

/** Notes that stand at a position unless told otherwise. */
export function notesAt(state: QueryState, pos: PosRange): Notes {
  return {
    warn: (text, at) => state.annotations.warn(text, at ?? pos),
    info: (text, at) => state.annotations.info(text, at ?? pos),
  }
}

/** Notes of one series: texts name its metric. */
export function seriesNotes(notes: Notes, set: number, state: QueryState): WindowNotes {
  const { labels, release } = state
  return {
    warn: notes.warn,
    info: notes.info,
    name: () => labels.value(set, METRIC_NAME),
    release,
  }
}
