/**
 * The writing end of a ring buffer. Hot: one reserve and one commit per frame (bench/shared/ringbuf).
 *
 * Order of a commit: frame header, then the tail, then a look at *sleeping*. The reader stores
 * *sleeping* and then looks at the tail. Both are sequentially consistent, so at least one of the
 * two sees the other, and no wake-up is lost. (Each atomic step is a statement of its own: the test
 * puts a pause before every one of them and tries all interleavings.)
 */
import { FRAME_HEADER_BYTES, frameBytes, payloadBytesMax, WRAP } from './frame.js'
import {
  FRAMES,
  HEAD,
  HEADER_BYTES,
  headerOf,
  SIZE,
  SLEEPING,
  STALLS,
  TAIL,
  WAKES,
} from './header.js'

/** Puts frames into a ring buffer; the only writer of it. */
export class RingWriter {
  /** The data area: write a payload at the offset that `reserve` gave. */
  readonly data: Uint8Array
  /** Largest payload in bytes. */
  readonly frameBytesMax: number
  private readonly header: Int32Array
  private readonly words: Int32Array
  private readonly size: number
  private readonly ring: () => void
  private tail: number
  private headSeen: number
  /** Of the open reservation: where its frame starts, its payload, its kind; length −1: none. */
  private start = 0
  private length = -1
  private kind = 0
  /** Frames until the reader is woken: those of a hold, and how many have come of them. */
  private heldMax = 0
  private held = 0

  /**
   * @param buffer of `createRingbuf`; a second writer takes over where the first one committed last
   * @param ring posts the doorbell message; called only when the reader sleeps
   */
  constructor(buffer: SharedArrayBuffer, ring: () => void) {
    this.header = headerOf(buffer)
    this.size = this.header[SIZE]!
    this.data = new Uint8Array(buffer, HEADER_BYTES, this.size)
    this.words = new Int32Array(buffer, HEADER_BYTES, this.size / 4)
    this.frameBytesMax = payloadBytesMax(this.size)
    this.ring = ring
    this.tail = Atomics.load(this.header, TAIL)
    this.headSeen = Atomics.load(this.header, HEAD)
  }

  /**
   * Takes room for a frame. An earlier reservation that was not committed is given up.
   *
   * @param kind of the frame, a u31 that the reader is handed
   * @param bytes of payload
   * @returns offset into `data`, a multiple of 8, where exactly `bytes` may be written until
   *   `commit`; −1 when there is no room now
   * @throws RangeError when the payload is larger than `frameBytesMax`: it would never fit
   */
  reserve(kind: number, bytes: number): number {
    if (bytes < 0 || bytes > this.frameBytesMax) {
      throw new RangeError(`frame of ${bytes} bytes, the ring takes ${this.frameBytesMax} at most`)
    }
    this.length = -1
    const position = this.tail & (this.size - 1)
    const frame = frameBytes(bytes)
    const skip = this.size - position < frame ? this.size - position : 0
    const needed = skip + frame
    if (this.size - ((this.tail - this.headSeen) >>> 0) < needed) {
      this.headSeen = Atomics.load(this.header, HEAD)
      if (this.size - ((this.tail - this.headSeen) >>> 0) < needed) {
        this.header[STALLS] = this.header[STALLS]! + 1
        return -1
      }
    }
    if (skip !== 0) this.words[position >>> 2] = WRAP
    this.start = (this.tail + skip) | 0
    this.length = bytes
    this.kind = kind
    return (this.start & (this.size - 1)) + FRAME_HEADER_BYTES
  }

  /** Publishes the reserved frame; wakes the reader when it sleeps. */
  commit(): void {
    if (this.length < 0) throw new Error('ring buffer: commit without a reservation')
    const word = (this.start & (this.size - 1)) >>> 2
    this.words[word] = this.length
    this.words[word + 1] = this.kind
    this.tail = (this.start + frameBytes(this.length)) | 0
    this.length = -1
    this.header[FRAMES] = this.header[FRAMES]! + 1
    Atomics.store(this.header, TAIL, this.tail)
    if (this.heldMax > 0 && ++this.held < this.heldMax) return
    this.held = 0
    this.wake()
  }

  /**
   * From now on a sleeping reader is woken for every so many frames, not for each: it does the work of
   * several in one go, and wakes cost what many samples do. Whoever holds lets go as soon as it has
   * nothing more to write for now.
   */
  hold(framesMax: number): void {
    this.heldMax = framesMax
  }

  /** Ends a hold: wakes the reader when frames wait of which it was not told. */
  letGo(): void {
    this.heldMax = 0
    if (this.held === 0) return
    this.held = 0
    this.wake()
  }

  /** Wakes the reader when it sleeps. */
  private wake(): void {
    const sleeping = Atomics.load(this.header, SLEEPING)
    if (sleeping === 0) return
    const was = Atomics.compareExchange(this.header, SLEEPING, 1, 0)
    if (was === 0) return
    this.header[WAKES] = this.header[WAKES]! + 1
    this.ring()
  }

  /** Free bytes of the data area, frame headers and wrap loss included: a lower bound. */
  spare(): number {
    this.headSeen = Atomics.load(this.header, HEAD)
    return this.size - ((this.tail - this.headSeen) >>> 0)
  }
}
