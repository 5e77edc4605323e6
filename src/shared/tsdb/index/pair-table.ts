/**
 * (name, value) pairs of symbols with counts: an open-addressing table of three columns. Pairs are
 * numbered from 0 in the order in which they come; 12 bytes each, and 8 of the table.
 */

/** Counts pairs of u32. */
export class PairTable {
  /** Pairs so far. */
  size = 0
  names = new Uint32Array(1024)
  values = new Uint32Array(1024)
  /** How often each one was added. */
  counts = new Uint32Array(1024)
  /** Number of a pair + 1, 0 where none is. */
  private slots = new Uint32Array(2048)

  /** Counts a pair. */
  add(name: number, value: number): void {
    let slot = this.slotOf(name, value)
    let pair = this.slots[slot]!
    if (pair === 0) {
      if (this.size === this.names.length) {
        this.grow()
        slot = this.slotOf(name, value)
      }
      this.names[this.size] = name
      this.values[this.size] = value
      pair = ++this.size
      this.slots[slot] = pair
    }
    this.counts[pair - 1]!++
  }

  /** Number of a pair that is there. */
  get(name: number, value: number): number {
    return this.slots[this.slotOf(name, value)]! - 1
  }

  /** Numbers of all pairs, sorted by name, then value. */
  sorted(): Uint32Array {
    const keys = new Uint32Array(this.size * 2)
    for (let i = 0; i < this.size; i++) {
      keys[i * 2] = this.values[i]!
      keys[i * 2 + 1] = this.names[i]!
    }
    // Little endian: the name is the high half. Sorts natively, without a callback.
    new BigUint64Array(keys.buffer).sort()
    const order = new Uint32Array(this.size)
    for (let i = 0; i < this.size; i++) order[i] = this.get(keys[i * 2 + 1]!, keys[i * 2]!)
    return order
  }

  private slotOf(name: number, value: number): number {
    const { slots, names, values } = this
    const mask = slots.length - 1
    let hash = Math.imul(name, 0x9e3779b1) ^ Math.imul(value, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    let slot = (hash ^ (hash >>> 13)) & mask
    for (;;) {
      const pair = slots[slot]!
      if (pair === 0 || (names[pair - 1] === name && values[pair - 1] === value)) return slot
      slot = (slot + 1) & mask
    }
  }

  private grow(): void {
    this.names = doubled(this.names)
    this.values = doubled(this.values)
    this.counts = doubled(this.counts)
    this.slots = new Uint32Array(this.slots.length * 2)
    for (let i = 0; i < this.size; i++) {
      this.slots[this.slotOf(this.names[i]!, this.values[i]!)] = i + 1
    }
  }
}

function doubled(column: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(column.length * 2)
  larger.set(column)
  return larger
}
