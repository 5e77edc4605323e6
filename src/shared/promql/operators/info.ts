/**
 * info(): series get the data labels of info series that have the same identifying labels. At each
 * step the newest sample of an info metric says which of its series counts, so that a series of
 * the argument may come out as several.
 *
 * Follows Prometheus promql/info.go. Which labels identify is fixed there too.
 */
import { fail } from '../../errors/index.js'
import { METRIC_NAME } from '../../model/labels.js'
import { compileRegex } from '../../model/regex.js'
import type { HistogramRow, StepMatrix } from '../columns.js'
import { withLabel } from '../functions/label.js'
import type { LabelTable } from '../label-table.js'
import type { InfoPlan } from '../plan/plan.js'
import { matchesEmpty } from '../syntax/selectors.js'
import { printSet } from '../text.js'
import { Projection } from './label-sets.js'
import { MatrixBuilder, type QueryState } from './operator.js'
import { isPresentAt } from './rows.js'

const IDENTIFYING = ['instance', 'job'] as const

/** An info() call. */
export async function evaluateInfo(plan: InfoPlan, state: QueryState): Promise<StepMatrix> {
  const base = await state.evaluate(plan.input)
  // Values are the times of samples.
  const info = await state.evaluate(plan.info)
  const isInfo = infoTest(plan, state.labels)
  const ignored = Array.from({ length: base.series }, (_, row) => isInfo(base.sets[row]!))
  const found = candidates(base, ignored, info, state.labels)
  const metrics = infoMetrics(found, info, state)
  const chosen = chooseNewest(base, info, metrics, state)
  const joiner = new Joiner(plan, state.labels)
  const out = new OutputRows(base, state)
  for (let row = 0; row < base.series; row++) {
    const set = base.sets[row]!
    const groups = ignored[row] === true ? undefined : metrics.groupsOf(set)
    for (let step = 0; step < base.steps; step++) {
      if (!isPresentAt(base, row, step)) continue
      const partners = groups?.map((group) => chosen[group * base.steps + step]!)
      const result = partners === undefined ? set : joiner.join(set, partners)
      if (result !== undefined) out.add(result, row, step)
    }
    if (state.memory.worked(base.steps * 4)) await state.memory.breathe()
  }
  return out.matrix()
}

/** Whether a series of the argument is an info series itself: all name matchers accept its name. */
function infoTest(plan: InfoPlan, labels: LabelTable): (set: number) => boolean {
  const tests = plan.nameMatchers.map(({ op, value }) => {
    if (op === '=' || op === '!=') return (name: string) => (name === value) === (op === '=')
    const regex = compileRegex(value)
    return (name: string) => regex.test(name) === (op === '=~')
  })
  return (set) => {
    const name = labels.value(set, METRIC_NAME)
    return tests.length > 0 && tests.every((test) => test(name))
  }
}

/** Rows of info series whose identifying labels have values that the argument has. */
function candidates(
  base: StepMatrix,
  ignored: readonly boolean[],
  info: StepMatrix,
  labels: LabelTable,
): number[] {
  const wanted = IDENTIFYING.map((name) => {
    const values = new Set<string>()
    for (let row = 0; row < base.series; row++) {
      if (ignored[row] === false) values.add(labels.value(base.sets[row]!, name))
    }
    values.delete('')
    return { name, values }
  }).filter(({ values }) => values.size > 0)
  if (wanted.length === 0) return []
  const rows = Array.from({ length: info.series }, (_, row) => row)
  return rows.filter((row) =>
    wanted.every(({ name, values }) => values.has(labels.value(info.sets[row]!, name))),
  )
}

/** Info series by metric and identifying labels: a group has one series that counts at a step. */
interface InfoMetrics {
  /** Rows of each group. */
  readonly groups: readonly number[][]
  /** Groups with the identifying labels of a set. */
  groupsOf(set: number): readonly number[]
}

function infoMetrics(
  rows: readonly number[],
  info: StepMatrix,
  { labels }: QueryState,
): InfoMetrics {
  const identity = new Projection(labels, { names: IDENTIFYING, keeps: true })
  const key = new Projection(labels, { names: [...IDENTIFYING, METRIC_NAME], keeps: true })
  const ordinals = new Map<number, number>()
  const byIdentity = new Map<number, number[]>()
  const groups: number[][] = []
  for (const row of rows) {
    const set = info.sets[row]!
    let group = ordinals.get(key.of(set))
    if (group === undefined) {
      group = groups.length
      ordinals.set(key.of(set), group)
      groups.push([])
      const same = byIdentity.get(identity.of(set)) ?? []
      same.push(group)
      byIdentity.set(identity.of(set), same)
    }
    groups[group]!.push(row)
  }
  return { groups, groupsOf: (set) => byIdentity.get(identity.of(set)) ?? [] }
}

/**
 * [groups × steps] label set of the newest series of a group, −1 where none has a sample.
 * @throws AppError `query-execution` when two are equally new at a step with anything to enrich
 */
