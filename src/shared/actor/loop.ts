/** The loop of an actor: turns while there is work, then sleep on the doorbell. */
import type { Timers } from '../env/index.js'
import type { Doorbell } from '../ringbuf/index.js'

/** An idle actor takes a turn this often all the same: what waits for time (expiry) is seen then. */
const IDLE_TURN_MS = 250

/** What a loop does and asks. */
export interface LoopParts {
  /** Does a bounded piece of work; false when there was none. */
  turn(): boolean
  /**
   * After a turn that worked: whether the next one has something to do though no frames wait. Without
   * it every such turn is followed by another, which costs a push a tenth of its CPU.
   */
  hasMore?(): boolean
  /** Looked at between turns; poke the doorbell after changing it. */
  isStopped(): boolean
}

/**
 * Runs turns until told to stop. Between two busy turns messages, sockets and timers are let in;
 * when there is nothing more to do and no frames wait, sleeps until the doorbell.
 */
export async function runLoop(parts: LoopParts, doorbell: Doorbell, timers: Timers): Promise<void> {
  const alarm = ringEvery(IDLE_TURN_MS, doorbell, timers)
  try {
    while (!parts.isStopped()) {
      if (parts.turn() && (parts.hasMore?.() ?? true)) {
        await timers.yieldNow()
        continue
      }
      // Frames that came meanwhile, or that no turn takes: do not go deaf over them.
      if (doorbell.isReady()) await timers.yieldNow()
      await doorbell.wait()
    }
  } finally {
    alarm.cancel()
  }
}

/** One alarm for the loop's life: a busy one sleeps a thousand times a second. */
function ringEvery(ms: number, doorbell: Doorbell, timers: Timers): { cancel(): void } {
  let timer = timers.after(ms, ring)
  function ring(): void {
    doorbell.poke()
    timer = timers.after(ms, ring)
  }
  return { cancel: () => timer.cancel() }
}
