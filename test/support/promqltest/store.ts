/** Where a script's series go, and what the engine reads: a head, by its normal ways in and out. */
import type { FloatHistogram } from '../../../src/shared/model/histogram.js'
import type { Labels } from '../../../src/shared/model/labels.js'
import { writeStale } from '../../../src/shared/model/stale.js'
import type { SelectRequest, SeriesSource } from '../../../src/shared/promql/index.js'
import type { LabelTable } from '../../../src/shared/promql/label-table.js'
import type { SelectedSeries } from '../../../src/shared/promql/source.js'
import { createTestHead, HeadSource } from '../head-source.js'
import { MemorySource } from '../memory-source.js'
import type { Item } from './series.js'

/** Histograms of a column of samples, undefined where one is a float. */
export type Histograms = (FloatHistogram | undefined)[]

/** A storage under test; one is made for each script and after each `clear`. */
export interface Store {
  /** Adds samples, in time order and after those that the series has. */
  append(
    labels: Labels,
    ts: Float64Array,
    values: Float64Array,
    histograms: Histograms | undefined,
    starts?: Float64Array,
  ): void
  readonly source: SeriesSource
}

/**
 * Makes stores that are tenants of one head, whose memory is dear to reserve. Series with start
 * timestamps, which a head does not keep, are read from memory: they are there alone.
 */
export function headStores(): () => Store {
  const head = createTestHead()
  let count = 0
  return () => new ScriptStore(new HeadSource({ head, tenant: `script-${count++}` }))
}

class ScriptStore implements Store, SeriesSource {
  private readonly head: HeadSource
  private readonly memory = new MemorySource()
  /** Series that are in memory. */
  private readonly inMemory = new Set<string>()

  constructor(head: HeadSource) {
    this.head = head
  }

  get source(): SeriesSource {
    return this
  }

  append(
    labels: Labels,
    ts: Float64Array,
    values: Float64Array,
    histograms: Histograms | undefined,
    starts?: Float64Array,
  ): void {
    const key = JSON.stringify(labels)
    if (starts !== undefined || this.inMemory.has(key)) {
      this.inMemory.add(key)
      this.memory.append(labels, ts, values, histograms, starts)
    } else if (histograms === undefined) this.head.appendColumns(labels, ts, values)
    else this.head.appendMixed(labels, ts, values, histograms)
  }

  async select(request: SelectRequest, labels: LabelTable): Promise<SelectedSeries> {
    const memory = await this.memory.select(request, labels)
    const head = await this.head.select(request, labels)
    const sets = new Uint32Array(head.count + memory.count)
    sets.set(head.sets.subarray(0, head.count))
    sets.set(memory.sets.subarray(0, memory.count), head.count)
    return {
      count: sets.length,
      sets,
      read: (index, mint, maxt, out) => {
        if (index < head.count) head.read(index, mint, maxt, out)
        else memory.read(index - head.count, mint, maxt, out)
      },
      release: () => {
        head.release()
        memory.release()
      },
    }
  }
}

/** Columns of values, stale markers in their bits, and of the histograms if there are any. */
export function columnsOf(items: readonly Exclude<Item, undefined>[]): {
  readonly values: Float64Array
  readonly histograms: Histograms | undefined
} {
  const values = new Float64Array(items.length)
  const histograms: Histograms = []
  for (const [index, item] of items.entries()) {
    histograms.push(typeof item === 'object' ? item.histogram : undefined)
    if (item === 'stale') writeStale(values, index)
    else if (typeof item === 'number') values[index] = item
  }
  const hasHistograms = histograms.some((histogram) => histogram !== undefined)
  return { values, histograms: hasHistograms ? histograms : undefined }
}
