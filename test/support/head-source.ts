/**
 * A SeriesSource over a head in the same thread: what a querier has over ingesters, without
 * threads. The script runner and engine tests store and read through it.
 */
import { compileHeadKernel, createHeadMemory } from '../../src/shared/kernels/head.js'
import type { FloatHistogram } from '../../src/shared/model/histogram.js'
import type { Labels } from '../../src/shared/model/labels.js'
import { STALE_HIGH, STALE_LOW } from '../../src/shared/model/stale.js'
import type { LabelTable } from '../../src/shared/promql/label-table.js'
import type {
  SampleBuffer,
  SelectedSeries,
  SelectRequest,
  SeriesSource,
} from '../../src/shared/promql/source.js'
import { Head, HeadReader } from '../../src/shared/tsdb/index.js'

/** Nothing is too old, nothing goes out of order. */
const NO_WINDOW = {
  inOrder: Number.NEGATIVE_INFINITY,
  outOfOrder: Number.POSITIVE_INFINITY,
  behind: Number.POSITIVE_INFINITY,
}

let compiled: WebAssembly.Module | undefined

/** The head kernel, compiled once per process. */
export function headModule(): WebAssembly.Module {
  compiled ??= compileHeadKernel()
  return compiled
}

/** A head with small buffers and a key that is the same in every run. */
export function createTestHead(memory: WebAssembly.Memory = createHeadMemory()): Head {
  const prng = {
    fill(bytes: Uint8Array): void {
      let state = 0x9e3779b9
      for (let i = 0; i < bytes.length; i++) {
        state = Math.imul(state ^ (state >>> 15), 0x85ebca6b) + i
        bytes[i] = state >>> 24
      }
    },
  }
  return new Head({ prng }, { memory, module: headModule(), columns: 1 << 16, readerSlots: 16 })
}

export class HeadSource implements SeriesSource {
  readonly head: Head
  readonly reader: HeadReader
  private readonly tenant: string

  constructor(options: { head?: Head; tenant?: string } = {}) {
    this.head = options.head ?? createTestHead()
    this.reader = new HeadReader(this.head.view.memory, headModule(), 0)
    this.tenant = options.tenant ?? 'anonymous'
  }

  /** Appends one sample; throws when it is refused. Stale markers: `appendStale`. */
  append(labels: Labels, t: number, value: number): void {
    const outcome = this.head.appendSample(this.head.getOrCreate(this.tenant, labels), t, value)
    if (outcome !== 'appended' && outcome !== 'repeated') throw new Error(`sample is ${outcome}`)
  }

  /** Appends a stale marker. */
  appendStale(labels: Labels, t: number): void {
    const value = new Float64Array(1)
    new Uint32Array(value.buffer).set([STALE_LOW, STALE_HIGH])
    this.appendColumns(labels, Float64Array.of(t), value)
  }

  /** Appends samples of one series in time order; bits are kept, so stale markers are. */
  appendColumns(labels: Labels, ts: Float64Array, values: Float64Array): void {
    const ref = this.head.getOrCreate(this.tenant, labels)
    const outcome = this.head.appendColumns(ref, ts, values)
    if (outcome !== 'appended') throw new Error(`sample is ${outcome}`)
  }

  /** Appends samples of one series in time order, histograms where there are some, else floats. */
  appendMixed(
    labels: Labels,
    ts: Float64Array,
    values: Float64Array,
    histograms: readonly (FloatHistogram | undefined)[],
  ): void {
    const { head } = this
    const ref = head.getOrCreate(this.tenant, labels)
    for (let at = 0; at < ts.length; ) {
      const histogram = histograms[at]
      let end = at + 1
      if (histogram === undefined) {
        while (end < ts.length && histograms[end] === undefined) end++
        const outcome = head.appendColumns(ref, ts.slice(at, end), values.slice(at, end))
        if (outcome !== 'appended') throw new Error(`sample is ${outcome}`)
      } else {
        const outcome = head.histograms.check(ref, ts[at]!, histogram, NO_WINDOW)
        if (outcome !== 'accepted') throw new Error(`histogram is ${outcome}`)
        if (!head.histograms.append(ref, ts[at]!, histogram)) throw new Error('no room')
      }
      at = end
    }
  }

  async select(request: SelectRequest, labels: LabelTable): Promise<SelectedSeries> {
    const { matchers, mint, maxt } = request
    const refs = this.head.select(this.tenant, matchers, mint, maxt)
    const sets = Uint32Array.from(refs, (ref) => this.internSet(ref, labels))
    let isReleased = false
    return {
      count: refs.length,
      sets,
      read: (index: number, from: number, to: number, out: SampleBuffer) => {
        if (isReleased) throw new Error('read after release')
        this.reader.read(refs[index]!, from, to, out)
      },
      release: () => {
        if (isReleased) throw new Error('released twice')
        isReleased = true
      },
    }
  }

  private internSet(ref: number, labels: LabelTable): number {
    const pairs = Uint32Array.from(this.reader.pairs(ref), (pair) =>
      labels.pair(this.reader.pairName(pair), this.reader.pairValue(pair)),
    )
    return labels.internSet(pairs)
  }
}
