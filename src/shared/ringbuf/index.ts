/**
 * A queue of frames between two threads: one writer, one reader, a SharedArrayBuffer between them.
 *
 * Promise: frames arrive whole, in order and once; a full ring refuses (the writer pushes back),
 * it never grows or overwrites; a reader that sleeps is woken by a message, and no wake-up is
 * lost. A ring belongs to one link generation: after a restart of either end a new one is made.
 */
export { Doorbell, type DoorbellPort } from './doorbell.js'
export { framesFitting } from './frame.js'
export { createRingbuf, generationOf, type RingStats, ringStats } from './header.js'
export { RingReader } from './reader.js'
export { RingWriter } from './writer.js'
