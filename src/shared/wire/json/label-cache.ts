/**
 * Label sets as JSON, in the kernel's memory, so that a set is written once for all answers that
 * have it. Holds the sets of one LabelSource at a time, as many as fit.
 */
import { J_LABEL_BYTES, J_LABELS } from '../../kernels/json-layout.js'
import type { LabelSource } from './answer.js'
import { quoteLabel } from './quote.js'

/** Sets that are longer are written without the cache. */
const SET_TEXT_MAX = 20_000

/** Label sets as JSON, by set id. */
export class LabelCache {
  private readonly memory: Buffer
  private source: LabelSource | undefined
  /** [set] address, 0 where it is not there. */
  private addresses = new Uint32Array(1024)
  /** [set] bytes. */
  private lengths = new Uint32Array(1024)
  private at = J_LABELS

  constructor(bytes: Uint8Array) {
    this.memory = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Says whose sets are asked for from now on. */
  use(source: LabelSource): void {
    if (this.source === source) return
    this.source = source
    this.clear()
  }

  /** Forgets all sets: addresses that were given are not valid any more. */
  clear(): void {
    this.addresses.fill(0)
    this.at = J_LABELS
  }

  /** The address of a set's JSON, which is written when it is not there; 0 when it does not fit. */
  find(set: number): number {
    const known = this.addresses[set]
    if (known !== undefined && known !== 0) return known
    const text = this.text(set)
    if (text.length > SET_TEXT_MAX) return 0
    if (this.at + text.length * 3 > J_LABELS + J_LABEL_BYTES) return 0
    if (set >= this.addresses.length) this.grow(set)
    const address = this.at
    const length = this.memory.write(text, address, 'utf8')
    this.addresses[set] = address
    this.lengths[set] = length
    this.at += length
    return address
  }

  /** The bytes of a set that `find` has found. */
  lengthOf(set: number): number {
    return this.lengths[set]!
  }

  /** A set as JSON. */
  text(set: number): string {
    const source = this.source!
    let out = '{'
    let separator = ''
    for (const pair of source.pairs(set)) {
      out += `${separator}${quoteLabel(source.pairName(pair))}:${quoteLabel(source.pairValue(pair))}`
      separator = ','
    }
    return `${out}}`
  }

  private grow(set: number): void {
    const size = 2 ** (32 - Math.clz32(set + 1))
    const addresses = new Uint32Array(size)
    const lengths = new Uint32Array(size)
    addresses.set(this.addresses)
    lengths.set(this.lengths)
    this.addresses = addresses
    this.lengths = lengths
  }
}
