/**
 * Labels of a querier thread as ids: a *pair* id stands for one name and value, a *set* id for a
 * sorted list of pairs. Operators compare ids, never strings. One table lives as long as its
 * thread's bound allows and is then made anew between queries; ids are valid within it only.
 */
import { compareUtf8, type Label, type Labels, METRIC_NAME } from '../model/labels.js'

/** Labels that describe the metric and go when an operation makes another one of it. */
const METADATA_LABELS: ReadonlySet<string> = new Set([METRIC_NAME, '__type__', '__unit__'])

/** Set id of the empty label set. */
export const EMPTY_SET = 0

/** Numbers by set id, 0 where none was set. */
export class SetMap {
  private numbers = new Uint32Array(0)

  get(set: number): number {
    return set < this.numbers.length ? this.numbers[set]! : 0
  }

  set(set: number, number: number): void {
    if (set >= this.numbers.length) {
      const larger = new Uint32Array(Math.max(set + 1, this.numbers.length * 2, 256))
      larger.set(this.numbers)
      this.numbers = larger
    }
    this.numbers[set] = number
  }
}

/** Whom a table tells of its work while a query uses it. */
export interface LabelWatch {
  /** Looks whether the query is still wanted, and throws when not. */
  tick(): void
  /** Takes bytes for labels that are new, and throws when the query may not. */
  claim(bytes: number): void
}

/** Look-ups between two looks at the watch, and bytes of a set and of a pair beside their contents. */
const WORK_PER_TICK = 8192
const SET_BYTES = 40
const PAIR_BYTES = 80

/** Pairs of a table for each set to be sorted from which on its pairs are not put in order. */
const FEW = 64

/** Projections remembered at a time; each takes four bytes a set at most. */
const PROJECTIONS_MAX = 32

/** Interns label pairs and label sets of one query. */
export class LabelTable {
  private readonly nameIds = new Map<string, number>()
  private readonly names: string[] = []
  /** Per name id: value → pair id. */
  private readonly valuePairs: Map<string, number>[] = []
  private readonly pairNames: number[] = []
  private readonly pairValues: string[] = []
  /** Pairs of all sets, one after the other: [set] where its begin, those of the next one follow. */
  private members = new Uint32Array(1024)
  private starts = new Uint32Array(256)
  private setCount = 0
  /** Hash table of sets, linear probing, half full at most: [slot] set + 1 and the set's hash. */
  private slots = new Uint32Array(1024)
  private hashes = new Int32Array(1024)
  /** [set] the set without its metric name, plus one; 0: not asked for yet. */
  private readonly nameless: number[] = []
  private readonly projections = new Map<string, SetMap>()

  /** Numbers that nobody uses now: `takeNumbers`. */
  private spare: Uint32Array | undefined = undefined

  /** Of the query that uses the table now. */
  watch: LabelWatch | undefined = undefined
  private work = 0

  constructor() {
    this.internSet(new Uint32Array(0))
  }

  /** Notes a look-up; loops over many rows come by here, whatever they are for. */
  private tick(): void {
    if (++this.work < WORK_PER_TICK) return
    this.work = 0
    this.watch?.tick()
  }

  /** The id of a label name. */
  nameId(name: string): number {
    const known = this.nameIds.get(name)
    if (known !== undefined) return known
    const id = this.names.length
    this.nameIds.set(name, id)
    this.names.push(name)
    this.valuePairs.push(new Map())
    return id
  }

  /** The id of a label; an empty value is not a label, the caller leaves it out. */
  pair(name: string, value: string): number {
    const nameId = this.nameId(name)
    const pairs = this.valuePairs[nameId]!
    const known = pairs.get(value)
    if (known !== undefined) return known
    this.watch?.claim(PAIR_BYTES + value.length)
    const id = this.pairNames.length
    pairs.set(value, id)
    this.pairNames.push(nameId)
    this.pairValues.push(value)
    return id
  }

  pairNameId(pair: number): number {
    return this.pairNames[pair]!
  }

  pairName(pair: number): string {
    return this.names[this.pairNames[pair]!]!
  }

  pairValue(pair: number): string {
    return this.pairValues[pair]!
  }

  /** Pairs of a set, sorted by name; a view, owned by the table. */
  pairs(set: number): Uint32Array {
    return this.members.subarray(this.starts[set]!, this.starts[set + 1]!)
  }

