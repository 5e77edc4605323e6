/**
 * Whether a pool's thread holds more on its heap than a task may. V8's own limit is no help here: a
 * worker that meets it in many small steps is ended, but one that meets it in a single large one
 * (an array or a map that grows) takes the whole process along. So tasks ask, and fail by
 * themselves, while V8's limit is twice as high.
 */
import { getHeapStatistics } from 'node:v8'
import { type Clock, openCollector } from '../env/index.js'

/**
 * Collections before a heap counts as full, and the time between them, ms. What was let go of stays
 * for a while at times, on a busy machine most: held, it seems, by the compiler on its own thread or
 * by a collection that had begun.
 */
const TRIES = 5
const PAUSE_MS = 20
/** A look is good for so long, ms: within it a thread makes a few megabytes. */
const LOOK_MS = 1

/** Looks at the heap of the thread that made it. */
export class HeapGuard {
  readonly bytesMax: number
  private readonly clock: Pick<Clock, 'monotonic'>
  private readonly collect: () => void
  private lookedMs = Number.NEGATIVE_INFINITY
  private readonly pause = new Int32Array(new SharedArrayBuffer(4))

  constructor(bytesMax: number, clock: Pick<Clock, 'monotonic'>) {
    this.bytesMax = bytesMax
    this.clock = clock
    this.collect = openCollector()
  }

  /**
   * Whether more than the limit is held; what is garbage does not count. Costs a few microseconds
   * each millisecond, and some collections of the whole heap where it is nearly full.
   */
  isFull(): boolean {
    const now = this.clock.monotonic()
    if (now - this.lookedMs < LOOK_MS) return false
    this.lookedMs = now
    if (used() <= this.bytesMax) return false
    for (let tries = 0; tries < TRIES; tries++) {
      if (tries > 0) Atomics.wait(this.pause, 0, 0, PAUSE_MS)
      this.collect()
      // Some room, or the next look would collect again.
      if (used() <= this.bytesMax * 0.9) return false
    }
    // The next look is to say so again.
    this.lookedMs = Number.NEGATIVE_INFINITY
    return true
  }
}

function used(): number {
  return getHeapStatistics().used_heap_size
}
