/** Gives back what only a start needed, once nobody is kept waiting by it. */
import type { Timers } from '../env/index.js'

/** How long nothing must have happened, ms. */
const IDLE_MS = 8_000

/**
 * Collects once, when nothing has been done for eight seconds. What was practised at the start stays
 * compiled until then: V8 drops code with the objects that it was made for, and those that came since
 * keep it.
 *
 * @param done counts what was done, whatever it be
 */
export function collectWhenIdle(timers: Timers, done: () => number, collect: () => void): void {
  const look = (before: number): void => {
    timers.after(IDLE_MS, () => {
      const now = done()
      if (now === before) collect()
      else look(now)
    })
  }
  look(done())
}