  /** The id of a set of pairs that is sorted by name already; the array is copied when new. */
  internSet(pairs: Uint32Array): number {
    this.tick()
    let hash = pairs.length
    for (let i = 0; i < pairs.length; i++)
      hash = Math.imul(hash ^ pairs[i]!, 0x9e3779b1) ^ (hash >>> 15)
    const mask = this.slots.length - 1
    let slot = (hash ^ (hash >>> 16)) & mask
    for (let entry = this.slots[slot]!; entry !== 0; entry = this.slots[slot]!) {
      if (this.hashes[slot] === hash && this.hasPairs(entry - 1, pairs)) return entry - 1
      slot = (slot + 1) & mask
    }
    this.watch?.claim(SET_BYTES + pairs.length * 4)
    const id = this.addSet(pairs)
    this.slots[slot] = id + 1
    this.hashes[slot] = hash
    if (this.setCount * 2 > this.slots.length) this.growSlots()
    return id
  }

  private hasPairs(set: number, pairs: Uint32Array): boolean {
    const from = this.starts[set]!
    if (this.starts[set + 1]! - from !== pairs.length) return false
    for (let i = 0; i < pairs.length; i++) if (this.members[from + i] !== pairs[i]) return false
    return true
  }

  private addSet(pairs: Uint32Array): number {
    const id = this.setCount++
    const from = this.starts[id]!
    const end = from + pairs.length
    if (end > this.members.length) this.members = grown(this.members, end)
    if (id + 1 >= this.starts.length) this.starts = grown(this.starts, id + 2)
    for (let i = 0; i < pairs.length; i++) this.members[from + i] = pairs[i]!
    this.starts[id + 1] = end
    return id
  }

  private growSlots(): void {
    const { slots, hashes } = this
    const mask = slots.length * 2 - 1
    this.slots = new Uint32Array(mask + 1)
    this.hashes = new Int32Array(mask + 1)
    for (let from = 0; from < slots.length; from++) {
      if (slots[from] === 0) continue
      const hash = hashes[from]!
      let slot = (hash ^ (hash >>> 16)) & mask
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask
      this.slots[slot] = slots[from]!
      this.hashes[slot] = hash
    }
  }

  /** The id of a set of labels; sorts them and leaves out empty values. */
  internLabels(labels: Labels): number {
    const kept = labels.filter((label) => label.value !== '')
    kept.sort((a, b) => compareUtf8(a.name, b.name))
    return this.internSet(Uint32Array.from(kept, (label) => this.pair(label.name, label.value)))
  }

  /** The set as values. */
  labels(set: number): Labels {
    return Array.from(
      this.pairs(set),
      (pair): Label => ({ name: this.pairName(pair), value: this.pairValue(pair) }),
    )
  }

  /** The value of a label in a set, '' when it has none. */
  value(set: number, name: string): string {
    this.tick()
    const nameId = this.nameIds.get(name)
    if (nameId === undefined) return ''
    const pair = this.pairWith(set, nameId)
    return pair < 0 ? '' : this.pairValues[pair]!
  }

  private pairWith(set: number, nameId: number): number {
    const end = this.starts[set + 1]!
    for (let i = this.starts[set]!; i < end; i++) {
      const pair = this.members[i]!
      if (this.pairNames[pair] === nameId) return pair
    }
    return -1
  }

  /** Tells a set's pair with a label name, -1 when it has none; remembered per set. */
  pairsOf(name: string): (set: number) => number {
    const nameId = this.nameIds.get(name)
    if (nameId === undefined) return () => -1
    // [set] pair + 2; 1: it has none.
    const known = this.projected(`pair of ${nameId}`)
    return (set) => {
      const found = known.get(set)
      if (found !== 0) return found - 2
      const pair = this.pairWith(set, nameId)
      known.set(set, pair + 2)
      return pair
    }
  }

  /**
   * The set as an operation leaves it that drops the metric name: without `__name__`, `__type__`
   * and `__unit__` (Prometheus schema.IsMetadataLabel). Remembered per set.
   */
  withoutName(set: number): number {
    const known = this.nameless[set]
    if (known !== undefined && known !== 0) return known - 1
    const pairs = this.pairs(set)
    const kept = pairs.filter((pair) => !METADATA_LABELS.has(this.pairName(pair)))
    const id = kept.length === pairs.length ? set : this.internSet(kept)
    while (this.nameless.length <= set) this.nameless.push(0)
    this.nameless[set] = id + 1
    return id
  }

