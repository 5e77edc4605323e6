/**
 * What operators do to label sets, on ids, remembered per set: grouping and matching keys, and the
 * labels of a binary operation's result.
 */
import { METRIC_NAME } from '../../model/labels.js'
import { EMPTY_SET, type LabelTable, type SetMap } from '../label-table.js'
import type { VectorMatching } from '../syntax/ast.js'

/** Sets reduced to some labels, or to all but some. */
export class Projection {
  private readonly labels: LabelTable
  private readonly nameIds: ReadonlySet<number>
  private readonly keeps: boolean
  private readonly known: SetMap

  /** @param options.names labels to keep, or with `keeps` false to leave out */
  constructor(labels: LabelTable, options: { names: readonly string[]; keeps: boolean }) {
    this.labels = labels
    this.nameIds = new Set(options.names.map((name) => labels.nameId(name)))
    this.keeps = options.keeps
    const ids = [...this.nameIds].sort((a, b) => a - b)
    this.known = labels.projected(`${options.keeps ? 'by' : 'without'} ${ids.join(' ')}`)
  }

  /** The projected set. */
  of(set: number): number {
    if (this.keeps && this.nameIds.size === 0) return EMPTY_SET
    const known = this.known.get(set)
    if (known !== 0) return known - 1
    const { nameIds, keeps } = this
    const labels = this.labels
    const pairs = labels.pairs(set)
    const kept = pairs.filter((pair) => nameIds.has(labels.pairNameId(pair)) === keeps)
    const projected = kept.length === pairs.length ? set : labels.internSet(kept)
    this.known.set(set, projected + 1)
    return projected
  }
}

/** The key of `by (…)` or `without (…)`, which is the label set of the group too. */
export function groupProjection(
  labels: LabelTable,
  grouping: readonly string[],
  without: boolean,
): Projection {
  const names = without ? [...grouping, METRIC_NAME] : grouping
  return new Projection(labels, { names, keeps: !without })
}

/** The key of `on (…)` or `ignoring (…)`. */
export function matchProjection(labels: LabelTable, matching: VectorMatching): Projection {
  const names = matching.on ? matching.labels : [...matching.labels, METRIC_NAME]
  return new Projection(labels, { names, keeps: matching.on })
}

/** Labels of a binary operation's result; Prometheus promql/engine.go, resultMetric. */
export class ResultLabels {
  private readonly labels: LabelTable
  private readonly matching: VectorMatching
  private readonly dropsName: boolean
  private readonly reduced: Projection | undefined
  private readonly includes: readonly { id: number; name: string }[]
  /**
   * Many-side set → the one-side set that it was last joined with, and the result; kept from query
   * to query. The one side is 0 where nothing is included.
   */
  private readonly partners: SetMap
  private readonly results: SetMap

  /** @param dropsName the operation makes a new metric of its operands */
  constructor(labels: LabelTable, matching: VectorMatching, dropsName: boolean) {
    this.labels = labels
    this.matching = matching
    this.dropsName = dropsName
    this.reduced =
      matching.card === 'one-to-one'
        ? new Projection(labels, { names: matching.labels, keeps: matching.on })
        : undefined
    this.includes = matching.include.map((name) => ({ id: labels.nameId(name), name }))
    const { card, on, include } = matching
    const names = card === 'one-to-one' ? matching.labels : []
    const key = JSON.stringify([card, on, names, include, dropsName])
    this.partners = labels.projected(`partner ${key}`)
    this.results = labels.projected(`joined ${key}`)
  }

  /** The result's set; `many` is the left side when both are one. */
  of(many: number, one: number): number {
    const source = this.includes.length === 0 ? 0 : one
    if (this.partners.get(many) === source + 1) return this.results.get(many) - 1
    const result = this.make(many, one)
    this.partners.set(many, source + 1)
    this.results.set(many, result + 1)
    return result
  }

  private make(many: number, one: number): number {
    const { labels, includes } = this
    let set = this.dropsName ? labels.withoutName(many) : many
    if (this.reduced !== undefined) set = this.reduced.of(set)
    if (this.matching.include.length === 0) return set
    const included = new Set(includes.map(({ id }) => id))
    const kept = labels.labels(
      labels.internSet(labels.pairs(set).filter((pair) => !included.has(labels.pairNameId(pair)))),
    )
    const added = includes.map(({ name }) => ({ name, value: labels.value(one, name) }))
    return labels.internLabels([...kept, ...added])
  }
}
