/** Gives back what only a start needed, once nobody is kept waiting by it. */
import type { Timers } from '../env/index.js'

/** How long nothing must have happened: looks in a row, and the time between them, ms. */
const IDLE_LOOKS = 8
const LOOK_MS = 1_000

/**
 * Collects once, when nothing has been done for eight seconds. What was practised at the start stays
 * compiled until then: V8 drops code with the objects that it was made for, and those that came since
 * keep it.
 *
 * @param done counts what was done, whatever it be
 */
export function collectWhenIdle(timers: Timers, done: () => number, collect: () => unknown): void {
  const look = (before: number, quiet: number): void => {
    if (quiet === IDLE_LOOKS) {
      collect()
      return
    }
    timers.after(LOOK_MS, () => {
      const now = done()
      look(now, now === before ? quiet + 1 : 0)
    })
  }
  look(done(), 0)
}
