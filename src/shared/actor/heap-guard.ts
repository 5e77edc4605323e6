/**
 * Whether a pool's thread holds more on its heap than a task may. V8's own limit is no help here: a
 * worker that meets it in many small steps is ended, but one that meets it in a single large one
 * (an array or a map that grows) takes the whole process along. So tasks ask, and fail by
 * themselves, while V8's limit is twice as high.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Looks at the heap of the thread that made it. */
export class HeapGuard {
  readonly bytesMax: number
  private readonly collect: () => void

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
    this.collect = collector()
  }

  /**
   * Whether more than the limit is held; what is garbage does not count. Costs a microsecond, and a
   * collection of the whole heap where it is nearly full.
   */
  isFull(): boolean {
    if (used() <= this.bytesMax) return false
    this.collect()
    // Some room, or the next look would collect again.
    return used() > this.bytesMax * 0.9
  }
}

function used(): number {
  return getHeapStatistics().used_heap_size
}

/** V8 gives its collector only to contexts that are made while the flag is set. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  return gc
}
