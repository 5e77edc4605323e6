/**
 * Frees what the bodies of pushes leave behind. Node copies every piece of a body into an
 * ArrayBuffer, which lies outside the heap and goes when its small handle is collected. Handles
 * fill the young generation slowly (some 10 KB of heap a body, 16 MB to fill), so the buffers of
 * hundreds of bodies pile up until V8, which counts them, marks the whole heap instead: a sixth of
 * the process' CPU under a push stream, and 30 MB. So a young collection (0.2 ms) is asked for
 * whenever bodies of a few MiB have been answered.
 */
import { openCollector } from '../shared/env/index.js'

/** Bytes of answered bodies between two collections. */
const COLLECT_BYTES = 4 << 20

/** Asks V8 for a young collection whenever enough has been let go. */
export class BodyGarbage {
  private readonly collect: () => void
  private bytes = 0

  /** @param collect collects the young generation, and nothing else */
  constructor(collect: () => void = youngCollector()) {
    this.collect = collect
  }

  /** Bytes of a body that nobody will read again. */
  letGo(bytes: number): void {
    this.bytes += bytes
    if (this.bytes < COLLECT_BYTES) return
    this.bytes = 0
    this.collect()
  }
}

function youngCollector(): () => void {
  const collect = openCollector()
  return () => collect({ type: 'minor' })
}
