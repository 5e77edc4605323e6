/**
 * Parts of a query that are written several times, evaluated once: the matrix of the first time is
 * kept and each further one gets a copy. Evaluated anew all the same is
 * what has left a note, which names its place in the query; everything where samples are counted by
 * step, which Prometheus does each time; and a stream of many points, which need not be held at all.
 */
import type { StepMatrix } from '../columns.js'
import type { Plan, QueryPlan, SharedPart } from '../plan/plan.js'
import { materialise, type QueryState, type RowStream, streamOf } from './operator.js'

/** A stream of more points is not kept: 8 MiB. */
const POINTS_MAX = 1 << 20

/** Lets a state evaluate the shared parts of its plan once. */
export function shareResults(
  state: QueryState,
  shared: QueryPlan['shared'],
  isStreamed: (plan: Plan) => boolean,
): void {
  if (shared.size === 0) return
  const results = new SharedResults(state)
  const { evaluate, stream } = state
  // Where samples are counted by step every place counts its own.
  const partOf = (plan: Plan) => (state.stepSamples === undefined ? shared.get(plan) : undefined)
  state.evaluate = (plan) => {
    const part = partOf(plan)
    return part === undefined ? evaluate(plan) : results.evaluate(part, () => evaluate(plan))
  }
  state.stream = (plan) => {
    const part = isStreamed(plan) ? partOf(plan) : undefined
    return part === undefined ? stream(plan) : results.stream(part, () => stream(plan))
  }
}

/** What the parts of one query came to. */
class SharedResults {
  private readonly state: QueryState
  private readonly taken = new Map<SharedPart, number>()
  private readonly kept = new Map<SharedPart, StepMatrix>()

  constructor(state: QueryState) {
    this.state = state
  }

  async evaluate(part: SharedPart, make: () => Promise<StepMatrix>): Promise<StepMatrix> {
    const { annotations } = this.state
    const kept = this.take(part)
    if (kept !== undefined) return kept
    const before = annotations.count
    const matrix = await make()
    if (annotations.count === before) this.keep(part, matrix)
    return matrix
  }

  async stream(part: SharedPart, make: () => Promise<RowStream>): Promise<RowStream> {
    const { annotations, memory } = this.state
    const kept = this.take(part)
    if (kept !== undefined) return streamOf(kept)
    const before = annotations.count
    const level = memory.level()
    const rows = await make()
    if (rows.count * rows.steps > POINTS_MAX) return rows
    const matrix = await materialise(rows, memory)
    memory.settle(level, matrix)
    if (annotations.count === before) this.keep(part, matrix)
    return streamOf(matrix)
  }

  /** Keeps a copy: the matrix itself may be changed by who has asked for it. */
  private keep(part: SharedPart, matrix: StepMatrix): void {
    if (this.noteUse(part) < part.uses) this.kept.set(part, this.state.memory.keep(matrix))
  }

  private take(part: SharedPart): StepMatrix | undefined {
    const kept = this.kept.get(part)
    if (kept === undefined) return undefined
    const { memory } = this.state
    const copy = memory.copy(kept)
    if (this.noteUse(part) === part.uses) {
      this.kept.delete(part)
      memory.letGo(kept)
    }
    return copy
  }

  private noteUse(part: SharedPart): number {
    const uses = (this.taken.get(part) ?? 0) + 1
    this.taken.set(part, uses)
    return uses
  }
}