  /**
   * What a projection, told by its key, has made of sets so far: set id → projected set + 1. Kept
   * from query to query, as sets are.
   */
  projected(key: string): SetMap {
    let map = this.projections.get(key)
    if (map === undefined) {
      if (this.projections.size >= PROJECTIONS_MAX) this.projections.clear()
      map = new SetMap()
      this.projections.set(key, map)
    }
    return map
  }

  /**
   * Numbers by set id, all 0, for sets that there are now. Whoever takes them gives them back with
   * the sets whose numbers it has set, within the same step; or never, when it fails.
   */
  takeNumbers(): Uint32Array {
    const { spare } = this
    this.spare = undefined
    if (spare !== undefined && spare.length >= this.setCount) return spare
    return new Uint32Array(this.setCount + (this.setCount >>> 2) + 256)
  }

  /** Gives numbers back. */
  giveNumbers(numbers: Uint32Array, sets: ArrayLike<number>): void {
    for (let i = 0; i < sets.length; i++) numbers[sets[i]!] = 0
    this.spare = numbers
  }

  /** The sets of several lists, each once, in the order in which they come first. */
  distinctSets(lists: readonly Uint32Array[]): Uint32Array {
    let total = 0
    for (const list of lists) total += list.length
    const out = new Uint32Array(total)
    const seen = this.takeNumbers()
    let count = 0
    for (const list of lists) {
      this.tick()
      for (let i = 0; i < list.length; i++) {
        const set = list[i]!
        if (seen[set] !== 0) continue
        seen[set] = 1
        out[count++] = set
      }
    }
    const sets = out.subarray(0, count)
    this.giveNumbers(seen, sets)
    return sets
  }

  /** Orders two sets by their labels: name, value, name, value; the shorter first. */
  compare(a: number, b: number): number {
    this.tick()
    const { members, starts } = this
    const [left, right] = [starts[a]!, starts[b]!]
    const [leftLength, rightLength] = [starts[a + 1]! - left, starts[b + 1]! - right]
    const length = Math.min(leftLength, rightLength)
    for (let i = 0; i < length; i++) {
      const x = members[left + i]!
      const y = members[right + i]!
      if (x === y) continue
      const byName = compareUtf8(this.pairName(x), this.pairName(y))
      return byName !== 0 ? byName : compareUtf8(this.pairValue(x), this.pairValue(y))
    }
    return leftLength - rightLength
  }

  /**
   * Sets in the order of `compare`, as a new list. Sets share most of their pairs: those are put in order
   * by their texts, once, and sets by the places that their pairs have in it.
   *
   * @throws what the watch throws
   */
  sorted(sets: Uint32Array): Uint32Array {
    const { members, starts, pairNames, pairValues, names } = this
    if (sets.length * FEW < pairNames.length) {
      return sets.slice().sort((a, b) => this.compare(a, b))
    }
    const ranks = new Uint32Array(this.pairNames.length)
    const pairs: number[] = []
    for (let i = 0; i < sets.length; i++) {
      this.tick()
      const end = starts[sets[i]! + 1]!
      for (let at = starts[sets[i]!]!; at < end; at++) {
        const pair = members[at]!
        if (ranks[pair] !== 0) continue
        ranks[pair] = 1
        pairs.push(pair)
      }
    }
    pairs.sort((x, y) => {
      this.tick()
      const [left, right] = [pairNames[x]!, pairNames[y]!]
      return left === right
        ? compareUtf8(pairValues[x]!, pairValues[y]!)
        : compareUtf8(names[left]!, names[right]!)
    })
    for (let i = 0; i < pairs.length; i++) ranks[pairs[i]!] = i
    return sets.slice().sort((a, b) => {
      this.tick()
      const [left, right] = [starts[a]!, starts[b]!]
      const [leftLength, rightLength] = [starts[a + 1]! - left, starts[b + 1]! - right]
      const length = Math.min(leftLength, rightLength)
      for (let i = 0; i < length; i++) {
        const by = ranks[members[left + i]!]! - ranks[members[right + i]!]!
        if (by !== 0) return by
      }
      return leftLength - rightLength
    })
  }

  /** Pairs and sets held, for bounding the table between queries. */
  size(): { pairs: number; sets: number } {
    return { pairs: this.pairNames.length, sets: this.setCount }
  }
}

/** A copy with room for so many, and for half as many more. */
function grown(array: Uint32Array<ArrayBuffer>, count: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(count + (count >>> 1))
  larger.set(array)
  return larger
}
