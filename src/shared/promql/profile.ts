/**
 * What each node of a plan costs while a query runs: time, rows and points out, samples, chunks and
 * cache hits. Between two changes of the node at work everything is that node's own; what its
 * inputs cost is theirs. Only `analyze` makes one; a query without is not slowed down.
 */
import type { StepMatrix } from './columns.js'
import type { FetchMeter } from './fetch-meter.js'
import { countBits } from './memory.js'
import type { RowStream, SampleRows } from './operators/operator.js'
import type { Plan, RangePlan } from './plan/plan.js'

/** A node's own share; without that of its inputs. */
export interface NodeCost {
  timeMs: number
  /** Rows that came out and had a point, and their points. */
  series: number
  points: number
  /** Samples that a selector read. */
  samples: number
  chunks: number
  chunkBytes: number
  cacheHits: number
  cacheMisses: number
  /** Bytes of the columns that came out whole. */
  bytes: number
}

/** The counters that are looked at when the work goes from one node to another. */
export interface ProfileSources {
  /** Monotonic, ms. */
  now(): number
  readonly meter: FetchMeter
  readonly read: { readonly samples: number }
}

/** Costs of one run by node. */
export class Profile {
  private readonly costs = new Map<Plan | RangePlan, NodeCost>()
  private readonly stack: NodeCost[] = []
  private readonly sources: ProfileSources
  private last: readonly number[]

  constructor(sources: ProfileSources) {
    this.sources = sources
    this.last = this.reading()
  }

  /** What a node has cost; undefined when it was not run. */
  costOf(plan: Plan | RangePlan): NodeCost | undefined {
    return this.costs.get(plan)
  }

  /** Runs the evaluation of a node. */
  async during<T>(plan: Plan, work: () => Promise<T>): Promise<T> {
    this.enter(this.known(plan))
    try {
      return await work()
    } finally {
      this.leave()
    }
  }

  /** Notes a matrix that a node gave. */
  gave(plan: Plan, matrix: StepMatrix): void {
    const cost = this.known(plan)
    cost.series += matrix.series
    cost.points += countBits(matrix.present, 0, matrix.series * matrix.words)
    cost.bytes += matrix.values.byteLength + matrix.present.byteLength + matrix.sets.byteLength
  }

  /** A stream whose rows are costs of a node. */
  over(plan: Plan, stream: RowStream): RowStream {
    const cost = this.known(plan)
    const words = (stream.steps + 31) >>> 5
    return {
      ...stream,
      into: (row, values, base, present, wordBase) => {
        this.enter(cost)
        try {
          const histograms = stream.into(row, values, base, present, wordBase)
          const points = countBits(present, wordBase, wordBase + words)
          cost.points += points
          if (points > 0) cost.series++
          return histograms
        } finally {
          this.leave()
        }
      },
    }
  }

  /** The rows that a range selector reads. */
  overRange(plan: RangePlan, rows: SampleRows): SampleRows {
    const cost = this.known(plan)
    return {
      ...rows,
      read: (row, out) => {
        this.enter(cost)
        try {
          rows.read(row, out)
          cost.points += out.count
          if (out.count > 0) cost.series++
        } finally {
          this.leave()
        }
      },
    }
  }

  private known(plan: Plan | RangePlan): NodeCost {
    let cost = this.costs.get(plan)
    if (cost === undefined) {
      cost = {
        timeMs: 0,
        series: 0,
        points: 0,
        samples: 0,
        chunks: 0,
        chunkBytes: 0,
        cacheHits: 0,
        cacheMisses: 0,
        bytes: 0,
      }
      this.costs.set(plan, cost)
    }
    return cost
  }

  private enter(cost: NodeCost): void {
    this.settle()
    this.stack.push(cost)
  }

  private leave(): void {
    this.settle()
    this.stack.pop()
  }

  /** Gives what has come up since the last change to the node on top. */
  private settle(): void {
    const reading = this.reading()
    const last = this.last
    const top = this.stack.at(-1)
    this.last = reading
    if (top === undefined) return
    top.timeMs += reading[0]! - last[0]!
    top.samples += reading[1]! - last[1]!
    top.chunks += reading[2]! - last[2]!
    top.chunkBytes += reading[3]! - last[3]!
    top.cacheHits += reading[4]! - last[4]!
    top.cacheMisses += reading[5]! - last[5]!
  }

  private reading(): readonly number[] {
    const { meter, read } = this.sources
    const { chunks, chunkBytes, cacheHits, cacheMisses } = meter
    return [this.sources.now(), read.samples, chunks, chunkBytes, cacheHits, cacheMisses]
  }
}