function chooseNewest(
  base: StepMatrix,
  info: StepMatrix,
  { groups }: InfoMetrics,
  { labels, memory }: QueryState,
): Float64Array {
  const { steps } = base
  const chosen = memory.floats(groups.length * steps).fill(-1)
  const wanted = anyPresence(base)
  for (const [group, rows] of groups.entries()) {
    for (let step = 0; step < steps; step++) {
      if (((wanted[step >>> 5]! >>> (step & 31)) & 1) === 0) continue
      let newest = -1
      for (const row of rows) {
        if (!isPresentAt(info, row, step)) continue
        const time = info.values[row * steps + step]!
        const newestTime = newest === -1 ? -Infinity : info.values[newest * steps + step]!
        if (time === newestTime) {
          const existing = `existing ${printSet(labels, info.sets[newest]!)} @ ${Math.round(time * 1000)}`
          const other = `new ${printSet(labels, info.sets[row]!)} @ ${Math.round(time * 1000)}`
          throw execution(`found duplicate series for info metric: ${existing}, ${other}`)
        }
        if (time > newestTime) newest = row
      }
      if (newest !== -1) chosen[group * steps + step] = info.sets[newest]!
    }
  }
  return chosen
}

/** [words] where any row has a point. */
function anyPresence({ series, words, present }: StepMatrix): Uint32Array {
  const any = new Uint32Array(words)
  for (let i = 0; i < series * words; i++) any[i % words]! |= present[i]!
  return any
}

/** Label sets with data labels added, remembered by the sets that they come from. */
class Joiner {
  private readonly labels: LabelTable
  private readonly dataLabels: ReadonlySet<string>
  /** A series without info series is left out: a data label was asked for that must be there. */
  private readonly needsInfo: boolean
  private readonly known = new Map<string, number | undefined>()

  constructor(plan: InfoPlan, labels: LabelTable) {
    this.labels = labels
    this.dataLabels = new Set(plan.dataMatchers.map(({ name }) => name))
    this.needsInfo = plan.dataMatchers.some((matcher) => !matchesEmpty(matcher))
  }

  /** @param partners sets of info series; −1 for none. Undefined: the point is left out */
  join(set: number, partners: readonly number[]): number | undefined {
    const key = `${set}|${partners.join()}`
    if (!this.known.has(key)) this.known.set(key, this.make(set, partners))
    return this.known.get(key)
  }

  private isAdded(name: string): boolean {
    return this.dataLabels.size === 0 || this.dataLabels.has(name)
  }

  private make(set: number, partners: readonly number[]): number | undefined {
    const { labels } = this
    const infos = partners.filter((partner) => partner !== -1)
    if (infos.length === 0) return this.needsInfo ? undefined : set
    const added = new Map<string, string>()
    for (const info of infos) {
      for (const { name, value } of labels.labels(info)) {
        if (name === METRIC_NAME || !this.isAdded(name)) continue
        if (added.has(name) && added.get(name) !== value) {
          throw execution(`conflicting label: ${name}`)
        }
        if (labels.value(set, name) === '') added.set(name, value)
      }
    }
    let result = set
    for (const [name, value] of added) result = withLabel(labels, result, name, value)
    return result
  }
}

/** The result's rows, one per label set, made as they come up. */
class OutputRows {
  private readonly base: StepMatrix
  private readonly state: QueryState
  private readonly rows = new Map<number, OutputRow>()

  constructor(base: StepMatrix, state: QueryState) {
    this.base = base
    this.state = state
  }

  /** Takes a point of the argument under a label set. */
  add(set: number, row: number, step: number): void {
    const { base } = this
    const { memory } = this.state
    let out = this.rows.get(set)
    if (out === undefined) {
      out = {
        values: memory.floats(base.steps),
        present: memory.words(base.words),
        dropName: base.dropName?.[row] ?? 0,
        histograms: undefined,
      }
      this.rows.set(set, out)
    }
    const bit = 1 << (step & 31)
    if ((out.present[step >>> 5]! & bit) !== 0) {
      throw execution('vector cannot contain metrics with the same labelset')
    }
    out.present[step >>> 5]! |= bit
    out.values[step] = base.values[row * base.steps + step]!
    const histogram = base.histograms?.[row]?.[step]
    if (histogram !== undefined) {
      out.histograms ??= []
      out.histograms[step] = histogram
    }
  }

  matrix(): StepMatrix {
    const { steps, words } = this.base
    const builder = new MatrixBuilder(this.state.memory, steps, this.rows.size)
    const { matrix } = builder
    for (const [set, { values, present, dropName, histograms }] of this.rows) {
      const at = builder.next()
      matrix.values.set(values, at * steps)
      matrix.present.set(present, at * words)
      builder.take(set, dropName, histograms)
    }
    return matrix
  }
}

interface OutputRow {
  readonly values: Float64Array
  readonly present: Uint32Array
  readonly dropName: number
  histograms: HistogramRow | undefined
}

function execution(text: string): Error {
  return fail('query-execution', { text })
}
