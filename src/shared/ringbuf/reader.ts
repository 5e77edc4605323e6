/**
 * The reading end of a ring buffer. Hot: one `next` per frame, one `release` per drain
 * (bench/shared/ringbuf). The protocol stands in writer.ts; what the writer left is checked here
 * again before it is believed.
 */
import { FRAME_HEADER_BYTES, frameBytes, WRAP } from './frame.js'
import { HEAD, HEADER_BYTES, headerOf, SIZE, SLEEPING, SLEEPS, TAIL } from './header.js'

/** Takes frames from a ring buffer; the only reader of it. */
export class RingReader {
  /** The data area. */
  readonly data: Uint8Array
  /** Kind of the frame taken last. */
  kind = 0
  /** Where its payload starts in `data`, a multiple of 8; valid until `release`. */
  offset = 0
  /** Its payload's bytes. */
  length = 0
  /**
   * Set by the owner while it takes no frames from here (it pushes back): a doorbell then neither
   * waits for this reader nor returns at once because frames lie in it.
   */
  isPaused = false
  private readonly header: Int32Array
  private readonly words: Int32Array
  private readonly size: number
  private cursor: number
  /** Where the frame taken last starts, or what is left unused before it. */
  private before: number
  private tailSeen: number

  /** @param buffer of `createRingbuf`; reading starts at the oldest frame not released */
  constructor(buffer: SharedArrayBuffer) {
    this.header = headerOf(buffer)
    this.size = this.header[SIZE]!
    this.data = new Uint8Array(buffer, HEADER_BYTES, this.size)
    this.words = new Int32Array(buffer, HEADER_BYTES, this.size / 4)
    this.cursor = Atomics.load(this.header, HEAD)
    this.before = this.cursor
    this.tailSeen = this.cursor
  }

  /**
   * Takes the next frame: sets `kind`, `offset` and `length`.
   *
   * @returns false when the ring is empty
   * @throws Error when the ring is damaged (an invariant of ours broke)
   */
  next(): boolean {
    if (this.cursor === this.tailSeen) {
      this.tailSeen = Atomics.load(this.header, TAIL)
      if (this.cursor === this.tailSeen) return false
    }
    this.before = this.cursor
    let position = this.cursor & (this.size - 1)
    let length = this.words[position >>> 2]!
    if (length === WRAP) {
      this.cursor = (this.cursor + this.size - position) | 0
      position = 0
      length = this.words[0]!
    }
    const frame = frameBytes(length)
    if (length < 0 || frame > (this.tailSeen - this.cursor) >>> 0) {
      throw new Error(`ring buffer damaged: frame of ${length} bytes at ${position}`)
    }
    this.kind = this.words[(position >>> 2) + 1]!
    this.offset = position + FRAME_HEADER_BYTES
    this.length = length
    this.cursor = (this.cursor + frame) | 0
    return true
  }

  /** Puts the frame taken last back; `next` takes it again. Not after a `release`, nor twice. */
  putBack(): void {
    this.cursor = this.before
  }

  /** Gives the room of all frames taken so far back to the writer. */
  release(): void {
    Atomics.store(this.header, HEAD, this.cursor)
  }

  /** Whether frames wait that were not taken yet. */
  hasFrames(): boolean {
    if (this.cursor !== this.tailSeen) return true
    this.tailSeen = Atomics.load(this.header, TAIL)
    return this.cursor !== this.tailSeen
  }

  /**
   * Says that from now on a message must be posted for the next frame.
   *
   * @returns false when frames came in meanwhile: do not sleep. (The writer may have posted a
   *   message all the same; a stale one is harmless.)
   */
  prepareSleep(): boolean {
    if (this.cursor !== this.tailSeen) return false
    Atomics.store(this.header, SLEEPING, 1)
    this.tailSeen = Atomics.load(this.header, TAIL)
    if (this.cursor === this.tailSeen) {
      this.header[SLEEPS] = this.header[SLEEPS]! + 1
      return true
    }
    Atomics.store(this.header, SLEEPING, 0)
    return false
  }

  /** Takes `prepareSleep` back. */
  cancelSleep(): void {
    Atomics.store(this.header, SLEEPING, 0)
  }
}
