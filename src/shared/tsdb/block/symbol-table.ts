/**
 * Symbols of a block that is being written: texts as bytes in one arena, found by hash. Ids are
 * numbered from 0 in the order in which texts come; no object per symbol. 12 bytes each beside the
 * text.
 */
import type { SymbolSource } from '../index/writer.js'

const SCRATCH_BYTES = 1 << 16

/** A growing set of texts. */
export class SymbolTable {
  /** Symbols so far. */
  size = 0
  private bytes: Buffer = Buffer.allocUnsafe(64 << 10)
  /** [size] where each text ends; it begins where the one before ends. */
  private ends = new Uint32Array(1024)
  /** Id + 1, 0 where none is. */
  private slots = new Uint32Array(4096)
  private scratch: Buffer = Buffer.allocUnsafe(SCRATCH_BYTES)

  /** The id of a text, new or known. */
  intern(text: string): number {
    if (text.length * 3 > this.scratch.length) {
      this.scratch = Buffer.allocUnsafe(text.length * 6)
    }
    return this.internBytes(this.scratch, 0, this.scratch.write(text, 0))
  }

  /** The id of the text bytes [from, to). */
  internBytes(bytes: Uint8Array, from: number, to: number): number {
    const slot = this.slotOf(bytes, from, to)
    const known = this.slots[slot]!
    return known > 0 ? known - 1 : this.add(bytes, from, to, slot)
  }

  /** Bytes of a symbol; a view, valid until the table grows. */
  text(id: number): Uint8Array {
    return this.bytes.subarray(id === 0 ? 0 : this.ends[id - 1]!, this.ends[id]!)
  }

  /** Appends a text that is not there: for those that come without doubles. */
  append(text: Uint8Array): number {
    return this.add(text, 0, text.length, -1)
  }

  /** What an index is written from: all symbols, or those that are marked. */
  source(used?: Uint8Array): SymbolSource {
    const all = new Uint32Array(this.size)
    for (let id = 0; id < all.length; id++) all[id] = id
    const order = used === undefined ? all : all.filter((id) => used[id] === 1)
    this.sort(order)
    return { idCount: this.size, order, text: (id) => this.text(id) }
  }

  /** By the first six bytes as a number, then by all. */
  private sort(order: Uint32Array): void {
    const { bytes, ends } = this
    const heads = new Float64Array(this.size)
    for (let id = 0; id < this.size; id++) {
      const from = id === 0 ? 0 : ends[id - 1]!
      const length = Math.min(6, ends[id]! - from)
      let head = 0
      for (let i = 0; i < 6; i++) head = head * 256 + (i < length ? bytes[from + i]! : 0)
      heads[id] = head
    }
    order.sort((a, b) => heads[a]! - heads[b]! || Buffer.compare(this.text(a), this.text(b)))
  }

  private add(bytes: Uint8Array, from: number, to: number, slot: number): number {
    const id = this.size
    const at = id === 0 ? 0 : this.ends[id - 1]!
    const end = at + to - from
    if (end > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.bytes.length * 2))
      larger.set(this.bytes.subarray(0, at))
      this.bytes = larger
    }
    this.bytes.set(bytes.subarray(from, to), at)
    if (id === this.ends.length) {
      const larger = new Uint32Array(id * 2)
      larger.set(this.ends)
      this.ends = larger
    }
    this.ends[id] = end
    this.size = id + 1
    if (slot >= 0) {
      this.slots[slot] = id + 1
      if (this.size * 2 > this.slots.length) this.rehash()
    }
    return id
  }

  private slotOf(bytes: Uint8Array, from: number, to: number): number {
    const { slots, ends } = this
    const own = this.bytes
    const mask = slots.length - 1
    let slot = hashOf(bytes, from, to) & mask
    for (;;) {
      const id = slots[slot]! - 1
      if (id < 0) return slot
      const at = id === 0 ? 0 : ends[id - 1]!
      if (ends[id]! - at === to - from) {
        let i = from
        while (i < to && own[at + i - from] === bytes[i]) i++
        if (i === to) return slot
      }
      slot = (slot + 1) & mask
    }
  }

  private rehash(): void {
    this.slots = new Uint32Array(this.slots.length * 2)
    for (let id = 0; id < this.size; id++) {
      const from = id === 0 ? 0 : this.ends[id - 1]!
      this.slots[this.slotOf(this.bytes, from, this.ends[id]!)] = id + 1
    }
  }
}

/** FNV-1a with a finish: the texts are a tenant's own, spoiling the table spoils its own block. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}
