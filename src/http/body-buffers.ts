/**
 * Buffers for bodies of pushes as they come, used again and again: their sizes are alike, and what
 * is allocated anew for each has to be collected, and be paged in.
 */
import { emptyList } from '../shared/base/empty-list.js'

/** Bytes of the smallest; each next kind is twice as large. */
const LEAST_BYTES = 64 << 10
/** Kinds that are kept, up to 1 MiB; and of all together so many bytes. */
const KINDS = 5
const KEPT_BYTES_MAX = 8 << 20

/** Lends buffers. */
export class BodyBuffers {
  private readonly free: Buffer[][] = Array.from({ length: KINDS }, () => emptyList())
  private kept = 0

  /** A buffer of at least so many bytes; what is in it is anything. */
  take(bytes: number): Buffer {
    const kind = kindOf(bytes)
    const known = this.free[kind]?.pop()
    if (known === undefined) return Buffer.allocUnsafeSlow(LEAST_BYTES << kind)
    this.kept -= known.length
    return known
  }

  /** Takes a buffer back that nobody reads any more. */
  give(buffer: Buffer): void {
    if (this.kept + buffer.length > KEPT_BYTES_MAX) return
    const kept = this.free[kindOf(buffer.length)]
    if (kept === undefined) return
    kept.push(buffer)
    this.kept += buffer.length
  }

  /** A larger buffer with the same first bytes, in place of one that is full. */
  grow(buffer: Buffer, bytes: number): Buffer {
    const larger = this.take(buffer.length * 2)
    buffer.copy(larger, 0, 0, bytes)
    this.give(buffer)
    return larger
  }
}

function kindOf(bytes: number): number {
  return Math.max(0, Math.ceil(Math.log2(bytes / LEAST_BYTES)))
}
