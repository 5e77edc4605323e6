/** How code counts: cells in shared memory, one writer per thread, summed at scrape. */
import type { MetricName } from './table.js'

/** A counter or gauge of one label set. Cheap: one plain add on a Float64Array. */
export interface Cell {
  add(value: number): void
  set(value: number): void
}

/** A histogram of one label set. */
export interface HistogramCell {
  observe(value: number): void
}

/** Where an actor gets its cells. */
export interface Metrics {
  /** The cell of a counter or gauge; keep it, do not look it up per event. */
  cell(name: MetricName, ...labelValues: string[]): Cell
  histogram(name: MetricName, ...labelValues: string[]): HistogramCell
  /** Gives back the cell of a counter or gauge, which nobody adds to any more; without one nothing happens. */
  release(name: MetricName, ...labelValues: string[]): void
}
