/** How much of the cores a thread gets when others want them too. Called by thread entries alone. */
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'

/** As `nice` has it: about a third of what others get on a core that both want. */
const LOWER = 5

/**
 * Lets the calling thread stand back where cores are short. On Linux, where threads have priorities
 * of their own; elsewhere nothing happens. False then.
 */
export function lowerThreadPriority(): boolean {
  if (process.platform !== 'linux') return false
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').pop())
    setPriority(thread, LOWER)
    return true
  } catch {
    // Forbidden in some containers: then all threads are alike.
    return false
  }
}
