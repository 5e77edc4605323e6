/**
 * Labels of one shard's series as sets of the querier's LabelTable. Names and values are read from
 * the shard's memory once per pair, sets made once per series; after that a series costs one array
 * look-up. Lives as long as the table and the shard's memory.
 */
import type { LabelTable } from '../../shared/promql/index.js'

/** Labels of series, by shard pair ids: the part of a HeadReader that is needed here. */
export interface PairReader {
  /** Pair ids of a series, in order of label names. */
  pairs(ref: number): Uint32Array
  pairName(pair: number): string
  pairValue(pair: number): string
}

/** The label sets of one shard's series. */
export class ShardLabels {
  private readonly reader: PairReader
  private readonly labels: LabelTable
  /** [shard pair id] table pair + 1; 0 = not met yet. */
  private pairOf = new Uint32Array(1024)
  /** [ref] set + 1; 0 = not met yet. */
  private setOf = new Uint32Array(1024)
  private scratch = new Uint32Array(64)

  constructor(reader: PairReader, labels: LabelTable) {
    this.reader = reader
    this.labels = labels
  }

  /** Whether the sets are of this table. */
  isFor(labels: LabelTable): boolean {
    return this.labels === labels
  }

  /** Set ids of series, written to `sets` from `at` on. */
  setsOf(refs: Uint32Array, sets: Uint32Array, at: number): void {
    let highest = 0
    for (let i = 0; i < refs.length; i++) if (refs[i]! > highest) highest = refs[i]!
    if (highest >= this.setOf.length) this.setOf = grown(this.setOf, highest)
    for (let i = 0; i < refs.length; i++) {
      const ref = refs[i]!
      const known = this.setOf[ref]!
      sets[at + i] = known !== 0 ? known - 1 : this.intern(ref)
    }
  }

  private intern(ref: number): number {
    const pairs = this.reader.pairs(ref)
    if (pairs.length > this.scratch.length) this.scratch = new Uint32Array(pairs.length * 2)
    for (let i = 0; i < pairs.length; i++) this.scratch[i] = this.pair(pairs[i]!)
    const set = this.labels.internSet(this.scratch.subarray(0, pairs.length))
    this.setOf[ref] = set + 1
    return set
  }

  private pair(pair: number): number {
    if (pair >= this.pairOf.length) this.pairOf = grown(this.pairOf, pair)
    const known = this.pairOf[pair]!
    if (known !== 0) return known - 1
    const id = this.labels.pair(this.reader.pairName(pair), this.reader.pairValue(pair))
    this.pairOf[pair] = id + 1
    return id
  }
}

/** A copy with room for an index, at least twice as long. */
function grown(array: Uint32Array, index: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.max(array.length * 2, index + 1))
  larger.set(array)
  return larger
}
