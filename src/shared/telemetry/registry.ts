/**
 * The metrics of the whole process, made on the main thread from every thread's blocks. Counts of
 * threads that are gone are kept, so that a total never goes back; their gauges go with them.
 */
import { type CellReading, METRIC_BLOCKS_MAX, readMetricBlock } from './cells.js'
import { METRICS, type MetricName, type MetricRow } from './table.js'

/** Sums the blocks of threads and prints them. */
export class MetricsRegistry {
  private readonly threads = new Map<string, SharedArrayBuffer[]>()
  private readonly kept: Totals = new Map()
  private readonly computed = new Map<MetricName, () => Iterable<ComputedSeries>>()

  /** Adds a thread's block: its first, or a further one. */
  attach(thread: string, block: SharedArrayBuffer): void {
    const blocks = this.threads.get(thread) ?? []
    if (blocks.length < METRIC_BLOCKS_MAX) blocks.push(block)
    this.threads.set(thread, blocks)
  }

  /** A gauge of main's whose series, and their values, are looked up whenever metrics are shown. */
  compute(name: MetricName, series: () => Iterable<ComputedSeries>): void {
    this.computed.set(name, series)
  }

  /** The thread is gone: keeps its counts, drops its gauges. */
  retire(thread: string): void {
    for (const block of this.threads.get(thread) ?? []) {
      for (const cell of readMetricBlock(block)) {
        if (METRICS[cell.name].type !== 'gauge') addTo(this.kept, cell)
      }
    }
    this.threads.delete(thread)
  }

  /** All metrics in Prometheus' text format 0.0.4, sorted. */
  render(): string {
    const totals = this.totals()
    let text = ''
    for (const name of (Object.keys(METRICS) as MetricName[]).sort()) {
      const series = totals.get(name)
      if (series !== undefined) text += renderMetric(name, METRICS[name], series)
    }
    return text
  }

  /** The sum over all threads of one counter or gauge; 0 when nobody counted. */
  value(name: MetricName, ...labelValues: string[]): number {
    return this.totals().get(name)?.get(JSON.stringify(labelValues))?.values[0] ?? 0
  }

  /** Values of a label that a metric has anywhere, sorted. */
  labelValues(name: MetricName, label: string): string[] {
    const at = (METRICS[name].labels as readonly string[]).indexOf(label)
    const series = this.totals().get(name)?.values() ?? []
    return [...new Set(Array.from(series, ({ labelValues }) => labelValues[at] ?? ''))].sort()
  }

  /** Sums over all threads of a counter's series whose label has a value, by another label. */
  sumsBy(
    name: MetricName,
    by: string,
    where: { readonly label: string; readonly value: string },
  ): Record<string, number> {
    const labels: readonly string[] = METRICS[name].labels
    const sums: Record<string, number> = {}
    for (const { labelValues, values } of this.totals().get(name)?.values() ?? []) {
      if (labelValues[labels.indexOf(where.label)] !== where.value) continue
      const key = labelValues[labels.indexOf(by)] ?? ''
      sums[key] = (sums[key] ?? 0) + values[0]!
    }
    return sums
  }

  private totals(): Totals {
    const totals: Totals = new Map()
    for (const series of this.kept.values()) {
      for (const cell of series.values()) addTo(totals, cell)
    }
    for (const blocks of this.threads.values()) {
      for (const block of blocks) for (const cell of readMetricBlock(block)) addTo(totals, cell)
    }
    for (const [name, series] of this.computed) {
      for (const { labelValues, value } of series()) {
        addTo(totals, { name, labelValues, values: [value] })
      }
    }
    return totals
  }
}

/** One series of a computed gauge. */
export interface ComputedSeries {
  readonly labelValues: readonly string[]
  readonly value: number
}

/** Per metric, per label values (as JSON): the sums. */
type Totals = Map<MetricName, Map<string, { -readonly [K in keyof CellReading]: CellReading[K] }>>

function addTo(totals: Totals, cell: CellReading): void {
  let series = totals.get(cell.name)
  if (series === undefined) {
    series = new Map()
    totals.set(cell.name, series)
  }
  const key = JSON.stringify(cell.labelValues)
  const sum = series.get(key)
  if (sum === undefined) series.set(key, { ...cell })
  else sum.values = sum.values.map((value, at) => value + cell.values[at]!)
}

function renderMetric(name: string, row: MetricRow, series: Map<string, CellReading>): string {
  let text = `# HELP ${name} ${row.help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}\n`
  text += `# TYPE ${name} ${row.type}\n`
  for (const key of [...series.keys()].sort()) {
    const { labelValues, values } = series.get(key)!
    const labels = row.labels.map((label, at) => `${label}="${escapeValue(labelValues[at] ?? '')}"`)
    text += row.buckets
      ? renderHistogram(name, labels, row.buckets, values)
      : `${name}${braces(labels)} ${print(values[0]!)}\n`
  }
  return text
}

function renderHistogram(
  name: string,
  labels: readonly string[],
  buckets: readonly number[],
  values: readonly number[],
): string {
  let text = ''
  let count = 0
  for (let at = 0; at <= buckets.length; at++) {
    count += values[at]!
    const bound = at < buckets.length ? print(buckets[at]!) : '+Inf'
    text += `${name}_bucket${braces([...labels, `le="${bound}"`])} ${count}\n`
  }
  text += `${name}_sum${braces(labels)} ${print(values[buckets.length + 1]!)}\n`
  return `${text}${name}_count${braces(labels)} ${count}\n`
}

function braces(labels: readonly string[]): string {
  return labels.length === 0 ? '' : `{${labels.join(',')}}`
}

function escapeValue(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
}

function print(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}
