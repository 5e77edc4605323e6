/**
 * The heartbeat of a thread: a word in shared memory that its event loop counts up, so that whoever
 * holds the word sees, without asking, that timers and messages still come to their turn there.
 */
import type { Timers } from '../env/index.js'

/** Milliseconds between two beats of a thread that is not busy. */
const BEAT_MS = 500

/** A heart that has not beaten yet. */
export function createHeart(): SharedArrayBuffer {
  return new SharedArrayBuffer(4)
}

/** Beats from now on, as long as the thread runs. */
export function beat(heart: SharedArrayBuffer, timers: Timers): void {
  const word = new Int32Array(heart)
  const next = (): void => {
    Atomics.add(word, 0, 1)
    timers.after(BEAT_MS, next)
  }
  next()
}

/** Beats so far; 0: the thread has not come to running anything. */
export function beatsOf(heart: SharedArrayBuffer): number {
  return Atomics.load(new Int32Array(heart), 0)
}
