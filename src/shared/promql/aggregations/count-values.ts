/** count_values: how many rows of a group have each value, the value being a label. */
import { printFloatPlain } from '../../base/go-number.js'
import { printHistogram } from '../../model/histogram-text.js'
import { METRIC_NAME } from '../../model/labels.js'
import type { HistogramRow } from '../columns.js'
import type { LabelTable } from '../label-table.js'
import type { QueryMemory } from '../memory.js'
import { Projection } from '../operators/label-sets.js'

/** Counts per group and value, one output row each, made as values come up. */
export class ValueCounts {
  private readonly labels: LabelTable
  private readonly memory: QueryMemory
  private readonly label: string
  private readonly steps: number
  /** Input set → group without the label. */
  private readonly groups: Projection
  /** Group → value → output row. −0 and 0 print differently, so −0 has a row of its own. */
  private readonly rowsOf = new Map<number, Map<number, number>>()
  private readonly zeroRows = new Map<number, number>()
  private readonly keepsLabel: boolean
  readonly rows: { set: number; counts: Float64Array }[] = []
  private readonly rowOfSet = new Map<number, number>()

  constructor(options: {
    labels: LabelTable
    memory: QueryMemory
    steps: number
    label: string
    grouping: readonly string[]
    without: boolean
  }) {
    const { labels, memory, steps, label, grouping, without } = options
    this.labels = labels
    this.memory = memory
    this.label = label
    this.steps = steps
    // The value takes the place of a label of that name; `without` may leave it out again.
    this.keepsLabel = !(without && (grouping.includes(label) || label === METRIC_NAME))
    const names = without
      ? [...grouping, METRIC_NAME, label]
      : grouping.filter((name) => name !== label)
    this.groups = new Projection(labels, { names, keeps: !without })
  }

  /** Takes a row. */
  add(
    set: number,
    values: Float64Array,
    base: number,
    present: Uint32Array,
    wordBase: number,
    histograms?: HistogramRow,
  ): void {
    const group = this.groups.of(set)
    const words = (this.steps + 31) >>> 5
    for (let word = 0; word < words; word++) {
      let bits = present[wordBase + word]!
      for (let step = word << 5; bits !== 0; step++, bits >>>= 1) {
        if ((bits & 1) === 0) continue
        const histogram = histograms?.[step]
        const row =
          histogram === undefined
            ? this.rowOf(group, values[base + step]!)
            : this.makeRow(group, printHistogram(histogram))
        this.rows[row]!.counts[step]! += 1
      }
    }
  }

  private rowOf(group: number, value: number): number {
    if (value === 0 && 1 / value < 0) {
      const known = this.zeroRows.get(group)
      if (known !== undefined) return known
      const row = this.makeRow(group, printFloatPlain(value))
      this.zeroRows.set(group, row)
      return row
    }
    let rows = this.rowsOf.get(group)
    if (rows === undefined) {
      rows = new Map()
      this.rowsOf.set(group, rows)
    }
    const known = rows.get(value)
    if (known !== undefined) return known
    const row = this.makeRow(group, printFloatPlain(value))
    rows.set(value, row)
    return row
  }

  private makeRow(group: number, value: string): number {
    const { labels } = this
    const set = this.keepsLabel
      ? labels.internLabels([...labels.labels(group), { name: this.label, value }])
      : group
    const known = this.rowOfSet.get(set)
    if (known !== undefined) return known
    this.rowOfSet.set(set, this.rows.length)
    this.rows.push({ set, counts: this.memory.floats(this.steps) })
    return this.rows.length - 1
  }
}
