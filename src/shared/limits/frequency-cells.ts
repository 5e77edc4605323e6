/**
 * When things that may happen only so often happened last, in cells that all threads share: a number
 * per thing, its hash above and the time (ms since the epoch) in the lower 41 bits. What has no cell
 * left takes that of another one, which may then happen once more.
 */
import { xxhash64 } from '../base/xxhash64.js'

const CELLS = 4_096
const TIME_BITS = 41n
const TIME_MASK = (1n << TIME_BITS) - 1n
/** Cells that a thing may be in. */
const PROBES = 8

/** Makes the cells. */
export function createFrequencyCells(): SharedArrayBuffer {
  return new SharedArrayBuffer(CELLS * BigInt64Array.BYTES_PER_ELEMENT)
}

/** A thread's view. */
export class FrequencyCells {
  private readonly cells: BigInt64Array

  /** @param cells of createFrequencyCells; without them a thread is alone */
  constructor(cells: SharedArrayBuffer = createFrequencyCells()) {
    this.cells = new BigInt64Array(cells)
  }

  /** Whether a thing may happen now; if so, it has. */
  allow(thing: string, everyMs: number, nowMs: number): boolean {
    const hash = BigInt.asUintN(64, xxhash64(Buffer.from(thing)))
    const home = Number(hash % BigInt(CELLS))
    const tag = hash >> (TIME_BITS + 1n)
    const value = (tag << TIME_BITS) | (BigInt(Math.trunc(nowMs)) & TIME_MASK)
    for (let probe = 0; probe < PROBES; probe++) {
      const at = (home + probe) % CELLS
      const old = Atomics.load(this.cells, at)
      if (old !== 0n && old >> TIME_BITS !== tag) continue
      if (old !== 0n && nowMs - Number(old & TIME_MASK) < everyMs) return false
      if (Atomics.compareExchange(this.cells, at, old, value) === old) return true
      // Somebody was faster: look again, at the same cell.
      probe--
    }
    Atomics.store(this.cells, home, value)
    return true
  }
}
