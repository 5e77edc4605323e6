/**
 * topk and bottomk: per group and step a heap of the k best rows so far, the worst of them on top.
 * Ties and NaN fall as in Prometheus, whose heap operations (Go's container/heap) this repeats.
 */
import type { QueryMemory } from '../memory.js'

/** Heaps of all groups and steps in flat columns. */
export class RankedHeaps {
  private readonly memory: QueryMemory
  private readonly steps: number
  private readonly words: number
  /** bottomk turns values round, so that the heap's top is the smallest negated value. */
  private readonly sign: number
  /** [groups + 1] where a group's heaps begin, in entries. */
  private readonly offsets: Float64Array
  /** [groups] entries of a heap of the group. */
  private readonly sizes: Uint32Array
  /** [steps] k */
  private readonly ks: Float64Array
  /** [groups × steps] entries held. */
  private readonly counts: Uint32Array
  private readonly values: Float64Array
  private readonly rows: Uint32Array

  /**
   * @param ks [steps] rows to keep
   * @param members [groups] rows of each group, which bound its heaps
   */
  constructor(options: {
    memory: QueryMemory
    steps: number
    ks: Float64Array
    members: Uint32Array
    isTop: boolean
  }) {
    const { memory, steps, ks, members, isTop } = options
    this.memory = memory
    this.steps = steps
    this.words = (steps + 31) >>> 5
    this.sign = isTop ? 1 : -1
    this.ks = ks
    const largest = ks.reduce((most, k) => Math.max(most, Math.trunc(k)), 0)
    this.offsets = memory.floats(members.length + 1)
    this.sizes = memory.words(members.length)
    for (let group = 0; group < members.length; group++) {
      this.sizes[group] = Math.min(largest, members[group]!)
      this.offsets[group + 1] = this.offsets[group]! + this.sizes[group]! * steps
    }
    this.counts = memory.words(members.length * steps)
    this.values = memory.floats(this.offsets[members.length]!)
    this.rows = memory.words(this.offsets[members.length]!)
  }

  /** Takes a row into a group. */
  add(
    group: number,
    row: number,
    values: Float64Array,
    base: number,
    present: Uint32Array,
    wordBase: number,
  ): void {
    for (let word = 0; word < this.words; word++) {
      let bits = present[wordBase + word]!
      for (let step = word << 5; bits !== 0; step++, bits >>>= 1) {
        if ((bits & 1) !== 0) this.offer(group, step, row, this.sign * values[base + step]!)
      }
    }
  }

  /** Entries of a group at a step: [first, first + count of the slot), in no order. */
  first(group: number, step: number): number {
    return this.offsets[group]! + step * this.sizes[group]!
  }

  /** How many entries a group has at a step. */
  count(group: number, step: number): number {
    return this.counts[group * this.steps + step]!
  }

  /** The row of an entry. */
  row(entry: number): number {
    return this.rows[entry]!
  }

  /** The value of an entry. */
  value(entry: number): number {
    return this.sign * this.values[entry]!
  }

  /** Entries of a group at a step, best first. */
  ranked(group: number, step: number): number[] {
    const first = this.first(group, step)
    const order = Array.from({ length: this.count(group, step) }, (_, i) => first + i)
    sortDescending(order, this.values, () => this.memory.tick(4))
    return order
  }

  private offer(group: number, step: number, row: number, value: number): void {
    const k = Math.min(Math.trunc(this.ks[step]!), this.sizes[group]!)
    if (k < 1) return
    const at = this.offsets[group]! + step * this.sizes[group]!
    const slot = group * this.steps + step
    const count = this.counts[slot]!
    const { values, rows } = this
    if (count < k) {
      values[at + count] = value
      rows[at + count] = row
      this.counts[slot] = count + 1
      siftUp(values, rows, at, count)
      return
    }
    const worst = values[at]!
    if (worst < value || (worst !== worst && value === value)) {
      values[at] = value
      rows[at] = row
      siftDown(values, rows, at, count)
    }
  }
}

/** NaN is below everything, other NaN included. */
function less(a: number, b: number): boolean {
  return a !== a || a < b
}

function siftUp(values: Float64Array, rows: Uint32Array, at: number, child: number): void {
  while (child > 0) {
    const parent = (child - 1) >>> 1
    if (!less(values[at + child]!, values[at + parent]!)) return
    swap(values, rows, at + child, at + parent)
    child = parent
  }
}

function siftDown(values: Float64Array, rows: Uint32Array, at: number, count: number): void {
  let parent = 0
  while (true) {
    let child = 2 * parent + 1
    if (child >= count) return
    if (child + 1 < count && less(values[at + child + 1]!, values[at + child]!)) child++
    if (!less(values[at + child]!, values[at + parent]!)) return
    swap(values, rows, at + child, at + parent)
    parent = child
  }
}

function swap(values: Float64Array, rows: Uint32Array, a: number, b: number): void {
  const value = values[a]!
  values[a] = values[b]!
  values[b] = value
  const row = rows[a]!
  rows[a] = rows[b]!
  rows[b] = row
}

/** Insertion sort for a dozen, as Go's; above, equal values keep their order. */
function sortDescending(order: number[], values: Float64Array, tick: () => void): void {
  if (order.length > 12) {
    order.sort((a, b) => {
      tick()
      return compareDescending(values[a]!, values[b]!)
    })
    return
  }
  for (let i = 1; i < order.length; i++) {
    for (let j = i; j > 0 && less(values[order[j - 1]!]!, values[order[j]!]!); j--) {
      const entry = order[j]!
      order[j] = order[j - 1]!
      order[j - 1] = entry
    }
  }
}

function compareDescending(a: number, b: number): number {
  if (a !== a) return b !== b ? 0 : 1
  if (b !== b) return -1
  return b - a || 0
}
