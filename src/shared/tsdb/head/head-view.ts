/**
 * What lies in a head's memory, read by its rows: series labels, pairs, names, tenants, postings.
 * Used by the owner (head.ts, select.ts) and by readers in other threads (head-reader.ts); those
 * may follow what a ref or pair id leads to, since such rows never change once their id is out.
 * Chains and postings grow and belong to the owner's thread alone.
 */
import {
  H_TENANTS,
  NAME_DIRECTORY,
  NAME_ROW_BYTES,
  NAME_SLAB_SHIFT,
  PAIR_DIRECTORY,
  PAIR_ROW_BYTES,
  PAIR_SLAB_SHIFT,
  POSTINGS_FIRST,
  POSTINGS_MAX,
  POSTINGS_UNSORTED,
  R_LABELS,
  RECORD_BYTES,
  RECORDS,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
  TENANT_ROW_BYTES,
} from '../../kernels/head-layout.js'
import type { Labels } from '../../model/labels.js'

/** Reads a head's rows. */
export class HeadView {
  readonly memory: WebAssembly.Memory
  readonly u32: Uint32Array
  readonly f64: Float64Array
  readonly bytes: Buffer

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory
    this.u32 = new Uint32Array(memory.buffer)
    this.f64 = new Float64Array(memory.buffer)
    this.bytes = Buffer.from(memory.buffer as ArrayBuffer)
  }

  /** A u32 at a byte address that is a multiple of 4. */
  word(at: number): number {
    return this.u32[at >>> 2]!
  }

  /** Pair ids of a series, in order of label names; a view, valid as long as the memory. */
  pairs(ref: number): Uint32Array {
    const slab = this.word(SERIES_DIRECTORY + (ref >>> SERIES_SLAB_SHIFT) * 4)
    const row = this.word(slab + RECORDS + (ref & SERIES_SLAB_MASK) * RECORD_BYTES + R_LABELS) >>> 2
    return this.u32.subarray(row + 1, row + 1 + this.u32[row]!)
  }

  /** Index of a series' label row in `u32`: count, pair ids. */
  labelRow(ref: number): number {
    const slab = this.u32[(SERIES_DIRECTORY >>> 2) + (ref >>> SERIES_SLAB_SHIFT)]!
    return this.word(slab + RECORDS + (ref & SERIES_SLAB_MASK) * RECORD_BYTES + R_LABELS) >>> 2
  }

  /** Byte address of a pair's row. */
  pairRow(pair: number): number {
    const slab = this.word(PAIR_DIRECTORY + (pair >>> PAIR_SLAB_SHIFT) * 4)
    return slab + (pair & ((1 << PAIR_SLAB_SHIFT) - 1)) * PAIR_ROW_BYTES
  }

  pairName(pair: number): string {
    const row = this.pairRow(pair)
    const at = this.word(row)
    const nameLength = this.word(row + 4) >>> 16
    const start = at + varintBytes(nameLength)
    return this.bytes.toString('utf8', start, start + nameLength)
  }

  pairValue(pair: number): string {
    const { from, to } = this.pairValueBytes(pair)
    return this.bytes.toString('utf8', from, to)
  }

  /** Where in `bytes` a pair's value lies. */
  pairValueBytes(pair: number): { readonly from: number; readonly to: number } {
    const row = this.pairRow(pair)
    const at = this.word(row)
    const lengths = this.word(row + 4)
    const nameLength = lengths >>> 16
    let start = at + varintBytes(nameLength) + nameLength
    // The value's own length prefix: skip its bytes.
    while (this.bytes[start]! > 127) start++
    return { from: start + 1, to: at + (lengths & 0xffff) }
  }

  /** Name id of a pair. */
  pairNameId(pair: number): number {
    return this.word(this.pairRow(pair) + 8)
  }

  /** The next older pair of the same name, 0 at the end. */
  nextPair(pair: number): number {
    return this.word(this.pairRow(pair) + 12)
  }

  /** How many series have a pair. */
  postingsCount(pair: number): number {
    return (this.word(this.pairRow(pair) + 16) & ~POSTINGS_UNSORTED) >>> 0
  }

  /** Refs of the series that have a pair, ascending; a copy. */
  postings(pair: number): Uint32Array {
    const row = this.pairRow(pair) >>> 2
    const word = this.u32[row + 4]!
    const count = (word & ~POSTINGS_UNSORTED) >>> 0
    const refs = new Uint32Array(count)
    if (count === 1) refs[0] = this.u32[row + 5]!
    if (count < 2) return refs
    let block = this.u32[row + 5]! >>> 2
    let words = POSTINGS_FIRST
    for (let at = 0; at < count; ) {
      const entries = Math.min(words - 1, count - at)
      if (entries > 32) refs.set(this.u32.subarray(block + 1, block + 1 + entries), at)
      else for (let i = 0; i < entries; i++) refs[at + i] = this.u32[block + 1 + i]!
      at += entries
      block = this.u32[block]! >>> 2
      words = at < 4 ? POSTINGS_FIRST : Math.min(words * 2, POSTINGS_MAX)
    }
    if (count !== word) refs.sort()
    return refs
  }

  /** The tenant of a series. */
  tenantOf(ref: number): number {
    const first = this.u32[this.labelRow(ref) + 1]!
    return this.word(this.nameRow(this.pairNameId(first)) + 8)
  }

  private nameRow(name: number): number {
    const slab = this.word(NAME_DIRECTORY + (name >>> NAME_SLAB_SHIFT) * 4)
    return slab + (name & ((1 << NAME_SLAB_SHIFT) - 1)) * NAME_ROW_BYTES
  }

  nameText(name: number): string {
    const row = this.nameRow(name)
    return this.bytes.toString('utf8', this.word(row), this.word(row) + this.word(row + 4))
  }

  /** The next older name of the same tenant, 0 at the end. */
  nextName(name: number): number {
    return this.word(this.nameRow(name) + 12)
  }

  /** The newest pair of a name; go on with nextPair. */
  firstPair(name: number): number {
    return this.word(this.nameRow(name) + 16)
  }

  private tenantRow(tenant: number): number {
    return this.word(H_TENANTS) + tenant * TENANT_ROW_BYTES
  }

  tenantText(tenant: number): string {
    const row = this.tenantRow(tenant)
    return this.bytes.toString('utf8', this.word(row), this.word(row) + this.word(row + 4))
  }

  /** The pair whose postings are all series of a tenant. */
  allPair(tenant: number): number {
    return this.word(this.tenantRow(tenant) + 8)
  }

  /** The newest name of a tenant; go on with nextName. */
  firstName(tenant: number): number {
    return this.word(this.tenantRow(tenant) + 12)
  }

  /** Series of a tenant, those without samples included. */
  seriesCount(tenant: number): number {
    return this.word(this.tenantRow(tenant) + 16)
  }

  /** A series' labels as values. */
  labels(ref: number): Labels {
    return Array.from(this.pairs(ref), (pair) => ({
      name: this.pairName(pair),
      value: this.pairValue(pair),
    }))
  }
}

function varintBytes(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : 3
}
