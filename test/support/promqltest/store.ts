/** Where a script's series go, and what the engine reads: a head, by its normal ways in and out. */
import type { CounterResetHint, FloatHistogram } from '../../../src/shared/model/histogram.js'
import { sameBounds, withHint } from '../../../src/shared/model/histogram-arithmetic.js'
import { isReset } from '../../../src/shared/model/histogram-compare.js'
import type { Labels } from '../../../src/shared/model/labels.js'
import { isStale, writeStale } from '../../../src/shared/model/stale.js'
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
 * Makes stores that are tenants of one head, whose memory is dear to reserve. Series with native
 * histograms or start timestamps are read from memory: they are there besides.
 */
export function headStores(): () => Store {
  const head = createTestHead()
  let count = 0
  return () => new ScriptStore(new HeadSource({ head, tenant: `script-${count++}` }))
}

class ScriptStore implements Store, SeriesSource {
  private readonly head: HeadSource
  private readonly memory = new MemorySource()
  /** Last sample of each series with histograms, by its labels; undefined: a float. */
  private readonly last = new Map<string, FloatHistogram | undefined>()

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
    if (histograms !== undefined || starts !== undefined || this.last.has(key)) {
      if (!this.last.has(key)) this.last.set(key, undefined)
      const hinted = (histograms ?? []).map((histogram) => {
        const stored = histogram && withHint(histogram, storedHint(histogram, this.last.get(key)))
        this.last.set(key, stored)
        return stored
      })
      this.memory.append(labels, ts, values, histograms && hinted, starts)
      return
    }
    this.head.appendColumns(labels, ts, values)
    this.memory.append(labels, ts, values, undefined)
  }

  async select(request: SelectRequest, labels: LabelTable): Promise<SelectedSeries> {
    const memory = await this.memory.select(request, labels)
    const head = await this.head.select(request, labels)
    const withHistograms = new Set(
      Array.from(this.last.keys(), (key) => labels.internLabels(JSON.parse(key) as Labels)),
    )
    const fromMemory = rowsOf(memory).filter((row) => withHistograms.has(memory.sets[row]!))
    const fromHead = rowsOf(head).filter((row) => !withHistograms.has(head.sets[row]!))
    const sets = [
      ...fromHead.map((row) => head.sets[row]!),
      ...fromMemory.map((row) => memory.sets[row]!),
    ]
    return {
      count: sets.length,
      sets: Uint32Array.from(sets),
      read: (index, mint, maxt, out) => {
        if (index < fromHead.length) head.read(fromHead[index]!, mint, maxt, out)
        else memory.read(fromMemory[index - fromHead.length]!, mint, maxt, out)
      },
      release: () => {
        head.release()
        memory.release()
      },
    }
  }
}

function rowsOf({ count }: SelectedSeries): number[] {
  return Array.from({ length: count }, (_, row) => row)
}

/**
 * The hint that storage gives back: within a chunk there is no reset, of the first histogram in it
 * nothing is known (Prometheus tsdb/chunkenc, appendable and counterResetHint).
 */
function storedHint(
  histogram: FloatHistogram,
  previous: FloatHistogram | undefined,
): CounterResetHint {
  if (histogram.counterResetHint === 'gauge') return 'gauge'
  if (previous === undefined || previous.counterResetHint === 'gauge') return 'unknown'
  if (histogram.counterResetHint === 'reset' || isStale(previous.sum)) return 'unknown'
  const isSameLayout =
    histogram.schema === previous.schema &&
    histogram.zeroThreshold === previous.zeroThreshold &&
    sameBounds(histogram.customValues, previous.customValues)
  const fresh = withHint(histogram, 'unknown')
  return isSameLayout && !isReset(fresh, previous) ? 'not_reset' : 'unknown'
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
