/** The loop of an actor: turns while there is work, then sleep on the doorbell. */
import type { Timers } from '../env/index.js'
import type { Doorbell } from '../ringbuf/index.js'

/** An idle actor takes a turn this often all the same: what waits for time (expiry) is seen then. */
const IDLE_TURN_MS = 250

/**
 * Runs turns until told to stop. Between two busy turns messages, sockets and timers are let in;
 * when a turn found nothing to do and no frames wait, sleeps until the doorbell.
 *
 * @param turn does a bounded piece of work; false when there was none
 * @param isStopped looked at between turns; poke the doorbell after changing it
 */
export async function runLoop(
  turn: () => boolean,
  doorbell: Doorbell,
  timers: Timers,
  isStopped: () => boolean,
): Promise<void> {
  const alarm = ringEvery(IDLE_TURN_MS, doorbell, timers)
  try {
    while (!isStopped()) {
      if (turn()) {
        await timers.yieldNow()
        continue
      }
      // Frames that no turn takes (a reader that should be paused): do not go deaf over them.
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
