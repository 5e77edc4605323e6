/**
 * Seeded randomness: xoshiro128** (Blackman and Vigna, 2018), its state filled by splitmix32. For
 * tests, simulations and benchmarks, where one seed replays a run; never for keys or ids that
 * others must not guess (the real Env takes those from the system).
 */

/** A stream of u32 that its seed decides. */
export class SeededPrng {
  private readonly state = new Uint32Array(4)

  /** @param seed any u32; equal seeds give equal streams */
  constructor(seed: number) {
    let mixed = seed >>> 0
    for (let at = 0; at < 4; at++) {
      mixed = (mixed + 0x9e3779b9) >>> 0
      let word = mixed
      word = Math.imul(word ^ (word >>> 16), 0x21f0aaad)
      word = Math.imul(word ^ (word >>> 15), 0x735a2d97)
      this.state[at] = word ^ (word >>> 15)
    }
  }

  /** The next u32. */
  nextU32(): number {
    const state = this.state
    const product = Math.imul(state[1]!, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const shifted = state[1]! << 9
    state[2]! ^= state[0]!
    state[3]! ^= state[1]!
    state[1]! ^= state[2]!
    state[0]! ^= state[3]!
    state[2]! ^= shifted
    state[3] = (state[3]! << 11) | (state[3]! >>> 21)
    return result
  }

  /** Fills with bytes of the stream. */
  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at++) bytes[at] = this.nextU32() >>> 24
  }

  /** A whole number in [0, bound); bound is at most 2^32. */
  below(bound: number): number {
    return Math.floor((this.nextU32() / 2 ** 32) * bound)
  }

  /** A fraction in [0, 1) with 32 random bits. */
  fraction(): number {
    return this.nextU32() / 2 ** 32
  }
}
