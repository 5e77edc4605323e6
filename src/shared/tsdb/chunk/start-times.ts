/**
 * Start times of samples in the encodings 4 to 6 (Prometheus tsdb/docs/format/chunks.md, "XOR2"):
 * a header byte, then a field after each sample that has one.
 */
import type { BitReader } from './bit-reader.js'

/** In the header byte: sample 0 has a start time; the low bits are the first later sample with one. */
const HAS_FIRST = 0x80

/** Reads the start times of one chunk, sample by sample. */
export class StartTimes {
  private readonly header: number
  private start = 0
  private distance = 0

  constructor(header: number) {
    this.header = header
  }

  /**
   * Reads what follows sample `index`.
   *
   * @param previousTime of the sample before, ms
   * @returns the sample's start time, 0 when it has none
   */
  take(reader: BitReader, index: number, time: number, previousTime: number): number {
    if (index === 0) {
      if ((this.header & HAS_FIRST) !== 0) this.start = time - reader.takeVarint()
      return this.start
    }
    const from = this.header & 0x7f
    if (from === 0 || index < from) return this.start
    this.distance = index === from ? reader.takeInt() : this.distance + reader.takeInt()
    this.start = previousTime - this.distance
    return this.start
  }
}
