/**
 * The head of a ring buffer: cursors, flags and counts, each on a cache line of its own, so that
 * the two threads never write to the same line.
 *
 *   byte   0  head        u32  read up to here; written by the reader
 *         64  tail        u32  written up to here; written by the writer
 *        128  sleeping    u32  1 while the reader waits for a message
 *        192  generation  u32, data size u32; written once
 *        256  writer's counts: frames u32, stalls u32, wakes u32
 *        320  reader's counts: sleeps u32
 *        384  data, a power of two
 *
 * Cursors run freely over u32; position = cursor & (size − 1); used = tail − head.
 */

/** Index of each word in an Int32Array over the buffer. */
export const HEAD = 0
export const TAIL = 16
export const SLEEPING = 32
export const GENERATION = 48
export const SIZE = 49
export const FRAMES = 64
export const STALLS = 65
export const WAKES = 66
export const SLEEPS = 80

/** Where the data area starts. */
export const HEADER_BYTES = 384

const SIZE_BYTES_MIN = 64
const SIZE_BYTES_MAX = 2 ** 30

/** What a ring buffer has seen, for /debug and metrics; read from any thread, never exact while in use. */
export interface RingStats {
  readonly generation: number
  readonly sizeBytes: number
  readonly usedBytes: number
  /** Frames committed so far, modulo 2^32. */
  readonly frames: number
  /** Reservations that found no room. */
  readonly stalls: number
  /** Doorbell messages posted. */
  readonly wakes: number
  /** Times that the reader went to sleep. */
  readonly sleeps: number
}

/**
 * Makes an empty ring buffer.
 *
 * @param sizeBytes of the data area, a power of two between 64 and 2^30
 * @param generation of the link, a u32; both ends can tell a stale ring by it
 * @throws RangeError when the size is not one of these
 */
export function createRingbuf(sizeBytes: number, generation: number): SharedArrayBuffer {
  const isPowerOfTwo = Number.isInteger(Math.log2(sizeBytes))
  if (!isPowerOfTwo || sizeBytes < SIZE_BYTES_MIN || sizeBytes > SIZE_BYTES_MAX) {
    throw new RangeError(`ring buffer of ${sizeBytes} bytes: not a power of two in [64, 2^30]`)
  }
  const buffer = new SharedArrayBuffer(HEADER_BYTES + sizeBytes)
  const words = new Int32Array(buffer, 0, HEADER_BYTES / 4)
  words[GENERATION] = generation
  words[SIZE] = sizeBytes
  return buffer
}

/** The link generation that a ring buffer was made for. */
export function generationOf(buffer: SharedArrayBuffer): number {
  return headerOf(buffer)[GENERATION]! >>> 0
}

/** The words of the header. Throws RangeError when the buffer is no ring buffer. */
export function headerOf(buffer: SharedArrayBuffer): Int32Array {
  const words = new Int32Array(buffer, 0, HEADER_BYTES / 4)
  if (words[SIZE] !== buffer.byteLength - HEADER_BYTES) {
    throw new RangeError(`not a ring buffer: ${buffer.byteLength} bytes, size ${words[SIZE]}`)
  }
  return words
}

/** Reads the counts of a ring buffer. */
export function ringStats(buffer: SharedArrayBuffer): RingStats {
  const words = headerOf(buffer)
  // Head first: a tail read later is never behind it.
  const head = Atomics.load(words, HEAD)
  const tail = Atomics.load(words, TAIL)
  return {
    generation: words[GENERATION]! >>> 0,
    sizeBytes: words[SIZE]!,
    usedBytes: Math.min((tail - head) >>> 0, words[SIZE]!),
    frames: words[FRAMES]! >>> 0,
    stalls: words[STALLS]! >>> 0,
    wakes: words[WAKES]! >>> 0,
    sleeps: words[SLEEPS]! >>> 0,
  }
}
