/** min and max: NaN only where a group has nothing else. */
import type { StepMatrix } from '../columns.js'
import type { Accumulator } from './accumulator.js'

/** min */
export function minAccumulator(out: StepMatrix): Accumulator {
  return {
    add(group, values, base, present, wordBase) {
      const { steps, words, values: best, present: begun } = out
      for (let word = 0; word < words; word++) {
        let bits = present[wordBase + word]!
        let known = begun[group * words + word]!
        begun[group * words + word] = known | bits
        for (let i = word << 5; bits !== 0; i++, bits >>>= 1, known >>>= 1) {
          if ((bits & 1) === 0) continue
          const value = values[base + i]!
          const held = best[group * steps + i]!
          if ((known & 1) === 0 || held > value || held !== held) best[group * steps + i] = value
        }
      }
    },
    finish() {},
  }
}

/** max */
export function maxAccumulator(out: StepMatrix): Accumulator {
  return {
    add(group, values, base, present, wordBase) {
      const { steps, words, values: best, present: begun } = out
      for (let word = 0; word < words; word++) {
        let bits = present[wordBase + word]!
        let known = begun[group * words + word]!
        begun[group * words + word] = known | bits
        for (let i = word << 5; bits !== 0; i++, bits >>>= 1, known >>>= 1) {
          if ((bits & 1) === 0) continue
          const value = values[base + i]!
          const held = best[group * steps + i]!
          if ((known & 1) === 0 || held < value || held !== held) best[group * steps + i] = value
        }
      }
    },
    finish() {},
  }
}
