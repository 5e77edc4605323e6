/** Where a script's series go, and what the engine reads. */
import type { Labels } from '../../../src/shared/model/labels.js'
import { isStale, writeStale } from '../../../src/shared/model/stale.js'
import type { SeriesSource } from '../../../src/shared/promql/index.js'
import { MemorySource } from '../memory-source.js'

/** A storage under test; one is made for each script and after each `clear`. */
export interface Store {
  /** Adds samples, in time order and after those that the series has. */
  append(labels: Labels, ts: Float64Array, values: Float64Array): void
  readonly source: SeriesSource
}

/** Plain arrays: the engine alone is under test. */
export function memoryStore(): Store {
  const series = new Map<string, { labels: Labels; ts: number[]; values: Float64Array }>()
  let source: MemorySource | undefined
  return {
    append(labels, ts, values) {
      source = undefined
      const key = JSON.stringify(labels)
      const known = series.get(key)
      if (known === undefined) {
        series.set(key, { labels, ts: [...ts], values: values.slice() })
        return
      }
      known.ts.push(...ts)
      const all = new Float64Array(known.ts.length)
      all.set(known.values)
      all.set(values, known.values.length)
      known.values = all
    },
    get source() {
      if (source !== undefined) return source
      source = new MemorySource()
      for (const { labels, ts, values } of series.values()) {
        const record = Object.fromEntries(labels.map(({ name, value }) => [name, value]))
        source.addColumns(record, Float64Array.from(ts), values)
      }
      return source
    },
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

export { isStale }
