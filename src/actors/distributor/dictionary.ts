/**
 * Which series ids a link has defined: one bit per id, in the kernel's memory, where `attend` reads
 * it. The bit is set when the define is put into the open frame, and taken back when that frame is
 * given up, so that to everybody else it is set when the frame is committed (architecture §8.8).
 */
import type { ShardRegion, WriteRequestKernel } from '../../shared/kernels/write-request.js'

/** The ids defined on one link. */
export class Dictionary {
  private readonly kernel: WriteRequestKernel
  private readonly at: number

  constructor(kernel: WriteRequestKernel, shard: ShardRegion) {
    this.kernel = kernel
    this.at = shard.defined
  }

  has(id: number): boolean {
    return ((this.kernel.bytes[this.at + (id >>> 3)]! >>> (id & 7)) & 1) === 1
  }

  add(id: number): void {
    const at = this.at + (id >>> 3)
    this.kernel.bytes[at] = this.kernel.bytes[at]! | (1 << (id & 7))
  }

  /** Forgets ids whose defines were never committed. */
  remove(ids: readonly number[]): void {
    for (const id of ids) {
      const at = this.at + (id >>> 3)
      this.kernel.bytes[at] = this.kernel.bytes[at]! & ~(1 << (id & 7))
    }
  }

  /** A new generation of the link: nothing is defined. */
  clear(): void {
    this.kernel.bytes.fill(0, this.at, this.at + (this.kernel.sizes.seriesIdsMax >>> 3))
  }
}
