/** Where a script's series go, and what the engine reads: a head, by its normal ways in and out. */
import type { Labels } from '../../../src/shared/model/labels.js'
import { writeStale } from '../../../src/shared/model/stale.js'
import type { SeriesSource } from '../../../src/shared/promql/index.js'
import { createTestHead, HeadSource } from '../head-source.js'

/** A storage under test; one is made for each script and after each `clear`. */
export interface Store {
  /** Adds samples, in time order and after those that the series has. */
  append(labels: Labels, ts: Float64Array, values: Float64Array): void
  readonly source: SeriesSource
}

/** Makes stores that are tenants of one head, whose memory is dear to reserve. */
export function headStores(): () => Store {
  const head = createTestHead()
  let count = 0
  return () => {
    const source = new HeadSource({ head, tenant: `script-${count++}` })
    return {
      append: (labels, ts, values) => source.appendColumns(labels, ts, values),
      source,
    }
  }
}

/** A column of values with stale markers in their bits. */
export function columnOf(items: readonly (number | 'stale')[]): Float64Array {
  const column = new Float64Array(items.length)
  for (const [index, item] of items.entries()) {
    if (item === 'stale') writeStale(column, index)
    else column[index] = item
  }
  return column
}
